// A hundred stored digits, a damaged cue, and its recall by attention: the states step by step, the weights on all digits,
// the energy, and how far the stored digit is.
import { button, check, choice, number, readout, slider } from "../controls.js";
import { bound, corrupted, effective, lead, Memory, ranks, residual } from "../modern_hopfield.js";
import { random } from "../random.js";
import { scientific } from "../scientific.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";
import { weights as fetched } from "../weights.js";

const SIDE = 28;
const D = SIDE * SIDE;
const EACH = 10; // digits of a class, a row of the wall
const STEPS = 4;
const TOP = 6; // patterns shown with their weights
const FLOOR = -10; // exponent of ten below which a residual is drawn at the edge
const FRAME = { left: 1, right: 1, top: 1, bottom: 1 };

const clamp = (v, a, b) => Math.min(b, Math.max(a, v));
const name = (i) => `${Math.floor(i / EACH)} (no. ${(i % EACH) + 1})`;
const small = (v) => (v === 0 ? "0" : v < 1e-3 ? scientific(v) : number(v, 3));
const whole = (v) => number(v, 0);
const after = (t) => (t === 0 ? "cue" : `${t} step${t > 1 ? "s" : ""}`);

export default widget("modern-recall", "Recall by attention", (view) => new Recalled(view));

class Recalled {
  constructor(view) {
    Object.assign(this, { view, memory: null, pictures: new Map() });
    this.layout();
    view.on("change:chosen", () => view.set({ strokes: [] }));
    view.bind("drawing", (drawing) => {
      this.drawn.hidden = this.brush.button.hidden = !drawing;
      this.cue.canvas.style.touchAction = drawing ? "none" : "";
      this.cue.canvas.style.cursor = drawing ? "crosshair" : "";
    });
    view.draw(() => this.paint());
    this.fetch();
  }

  async fetch() {
    const { view } = this;
    try {
      const { patterns } = await fetched(view, "digits");
      this.memory = new Memory(Float64Array.from(patterns.data), D);
      view.redraw();
    } catch (error) {
      view.notice(`The digits could not be fetched. ${error.message}`);
    }
  }

  layout() {
    const { view } = this;
    const film = view.make("div", "", view.body);
    film.style.cssText = "display: grid; gap: 0.6rem; grid-template-columns: repeat(auto-fit, minmax(5.4rem, 1fr))";
    const framed = (label) => {
      const box = view.make("div", "", film);
      const stage = new Stage(view, { label, height: (width) => width, margin: FRAME, least: 40 });
      stage.x.domain([0, SIDE]);
      stage.y.domain([0, SIDE]);
      box.append(stage.element);
      const words = view.make("p", "gm-w-hint", box);
      words.style.cssText = "text-align: center; font-size: 0.75rem";
      return { stage, words };
    };
    this.target = framed("The stored digit.");
    this.states = Array.from({ length: STEPS + 1 }, (_, t) => framed(t ? `The state after ${after(t)} of recall.` : "The cue: the digit with flipped and unknown pixels."));
    this.cue = this.states[0].stage;
    this.brush = this.cue.handle({
      name: () => `brush at row ${view.get("brush")[1] + 1}, column ${view.get("brush")[0] + 1}: space draws`,
      kind: "gm-w-orange gm-w-ring",
      get: () => [view.get("brush")[0] + 0.5, SIDE - view.get("brush")[1] - 0.5],
      move: ([x, y]) => this.moveBrush(x, y),
      step: 1,
    });
    this.drawable();

    const middle = view.make("div", "gm-w-pair", view.body);
    const left = view.make("div", "gm-w-panel", middle);
    const format = (i) => name(i);
    slider(view, left, { trait: "chosen", label: "stored digit", low: 0, high: 10 * EACH - 1, step: 1, format });
    slider(view, left, { trait: "flipped", label: "pixels flipped", low: 0, high: 0.5, step: 0.01, format: (v) => `${whole(100 * v)} %` });
    slider(view, left, { trait: "hidden", label: "rows unknown, from below", low: 0, high: SIDE, step: 1, format: String });
    const [low, high] = view.get("inv_temp_range");
    slider(view, left, { trait: "inv_temp", label: "inverse temperature β", low, high, scale: "log", parts: 120, format: (v) => number(v, v < 0.01 ? 4 : 3) });
    const row = view.make("div", "gm-w-row", left);
    button(view, row, { label: "β = 1/√d", press: () => view.set({ inv_temp: 1 / SIDE }) });
    button(view, row, { label: "Flip others", press: () => view.set({ seed: (view.get("seed") + 1) % 2 ** 31 }) });
    check(view, row, { trait: "drawing", label: "draw on the cue" });
    this.drawn = view.make("div", "gm-w-row", left);
    check(view, this.drawn, { trait: "erase", label: "erase" });
    button(view, this.drawn, { label: "Clear the drawing", press: () => view.set({ strokes: [] }) });
    view.make("p", "gm-w-hint", this.drawn).textContent = "By keys: move the brush with the arrows; space draws.";
    this.bars = new Stage(view, {
      label: `The ${TOP} largest softmax weights, with their digits.`,
      height: () => 26 + 32 * TOP,
      margin: { left: 106, right: 50, top: 24, bottom: 2 },
    });
    left.append(this.bars.element);

    const right = view.make("div", "gm-w-panel", middle);
    choice(view, right, { trait: "at", label: "weights of which state", options: Array.from({ length: STEPS + 1 }, (_, t) => [t, t ? `${t}` : "cue"]) });
    this.wall = new Stage(view, {
      label: "All stored digits, a class a row, each shaded by its softmax weight.",
      height: (width) => width,
      margin: FRAME,
    });
    this.wall.x.domain([0, EACH]);
    this.wall.y.domain([10, 0]);
    this.wall.canvas.style.cursor = "pointer";
    view.listen(this.wall.canvas, "click", (event) => {
      const [x, y] = this.wall.where(event.clientX, event.clientY).map((v, i) => clamp(Math.floor(v), 0, i ? 9 : EACH - 1));
      view.set({ chosen: y * EACH + x });
    });
    right.append(this.wall.element);
    view.make("p", "gm-w-hint", right).textContent = "Blue: softmax weight. Press a digit to damage it instead.";

    const below = view.make("div", "gm-w-pair", view.body);
    const margin = { left: 48, right: 14, top: 26, bottom: 30 };
    this.energies = new Stage(view, { label: "The energy of every state.", height: () => 176, margin });
    this.errors = new Stage(view, { label: "The largest error to the stored digit of every state, and its bound, on a logarithmic scale.", height: () => 176, margin });
    below.append(this.energies.element, this.errors.element);
    const lists = view.make("div", "gm-w-pair", view.body);
    this.numbers = readout(view, lists, [["weight of the stored digit"], ["weight of its class"], ["patterns that share, exp(entropy)"], ["lead Δ of the stored digit"]]);
    this.more = readout(view, lists, [["energy"], ["largest error of the next state"], ["its bound 2(K − 1) exp(−βΔ)"], ["wrong pixels, cue → last"]]);
  }

  // --- drawing on the cue --------------------------------------------------------------------------------------------

  // Rows are counted from the top, the stage's y from below.
  moveBrush(x, y) {
    this.view.set({ brush: [x, SIDE - y].map((v) => clamp(Math.floor(v), 0, SIDE - 1)) });
  }

  // Two by two pixels.
  dab() {
    const { view } = this;
    const [x, y] = view.get("brush");
    const sign = view.get("erase") ? -1 : 1;
    const drawn = new Map(view.get("strokes").map((stroke) => [Math.abs(stroke), stroke]));
    for (const [dx, dy] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
      if (x + dx < SIDE && y + dy < SIDE) {
        const at = (y + dy) * SIDE + x + dx + 1;
        drawn.set(at, sign * at);
      }
    }
    view.set({ strokes: [...drawn.values()] });
  }

  drawable() {
    const { view, brush } = this;
    const { canvas } = this.cue;
    let [down, carried] = [false, false];
    const draw = (event) => {
      this.moveBrush(...this.cue.where(event.clientX, event.clientY));
      this.dab();
    };
    view.listen(canvas, "pointerdown", (event) => {
      if (!view.get("drawing") || event.button) return;
      canvas.setPointerCapture(event.pointerId);
      down = true;
      draw(event);
      event.preventDefault();
    });
    view.listen(canvas, "pointermove", (event) => {
      if (down) for (const e of event.getCoalescedEvents?.() ?? [event]) draw(e);
    });
    for (const end of ["pointerup", "pointercancel"]) view.listen(canvas, end, () => (down = false));
    view.listen(brush.button, "pointerdown", () => (carried = true));
    view.listen(brush.button, "pointermove", () => carried && this.dab());
    for (const end of ["pointerup", "pointercancel"]) view.listen(brush.button, end, () => (carried = false));
    view.listen(brush.button, "click", () => this.dab());
  }

  // --- recall --------------------------------------------------------------------------------------------------------

  now() {
    const { view, memory } = this;
    const [chosen, beta, flipped, hidden, strokes, seed] = ["chosen", "inv_temp", "flipped", "hidden", "strokes", "seed"].map((trait) => view.get(trait));
    if (this.ranked !== seed) {
      const uniform = random(seed);
      Object.assign(this, { ranked: seed, ranks: ranks(Float64Array.from({ length: D }, uniform)) });
    }
    const key = `${chosen} ${beta} ${flipped} ${hidden} ${strokes} ${seed}`;
    if (this.key === key) return this.path;
    const pattern = memory.pattern(chosen);
    const cue = corrupted(pattern, this.ranks, Math.floor(flipped * D + 0.5), D - hidden * SIDE);
    for (const stroke of strokes) cue[Math.abs(stroke) - 1] = Math.sign(stroke);
    const states = memory.recall(cue, beta, STEPS);
    for (const state of states) {
      state.residual = residual(state.x, pattern);
      state.gap = lead(state.products, chosen);
      state.bound = bound(memory.k, beta, state.gap);
      state.wrong = state.x.reduce((sum, v, i) => sum + (v * pattern[i] <= 0), 0);
    }
    Object.assign(this, { key, path: { chosen, beta, pattern, states } });
    return this.path;
  }

  paint() {
    const { view, memory } = this;
    if (!memory) return false;
    const { chosen, beta, pattern, states } = this.now();
    const at = clamp(view.get("at"), 0, STEPS);
    const own = chosen - (chosen % EACH);
    const { weights, energy, gap, next } = states[at];
    const share = weights.subarray(own, own + EACH).reduce((a, b) => a + b, 0);
    this.image(this.target, pattern, `stored: a ${own / EACH}`);
    states.forEach(({ x, wrong }, t) => this.image(this.states[t], x, t ? `step ${t}: ${wrong} wrong` : "cue", t === at));
    this.cue.place();
    this.paintWall(weights, chosen);
    this.paintBars(weights, chosen, at);
    this.paintEnergy(states, at);
    this.paintErrors(states, at);
    const left = residual(next, pattern);
    const limit = states[at].bound;
    this.numbers(small(weights[chosen]), small(share), number(effective(weights), 2), number(gap, 1));
    this.more(number(energy, 2), small(left), limit < 2 ? small(limit) : "says nothing", `${states[0].wrong} → ${states[STEPS].wrong}`);
    const best = weights.reduce((k, w, i) => (w > weights[k] ? i : k), 0);
    view.say(
      `Stored: a ${own / EACH}, number ${chosen}. β = ${number(beta, 3)}. Weights of the ${at ? `state after ${after(at)}` : "cue"}: the largest is ${small(weights[best])}, on ${name(best)}; ` +
        `the stored digit has ${small(weights[chosen])}, and ${number(effective(weights), 1)} patterns share. Energies: ${states.map((s) => whole(s.energy)).join(", ")}. ` +
        `Wrong pixels: ${states.map((s) => s.wrong).join(", ")}.`,
    );
  }

  // --- the pictures --------------------------------------------------------------------------------------------------

  // Grey levels from paper at -1 to ink at 1.
  raster(values, blank = false) {
    const { colours } = this.view;
    const [ink, paper] = [colours.ink, colours.paper].map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
    const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    const image = new ImageData(SIDE, SIDE);
    values.forEach((v, i) => {
      const part = (v + 1) / 2;
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = blank ? ink[c] : paper[c] + part * (ink[c] - paper[c]);
      image.data[4 * i + 3] = blank ? 255 * part : 255;
    });
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  // A stored digit in ink on nothing, so that a shade can lie behind it.
  thumb(i) {
    const { pictures, view } = this;
    if (this.inked !== view.colours.ink) {
      this.inked = view.colours.ink;
      pictures.clear();
    }
    if (!pictures.has(i)) pictures.set(i, this.raster(this.memory.pattern(i), true));
    return pictures.get(i);
  }

  image({ stage, words }, values, text, marked = false) {
    const { colours } = this.view;
    const c = stage.begin();
    const { width, height } = stage;
    c.imageSmoothingEnabled = false;
    c.drawImage(this.raster(values), 1, 1, width - 2, height - 2);
    c.strokeStyle = marked ? colours.blue : colours.grid;
    c.lineWidth = marked ? 4 : 1;
    c.strokeRect(c.lineWidth / 2, c.lineWidth / 2, width - c.lineWidth, height - c.lineWidth);
    if (words.textContent !== text) words.textContent = text;
  }

  paintWall(weights, chosen) {
    const { colours } = this.view;
    const stage = this.wall;
    const c = stage.begin();
    const size = stage.x(1) - stage.x(0);
    weights.forEach((w, i) => {
      const [left, top] = [stage.x(i % EACH), stage.y(Math.floor(i / EACH))];
      c.fillStyle = colours.blue;
      c.globalAlpha = 0.9 * Math.sqrt(w);
      c.fillRect(left, top, size, size);
      c.globalAlpha = 1;
      c.drawImage(this.thumb(i), left + 0.06 * size, top + 0.06 * size, 0.88 * size, 0.88 * size);
      if (i !== chosen) return;
      c.strokeStyle = colours.orange;
      c.lineWidth = 3;
      c.strokeRect(left + 1.5, top + 1.5, size - 3, size - 3);
    });
  }

  paintBars(weights, chosen, at) {
    const { colours } = this.view;
    const stage = this.bars;
    const order = Array.from(weights, (_, i) => i).sort((a, b) => weights[b] - weights[a] || a - b).slice(0, TOP);
    stage.x.domain([0, 1]);
    stage.y.domain([TOP, 0]);
    const c = stage.begin();
    c.textBaseline = "middle";
    c.textAlign = "left";
    c.fillStyle = colours.ink;
    c.fillText(`largest weights of the ${at ? `state after ${after(at)}` : "cue"}`, 2, 11);
    order.forEach((i, row) => {
      const y = stage.y(row + 0.5);
      c.drawImage(this.thumb(i), 2, y - 14, 28, 28);
      c.strokeStyle = i === chosen ? colours.orange : colours.grid;
      c.lineWidth = i === chosen ? 2.5 : 1;
      c.strokeRect(2, y - 14, 28, 28);
      c.fillStyle = colours.ink;
      c.textAlign = "left";
      c.fillText(name(i), 38, y);
      const end = stage.x(weights[i]);
      c.fillStyle = colours.blue;
      c.globalAlpha = 0.85;
      c.fillRect(stage.x(0), y - 8, Math.max(1, end - stage.x(0)), 16);
      c.globalAlpha = 1;
      c.fillStyle = colours.ink;
      c.fillText(number(weights[i], 3), end + 6, y);
    });
  }

  steps(stage, at, title) {
    const { colours } = this.view;
    const { context: c, margin, width, height } = stage;
    const bottom = height - margin.bottom;
    c.strokeStyle = colours.blue;
    c.globalAlpha = 0.35;
    c.lineWidth = 5;
    stroke(c, [stage.x(at), margin.top], [stage.x(at), bottom]);
    c.globalAlpha = 1;
    c.fillStyle = colours.faint;
    c.textAlign = "center";
    c.textBaseline = "top";
    for (let t = 0; t <= STEPS; t++) c.fillText(t ? `${t}` : "cue", stage.x(t), bottom + 8);
    c.textAlign = "left";
    c.textBaseline = "middle";
    c.fillStyle = colours.ink;
    c.fillText(title, 4, 11);
    c.textAlign = "right";
    c.fillStyle = colours.faint;
    c.fillText("steps", width - margin.right, 11);
  }

  dots(stage, points, colour) {
    const c = stage.context;
    c.strokeStyle = c.fillStyle = colour;
    c.lineWidth = 2.2;
    stroke(c, ...points);
    for (const [x, y] of points) {
      c.beginPath();
      c.arc(x, y, 4, 0, 7);
      c.fill();
    }
  }

  paintEnergy(states, at) {
    const stage = this.energies;
    const values = states.map(({ energy }) => energy);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = Math.max(1, 0.08 * (high - low));
    stage.x.domain([-0.2, STEPS + 0.2]);
    stage.y.domain([low - room, high + room]);
    stage.begin();
    stage.axes({ ticks: [0, 4], grid: true });
    this.steps(stage, at, "energy E");
    this.dots(stage, values.map((v, t) => [stage.x(t), stage.y(v)]), this.view.colours.red);
  }

  paintErrors(states, at) {
    const { colours } = this.view;
    const stage = this.errors;
    stage.x.domain([-0.2, STEPS + 0.2]);
    stage.y.domain([FLOOR, 1]);
    const c = stage.begin();
    stage.axes({ ticks: [0, 0] });
    c.textAlign = "right";
    c.textBaseline = "middle";
    c.lineWidth = 1;
    for (let power = 0; power >= FLOOR; power -= 5) {
      const y = stage.y(power);
      c.strokeStyle = colours.grid;
      stroke(c, [stage.margin.left - 4, y], [stage.width - stage.margin.right, y]);
      c.fillStyle = colours.faint;
      c.fillText(power ? scientific(10 ** power, 1).slice(2) : "1", stage.margin.left - 7, y);
    }
    this.steps(stage, at, "largest error, and its bound");
    const up = (v) => stage.y(v > 0 ? clamp(Math.log10(v), FLOOR, 1) : FLOOR);
    stage.inside(() => {
      c.strokeStyle = colours.green;
      c.lineWidth = 3;
      // A bound of 2 or more says nothing: no two entries are further apart.
      for (let t = 1; t <= STEPS; t++) {
        const value = states[t - 1].bound;
        if (value < 2) stroke(c, [stage.x(t) - 14, up(value)], [stage.x(t) + 14, up(value)]);
      }
    });
    this.dots(stage, states.map(({ residual: r }, t) => [stage.x(t), up(r)]), colours.red);
    c.fillStyle = colours.green;
    c.textBaseline = "middle";
    c.textAlign = "right";
    if (!states.slice(0, STEPS).some((s) => s.bound < 2)) return;
    c.fillText("▬ bound", stage.width - stage.margin.right - 40, 11);
  }
}
