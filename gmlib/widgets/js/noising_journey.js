// Points on their way from the data into noise and back again, on a grid of times; worked out as far as it is asked for.
import { denoised, exactDenoiser, noised } from "./mixture_samplers.js";
import { cosine, ddpmLinear, evenTimes, stepsOf } from "./schedules.js";

export const SCHEDULES = { cosine: cosine(), linear: ddpmLinear() };
export const PARTS = 4; // of the data, by colour

// The part of the data that a point most likely comes from, for each of the points; law: the noised one.
export function parts(law, points) {
  return Uint8Array.from({ length: points.length / 2 }, (_, i) => {
    law.logTerms(points[2 * i], points[2 * i + 1]);
    let best = 0;
    for (let k = 1; k < law.n; k++) if (law.terms[k] > law.terms[best]) best = k;
    return Math.floor((PARTS * best) / law.n);
  });
}

export class Journey {
  // random(seed): a function that draws from U[0, 1), with `.normal()` for N(0, 1).
  constructor(law, { n, seed, steps, schedule }, random) {
    Object.assign(this, { law, n, seed, steps, random, schedule: SCHEDULES[schedule] });
    this.times = evenTimes(this.schedule, steps); // the noisiest first
    this.grid = stepsOf(this.schedule, this.times);
    this.x0 = exactDenoiser(law);
    this.there = [law.sample(n, this.stream(0))]; // points at the k-th time from the data on
    this.walk = this.stream(1);
    this.back = { key: null };
    this.noise = []; // of the way back, by step: the same for every sampler
  }

  // Draws of one kind: of the data, of the way there, of the steps back and of what the particles are held to.
  stream(which, shift = 0) {
    return this.random((4 * (this.seed + shift) + which) % 2 ** 31);
  }

  // The k-th time from the data on, and the step between it and the one before.
  time(k) {
    return this.times[this.steps - k];
  }

  step(k) {
    return this.grid[this.steps - k];
  }

  normals({ normal }) {
    return Float64Array.from({ length: 2 * this.n }, normal);
  }

  forward(k) {
    for (let j = this.there.length; j <= k; j++) this.there[j] = noised(this.step(j), this.there[j - 1], this.normals(this.walk));
    return this.there[k];
  }

  // The noise of the step that ends at the k-th time.
  fresh(k) {
    return (this.noise[k] ??= this.normals(this.stream(2, 7919 * (k + 1))));
  }

  // Points at the k-th time on the way back from `turn`; null when `until` (of performance.now()) came first.
  backward(k, { turn, sampler, eta, until = Infinity }) {
    const key = `${turn} ${sampler} ${sampler === "ddim" ? eta : ""}`;
    if (this.back.key !== key) this.back = { key, points: [], at: turn };
    const { back } = this;
    back.points[turn] ??= this.forward(turn);
    while (back.at > k) {
      if (performance.now() > until) return null;
      const step = this.step(back.at);
      back.points[back.at - 1] = denoised(sampler, this.schedule, step, back.points[back.at], this.x0, () => this.fresh(back.at - 1), eta);
      back.at--;
    }
    return back.points[k];
  }

  // Fresh draws from the law at the k-th time: what the particles are held to.
  truth(k, which) {
    this.drawn ??= [2, 3].map((i) => {
      const uniform = this.stream(i);
      return { clean: this.law.sample(this.n, uniform), noise: this.normals(uniform) };
    });
    const { clean, noise } = this.drawn[which];
    const [alpha, sigma] = [this.schedule.alpha(this.time(k)), this.schedule.sigma(this.time(k))];
    return clean.map((x, i) => alpha * x + sigma * noise[i]);
  }
}
