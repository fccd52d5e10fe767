// Estimates of d/dmu E[z^2], z ~ N(mu, 1), whose true value is 2 mu. The oracle is gmlib.vae.gradients.

export const ESTIMATORS = {
  // f'(mu + e)
  pathwise: { estimate: (mu, noise) => 2 * (mu + noise), mean: (mu) => 2 * mu, variance: () => 4 },
  // f(mu + e) e
  score: {
    estimate: (mu, noise) => (mu + noise) ** 2 * noise,
    mean: (mu) => 2 * mu,
    variance: (mu) => mu ** 4 + 14 * mu ** 2 + 15,
  },
  // f differentiated at a draw that is held fixed: f does not contain mu
  detached: { estimate: () => 0, mean: () => 0, variance: () => 0 },
};

export function estimates(name, mu, noise) {
  return Float64Array.from(noise, (e) => ESTIMATORS[name].estimate(mu, e));
}

export function summary(values) {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const square = values.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  return { mean, variance: values.length > 1 ? square / (values.length - 1) : NaN };
}
