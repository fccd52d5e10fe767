// Pictures of a machine of many units: the visible ones and which of them are held, the hidden ones, the weights of one of
// these, and the free energy on the way.
import { channels } from "./colourmaps.js";
import { curve } from "./draw.js";
import { dot, frame, notYet } from "./marks.js";
import { stroke } from "./stage.js";

export const COLUMNS = 25; // of the hidden units

const mix = (a, b, t) => a.map((v, k) => v + t * (b[k] - v));
const tones = ({ view: { colours } }, ...names) => names.map((name) => channels(colours[name]));

// Cells of a colour each, on a canvas of one pixel a cell.
function cells(stage, wide, tall, colour) {
  const canvas = (stage.cells ??= document.createElement("canvas"));
  if (canvas.width !== wide || canvas.height !== tall) Object.assign(canvas, { width: wide, height: tall });
  const side = canvas.getContext("2d");
  const image = side.createImageData(wide, tall);
  for (let i = 0; i < wide * tall; i++) {
    const [r, g, b] = colour(i);
    image.data.set([r, g, b, 255], 4 * i);
  }
  side.putImageData(image, 0, 0);
  const c = stage.begin();
  c.imageSmoothingEnabled = false;
  c.drawImage(canvas, 0, 0, stage.width, stage.height);
  return c;
}

// The visible units as a square of pixels, by what they are or by their probabilities; without a chain, that it is to come.
export function drawVisible(stage, side, dream, samples) {
  const [paper, ink, orange] = tones(stage, "paper", "ink", "orange");
  const values = dream && (samples || !dream.steps ? dream.x : dream.visible);
  const [greys, pale] = [Array.from({ length: 65 }, (_, i) => mix(paper, ink, i / 64)), mix(paper, orange, 0.28)];
  cells(stage, side, side, (i) => {
    if (!dream) return paper;
    if (dream.held[i] >= 0) return dream.held[i] ? orange : pale;
    return greys[Math.round(64 * values[i])];
  });
  frame(stage);
  if (!dream) notYet(stage, "the weights are on their way");
  stage.place();
}

// The hidden units, the darker the more likely to be on, and the one that is chosen.
export function drawHidden(stage, n, hidden, unit) {
  const { colours } = stage.view;
  const [paper, ink] = tones(stage, "paper", "ink");
  const rows = Math.ceil(n / COLUMNS);
  const c = cells(stage, COLUMNS, rows, (i) => mix(paper, ink, hidden && i < n ? 0.06 + 0.94 * hidden[i] : 0));
  const [wide, tall] = [stage.width / COLUMNS, stage.height / rows];
  c.strokeStyle = colours.paper;
  c.lineWidth = 1;
  for (let i = 1; i < COLUMNS; i++) stroke(c, [Math.round(i * wide) + 0.5, 0], [Math.round(i * wide) + 0.5, stage.height]);
  for (let j = 1; j < rows; j++) stroke(c, [0, Math.round(j * tall) + 0.5], [stage.width, Math.round(j * tall) + 0.5]);
  c.strokeStyle = colours.orange;
  c.lineWidth = 2.5;
  c.strokeRect((unit % COLUMNS) * wide, Math.floor(unit / COLUMNS) * tall, wide, tall);
}

// The unit under a point of the screen.
export function unitAt({ canvas }, n, { clientX, clientY }) {
  const box = canvas.getBoundingClientRect();
  const rows = Math.ceil(n / COLUMNS);
  const [row, column] = [((clientY - box.top) / box.height) * rows, ((clientX - box.left) / box.width) * COLUMNS];
  return Math.floor(row) * COLUMNS + Math.floor(column);
}

// The weights between one hidden unit and the pixels.
export function drawField(stage, side, weights) {
  const [paper, blue, red] = tones(stage, "paper", "blue", "red");
  const most = weights?.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-9);
  cells(stage, side, side, (i) => (weights ? mix(paper, weights[i] > 0 ? blue : red, Math.sqrt(Math.abs(weights[i]) / most)) : paper));
  frame(stage);
}

// The free energies of the last of so many steps, over the mean and range of those that are known.
export function drawEnergy(stage, steps, trace, known) {
  const { colours } = stage.view;
  const first = Math.max(0, steps - trace.length + 1);
  const ends = known ?? [0, 1];
  // The first steps may come from far away; the picture soon looks at what follows.
  const seen = steps < 60 ? trace : trace.slice(Math.max(0, 8 - first));
  let [low, high] = [Math.min(...ends, ...seen), Math.max(...ends, ...seen)];
  const room = 0.06 * (high - low) + 1;
  [low, high] = [low - room, high + room];
  stage.x.domain([first, Math.max(first + 40, steps)]);
  stage.y.domain([low, high]);
  const c = stage.begin();
  stage.axes({ ticks: [4, 3] });
  const [x0, x1] = stage.x.domain();
  stage.inside(() => {
    if (!known) return;
    c.fillStyle = colours.blue;
    c.globalAlpha = 0.14;
    const [up, down] = [stage.y(Math.max(...known)), stage.y(Math.min(...known))];
    c.fillRect(stage.x(x0), up, stage.x(x1) - stage.x(x0), down - up);
    c.globalAlpha = 1;
    const mean = stage.y(known.reduce((a, b) => a + b, 0) / known.length);
    c.strokeStyle = colours.blue;
    c.lineWidth = 1.5;
    stroke(c, [stage.x(x0), mean], [stage.x(x1), mean]);
  });
  if (trace.length > 1) curve(stage, trace.map((_, i) => first + i), trace, { colour: colours.red, width: 1.8 });
  if (trace.length) {
    c.fillStyle = colours.red;
    dot(c, stage.x(steps), stage.y(trace[trace.length - 1]), 3.5);
  }
  c.textAlign = "left";
  c.textBaseline = "middle";
  c.lineWidth = 4;
  let at = 0;
  for (const [text, colour] of [["free energy", "red"], ["ten test digits, mean and range", "blue"]]) {
    c.strokeStyle = colours[colour];
    stroke(c, [at, 10], [at + 15, 10]);
    c.fillStyle = colours.ink;
    c.fillText(text, at + 20, 10);
    at += c.measureText(text).width + 34;
  }
}
