// A Gaussian mixture in the plane: density, score, noised law, draws. The oracle is gmlib.distributions.GaussianMixture.
import { cholesky, determinant, inverse, principal } from "./linear.js";

const LOG_2PI = Math.log(2 * Math.PI);
const NEGLIGIBLE = 40; // nats below the largest term: e^-40 is below float64's resolution of the sum

export class Mixture {
  // weights: K numbers; means: K pairs, flat; covariances: K triples (xx, xy, yy), flat.
  constructor({ weights, means, covariances }) {
    this.n = weights.length;
    this.weights = Float64Array.from(weights);
    this.means = Float64Array.from(means);
    this.covariances = Float64Array.from(covariances);
    const total = this.weights.reduce((sum, w) => sum + w, 0);
    this.precisions = new Float64Array(3 * this.n);
    this.constants = new Float64Array(this.n); // log of weight times the normal law's constant
    for (let k = 0; k < this.n; k++) {
      const [a, b, c] = this.covariances.subarray(3 * k);
      this.weights[k] /= total;
      this.precisions.set(inverse(a, b, c), 3 * k);
      this.constants[k] = Math.log(this.weights[k]) - LOG_2PI - 0.5 * Math.log(determinant(a, b, c));
    }
    this.terms = new Float64Array(this.n);
  }

  // The law of alpha x + sigma noise.
  noised(sigma, alpha = 1) {
    const covariances = this.covariances.map((v, i) => alpha * alpha * v + (i % 3 === 1 ? 0 : sigma * sigma));
    return new Mixture({ weights: this.weights, means: this.means.map((m) => alpha * m), covariances });
  }

  // Logs of weight times density of each component into this.terms; returns the largest.
  logTerms(x, y) {
    const { means, precisions, constants, terms, n } = this;
    let top = -Infinity;
    for (let k = 0; k < n; k++) {
      const dx = x - means[2 * k];
      const dy = y - means[2 * k + 1];
      const square = precisions[3 * k] * dx * dx + 2 * precisions[3 * k + 1] * dx * dy + precisions[3 * k + 2] * dy * dy;
      const term = constants[k] - 0.5 * square;
      terms[k] = term;
      if (term > top) top = term;
    }
    return top;
  }

  logDensity(x, y) {
    const top = this.logTerms(x, y);
    let sum = 0;
    for (let k = 0; k < this.n; k++) sum += Math.exp(this.terms[k] - top);
    return top + Math.log(sum);
  }

  // The score at each of the points (flat pairs), into `out`.
  scores(points, out = new Float64Array(points.length)) {
    const { means, precisions, terms, n } = this;
    for (let i = 0; i < points.length; i += 2) {
      const x = points[i];
      const y = points[i + 1];
      const least = this.logTerms(x, y) - NEGLIGIBLE;
      let sum = 0;
      let sx = 0;
      let sy = 0;
      for (let k = 0; k < n; k++) {
        if (terms[k] < least) continue;
        const w = Math.exp(terms[k] - least - NEGLIGIBLE);
        const dx = means[2 * k] - x;
        const dy = means[2 * k + 1] - y;
        sum += w;
        sx += w * (precisions[3 * k] * dx + precisions[3 * k + 1] * dy);
        sy += w * (precisions[3 * k + 1] * dx + precisions[3 * k + 2] * dy);
      }
      out[i] = sx / sum;
      out[i + 1] = sy / sum;
    }
    return out;
  }

  // The density on a grid of nx by ny points from (x0, y0) with spacing h, row by row upwards. A component reaches six
  // standard deviations; along a row its values follow from two products a step, since it is e to a quadratic.
  field({ x0, y0, h, nx, ny }) {
    const out = new Float64Array(nx * ny);
    for (let k = 0; k < this.n; k++) {
      const [mx, my] = this.means.subarray(2 * k);
      const [p, q, r] = this.precisions.subarray(3 * k);
      const reach = 6 * Math.sqrt(this.covariances[3 * k + 2]);
      const rest = r - (q * q) / p; // precision of y alone
      const shrink = Math.exp(-p * h * h);
      const first = Math.max(0, Math.ceil((my - reach - y0) / h));
      const last = Math.min(ny - 1, Math.floor((my + reach - y0) / h));
      for (let j = first; j <= last; j++) {
        const dy = y0 + j * h - my;
        const centre = mx - (q / p) * dy;
        const wide = Math.sqrt(Math.max(0, 36 - rest * dy * dy) / p);
        const from = Math.max(0, Math.ceil((centre - wide - x0) / h));
        const to = Math.min(nx - 1, Math.floor((centre + wide - x0) / h));
        const dx = x0 + from * h - centre;
        let value = Math.exp(this.constants[k] - 0.5 * (rest * dy * dy + p * dx * dx));
        let ratio = Math.exp(-p * h * (dx + h / 2));
        for (let i = j * nx + from; i <= j * nx + to; i++) {
          out[i] += value;
          value *= ratio;
          ratio *= shrink;
        }
      }
    }
    return out;
  }

  // n draws, flat pairs.
  sample(n, random) {
    const roots = Array.from({ length: this.n }, (_, k) => cholesky(...this.covariances.subarray(3 * k, 3 * k + 3)));
    const ends = [];
    this.weights.reduce((sum, w, k) => (ends[k] = sum + w), 0);
    const out = new Float64Array(2 * n);
    for (let i = 0; i < n; i++) {
      const u = random() * ends[this.n - 1];
      const k = Math.max(0, ends.findIndex((end) => u < end));
      const [l11, l21, l22] = roots[k];
      const e1 = random.normal();
      const e2 = random.normal();
      out[2 * i] = this.means[2 * k] + l11 * e1;
      out[2 * i + 1] = this.means[2 * k + 1] + l21 * e1 + l22 * e2;
    }
    return out;
  }

  moments() {
    const { weights, means, covariances } = this;
    const m = [0, 0];
    const v = [0, 0];
    for (let k = 0; k < this.n; k++) for (const d of [0, 1]) m[d] += weights[k] * means[2 * k + d];
    for (let k = 0; k < this.n; k++) {
      for (const d of [0, 1]) v[d] += weights[k] * (covariances[3 * k + 2 * d] + (means[2 * k + d] - m[d]) ** 2);
    }
    return { mean: m, variance: v };
  }

  // The smallest standard deviation of any component: what a grid must resolve.
  get grain() {
    let least = Infinity;
    for (let k = 0; k < this.n; k++) least = Math.min(least, principal(...this.covariances.subarray(3 * k, 3 * k + 3)).small);
    return least;
  }
}

// One step of unadjusted Langevin dynamics, x + (step/2) score + sqrt(step) noise, in place.
export function langevin(points, scores, step, noise) {
  const root = Math.sqrt(step);
  for (let i = 0; i < points.length; i++) points[i] += 0.5 * step * scores[i] + root * noise[i];
}
