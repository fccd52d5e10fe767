// The sliced 2-Wasserstein distance between samples in the plane. The oracle is gmlib.metrics.sliced_wasserstein with the
// same directions.

// `count` directions (flat pairs), evenly spread over the half circle.
export function directions(count) {
  return Float64Array.from({ length: 2 * count }, (_, i) => {
    const angle = (Math.PI * ((i >> 1) + 0.5)) / count;
    return i % 2 ? Math.sin(angle) : Math.cos(angle);
  });
}

// The points (flat pairs) projected on each direction, sorted: one row a direction.
export function sortedProjections(points, lines, out = new Float64Array((points.length * lines.length) / 4)) {
  const n = points.length / 2;
  for (let k = 0; k < lines.length / 2; k++) {
    const row = out.subarray(k * n, (k + 1) * n);
    for (let i = 0; i < n; i++) row[i] = lines[2 * k] * points[2 * i] + lines[2 * k + 1] * points[2 * i + 1];
    row.sort();
  }
  return out;
}

// From two such tables for samples of the same size.
export function slicedWasserstein(one, other) {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += (one[i] - other[i]) ** 2;
  return Math.sqrt(sum / one.length);
}
