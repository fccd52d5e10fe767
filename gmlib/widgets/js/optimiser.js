// Plain gradient steps and Adam's, as torch.optim has them.

const [DECAY, EPSILON] = [0.999, 1e-8];

export class Optimiser {
  constructor(network) {
    const size = network.weights.length;
    Object.assign(this, { network, count: 0, first: new Float64Array(size), second: new Float64Array(size) });
  }

  step({ optimiser, beta1 }, rate) {
    const { weights, gradient } = this.network;
    const { first, second } = this;
    if (optimiser === "sgd") {
      for (let i = 0; i < weights.length; i++) weights[i] -= rate * gradient[i];
      return;
    }
    this.count++;
    const size = rate / (1 - beta1 ** this.count);
    const root = Math.sqrt(1 - DECAY ** this.count);
    for (let i = 0; i < weights.length; i++) {
      const g = gradient[i];
      first[i] += (1 - beta1) * (g - first[i]);
      second[i] = DECAY * second[i] + (1 - DECAY) * g * g;
      weights[i] -= (size * first[i]) / (Math.sqrt(second[i]) / root + EPSILON);
    }
  }
}
