// Which entries of a Jacobian are zero whatever is learnt.

// A stack of couplings in d dimensions that keep the first half, the second half, and so on in turn: 1 where an entry can be
// other than 0, row by row. `alone`: of the last layer, not of all so far.
export function pattern(layers, d, alone = false) {
  const half = Math.ceil(d / 2);
  let found = Array.from({ length: d }, (_, r) => Array.from({ length: d }, (_, c) => Number(r === c)));
  for (let i = alone ? Math.max(0, layers - 1) : 0; i < layers; i++) {
    const kept = (k) => k < half === (i % 2 === 0);
    const before = found;
    found = before.map((row, r) => (kept(r) ? row : row.map((v, c) => Number(v || before.some((other, k) => kept(k) && other[c])))));
  }
  return found;
}

export const zeros = (found) => found.flat().filter((v) => !v).length;
