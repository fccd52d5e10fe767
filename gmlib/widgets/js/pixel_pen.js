// A round pen on a square of pixels: rows from the top, columns from the left, a pixel as wide as 1.

// The pixels that it touches at these places [x, y], by their numbers row by row; the one under its middle at any radius.
export function touched(places, radius, side) {
  const found = new Set();
  for (const [x, y] of places) {
    for (let row = Math.max(0, Math.floor(y - radius)); row <= Math.min(side - 1, Math.floor(y + radius)); row++) {
      for (let column = Math.max(0, Math.floor(x - radius)); column <= Math.min(side - 1, Math.floor(x + radius)); column++) {
        const inside = Math.hypot(column + 0.5 - x, row + 0.5 - y) <= radius || (column === Math.floor(x) && row === Math.floor(y));
        if (inside) found.add(row * side + column);
      }
    }
  }
  return found;
}

// Places on the way, the last one included, half a pixel apart or less.
export function along(from, to) {
  const parts = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])));
  return Array.from({ length: parts }, (_, i) => from.map((v, k) => v + ((i + 1) / parts) * (to[k] - v)));
}

// Parts of the square.
export const REGIONS = {
  nothing: () => false,
  upper: (row, column, side) => row < side / 2,
  lower: (row, column, side) => row >= side / 2,
  left: (row, column, side) => column < side / 2,
  right: (row, column, side) => column >= side / 2,
};
