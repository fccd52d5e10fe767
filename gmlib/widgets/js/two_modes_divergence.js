// Two laws on the line, w N(-centre, v) + (1 - w) N(centre, v) with two weights w: their scores, the Fisher divergence and
// the KL divergence at every noise level. The oracle is gmlib.distributions.GaussianMixture in float64.

const GOLDEN = (Math.sqrt(5) - 1) / 2;
const logit = (w) => Math.log(w / (1 - w));
const bell = (v, x) => Math.exp((-0.5 * x * x) / v) / Math.sqrt(2 * Math.PI * v);

export const density = (w, { centre: c, v }, x) => w * bell(v, x + c) + (1 - w) * bell(v, x - c);

// Derivative of the log of the density.
export const score = (w, { centre: c, v }, x) => (c * (1 - 2 / (1 + Math.exp((2 * c * x) / v - logit(w)))) - x) / v;

// Score with weight w minus score with weight u, as a function of x. The difference of two logistic functions is written as
// a quotient of positive terms, exact where they are nearly equal.
export function scoreGap(w, u, { centre: c, v }) {
  const [a, b] = [0.5 * logit(w), 0.5 * logit(u)];
  const top = ((2 * c) / v) * Math.sinh(b - a);
  const rest = Math.cosh(a - b);
  return (x) => top / (Math.cosh(a + b - (2 * c * x) / v) + rest);
}

// D_F (with the half) in one over a squared length, and KL in nats, of p with weight w against q with weight u; by the
// trapezoid rule. { weight, modelWeight, centre, std, sigma }
export function divergences({ weight: w, modelWeight: u, centre: c, std, sigma }) {
  const v = std * std + sigma * sigma;
  // The integrands have no singularity nearer to the real line than this.
  const strip = c > 0 ? (Math.PI * v) / (2 * c) : Infinity;
  const step = Math.min(Math.sqrt(v) / 3, strip / 5);
  const half = Math.ceil((c + 9 * Math.sqrt(v)) / step);
  const gap = scoreGap(w, u, { centre: c, v });
  let fisher = 0;
  let kl = 0;
  for (let i = -half; i <= half; i++) {
    const x = i * step;
    // Both densities but for the nearer mode's bell, which they share.
    const far = Math.exp((-2 * c * Math.abs(x)) / v);
    const p = x > 0 ? 1 - w + w * far : w + (1 - w) * far;
    const q = x > 0 ? 1 - u + u * far : u + (1 - u) * far;
    const shared = p * Math.exp((-0.5 * (Math.abs(x) - c) ** 2) / v);
    fisher += shared * gap(x) ** 2;
    kl += shared * Math.log(p / q);
  }
  const unit = step / Math.sqrt(2 * Math.PI * v);
  fisher *= 0.5 * unit;
  const weighted = sigma * sigma * fisher;
  return { fisher, weighted, square: 2 * weighted, kl: Math.max(0, kl * unit) };
}

// KL of the pairs of weights alone, in nats.
export const weightsKl = (w, u) => w * Math.log(w / u) + (1 - w) * Math.log((1 - w) / (1 - u));

// The noise level between `low` and `high` at which the square, 2 sigma^2 D_F, is largest: the best of `sigmas`, a list that
// goes up, made exact between its neighbours by golden sections.
export function clearest(law, sigmas) {
  const at = (log) => divergences({ ...law, sigma: Math.exp(log) }).square;
  const values = sigmas.map((sigma) => at(Math.log(sigma)));
  const i = values.indexOf(Math.max(...values));
  let [a, b] = [sigmas[Math.max(0, i - 1)], sigmas[Math.min(sigmas.length - 1, i + 1)]].map(Math.log);
  while (b - a > 1e-7) {
    const [left, right] = [b - GOLDEN * (b - a), a + GOLDEN * (b - a)];
    if (at(left) > at(right)) b = right;
    else a = left;
  }
  return Math.exp((a + b) / 2);
}
