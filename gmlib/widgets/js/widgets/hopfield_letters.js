// Letters as memories of 25 units: a pattern to be drawn or damaged, its recall unit by unit or all at once, the energy on
// the way, and every fixed point that was reached.
import { button, choice, mainButton, number, readout, slider } from "../controls.js";
import { damaged, ends, equal, fixed, hebb, kind, margins, overlap, Recall, sign } from "../hopfield.js";
import { bitmap, drawEnergy, drawOverlaps } from "../hopfield_pictures.js";
import { pixelGrid } from "../pixel_grid.js";
import { Pace, playback } from "../playback.js";
import { random } from "../random.js";
import { Stage } from "../stage.js";
import { widget } from "../widget.js";

const SIDE = 5;
const D = SIDE * SIDE;
const MOST = 1000; // steps of a run
const MEMORIES = 10;
const SHOWN = 20; // fixed points
const TRIALS = 100;
const UNITS_A_SECOND = 7;
const TOGETHER_A_SECOND = 1.5;
const COLOURS = { stored: "blue", inverted: "red", mixture: "green", other: "faint", cycle: "orange" };

const whole = (v) => number(v, 0);
const place = (i) => `row ${Math.floor(i / SIDE) + 1}, column ${(i % SIDE) + 1}`;
// Damage and trials draw from streams of their own, so that a run's order tells nothing of them.
const stream = (seed, part) => random((seed + part * 2 ** 27) % 2 ** 31);

export default widget("hopfield-letters", "Four letters", (view) => new Letters(view));

class Letters {
  constructor(view) {
    Object.assign(this, { view, held: {}, pace: new Pace() });
    this.layout();
    view.on("change:memories", () => view.set({ steps: 0, reached: [], tally: {}, playing: false }));
    view.on("change:mode", () => view.set({ steps: 0, playing: false }));
    view.bind("mode", (mode) => {
      const together = mode === "synchronous";
      this.one.textContent = together ? "One step" : "One unit";
      this.sweep.hidden = this.order.hidden = together;
    });
    playback(view, this.play, () => this.tick(), { pace: this.pace });
    view.draw(() => this.paint());
  }

  layout() {
    const { view } = this;
    const top = view.make("div", "gm-w-pair", view.body);
    const left = view.make("div", "gm-w-panel", top);
    this.loads = view.make("div", "gm-w-row", left);
    this.loads.style.gap = "0.4rem";
    this.cells = pixelGrid(view, left, SIDE, "the pattern, 5 by 5 pixels", { value: (i) => this.now().x[i], put: (i, value) => this.put(i, value) });
    view.make("p", "gm-w-hint", left).innerHTML =
      "Click a pixel to flip it, or go there by arrow keys and press space. Numbers: margins <i>x<sub>i</sub>a<sub>i</sub></i>. " +
      '<span style="color: var(--gm-w-ink); box-shadow: inset 0 -3px var(--gm-w-orange)">Orange</span>: would flip. ' +
      '<span style="color: var(--gm-w-ink); box-shadow: inset 0 -3px var(--gm-w-pink)">Pink</span>: updated last.';
    const moves = view.make("div", "gm-w-row", left);
    this.play = mainButton(view, moves, { label: "Play", press: () => this.toggle() });
    this.one = button(view, moves, { label: "One unit", press: () => this.go(1) });
    this.sweep = button(view, moves, { label: "One sweep", press: () => this.go(D - (this.now().k % D)) });
    button(view, moves, { label: "Back to the cue", press: () => view.set({ steps: 0, playing: false }) });
    this.order = button(view, moves, { label: "New order", press: () => view.set({ seed: this.nextSeed(), steps: 0, playing: false }) });
    choice(view, left, { trait: "mode", label: "update", options: [["asynchronous", "one unit at a time"], ["synchronous", "all at once"]] });

    const right = view.make("div", "gm-w-panel", top);
    this.energies = new Stage(view, {
      label: "The energy after every update of this run; a band shows the energies of the memories.",
      height: () => 178,
      margin: { left: 44, right: 12, top: 26, bottom: 30 },
    });
    this.overlaps = new Stage(view, {
      label: "Overlap of the pattern with every memory, and whether the memory is a fixed point.",
      height: () => 28 + 22 * view.get("memories").length,
      margin: { left: 50, right: 92, top: 24, bottom: 4 },
    });
    right.append(this.energies.element, this.overlaps.element);
    this.numbers = readout(view, right, [["energy E(x)"], ["smallest margin"], ["units that would flip"], ["updated last"], ["the pattern is"]]);

    slider(view, right, { trait: "flips", label: "pixels to flip", low: 0, high: 12, step: 1, format: String });
    const changes = view.make("div", "gm-w-row", right);
    button(view, changes, { label: "Flip that many", press: () => this.damage() });
    button(view, changes, { label: "Store this pattern", press: () => this.store() });
    this.forgets = button(view, changes, { label: "Forget", press: () => this.forget() });
    this.count = view.make("p", "gm-w-hint", right);

    const found = view.make("div", "gm-w-panel", view.body);
    const tries = view.make("div", "gm-w-row", found);
    button(view, tries, { label: `Recall ${TRIALS} damaged memories`, press: () => this.tryMany(true) });
    button(view, tries, { label: `Recall ${TRIALS} random patterns`, press: () => this.tryMany(false) });
    this.clear = button(view, tries, { label: "Clear the list", press: () => view.set({ reached: [], tally: {} }) });
    this.tallied = view.make("p", "gm-w-hint", found);
    this.list = view.make("ul", "", found);
    this.list.style.cssText = "display: flex; flex-wrap: wrap; gap: 0.4rem; list-style: none; margin: 0; padding: 0";
    this.list.setAttribute("aria-label", "fixed points reached");
  }

  // --- the run -------------------------------------------------------------------------------------------------------

  now() {
    const { view, held } = this;
    const [memories, start, mode, seed] = ["memories", "start", "mode", "seed"].map((trait) => view.get(trait));
    const stored = JSON.stringify(memories);
    if (held.stored !== stored) Object.assign(held, { stored, weights: hebb(memories), key: null });
    const key = `${start} ${mode} ${seed}`;
    if (held.key !== key) Object.assign(held, { key, run: new Recall(held.weights, start, mode, random(seed)) });
    const { weights, run } = held;
    const k = Math.min(run.run(Math.min(MOST, view.get("steps"))).length, Math.max(0, view.get("steps")));
    return { memories, weights, run, mode, k, x: run.states[k], ended: run.end && k >= run.over ? run.end : null };
  }

  go(count) {
    const { view } = this;
    const { run, k } = this.now();
    const to = Math.min(MOST, k + count);
    run.run(to);
    const steps = Math.min(to, run.length);
    const values = { steps };
    if (run.end && steps >= run.over) {
      if (!run.counted) values.reached = ends(view.get("reached"), [run]);
      run.counted = true;
    }
    // Two states that take turns may be watched until the reader has seen enough.
    if ((run.end === "fixed" && steps === run.over) || steps === MOST) values.playing = false;
    view.set(values);
  }

  toggle() {
    const { view } = this;
    const on = !view.get("playing");
    view.set(on && this.now().ended === "fixed" && this.now().k ? { steps: 0, playing: on } : { playing: on });
  }

  tick() {
    const rate = this.view.get("mode") === "synchronous" ? TOGETHER_A_SECOND : UNITS_A_SECOND;
    const steps = this.pace.steps(rate, 400);
    if (steps) this.go(steps);
  }

  nextSeed() {
    return (this.view.get("seed") + 1) % 2 ** 31;
  }

  load(x) {
    this.view.set({ start: [...x], steps: 0, playing: false });
  }

  put(i, value) {
    const { x } = this.now();
    if (x[i] === value) return;
    const y = [...x];
    y[i] = value;
    this.load(y);
  }

  damage() {
    const seed = this.nextSeed();
    const y = damaged(this.now().x, this.view.get("flips"), stream(seed, 1));
    this.view.set({ seed });
    this.load(y);
  }

  store() {
    const { x, memories } = this.now();
    const { view } = this;
    if (memories.length >= MEMORIES || kind(x, memories).kind === "stored") return;
    const start = [...x];
    view.set({ memories: [...memories, start], start });
  }

  forget() {
    const { view } = this;
    const { x, memories } = this.now();
    if (memories.length > view.get("letters").length) view.set({ memories: memories.slice(0, -1), start: [...x] });
  }

  tryMany(ofMemories) {
    const { view } = this;
    const { memories, weights, mode } = this.now();
    const [flips, seed, { tried = 0 }] = ["flips", "seed", "tally"].map((trait) => view.get(trait));
    const uniform = stream(seed, 2 + (tried % 12));
    const runs = [];
    let recalled = 0;
    for (let t = 0; t < TRIALS; t++) {
      const memory = memories[t % memories.length];
      const start = ofMemories ? damaged(memory, flips, uniform) : Int8Array.from({ length: D }, () => (uniform() < 0.5 ? -1 : 1));
      const run = new Recall(weights, start, mode, uniform).finish(MOST);
      runs.push(run);
      recalled += equal(run.states[run.length], memory);
    }
    const tally = { tried: tried + 1, cues: TRIALS, mode, ...(ofMemories ? { recalled, flips } : {}) };
    view.set({ reached: ends(view.get("reached"), runs), tally, playing: false });
  }

  // --- the picture ---------------------------------------------------------------------------------------------------

  name(k) {
    const letters = this.view.get("letters");
    return letters[k] ?? `own ${k + 1 - letters.length}`;
  }

  // A state in words: what it is to the memories.
  called({ kind: what, which }) {
    const names = which.map((k) => (k < 0 ? "−" : "") + this.name(Math.abs(k) - 1));
    if (what === "stored") return names[0];
    if (what === "inverted") return `inverted ${this.name(-which[0] - 1)}`;
    if (what === "mixture") return which.length > 4 ? `mix of all ${which.length}` : `mix of ${names.join(", ")}`;
    return what === "cycle" ? "two-cycle" : "other";
  }

  paint() {
    const { view, cells } = this;
    const now = this.now();
    const { memories, weights, run, k, x, ended } = now;
    const held = margins(weights, x);
    const would = held.map((m, i) => Number(sign(m * x[i]) !== x[i]));
    const unit = run.units[k];
    cells.forEach((cell, i) => {
      const on = x[i] > 0;
      cell.setAttribute("aria-pressed", on);
      cell.setAttribute("aria-label", `${place(i)}, margin ${whole(held[i])}${would[i] ? ", would flip" : ""}`);
      cell.textContent = whole(held[i]);
      const rings = [...(would[i] ? ["inset 0 0 0 4px var(--gm-w-orange)"] : []), ...(i === unit ? ["0 0 0 3px var(--gm-w-pink)"] : [])];
      cell.style.boxShadow = rings.join(", ");
    });
    this.loadable(memories);
    drawEnergy(this.energies, now);
    drawOverlaps(this.overlaps, now, (i) => this.name(i));
    const what = kind(x, memories);
    const least = held.reduce((a, b) => Math.min(a, b));
    const moving = would.reduce((a, b) => a + b, 0);
    const called = what.kind === "other" ? "none of the memories" : this.called(what);
    const state = ended === "cycle" ? "in a two-cycle" : ended === "fixed" ? `${called}; fixed` : called;
    const last = unit == null ? (k && now.mode === "synchronous" ? "all units" : "–") : `${place(unit)}: a = ${whole(run.heard[k])}`;
    this.numbers(whole(run.energies[k]), whole(least), `${moving}`, last, state);
    const more = memories.length - view.get("letters").length;
    this.forgets.hidden = !more;
    this.forgets.textContent = `Forget own ${more}`;
    const lost = memories.filter((memory) => !fixed(weights, memory)).length;
    const fate = lost === 1 ? "one of them is no longer a fixed point." : `${lost} of them are no longer fixed points.`;
    this.count.textContent = `${memories.length} memories in ${D} units: ${lost ? fate : "all are fixed points."}`;
    this.reached(now);
    const steps = now.mode === "synchronous" ? `${k} synchronous steps` : `${k} updates`;
    const overlaps = memories.map((memory, i) => `${this.name(i)} ${number(overlap(x, memory))}`).join(", ");
    view.say(`After ${steps} the energy is ${whole(run.energies[k])}. Overlaps: ${overlaps}. Smallest margin ${whole(least)}, ${moving} units would flip. The pattern is ${state}.`);
  }

  // A button with a picture for each memory.
  loadable(memories) {
    const key = JSON.stringify(memories);
    if (this.loaded === key) return;
    this.loaded = key;
    this.loads.replaceChildren();
    const { view } = this;
    memories.forEach((memory, i) => {
      const load = view.make("button", "gm-w-button", this.loads);
      load.type = "button";
      load.style.cssText = "display: inline-flex; align-items: center; gap: 0.35rem; padding: 0.25rem 0.45rem";
      load.append(bitmap(memory, SIDE, "blue", 26), this.name(i));
      load.setAttribute("aria-label", `Load ${this.name(i)}`);
      load.onclick = () => this.load(memory);
    });
  }

  reached({ memories, weights }) {
    const { view } = this;
    const reached = view.get("reached");
    const tally = view.get("tally");
    const key = JSON.stringify([reached, tally, memories]);
    if (this.listed === key) return;
    this.listed = key;
    const { recalled, cues, flips, mode } = tally;
    const way = mode === "synchronous" ? "all at once" : "one unit at a time";
    const runs = reached.reduce((sum, { count }) => sum + count, 0);
    const last = !cues ? "" : recalled == null ? `${cues} random patterns, ${way}. ` : `${recalled} of ${cues} memories with ${flips} flipped pixels came back, ${way}. `;
    this.tallied.textContent = runs
      ? `${last}Ends so far: ${reached.length}, of ${runs} run${runs === 1 ? "" : "s"}; press one to load it.`
      : "Where runs end is listed here: memories, inverses, mixtures and others.";
    this.clear.hidden = !runs;
    this.list.replaceChildren();
    const order = [...reached].sort((a, b) => b.count - a.count);
    for (const { state, count } of order.slice(0, SHOWN)) {
      const what = fixed(weights, state) ? kind(state, memories) : { kind: "cycle", which: [] };
      const load = view.make("button", "gm-w-button", view.make("li", "", this.list));
      load.type = "button";
      load.style.cssText = "display: flex; flex-direction: column; align-items: center; gap: 0.2rem; min-width: 4.1rem; padding: 0.4rem; font-size: 0.75rem; line-height: 1.25";
      load.append(bitmap(state, SIDE, COLOURS[what.kind], 40), this.called(what));
      view.make("span", "gm-w-value", load).textContent = `× ${count}`;
      load.onclick = () => this.load(state);
    }
    if (order.length > SHOWN) {
      const rest = view.make("li", "gm-w-hint", this.list);
      rest.style.alignSelf = "center";
      rest.textContent = `and ${order.length - SHOWN} more`;
    }
  }
}
