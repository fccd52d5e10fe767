// Two arithmetic kernels in WebAssembly with two float64 lanes, assembled here: a layer of a network for 32 points at a
// time, and the score of a mixture. Where WebAssembly is not to be had, `kernels` gives null and the callers do the same in
// plain JavaScript, several times slower.
import { add, anyOf, assembled, doubles, get, int, load, onward, set, shuffle, store, times, until, when } from "./assembler.js";

export const POINTS = 32; // of a block
const ROW = 8 * POINTS; // bytes of one feature of a block
const REACH = 32; // nats below the largest term, where a component no longer counts: e^-32 is 1e-14

const { all: both, div, greater, least, minus, most, mul, plus, spread } = doubles;

// e to the local x, into local y (x, k and s are spoilt): x = k log 2 + r with |r| at most log(2) / 2, Taylor's polynomial of
// degree eight in r (error 2e-10), and k added to the exponent. Adding 1.5 * 2^52 rounds to a whole number in the lowest bits.
const ROUND = 6755399441055744;
const TAYLOR = [1, 1, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040, 1 / 40320].map((v) => both(v));
function exponential(x, y, k, s) {
  const line = (i) => plus(TAYLOR[i], mul(TAYLOR[i + 1], get(x)));
  const fourth = mul(get(s), get(s));
  return [
    set(x, least(most(get(x), both(-700)), both(700))),
    set(k, plus(mul(get(x), both(Math.LOG2E)), both(ROUND))),
    set(y, minus(get(k), both(ROUND))),
    set(x, minus(minus(get(x), mul(get(y), both(0.6931471803691238))), mul(get(y), both(1.9082149292705877e-10)))),
    set(s, mul(get(x), get(x))),
    // In pairs of terms, which do not wait for one another.
    set(y, plus(line(4), mul(get(s), plus(line(6), mul(get(s), TAYLOR[8]))))),
    set(y, plus(plus(line(0), mul(get(s), line(2))), mul(fourth, get(y)))),
    set(y, doubles.scaled(get(y), get(k))),
  ];
}

// layer(x, w, b, y, inputs, groups): y = W x + b for a block, features in rows of 32 points. Outputs come in groups of
// four: w has for each group and input four weights, b four biases. Four outputs for four points stay in registers.
function layer() {
  const [x, w, b, y, inputs, groups, p, xp, wEnd, yEnd] = Array.from({ length: 10 }, (_, i) => i);
  const sum = (o, half) => 10 + 2 * o + half;
  const [u, v, t] = [18, 19, 20];
  const four = [0, 1, 2, 3];
  const body = [
    set(yEnd, add(get(y), times(get(groups), int(4 * ROW)))),
    until(y, get(yEnd), 4 * ROW, [
      set(wEnd, add(get(w), times(get(inputs), int(32)))),
      set(p, int(0)),
      until(p, int(ROW), 32, [
        four.map((o) => [0, 1].map((half) => set(sum(o, half), spread(get(b), 8 * o)))),
        set(xp, add(get(x), get(p))),
        until(w, get(wEnd), 32, [
          set(u, load(get(xp))),
          set(v, load(get(xp), 16)),
          four.map((o) => [
            set(t, spread(get(w), 8 * o)),
            set(sum(o, 0), plus(get(sum(o, 0)), mul(get(t), get(u)))),
            set(sum(o, 1), plus(get(sum(o, 1)), mul(get(t), get(v)))),
          ]),
          onward(xp, ROW),
        ]),
        set(w, [get(wEnd), times(get(inputs), int(32)), 0x6b]),
        four.map((o) => [0, 1].map((half) => store(add(get(y), get(p)), get(sum(o, half)), o * ROW + 16 * half))),
      ]),
      set(w, get(wEnd)),
      onward(b, 32),
    ]),
  ];
  return { inputs: 6, locals: [[4, 0x7f], [11, 0x7b]], body };
}

// silu(y, end): y / (1 + exp(-y)) in place, four numbers at a time.
function silu() {
  const [y, end] = [0, 1];
  const halves = [0, 1].map((half) => {
    const [value, x, power, k, square] = [2, 3, 4, 5, 6].map((i) => i + 5 * half);
    const before = [set(value, load(get(y), 16 * half)), set(x, minus(both(0), get(value))), exponential(x, power, k, square)];
    return [before, store(get(y), div(get(value), plus(both(1), get(power))), 16 * half)];
  });
  return { inputs: 2, locals: [[10, 0x7b]], body: until(y, get(end), 32, halves) };
}

// mixture(p, end, c, cEnd, terms): the score at each four points from p (x, y, x, y, ...) in their place. A component has
// six numbers: its mean, its precision (xx, xy, yy), and the log of its weight with the normal law's constant.
function mixture() {
  const [p, end, c, cEnd, terms, k, t] = [0, 1, 2, 3, 4, 5, 6];
  const [mx, my, xx, xy, yy] = [7, 8, 9, 10, 11]; // of a component, in both lanes
  const [dx, dy, term, power, whole, square] = [12, 13, 14, 15, 16, 17];
  const pair = (half) => {
    const [x, y, top, sum, sx, sy] = [18, 19, 20, 21, 22, 23].map((i) => i + 6 * half);
    return { x, y, top, sum, sx, sy, at: 32 * half };
  };
  const pairs = [pair(0), pair(1)];
  const component = [mx, my, xx, xy, yy].map((i, place) => set(i, spread(get(k), 8 * place)));
  const apart = ({ x, y }) => [set(dx, minus(get(mx), get(x))), set(dy, minus(get(my), get(y)))];
  const [gx, gy] = [[xx, xy], [xy, yy]].map(([u, v]) => plus(mul(get(u), get(dx)), mul(get(v), get(dy))));
  const body = until(p, get(end), 64, [
    pairs.map(({ x, y, top, sum, sx, sy, at }) => [
      set(x, shuffle(load(get(p), at), load(get(p), at + 16), [0, 2])),
      set(y, shuffle(load(get(p), at), load(get(p), at + 16), [1, 3])),
      set(top, both(-Infinity)),
      [sum, sx, sy].map((i) => set(i, both(0))),
    ]),
    set(k, get(c)),
    set(t, get(terms)),
    until(k, get(cEnd), 48, [
      component,
      pairs.map((one, half) => [
        apart(one),
        set(term, minus(spread(get(k), 40), mul(both(0.5), plus(mul(get(dx), gx), mul(get(dy), gy))))),
        store(get(t), get(term), 16 * half),
        set(one.top, most(get(one.top), get(term))),
      ]),
      onward(t, 32),
    ]),
    set(k, get(c)),
    set(t, get(terms)),
    until(k, get(cEnd), 48, [
      component,
      pairs.map((one, half) => [
        set(term, minus(load(get(t), 16 * half), get(one.top))),
        when(anyOf(greater(get(term), both(-REACH))), [
          exponential(term, power, whole, square),
          apart(one),
          set(one.sum, plus(get(one.sum), get(power))),
          set(one.sx, plus(get(one.sx), mul(get(power), gx))),
          set(one.sy, plus(get(one.sy), mul(get(power), gy))),
        ]),
      ]),
      onward(t, 32),
    ]),
    pairs.map(({ sum, sx, sy, at }) => [
      set(sx, div(get(sx), get(sum))),
      set(sy, div(get(sy), get(sum))),
      store(get(p), shuffle(get(sx), get(sy), [0, 2]), at),
      store(get(p), shuffle(get(sx), get(sy), [1, 3]), at + 16),
    ]),
  ]);
  return { inputs: 5, locals: [[2, 0x7f], [23, 0x7b]], body };
}

let compiled; // undefined: not tried; null: not to be had

// The kernels { layer, silu, mixture } on a memory of at least `bytes`, whose numbers are `numbers`; or null.
export function kernels(bytes) {
  if (compiled === undefined) {
    try {
      compiled = new WebAssembly.Module(assembled({ layer: layer(), silu: silu(), mixture: mixture() }));
    } catch {
      compiled = null; // a page's policy or an old browser
    }
  }
  if (!compiled) return null;
  try {
    const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / 65536) });
    const { exports } = new WebAssembly.Instance(compiled, { page: { memory } });
    return { ...exports, numbers: new Float64Array(memory.buffer) };
  } catch {
    return null; // no memory to be had
  }
}
