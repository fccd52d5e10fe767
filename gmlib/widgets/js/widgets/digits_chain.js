// A trained machine's chain over pictures of digits: what it draws, what is held, its hidden units and its free energy.
import { button, check, choice, number, readout, slider } from "../controls.js";
import { curve } from "../draw.js";
import { random } from "../random.js";
import { Dream, Machine } from "../rbm_chain.js";
import { Stage, stroke } from "../stage.js";
import { weights } from "../weights.js";
import { widget } from "../widget.js";

const SIDE = 28;
const PIXELS = SIDE * SIDE;
const COLUMNS = 25; // of the hidden units
const MOST = 400; // steps of the trace
const BUDGET = 9; // milliseconds of a frame for the chain

const clamp = (v, a, b) => Math.min(b, Math.max(a, v));
const REGIONS = {
  nothing: () => false,
  upper: (row) => row < SIDE / 2,
  lower: (row) => row >= SIDE / 2,
  left: (row, column) => column < SIDE / 2,
  right: (row, column) => column >= SIDE / 2,
};
const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

export default widget("digits-chain", "A memory that dreams", (view) => new Digits(view));

class Digits {
  constructor(view) {
    Object.assign(this, { view, machine: null, dream: null, trace: [], owed: 0, before: 0, cost: null, buffers: new Map() });
    this.region = new Int8Array(PIXELS).fill(-1);
    this.layout();
    this.byHand();
    for (const trait of ["start", "digit", "seed"]) view.on(`change:${trait}`, () => this.begin());
    view.on("change:half", () => this.regional());
    for (const trait of ["ink", "paper"]) view.on(`change:${trait}`, () => this.held());
    view.on("change:inv_temp", () => this.dream?.settle(this.beta));
    const calm = () => view.notice(view.get("playing") && view.still.matches ? "Your system asks for reduced motion: take the steps by their buttons." : "");
    view.bind("playing", (playing) => {
      this.play.textContent = playing ? "Pause" : "Play";
      Object.assign(this, { before: performance.now(), owed: 0 });
      view.animate(playing ? () => this.tick() : null);
      if (playing || view.shown) calm();
    });
    view.still.addEventListener("change", calm, { signal: view.signal });
    view.bind("pen", (pen) => {
      this.picture.canvas.style.touchAction = pen === "off" ? "" : "none";
      this.picture.canvas.style.cursor = pen === "off" ? "" : "crosshair";
    });
    view.draw(() => this.paint());
    // The weights come only for those who come near.
    const observer = new IntersectionObserver((entries) => {
      if (!entries.at(-1).isIntersecting) return;
      observer.disconnect();
      this.load();
    }, { rootMargin: "300px" });
    observer.observe(view.root);
    view.signal.addEventListener("abort", () => observer.disconnect());
  }

  async load() {
    const { view } = this;
    if (this.loading || this.machine) return;
    this.loading = true;
    try {
      const arrays = await weights(view, "machine");
      if (view.signal.aborted) return;
      const plain = Object.fromEntries(Object.entries(arrays).map(([name, { data }]) => [name, data]));
      this.machine = new Machine(plain);
      this.digits = Array.from({ length: plain.digits.length / PIXELS }, (_, i) => plain.digits.subarray(i * PIXELS, (i + 1) * PIXELS));
      this.energies = this.digits.map((x) => this.machine.freeEnergy(x));
      view.notice("");
      this.begin();
    } catch (error) {
      if (!view.signal.aborted) view.notice(`The machine's weights could not be loaded. ${error.message}`);
    } finally {
      this.loading = false;
    }
  }

  // --- the layout ------------------------------------------------------------------------------------------------------

  layout() {
    const { view } = this;
    const top = view.make("div", "gm-w-row", view.body);
    this.play = button(view, top, { label: "Play", press: () => this.toggle() });
    this.play.style.cssText = "background: var(--gm-w-accent); border-color: var(--gm-w-accent); color: var(--gm-w-paper); border-radius: 99px; padding-inline: 1.1rem";
    button(view, top, { label: "One step", press: () => this.go(1) });
    button(view, top, { label: "100 steps", press: () => this.go(100) });
    button(view, top, { label: "Start again", press: () => this.again() });
    button(view, top, { label: "New noise", press: () => view.set({ seed: (view.get("seed") + 1) % 2 ** 31 }) });
    const pair = view.make("div", "gm-w-pair", view.body);
    const left = view.make("div", "gm-w-panel", pair);
    this.picture = new Stage(view, {
      label: "The visible units as a picture of 28 by 28 pixels, those that are held in orange; it can be drawn on.",
      height: (width) => width,
      margin: { left: 0, right: 0, top: 0, bottom: 0 },
    });
    this.picture.element.style.cssText = "width: 100%; max-width: 400px; margin-inline: auto";
    left.append(this.picture.element);
    const right = view.make("div", "gm-w-panel", pair);
    this.caption(right, [["ink", "hidden units, given the picture"]]);
    this.hidden = new Stage(view, {
      label: "The 500 hidden units, the darker the more likely to be on.",
      height: (width) => Math.round((width * 20) / COLUMNS / 1.9),
      margin: { left: 0, right: 0, top: 0, bottom: 0 },
    });
    right.append(this.hidden.element);
    const inner = view.make("div", "gm-w-row", right);
    inner.style.cssText = "align-items: center; flex-wrap: nowrap";
    this.field = new Stage(view, {
      label: "The weights between one hidden unit and the pixels: blue where they are positive, red where they are negative.",
      height: () => 92,
      margin: { left: 0, right: 0, top: 0, bottom: 0 },
    });
    this.field.element.style.cssText = "flex: 0 0 92px; width: 92px; min-width: 92px";
    inner.append(this.field.element);
    const about = view.make("div", "gm-w-panel", inner);
    about.style.cssText = "flex: 1 1 auto; gap: 0.2rem";
    slider(view, about, { trait: "unit", label: "hidden unit", low: 0, high: 499, step: 1, format: (v) => `${v}` });
    this.caption(about, [["blue", "weight > 0"], ["red", "< 0"]]);
    this.energy = new Stage(view, {
      label: "Free energy of the picture against the step, with the mean and the range of ten test digits.",
      height: () => 138,
      margin: { left: 46, right: 14, top: 24, bottom: 20 },
    });
    right.append(this.energy.element);
    const settings = view.make("div", "gm-w-pair", view.body);
    choice(view, settings, { trait: "start", label: "the chain starts from", options: [["digit", "a test digit"], ["noise", "noise"], ["blank", "a blank sheet"]] });
    slider(view, settings, { trait: "digit", label: "test digit", low: 0, high: 9, step: 1, format: (v) => `${v}` });
    choice(view, settings, { trait: "pen", label: "pen", options: [["ink", "ink"], ["paper", "paper"], ["release", "let go"], ["off", "off"]] });
    slider(view, settings, { trait: "brush", label: "width of the pen, pixels", low: 1, high: 5, step: 1, format: (v) => `${v}` });
    choice(view, settings, { trait: "half", label: "hold the picture's half", options: [["nothing", "none"], ["upper", "upper"], ["lower", "lower"], ["left", "left"], ["right", "right"]] });
    const row = view.make("div", "gm-w-row", settings);
    check(view, row, { trait: "hold", label: "hold what I draw" });
    button(view, row, { label: "Let go of all", press: () => this.free() });
    slider(view, settings, { trait: "inv_temp", label: "inverse temperature β", low: 0.2, high: 3, step: 0.05, format: (v) => number(v) });
    slider(view, settings, { trait: "rate", label: "steps a second", low: 1, high: 1000, step: 1, scale: "log", parts: 120, format: (v) => `${v}` });
    choice(view, settings, { trait: "show", label: "picture of the visible units", options: [["probabilities", "probabilities"], ["samples", "samples"]] });
    view.make("p", "gm-w-hint", settings).textContent =
      "Draw on the picture with mouse, pen or finger. By keys: move the cursor with the arrows; space draws, delete puts paper. What is held, in orange, the chain does not change.";
    const lists = view.make("div", "gm-w-pair", view.body);
    this.energetic = readout(view, lists, [["steps of the chain"], ["free energy of the picture, nats", "total"], ["ten test digits, on average"]]);
    this.counted = readout(view, lists, [["pixels on"], ["pixels held"], ["hidden units on, expected"]]);
    this.hint = view.make("p", "gm-w-hint", view.body);
  }

  caption(place, entries) {
    const line = this.view.make("p", "gm-w-hint", place);
    for (const [colour, text] of entries) {
      const entry = this.view.make("span", "", line);
      entry.style.cssText = "margin-right: 1em; white-space: nowrap";
      this.view.make("span", "gm-w-key", entry).style.background = `var(--gm-w-${colour})`;
      entry.append(text);
    }
  }

  // --- the chain -------------------------------------------------------------------------------------------------------

  get beta() {
    return clamp(this.view.get("inv_temp"), 0.2, 3);
  }

  // From the start that is chosen; a half that is held is that of the start.
  begin() {
    const { view, machine } = this;
    if (!machine) return;
    this.dream = new Dream(machine, random(view.get("seed")));
    const start = view.get("start");
    if (start === "digit") this.dream.begin(this.digits[clamp(view.get("digit"), 0, 9)]);
    else if (start === "noise") this.dream.randomise();
    this.trace = [];
    this.regional();
    this.note();
  }

  // After a failure, whoever asks for a step asks for the weights once more.
  again() {
    if (!this.machine) this.load();
    this.begin();
    this.view.redraw();
  }

  toggle() {
    if (!this.machine) this.load();
    this.view.set({ playing: !this.view.get("playing") });
  }

  // Hold a half of what is there now.
  regional() {
    const { view, dream, region } = this;
    const inside = REGIONS[view.get("half")] ?? REGIONS.nothing;
    for (let i = 0; i < PIXELS; i++) region[i] = dream && inside(Math.floor(i / SIDE), i % SIDE) ? dream.x[i] : -1;
    this.held();
  }

  // What is held: the region, and over it what was drawn.
  held() {
    const { view, dream, region } = this;
    if (!dream) return;
    dream.held.set(region);
    for (const i of view.get("ink")) dream.held[i] = 1;
    for (const i of view.get("paper")) dream.held[i] = 0;
    dream.hold();
    dream.settle(this.beta);
    view.redraw();
  }

  free() {
    this.region.fill(-1);
    this.view.set({ ink: [], paper: [], half: "nothing" });
    this.held();
  }

  note() {
    this.trace.push(this.dream.energy);
    if (this.trace.length > MOST) this.trace.shift();
  }

  go(count) {
    if (!this.dream) return void this.load();
    for (let t = 0; t < count; t++) this.step();
    this.view.redraw();
  }

  step() {
    this.dream.step(this.beta);
    this.note();
  }

  tick() {
    if (!this.dream) return;
    const now = performance.now();
    const rate = clamp(this.view.get("rate"), 1, 1000);
    // A busy page skips steps rather than frames.
    this.owed = Math.min(this.owed + (rate * Math.min(250, now - this.before)) / 1000, 60);
    this.before = now;
    let made = 0;
    while (this.owed >= 1 && performance.now() - now < BUDGET) {
      this.step();
      this.owed--;
      made++;
    }
    if (made) {
      const cost = (performance.now() - now) / made;
      this.cost = this.cost === null ? cost : 0.95 * this.cost + 0.05 * cost;
    }
  }

  // --- by hand ---------------------------------------------------------------------------------------------------------

  byHand() {
    const { view, picture, hidden } = this;
    picture.x.domain([0, SIDE]);
    picture.y.domain([0, SIDE]);
    const under = () => view.get("cursor").map((v) => v + 0.5);
    const { button: cursor } = picture.handle({
      name: () => `pen at column ${view.get("cursor")[0] + 1}, row ${view.get("cursor")[1] + 1}`,
      kind: "gm-w-orange gm-w-ring",
      // The rows are counted from the top, the stage's units from below.
      get: () => [under()[0], SIDE - under()[1]],
      move: ([x, y]) => view.set({ cursor: [x, SIDE - y].map((v) => clamp(Math.floor(v), 0, SIDE - 1)) }),
      step: 1,
    });
    // The cursor is for the keys: the hand draws on the picture itself.
    cursor.style.pointerEvents = "none";
    cursor.style.opacity = 0;
    view.listen(cursor, "focus", () => (cursor.style.opacity = 1));
    view.listen(cursor, "blur", () => (cursor.style.opacity = 0));
    view.listen(cursor, "click", () => this.dab([under()], view.get("pen")));
    view.listen(cursor, "keydown", (event) => {
      if (event.key !== "Delete" && event.key !== "Backspace") return;
      event.preventDefault();
      this.dab([under()], "paper");
    });
    let last = null;
    const { canvas } = picture;
    view.listen(canvas, "pointerdown", (event) => {
      if (view.get("pen") === "off" || event.button) return;
      canvas.setPointerCapture(event.pointerId);
      last = null;
      draw(event);
      event.preventDefault();
    });
    const draw = (event) => {
      const [x, y] = picture.where(event.clientX, event.clientY);
      const to = [x, SIDE - y];
      const from = last ?? to;
      const parts = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])));
      const places = Array.from({ length: parts }, (_, i) => from.map((v, k) => v + ((i + 1) / parts) * (to[k] - v)));
      last = to;
      this.dab(places, view.get("pen"));
    };
    view.listen(canvas, "pointermove", (event) => {
      if (last) for (const e of event.getCoalescedEvents?.() ?? [event]) draw(e);
    });
    for (const end of ["pointerup", "pointercancel"]) view.listen(canvas, end, () => (last = null));
    const choose = (event) => {
      const box = hidden.canvas.getBoundingClientRect();
      const rows = Math.ceil((this.machine?.n ?? 500) / COLUMNS);
      const [row, column] = [((event.clientY - box.top) / box.height) * rows, ((event.clientX - box.left) / box.width) * COLUMNS];
      view.set({ unit: clamp(Math.floor(row) * COLUMNS + Math.floor(column), 0, 499) });
    };
    hidden.canvas.style.cursor = "pointer";
    view.listen(hidden.canvas, "click", choose);
    view.listen(hidden.canvas, "pointermove", (event) => {
      if (event.buttons && event.pointerType === "mouse") choose(event);
    });
  }

  // The pen at one place or at several: ink, paper, or nothing held there any more.
  dab(places, pen) {
    const { view, dream } = this;
    if (!dream || pen === "off") return;
    const radius = Math.max(0.5, view.get("brush") / 2);
    const touched = new Set();
    for (const [x, y] of places) {
      for (let row = Math.max(0, Math.floor(y - radius)); row <= Math.min(SIDE - 1, Math.floor(y + radius)); row++) {
        for (let column = Math.max(0, Math.floor(x - radius)); column <= Math.min(SIDE - 1, Math.floor(x + radius)); column++) {
          const inside = Math.hypot(column + 0.5 - x, row + 0.5 - y) <= radius || (column === Math.floor(x) && row === Math.floor(y));
          if (inside) touched.add(row * SIDE + column);
        }
      }
    }
    const away = (list) => list.filter((i) => !touched.has(i));
    let [ink, paper] = [away(view.get("ink")), away(view.get("paper"))];
    if (pen === "release") {
      for (const i of touched) this.region[i] = -1;
    } else if (view.get("hold")) {
      if (pen === "ink") ink = [...ink, ...touched];
      else paper = [...paper, ...touched];
    } else {
      for (const i of touched) {
        dream.x[i] = Number(pen === "ink");
        if (this.region[i] >= 0) this.region[i] = dream.x[i];
      }
    }
    view.set({ ink, paper });
    this.held();
  }

  // --- the pictures ----------------------------------------------------------------------------------------------------

  paint() {
    const { view, dream } = this;
    const tones = Object.fromEntries(["paper", "ink", "orange", "blue", "red"].map((name) => [name, channels(view.colours[name])]));
    this.drawPicture(tones);
    this.drawHidden(tones);
    this.drawField(tones);
    this.drawEnergy();
    const units = this.machine?.n ?? 500;
    if (!dream) {
      view.say(`A machine of ${PIXELS} visible and ${units} hidden units; its weights, 0.4 MB, are fetched when it is in view.`);
      return true;
    }
    const mean = this.energies.reduce((a, b) => a + b, 0) / this.energies.length;
    const on = dream.x.reduce((a, b) => a + b, 0);
    const held = dream.held.reduce((sum, v) => sum + Number(v >= 0), 0);
    const lit = dream.hidden.reduce((a, b) => a + b, 0);
    this.energetic(`${dream.steps}`, number(dream.energy, 2), number(mean, 2));
    this.counted(`${on}`, `${held}`, number(lit, 1));
    const speed = this.cost === null ? "" : ` A step takes about ${number(this.cost, 2)} ms here.`;
    const hint = `The trained machine, ${PIXELS} × ${units} weights in int8, 0.4 MB.${speed}`;
    if (!this.cost || !(dream.steps % 20)) this.hint.textContent = hint;
    view.say(
      `${dream.steps} steps at an inverse temperature of ${number(this.beta)}: free energy ${number(dream.energy, 1)} nats, of test digits ${number(mean, 1)} on average. ` +
        `${on} pixels are on, ${held} held; ${number(lit, 0)} hidden units are on.`,
    );
    return true;
  }

  // Cells of a colour each, on a canvas of one pixel a cell.
  cells(stage, wide, tall, colour) {
    const canvas = this.buffers.get(stage) ?? document.createElement("canvas");
    this.buffers.set(stage, canvas);
    if (canvas.width !== wide || canvas.height !== tall) Object.assign(canvas, { width: wide, height: tall });
    const side = canvas.getContext("2d");
    const image = side.createImageData(wide, tall);
    for (let i = 0; i < wide * tall; i++) {
      const [r, g, b] = colour(i);
      image.data.set([r, g, b, 255], 4 * i);
    }
    side.putImageData(image, 0, 0);
    const c = stage.begin();
    c.imageSmoothingEnabled = false;
    c.drawImage(canvas, 0, 0, stage.width, stage.height);
    return c;
  }

  drawPicture({ paper, ink, orange }) {
    const { view, picture, dream } = this;
    const values = dream && (view.get("show") === "samples" || !dream.steps ? dream.x : dream.visible);
    const mix = (a, b, t) => a.map((v, k) => v + t * (b[k] - v));
    const [tones, pale] = [Array.from({ length: 65 }, (_, i) => mix(paper, ink, i / 64)), mix(paper, orange, 0.28)];
    const c = this.cells(picture, SIDE, SIDE, (i) => {
      if (!dream) return paper;
      if (dream.held[i] >= 0) return dream.held[i] ? orange : pale;
      return tones[Math.round(64 * values[i])];
    });
    c.strokeStyle = view.colours.grid;
    c.lineWidth = 1;
    c.strokeRect(0.5, 0.5, picture.width - 1, picture.height - 1);
    if (!dream) {
      c.fillStyle = view.colours.faint;
      c.textAlign = "center";
      c.textBaseline = "middle";
      c.fillText("the weights are on their way", picture.width / 2, picture.height / 2);
    }
    picture.place();
  }

  drawHidden({ paper, ink }) {
    const { view, hidden: stage, dream } = this;
    const n = dream?.hidden.length ?? 500;
    const rows = Math.ceil(n / COLUMNS);
    const c = this.cells(stage, COLUMNS, rows, (i) => paper.map((v, k) => v + (dream && i < n ? 0.06 + 0.94 * dream.hidden[i] : 0) * (ink[k] - v)));
    const [wide, tall] = [stage.width / COLUMNS, stage.height / rows];
    c.strokeStyle = view.colours.paper;
    c.lineWidth = 1;
    for (let i = 1; i < COLUMNS; i++) stroke(c, [Math.round(i * wide) + 0.5, 0], [Math.round(i * wide) + 0.5, stage.height]);
    for (let j = 1; j < rows; j++) stroke(c, [0, Math.round(j * tall) + 0.5], [stage.width, Math.round(j * tall) + 0.5]);
    const unit = clamp(view.get("unit"), 0, n - 1);
    c.strokeStyle = view.colours.orange;
    c.lineWidth = 2.5;
    c.strokeRect((unit % COLUMNS) * wide, Math.floor(unit / COLUMNS) * tall, wide, tall);
  }

  drawField({ paper, blue, red }) {
    const { view, field: stage, machine } = this;
    const values = machine?.field(clamp(view.get("unit"), 0, machine.n - 1));
    const most = values?.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-9);
    const c = this.cells(stage, SIDE, SIDE, (i) => {
      if (!values) return paper;
      const t = Math.sqrt(Math.abs(values[i]) / most);
      return paper.map((v, k) => v + t * ((values[i] > 0 ? blue : red)[k] - v));
    });
    c.strokeStyle = view.colours.grid;
    c.strokeRect(0.5, 0.5, stage.width - 1, stage.height - 1);
  }

  drawEnergy() {
    const { view, energy: stage, dream, trace } = this;
    const { colours } = view;
    const last = dream?.steps ?? 0;
    const first = Math.max(0, last - trace.length + 1);
    const known = this.energies ?? [0, 1];
    // The first steps may come from far away; the picture soon looks at what follows.
    const seen = last < 60 ? trace : trace.slice(Math.max(0, 8 - first));
    let [low, high] = [Math.min(...known, ...seen), Math.max(...known, ...seen)];
    const room = 0.06 * (high - low) + 1;
    [low, high] = [low - room, high + room];
    stage.x.domain([first, Math.max(first + 40, last)]);
    stage.y.domain([low, high]);
    const c = stage.begin();
    stage.axes({ ticks: [4, 3] });
    const [x0, x1] = stage.x.domain();
    stage.inside(() => {
      if (!this.energies) return;
      c.fillStyle = colours.blue;
      c.globalAlpha = 0.14;
      const [up, down] = [stage.y(Math.max(...known)), stage.y(Math.min(...known))];
      c.fillRect(stage.x(x0), up, stage.x(x1) - stage.x(x0), down - up);
      c.globalAlpha = 1;
      const mean = stage.y(known.reduce((a, b) => a + b, 0) / known.length);
      c.strokeStyle = colours.blue;
      c.lineWidth = 1.5;
      stroke(c, [stage.x(x0), mean], [stage.x(x1), mean]);
    });
    if (trace.length > 1) curve(stage, trace.map((_, i) => first + i), trace, { colour: colours.red, width: 1.8 });
    if (trace.length) {
      c.fillStyle = colours.red;
      c.beginPath();
      c.arc(stage.x(last), stage.y(trace[trace.length - 1]), 3.5, 0, 7);
      c.fill();
    }
    c.textAlign = "left";
    c.textBaseline = "middle";
    c.lineWidth = 4;
    let at = 0;
    for (const [text, colour] of [["free energy", "red"], ["ten test digits, mean and range", "blue"]]) {
      c.strokeStyle = colours[colour];
      stroke(c, [at, 10], [at + 15, 10]);
      c.fillStyle = colours.ink;
      c.fillText(text, at + 20, 10);
      at += c.measureText(text).width + 34;
    }
  }
}
