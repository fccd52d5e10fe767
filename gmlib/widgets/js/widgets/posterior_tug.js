// Pull a normal law q over an exact posterior, and watch what the bound is made of.
import { button, number, readout, select, slider } from "../controls.js";
import { curve } from "../draw.js";
import { GridPosterior } from "../posterior.js";
import { clamp } from "../scale.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const PARTS = [
  { name: "E", label: "expected log joint", colour: "blue" },
  { name: "H", label: "entropy of q", colour: "green" },
  { name: "KL", label: "KL(q‖p), the gap", colour: "red" },
];

const doubles = (view) => Float64Array.from({ length: view.byteLength / 8 }, (_, i) => view.getFloat64(8 * i, true));

export default widget("posterior-tug", "Posterior tug", (view) => {
  const z = doubles(view.get("_z"));
  const joints = doubles(view.get("_log_joint"));
  const labels = view.get("labels");
  const [low, high] = view.get("mean_range");
  const [narrow, wide] = view.get("std_range");
  const laws = labels.map((_, i) => {
    const law = new GridPosterior(z, joints.subarray(i * z.length, (i + 1) * z.length));
    return Object.assign(law, { best: law.optimum([low, high], [narrow, wide]), matched: law.moments() });
  });
  const q = () => ({ mean: view.get("mean"), std: view.get("std") });
  const law = () => laws[view.get("observation")];
  const go = ({ mean, std }) => view.set({ mean: clamp(mean, low, high), std: clamp(std, narrow, wide) });

  const pictures = view.make("div", "", view.body);
  const upper = new Stage(view, {
    label: "The exact posterior density over z as an area, and the density of q as a curve with two handles.",
    height: (width) => clamp(0.42 * width, 230, 300),
    margin: { left: 10, right: 10, top: 12, bottom: 62 },
  });
  const lower = new Stage(view, {
    label: "Three bars end to end: expected log joint, entropy of q, KL gap. They always end at log p(x).",
    height: () => 150,
    margin: { left: 10, right: 10, top: 30, bottom: 28 },
  });
  pictures.append(upper.element, lower.element);
  const panel = view.make("div", "gm-w-panel", view.body);
  const pair = view.make("div", "gm-w-pair", panel);
  slider(view, pair, { trait: "mean", label: "mean of q", low, high, format: (v) => number(v) });
  slider(view, pair, { trait: "std", label: "standard deviation of q", low: narrow, high: wide, scale: "log", format: (v) => number(v, 3) });
  const row = view.make("div", "gm-w-row", panel);
  if (labels.length > 1) {
    const options = labels.map((label, i) => [i, label]);
    select(view, row, { trait: "observation", label: "observed x", options, read: Number });
  }
  button(view, row, { label: "Best bound", press: () => go(law().best) });
  button(view, row, { label: "Match the moments", press: () => go(law().matched) });
  const lists = view.make("div", "gm-w-pair", panel);
  const sum = readout(view, lists, [["expected log joint under q"], ["+ entropy of q"], ["+ KL(q‖p)"], ["= log p(x)", "total"]]);
  const pulls = readout(view, lists, [["reverse KL(q‖p)"], ["least, at the best bound"], ["forward KL(p‖q)"], ["least, at the moments"]]);

  const stepped = (x, s) => Number((Math.round(x / s) * s).toFixed(6));
  const height = (mean, std, at) => Math.exp(-0.5 * ((at - mean) / std) ** 2) / (std * Math.sqrt(2 * Math.PI));
  upper.handle({
    name: "mean of q",
    kind: "gm-w-red",
    get: () => [q().mean, height(0, q().std, 0)],
    move: ([x]) => view.set({ mean: clamp(stepped(x, 0.01), low, high) }),
    step: 0.05,
    value: () => ({ low, high, now: q().mean, text: number(q().mean) }),
  });
  upper.handle({
    name: "standard deviation of q",
    kind: "gm-w-red gm-w-ring",
    // Two standard deviations out, where a finger does not take it for the other handle.
    get: () => [Math.min(high, q().mean + 2 * q().std), height(0, q().std, 2 * q().std)],
    move: ([x]) => view.set({ std: clamp(stepped((x - q().mean) / 2, 0.005), narrow, wide) }),
    step: 0.04,
    value: () => ({ low: narrow, high: wide, now: q().std, text: number(q().std, 3) }),
  });

  const xs = Float64Array.from({ length: 500 }, (_, i) => low + (i / 499) * (high - low));
  view.draw(() => {
    const { mean, std } = q();
    const p = law();
    const t = p.terms(mean, std);
    density(view, upper, p, xs, mean, std, height);
    bars(view, lower, p, t);
    const three = (...values) => values.map((v) => number(v, 3));
    sum(...three(t.energy, t.entropy, t.reverse, p.logEvidence));
    pulls(...three(t.reverse, p.terms(p.best.mean, p.best.std).reverse, t.forward, p.terms(p.matched.mean, p.matched.std).forward));
    view.say(
      `q has mean ${number(mean)} and standard deviation ${number(std, 3)}. Expected log joint ${number(t.energy, 3)}, ` +
        `entropy ${number(t.entropy, 3)}, gap ${number(t.reverse, 3)}; together log p(x) = ${number(p.logEvidence, 3)} nats. ` +
        `Forward KL ${number(t.forward, 3)}.`,
    );
  });
});

function density(view, stage, p, xs, mean, std, height) {
  const { colours } = view;
  const top = p.density.reduce((a, b) => Math.max(a, b));
  stage.x.domain([xs[0], xs[xs.length - 1]]);
  // The axis follows q only when it outgrows the picture.
  stage.y.domain([0, 1.12 * Math.max(top, Math.min(height(0, std, 0), 2.2 * top))]);
  const c = stage.begin();
  stage.axes({ ticks: [7, 0], names: ["z", ""] });
  curve(stage, p.z, p.density, { colour: colours.blue, width: 1.5, fill: 0.22 });
  curve(stage, xs, xs.map((x) => height(mean, std, x)), { colour: colours.red, width: 2.4 });
  const base = stage.height - stage.margin.bottom;
  for (const [{ mean: m, std: s }, label, shift] of [[p.best, "best bound", 32], [p.matched, "moments", 49]]) {
    c.strokeStyle = c.fillStyle = label === "moments" ? colours.faint : colours.ink;
    c.lineWidth = 2;
    stroke(c, [stage.x(m - s), base + shift], [stage.x(m + s), base + shift]);
    c.beginPath();
    c.arc(stage.x(m), base + shift, 3.4, 0, 7);
    c.fill();
    c.textBaseline = "middle";
    c.textAlign = "left";
    c.fillText(label, stage.x(m + s) + 7, base + shift);
  }
  c.textAlign = "left";
  c.textBaseline = "top";
  c.fillStyle = colours.blue;
  c.fillText("p(z | x), exact", stage.margin.left + 6, stage.margin.top);
  c.fillStyle = colours.red;
  c.fillText("q(z)", stage.margin.left + 6, stage.margin.top + 17);
  stage.place();
}

// The bars hang from zero: each starts where the one before ended.
function bars(view, stage, p, t) {
  const { colours } = view;
  const ends = [t.energy, t.elbo, p.logEvidence];
  const low = Math.min(...ends, 0);
  const high = Math.max(...ends, 0);
  // Rounded limits: the axis stands still while q is moved a little.
  stage.x.domain([low < 0 ? -limit(-low) : 0, Math.max(limit(high), 0.5)]);
  stage.y.domain([3, 0]);
  const c = stage.begin();
  stage.axes({ ticks: [stage.width < 480 ? 4 : 7, 0], names: ["nats", ""] });
  let from = 0;
  ends.forEach((to, i) => {
    const { label, colour } = PARTS[i];
    const [a, b] = [stage.x(Math.min(from, to)), stage.x(Math.max(from, to))];
    const up = stage.y(i) + 4;
    const tall = stage.y(1) - stage.y(0) - 8;
    c.fillStyle = colours[colour];
    c.fillRect(a, up, Math.max(1.5, b - a), tall);
    c.fillStyle = colours.ink;
    c.textBaseline = "middle";
    const inside = c.measureText(label).width + 16;
    const right = stage.width - stage.margin.right - b > inside;
    c.textAlign = right ? "left" : "right";
    c.fillText(label, right ? b + 8 : a - 8, up + tall / 2);
    from = to;
  });
  const at = stage.x(p.logEvidence);
  c.strokeStyle = colours.ink;
  c.lineWidth = 2;
  c.setLineDash([5, 3]);
  stroke(c, [at, stage.margin.top - 8], [at, stage.height - stage.margin.bottom]);
  c.setLineDash([]);
  c.fillStyle = colours.ink;
  c.textBaseline = "bottom";
  c.textAlign = at > stage.width / 2 ? "right" : "left";
  c.fillText(`log p(x) = ${number(p.logEvidence, 3)}`, at + (c.textAlign === "right" ? 6 : -6), stage.margin.top - 11);
}

// The next of 1, 2, 5, 10, 20, 50, ... above v.
function limit(v) {
  const scale = 10 ** Math.floor(Math.log10(Math.max(v, 0.1)));
  return scale * [1, 2, 5, 10].find((f) => f * scale >= v);
}
