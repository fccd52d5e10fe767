// Eight Gaussians on a circle, and a model of them that can be spoiled in three ways: noise among the samples, modes that
// never occur, training points by heart. The oracle is HonestDashboard in float64, which draws the same points.
import { frechet, inceptionScore, median, moments, nearest, precisionRecall } from "./metrics.js";
import { Mixture } from "./mixture.js";

export const N = 400; // points in each sample
export const MODES = 8;
export const K = 3; // neighbours that make a ball
export const HALF = 4; // uniform noise fills [-4, 4]^2
const STD = 0.2;
const RADIUS = 2;
// The first four to go are every other one: what is left has the mean and covariance of all eight.
const ORDER = [0, 4, 2, 6, 1, 5, 3, 7];
const NEGLIGIBLE = 45; // nats below the largest term: 400 times e^-45 is below float64's resolution
const REPEATS = 16; // honest models

const CENTRES = Float64Array.from({ length: 2 * MODES }, (_, i) => {
  const angle = (2 * Math.PI * (i >> 1)) / MODES;
  return RADIUS * (i % 2 ? Math.sin(angle) : Math.cos(angle));
});
const round = (count, variance) => Array.from({ length: count }, () => [variance, 0, variance]).flat();
const equal = (centres, variance) =>
  new Mixture({ weights: Array(centres.length / 2).fill(1), means: centres, covariances: round(centres.length / 2, variance) });
export const LAW = equal(CENTRES, STD * STD);
const EXACT = { mean: [0, 0], covariance: [RADIUS ** 2 / 2 + STD * STD, 0, RADIUS ** 2 / 2 + STD * STD] };
const BROAD = EXACT.covariance[0]; // variance of the Gaussian noise: that of the law

// A sample of the law: points, and the mode of each.
function drawn(uniform) {
  const labels = Array.from({ length: N }, () => Math.floor(MODES * uniform()));
  return { labels, points: normals(uniform).map((e, i) => CENTRES[2 * labels[i >> 1] + (i % 2)] + STD * e) };
}

const normals = (uniform) => Float64Array.from({ length: 2 * N }, uniform.normal);
const uniforms = (uniform, n = N) => Float64Array.from({ length: n }, uniform);

// All that depends on the seed alone: `uniform` draws from U[0, 1), with `.normal()` for N(0, 1).
export function world(uniform) {
  const [train, test, fresh] = [drawn(uniform), drawn(uniform), drawn(uniform)];
  const [switches, picks] = [uniforms(uniform), uniforms(uniform)];
  const noise = {
    uniform: uniforms(uniform, 2 * N).map((u) => HALF * (2 * u - 1)),
    gaussian: normals(uniform).map((e) => Math.sqrt(BROAD) * e),
  };
  const now = { train, test, fresh, switches, picks, noise, errors: normals(uniform) };
  now.radii = nearest(train.points, train.points, K, true);
  now.apart = nearest(test.points, train.points, 1);
  now.moments = moments(train.points);
  const logs = (points) => Float64Array.from({ length: N }, (_, i) => LAW.logDensity(points[2 * i], points[2 * i + 1]));
  const [seen, held] = [logs(train.points), logs(test.points)];
  now.real = { ...ofSample(now, test.points), test: -average(held), train: -average(seen) };
  // Where honest models fall: the same numbers from other samples of the law, as mean and standard deviation.
  const repeats = Array.from({ length: REPEATS }, () => ofSample(now, drawn(uniform).points));
  now.honest = Object.fromEntries(Object.keys(repeats[0]).map((key) => [key, spread(repeats.map((m) => m[key]))]));
  for (const [key, values] of [["test", held], ["train", seen]]) {
    now.honest[key] = { mean: now.real[key], std: spread(values).std / Math.sqrt(N) };
  }
  return now;
}

// The numbers that need samples only.
function ofSample(now, sample) {
  const { train, radii, apart } = now;
  const probs = new Float64Array(MODES * N);
  for (let i = 0; i < N; i++) {
    const top = LAW.logTerms(sample[2 * i], sample[2 * i + 1]);
    const terms = LAW.terms.map((term) => Math.exp(term - top));
    const sum = terms.reduce((a, b) => a + b, 0);
    terms.forEach((term, k) => (probs[MODES * i + k] = term / sum));
  }
  return {
    inception: inceptionScore(probs, MODES),
    frechet: frechet(moments(sample), now.moments),
    ...precisionRecall(train.points, sample, K, radii),
    ratio: ratio(nearest(sample, train.points, 1), apart),
  };
}

const ratio = (sample, test) => median(sample) / median(test);
const average = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

function spread(values) {
  const mean = average(values);
  return { mean, std: Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1)) };
}

// The spoiled model in the world of a seed: its sample with the kind of each point, its numbers, and what is exact.
export function spoil(now, { share, dropped, memorise, bandwidth, noise }) {
  const { train, test, fresh, switches, picks, errors } = now;
  const gone = new Set(ORDER.slice(0, dropped));
  const stays = (label) => !gone.has(label);
  const modes = [...Array(MODES).keys()].filter(stays);
  const known = [...Array(N).keys()].filter((i) => stays(train.labels[i]));
  const pick = (list, i) => list[Math.floor(list.length * picks[i])];
  const sample = new Float64Array(2 * N);
  const kinds = Array.from({ length: N }, (_, i) => (switches[i] < share ? "noise" : memorise ? "copy" : "model"));
  for (let i = 0; i < N; i++) {
    const label = stays(fresh.labels[i]) ? fresh.labels[i] : pick(modes, i);
    const source = stays(train.labels[i]) ? i : pick(known, i);
    for (const d of [0, 1]) {
      const at = 2 * i + d;
      if (kinds[i] === "noise") sample[at] = now.noise[noise][at];
      else if (memorise) sample[at] = train.points[2 * source + d] + bandwidth * errors[at];
      else sample[at] = fresh.points[at] + CENTRES[2 * label + d] - CENTRES[2 * fresh.labels[i] + d];
    }
  }
  const centres = (memorise ? known : modes).flatMap((i) => [0, 1].map((d) => (memorise ? train.points : CENTRES)[2 * i + d]));
  const variance = memorise ? bandwidth * bandwidth : STD * STD;
  const core = equal(centres, variance);
  const loss = (points) => {
    let [clean, whole] = [0, 0];
    for (let i = 0; i < N; i++) {
      const [x, y] = [points[2 * i], points[2 * i + 1]];
      const log = logDensity(core, x, y);
      clean -= log / N;
      whole -= (share > 0 ? logSum(Math.log1p(-share) + log, Math.log(share) + logNoise(noise, x, y)) : log) / N;
    }
    return { whole, bound: clean - Math.log1p(-share) };
  };
  const [held, seen] = [loss(test.points), loss(train.points)];
  return {
    sample,
    kinds,
    numbers: { ...ofSample(now, sample), test: held.whole, train: seen.whole },
    exact: {
      inception: MODES - dropped,
      frechet: frechet(mixed(moments(centres, 0), variance, share, noise), EXACT),
      precision: 1 - share,
      recall: (MODES - dropped) / MODES,
      test: held.bound,
      train: seen.bound,
    },
  };
}

// As Mixture's own, without the terms that float64 cannot see in the sum: of the memoriser's 400 few are left.
function logDensity(law, x, y) {
  const top = law.logTerms(x, y);
  let sum = 0;
  for (const term of law.terms) if (term > top - NEGLIGIBLE) sum += Math.exp(term - top);
  return top + Math.log(sum);
}

function logSum(a, b) {
  const top = Math.max(a, b);
  return top + Math.log1p(Math.exp(Math.min(a, b) - top));
}

function logNoise(kind, x, y) {
  if (kind === "gaussian") return -Math.log(2 * Math.PI * BROAD) - (x * x + y * y) / (2 * BROAD);
  return Math.max(Math.abs(x), Math.abs(y)) <= HALF ? -2 * Math.log(2 * HALF) : -Infinity;
}

// Mean and covariance of the model's law: bumps of a variance around centres, and noise around 0.
function mixed({ mean: [a, b], covariance: [xx, xy, yy] }, variance, share, noise) {
  const wide = share * (noise === "gaussian" ? BROAD : HALF ** 2 / 3);
  const [keep, both] = [1 - share, share * (1 - share)];
  return {
    mean: [keep * a, keep * b],
    covariance: [keep * (xx + variance) + wide + both * a * a, keep * xy + both * a * b, keep * (yy + variance) + wide + both * b * b],
  };
}
