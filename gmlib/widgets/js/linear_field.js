// Linear fields dx/dt = A x in the plane, their exact flow and Euler's polygons. A matrix is [a, b, c, d], row by row. The
// oracle is torch: matrix_exp and slogdet.
import { principal } from "./linear.js";

export const determinant = ([a, b, c, d]) => a * d - b * c;
export const trace = ([a, , , d]) => a + d;

// tr A², which is tr(A)² - 2 det A.
export const traceOfSquare = ([a, b, c, d]) => a * a + 2 * b * c + d * d;

export const apply = ([a, b, c, d], [x, y]) => [a * x + b * y, c * x + d * y];

export const product = ([a, b, c, d], [e, f, g, h]) => [a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h];

// The most that A stretches: the root of the larger eigenvalue of A^T A.
export const norm = ([a, b, c, d]) => principal(a * a + c * c, a * b + c * d, b * b + d * d).large;

// One step of Euler's, I + s A.
export const stepOf = ([a, b, c, d], s) => [1 + s * a, s * b, s * c, 1 + s * d];

// e^(A t). With A = m I + B, where tr B = 0, B² is q I: a cosh and a sinh, or for q < 0 a cos and a sin.
export function exponential(matrix, t) {
  const [a, b, c, d] = matrix;
  const m = (a + d) / 2;
  const z = (m * m - determinant(matrix)) * t * t;
  const root = Math.sqrt(Math.abs(z));
  const even = z < 0 ? Math.cos(root) : Math.cosh(root);
  const odd = root < 1e-4 ? 1 + z / 6 : (z < 0 ? Math.sin(root) : Math.sinh(root)) / root;
  const [grown, lean] = [Math.exp(m * t) * even, Math.exp(m * t) * t * odd];
  return [grown + lean * (a - m), lean * b, lean * c, grown + lean * (d - m)];
}

// The steps of length 1/n up to time t, the last one cut off: how many whole ones, and what is left.
export function steps(n, t) {
  const whole = Math.floor(t * n + 1e-9);
  return { whole, rest: Math.max(0, t - whole / n) < 1e-9 ? 0 : t - whole / n };
}

// Euler's maps up to time t: the identity, after one step, ..., after the last (cut off) one.
export function eulerMaps(matrix, n, t) {
  const { whole, rest } = steps(n, t);
  const maps = [[1, 0, 0, 1]];
  const step = stepOf(matrix, 1 / n);
  for (let k = 0; k < whole; k++) maps.push(product(step, maps[k]));
  if (rest) maps.push(product(stepOf(matrix, rest), maps[whole]));
  return maps;
}

// log |det| of Euler's map up to time t: -Infinity where a step flattens the plane.
export function eulerLogDet(matrix, n, t) {
  const { whole, rest } = steps(n, t);
  const one = whole ? whole * Math.log(Math.abs(determinant(stepOf(matrix, 1 / n)))) : 0;
  return one + Math.log(Math.abs(determinant(stepOf(matrix, rest))));
}
