// Monotone rational-quadratic splines of the line, the identity outside [-bound, bound]. A spline is its knots: their places
// u and x, and the slopes there, each a list of K + 1 numbers. The oracle is gmlib.flows.RationalQuadratic.

const softplus = (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));

// K positive sizes that sum to `total`, none below a `least` share of it.
function sizes(raw, total, least) {
  const top = Math.max(...raw);
  const shares = raw.map((v) => Math.exp(v - top));
  const sum = shares.reduce((a, b) => a + b, 0);
  return shares.map((v) => total * (least + (1 - least * raw.length) * (v / sum)));
}

// The sum of the first k of them, from -bound to bound, whose last is exact.
function edges(widths, bound) {
  let at = -bound;
  return [-bound, ...widths.slice(0, -1).map((w) => (at += w)), bound];
}

// The spline of any 3K - 1 numbers: K widths, K heights, K - 1 slopes at the inner knots. All 0 is the identity.
export function fromParameters(raw, { bound = 5, minSize = 1e-3, minSlope = 1e-3 } = {}) {
  const k = (raw.length + 1) / 3;
  const [widths, heights, inner] = [raw.slice(0, k), raw.slice(k, 2 * k), raw.slice(2 * k)].map((part) => [...part]);
  const offset = Math.log(Math.expm1(1 - minSlope));
  return {
    u: edges(sizes(widths, 2 * bound, minSize), bound),
    x: edges(sizes(heights, 2 * bound, minSize), bound),
    slopes: [1, ...inner.map((v) => minSlope + softplus(v + offset)), 1],
  };
}

// The bin of v among increasing edges, by halving; -1 outside.
function find(at, v) {
  let [low, high] = [0, at.length - 1];
  if (!(v >= at[low] && v <= at[high])) return -1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (v < at[middle]) high = middle;
    else low = middle;
  }
  return low;
}

// What the map is at the share t of bin i: [x, h'].
function inside({ u, x, slopes }, i, t) {
  const [width, height] = [u[i + 1] - u[i], x[i + 1] - x[i]];
  const mean = height / width;
  const [left, right] = [slopes[i], slopes[i + 1]];
  const both = t * (1 - t);
  const below = mean + (left + right - 2 * mean) * both;
  const rise = (height * (mean * t * t + left * both)) / below;
  const slope = (mean * mean * (right * t * t + 2 * mean * both + left * (1 - t) ** 2)) / (below * below);
  return [x[i] + rise, slope];
}

// [x, log h'(u)].
export function forward(spline, u) {
  const i = find(spline.u, u);
  if (i < 0) return [u, 0];
  const [x, slope] = inside(spline, i, (u - spline.u[i]) / (spline.u[i + 1] - spline.u[i]));
  return [x, Math.log(slope)];
}

// [u, log of the inverse's slope at x, which is -log h'(u)].
export function inverse(spline, x) {
  const i = find(spline.x, x);
  if (i < 0) return [x, 0];
  const { u, x: values, slopes } = spline;
  const [width, height] = [u[i + 1] - u[i], values[i + 1] - values[i]];
  const mean = height / width;
  const up = (x - values[i]) / height;
  // The root of a quadratic equation; where gap < 0 digits cancel, of which a double has enough for a picture.
  const gap = slopes[i] * (1 - up) - slopes[i + 1] * up;
  const t = (2 * mean * up) / (gap + 2 * mean * up + Math.sqrt(gap * gap + 4 * mean * mean * up * (1 - up)));
  return [u[i] + t * width, -Math.log(inside(spline, i, t)[1])];
}
