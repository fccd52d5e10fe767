// Steps that move points by a score: down a ladder of noise levels with noise, or along the probability flow without.

// sigma_i = largest r^i for i = 0 .. levels - 1, ending at the smallest.
export function ladder(largest, smallest, levels) {
  const ratio = smallest / largest;
  return Float64Array.from({ length: levels }, (_, i) => (levels > 1 ? largest * ratio ** (i / (levels - 1)) : smallest));
}

// x + (step / 2) score + sqrt(temperature step) noise, in place. Annealed Langevin dynamics takes such steps with
// step = share sigma^2 at each noise level in turn.
export function langevinStep(points, scores, step, noise, temperature = 1) {
  const root = Math.sqrt(temperature * step);
  for (let i = 0; i < points.length; i++) points[i] += 0.5 * step * scores[i] + root * noise[i];
}

// An Euler step of dx/dsigma = -sigma s(x, sigma) from one noise level to another, in place.
export function flowStep(points, scores, from, to) {
  const gain = from * (from - to);
  for (let i = 0; i < points.length; i++) points[i] += gain * scores[i];
}
