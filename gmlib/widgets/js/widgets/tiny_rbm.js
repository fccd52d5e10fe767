// A machine of 4 + 3 units: its graph and a chain that lights it, its law by counting, and the landscape of the likelihood
// over two of its parameters, with the exact gradient beside that of contrastive divergence.
import { button, choice, number, readout, select, slider } from "../controls.js";
import { drawLikelihood } from "../likelihood_plane.js";
import { random } from "../random.js";
import { angle, Chain, clamped, follow, landscape, LIMIT, parameters, report, SIZE, traits, variation, visible } from "../rbm.js";
import { drawGraph, near, pretty, spoken, spot, TALL, WIDE } from "../rbm_graph.js";
import { clamp } from "../scale.js";
import { Stage } from "../stage.js";
import { drawStates } from "../state_bars.js";
import { widget } from "../widget.js";

const SIDE = 41; // of the landscape
const COARSE = 21; // while it moves
const TRAIL = 600; // steps that are remembered
const PACE = 24; // steps a second, of the parameters
const RATE = 30; // steps a second, of the chain, at first
const FASTEST = 600;
const HURRY = 8; // seconds until it is that fast
const PULL = 45; // pixels that change a parameter by 1

const MACHINES = { reference: "Reference machine", small: "Small weights", stuck: "Stuck chain" };
const LAWS = {
  bars: "bars: six images of 2 × 2 pixels", one: "exactly one unit on", lopsided: "all off 0.8, all on 0.2", ramp: "from 1/24 to 2/24, evenly",
  reference: "law of the reference machine", own: "your own",
};
const hundredth = (v) => Math.round(100 * v) / 100;
const state = (index) => visible(index).join("");

export default widget("tiny-rbm", "A machine small enough to count", (view) => new Tiny(view));

class Tiny {
  constructor(view) {
    Object.assign(this, { view, chain: null, trail: [], land: null, found: {}, owed: 0, before: 0, since: 0 });
    this.names = view.get("names");
    this.layout();
    this.byHand();
    for (const trait of ["weight", "b", "c", "seed"]) view.on(`change:${trait}`, () => this.restart());
    for (const trait of ["first", "second"]) {
      view.bind(trait, () => {
        const [first, second] = ["first", "second"].map((t) => view.get(t));
        // The same parameter twice is no plane: the other one gives way.
        if (first === second) view.set({ [trait === "first" ? "second" : "first"]: this.names[(this.names.indexOf(first) + 1) % SIZE] });
      });
    }
    const calm = () => {
      const moves = view.get("following") || view.get("running");
      view.notice(moves && view.still.matches ? "Your system asks for reduced motion: take the steps by their buttons." : "");
    };
    const motion = () => {
      const [following, running] = [view.get("following"), view.get("running")];
      this.go.textContent = following ? "Pause" : "Climb";
      this.go.setAttribute("aria-pressed", String(following));
      this.run.textContent = running ? "Pause the chain" : "Run the chain";
      this.run.setAttribute("aria-pressed", String(running));
      Object.assign(this, { before: performance.now(), owed: 0, jumps: 0, since: 0 });
      view.animate(following || running ? () => this.tick() : null);
      if (following || running || view.shown) calm();
    };
    view.bind("following", motion);
    view.bind("running", motion);
    view.still.addEventListener("change", calm, { signal: view.signal });
    view.draw(() => this.paint());
  }

  // --- the layout ------------------------------------------------------------------------------------------------------

  layout() {
    const { view } = this;
    const top = view.make("div", "gm-w-row", view.body);
    this.presets = Object.entries(view.get("machines")).map(([name, values]) => ({
      values,
      element: button(view, top, { label: MACHINES[name] ?? name, press: () => this.begin(values) }),
    }));
    const pictures = view.make("div", "gm-w-pair", view.body);
    const left = view.make("div", "gm-w-panel", pictures);
    this.graph = new Stage(view, {
      label: "The machine as a graph: three hidden units above four visible ones, a line for every weight, blue if positive and red if negative, the thicker the larger; filled units are on in the chain.",
      height: (width) => Math.min(330, Math.max(250, 0.84 * width)),
      margin: { left: 6, right: 6, top: 24, bottom: 8 },
    });
    left.append(this.graph.element);
    const chain = view.make("div", "gm-w-row", left);
    this.run = button(view, chain, { label: "Run the chain", press: () => view.set({ running: !view.get("running") }) });
    button(view, chain, { label: "100 steps", press: () => this.jump(100) });
    const right = view.make("div", "gm-w-panel", pictures);
    this.plane = new Stage(view, {
      label: "The mean log-likelihood over two of the parameters, darker is more likely, with the exact gradient and that of contrastive divergence as arrows from where the machine is.",
      height: (width) => Math.min(330, Math.max(250, 0.84 * width)),
      margin: { left: 30, right: 8, top: 24, bottom: 28 },
    });
    right.append(this.plane.element);
    const climb = view.make("div", "gm-w-row", right);
    this.go = button(view, climb, { label: "Climb", press: () => view.set({ following: !view.get("following") }) });
    button(view, climb, { label: "One step", press: () => this.climb(1) });
    button(view, climb, { label: "100 steps", press: () => this.climb(100) }).setAttribute("aria-label", "100 steps uphill");
    this.bars = new Stage(view, {
      label: "Probabilities of the 16 visible states: of the machine as bars, of the data as black marks, of the chain's visits as dots.",
      height: (width) => (width < 480 ? 215 : 235),
      margin: { left: 34, right: 6, top: 26, bottom: 34 },
    });
    view.body.append(this.bars.element);
    const settings = view.make("div", "gm-w-pair", view.body);
    const options = this.names.map((name) => [name, `${pretty(name)}, ${spoken(name)}`]);
    select(view, settings, { trait: "first", label: "to the right", options });
    select(view, settings, { trait: "second", label: "upwards", options });
    const sliders = ["first", "second"].map((trait) => this.valueSlider(settings, trait));
    this.sliders = sliders;
    const known = view.get("laws");
    select(view, settings, { trait: "data", label: "law of the data", options: Object.keys(known).map((name) => [name, LAWS[name] ?? name]) });
    choice(view, settings, { trait: "rule", label: "gradient to follow", options: [["exact", "exact"], ["cd", "mean of CD-k"]] });
    slider(view, settings, { trait: "k", label: "steps k of the chain in CD-k", low: 1, high: 10, step: 1, format: String });
    slider(view, settings, { trait: "lr", label: "length η of a step uphill", low: 0.01, high: 5, scale: "log", parts: 240, format: (v) => number(v, v < 0.1 ? 3 : 2) });
    const lists = view.make("div", "gm-w-pair", view.body);
    this.likely = readout(view, lists, [["log Z"], ["mean log-likelihood of the data"], ["the best any law can do"], ["KL(data‖machine)", "total"], ["steps of the chain"], ["visits to law, total variation"]]);
    this.ways = readout(view, lists, [["length of the exact gradient"], ["CD-k beside it, angle"], ["relative error of CD-k"], ["the same angle, in the plane"], ["KL after k steps of the chain"], ["CD-k: KL − KL after k steps", "total"]]);
  }

  // A slider of a value that is no trait of its own.
  valueSlider(place, trait) {
    const { view } = this;
    const field = view.make("label", "gm-w-field", place);
    const head = view.make("span", "gm-w-field-head", field);
    const name = view.make("span", "", head);
    const shown = view.make("span", "gm-w-value", head);
    const input = view.make("input", "", field);
    Object.assign(input, { type: "range", min: -LIMIT, max: LIMIT, step: 0.05 });
    view.listen(input, "input", () => this.put(trait, Number(input.value)));
    return (key, value) => {
      name.textContent = `${pretty(key)}, ${spoken(key)}`;
      input.setAttribute("aria-label", `value of ${spoken(key)}`);
      input.value = value;
      shown.textContent = number(value);
      input.setAttribute("aria-valuetext", number(value));
      input.style.setProperty("--gm-w-filled", `${(50 * (value + LIMIT)) / LIMIT}%`);
    };
  }

  // --- the state -------------------------------------------------------------------------------------------------------

  get p() {
    const { view } = this;
    return clamped(parameters(view.get("weight"), view.get("b"), view.get("c")));
  }

  get axes() {
    return ["first", "second"].map((trait) => this.names.indexOf(this.view.get(trait)));
  }

  get data() {
    const { view } = this;
    return view.get("laws")[view.get("data")];
  }

  put(trait, value) {
    const p = this.p;
    p[this.names.indexOf(this.view.get(trait))] = clamp(hundredth(value), -LIMIT, LIMIT);
    this.trail = [];
    this.view.set(traits(p));
  }

  begin({ weight, b, c, data }) {
    this.trail = [];
    this.view.set({ weight, b, c, data, following: false });
  }

  // Other parameters have another law: what was counted under the old ones does not count.
  restart() {
    this.chain = null;
    this.view.redraw();
  }

  get walk() {
    this.chain ??= new Chain(this.p, random(this.view.get("seed")));
    return this.chain;
  }

  jump(count) {
    this.walk.step(count);
    this.view.redraw();
  }

  climb(count) {
    const { view } = this;
    let p = this.p;
    for (let t = 0; t < count; t++) {
      this.trail.push(p);
      p = follow(p, this.data, { rule: view.get("rule"), k: view.get("k"), rate: view.get("lr") });
    }
    this.trail = this.trail.slice(-TRAIL);
    view.set(traits(p));
  }

  tick() {
    const { view } = this;
    const now = performance.now();
    const passed = Math.min(100, now - this.before) / 1000;
    this.before = now;
    if (view.get("following")) {
      this.owed += PACE * passed;
      const whole = Math.floor(this.owed);
      this.owed -= whole;
      if (whole) this.climb(whole);
    }
    if (view.get("running")) {
      // Slow enough to see, at first; then ever faster.
      this.since += passed;
      this.jumps += passed * Math.min(FASTEST, RATE * (FASTEST / RATE) ** Math.max(0, (this.since - 3) / HURRY));
      const whole = Math.floor(this.jumps);
      this.jumps -= whole;
      if (whole) this.walk.step(whole);
    }
  }

  // --- by hand ---------------------------------------------------------------------------------------------------------

  byHand() {
    const { view, graph, plane } = this;
    plane.x.domain([-LIMIT, LIMIT]);
    plane.y.domain([-LIMIT, LIMIT]);
    this.point = plane.handle({
      name: () => `machine in the plane, ${this.axes.map((at) => `${spoken(this.names[at])} ${number(this.p[at])}`).join(", ")}`,
      kind: "gm-w-orange",
      get: () => this.axes.map((at) => this.p[at]),
      move: (place) => {
        const p = this.p;
        this.axes.forEach((at, i) => (p[at] = hundredth(place[i])));
        this.trail = [];
        view.set({ ...traits(clamped(p)), following: false });
      },
      step: 0.1,
    });
    graph.x.domain(WIDE);
    graph.y.domain(TALL);
    // One grip for each axis, on its line or unit of the graph: up is more.
    ["first", "second"].forEach((trait, i) => {
      let from = null;
      const { button: grip } = graph.handle({
        name: () => `${spoken(view.get(trait))}: up for more, down for less`,
        kind: i ? "gm-w-ring" : "gm-w-orange",
        get: () => spot(this.axes[i]),
        move: ([x, y]) => {
          const [left, up] = spot(this.axes[i]);
          const step = from === null ? 0.1 * Math.round(y - up || x - left) : (graph.y(up) - graph.y(y)) / PULL;
          this.put(trait, (from ?? this.p[this.axes[i]]) + step);
        },
        step: 1,
        value: () => ({ low: -LIMIT, high: LIMIT, now: hundredth(this.p[this.axes[i]]), text: number(this.p[this.axes[i]]) }),
      });
      view.listen(grip, "pointerdown", () => (from = this.p[this.axes[i]]));
      for (const end of ["pointerup", "pointercancel"]) view.listen(grip, end, () => (from = null));
    });
    // A click takes a line or a unit; a mouse may pull it at once.
    const under = ({ clientX, clientY }) => {
      const box = graph.canvas.getBoundingClientRect();
      return near(graph, clientX - box.left, clientY - box.top);
    };
    let held = null;
    view.listen(graph.canvas, "pointerdown", (event) => {
      const at = event.button ? -1 : under(event);
      if (at < 0) return;
      this.take(at);
      if (event.pointerType !== "mouse") return;
      held = { y: event.clientY, from: this.p[at] };
      graph.canvas.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    view.listen(graph.canvas, "pointermove", (event) => {
      graph.canvas.style.cursor = held || under(event) >= 0 ? "ns-resize" : "";
      if (held) this.put("first", held.from + (held.y - event.clientY) / PULL);
    });
    for (const end of ["pointerup", "pointercancel"]) view.listen(graph.canvas, end, () => (held = null));
  }

  take(at) {
    const { view, names } = this;
    const [first, second] = this.axes;
    if (at === first) return;
    view.set(at === second ? { first: names[at], second: names[first] } : { first: names[at] });
  }

  // --- the pictures ----------------------------------------------------------------------------------------------------

  paint() {
    const { view } = this;
    const p = this.p;
    const k = clamp(view.get("k"), 1, 10);
    const key = JSON.stringify([p, view.get("data"), k]);
    if (this.found.key !== key) this.found = { key, ...report(p, this.data, k) };
    const { found } = this;
    const moves = Boolean(view.steps) && !view.still.matches;
    const { axes, names, trail, chain } = this;
    drawGraph(this.graph, p, chain);
    const land = this.landscape(p, found.entropy, moves && view.get("following"));
    const labels = axes.map((at) => pretty(names[at]));
    drawLikelihood(this.plane, land, { p, axes, trail, ways: [found.exact, found.cd], names: labels, k: view.get("k") });
    drawStates(this.bars, found.law, this.data, chain);
    axes.forEach((at, i) => this.sliders[i](names[at], p[at]));
    for (const { element, values } of this.presets) {
      const same = values.data === view.get("data") && parameters(values.weight, values.b, values.c).every((v, i) => Math.abs(v - p[i]) < 1e-9);
      element.setAttribute("aria-pressed", String(same));
    }
    this.numbers(found, k);
    return true;
  }

  // The likelihood over the two axes, kept until something else changes.
  landscape(p, entropy, coarse) {
    const { view, axes } = this;
    const rest = p.map((v, i) => (axes.includes(i) ? 0 : v));
    const key = JSON.stringify([rest, axes, view.get("data"), view.get("laws").own ?? 0]);
    const side = coarse ? COARSE : SIDE;
    if (this.land?.key !== key || this.land.side < side) {
      const values = landscape(p, this.data, axes, side);
      // From the data's own entropy downwards: 1 is a perfect fit.
      this.land = { key, side, shares: values.map((v) => Math.exp(v + entropy)), values };
    }
    return this.land;
  }

  numbers(found, k) {
    const { view } = this;
    const degrees = (v) => (v === null ? "–" : `${number(v, 1)}°`);
    const steps = this.chain?.steps ?? 0;
    const off = steps ? variation(this.chain.frequencies, found.law) : null;
    const flat = this.axes.map((at) => [found.exact[at], found.cd[at]]);
    const size = Math.sqrt(found.exact.reduce((sum, v) => sum + v * v, 0));
    const inPlane = angle(flat.map(([a]) => a), flat.map(([, b]) => b));
    const error = found.error === null ? "–" : `${(100 * found.error).toFixed(1)} %`;
    this.likely(number(found.logZ, 4), number(found.likelihood, 4), number(-found.entropy, 4), number(found.kl, 4), `${steps}`, off === null ? "–" : number(off, 4));
    this.ways(number(size, 4), degrees(found.angle), error, degrees(inPlane), number(found.left, 4), number(found.objective, 4));
    const most = found.law.indexOf(Math.max(...found.law));
    view.say(
      `Log Z ${number(found.logZ, 3)}; KL divergence from the data ${number(found.kl, 3)} nats. Most likely state ${state(most)}, ${number(found.law[most], 3)}. ` +
        (found.angle === null ? "The gradient has no direction here. " : `CD-${k} is ${number(found.angle, 1)} degrees from the exact gradient, relative error ${error}. `) +
        this.axes.map((at) => `${spoken(this.names[at])} ${number(this.p[at])}`).join(", ") +
        (steps ? `. After ${steps} steps the chain's visits are ${number(off, 3)} in total variation from the law.` : "."),
    );
  }
}
