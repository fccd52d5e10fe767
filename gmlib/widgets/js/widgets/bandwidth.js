// A kernel density estimate over the law that its points came from; below it, three likelihoods against the bandwidth.
import { button, check, choice, number, readout, select, slider } from "../controls.js";
import { curve } from "../draw.js";
import { best, density, entropy, kernelAt, moments, nll, ownNll, sample } from "../kde.js";
import { random } from "../random.js";
import { clamp } from "../scale.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const MOST = 200;
const TEST = 300;
const STEPS = { gaussian: 80, boxcar: 240 }; // of the curves: a boxcar's jump
const LINES = [
  { name: "train", colour: "red", label: "train" },
  { name: "left", colour: "blue", label: "leave-one-out" },
  { name: "test", colour: "green", label: "test" },
];

const nats = (v) => (Number.isFinite(v) ? number(v, 3) : "∞");

export default widget("bandwidth", "Bandwidth", (view) => {
  const laws = view.get("laws");
  const [low, high] = view.get("bandwidth_range");
  const set = (bandwidth) => view.set({ bandwidth: clamp(bandwidth, low, high) });
  const said = () => ({ low, high, now: view.get("bandwidth"), text: `ℓ = ${number(view.get("bandwidth"), 3)}` });

  const pictures = view.make("div", "", view.body);
  const upper = new Stage(view, {
    label: "The kernel density estimate as a curve over the true density as an area, with a small kernel on every training point.",
    height: (width) => clamp(0.42 * width, 230, 290),
    margin: { left: 12, right: 12, top: 42, bottom: 28 },
  });
  const lower = new Stage(view, {
    label: "Negative log-likelihood of training points, left-out points and test points against the bandwidth; the least leave-one-out value is marked.",
    height: () => 250,
    margin: { left: 34, right: 14, top: 32, bottom: 30 },
  });
  pictures.append(upper.element, lower.element);

  const panel = view.make("div", "gm-w-panel", view.body);
  const pair = view.make("div", "gm-w-pair", panel);
  slider(view, pair, { trait: "bandwidth", label: "bandwidth ℓ", low, high, scale: "log", format: (v) => number(v, 3) });
  slider(view, pair, { trait: "n", label: "training points n", low: 5, high: MOST, step: 1, scale: "log", parts: 60, format: (v) => `${v}` });
  choice(view, pair, { trait: "kernel", label: "kernel", options: [["gaussian", "Gaussian"], ["boxcar", "boxcar"]] });
  select(view, pair, { trait: "law", label: "points from", options: Object.entries(laws).map(([name, { label }]) => [name, label]) });
  const row = view.make("div", "gm-w-row", panel);
  button(view, row, { label: "Best leave-one-out", press: () => set(measured().best.bandwidth) });
  button(view, row, { label: "New draws", press: () => view.set({ seed: view.get("seed") + 1 }) });
  check(view, row, { trait: "truth", label: "true density" });
  check(view, row, { trait: "kernels", label: "kernels" });
  const lists = view.make("div", "gm-w-pair", panel);
  const likelihoods = readout(view, lists, [
    ["train NLL, nats a point"], ["leave-one-out NLL"], [`test NLL, ${TEST} points`], ["entropy of the law"], ["least leave-one-out NLL", "total"], ["at ℓ ="],
  ]);
  const exactly = readout(view, lists, [["mean of the sample, and of the estimate"], ["variance S of the sample"], ["+ ℓ² (boxcar: ℓ²/3)"], ["= variance of the estimate", "total"]]);

  upper.handle({
    name: "bandwidth ℓ, as a length",
    kind: "gm-w-orange",
    get: () => [upper.x.domain()[0] + view.get("bandwidth"), upper.y.domain()[1]],
    move: ([x]) => set(x - upper.x.domain()[0]),
    step: 0.02,
    value: said,
  });
  lower.handle({
    name: "bandwidth ℓ, on the leave-one-out curve",
    kind: "gm-w-orange",
    get: () => [Math.log10(view.get("bandwidth")), clamp(now.left.value, ...lower.y.domain())],
    move: ([x]) => set(10 ** x),
    step: 0.01,
    value: said,
  });

  const cache = {};
  const kept = (name, key, make) => (cache[name]?.key === key ? cache[name] : (cache[name] = { key, ...make() }));
  // The draws of a law and a seed, of which the first n are for training.
  const drawn = () => {
    const [name, seed] = [view.get("law"), view.get("seed")];
    return kept("drawn", `${name} ${seed}`, () => {
      const law = laws[name];
      const all = sample(law, MOST + TEST, random(seed));
      return { law, train: all.subarray(0, MOST), test: all.subarray(MOST), entropy: entropy(law) };
    });
  };
  const points = () => drawn().train.subarray(0, clamp(view.get("n"), 5, MOST));
  // Everything that does not depend on the bandwidth.
  const measured = () => {
    const { key, test } = drawn();
    const [n, kernel] = [view.get("n"), view.get("kernel")];
    return kept("measured", `${key} ${n} ${kernel}`, () => {
      const train = points();
      const steps = STEPS[kernel];
      const xs = Float64Array.from({ length: steps + 1 }, (_, i) => Math.log10(low) + (i / steps) * Math.log10(high / low));
      const own = Array.from(xs, (x) => ownNll(train, 10 ** x, kernel));
      return {
        xs,
        train: own.map((one) => one.train.value),
        left: own.map((one) => one.left.value),
        test: Array.from(xs, (x) => nll(train, test, 10 ** x, kernel).value),
        best: best(train, kernel, low, high),
      };
    });
  };
  let now = { left: { value: 0 } };

  view.draw(() => {
    const [bandwidth, kernel, n] = ["bandwidth", "kernel", "n"].map((trait) => view.get(trait));
    const { test, entropy: floor } = drawn();
    const train = points();
    const curves = measured();
    now = { ...ownNll(train, bandwidth, kernel), test: nll(train, test, bandwidth, kernel) };
    const m = moments(train, bandwidth, kernel);
    estimate(view, upper, drawn().law, train, bandwidth, kernel);
    against(view, lower, curves, now, floor, bandwidth, [low, high]);
    const counted = ({ value, missed }) => (missed ? `∞ (${missed} at density 0)` : nats(value));
    likelihoods(nats(now.train.value), counted(now.left), counted(now.test), nats(floor), nats(curves.best.value), number(curves.best.bandwidth, 3));
    exactly(...[m.mean, m.sampled, m.added, m.variance].map((v) => number(v, 3)));
    view.say(
      `${n} points from ${drawn().law.label}, ${kernel === "boxcar" ? "boxcar" : "Gaussian"} kernel, bandwidth ${number(bandwidth, 3)}. ` +
        `Negative log-likelihood in nats a point: train ${spoken(now.train)}, leave-one-out ${spoken(now.left)}, test ${spoken(now.test)}; ` +
        `entropy of the law ${nats(floor)}. The least leave-one-out value, ${spoken(curves.best)}, is at ${number(curves.best.bandwidth, 3)}. ` +
        `The estimate has mean ${number(m.mean, 3)} and variance ${number(m.variance, 3)}.`,
    );
  });
});

const spoken = ({ value }) => (Number.isFinite(value) ? number(value, 3) : "infinite");

function estimate(view, stage, law, points, bandwidth, kernel) {
  const { colours } = view;
  const reach = (sign) => law.means.map((m, k) => m + sign * 3.6 * law.stds[k]);
  const [left, right] = [Math.min(...reach(-1)), Math.max(...reach(1))];
  stage.x.domain([left, right]);
  const places = (from, to, n) => Float64Array.from({ length: n + 1 }, (_, i) => from + (i / n) * (to - from));
  const xs = places(left, right, 900);
  const truth = xs.map((x) => density(law, x));
  const ys = average(points, xs, bandwidth, kernel);
  const peak = Math.max(...truth);
  // The axis follows the estimate only when it outgrows the picture, and not without end.
  stage.y.domain([0, Math.max(1.35 * peak, Math.min(1.1 * Math.max(...ys), 2.4 * peak))]);
  const c = stage.begin();
  stage.axes({ ticks: [7, 0] });
  if (view.get("truth")) curve(stage, xs, truth, { colour: colours.faint, width: 1.2, fill: 0.2 });
  if (view.get("kernels")) {
    const u = kernel === "boxcar" ? Float64Array.of(-1, -1, 1, 1) : places(-3.5, 3.5, 40);
    const v = kernel === "boxcar" ? [0, 1, 1, 0].map((on) => on * kernelAt(0, 1, kernel)) : u.map((t) => kernelAt(t, 1, kernel));
    const shape = Float64Array.from(v, (height) => height / (bandwidth * points.length));
    stage.inside(() => {
      c.globalAlpha = points.length > 60 ? 0.35 : 0.6;
      for (const x of points) line(stage, u.map((t) => x + bandwidth * t), shape, colours.orange);
    });
  }
  curve(stage, xs, ys, { colour: colours.blue, width: 2.4 });
  const base = stage.y(0);
  stage.inside(() => {
    c.strokeStyle = colours.ink;
    c.lineWidth = 1;
    c.globalAlpha = points.length > 60 ? 0.5 : 0.9;
    for (const x of points) stroke(c, [stage.x(x), base], [stage.x(x), base - 7]);
  });
  // The bandwidth as a length.
  const up = stage.y(stage.y.domain()[1]);
  const [from, to] = [stage.x(left), stage.x(left + bandwidth)];
  c.strokeStyle = colours.orange;
  c.lineWidth = 3;
  stroke(c, [from, up], [to, up]);
  stroke(c, [from, up - 6], [from, up + 6]);
  c.textBaseline = "middle";
  c.textAlign = "left";
  c.fillStyle = colours.ink;
  c.fillText(`ℓ = ${number(bandwidth, 3)}`, to + 17, up);
  stage.legend([["estimate", "blue"], ...(view.get("truth") ? [["truth", "faint"]] : [])], { from: 4 });
  stage.place();
}

// The average kernel on the grid xs.
function average(points, xs, bandwidth, kernel) {
  const ys = new Float64Array(xs.length);
  const reach = kernel === "boxcar" ? bandwidth : 8 * bandwidth;
  const gap = xs[1] - xs[0];
  for (const point of points) {
    const first = Math.max(0, Math.ceil((point - reach - xs[0]) / gap));
    const last = Math.min(xs.length - 1, Math.floor((point + reach - xs[0]) / gap));
    for (let i = first; i <= last; i++) ys[i] += kernelAt(xs[i] - point, bandwidth, kernel) / points.length;
  }
  return ys;
}

function line(stage, xs, ys, colour) {
  const { context: c } = stage;
  c.strokeStyle = colour;
  c.lineWidth = 1;
  stroke(c, ...Array.from(xs, (x, i) => [stage.x(x), stage.y(ys[i])]));
}

function against(view, stage, curves, now, floor, bandwidth, [low, high]) {
  const { colours } = view;
  stage.x.domain([Math.log10(low), Math.log10(high)]);
  // Few points can by luck lie closer together than the law lets expect.
  stage.y.domain([Math.min(floor - 1, Number.isFinite(curves.best.value) ? curves.best.value - 0.6 : floor), floor + 1.25]);
  const c = stage.begin();
  const [top, bottom] = [stage.margin.top, stage.height - stage.margin.bottom];
  const [left, right] = [stage.margin.left, stage.width - stage.margin.right];
  stage.axes({ ticks: [0, 5], names: ["", "NLL"] });
  c.fillStyle = colours.faint;
  c.textAlign = "center";
  c.textBaseline = "top";
  for (const tick of [0.03, 0.1, 0.3, 1, 3]) {
    const at = stage.x(Math.log10(tick));
    c.strokeStyle = colours.grid;
    stroke(c, [at, bottom], [at, bottom + 4]);
    c.fillText(tick === 0.03 ? "ℓ = 0.03" : `${tick}`, Math.max(at, tick === 0.03 ? 26 : 0), bottom + 8);
  }
  c.strokeStyle = colours.faint;
  c.lineWidth = 1.2;
  c.setLineDash([2, 4]);
  stroke(c, [left, stage.y(floor)], [right, stage.y(floor)]);
  c.setLineDash([]);
  c.textAlign = "left";
  c.textBaseline = "bottom";
  c.fillText("entropy", left + 4, stage.y(floor) - 3);
  // The moving marker.
  const here = Math.log10(bandwidth);
  c.strokeStyle = colours.orange;
  c.lineWidth = 1.5;
  stroke(c, [stage.x(here), top], [stage.x(here), bottom]);
  for (const { name, colour } of LINES) {
    // An infinite value has no place: a boxcar's curve begins where every point is covered.
    const seen = [...curves.xs.keys()].filter((i) => Number.isFinite(curves[name][i]));
    if (seen.length > 1) {
      curve(stage, seen.map((i) => curves.xs[i]), seen.map((i) => curves[name][i]), { colour: colours[colour], width: 2 });
    }
    c.fillStyle = colours[colour];
    stage.inside(() => {
      if (!Number.isFinite(now[name].value)) return;
      c.beginPath();
      c.arc(stage.x(here), stage.y(now[name].value), 4, 0, 7);
      c.fill();
    });
  }
  stage.legend(LINES.map(({ label, colour }) => [label, colour]), { from: 4 });
  if (Number.isFinite(curves.best.value)) {
    const [x, y] = [stage.x(Math.log10(curves.best.bandwidth)), stage.y(curves.best.value)];
    c.strokeStyle = colours.ink;
    c.lineWidth = 1.5;
    c.setLineDash([5, 3]);
    stroke(c, [x, y], [x, bottom]);
    c.setLineDash([]);
    c.fillStyle = colours.paper;
    c.lineWidth = 2.5;
    c.beginPath();
    c.arc(x, y, 5, 0, 7);
    c.fill();
    c.stroke();
    c.fillStyle = colours.ink;
    c.textAlign = x > stage.width - 150 ? "right" : "left";
    c.textBaseline = "bottom";
    c.fillText(`least at ${number(curves.best.bandwidth, 3)}`, x + (c.textAlign === "left" ? 7 : -7), bottom - 5);
  }
  stage.place();
}
