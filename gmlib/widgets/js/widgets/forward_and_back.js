// Particles from data into noise and back: the plane with the exact law at every time, histograms of both coordinates
// under their exact densities, trajectories, and how far the particles are from the law.
import { button, check, choice, number, readout, select, slider } from "../controls.js";
import { heatMap, particles } from "../draw.js";
import { fetchLaw, lawOptions, mixtureOf, nameOf } from "../fetched_law.js";
import { drawMarginal, drawTrails } from "../journey_picture.js";
import { inSquare } from "../marginals.js";
import { calls } from "../mixture_samplers.js";
import { Journey, PARTS, parts } from "../noising_journey.js";
import { random } from "../random.js";
import { clamp } from "../scale.js";
import { directions, slicedWasserstein, sortedProjections } from "../sliced.js";
import { Stage } from "../stage.js";
import { widget } from "../widget.js";

const WAYS = { beta: "ancestral, variance β", beta_tilde: "ancestral, variance β̃", ddim: "DDIM", heun: "Heun on the flow's ODE" };
const COLOURS = ["red", "green", "pink", "orange"]; // of the four parts of the data
const HALVES = { swiss_roll: 3.4, two_moons: 2.9, eight_gaussians: 3.1 }; // half the side of the plane that is shown
const TRAILS = 12;
const SECONDS = 5; // from data to noise
const BUDGET = 14; // milliseconds of a frame for steps back
const LINES = directions(32);
const EVERY = 12; // frames between two distances while particles move

export default widget("forward-and-back", "Forward and back", (view) => new Walk(view));

class Walk {
  constructor(view) {
    Object.assign(this, { view, law: null, frame: 0, last: null });
    this.layout();
    view.bind("law", () => fetchLaw(view, (name, arrays) => this.use(name, arrays)));
    for (const trait of ["n", "seed", "steps", "schedule"]) view.on(`change:${trait}`, () => this.begin());
    view.on("change:time", () => {
      // Dragged back into more noise, they turn round there.
      if (view.get("way") === "back" && view.get("time") > view.get("turn")) view.set({ turn: view.get("time") });
    });
    view.bind("sampler", (sampler) => (this.eta.hidden = sampler !== "ddim"));
    view.bind("playing", (playing) => this.play(playing));
    view.still.addEventListener("change", () => this.play(view.get("playing")), { signal: view.signal });
    view.draw(() => (this.journey ? this.paint() : false));
  }

  layout() {
    const { view } = this;
    view.body.classList.add("gm-w-side");
    const left = view.make("div", "gm-w-panel", view.body);
    this.plane = new Stage(view, {
      label: "Particles in the plane on the exact law at this time, coloured by the part of the data where they began; above and beside it histograms of both coordinates under the exact densities.",
      height: (width) => width,
      margin: { left: 2, right: 70, top: 70, bottom: 2 },
    });
    left.append(this.plane.element);
    const caption = view.make("p", "gm-w-hint", left);
    for (const [colours, text] of [[["blue"], "exact law"], [COLOURS, "particles, by where they began"]]) {
      const key = view.make("span", "", caption);
      key.style.cssText = "margin-right: 1em; white-space: nowrap";
      colours.forEach((colour, i) => {
        const box = view.make("span", "gm-w-key", key);
        box.style.background = `var(--gm-w-${colour})`;
        if (i < colours.length - 1) box.style.marginRight = "0.12em";
      });
      key.append(text);
    }
    this.words = view.make("p", "gm-w-hint", left);
    this.words.style.cssText = "color: var(--gm-w-ink); min-height: 3.7rem";

    const panel = view.make("div", "gm-w-panel", view.body);
    const buttons = view.make("div", "gm-w-row", panel);
    this.buttons = {};
    for (const [way, label] of [["forward", "Forward"], ["back", "Back"]]) {
      this.buttons[way] = button(view, buttons, { label, press: () => this.press(way) });
      this.buttons[way].style.cssText = "border-color: var(--gm-w-accent); border-radius: 99px; padding-inline: 1.15rem";
    }
    slider(view, panel, { trait: "time", label: "time t, from data to noise", low: 0, high: 1, step: 0.01, format: (v) => number(v) });
    select(view, panel, { trait: "law", label: "law", options: lawOptions(view.get("laws")) });
    select(view, panel, { trait: "sampler", label: "way back", options: Object.entries(WAYS) });
    slider(view, panel, { trait: "steps", label: "steps between data and noise", values: [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100], format: String });
    this.eta = slider(view, panel, { trait: "eta", label: "fresh noise η of DDIM", low: 0, high: 1, step: 0.05, format: (v) => number(v) });
    choice(view, panel, { trait: "schedule", label: "schedule", options: [["cosine", "cosine"], ["linear", "linear"]] });
    const row = view.make("div", "gm-w-row", panel);
    button(view, row, { label: "New noise", press: () => view.set({ seed: (view.get("seed") + 1) % 2 ** 31 }) });
    check(view, row, { trait: "trails", label: "trajectories" });
    this.tell = readout(view, panel, [
      ["step of the grid"], ["signal α, noise σ"], ["calls of the denoiser"], ["in the part they came from"],
      ["sliced W₂ to the law", "total"], ["the same, fresh draws"],
    ]);
  }

  use(name, arrays) {
    Object.assign(this, { name, law: mixtureOf(arrays), half: HALVES[name] ?? 3.4 });
    this.begin();
  }

  begin() {
    if (!this.law) return;
    const [n, seed, steps, schedule] = ["n", "seed", "steps", "schedule"].map((trait) => this.view.get(trait));
    this.journey = new Journey(this.law, { n, seed, steps, schedule }, random);
    this.born = parts(this.law, this.journey.there[0]);
    Object.assign(this, { shown: null, measured: null, ground: null });
    this.view.redraw();
  }

  // --- time ------------------------------------------------------------------------------------------------------------

  press(way) {
    const { view } = this;
    if (view.get("playing") === way) return view.set({ playing: "no" });
    const time = view.get("time");
    if (way === "forward") {
      // On from where they are; from the data anew when all is noise already, or back from a way back.
      view.set({ way: "forward", time: time >= 1 || view.get("way") === "back" ? 0 : time });
    } else if (view.get("way") === "forward") {
      const turn = time > 0 ? time : 1;
      view.set({ way: "back", turn, time: turn });
    } else if (time <= 0) view.set({ time: view.get("turn") });
    view.set({ playing: way });
  }

  play(playing) {
    const { view } = this;
    for (const [way, element] of Object.entries(this.buttons)) element.setAttribute("aria-pressed", String(way === playing));
    Object.assign(this, { before: null, last: null });
    if (playing !== "no" && view.still.matches) {
      view.animate(null);
      return view.set({ time: playing === "forward" ? 1 : 0, playing: "no" });
    }
    view.animate(playing === "no" ? null : () => this.tick(playing));
  }

  tick(playing) {
    const { view } = this;
    if (!this.journey) return;
    this.frame++;
    const time = view.get("time");
    if (this.last !== null && time !== this.last) return view.set({ playing: "no" }); // moved by hand meanwhile
    const now = performance.now();
    const passed = Math.min(60, now - (this.before ?? now)) / (1000 * SECONDS);
    this.before = now;
    if (this.waiting) return; // steps back are still being worked out
    const next = clamp(time + (playing === "forward" ? passed : -passed), 0, 1);
    this.last = next;
    view.set({ time: next });
    if (next === 0 || next === 1) {
      if (playing === (next ? "forward" : "back")) view.set({ playing: "no" });
    }
  }

  // --- where the particles are -----------------------------------------------------------------------------------------

  // The time of the grid where they last stood, and the next one with the share of the way to it.
  place() {
    const { view } = this;
    const { steps } = this.journey;
    const at = view.get("time") * steps;
    const turn = Math.ceil(view.get("turn") * steps - 1e-9);
    if (view.get("way") === "forward") {
      const k = Math.floor(at + 1e-9);
      return { way: "forward", k, next: Math.min(steps, k + 1), share: Math.max(0, at - k), turn };
    }
    const k = Math.min(turn, Math.ceil(at - 1e-9));
    return { way: "back", k, next: Math.max(0, k - 1), share: clamp(k - at, 0, 1), turn };
  }

  points(k, { way, turn }, until) {
    if (way === "forward") return this.journey.forward(k);
    const [sampler, eta] = ["sampler", "eta"].map((trait) => this.view.get(trait));
    return this.journey.backward(k, { turn, sampler, eta, until });
  }

  paint() {
    const { view } = this;
    const place = this.place();
    const until = performance.now() + BUDGET;
    const here = this.points(place.k, place, until);
    const ahead = here && place.share > 1e-6 ? this.points(place.next, place, until) : here;
    this.waiting = !ahead;
    if (!ahead) {
      view.redraw();
      if (this.drawn) return true; // what was there last stays until the steps are made
    }
    const base = here ?? this.journey.forward(place.turn);
    const moved = ahead && ahead !== here ? base.map((x, i) => x + place.share * (ahead[i] - x)) : base;
    this.drawn = true;
    this.picture(place, moved, Boolean(ahead));
    if (here) this.numbers(place, here);
    return true;
  }

  // --- the picture -----------------------------------------------------------------------------------------------------

  picture(place, moved, whole) {
    const { view, plane, journey } = this;
    const { colours } = view;
    const narrow = (plane.element.clientWidth || 480) < 380;
    plane.margin.top = plane.margin.right = narrow ? 50 : 70;
    plane.x.domain([-this.half, this.half]);
    plane.y.domain([-this.half, this.half]);
    const c = plane.begin();
    const t = journey.schedule.tMax * view.get("time");
    const law = this.exact(t);
    heatMap(plane, law.values, law.grid, 1.5 * law.top, view.dark); // paler than it could be: the particles lie on it
    const trails = view.get("trails") && whole ? this.trails(place) : null;
    const tints = Array.from(this.born.slice(0, TRAILS), (part) => colours[COLOURS[part]]);
    if (trails) drawTrails(plane, trails, moved, tints, false);
    const many = journey.n;
    const sorted = Array.from({ length: PARTS }, () => []);
    for (let i = 0; i < many; i++) sorted[this.born[i]].push(moved[2 * i], moved[2 * i + 1]);
    sorted.forEach((flat, part) => particles(plane, flat, { colour: colours[COLOURS[part]], radius: 1.25, alpha: 0.85 }));
    if (trails) drawTrails(plane, trails, moved, tints, true);
    for (const d of [0, 1]) drawMarginal(plane, law, moved, d, this.half);
    c.globalAlpha = 1;
    c.strokeStyle = colours.grid;
    c.lineWidth = 1;
    const { margin, width, height } = plane;
    c.strokeRect(margin.left - 0.5, margin.top - 0.5, width - margin.left - margin.right + 1, height - margin.top - margin.bottom + 1);
    c.fillStyle = colours.ink;
    c.textAlign = "center";
    c.textBaseline = "middle";
    c.font = `600 ${narrow ? 12 : 14}px ${getComputedStyle(plane.element).fontFamily}`;
    c.fillText(`t = ${number(view.get("time"))}`, width - margin.right / 2, margin.top / 2 - 8);
    c.font = `${narrow ? 11 : 12}px ${getComputedStyle(plane.element).fontFamily}`;
    c.fillStyle = colours.faint;
    c.fillText(place.way === "forward" ? "noising" : "denoising", width - margin.right / 2, margin.top / 2 + 9);
  }

  // The law at a time.
  exact(t) {
    const key = `${this.name} ${this.view.get("schedule")} ${t}`;
    if (this.ground?.key === key) return this.ground;
    const { schedule } = this.journey;
    const now = t > 0 ? this.law.noised(schedule.sigma(t), schedule.alpha(t)) : this.law;
    return (this.ground = { key, ...inSquare(now, this.half) });
  }

  // Where all particles were at each step so far.
  trails(place) {
    const back = place.way === "back";
    const first = back ? place.turn : 0;
    const count = Math.abs(place.k - first);
    return Array.from({ length: count + 1 }, (_, i) => this.points(back ? first - i : i, place));
  }

  // --- the numbers -----------------------------------------------------------------------------------------------------

  numbers(place, here) {
    const { view, journey } = this;
    const [sampler, eta] = ["sampler", "eta"].map((trait) => view.get(trait));
    const { way, k, turn } = place;
    const back = way === "back";
    const key = `${way} ${k} ${back ? `${turn} ${sampler} ${eta}` : ""}`;
    if (this.measured?.key !== key || this.measured.journey !== journey) {
      if (this.measured?.journey === journey && view.get("playing") !== "no" && this.frame % EVERY) return;
      const [one, two] = [0, 1].map((which) => sortedProjections(journey.truth(k, which), LINES));
      const t = journey.time(k);
      const law = k ? this.law.noised(journey.schedule.sigma(t), journey.schedule.alpha(t)) : this.law;
      const now = parts(law, here);
      this.measured = {
        key, journey,
        distance: slicedWasserstein(sortedProjections(here, LINES), one),
        fresh: slicedWasserstein(two, one),
        home: now.reduce((sum, part, i) => sum + (part === this.born[i]), 0) / journey.n,
      };
    }
    const { distance, fresh, home } = this.measured;
    const t = journey.time(k);
    const [alpha, sigma] = [journey.schedule.alpha(t), journey.schedule.sigma(t)];
    const asked = back ? calls(sampler, turn, k) : 0;
    this.tell(`${k} of ${journey.steps}`, `${number(alpha, 3)}, ${number(sigma, 3)}`, String(asked), `${number(100 * home, 1)} %`, number(distance, 3), number(fresh, 3));
    const words = this.judge({ back, k, turn, home, distance, fresh, sampler });
    if (this.words.textContent !== words) this.words.textContent = words;
    view.say(
      `${nameOf(view.get("law"))}, ${back ? `on the way back by ${WAYS[sampler]} from t = ${number(view.get("turn"))}` : "on the way into noise"}: step ${k} of ${journey.steps}, ` +
        `signal ${number(alpha, 3)}, noise ${number(sigma, 3)}. Sliced Wasserstein distance to the exact law ${number(distance, 3)}, of fresh draws ` +
        `${number(fresh, 3)}; ${number(100 * home, 1)} percent of ${journey.n} particles are in the part of the data they came from.`,
    );
  }

  judge({ back, k, turn, home, distance, fresh, sampler }) {
    const { steps } = this.journey;
    if (!back) {
      if (k === 0) return "Data. Press Forward: every step shrinks the points a little and adds a little noise, and nothing is learnt in it.";
      if (k < steps) return "The exact law stays known at every time. Press Back to turn round here.";
      return "Noise, whatever the data were. Press Back: the exact denoiser guesses x₀ for each point, and a sampler makes steps of the guesses.";
    }
    if (k > 0) return `On the way back, ${WAYS[sampler]}. Between two times of the grid the points are drawn on straight lines.`;
    const close = distance < 1.5 * fresh;
    const law = close ? "The law of the data is there again, as near as fresh draws come" : `The samples are off: ${number(distance / fresh, 1)} times as far from the law as fresh draws are`;
    const origin = turn < steps ? ` Turned round at t = ${number(this.view.get("turn"))}, ${number(100 * home, 0)} % came home.` : ` Where a point began is ${home < 0.4 ? "forgotten" : "half remembered"}: ${number(100 * home, 0)} % came home, a quarter would by chance.`;
    return `${law}.${origin}`;
  }
}
