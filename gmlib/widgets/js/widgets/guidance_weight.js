// Guidance weight: a class within the data, all normal. What guidance aims at, what the samplers make, and why they differ.
import { button, choice, number, slider } from "../controls.js";
import { FINE } from "../ddpm_steps.js";
import { curve } from "../draw.js";
import { endlessFlow, sampled, scores, tilt } from "../guided_normal.js";
import { clamp } from "../scale.js";
import { scientific } from "../scientific.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const [LEAST, MOST] = [-1, 6]; // of w
const REACH = 2.5; // of c
const [NARROW, WIDE] = [0.05, 2]; // of v
const [FEW, MANY] = [0.05, 4]; // of v_c
const WEIGHTS = Array.from({ length: 71 }, (_, i) => LEAST + i / 10);
const EDGE = 20; // the picture reaches no further
const LAWS = [
  ["one", "the class", "blue"],
  ["everything", "all data", "faint"],
  ["tilt", "tilted law", "green"],
  ["ancestral", "ancestral sampler", "red"],
  ["ddim", "DDIM", "pink"],
  ["flow", "endless flow", "ink"],
];
const DASHES = { tilt: [7, 4], ddim: [10, 2, 2, 2], flow: [2, 4] };

const bell = ({ mean, variance }, x) => Math.exp((-0.5 * (x - mean) ** 2) / variance) / Math.sqrt(2 * Math.PI * variance);
const shown = (v) => scientific(v, 4, 1e-3);

export default widget("guidance-weight", "Guidance weight", (view) => {
  const state = () => {
    const [w, c, variance, priorVar, steps, bar, show] = ["w", "c", "var", "prior_var", "steps", "alpha_bar", "show"].map((trait) => view.get(trait));
    return { w, c, variance, priorVar, steps, bar, show };
  };
  const laws = (now) => ({
    one: { mean: now.c, variance: now.variance },
    everything: { mean: 0, variance: now.variance + now.priorVar },
    tilt: tilt(now),
    ancestral: sampled(now, "ancestral"),
    ddim: sampled(now, "ddim"),
    flow: endlessFlow(now),
  });

  const verdict = view.make("p", "gm-w-hint", view.body);
  verdict.style.cssText = "color: var(--gm-w-ink); min-height: 3.7rem";
  const pictures = view.make("div", "gm-w-pair", view.body);
  const picture = new Stage(view, {
    label: "Densities of the class, of all data, of the tilted law and of what the ancestral sampler, DDIM and the endless flow make.",
    height: () => 300,
    margin: { left: 14, right: 14, top: 74, bottom: 30 },
  });
  const against = new Stage(view, {
    label: "Variance or mean against the weight w: the tilted law, the ancestral sampler, DDIM and the endless flow.",
    height: () => 300,
    margin: { left: 46, right: 16, top: 74, bottom: 30 },
  });
  const lines = new Stage(view, {
    label: "Scores at one noise level, lines through the noised point: the guided one, that of the tilted law once noised, and those of the class and of all data.",
    height: () => 300,
    margin: { left: 34, right: 14, top: 74, bottom: 30 },
  });
  pictures.append(picture.element, against.element, lines.element);

  const lower = view.make("div", "gm-w-pair", view.body);
  const settings = view.make("div", "gm-w-panel", lower);
  slider(view, settings, { trait: "w", label: "guidance weight w", low: LEAST, high: MOST, step: 0.05, format: (v) => number(v) });
  slider(view, settings, { trait: "c", label: "class m, the mean of its points", low: -REACH, high: REACH, step: 0.05, format: (v) => number(v) });
  slider(view, settings, { trait: "var", label: "variance v within the class", low: NARROW, high: WIDE, step: 0.01, format: (v) => number(v) });
  slider(view, settings, { trait: "prior_var", label: "variance v_c of the classes", low: FEW, high: MANY, step: 0.05, format: (v) => number(v) });
  slider(view, settings, { trait: "steps", label: "steps of the samplers", values: FINE, format: String });
  const side = view.make("div", "gm-w-panel", lower);
  const table = view.make("table", "gm-w-table", side);
  const head = view.make("tr", "", view.make("thead", "", table));
  for (const name of ["law", "mean", "variance"]) Object.assign(view.make("th", "", head), { textContent: name, scope: "col" });
  head.firstChild.style.textAlign = "left";
  const body = view.make("tbody", "", table);
  const cells = LAWS.map(([, name, colour]) => {
    const row = view.make("tr", "", body);
    const title = view.make("th", "", row);
    title.scope = "row";
    view.make("span", "gm-w-key", title).style.background = `var(--gm-w-${colour})`;
    title.append(name);
    return [view.make("td", "", row), view.make("td", "", row)];
  });
  choice(view, side, { trait: "show", label: "beside the densities", options: [["variance", "variance"], ["mean", "mean"], ["scores", "scores"]] });
  const level = slider(view, side, { trait: "alpha_bar", label: "noise level: signal squared, ᾱ", low: 0.02, high: 0.98, step: 0.01, format: (v) => number(v) });
  const buttons = view.make("div", "gm-w-row", side);
  button(view, buttons, { label: "w = 1", press: () => view.set({ w: 1 }) });
  button(view, buttons, { label: "w = 2", press: () => view.set({ w: 2 }) });
  button(view, buttons, { label: "slopes −2.5 and −1.75", press: () => view.set({ w: 3, c: 1, var: 1 / 3, prior_var: 2 / 3, alpha_bar: 0.5, show: "scores" }) });

  // While a handle of the densities is held their axis rests, so that it stays under the finger.
  let held = false;
  const hold = ({ button: grip }) => {
    view.listen(grip, "pointerdown", () => (held = true));
    for (const end of ["pointerup", "pointercancel"]) {
      view.listen(grip, end, () => {
        held = false;
        view.redraw();
      });
    }
  };
  const two = (v) => Math.round(100 * v) / 100;
  hold(picture.handle({
    name: "class c",
    kind: "gm-w-ring",
    get: () => [state().c, 0],
    move: ([x]) => view.set({ c: clamp(two(x), -REACH, REACH) }),
    step: 0.05,
    value: () => ({ low: -REACH, high: REACH, now: state().c, text: `m = ${number(state().c)}` }),
  }));
  hold(picture.handle({
    name: "width of the class",
    get: () => {
      const { c, variance } = state();
      return [c + Math.sqrt(variance), bell({ mean: c, variance }, c + Math.sqrt(variance))];
    },
    move: ([x]) => view.set({ var: clamp(two(Math.max(0, x - state().c) ** 2), NARROW, WIDE) }),
    step: 0.02,
    value: () => ({ low: NARROW, high: WIDE, now: state().variance, text: `v = ${number(state().variance)}` }),
  }));
  against.x.domain([LEAST, MOST]);
  against.handle({
    name: "guidance weight w, on the picture",
    kind: "gm-w-orange",
    get: () => [state().w, against.y.domain()[1]],
    move: ([x]) => view.set({ w: clamp(Math.round(20 * x) / 20, LEAST, MOST) }),
    step: 0.05,
    value: () => ({ low: LEAST, high: MOST, now: state().w, text: `w = ${number(state().w)}` }),
  });

  view.draw(() => {
    const now = state();
    const found = laws(now);
    const slopes = scores(now, Math.sqrt(now.bar), Math.sqrt(1 - now.bar));
    against.element.hidden = now.show === "scores";
    lines.element.hidden = level.hidden = now.show !== "scores";
    densities(view, picture, now, found, held);
    if (now.show === "scores") drawScores(view, lines, now, slopes, picture.x.domain());
    else alongWeight(view, against, now);
    LAWS.forEach(([key], i) => {
      const law = found[key];
      const texts = law ? [number(law.mean, 4), shown(law.variance)] : ["none", "none"];
      texts.forEach((text, k) => {
        if (cells[i][k].textContent !== text) cells[i][k].textContent = text;
      });
    });
    const words = now.show === "scores" ? compareSlopes(now, slopes) : judge(now, found);
    if (verdict.textContent !== words) verdict.textContent = words;
    const tell = (name, law) => (law ? `${name} mean ${number(law.mean, 3)}, variance ${shown(law.variance)}` : `${name} cannot be normalised`);
    view.say(
      `w = ${number(now.w)}, ${now.steps} steps: ${tell("tilted law", found.tilt)}; ${tell("ancestral", found.ancestral)}; ${tell("DDIM", found.ddim)}. ` +
        (now.show === "scores" ? `At signal squared ${number(now.bar)} the guided score has slope ${number(slopes.guided.slope, 3)}${slopes.tilted ? `, that of the noised tilted law ${number(slopes.tilted.slope, 3)}` : ""}.` : ""),
    );
  });
});

// What this weight does, in words.
function judge({ w, c, variance, priorVar, steps }, { tilt: aim, ancestral, ddim }) {
  const least = number(-variance / priorVar, 3);
  if (!aim) return `Away from the class, and below w = −v/v_c = ${least} the tilted density grows without bound on both sides: it cannot be normalised, and there is no tilted law. The samplers make a law all the same, which shows that they never aimed at it.`;
  if (w < 0) return `Away from the class: the data with the class pushed out. Below w = −v/v_c = ${least} there is no tilted law any more.`;
  if (w === 0) return "w = 0 asks for no class: the guess without it, and the samplers make all data.";
  if (w === 1) return `w = 1 is Bayes’ rule: the guided score is the class’s own at every noise level, and the samplers make the class${steps < 500 ? `, up to what ${steps} steps miss` : ""}. Only here and at 0 is what is aimed at what is made.`;
  const shares = `variance ${shown(ddim.variance)} by DDIM and ${shown(ancestral.variance)} by the ancestral sampler, ${shown(aim.variance)} in the tilted law`;
  if (w < 1) return `Between: part of the way from all data to the class, and already three different laws: ${shares}.`;
  const past = c === 0 ? "" : ` The mean has left m = ${number(c)} behind: ${number(ddim.mean, 3)}, ${number(ancestral.mean, 3)} and ${number(aim.mean, 3)}.`;
  return `Beyond the class: samples crowd together, ${shares}.${past}${steps < 1000 ? "" : " More steps do not close the gap: the endless flow has it, too."}`;
}

function compareSlopes({ w, bar }, { guided, tilted }) {
  const where = `At ᾱ = ${number(bar)} the guided score has slope ${number(guided.slope, 3)}`;
  if (!tilted) return `${where}${guided.slope > 0 ? ", which drives points outwards" : ""}. There is no tilted law whose noised score could be beside it.`;
  if (w === 0 || w === 1) return `${where}, and that of the noised tilted law the same: at w = ${w} there is nothing to tell apart.`;
  return `${where}, that of the tilted law once noised ${number(tilted.slope, 3)}. To follow the second would end in the tilted law; samplers follow the first. Take the noise away (ᾱ towards 1) and the lines meet.`;
}

// The densities; one that is too high for the picture leaves it at the top.
function densities(view, stage, now, found, held) {
  const { colours } = view;
  const present = LAWS.filter(([key]) => found[key]);
  if (!held || !stage.width) {
    const wide = 3.1 * Math.sqrt(found.everything.variance);
    const ends = present.flatMap(([key]) => [-1, 1].map((side) => found[key].mean + side * 3 * Math.sqrt(Math.min(found[key].variance, found.everything.variance))));
    stage.x.domain([clamp(Math.floor(2 * Math.min(-wide, ...ends)) / 2, -EDGE, 0), clamp(Math.ceil(2 * Math.max(wide, ...ends)) / 2, 0, EDGE)]);
  }
  const peak = bell(found.one, now.c);
  const tallest = Math.max(...present.map(([key]) => bell(found[key], found[key].mean)));
  stage.y.domain([0, Math.min(1.06 * tallest, 2.4 * peak)]);
  const c = stage.begin();
  stage.axes({ ticks: [stage.width < 330 ? 5 : 8, 0] });
  for (const [key, , colour] of present) {
    const law = found[key];
    const far = 5 * Math.sqrt(law.variance);
    const xs = Float64Array.from({ length: 201 }, (_, i) => law.mean + far * (i / 100 - 1));
    curve(stage, xs, xs.map((x) => bell(law, x)), { colour: colours[colour], width: key === "flow" ? 1.6 : 2.2, dash: DASHES[key] ?? [], fill: key === "one" ? 0.18 : key === "everything" ? 0.12 : 0 });
  }
  const [, top] = stage.y.domain();
  c.textBaseline = "top";
  c.textAlign = "left";
  const out = present.filter(([key]) => bell(found[key], found[key].mean) > top).map(([key, , colour]) => ({ colour, at: stage.x(found[key].mean) }));
  for (const { colour, at } of out) {
    c.strokeStyle = colours[colour];
    c.lineWidth = 2;
    stroke(c, [at - 4, stage.margin.top + 1], [at, stage.margin.top - 6], [at + 4, stage.margin.top + 1]);
  }
  legend(stage, LAWS);
  stage.place();
}

function legend(stage, laws) {
  stage.legend(laws.map(([key, name, colour]) => [name, colour, DASHES[key]]));
}

// Variance or mean of each law against w.
function alongWeight(view, stage, now) {
  const { colours } = view;
  const log = now.show === "variance";
  const key = `${now.show} ${now.c} ${now.variance} ${now.priorVar} ${now.steps}`;
  if (stage.swept?.key !== key) {
    const of = (law) => (law ? (log ? Math.log10(law.variance) : law.mean) : NaN);
    const all = WEIGHTS.map((w) => ({ ...now, w }));
    stage.swept = { key, tilt: all.map((s) => of(tilt(s))), ancestral: all.map((s) => of(sampled(s, "ancestral"))), ddim: all.map((s) => of(sampled(s, "ddim"))), flow: all.map((s) => of(endlessFlow(s))) };
  }
  const rows = LAWS.slice(2);
  // The tilted law may leave the picture where it ceases to be one.
  // Means run away below zero, which would leave no room for the rest.
  const values = ["ancestral", "ddim", "flow"].flatMap((name) => stage.swept[name].slice(log ? 0 : 8));
  const [low, high] = [Math.min(...values, ...stage.swept.tilt.slice(10)), Math.max(...values)];
  stage.y.domain(log ? [Math.floor(low), Math.max(Math.ceil(high), 0.5)] : [low - 0.05 * (high - low) - 0.01, high + 0.1 * (high - low) + 0.01]);
  const c = stage.begin();
  const { x, y, margin } = stage;
  const bottom = stage.height - margin.bottom;
  stage.axes({ ticks: [7, log ? 0 : 5] });
  if (log) {
    const [from, to] = y.domain();
    const stride = to - from > 6 ? 2 : 1;
    c.fillStyle = colours.faint;
    c.strokeStyle = colours.grid;
    c.textAlign = "right";
    c.textBaseline = "middle";
    for (let power = from; power <= to; power += stride) {
      stroke(c, [margin.left - 4, y(power)], [margin.left, y(power)]);
      c.fillText(power > -4 && power < 4 ? `${Number(`1e${power}`)}` : scientific(10 ** power, 1).replace("1·", ""), margin.left - 7, y(power));
    }
  }
  c.strokeStyle = colours.grid;
  for (const w of [0, 1]) stroke(c, [x(w), margin.top], [x(w), bottom]);
  for (const [name, , colour] of rows) {
    const pairs = WEIGHTS.map((w, i) => [w, stage.swept[name][i]]).filter(([, v]) => Number.isFinite(v));
    curve(stage, pairs.map(([w]) => w), pairs.map(([, v]) => v), { colour: colours[colour], width: name === "flow" ? 1.6 : 2.4, dash: DASHES[name] ?? [] });
  }
  const gone = -now.variance / now.priorVar;
  if (gone > LEAST) {
    c.fillStyle = colours.green;
    c.globalAlpha = 0.12;
    c.fillRect(x(LEAST), margin.top, x(gone) - x(LEAST), bottom - margin.top);
    c.globalAlpha = 1;
  }
  c.strokeStyle = colours.ink;
  c.lineWidth = 1.2;
  c.setLineDash([4, 3]);
  stroke(c, [x(now.w), margin.top], [x(now.w), bottom]);
  c.setLineDash([]);
  c.fillStyle = colours.faint;
  c.textAlign = "right";
  c.textBaseline = "bottom";
  c.fillText("w", stage.width - margin.right - 2, bottom - 4);
  stage.legend([[`${now.show} of the tilted law`, "green", DASHES.tilt], ["ancestral", "red"], ["DDIM", "pink", DASHES.ddim], ["endless flow", "ink", DASHES.flow]]);
  stage.place();
}

// The scores at one noise level, over the noised point.
function drawScores(view, stage, now, slopes, [low, high]) {
  const { colours } = view;
  stage.x.domain([low, high]);
  stage.y.domain([-6, 6]);
  const c = stage.begin();
  stage.axes({ ticks: [stage.width < 330 ? 5 : 8, 5] });
  const { y, margin } = stage;
  c.strokeStyle = colours.grid;
  stroke(c, [margin.left, y(0)], [stage.width - margin.right, y(0)]);
  const xs = [low, high];
  const lines = [["all", "faint", 1.2, []], ["one", "blue", 1.6, []], ["guided", "orange", 2.6, []], ["tilted", "green", 2.4, DASHES.tilt]];
  for (const [name, colour, width, dash] of lines) {
    const line = slopes[name];
    if (line) curve(stage, xs, xs.map((at) => line.offset + line.slope * at), { colour: colours[colour], width, dash });
  }
  c.fillStyle = colours.faint;
  c.textAlign = "left";
  c.textBaseline = "bottom";
  c.fillText("noised point xₜ", margin.left + 4, stage.height - margin.bottom - 4);
  const short = stage.width < 380;
  stage.legend([[`guided score, slope ${number(slopes.guided.slope)}`, "orange"]]);
  stage.legend([[slopes.tilted ? `${short ? "" : "score of the "}tilted law, noised, slope ${number(slopes.tilted.slope)}` : "no tilted law", "green", DASHES.tilt]], { line: 29 });
  stage.legend([["class", "blue"], ["all data", "faint"]], { line: 47 });
  stage.place();
}
