// Arithmetic on images in float32: a convolution, and an affine map of each channel followed by SiLU. Four lanes of
// WebAssembly, assembled here for the images at hand, or plain JavaScript, which is ten times slower.
//
// An image has its channels side by side and a border of zeros one pixel wide: what a row of a 3 x 3 kernel looks at lies in
// one piece, so that a convolution is a product of matrices whose left one need not be written down.
import { assembled, get, int, load, onward, set, simd, singles, store, until } from "./assembler.js";

export const PIXELS = 7; // of a row, at once: with four outputs, 28 sums that stay in registers
const { all, div, least, minus, most, mul, plus, spread } = singles;

// a b + c: in one rounding where the browser has "relaxed" instructions, and at twice the speed.
const RELAXED = (a, b, c) => [a, b, c, simd(0x105)];
const STRICT = (a, b, c) => plus(c, mul(a, b));

// conv(x, y, w, b, groups, rows, blocks, xRow, yRow, yStep, taps, run, tapRow): y = W x + b, where neighbours in x are `step`
// bytes apart. groups: outputs, in fours; rows, of `blocks` times PIXELS pixels; xRow, yRow: bytes from a row of the output
// to the next, in x and in y; yStep: bytes of a pixel of y. A pixel of the output sees `taps` stretches of `run` bytes, each
// tapRow after the last. w has for each group, tap and input four weights; their number is a multiple of four.
function conv(step, fused) {
  const [x, y, w, b, groups, rows, blocks, xRow, yRow, yStep, taps, run, tapRow] = Array.from({ length: 13 }, (_, i) => i);
  const [g, row, block, xLine, yLine, xAt, yAt, p, end, wAt, tap] = Array.from({ length: 11 }, (_, i) => 13 + i);
  const sum = (i) => 24 + i;
  const weight = 24 + PIXELS;
  const each = Array.from({ length: PIXELS }, (_, i) => i);
  const body = [
    set(g, int(0)),
    until(g, get(groups), 1, [
      set(xLine, get(x)),
      set(yLine, get(y)),
      set(row, int(0)),
      until(row, get(rows), 1, [
        set(xAt, get(xLine)),
        set(yAt, get(yLine)),
        set(block, int(0)),
        until(block, get(blocks), 1, [
          each.map((i) => set(sum(i), load(get(b)))),
          set(wAt, get(w)),
          set(p, get(xAt)),
          set(tap, int(0)),
          until(tap, get(taps), 1, [
            set(end, [get(p), get(run), 0x6a]),
            until(p, get(end), 16, [
              [0, 1, 2, 3].map((c) => [
                set(weight, load(get(wAt), 16 * c)),
                each.map((i) => set(sum(i), fused(spread(get(p), i * step + 4 * c), get(weight), get(sum(i))))),
              ]),
              onward(wAt, 64),
            ]),
            set(p, [get(p), get(tapRow), 0x6a, get(run), 0x6b]),
          ]),
          each.map((i) => [store(get(yAt), get(sum(i))), onward(yAt, get(yStep))]),
          onward(xAt, PIXELS * step),
        ]),
        onward(xLine, get(xRow)),
        onward(yLine, get(yRow)),
      ]),
      set(w, get(wAt)),
      onward(b, 16),
      onward(y, 16),
    ]),
  ];
  return { inputs: 13, locals: [[11, 0x7f], [PIXELS + 1, 0x7b]], body };
}

// e to the local x, into local y (x and k are spoilt): x = k log 2 + r with |r| at most log(2) / 2, Taylor's polynomial of
// degree six in r (error 1e-7), and k added to the exponent. Adding 1.5 * 2^23 rounds to a whole number in the lowest bits.
const ROUND = 12582912;
const TAYLOR = [1, 1, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720].map((v) => all(v));
function exponential(x, y, k) {
  return [
    set(x, least(most(get(x), all(-87)), all(87))),
    set(k, plus(mul(get(x), all(Math.LOG2E)), all(ROUND))),
    set(y, minus(get(k), all(ROUND))),
    set(x, minus(minus(get(x), mul(get(y), all(0.693359375))), mul(get(y), all(-2.12194440054690583e-4)))),
    set(y, TAYLOR[6]),
    [5, 4, 3, 2, 1, 0].map((i) => set(y, plus(TAYLOR[i], mul(get(x), get(y))))),
    set(y, singles.scaled(get(y), get(k))),
  ];
}

// activate(x, y, a, b, rows, xRow, yRow, width, pixel): y = silu(a x + b), a and b for each channel; `width` bytes a row and
// `pixel` bytes a pixel, a multiple of 32.
function activate() {
  const [x, y, a, b, rows, xRow, yRow, width, pixel] = Array.from({ length: 9 }, (_, i) => i);
  const [row, p, q, end, c, cEnd, at] = Array.from({ length: 7 }, (_, i) => 9 + i);
  const halves = [0, 1].map((half) => {
    const [value, u, power, k] = [16, 17, 18, 19].map((i) => i + 4 * half);
    return [
      set(value, plus(mul(load(get(p), 16 * half), load(get(c), 16 * half)), load(get(at), 16 * half))),
      set(u, minus(all(0), get(value))),
      exponential(u, power, k),
      store(get(q), div(get(value), plus(all(1), get(power))), 16 * half),
    ];
  });
  const body = [
    set(cEnd, [get(a), get(pixel), 0x6a]),
    set(row, int(0)),
    until(row, get(rows), 1, [
      set(p, get(x)),
      set(q, get(y)),
      set(end, [get(x), get(width), 0x6a]),
      until(p, get(end), 0, [
        set(c, get(a)),
        set(at, get(b)),
        until(c, get(cEnd), 32, [halves, onward(p, 32), onward(q, 32), onward(at, 32)]),
      ]),
      onward(x, get(xRow)),
      onward(y, get(yRow)),
    ]),
  ];
  return { inputs: 9, locals: [[7, 0x7f], [8, 0x7b]], body };
}

function compile(steps) {
  for (const fused of [RELAXED, STRICT]) {
    try {
      const convs = Object.fromEntries(steps.map((step) => [`conv${step}`, conv(step, fused)]));
      return new WebAssembly.Module(assembled({ activate: activate(), ...convs }));
    } catch {
      // A page's policy or an old browser.
    }
  }
  return null;
}

// { conv, activate, numbers } on a memory of `length` float32 numbers, with `step` first among the arguments of conv; steps:
// all that there are.
export function imageKernels(length, steps, simd = true) {
  const module = simd ? compile(steps) : null;
  if (!module) return plain(new Float32Array(length));
  const memory = new WebAssembly.Memory({ initial: Math.ceil(length / 16384) });
  const { exports } = new WebAssembly.Instance(module, { page: { memory } });
  return {
    numbers: new Float32Array(memory.buffer, 0, length),
    activate: exports.activate,
    conv: (step, ...rest) => exports[`conv${step}`](...rest),
  };
}

function plain(numbers) {
  const conv = (step, x, y, w, b, groups, rows, blocks, xRow, yRow, yStep, taps, run, tapRow) => {
    for (let g = 0; g < groups; g++) {
      const first = w / 4 + g * taps * run;
      for (let row = 0; row < rows; row++) {
        for (let i = 0; i < PIXELS * blocks; i++) {
          let [s0, s1, s2, s3] = numbers.subarray(b / 4 + 4 * g, b / 4 + 4 * g + 4);
          let k = first;
          for (let tap = 0; tap < taps; tap++) {
            const from = (x + row * xRow + i * step + tap * tapRow) / 4;
            for (let j = from; j < from + run / 4; j++, k += 4) {
              const v = numbers[j];
              s0 += v * numbers[k];
              s1 += v * numbers[k + 1];
              s2 += v * numbers[k + 2];
              s3 += v * numbers[k + 3];
            }
          }
          const to = (y + row * yRow + i * yStep) / 4 + 4 * g;
          numbers[to] = s0;
          numbers[to + 1] = s1;
          numbers[to + 2] = s2;
          numbers[to + 3] = s3;
        }
      }
    }
  };
  const activate = (x, y, a, b, rows, xRow, yRow, width, pixel) => {
    for (let row = 0; row < rows; row++) {
      const [from, to] = [(x + row * xRow) / 4, (y + row * yRow) / 4];
      for (let i = 0; i < width / 4; i++) {
        const c = i % (pixel / 4);
        const v = numbers[a / 4 + c] * numbers[from + i] + numbers[b / 4 + c];
        numbers[to + i] = v / (1 + Math.exp(-v));
      }
    }
  };
  return { numbers, conv, activate };
}
