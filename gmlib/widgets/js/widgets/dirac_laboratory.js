// Two players of one number each: their steps beside the flow, energy over time, eigenvalues against the borders of stability.
import { button, check, mainButton, number, readout, select, slider } from "../controls.js";
import { diracGame, energy, flow, flowEigenvalues, flowField, invariant, largestStep, modulus, stepEigenvalues, steps, turns } from "../dirac_game.js";
import { drawPlayers, drawRadii } from "../dirac_paths.js";
import { drawFlowEigenvalues, drawStepEigenvalues } from "../eigenvalue_picture.js";
import { Pace, playback } from "../playback.js";
import { clamp } from "../scale.js";
import { scientific } from "../scientific.js";
import { Stage } from "../stage.js";
import { widget } from "../widget.js";

const MOST = 2000; // steps
const REACH = 3; // of a start, either side
const GONE = 1e4; // radius at which play stops
const PART = 0.04; // largest step of the flow's integration

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

const hundredth = (v) => Math.round(100 * v) / 100;
const short = (v) => (v === 0 || (Math.abs(v) >= 0.01 && Math.abs(v) < 1e4) ? number(v, 4) : scientific(v));
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
    const side = drawPlayers(plane, places, found, now, view.get("flow"));
    drawRadii(time, places, found, now, view.get("flow"));
    drawStepEigenvalues(disc, found.step);
    drawFlowEigenvalues(half, found.rest, eta);
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
