// The layers that image networks are made of: a convolution, group normalisation with SiLU, and a linear map. Images and
// weights lie in one memory, whose places are given out before there is one. The oracle is torch.
import { PIXELS, imageKernels } from "./image_kernels.js";

export class Store {
  constructor() {
    Object.assign(this, { length: 0, filling: [], steps: new Set(), shared: new Map(), flops: 0 });
  }

  room(length, values = null) {
    const at = this.length;
    this.length += 4 * Math.ceil(length / 4);
    if (values) this.filling.push([at, values]);
    return at;
  }

  // Channels side by side, with a border of zeros.
  image(side, channels) {
    return { side, channels, line: (side + 2) * channels, at: this.room((side + 2) ** 2 * channels) };
  }

  // One that nobody needs for longer than the next layer.
  scratch(name, side, channels) {
    const key = `${name} ${side} ${channels}`;
    if (!this.shared.has(key)) this.shared.set(key, this.image(side, channels));
    return this.shared.get(key);
  }

  open(simd) {
    this.kernels = imageKernels(this.length, [...this.steps], simd);
    this.numbers = this.kernels.numbers;
    for (const [at, values] of this.filling) this.numbers.set(values, at);
    this.filling = null;
  }
}

export const inside = ({ at, line, channels }) => at + line + channels;

// A convolution: 3 x 3 with a border, or 1 x 1; of every pixel or every other one.
export class Conv {
  constructor(store, { weight, bias }, input, { output, stride = 1 } = {}) {
    const [outputs, inputs, size] = weight.shape;
    const side = input.side / stride;
    if (inputs % 4 || outputs % 4 || side % PIXELS) throw new Error(`no convolution of ${inputs} to ${outputs} channels, ${side} pixels a row`);
    Object.assign(this, { store, input, output: output ?? store.image(side, outputs) });
    const [taps, run] = [size, size * inputs];
    const step = 4 * stride * inputs;
    store.steps.add(step);
    store.flops += 2 * side * side * outputs * taps * run;
    const packed = new Float32Array(outputs * taps * run);
    for (let o = 0; o < outputs; o++) {
      for (let j = 0; j < inputs; j++) {
        for (let k = 0; k < size * size; k++) {
          const place = ((o >> 2) * taps * run + Math.floor(k / size) * run + (k % size) * inputs + j) * 4 + (o & 3);
          packed[place] = weight.data[(o * inputs + j) * size * size + k];
        }
      }
    }
    const from = size === 1 ? inside(input) : input.at;
    const { output: y } = this;
    const places = [from, inside(y), store.room(packed.length, packed), store.room(outputs, bias.data)].map((v) => 4 * v);
    this.call = [step, ...places, outputs / 4, side, side / PIXELS, 4 * stride * input.line, 4 * y.line, 4 * y.channels, taps, 4 * run, 4 * input.line];
  }

  run() {
    this.store.kernels.conv(...this.call);
    return this.output;
  }
}

// Group normalisation, a scale and a shift of each channel that the block is told, and SiLU; `bend` false leaves out the last.
export class Norm {
  constructor(store, { weight, bias }, { groups, eps }, input, output) {
    const { channels } = input;
    if (channels % 8) throw new Error(`no normalisation of ${channels} channels`);
    Object.assign(this, { store, groups, eps, input, output, weight: weight.data, bias: bias.data });
    [this.a, this.b] = [store.room(channels), store.room(channels)];
  }

  // Leaves in a and b what each channel is multiplied by and what is added.
  measure(told = null) {
    const { store: { numbers }, groups, eps, input, weight, bias, a, b } = this;
    const { side, channels, line } = input;
    const size = channels / groups;
    const count = side * side * size;
    const from = inside(input);
    for (let g = 0; g < channels; g += size) {
      let [mean, square] = [0, 0];
      for (let row = 0; row < side; row++) {
        for (let p = from + row * line + g, end = p + side * channels; p < end; p += channels) {
          for (let i = p; i < p + size; i++) {
            const v = numbers[i];
            mean += v;
            square += v * v;
          }
        }
      }
      mean /= count;
      square /= count;
      const rate = 1 / Math.sqrt(Math.max(0, square - mean * mean) + eps);
      for (let c = g; c < g + size; c++) {
        const [scale, shift] = told ? [1 + told[c], told[channels + c]] : [1, 0];
        numbers[a + c] = scale * weight[c] * rate;
        numbers[b + c] = scale * (bias[c] - weight[c] * rate * mean) + shift;
      }
    }
  }

  run(told = null) {
    const { store, input, output, a, b } = this;
    this.measure(told);
    const { side, channels, line } = input;
    store.kernels.activate(4 * inside(input), 4 * inside(output), 4 * a, 4 * b, side, 4 * line, 4 * output.line, 4 * side * channels, 4 * channels);
    return output;
  }

  // The same without SiLU.
  straight() {
    const { store: { numbers }, input: { side, channels, line }, a, b } = this;
    this.measure();
    const [from, to] = [inside(this.input), inside(this.output)];
    for (let row = 0; row < side; row++) {
      for (let i = row * line; i < row * line + side * channels; i += channels) {
        for (let c = 0; c < channels; c++) numbers[to + i + c] = numbers[a + c] * numbers[from + i + c] + numbers[b + c];
      }
    }
    return this.output;
  }
}

// y += x, borders and all: they are zero.
export function increase({ numbers }, y, x) {
  const count = (y.side + 2) * y.line;
  for (let i = 0; i < count; i++) numbers[y.at + i] += numbers[x.at + i];
  return y;
}

export function linear({ weight, bias }, x) {
  const [outputs, inputs] = weight.shape;
  return Float64Array.from({ length: outputs }, (_, o) => {
    let sum = bias.data[o];
    for (let j = 0; j < inputs; j++) sum += weight.data[o * inputs + j] * x[j];
    return sum;
  });
}
