// A trained flow, layer by layer: the grid of the base, samples and density on their way to the data, one point that is
// followed, its Jacobian and its log-density as a running sum.
import { onApproach } from "../approach.js";
import { DensityMaps } from "../carried_density.js";
import { button, check, colourKeys, number, readout, select, slider } from "../controls.js";
import { CouplingFlow, logBase, split } from "../coupling_flow.js";
import { heatMap, particles } from "../draw.js";
import { fetchLaw, lawOptions, mixtureOf, nameOf } from "../fetched_law.js";
import { drawGrid, drawPoint } from "../flow_picture.js";
import { gridPath } from "../grid_path.js";
import { pattern, zeros } from "../jacobian_pattern.js";
import { drawMatrices, drawPattern } from "../jacobian_picture.js";
import { between, neighbour, onward } from "../layer_walk.js";
import { drawSum } from "../log_density_sum.js";
import { frame, notYet } from "../marks.js";
import { random } from "../random.js";
import { clamp } from "../scale.js";
import { Stage } from "../stage.js";
import { widget } from "../widget.js";

const VIEW = { two_moons: [0.2, 0.1, 2.75], eight_gaussians: [0, 0, 3.1], checkerboard: [0, 0, 2.9] }; // middle, half the side
const N = 1500;
const REACH = 6; // of the point at the base
const TIME = 1000; // milliseconds a layer
const BUDGET = 8; // milliseconds of a frame for densities still to come

const levelText = (v) => (Number.isInteger(v) ? `${v}` : v.toFixed(2));

export default widget("coupling-stack", "A flow, layer by layer", (view) => new Stack(view));

class Stack {
  constructor(view) {
    Object.assign(this, { view, flow: null, goal: null, buffers: {} });
    this.layout();
    this.byHand();
    view.on("change:law", () => this.near && this.load());
    view.on("change:seed", () => this.draw());
    view.bind("playing", (playing) => this.play(playing));
    view.draw(() => this.paint());
    onApproach(view, () => {
      this.near = true;
      this.load();
    });
  }

  load() {
    fetchLaw(this.view, (name, arrays) => this.use(name, arrays), "flow of the law");
  }

  use(name, arrays) {
    Object.assign(this, { name, flow: new CouplingFlow(arrays), law: mixtureOf(arrays), followed: null });
    const [x, y, half] = VIEW[name] ?? [0, 0, 3.1];
    this.picture.x.domain([x - half, x + half]);
    this.picture.y.domain([y - half, y + half]);
    this.maps = new DensityMaps(this.flow);
    this.net = gridPath(this.flow);
    this.draw();
  }

  draw() {
    if (!this.flow) return;
    const uniform = random(this.view.get("seed"));
    this.cloud = this.flow.path(Float64Array.from({ length: 2 * N }, () => uniform.normal()));
    this.truth = this.law.sample(N, uniform);
    this.view.redraw();
  }

  get depth() {
    return this.flow?.depth ?? 6;
  }

  // --- the layout ------------------------------------------------------------------------------------------------------

  layout() {
    const { view } = this;
    const top = view.make("div", "gm-w-pair", view.body);
    select(view, top, { trait: "law", label: "law", options: lawOptions(view.get("laws")) });
    slider(view, top, { trait: "level", label: "layers done", low: 0, high: 6, step: 0.05, format: (v) => `${levelText(v)} of 6` });
    const buttons = view.make("div", "gm-w-row", view.body);
    const heading = (way) => view.set({ playing: view.get("playing") === way ? "no" : way });
    this.ways = {
      data: button(view, buttons, { label: "To the data", press: () => heading("data") }),
      base: button(view, buttons, { label: "To the base", press: () => heading("base") }),
    };
    this.ways.data.style.cssText = "border-color: var(--gm-w-accent); border-radius: 99px; padding-inline: 1.1rem";
    for (const [label, by] of [["Back one", -1], ["On one", 1]]) {
      button(view, buttons, { label, press: () => this.go(by) }).setAttribute("aria-label", `${label} layer`);
    }
    button(view, buttons, { label: "New samples", press: () => view.set({ seed: (view.get("seed") + 1) % 2 ** 31 }) });

    const main = view.make("div", "gm-w-body gm-w-side", view.body);
    const left = view.make("div", "gm-w-panel", main);
    this.picture = new Stage(view, {
      label: "The plane after the layers that are done: density, samples, the image of a grid of the base, and one point on its way.",
      height: (width) => width,
      margin: { left: 2, right: 2, top: 2, bottom: 2 },
    });
    left.append(this.picture.element);
    const keys = this.caption(left, [["red", "samples"], ["faint", "data"], ["orange", "the point and its path"], ["green", "∂x/∂u₁"], ["pink", "∂x/∂u₂"]]);
    for (const [i, trait] of ["samples", "data"].entries()) view.bind(trait, (shown) => (keys[i].hidden = !shown));

    const shown = view.make("div", "gm-w-row", left);
    for (const [trait, label] of [["density", "density"], ["grid", "grid"], ["samples", "samples"], ["data", "data"]]) check(view, shown, { trait, label });

    const right = view.make("div", "gm-w-panel", main);
    this.head(right, "Jacobian at the point");
    this.matrices = new Stage(view, {
      label: "Two matrices of two rows and two columns: the Jacobian of all layers so far, and that of the last layer alone; what is zero by structure is left empty.",
      height: () => 150,
      margin: { left: 0, right: 0, top: 0, bottom: 0 },
    });
    right.append(this.matrices.element);
    this.head(right, "log-density, a running sum");
    this.sums = new Stage(view, {
      label: "Bars: the log-density of the base, then what each layer adds to it or takes away.",
      height: () => 168,
      margin: { left: 34, right: 6, top: 8, bottom: 20 },
    });
    right.append(this.sums.element);
    this.caption(right, [["blue", "gained"], ["red", "lost"], ["ink", "the law itself"]]);
    this.head(right, "Four coordinates in two halves");
    const inner = view.make("div", "gm-w-row", right);
    inner.style.cssText = "align-items: center; flex-wrap: nowrap";
    this.four = new Stage(view, {
      label: "A matrix of four rows and four columns: the entries of the Jacobian that can be other than zero are filled.",
      height: () => 96,
      least: 96,
      margin: { left: 0, right: 0, top: 0, bottom: 0 },
    });
    this.four.element.style.cssText = "flex: 0 0 96px; width: 96px; min-width: 96px";
    inner.append(this.four.element);
    const about = view.make("div", "gm-w-panel", inner);
    about.style.gap = "0.3rem";
    this.count = view.make("p", "gm-w-hint", about);
    const series = view.make("p", "gm-w-hint", about);
    this.series = [0, 1, 2, 3].map((n) => {
      if (n) series.append(" → ");
      const count = view.make("span", "", series);
      count.textContent = String(zeros(pattern(n, 4)));
      return count;
    });

    const lists = view.make("div", "gm-w-pair", view.body);
    this.running = readout(view, lists, [["the point now"], ["log p_u(u) at its base"], ["− sum of log |det J| so far"], ["= log-density now, nats", "total"]]);
    this.ends = readout(view, lists, [["its base u"], ["its data x"], ["log p(x) of the flow"], ["log p(x) of the law"], ["zeros of 16, four coordinates"]]);
    view.make("p", "gm-w-hint", view.body).textContent = "Drag the ring, click, or use the arrow keys, at any layer: the point is followed both ways.";
  }

  head(place, text) {
    const line = this.view.make("p", "gm-w-hint", place);
    line.style.cssText = "color: var(--gm-w-ink); font-weight: 600; margin-bottom: -0.35rem";
    line.textContent = text;
  }

  caption(place, entries) {
    return colourKeys(this.view, this.view.make("p", "gm-w-hint", place), entries);
  }

  byHand() {
    const { view, picture } = this;
    const now = () => (this.flow ? this.flow.at(this.point, this.level).place : view.get("u"));
    picture.handle({
      name: () => `point at ${now().map((v) => number(v)).join(", ")}`,
      kind: "gm-w-orange gm-w-ring",
      get: now,
      move: (place) => this.put(place),
      step: 0.05,
    });
    view.listen(picture.canvas, "click", (event) => this.put(picture.where(event.clientX, event.clientY)));
  }

  put(place) {
    if (!this.flow) return;
    const inside = place.map((v, i) => clamp(v, ...[this.picture.x, this.picture.y][i].domain()));
    this.view.set({ u: this.flow.pull(inside, this.level).map((v) => clamp(v, -REACH, REACH)) });
  }

  // --- the way through the layers --------------------------------------------------------------------------------------

  get level() {
    return clamp(this.view.get("level"), 0, this.depth);
  }

  // The point at every layer; followed once for each place.
  get point() {
    const u = this.view.get("u");
    if (!this.followed || u.some((v, i) => v !== this.followed.places[0][i])) this.followed = this.flow.follow(u);
    return this.followed;
  }

  play(playing) {
    for (const way of ["base", "data"]) this.ways[way].setAttribute("aria-pressed", String(playing === way));
    if (playing !== "no") this.toward(playing === "data" ? this.depth : 0);
    else this.toward(null);
  }

  go(by) {
    const { view, level } = this;
    view.set({ playing: "no" });
    this.toward(clamp(neighbour(level, by > 0), 0, this.depth));
  }

  // Move the level to a goal by frames; for readers who asked for less motion, at once.
  toward(goal) {
    const { view } = this;
    Object.assign(this, { goal, before: null, last: null });
    if (goal !== null && view.still.matches) return this.arrive();
    view.animate(goal === null ? null : () => this.tick());
  }

  arrive() {
    this.view.set({ level: this.goal });
    this.rest();
  }

  tick() {
    const { view, level, goal } = this;
    if (this.last !== null && level !== this.last) return this.rest(); // moved by hand meanwhile
    const now = performance.now();
    const passed = Math.min(60, now - (this.before ?? now)) / TIME;
    this.before = now;
    const next = onward(level, goal, passed);
    if (next === goal) return this.arrive();
    this.last = next;
    view.set({ level: next });
  }

  rest() {
    this.view.set({ playing: "no" });
    this.toward(null);
  }

  // --- the density -----------------------------------------------------------------------------------------------------

  // A few rows at a time, so that the page stays awake.
  prepare() {
    if (this.preparing) return;
    const { view } = this;
    const part = () => {
      this.preparing = null;
      if (view.signal.aborted || !view.get("density")) return;
      const until = performance.now() + BUDGET;
      let found = false;
      while (this.maps.left && performance.now() < until) found = this.maps.work(this.level) || found;
      if (found) view.redraw();
      if (this.maps.left) this.preparing = setTimeout(part, 8);
    };
    this.preparing = setTimeout(part);
  }

  heat() {
    if (this.maps.left) this.prepare();
    const found = this.maps.at(this.level);
    if (found) heatMap(this.picture, found.values, this.maps.grid, found.top, this.view.dark);
  }

  // --- the pictures ----------------------------------------------------------------------------------------------------

  paint() {
    const { view, picture } = this;
    picture.begin();
    if (!this.flow) {
      this.empty();
      return true;
    }
    const { colours } = view;
    const { point, level, begun } = this;
    const now = this.flow.at(point, level);
    if (view.get("density")) this.heat();
    if (view.get("data")) particles(picture, this.truth, { colour: colours.faint, radius: 1.1, alpha: 0.55 });
    if (view.get("grid")) drawGrid(picture, this.placesOf(this.net, "net"), this.net.ends);
    if (view.get("samples")) particles(picture, this.placesOf(this.cloud, "cloud"), { colour: colours.red, radius: 1.1, alpha: 0.7 });
    drawPoint(picture, point.places, now, level);
    frame(picture);
    picture.place();
    drawMatrices(this.matrices, now, begun);
    drawSum(this.sums, point, level, this.law.logDensity(...point.places[this.depth]));
    this.drawFour();
    this.numbers(now);
    return true;
  }

  empty() {
    const { view, picture } = this;
    frame(picture);
    notYet(picture, "the flow is on its way");
    picture.place();
    for (const stage of [this.matrices, this.sums, this.four]) stage.begin();
    view.say("A flow of 6 layers; its weights, about 30 kB, are fetched when it is in view.");
  }

  // Points of a path at the level that is shown.
  placesOf(path, name) {
    const { length } = path.places[0];
    if (this.buffers[name]?.length !== length) this.buffers[name] = new Float64Array(length);
    return between(path, split(this.level, this.depth), this.buffers[name]);
  }

  // Layers begun.
  get begun() {
    return Math.ceil(this.level - 1e-9);
  }

  drawFour() {
    const { begun } = this;
    const found = pattern(begun, 4);
    drawPattern(this.four, found, begun);
    if (this.counted === begun) return;
    this.counted = begun;
    const layers = `${begun} ${begun === 1 ? "layer" : "layers"}`;
    this.count.textContent = `After ${layers} ${zeros(found)} of 16 entries are zero, whatever is learnt.`;
    this.series.forEach((count, n) => (count.style.cssText = n === Math.min(begun, 3) ? "font-weight: 700; color: var(--gm-w-ink)" : ""));
  }

  numbers({ place, logDet }) {
    const { view, point, level, depth, begun } = this;
    const { places, logs } = point;
    const log = logBase(...places[0]);
    const pair = (v) => `(${v.map((a) => number(a, 3)).join(", ")})`;
    const total = log - logs.reduce((a, b) => a + b, 0);
    const law = this.law.logDensity(...places[depth]);
    const none = zeros(pattern(begun, 4));
    this.running(pair(place), number(log, 3), number(-logDet, 3), number(log - logDet, 3));
    this.ends(pair(places[0]), pair(places[depth]), number(total, 3), number(law, 3), String(none));
    view.say(
      `${nameOf(this.name)}, ${levelText(level)} of ${depth} layers done. The point from ${pair(places[0])} is at ${pair(place)}: log-density ` +
        `${number(log, 3)} at the base, ${number(log - logDet, 3)} now, and ${number(total, 3)} at ${pair(places[depth])} at the end, where the law has ` +
        `${number(law, 3)}. On four coordinates ${none} of 16 entries of the Jacobian are zero by structure.`,
    );
  }
}
