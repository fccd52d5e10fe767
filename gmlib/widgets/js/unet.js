// gmlib.nn.PixelUNet for one image at a time, built from its weights by name: what there is in the network is read off the
// names, and its few settings come beside them. The oracle is torch.
import { PIXELS, imageKernels } from "./image_kernels.js";

const silu = (v) => v / (1 + Math.exp(-v));

// Images, weights and what lies between them in one memory, whose places are given out before there is one.
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

const inside = ({ at, line, channels }) => at + line + channels;

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
function increase({ numbers }, y, x) {
  const count = (y.side + 2) * y.line;
  for (let i = 0; i < count; i++) numbers[y.at + i] += numbers[x.at + i];
  return y;
}

// gmlib.nn's ToldBlock: a residual block that is told the time.
export class ToldBlock {
  constructor(store, part, settings, input) {
    const [outputs] = part("conv1.weight").shape;
    const { side, channels } = input;
    const of = (name) => ({ weight: part(`${name}.weight`), bias: part(`${name}.bias`) });
    this.store = store;
    this.told = of("modulation");
    this.norm1 = new Norm(store, of("norm1"), settings, input, store.scratch("a", side, channels));
    this.conv1 = new Conv(store, of("conv1"), this.norm1.output, { output: store.scratch("h", side, outputs) });
    this.norm2 = new Norm(store, of("norm2"), settings, this.conv1.output, store.scratch("a", side, outputs));
    this.conv2 = new Conv(store, of("conv2"), this.norm2.output);
    this.skip = channels === outputs ? null : new Conv(store, of("skip"), input, { output: store.scratch("h", side, outputs) });
    this.input = input;
    this.output = this.conv2.output;
  }

  // What the vector says to this block, for as many images as share it.
  listen(told) {
    this.says = linear(this.told, told);
  }

  run() {
    this.norm1.run();
    this.conv1.run();
    this.norm2.run(this.says);
    this.conv2.run();
    return increase(this.store, this.output, this.skip ? this.skip.run() : this.input);
  }
}

// gmlib.nn's SelfAttention: its two products are convolutions as well, the keys and the values their weights.
export class Attention {
  constructor(store, part, settings, input) {
    const { side, channels } = input;
    const { heads } = settings;
    const of = (name) => ({ weight: part(`${name}.weight`), bias: part(`${name}.bias`) });
    this.norm = new Norm(store, of("norm"), settings, input, store.scratch("a", side, channels));
    this.qkv = new Conv(store, of("qkv"), this.norm.output, { output: store.scratch("qkv", side, 3 * channels) });
    const seen = store.scratch("h", side, channels);
    this.out = new Conv(store, of("out"), seen);
    const [n, size] = [side * side, channels / heads];
    const wide = 4 * Math.ceil(n / 4);
    if (size % 4) throw new Error(`no attention with heads of ${size} channels`);
    const scores = store.scratch("scores", side, wide);
    const [keys, values] = [store.room(wide * size), store.room(wide * size)];
    const none = store.room(Math.max(wide, size));
    const places = (image) => Int32Array.from({ length: n }, (_, i) => inside(image) + Math.floor(i / side) * image.line + (i % side) * image.channels);
    Object.assign(this, { store, input, output: this.out.output, heads, size, wide, keys, values });
    [this.rows, this.scores] = [places(this.qkv.output), places(scores)];
    const { output: x } = this.qkv;
    store.steps.add(4 * x.channels).add(4 * wide);
    const blocks = [side, side / PIXELS];
    this.compare = (head) => [4 * x.channels, 4 * (inside(x) + head * size), 4 * inside(scores), 4 * keys, 4 * none, wide / 4, ...blocks, 4 * x.line, 4 * scores.line, 4 * wide, 1, 4 * size, 0];
    this.gather = (head) => [4 * wide, 4 * inside(scores), 4 * (inside(seen) + head * size), 4 * values, 4 * none, size / 4, ...blocks, 4 * scores.line, 4 * seen.line, 4 * channels, 1, 4 * wide, 0];
    store.flops += 4 * n * n * channels;
  }

  run() {
    const { store, heads } = this;
    this.norm.straight();
    this.qkv.run();
    for (let head = 0; head < heads; head++) {
      this.pack(head);
      store.kernels.conv(...this.compare(head));
      this.soften();
      store.kernels.conv(...this.gather(head));
    }
    this.out.run();
    return increase(store, this.output, this.input);
  }

  // Keys and values of a head in groups of four outputs.
  pack(head) {
    const { store: { numbers }, input: { channels }, rows, size, wide, keys, values } = this;
    for (let j = 0; j < rows.length; j++) {
      const from = rows[j] + channels + head * size;
      const key = keys + (j >> 2) * 4 * size + (j & 3);
      for (let c = 0; c < size; c++) {
        numbers[key + 4 * c] = numbers[from + c];
        numbers[values + (c >> 2) * 4 * wide + 4 * j + (c & 3)] = numbers[from + channels + c];
      }
    }
  }

  // Softmax of each row of scores.
  soften() {
    const { store: { numbers }, scores, size, wide } = this;
    const n = scores.length;
    for (const at of scores) {
      let [top, sum] = [-Infinity, 0];
      for (let j = at; j < at + n; j++) top = Math.max(top, numbers[j]);
      for (let j = at; j < at + n; j++) sum += numbers[j] = Math.exp((numbers[j] - top) / Math.sqrt(size));
      for (let j = at; j < at + n; j++) numbers[j] /= sum;
      for (let j = at + n; j < at + wide; j++) numbers[j] = 0;
    }
  }
}

// Twice as wide and as high, then a convolution.
class Up {
  constructor(store, arrays, input) {
    Object.assign(this, { store, input, wide: store.scratch("a", 2 * input.side, input.channels) });
    this.conv = new Conv(store, arrays, this.wide);
    this.output = this.conv.output;
  }

  run() {
    const { store: { numbers }, input, wide } = this;
    const { channels } = wide;
    for (let row = 0; row < wide.side; row++) {
      for (let column = 0; column < wide.side; column++) {
        const from = inside(input) + (row >> 1) * input.line + (column >> 1) * channels;
        const to = inside(wide) + row * wide.line + column * channels;
        for (let c = 0; c < channels; c++) numbers[to + c] = numbers[from + c];
      }
    }
    return this.conv.run();
  }
}

// Two images as one, the channels of the second after those of the first.
class Join {
  constructor(store, first, second) {
    Object.assign(this, { store, parts: [first, second] });
    this.output = store.image(first.side, first.channels + second.channels);
  }

  run() {
    const { store: { numbers }, output } = this;
    let before = 0;
    for (const { at, side, channels } of this.parts) {
      for (let i = 0; i < (side + 2) ** 2; i++) {
        const [from, to] = [at + i * channels, output.at + i * output.channels + before];
        for (let c = 0; c < channels; c++) numbers[to + c] = numbers[from + c];
      }
      before += channels;
    }
    return output;
  }
}

export function linear({ weight, bias }, x) {
  const [outputs, inputs] = weight.shape;
  return Float64Array.from({ length: outputs }, (_, o) => {
    let sum = bias.data[o];
    for (let j = 0; j < inputs; j++) sum += weight.data[o * inputs + j] * x[j];
    return sum;
  });
}

// arrays: { NAME: { shape, data } }, as gmlib.widgets.denoiser_arrays gives them.
export class PixelUNet {
  constructor(arrays, { side = 28, simd = true } = {}) {
    const setting = (name) => Array.from(arrays[name].data, (v) => Number(v.toPrecision(7)));
    const [groups, heads, patch, eps] = ["groups", "heads", "patch", "eps"].map((name) => setting(name)[0]);
    const settings = { groups, heads, eps };
    const store = new Store();
    const part = (prefix) => (name) => arrays[`${prefix}.${name}`];
    const both = (prefix) => ({ weight: arrays[`${prefix}.weight`], bias: arrays[`${prefix}.bias`] });
    const count = (prefix) => 1 + Math.max(...Object.keys(arrays).filter((name) => name.startsWith(`${prefix}.`)).map((name) => Number(name.split(".")[1])));
    Object.assign(this, { store, patch, octaves: setting("octaves"), layers: [] });
    this.frequencies = arrays["told.time.0.frequencies"].data;
    this.time = [both("told.time.1"), both("told.time.3")];

    const push = (layer) => {
      this.layers.push(layer);
      return layer.output;
    };
    const block = (prefix, x) => {
      const y = push(new ToldBlock(store, part(`${prefix}.0`), settings, x));
      return arrays[`${prefix}.1.qkv.weight`] ? push(new Attention(store, part(`${prefix}.1`), settings, y)) : y;
    };
    const input = store.image(side / patch, arrays["stem.weight"].shape[1]);
    let x = push(new Conv(store, both("stem"), input));
    const bridges = [x];
    for (let i = 0; i < count("down"); i++) {
      const halving = arrays[`down.${i}.weight`];
      x = halving ? push(new Conv(store, both(`down.${i}`), x, { stride: 2 })) : block(`down.${i}`, x);
      bridges.push(x);
    }
    x = push(new ToldBlock(store, part("middle.0"), settings, x));
    x = push(new Attention(store, part("middle.1"), settings, x));
    x = push(new ToldBlock(store, part("middle.2"), settings, x));
    for (let i = 0; i < count("up"); i++) {
      if (arrays[`up.${i}.weight`]) x = push(new Up(store, both(`up.${i}`), x));
      else x = block(`up.${i}`, push(new Join(store, x, bridges.pop())));
    }
    x = push(new Norm(store, both("norm"), settings, x, store.scratch("a", x.side, x.channels)));
    const output = push(new Conv(store, both("head"), x));
    [this.from, this.to] = [input, output].map((image) => folded(image, patch));
    this.flops = store.flops; // of an image
    store.open(simd);
  }

  // Tells every block the time, from 0 to 1.
  tell(time) {
    const angles = Array.from(this.frequencies, (f) => time * f);
    const waves = [...angles.map(Math.cos), ...angles.map(Math.sin)];
    const [first, second] = this.time;
    const told = linear(second, linear(first, waves).map(silu)).map(silu);
    for (const layer of this.layers) layer.listen?.(told);
  }

  // What the network says of one image of one channel at the time that it was told, into `out`.
  run(x, out = new Float32Array(x.length)) {
    const { store: { numbers }, patch, octaves, from, to } = this;
    const area = patch * patch;
    x.forEach((value, i) => {
      numbers[from[i]] = value;
      octaves.forEach((octave, k) => {
        const angle = 2 ** octave * Math.PI * value;
        numbers[from[i] + area * (2 * k + 1)] = Math.sin(angle);
        numbers[from[i] + area * (2 * k + 2)] = Math.cos(angle);
      });
    });
    for (const layer of this.layers) layer.run();
    for (let i = 0; i < out.length; i++) out[i] = numbers[to[i]];
    return out;
  }
}

// Where the pixels of an image of one channel are when patches of them are channels.
function folded(image, patch) {
  const side = patch * image.side;
  return Int32Array.from({ length: side * side }, (_, i) => {
    const [row, column] = [Math.floor(i / side), i % side];
    const cell = Math.floor(row / patch) * image.line + Math.floor(column / patch) * image.channels;
    return inside(image) + cell + (row % patch) * patch + (column % patch);
  });
}
