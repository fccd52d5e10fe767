// Where does the bar go? Three places of DDPM's step where the quantity of one step and that of all so far look alike, and
// the variance of the samples for each choice, against that of the noised data.
import { button, check, choice, number, readout, slider } from "../controls.js";
import { curve } from "../draw.js";
import { finalVariance, marginal, variances } from "../reverse_variance.js";
import { clamp } from "../scale.js";
import { scientific } from "../scientific.js";
import { COUNTS } from "../ddpm_steps.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const [LEAST, MOST] = [0.01, 4]; // of the variance of the data
const [FLOOR, CEILING] = [-3.5, 1.3]; // of the picture, powers of ten
const PLACES = ["front", "above", "below"];
const RIGHT = { front: false, above: false, below: true };
const EIGHT = Array.from({ length: 8 }, (_, i) => ({ front: i > 3, above: i % 4 > 1, below: i % 2 === 1 }));
const NAMES = { beta: "variance β", beta_tilde: "variance β̃", ddim: "DDIM" };
const COLOURS = { beta: "red", beta_tilde: "green", ddim: "pink" };

const shown = (v) => (Number.isFinite(v) ? scientific(v, 4, 1e-4) : "overflow");
const code = ({ front, above, below }) => 4 * front + 2 * above + below;

export default widget("variance-recursion", "Where does the bar go?", (view) => {
  const state = () => {
    const [variance, steps, noise, lastNoise] = ["variance", "steps", "noise", "last_noise"].map((trait) => view.get(trait));
    return { variance, steps, noise, lastNoise, bars: Object.fromEntries(PLACES.map((place) => [place, view.get(place)])) };
  };
  const tried = new Set();

  // The step as a formula, and the three places to fill.
  const line = view.make("div", "", view.body);
  line.style.cssText = "font-size: clamp(0.7rem, 4.2cqi, 1.08rem); padding: 0.35rem 0.2rem; text-align: center; min-height: 4.2rem; display: grid; align-content: center";
  line.setAttribute("role", "img");
  const places = view.make("div", "", view.body);
  places.style.cssText = "display: grid; gap: 0.75rem 1.4rem; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr))";
  const choices = [
    choice(view, places, { trait: "front", label: "1 over, in front", options: [[false, "√(1 − βₖ)"], [true, "√ᾱₖ"]] }),
    choice(view, places, { trait: "above", label: "above, at ε̂", options: [[false, "βₖ"], [true, "1 − ᾱₖ"]] }),
    choice(view, places, { trait: "below", label: "below it", options: [[false, "√βₖ"], [true, "√(1 − ᾱₖ)"]] }),
  ];
  const verdict = view.make("p", "gm-w-hint", view.body);
  verdict.style.cssText = "min-height: 2.45rem; color: var(--gm-w-ink)";

  const pictures = view.make("div", "gm-w-pair", view.body);
  const along = new Stage(view, {
    label: "Variance against time, from noise on the left to data on the right: that of the noised data, and that of the sampler's points.",
    height: () => 250,
    margin: { left: 44, right: 20, top: 46, bottom: 30 },
  });
  const against = new Stage(view, {
    label: "Final variance over the variance of the data, against the number of steps, for three samplers; a line at one.",
    height: () => 250,
    margin: { left: 34, right: 16, top: 46, bottom: 30 },
  });
  pictures.append(along.element, against.element);

  const lower = view.make("div", "gm-w-pair", view.body);
  const settings = view.make("div", "gm-w-panel", lower);
  slider(view, settings, { trait: "variance", label: "variance v of the data", low: LEAST, high: MOST, scale: "log", parts: 260, format: (v) => number(v, v < 0.1 ? 3 : 2) });
  slider(view, settings, { trait: "steps", label: "steps of the sampler", values: COUNTS, format: String });
  choice(view, settings, { trait: "noise", label: "noise of a step", options: [["beta", "βₖ"], ["beta_tilde", "β̃ₖ"], ["ddim", "none: DDIM"]] });
  check(view, settings, { trait: "last_noise", label: "noise in the last step, too" });
  const tell = readout(view, settings, [["variance of the data, v"], ["after the first step"], ["there the noised data have"], ["final variance of the samples", "total"]]);

  const side = view.make("div", "gm-w-panel", lower);
  const table = view.make("table", "gm-w-table", side);
  const head = view.make("tr", "", view.make("thead", "", table));
  for (const name of ["front", "above", "below", "final variance"]) Object.assign(view.make("th", "", head), { textContent: name, scope: "col" });
  const rows = view.make("tbody", "", table);
  const cells = EIGHT.map(() => {
    const row = view.make("tr", "", rows);
    return { row, cells: Array.from({ length: 4 }, () => view.make("td", "", row)) };
  });
  const buttons = view.make("div", "gm-w-row", side);
  button(view, buttons, { label: "Forget what I tried", press: () => {
    tried.clear();
    view.redraw();
  } });

  const height = (v) => clamp(Math.log10(v), FLOOR - 1, CEILING + 1);
  along.x.domain([1, 0]);
  along.y.domain([FLOOR, CEILING]);
  along.handle({
    name: () => `variance of the data, ${number(state().variance, 3)}`,
    kind: "gm-w-ring",
    get: () => [0, height(state().variance)],
    move: ([, y]) => view.set({ variance: clamp(Number((10 ** y).toPrecision(3)), LEAST, MOST) }),
    step: 0.02,
  });
  against.x.domain([0, 3]);
  against.y.domain([0, 2]);
  const nearest = (x) => COUNTS.reduce((best, n) => (Math.abs(Math.log10(n) - x) < Math.abs(Math.log10(best) - x) ? n : best), 1);
  against.handle({
    name: "steps of the sampler, on the picture",
    kind: "gm-w-orange",
    get: () => [Math.log10(state().steps), 2],
    move: ([x]) => {
      const now = state().steps;
      const i = COUNTS.indexOf(now);
      // An arrow key moves by less than the next number may be away.
      const nudge = x - Math.log10(now);
      const near = nearest(x);
      const key = near === now && Math.abs(Math.abs(nudge) - 0.011) < 1e-9;
      view.set({ steps: key ? COUNTS[clamp(i + Math.sign(nudge), 0, COUNTS.length - 1)] : near });
    },
    step: 0.011,
    value: () => ({ low: 1, high: 1000, now: state().steps, text: `${state().steps} steps` }),
  });

  view.draw(() => {
    const now = state();
    const chain = now.noise !== "ddim";
    if (chain) tried.add(code(now.bars));
    for (const group of choices) {
      group.disabled = !chain;
      group.style.opacity = chain ? "" : "0.45";
    }
    formula(view, line, now);
    const run = variances(now);
    const final = run.values[now.steps];
    draw(view, along, now, run);
    compare(view, against, now);
    const words = chain ? judge(now, final) : `DDIM takes x̂₀ and ε̂ apart and puts them together again, without fresh noise: no bar to place. It ends at ${shown(final)}.`;
    if (verdict.textContent !== words) verdict.textContent = words;
    tell(number(now.variance, now.variance < 0.1 ? 3 : 2), shown(run.values[1]), shown(marginal(now.variance, run.times[1])), shown(final));
    table.hidden = buttons.hidden = !chain;
    if (chain) {
      EIGHT.forEach((bars, i) => {
        const known = tried.has(i);
        const here = i === code(now.bars);
        cells[i].row.style.background = here ? "var(--gm-w-panel)" : "";
        const values = PLACES.map((place) => (bars[place] ? "bar" : "–"));
        [...values, known ? shown(finalVariance({ ...now, bars })) : "not tried"].forEach((text, k) => {
          const cell = cells[i].cells[k];
          if (cell.textContent !== text) cell.textContent = text;
          cell.style.color = known ? "" : "var(--gm-w-faint)";
          cell.style.fontWeight = known && (k === 3 || here) ? "600" : "400";
        });
      });
    }
    const where = PLACES.filter((place) => now.bars[place]);
    view.say(
      `${now.steps} steps, ${chain ? `${NAMES[now.noise]}, bars ${where.length ? where.join(" and ") : "nowhere"}` : "DDIM"}: the samples end with ` +
        `variance ${shown(final)}, the data have ${number(now.variance, 3)}.`,
    );
  });
});

// What the number says, and a question where a bar is wrong.
function judge({ variance, steps, bars, lastNoise }, final) {
  const close = steps === 1000 ? "" : ` With ${steps} steps instead of 1000 it misses v by ${number(Math.abs(100 * (final / variance - 1)), 1)} %.`;
  if (code(bars) === code(RIGHT)) {
    return `This is the step. One step undoes one step; only the root below ε̂ knows of all noise so far, because that is what ε̂ is the noise of.${close}${lastNoise ? " Noise in the last step is only noise." : ""}`;
  }
  if (bars.front) return "One step of the chain shrinks the point by one factor. Which product belongs to a single step?";
  if (!bars.below) return "ε̂ has about variance one. How much noise is in xₖ by now, that of one step or that of all?";
  return "One step takes away as much noise as one step has added. How much is that?";
}

// The step with what was chosen in its three places.
function formula(view, line, { noise, bars }) {
  const key = `${noise} ${code(bars)}`;
  if (line.dataset.key === key) return;
  line.dataset.key = key;
  line.replaceChildren();
  const row = view.make("span", "", line);
  row.style.cssText = "display: inline-flex; align-items: center; gap: 0.28em; white-space: nowrap; margin: 0 auto; width: max-content; font-family: var(--gm-serif, Georgia, 'Times New Roman', serif)";
  const text = (place, words) => Object.assign(view.make("span", "", place), { textContent: words });
  const filled = (place, words) => {
    text(place, words).style.cssText = "color: var(--gm-w-accent); font-weight: 700; padding: 0 0.15em";
  };
  const root = (place, inner, colour) => {
    const box = view.make("span", "", place);
    box.style.cssText = `display: inline-flex; ${colour ? "color: var(--gm-w-accent); font-weight: 700; padding: 0 0.15em" : ""}`;
    text(box, "√");
    text(box, inner).style.cssText = "border-top: 1.5px solid; line-height: 1.25; padding: 0 0.1em; margin-top: 0.14em";
  };
  const fraction = (above, below) => {
    const box = view.make("span", "", row);
    box.style.cssText = "display: inline-grid; justify-items: center; line-height: 1.45";
    const top = view.make("span", "", box);
    top.style.cssText = "border-bottom: 1.5px solid; padding: 0 0.3em 0.12em; min-width: 100%; text-align: center";
    above(top);
    below(view.make("span", "", box));
  };
  if (noise === "ddim") {
    text(row, "xₛ  =");
    root(row, "ᾱₛ");
    text(row, "x̂₀  +");
    root(row, "1 − ᾱₛ");
    text(row, "ε̂");
    line.setAttribute("aria-label", "x s equals the root of alpha bar s times x hat zero, plus the root of one minus alpha bar s times epsilon hat");
    return;
  }
  text(row, "xₖ₋₁  =");
  fraction((top) => text(top, "1"), (bottom) => root(bottom, bars.front ? "ᾱₖ" : "1 − βₖ", true));
  text(row, "(").style.fontSize = "1.7em";
  text(row, "xₖ  −");
  fraction((top) => filled(top, bars.above ? "1 − ᾱₖ" : "βₖ"), (bottom) => root(bottom, bars.below ? "1 − ᾱₖ" : "βₖ", true));
  text(row, "ε̂");
  text(row, ")").style.fontSize = "1.7em";
  text(row, "+");
  root(row, noise === "beta" ? "βₖ" : "β̃ₖ");
  text(row, "ε");
  line.setAttribute(
    "aria-label",
    `x k minus one equals one over the root of ${bars.front ? "alpha bar k" : "one minus beta k"}, times: x k minus ` +
      `${bars.above ? "one minus alpha bar k" : "beta k"} over the root of ${bars.below ? "one minus alpha bar k" : "beta k"} times epsilon hat; ` +
      `plus noise of variance ${noise === "beta" ? "beta k" : "beta tilde k"}`,
  );
}

// Variances along the steps; what is too large or too small ends at the edge, with an arrow.
function draw(view, stage, now, { times, values }) {
  const { colours } = view;
  const c = stage.begin();
  const { x, y, margin } = stage;
  stage.axes({ ticks: [5, 0] });
  c.strokeStyle = colours.grid;
  c.fillStyle = colours.faint;
  c.textAlign = "right";
  c.textBaseline = "middle";
  for (const power of [-3, -2, -1, 0, 1]) {
    stroke(c, [margin.left, y(power)], [stage.width - margin.right, y(power)]);
    c.fillText(`${10 ** power}`, margin.left - 7, y(power));
  }
  const fine = Float64Array.from({ length: 241 }, (_, i) => 1 - i / 240);
  curve(stage, fine, fine.map((t) => Math.log10(marginal(now.variance, t))), { colour: colours.blue, width: 5 });
  const colour = colours[COLOURS[now.noise]];
  const logs = values.map((v) => clamp(Math.log10(v), FLOOR - 2, CEILING + 2));
  curve(stage, times, logs, { colour, width: 2.2 });
  if (now.steps <= 50) {
    stage.inside(() => {
      c.fillStyle = colour;
      logs.forEach((log, i) => {
        c.beginPath();
        c.arc(x(times[i]), y(log), 2.6, 0, 7);
        c.fill();
      });
    });
  }
  const final = values[now.steps];
  const out = values.findIndex((v) => !(v <= 10 ** CEILING));
  if (out >= 0) {
    const at = clamp(x(times[out]), margin.left + 10, stage.width - margin.right - 10);
    const text = `out at t = ${number(times[out], 2)}${final <= 10 ** CEILING ? ", and back" : Number.isFinite(final) ? `, at last ${shown(final)}` : ", and beyond 10³⁰⁸"}`;
    const wide = c.measureText(text).width;
    const left = at + wide + 22 < stage.width - margin.right;
    c.strokeStyle = colour;
    c.lineWidth = 2;
    stroke(c, [at - 5, margin.top + 8], [at, margin.top + 1], [at + 5, margin.top + 8]);
    stroke(c, [at, margin.top + 1], [at, margin.top + 18]);
    c.fillStyle = colours.ink;
    c.textAlign = left ? "left" : "right";
    c.fillText(text, at + (left ? 11 : -11), margin.top + 10);
  }
  c.fillStyle = colours.faint;
  c.textAlign = "left";
  c.textBaseline = "bottom";
  c.fillText("noise", margin.left + 3, stage.height - margin.bottom - 4);
  c.textAlign = "right";
  c.fillText("data", stage.width - margin.right - 4, stage.height - margin.bottom - 4);
  stage.legend([["noised data, ᾱₖv + 1 − ᾱₖ", "blue"]]);
  stage.legend([[`sampler, ${now.noise === "ddim" ? "" : "noise of "}${NAMES[now.noise]}`, COLOURS[now.noise]]], { line: 30 });
  stage.place();
}

// Where each sampler ends, with the bars as they are, for every number of steps.
function compare(view, stage, now) {
  const { colours } = view;
  const c = stage.begin();
  const { x, y, margin } = stage;
  stage.axes({ ticks: [0, 4] });
  const bottom = stage.height - margin.bottom;
  c.fillStyle = colours.faint;
  c.strokeStyle = colours.grid;
  c.textAlign = "center";
  c.textBaseline = "top";
  for (const n of [1, 10, 100, 1000]) {
    const at = x(Math.log10(n));
    stroke(c, [at, bottom], [at, bottom + 4]);
    c.fillText(n === 1 ? "1 step" : `${n}`, clamp(at, margin.left + 14, stage.width - 14), bottom + 7);
  }
  c.lineWidth = 2;
  c.strokeStyle = colours.blue;
  stroke(c, [margin.left, y(1)], [stage.width - margin.right, y(1)]);
  const xs = COUNTS.map((n) => Math.log10(n));
  for (const noise of ["ddim", "beta_tilde", "beta"]) {
    const mine = noise === now.noise;
    const ratios = COUNTS.map((steps) => Math.min(9, finalVariance({ ...now, noise, steps }) / now.variance));
    const colour = colours[COLOURS[noise]];
    curve(stage, xs, ratios, { colour, width: mine ? 2.6 : 1.3 });
    stage.inside(() => {
      c.fillStyle = colour;
      ratios.forEach((ratio, i) => {
        c.beginPath();
        c.arc(x(xs[i]), y(ratio), mine ? 3 : 1.8, 0, 7);
        c.fill();
      });
    });
  }
  const here = x(Math.log10(now.steps));
  c.strokeStyle = colours.orange;
  c.lineWidth = 1.2;
  c.setLineDash([4, 3]);
  stroke(c, [here, margin.top], [here, bottom]);
  c.setLineDash([]);
  stage.legend([["final variance / v, with β", "red"]]);
  stage.legend([["β̃", "green"], ["DDIM", "pink"], ["the data", "blue"]], { line: 30 });
  stage.place();
}
