// Letters as memories of 25 units: a pattern to be drawn or damaged, its recall unit by unit or all at once, the energy on
// the way, and every fixed point that was reached.
import { button, choice, mainButton, number, readout, slider } from "../controls.js";
import { damaged, energy, equal, fixed, hebb, kind, margins, overlap, Recall, sign } from "../hopfield.js";
import { Pace, playback } from "../playback.js";
import { random } from "../random.js";
import { Stage, stroke } from "../stage.js";
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
const SVG = "http://www.w3.org/2000/svg";

const whole = (v) => number(v, 0);
const place = (i) => `row ${Math.floor(i / SIDE) + 1}, column ${(i % SIDE) + 1}`;
// Damage and trials draw from streams of their own, so that a run's order tells nothing of them.
const stream = (seed, part) => random((seed + part * 2 ** 27) % 2 ** 31);

export default widget("hopfield-letters", "Four letters", (view) => new Letters(view));

class Letters {
  constructor(view) {
    Object.assign(this, { view, held: {}, focus: 12, pace: new Pace() });
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
    this.grid(left);
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

  // 25 buttons, one of which the tab key reaches.
  grid(parent) {
    const { view } = this;
    const grid = view.make("div", "", parent);
    grid.setAttribute("role", "group");
    grid.setAttribute("aria-label", "the pattern, 5 by 5 pixels");
    grid.style.cssText = "display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 5px; width: 100%; max-width: 18rem; touch-action: manipulation";
    this.cells = Array.from({ length: D }, (_, i) => {
      const cell = view.make("button", "gm-w-button", grid);
      cell.type = "button";
      cell.tabIndex = i === this.focus ? 0 : -1;
      cell.style.cssText = "aspect-ratio: 1; min-height: 0; padding: 0; border-radius: 5px; font-size: 0.8125rem; user-select: none";
      return cell;
    });
    let [brush, done] = [0, false];
    this.cells.forEach((cell, i) => {
      view.listen(cell, "focus", () => this.reach(i));
      // A mouse or pen that is pressed paints on over other cells; a finger taps.
      view.listen(cell, "pointerdown", (event) => {
        done = event.pointerType !== "touch" && event.button === 0;
        if (!done) return;
        brush = -this.now().x[i];
        this.put(i, brush);
      });
      view.listen(cell, "pointerenter", (event) => {
        if (brush && event.buttons & 1) this.put(i, brush);
      });
      view.listen(cell, "click", (event) => {
        if (!(event.detail && done)) this.put(i, -this.now().x[i]);
        done = false;
      });
      view.listen(cell, "keydown", (event) => {
        const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
        if (!way) return;
        event.preventDefault();
        const [column, row] = [(i % SIDE) + way[0], Math.floor(i / SIDE) + way[1]];
        if (column >= 0 && column < SIDE && row >= 0 && row < SIDE) this.cells[row * SIDE + column].focus();
      });
    });
    for (const end of ["pointerup", "pointercancel"]) view.listen(window, end, () => (brush = 0));
  }

  reach(i) {
    this.cells[this.focus].tabIndex = -1;
    this.focus = i;
    this.cells[i].tabIndex = 0;
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
      if (!run.counted) values.reached = added(view.get("reached"), [run]);
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
    view.set({ reached: added(view.get("reached"), runs), tally, playing: false });
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
    this.curve(now);
    this.bars(now);
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
      load.append(bitmap(memory, "blue", 26), this.name(i));
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
      load.append(bitmap(state, COLOURS[what.kind], 40), this.called(what));
      view.make("span", "gm-w-value", load).textContent = `× ${count}`;
      load.onclick = () => this.load(state);
    }
    if (order.length > SHOWN) {
      const rest = view.make("li", "gm-w-hint", this.list);
      rest.style.alignSelf = "center";
      rest.textContent = `and ${order.length - SHOWN} more`;
    }
  }

  curve({ memories, weights, run, k, mode, ended }) {
    const { view, energies: stage } = this;
    const { colours } = view;
    const levels = memories.map((memory) => energy(weights, memory));
    const [low, high] = [Math.min(...levels), Math.max(...levels)];
    const seen = run.energies.slice(0, k + 1);
    const width = mode === "synchronous" ? 6 : 2 * D;
    stage.x.domain([0, Math.max(width, mode === "synchronous" ? k : D * Math.ceil(k / D))]);
    stage.y.domain([Math.min(low, ...run.energies) - 15, Math.max(0, ...run.energies) + 15]);
    const c = stage.begin();
    stage.axes({ ticks: [5, 4], grid: true });
    const [left, right] = [stage.margin.left, stage.width - stage.margin.right];
    c.fillStyle = colours.blue;
    c.globalAlpha = 0.22;
    c.fillRect(left, stage.y(high) - 1, right - left, stage.y(low) - stage.y(high) + 2);
    c.globalAlpha = 1;
    c.fillStyle = colours.faint;
    c.textBaseline = "bottom";
    c.textAlign = "right";
    c.fillText("energies of the memories", right - 3, stage.y(high) - 3);
    const points = seen.map((e, t) => [stage.x(t), stage.y(e)]);
    // One unit changes at a time: the energy is a flight of stairs.
    const path = mode === "synchronous" ? points : points.flatMap(([px, py], t) => (t ? [[px, points[t - 1][1]], [px, py]] : [[px, py]]));
    c.strokeStyle = colours.red;
    c.lineWidth = 2.2;
    c.lineJoin = "round";
    if (k) stroke(c, ...path);
    c.fillStyle = colours.red;
    for (const [t, [px, py]] of points.entries()) {
      if (t < k && mode !== "synchronous") continue;
      c.beginPath();
      c.arc(px, py, t === k ? 4.5 : 3, 0, 7);
      c.fill();
    }
    c.fillStyle = colours.ink;
    c.textAlign = "left";
    c.textBaseline = "middle";
    c.fillText(`energy${ended === "cycle" ? ": two states take turns" : ""}`, 4, 11);
    c.textAlign = "right";
    c.fillStyle = colours.faint;
    c.fillText(mode === "synchronous" ? "steps" : "units updated", right, 11);
  }

  bars({ memories, weights, x }) {
    const { view, overlaps: stage } = this;
    const { colours } = view;
    stage.x.domain([-1, 1]);
    stage.y.domain([memories.length, 0]);
    const c = stage.begin();
    const { top } = stage.margin;
    const [left, bottom] = [stage.x(-1), stage.y(memories.length)];
    c.textBaseline = "middle";
    c.fillStyle = colours.ink;
    c.textAlign = "left";
    c.fillText("overlap with", 4, 11);
    c.textAlign = "right";
    c.fillStyle = colours.faint;
    c.fillText("itself fixed?", stage.width - 2, 11);
    c.lineWidth = 1;
    c.strokeStyle = colours.grid;
    for (const v of [-1, 0, 1]) stroke(c, [Math.round(stage.x(v)) + 0.5, top], [Math.round(stage.x(v)) + 0.5, bottom]);
    memories.forEach((memory, k) => {
      const o = overlap(x, memory);
      const y = stage.y(k + 0.5);
      c.fillStyle = o < 0 ? colours.red : colours.blue;
      c.globalAlpha = 0.85;
      c.fillRect(Math.min(stage.x(0), stage.x(o)), y - 7, Math.abs(stage.x(o) - stage.x(0)), 14);
      c.globalAlpha = 1;
      c.fillStyle = colours.ink;
      c.textAlign = "right";
      c.fillText(this.name(k), left - 8, y);
      // Beside the bar, on the side where it is not.
      c.textAlign = o < 0 ? "left" : "right";
      c.fillText(number(o), stage.x(0) + (o < 0 ? 5 : -5), y);
      const least = margins(weights, memory).reduce((a, b) => Math.min(a, b));
      const stays = fixed(weights, memory);
      c.textAlign = "right";
      c.fillStyle = stays ? colours.faint : colours.red;
      c.fillText(`${stays ? "yes" : "no"}, ${whole(least)}`, stage.width - 2, y);
    });
  }
}

// The ends of runs joined to those reached before; of the two states of a cycle the one that comes first.
function added(reached, runs) {
  const found = new Map(reached.map(({ state, count }) => [String(state), count]));
  for (const run of runs) {
    const ends = run.states.slice(run.end === "cycle" ? -2 : -1).map(String).sort();
    found.set(ends[0], (found.get(ends[0]) ?? 0) + 1);
  }
  return [...found].map(([state, count]) => ({ state: state.split(",").map(Number), count }));
}

// A small picture of a state.
function bitmap(state, colour, size) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "-0.3 -0.3 5.6 5.6", width: size, height: size, "aria-hidden": "true" })) svg.setAttribute(key, value);
  svg.style.cssText = `display: block; flex: none; border: 1px solid var(--gm-w-grid); border-radius: 3px; background: var(--gm-w-paper); color: var(--gm-w-${colour})`;
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("fill", "currentColor");
  path.setAttribute("d", Array.from(state, (v, i) => (v > 0 ? `M${i % SIDE} ${Math.floor(i / SIDE)}h1v1h-1z` : "")).join(""));
  svg.append(path);
  return svg;
}
