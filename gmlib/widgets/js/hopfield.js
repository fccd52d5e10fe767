// A Hopfield network with Hebb's weights: activations, margins, energy, recall by one unit at a time or by all at once, and
// what a state is to the memories. States are arrays of +1 and -1, and sgn(0) = +1 throughout.

export const sign = (a) => (a >= 0 ? 1 : -1);
export const equal = (x, y) => x.every((v, i) => v === y[i]);

// The sum of the patterns' outer products with a zero diagonal, row by row.
export function hebb(patterns) {
  const d = patterns[0].length;
  const weights = new Float64Array(d * d);
  for (const x of patterns) {
    for (let i = 0; i < d; i++) for (let j = 0; j < d; j++) if (i !== j) weights[i * d + j] += x[i] * x[j];
  }
  return weights;
}

export function activation(weights, x, i) {
  let a = 0;
  for (let j = 0, row = i * x.length; j < x.length; j++) a += weights[row + j] * x[j];
  return a;
}

export const activations = (weights, x) => Float64Array.from(x, (_, i) => activation(weights, x, i));
export const margins = (weights, x) => activations(weights, x).map((a, i) => x[i] * a);
export const updated = (weights, x) => Int8Array.from(activations(weights, x), sign);
export const fixed = (weights, x) => equal(updated(weights, x), x);
export const overlap = (x, y) => x.reduce((sum, v, i) => sum + v * y[i], 0) / x.length;

// E(x), half of the sum over ordered pairs, with its sign.
export const energy = (weights, x) => -activations(weights, x).reduce((sum, a, i) => sum + a * x[i], 0) / 2;

// 0 to n - 1 in random order.
export function shuffled(n, uniform) {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// The state with `count` of its units, drawn without replacement, turned over.
export function damaged(x, count, uniform) {
  const y = Int8Array.from(x);
  for (const i of shuffled(x.length, uniform).subarray(0, count)) y[i] = -y[i];
  return y;
}

// A run from a start: unit after unit, in a new random order each sweep, or all units at once. It is known as far as it was
// asked for. `end` says how it ended: "fixed" when no update changes the state, "cycle" when two states take turns (which they
// go on to do), and `over` after how many steps.
export class Recall {
  constructor(weights, start, mode, uniform) {
    Object.assign(this, { weights, uniform, together: mode === "synchronous", units: [null], heard: [null], end: null, over: null });
    this.states = [Int8Array.from(start)];
    this.energies = [energy(weights, start)];
    this.judge();
  }

  get length() {
    return this.states.length - 1;
  }

  // Up to `most` steps, or until no update changes anything.
  run(most) {
    while (this.end !== "fixed" && this.length < most) this.step();
    return this;
  }

  // Up to `most` steps, or to the end, and of a cycle to the first return.
  finish(most) {
    while (!this.end && this.length < most) this.step();
    return this;
  }

  judge() {
    const { states, length } = this;
    if (this.end) return;
    if (fixed(this.weights, states[length])) this.end = "fixed";
    else if (this.together && length > 1 && equal(states[length], states[length - 2])) this.end = "cycle";
    if (this.end) this.over = length;
  }

  step() {
    const { weights, states } = this;
    const from = states[this.length];
    let to = from;
    if (this.together) {
      to = updated(weights, from);
      this.units.push(null);
      this.heard.push(null);
    } else {
      const k = this.length % from.length;
      if (k === 0) this.order = shuffled(from.length, this.uniform);
      const unit = this.order[k];
      const a = activation(weights, from, unit);
      if (sign(a) !== from[unit]) {
        to = Int8Array.from(from);
        to[unit] = sign(a);
      }
      this.units.push(unit);
      this.heard.push(a);
    }
    states.push(to);
    this.energies.push(energy(weights, to));
    this.judge();
  }
}

// The signs, one for each part, with which the sum of the parts agrees with the state wherever it is not 0; null for none.
function signs(x, parts) {
  for (let choice = 0; choice < 2 ** parts.length; choice++) {
    const way = parts.map((_, k) => ((choice >> k) & 1 ? -1 : 1));
    if (x.every((v, i) => parts.reduce((sum, y, k) => sum + way[k] * y[i], 0) * v >= 0)) return way;
  }
  return null;
}

// What a state is to the memories: "stored", "inverted", a "mixture" (the majority of three of them or of all, each as it is
// or inverted) or "other"; `which` are the memories' numbers from 1, negative for an inverse.
export function kind(x, memories) {
  for (const way of [1, -1]) {
    const k = memories.findIndex((y) => overlap(x, y) === way);
    if (k >= 0) return { kind: way > 0 ? "stored" : "inverted", which: [way * (k + 1)] };
  }
  const n = memories.length;
  const choices = [];
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) for (let k = j + 1; k < n; k++) choices.push([i, j, k]);
  if (n > 3) choices.push(Array.from({ length: n }, (_, k) => k));
  for (const chosen of choices) {
    const way = signs(x, chosen.map((k) => memories[k]));
    if (way) return { kind: "mixture", which: chosen.map((k, at) => way[at] * (k + 1)) };
  }
  return { kind: "other", which: [] };
}

// The ends { state, count } of runs joined to those reached before; of the two states of a cycle the one that comes first.
export function ends(reached, runs) {
  const found = new Map(reached.map(({ state, count }) => [String(state), count]));
  for (const run of runs) {
    const last = run.states.slice(run.end === "cycle" ? -2 : -1).map(String).sort();
    found.set(last[0], (found.get(last[0]) ?? 0) + 1);
  }
  return [...found].map(([state, count]) => ({ state: state.split(",").map(Number), count }));
}
