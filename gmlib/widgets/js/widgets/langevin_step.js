// Many Langevin chains on N(0, 1): their histogram, their exact law, where it settles, and paths of a few of them.
import { button, number, readout, select, slider } from "../controls.js";
import { curve } from "../draw.js";
import { Chains, factor, forget, histogram, laws, limit, moments, stationary } from "../langevin_chain.js";
import { Pace, playback } from "../playback.js";
import { random } from "../random.js";
import { clamp } from "../scale.js";
import { scientific } from "../scientific.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const MOST = 1000; // steps
const EDGE = 6; // of the picture, either side
const BINS = 60;
const PATHS = 8;
const GONE = 1e6; // standard deviation at which chains that diverge are stopped
const RIGHT = "langevin";

const bell = (mean, variance, x) => Math.exp((-0.5 * (x - mean) ** 2) / variance) / Math.sqrt(2 * Math.PI * variance);
const short = (v) => (Math.abs(v) < 1e5 ? number(v, 3) : scientific(v));

export default widget("langevin-step", "Langevin step", (view) => {
  const rules = view.get("rules");
  const state = () => {
    const [step, start, k, rule] = ["step", "start", "steps", "rule"].map((trait) => view.get(trait));
    return { step: clamp(step, 0.01, 5), start, k: clamp(k, 0, MOST), rule };
  };
  const upper = new Stage(view, {
    label: "Histogram of the chains after k steps, over the target N(0, 1), with the exact law at this step and the law in which the chains settle.",
    height: (width) => clamp(0.34 * width, 236, 290),
    margin: { left: 14, right: 14, top: 46, bottom: 30 },
  });
  const paths = new Stage(view, {
    label: "Paths of a few chains over the steps made so far, with the exact mean and a band of two standard deviations.",
    height: () => 220,
    margin: { left: 30, right: 20, top: 28, bottom: 30 },
  });
  const settled = new Stage(view, {
    label: "The variance in which the chains settle against the step: it grows from that of the target without bound.",
    height: () => 220,
    margin: { left: 30, right: 12, top: 46, bottom: 30 },
  });
  view.body.append(upper.element);
  const pictures = view.make("div", "gm-w-pair", view.body);
  pictures.append(paths.element, settled.element);
  const row = view.make("div", "gm-w-row", view.body);
  const play = button(view, row, { label: "Play", press: () => start() });
  button(view, row, { label: "One step", press: () => go(1) });
  button(view, row, { label: "Ten steps", press: () => go(10) });
  button(view, row, { label: "Back to the start", press: () => view.set({ steps: 0, playing: false }) });
  button(view, row, { label: "New noise", press: () => view.set({ seed: view.get("seed") + 1 }) });
  const pair = view.make("div", "gm-w-pair", view.body);
  slider(view, pair, { trait: "step", label: "step δ", low: 0.01, high: 5, scale: "log", parts: 400, format: (v) => number(v, 3) });
  slider(view, pair, { trait: "start", label: "start x₀ of every chain", low: -5, high: 5, step: 0.05, format: (v) => number(v) });
  const options = Object.entries(rules).map(([name, text]) => [name, name === RIGHT ? `x + ${text}` : `what if: x + ${text}`]);
  select(view, pair, { trait: "rule", label: "rule, with s = −x", options });
  const verdict = view.make("p", "gm-w-hint", pair);
  const lists = view.make("div", "gm-w-pair", view.body);
  const drawn = readout(view, lists, [["steps made, k"], ["mean of the chains"], ["exact mean, aᵏx₀"], ["variance of the chains"], ["exact variance"]]);
  const exactly = readout(view, lists, [["factor a of a step"], ["steps until 1 % of the start is left"], ["variance where the chains settle"], ["variance of the target"]]);

  upper.x.domain([-EDGE, EDGE]);
  upper.handle({
    name: "start of every chain",
    kind: "gm-w-ring",
    get: () => [state().start, 0],
    move: ([x]) => view.set({ start: clamp(Math.round(100 * x) / 100, -5, 5) }),
    step: 0.1,
    value: () => ({ low: -5, high: 5, now: state().start, text: `x₀ = ${number(state().start)}` }),
  });
  settled.x.domain([-2, Math.log10(5)]);
  settled.y.domain([0, 4]);
  settled.handle({
    name: "step δ, on the curve",
    kind: "gm-w-orange",
    get: () => [Math.log10(state().step), settled.y.domain()[1]],
    move: ([x]) => view.set({ step: clamp(Number((10 ** x).toPrecision(3)), 0.01, 5) }),
    step: 0.01,
    value: () => ({ low: 0.01, high: 5, now: state().step, text: `δ = ${number(state().step, 3)}` }),
  });

  let chains = { key: null };
  const run = ({ rule, step, start: from, k }) => {
    const [n, seed] = [view.get("n"), view.get("seed")];
    if (chains.key !== `${n} ${seed}`) chains = { key: `${n} ${seed}`, all: new Chains(n, random(seed).normal) };
    return chains.all.at(rule, step, from, k, PATHS);
  };
  // The step at which play stops: the last one, or the first whose exact law has left every picture.
  const end = ({ rule, step, start: from }) => {
    const { means, variances } = laws(rule, step, from, MOST);
    const first = means.findIndex((mean, k) => Math.abs(mean) + Math.sqrt(variances[k]) > GONE);
    return first < 0 ? MOST : first;
  };

  const go = (count) => {
    const now = state();
    if (!view.get("playing")) return view.set({ steps: Math.min(MOST, now.k + count) });
    const last = end(now);
    const k = Math.min(Math.max(last, now.k), now.k + count);
    view.set({ steps: k, playing: k < last });
  };
  const start = () => {
    const on = !view.get("playing");
    const now = state();
    view.set(on && now.k >= end(now) ? { steps: 0, playing: on } : { playing: on });
  };
  // So fast that a start is forgotten in about four seconds.
  const pace = new Pace();
  playback(view, play, () => {
    const whole = pace.steps(clamp(Math.min(forget(state().rule, state().step), MOST) / 4, 5, 240));
    if (whole) go(whole);
  }, { pace });

  view.draw(() => {
    const now = state();
    const places = run(now);
    const law = laws(now.rule, now.step, now.start, now.k);
    const [mean, variance] = [law.means[now.k], law.variances[now.k]];
    const [a, rest, due] = [factor(now.rule, now.step), stationary(now.rule, now.step), forget(now.rule, now.step)];
    const n = places.length;
    const outside = clouds(view, upper, places, { mean, variance, rest }, now);
    trails(view, paths, chains.all.paths, law, now.k);
    curves(view, settled, now, rest);
    const got = moments(places);
    const spread = (value, error) => (error < GONE ? `${short(value)} ± ${short(error)}` : short(value));
    drawn(`${now.k}`, spread(got.mean, Math.sqrt(variance / n)), short(mean), spread(got.variance, variance * Math.sqrt(2 / (n - 1))), short(variance));
    exactly(number(a, 3), Number.isFinite(due) ? `${due}` : "never", Number.isFinite(rest) ? short(rest) : "none", "1");
    const said = judge(a, rest, now.rule);
    if (verdict.textContent !== said) verdict.textContent = said;
    view.say(
      `${now.k} steps of ${number(now.step, 3)} from ${number(now.start)}${now.rule === RIGHT ? "" : ", wrong rule"}. ${n} chains have mean ${short(got.mean)} and variance ` +
        `${short(got.variance)}; exactly ${short(mean)} and ${short(variance)}. ${outside ? `${outside} are outside the picture. ` : ""}${said}`,
    );
  });
});

// What the numbers mean, in words.
function judge(a, rest, rule) {
  const size = number(Math.abs(a), 3);
  const times = `Each step multiplies the distance from 0 by ${size}`;
  if (Math.abs(a) > 1) return `${times}, to the other side: the chains diverge, and there is no law to settle in.`;
  if (a === -1) return "Each step jumps to the other side, just as far: the start is never forgotten and the variance grows for ever.";
  const way = a === 0 ? "One step forgets the start." : a < 0 ? `${times}, to the other side: the mean swings.` : `${times}.`;
  const off = Math.abs(rest - 1);
  const much = off < 5e-4 ? "1 to three digits" : `${short(rest)} where 1 is due`;
  return `${way} The variance settles at ${much}${rule === RIGHT ? "" : ", by a wrong rule"}.`;
}

// The histogram and three densities; returns how many chains are outside.
function clouds(view, stage, places, { mean, variance, rest }, { k, start }) {
  const { colours } = view;
  const { bins, below, above } = histogram(places, -EDGE, EDGE, BINS);
  const width = (2 * EDGE) / BINS;
  // The axis follows where the chains settle, not the single peak that they start from.
  stage.y.domain([0, 1.3 * Math.max(bell(0, 1, 0), Math.min(1.5, bell(0, rest, 0)))]);
  const c = stage.begin();
  stage.axes({ ticks: [stage.width < 480 ? 7 : 13, 0] });
  const xs = Float64Array.from({ length: 481 }, (_, i) => EDGE * (i / 240 - 1));
  curve(stage, xs, xs.map((x) => bell(0, 1, x)), { colour: colours.blue, width: 1.5, fill: 0.18 });
  stage.inside(() => {
    c.fillStyle = colours.faint;
    c.globalAlpha = 0.42;
    bins.forEach((count, i) => {
      const [left, right] = [stage.x(-EDGE + i * width), stage.x(-EDGE + (i + 1) * width)];
      const up = stage.y(count / (places.length * width));
      if (count) c.fillRect(left + 0.5, up, right - left - 1, stage.y(0) - up);
    });
  });
  if (variance > 0) curve(stage, xs, xs.map((x) => bell(mean, variance, x)), { colour: colours.red, width: 2.6 });
  if (Number.isFinite(rest)) curve(stage, xs, xs.map((x) => bell(0, rest, x)), { colour: colours.green, width: 2.2, dash: [6, 5] });
  c.fillStyle = colours.ink;
  c.textBaseline = "middle";
  const high = stage.margin.top + 8;
  if (below) {
    c.textAlign = "left";
    c.fillText(`← ${below} outside`, stage.margin.left + 2, high);
  }
  if (above) {
    c.textAlign = "right";
    c.fillText(`${above} outside →`, stage.width - stage.margin.right - 2, high);
  }
  if (!k) {
    c.textAlign = start > 3 ? "right" : "left";
    c.fillText("all chains", stage.x(start) + (start > 3 ? -10 : 24), high + 18);
  }
  const narrow = stage.width < 480;
  stage.legend([["target N(0, 1)", "blue"], [`${places.length} chains`, "faint"], ...(narrow ? [] : [[`exact law at k = ${k}`, "red"], ["where they settle", "green", [6, 4]]])]);
  if (narrow) stage.legend([[`exact, k = ${k}`, "red"], ["where they settle", "green", [6, 4]]], { line: 29 });
  stage.place();
  return below + above;
}

// Paths, exact mean and two standard deviations against the step.
function trails(view, stage, paths, { means, variances }, k) {
  const { colours } = view;
  stage.x.domain([0, Math.max(20, k)]);
  stage.y.domain([-EDGE, EDGE]);
  const c = stage.begin();
  stage.axes({ ticks: [5, 5] });
  // A point far outside is cut off: a canvas cannot place it.
  const up = (v) => stage.y(clamp(v, -1e4, 1e4));
  const along = (values) => Array.from(values, (v, i) => [stage.x(i), up(v)]);
  stage.inside(() => {
    c.strokeStyle = colours.blue;
    c.globalAlpha = 0.6;
    c.setLineDash([2, 4]);
    for (const edge of [-2, 2]) stroke(c, [stage.x(0), stage.y(edge)], [stage.x(Math.max(20, k)), stage.y(edge)]);
    c.setLineDash([]);
    const sides = [-2, 2].map((far) => along(means.map((m, i) => m + far * Math.sqrt(variances[i]))));
    c.fillStyle = colours.red;
    c.globalAlpha = 0.14;
    c.beginPath();
    for (const [x, y] of [...sides[0], ...sides[1].reverse()]) c.lineTo(x, y);
    c.fill();
    c.strokeStyle = colours.faint;
    c.lineWidth = 1;
    c.globalAlpha = 0.75;
    for (const path of paths) stroke(c, ...along(path));
    c.globalAlpha = 1;
    c.strokeStyle = colours.red;
    c.lineWidth = 2.2;
    stroke(c, ...along(means));
    if (k <= 40) {
      c.fillStyle = colours.red;
      for (const [x, y] of along(means)) {
        c.beginPath();
        c.arc(x, y, 2.6, 0, 7);
        c.fill();
      }
    }
  });
  c.fillStyle = colours.faint;
  c.textAlign = "right";
  c.textBaseline = "bottom";
  c.fillText("step", stage.width - stage.margin.right, stage.height - stage.margin.bottom - 4);
  stage.legend([["mean ± 2 std, exact", "red"], [`${paths.length} chains`, "faint"], ["target", "blue", [2, 4]]]);
}

// Where the chains settle, against the step: by this rule, and by the right one.
function curves(view, stage, { step, rule }, rest) {
  const { colours } = view;
  const [low, high] = stage.x.domain();
  const c = stage.begin();
  const [top, bottom] = [stage.margin.top, stage.height - stage.margin.bottom];
  stage.axes({ ticks: [0, 5] });
  c.fillStyle = colours.faint;
  c.strokeStyle = colours.grid;
  c.textAlign = "center";
  c.textBaseline = "top";
  for (const tick of [0.01, 0.1, 1, 4]) {
    const at = stage.x(Math.log10(tick));
    stroke(c, [at, bottom], [at, bottom + 4]);
    c.fillText(tick === 0.01 ? "δ = 0.01" : `${tick}`, Math.max(at, tick === 0.01 ? 38 : 0), bottom + 8);
  }
  const xs = Float64Array.from({ length: 301 }, (_, i) => low + (i / 300) * (high - low));
  const wall = stage.x(Math.log10(limit(rule)));
  c.fillStyle = colours.red;
  c.globalAlpha = 0.14;
  c.fillRect(wall, top, stage.width - stage.margin.right - wall, bottom - top);
  c.globalAlpha = 1;
  // 1 / (1 - δ/4) is drawn up to its pole, and no further.
  const drawn = (name, colour, width, dash = []) => {
    const seen = xs.filter((x) => stationary(name, 10 ** x) < 1e3);
    curve(stage, seen, seen.map((x) => stationary(name, 10 ** x)), { colour, width, dash });
  };
  c.lineWidth = 1.5;
  c.strokeStyle = colours.blue;
  stroke(c, [stage.x(low), stage.y(1)], [stage.x(high), stage.y(1)]);
  if (rule !== RIGHT) drawn(RIGHT, colours.faint, 1.5, [3, 3]);
  drawn(rule, colours.green, 2.4);
  const here = stage.x(Math.log10(step));
  c.strokeStyle = colours.orange;
  c.lineWidth = 1.5;
  stroke(c, [here, top], [here, bottom]);
  if (rest <= stage.y.domain()[1]) {
    c.fillStyle = colours.green;
    c.beginPath();
    c.arc(here, stage.y(rest), 4.5, 0, 7);
    c.fill();
  }
  // Where no chain settles, in words that stand out from the lines below them.
  const words = `diverges from δ = ${limit(rule)} on`;
  const long = c.measureText(words).width;
  const end = stage.width - stage.margin.right - 3;
  c.globalAlpha = 0.85;
  c.fillStyle = colours.paper;
  c.fillRect(end - long - 3, bottom - 24, long + 6, 19);
  c.globalAlpha = 1;
  c.fillStyle = colours.ink;
  c.textBaseline = "middle";
  c.textAlign = "right";
  c.fillText(words, end, bottom - 14);
  c.textAlign = here > stage.width - 90 ? "right" : "left";
  c.fillText(`δ = ${number(step, 3)}`, here + (c.textAlign === "left" ? 16 : -16), top - 9);
  stage.legend([["settled variance", "green"], ["target", "blue"], ...(rule === RIGHT ? [] : [["right rule", "faint", [3, 3]]])]);
  stage.place();
}
