// What samples in the plane (flat pairs) tell about a model. The oracle is gmlib.metrics in float64.

// For each of `x`, the distance to its k-th nearest of `y`; with `self`, y is x and a point is no neighbour of itself.
export function nearest(x, y, k, self = false) {
  const out = new Float64Array(x.length / 2);
  const best = new Float64Array(k);
  for (let i = 0; i < out.length; i++) {
    best.fill(Infinity);
    const [a, b] = [x[2 * i], x[2 * i + 1]];
    for (let j = 0; j < y.length; j += 2) {
      const d = (a - y[j]) ** 2 + (b - y[j + 1]) ** 2;
      if (d >= best[k - 1] || (self && j === 2 * i)) continue;
      let place = k - 1;
      for (; place > 0 && best[place - 1] > d; place--) best[place] = best[place - 1];
      best[place] = d;
    }
    out[i] = Math.sqrt(best[k - 1]);
  }
  return out;
}

// Share of `fake` inside some ball around a real point that reaches its k-th real neighbour; and the same, exchanged.
export function precisionRecall(real, fake, k, radii = nearest(real, real, k, true)) {
  const own = nearest(fake, fake, k, true).map((r) => r * r);
  const reach = radii.map((r) => r * r);
  const covered = new Uint8Array(real.length / 2);
  let precise = 0;
  for (let i = 0; i < own.length; i++) {
    const [a, b, r] = [fake[2 * i], fake[2 * i + 1], own[i]];
    let inside = 0;
    for (let j = 0; j < covered.length; j++) {
      const d = (a - real[2 * j]) ** 2 + (b - real[2 * j + 1]) ** 2;
      if (d <= reach[j]) inside = 1;
      if (d <= r) covered[j] = 1;
    }
    precise += inside;
  }
  return { precision: precise / own.length, recall: covered.reduce((sum, c) => sum + c, 0) / covered.length };
}

// Mean and covariance (xx, xy, yy), the latter with divisor n - `less`.
export function moments(points, less = 1) {
  const n = points.length / 2;
  const [mean, covariance] = [[0, 0], [0, 0, 0]];
  for (let i = 0; i < n; i++) for (const d of [0, 1]) mean[d] += points[2 * i + d] / n;
  for (let i = 0; i < n; i++) {
    const [a, b] = [points[2 * i] - mean[0], points[2 * i + 1] - mean[1]];
    [a * a, a * b, b * b].forEach((v, k) => (covariance[k] += v / (n - less)));
  }
  return { mean, covariance };
}

// The squared Frechet distance between normal laws in the plane, where the trace of the root has a closed form.
export function frechet({ mean: m, covariance: [a, b, c] }, { mean: w, covariance: [p, q, r] }) {
  const product = a * p + 2 * b * q + c * r; // trace of the product of the covariances
  const determinants = Math.max(0, a * c - b * b) * Math.max(0, p * r - q * q);
  const root = Math.sqrt(Math.max(0, product + 2 * Math.sqrt(determinants)));
  return (m[0] - w[0]) ** 2 + (m[1] - w[1]) ** 2 + Math.max(0, a + c + p + r - 2 * root);
}

// probs: rows of class probabilities, flat.
export function inceptionScore(probs, classes) {
  const n = probs.length / classes;
  const average = new Float64Array(classes);
  let entropy = 0;
  for (let i = 0; i < probs.length; i++) {
    average[i % classes] += probs[i] / n;
    if (probs[i] > 0) entropy -= (probs[i] * Math.log(probs[i])) / n;
  }
  return Math.exp(average.reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0) - entropy);
}

export function median(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
