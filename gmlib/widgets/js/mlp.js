// The forward pass of gmlib.nn.MLP: linear maps with a nonlinearity between them. Weights as torch has them, (out, in).

export const ACTIVATIONS = {
  silu: (v) => v / (1 + Math.exp(-v)),
  relu: (v) => Math.max(0, v),
  tanh: Math.tanh,
};

// x: n rows of layers[0].inputs numbers, flat; layers: [{ weight, bias, inputs, outputs }].
export function mlp(x, layers, activation = "silu") {
  const act = ACTIVATIONS[activation];
  let rows = x;
  layers.forEach(({ weight, bias, inputs, outputs }, depth) => {
    const n = rows.length / inputs;
    const next = new Float64Array(n * outputs);
    for (let i = 0; i < n; i++) {
      for (let o = 0; o < outputs; o++) {
        let sum = bias[o];
        for (let j = 0; j < inputs; j++) sum += weight[o * inputs + j] * rows[i * inputs + j];
        next[i * outputs + o] = depth < layers.length - 1 ? act(sum) : sum;
      }
    }
    rows = next;
  });
  return rows;
}

// The layers of gmlib.nn.MLP from its weights by name, as `weights()` gives them.
export function layersOf(arrays) {
  const names = Object.keys(arrays).filter((name) => name.endsWith(".weight"));
  const depth = (name) => Number(name.match(/\d+/)[0]);
  return names.sort((a, b) => depth(a) - depth(b)).map((name) => {
    const [outputs, inputs] = arrays[name].shape;
    return { weight: arrays[name].data, bias: arrays[name.replace("weight", "bias")].data, inputs, outputs };
  });
}
