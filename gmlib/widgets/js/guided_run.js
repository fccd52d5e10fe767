// Points from noise to a class, step by step, guided with any weight from the same noise. The oracles are
// gmlib.noise.samplers, of a gmlib.noise.guidance.ClassifierFree.
import { denoised } from "./mixture_samplers.js";
import { cosine, evenTimes, stepsOf } from "./schedules.js";

export const SCHEDULE = cosine();

// The weight at a time: guidance acts from the first time of the interval to the second, and at others the class is told.
export const weightAt = (w, t, interval) => (!interval || (interval[0] <= t && t <= interval[1]) ? w : 1);

export class GuidedRun {
  // settings: label, steps, sampler ("ddim" or "ancestral", with the variance beta tilde), interval (two times, or null);
  // normal: draws from N(0, 1).
  constructor(law, { n, label, steps, sampler, interval }, normal) {
    Object.assign(this, { law, n, label, sampler, interval, normal, noise: [] });
    this.grid = stepsOf(SCHEDULE, evenTimes(SCHEDULE, steps));
  }

  // The noise that all weights share: the start, and what is added in the k-th step.
  drawn(k) {
    for (let j = this.noise.length; j <= k; j++) this.noise[j] = Float64Array.from({ length: 2 * this.n }, this.normal);
    return this.noise[k];
  }

  // The points at every time of the grid, and how often the denoiser was asked, a point.
  run(w) {
    const { law, grid, label, sampler, interval } = this;
    const kind = sampler === "ddim" ? "ddim" : "beta_tilde";
    const path = [this.drawn(0)];
    let calls = 0;
    grid.forEach((step, k) => {
      const here = weightAt(w, step.t, interval);
      calls += here === 0 || here === 1 ? 1 : 2;
      path.push(denoised(kind, SCHEDULE, step, path[k], law.guided(label, here), () => this.drawn(k + 1)));
    });
    return { path, calls };
  }
}
