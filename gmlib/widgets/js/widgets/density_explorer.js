// A mixture in the plane at any noise level: density, draws, score, the numbers at a probe. All exact.
import { button, check, choice, number, readout, select, slider } from "../controls.js";
import { arrows, contourLines, heatMap, particles } from "../draw.js";
import { Mixture, langevin } from "../mixture.js";
import { normals, random } from "../random.js";
import { Stage } from "../stage.js";
import { weights } from "../weights.js";
import { widget } from "../widget.js";

const OWN = "mixture";
const NAMES = {
  two_moons: "two moons", swiss_roll: "Swiss roll", eight_gaussians: "eight Gaussians", sixteen_gaussians: "sixteen Gaussians",
  ring: "ring", pinwheel: "pinwheel", checkerboard: "checkerboard", banana: "banana", cross: "cross", [OWN]: "own mixture (drag it)",
};
const ARROWS = 24; // a side

export default widget("density-explorer", "Density explorer", (view) => {
  view.body.classList.add("gm-w-side");
  const stage = new Stage(view, {
    label: "A density in the plane with samples and score arrows. A probe can be moved over it.",
    height: (width) => width,
    margin: { left: 30, right: 2, top: 2, bottom: 28 },
  });
  view.body.append(stage.element);
  const panel = view.make("div", "gm-w-panel", view.body);
  const options = view.get("laws").map((name) => [name, NAMES[name] ?? name]);
  select(view, panel, { trait: "law", label: "law", options });
  slider(view, panel, { trait: "sigma", label: "noise level σ", low: 0, high: 2, format: (v) => number(v) });
  choice(view, panel, { trait: "show", label: "density", options: [["heat", "heat map"], ["contours", "contours"], ["none", "none"]] });
  const boxes = view.make("div", "gm-w-row", panel);
  check(view, boxes, { trait: "samples", label: "samples" });
  check(view, boxes, { trait: "arrows", label: "score" });
  const buttons = view.make("div", "gm-w-row", panel);
  const play = button(view, buttons, { label: "Move samples", press: () => view.set({ moving: !view.get("moving") }) });
  button(view, buttons, { label: "New samples", press: () => view.set({ seed: view.get("seed") + 1, moving: false }) });
  const own = view.make("div", "gm-w-panel", panel);
  slider(view, own, { trait: "selected_std", label: "width of the chosen bump", low: 0.1, high: 1.5, format: (v) => number(v) });
  slider(view, own, { trait: "selected_weight", label: "its share", low: 0.02, high: 0.98, format: (v) => number(v) });
  const fill = readout(view, panel, [["at x"], ["log p(x), nats"], ["score"]]);
  return new Explorer(view, stage, { own, play, fill });
});

class Explorer {
  constructor(view, stage, parts) {
    Object.assign(this, { view, stage, parts, law: null, bumps: [], asked: null });
    stage.handle({
      name: () => `probe at ${number(view.get("probe")[0])}, ${number(view.get("probe")[1])}`,
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
    view.bind("law", () => this.load());
    view.on("change:mixture", () => view.get("law") === OWN && this.load());
    for (const trait of ["selected_std", "selected_weight"]) view.on(`change:${trait}`, () => this.reshape());
    view.bind("moving", (moving) => {
      parts.play.setAttribute("aria-pressed", String(moving));
      view.animate(moving ? () => this.step() : null);
    });
    view.still.addEventListener("change", () => this.calm(), { signal: view.signal });
    view.listen(parts.play, "click", () => this.calm());
    view.draw(() => (this.law ? this.paint() : false));
  }

  // Motion was asked for, but not by those who asked for less of it.
  calm() {
    const { view } = this;
    view.notice(view.get("moving") && view.still.matches ? "Your system asks for reduced motion, so the samples stand still." : "");
  }

  probe([x, y]) {
    const [[x0, x1], [y0, y1]] = [this.stage.x.domain(), this.stage.y.domain()];
    const keep = (v, a, b) => Math.round(1000 * Math.min(b, Math.max(a, v))) / 1000;
    this.view.set({ probe: [keep(x, x0, x1), keep(y, y0, y1)] });
  }

  async load() {
    const { view } = this;
    const name = view.get("law");
    this.parts.own.hidden = name !== OWN;
    this.asked = name;
    if (name === OWN) {
      view.notice("");
      return this.use(name, new Mixture(flat(view.get("mixture"))), view.get("mixture"));
    }
    try {
      const arrays = await weights(view, name);
      if (this.asked !== name || view.signal.aborted) return;
      const plain = Object.fromEntries(Object.entries(arrays).map(([key, { data }]) => [key, data]));
      this.use(name, new Mixture(plain), null);
      view.notice("");
    } catch (error) {
      if (this.asked !== name || view.signal.aborted) return;
      view.notice(`The law “${NAMES[name] ?? name}” could not be loaded. ${error.message}`);
    }
  }

  use(name, law, editable) {
    const { view, stage } = this;
    const same = editable && this.editable;
    Object.assign(this, { name, law, editable, stale: true });
    // The frame stands still while components are dragged.
    if (!same) {
      const { mean, variance } = law.moments();
      const half = Math.max(2.2, 2.5 * Math.sqrt(Math.max(...variance)));
      stage.x.domain([mean[0] - half, mean[0] + half]);
      stage.y.domain([mean[1] - half, mean[1] + half]);
    }
    this.handles(editable?.weights.length ?? 0);
    view.redraw();
  }

  handles(n) {
    const { view, stage } = this;
    while (this.bumps.length < n) {
      const k = this.bumps.length;
      const mixture = () => view.get("mixture");
      this.bumps.push(stage.handle({
        name: () => `component ${k + 1} at ${mixture().means[k].map((v) => number(v)).join(", ")}`,
        get: () => mixture().means[k] ?? [0, 0],
        move: (place) => {
          const means = mixture().means.map((m, i) => (i === k ? place.map((v) => Math.round(1000 * v) / 1000) : m));
          view.set({ mixture: { ...mixture(), means } });
        },
        step: 0.05,
        focus: () => this.choose(k),
      }));
    }
    this.bumps.forEach(({ button }, k) => (button.hidden = k >= n));
  }

  // The sliders speak of one component: the one that was touched last.
  choose(k) {
    const { covariances, weights: shares } = this.view.get("mixture");
    const [a, b, c] = covariances[k];
    this.chosen = null;
    this.view.set({ selected_std: Math.sqrt(Math.sqrt(a * c - b * b)), selected_weight: shares[k] });
    this.chosen = k;
  }

  reshape() {
    const { view, chosen } = this;
    const mixture = view.get("mixture");
    if (view.get("law") !== OWN || chosen == null || chosen >= mixture.weights.length) return;
    const share = view.get("selected_weight");
    const others = 1 - mixture.weights[chosen];
    const weightsNow = mixture.weights.map((w, i) => (i === chosen ? share : (w * (1 - share)) / others));
    const [a, b, c] = mixture.covariances[chosen];
    const factor = view.get("selected_std") ** 2 / Math.sqrt(a * c - b * b);
    const covariances = mixture.covariances.map((v, i) => (i === chosen ? v.map((e) => e * factor) : v));
    view.set({ mixture: { ...mixture, weights: weightsNow, covariances } });
  }

  // Samples: draws of the law plus sigma times fixed noise, until they are set moving.
  settle() {
    const { view } = this;
    const [n, seed, sigma] = ["n", "seed", "sigma"].map((trait) => view.get(trait));
    if (this.stale || this.drawn !== `${n} ${seed}`) {
      this.clean = this.law.sample(n, random(seed));
      this.noise = normals(2 * n, seed + 1);
      this.walk = random(seed + 2);
      this.drawn = `${n} ${seed}`;
      this.places = null;
    }
    if (!this.places || (!view.get("moving") && this.placed !== sigma)) {
      this.places = this.clean.map((v, i) => v + sigma * this.noise[i]);
      this.placed = sigma;
    }
    if (this.stale || this.level !== sigma) {
      this.now = sigma > 0 ? this.law.noised(sigma) : this.law;
      this.level = sigma;
      this.grids = null;
    }
    this.stale = false;
  }

  step() {
    if (!this.law) return;
    this.settle();
    const { normal } = this.walk;
    this.kick ??= new Float64Array(0);
    if (this.kick.length !== this.places.length) this.kick = new Float64Array(this.places.length);
    for (let i = 0; i < this.kick.length; i++) this.kick[i] = normal();
    this.push = this.now.scores(this.places, this.push?.length === this.places.length ? this.push : undefined);
    // A step small beside the finest detail keeps the samples in the law.
    langevin(this.places, this.push, 0.08 * this.now.grain ** 2, this.kick);
    this.placed = null;
  }

  measure() {
    const { stage, now } = this;
    const [x0, x1] = stage.x.domain();
    const [y0, y1] = stage.y.domain();
    // Three points a standard deviation: what lies between them the eye cannot tell from the truth.
    const h = Math.min(0.06, Math.max((x1 - x0) / 320, 0.34 * now.grain)) * Math.max(1, (x1 - x0) / 8);
    const grid = { x0: x0 - h / 2, y0: y0 - h / 2, h, nx: Math.ceil((x1 - x0) / h) + 2, ny: Math.ceil((y1 - y0) / h) + 2 };
    const values = now.field(grid);
    const top = values.reduce((a, b) => (b > a ? b : a), 0);
    const gap = (x1 - x0) / ARROWS;
    const feet = new Float64Array(2 * ARROWS * ARROWS);
    for (let j = 0; j < ARROWS; j++) {
      for (let i = 0; i < ARROWS; i++) feet.set([x0 + (i + 0.5) * gap, y0 + (j + 0.5) * gap], 2 * (j * ARROWS + i));
    }
    this.grids = { grid, values, top, feet, key: `${x0} ${y0} ${x1}` };
  }

  paint() {
    const { view, stage } = this;
    const { colours, dark } = view;
    this.settle();
    if (this.grids?.key !== `${stage.x.domain()[0]} ${stage.y.domain()[0]} ${stage.x.domain()[1]}`) this.measure();
    const { grid, values, top, feet } = this.grids;
    stage.begin();
    const show = view.get("show");
    if (show === "heat") heatMap(stage, values, grid, top, dark);
    if (show === "contours") contourLines(stage, values, grid, top, colours.blue);
    if (view.get("samples")) {
      particles(stage, this.places, { colour: show === "heat" ? colours.red : colours.ink, radius: 1.1, alpha: 0.7 });
    }
    if (view.get("arrows")) {
      this.grids.field ??= this.now.scores(feet);
      const longest = 0.95 * ((stage.width - 32) / ARROWS);
      arrows(stage, feet, this.grids.field, { longest, scale: 6, colour: show === "contours" ? colours.red : colours.ink });
    }
    stage.axes({ ticks: [5, 5] });
    stage.place();
    const [x, y] = view.get("probe");
    const log = this.now.logDensity(x, y);
    const [sx, sy] = this.now.scores([x, y]);
    this.parts.fill(`(${number(x)}, ${number(y)})`, number(log, 3), `(${number(sx)}, ${number(sy)})`);
    view.say(
      `${NAMES[this.name]}, noise level ${number(view.get("sigma"))}. At ${number(x)}, ${number(y)}: ` +
        `log density ${number(log, 3)}, score ${number(sx)}, ${number(sy)}.`,
    );
  }
}

const flat = ({ weights: w, means, covariances }) => ({ weights: w, means: means.flat(), covariances: covariances.flat() });
