// A one-dimensional posterior on a grid and a normal law q = N(mean, std^2) against it, all by the trapezoid rule.
// The oracle is gmlib.vae (log_evidence, grid_posterior) in float64.
import { clamp } from "./scale.js";

const LOG_2PI = Math.log(2 * Math.PI);

export class GridPosterior {
  // z: the increasing grid; logJoint: log p(x, z) on it.
  constructor(z, logJoint) {
    this.z = z;
    this.logJoint = logJoint;
    this.weights = z.map((_, i) => ((z[Math.min(i + 1, z.length - 1)] - z[Math.max(i - 1, 0)]) / 2));
    const top = logJoint.reduce((a, b) => Math.max(a, b));
    this.logEvidence = top + Math.log(this.integral((i) => Math.exp(logJoint[i] - top)));
    this.density = logJoint.map((v) => Math.exp(v - this.logEvidence));
  }

  integral(f) {
    let sum = 0;
    for (let i = 0; i < this.z.length; i++) sum += this.weights[i] * f(i);
    return sum;
  }

  // Expected log joint, entropy, their sum the bound, and both divergences, in nats.
  terms(mean, std) {
    const { z, logJoint, density, logEvidence } = this;
    const constant = -Math.log(std) - LOG_2PI / 2;
    let energy = 0;
    let reverse = 0;
    let forward = 0;
    for (let i = 0; i < z.length; i++) {
      const logQ = constant - 0.5 * ((z[i] - mean) / std) ** 2;
      const q = this.weights[i] * Math.exp(logQ);
      energy += q * logJoint[i];
      reverse += q * (logQ - logJoint[i]);
      if (density[i] > 0) forward += this.weights[i] * density[i] * (logJoint[i] - logEvidence - logQ);
    }
    const entropy = 0.5 + LOG_2PI / 2 + Math.log(std);
    return { energy, entropy, elbo: energy + entropy, reverse: reverse + logEvidence, forward };
  }

  // Mean and standard deviation of the posterior: the minimiser of KL(p || q) over normal laws.
  moments() {
    const mean = this.integral((i) => this.density[i] * this.z[i]);
    const variance = this.integral((i) => this.density[i] * (this.z[i] - mean) ** 2);
    return { mean, std: Math.sqrt(variance) };
  }

  // The maximiser of the bound in the box: the best of a coarse grid, then ever smaller steps of the mean and of log std.
  optimum([low, high], [narrow, wide]) {
    let best = { mean: 0, std: 1, elbo: -Infinity };
    const look = (m, s) => {
      const mean = clamp(m, low, high);
      const std = clamp(s, narrow, wide);
      const { elbo } = this.terms(mean, std);
      const better = elbo > best.elbo;
      if (better) best = { mean, std, elbo };
      return better;
    };
    for (let i = 0; i <= 40; i++) {
      for (let j = 0; j <= 8; j++) look(low + (i / 40) * (high - low), narrow * (wide / narrow) ** (j / 8));
    }
    for (let step = (high - low) / 80; step > 1e-9; step /= 2) {
      let moved = true;
      while (moved) {
        const { mean, std } = best;
        moved = [[step, 1], [-step, 1], [0, Math.exp(step)], [0, Math.exp(-step)]].some(([d, f]) => look(mean + d, std * f));
      }
    }
    return best;
  }
}
