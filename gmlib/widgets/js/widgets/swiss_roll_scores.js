// A trained score beside the exact one, at any noise level, and particles that follow either of them.
import { button, choice, colourKeys, number, readout, select, slider } from "../controls.js";
import { particles } from "../draw.js";
import { ExactScore } from "../exact_score.js";
import { fetchLaw, lawOptions, mixtureOf, nameOf } from "../fetched_law.js";
import { probe } from "../probe.js";
import { random } from "../random.js";
import { ScoreAverages, scoreErrors, scoreFields } from "../score_fields.js";
import { ScoreNetwork } from "../score_network.js";
import { ScoreParticles } from "../score_particles.js";
import { drawProbe, drawScores } from "../score_picture.js";
import { directions, slicedWasserstein, sortedProjections } from "../sliced.js";
import { Stage } from "../stage.js";
import { widget } from "../widget.js";

// While particles move, what costs more than a step waits for its frame: the fields, the numbers, the sliced distance; and
// the average is taken a few nodes at a time.
const EVERY = { field: 4, numbers: 4, distance: 16 };
const LINES = directions(32);

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
  select(view, top, { trait: "law", label: "law", options: lawOptions(view.get("laws")) });
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
    Object.assign(this, { view, parts, stages: [parts.left, parts.right], law: null, sampler: null, frame: 0, hurrying: null });
    const { buttons } = parts;
    this.play = button(view, buttons, { label: "Play", press: () => this.toggle() });
    button(view, buttons, { label: "One step", press: () => this.single() });
    button(view, buttons, { label: "New noise", press: () => view.set({ seed: view.get("seed") + 1, moving: false }) });
    this.stages.forEach((stage, i) => probe(view, stage, `on the ${i ? "right" : "left"} picture `));
    view.bind("law", () => fetchLaw(view, (name, arrays) => this.use(name, arrays)));
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
      view.set({ moving: false, ...(this.law && sampler === "flow" ? { sigma: this.particles.at } : {}) });
    });
    for (const trait of ["n", "seed"]) view.on(`change:${trait}`, () => this.start());
    view.on("change:sigma", () => {
      if (this.law && this.sampler === "langevin") this.particles.taken = 0; // a run anew from where the particles are
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

  use(name, arrays) {
    this.name = name;
    this.law = mixtureOf(arrays);
    this.exact = new ExactScore(this.law);
    this.network = new ScoreNetwork(arrays);
    this.averages = new ScoreAverages(this.exact, this.network, { points: arrays.points.data, noise: arrays.noise.data });
    const { mean, variance } = this.law.moments();
    const half = Math.max(2.2, 2.7 * Math.sqrt(Math.max(...variance)));
    for (const { x, y } of this.stages) {
      x.domain([mean[0] - half, mean[0] + half]);
      y.domain([mean[1] - half, mean[1] + half]);
    }
    this.spread = { mean, variance: (variance[0] + variance[1]) / 2 };
    this.fields = this.shown = null;
    this.start();
    this.view.redraw();
    this.motion();
  }

  // Particles as noise, at the top of the ladder.
  start() {
    if (!this.law) return;
    const { view, spread } = this;
    const [n, seed] = [view.get("n"), view.get("seed")];
    this.particles = new ScoreParticles(n, spread, view.get("sigma_range"), random(seed + 2).normal);
    this.table = new Float64Array((LINES.length / 2) * n);
    const key = `${this.name} ${n} ${seed}`;
    if (this.sampled !== key) {
      const draw = random(seed + 1);
      const [data, other] = [0, 1].map(() => sortedProjections(this.law.sample(n, draw), LINES));
      Object.assign(this, { data, floor: slicedWasserstein(data, other), sampled: key });
    }
    Object.assign(this, { fresh: true, done: false, distance: null });
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
    if (this.done && (this.particles.lost || this.sampler !== "langevin")) this.start();
    if (this.done) this.particles.taken = 0;
    this.done = false;
    if (this.fresh && this.sampler !== "langevin") this.follow(this.particles.at);
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
    return this.sampler === "flow" && !this.fresh && this.particles.at !== this.sigma;
  }

  // Let move what should: by frames, or, for readers who asked for less motion, at once to the end.
  motion() {
    const { view } = this;
    const moving = view.get("moving");
    if (!this.law) return;
    if (this.sampler === "flow" && this.fresh && view.get("sigma") !== this.particles.at) this.fresh = false;
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

  // The score that drives the particles.
  get scores() {
    const score = this.view.get("drive") === "exact" ? this.exact : this.network;
    return (points, sigma, out) => score.scores(points, sigma, out);
  }

  ride(target) {
    this.particles.ride(this.scores, target, this.view.get("levels"));
    this.distance = null;
  }

  advance() {
    const { view, sigma, particles: moved, scores, sampler } = this;
    if (sampler === "flow") {
      // First to where the reader has dragged the slider, if so.
      const dragged = moved.at !== sigma;
      this.ride(dragged ? sigma : moved.least);
      if (!dragged) this.follow(moved.at);
      if (moved.at === moved.least) this.arrive();
      return;
    }
    const [step, temperature, levels, steps] = ["step", "temperature", "levels", "steps"].map((trait) => view.get(trait));
    const settings = { step, temperature, levels, steps };
    this.distance = null;
    if (sampler === "langevin") moved.jump(scores, sigma, settings);
    const over = sampler === "langevin" ? moved.taken >= view.get("run") : moved.descend(scores, sigma, settings);
    if (moved.lost) {
      this.arrive();
      view.notice("The steps are too long: the particles have been thrown out of the picture. Shorten them and play again.");
    }
    if (over) this.arrive();
    if (sampler === "annealed") this.follow(moved.at);
  }

  arrive() {
    this.done = true;
    this.view.set({ moving: false });
  }

  paint() {
    const { view, stages, exact, network, averages } = this;
    if (this.hurrying && this.fields) return;
    const sigma = view.get("sigma");
    const moving = Boolean(view.steps) && !view.still.matches;
    const due = (what) => !moving || this.frame % EVERY[what] === 0;
    const square = [stages[0].x.domain(), stages[0].y.domain()[0]];
    if (!this.fields || (this.fields.sigma !== sigma && due("field"))) this.fields = scoreFields(exact, network, ...square, sigma);
    const { fields } = this;
    averages.work(sigma, moving);
    const { places } = this.particles;
    if (this.shown == null || (!this.distance && due("distance"))) {
      this.shown = this.distance = slicedWasserstein(sortedProjections(places, LINES, this.table), this.data);
    }
    const difference = view.get("show") === "difference";
    const drive = view.get("drive");
    const x = view.get("probe");
    const [ex, lx] = [exact, network].map((score) => score.scores(Float64Array.from(x), sigma));
    const errors = () => (fields.errors ??= scoreErrors(exact, network, ...square, fields.sigma));
    stages.forEach((stage, i) => {
      stage.begin();
      const shown = difference ? ["both", "error"][i] : ["exact", "learnt"][i];
      drawScores(stage, fields, shown, errors);
      if (!difference) particles(stage, places, { colour: view.colours.red, radius: 1.1, alpha: shown === drive ? 0.85 : 0.3 });
      else if (!i) particles(stage, places, { colour: view.colours.red, radius: 1.1, alpha: 0.5 });
      const needles = [[ex, view.colours.ink], [lx, view.colours.orange]];
      for (const [v, colour] of difference ? needles : [needles[i]]) drawProbe(stage, fields, x, v, colour);
      stage.place();
    });
    if (this.told !== `${difference} ${drive}`) this.words(difference, drive);
    if (due("numbers")) this.numbers(x, sigma, ex, lx);
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
      colourKeys(view, caption, texts[i]);
    });
  }

  numbers([x, y], sigma, ex, lx) {
    const { view, parts, particles: { taken }, averages: { mean }, total } = this;
    const [xs, ys] = [this.stages[0].x.domain(), this.stages[0].y.domain()];
    const log = this.exact.noised(sigma).logDensity(x, y);
    const error = Math.hypot(lx[0] - ex[0], lx[1] - ex[1]);
    const pair = (v, digits = 2) => `(${number(v[0], digits)}, ${number(v[1], digits)})`;
    const share = `${((100 * mean.error) / mean.score).toFixed(1)} %`;
    parts.here(pair([x, y]), number(log, 3), pair(ex), pair(lx), number(error, 3));
    parts.whole(number(mean.error, 3), share, number(this.shown, 3), number(this.floor, 3), String(this.particles.outside(xs, ys)), taken <= total ? `${taken} of ${total}` : String(taken));
    view.say(
      `${nameOf(view.get("law"))}, noise level ${three(sigma)}. At ${number(x)}, ${number(y)}: log density ${number(log, 3)}, exact score ` +
        `${number(ex[0])}, ${number(ex[1])}, learnt score ${number(lx[0])}, ${number(lx[1])}. Root mean square error over the noised ` +
        `law ${number(mean.error, 3)}, ${share} of the score. ${view.get("n")} particles after ${taken} steps: sliced ` +
        `Wasserstein distance to the data ${number(this.shown, 3)}.`,
    );
  }
}
