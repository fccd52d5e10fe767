// Integrals to full precision, by the tanh-sinh rule: the ends may be spikes, as where a map is flat.

const REACH = 3.4; // where the weights have died out
const LEVELS = 9; // halvings of the step

// The integral of f from a to b.
export function integrate(f, a, b, tolerance = 1e-11) {
  const [middle, half] = [(a + b) / 2, (b - a) / 2];
  const term = (t) => {
    const s = (Math.PI / 2) * Math.sinh(t);
    const weight = ((Math.PI / 2) * Math.cosh(t)) / Math.cosh(s) ** 2;
    const value = f(middle + half * Math.tanh(s));
    return Number.isFinite(value) ? weight * value : 0; // an end that rounding reached
  };
  let [step, sum, last] = [1, term(0), NaN];
  for (let t = 1; t <= REACH; t++) sum += term(t) + term(-t);
  for (let level = 0; level < LEVELS; level++) {
    step /= 2;
    for (let t = step; t <= REACH; t += 2 * step) sum += term(t) + term(-t);
    const now = half * step * sum;
    if (level > 1 && Math.abs(now - last) <= tolerance * (1 + Math.abs(now))) return now;
    last = now;
  }
  return last;
}

// The integral over pieces: f is smooth between neighbouring `places`, which increase.
export function integratePieces(f, places, tolerance) {
  let sum = 0;
  for (let i = 1; i < places.length; i++) if (places[i] > places[i - 1]) sum += integrate(f, places[i - 1], places[i], tolerance);
  return sum;
}
