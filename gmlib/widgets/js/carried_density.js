// The density of a stack of couplings on a grid { x0, y0, h, nx, ny }, values row by row, and how a layer carries it along.
import { split } from "./coupling_flow.js";
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

// The densities of a flow at every level, on a grid of all the plane that it bends: after whole layers exact, and worked out
// some rows at a time; within a layer carried along from the layer before.
export class DensityMaps {
  constructor(flow, side = 168) {
    const reach = flow.bound + 0.15;
    const h = (2 * reach) / side;
    this.grid = { x0: h / 2 - reach, y0: h / 2 - reach, h, nx: side, ny: side };
    this.maps = Array.from({ length: flow.depth + 1 }, () => ({ rows: 0, values: new Float64Array(side * side) }));
    Object.assign(this, { flow, moves: [], left: this.maps.length, between: new Float64Array(side * side) });
  }

  // The next rows of the density that is missing nearest to the level; whether it is whole now.
  work(level) {
    const { grid, maps, flow } = this;
    const missing = [...maps.keys()].filter((k) => maps[k].rows < grid.ny);
    const k = missing.reduce((best, other) => (Math.abs(other - level) < Math.abs(best - level) ? other : best));
    const map = maps[k];
    const count = Math.min(4, grid.ny - map.rows);
    densityRows(flow, k, grid, map.rows, count, map.values);
    map.rows += count;
    if (map.rows < grid.ny) return false;
    map.top = full(map.values);
    if (k < flow.depth) this.moves[k] = lines(flow, k, grid);
    this.left--;
    return true;
  }

  // { values, top } of a level, with the value that counts as full; null while it is not known.
  at(level) {
    const { grid, maps, flow, moves, between } = this;
    const { whole, share } = split(level, flow.depth);
    const known = (k) => maps[k].rows === grid.ny;
    if (!known(whole)) return null;
    const { values, top } = maps[whole];
    if (!share) return { values, top };
    const after = known(whole + 1) ? maps[whole + 1].top : top;
    return { values: carried(values, moves[whole], share, between), top: top ** (1 - share) * after ** share };
  }
}

// The density that counts as full: a spike may be higher, the rest should be seen.
function full(values) {
  let [sum, squares, most] = [0, 0, 0];
  for (const v of values) {
    sum += v;
    squares += v * v;
    most = Math.max(most, v);
  }
  return Math.min(most, (2.2 * squares) / sum);
}
