// A hundred stored digits, a damaged cue, and its recall by attention: the states step by step, the weights on all digits,
// the energy, and how far the stored digit is.
import { button, check, choice, number, readout, slider } from "../controls.js";
import { onCarried, onStrokes } from "../drawing.js";
import { bound, corrupted, effective, lead, Memory, ranks, residual } from "../modern_hopfield.js";
import { random } from "../random.js";
import { drawEnergies, drawErrors, drawLargest, drawState, drawWall, raster } from "../recall_pictures.js";
import { clamp } from "../scale.js";
import { scientific } from "../scientific.js";
import { Stage } from "../stage.js";
import { widget } from "../widget.js";
import { weights as fetched } from "../weights.js";

const SIDE = 28;
const D = SIDE * SIDE;
const EACH = 10; // digits of a class, a row of the wall
const STEPS = 4;
const TOP = 6; // patterns shown with their weights
const FRAME = { left: 1, right: 1, top: 1, bottom: 1 };

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
    const { view, brush, cue } = this;
    const dab = () => this.dab();
    onStrokes(view, cue.canvas, () => view.get("drawing"), ({ clientX, clientY }) => {
      this.moveBrush(...cue.where(clientX, clientY));
      dab();
    });
    onCarried(view, brush.button, dab);
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
    const thumb = (i) => this.thumb(i);
    const title = `largest weights of the ${at ? `state after ${after(at)}` : "cue"}`;
    drawWall(this.wall, weights, EACH, chosen, thumb);
    drawLargest(this.bars, weights, TOP, { title, chosen, thumb, name });
    drawEnergies(this.energies, states, at);
    drawErrors(this.errors, states, at);
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
  // A stored digit in ink on nothing, so that a shade can lie behind it.
  thumb(i) {
    const { pictures, view: { colours } } = this;
    if (this.inked !== colours.ink) {
      this.inked = colours.ink;
      pictures.clear();
    }
    if (!pictures.has(i)) pictures.set(i, raster(this.memory.pattern(i), SIDE, colours, true));
    return pictures.get(i);
  }

  image({ stage, words }, values, text, marked = false) {
    drawState(stage, raster(values, SIDE, this.view.colours), marked);
    if (words.textContent !== text) words.textContent = text;
  }
}
