// A trained flow, layer by layer: the grid of the base, samples and density on their way to the data, one point that is
// followed, its Jacobian and its log-density as a running sum.
import { DensityMaps } from "../carried_density.js";
import { button, check, number, readout, select, slider } from "../controls.js";
import { CouplingFlow, logBase, logSlope, split } from "../coupling_flow.js";
import { heatMap, particles } from "../draw.js";
import { gridPath } from "../grid_path.js";
import { pattern, zeros } from "../jacobian_pattern.js";
import { Mixture } from "../mixture.js";
import { random } from "../random.js";
import { Stage, stroke } from "../stage.js";
import { weights } from "../weights.js";
import { widget } from "../widget.js";

const NAMES = { two_moons: "two moons", eight_gaussians: "eight Gaussians", checkerboard: "checkerboard" };
const VIEW = { two_moons: [0.2, 0.1, 2.75], eight_gaussians: [0, 0, 3.1], checkerboard: [0, 0, 2.9] }; // middle, half the side
const N = 1500;
const REACH = 6; // of the point at the base
const TIME = 1000; // milliseconds a layer
const BUDGET = 8; // milliseconds of a frame for densities still to come
const SMALL = 0.42; // side of the square at the base whose image the Jacobian is

const clamp = (v, a, b) => Math.min(b, Math.max(a, v));
// Every layer begins and ends gently.
const ease = (t) => t * t * (3 - 2 * t);
const uneased = (s) => 0.5 - Math.sin(Math.asin(1 - 2 * s) / 3);
const levelText = (v) => (Number.isInteger(v) ? `${v}` : v.toFixed(2));

export default widget("coupling-stack", "A flow, layer by layer", (view) => new Stack(view));

class Stack {
  constructor(view) {
    Object.assign(this, { view, flow: null, asked: null, goal: null, buffers: {} });
    this.layout();
    this.byHand();
    view.on("change:law", () => this.near && this.load());
    view.on("change:seed", () => this.draw());
    view.bind("playing", (playing) => this.play(playing));
    view.draw(() => this.paint());
    const observer = new IntersectionObserver((entries) => {
      if (!entries.at(-1).isIntersecting) return;
      observer.disconnect();
      this.near = true;
      this.load();
    }, { rootMargin: "300px" });
    observer.observe(view.root);
    view.signal.addEventListener("abort", () => observer.disconnect());
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
    } catch (error) {
      if (this.asked !== name || view.signal.aborted) return;
      view.notice(`The flow of the law “${NAMES[name] ?? name}” could not be loaded. ${error.message}`);
    }
  }

  use(name, arrays) {
    const plain = Object.fromEntries(["weights", "means", "covariances"].map((key) => [key, arrays[key].data]));
    Object.assign(this, { name, flow: new CouplingFlow(arrays), law: new Mixture(plain), followed: null });
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
    select(view, top, { trait: "law", label: "law", options: view.get("laws").map((name) => [name, NAMES[name] ?? name]) });
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
    const line = this.view.make("p", "gm-w-hint", place);
    return entries.map(([colour, text]) => {
      const key = this.view.make("span", "", line);
      key.style.cssText = "margin-right: 1em; white-space: nowrap";
      this.view.make("span", "gm-w-key", key).style.background = `var(--gm-w-${colour})`;
      key.append(text);
      return key;
    });
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
    const next = by > 0 ? Math.floor(level + 1e-9) + 1 : Math.ceil(level - 1e-9) - 1;
    view.set({ playing: "no" });
    this.toward(clamp(next, 0, this.depth));
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
    const way = Math.sign(goal - level);
    if (!way) return this.arrive();
    // At a whole level, the phase of the layer that comes next.
    const base = way > 0 ? Math.floor(level) : Math.ceil(level) - 1;
    const phase = clamp(uneased(level - base) + way * passed, 0, 1);
    const next = base + (phase === 0 || phase === 1 ? phase : ease(phase));
    if (way * (goal - next) <= 0) return this.arrive();
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
    const now = this.flow.at(this.point, this.level);
    if (view.get("density")) this.heat();
    if (view.get("data")) particles(picture, this.truth, { colour: view.colours.faint, radius: 1.1, alpha: 0.55 });
    if (view.get("grid")) this.drawGrid();
    if (view.get("samples")) particles(picture, this.between(this.cloud, "cloud"), { colour: view.colours.red, radius: 1.1, alpha: 0.7 });
    this.drawPoint(now);
    frame(picture, view.colours.grid);
    picture.place();
    this.drawMatrices(now);
    this.drawSums();
    this.drawFour();
    this.numbers(now);
    return true;
  }

  empty() {
    const { view, picture } = this;
    const { context: c, width, height } = picture;
    frame(picture, view.colours.grid);
    c.fillStyle = view.colours.faint;
    c.textAlign = "center";
    c.textBaseline = "middle";
    c.fillText("the flow is on its way", width / 2, height / 2);
    picture.place();
    for (const stage of [this.matrices, this.sums, this.four]) stage.begin();
    view.say("A flow of 6 layers; its weights, about 30 kB, are fetched when it is in view.");
  }

  // Points of a path at the level that is shown.
  between({ places }, name) {
    const { whole, share } = split(this.level, this.depth);
    if (!share) return places[whole];
    const [from, to] = [places[whole], places[whole + 1]];
    if (this.buffers[name]?.length !== from.length) this.buffers[name] = new Float64Array(from.length);
    const out = this.buffers[name];
    for (let i = 0; i < out.length; i++) out[i] = from[i] + share * (to[i] - from[i]);
    return out;
  }

  drawGrid() {
    const { view, picture } = this;
    const points = this.between(this.net, "net");
    const half = this.net.ends.length / 2;
    const [ox, ax] = [picture.x(0), picture.x(1) - picture.x(0)];
    const [oy, ay] = [picture.y(0), picture.y(1) - picture.y(0)];
    picture.inside((c) => {
      c.strokeStyle = view.colours.ink;
      c.lineJoin = "round";
      for (const middle of [false, true]) {
        c.globalAlpha = middle ? 0.75 : 0.32;
        c.lineWidth = middle ? 1.5 : 0.9;
        c.beginPath();
        let p = 0;
        this.net.ends.forEach((length, line) => {
          const chosen = (line % half === (half - 1) / 2) === middle;
          for (let k = 0; k < length; k++, p += 2) if (chosen) c[k ? "lineTo" : "moveTo"](ox + ax * points[p], oy + ay * points[p + 1]);
        });
        c.stroke();
      }
    });
  }

  // The path of the point, and the image of a small square of the base under the Jacobian.
  drawPoint({ place, jacobian }) {
    const { view, picture, point } = this;
    const { x, y } = picture;
    const { colours } = view;
    const { whole } = split(this.level, this.depth);
    const at = ([a, b]) => [x(a), y(b)];
    const { places } = point;
    picture.inside((c) => {
      const corner = ([a, b]) => at([0, 1].map((r) => place[r] + SMALL * (a * jacobian[r][0] + b * jacobian[r][1])));
      c.fillStyle = colours.orange;
      c.globalAlpha = 0.3;
      c.beginPath();
      [[0, 0], [1, 0], [1, 1], [0, 1]].forEach((v, i) => c[i ? "lineTo" : "moveTo"](...corner(v)));
      c.fill();
      c.globalAlpha = 1;
      c.lineJoin = c.lineCap = "round";
      for (const [width, colour] of [[6, colours.paper], [2.2, colours.orange]]) {
        c.strokeStyle = colour;
        c.lineWidth = width;
        c.globalAlpha = width > 3 ? 0.7 : 1;
        stroke(c, ...places.slice(0, whole + 1).map(at), at(place));
        c.setLineDash(width > 3 ? [] : [1.5, 5]);
        c.globalAlpha = width > 3 ? 0.4 : 0.9;
        stroke(c, at(place), ...places.slice(whole + 1).map(at));
        c.setLineDash([]);
      }
      c.globalAlpha = 1;
      places.forEach((v, i) => {
        c.beginPath();
        c.arc(...at(v), i === 0 || i === this.depth ? 4.5 : 3, 0, 2 * Math.PI);
        c.fillStyle = i === 0 ? colours.paper : colours.orange;
        c.strokeStyle = i === 0 ? colours.orange : colours.paper;
        c.lineWidth = i === 0 ? 2 : 1.2;
        c.fill();
        c.stroke();
      });
      c.font = `italic 600 14px ${getComputedStyle(picture.element).fontFamily}`;
      c.textAlign = "center";
      c.textBaseline = "middle";
      c.strokeStyle = colours.paper;
      c.fillStyle = colours.ink;
      c.lineWidth = 4;
      [["u", 0, 1], ["x", this.depth, this.depth - 1]].forEach(([text, i, j]) => {
        if (Math.abs(this.level - i) < 0.5) return; // the ring is there
        // On the far side of the path.
        const [here, next] = [places[i], places[j]];
        const [dx, dy] = [here[0] - next[0], here[1] - next[1]];
        const far = Math.hypot(dx, dy) || 1;
        const [px, py] = at(here);
        for (const write of ["strokeText", "fillText"]) c[write](text, px + (14 * dx) / far, py - (14 * dy) / far);
      });
      for (const [v, colour] of [[[1, 0], colours.green], [[0, 1], colours.pink]]) arrow(c, at(place), corner(v), colour, colours.paper);
    });
  }

  drawMatrices({ jacobian, layer }) {
    const { view, matrices: stage, started } = this;
    const c = stage.begin();
    const [gap, margin] = [26, 18];
    const side = Math.min(54, (stage.width - gap - margin) / 4);
    const start = margin + (stage.width - margin - gap - 4 * side) / 2;
    const blocks = [
      [start, jacobian, false, "so far"],
      [start + 2 * side + gap, layer, true, `layer ${started}`],
    ];
    for (const [left, values, alone, name] of blocks) {
      const can = pattern(started, 2, alone);
      for (let row = 0; row < 2; row++) {
        for (let column = 0; column < 2; column++) cell(c, left + column * side, 18 + row * side, side, values[row][column], can[row][column], view);
      }
      c.fillStyle = view.colours.faint;
      c.textAlign = "center";
      c.textBaseline = "top";
      const det = values[0][0] * values[1][1] - values[0][1] * values[1][0];
      c.fillText(started || !alone ? `${name}, det ${entry(det)}` : "no layer yet", left + side, 2 * side + 24);
    }
    // The left one's columns are the arrows of the picture, its rows the coordinates.
    [["u₁", view.colours.green], ["u₂", view.colours.pink]].forEach(([text, colour], k) => {
      c.fillStyle = view.colours.faint;
      c.textAlign = "center";
      c.textBaseline = "top";
      c.fillText(text, start + (k + 0.5) * side, 0);
      c.fillStyle = colour;
      c.fillRect(start + k * side + 2, 14, side - 4, 3.5);
    });
    c.fillStyle = view.colours.faint;
    c.textAlign = "left";
    c.textBaseline = "middle";
    ["x₁", "x₂"].forEach((text, k) => c.fillText(text, start - margin, 18 + (k + 0.5) * side));
  }

  // Layers begun.
  get started() {
    return Math.ceil(this.level - 1e-9);
  }

  drawSums() {
    const { view, sums: stage, point, depth, level } = this;
    const { colours } = view;
    const { places, logs } = point;
    const values = [logBase(...places[0])];
    for (const log of logs) values.push(values.at(-1) - log);
    const law = this.law.logDensity(...places[depth]);
    // The law may have next to nothing where the flow has a little: that far down the picture need not go.
    const all = [...values, Math.max(law, Math.min(...values) - 2)];
    stage.x.domain([-0.7, depth + 0.6]);
    stage.y.domain([Math.min(-3, ...all) - 0.4, Math.max(0, ...all) + 0.4]);
    stage.begin();
    stage.axes({ ticks: [0, 4] });
    const { context: c, x, y } = stage;
    c.textAlign = "center";
    c.textBaseline = "top";
    const foot = stage.height - stage.margin.bottom;
    stage.inside((c) => {
      const wide = 0.68 * (x(1) - x(0));
      const bar = (i, from, to, colour, alpha) => {
        c.globalAlpha = alpha;
        c.fillStyle = colour;
        c.fillRect(x(i) - wide / 2, Math.min(y(from), y(to)), wide, Math.max(1.5, Math.abs(y(to) - y(from))));
      };
      c.strokeStyle = colours.grid;
      stroke(c, [x(-0.7), y(0)], [x(depth + 0.6), y(0)]);
      bar(0, 0, values[0], colours.faint, 0.55);
      logs.forEach((log, i) => {
        const share = clamp(level - i, 0, 1);
        const colour = log > 0 ? colours.red : colours.blue;
        bar(i + 1, values[i], values[i + 1], colour, 0.22);
        if (share) bar(i + 1, values[i], values[i] - logSlope(log, share), colour, 1);
      });
      c.globalAlpha = 1;
      c.strokeStyle = colours.ink;
      c.lineWidth = 1;
      values.forEach((v, i) => i < depth && stroke(c, [x(i) + wide / 2, y(v)], [x(i + 1) - wide / 2, y(v)]));
      // The law's own density at the end of the way.
      c.lineWidth = 3;
      stroke(c, [x(depth) - wide / 2 - 2, y(law)], [x(depth) + wide / 2 + 2, y(law)]);
    });
    for (let i = 0; i <= depth; i++) {
      c.fillStyle = i === Math.round(level) ? colours.ink : colours.faint;
      c.fillText(i ? String(i) : "base", x(i), foot + 5);
    }
  }

  drawFour() {
    const { view, four: stage, started } = this;
    const { colours } = view;
    const c = stage.begin();
    const found = pattern(started, 4);
    const side = stage.width / 4;
    found.forEach((row, r) => row.forEach((can, k) => {
      const [px, py] = [k * side + 1, r * side + 1];
      // Darker: the rows that the last layer has changed.
      const fresh = started > 0 && r < 2 === (started % 2 === 0);
      c.globalAlpha = can ? (fresh ? 0.95 : 0.5) : 1;
      c.fillStyle = can ? colours.blue : colours.paper;
      c.fillRect(px, py, side - 2, side - 2);
      c.globalAlpha = 1;
      c.strokeStyle = can ? colours.blue : colours.grid;
      c.lineWidth = 1;
      c.strokeRect(px + 0.5, py + 0.5, side - 3, side - 3);
      if (!can) nothing(c, px, py, side - 2, colours);
    }));
    if (this.counted === started) return;
    this.counted = started;
    const layers = `${started} ${started === 1 ? "layer" : "layers"}`;
    this.count.textContent = `After ${layers} ${zeros(found)} of 16 entries are zero, whatever is learnt.`;
    this.series.forEach((count, n) => (count.style.cssText = n === Math.min(started, 3) ? "font-weight: 700; color: var(--gm-w-ink)" : ""));
  }

  numbers({ place, logDet }) {
    const { view, point, level, depth, started } = this;
    const { places, logs } = point;
    const log = logBase(...places[0]);
    const pair = (v) => `(${v.map((a) => number(a, 3)).join(", ")})`;
    const total = log - logs.reduce((a, b) => a + b, 0);
    const law = this.law.logDensity(...places[depth]);
    const none = zeros(pattern(started, 4));
    this.running(pair(place), number(log, 3), number(-logDet, 3), number(log - logDet, 3));
    this.ends(pair(places[0]), pair(places[depth]), number(total, 3), number(law, 3), String(none));
    view.say(
      `${NAMES[this.name] ?? this.name}, ${levelText(level)} of ${depth} layers done. The point from ${pair(places[0])} is at ${pair(place)}: log-density ` +
        `${number(log, 3)} at the base, ${number(log - logDet, 3)} now, and ${number(total, 3)} at ${pair(places[depth])} at the end, where the law has ` +
        `${number(law, 3)}. On four coordinates ${none} of 16 entries of the Jacobian are zero by structure.`,
    );
  }
}

// One entry: the bluer the more it is above zero, the redder the more below; empty where it is zero by structure.
function cell(c, x, y, side, value, can, { colours }) {
  const inner = side - 3;
  c.globalAlpha = 1;
  c.fillStyle = colours.paper;
  c.fillRect(x + 1, y + 1, inner, inner);
  if (can) {
    c.globalAlpha = 0.75 * (Math.abs(value) / (1 + Math.abs(value)));
    c.fillStyle = value > 0 ? colours.blue : colours.red;
    c.fillRect(x + 1, y + 1, inner, inner);
  }
  c.globalAlpha = 1;
  c.strokeStyle = colours.grid;
  c.lineWidth = 1;
  c.strokeRect(x + 1.5, y + 1.5, inner - 1, inner - 1);
  if (!can) return nothing(c, x + 1, y + 1, inner, colours);
  c.fillStyle = colours.ink;
  c.textAlign = "center";
  c.textBaseline = "middle";
  c.fillText(entry(value), x + side / 2, y + side / 2);
}

const entry = (v) => number(v, Math.abs(v) < 9.995 ? 2 : Math.abs(v) < 99.95 ? 1 : 0);

// The mark of a structural zero: hatched, and said.
function nothing(c, x, y, side, colours) {
  c.save();
  c.beginPath();
  c.rect(x, y, side, side);
  c.clip();
  c.strokeStyle = colours.grid;
  c.lineWidth = 1;
  for (let d = 4; d < 2 * side; d += 6) stroke(c, [x, y + d], [x + d, y]);
  c.restore();
  c.textAlign = "center";
  c.textBaseline = "middle";
  c.lineWidth = 4;
  c.strokeStyle = colours.paper;
  c.strokeText("0", x + side / 2, y + side / 2);
  c.fillStyle = colours.faint;
  c.fillText("0", x + side / 2, y + side / 2);
}

function arrow(c, [ax, ay], [bx, by], colour, halo) {
  const length = Math.hypot(bx - ax, by - ay);
  if (length < 2) return;
  const [ux, uy] = [(bx - ax) / length, (by - ay) / length];
  const barb = Math.min(8, 0.45 * length);
  for (const [width, style] of [[5, halo], [2.6, colour]]) {
    c.strokeStyle = style;
    c.lineWidth = width;
    c.globalAlpha = width > 4 ? 0.7 : 1;
    stroke(c, [ax, ay], [bx, by]);
    stroke(c, [bx - barb * (ux - 0.55 * uy), by - barb * (uy + 0.55 * ux)], [bx, by], [bx - barb * (ux + 0.55 * uy), by - barb * (uy - 0.55 * ux)]);
  }
  c.globalAlpha = 1;
}

function frame({ context: c, width, height }, colour) {
  c.globalAlpha = 1;
  c.strokeStyle = colour;
  c.lineWidth = 1;
  c.strokeRect(0.5, 0.5, width - 1, height - 1);
}
