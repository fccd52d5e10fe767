// DiracGAN: data at 0, the generator a point at θ, the critic a(x) = -φx, high for what it takes for real. The critic raises
// and the generator lowers ψ(φθ): where φθ > 0 the point is caught. A state is [φ, θ], with momentum [φ, θ, m_φ, m_θ]. The
// critic's rate is 1, the generator's η_θ is called `rate`.

const sigmoid = (u) => 1 / (1 + Math.exp(-u));

// First and second derivative of ψ; `scale` is ψ'(0).
export const LOSSES = {
  linear: { scale: 1, slope: () => 1, bend: () => 0 },
  logistic: { scale: 0.5, slope: (u) => sigmoid(-u), bend: (u) => -sigmoid(u) * sigmoid(-u) },
};

// What the critic pays, differentiated once and twice: γφ²/2, the same about a slope of 1, and γφ⁴/4.
const r1 = { force: (phi) => phi, curve: () => 1 };
const PENALTIES = {
  none: { force: () => 0, curve: () => 0 },
  r1,
  r2: r1,
  wgan_gp: { force: (phi) => phi - Math.sign(phi), curve: () => 1 },
  quartic: { force: (phi) => phi ** 3, curve: (phi) => 3 * phi * phi },
};

// loss, penalty with its weight gamma, rate of the generator.
export function diracGame({ loss, penalty = "none", gamma = 0, rate = 1 }) {
  const { slope, bend } = typeof loss === "string" ? LOSSES[loss] : loss;
  const { force, curve } = PENALTIES[penalty];
  const paid = (phi) => gamma * force(phi);
  // Cross derivative of ψ(φθ).
  const cross = (phi, theta) => slope(phi * theta) + phi * theta * bend(phi * theta);
  return {
    rate,
    cross,
    // Both players' steepest descent of their own loss, times their rates.
    field: ([phi, theta]) => {
      const s = slope(phi * theta);
      return [s * theta - paid(phi), -rate * s * phi];
    },
    jacobian: ([phi, theta]) => {
      const [b, c] = [bend(phi * theta), cross(phi, theta)];
      return [[b * theta * theta - gamma * curve(phi), c], [-rate * c, -rate * b * phi * phi]];
    },
    // The generator's gradient through one critic step of size `inner`.
    ahead: ([phi, theta], inner) => {
      const later = phi + inner * (slope(phi * theta) * theta - paid(phi));
      const s = slope(later * theta);
      return s * later + s * theta * inner * cross(phi, theta);
    },
  };
}

// v - γ∇½|v|²: what consensus optimisation follows.
const agreed = (game, w, strength) => {
  const [a, b] = game.field(w);
  const [[j11, j12], [j21, j22]] = game.jacobian(w);
  return [a - strength * (j11 * a + j21 * b), b - strength * (j12 * a + j22 * b)];
};
const foreseeing = (game, w, inner) => [game.field(w)[0], -game.rate * game.ahead(w, inner)];

function rungeKutta(field, [x, y], h) {
  const [a, b] = field([x, y]);
  const [c, d] = field([x + 0.5 * h * a, y + 0.5 * h * b]);
  const [e, f] = field([x + 0.5 * h * c, y + 0.5 * h * d]);
  const [g, i] = field([x + h * e, y + h * f]);
  return [x + (h / 6) * (a + 2 * c + 2 * e + g), y + (h / 6) * (b + 2 * d + 2 * f + i)];
}

const moved = ([x, y], [a, b], h) => [x + h * a, y + h * b];

// One step of size eta by each rule; the last argument has momentum, inner (of the unrolled step) and strength (of consensus).
export const RULES = {
  simultaneous: (game, w, eta) => moved(w, game.field(w), eta),
  alternating: (game, [phi, theta], eta) => {
    const next = phi + eta * game.field([phi, theta])[0];
    return [next, theta + eta * game.field([next, theta])[1]];
  },
  momentum: (game, [phi, theta, u = 0, v = 0], eta, { momentum }) => {
    const first = momentum * u + eta * game.field([phi, theta])[0];
    const next = phi + first;
    const second = momentum * v + eta * game.field([next, theta])[1];
    return [next, theta + second, first, second];
  },
  extragradient: (game, w, eta) => moved(w, game.field(moved(w, game.field(w), eta)), eta),
  consensus: (game, w, eta, { strength }) => moved(w, agreed(game, w, strength), eta),
  unrolled: (game, w, eta, { inner }) => moved(w, foreseeing(game, w, inner), eta),
  // Both solve the game that is bilinear around w: (I - ηA) Δ = ηv, where A has the cross derivatives.
  competitive: (game, w, eta) => {
    const [a, b] = game.field(w);
    const c = eta * game.cross(w[0], w[1]);
    return moved(w, [(a + c * b) / (1 + game.rate * c * c), (b - game.rate * c * a) / (1 + game.rate * c * c)], eta);
  },
  rk4: (game, w, eta) => rungeKutta(game.field, w, eta),
};

// The field that the steps follow when they are small. Momentum follows it 1 / (1 - ν) times as fast.
export function flowField(game, rule, { inner = 0, strength = 0, momentum = 0 } = {}) {
  if (rule === "consensus") return (w) => agreed(game, w, strength);
  if (rule === "unrolled") return (w) => foreseeing(game, w, inner);
  if (rule === "momentum") return (w) => game.field(w).map((v) => v / (1 - momentum));
  return game.field;
}

const FAR = 1e12; // players who have left stay here

// States along `steps` steps as flat pairs, from a cache that grows.
export class Path {
  constructor(next, start, most) {
    Object.assign(this, { next, state: start, count: 0, places: new Float64Array(2 * (most + 1)) });
    this.places.set(start);
  }

  to(count) {
    while (this.count < count) {
      const next = this.next(this.state);
      if (Math.hypot(next[0], next[1]) < FAR) this.state = next;
      this.count += 1;
      this.places.set([this.state[0], this.state[1]], 2 * this.count);
    }
    return this.places.subarray(0, 2 * (count + 1));
  }
}

// The players' path: steps of a rule.
export const steps = (game, rule, start, eta, extra, most) => new Path((w) => RULES[rule](game, w, eta, extra), [...start], most);

// The flow, in `parts` equal parts between two steps.
export const flow = (game, rule, start, eta, extra, most, parts) => {
  const field = flowField(game, rule, extra);
  return new Path((w) => rungeKutta(field, w, eta / parts), [...start], most * parts);
};

// The linear game with the same derivatives at the equilibrium; null where the penalty has a kink.
function atRest(settings) {
  if (settings.penalty === "wgan_gp" && settings.gamma > 0) return null;
  const { scale } = LOSSES[settings.loss];
  const penalty = settings.penalty === "quartic" ? "none" : settings.penalty; // too flat to be seen there
  return diracGame({ ...settings, penalty, loss: { slope: () => scale, bend: () => 0 } });
}

// Columns of a linear map.
const columns = (map, n) => Array.from({ length: n }, (_, i) => map(Array.from({ length: n }, (__, j) => (i === j ? 1 : 0))));

// Eigenvalues [re, im] of a step at the equilibrium.
export function stepEigenvalues(settings, rule, eta, extra) {
  const game = atRest(settings);
  return game && eigenvalues(columns((w) => RULES[rule](game, w, eta, extra), rule === "momentum" ? 4 : 2));
}

// Eigenvalues [re, im] of the flow's Jacobian at the equilibrium.
export function flowEigenvalues(settings, rule, extra) {
  const game = atRest(settings);
  return game && eigenvalues(columns(flowField(game, rule, extra), 2));
}

export const modulus = (values) => Math.max(...values.map(([re, im]) => Math.hypot(re, im)));

// Simultaneous steps along a field with these eigenvalues converge below this size.
export const largestStep = (values) =>
  Math.max(0, Math.min(...values.map(([re, im]) => (re === 0 && im === 0 ? 0 : (-2 * re) / (re * re + im * im)))));

// φ² + θ²/η_θ, which the flow of the bare game keeps.
export const energy = (phi, theta, rate) => phi * phi + (theta * theta) / rate;

// φ² + θ²/η_θ + ηψ'(0)φθ, which alternating steps keep where ψ is linear.
export const invariant = (phi, theta, { loss, rate }, eta) => energy(phi, theta, rate) + eta * LOSSES[loss].scale * phi * theta;

// Whether the players take turns without a penalty: then the invariant means something.
export const turns = ({ rule, penalty, gamma }) => rule === "alternating" && (penalty === "none" || gamma === 0);

// Eigenvalues of a real 2 x 2 matrix, or of a 4 x 4 one by its characteristic polynomial.
export function eigenvalues(matrix) {
  const n = matrix.length;
  if (n === 2) {
    const [[a, b], [c, d]] = matrix;
    const middle = (a + d) / 2;
    const inside = ((a - d) / 2) ** 2 + b * c;
    // Rounding must not split a double eigenvalue.
    const root = Math.abs(inside) < 1e-15 * (1 + middle * middle) ? 0 : Math.sqrt(Math.abs(inside));
    return inside < 0 ? [[middle, root], [middle, -root]] : [[middle + root, 0], [middle - root, 0]];
  }
  return roots(characteristic(matrix));
}

// Coefficients of the characteristic polynomial by falling powers (Faddeev and LeVerrier).
function characteristic(a) {
  const n = a.length;
  const coefficients = [1];
  let m = a.map((row) => row.map(() => 0));
  for (let k = 1; k <= n; k++) {
    const last = coefficients[k - 1];
    const inner = m.map((row, i) => row.map((v, j) => v + (i === j ? last : 0)));
    m = a.map((row) => row.map((_, j) => row.reduce((sum, v, l) => sum + v * inner[l][j], 0)));
    coefficients.push(-m.reduce((sum, row, i) => sum + row[i], 0) / k);
  }
  return coefficients;
}

// All roots of a monic polynomial at once (Weierstrass, Durand and Kerner).
function roots(coefficients) {
  const n = coefficients.length - 1;
  const times = ([a, b], [c, d]) => [a * c - b * d, a * d + b * c];
  const radius = 1 + Math.max(...coefficients.slice(1).map(Math.abs));
  const found = Array.from({ length: n }, (_, i) => {
    const angle = (2 * Math.PI * i) / n + 0.4;
    return [0.5 * radius * Math.cos(angle), 0.5 * radius * Math.sin(angle)];
  });
  for (let round = 0; round < 500; round++) {
    let change = 0;
    for (let i = 0; i < n; i++) {
      const at = found[i];
      const value = coefficients.reduce((sum, c) => { const [a, b] = times(sum, at); return [a + c, b]; }, [0, 0]);
      const below = found.reduce((product, other, j) => (j === i ? product : times(product, [at[0] - other[0], at[1] - other[1]])), [1, 0]);
      const size = below[0] ** 2 + below[1] ** 2;
      if (size === 0) continue;
      const [a, b] = times(value, [below[0] / size, -below[1] / size]);
      found[i] = [at[0] - a, at[1] - b];
      change = Math.max(change, Math.hypot(a, b));
    }
    if (change < 1e-15 * radius) break;
  }
  return found;
}
