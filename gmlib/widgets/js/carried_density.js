// The density of a stack of couplings on a grid { x0, y0, h, nx, ny }, values row by row, and how a layer carries it along.
import { forward } from "./rational_quadratic.js";

// The density after k whole layers on the grid's rows from `first`, `count` of them, into `out`.
export function densityRows(flow, k, grid, first, count, out) {
  const { x0, y0, h, nx } = grid;
  const points = new Float64Array(2 * nx * count);
  for (let p = 0; p < nx * count; p++) points.set([x0 + (p % nx) * h, y0 + (first + Math.floor(p / nx)) * h], 2 * p);
  flow.logDensity(k, points).forEach((log, p) => (out[first * nx + p] = Math.exp(log)));
}

// A layer moves mass along lines of one kept value only. For the grid's lines: where their nodes go, and the slopes there.
export function lines(flow, i, grid) {
  const { x0, y0, h, nx, ny } = grid;
  const { changed } = flow.layers[i];
  const [along, across] = changed ? [ny, nx] : [nx, ny];
  const [from, beside] = changed ? [y0, x0] : [x0, y0];
  const splines = flow.splines(i, Float64Array.from({ length: across }, (_, line) => beside + line * h));
  const [places, slopes] = [new Float64Array(nx * ny), new Float64Array(nx * ny)];
  splines.forEach((spline, line) => {
    for (let node = 0; node < along; node++) {
      const [place, log] = forward(spline, from + node * h);
      places[line * along + node] = place;
      slopes[line * along + node] = Math.exp(log);
    }
  });
  return { changed, along, across, from, h, places, slopes };
}

// The density with a share t of that layer done, from the density before it: at the nodes' new places exact, between them linear.
export function carried(density, { changed, along, across, from, h, places, slopes }, t, out) {
  const [step, jump] = changed ? [across, 1] : [1, along];
  for (let line = 0; line < across; line++) {
    const start = line * along;
    const place = (node) => (1 - t) * (from + node * h) + t * places[start + node];
    const value = (node) => density[line * jump + node * step] / (1 - t + t * slopes[start + node]);
    let [node, left, right] = [0, place(0), place(1)];
    let [low, high] = [value(0), value(1)];
    for (let k = 0; k < along; k++) {
      const goal = from + k * h;
      while (right < goal && node < along - 2) {
        node++;
        [left, low] = [right, high];
        [right, high] = [place(node + 1), value(node + 1)];
      }
      const share = Math.min(1, Math.max(0, (goal - left) / (right - left)));
      out[line * jump + k * step] = low + share * (high - low);
    }
  }
  return out;
}
