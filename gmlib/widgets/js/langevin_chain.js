// Langevin chains on N(0, 1), right and with three usual slips: chains, their exact law, where it settles. The oracle is
// gmlib.score.
import { langevin } from "./mixture.js";

const LEFT = 0.01; // of the start, when it counts as forgotten
const FAR = 1e150; // chains that have left end here, so that their square is still a number

// Each rule is the right one at some step and temperature.
const RULES = {
  langevin: (step) => ({ step, temperature: 1 }),
  double_drift: (step) => ({ step: 2 * step, temperature: 0.5 }),
  step_noise: (step) => ({ step, temperature: step }),
  double_noise: (step) => ({ step, temperature: 2 }),
};

// What is left of a distance from 0 after one step.
export const factor = (rule, step) => 1 - RULES[rule](step).step / 2;

// The variance in which the chains settle; Infinity when they do not.
export function stationary(rule, step) {
  const { step: own, temperature } = RULES[rule](step);
  return own < 4 ? temperature / (1 - own / 4) : Infinity;
}

// The step from which on the chains do not settle.
export const limit = (rule) => 4 / RULES[rule](1).step;

// Steps until at most 1 % of the start is left; Infinity when some always is.
export function forget(rule, step) {
  const left = Math.abs(factor(rule, step));
  if (left >= 1) return Infinity;
  return left > 0 ? Math.max(1, Math.ceil(Math.log(LEFT) / Math.log(left) - 1e-9)) : 1;
}

// Means and variances of the law after 0, 1, ..., k steps from one point.
export function laws(rule, step, start, k) {
  const { step: own, temperature } = RULES[rule](step);
  const a = 1 - own / 2;
  const [means, variances] = [new Float64Array(k + 1), new Float64Array(k + 1)];
  means[0] = start;
  for (let i = 0; i < k; i++) {
    means[i + 1] = a * means[i];
    variances[i + 1] = a * a * variances[i] + own * temperature;
  }
  return { means, variances };
}

// n chains under noise that is drawn once, a step at a time, from `normal`: the same whatever the rule, the step or the start.
export class Chains {
  constructor(n, normal) {
    Object.assign(this, { n, normal, noise: [], key: null, k: 0 });
    this.places = new Float64Array(n);
    this.push = new Float64Array(n);
    this.kick = new Float64Array(n);
    this.paths = []; // of the first chains, a list of places each
  }

  // Their places after k steps; it goes on from the last call where that can be.
  at(rule, step, start, k, kept = 0) {
    const key = `${rule} ${step} ${start} ${kept}`;
    if (key !== this.key || k < this.k) {
      this.places.fill(start);
      this.paths = Array.from({ length: kept }, () => [start]);
      Object.assign(this, { key, k: 0 });
    }
    const { step: own, temperature } = RULES[rule](step);
    const root = Math.sqrt(temperature);
    for (; this.k < k; this.k++) {
      const noise = (this.noise[this.k] ??= Float64Array.from({ length: this.n }, this.normal));
      for (let i = 0; i < this.n; i++) {
        this.push[i] = -this.places[i];
        this.kick[i] = root * noise[i];
      }
      langevin(this.places, this.push, own, this.kick);
      for (let i = 0; i < this.n; i++) this.places[i] = Math.max(-FAR, Math.min(FAR, this.places[i]));
      this.paths.forEach((path, i) => path.push(this.places[i]));
    }
    return this.places;
  }
}

// Mean and variance (divisor n - 1) of what was drawn.
export function moments(values) {
  const n = values.length;
  const mean = values.reduce((sum, v) => sum + v / n, 0);
  return { mean, variance: values.reduce((sum, v) => sum + (v - mean) ** 2 / (n - 1), 0) };
}

// How many fall into each of `count` bins from `low` to `high`, and how many below and above.
export function histogram(values, low, high, count) {
  const bins = new Float64Array(count);
  let [below, above] = [0, 0];
  for (const v of values) {
    if (v < low) below++;
    else if (v >= high) above++;
    else bins[Math.min(count - 1, Math.floor(((v - low) / (high - low)) * count))]++;
  }
  return { bins, below, above };
}
