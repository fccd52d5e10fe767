// Guidance of particles in the plane, where everything is known: the fields, the particles, and what the weight does to them.
import { button, check, choice, number, readout, select, slider } from "../controls.js";
import { arrows, contourLines, curve, particles } from "../draw.js";
import { GuidedRun, SCHEDULE, weightAt } from "../guided_run.js";
import { LabelledLaw } from "../labelled_law.js";
import { random } from "../random.js";
import { clamp } from "../scale.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const NAMES = { bumps: "one bump a class", pairs: "two bumps a class", star: "classes that overlap" };
const CLASSES = ["top", "left", "right"];
const COLOURS = ["green", "pink", "orange"]; // of the classes
const FIELDS = [["untold", "without the class", "ink"], ["told", "with the class", "blue"], ["guided", "guided", "red"]];
const COUNT = 600;
const HALF = 3.2; // half the side of the plane that is shown
const WEIGHTS = [1, 3, 0, 8, 2, 5, 0.5, 1.5, 4, 6.5, 0.25, 0.75, 2.5]; // of the curve, the most telling first
const NAMED = [0, 1, 2, 4, 8];
const BUDGET = 10; // milliseconds of a frame for the curve
const SECONDS = 4; // from noise to the end
const TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];

// Where arrows begin: n by n places.
const feet = (n) => Float64Array.from({ length: 2 * n * n }, (_, i) => 2 * HALF * (((i % 2 ? Math.floor(i / 2 / n) : (i >> 1) % n) + 0.5) / n - 0.5));

export default widget("guided-field", "The guided field", (view) => new Field(view));

class Field {
  constructor(view) {
    Object.assign(this, { view, run: null, law: null, made: null, last: null });
    this.layout();
    view.bind("limited", (limited) => (this.strip.element.hidden = !limited));
    view.bind("playing", (playing) => this.play(playing));
    view.draw(() => this.paint());
  }

  layout() {
    const { view } = this;
    view.body.classList.add("gm-w-side");
    const left = view.make("div", "gm-w-panel", view.body);
    // Beside the picture on a phone as well.
    choice(view, left, { trait: "asked", label: "class that is asked for", options: CLASSES.map((name, i) => [i, name]) });
    slider(view, left, { trait: "w", label: "weight w of the guidance", low: 0, high: 8, step: 0.1, format: (v) => number(v, 1) });
    this.plane = new Stage(view, {
      label: "Three classes in the plane as contour lines at this noise level, arrows of the fields that are switched on, and particles, coloured by the class in which they end.",
      height: (width) => width,
      margin: { left: 2, right: 2, top: 2, bottom: 2 },
    });
    left.append(this.plane.element);
    const caption = view.make("p", "gm-w-hint", left);
    CLASSES.forEach((name, i) => this.key(caption, COLOURS[i], name));
    caption.append("– contours of the class at this time; particles by the class they end in");
    view.make("p", "gm-w-hint", left).textContent = "Below: share taken for the class, to the right, and variance over that of the class, for all weights.";
    this.trade = new Stage(view, {
      label: "Share of the particles taken for the class, to the right, against their variance over that of the class, on a log scale; a dot for the weight that is set, on the curve of all weights.",
      height: () => 190,
      margin: { left: 40, right: 14, top: 8, bottom: 30 },
    });
    left.append(this.trade.element);

    const panel = view.make("div", "gm-w-panel", view.body);
    select(view, panel, { trait: "law", label: "law", options: Object.keys(view.get("laws")).map((name) => [name, NAMES[name] ?? name]) });
    slider(view, panel, { trait: "time", label: "time t, from the end to noise", low: 0, high: 1, step: 0.01, format: (v) => number(v) });
    const row = view.make("div", "gm-w-row", panel);
    this.runs = button(view, row, { label: "Run", press: () => this.press() });
    this.runs.style.cssText = "border-color: var(--gm-w-accent); border-radius: 99px; padding-inline: 1.15rem";
    button(view, row, { label: "New noise", press: () => view.set({ seed: (view.get("seed") + 1) % 2 ** 31 }) });
    const fields = view.make("div", "", panel);
    view.make("span", "gm-w-field-head", fields).textContent = "arrows: the score at this time";
    for (const [trait, label, colour] of FIELDS) {
      const box = check(view, fields, { trait, label });
      box.style.marginRight = "0.9rem";
      this.key(box, colour, "");
    }
    choice(view, panel, { trait: "sampler", label: "sampler", options: [["ddim", "DDIM"], ["ancestral", "ancestral"]] });
    slider(view, panel, { trait: "steps", label: "steps", values: [5, 7, 10, 15, 20, 30, 40, 50, 70, 100], format: String });
    check(view, panel, { trait: "limited", label: "guide between two times only" });
    this.interval(panel);
    this.tell = readout(view, panel, [["taken for the class"], ["variance, over the class's", "total"], ["calls of the denoiser, a particle"]]);
    this.words = view.make("p", "gm-w-hint", panel);
    this.words.style.cssText = "color: var(--gm-w-ink); min-height: 5rem";
  }

  key(place, colour, text) {
    const { view } = this;
    const key = view.make("span", "", place);
    key.style.cssText = "margin-right: 0.8em; white-space: nowrap";
    view.make("span", "gm-w-key", key).style.background = `var(--gm-w-${colour})`;
    key.append(text);
  }

  // The times between which guidance acts, as two handles.
  interval(panel) {
    const { view } = this;
    this.strip = new Stage(view, { label: "The interval of times in which guidance acts.", height: () => 52, margin: { left: 14, right: 14, top: 4, bottom: 28 } });
    panel.append(this.strip.element);
    const round = (v, low, high) => clamp(Math.round(100 * v) / 100, low, high);
    const ends = [
      ["guidance ends, at low noise", "low", ([x], [, high]) => [round(x, 0, high), high]],
      ["guidance begins, at high noise", "high", ([x], [low]) => [low, round(x, low, 1)]],
    ];
    ends.forEach(([name, , moved], i) => {
      this.strip.handle({
        name,
        kind: "gm-w-red",
        step: 0.01,
        get: () => [view.get("interval")[i], 0.5],
        move: (to) => view.set({ interval: moved(to, view.get("interval")) }),
        value: () => {
          const [low, high] = view.get("interval");
          const now = [low, high][i];
          return { low: i ? low : 0, high: i ? 1 : high, now, text: `t = ${number(now)}` };
        },
      });
    });
  }

  // --- time ------------------------------------------------------------------------------------------------------------

  press() {
    const { view } = this;
    if (view.get("playing")) return view.set({ playing: false });
    view.set({ time: view.get("time") > 0 ? view.get("time") : 1, playing: true });
  }

  play(playing) {
    const { view } = this;
    this.runs.setAttribute("aria-pressed", String(playing));
    this.runs.textContent = playing ? "Stop" : "Run";
    Object.assign(this, { before: null, last: null });
    if (playing && view.still.matches) return view.set({ time: 0, playing: false });
    view.animate(playing ? () => this.tick() : null);
  }

  tick() {
    const { view } = this;
    const time = view.get("time");
    if (this.last !== null && time !== this.last) return view.set({ playing: false }); // moved by hand meanwhile
    const now = performance.now();
    const next = Math.max(0, time - Math.min(60, now - (this.before ?? now)) / (1000 * SECONDS));
    Object.assign(this, { before: now, last: next });
    view.set({ time: next, ...(next === 0 ? { playing: false } : {}) });
  }

  // --- what is worked out ----------------------------------------------------------------------------------------------

  // The run that belongs to the settings, all but the weight; with it begins a new curve.
  prepare() {
    const { view } = this;
    const [name, label, sampler, steps, seed] = ["law", "asked", "sampler", "steps", "seed"].map((trait) => view.get(trait));
    const interval = view.get("limited") ? view.get("interval") : null;
    const key = [name, label, sampler, steps, seed, interval].join(" ");
    if (this.run?.key === key) return;
    if (this.name !== name) Object.assign(this, { name, law: new LabelledLaw(view.get("laws")[name]), ground: null });
    const run = new GuidedRun(this.law, { n: COUNT, label, steps, sampler, interval }, random(seed).normal);
    this.run = Object.assign(run, { key, steps, curve: [] });
    this.made = null;
  }

  // Particles with the weight that is set, and what is measured of them.
  make(w) {
    const { run, law } = this;
    if (this.made?.w === w) return;
    const { path, calls } = run.run(w);
    this.made = { w, path, calls, ends: law.judge(path.at(-1)), ...law.measure(path.at(-1), run.label) };
  }

  // Points of the curve, as many as a frame has time for.
  extend() {
    const { run, law } = this;
    const until = performance.now() + BUDGET;
    while (run.curve.length < WEIGHTS.length && performance.now() < until) {
      const w = WEIGHTS[run.curve.length];
      run.curve.push({ w, ...law.measure(run.run(w).path.at(-1), run.label) });
    }
    if (run.curve.length < WEIGHTS.length) this.view.redraw();
  }

  paint() {
    const { view } = this;
    this.prepare();
    this.make(clamp(view.get("w"), 0, 8));
    this.extend();
    this.picture();
    this.balance();
    if (view.get("limited")) this.times();
    this.numbers();
    return true;
  }

  // --- the pictures ----------------------------------------------------------------------------------------------------

  // Where the particles are at the time that is shown: on a straight line between two times of the grid.
  points() {
    const { path } = this.made;
    const at = (1 - this.view.get("time")) * this.run.steps;
    const k = Math.min(this.run.steps, Math.floor(at + 1e-9));
    const share = at - k;
    return share > 1e-6 ? path[k].map((x, i) => x + share * (path[k + 1][i] - x)) : path[k];
  }

  // The noised laws of the classes on a grid.
  noised(t) {
    const [alpha, sigma] = [SCHEDULE.alpha(t), SCHEDULE.sigma(t)];
    if (this.ground?.t === t) return this.ground;
    const side = 90;
    const h = (2 * HALF) / (side - 1);
    const grid = { x0: -HALF, y0: -HALF, h, nx: side, ny: side };
    const fields = this.law.each.map((law) => law.noised(sigma, alpha).field(grid));
    return (this.ground = { t, grid, fields, top: Math.max(...fields.map((values) => values.reduce((a, b) => Math.max(a, b), 0))) });
  }

  picture() {
    const { view, plane, law, run, made } = this;
    const { colours } = view;
    plane.x.domain([-HALF, HALF]);
    plane.y.domain([-HALF, HALF]);
    const c = plane.begin();
    const t = SCHEDULE.tMax * view.get("time");
    const { fields, grid, top } = this.noised(t);
    fields.forEach((values, i) => contourLines(plane, values, grid, top, colours[COLOURS[i]], [0.04, 0.25, 0.65]));
    const moved = this.points();
    COLOURS.forEach((colour, i) => {
      const own = moved.filter((_, j) => made.ends[j >> 1] === i);
      particles(plane, own, { colour: colours[colour], radius: 1.5, alpha: 0.85 });
    });
    const sigma = SCHEDULE.sigma(t);
    const w = weightAt(made.w, t, run.interval);
    const places = feet(plane.width < 380 ? 10 : 13);
    const longest = 0.7 * (plane.width / Math.sqrt(places.length / 2));
    const scores = law.scores(places, { label: run.label, w, alpha: SCHEDULE.alpha(t), sigma });
    FIELDS.forEach(([trait, , colour], i) => {
      if (view.get(trait)) arrows(plane, places, scores[i], { longest, scale: 2.5 / Math.max(0.4, sigma), colour: colours[colour], alpha: 0.85 });
    });
    c.strokeStyle = colours.grid;
    c.lineWidth = 1;
    c.strokeRect(1.5, 1.5, plane.width - 3, plane.height - 3);
    c.fillStyle = colours.paper;
    c.fillRect(3, 3, 72, 27);
    c.fillStyle = colours.ink;
    c.textAlign = "left";
    c.textBaseline = "top";
    c.font = `600 14px ${getComputedStyle(plane.element).fontFamily}`;
    c.fillText(`t = ${number(view.get("time"))}`, 12, 10);
  }

  // Accuracy against variance.
  balance() {
    const { view, trade, run, made } = this;
    const { colours } = view;
    const sorted = [...run.curve].sort((one, other) => one.w - other.w);
    const spreads = [...sorted, made].map(({ spread }) => Math.max(spread, 0.01));
    trade.x.domain([0.2, 1.02]);
    trade.y.domain([Math.log(Math.min(0.5, ...spreads) / 1.5), Math.log(1.6 * Math.max(1.25, ...spreads))]);
    const c = trade.begin();
    trade.axes({ ticks: [5, 0], names: ["share", ""] });
    const { x, y, margin, width, height } = trade;
    c.textAlign = "right";
    c.textBaseline = "middle";
    for (const value of TICKS) {
      const at = Math.round(y(Math.log(value))) + 0.5;
      if (at < margin.top || at > height - margin.bottom - 6) continue;
      c.strokeStyle = colours.grid;
      c.lineWidth = 1;
      stroke(c, [margin.left - 4, at], [value === 1 ? width - margin.right : margin.left, at]);
      c.fillStyle = colours.faint;
      c.fillText(String(value), margin.left - 7, at);
    }
    const place = ({ accuracy, spread }) => [accuracy, Math.log(Math.max(spread, 0.01))];
    const places = sorted.map(place);
    curve(trade, places.map(([u]) => u), places.map(([, v]) => v), { colour: colours.faint, width: 1.5 });
    c.fillStyle = colours.faint;
    c.textAlign = "center";
    const taken = []; // by names of weights
    for (const point of sorted) {
      const [u, v] = place(point);
      const [px, py] = [x(u), y(v)];
      c.beginPath();
      c.arc(px, py, 2.2, 0, 7);
      c.fill();
      if (!NAMED.includes(point.w)) continue;
      // To the left of its dot, or below where the curve comes from the left.
      const below = sorted.some((other) => other !== point && Math.abs(y(place(other)[1]) - py) < 10 && x(place(other)[0]) < px - 4);
      const [lx, ly] = below ? [Math.min(px, width - 22), py + 15] : [px - 28, py];
      if (taken.some(([qx, qy]) => Math.abs(lx - qx) < 44 && Math.abs(ly - qy) < 14)) continue;
      taken.push([lx, ly]);
      c.fillText(`w = ${point.w}`, lx, ly);
    }
    c.fillStyle = colours.red;
    c.strokeStyle = colours.paper;
    c.lineWidth = 2;
    c.beginPath();
    const [u, v] = place(made);
    c.arc(x(u), y(v), 6, 0, 7);
    c.fill();
    c.stroke();
  }

  times() {
    const { view, strip } = this;
    const { colours } = view;
    const [low, high] = view.get("interval");
    strip.x.domain([0, 1]);
    strip.y.domain([0, 1]);
    const c = strip.begin();
    strip.axes({ ticks: [5, 0] });
    const middle = strip.y(0.5);
    c.lineWidth = 5;
    for (const [from, to, colour] of [[0, 1, "grid"], [low, high, "red"]]) {
      c.strokeStyle = colours[colour];
      stroke(c, [strip.x(from), middle], [strip.x(to), middle]);
    }
    strip.place();
  }

  // --- the numbers -----------------------------------------------------------------------------------------------------

  numbers() {
    const { view, run, made } = this;
    const { w, accuracy, spread, calls } = made;
    const [share, over] = [`${number(100 * accuracy, 1)} %`, number(spread, 3)];
    this.tell(share, over, String(calls));
    const words = this.judge(made);
    if (this.words.textContent !== words) this.words.textContent = words;
    view.say(
      `${NAMES[this.name]}, class ${CLASSES[run.label]}, w = ${number(w, 1)}, ${run.steps} steps: ${share} of ${COUNT} particles are taken for the class, ` +
        `their variance is ${over} of the class's; ${calls} calls of the denoiser each. Time ${number(view.get("time"))} is shown.`,
    );
  }

  judge({ w, accuracy, spread }) {
    if (this.run.interval && w !== 1) return "Outside the interval w is 1: there the class is told, and that is all.";
    if (w === 0) return "w = 0: the class is asked for and not told. About a third are of it by chance.";
    if (w < 1) return "Between untold and told.";
    if (w === 1) return "w = 1: the class as it is, but for the error of the steps.";
    const lost = spread < 0.3 ? "most of its spread is gone" : spread < 0.8 ? "some of its spread is gone" : "its spread is still there, or more";
    return `${accuracy > 0.995 ? "Hardly one is taken for another class" : `${number(100 * accuracy, 0)} % are taken for the class`}, and ${lost}.`;
  }
}
