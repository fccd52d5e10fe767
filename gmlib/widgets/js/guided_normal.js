// Guidance where all is normal: a class N(c, v) within data N(0, v0), v0 = v + priorVar, and the guided guess
// u + w (c - u). Every step of a sampler is affine, so that mean and variance follow exactly. The oracle is
// gmlib.diffusion.guidance.GaussianGuidance.
import { ddpmSteps, mixOf } from "./ddpm_steps.js";
import { integrate } from "./quadrature.js";

const allVar = ({ variance, priorVar }) => variance + priorVar;

// Variances of the class and of the data at one noise level.
const noised = (state, alpha, sigma) => [alpha ** 2 * state.variance + sigma ** 2, alpha ** 2 * allVar(state) + sigma ** 2];

// The law proportional to q_t(x)^(1-w) q_t(x | c)^w, whose score is the guided one; at alpha = 1, sigma = 0 the tilted law.
// null: that density cannot be normalised.
export function tilt(state, alpha = 1, sigma = 0) {
  const [one, all] = noised(state, alpha, sigma);
  const precision = state.w / one + (1 - state.w) / all;
  return precision > 0 ? { mean: (alpha * state.w * state.c) / (one * precision), variance: 1 / precision } : null;
}

// What a sampler ("ancestral", with noise of variance beta, or "ddim") makes in that many steps of DDPM's chain.
export function sampled(state, sampler) {
  const { w, c, variance } = state;
  const v0 = allVar(state);
  const steps = ddpmSteps(state.steps);
  let [mean, spread] = [0, steps[0].sigmaT ** 2];
  for (const step of steps) {
    const { keep, pull, fresh } = mixOf(step, sampler);
    const [one, all] = noised(state, step.alphaT, step.sigmaT);
    const slope = step.alphaT * ((w * variance) / one + ((1 - w) * v0) / all);
    const factor = keep + pull * slope;
    mean = factor * mean + (pull * w * c * step.sigmaT ** 2) / one;
    spread = factor ** 2 * spread + fresh;
  }
  return { mean, variance: spread };
}

// What the probability flow of the guided score makes of endless noise, in endlessly many steps: v^w v0^(1-w), and the mean
// (w c / 2) h_0 times the integral of 1 / ((v + u) h_u) over u, where h_u = (v + u)^(w/2) (v0 + u)^((1-w)/2).
export function endlessFlow(state) {
  const { w, c, variance } = state;
  const v0 = allVar(state);
  const logH = (u) => (w / 2) * Math.log(variance + u) + ((1 - w) / 2) * Math.log(v0 + u);
  const start = logH(0);
  // u = (p / (1 - p))^2 has no spike at either end.
  const pull = (p) => {
    const u = (p / (1 - p)) ** 2;
    return (2 * p * Math.exp(start - logH(u))) / ((variance + u) * (1 - p) ** 3);
  };
  const total = w && c ? integrate(pull, 0, 1) : 0;
  return { mean: (w * c * total) / 2, variance: Math.exp(2 * start) };
}

// At signal alpha and noise sigma: slope and zero of the guided score, and of the score of the tilted law once noised, null
// where there is no tilted law.
export function scores(state, alpha, sigma) {
  const [one, all] = noised(state, alpha, sigma);
  const slope = -(state.w / one + (1 - state.w) / all);
  const end = tilt(state);
  return {
    guided: { slope, offset: (alpha * state.w * state.c) / one },
    tilted: end && lineOf(alpha * end.mean, alpha ** 2 * end.variance + sigma ** 2),
    one: lineOf(alpha * state.c, one),
    all: lineOf(0, all),
  };
}

// The score of N(mean, variance) as a line.
const lineOf = (mean, variance) => ({ slope: -1 / variance, offset: mean / variance });
