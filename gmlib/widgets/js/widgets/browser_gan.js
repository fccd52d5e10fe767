// A generator and a critic that are trained here, in the page: what the critic says, where it sends the generated points,
// and how many modes of the law they find.
import { button, check, choice, colourKeys, mainButton, number, readout, select, slider } from "../controls.js";
import { CriticMap } from "../critic_map.js";
import { Pass } from "../dense_network.js";
import { arrows, particles } from "../draw.js";
import { onCarried, onDelete, onStrokes } from "../drawing.js";
import { drawCoverage, drawLosses } from "../gan_curves.js";
import { advice } from "../gan_game.js";
import { UNDECIDED } from "../gan_losses.js";
import { Record } from "../gan_record.js";
import { ASKED, Run, scatter } from "../gan_run.js";
import { frame } from "../marks.js";
import { playback } from "../playback.js";
import { random } from "../random.js";
import { clamp } from "../scale.js";
import { Stage } from "../stage.js";
import { widget } from "../widget.js";

const BUDGET = 9; // milliseconds of a frame for training
const MAP_EVERY = 3; // frames between two maps while it trains
const GAP = 0.12; // between two drawn centres
const REACH = 0.16; // of the eraser
const FASTEST = 64; // steps a frame

const LOSSES = [
  ["non_saturating", "non-saturating"], ["minimax", "minimax"], ["least_squares", "least squares"], ["hinge", "hinge"],
  ["wasserstein", "Wasserstein"], ["relativistic", "relativistic, paired"],
];
const REGULARISERS = [
  ["none", "none"], ["r1", "R1: slope at the data"], ["r2", "R2: slope at the generated points"],
  ["gradient_penalty", "gradient penalty: slope 1 in between"], ["clip", "clipped weights"],
];
const SETTINGS = ["loss", "regulariser", "gamma", "limit", "critic_steps", "lr_critic", "lr_generator", "optimizer", "beta1", "simultaneous"];

const three = (v) => (v >= 9.995 ? number(v, 1) : v >= 0.995 ? number(v, 2) : Number(v.toPrecision(2)).toString());
const told = (v) => (v == null ? "–" : Number.isFinite(v) && Math.abs(v) < 1e5 ? number(v, 3) : "out of range");

export default widget("browser-gan", "A GAN trained in your browser", (view) => new Trained(view));

class Trained {
  constructor(view) {
    Object.assign(this, { view, run: null, frame: 0 });
    this.sizes = view.get("sizes");
    this.map = new CriticMap(this.sizes.edge);
    this.layout();
    for (const trait of ["law", "seed"]) {
      view.on(`change:${trait}`, () => {
        this.run = null;
        view.set({ steps: 0 });
      });
    }
    for (const trait of SETTINGS) view.on(`change:${trait}`, () => this.changed());
    view.on("change:drawn", () => this.changed());
    view.on("change:steps", () => {
      if (this.run && view.get("steps") < this.run.steps) this.run = null;
    });
    view.bind("law", (law) => {
      const drawing = law === "drawn";
      this.drawing.hidden = this.brush.button.hidden = !drawing;
      this.stage.canvas.style.touchAction = drawing ? "none" : "";
      this.stage.canvas.style.cursor = drawing ? "crosshair" : "";
    });
    view.bind("regulariser", (name) => {
      this.fields.gamma.hidden = name === "none" || name === "clip";
      this.fields.limit.hidden = name !== "clip";
    });
    view.bind("optimizer", (name) => (this.fields.beta1.hidden = name !== "adam"));
    playback(view, this.play, () => this.tick());
    view.draw(() => this.paint());
  }

  layout() {
    const { view, sizes } = this;
    const top = view.make("div", "gm-w-row", view.body);
    this.play = mainButton(view, top, { label: "Play", press: () => this.toggle() });
    this.presets = Object.entries(view.get("presets")).map(([name, { label, ...values }]) => {
      return { element: button(view, top, { label, press: () => this.preset(name) }), values };
    });

    const pictures = view.make("div", "gm-w-pair", view.body);
    const left = view.make("div", "gm-w-panel", pictures);
    this.caption = view.make("p", "gm-w-hint", left);
    const { edge } = sizes;
    this.stage = new Stage(view, {
      label: "The plane: shaded by what the critic says, with the data, the generated points, and arrows that show where the critic sends them.",
      height: (width) => width,
      margin: { left: 2, right: 2, top: 2, bottom: 2 },
    });
    left.append(this.stage.element);
    this.stage.x.domain([-edge, edge]);
    this.stage.y.domain([-edge, edge]);
    this.brush = this.stage.handle({
      name: () => `brush at ${view.get("brush").map((v) => number(v, 1)).join(", ")}: space puts a centre, delete takes one away`,
      kind: "gm-w-orange gm-w-ring",
      get: () => view.get("brush"),
      move: (place) => this.moveBrush(place),
      step: 0.1,
    });
    this.paintable();
    const row = view.make("div", "gm-w-row", left);
    button(view, row, { label: "One step", press: () => this.go(1) });
    button(view, row, { label: "100 steps", press: () => this.go(100) });
    button(view, row, { label: "Start again", press: () => view.set({ steps: 0, playing: false }) });
    button(view, row, { label: "New seed", press: () => view.set({ seed: (view.get("seed") + 1) % 2 ** 31, playing: false }) });
    const options = Object.entries(view.get("laws")).map(([name, { label }]) => [name, label]);
    select(view, left, { trait: "law", label: "data", options: [...options, ["drawn", "draw your own"]] });
    this.drawing = view.make("div", "gm-w-row", left);
    check(view, this.drawing, { trait: "erase", label: "erase" });
    button(view, this.drawing, { label: "Clear the drawing", press: () => view.set({ drawn: [] }) });
    view.make("p", "gm-w-hint", this.drawing).textContent =
      "Draw on the picture. By keys: move the brush with the arrows; space puts a centre, delete takes one away.";
    const { std, radius } = sizes;
    view.make("p", "gm-w-hint", left).textContent =
      `A mode is a normal law of standard deviation ${std}; a generated point is near it within ${radius} of its centre.`;

    const right = view.make("div", "gm-w-panel", pictures);
    this.covered = new Stage(view, {
      label: "Share of the modes that have generated points, and share of the generated points that are near a mode, against the steps made.",
      height: () => 172,
      margin: { left: 46, right: 20, top: 26, bottom: 26 },
    });
    this.losses = new Stage(view, {
      label: "Losses of critic and generator against the steps made.",
      height: () => 160,
      margin: { left: 46, right: 20, top: 26, bottom: 26 },
    });
    right.append(this.covered.element, this.losses.element);
    this.numbers = readout(view, right, [
      ["steps made"], ["modes with generated points within 0.1"], ["generated points within 0.1 of a mode"],
      ["critic's loss"], ["its penalty"], ["generator's loss"],
    ]);

    const panel = view.make("div", "gm-w-pair", view.body);
    const rate = { low: 1e-4, high: 1, scale: "log", parts: 160, format: three };
    this.fields = {
      loss: select(view, panel, { trait: "loss", label: "losses", options: LOSSES }),
      regulariser: select(view, panel, { trait: "regulariser", label: "what holds the critic back", options: REGULARISERS }),
      gamma: slider(view, panel, { trait: "gamma", label: "strength γ of the penalty", low: 0.001, high: 100, scale: "log", parts: 200, format: three }),
      limit: slider(view, panel, { trait: "limit", label: "bound of the critic's weights", low: 0.01, high: 1, scale: "log", parts: 100, format: three }),
      steps: slider(view, panel, { trait: "critic_steps", label: "critic steps k, each generator step", low: 1, high: 10, step: 1, format: String }),
      critic: slider(view, panel, { trait: "lr_critic", label: "learning rate of the critic", ...rate }),
      generator: slider(view, panel, { trait: "lr_generator", label: "learning rate of the generator", ...rate }),
      optimiser: choice(view, panel, { trait: "optimizer", label: "steps by", options: [["adam", "Adam"], ["sgd", "plain gradients"]] }),
      beta1: slider(view, panel, { trait: "beta1", label: "Adam's β₁ (momentum)", low: 0, high: 0.95, step: 0.05, format: (v) => number(v) }),
      pace: choice(view, panel, { trait: "pace", label: "pace", options: [["slow", "a step a frame"], ["fast", "as fast as it goes"]] }),
    };
    const checks = view.make("div", "gm-w-row", panel);
    check(view, checks, { trait: "simultaneous", label: "both players at once" });
    check(view, checks, { trait: "arrows", label: "arrows" });
  }

  // --- the run -------------------------------------------------------------------------------------------------------

  get centres() {
    const { view } = this;
    const law = view.get("law");
    return law === "drawn" ? view.get("drawn") : view.get("laws")[law].centres;
  }

  get settings() {
    const get = (trait) => this.view.get(trait);
    return {
      loss: get("loss"), regulariser: get("regulariser"), gamma: get("gamma"), clip: get("limit"), optimiser: get("optimizer"),
      criticSteps: get("critic_steps"), criticRate: get("lr_critic"), generatorRate: get("lr_generator"), beta1: get("beta1"),
      simultaneous: get("simultaneous"),
    };
  }

  start() {
    const { view, sizes } = this;
    const { std, radius } = sizes;
    const centres = this.centres;
    this.run = new Run({ ...sizes, activation: "relu" }, { centres, std, radius }, random(view.get("seed")));
    this.record = new Record();
    this.ended = false;
    this.mapped = null;
    this.record.look(this.run);
    this.reals();
  }

  // Data to be seen: of another stream, so that looking changes nothing.
  reals() {
    const { centres, std } = this.run.law;
    this.shownReal = centres.length ? scatter(new Float64Array(2 * Math.max(256, 8 * centres.length)), centres, std, random(12345)) : new Float64Array(0);
  }

  // A setting was moved: the run goes on with it, and the curves are marked.
  changed() {
    const { view, run } = this;
    if (!run) return;
    if (view.get("law") === "drawn" && run.law.centres !== view.get("drawn")) {
      run.law.centres = view.get("drawn");
      this.reals();
      this.record.lookAgain(run);
    }
    this.record.mark(run.steps);
    this.mapped = null;
  }

  // Train until `target`, or until the time is up; false when it cannot.
  train(target, until) {
    const { run, record } = this;
    if (!run.law.centres.length) return this.end("There is nothing to learn yet: draw something first.");
    const settings = this.settings;
    while (run.steps < target) {
      run.step(settings);
      const { critic, generator } = run.terms;
      if (!Number.isFinite(critic.loss + critic.penalty + generator.loss) || (run.steps % 50 === 0 && run.lost)) {
        return this.end("The weights have left all bounds. Take smaller steps or a penalty, and start again.");
      }
      if (run.steps % record.every === 0) record.look(run);
      if (performance.now() > until) break;
    }
    return true;
  }

  end(why) {
    const { view, run } = this;
    this.ended = true;
    view.set({ playing: false, steps: run.steps });
    view.notice(why);
    return false;
  }

  tick() {
    const { view } = this;
    if (!this.run) this.start();
    const target = Math.max(view.get("steps"), this.run.steps + (view.get("pace") === "slow" ? 1 : FASTEST));
    if (!this.train(Math.min(target, 1e6), performance.now() + BUDGET)) return;
    if (this.run.steps > view.get("steps")) view.set({ steps: this.run.steps });
  }

  toggle() {
    const { view } = this;
    view.set({ playing: !view.get("playing") });
  }

  go(count) {
    const { view } = this;
    view.set({ playing: false, steps: Math.min(1e6, Math.max(view.get("steps"), this.run?.steps ?? 0) + count) });
  }

  preset(name) {
    const { label, ...settings } = this.view.get("presets")[name];
    this.view.set({ ...settings, steps: 0, playing: !this.view.still.matches });
  }

  // --- drawing -------------------------------------------------------------------------------------------------------

  moveBrush([x, y]) {
    const { edge } = this.sizes;
    const round = (v) => Math.round(100 * clamp(v, -edge, edge)) / 100;
    this.view.set({ brush: [round(x), round(y)] });
  }

  // Puts a centre where the brush is, unless one is near; or takes those away that are.
  dab(erase) {
    const { view } = this;
    const [x, y] = view.get("brush");
    const drawn = view.get("drawn");
    const away = ([a, b]) => Math.hypot(a - x, b - y);
    if (erase) {
      const left = drawn.filter((place) => away(place) > REACH);
      if (left.length < drawn.length) view.set({ drawn: left });
    } else if (drawn.length < 200 && drawn.every((place) => away(place) >= GAP)) {
      view.set({ drawn: [...drawn, [x, y]] });
      if (this.ended && !drawn.length) this.revive();
    }
  }

  revive() {
    this.ended = false;
    this.view.notice("");
  }

  paintable() {
    const { view, stage, brush: { button: handle } } = this;
    const dab = () => this.dab(view.get("erase"));
    onStrokes(view, stage.canvas, () => view.get("law") === "drawn", ({ clientX, clientY }) => {
      this.moveBrush(stage.where(clientX, clientY));
      dab();
    });
    onCarried(view, handle, dab);
    onDelete(view, handle, () => this.dab(true));
  }

  // --- the pictures --------------------------------------------------------------------------------------------------

  paint() {
    const { view } = this;
    if (!this.run) {
      this.start();
      view.notice(view.get("playing") && view.still.matches ? view.shown?.textContent ?? "" : "");
    }
    const target = view.get("steps");
    if (this.run.steps < target && !this.ended) {
      if (this.train(target, performance.now() + BUDGET) && this.run.steps < target) {
        view.redraw();
        // A reader who asked for less motion sees the end only.
        if (view.still.matches && view.root.dataset.ready) return true;
      }
    }
    this.frame++;
    const moving = view.steps && !view.still.matches;
    this.plane(!moving || this.frame % MAP_EVERY === 0);
    drawCoverage(this.covered, this.record, this.run.steps);
    drawLosses(this.losses, this.record, this.run.steps);
    this.words();
    return true;
  }

  plane(due) {
    const { view, stage, run } = this;
    const { colours } = view;
    const points = run.points();
    const onReal = this.onReal();
    if (due || this.mapped !== view.dark) this.map.make(run.game.critic, view.get("loss"), onReal, () => run.asked(), colours);
    this.mapped = view.dark;
    const c = stage.begin();
    this.map.draw(stage);
    particles(stage, this.shownReal, { colour: colours.ink, radius: 1.2, alpha: 0.55 });
    if (view.get("arrows")) {
      const { loss } = this.settings;
      run.asked();
      const reals = Float64Array.from({ length: ASKED }, (_, i) => onReal[i % onReal.length]);
      const pull = advice(loss, run.judged, reals);
      arrows(stage, points.subarray(0, 2 * ASKED), pull, { longest: 26, colour: colours.ink, scale: 0.7, alpha: 0.75 });
    }
    particles(stage, points, { colour: colours.red, radius: 1.5, alpha: 0.9 });
    if (view.get("law") === "drawn") {
      c.strokeStyle = colours.faint;
      c.lineWidth = 1;
      c.beginPath();
      const r = stage.x(this.sizes.radius) - stage.x(0);
      for (const [x, y] of run.law.centres) {
        c.moveTo(stage.x(x) + r, stage.y(y));
        c.arc(stage.x(x), stage.y(y), r, 0, 7);
      }
      c.stroke();
    }
    frame(stage);
    stage.place();
  }

  // The critic's outputs on the data that are shown.
  onReal() {
    const { critic } = this.run.game;
    if (this.judgedReal?.network !== critic) this.judgedReal = new Pass(critic, 128);
    this.judgedReal.h[0].fill(0);
    this.judgedReal.h[0].set(this.shownReal.subarray(0, 256));
    return this.judgedReal.forward();
  }

  words() {
    const { view, run } = this;
    const { modes, share } = run.coverage();
    const total = run.law.centres.length;
    const { critic, generator } = run.terms ?? {};
    for (const { element, values } of this.presets) element.setAttribute("aria-pressed", Object.entries(values).every(([trait, value]) => view.get(trait) === value));
    this.numbers(`${run.steps}`, `${modes} of ${total}`, `${number(100 * share, 1)} %`, told(critic?.loss), told(critic?.penalty), told(generator?.loss));
    if (this.legended !== view.get("loss")) {
      this.legended = view.get("loss");
      const relative = UNDECIDED[this.legended] === null;
      this.caption.replaceChildren();
      colourKeys(view, this.caption, [["blue", `critic: ${relative ? "more like data" : "data"}`], ["orange", `critic: ${relative ? "less" : "generated"}`], ["ink", "data, arrows"], ["red", "generated"]]);
    }
    const penalty = critic?.penalty ? `, penalty ${told(critic.penalty)}` : "";
    const losses = critic ? ` Critic's loss ${told(critic.loss)}${penalty}; generator's loss ${told(generator.loss)}.` : "";
    view.say(
      `Step ${run.steps}. Generated points are near ${modes} of ${total} modes; ${number(100 * share, 1)} % of them are within 0.1 of a mode.${losses}`,
    );
  }
}
