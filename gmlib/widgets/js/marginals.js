// A mixture in the plane as a picture needs it: its density on a grid, and the density of each coordinate.

// The density of coordinate d at these places.
export function marginal(law, d, places) {
  const out = new Float64Array(places.length);
  for (let k = 0; k < law.n; k++) {
    const variance = law.covariances[3 * k + 2 * d];
    const scale = law.weights[k] / Math.sqrt(2 * Math.PI * variance);
    const mean = law.means[2 * k + d];
    for (let i = 0; i < places.length; i++) {
      const far = (places[i] - mean) ** 2 / variance;
      if (far < 60) out[i] += scale * Math.exp(-0.5 * far);
    }
  }
  return out;
}

// In the square that reaches `half` from the origin: { values, grid, top } and both marginals at `places`.
export function inSquare(law, half) {
  // Beyond the edge, where a scaled picture fades.
  const h = Math.max((2 * half) / 250, 0.28 * law.grain);
  const side = Math.ceil((2 * half) / h) + 4;
  const grid = { x0: -half - 1.5 * h, y0: -half - 1.5 * h, h, nx: side, ny: side };
  const values = law.field(grid);
  const places = Float64Array.from({ length: 121 }, (_, i) => half * (i / 60 - 1));
  return { grid, values, top: values.reduce((a, b) => (b > a ? b : a), 0), places, marginals: [0, 1].map((d) => marginal(law, d, places)) };
}
