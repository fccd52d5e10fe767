// gmlib.nn.PixelUNet for one image at a time, built from its weights by name: what there is in the network is read off the
// names, and its few settings come beside them. The oracle is torch.
import { Conv, Norm, Store, inside, linear } from "./image_layers.js";
import { Attention, Join, ToldBlock, Up } from "./unet_blocks.js";

const silu = (v) => v / (1 + Math.exp(-v));

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
    this.classes = arrays["told.label.weight"] ?? null; // a row for each class, the last one for none

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

  // Tells every block the time, from 0 to 1, and a network that knows classes a class, or none.
  tell(time, label = null) {
    const angles = Array.from(this.frequencies, (f) => time * f);
    const waves = [...angles.map(Math.cos), ...angles.map(Math.sin)];
    const [first, second] = this.time;
    const told = linear(second, linear(first, waves).map(silu));
    if (this.classes) {
      const { shape: [rows, width], data } = this.classes;
      const row = (label ?? rows - 1) * width;
      for (let i = 0; i < width; i++) told[i] += data[row + i];
    }
    const heard = told.map(silu);
    for (const layer of this.layers) layer.listen?.(heard);
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
