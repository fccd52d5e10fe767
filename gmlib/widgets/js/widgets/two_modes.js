// Data and model with the same two modes and other weights: densities, scores, and both divergences against the noise level.
import { button, number, readout, slider } from "../controls.js";
import { curve } from "../draw.js";
import { clamp } from "../scale.js";
import { scientific } from "../scientific.js";
import { Stage, stroke } from "../stage.js";
import { clearest, density, divergences, score, scoreGap, weightsKl } from "../two_modes_divergence.js";
import { widget } from "../widget.js";

const [LEAST, MOST] = [0.05, 0.95]; // of a weight
const WIDEST = 6; // half the largest distance
const NOISIEST = 20;
const FIRST = 0.05; // noise level at the left end of the curves, which stands for none as well
const COUNT = 90; // of points on the curves
const ROW = 31; // pixels from the axis down to the handle of the distance

const hundredth = (v) => Math.round(100 * v) / 100;

export default widget("two-modes", "Two modes", (view) => {
  const state = () => {
    const [weight, modelWeight, centre, std, sigma] = ["weight", "model_weight", "centre", "std", "sigma"].map((trait) => view.get(trait));
    return { weight, modelWeight, centre, std, sigma };
  };
  const upper = new Stage(view, {
    label: "Densities of the data, an area, and of the model, a line, each of two modes.",
    height: (width) => clamp(0.3 * width, 216, 250),
    margin: { left: 40, right: 14, top: 28, bottom: 54 },
  });
  const middle = new Stage(view, {
    label: "Scores of data and model, nearly the same zigzag, and their difference, which is not zero only where there are hardly any data.",
    height: (width) => clamp(0.27 * width, 190, 225),
    margin: { left: 40, right: 14, top: 28, bottom: 26 },
  });
  const lower = new Stage(view, {
    label: "Against the noise level: the KL divergence, which falls, and two sigma squared times the Fisher divergence, which rises from nothing and falls again.",
    height: () => 290,
    margin: { left: 40, right: 14, top: 52, bottom: 30 },
  });
  view.body.append(upper.element, middle.element);
  const pair = view.make("div", "gm-w-pair", view.body);
  pair.append(lower.element);
  const panel = view.make("div", "gm-w-panel", pair);
  slider(view, panel, { trait: "weight", label: "weight of the left mode in the data", low: LEAST, high: MOST, format: (v) => number(v) });
  slider(view, panel, { trait: "model_weight", label: "its weight in the model", low: LEAST, high: MOST, format: (v) => number(v) });
  slider(view, panel, { trait: "centre", label: "distance c of the modes from 0", low: 0, high: WIDEST, step: 0.05, format: (v) => number(v) });
  slider(view, panel, { trait: "std", label: "standard deviation of each mode", low: 0.3, high: 2, step: 0.05, format: (v) => number(v) });
  slider(view, panel, { trait: "sigma", label: "noise level σ", low: 0, high: NOISIEST, step: 0.05, format: (v) => number(v) });
  const row = view.make("div", "gm-w-row", view.body);
  button(view, row, { label: "No noise", press: () => view.set({ sigma: 0 }) });
  button(view, row, { label: "Where it shows most", press: () => view.set({ sigma: clamp(clearest(state(), sweep().sigmas), 0, NOISIEST) }) });
  view.make("p", "gm-w-hint", row).textContent = "Over log σ the orange curve is how steeply the green one falls.";
  const lists = view.make("div", "gm-w-pair", view.body);
  const fisher = readout(view, lists, [["D_F(p‖q), with the ½"], ["σ²·D_F"], ["2σ²·D_F, the orange curve"]]);
  const likely = readout(view, lists, [["KL(p‖q), nats"], ["KL of the weights alone"], ["variance of each mode, s² + σ²"]]);

  // In units of the height that one mode alone would have.
  upper.y.domain([0, 1.06]);
  upper.handle({
    name: () => `left mode of the data, weight ${number(state().weight)}`,
    get: () => [-state().centre, state().weight],
    move: ([, y]) => view.set({ weight: clamp(hundredth(y), LEAST, MOST) }),
    step: 0.01,
  });
  upper.handle({
    name: () => `right mode of the model, weight ${number(1 - state().modelWeight)}`,
    kind: "gm-w-red",
    get: () => [state().centre, 1 - state().modelWeight],
    move: ([, y]) => view.set({ model_weight: clamp(hundredth(1 - y), LEAST, MOST) }),
    step: 0.01,
  });
  upper.handle({
    name: "distance c of the modes from 0",
    kind: "gm-w-ring",
    get: () => [state().centre, upper.y.invert(upper.height - upper.margin.bottom + ROW)],
    move: ([x]) => view.set({ centre: clamp(hundredth(x), 0, WIDEST) }),
    step: 0.05,
    value: () => ({ low: 0, high: WIDEST, now: state().centre, text: `c = ${number(state().centre)}` }),
  });
  const left = Math.log10(FIRST);
  const place = (sigma) => Math.log10(Math.max(FIRST, sigma));
  lower.x.domain([left, Math.log10(NOISIEST)]);
  lower.handle({
    name: "noise level σ, on the curves",
    kind: "gm-w-orange",
    get: () => [place(state().sigma), lower.y.domain()[1]],
    move: ([x]) => view.set({ sigma: x < left + 0.01 ? 0 : clamp(Number((10 ** x).toPrecision(3)), FIRST, NOISIEST) }),
    step: 0.02,
    value: () => ({ low: 0, high: NOISIEST, now: state().sigma, text: `σ = ${number(state().sigma)}` }),
  });

  const sigmas = Array.from({ length: COUNT }, (_, i) => FIRST * (NOISIEST / FIRST) ** (i / (COUNT - 1)));
  let swept = {};
  // Both curves; they do not depend on the noise level of the moment.
  const sweep = () => {
    const law = state();
    const key = `${law.weight} ${law.modelWeight} ${law.centre} ${law.std}`;
    if (swept.key === key) return swept;
    const values = sigmas.map((sigma) => divergences({ ...law, sigma }));
    return (swept = { key, sigmas, kl: values.map((v) => v.kl), square: values.map((v) => v.square) });
  };

  view.draw(() => {
    const now = state();
    const law = { centre: now.centre, v: now.std ** 2 + now.sigma ** 2 };
    const exact = divergences(now);
    const alone = weightsKl(now.weight, now.modelWeight);
    // It does not follow what is dragged in this picture.
    const edge = WIDEST + 0.3 + 3.2 * Math.sqrt(law.v);
    const xs = Float64Array.from({ length: 701 }, (_, i) => edge * (i / 350 - 1));
    densities(view, upper, now, law, xs);
    scores(view, middle, now, law, xs);
    against(view, lower, sweep(), now, exact, place);
    fisher(scientific(exact.fisher), scientific(exact.weighted), scientific(exact.square));
    likely(scientific(exact.kl), scientific(Math.max(0, alone)), number(law.v));
    view.say(
      `Weight of the left mode ${number(now.weight)} in the data, ${number(now.modelWeight)} in the model; modes at plus and minus ${number(now.centre)}, ` +
        `standard deviation ${number(now.std)}, noise level ${number(now.sigma)}. Fisher divergence ${scientific(exact.fisher)}, ` +
        `times sigma squared ${scientific(exact.weighted)}; KL divergence ${scientific(exact.kl)} nats.`,
    );
  });
});

function densities(view, stage, { weight, modelWeight, centre }, law, xs) {
  const { colours } = view;
  const unit = Math.sqrt(2 * Math.PI * law.v);
  stage.x.domain([xs[0], xs[xs.length - 1]]);
  const c = stage.begin();
  stage.axes({ ticks: [stage.width < 480 ? 5 : 9, 0] });
  const of = (w) => xs.map((x) => unit * density(w, law, x));
  curve(stage, xs, of(weight), { colour: colours.blue, width: 1.5, fill: 0.22 });
  // What each mode has alone, where it differs from the sum.
  for (const [w, colour] of [[weight, colours.blue], [modelWeight, colours.red]]) {
    for (const [share, side] of [[w, -1], [1 - w, 1]]) {
      curve(stage, xs, xs.map((x) => share * Math.exp((-0.5 * (x - side * centre) ** 2) / law.v)), { colour, width: 1, dash: [2, 3] });
    }
  }
  curve(stage, xs, of(modelWeight), { colour: colours.red, width: 2.4 });
  const at = stage.height - stage.margin.bottom + ROW;
  c.strokeStyle = colours.faint;
  c.lineWidth = 1.5;
  stroke(c, [stage.x(-centre), at], [stage.x(centre), at]);
  stroke(c, [stage.x(-centre), at - 5], [stage.x(-centre), at + 5]);
  c.fillStyle = colours.faint;
  c.textAlign = "right";
  c.textBaseline = "middle";
  const end = Math.min(stage.x(-centre) - 9, stage.x(centre) - 20);
  const short = end < stage.margin.left + 50;
  c.fillText("modes at ±c", short ? stage.margin.left + 56 : end, at + (short ? 15 : 0));
  stage.legend([["data p", "blue"], ["model q", "red"]]);
  stage.place();
}

function scores(view, stage, { weight, modelWeight, centre }, law, xs) {
  const { colours } = view;
  const edge = xs[xs.length - 1];
  const gap = scoreGap(weight, modelWeight, law);
  // Near 0 the scores turn within v/c, which the common grid may miss.
  const near = centre > 0 ? (6 * law.v) / centre : 0;
  const fine = xs[1] - xs[0] > near / 60 ? Float64Array.from([...xs, ...Array.from({ length: 161 }, (_, i) => near * (i / 80 - 1))]).sort() : xs;
  const differences = fine.map(gap);
  const reach = 1.08 * Math.max((edge - centre) / law.v, centre / law.v, ...differences.map(Math.abs));
  stage.x.domain([-edge, edge]);
  stage.y.domain([-reach, reach]);
  const c = stage.begin();
  stage.axes({ ticks: [stage.width < 480 ? 5 : 9, 5] });
  // Where the data are, in the background.
  const base = stage.height - stage.margin.bottom;
  const tall = 0.32 * (base - stage.margin.top) * Math.sqrt(2 * Math.PI * law.v);
  stage.inside(() => {
    c.fillStyle = colours.blue;
    c.globalAlpha = 0.16;
    c.beginPath();
    c.moveTo(stage.x(-edge), base);
    for (const x of xs) c.lineTo(stage.x(x), base - tall * density(weight, law, x));
    c.lineTo(stage.x(edge), base);
    c.fill();
  });
  c.strokeStyle = colours.grid;
  c.lineWidth = 1;
  stroke(c, [stage.margin.left, stage.y(0)], [stage.width - stage.margin.right, stage.y(0)]);
  curve(stage, fine, fine.map((x) => score(weight, law, x)), { colour: colours.blue, width: 4 });
  curve(stage, fine, fine.map((x) => score(modelWeight, law, x)), { colour: colours.red, width: 2 });
  curve(stage, fine, differences, { colour: colours.orange, width: 2.2 });
  stage.legend([["score of p", "blue"], ["score of q", "red"], ["difference", "orange"]]);
}

function against(view, stage, { sigmas, kl, square }, { sigma }, exact, place) {
  const { colours } = view;
  stage.y.domain([0, 1.12 * Math.max(0.01, kl[0], ...square)]);
  const c = stage.begin();
  const [top, bottom] = [stage.margin.top, stage.height - stage.margin.bottom];
  stage.axes({ ticks: [0, 4] });
  c.fillStyle = colours.faint;
  c.strokeStyle = colours.grid;
  c.textAlign = "center";
  c.textBaseline = "top";
  for (const tick of [0.1, 0.3, 1, 3, 10]) {
    const at = stage.x(Math.log10(tick));
    stroke(c, [at, bottom], [at, bottom + 4]);
    c.fillText(tick === 0.1 ? "σ = 0.1" : `${tick}`, at, bottom + 8);
  }
  const xs = sigmas.map((s) => Math.log10(s));
  curve(stage, xs, kl, { colour: colours.green, width: 2.2 });
  curve(stage, xs, square, { colour: colours.orange, width: 2.2 });
  const here = stage.x(place(sigma));
  c.strokeStyle = colours.ink;
  c.lineWidth = 1.2;
  c.setLineDash([4, 3]);
  stroke(c, [here, top], [here, bottom]);
  c.setLineDash([]);
  for (const [value, colour] of [[exact.kl, "green"], [exact.square, "orange"]]) {
    c.fillStyle = colours[colour];
    c.beginPath();
    c.arc(here, stage.y(value), 4.5, 0, 7);
    c.fill();
  }
  c.fillStyle = colours.ink;
  c.textBaseline = "middle";
  c.textAlign = here > stage.width - 110 ? "right" : "left";
  c.fillText(`σ = ${number(sigma)}`, here + (c.textAlign === "left" ? 16 : -16), top - 10);
  stage.legend([["KL(p‖q), nats", "green"], ["2σ²·D_F", "orange"]]);
  stage.place();
}
