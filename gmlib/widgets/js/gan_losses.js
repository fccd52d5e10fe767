// What critic and generator lower: of a logit or value a, [number, slope]. The oracle is gmlib.gan in float64.

const sigmoid = (a) => 1 / (1 + Math.exp(-a));
const softplus = (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));
const up = (a) => [softplus(a), sigmoid(a)]; // -log(1 - D)
const down = (a) => [softplus(-a), -sigmoid(-a)]; // -log D
const square = (a) => [a * a, 2 * a];
const rising = (a) => [a, 1];
const falling = (a) => [-a, -1];

const PAIRS = {
  minimax: { real: down, fake: up, generator: (a) => [-softplus(a), -sigmoid(a)] },
  non_saturating: { real: down, fake: up, generator: down },
  least_squares: { real: (a) => square(a - 1), fake: (a) => square(a + 1), generator: square },
  hinge: { real: (a) => (a < 1 ? [1 - a, -1] : [0, 0]), fake: (a) => (a > -1 ? [1 + a, 1] : [0, 0]), generator: falling },
  wasserstein: { real: falling, fake: rising, generator: falling },
};

// Of the critic's outputs on real and generated points: { value, real, fake }, the slopes divided by the batch.
export function criticLoss(name, real, fake) {
  const n = real.length;
  const out = { value: 0, real: new Float64Array(n), fake: new Float64Array(n) };
  for (let i = 0; i < n; i++) {
    if (name === "relativistic") {
      const [value, slope] = down(real[i] - fake[i]);
      out.value += value / n;
      out.real[i] = slope / n;
      out.fake[i] = -slope / n;
      continue;
    }
    const [a, b] = [PAIRS[name].real(real[i]), PAIRS[name].fake(fake[i])];
    out.value += (a[0] + b[0]) / n;
    out.real[i] = a[1] / n;
    out.fake[i] = b[1] / n;
  }
  return out;
}

export function generatorLoss(name, real, fake) {
  const n = fake.length;
  const out = { value: 0, fake: new Float64Array(n) };
  for (let i = 0; i < n; i++) {
    const [value, slope] = name === "relativistic" ? down(fake[i] - real[i]) : PAIRS[name].generator(fake[i]);
    out.value += value / n;
    out.fake[i] = slope / n;
  }
  return out;
}

// Where the critic is undecided: null when only differences of its values count.
export const UNDECIDED = { minimax: 0, non_saturating: 0, least_squares: 0, hinge: 0, wasserstein: null, relativistic: null };
