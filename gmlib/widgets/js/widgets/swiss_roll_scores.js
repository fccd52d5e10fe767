// A trained score beside the exact one, at any noise level, and particles that follow either of them.
import { flowStep, ladder, langevinStep } from "../annealed.js";
import { button, choice, number, readout, select, slider } from "../controls.js";
import { arrows, heatMap, particles } from "../draw.js";
import { ExactScore } from "../exact_score.js";
import { Mixture } from "../mixture.js";
import { random } from "../random.js";
import { ScoreNetwork } from "../score_network.js";
import { directions, slicedWasserstein, sortedProjections } from "../sliced.js";
import { Stage, stroke } from "../stage.js";
import { weights } from "../weights.js";
import { widget } from "../widget.js";

const NAMES = {
  two_moons: "two moons", swiss_roll: "Swiss roll", eight_gaussians: "eight Gaussians", sixteen_gaussians: "sixteen Gaussians",
  ring: "ring", pinwheel: "pinwheel", checkerboard: "checkerboard", banana: "banana", cross: "cross",
};
const ARROWS = 22; // a side
const SIDE = 36; // of the grid of errors
// While particles move, what costs more than a step waits for its frame: the fields, the numbers, the sliced distance; and
// the average is taken a few nodes at a time.
const EVERY = { field: 4, numbers: 4, distance: 16 };
const NODES_A_FRAME = 128;
const LINES = directions(32);
const FAR = 1e4; // where particles count as lost

const LABELS = {
  both: ["exact", "learnt"].map((which) => `The ${which} score as arrows on the density of the noised law, with the particles; a probe can be moved over it.`),
  difference: [
    "Exact and learnt score as arrows on the density of the noised law, with the particles; a probe can be moved over them.",
    "The learnt minus the exact score as arrows, and its length as shade: darker is more; a probe can be moved over it.",
  ],
};

const three = (v) => (v >= 99.5 ? v.toFixed(0) : v >= 9.95 ? v.toFixed(1) : v >= 0.0995 ? v.toFixed(2) : v.toFixed(3));

export default widget("swiss-roll-scores", "Swiss-roll scores", (view) => {
  const [low, high] = view.get("sigma_range");
  const top = view.make("div", "gm-w-pair", view.body);
  select(view, top, { trait: "law", label: "law", options: view.get("laws").map((name) => [name, NAMES[name] ?? name]) });
  const buttons = view.make("div", "gm-w-row", top);

  const pictures = view.make("div", "gm-w-pair", view.body);
  const [left, right] = [0, 1].map((i) => {
    const box = view.make("div", "", pictures);
    const caption = view.make("p", "gm-w-hint", box);
    const stage = new Stage(view, {
      label: LABELS.both[i],
      height: (width) => width,
      margin: { left: 2, right: 2, top: 2, bottom: 2 },
    });
    box.append(stage.element);
    return Object.assign(stage, { caption });
  });
  const panel = view.make("div", "gm-w-panel", view.body);
  slider(view, panel, { trait: "sigma", label: "noise level σ", low, high, scale: "log", parts: 240, format: three });
  const settings = view.make("div", "gm-w-pair", panel);
  choice(view, settings, { trait: "sampler", label: "particles move by", options: [["annealed", "annealed"], ["langevin", "Langevin"], ["flow", "flow"]] });
  choice(view, settings, { trait: "drive", label: "driven by the", options: [["learnt", "learnt score"], ["exact", "exact score"]] });
  const share = (v) => `${three(v)} σ²`;
  const fields = {
    step: slider(view, settings, { trait: "step", label: "step size δ", low: 0.01, high: 5, scale: "log", format: share }),
    temperature: slider(view, settings, { trait: "temperature", label: "temperature τ", low: 0, high: 2, step: 0.05, format: (v) => number(v) }),
    levels: slider(view, settings, { trait: "levels", label: "noise levels on the way down", low: 2, high: 100, step: 1, format: String }),
    steps: slider(view, settings, { trait: "steps", label: "steps at each level", low: 1, high: 50, step: 1, format: String }),
    run: slider(view, settings, { trait: "run", label: "steps in a run", low: 10, high: 2000, step: 10, format: String }),
  };
  choice(view, settings, { trait: "show", label: "pictures", options: [["both", "side by side"], ["difference", "difference"]] });
  const lists = view.make("div", "gm-w-pair", panel);
  const here = readout(view, lists, [["at x"], ["log q_σ(x), nats"], ["exact score, 1/length"], ["learnt score, 1/length"], ["error here, 1/length", "total"]]);
  const whole = readout(view, lists, [
    ["rms error over q_σ, 1/length"], ["as a share of the rms score"], ["sliced W₂, particles to data, length"],
    ["the same, fresh data to data"], ["particles out of the picture"], ["steps taken", "total"],
  ]);
  return new Scores(view, { left, right, fields, buttons, here, whole });
});

class Scores {
  constructor(view, parts) {
    Object.assign(this, { view, parts, stages: [parts.left, parts.right], law: null, asked: null, sampler: null, frame: 0, hurrying: null });
    const { buttons } = parts;
    this.play = button(view, buttons, { label: "Play", press: () => this.toggle() });
    button(view, buttons, { label: "One step", press: () => this.single() });
    button(view, buttons, { label: "New noise", press: () => view.set({ seed: view.get("seed") + 1, moving: false }) });
    for (const stage of this.stages) {
      stage.handle({
        name: () => `probe on the ${stage === parts.left ? "left" : "right"} picture at ${number(view.get("probe")[0])}, ${number(view.get("probe")[1])}`,
        kind: "gm-w-orange gm-w-ring",
        get: () => view.get("probe"),
        move: (place) => this.probe(place),
        step: 0.05,
      });
      // A mouse carries the probe along; a finger or the keys move its handle.
      view.listen(stage.canvas, "pointermove", (event) => {
        if (event.pointerType === "mouse") this.probe(stage.where(event.clientX, event.clientY));
      });
      view.listen(stage.canvas, "click", (event) => this.probe(stage.where(event.clientX, event.clientY)));
    }
    view.bind("law", () => this.load());
    view.bind("sampler", (sampler) => {
      const { step, temperature, levels, steps, run } = parts.fields;
      step.hidden = temperature.hidden = sampler === "flow";
      levels.hidden = sampler === "langevin";
      steps.hidden = sampler !== "annealed";
      run.hidden = sampler !== "langevin";
      if (!this.sampler) return (this.sampler = sampler);
      this.sampler = sampler;
      this.start();
      // The flow carries particles from one noise level to another, so it begins where they are.
      view.set({ moving: false, ...(sampler === "flow" ? { sigma: this.at } : {}) });
    });
    for (const trait of ["n", "seed"]) view.on(`change:${trait}`, () => this.start());
    view.on("change:sigma", () => {
      if (this.sampler === "langevin") this.taken = 0; // a run anew from where the particles are
      this.unseen = view.get("sigma");
      this.motion();
    });
    view.bind("moving", (moving) => {
      this.play.setAttribute("aria-pressed", String(moving));
      this.play.textContent = moving ? "Pause" : "Play";
      this.motion();
    });
    view.still.addEventListener("change", () => this.motion(), { signal: view.signal });
    view.draw(() => (this.law ? this.paint() : false));
  }

  probe([x, y]) {
    const [[x0, x1], [y0, y1]] = [this.stages[0].x.domain(), this.stages[0].y.domain()];
    const keep = (v, a, b) => Math.round(1000 * Math.min(b, Math.max(a, v))) / 1000;
    this.view.set({ probe: [keep(x, x0, x1), keep(y, y0, y1)] });
  }

  async load() {
    const { view } = this;
    const name = view.get("law");
    this.asked = name;
    try {
      const arrays = await weights(view, name);
      if (this.asked !== name || view.signal.aborted) return;
      this.use(name, arrays);
      view.notice("");
      this.motion();
    } catch (error) {
      if (this.asked !== name || view.signal.aborted) return;
      view.notice(`The law “${NAMES[name] ?? name}” could not be loaded. ${error.message}`);
    }
  }

  use(name, arrays) {
    this.name = name;
    const plain = Object.fromEntries(["weights", "means", "covariances"].map((key) => [key, arrays[key].data]));
    this.law = new Mixture(plain);
    this.exact = new ExactScore(this.law);
    this.network = new ScoreNetwork(arrays);
    this.nodes = { points: arrays.points.data, noise: arrays.noise.data };
    const { mean, variance } = this.law.moments();
    const half = Math.max(2.2, 2.7 * Math.sqrt(Math.max(...variance)));
    for (const { x, y } of this.stages) {
      x.domain([mean[0] - half, mean[0] + half]);
      y.domain([mean[1] - half, mean[1] + half]);
    }
    this.spread = { mean, variance: (variance[0] + variance[1]) / 2 };
    this.fields = this.average = this.mean = this.shown = null;
    this.start();
    this.view.redraw();
  }

  // Particles as noise, at the top of the ladder.
  start() {
    if (!this.law) return;
    const { view, spread } = this;
    const [n, seed] = [view.get("n"), view.get("seed")];
    [, this.at] = view.get("sigma_range");
    this.walk = random(seed + 2);
    const wide = Math.sqrt(spread.variance + this.at ** 2);
    this.places = Float64Array.from({ length: 2 * n }, (_, i) => spread.mean[i % 2] + wide * this.walk.normal());
    this.kick = new Float64Array(2 * n);
    this.push = new Float64Array(2 * n);
    this.table = new Float64Array((LINES.length / 2) * n);
    const key = `${this.name} ${n} ${seed}`;
    if (this.sampled !== key) {
      const draw = random(seed + 1);
      const [data, other] = [0, 1].map(() => sortedProjections(this.law.sample(n, draw), LINES));
      Object.assign(this, { data, floor: slicedWasserstein(data, other), sampled: key });
    }
    Object.assign(this, { taken: 0, level: 0, within: 0, fresh: true, done: false, lost: false, distance: null });
    if (view.get("moving")) this.ready();
    view.redraw();
  }

  get total() {
    const [levels, steps, run] = ["levels", "steps", "run"].map((trait) => this.view.get(trait));
    return { annealed: levels * steps, langevin: run, flow: levels - 1 }[this.sampler];
  }

  // Before a step: from noise, unless there is a run to go on with. Langevin runs follow one another.
  ready() {
    const { view } = this;
    if (this.done && (this.lost || this.sampler !== "langevin")) this.start();
    if (this.done) this.taken = 0;
    this.done = false;
    if (this.fresh && this.sampler !== "langevin") this.follow(this.at);
    this.fresh = false;
    view.notice("");
  }

  // The noise level: that of the slider, which goes with the particles, but for a reader who asked for less motion only
  // when they have arrived.
  get sigma() {
    return this.hurrying ? this.unseen : this.view.get("sigma");
  }

  follow(sigma) {
    if (this.hurrying) this.unseen = sigma;
    else this.view.set({ sigma });
  }

  toggle() {
    if (!this.law) return;
    const moving = !this.view.get("moving");
    if (moving) this.ready();
    this.view.set({ moving });
  }

  single() {
    if (!this.law) return;
    this.ready();
    this.view.set({ moving: false });
    this.advance();
  }

  // Whether the slider has gone where the flow's particles have not yet followed.
  get behind() {
    return this.sampler === "flow" && !this.fresh && this.at !== this.sigma;
  }

  // Let move what should: by frames, or, for readers who asked for less motion, at once to the end.
  motion() {
    const { view } = this;
    const moving = view.get("moving");
    if (!this.law) return;
    if (this.sampler === "flow" && this.fresh && view.get("sigma") !== this.at) this.fresh = false;
    view.animate(moving || this.behind ? () => this.tick() : null);
    if (view.still.matches && (moving || this.behind)) this.hurry();
  }

  tick() {
    if (!this.law) return;
    this.frame++;
    if (this.view.get("moving")) this.advance();
    else if (this.behind) {
      this.done = false;
      this.ride(this.sigma);
    } else this.motion();
  }

  // A part of the run at a time, so that the page stays awake; only the end is shown.
  hurry() {
    if (this.hurrying) return;
    const { view } = this;
    if (view.get("moving")) view.notice("Your system asks for reduced motion: only the end of each run is shown.");
    const going = () => !view.signal.aborted && (view.get("moving") || this.behind);
    const part = () => {
      if (view.signal.aborted) return;
      const until = performance.now() + 30;
      while (performance.now() < until && going()) this.tick();
      if (view.signal.aborted) return;
      if (going()) return (this.hurrying = setTimeout(part));
      this.hurrying = null;
      view.set({ sigma: this.unseen });
      view.redraw();
    };
    this.unseen = view.get("sigma");
    this.hurrying = setTimeout(part);
  }

  scores(points, sigma, out, which = this.view.get("drive")) {
    return (which === "exact" ? this.exact : this.network).scores(points, sigma, out);
  }

  advance() {
    const { view, sigma } = this;
    const [least, most] = view.get("sigma_range");
    if (this.sampler === "flow") {
      // First to where the reader has dragged the slider, if so.
      const dragged = this.at !== sigma;
      this.ride(dragged ? sigma : least);
      if (!dragged) this.follow(this.at);
      if (this.at === least) this.arrive();
    } else if (this.sampler === "langevin") {
      this.jump(sigma);
      if (this.taken >= view.get("run")) this.arrive();
    } else {
      const [levels, steps] = [view.get("levels"), view.get("steps")];
      const rungs = ladder(most, least, levels);
      // Dragged, or on a ladder of other levels: on from the nearest one.
      if (this.at !== sigma || rungs[this.level] !== sigma) {
        const away = (v) => Math.abs(Math.log(v / sigma));
        this.level = rungs.reduce((best, v, i) => (away(v) < away(rungs[best]) ? i : best), 0);
        this.within = 0;
      }
      this.jump(rungs[this.level]);
      if (++this.within >= steps) {
        this.within = 0;
        if (this.level === levels - 1) this.arrive();
        else this.level++;
      }
      this.at = rungs[this.level];
      this.follow(this.at);
    }
  }

  jump(sigma) {
    const { view, places, kick, walk } = this;
    for (let i = 0; i < kick.length; i++) kick[i] = walk.normal();
    this.scores(places, sigma, this.push);
    this.taken++;
    langevinStep(places, this.push, view.get("step") * sigma ** 2, kick, view.get("temperature"));
    this.distance = null;
    let far = 0;
    for (let i = 0; i < places.length; i++) far = Math.max(far, Math.abs(places[i]));
    if (far < FAR) return;
    this.lost = true;
    this.arrive();
    view.notice("The steps are too long: the particles have been thrown out of the picture. Shorten them and play again.");
  }

  ride(target) {
    const { view } = this;
    const [least, most] = view.get("sigma_range");
    const ratio = (least / most) ** (1 / (view.get("levels") - 1));
    const from = this.at;
    let to = target < from ? from * ratio : from / ratio;
    if (target < from ? to < target * 1.0001 : to > target / 1.0001) to = target;
    flowStep(this.places, this.scores(this.places, from, this.push), from, to);
    this.at = to;
    this.taken++;
    this.distance = null;
  }

  arrive() {
    this.done = true;
    this.view.set({ moving: false });
  }

  // Density and both scores on a grid, at one noise level.
  field(sigma) {
    const [x0, x1] = this.stages[0].x.domain();
    const [y0] = this.stages[0].y.domain();
    const now = this.exact.noised(sigma);
    // Four points a standard deviation: what lies between them the eye cannot tell from the truth.
    const h = Math.max((x1 - x0) / 280, 0.28 * now.grain);
    const side = Math.ceil((x1 - x0) / h) + 4; // beyond the edge, where a scaled picture fades
    const grid = { x0: x0 - 1.5 * h, y0: y0 - 1.5 * h, h, nx: side, ny: side };
    const density = now.field(grid);
    const gap = (x1 - x0) / ARROWS;
    const feet = new Float64Array(2 * ARROWS * ARROWS);
    for (let j = 0; j < ARROWS; j++) {
      for (let i = 0; i < ARROWS; i++) feet.set([x0 + (i + 0.5) * gap, y0 + (j + 0.5) * gap], 2 * (j * ARROWS + i));
    }
    return {
      sigma, grid, density, feet,
      grain: now.grain,
      top: density.reduce((a, b) => (b > a ? b : a), 0),
      exact: this.exact.scores(feet, sigma),
      learnt: this.network.scores(feet, sigma),
    };
  }

  // The size of the error in units of 1 / sigma, on a grid.
  errors({ sigma }) {
    const [x0, x1] = this.stages[0].x.domain();
    const [y0] = this.stages[0].y.domain();
    const h = (x1 - x0) / (SIDE - 4);
    const grid = { x0: x0 - 1.5 * h, y0: y0 - 1.5 * h, h, nx: SIDE, ny: SIDE };
    const points = new Float64Array(2 * SIDE * SIDE);
    for (let i = 0; i < SIDE * SIDE; i++) points.set([grid.x0 + (i % SIDE) * h, grid.y0 + Math.floor(i / SIDE) * h], 2 * i);
    const [exact, learnt] = [this.exact.scores(points, sigma), this.network.scores(points, sigma)];
    const values = Float64Array.from({ length: SIDE * SIDE }, (_, i) =>
      sigma * Math.hypot(learnt[2 * i] - exact[2 * i], learnt[2 * i + 1] - exact[2 * i + 1]));
    return { grid, values };
  }

  // Mean squares over the noised law, a part of them a frame while something moves.
  averages(sigma, moving) {
    if (!this.average || (this.average.done && this.average.sigma !== sigma) || (!moving && this.average.sigma !== sigma)) {
      this.average = { sigma, at: 0, error: 0, score: 0, done: false };
    }
    const job = this.average;
    const { points, noise } = this.nodes;
    const last = moving && this.mean ? Math.min(points.length, job.at + 2 * NODES_A_FRAME) : points.length;
    if (job.at < last) {
      const places = Float64Array.from({ length: last - job.at }, (_, i) => points[job.at + i] + job.sigma * noise[job.at + i]);
      const exact = this.exact.scores(places, job.sigma);
      const learnt = this.network.scores(places, job.sigma);
      for (let i = 0; i < places.length; i++) {
        job.error += (learnt[i] - exact[i]) ** 2;
        job.score += exact[i] ** 2;
      }
      job.at = last;
    }
    if (job.at === points.length && !job.done) {
      job.done = true;
      this.mean = { error: Math.sqrt((2 * job.error) / points.length), score: Math.sqrt((2 * job.score) / points.length) };
    }
  }

  paint() {
    const { view, stages } = this;
    if (this.hurrying && this.fields) return;
    const sigma = view.get("sigma");
    const moving = Boolean(view.steps) && !view.still.matches;
    const due = (what) => !moving || this.frame % EVERY[what] === 0;
    if (!this.fields || (this.fields.sigma !== sigma && due("field"))) this.fields = this.field(sigma);
    this.averages(sigma, moving);
    if (this.shown == null || (!this.distance && due("distance"))) {
      this.shown = this.distance = slicedWasserstein(sortedProjections(this.places, LINES, this.table), this.data);
    }
    const difference = view.get("show") === "difference";
    const drive = view.get("drive");
    const x = view.get("probe");
    const [ex, lx] = [this.exact, this.network].map((score) => score.scores(Float64Array.from(x), sigma));
    stages.forEach((stage, i) => {
      stage.begin();
      this.ground(stage, i, difference);
      const driven = (i ? "learnt" : "exact") === drive;
      if (!difference) particles(stage, this.places, { colour: view.colours.red, radius: 1.1, alpha: driven ? 0.85 : 0.3 });
      else if (!i) particles(stage, this.places, { colour: view.colours.red, radius: 1.1, alpha: 0.5 });
      const needles = [[ex, view.colours.ink], [lx, view.colours.orange]];
      for (const [v, colour] of difference ? needles : [needles[i]]) needle(stage, x, v, 3.6 * this.longest(stage), this.scale, colour);
      stage.place();
    });
    if (this.told !== `${difference} ${drive}`) this.words(difference, drive);
    if (due("numbers")) this.numbers(x, sigma, ex, lx);
  }

  longest(stage) {
    return (1.15 * stage.width) / ARROWS;
  }

  // A score of this length is drawn at half the longest arrow.
  get scale() {
    return 2 / this.fields.grain;
  }

  // Density and arrows, drawn once for a field and then copied.
  ground(stage, i, difference) {
    const { view, fields } = this;
    const { colours, dark } = view;
    const { context, canvas, width, height, ratio } = stage;
    const key = `${difference} ${dark} ${width} ${ratio}`;
    const ground = (stage.ground ??= document.createElement("canvas"));
    if (stage.fields !== fields || stage.key !== key) {
      const errors = difference && i === 1;
      if (errors) fields.errors ??= this.errors(fields);
      if (errors) heatMap(stage, fields.errors.values, fields.errors.grid, 1, dark);
      else heatMap(stage, fields.density, fields.grid, fields.top, dark);
      const draw = (field, colour, alpha) =>
        arrows(stage, fields.feet, field, { longest: this.longest(stage), scale: this.scale, colour, alpha });
      if (errors) draw(fields.learnt.map((v, k) => v - fields.exact[k]), colours.ink, 0.8);
      else if (difference) {
        draw(fields.exact, colours.ink, 0.9);
        draw(fields.learnt, colours.orange, 0.9);
      } else draw(i ? fields.learnt : fields.exact, colours.ink, 0.55);
      frame(stage, colours.grid);
      Object.assign(ground, { width: canvas.width, height: canvas.height });
      ground.getContext("2d").drawImage(canvas, 0, 0);
      Object.assign(stage, { fields, key });
    } else context.drawImage(ground, 0, 0, width, height);
  }

  words(difference, drive) {
    const { view } = this;
    this.told = `${difference} ${drive}`;
    const moved = (which) => (which === drive ? "particles it moves" : "same particles");
    const texts = difference
      ? [[["ink", "exact score"], ["orange", "learnt score"], ["red", "particles"]], [["ink", "learnt − exact"], ["blue", "σ · its length, 0 to 1"]]]
      : ["exact", "learnt"].map((which) => [["ink", `${which} score`], ["red", moved(which)], ["blue", "density"]]);
    this.stages.forEach(({ caption, canvas }, i) => {
      canvas.setAttribute("aria-label", LABELS[difference ? "difference" : "both"][i]);
      caption.replaceChildren();
      for (const [colour, text] of texts[i]) {
        const entry = view.make("span", "", caption);
        entry.style.cssText = "margin-right: 1em; white-space: nowrap";
        view.make("span", "gm-w-key", entry).style.background = `var(--gm-w-${colour})`;
        entry.append(text);
      }
    });
  }

  outside() {
    const [[x0, x1], [y0, y1]] = [this.stages[0].x.domain(), this.stages[0].y.domain()];
    const { places } = this;
    let count = 0;
    for (let i = 0; i < places.length; i += 2) {
      if (!(places[i] > x0 && places[i] < x1 && places[i + 1] > y0 && places[i + 1] < y1)) count++;
    }
    return count;
  }

  numbers([x, y], sigma, ex, lx) {
    const { view, parts, mean } = this;
    const log = this.exact.noised(sigma).logDensity(x, y);
    const error = Math.hypot(lx[0] - ex[0], lx[1] - ex[1]);
    const pair = (v, digits = 2) => `(${number(v[0], digits)}, ${number(v[1], digits)})`;
    const share = `${((100 * mean.error) / mean.score).toFixed(1)} %`;
    parts.here(pair([x, y]), number(log, 3), pair(ex), pair(lx), number(error, 3));
    parts.whole(number(mean.error, 3), share, number(this.shown, 3), number(this.floor, 3), String(this.outside()), this.taken <= this.total ? `${this.taken} of ${this.total}` : String(this.taken));
    view.say(
      `${NAMES[view.get("law")]}, noise level ${three(sigma)}. At ${number(x)}, ${number(y)}: log density ${number(log, 3)}, exact score ` +
        `${number(ex[0])}, ${number(ex[1])}, learnt score ${number(lx[0])}, ${number(lx[1])}. Root mean square error over the noised ` +
        `law ${number(mean.error, 3)}, ${share} of the score. ${view.get("n")} particles after ${this.taken} steps: sliced ` +
        `Wasserstein distance to the data ${number(this.shown, 3)}.`,
    );
  }
}

// One arrow, thick.
function needle(stage, [x, y], [dx, dy], longest, scale, colour) {
  const norm = Math.hypot(dx, dy);
  const length = longest * (norm / (norm + scale));
  if (!(length > 1)) return;
  const [ux, uy] = [dx / norm, -dy / norm];
  const [px, py] = [stage.x(x), stage.y(y)];
  const [tx, ty] = [px + length * ux, py + length * uy];
  const barb = Math.min(8, 0.4 * length);
  stage.inside((c) => {
    c.strokeStyle = colour;
    c.lineWidth = 3;
    c.lineCap = c.lineJoin = "round";
    stroke(c, [px, py], [tx, ty]);
    stroke(c, [tx - barb * (ux - 0.6 * uy), ty - barb * (uy + 0.6 * ux)], [tx, ty], [tx - barb * (ux + 0.6 * uy), ty - barb * (uy - 0.6 * ux)]);
  });
}

function frame({ context: c, width, height }, colour) {
  c.strokeStyle = colour;
  c.lineWidth = 1;
  c.strokeRect(0.5, 0.5, width - 1, height - 1);
}
