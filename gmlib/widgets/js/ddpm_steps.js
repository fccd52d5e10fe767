// The steps of DDPM's chain, or of every so-and-so-many-th of its thousand times; each table is made once.
import { ddpmLinear, evenTimes, stepsOf } from "./schedules.js";

export const CHAIN = ddpmLinear();
const TIMES = 1000; // of the chain
// The numbers of steps that take every so-and-so-many-th time, and those of them with which a sampler comes near to what it
// makes in all thousand.
export const COUNTS = Array.from({ length: TIMES }, (_, i) => i + 1).filter((n) => TIMES % n === 0);
export const FINE = COUNTS.filter((n) => n >= 20);

const tables = new Map();

export function ddpmSteps(count) {
  if (!tables.has(count)) tables.set(count, stepsOf(CHAIN, evenTimes(CHAIN, count)));
  return tables.get(count);
}

// The parts of x_t and of the guess of x_0 in the point after a step, and the variance of the noise that the step adds. In
// its last step the ancestral sampler, whose noise has variance beta, adds none.
export function mixOf(step, sampler) {
  const ratio = step.sigmaS / step.sigmaT;
  if (sampler === "ddim") return { keep: ratio, pull: step.alphaS - step.alphaT * ratio, fresh: 0 };
  return { keep: step.shrink * ratio ** 2, pull: (step.alphaS * step.beta) / step.sigmaT ** 2, fresh: step.s > 0 ? step.beta : 0 };
}
