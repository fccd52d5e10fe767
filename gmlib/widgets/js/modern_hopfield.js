// A modern Hopfield network: patterns that are looked up by attention, with an energy that falls at every step.

export class Memory {
  // patterns: K rows of d numbers, one after the other.
  constructor(patterns, d) {
    Object.assign(this, { patterns, d, k: patterns.length / d });
  }

  // x_k . x for every pattern.
  products(x) {
    const { patterns, d, k } = this;
    const found = new Float64Array(k);
    for (let i = 0, at = 0; i < k; i++) {
      let sum = 0;
      for (let j = 0; j < d; j++) sum += patterns[at++] * x[j];
      found[i] = sum;
    }
    return found;
  }

  // All there is to say about a state at inverse temperature `beta`: products with the patterns, their softmax, the energy
  // and the next state.
  look(x, beta) {
    const { patterns, d, k } = this;
    const products = this.products(x);
    const top = products.reduce((a, b) => Math.max(a, b), -Infinity);
    const weights = products.map((p) => Math.exp(beta * (p - top)));
    const total = weights.reduce((a, b) => a + b, 0);
    for (let i = 0; i < k; i++) weights[i] /= total;
    const square = x.reduce((sum, v) => sum + v * v, 0);
    const next = new Float64Array(d);
    for (let i = 0; i < k; i++) {
      const w = weights[i];
      if (w > 0) for (let j = 0, at = i * d; j < d; j++) next[j] += w * patterns[at + j];
    }
    return { products, weights, energy: -(top + Math.log(total) / beta) + square / 2, next };
  }

  // The states from x on, `steps` of them after the first, each with what look() says of it.
  recall(x, beta, steps) {
    const states = [];
    for (let t = 0, now = Float64Array.from(x); t <= steps; t++) {
      const seen = this.look(now, beta);
      states.push({ x: now, ...seen });
      now = seen.next;
    }
    return states;
  }

  pattern(i) {
    return this.patterns.subarray(i * this.d, (i + 1) * this.d);
  }
}

// exp of the entropy of weights that sum to one: how many of them count.
export const effective = (weights) => Math.exp(-weights.reduce((sum, w) => sum + (w > 0 ? w * Math.log(w) : 0), 0));

// The lead of one product over all others.
export const lead = (products, i) => products[i] - products.reduce((most, p, j) => (j === i ? most : Math.max(most, p)), -Infinity);

// How far in any entry the next state can be from a pattern that leads by `gap`, for patterns with entries from -1 to 1.
export const bound = (k, beta, gap) => 2 * (k - 1) * Math.exp(-beta * gap);

export const residual = (x, pattern) => x.reduce((most, v, i) => Math.max(most, Math.abs(v - pattern[i])), 0);

// Entries of +1 and -1 and the share of them, from a rank each, that are turned over; and the last rows, that are unknown: 0.
export function corrupted(pattern, ranks, flips, from) {
  return Float64Array.from(pattern, (v, i) => (i >= from ? 0 : ranks[i] < flips ? -v : v));
}

// The place of each entry when all are put in order; a tie goes to the earlier one.
export function ranks(values) {
  const order = Array.from(values, (_, i) => i).sort((a, b) => values[a] - values[b] || a - b);
  const found = new Int32Array(order.length);
  order.forEach((i, rank) => (found[i] = rank));
  return found;
}
