// A restricted Boltzmann machine small enough to count: four visible units, three hidden ones, all 0 or 1, so that every sum
// over states is a sum of 16 or 128 terms. Its 19 parameters are one list, as gmlib's gradients have them: the weights row
// by row (a visible unit a row), then the biases b of the visible units, then c of the hidden ones.
export const D = 4;
export const H = 3;
export const STATES = 2 ** D;
export const SIZE = D * H + D + H;
export const LIMIT = 6; // of a parameter, either side

const sigmoid = (a) => 1 / (1 + Math.exp(-a));
const softplus = (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));
const log = (p) => (p > 0 ? Math.log(p) : 0); // for p log p, which is 0 at 0
export const clamped = (p) => p.map((v) => Math.min(LIMIT, Math.max(-LIMIT, v)));

// The units of the visible state with this number: the first unit is the leading digit.
export const visible = (index) => Array.from({ length: D }, (_, i) => (index >> (D - 1 - i)) & 1);
const X = Array.from({ length: STATES }, (_, index) => visible(index));

export const parameters = (weight, b, c) => [...weight.flat(), ...b, ...c];
export const traits = (p) => ({
  weight: Array.from({ length: D }, (_, i) => [...p.slice(H * i, H * (i + 1))]),
  b: [...p.slice(D * H, D * H + D)],
  c: [...p.slice(D * H + D)],
});

function logits(p, x) {
  return Array.from({ length: H }, (_, j) => x.reduce((sum, v, i) => sum + v * p[H * i + j], p[D * H + D + j]));
}

export const hiddenMeans = (p, x) => logits(p, x).map(sigmoid);
export const visibleMeans = (p, h) => Array.from({ length: D }, (_, i) => sigmoid(h.reduce((sum, v, j) => sum + v * p[H * i + j], p[D * H + i])));

// Called for every state at every point of a landscape, so without lists of its own.
export function freeEnergy(p, x) {
  let free = 0;
  for (let i = 0; i < D; i++) if (x[i]) free -= p[D * H + i];
  for (let j = 0; j < H; j++) {
    let a = p[D * H + D + j];
    for (let i = 0; i < D; i++) if (x[i]) a += p[H * i + j];
    free -= softplus(a);
  }
  return free;
}

// log Z and the probabilities of the 16 visible states.
export function enumerate(p) {
  const free = X.map((x) => freeEnergy(p, x));
  const least = Math.min(...free);
  const logZ = Math.log(free.reduce((sum, f) => sum + Math.exp(least - f), 0)) - least;
  return { logZ, law: free.map((f) => Math.exp(-f - logZ)), logs: free.map((f) => -f - logZ) };
}

export const entropy = (law) => -law.reduce((sum, q) => sum + q * log(q), 0);
export const likelihood = (law, logs) => law.reduce((sum, q, i) => sum + (q > 0 ? q * logs[i] : 0), 0);
export const variation = (p, q) => p.reduce((sum, v, i) => sum + Math.abs(v - q[i]), 0) / 2;

// Expectations of x hᵀ, x and h when x has this law.
function statistics(p, law) {
  const out = new Array(SIZE).fill(0);
  X.forEach((x, index) => {
    const mean = hiddenMeans(p, x);
    for (let j = 0; j < H; j++) {
      out[D * H + D + j] += law[index] * mean[j];
      for (let i = 0; i < D; i++) out[H * i + j] += law[index] * x[i] * mean[j];
    }
    for (let i = 0; i < D; i++) out[D * H + i] += law[index] * x[i];
  });
  return out;
}

const minus = (a, b) => a.map((v, i) => v - b[i]);

export const exactGradient = (p, data) => minus(statistics(p, data), statistics(p, enumerate(p).law));

// The law of the visible units after k steps of the chain from this one: down to the hidden states, up again.
export function afterSteps(p, law, k) {
  const down = X.map((x) => {
    const mean = hiddenMeans(p, x);
    return Array.from({ length: 2 ** H }, (_, index) => mean.reduce((q, m, j) => q * ((index >> (H - 1 - j)) & 1 ? m : 1 - m), 1));
  });
  const up = Array.from({ length: 2 ** H }, (_, index) => {
    const mean = visibleMeans(p, Array.from({ length: H }, (_, j) => (index >> (H - 1 - j)) & 1));
    return X.map((x) => mean.reduce((q, m, i) => q * (x[i] ? m : 1 - m), 1));
  });
  let now = [...law];
  for (let t = 0; t < k; t++) {
    const hidden = up.map((_, h) => now.reduce((sum, q, x) => sum + q * down[x][h], 0));
    now = X.map((_, x) => hidden.reduce((sum, q, h) => sum + q * up[h][x], 0));
  }
  return now;
}

// What the gradient of CD-k is on average over its chains.
export const cdGradient = (p, data, k) => minus(statistics(p, data), statistics(p, afterSteps(p, data, k)));

const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);

// Degrees between two directions; null if one has no length.
export function angle(a, b) {
  const size = Math.sqrt(dot(a, a) * dot(b, b));
  return size > 1e-24 ? (180 / Math.PI) * Math.atan2(Math.sqrt(Math.max(0, size * size - dot(a, b) ** 2)), dot(a, b)) : null;
}

export function report(p, data, k) {
  const { logZ, law, logs } = enumerate(p);
  const exact = exactGradient(p, data);
  const later = afterSteps(p, data, k);
  const cd = minus(statistics(p, data), statistics(p, later));
  const [own, score] = [entropy(data), likelihood(data, logs)];
  const kl = -own - score;
  const left = -entropy(later) - likelihood(later, logs); // KL of the law after k steps from the model's
  const size = Math.sqrt(dot(exact, exact));
  const gap = minus(cd, exact);
  return {
    logZ, law, logs, exact, cd, later, kl, left,
    likelihood: score,
    entropy: own,
    objective: kl - left,
    angle: angle(exact, cd),
    error: size > 1e-12 ? Math.sqrt(dot(gap, gap)) / size : null,
  };
}

// Steps uphill by either gradient.
export function follow(p, data, { rule, k, rate, steps = 1 }) {
  let now = [...p];
  for (let t = 0; t < steps; t++) {
    const way = rule === "exact" ? exactGradient(now, data) : cdGradient(now, data, k);
    now = clamped(now.map((v, i) => v + rate * way[i]));
  }
  return now;
}

// Mean log-likelihood on a square grid over two of the parameters, the others as they are; the first to the right.
export function landscape(p, data, [first, second], side) {
  const values = new Float64Array(side * side);
  const now = [...p];
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      now[first] = LIMIT * ((2 * column) / (side - 1) - 1);
      now[second] = LIMIT * ((2 * row) / (side - 1) - 1);
      values[row * side + column] = likelihood(data, enumerate(now).logs);
    }
  }
  return values;
}

// A block Gibbs chain and how often it has visited each state. It starts with every unit off.
export class Chain {
  constructor(p, uniform) {
    Object.assign(this, { p, uniform, x: new Array(D).fill(0), h: new Array(H).fill(0), steps: 0, visits: new Array(STATES).fill(0) });
  }

  step(count = 1) {
    const { p, uniform } = this;
    for (let t = 0; t < count; t++) {
      this.h = hiddenMeans(p, this.x).map((m) => Number(uniform() < m));
      this.x = visibleMeans(p, this.h).map((m) => Number(uniform() < m));
      this.visits[this.x.reduce((index, v) => 2 * index + v, 0)]++;
    }
    this.steps += count;
  }

  get frequencies() {
    return this.visits.map((n) => n / Math.max(1, this.steps));
  }
}
