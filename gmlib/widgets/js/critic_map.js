// What a critic says on a square of the plane, as colour: blue for data, orange for generated.
import { channels } from "./colourmaps.js";
import { Pass } from "./dense_network.js";
import { UNDECIDED } from "./gan_losses.js";

const SIDE = 40; // points a side

const mean = (array) => array.reduce((sum, v) => sum + v, 0) / array.length;

export class CriticMap {
  // The square reaches `edge` from the origin.
  constructor(edge) {
    this.edge = edge;
    this.canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  }

  // onReal: the critic's outputs on data; onFake: a function that gives those on generated points.
  make(critic, loss, onReal, onFake, colours) {
    const { canvas, edge } = this;
    if (this.field?.network !== critic) {
      this.field = new Pass(critic, SIDE * SIDE);
      const h = (2 * edge) / SIDE;
      for (let i = 0; i < SIDE * SIDE; i++) this.field.h[0].set([(i % SIDE + 0.5) * h - edge, edge - (Math.floor(i / SIDE) + 0.5) * h], 2 * i);
    }
    const values = this.field.forward();
    let middle = UNDECIDED[loss];
    let scale = 1;
    // Where only differences of its values count, the middle is halfway between its means on both.
    if (middle === null) {
      middle = (mean(onReal) + mean(onFake())) / 2;
      const spread = Math.sqrt(mean(Float64Array.from(values, (v) => (v - middle) ** 2)));
      scale = 1 / Math.max(spread, 1e-9);
    }
    const lut = palette(colours);
    const image = new ImageData(SIDE, SIDE);
    const words = new Uint32Array(image.data.buffer);
    for (let i = 0; i < values.length; i++) words[i] = lut[Math.round(127.5 * (1 + Math.tanh((scale * (values[i] - middle)) / 2)))] ?? lut[127];
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  draw(stage) {
    stage.inside((c) => {
      c.imageSmoothingEnabled = true;
      c.imageSmoothingQuality = "high";
      c.drawImage(this.canvas, 2, 2, stage.width - 4, stage.height - 4);
    });
  }
}

// From orange over the paper to blue, 256 colours as words of an ImageData.
function palette({ paper, blue, orange }) {
  const [middle, high, low] = [paper, blue, orange].map(channels);
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const t = (i - 127.5) / 127.5;
    const [r, g, b] = middle.map((v, k) => Math.round(v + 0.62 * Math.abs(t) * ((t > 0 ? high : low)[k] - v)));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}
