// A target of two bumps and one normal law q: both divergences, and where each has its minima.
import { button, number, readout, slider } from "../controls.js";
import { contourLines, curve, heatMap } from "../draw.js";
import { TwoBumps } from "../projection.js";
import { clamp } from "../scale.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const EDGE = 5.5; // of the target's picture, either side
const H = 0.12; // spacing of the maps
const LEVELS = [8, 4, 2, 1, 0.5, 0.25, 0.1]; // nats at the contour lines
const WIDTHS = [0.25, 0.5, 1, 2, 4];

// The maps' upward axis: two units for each doubling of the width, so that both axes have about the same length.
const up = (std) => 2 * Math.log2(std);
const bell = (mean, std, x) => Math.exp(-0.5 * ((x - mean) / std) ** 2) / (std * Math.sqrt(2 * Math.PI));
// How far out the handle of the width stands: at two standard deviations, where a finger does not take it for that of the
// mean; wide ones are drawn in, so that it never leaves the picture.
const outwards = (mean, std) => (EDGE - mean) * (1 - Math.exp((-2 * std) / (EDGE - mean)));
const widthAt = (mean, out) => (out < EDGE - mean ? -0.5 * (EDGE - mean) * Math.log1p(-out / (EDGE - mean)) : Infinity);
const near = (one, other) => Math.abs(one.mean - other.mean) + Math.abs(Math.log(one.std / other.std)) < 1e-6;

export default widget("two-bumps", "Two-bump target, one Gaussian", (view) => {
  const [low, high] = view.get("mean_range");
  const [narrow, wide] = view.get("std_range");
  const q = () => ({ mean: view.get("mean"), std: view.get("std") });
  const go = ({ mean, std }) => view.set({ mean: clamp(mean, low, high), std: clamp(std, narrow, wide) });
  const side = Math.ceil(high / H + 1);
  const grid = { x0: -side * H, h: H, nx: 2 * side + 1, y0: up(narrow) - H, ny: Math.ceil((up(wide) - up(narrow)) / H) + 3 };

  const upper = new Stage(view, {
    label: "The target density of two bumps as an area and the density of q as a curve with two handles; bars below show the minima.",
    height: (width) => clamp(0.42 * width, 246, 310),
    margin: { left: 10, right: 10, top: 12, bottom: 80 },
  });
  view.body.append(upper.element);
  const pictures = view.make("div", "gm-w-pair", view.body);
  const margin = { left: 40, right: 12, top: 26, bottom: 30 };
  const [forward, reverse] = ["forward", "reverse"].map((name) => {
    const stage = new Stage(view, {
      label: `Map of the ${name} divergence over mean and width of q: darker is smaller; rings mark the minima.`,
      height: (width) => clamp(0.9 * width, 250, 330),
      margin,
    });
    stage.x.domain([low, high]);
    stage.y.domain([up(narrow), up(wide)]);
    stage.handle({
      name: () => `q on the ${name} map: mean ${number(q().mean)}, width ${number(q().std, 3)}`,
      kind: "gm-w-red",
      get: () => [q().mean, up(q().std)],
      move: ([x, y]) => go({ mean: x, std: 2 ** (y / 2) }),
      step: 0.1,
    });
    pictures.append(stage.element);
    return stage;
  });

  const panel = view.make("div", "gm-w-panel", view.body);
  const pair = view.make("div", "gm-w-pair", panel);
  slider(view, pair, { trait: "mean", label: "mean of q", low, high, format: (v) => number(v) });
  slider(view, pair, { trait: "std", label: "standard deviation of q", low: narrow, high: wide, scale: "log", format: (v) => number(v, 3) });
  slider(view, pair, { trait: "weight", label: "weight of the left bump", low: 0.05, high: 0.95, format: (v) => number(v) });
  slider(view, pair, { trait: "centre", label: "distance c of the bumps from 0", low: 0, high: 3, step: 0.05, format: (v) => number(v) });
  const row = view.make("div", "gm-w-row", panel);
  button(view, row, { label: "Forward minimum", press: () => go(law().moments) });
  button(view, row, {
    label: "Next reverse minimum",
    press: () => {
      const { minima } = law();
      go(minima[(minima.findIndex((one) => near(one, q())) + 1) % minima.length]);
    },
  });
  view.make("p", "gm-w-hint", row).textContent = "Rings: minima, dashed where another one is lower. Lines: 0.1, 0.25, 0.5, 1, 2, 4, 8 nats.";
  const lists = view.make("div", "gm-w-pair", panel);
  const ahead = readout(view, lists, [["forward KL(p‖q), nats"], ["least, at the moments of p"], ["mean of p"], ["standard deviation of p"]]);
  const back = readout(view, lists, [["reverse KL(q‖p), nats"], ["least of all"], ["at mean and width"], ["its other minima"]]);

  const stepped = (x, s) => Number((Math.round(x / s) * s).toFixed(6));
  upper.handle({
    name: "mean of q",
    kind: "gm-w-red",
    get: () => [q().mean, Math.min(bell(0, q().std, 0), upper.y.domain()[1])],
    move: ([x]) => view.set({ mean: clamp(stepped(x, 0.01), low, high) }),
    step: 0.05,
    value: () => ({ low, high, now: q().mean, text: number(q().mean) }),
  });
  upper.handle({
    name: "standard deviation of q",
    kind: "gm-w-red gm-w-ring",
    get: () => [q().mean + outwards(q().mean, q().std), bell(0, q().std, outwards(q().mean, q().std))],
    move: ([x]) => view.set({ std: clamp(stepped(widthAt(q().mean, x - q().mean), 0.005), narrow, wide) }),
    step: 0.04,
    value: () => ({ low: narrow, high: wide, now: q().std, text: number(q().std, 3) }),
  });
  let kept = {};
  const law = () => {
    const [weight, centre, variance] = ["weight", "centre", "variance"].map((trait) => view.get(trait));
    const key = `${weight} ${centre} ${variance}`;
    if (kept.key === key) return kept;
    const p = new TwoBumps({ weight, centre, variance });
    const values = p.reverseMap(grid);
    const other = Float64Array.from(values, (_, at) => p.forward(grid.x0 + H * (at % grid.nx), 2 ** ((grid.y0 + H * Math.floor(at / grid.nx)) / 2)));
    const minima = p.minima(grid, values);
    return (kept = { key, p, moments: p.moments, minima, forward: shades(other), reverse: shades(values) });
  };

  const xs = Float64Array.from({ length: 500 }, (_, i) => EDGE * (i / 249.5 - 1));
  view.draw(() => {
    const { mean, std } = q();
    const { p, moments, minima } = law();
    const now = { forward: p.forward(mean, std), reverse: p.reverse(mean, std) };
    densities(view, upper, p, minima, xs, mean, std);
    map(view, forward, law().forward, grid, `KL(p‖q), forward: ${number(now.forward, 3)}`, [{ ...moments, least: true }]);
    const marks = minima.map((one) => ({ ...one, least: isLeast(one, minima) }));
    map(view, reverse, law().reverse, grid, `KL(q‖p), reverse: ${number(now.reverse, 3)}`, marks);
    const others = minima.slice(1).map(({ value }) => number(value, 3));
    const pairOf = (one) => `${number(one.mean)}, ${number(one.std, 3)}`;
    ahead(number(now.forward, 3), number(p.least, 3), number(moments.mean, 3), number(moments.std, 3));
    back(number(now.reverse, 3), number(minima[0].value, 3), pairOf(minima[0]), others.join(" and ") || "none");
    view.say(
      `q has mean ${number(mean)} and standard deviation ${number(std, 3)}. Forward divergence ${number(now.forward, 3)} nats, at least ` +
        `${number(p.least, 3)} at mean ${number(moments.mean)}, deviation ${number(moments.std, 3)}. Reverse divergence ${number(now.reverse, 3)} nats; ` +
        `minima: ${minima.map((one) => `${number(one.value, 3)} at mean ${number(one.mean)}, deviation ${number(one.std, 3)}`).join("; ")}.`,
    );
  });
});

const isLeast = (one, minima) => one.value < minima[0].value + 1e-9;

// What a map is drawn from: colour by e^-KL, lines by 1 / (1 + KL), along which straight pieces are a good approximation.
const shades = (values) => ({ heat: values.map((v) => Math.exp(-v)), lines: values.map((v) => 1 / (1 + v)) });

function densities(view, stage, p, minima, xs, mean, std) {
  const { colours } = view;
  const target = xs.map((x) => Math.exp(p.logDensity(x)));
  const top = Math.max(...target);
  stage.x.domain([-EDGE, EDGE]);
  // The axis follows q only when it outgrows the picture.
  stage.y.domain([0, 1.15 * Math.max(top, Math.min(bell(0, std, 0), 2 * top))]);
  const c = stage.begin();
  stage.axes({ ticks: [7, 0] });
  curve(stage, xs, target, { colour: colours.blue, width: 1.5, fill: 0.22 });
  curve(stage, xs, xs.map((x) => bell(mean, std, x)), { colour: colours.red, width: 2.4 });
  const base = stage.height - stage.margin.bottom;
  const rows = [
    ["forward", [p.moments], 32],
    ["reverse", minima.filter((one) => isLeast(one, minima)), 49],
    ["others", minima.filter((one) => !isLeast(one, minima)), 66],
  ];
  const right = p.moments.mean < 0;
  c.textBaseline = "middle";
  c.textAlign = right ? "right" : "left";
  for (const [label, laws, shift] of rows) {
    c.strokeStyle = c.fillStyle = label === "others" ? colours.faint : colours.ink;
    c.lineWidth = 2;
    for (const { mean: m, std: s } of laws) {
      stroke(c, [stage.x(m - s), base + shift], [stage.x(m + s), base + shift]);
      c.beginPath();
      c.arc(stage.x(m), base + shift, 3.4, 0, 7);
      c.fill();
    }
    if (laws.length) c.fillText(label, right ? stage.width - stage.margin.right : stage.margin.left, base + shift);
  }
  c.textAlign = "left";
  c.textBaseline = "top";
  c.fillStyle = colours.blue;
  c.fillText("target p", stage.margin.left + 6, stage.margin.top);
  c.fillStyle = colours.red;
  c.fillText("q", stage.margin.left + 6, stage.margin.top + 17);
  stage.place();
}

function map(view, stage, { heat, lines }, grid, title, marks) {
  const { colours, dark } = view;
  const c = stage.begin();
  heatMap(stage, heat, grid, 1, dark);
  contourLines(stage, lines, grid, 1, colours.ink, LEVELS.map((level) => 1 / (1 + level)));
  stage.axes({ ticks: [5, 0] });
  const { margin, width, height } = stage;
  c.strokeStyle = colours.grid;
  c.fillStyle = colours.faint;
  c.textAlign = "right";
  c.textBaseline = "middle";
  for (const std of WIDTHS) {
    const at = stage.y(up(std));
    stroke(c, [margin.left - 4, at], [margin.left, at]);
    c.fillText(`${std}`, margin.left - 7, Math.max(at, margin.top + 4));
  }
  stroke(c, [margin.left - 0.5, margin.top], [margin.left - 0.5, height - margin.bottom]);
  c.textAlign = "center";
  c.textBaseline = "bottom";
  c.fillText("mean of q", stage.x(0), height - margin.bottom - 5);
  c.textBaseline = "top";
  c.textAlign = "left";
  c.fillText("width", 2, 6);
  c.fillStyle = colours.ink;
  c.textAlign = "right";
  c.fillText(title, width - margin.right, 6);
  for (const { mean, std, least } of marks) {
    const [x, y] = [stage.x(mean), stage.y(up(std))];
    c.beginPath();
    c.arc(x, y, 6.5, 0, 7);
    c.lineWidth = 5;
    c.strokeStyle = colours.paper;
    c.stroke();
    c.lineWidth = 2.5;
    c.strokeStyle = colours.ink;
    if (!least) c.setLineDash([3, 2.5]);
    c.stroke();
    c.setLineDash([]);
  }
  stage.place();
}
