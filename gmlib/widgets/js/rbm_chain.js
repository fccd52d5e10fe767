// Block Gibbs sampling of a machine of many units. The weights come as whole numbers, int8, and a scale for each hidden unit;
// only the rows of units that are on are added up. Of a visible unit a row is kept, and of a hidden one as well.

const sigmoid = (a) => 1 / (1 + Math.exp(-a));
const softplus = (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));

export class Machine {
  // weight: d rows of n whole numbers; scale, c: n; b: d.
  constructor({ weight, scale, b, c }) {
    Object.assign(this, { d: b.length, n: c.length, scale, b, c });
    this.rows = Float32Array.from(weight);
    this.columns = new Float32Array(weight.length);
    for (let i = 0; i < this.d; i++) for (let j = 0; j < this.n; j++) this.columns[j * this.d + i] = weight[i * this.n + j] * scale[j];
  }

  // Activations of the hidden units for visible ones of 0 and 1.
  hidden(x, out = new Float64Array(this.n)) {
    const { d, n, rows, scale, c } = this;
    out.fill(0);
    for (let i = 0; i < d; i++) {
      if (!x[i]) continue;
      const at = i * n;
      for (let j = 0; j < n; j++) out[j] += rows[at + j];
    }
    for (let j = 0; j < n; j++) out[j] = c[j] + scale[j] * out[j];
    return out;
  }

  visible(h, out = new Float64Array(this.d)) {
    const { d, n, columns, b } = this;
    for (let i = 0; i < d; i++) out[i] = b[i];
    for (let j = 0; j < n; j++) {
      if (!h[j]) continue;
      const at = j * d;
      for (let i = 0; i < d; i++) out[i] += columns[at + i];
    }
    return out;
  }

  // At an inverse temperature of 1.
  freeEnergy(x, activations = this.hidden(x)) {
    let sum = 0;
    for (let i = 0; i < this.d; i++) if (x[i]) sum -= this.b[i];
    for (let j = 0; j < this.n; j++) sum -= softplus(activations[j]);
    return sum;
  }

  // The weights of one hidden unit, as a picture.
  field(j) {
    return this.columns.subarray(j * this.d, (j + 1) * this.d);
  }
}

// The state of a chain: units x and h, their probabilities given the other layer, and the pixels that are held.
export class Dream {
  constructor(machine, uniform) {
    const { d, n } = machine;
    Object.assign(this, { machine, uniform, steps: 0, x: new Uint8Array(d), h: new Uint8Array(n), held: new Int8Array(d).fill(-1) });
    Object.assign(this, { visible: new Float64Array(d), hidden: new Float64Array(n), logits: new Float64Array(n) });
    this.begin(this.x);
  }

  // On from this picture. The hidden units are shown by their probabilities until the first step draws them.
  begin(x) {
    this.x.set(x);
    this.steps = 0;
    this.hold();
  }

  // Held pixels take their value; energy and probabilities follow.
  hold() {
    const { x, held, visible } = this;
    for (let i = 0; i < x.length; i++) {
      if (held[i] >= 0) x[i] = held[i];
      visible[i] = x[i];
    }
    this.settle(1);
  }

  settle(beta) {
    const { machine, x, hidden, logits } = this;
    machine.hidden(x, logits);
    this.energy = machine.freeEnergy(x, logits);
    for (let j = 0; j < hidden.length; j++) hidden[j] = sigmoid(beta * logits[j]);
  }

  // Hidden units given the visible ones, then visible given hidden, both at the inverse temperature beta. A held pixel takes
  // its draw as well, so that the same seed gives every other pixel the same numbers.
  step(beta = 1) {
    const { machine, uniform, x, h, held, visible, hidden, logits } = this;
    for (let j = 0; j < h.length; j++) h[j] = uniform() < sigmoid(beta * logits[j]) ? 1 : 0;
    machine.visible(h, visible);
    for (let i = 0; i < x.length; i++) {
      visible[i] = sigmoid(beta * visible[i]);
      const drawn = uniform() < visible[i] ? 1 : 0;
      if (held[i] >= 0) visible[i] = held[i];
      x[i] = held[i] >= 0 ? held[i] : drawn;
    }
    this.steps++;
    this.settle(beta);
    return hidden;
  }

  randomise() {
    this.begin(Uint8Array.from(this.x, () => (this.uniform() < 0.5 ? 1 : 0)));
  }
}
