// Rational-quadratic spline couplings of the plane, layer by layer, from noise to data: a layer keeps one coordinate, and moves
// the other along a spline that the kept one chooses. Within a layer, at its share t, a point is at (1 - t) u + t F(u): the
// slope of that is (1 - t) + t h', so that the map is one-to-one at every share. The oracle is gmlib.flows in float64.
import { Forward, layersOf } from "./mlp.js";
import { forward, fromParameters } from "./rational_quadratic.js";
import { POINTS } from "./simd.js";
import { SplineRows } from "./spline_rows.js";

const LOG_2PI = Math.log(2 * Math.PI);
const LEAST = 1e-3; // of a bin's share and of a slope, gmlib's defaults

export const logBase = (x, y) => -LOG_2PI - 0.5 * (x * x + y * y);
export const logSlope = (log, t) => Math.log1p(t * Math.expm1(log));

export class CouplingFlow {
  // arrays: `changed`, the coordinate that each layer changes; `bound`; and the weights of the conditioner of layer i by the
  // names of its state with "i." in front.
  constructor(arrays, simd = true) {
    [this.bound] = arrays.bound.data;
    this.layers = Array.from(arrays.changed.data, (changed, i) => {
      const own = Object.entries(arrays).filter(([name]) => name.startsWith(`${i}.`));
      const weights = layersOf(Object.fromEntries(own.map(([name, array]) => [name.slice(name.indexOf(".") + 1), array])));
      const rule = new SplineRows(weights.at(-1).outputs, this.bound, LEAST);
      return { changed, kept: 1 - changed, weights, rule, network: new Forward(weights, simd) };
    });
    this.depth = this.layers.length;
  }

  // The conditioner of layer i for each value of the coordinate that it keeps, a block of POINTS at a time: `take` gets the
  // raw parameters as rows, the number of the block's first value and how many there are.
  blocks(i, values, take) {
    let at = 0;
    const fill = (rows) => {
      for (let p = 0; p < POINTS; p++) rows[p] = values[Math.min(at + p, values.length - 1)];
    };
    const use = (rows) => take(rows, at, Math.min(POINTS, values.length - at));
    for (; at < values.length; at += POINTS) this.layers[i].network.block(fill, use);
  }

  // The spline that layer i has for each of these values.
  splines(i, values) {
    const found = [];
    const raw = new Array(this.layers[i].weights.at(-1).outputs);
    this.blocks(i, values, (rows, at, count) => {
      for (let p = 0; p < count; p++) {
        for (let r = 0; r < raw.length; r++) raw[r] = rows[r * POINTS + p];
        found.push(fromParameters(raw, { bound: this.bound }));
      }
    });
    return found;
  }

  // Points (flat pairs) through layer i, or back; `logs` are the log-determinants of the way that was taken.
  move(i, points, back = false) {
    const { changed, kept, rule } = this.layers[i];
    const [moved, logs] = [Float64Array.from(points), new Float64Array(points.length / 2)];
    this.blocks(i, logs.map((_, k) => points[2 * k + kept]), (rows, at, count) => {
      for (let p = 0; p < count; p++) {
        const k = at + p;
        rule.move(rows, p, points[2 * k + changed], back);
        moved[2 * k + changed] = rule.value;
        logs[k] = rule.log;
      }
    });
    return { points: moved, logs };
  }

  // Where points are after 0, 1, ..., depth layers, and the log-determinant of each layer.
  path(points) {
    const places = [Float64Array.from(points)];
    const logs = [];
    for (let i = 0; i < this.depth; i++) {
      const { points: next, logs: log } = this.move(i, places[i]);
      places.push(next);
      logs.push(log);
    }
    return { places, logs };
  }

  // The log-density after k whole layers, at points.
  logDensity(k, points) {
    let back = Float64Array.from(points);
    const sum = new Float64Array(points.length / 2);
    for (let i = k - 1; i >= 0; i--) {
      const { points: next, logs } = this.move(i, back, true);
      back = next;
      for (let p = 0; p < sum.length; p++) sum[p] += logs[p];
    }
    for (let p = 0; p < sum.length; p++) sum[p] += logBase(back[2 * p], back[2 * p + 1]);
    return sum;
  }

  // One point all the way: its places, the log-determinant and the Jacobian [[xx, xy], [yx, yy]] of each layer there.
  follow(point) {
    const places = [[...point]];
    const logs = [];
    const jacobians = [];
    this.layers.forEach(({ changed, kept, weights }, i) => {
      const here = places[i];
      const [raw, turn] = conditioned(weights, here[kept]);
      const spline = fromParameters(raw, { bound: this.bound });
      const next = [...here];
      const [x, log] = forward(spline, here[changed]);
      next[changed] = x;
      const jacobian = [[1, 0], [0, 1]];
      jacobian[changed][changed] = Math.exp(log);
      jacobian[changed][kept] = bent(spline, turned(spline, turn, this.bound), here[changed]);
      places.push(next);
      logs.push(log);
      jacobians.push(jacobian);
    });
    return { places, logs, jacobians };
  }

  // Where a followed point is after `level` layers, a whole number or not: its place, the log-determinant so far, the Jacobian
  // so far, and that of the last layer begun as far as it has come.
  at({ places, logs, jacobians }, level) {
    const { whole, share } = split(level, this.depth);
    let [logDet, jacobian, layer] = [0, [[1, 0], [0, 1]], [[1, 0], [0, 1]]];
    for (let i = 0; i < whole + (share > 0); i++) {
      const t = i < whole ? 1 : share;
      logDet += logSlope(logs[i], t);
      layer = jacobians[i].map((row, r) => row.map((v, c) => (r === c) * (1 - t) + t * v));
      jacobian = layer.map((row) => [0, 1].map((c) => row[0] * jacobian[0][c] + row[1] * jacobian[1][c]));
    }
    const place = places[whole].map((v, c) => (share ? v + share * (places[whole + 1][c] - v) : v));
    return { place, logDet, jacobian, layer };
  }

  // The point of the base that is at `place` after `level` layers.
  pull(place, level) {
    const { whole, share } = split(level, this.depth);
    let back = Float64Array.from(place);
    if (share) {
      const { changed, kept } = this.layers[whole];
      const [spline] = this.splines(whole, [place[kept]]);
      back[changed] = solve((u) => (1 - share) * u + share * forward(spline, u)[0], place[changed], this.bound);
    }
    for (let i = whole - 1; i >= 0; i--) back = this.move(i, back, true).points;
    return [...back];
  }
}

// The whole layers of a level, and the share of the next one.
export function split(level, depth) {
  const whole = Math.min(depth, Math.floor(level));
  return { whole, share: whole < depth ? level - whole : 0 };
}

// The root of a rising function that maps [-bound, bound] onto itself and leaves all else alone, by halving.
function solve(rising, value, bound) {
  if (Math.abs(value) >= bound) return value;
  let [low, high] = [-bound, bound];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (rising(middle) < value) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

// A conditioner's parameters for one number, and their derivatives with respect to it.
function conditioned(layers, kept) {
  let [values, slopes] = [[kept], [1]];
  layers.forEach(({ weight, bias, inputs, outputs }, depth) => {
    const [next, rise] = [new Array(outputs), new Array(outputs)];
    for (let o = 0; o < outputs; o++) {
      let [a, d] = [bias[o], 0];
      for (let j = 0; j < inputs; j++) {
        a += weight[o * inputs + j] * values[j];
        d += weight[o * inputs + j] * slopes[j];
      }
      if (depth < layers.length - 1) {
        const gate = 1 / (1 + Math.exp(-a));
        [a, d] = [a * gate, d * gate * (1 + a * (1 - gate))];
      }
      [next[o], rise[o]] = [a, d];
    }
    [values, slopes] = [next, rise];
  });
  return [values, slopes];
}

// How the knots of a spline move when its raw parameters move by `turn`: like the spline, lists of K + 1 numbers.
function turned({ u, x, slopes }, turn, bound) {
  const k = u.length - 1;
  const edges = (at, part) => {
    // w = 2 B (m + (1 - K m) p) with p a softmax, whose derivative is p (turn - mean of the turns under p).
    const shares = part.map((_, i) => ((at[i + 1] - at[i]) / (2 * bound) - LEAST) / (1 - k * LEAST));
    const mean = part.reduce((sum, v, i) => sum + shares[i] * v, 0);
    let sum = 0;
    const moved = part.map((v, i) => (sum += 2 * bound * (1 - k * LEAST) * shares[i] * (v - mean)));
    return [0, ...moved.slice(0, -1), 0];
  };
  return {
    u: edges(u, turn.slice(0, k)),
    x: edges(x, turn.slice(k, 2 * k)),
    // The softplus's derivative is its sigmoid, which is 1 - e^-softplus.
    slopes: [0, ...turn.slice(2 * k).map((v, i) => -Math.expm1(LEAST - slopes[i + 1]) * v), 0],
  };
}

// How the spline's value at v moves when its knots do.
function bent({ u, x, slopes }, d, v) {
  const last = u.length - 1;
  if (!(v >= u[0] && v <= u[last])) return 0;
  let i = last - 1;
  while (i > 0 && v < u[i]) i--;
  const change = (list) => list[i + 1] - list[i];
  const [width, height, dWidth, dHeight] = [change(u), change(x), change(d.u), change(d.x)];
  const [mean, t] = [height / width, (v - u[i]) / width];
  const [dMean, dt] = [(dHeight - mean * dWidth) / width, -(d.u[i] + t * dWidth) / width];
  const [both, dBoth] = [t * (1 - t), (1 - 2 * t) * dt];
  const bend = slopes[i] + slopes[i + 1] - 2 * mean;
  const [above, below] = [mean * t * t + slopes[i] * both, mean + bend * both];
  const dAbove = dMean * t * t + 2 * mean * t * dt + d.slopes[i] * both + slopes[i] * dBoth;
  const dBelow = dMean + (d.slopes[i] + d.slopes[i + 1] - 2 * dMean) * both + bend * dBoth;
  return d.x[i] + dHeight * (above / below) + (height * (dAbove * below - above * dBelow)) / (below * below);
}
