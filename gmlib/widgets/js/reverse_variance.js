// The variance of a sampler's points, step by step, on data N(0, v) with the exact noise prediction. Such a step multiplies
// the point by a number and adds noise, so that V_s = m^2 V_t + (variance of the noise), from V = 1.
import { CHAIN, ddpmSteps } from "./ddpm_steps.js";

// Signal squared at time t, the product that the bar stands for.
export const alphaBar = (t) => CHAIN.alpha(t) ** 2;
// The variance of the noised data.
export const marginal = (variance, t) => alphaBar(t) * variance + 1 - alphaBar(t);

// By what a step multiplies the point. bars: whether the quantity of all steps so far stands where that of one step, or the
// other way round, could stand: in the root in front, above epsilon, in the root below it. The right one is
// { front: false, above: false, below: true }.
export function multiplier(step, { variance, noise, bars }) {
  const bar = step.alphaT ** 2;
  const all = bar * variance + step.sigmaT ** 2; // of the noised data
  const eps = step.sigmaT / all;
  if (noise === "ddim") return (step.alphaS * step.alphaT * variance) / all + step.sigmaS * eps;
  const one = step.shrink ** 2; // 1 - beta of this step
  const [above, below] = [bars.above, bars.below].map((barred) => (barred ? step.sigmaT ** 2 : step.beta));
  return (1 - (above / Math.sqrt(below)) * eps) / Math.sqrt(bars.front ? bar : one);
}

// Times and variances from pure noise on; Infinity where they outgrow the numbers.
export function variances(state) {
  const steps = ddpmSteps(state.steps);
  const [times, values] = [new Float64Array(steps.length + 1), new Float64Array(steps.length + 1)];
  [times[0], values[0]] = [1, 1];
  steps.forEach((step, i) => {
    const fresh = { beta: step.beta, beta_tilde: step.betaTilde, ddim: 0 }[state.noise];
    const silent = i === steps.length - 1 && !state.lastNoise;
    times[i + 1] = step.s;
    values[i + 1] = multiplier(step, state) ** 2 * values[i] + (silent ? 0 : fresh);
  });
  return { times, values };
}

export const finalVariance = (state) => variances(state).values[state.steps];
