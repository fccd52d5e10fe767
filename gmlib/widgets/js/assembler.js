// An assembler for small kernels in WebAssembly: code is nested arrays of bytes. Loops, locals and addresses, and the
// lanes of a vector as two float64 (`doubles`) or four float32 (`singles`).

const unsigned = (v) => (v < 128 ? [v] : [(v & 127) | 128, ...unsigned(v >>> 7)]);
const signed = (v) => (v >= -64 && v < 64 ? [v & 127] : [(v & 127) | 128, ...signed(v >> 7)]);
const sized = (...parts) => {
  const bytes = parts.flat(Infinity);
  return [unsigned(bytes.length), bytes];
};
export const simd = (code, ...rest) => [0xfd, unsigned(code), rest];

export const get = (i) => [0x20, i];
export const set = (i, value) => [value, 0x21, i];
export const int = (v) => [0x41, signed(v)];
export const add = (a, b) => [a, b, 0x6a];
export const times = (a, b) => [a, b, 0x6c];
const below = (a, b) => [a, b, 0x49];
export const onward = (i, by) => set(i, add(get(i), typeof by === "number" ? int(by) : by));
// Runs `body` until the pointer i, moved on by `by`, is at `end`; always once.
export const until = (i, end, by, ...body) => [0x03, 0x40, body, onward(i, by), below(get(i), end), 0x0d, 0, 0x0b];
export const when = (test, ...body) => [test, 0x04, 0x40, body, 0x0b];

export const load = (at, offset = 0) => [at, simd(0x00, 4, unsigned(offset))];
export const store = (at, value, offset = 0) => [at, value, simd(0x0b, 4, unsigned(offset))];
const binary = (code) => (a, b) => [a, b, simd(code)];

const bytesOf = (numbers) => [...new Uint8Array(numbers.buffer)];
const [F64, F32] = [[0xf0, 0xf1, 0xf2, 0xf3, 0xf6, 0xf7], [0xe4, 0xe5, 0xe6, 0xe7, 0xea, 0xeb]];
const lanes = ([plus, minus, mul, div, least, most]) => ({
  plus: binary(plus), minus: binary(minus), mul: binary(mul), div: binary(div), least: binary(least), most: binary(most),
});
// spread: one number of the memory into every lane; all: one constant; scaled: y times two to the k, where k has the whole
// number in its lowest bits, as adding 1.5 times two to the number of the fraction's bits leaves it there.
export const doubles = {
  ...lanes(F64),
  spread: (at, offset = 0) => [at, simd(0x0a, 3, unsigned(offset))],
  all: (v) => simd(0x0c, bytesOf(Float64Array.of(v, v))),
  greater: binary(0x4a),
  scaled: (y, k) => [y, k, int(52), simd(0xcb), simd(0xce)],
};
export const singles = {
  ...lanes(F32),
  spread: (at, offset = 0) => [at, simd(0x09, 2, unsigned(offset))],
  all: (v) => simd(0x0c, bytesOf(Float32Array.of(v, v, v, v))),
  scaled: (y, k) => [y, k, int(23), simd(0xab), simd(0xae)],
};
export const anyOf = (a) => [a, simd(0x53)];
export const shuffle = (a, b, places) => [a, b, simd(0x0d, places.flatMap((lane) => [0, 1, 2, 3, 4, 5, 6, 7].map((i) => 8 * lane + i)))];

// A module of functions { inputs, locals, body } on a memory that is imported as page.memory.
export function assembled(functions) {
  const all = Object.values(functions);
  const name = (text) => sized(...[...text].map((letter) => letter.charCodeAt(0)));
  const list = (items) => [unsigned(items.length), items];
  const section = (id, items) => [id, sized(list(items))];
  return Uint8Array.from([
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    section(1, all.map(({ inputs }) => [0x60, inputs, Array(inputs).fill(0x7f), 0])),
    section(2, [[name("page"), name("memory"), 2, 0, 1]]),
    section(3, all.map((_, i) => [i])),
    section(7, Object.keys(functions).map((key, i) => [name(key), 0, i])),
    section(10, all.map(({ locals, body }) => sized(list(locals), body, 0x0b))),
  ].flat(Infinity));
}
