// Two players of one number each: their steps beside the flow, energy over time, eigenvalues against the borders of stability.
import { button, check, mainButton, number, readout, select, slider } from "../controls.js";
import { diracGame, energy, flow, flowEigenvalues, flowField, invariant, largestStep, modulus, stepEigenvalues, steps } from "../dirac_game.js";
import { arrows } from "../draw.js";
import { Pace, playback } from "../playback.js";
import { scientific } from "../scientific.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const MOST = 2000; // steps
const REACH = 3; // of a start, either side
const SIDES = [3.3, 8, 20, 50]; // half the picture, wide enough for the path
const GONE = 1e4; // radius at which play stops
const PART = 0.04; // largest step of the flow's integration
const FIELD = 17; // arrows a side
const DRAWN = 4000; // pieces of the flow that are drawn

const LOSSES = [["linear", "linear, ψ(u) = u"], ["logistic", "logistic, ψ(u) = −log(1 + e⁻ᵘ)"]];
const PENALTIES = [["none", "none"], ["r1", "R1: ½γφ², at the data"], ["r2", "R2: ½γφ², at the sample"], ["wgan_gp", "WGAN-GP: ½γ(|φ| − 1)²"], ["quartic", "of fourth order: ¼γφ⁴"]];
const RULES = [
  ["simultaneous", "simultaneous"],
  ["alternating", "alternating, critic first"],
  ["momentum", "alternating with momentum ν"],
  ["extragradient", "extragradient"],
  ["consensus", "consensus, strength γ꜀"],
  ["unrolled", "unrolled, one inner step s"],
  ["competitive", "competitive gradient"],
  ["rk4", "Runge–Kutta, RK4"],
];
const TRAITS = ["start_phi", "start_theta", "step", "loss", "penalty", "gamma", "rule", "momentum", "inner", "strength", "rate_theta", "steps"];

const clamp = (v, a, b) => Math.min(b, Math.max(a, v));
const hundredth = (v) => Math.round(100 * v) / 100;
const short = (v) => (v === 0 || (Math.abs(v) >= 0.01 && Math.abs(v) < 1e4) ? number(v, 4) : scientific(v));
// Whether the players take turns without a penalty: then the invariant means something.
const turns = ({ rule, penalty, gamma }) => rule === "alternating" && (penalty === "none" || gamma === 0);
const complex = ([re, im]) => (Math.abs(im) < 5e-5 ? number(re, 4) : `${number(re, 4)} ± ${number(Math.abs(im), 4)}i`);
const spectrum = (values) => [...new Set(values.map(complex))].join(", ");

export default widget("dirac-laboratory", "DiracGAN laboratory", (view) => {
  const state = () => {
    const now = Object.fromEntries(TRAITS.map((trait) => [trait, view.get(trait)]));
    return {
      ...now,
      k: clamp(now.steps, 0, MOST),
      start: [clamp(now.start_phi, -REACH, REACH), clamp(now.start_theta, -REACH, REACH)],
      eta: clamp(now.step, 0.01, 3),
      rate: clamp(now.rate_theta, 0.1, 2),
    };
  };
  const plane = new Stage(view, {
    label: "The plane of both players, the critic's φ to the right and the generator's θ upwards: the field as arrows, the flow as a line, the steps as dots.",
    height: (width) => clamp(0.94 * width, 280, 400),
    margin: { left: 36, right: 12, top: 28, bottom: 30 },
  });
  const time = new Stage(view, {
    label: "Radius of the steps and of the flow against time, on a logarithmic scale.",
    height: () => 240,
    margin: { left: 46, right: 24, top: 46, bottom: 44 },
  });
  const disc = new Stage(view, {
    label: "Eigenvalues of one step in the complex plane: inside the unit circle steps approach the equilibrium.",
    height: () => 230,
    margin: { left: 36, right: 12, top: 28, bottom: 28 },
  });
  const half = new Stage(view, {
    label: "Eigenvalues of the flow in the complex plane: left of the imaginary axis the flow approaches the equilibrium.",
    height: () => 230,
    margin: { left: 36, right: 12, top: 28, bottom: 28 },
  });
  const row = view.make("div", "gm-w-row", view.body);
  const play = mainButton(view, row, { label: "Play", press: () => start() });
  button(view, row, { label: "One step", press: () => go(1) });
  button(view, row, { label: "Ten steps", press: () => go(10) });
  button(view, row, { label: "Back to the start", press: () => view.set({ steps: 0, playing: false }) });
  check(view, row, { trait: "flow", label: "flow" });
  const upper = view.make("div", "gm-w-pair", view.body);
  const left = view.make("div", "gm-w-panel", upper);
  left.append(plane.element);
  const presets = view.make("div", "gm-w-row", left);
  presets.setAttribute("role", "group");
  presets.setAttribute("aria-label", "experiments");
  const experiments = Object.entries(view.get("presets")).map(([name, { title, ...values }]) => {
    const element = button(view, presets, { label: title, press: () => view.set({ ...values, playing: false }) });
    element.dataset.preset = name;
    return { element, values };
  });
  const panel = view.make("div", "gm-w-panel", upper);
  select(view, panel, { trait: "rule", label: "rule of a step", options: RULES });
  slider(view, panel, { trait: "step", label: "step size η", low: 0.01, high: 3, scale: "log", parts: 300, format: (v) => number(v, 3) });
  const own = {
    momentum: slider(view, panel, { trait: "momentum", label: "momentum ν", low: -0.9, high: 0.9, step: 0.05, format: (v) => number(v) }),
    unrolled: slider(view, panel, { trait: "inner", label: "inner step s", low: 0.05, high: 2, step: 0.05, format: (v) => number(v) }),
    consensus: slider(view, panel, { trait: "strength", label: "consensus strength γ꜀", low: 0, high: 2, step: 0.05, format: (v) => number(v) }),
  };
  select(view, panel, { trait: "loss", label: "loss ψ", options: LOSSES });
  select(view, panel, { trait: "penalty", label: "penalty of the critic", options: PENALTIES });
  const weight = slider(view, panel, { trait: "gamma", label: "its weight γ", low: 0, high: 3, step: 0.05, format: (v) => number(v) });
  slider(view, panel, { trait: "rate_theta", label: "rate η_θ of the generator (the critic's is 1)", low: 0.1, high: 2, step: 0.05, format: (v) => number(v) });
  const verdict = view.make("p", "gm-w-hint", panel);
  const lower = view.make("div", "gm-w-pair", view.body);
  lower.append(disc.element, half.element);
  const last = view.make("div", "gm-w-pair", view.body);
  last.append(time.element);
  const lists = view.make("div", "gm-w-panel", last);
  const drawn = readout(view, lists, [["steps made, k"], ["radius r = √(φ² + θ²/η_θ)"], ["r₀ · modulusᵏ"], ["measured factor a step, (r/r₀)^(1/k)"], ["modulus of a step, exact"], ["φ² + θ²/η_θ + ηψ′(0)φθ"], ["the same at the start"]]);
  const spectra = readout(view, view.make("div", "", view.body), [["eigenvalues of a step"], ["eigenvalues of the flow"], ["simultaneous steps converge for"]]);

  subscripts(view.body);

  const place = ([x, y]) => view.set({ start_phi: clamp(hundredth(x), -REACH, REACH), start_theta: clamp(hundredth(y), -REACH, REACH) });
  plane.handle({
    name: () => `start, φ = ${number(state().start[0])}, θ = ${number(state().start[1])}`,
    kind: "gm-w-ring",
    get: () => state().start,
    move: place,
    step: 0.05,
  });

  // Paths are kept until something that they depend on changes; then they are made as far as they are shown.
  let kept = {};
  const run = (now) => {
    const key = JSON.stringify(TRAITS.slice(0, -1).map((trait) => now[trait]));
    if (kept.key === key) return kept;
    const settings = { loss: now.loss, penalty: now.penalty, gamma: now.gamma, rate: now.rate };
    const [game, extra] = [diracGame(settings), { momentum: now.momentum, inner: now.inner, strength: now.strength }];
    const parts = Math.ceil(now.eta / PART);
    kept = {
      key,
      parts,
      field: flowField(game, now.rule, extra),
      path: steps(game, now.rule, now.start, now.eta, extra, MOST),
      flow: flow(game, now.rule, now.start, now.eta, extra, MOST, parts),
      step: stepEigenvalues(settings, now.rule, now.eta, extra),
      rest: flowEigenvalues(settings, now.rule, extra),
      // Momentum changes the time of the flow, not the field of a simultaneous step.
      bare: flowEigenvalues(settings, now.rule === "momentum" ? "simultaneous" : now.rule, extra),
    };
    return kept;
  };

  const radius = (places, i, rate) => Math.sqrt(energy(places[2 * i], places[2 * i + 1], rate));
  const go = (count) => {
    const now = state();
    let k = Math.min(MOST, now.k + count);
    let on = view.get("playing") && k < MOST;
    const places = run(now).path.to(k);
    if (view.get("playing") && radius(places, k, now.rate) > GONE) on = false;
    view.set({ steps: k, playing: on });
  };
  const start = () => {
    const on = !view.get("playing");
    const now = state();
    const over = now.k >= MOST || radius(run(now).path.to(now.k), now.k, now.rate) > GONE;
    view.set(on && over ? { steps: 0, playing: on } : { playing: on });
  };
  // An orbit in about three seconds; longer runs hurry.
  const pace = new Pace();
  playback(view, play, () => {
    const { eta, k } = state();
    const whole = pace.steps(clamp(Math.max(2 / eta, k / 5), 4, 300));
    if (whole) go(whole);
  }, { pace });
  view.bind("rule", (rule) => Object.entries(own).forEach(([name, field]) => (field.hidden = name !== rule)));
  view.bind("penalty", (penalty) => (weight.hidden = penalty === "none"));

  view.draw(() => {
    const now = state();
    const found = run(now);
    const { k, rate, eta } = now;
    const places = found.path.to(k);
    const side = picture(view, plane, places, found, now, view.get("flow"));
    radii(view, time, places, found, now, view.get("flow"));
    circle(view, disc, found.step);
    plan(view, half, found.rest, now);
    const [r0, r] = [radius(places, 0, rate), radius(places, k, rate)];
    const exact = found.step && modulus(found.step);
    const [p, t] = [places[2 * k], places[2 * k + 1]];
    const factor = k && r0 > 0 && r > 0 ? (r / r0) ** (1 / k) : null;
    const due = exact === null ? null : r0 * exact ** k;
    drawn(`${k}`, short(r), due === null ? "–" : short(due), factor === null ? "–" : number(factor, 6), exact === null ? "–" : number(exact, 6), ...[[p, t], now.start].map((w) => (turns(now) ? short(invariant(...w, now, eta)) : "–")));
    for (const { element, values } of experiments) element.setAttribute("aria-pressed", Object.entries(values).every(([trait, value]) => trait === "steps" || now[trait] === value));
    const below = found.bare && largestStep(found.bare);
    spectra(found.step ? spectrum(found.step) : "none: kink at φ = 0", found.rest ? spectrum(found.rest) : "none: kink at φ = 0", below === null ? "–" : below > 0 ? `η < ${number(below, 4)}` : "no η");
    const said = judge(now, exact);
    if (verdict.dataset.said !== said) {
      verdict.dataset.said = verdict.textContent = said;
      subscripts(verdict);
    }
    const outside = Math.max(Math.abs(p), Math.abs(t)) > side ? " The players are outside the picture." : "";
    view.say(`${k} ${now.rule} steps of ${number(eta, 3)} from φ = ${number(now.start[0])}, θ = ${number(now.start[1])}: φ = ${short(p)}, θ = ${short(t)}, radius ${short(r)}.${outside} ${said.replaceAll("_", "")}`);
  });
});

// Sets every η_θ below an element as a letter with an index.
function subscripts(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) if (walker.currentNode.data.includes("_θ")) texts.push(walker.currentNode);
  for (const text of texts) {
    const [first, ...rest] = text.data.split("_θ");
    const index = () => Object.assign(document.createElement("sub"), { textContent: "θ" });
    text.replaceWith(first, ...rest.flatMap((part) => [index(), part]));
  }
  for (const named of root.querySelectorAll('[aria-label*="_θ"]')) named.ariaLabel = named.ariaLabel.replaceAll("_", "");
}

// What the modulus means, in words.
function judge({ loss, penalty, gamma, rule, rate }, exact) {
  if (exact === null) return "This penalty asks for the slope 1 everywhere, also at the equilibrium, where the slope should be 0: the players circle and do not settle.";
  const bare = penalty === "none" || gamma === 0;
  const near = loss === "linear" ? "" : " near the equilibrium";
  const what = `Each step multiplies the distance${near} by ${number(exact, Math.abs(exact - 1) < 1e-3 ? 7 : 4)}`;
  if (Math.abs(exact - 1) < 5e-8) {
    const taken = rule === "alternating" && bare;
    const more = !taken ? "" : loss === "linear" ? ": the path stays on the ellipse φ² + θ²/η_θ + ηφθ = constant" : "; near the equilibrium they stay almost on the ellipse φ² + θ²/η_θ + ηψ′(0)φθ = constant";
    return `All eigenvalues of a step lie on the unit circle: to first order the players neither approach nor leave${more}.`;
  }
  const even = ["simultaneous", "extragradient", "rk4", "competitive"].includes(rule) && bare && loss === "linear";
  const plain = rule === "simultaneous" && bare && loss === "linear" ? (rate === 1 ? ", which is √(1 + η²)" : ", which is √(1 + η_θη²)") : "";
  return `${what}${even ? "" : ", in the long run"}${plain}: the players ${exact > 1 ? "leave" : "settle"}.`;
}

const dot = (c, x, y, size) => {
  c.beginPath();
  c.arc(x, y, size, 0, 7);
  c.fill();
};

// Equal units on both axes, `side` from the centre to the nearer edge.
function square(stage, side, [cx, cy] = [0, 0]) {
  const c = stage.begin();
  const [wide, tall] = [stage.width - stage.margin.left - stage.margin.right, stage.height - stage.margin.top - stage.margin.bottom];
  const unit = side / (Math.min(wide, tall) / 2);
  stage.x.domain([cx - (unit * wide) / 2, cx + (unit * wide) / 2]);
  stage.y.domain([cy - (unit * tall) / 2, cy + (unit * tall) / 2]);
  return c;
}

// The plane of both players; returns how far it reaches.
function picture(view, stage, places, { field, flow: stream, parts }, { k, start }, flowing) {
  const { colours } = view;
  let far = Math.max(...start.map(Math.abs));
  for (const v of places) far = Math.max(far, Math.abs(v));
  const side = SIDES.find((s) => s >= 1.04 * far) ?? SIDES[SIDES.length - 1];
  const c = square(stage, side);
  stage.axes({ ticks: [5, 5], names: ["", ""] });
  const [[x0, x1], [y0, y1]] = [stage.x.domain(), stage.y.domain()];
  const at = [];
  for (let i = 0; i < FIELD; i++) for (let j = 0; j < FIELD; j++) at.push(x0 + ((x1 - x0) * (i + 0.5)) / FIELD, y0 + ((y1 - y0) * (j + 0.5)) / FIELD);
  const vectors = [];
  for (let i = 0; i < at.length; i += 2) vectors.push(...field([at[i], at[i + 1]]));
  arrows(stage, at, vectors, { longest: 22, colour: colours.faint, scale: 0.45 * side, alpha: 0.5 });
  stage.inside(() => {
    c.strokeStyle = colours.grid;
    c.lineWidth = 1;
    stroke(c, [stage.x(x0), stage.y(0)], [stage.x(x1), stage.y(0)]);
    stroke(c, [stage.x(0), stage.y(y0)], [stage.x(0), stage.y(y1)]);
    // What is far outside is cut off: a canvas cannot place it.
    const put = (list, i) => [stage.x(clamp(list[2 * i], -1e3 * side, 1e3 * side)), stage.y(clamp(list[2 * i + 1], -1e3 * side, 1e3 * side))];
    if (flowing) {
      const count = Math.min(DRAWN, k * parts);
      const line = stream.to(k * parts);
      c.strokeStyle = colours.blue;
      c.lineWidth = 2;
      c.lineJoin = "round";
      stroke(c, ...Array.from({ length: count + 1 }, (_, i) => put(line, i)));
      c.fillStyle = colours.blue;
      dot(c, ...put(line, k * parts), 5);
    }
    c.strokeStyle = colours.red;
    c.lineWidth = k > 400 ? 0.7 : 1.2;
    c.globalAlpha = k > 400 ? 0.6 : 0.8;
    stroke(c, ...Array.from({ length: k + 1 }, (_, i) => put(places, i)));
    c.globalAlpha = 1;
    c.fillStyle = colours.red;
    if (k <= 400) for (let i = 0; i <= k; i++) dot(c, ...put(places, i), k > 120 ? 1.6 : 2.3);
    dot(c, ...put(places, k), 5);
    c.strokeStyle = colours.ink;
    c.lineWidth = 1.5;
    const [ox, oy] = [stage.x(0), stage.y(0)];
    stroke(c, [ox - 5, oy], [ox + 5, oy]);
    stroke(c, [ox, oy - 5], [ox, oy + 5]);
  });
  const name = (text, x, y) => {
    c.fillStyle = colours.paper;
    c.globalAlpha = 0.85;
    c.fillRect(x - 3, y - 9, c.measureText(text).width + 6, 18);
    c.globalAlpha = 1;
    c.fillStyle = colours.ink;
    c.textAlign = "left";
    c.textBaseline = "middle";
    c.fillText(text, x, y);
  };
  name("critic φ", stage.width - stage.margin.right - c.measureText("critic φ").width - 4, stage.height - stage.margin.bottom - 11);
  name("generator θ", stage.margin.left + 5, stage.margin.top + 11);
  stage.legend([[`${k} steps`, "red"], ...(flowing ? [["flow, same time", "blue"]] : [])]);
  stage.place();
  return side;
}

// Radii against time.
function radii(view, stage, places, { flow: stream, parts }, { k, rate, eta, rule, loss, penalty, gamma }, flowing) {
  const { colours } = view;
  const span = Math.max(20, k);
  const log = (v) => Math.log10(Math.max(1e-16, v));
  const of = (list, skip, count) => {
    const every = Math.max(1, Math.floor(count / 1200));
    const points = [];
    for (let i = 0; i <= count; i += every) points.push([(i / skip) * eta, log(Math.sqrt(energy(list[2 * i], list[2 * i + 1], rate)))]);
    return points;
  };
  const lines = [[of(places, 1, k), "red", 2, []]];
  if (flowing) lines.unshift([of(stream.to(k * parts), parts, k * parts), "blue", 2, []]);
  const keeps = turns({ rule, penalty, gamma }) && loss === "linear";
  if (keeps) {
    const points = Array.from({ length: k + 1 }, (_, i) => [i * eta, log(Math.sqrt(Math.max(0, invariant(places[2 * i], places[2 * i + 1], { loss, rate }, eta))))]);
    lines.push([points, "green", 2, [6, 4]]);
  }
  let [low, high] = [Infinity, -Infinity];
  for (const [points] of lines) for (const [, y] of points) [low, high] = [Math.min(low, y), Math.max(high, y)];
  const middle = (low + high) / 2;
  const room = Math.max(0.35, 0.56 * (high - low));
  stage.x.domain([0, span * eta]);
  stage.y.domain([middle - room, middle + room]);
  const c = stage.begin();
  stage.axes({ ticks: [5, 0] });
  const every = Math.max(1, Math.ceil(room / 2.5));
  c.fillStyle = colours.faint;
  c.textAlign = "right";
  c.textBaseline = "middle";
  for (let power = Math.ceil(middle - room - 1); power <= middle + room; power++) {
    for (const first of room < 0.8 ? [1, 2, 3, 5] : [1]) {
      const y = power + Math.log10(first);
      if (power % every || y < middle - room || y > middle + room) continue;
      c.strokeStyle = colours.grid;
      c.lineWidth = 1;
      stroke(c, [stage.margin.left, stage.y(y)], [stage.width - stage.margin.right, stage.y(y)]);
      c.fillText(power < -2 || power > 3 ? scientific(10 ** power, 1).replace(/^1·/, "") : `${Number((first * 10 ** power).toPrecision(2))}`, stage.margin.left - 6, stage.y(y));
    }
  }
  stage.inside(() => {
    c.lineJoin = "round";
    for (const [points, colour, width, dash] of lines) {
      c.strokeStyle = colours[colour];
      c.lineWidth = width;
      c.setLineDash(dash);
      stroke(c, ...points.map(([x, y]) => [stage.x(x), stage.y(y)]));
    }
    c.setLineDash([]);
  });
  c.fillStyle = colours.faint;
  c.textAlign = "right";
  c.textBaseline = "bottom";
  c.fillText("time ηk", stage.width - stage.margin.right, stage.height - 3);
  stage.legend([["radius of the steps", "red"], ...(flowing ? [["of the flow", "blue"]] : []), ...(keeps ? [["√ of the invariant", "green", [6, 4]]] : [])]);
}

// Eigenvalues of a step and the unit circle.
function circle(view, stage, values) {
  const { colours } = view;
  const far = values ? modulus(values) : 1;
  const c = square(stage, Math.max(1.3, 1.15 * far));
  stage.axes({ ticks: [5, 5] });
  stage.inside(() => {
    const [ox, oy, r] = [stage.x(0), stage.y(0), stage.x(1) - stage.x(0)];
    c.fillStyle = colours.green;
    c.globalAlpha = 0.1;
    dot(c, ox, oy, r);
    c.globalAlpha = 1;
    c.strokeStyle = colours.green;
    c.lineWidth = 1.5;
    c.beginPath();
    c.arc(ox, oy, r, 0, 7);
    c.stroke();
    c.fillStyle = colours.red;
    for (const [re, im] of values ?? []) dot(c, stage.x(re), stage.y(im), 5);
  });
  stage.legend([["eigenvalues of a step", "red"], ["unit circle", "green"]]);
}

// Eigenvalues of the flow and the left half-plane, with the disc in which simultaneous steps of this size converge.
function plan(view, stage, values, { eta }) {
  const { colours } = view;
  const far = values ? modulus(values) : 1;
  const c = square(stage, Math.max(1.2, 1.2 * far));
  stage.axes({ ticks: [5, 5] });
  stage.inside(() => {
    const [x0, y0] = [stage.margin.left, stage.margin.top];
    c.fillStyle = colours.green;
    c.globalAlpha = 0.1;
    c.fillRect(x0, y0, stage.x(0) - x0, stage.height);
    c.globalAlpha = 1;
    c.strokeStyle = colours.green;
    c.lineWidth = 1.5;
    stroke(c, [stage.x(0), y0], [stage.x(0), stage.height]);
    const r = stage.x(1 / eta) - stage.x(0);
    c.strokeStyle = colours.red;
    c.setLineDash([4, 4]);
    c.beginPath();
    c.arc(stage.x(0) - r, stage.y(0), r, 0, 7);
    c.stroke();
    c.setLineDash([]);
    c.fillStyle = colours.blue;
    for (const [re, im] of values ?? []) dot(c, stage.x(re), stage.y(im), 5);
  });
  stage.legend([["eigenvalues of the flow", "blue"], ["|1 + ηξ| = 1", "red", [4, 4]]]);
}
