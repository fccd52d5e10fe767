// One step back when the data are two lumps at plus and minus one: the exact law of the earlier point, a mixture of two
// normal laws, and how far it is from the normal law with its mean and variance. The oracle is gmlib.diffusion.

const LOG_2PI = Math.log(2 * Math.PI);
const REACH = 9; // standard deviations beyond the outer lump
const FINE = 6; // nodes a standard deviation: the trapezoid rule is then exact but for rounding

// Weights, means and the common variance. barS: signal squared at the earlier time; beta: variance that the step forward adds.
export function kernel({ weight, std, barS, beta, x }) {
  const [alpha, shrink] = [Math.sqrt(barS), Math.sqrt(1 - beta)];
  const before = barS * std ** 2 + 1 - barS; // variance of a lump at the earlier time
  const after = shrink ** 2 * before + beta;
  const gain = (shrink * before) / after;
  const means = [-1, 1].map((m) => alpha * m + gain * (x - shrink * alpha * m));
  // Log of the odds of the lump at 1.
  const odds = Math.log((1 - weight) / weight) + (2 * shrink * alpha * x) / after;
  return { weights: [1 / (1 + Math.exp(odds)), 1 / (1 + Math.exp(-odds))], means, variance: (before * beta) / after };
}

// The marginal law at signal squared bar, in the same form.
export function marginal({ weight, std }, bar) {
  return { weights: [weight, 1 - weight], means: [-Math.sqrt(bar), Math.sqrt(bar)], variance: bar * std ** 2 + 1 - bar };
}

export function logDensity({ weights, means, variance }, z) {
  const terms = [0, 1].map((k) => Math.log(weights[k]) - (0.5 * (z - means[k]) ** 2) / variance);
  const top = Math.max(...terms);
  return top + Math.log(Math.exp(terms[0] - top) + Math.exp(terms[1] - top)) - 0.5 * (LOG_2PI + Math.log(variance));
}

export const density = (law, z) => Math.exp(logDensity(law, z));

export function moments({ weights, means, variance }) {
  const mean = weights[0] * means[0] + weights[1] * means[1];
  return { mean, variance: variance + weights[0] * weights[1] * (means[1] - means[0]) ** 2 };
}

// Half the distance of the two lumps over their standard deviation: above 1, two equal ones have two peaks.
export const halfSeparation = ({ means, variance }) => (means[1] - means[0]) / (2 * Math.sqrt(variance));

function nodes({ means, variance }) {
  const std = Math.sqrt(variance);
  const [low, high] = [means[0] - REACH * std, means[1] + REACH * std];
  const count = Math.ceil(((high - low) * FINE) / std);
  return { low, step: (high - low) / count, count };
}

// KL of the law to the normal law with its moments, nats.
export function klToMatched(law) {
  const { mean, variance } = moments(law);
  const { low, step, count } = nodes(law);
  let sum = 0;
  for (let i = 0; i <= count; i++) {
    const z = low + i * step;
    const log = logDensity(law, z);
    sum += Math.exp(log) * (log + 0.5 * ((z - mean) ** 2 / variance + LOG_2PI + Math.log(variance)));
  }
  return Math.max(0, sum * step);
}

// How many peaks the density has: one or two.
export function peaks(law) {
  const [low, high] = law.means;
  const count = 2000;
  let [found, rising] = [0, true];
  let last = logDensity(law, low - (high - low) / count);
  for (let i = 0; i <= count + 1; i++) {
    const now = logDensity(law, low + ((high - low) * i) / count);
    if (rising && now < last) found++;
    rising = now >= last;
    last = now;
  }
  return Math.max(1, found);
}
