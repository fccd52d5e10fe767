// A linear scale with round ticks: all that the axes here need of one, and a tenth of what d3-scale brings with it.

export const clamp = (v, a, b) => Math.min(b, Math.max(a, v));

// Maps the domain [a, b] to the range [c, d]; both can be asked for or set. An empty domain maps to the middle.
export function linearScale() {
  let [a, b, c, d] = [0, 1, 0, 1];
  const scale = (v) => {
    const t = b === a ? 0.5 : (v - a) / (b - a);
    return c * (1 - t) + d * t;
  };
  return Object.assign(scale, {
    domain(ends) {
      if (!ends) return [a, b];
      [a, b] = ends;
      return scale;
    },
    range(ends) {
      if (!ends) return [c, d];
      [c, d] = ends;
      return scale;
    },
    invert: (place) => (d === c ? (a + b) / 2 : a + ((place - c) / (d - c)) * (b - a)),
    // Out to the next ticks, which may be further apart for the longer domain.
    nice(count) {
      for (let step = 0; step !== spacing(a, b, count); ) {
        step = spacing(a, b, count);
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        const ends = [multiple(Math.floor(low / step + 1e-9), step), multiple(Math.ceil(high / step - 1e-9), step)];
        [a, b] = a <= b ? ends : ends.reverse();
      }
      return scale;
    },
    ticks: (count) => ticks(Math.min(a, b), Math.max(a, b), count),
    tickFormat(count) {
      const digits = Math.max(0, -exponent(spacing(a, b, count)));
      return (v) => {
        const text = v.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
        return (/[1-9]/.test(text) ? text : text.replace("-", "")).replace("-", "−");
      };
    },
  });
}

const exponent = (v) => Number(v.toExponential().split("e")[1]);

// One, two or five times a power of ten, such that about `count` of it fit between a and b.
function spacing(a, b, count) {
  const rough = Math.abs(b - a) / count;
  if (!(rough > 0)) return 1;
  const power = exponent(rough);
  const rest = rough / 10 ** power;
  return Number(`${rest >= Math.sqrt(50) ? 10 : rest >= Math.sqrt(10) ? 5 : rest >= Math.SQRT2 ? 2 : 1}e${power}`);
}

// Dividing by a whole number gives 0.3 and not 0.30000000000000004.
const multiple = (i, step) => (step < 1 ? i / Math.round(1 / step) : i * step);

// The multiples of the spacing from low to high.
function ticks(low, high, count) {
  if (low === high) return [low];
  const step = spacing(low, high, count);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => multiple(first + i, step));
}
