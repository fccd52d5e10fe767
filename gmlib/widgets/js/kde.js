// Kernel density estimates on the line. The oracle is gmlib.classical.KernelDensity in float64.

const LOG_2PI = Math.log(2 * Math.PI);
const SCAN = 60; // bandwidths that are looked at before the best one is refined

// n draws of a mixture { weights, means, stds }, by js/random.js.
export function sample({ weights, means, stds }, n, random) {
  return Float64Array.from({ length: n }, () => {
    let u = random();
    let k = 0;
    while (k < weights.length - 1 && u >= weights[k]) u -= weights[k++];
    return means[k] + stds[k] * random.normal();
  });
}

// The density of the mixture.
export function density({ weights, means, stds }, x) {
  return weights.reduce((sum, w, k) => sum + (w / stds[k]) * Math.exp(-0.5 * (((x - means[k]) / stds[k]) ** 2 + LOG_2PI)), 0);
}

// Its entropy in nats, by the trapezoid rule.
export function entropy(law) {
  const reach = (sign) => law.means.map((m, k) => m + sign * 12 * law.stds[k]);
  const [low, high] = [Math.min(...reach(-1)), Math.max(...reach(1))];
  const step = (high - low) / 4000;
  let sum = 0;
  for (let i = 0; i <= 4000; i++) {
    const p = density(law, low + i * step);
    if (p > 0) sum -= step * p * Math.log(p);
  }
  return sum;
}

// The kernel's density at a distance u.
export function kernelAt(u, bandwidth, kernel) {
  if (kernel === "boxcar") return Math.abs(u) <= bandwidth ? 1 / (2 * bandwidth) : 0;
  return Math.exp(-0.5 * ((u / bandwidth) ** 2 + LOG_2PI)) / bandwidth;
}

const TINY = 1e-250; // a sum of kernels below this has lost digits, or all of it

// Log of a sum of kernels, without their constant, averaged over n points.
function logAverage(sum, n, bandwidth, kernel) {
  const constant = kernel === "boxcar" ? Math.log(2 * bandwidth) : Math.log(bandwidth) + 0.5 * LOG_2PI;
  return Math.log(sum / n) - constant;
}

// Log of the average kernel at x over the points; `skip` leaves out the point of that index.
export function logProb(points, x, bandwidth, kernel, skip = -1) {
  const n = points.length - (skip >= 0 ? 1 : 0);
  let sum = 0;
  if (kernel === "boxcar") {
    for (let i = 0; i < points.length; i++) if (i !== skip && Math.abs(x - points[i]) <= bandwidth) sum++;
    return logAverage(sum, n, bandwidth, kernel);
  }
  const scale = -0.5 / (bandwidth * bandwidth);
  let nearest = Infinity;
  for (let i = 0; i < points.length; i++) {
    if (i === skip) continue;
    const square = (x - points[i]) ** 2;
    if (square < nearest) nearest = square;
    if (scale * square > -700) sum += Math.exp(scale * square);
  }
  if (sum > TINY) return logAverage(sum, n, bandwidth, kernel);
  // Far from every point: terms relative to the largest.
  sum = 0;
  for (let i = 0; i < points.length; i++) if (i !== skip) sum += Math.exp(scale * ((x - points[i]) ** 2 - nearest));
  return scale * nearest + logAverage(sum, n, bandwidth, kernel);
}

// Average negative log-likelihood in nats a point, and how many of the points have density zero.
function total(values) {
  let [sum, missed] = [0, 0];
  for (const value of values) {
    sum -= value;
    missed += value === -Infinity;
  }
  return { value: sum / values.length, missed };
}

// That of the places.
export function nll(points, places, bandwidth, kernel) {
  return total(Float64Array.from(places, (x) => logProb(points, x, bandwidth, kernel)));
}

// Those of the points themselves: `train`, and `left`, each point under the estimate from the others. Every pair is
// looked at once.
export function ownNll(points, bandwidth, kernel) {
  const n = points.length;
  const scale = -0.5 / (bandwidth * bandwidth);
  const sums = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      const apart = points[i] - points[j];
      if (kernel === "boxcar" ? Math.abs(apart) > bandwidth : scale * apart * apart < -700) continue;
      const value = kernel === "boxcar" ? 1 : Math.exp(scale * apart * apart);
      sums[i] += value;
      sums[j] += value;
    }
  }
  const left = sums.map((sum, i) =>
    sum > TINY ? logAverage(sum, n - 1, bandwidth, kernel) : logProb(points, points[i], bandwidth, kernel, i),
  );
  return { train: total(sums.map((sum) => logAverage(1 + sum, n, bandwidth, kernel))), left: total(left) };
}

// Mean and variance of the estimate: those of the sample, and the kernel's variance on top.
export function moments(points, bandwidth, kernel) {
  const mean = points.reduce((sum, x) => sum + x, 0) / points.length;
  const sampled = points.reduce((sum, x) => sum + (x - mean) ** 2, 0) / points.length;
  const added = (bandwidth * bandwidth) / (kernel === "boxcar" ? 3 : 1);
  return { mean, sampled, added, variance: sampled + added };
}

// The bandwidth between low and high with the least leave-one-out value.
export function best(points, kernel, low, high) {
  return kernel === "boxcar" ? bestBoxcar(points, low, high) : bestGaussian(points, low, high);
}

// The best of a fine grid of log bandwidths, then golden section around it.
function bestGaussian(points, low, high) {
  const at = (t) => ownNll(points, Math.exp(t), "gaussian").left.value;
  const [from, to] = [Math.log(low), Math.log(high)];
  const step = (to - from) / SCAN;
  let middle = from;
  let least = Infinity;
  for (let i = 0; i <= SCAN; i++) {
    const value = at(from + i * step);
    if (value < least) [middle, least] = [from + i * step, value];
  }
  const t = golden(at, Math.max(from, middle - step), Math.min(to, middle + step));
  return { bandwidth: Math.exp(t), value: at(t) };
}

// The minimiser of a function with one minimum in [a, b], to 1e-8.
export function golden(f, a, b, tolerance = 1e-8) {
  const share = (Math.sqrt(5) - 1) / 2;
  let [c, d] = [b - share * (b - a), a + share * (b - a)];
  let [fc, fd] = [f(c), f(d)];
  while (b - a > tolerance) {
    if (fc < fd) {
      [b, d, fd] = [d, c, fc];
      c = b - share * (b - a);
      fc = f(c);
    } else {
      [a, c, fc] = [c, d, fd];
      d = a + share * (b - a);
      fd = f(d);
    }
  }
  return (a + b) / 2;
}

// Between two distances of points the counts stand still and log 2l grows: the minimum is at a distance (or at `low`). The
// distances are taken in increasing order, each adding one neighbour to two points.
function bestBoxcar(points, low, high) {
  const n = points.length;
  const pairs = [];
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) pairs.push([Math.abs(points[i] - points[j]), i, j]);
  pairs.sort((one, other) => one[0] - other[0]);
  const counts = new Uint32Array(n);
  let [alone, logs, next] = [n, 0, 0];
  let found = { bandwidth: high, value: Infinity };
  const add = (i) => {
    if (counts[i]) logs += Math.log1p(1 / counts[i]);
    else alone--;
    counts[i]++;
  };
  const look = (bandwidth) => {
    while (next < pairs.length && pairs[next][0] <= bandwidth) {
      add(pairs[next][1]);
      add(pairs[next][2]);
      next++;
    }
    const value = alone ? Infinity : Math.log(2 * bandwidth * (n - 1)) - logs / n;
    if (value < found.value) found = { bandwidth, value };
  };
  look(low);
  while (next < pairs.length && pairs[next][0] <= high) look(pairs[next][0]);
  return found;
}
