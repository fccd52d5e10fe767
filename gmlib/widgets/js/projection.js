// A target of two bumps on the line, w N(-centre, v) + (1 - w) N(centre, v), and one normal law q = N(mean, std^2) against it.
// The oracle is gmlib.distributions in float64.

const LOG_2PI = Math.log(2 * Math.PI);
const REACH = 9; // standard deviations of q that the quadrature covers

export class TwoBumps {
  constructor({ weight, centre, variance }) {
    Object.assign(this, { weight, centre, variance });
    const mean = centre * (1 - 2 * weight);
    this.moments = { mean, std: Math.sqrt(variance + 4 * weight * (1 - weight) * centre * centre) };
    // log p has no singularity nearer to the real line than this: what step the trapezoid rule needs.
    this.strip = centre > 0 ? (Math.PI * variance) / (2 * centre) : Infinity;
    this.entropy = this.entropyOf();
    this.least = this.forward(mean, this.moments.std);
  }

  // log p at x, its first and its second derivative, into `out`.
  slopes(x, out) {
    const { weight, centre, variance: v } = this;
    const left = Math.log(weight) - (x + centre) ** 2 / (2 * v);
    const right = Math.log1p(-weight) - (x - centre) ** 2 / (2 * v);
    const tail = Math.exp(-Math.abs(left - right));
    const share = left > right ? 1 / (1 + tail) : tail / (1 + tail); // of the left bump
    out[0] = Math.max(left, right) + Math.log1p(tail) - 0.5 * (LOG_2PI + Math.log(v));
    out[1] = (centre * (1 - 2 * share) - x) / v;
    out[2] = -1 / v + (4 * centre * centre * share * (1 - share)) / (v * v);
    return out;
  }

  logDensity(x) {
    return this.slopes(x, [0, 0, 0])[0];
  }

  entropyOf() {
    const { centre, variance } = this;
    const s = Math.sqrt(variance);
    const step = Math.min(s / 3, this.strip / 3);
    const count = Math.ceil((centre + 10 * s) / step);
    let sum = 0;
    for (let i = -count; i <= count; i++) {
      const log = this.logDensity(i * step);
      sum -= step * Math.exp(log) * log;
    }
    return sum;
  }

  // KL(p || q) in nats: a closed form but for the entropy of p.
  forward(mean, std) {
    const { mean: m, std: s } = this.moments;
    return 0.5 * LOG_2PI + Math.log(std) + (s * s + (m - mean) ** 2) / (2 * std * std) - this.entropy;
  }

  // KL(q || p) in nats, and its gradient and Hessian in (mean, log std), by the trapezoid rule.
  expand(mean, std) {
    const step = Math.min(0.4, this.strip / (3 * std));
    const count = Math.ceil(REACH / step);
    const out = [0, 0, 0];
    const e = { total: 0, f: 0, f1: 0, f1e: 0, f2: 0, f2e: 0, f2ee: 0 };
    for (let i = -count; i <= count; i++) {
      const z = i * step;
      const q = Math.exp(-0.5 * z * z);
      this.slopes(mean + std * z, out);
      e.total += q;
      e.f += q * out[0];
      e.f1 += q * out[1];
      e.f1e += q * out[1] * z;
      e.f2 += q * out[2];
      e.f2e += q * out[2] * z;
      e.f2ee += q * out[2] * z * z;
    }
    for (const key of ["f", "f1", "f1e", "f2", "f2e", "f2ee"]) e[key] /= e.total;
    return {
      value: -0.5 * (LOG_2PI + 1) - Math.log(std) - e.f,
      gradient: [-e.f1, -1 - std * e.f1e],
      hessian: [-e.f2, -std * e.f2e, -std * e.f1e - std * std * e.f2ee],
    };
  }

  reverse(mean, std) {
    return this.expand(mean, std).value;
  }

  // KL(q || p) over a grid { x0, h, nx, y0, ny } of means x and of y = 2 log2(std), row by row upwards. Means and nodes
  // are multiples of one step, so that log p is read from a table and the weights of q serve a whole row.
  reverseMap({ x0, y0, h, nx, ny }) {
    const parts = Math.ceil(h / Math.min(0.03, this.strip / 2));
    const step = h / parts;
    const far = Math.ceil((REACH * 2 ** ((y0 + h * (ny - 1)) / 2)) / step) + parts;
    const table = Float64Array.from({ length: parts * (nx - 1) + 2 * far + 1 }, (_, i) => this.logDensity(x0 + (i - far) * step));
    const out = new Float64Array(nx * ny);
    for (let j = 0; j < ny; j++) {
      const std = 2 ** ((y0 + h * j) / 2);
      const stride = Math.max(1, Math.floor(Math.min(0.4 * std, Math.max(step, this.strip / 2)) / step));
      const count = Math.floor((REACH * std) / (stride * step));
      const weights = Float64Array.from({ length: 2 * count + 1 }, (_, k) => Math.exp(-0.5 * (((k - count) * stride * step) / std) ** 2));
      const total = weights.reduce((a, b) => a + b);
      const constant = -0.5 * (LOG_2PI + 1) - Math.log(std);
      for (let i = 0; i < nx; i++) {
        let sum = 0;
        let at = far + i * parts - count * stride;
        for (let k = 0; k <= 2 * count; k++, at += stride) sum += weights[k] * table[at];
        out[j * nx + i] = constant - sum / total;
      }
    }
    return out;
  }

  // All local minima of KL(q || p) in the grid's frame, the least first: the grid's lowest cells, made exact by Newton.
  minima(grid, values) {
    const { x0, y0, h, nx, ny } = grid;
    const found = [];
    for (let j = 0; j < ny; j++) {
      for (let i = 0; i < nx; i++) {
        if (!lowest(values, nx, ny, i, j)) continue;
        const minimum = this.refine(x0 + i * h, (Math.LN2 / 2) * (y0 + j * h));
        if (!minimum) continue;
        const apart = (one) => Math.abs(one.mean - minimum.mean) + Math.abs(Math.log(one.std / minimum.std)) > 1e-4;
        if (found.every(apart)) found.push(minimum);
      }
    }
    // Of two that are equal but for rounding the left one comes first.
    return found.sort((a, b) => (Math.abs(a.value - b.value) < 1e-9 ? a.mean - b.mean : a.value - b.value));
  }

  // Newton's method with steps cut so that the value falls; null where that leads to no minimum nearby.
  refine(mean, logStd) {
    const start = [mean, logStd];
    let now = this.expand(mean, Math.exp(logStd));
    for (let round = 0; round < 60; round++) {
      const [g, k] = now.gradient;
      if (Math.hypot(g, k) < 1e-11) break;
      let [a, b, c] = now.hessian;
      // A multiple of the identity makes a Hessian positive that is not.
      const low = (a + c) / 2 - Math.hypot((a - c) / 2, b);
      if (low < 1e-3) [a, c] = [a + 1e-3 - low, c + 1e-3 - low];
      const determinant = a * c - b * b;
      let [dx, dy] = [-(c * g - b * k) / determinant, -(a * k - b * g) / determinant];
      const long = Math.hypot(dx, dy);
      if (long > 0.5) [dx, dy] = [(0.5 * dx) / long, (0.5 * dy) / long];
      let next = null;
      for (let cut = 1; cut > 1e-6; cut /= 2) {
        next = this.expand(mean + cut * dx, Math.exp(logStd + cut * dy));
        if (next.value <= now.value) {
          [mean, logStd] = [mean + cut * dx, logStd + cut * dy];
          break;
        }
        next = null;
      }
      if (!next) break; // as exact as the quadrature can tell
      now = next;
    }
    if (Math.hypot(...now.gradient) > 1e-6 || Math.hypot(mean - start[0], logStd - start[1]) > 1) return null;
    return { mean, std: Math.exp(logStd), value: now.value };
  }
}

// Whether a cell inside the frame is as low as its eight neighbours.
function lowest(values, nx, ny, i, j) {
  if (i === 0 || j === 0 || i === nx - 1 || j === ny - 1) return false;
  const here = values[j * nx + i];
  for (let v = -1; v <= 1; v++) {
    for (let u = -1; u <= 1; u++) if (values[(j + v) * nx + i + u] < here) return false;
  }
  return true;
}
