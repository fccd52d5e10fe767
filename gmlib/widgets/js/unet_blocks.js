// The blocks of gmlib.nn.UNet, of an image each; `part` gives the arrays of a block by name.
import { PIXELS } from "./image_kernels.js";
import { Conv, Norm, increase, inside, linear } from "./image_layers.js";

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
export class Up {
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
export class Join {
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
