// One step back: two lumps of data that melt into noise, a point among the noise, and the exact law of where it was a step
// before, beside the normal law with the same mean and variance.
import { button, number, readout, slider } from "../controls.js";
import { curve, heatMap } from "../draw.js";
import { density, halfSeparation, kernel, klToMatched, marginal, moments, peaks } from "../reverse_kernel.js";
import { clamp } from "../scale.js";
import { scientific } from "../scientific.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const REACH = 3; // of the point
const EDGE = 3.3; // of the picture
const LONG = 8; // length of the axis of the noise, in the units of the other one
const [BAR_LOW, BAR_HIGH] = [0.02, 0.99];
const [LEAST, MOST] = [0.005, 0.99]; // of beta
const FLOOR = -9.3; // of the KL, powers of ten
const SAME = 1e-14; // a KL below it is rounding

const round = (v) => Number(v.toFixed(4));
const bell = (mean, variance, z) => Math.exp((-0.5 * (z - mean) ** 2) / variance) / Math.sqrt(2 * Math.PI * variance);

export default widget("reverse-kernel", "One step back", (view) => {
  const state = () => {
    const [x, barS, beta, weight, std] = ["x", "alpha_bar_s", "beta", "weight", "std"].map((trait) => view.get(trait));
    return { x, barS, beta, weight, std, barT: (1 - beta) * barS };
  };
  const river = new Stage(view, {
    label: "The law of the data as noise grows from left to right: two lumps that melt into one. At the later of two noise levels a point; at the earlier one the law of where it was, drawn sideways.",
    height: (width) => clamp(0.46 * width, 240, 330),
    margin: { left: 30, right: 14, top: 12, bottom: 46 },
  });
  const near = new Stage(view, {
    label: "The law of the earlier point: an area, its two lumps, dotted, and the normal law with its mean and variance, a line.",
    height: () => 250,
    margin: { left: 14, right: 14, top: 50, bottom: 30 },
  });
  const against = new Stage(view, {
    label: "KL divergence from the exact law to the normal one against beta, both on logarithmic scales.",
    height: () => 250,
    margin: { left: 48, right: 14, top: 50, bottom: 30 },
  });
  view.body.append(river.element);
  const row = view.make("div", "gm-w-row", view.body);
  for (const beta of [0.5, 0.2, 0.05, 0.01]) button(view, row, { label: `β = ${beta}`, press: () => view.set({ beta }) });
  button(view, row, { label: "Point to the middle", press: () => view.set({ x: 0 }) });
  const pair = view.make("div", "gm-w-pair", view.body);
  pair.append(near.element, against.element);
  const panel = view.make("div", "gm-w-pair", view.body);
  slider(view, panel, { trait: "x", label: "the noised point xₜ", low: -REACH, high: REACH, step: 0.02, format: (v) => number(v) });
  slider(view, panel, { trait: "beta", label: "β, variance that the step added", low: LEAST, high: MOST, scale: "log", parts: 240, format: (v) => number(v, v < 0.0995 ? 4 : 3) });
  slider(view, panel, { trait: "alpha_bar_s", label: "signal before the step, ᾱₛ", low: BAR_LOW, high: BAR_HIGH, step: 0.01, format: (v) => number(v) });
  slider(view, panel, { trait: "weight", label: "weight of the lump at −1", low: 0.05, high: 0.95, step: 0.01, format: (v) => number(v) });
  slider(view, panel, { trait: "std", label: "width of each lump (0: two points)", low: 0, high: 0.6, step: 0.01, format: (v) => number(v) });
  const verdict = view.make("p", "gm-w-hint", panel);
  verdict.style.color = "var(--gm-w-ink)";
  const lists = view.make("div", "gm-w-pair", view.body);
  const levels = readout(view, lists, [["signal after the step, ᾱₜ"], ["mean of xₛ given xₜ"], ["its standard deviation"], ["it came from the lump at 1"]]);
  const shape = readout(view, lists, [["half the separation / std of a lump"], ["peaks of the exact law"], ["KL to the normal law, nats", "total"]]);

  river.x.domain([0, LONG]);
  river.y.domain([-EDGE, EDGE]);
  const at = (bar) => LONG * (1 - bar);
  const betaOf = (barT, barS) => clamp(round(1 - barT / barS), LEAST, MOST);
  river.handle({
    name: () => `noised point ${number(state().x)} at signal ${number(state().barT, 3)}`,
    kind: "gm-w-orange gm-w-ring",
    get: () => [at(state().barT), state().x],
    move: ([a, b]) => view.set({ beta: betaOf(1 - a / LONG, state().barS), x: clamp(Math.round(100 * b) / 100, -REACH, REACH) }),
    step: 0.04,
  });
  river.handle({
    name: "earlier noise level",
    get: () => [at(state().barS), -EDGE],
    move: ([a]) => {
      const { barT } = state();
      const barS = clamp(round(1 - a / LONG), Math.max(BAR_LOW, barT / (1 - LEAST)), BAR_HIGH);
      view.set({ alpha_bar_s: barS, beta: betaOf(barT, barS) });
    },
    step: 0.04,
    value: () => ({ low: 1 - BAR_HIGH, high: 1 - BAR_LOW, now: round(1 - state().barS), text: `1 − ᾱₛ = ${number(1 - state().barS, 3)}` }),
  });
  against.x.domain([Math.log10(LEAST), 0]);
  against.y.domain([FLOOR, 0.4]);
  against.handle({
    name: "β, on the curve",
    kind: "gm-w-orange",
    get: () => [Math.log10(state().beta), 0.4],
    move: ([x]) => view.set({ beta: clamp(Number((10 ** x).toPrecision(3)), LEAST, MOST) }),
    step: 0.02,
    value: () => ({ low: LEAST, high: MOST, now: state().beta, text: `β = ${number(state().beta, 3)}` }),
  });

  view.draw(() => {
    const now = state();
    const law = kernel(now);
    const { mean, variance } = moments(law);
    const [apart, count, kl] = [halfSeparation(law), peaks(law), klToMatched(law)];
    flow(view, river, now, law);
    closeUp(view, near, law, mean, variance, now);
    price(view, against, now, kl);
    levels(number(now.barT, 3), number(mean, 3), number(Math.sqrt(variance), 3), `${number(100 * law.weights[1], 1)} %`);
    shape(number(apart, 2), String(count), kl < SAME ? "0" : scientific(kl, 3));
    const words = judge(count, apart, kl, law);
    if (verdict.textContent !== words) verdict.textContent = words;
    view.say(
      `Point ${number(now.x)} at signal ${number(now.barT, 3)}, one step of beta ${number(now.beta, 3)} back to ${number(now.barS, 3)}: the exact law has ` +
        `${count === 1 ? "one peak" : "two peaks"}, mean ${number(mean, 3)}, standard deviation ${number(Math.sqrt(variance), 3)}; half the separation of its lumps ` +
        `over their standard deviation is ${number(apart)}, its KL divergence to the normal law ${scientific(kl, 3)} nats.`,
    );
  });
});

function judge(count, apart, kl, { weights }) {
  if (count === 2) return "Two peaks: no normal law has them. The nearest one fills the valley between.";
  if (apart > 1) return `One peak, because the point is nearly sure where it came from (${number(100 * Math.max(...weights), 0)} %); the other lump is a shoulder.`;
  if (kl > 1e-3) return "One peak, but not quite the bell of a normal law: a step of half the size is nearer by much more than half.";
  return "So short a step is a normal law for all that a sampler can tell. Many such steps lead back to two lumps.";
}

// The law at every noise level, as colour; each level by its own height, so that points at no noise can be shown.
function melting(stage, now) {
  const key = `${now.weight} ${now.std}`;
  if (stage.melted?.key === key) return stage.melted;
  const h = 0.045;
  const [nx, ny] = [Math.ceil(LONG / h) + 3, Math.ceil((2 * EDGE) / h) + 3];
  const grid = { x0: -h, y0: -EDGE - h, h, nx, ny };
  const values = new Float64Array(nx * ny);
  for (let i = 0; i < nx; i++) {
    const law = marginal(now, clamp(1 - (grid.x0 + i * h) / LONG, 0, 0.9995));
    for (let j = 0; j < ny; j++) values[j * nx + i] = Math.min(1, density(law, grid.y0 + j * h));
  }
  return (stage.melted = { key, grid, values });
}

function flow(view, stage, now, law) {
  const { colours } = view;
  const c = stage.begin();
  const { x, y, margin } = stage;
  const { grid, values } = melting(stage, now);
  heatMap(stage, values, grid, 1, view.dark);
  stage.axes({ ticks: [0, 5] });
  const bottom = stage.height - margin.bottom;
  const [s, t] = [now.barS, now.barT].map((bar) => x(LONG * (1 - bar)));
  c.fillStyle = colours.faint;
  c.textBaseline = "top";
  c.textAlign = "center";
  for (const level of [0, 0.2, 0.4, 0.6, 0.8, 1]) c.fillText(`${level}`, x(LONG * level), bottom + 7);
  c.textAlign = "left";
  c.fillText("data", margin.left, bottom + 26);
  c.textAlign = "right";
  c.fillText("1 − ᾱ, noise", stage.width - margin.right, bottom + 26);
  stage.inside(() => {
    // The kernel stands on the line of the earlier level and looks at the data.
    const top = Math.max(density(law, law.means[0]), density(law, law.means[1]));
    const wide = Math.min(92, Math.max(46, 0.75 * (s - margin.left)));
    const zs = Array.from({ length: 361 }, (_, i) => -EDGE + (i * EDGE) / 180);
    const places = zs.map((z) => [s - (wide * density(law, z)) / top, y(z)]);
    c.fillStyle = colours.orange;
    c.globalAlpha = 0.5;
    c.beginPath();
    c.moveTo(s, y(-EDGE));
    for (const place of places) c.lineTo(...place);
    c.lineTo(s, y(EDGE));
    c.fill();
    c.globalAlpha = 1;
    c.lineJoin = "round";
    for (const [width, colour] of [[4, colours.paper], [2, colours.orange]]) {
      c.strokeStyle = colour;
      c.lineWidth = width;
      stroke(c, ...places);
    }
    c.lineWidth = 1.3;
    c.strokeStyle = colours.ink;
    c.setLineDash([4, 3]);
    for (const line of [s, t]) stroke(c, [line, margin.top], [line, bottom]);
    c.setLineDash([]);
    // From the point to each lump, as thick as the lump is likely.
    law.means.forEach((mean, k) => {
      c.strokeStyle = colours.paper;
      c.lineWidth = 2 + 5 * law.weights[k];
      c.globalAlpha = 0.8;
      stroke(c, [t, y(now.x)], [s, y(mean)]);
      c.strokeStyle = colours.orange;
      c.lineWidth = 0.4 + 4 * law.weights[k];
      c.globalAlpha = 1;
      stroke(c, [t, y(now.x)], [s, y(mean)]);
    });
  });
  c.font = `italic 600 13px ${getComputedStyle(stage.element).fontFamily}`;
  c.textBaseline = "middle";
  c.lineWidth = 4;
  c.strokeStyle = colours.paper;
  c.fillStyle = colours.ink;
  const close = t - s < 26;
  for (const [text, place, side] of [["s", s, -1], ["t", t, 1]]) {
    c.textAlign = side < 0 || !close ? (side < 0 ? "right" : "left") : "left";
    for (const write of ["strokeText", "fillText"]) c[write](text, place + 6 * side, margin.top + 9);
  }
  stage.place();
}

function closeUp(view, stage, law, mean, variance, now) {
  const { colours } = view;
  const far = 3.6 * Math.sqrt(variance);
  stage.x.domain([mean - far, mean + far]);
  const xs = Float64Array.from({ length: 401 }, (_, i) => mean + far * (i / 200 - 1));
  const exact = xs.map((z) => density(law, z));
  const matched = xs.map((z) => bell(mean, variance, z));
  stage.y.domain([0, 1.08 * Math.max(...exact, ...matched)]);
  const c = stage.begin();
  stage.axes({ ticks: [stage.width < 330 ? 4 : 6, 0] });
  curve(stage, xs, exact, { colour: colours.orange, width: 2.4, fill: 0.35 });
  [0, 1].forEach((k) => curve(stage, xs, xs.map((z) => law.weights[k] * bell(law.means[k], law.variance, z)), { colour: colours.orange, width: 1.2, dash: [2, 3] }));
  curve(stage, xs, matched, { colour: colours.red, width: 2.2, dash: [7, 4] });
  stage.legend([[`exact law of xₛ given xₜ = ${number(now.x)}`, "orange"]]);
  stage.legend([["normal, same mean and variance", "red", [6, 3]]], { line: 31 });
  c.fillStyle = colours.faint;
  c.textAlign = "right";
  c.textBaseline = "bottom";
  c.fillText("xₛ", stage.width - stage.margin.right - 2, stage.height - stage.margin.bottom - 4);
}

function price(view, stage, now, kl) {
  const { colours } = view;
  const c = stage.begin();
  const { x, y, margin } = stage;
  const bottom = stage.height - margin.bottom;
  stage.axes({ ticks: [0, 0] });
  c.fillStyle = colours.faint;
  c.strokeStyle = colours.grid;
  c.textAlign = "center";
  c.textBaseline = "top";
  for (const beta of [0.01, 0.1, 1]) {
    stroke(c, [x(Math.log10(beta)), bottom], [x(Math.log10(beta)), bottom + 4]);
    c.fillText(beta === 0.01 ? "β = 0.01" : `${beta}`, x(Math.log10(beta)) - (beta === 1 ? 4 : 0), bottom + 7);
  }
  c.textAlign = "right";
  c.textBaseline = "middle";
  for (const power of [0, -2, -4, -6, -8]) {
    stroke(c, [margin.left, y(power)], [stage.width - margin.right, y(power)]);
    c.fillText(power ? `10${["⁻²", "⁻⁴", "⁻⁶", "⁻⁸"][-power / 2 - 1]}` : "1", margin.left - 7, y(power));
  }
  const key = `${now.x} ${now.barS} ${now.weight} ${now.std}`;
  if (stage.swept?.key !== key) {
    const betas = Array.from({ length: 48 }, (_, i) => LEAST * (MOST / LEAST) ** (i / 47));
    stage.swept = { key, logs: betas.map((b) => Math.log10(b)), kls: betas.map((beta) => Math.log10(Math.max(1e-15, klToMatched(kernel({ ...now, beta }))))) };
  }
  curve(stage, stage.swept.logs, stage.swept.kls, { colour: colours.red, width: 2.4 });
  const here = x(Math.log10(now.beta));
  c.strokeStyle = colours.ink;
  c.lineWidth = 1.2;
  c.setLineDash([4, 3]);
  stroke(c, [here, margin.top], [here, bottom]);
  c.setLineDash([]);
  if (kl > 10 ** FLOOR) {
    c.fillStyle = colours.red;
    c.beginPath();
    c.arc(here, y(Math.log10(kl)), 4.5, 0, 7);
    c.fill();
  }
  stage.legend([["KL to the normal law, nats", "red"]]);
  stage.place();
}
