// A small dense network: its forward and backward passes, and the tangents that the gradient of a slope takes. The oracle is
// torch in float64. Rows are points; weights as torch has them, (out, in).

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
