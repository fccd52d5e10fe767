// Two small networks that play a game: forward and backward passes, losses, gradient penalties, SGD and Adam. The oracle is
// gmlib.gan in float64. Rows are points; weights as torch has them, (out, in).

const CURVED = "tanh";
const LEAK = { relu: 0, leaky: 0.2 };

// C[i, k] = (add ? C[i, k] : 0) + sum over l of A[i, l] B[k, l], with a stride for each index of A and B; the rows of C have
// `ci` numbers. Eight sums at a time stay in registers, and no index is multiplied in the inner loop.
function product(A, ai, al, B, bk, bl, C, ci, m, n, count, add) {
  const [wholeM, wholeN] = [m & ~1, n & ~3];
  for (let i = 0; i < wholeM; i += 2) {
    for (let k = 0; k < wholeN; k += 4) {
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
      let a = (i * ai) | 0, a1 = (a + ai) | 0;
      let b = (k * bk) | 0, b1 = (b + bk) | 0, b2 = (b1 + bk) | 0, b3 = (b2 + bk) | 0;
      for (let l = 0; l < count; l++) {
        const u = A[a];
        const v = A[a1];
        const w = B[b];
        const x = B[b1];
        const y = B[b2];
        const z = B[b3];
        s0 += u * w;
        s1 += u * x;
        s2 += u * y;
        s3 += u * z;
        t0 += v * w;
        t1 += v * x;
        t2 += v * y;
        t3 += v * z;
        a = (a + al) | 0;
        a1 = (a1 + al) | 0;
        b = (b + bl) | 0;
        b1 = (b1 + bl) | 0;
        b2 = (b2 + bl) | 0;
        b3 = (b3 + bl) | 0;
      }
      const c = i * ci + k;
      const d = c + ci;
      C[c] = add ? C[c] + s0 : s0;
      C[c + 1] = add ? C[c + 1] + s1 : s1;
      C[c + 2] = add ? C[c + 2] + s2 : s2;
      C[c + 3] = add ? C[c + 3] + s3 : s3;
      C[d] = add ? C[d] + t0 : t0;
      C[d + 1] = add ? C[d + 1] + t1 : t1;
      C[d + 2] = add ? C[d + 2] + t2 : t2;
      C[d + 3] = add ? C[d + 3] + t3 : t3;
    }
  }
  for (let i = 0; i < m; i++) {
    for (let k = i < wholeM ? wholeN : 0; k < n; k++) {
      let sum = 0;
      let a = (i * ai) | 0, b = (k * bk) | 0;
      for (let l = 0; l < count; l++) {
        sum += A[a] * B[b];
        a = (a + al) | 0;
        b = (b + bl) | 0;
      }
      const c = i * ci + k;
      C[c] = add ? C[c] + sum : sum;
    }
  }
}

// A network's weights, all in one array, and the gradient of what is being lowered.
export class Network {
  constructor(sizes, activation = "relu") {
    const counts = sizes.slice(1).map((outputs, i) => outputs * (sizes[i] + 1));
    const size = counts.reduce((sum, count) => sum + count, 0);
    Object.assign(this, { sizes, activation, weights: new Float64Array(size), gradient: new Float64Array(size) });
    let at = 0;
    this.layers = counts.map((count, i) => {
      const [inputs, outputs] = [sizes[i], sizes[i + 1]];
      const part = (array, from, length) => array.subarray(from, from + length);
      const layer = { inputs, outputs };
      for (const [key, array] of [["", this.weights], ["d", this.gradient]]) {
        layer[`${key}weight`] = part(array, at, inputs * outputs);
        layer[`${key}bias`] = part(array, at + inputs * outputs, outputs);
      }
      at += count;
      return layer;
    });
  }

  // As torch.nn.Linear starts: uniform up to 1 / sqrt(inputs).
  draw(uniform) {
    for (const { inputs, weight, bias } of this.layers) {
      for (const array of [weight, bias]) for (let i = 0; i < array.length; i++) array[i] = (2 * uniform() - 1) / Math.sqrt(inputs);
    }
    return this;
  }
}

// The activation in place, and its slopes.
function activate(z, slope, activation) {
  if (activation === CURVED) {
    for (let i = 0; i < z.length; i++) {
      const v = Math.tanh(z[i]);
      z[i] = v;
      slope[i] = 1 - v * v;
    }
    return;
  }
  const leak = LEAK[activation];
  for (let i = 0; i < z.length; i++) {
    const s = z[i] > 0 ? 1 : leak;
    slope[i] = s;
    z[i] *= s;
  }
}

// A batch of n points on its way through a network. By layer: values h, slopes d of the activation, adjoints u of its
// input; and tangents: r of its input, t of its output.
export class Pass {
  constructor(network, n) {
    Object.assign(this, { network, n });
    const rows = (from) => network.sizes.map((size, i) => (i >= from ? new Float64Array(n * size) : null));
    Object.assign(this, { h: rows(0), d: rows(1), u: rows(0), r: rows(1), t: rows(0), e: rows(1), mixed: rows(0) });
  }

  get output() {
    return this.h[this.h.length - 1];
  }

  // The gradient of the outputs' weighted sum with respect to the points, after `backward`.
  get slopes() {
    return this.u[0];
  }

  // Of the points x, or of those already in h[0].
  forward(x = null) {
    const { network, n, h, d } = this;
    const { layers, activation } = network;
    if (x) h[0].set(x);
    layers.forEach(({ inputs, outputs, weight, bias }, i) => {
      const [z, slope] = [h[i + 1], d[i + 1]];
      product(h[i], inputs, 1, weight, inputs, 1, z, outputs, n, outputs, inputs, false);
      for (let p = 0, at = 0; p < n; p++) for (let o = 0; o < outputs; o++, at++) z[at] += bias[o];
      if (i < layers.length - 1) activate(z, slope, activation);
    });
    return this.output;
  }

  // Adjoints of the sum of the outputs, each times its number in `seed` (one without it).
  backward(seed = null) {
    const { network, n, u, d } = this;
    const { layers } = network;
    if (seed) u[layers.length].set(seed);
    else u[layers.length].fill(1);
    for (let i = layers.length - 1; i >= 0; i--) {
      const { inputs, outputs, weight } = layers[i];
      product(u[i + 1], outputs, 1, weight, 1, inputs, u[i], inputs, n, inputs, outputs, false);
      if (i) for (let k = 0; k < u[i].length; k++) u[i][k] *= d[i][k];
    }
    return this.slopes;
  }

  // How everything changes when each point moves along its vector in t[0]: the second parts of dual numbers.
  tangent() {
    const { network, n, t, r, d } = this;
    network.layers.forEach(({ inputs, outputs, weight }, i) => {
      product(t[i], inputs, 1, weight, inputs, 1, r[i + 1], outputs, n, outputs, inputs, false);
      const last = i === network.layers.length - 1;
      for (let k = 0; k < r[i + 1].length; k++) t[i + 1][k] = last ? r[i + 1][k] : d[i + 1][k] * r[i + 1][k];
    });
  }

  // Adds to the network's gradient that of the sum of outputs, each point's times its `share`; with `moved`, also that of
  // the sum of the tangents. After `backward` without a seed (or with share null, and a seed).
  collect(share, moved = false) {
    const { network, n, h, u, t, mixed } = this;
    const { layers } = network;
    if (moved && network.activation === CURVED) this.bend();
    layers.forEach(({ inputs, outputs, dweight, dbias }, i) => {
      let rows = h[i];
      if (share || moved) {
        rows = mixed[i];
        for (let p = 0, at = 0; p < n; p++) {
          const s = share ? share[p] : 0;
          for (let j = 0; j < inputs; j++, at++) rows[at] = s * h[i][at] + (moved ? t[i][at] : 0);
        }
      }
      product(u[i + 1], 1, outputs, rows, 1, inputs, dweight, inputs, outputs, inputs, n, true);
      if (!share && moved) return;
      for (let p = 0, at = 0; p < n; p++) {
        const s = share ? share[p] : 1;
        for (let o = 0; o < outputs; o++, at++) dbias[o] += s * u[i + 1][at];
      }
    });
  }

  // What a curved activation adds to the gradient of the tangents: e, their adjoints with respect to the values.
  bend() {
    const { network, n, h, u, r, d, e } = this;
    const { layers } = network;
    e[layers.length].fill(0);
    for (let i = layers.length - 1; i >= 0; i--) {
      const { inputs, outputs, weight, dweight, dbias } = layers[i];
      product(e[i + 1], 1, outputs, h[i], 1, inputs, dweight, inputs, outputs, inputs, n, true);
      for (let p = 0, at = 0; p < n; p++) for (let o = 0; o < outputs; o++, at++) dbias[o] += e[i + 1][at];
      if (!i) return;
      product(e[i + 1], outputs, 1, weight, 1, inputs, e[i], inputs, n, inputs, outputs, false);
      // tanh'' = -2 tanh tanh', and u has the slope in it already.
      for (let k = 0; k < e[i].length; k++) e[i][k] = d[i][k] * e[i][k] - 2 * h[i][k] * r[i][k] * u[i][k];
    }
  }
}

// --- losses: of a logit or value a, [number, slope] ------------------------------------------------------------------

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

// --- optimisers, as torch.optim has them -----------------------------------------------------------------------------

const [DECAY, EPSILON] = [0.999, 1e-8];

export class Optimiser {
  constructor(network) {
    const size = network.weights.length;
    Object.assign(this, { network, count: 0, first: new Float64Array(size), second: new Float64Array(size) });
  }

  step({ optimiser, beta1 }, rate) {
    const { weights, gradient } = this.network;
    const { first, second } = this;
    if (optimiser === "sgd") {
      for (let i = 0; i < weights.length; i++) weights[i] -= rate * gradient[i];
      return;
    }
    this.count++;
    const size = rate / (1 - beta1 ** this.count);
    const root = Math.sqrt(1 - DECAY ** this.count);
    for (let i = 0; i < weights.length; i++) {
      const g = gradient[i];
      first[i] += (1 - beta1) * (g - first[i]);
      second[i] = DECAY * second[i] + (1 - DECAY) * g * g;
      weights[i] -= (size * first[i]) / (Math.sqrt(second[i]) / root + EPSILON);
    }
  }
}

// --- the game --------------------------------------------------------------------------------------------------------

// settings: loss, regulariser, gamma, clip, criticSteps, criticRate, generatorRate, optimiser, beta1, simultaneous; they may
// be other ones at every step.
export class Game {
  constructor(generator, critic, batch) {
    Object.assign(this, { generator, critic, batch });
    this.players = { generator: new Optimiser(generator), critic: new Optimiser(critic) };
    this.making = new Pass(generator, batch);
    [this.onReal, this.onFake, this.between] = [0, 1, 2].map(() => new Pass(critic, batch));
    this.real = new Float64Array(2 * batch);
    this.mix = new Float64Array(batch);
  }

  // The critic's gradient on the points `real` and the latents in `making`; `mix` has shares of the real point, for the
  // penalty in between.
  lowerCritic({ loss, regulariser, gamma }) {
    const { critic, making, onReal, onFake, between, real, mix, batch } = this;
    critic.gradient.fill(0);
    const fakes = making.forward();
    const of = criticLoss(loss, onReal.forward(real), onFake.forward(fakes));
    onReal.backward();
    onFake.backward();
    let penalty = 0;
    if (regulariser === "r1") penalty = tilt(onReal, gamma, 0);
    if (regulariser === "r2") penalty = tilt(onFake, gamma, 0);
    if (regulariser === "gradient_penalty") {
      const x = between.h[0];
      for (let i = 0; i < 2 * batch; i++) x[i] = mix[i >> 1] * real[i] + (1 - mix[i >> 1]) * fakes[i];
      between.forward();
      between.backward();
      penalty = tilt(between, gamma, 1);
      between.collect(null, true);
    }
    onReal.collect(of.real, regulariser === "r1");
    onFake.collect(of.fake, regulariser === "r2");
    return { loss: of.value, penalty };
  }

  // The generator's gradient on the latents in `making`.
  lowerGenerator({ loss }) {
    const { generator, making, onReal, onFake, real } = this;
    generator.gradient.fill(0);
    onFake.forward(making.forward());
    if (loss === "relativistic") onReal.forward(real);
    const of = generatorLoss(loss, onReal.output, onFake.output);
    making.backward(onFake.backward(of.fake));
    making.collect(null);
    return { loss: of.value };
  }

  moveCritic({ regulariser, clip, criticRate, ...rest }) {
    this.players.critic.step(rest, criticRate);
    if (regulariser !== "clip") return;
    const { weights } = this.critic;
    for (let i = 0; i < weights.length; i++) weights[i] = Math.min(clip, Math.max(-clip, weights[i]));
  }

  // One step: `criticSteps` moves of the critic and one of the generator. The generator meets the critic that has moved, on
  // latents of its own; or, simultaneously, both move from one point, on the same latents. draw: { real, latent, mix }, each
  // of which fills an array.
  step(settings, draw) {
    const { making, real, mix } = this;
    let critic;
    let generator;
    for (let k = settings.criticSteps; k > 0; k--) {
      draw.real(real);
      draw.latent(making.h[0]);
      if (settings.regulariser === "gradient_penalty") draw.mix(mix);
      critic = this.lowerCritic(settings);
      if (k === 1 && settings.simultaneous) generator = this.lowerGenerator(settings);
      this.moveCritic(settings);
    }
    if (!settings.simultaneous) {
      draw.latent(making.h[0]);
      generator = this.lowerGenerator(settings);
    }
    this.players.generator.step(settings, settings.generatorRate);
    return { critic, generator };
  }
}

// gamma / 2 times the mean square of what the slopes' norms differ from the target; leaves in the pass the tangents along
// the penalty's gradient with respect to the slopes, held fixed: their sum has the penalty's gradient in the weights.
function tilt(pass, gamma, target) {
  const { n, slopes, t } = pass;
  const v = t[0];
  let sum = 0;
  for (let i = 0; i < 2 * n; i += 2) {
    const norm = Math.hypot(slopes[i], slopes[i + 1]);
    sum += (norm - target) ** 2;
    // The length has no derivative at zero, and counts as flat there.
    const share = target ? (norm > 0 ? (norm - target) / norm : 0) : 1;
    for (const k of [i, i + 1]) v[k] = (gamma / n) * share * slopes[k];
  }
  pass.tangent();
  return (gamma * sum) / (2 * n);
}

// What each point is told: minus the gradient of the generator's loss with respect to the point itself. After `forward`.
export function advice(loss, pass, onReal) {
  const { fake } = generatorLoss(loss, onReal, pass.output);
  return pass.backward(fake).map((v) => -v * pass.n);
}

// --- the data --------------------------------------------------------------------------------------------------------

// Fills `out` with points (flat pairs) around centres [[x, y], ...], each as likely as the others.
export function scatter(out, centres, std, random) {
  for (let i = 0; i < out.length; i += 2) {
    const [x, y] = centres[Math.floor(random() * centres.length)];
    out[i] = x + std * random.normal();
    out[i + 1] = y + std * random.normal();
  }
  return out;
}

// How many centres have a point within the radius, and the share of the points that are so near to one; a point counts for
// the nearest centre.
export function coverage(points, centres, radius) {
  const found = new Set();
  let near = 0;
  for (let i = 0; i < points.length; i += 2) {
    let [best, least] = [-1, Infinity];
    for (let k = 0; k < centres.length; k++) {
      const [dx, dy] = [points[i] - centres[k][0], points[i + 1] - centres[k][1]];
      const squared = dx * dx + dy * dy;
      if (squared < least) [best, least] = [k, squared];
    }
    if (least > radius * radius) continue;
    near++;
    found.add(best);
  }
  return { modes: found.size, share: (2 * near) / points.length };
}

// --- a run from a seed -----------------------------------------------------------------------------------------------

export const SEEN = 500; // generated points that are shown and counted, always of the same latents
export const ASKED = 160; // of them, those at which the critic is asked where to go

// Everything is drawn from one stream: the generator's weights, the critic's, the latents that are shown, and the noise of
// each step. law: { centres, std, radius }, which may be exchanged on the way.
export class Run {
  constructor({ latent, widths, activation, batch }, law, random) {
    this.law = law;
    this.random = random;
    const generator = new Network([latent, ...widths, 2], activation).draw(random);
    const critic = new Network([2, ...widths, 1], activation).draw(random);
    this.game = new Game(generator, critic, batch);
    this.seen = new Pass(generator, SEEN);
    this.judged = new Pass(critic, ASKED);
    const fill = (array, one) => {
      for (let i = 0; i < array.length; i++) array[i] = one();
    };
    fill(this.seen.h[0], random.normal);
    this.draw = {
      real: (array) => scatter(array, this.law.centres, this.law.std, random),
      latent: (array) => fill(array, random.normal),
      mix: (array) => fill(array, random),
    };
    this.steps = 0;
    this.terms = null;
  }

  step(settings) {
    this.terms = this.game.step(settings, this.draw);
    this.steps++;
    return this.terms;
  }

  // Whether a weight has ceased to be a number, or left all bounds.
  get lost() {
    return ["generator", "critic"].some((player) => this.game[player].weights.some((w) => !(Math.abs(w) < 1e6)));
  }

  points() {
    if (this.made !== this.steps) this.seen.forward();
    this.made = this.steps;
    return this.seen.output;
  }

  // The critic's outputs on the first of them.
  asked() {
    return this.judged.forward(this.points().subarray(0, 2 * ASKED));
  }

  coverage() {
    return coverage(this.points(), this.law.centres, this.law.radius);
  }
}
