// The forward pass of gmlib.nn.MLP: linear maps with a nonlinearity between them. Weights as torch has them, (out, in).
import { POINTS, kernels } from "./simd.js";

export const ACTIVATIONS = {
  silu: (v) => v / (1 + Math.exp(-v)),
  relu: (v) => Math.max(0, v),
  tanh: Math.tanh,
};

// x: n rows of layers[0].inputs numbers, flat; layers: [{ weight, bias, inputs, outputs }].
export function mlp(x, layers, activation = "silu") {
  const act = ACTIVATIONS[activation];
  let rows = x;
  layers.forEach(({ weight, bias, inputs, outputs }, depth) => {
    const n = rows.length / inputs;
    const next = new Float64Array(n * outputs);
    for (let i = 0; i < n; i++) {
      for (let o = 0; o < outputs; o++) {
        let sum = bias[o];
        for (let j = 0; j < inputs; j++) sum += weight[o * inputs + j] * rows[i * inputs + j];
        next[i * outputs + o] = depth < layers.length - 1 ? act(sum) : sum;
      }
    }
    rows = next;
  });
  return rows;
}

// The layers of gmlib.nn.MLP from its weights by name, as `weights()` gives them.
export function layersOf(arrays) {
  const names = Object.keys(arrays).filter((name) => name.endsWith(".weight"));
  const depth = (name) => Number(name.match(/\d+/)[0]);
  return names.sort((a, b) => depth(a) - depth(b)).map((name) => {
    const [outputs, inputs] = arrays[name].shape;
    return { weight: arrays[name].data, bias: arrays[name.replace("weight", "bias")].data, inputs, outputs };
  });
}

// The same for thousands of points a frame, with SiLU: `block(fill, take)` fills the input of a block and takes its output,
// both as rows of POINTS numbers, one row a feature. Nothing is allocated, and two lanes of WebAssembly do the work if they
// can (`simd`).
export class Forward {
  constructor(layers, simd = true) {
    const groups = layers.map(({ outputs }) => Math.ceil(outputs / 4));
    const widest = Math.max(layers[0].inputs, ...groups.map((count) => 4 * count));
    const packed = layers.map(({ inputs }, i) => 4 * groups[i] * (inputs + 1));
    const size = 2 * widest * POINTS + packed.reduce((sum, length) => sum + length, 0);
    this.kernels = simd ? kernels(8 * size) : null;
    const numbers = this.kernels?.numbers ?? new Float64Array(size);
    this.numbers = numbers;
    this.rows = [0, 1].map((i) => numbers.subarray(i * widest * POINTS, (i + 1) * widest * POINTS));
    let at = 2 * widest * POINTS;
    this.layers = layers.map(({ weight, bias, inputs, outputs }, depth) => {
      const [w, b] = [at, at + 4 * groups[depth] * inputs];
      for (let o = 0; o < outputs; o++) {
        numbers[b + o] = bias[o];
        // In groups of four outputs, and in a group input by input.
        for (let j = 0; j < inputs; j++) numbers[w + 4 * ((o >> 2) * inputs + j) + (o & 3)] = weight[o * inputs + j];
      }
      at += packed[depth];
      return { w, b, inputs, groups: groups[depth] };
    });
  }

  block(fill, take) {
    fill(this.rows[0]);
    this.layers.forEach(({ w, b, inputs, groups }, depth) => {
      const y = this.rows[(depth + 1) % 2];
      const [from, to] = [this.rows[depth % 2].byteOffset, y.byteOffset];
      const count = 4 * groups * POINTS;
      if (this.kernels) this.kernels.layer(from, 8 * w, 8 * b, to, inputs, groups);
      else plain(this.rows[depth % 2], this.numbers, w, b, y, inputs, groups);
      if (depth === this.layers.length - 1) return;
      if (this.kernels) this.kernels.silu(to, to + 8 * count);
      else for (let i = 0; i < count; i++) y[i] = y[i] / (1 + Math.exp(-y[i]));
    });
    take(this.rows[this.layers.length % 2]);
  }
}

// A layer for a block: four outputs for two points at a time, so that their sums stay in registers.
function plain(x, numbers, w, b, y, inputs, groups) {
  for (let g = 0; g < groups; g++) {
    const [b0, b1, b2, b3] = numbers.subarray(b + 4 * g, b + 4 * g + 4);
    for (let p = 0; p < POINTS; p += 2) {
      let [s0, s1, s2, s3, t0, t1, t2, t3] = [b0, b1, b2, b3, b0, b1, b2, b3];
      for (let j = 0, k = w + 4 * g * inputs, at = p; j < inputs; j++, k += 4, at += POINTS) {
        const u = x[at];
        const v = x[at + 1];
        s0 += numbers[k] * u;
        s1 += numbers[k + 1] * u;
        s2 += numbers[k + 2] * u;
        s3 += numbers[k + 3] * u;
        t0 += numbers[k] * v;
        t1 += numbers[k + 1] * v;
        t2 += numbers[k + 2] * v;
        t3 += numbers[k + 3] * v;
      }
      const to = 4 * g * POINTS + p;
      y[to] = s0;
      y[to + 1] = t0;
      y[to + POINTS] = s1;
      y[to + POINTS + 1] = t1;
      y[to + 2 * POINTS] = s2;
      y[to + 2 * POINTS + 1] = t2;
      y[to + 3 * POINTS] = s3;
      y[to + 3 * POINTS + 1] = t3;
    }
  }
}
