// Particles from data into noise and back: the plane with the exact law at every time, histograms of both coordinates
// under their exact densities, trajectories, and how far the particles are from the law.
import { button, check, choice, number, readout, select, slider } from "../controls.js";
import { heatMap, particles } from "../draw.js";
import { calls } from "../mixture_samplers.js";
import { Mixture } from "../mixture.js";
import { Journey, PARTS, parts } from "../noising_journey.js";
import { random } from "../random.js";
import { directions, slicedWasserstein, sortedProjections } from "../sliced.js";
import { Stage, stroke } from "../stage.js";
import { weights } from "../weights.js";
import { widget } from "../widget.js";

const NAMES = { swiss_roll: "Swiss roll", two_moons: "two moons", eight_gaussians: "eight Gaussians" };
const WAYS = { beta: "ancestral, variance β", beta_tilde: "ancestral, variance β̃", ddim: "DDIM", heun: "Heun on the flow's ODE" };
const COLOURS = ["red", "green", "pink", "orange"]; // of the four parts of the data
const HALVES = { swiss_roll: 3.4, two_moons: 2.9, eight_gaussians: 3.1 }; // half the side of the plane that is shown
const FRESH = 10; // steps of a trajectory that are drawn in full; what is older fades
const BINS = 40;
const TRAILS = 12;
const SECONDS = 5; // from data to noise
const BUDGET = 14; // milliseconds of a frame for steps back
const LINES = directions(32);
const EVERY = 12; // frames between two distances while particles move

const clamp = (v, a, b) => Math.min(b, Math.max(a, v));

export default widget("forward-and-back", "Forward and back", (view) => new Walk(view));

class Walk {
  constructor(view) {
    Object.assign(this, { view, law: null, asked: null, frame: 0, last: null });
    this.layout();
    view.bind("law", () => this.load());
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
    select(view, panel, { trait: "law", label: "law", options: view.get("laws").map((name) => [name, NAMES[name] ?? name]) });
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

  async load() {
    const { view } = this;
    const name = view.get("law");
    this.asked = name;
    try {
      const arrays = await weights(view, name);
      if (this.asked !== name || view.signal.aborted) return;
      this.law = new Mixture(Object.fromEntries(["weights", "means", "covariances"].map((key) => [key, arrays[key].data])));
      Object.assign(this, { name, half: HALVES[name] ?? 3.4 });
      view.notice("");
      this.begin();
    } catch (error) {
      if (this.asked !== name || view.signal.aborted) return;
      view.notice(`The law “${NAMES[name] ?? name}” could not be loaded. ${error.message}`);
    }
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
    if (view.get("trails") && whole) this.trails(place, moved, false);
    const many = journey.n;
    const sorted = Array.from({ length: PARTS }, () => []);
    for (let i = 0; i < many; i++) sorted[this.born[i]].push(moved[2 * i], moved[2 * i + 1]);
    sorted.forEach((flat, part) => particles(plane, flat, { colour: colours[COLOURS[part]], radius: 1.25, alpha: 0.85 }));
    if (view.get("trails") && whole) this.trails(place, moved, true);
    this.strip(c, law, moved, 0);
    this.strip(c, law, moved, 1);
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

  // The law at a time: density on a grid and both marginals.
  exact(t) {
    const key = `${this.name} ${this.view.get("schedule")} ${t}`;
    if (this.ground?.key === key) return this.ground;
    const { schedule } = this.journey;
    const { half } = this;
    const now = t > 0 ? this.law.noised(schedule.sigma(t), schedule.alpha(t)) : this.law;
    // Beyond the edge, where a scaled picture fades.
    const h = Math.max((2 * half) / 250, 0.28 * now.grain);
    const side = Math.ceil((2 * half) / h) + 4;
    const grid = { x0: -half - 1.5 * h, y0: -half - 1.5 * h, h, nx: side, ny: side };
    const values = now.field(grid);
    const places = Float64Array.from({ length: 121 }, (_, i) => half * (i / 60 - 1));
    const marginals = [0, 1].map((d) => {
      const out = new Float64Array(places.length);
      for (let k = 0; k < now.n; k++) {
        const variance = now.covariances[3 * k + 2 * d];
        const scale = now.weights[k] / Math.sqrt(2 * Math.PI * variance);
        const mean = now.means[2 * k + d];
        for (let i = 0; i < places.length; i++) {
          const far = (places[i] - mean) ** 2 / variance;
          if (far < 60) out[i] += scale * Math.exp(-0.5 * far);
        }
      }
      return out;
    });
    return (this.ground = { key, now, grid, values, top: values.reduce((a, b) => (b > a ? b : a), 0), places, marginals });
  }

  // A histogram of one coordinate and its exact density, above the plane or beside it.
  strip(c, { places, marginals }, moved, d) {
    const { view, plane, journey, half } = this;
    const { colours } = view;
    const { x, y, margin, width } = plane;
    const counts = new Float64Array(BINS);
    for (let i = d; i < moved.length; i += 2) {
      const bin = Math.floor(((moved[i] + half) / (2 * half)) * BINS);
      if (bin >= 0 && bin < BINS) counts[bin]++;
    }
    const wide = (2 * half) / BINS;
    const room = (d ? margin.right : margin.top) - 8;
    const most = 1.12 * Math.max(...marginals[d], 0.42);
    const tall = (v) => Math.min(room, (room * v) / most);
    const [foot, edge] = [margin.top - 2, width - margin.right + 2];
    c.fillStyle = colours.faint;
    c.globalAlpha = 0.4;
    counts.forEach((count, i) => {
      const size = tall(count / (journey.n * wide));
      const from = -half + i * wide;
      if (!size) return;
      if (d) c.fillRect(edge, y(from + wide) + 0.5, size, y(from) - y(from + wide) - 1);
      else c.fillRect(x(from) + 0.5, foot - size, x(from + wide) - x(from) - 1, size);
    });
    c.globalAlpha = 1;
    c.strokeStyle = colours.blue;
    c.lineWidth = 2;
    c.lineJoin = "round";
    stroke(c, ...Array.from(places, (v, i) => (d ? [edge + tall(marginals[1][i]), y(v)] : [x(v), foot - tall(marginals[0][i])])));
  }

  // The ways of a few particles: lines below the others, dots above them.
  trails(place, moved, dots) {
    const { view, plane } = this;
    const { colours } = view;
    const { x, y } = plane;
    const back = place.way === "back";
    const first = back ? place.turn : 0;
    const count = Math.abs(place.k - first);
    const levels = Array.from({ length: count + 1 }, (_, i) => this.points(back ? first - i : i, place));
    plane.inside((c) => {
      c.lineJoin = c.lineCap = "round";
      for (let i = 0; i < Math.min(TRAILS, this.journey.n); i++) {
        const colour = colours[COLOURS[this.born[i]]];
        const end = [x(moved[2 * i]), y(moved[2 * i + 1])];
        if (dots) {
          c.fillStyle = colour;
          c.strokeStyle = colours.paper;
          c.lineWidth = 1.6;
          c.beginPath();
          c.arc(...end, 4.2, 0, 7);
          c.fill();
          c.stroke();
          continue;
        }
        const path = [...levels.map((level) => [x(level[2 * i]), y(level[2 * i + 1])]), end];
        const recent = path.slice(-FRESH - 1);
        for (const [width, style, alpha, part] of [[1, colour, 0.28, path], [3.4, colours.paper, 0.55, recent], [1.5, colour, 0.95, recent]]) {
          c.strokeStyle = style;
          c.lineWidth = width;
          c.globalAlpha = alpha;
          stroke(c, ...part);
        }
        c.globalAlpha = 1;
        c.fillStyle = colours.paper;
        c.strokeStyle = colour;
        c.beginPath();
        c.arc(...path[0], 2.6, 0, 7);
        c.fill();
        c.stroke();
      }
    });
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
      `${NAMES[view.get("law")]}, ${back ? `on the way back by ${WAYS[sampler]} from t = ${number(view.get("turn"))}` : "on the way into noise"}: step ${k} of ${journey.steps}, ` +
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
