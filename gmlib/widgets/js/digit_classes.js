// Which digits are asked for, and what is measured of those that come. The oracle is gmlib.widgets.guided_digits.

const ONE = 16; // images of one class

// The class of each image and how many lie in a row; name: "each", or a class.
export function asked(name) {
  if (name === "each") return { labels: Array.from({ length: 20 }, (_, i) => i % 10), across: 5 };
  return { labels: Array(ONE).fill(Number(name)), across: 4 };
}

// From -1, paper, and 1, ink, to 0 and 1; what lies outside is cut off.
const level = (v) => (1 + Math.min(1, Math.max(-1, v))) / 2;

export const grey = (values) => values.reduce((sum, v) => sum + level(v), 0) / values.length;

// Variance of a pixel between the images of a class (with n - 1), on average over pixels and classes.
export function between(values, labels, pixels) {
  let total = 0;
  const classes = [...new Set(labels)];
  for (const label of classes) {
    const own = labels.flatMap((other, k) => (other === label ? [k * pixels] : []));
    for (let i = 0; i < pixels; i++) {
      const mean = own.reduce((sum, at) => sum + level(values[at + i]), 0) / own.length;
      total += own.reduce((sum, at) => sum + (level(values[at + i]) - mean) ** 2, 0) / (own.length - 1);
    }
  }
  return total / (classes.length * pixels);
}
