// A normal field over a few places in a row, some of them measured, with noise: the law of the field then, and the law of
// what a sampler makes that is guided by the measurement. Both means are linear in what was measured, and every step is
// affine, so that nothing is drawn. The oracles are gmlib.noise.guidance.Measured and its samplers.
import { ddpmSteps, mixOf } from "./ddpm_steps.js";
import { cholesky, multiply, pick, solve } from "./matrices.js";

export const PLACES = 20;
export const NUGGET = 1e-3; // variance of each place that no other knows of
const N = PLACES;
const ALL = Array.from({ length: N }, (_, i) => i);

// exp(-(distance / length)^2 / 2) between two places.
export const covariance = (length) =>
  Float64Array.from({ length: N * N }, (_, at) => {
    const apart = Math.floor(at / N) - (at % N);
    return Math.exp(-0.5 * (apart / length) ** 2) + (apart ? 0 : NUGGET);
  });

// The exact law: the mean is `gain` (N x seen) times the measured values.
export function posterior({ length, seen, noise }) {
  const prior = covariance(length);
  const m = seen.length;
  const own = pick(prior, N, seen, seen);
  for (let i = 0; i < m; i++) own[i * m + i] += noise ** 2;
  const rows = pick(prior, N, seen, ALL);
  const solved = solve(own, rows, m, N);
  const gain = transposed(solved, m, N);
  const less = multiply(gain, rows, N, m, N);
  return { gain, cov: prior.map((value, at) => value - less[at]) };
}

// J at every step, where the best guess of the clean field is J x: alpha C (alpha^2 C + sigma^2 I)^-1. Worked out when it is
// asked for, and kept for the last field.
let kept = {};
function guesses(length, count) {
  const key = `${length} ${count}`;
  if (kept.key === key) return kept.of;
  const [prior, all] = [covariance(length), []];
  const of = (at) => {
    if (all[at]) return all[at];
    const { alphaT, sigmaT } = ddpmSteps(count)[at];
    const [noisy, signal] = [scaled(prior, alphaT ** 2), scaled(prior, alphaT)];
    for (let i = 0; i < N; i++) noisy[i * N + i] += sigmaT ** 2;
    return (all[at] = solve(noisy, signal, N, N));
  };
  kept = { key, of };
  return of;
}

// The law of what the sampler makes. rule: how sure the guess of the clean field is taken to be. "tweedie": its true
// covariance; "isotropic": the same number everywhere; "none": as if it were the truth, which pulls so hard that steps may
// be too long for it, and the law outgrows all numbers. A generator that yields after every step, so that a page can breathe
// between two, and returns the law.
export function* sampling({ length, seen, noise, sampler, steps }, rule) {
  const m = seen.length;
  const table = ddpmSteps(steps);
  const guess = guesses(length, steps);
  let gain = new Float64Array(N * m);
  let cov = new Float64Array(N * N);
  for (let i = 0; i < N; i++) cov[i * N + i] = table[0].sigmaT ** 2;
  for (const [at, step] of table.entries()) {
    const { keep, pull, fresh } = mixOf(step, sampler);
    const j = guess(at);
    const rows = pick(j, N, seen, ALL);
    // What a measured value adds to the guess, and with it to the next point.
    const pulled = scaled(transposed(solve(spread(step, j, seen, noise, rule), rows, m, N), m, N), (pull * step.sigmaT ** 2) / step.alphaT);
    const map = scaled(j, pull);
    const back = multiply(pulled, rows, N, m, N);
    for (let i = 0; i < map.length; i++) map[i] -= back[i];
    for (let i = 0; i < N; i++) map[i * N + i] += keep;
    gain = multiply(map, gain, N, N, m);
    for (let i = 0; i < gain.length; i++) gain[i] += pulled[i];
    cov = multiply(multiply(map, cov, N, N, N), transposed(map, N, N), N, N, N);
    for (let i = 0; i < N; i++) cov[i * N + i] += fresh;
    yield;
  }
  return { gain, cov };
}

// The same at once.
export function sampled(state, rule) {
  const run = sampling(state, rule);
  let turn = run.next();
  while (!turn.done) turn = run.next();
  return turn.value;
}

// The covariance that the measured values have, given the noisy field, by each rule.
function spread({ alphaT, sigmaT }, j, seen, noise, rule) {
  const m = seen.length;
  const out = rule === "tweedie" ? scaled(pick(j, N, seen, seen), sigmaT ** 2 / alphaT) : new Float64Array(m * m);
  const prior = 1 + NUGGET;
  const left = rule === "isotropic" ? (sigmaT ** 2 * prior) / (alphaT ** 2 * prior + sigmaT ** 2) : 0;
  for (let i = 0; i < m; i++) out[i * m + i] += left + noise ** 2;
  return out;
}

// A loop: a typed array's own map() takes ten times as long.
function scaled(a, factor) {
  const out = new Float64Array(a.length);
  for (let i = 0; i < a.length; i++) out[i] = factor * a[i];
  return out;
}

function transposed(a, n, m) {
  const out = new Float64Array(n * m);
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) out[j * n + i] = a[i * m + j];
  return out;
}

export const meanOf = (gain, values) => multiply(gain, values, N, values.length, 1);

// A field with that covariance, from N normal draws: add the mean.
export const shaped = (cov, draws) => multiply(cholesky(cov, N), draws, N, N, 1);

// How far a law is from the exact one: the root mean square of the difference of the means, and the ratio of the root mean
// variances.
export function compare(mean, cov, exactMean, exactCov) {
  let [off, mine, exact] = [0, 0, 0];
  for (let i = 0; i < N; i++) {
    off += (mean[i] - exactMean[i]) ** 2 / N;
    mine += cov[i * N + i];
    exact += exactCov[i * N + i];
  }
  return { off: Math.sqrt(off), band: Math.sqrt(mine / exact) };
}
