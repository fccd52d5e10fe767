// The score of a mixture's noised law at thousands of points a frame: what Mixture.scores computes, in two lanes.
import { kernels } from "./simd.js";

const CHUNK = 1024; // points at a time

export class ExactScore {
  constructor(law, simd = true) {
    this.law = law;
    this.terms = 2 * CHUNK;
    this.table = this.terms + 4 * law.n;
    this.kernels = simd ? kernels(8 * (this.table + 6 * law.n)) : null;
  }

  // The law of x + sigma noise.
  noised(sigma) {
    if (this.sigma === sigma) return this.now;
    const now = sigma > 0 ? this.law.noised(sigma) : this.law;
    if (this.kernels) {
      const { numbers } = this.kernels;
      for (let k = 0; k < now.n; k++) {
        numbers.set(now.means.subarray(2 * k, 2 * k + 2), this.table + 6 * k);
        numbers.set(now.precisions.subarray(3 * k, 3 * k + 3), this.table + 6 * k + 2);
        numbers[this.table + 6 * k + 5] = now.constants[k];
      }
    }
    [this.now, this.sigma] = [now, sigma];
    return now;
  }

  // The score at each of the points (flat pairs), into `out`.
  scores(points, sigma, out = new Float64Array(points.length)) {
    const now = this.noised(sigma);
    if (!this.kernels) return now.scores(points, out);
    const { numbers, mixture } = this.kernels;
    for (let at = 0; at < points.length; at += 2 * CHUNK) {
      const part = points.subarray(at, at + 2 * CHUNK);
      const length = 8 * Math.ceil(part.length / 8); // four points at a time
      numbers.set(part);
      numbers.fill(0, part.length, length);
      mixture(0, 8 * length, 8 * this.table, 8 * (this.table + 6 * now.n), 8 * this.terms);
      out.set(numbers.subarray(0, part.length), at);
    }
    return out;
  }
}
