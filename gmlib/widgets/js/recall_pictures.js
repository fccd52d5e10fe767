// Recall by attention as pictures: states as images, patterns shaded by their weights, energy and error over the steps.
import { channels } from "./colourmaps.js";
import { number } from "./controls.js";
import { dot } from "./marks.js";
import { clamp } from "./scale.js";
import { scientific } from "./scientific.js";
import { stroke } from "./stage.js";

const FLOOR = -10; // exponent of ten below which a residual is drawn at the edge

// Values from -1 to 1 as grey levels from paper to ink, on a canvas of one pixel each; `blank`: in ink on nothing.
export function raster(values, side, colours, blank = false) {
  const [ink, paper] = [colours.ink, colours.paper].map(channels);
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const image = new ImageData(side, side);
  values.forEach((v, i) => {
    const part = (v + 1) / 2;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = blank ? ink[c] : paper[c] + part * (ink[c] - paper[c]);
    image.data[4 * i + 3] = blank ? 255 * part : 255;
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// One state, framed in blue if it is marked.
export function drawState(stage, image, marked) {
  const { colours } = stage.view;
  const c = stage.begin();
  const { width, height } = stage;
  c.imageSmoothingEnabled = false;
  c.drawImage(image, 1, 1, width - 2, height - 2);
  c.strokeStyle = marked ? colours.blue : colours.grid;
  c.lineWidth = marked ? 4 : 1;
  c.strokeRect(c.lineWidth / 2, c.lineWidth / 2, width - c.lineWidth, height - c.lineWidth);
}

// All patterns in rows of `across`, each shaded by its weight; thumb: a pattern's image by its number.
export function drawWall(stage, weights, across, chosen, thumb) {
  const { colours } = stage.view;
  const c = stage.begin();
  const size = stage.x(1) - stage.x(0);
  weights.forEach((w, i) => {
    const [left, top] = [stage.x(i % across), stage.y(Math.floor(i / across))];
    c.fillStyle = colours.blue;
    c.globalAlpha = 0.9 * Math.sqrt(w);
    c.fillRect(left, top, size, size);
    c.globalAlpha = 1;
    c.drawImage(thumb(i), left + 0.06 * size, top + 0.06 * size, 0.88 * size, 0.88 * size);
    if (i !== chosen) return;
    c.strokeStyle = colours.orange;
    c.lineWidth = 3;
    c.strokeRect(left + 1.5, top + 1.5, size - 3, size - 3);
  });
}

// The `count` largest weights as bars, with their patterns and names.
export function drawLargest(stage, weights, count, { title, chosen, thumb, name }) {
  const { colours } = stage.view;
  const order = Array.from(weights, (_, i) => i).sort((a, b) => weights[b] - weights[a] || a - b).slice(0, count);
  stage.x.domain([0, 1]);
  stage.y.domain([count, 0]);
  const c = stage.begin();
  c.textBaseline = "middle";
  c.textAlign = "left";
  c.fillStyle = colours.ink;
  c.fillText(title, 2, 11);
  order.forEach((i, row) => {
    const y = stage.y(row + 0.5);
    c.drawImage(thumb(i), 2, y - 14, 28, 28);
    c.strokeStyle = i === chosen ? colours.orange : colours.grid;
    c.lineWidth = i === chosen ? 2.5 : 1;
    c.strokeRect(2, y - 14, 28, 28);
    c.fillStyle = colours.ink;
    c.textAlign = "left";
    c.fillText(name(i), 38, y);
    const end = stage.x(weights[i]);
    c.fillStyle = colours.blue;
    c.globalAlpha = 0.85;
    c.fillRect(stage.x(0), y - 8, Math.max(1, end - stage.x(0)), 16);
    c.globalAlpha = 1;
    c.fillStyle = colours.ink;
    c.fillText(number(weights[i], 3), end + 6, y);
  });
}

// The energy of every state; `at` is the one whose weights are shown.
export function drawEnergies(stage, states, at) {
  const values = states.map(({ energy }) => energy);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(1, 0.08 * (high - low));
  stage.x.domain([-0.2, states.length - 0.8]);
  stage.y.domain([low - room, high + room]);
  stage.begin();
  stage.axes({ ticks: [0, 4], grid: true });
  drawSteps(stage, states.length, at, "energy E");
  drawDots(stage, values.map((v, t) => [stage.x(t), stage.y(v)]), stage.view.colours.red);
}

// The largest error of every state, its `residual`, and the bound on it.
export function drawErrors(stage, states, at) {
  const { colours } = stage.view;
  const steps = states.length - 1;
  stage.x.domain([-0.2, steps + 0.2]);
  stage.y.domain([FLOOR, 1]);
  const c = stage.begin();
  stage.axes({ ticks: [0, 0] });
  c.textAlign = "right";
  c.textBaseline = "middle";
  c.lineWidth = 1;
  for (let power = 0; power >= FLOOR; power -= 5) {
    const y = stage.y(power);
    c.strokeStyle = colours.grid;
    stroke(c, [stage.margin.left - 4, y], [stage.width - stage.margin.right, y]);
    c.fillStyle = colours.faint;
    c.fillText(power ? scientific(10 ** power, 1).slice(2) : "1", stage.margin.left - 7, y);
  }
  drawSteps(stage, states.length, at, "largest error, and its bound");
  const up = (v) => stage.y(v > 0 ? clamp(Math.log10(v), FLOOR, 1) : FLOOR);
  stage.inside(() => {
    c.strokeStyle = colours.green;
    c.lineWidth = 3;
    // A bound of 2 or more says nothing: no two entries are further apart.
    for (let t = 1; t <= steps; t++) {
      const value = states[t - 1].bound;
      if (value < 2) stroke(c, [stage.x(t) - 14, up(value)], [stage.x(t) + 14, up(value)]);
    }
  });
  drawDots(stage, states.map(({ residual }, t) => [stage.x(t), up(residual)]), colours.red);
  c.fillStyle = colours.green;
  c.textBaseline = "middle";
  c.textAlign = "right";
  if (!states.slice(0, steps).some(({ bound }) => bound < 2)) return;
  c.fillText("▬ bound", stage.width - stage.margin.right - 40, 11);
}

function drawSteps(stage, count, at, title) {
  const { colours } = stage.view;
  const { context: c, margin, width, height } = stage;
  const bottom = height - margin.bottom;
  c.strokeStyle = colours.blue;
  c.globalAlpha = 0.35;
  c.lineWidth = 5;
  stroke(c, [stage.x(at), margin.top], [stage.x(at), bottom]);
  c.globalAlpha = 1;
  c.fillStyle = colours.faint;
  c.textAlign = "center";
  c.textBaseline = "top";
  for (let t = 0; t < count; t++) c.fillText(t ? `${t}` : "cue", stage.x(t), bottom + 8);
  c.textAlign = "left";
  c.textBaseline = "middle";
  c.fillStyle = colours.ink;
  c.fillText(title, 4, 11);
  c.textAlign = "right";
  c.fillStyle = colours.faint;
  c.fillText("steps", width - margin.right, 11);
}

function drawDots({ context: c }, points, colour) {
  c.strokeStyle = c.fillStyle = colour;
  c.lineWidth = 2.2;
  stroke(c, ...points);
  for (const [x, y] of points) dot(c, x, y, 4);
}
