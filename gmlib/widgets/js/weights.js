// Arrays by name. They are asked for by a custom message: Python answers it where there is a kernel, the page's loader
// where there is none (from the book's own files, by hash, only when a widget asks).

let asked = 0;

const PATIENCE = 10_000; // milliseconds
const LATE =
  "Waiting for the numbers: a kernel sends them once its cells have run, a page when the connection lets it. " +
  "Is the kernel gone? Then run the cell again.";

// A promise of { NAME: { shape, data: Float32Array } }. However late the answer comes, it is taken: in JupyterLab, "run all"
// keeps the kernel busy until the last cell.
export function weights(view, name) {
  const { model, signal } = view;
  const id = `${Date.now()}-${asked++}`;
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => view.notice(LATE), PATIENCE);
    const end = () => {
      clearTimeout(late);
      model.off("msg:custom", answer);
    };
    const answer = (content, buffers) => {
      if (content?.id !== id) return;
      end();
      if (view.shown?.textContent === LATE) view.notice("");
      if (content.error) reject(new Error(content.error));
      else resolve(unpack(content.arrays, buffers[0]));
    };
    signal.addEventListener("abort", end);
    model.on("msg:custom", answer);
    model.send({ kind: "weights", name, id });
  });
}

// The arrays in one block of bytes. Stored as float32, float16 or int8 (with a scale); always read as float32.
export function unpack(arrays, block) {
  const view = block instanceof DataView ? block : new DataView(block.buffer ?? block, block.byteOffset ?? 0, block.byteLength);
  const read = {
    float32: (at, i) => view.getFloat32(at + 4 * i, true),
    float16: (at, i) => half(view.getUint16(at + 2 * i, true)),
    int8: (at, i) => view.getInt8(at + i),
  };
  return Object.fromEntries(
    arrays.map(({ name, dtype, shape, offset, scale = 1 }) => {
      const length = shape.reduce((a, b) => a * b, 1);
      const data = new Float32Array(length);
      const number = read[dtype];
      for (let i = 0; i < length; i++) data[i] = scale * number(offset, i);
      return [name, { shape, data }];
    }),
  );
}

const POWERS = Float64Array.from({ length: 31 }, (_, exponent) => 2 ** (Math.max(1, exponent) - 25));

function half(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 31 ? (fraction ? NaN : Infinity) : POWERS[exponent] * (exponent ? 1024 + fraction : fraction);
  return bits & 0x8000 ? -size : size;
}
