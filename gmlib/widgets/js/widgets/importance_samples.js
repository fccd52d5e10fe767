// The K-sample bound, draw by draw: all of it, a close-up between the ELBO and log p(x), and its mean against K.
import { button, number, readout, slider } from "../controls.js";
import { curve, particles } from "../draw.js";
import { summary } from "../estimators.js";
import { bounds, elbo, logEvidence, spread } from "../importance.js";
import { normals, random } from "../random.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const ROWS = 400;
const MOST = 256; // samples of a draw, of which a bound takes the first K
const LADDER = [1, 2, 4, 8, 16, 32, 64, 128, 256];

export default widget("importance-samples", "Importance samples", (view) => {
  const cloud = new Stage(view, {
    label: "Every draw of the K-sample bound as a dot on an axis of nats, with two exact lines: the ELBO and log p(x).",
    height: () => 164,
    margin: { left: 18, right: 18, top: 44, bottom: 28 },
  });
  view.body.append(cloud.element);
  const pictures = view.make("div", "gm-w-pair", view.body);
  const margin = { left: 44, right: 12, top: 24, bottom: 30 };
  const near = new Stage(view, {
    label: "Close-up of the draws between the ELBO and log p(x), with their mean and three standard errors either side.",
    height: () => 220,
    margin,
  });
  const rise = new Stage(view, {
    label: "The mean of the draws against the number of samples K, from the ELBO at 1 up towards log p(x) at 256.",
    height: () => 220,
    margin,
  });
  pictures.append(near.element, rise.element);

  const panel = view.make("div", "gm-w-panel", view.body);
  const pair = view.make("div", "gm-w-pair", panel);
  slider(view, pair, { trait: "k", label: "samples K", low: 1, high: MOST, step: 1, scale: "log", parts: 8, format: (v) => `${v}` });
  slider(view, pair, { trait: "x", label: "observed x", low: -3, high: 3, step: 0.05, format: (v) => number(v) });
  slider(view, pair, { trait: "mean", label: "mean of q", low: -3, high: 3, step: 0.05, format: (v) => number(v) });
  slider(view, pair, { trait: "std", label: "standard deviation of q", low: 0.2, high: 3, scale: "log", format: (v) => number(v, 3) });
  const row = view.make("div", "gm-w-row", panel);
  button(view, row, { label: "New draws", press: () => view.set({ seed: view.get("seed") + 1 }) });
  button(view, row, { label: "Prior", press: () => view.set({ mean: 0, std: 1 }) });
  button(view, row, { label: "Exact posterior", press: () => view.set({ mean: view.get("x") / 2, std: Math.SQRT1_2 }) });
  view.make("p", "gm-w-hint", row).textContent = "z ~ N(0, 1), x | z ~ N(z, 1); the guess q is normal, at first the prior.";
  const lists = view.make("div", "gm-w-pair", panel);
  const exactly = readout(view, lists, [["ELBO, exact"], ["+ gap, KL(q‖p)"], ["= log p(x), exact", "total"]]);
  const drawn = readout(view, lists, [["mean of the draws"], ["its standard error"], ["log p(x) − mean"], ["effective samples of K"]]);

  rise.handle({
    name: "samples K",
    get: () => [Math.log2(view.get("k")), now.mean],
    move: ([place]) => view.set({ k: 2 ** Math.min(8, Math.max(0, Math.round(place))) }),
    step: 1,
    value: () => ({ low: 1, high: MOST, now: view.get("k"), text: `K = ${view.get("k")}` }),
  });

  // Where a dot stands across the axis of nats, the same for every seed.
  const uniform = random(7);
  const places = Float64Array.from({ length: ROWS }, () => uniform() + uniform() - 1);
  let noise = { seed: null };
  let now = { mean: 0 };

  view.draw(() => {
    const [x, mean, std, k, seed] = ["x", "mean", "std", "k", "seed"].map((trait) => view.get(trait));
    if (noise.seed !== seed) noise = { seed, values: normals(ROWS * MOST, seed) };
    const [shown, ...steps] = bounds({ x, mean, std }, noise.values, MOST, [k, ...LADDER]).map((entry) => {
      const { mean: middle, variance } = summary(entry.values);
      return { ...entry, mean: middle, error: Math.sqrt(variance / ROWS) };
    });
    now = shown;
    const exact = { elbo: elbo(x, mean, std), log: logEvidence(x), spread: spread(x, mean, std) };
    // The axes follow the model and the guess, not K: the dots move, the lines stand.
    const room = Math.max(0.04, 0.15 * (exact.log - exact.elbo), 0.2 * exact.spread);
    const close = [exact.elbo - room, exact.log + room];
    whole(view, cloud, places, shown, exact);
    closeUp(view, near, places, shown, exact, close);
    climb(view, rise, steps, shown, exact, close);
    exactly(...[exact.elbo, exact.log - exact.elbo, exact.log].map((v) => number(v, 3)));
    drawn(number(shown.mean, 3), number(shown.error, 3), number(exact.log - shown.mean, 3), `${number(shown.effective, 1)} of ${k}`);
    view.say(
      `x is ${number(x)}; q has mean ${number(mean)} and standard deviation ${number(std, 3)}. ELBO ${number(exact.elbo, 3)}, ` +
        `log p(x) ${number(exact.log, 3)} nats. With K = ${k} the mean of ${ROWS} draws is ${number(shown.mean, 3)}, ` +
        `standard error ${number(shown.error, 3)}; ${number(shown.effective, 1)} of ${k} samples are effective.`,
    );
  });
});

const dot = (k) => (k > 16 ? 1.3 : 1.5);

// All draws along the axis.
function whole(view, stage, places, { values, mean, error, count }, exact) {
  const { colours } = view;
  stage.x.domain([exact.elbo - Math.max(0.3, 2.6 * exact.spread), exact.log + Math.max(0.3, 1.4 * exact.spread)]).nice(6);
  stage.y.domain([-1, 1]);
  const c = stage.begin();
  stage.axes({ ticks: [stage.width < 480 ? 5 : 9, 0], names: ["nats", ""] });
  const [low, high] = stage.x.domain();
  const at = new Float64Array(2 * ROWS);
  values.forEach((v, i) => at.set([v, 0.75 * places[i]], 2 * i));
  particles(stage, at, { colour: colours.blue, radius: dot(count), alpha: 0.6 });
  const [top, bottom] = [stage.margin.top, stage.height - stage.margin.bottom];
  c.textBaseline = "bottom";
  for (const [name, value, colour, side, dash] of lines(exact, colours)) {
    upright(c, stage.x(value), top - 6, bottom, { colour, width: 2, dash });
    c.fillStyle = colours.ink;
    c.textAlign = side > 0 ? "left" : "right";
    c.fillText(name, stage.x(value) + 5 * side, top - 5);
  }
  stage.inside(() => spanned(c, [[mean, -0.66], [mean, 0.66]], stage, colours.ink, colours.paper));
  const beyond = values.reduce((n, v) => n + (v < low || v > high), 0);
  c.fillStyle = colours.faint;
  c.textBaseline = "top";
  c.textAlign = "left";
  const note = error < 1e-9 ? "every draw is log p(x)" : beyond ? `${beyond} beyond the edge` : "";
  c.fillText([`${ROWS} draws, K = ${count}`, note].filter(Boolean).join("; "), 4, 3);
}

// The draws that fall between the lines; the bar is the mean, its ends three standard errors away.
function closeUp(view, stage, places, { values, mean, error, count }, exact, close) {
  const { colours } = view;
  stage.x.domain([-1, 1]);
  stage.y.domain(close);
  const c = stage.begin();
  stage.axes({ ticks: [0, 5], names: ["", ""] });
  between(view, stage, exact, "close-up", "left");
  const at = new Float64Array(2 * ROWS);
  values.forEach((v, i) => at.set([0.7 * places[i], v], 2 * i));
  particles(stage, at, { colour: colours.blue, radius: dot(count), alpha: 0.6 });
  stage.inside(() => {
    spanned(c, [[0, mean - 3 * error], [0, mean + 3 * error]], stage, colours.ink, colours.paper);
    spanned(c, [[-0.25, mean], [0.25, mean]], stage, colours.ink, colours.paper);
  });
  c.fillStyle = colours.faint;
  c.textBaseline = "top";
  c.textAlign = "center";
  c.fillText("draws, mean ± 3 standard errors", (stage.margin.left + stage.width - stage.margin.right) / 2, stage.height - stage.margin.bottom + 8);
}

// The mean of the draws for K = 1, 2, 4, ..., 256.
function climb(view, stage, steps, { count, mean, error }, exact, close) {
  const { colours } = view;
  stage.x.domain([-0.5, 10.5]); // room for the names of the lines, clear of the handle
  stage.y.domain(close);
  const c = stage.begin();
  stage.axes({ ticks: [0, 5], names: ["", ""] });
  between(view, stage, exact, "mean", "right");
  const xs = steps.map((step) => Math.log2(step.count));
  curve(stage, xs, steps.map((step) => step.mean), { colour: colours.blue, width: 2 });
  stage.inside(() => {
    c.strokeStyle = c.fillStyle = colours.blue;
    c.lineWidth = 1.5;
    for (const { count: k, mean: v, error: e } of [...steps, { count, mean, error }]) {
      const left = stage.x(Math.log2(k));
      stroke(c, [left, stage.y(v - 3 * e)], [left, stage.y(v + 3 * e)]);
      c.beginPath();
      c.arc(left, stage.y(v), 3, 0, 7);
      c.fill();
    }
  });
  const base = stage.height - stage.margin.bottom;
  c.fillStyle = colours.faint;
  c.textAlign = "center";
  c.textBaseline = "top";
  for (const k of [1, 4, 16, 64, 256]) c.fillText(k > 1 ? `${k}` : "K = 1", stage.x(Math.log2(k)), base + 8);
  stage.place();
}

const lines = (exact, colours) => [
  ["ELBO", exact.elbo, colours.red, -1, []],
  ["log p(x)", exact.log, colours.ink, 1, [5, 3]],
];

// The two exact lines with their names, and the gap between them.
function between(view, stage, exact, name, where) {
  const { context: c, margin, width } = stage;
  const { colours } = view;
  c.fillStyle = colours.red;
  c.globalAlpha = 0.08;
  c.fillRect(margin.left, stage.y(exact.log), width - margin.left - margin.right, stage.y(exact.elbo) - stage.y(exact.log));
  c.globalAlpha = 1;
  for (const [label, value, colour, side, dash] of lines(exact, colours)) {
    c.strokeStyle = colour;
    c.lineWidth = 2;
    c.setLineDash(dash);
    stroke(c, [margin.left, stage.y(value)], [width - margin.right, stage.y(value)]);
    c.setLineDash([]);
    c.fillStyle = colours.ink;
    c.textAlign = where;
    c.textBaseline = side > 0 ? "bottom" : "top";
    c.fillText(label, where === "left" ? margin.left + 5 : width - margin.right - 5, stage.y(value) - 4 * side);
  }
  c.fillStyle = colours.faint;
  c.textAlign = "left";
  c.textBaseline = "bottom";
  c.fillText(`${name}, nats`, 4, margin.top - 7);
}

function upright(c, at, top, bottom, { colour, width, dash }) {
  c.strokeStyle = colour;
  c.lineWidth = width;
  c.setLineDash(dash);
  stroke(c, [at, top], [at, bottom]);
  c.setLineDash([]);
}

// A line that stands out from the dots below it.
function spanned(c, ends, stage, ink, paper) {
  c.lineCap = "round";
  for (const [width, colour] of [[6, paper], [3, ink]]) {
    c.lineWidth = width;
    c.strokeStyle = colour;
    stroke(c, ...ends.map(([x, y]) => [stage.x(x), stage.y(y)]));
  }
  c.lineCap = "butt";
}
