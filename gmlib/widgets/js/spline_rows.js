// Rational-quadratic splines for many points, each with a spline of its own: what rational_quadratic.js says, without making
// a list for any of them. Raw parameters come as rows of POINTS numbers, a row for each of 3K - 1 parameters.
import { POINTS } from "./simd.js";

const softplus = (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));

export class SplineRows {
  constructor(parameters, bound, least = 1e-3) {
    const bins = (parameters + 1) / 3;
    Object.assign(this, { bins, bound, least, offset: Math.log(Math.expm1(1 - least)), value: 0, log: 0 });
    this.shares = [new Float64Array(bins), new Float64Array(bins)];
  }

  // Softmax of the rows from `first`, before it is divided by its sum, which is returned.
  weigh(rows, first, p, out) {
    let [top, sum] = [-Infinity, 0];
    for (let i = 0, at = first * POINTS + p; i < out.length; i++, at += POINTS) if (rows[at] > top) top = rows[at];
    for (let i = 0, at = first * POINTS + p; i < out.length; i++, at += POINTS) sum += out[i] = Math.exp(rows[at] - top);
    return sum;
  }

  // The slope at knot i.
  slope(rows, p, i) {
    const { bins, least, offset } = this;
    return i && i < bins ? least + softplus(rows[(2 * bins + i - 1) * POINTS + p] + offset) : 1;
  }

  // The spline of point p at v, or its inverse: `value`, and in `log` the logarithm of the slope of the way that was taken.
  move(rows, p, v, back) {
    const { bins, bound, least, shares: [wide, high] } = this;
    this.value = v;
    this.log = 0;
    if (!(v >= -bound && v <= bound)) return;
    const part = 2 * bound * (1 - bins * least);
    const [scaleU, scaleX] = [part / this.weigh(rows, 0, p, wide), part / this.weigh(rows, bins, p, high)];
    const floor = 2 * bound * least;
    let [u, x, i] = [-bound, -bound, 0];
    let [width, height] = [0, 0];
    for (; ; i++) {
      const last = i === bins - 1;
      width = last ? bound - u : floor + scaleU * wide[i];
      height = last ? bound - x : floor + scaleX * high[i];
      if (last || v < (back ? x + height : u + width)) break;
      u += width;
      x += height;
    }
    const mean = height / width;
    const [left, right] = [this.slope(rows, p, i), this.slope(rows, p, i + 1)];
    let t = (v - u) / width;
    if (back) {
      // The root of a quadratic equation; where gap < 0 digits cancel, of which a double has enough for a picture.
      const up = (v - x) / height;
      const gap = left * (1 - up) - right * up;
      t = (2 * mean * up) / (gap + 2 * mean * up + Math.sqrt(gap * gap + 4 * mean * mean * up * (1 - up)));
    }
    const both = t * (1 - t);
    const below = mean + (left + right - 2 * mean) * both;
    const log = Math.log((mean * mean * (right * t * t + 2 * mean * both + left * (1 - t) * (1 - t))) / (below * below));
    this.value = back ? u + t * width : x + (height * (mean * t * t + left * both)) / below;
    this.log = back ? -log : log;
  }
}
