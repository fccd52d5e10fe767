// A trained machine's chain over pictures of digits: what it draws, what is held, its hidden units and its free energy.
import { onApproach } from "../approach.js";
import { button, check, choice, colourKeys, mainButton, number, readout, slider } from "../controls.js";
import { onDelete, onStrokes } from "../drawing.js";
import { along, REGIONS, touched } from "../pixel_pen.js";
import { Pace, playback } from "../playback.js";
import { random } from "../random.js";
import { Dream, Machine } from "../rbm_chain.js";
import { COLUMNS, drawEnergy, drawField, drawHidden, drawVisible, unitAt } from "../rbm_pictures.js";
import { clamp } from "../scale.js";
import { Stage } from "../stage.js";
import { weights } from "../weights.js";
import { widget } from "../widget.js";

const SIDE = 28;
const PIXELS = SIDE * SIDE;
const UNITS = 500; // hidden
const MOST = 400; // steps of the trace
const BUDGET = 9; // milliseconds of a frame for the chain

export default widget("digits-chain", "A memory that dreams", (view) => new Digits(view));

class Digits {
  constructor(view) {
    Object.assign(this, { view, machine: null, dream: null, trace: [], pace: new Pace(), cost: null });
    this.region = new Int8Array(PIXELS).fill(-1);
    this.layout();
    this.byHand();
    for (const trait of ["start", "digit", "seed"]) view.on(`change:${trait}`, () => this.begin());
    view.on("change:half", () => this.regional());
    for (const trait of ["ink", "paper"]) view.on(`change:${trait}`, () => this.held());
    view.on("change:inv_temp", () => this.dream?.settle(this.beta));
    playback(view, this.play, () => this.tick(), { pace: this.pace });
    view.bind("pen", (pen) => {
      this.picture.canvas.style.touchAction = pen === "off" ? "" : "none";
      this.picture.canvas.style.cursor = pen === "off" ? "" : "crosshair";
    });
    view.draw(() => this.paint());
    // The weights come only for those who come near.
    onApproach(view, () => this.load());
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
    this.play = mainButton(view, top, { label: "Play", press: () => this.toggle() });
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
    slider(view, about, { trait: "unit", label: "hidden unit", low: 0, high: UNITS - 1, step: 1, format: (v) => `${v}` });
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
    colourKeys(this.view, this.view.make("p", "gm-w-hint", place), entries);
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
    for (let i = 0; i < PIXELS; i++) region[i] = dream && inside(Math.floor(i / SIDE), i % SIDE, SIDE) ? dream.x[i] : -1;
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
    const { pace } = this;
    // A busy page skips steps rather than frames.
    pace.owed = Math.min(pace.owed + rate * pace.seconds(250), 60);
    let made = 0;
    while (pace.owed >= 1 && performance.now() - now < BUDGET) {
      this.step();
      pace.owed--;
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
    onDelete(view, cursor, () => this.dab([under()], "paper"));
    let last = null;
    onStrokes(view, picture.canvas, () => view.get("pen") !== "off", ({ clientX, clientY }, first) => {
      const [x, y] = picture.where(clientX, clientY);
      const to = [x, SIDE - y];
      const places = along(first ? to : last, to);
      last = to;
      this.dab(places, view.get("pen"));
    });
    const choose = (event) => view.set({ unit: clamp(unitAt(hidden, this.machine?.n ?? UNITS, event), 0, UNITS - 1) });
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
    const hit = touched(places, Math.max(0.5, view.get("brush") / 2), SIDE);
    const away = (list) => list.filter((i) => !hit.has(i));
    let [ink, paper] = [away(view.get("ink")), away(view.get("paper"))];
    if (pen === "release") {
      for (const i of hit) this.region[i] = -1;
    } else if (view.get("hold")) {
      if (pen === "ink") ink = [...ink, ...hit];
      else paper = [...paper, ...hit];
    } else {
      for (const i of hit) {
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
    const { machine } = this;
    const units = machine?.n ?? UNITS;
    const unit = clamp(view.get("unit"), 0, units - 1);
    drawVisible(this.picture, SIDE, dream, view.get("show") === "samples");
    drawHidden(this.hidden, units, dream?.hidden, unit);
    drawField(this.field, SIDE, machine?.field(unit));
    drawEnergy(this.energy, dream?.steps ?? 0, this.trace, this.energies);
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
}
