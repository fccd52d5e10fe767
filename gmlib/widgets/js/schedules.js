// Noise schedules that keep the variance, and the steps between two of their times. The oracle is gmlib.noise.

// DDPM's T variances beta_k, linear from the first to the last, as a schedule on [0, 1]: step k stands at t = k/T, and
// between the steps log alpha is linear.
export function ddpmLinear(T = 1000, first = 1e-4, last = 0.02) {
  const y = new Float64Array(T + 1); // -2 log alpha at 0, 1/T, ..., 1
  for (let k = 1; k <= T; k++) y[k] = y[k - 1] - Math.log1p(-(first + ((last - first) * (k - 1)) / (T - 1)));
  const step = (t) => Math.min(T, Math.max(1, Math.ceil(t * T - 1e-3)));
  const at = (t) => y[step(t)] - (step(t) - t * T) * (y[step(t)] - y[step(t) - 1]);
  const alpha = (t) => Math.exp(-0.5 * at(t));
  const sigma = (t) => Math.sqrt(-Math.expm1(-at(t)));
  const dAlpha = (t) => -0.5 * T * (y[step(t)] - y[step(t) - 1]) * alpha(t);
  return { tMax: 1, alpha, sigma, dAlpha };
}

// The cosine schedule, up to the time where hardly any signal is left.
export function cosine(offset = 0.008, tMax = 0.999) {
  const slope = (0.5 * Math.PI) / (1 + offset);
  const unit = Math.cos(slope * offset);
  const alpha = (t) => Math.sin(slope * (1 - t)) / unit;
  const sigma = (t) => Math.sqrt(Math.sin(slope * t) * Math.sin(slope * (t + 2 * offset))) / unit;
  const dAlpha = (t) => (-slope * Math.sin(slope * (t + offset))) / unit;
  return { tMax, alpha, sigma, dAlpha };
}

// n + 1 times at equal distances, the noisiest first.
export const evenTimes = ({ tMax }, n) => Float64Array.from({ length: n + 1 }, (_, i) => tMax * ((n - i) / n));

// From each time of a falling grid to the next: signal and noise at both, and the variance that the step of the chain adds
// (beta) or has when the clean point is known (betaTilde).
export function stepsOf(schedule, times) {
  return Array.from({ length: times.length - 1 }, (_, i) => {
    const [t, s] = [times[i], times[i + 1]];
    const [alphaT, sigmaT, alphaS, sigmaS] = [schedule.alpha(t), schedule.sigma(t), schedule.alpha(s), schedule.sigma(s)];
    const shrink = alphaT / alphaS;
    const beta = sigmaT ** 2 - (shrink * sigmaS) ** 2;
    return { t, s, alphaT, sigmaT, alphaS, sigmaS, shrink, beta, betaTilde: beta * (sigmaS / sigmaT) ** 2 };
  });
}
