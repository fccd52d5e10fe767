// Pictures of densities, vector fields and particles on a stage.
import { contours } from "d3-contour";
import { ramp } from "./colourmaps.js";
import { stroke } from "./stage.js";

const buffer = () => Object.assign(document.createElement("canvas"), {});
const ramps = new Map();

// Values on a grid { x0, y0, h, nx, ny } as colour, from the paper at 0 to the darkest at `top`.
export function heatMap(stage, values, grid, top, dark) {
  if (!ramps.has(dark)) ramps.set(dark, ramp(dark));
  const lut = ramps.get(dark);
  const { nx, ny, x0, y0, h } = grid;
  const canvas = (stage.heat ??= buffer());
  canvas.width = nx;
  canvas.height = ny;
  const image = new ImageData(nx, ny);
  const words = new Uint32Array(image.data.buffer);
  for (let j = 0; j < ny; j++) {
    const row = (ny - 1 - j) * nx;
    // The square root shows tails that a linear scale hides.
    for (let i = 0; i < nx; i++) words[row + i] = lut[Math.min(255, (255 * Math.sqrt(values[j * nx + i] / top)) | 0)];
  }
  const side = canvas.getContext("2d");
  side.putImageData(image, 0, 0);
  stage.inside((c) => {
    c.imageSmoothingEnabled = true;
    c.imageSmoothingQuality = "high";
    const left = stage.x(x0 - h / 2);
    const up = stage.y(y0 + (ny - 0.5) * h);
    c.drawImage(canvas, left, up, stage.x(x0 + (nx - 0.5) * h) - left, stage.y(y0 - h / 2) - up);
  });
}

// Lines of equal value at the given shares of `top`.
export function contourLines(stage, values, grid, top, colour, shares = [0.01, 0.04, 0.1, 0.2, 0.35, 0.55, 0.8]) {
  const { nx, ny, x0, y0, h } = grid;
  const find = contours().size([nx, ny]);
  const [ox, ax] = [stage.x(x0 - h / 2), stage.x(x0 + h) - stage.x(x0)];
  const [oy, ay] = [stage.y(y0 - h / 2), stage.y(y0 + h) - stage.y(y0)];
  stage.inside((c) => {
    c.strokeStyle = colour;
    shares.forEach((share, i) => {
      c.globalAlpha = 0.4 + (0.6 * i) / shares.length;
      c.lineWidth = 1.2;
      c.beginPath();
      for (const polygon of find.contour(values, share * top).coordinates) {
        for (const ring of polygon) ring.forEach(([u, v], k) => c[k ? "lineTo" : "moveTo"](ox + ax * u, oy + ay * v));
      }
      c.stroke();
    });
  });
}

// Arrows at `places` along `vectors` (flat pairs). Their length grows with the norm, reaches half of `longest` pixels at a
// norm of `scale`, and never all of it.
export function arrows(stage, places, vectors, { longest, colour, scale, alpha = 0.55 }) {
  stage.inside((c) => {
    c.strokeStyle = colour;
    c.globalAlpha = alpha;
    c.lineWidth = 1;
    c.lineCap = "round";
    c.beginPath();
    for (let i = 0; i < places.length; i += 2) {
      const norm = Math.hypot(vectors[i], vectors[i + 1]);
      if (!(norm > 0)) continue;
      const length = longest * (norm / (norm + scale));
      if (length < 0.8) continue;
      const [ux, uy] = [vectors[i] / norm, -vectors[i + 1] / norm];
      const [px, py] = [stage.x(places[i]), stage.y(places[i + 1])];
      const [tx, ty] = [px + ux * length, py + uy * length];
      const barb = Math.min(3.4, 0.35 * length);
      c.moveTo(px, py);
      c.lineTo(tx, ty);
      c.lineTo(tx - barb * (ux - 0.6 * uy), ty - barb * (uy + 0.6 * ux));
      c.moveTo(tx, ty);
      c.lineTo(tx - barb * (ux + 0.6 * uy), ty - barb * (uy - 0.6 * ux));
    }
    c.stroke();
  });
}

// Dots at flat pairs of places.
export function particles(stage, places, { colour, radius = 1.4, alpha = 0.75 }) {
  stage.inside((c) => {
    c.fillStyle = colour;
    c.globalAlpha = alpha;
    c.beginPath();
    const [ox, ax] = [stage.x(0), stage.x(1) - stage.x(0)];
    const [oy, ay] = [stage.y(0), stage.y(1) - stage.y(0)];
    for (let i = 0; i < places.length; i += 2) {
      c.rect(ox + ax * places[i] - radius, oy + ay * places[i + 1] - radius, 2 * radius, 2 * radius);
    }
    c.fill();
  });
}

// A curve through the points; with `fill`, the area down to zero as well.
export function curve(stage, xs, ys, { colour, width = 2, dash = [], fill = 0 }) {
  const { x, y } = stage;
  stage.inside((c) => {
    if (fill) {
      c.fillStyle = colour;
      c.globalAlpha = fill;
      c.beginPath();
      c.moveTo(x(xs[0]), y(0));
      for (let i = 0; i < xs.length; i++) c.lineTo(x(xs[i]), y(ys[i]));
      c.lineTo(x(xs[xs.length - 1]), y(0));
      c.fill();
      c.globalAlpha = 1;
    }
    c.strokeStyle = colour;
    c.lineWidth = width;
    c.lineJoin = "round";
    c.setLineDash(dash);
    stroke(c, ...Array.from(xs, (v, i) => [x(v), y(ys[i])]));
    c.setLineDash([]);
  });
}
