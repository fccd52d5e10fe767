// Noising and denoising points of the plane whose law is a known mixture: the exact denoiser, a step of the chain forward,
// and one back by each sampler. The oracles are gmlib.noise.exact_denoiser and gmlib.noise.samplers.
import { ExactScore } from "./exact_score.js";

// x0(points, alpha, sigma, out): the mean of the clean point given alpha clean + sigma noise.
export function exactDenoiser(law) {
  const exact = new ExactScore(law);
  const scaled = [];
  return (points, alpha, sigma, out = new Float64Array(points.length)) => {
    const ratio = sigma / alpha;
    const size = points.length;
    const y = (scaled[size] ??= new Float64Array(size));
    for (let i = 0; i < size; i++) y[i] = points[i] / alpha;
    exact.scores(y, ratio, out);
    for (let i = 0; i < size; i++) out[i] = y[i] + ratio * ratio * out[i];
    return out;
  };
}

// From s to the later t: shrink and add noise.
export function noised(step, points, noise) {
  const root = Math.sqrt(step.beta);
  return points.map((x, i) => step.shrink * x + root * noise[i]);
}

// From t back to s. sampler: "beta" or "beta_tilde", the ancestral one with that variance; "ddim", with eta; "heun", on the
// probability-flow ODE. `normals` gives fresh noise for all points, and is asked only where there is some.
export function denoised(sampler, schedule, step, points, x0, normals, eta = 0) {
  const clean = x0(points, step.alphaT, step.sigmaT);
  if (sampler === "heun") return heun(schedule, step, points, clean, x0);
  if (sampler === "ddim") {
    const fresh = eta ** 2 * step.betaTilde;
    const [kept, root] = [Math.sqrt(Math.max(0, step.sigmaS ** 2 - fresh)), Math.sqrt(fresh)];
    const noise = root > 0 ? normals() : null;
    return points.map((x, i) => step.alphaS * clean[i] + (kept * (x - step.alphaT * clean[i])) / step.sigmaT + (noise ? root * noise[i] : 0));
  }
  const keep = step.shrink * (step.sigmaS / step.sigmaT) ** 2;
  const pull = (step.alphaS * step.beta) / step.sigmaT ** 2;
  // The result of the last step is the sample; noise on it would be only noise.
  const noise = step.s > 0 ? normals() : null;
  const root = Math.sqrt(sampler === "beta" ? step.beta : step.betaTilde);
  return points.map((x, i) => keep * x + pull * clean[i] + (noise ? root * noise[i] : 0));
}

// alpha' x0 + sigma' eps, where signal and noise keep the variance.
function velocity(schedule, t, alpha, sigma, points, clean) {
  const slope = schedule.dAlpha(t);
  const rise = (-alpha * slope) / sigma;
  return points.map((x, i) => slope * clean[i] + (rise * (x - alpha * clean[i])) / sigma);
}

function heun(schedule, step, points, clean, x0) {
  const h = step.s - step.t;
  const here = velocity(schedule, step.t, step.alphaT, step.sigmaT, points, clean);
  const ahead = points.map((x, i) => x + h * here[i]);
  if (!(step.s > 0)) return ahead; // there the velocity asks for the noise of a point that has none
  const there = velocity(schedule, step.s, step.alphaS, step.sigmaS, ahead, x0(ahead, step.alphaS, step.sigmaS));
  return points.map((x, i) => x + (h * (here[i] + there[i])) / 2);
}

// How often the denoiser is asked from the k-th time of the grid back to the j-th.
export const calls = (sampler, k, j) => (sampler === "heun" ? 2 * (k - j) - (j === 0 && k > 0 ? 1 : 0) : k - j);
