// The importance-weighted bound where everything is known: z ~ N(0, 1), x | z ~ N(z, 1), guess q = N(mean, std^2).
// The oracle is gmlib.vae.elbo in float64 (ImportanceSamples.terms and .bounds).

const LOG_2PI = Math.log(2 * Math.PI);

// log N(x; 0, 2)
export const logEvidence = (x) => -0.25 * x * x - 0.5 * (LOG_2PI + Math.LN2);

// E_q log N(x; z, 1) - KL(q || N(0, 1))
export function elbo(x, mean, std) {
  const reconstruction = -0.5 * ((x - mean) ** 2 + std * std + LOG_2PI);
  return reconstruction - 0.5 * (mean * mean + std * std - 1 - 2 * Math.log(std));
}

// log w at z = mean + std e is a + b e + c e^2.
export function coefficients(x, mean, std) {
  return [-0.5 * (x - mean) ** 2 - 0.5 * mean * mean - 0.5 * LOG_2PI + Math.log(std), std * (x - 2 * mean), 0.5 - std * std];
}

// The exact standard deviation of log w, that is of the bound from one sample.
export function spread(x, mean, std) {
  const [, b, c] = coefficients(x, mean, std);
  return Math.sqrt(b * b + 2 * c * c);
}

// noise: rows of `most` draws. For each of `counts`, from the first K of every row: the bound log(sum w / K) of each row,
// and the effective number of samples, (sum w)^2 / sum w^2, averaged over the rows.
export function bounds({ x, mean, std }, noise, most, counts) {
  const [a, b, c] = coefficients(x, mean, std);
  const rows = noise.length / most;
  const found = counts.map((count) => ({ count, values: new Float64Array(rows), effective: 0 }));
  const order = [...found].sort((one, other) => one.count - other.count);
  for (let i = 0; i < rows; i++) {
    let [top, sum, squares, k] = [-Infinity, 0, 0, 0];
    for (const entry of order) {
      for (; k < entry.count; k++) {
        const e = noise[i * most + k];
        const v = a + (b + c * e) * e;
        // Sums relative to the largest weight so far.
        const f = Math.exp(-Math.abs(v - top));
        if (v > top) [top, sum, squares] = [v, sum * f + 1, squares * f * f + 1];
        else [sum, squares] = [sum + f, squares + f * f];
      }
      entry.values[i] = top + Math.log(sum / entry.count);
      entry.effective += (sum * sum) / squares / rows;
    }
  }
  return found;
}
