// Dense matrices as Float64Arrays, row by row.

// a (n x k) times b (k x m).
export function multiply(a, b, n, k, m) {
  const out = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    for (let l = 0; l < k; l++) {
      const factor = a[i * k + l];
      for (let j = 0, to = i * m, from = l * m; j < m; j++) out[to++] += factor * b[from++];
    }
  }
  return out;
}

// The rows and columns of a (n columns) with these numbers.
export function pick(a, n, rows, columns) {
  const out = new Float64Array(rows.length * columns.length);
  let at = 0;
  for (const i of rows) for (const j of columns) out[at++] = a[i * n + j];
  return out;
}

// The lower factor of a symmetric positive definite matrix. A pivot that rounding made negative counts as zero.
export function cholesky(a, n) {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let rest = a[i * n + j];
      for (let k = 0; k < j; k++) rest -= l[i * n + k] * l[j * n + k];
      if (i === j) l[i * n + i] = Math.sqrt(Math.max(rest, 0));
      else l[i * n + j] = l[j * n + j] > 0 ? rest / l[j * n + j] : 0;
    }
  }
  return l;
}

// The solution x (n x m) of a x = b for a symmetric positive definite a.
export function solve(a, b, n, m) {
  const l = cholesky(a, n);
  const x = Float64Array.from(b);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) for (let j = 0; j < m; j++) x[i * m + j] -= l[i * n + k] * x[k * m + j];
    for (let j = 0; j < m; j++) x[i * m + j] /= l[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) for (let j = 0; j < m; j++) x[i * m + j] -= l[k * n + i] * x[k * m + j];
    for (let j = 0; j < m; j++) x[i * m + j] /= l[i * n + i];
  }
  return x;
}
