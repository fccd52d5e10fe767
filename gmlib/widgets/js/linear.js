// Symmetric 2 x 2 matrices [[a, b], [b, c]].

export const determinant = (a, b, c) => a * c - b * b;

export function inverse(a, b, c) {
  const d = determinant(a, b, c);
  return [c / d, -b / d, a / d];
}

// The lower triangle [l11, l21, l22] of the Cholesky factor.
export function cholesky(a, b, c) {
  const l11 = Math.sqrt(a);
  const l21 = b / l11;
  return [l11, l21, Math.sqrt(c - l21 * l21)];
}

// Standard deviations along the principal axes, the larger one first, and the angle of the first.
export function principal(a, b, c) {
  const middle = (a + c) / 2;
  const reach = Math.hypot((a - c) / 2, b);
  return { large: Math.sqrt(middle + reach), small: Math.sqrt(middle - reach), angle: Math.atan2(2 * b, a - c) / 2 };
}
