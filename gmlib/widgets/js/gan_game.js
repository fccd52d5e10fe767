// The game of a generator and a critic: whose gradient is lowered when, gradient penalties, and what the critic tells points.
// The oracle is gmlib.gan in float64.
import { Pass } from "./dense_network.js";
import { criticLoss, generatorLoss } from "./gan_losses.js";
import { Optimiser } from "./optimiser.js";

// settings: loss, regulariser, gamma, clip, criticSteps, criticRate, generatorRate, optimiser, beta1, simultaneous; they may
// be other ones at every step.
export class Game {
  constructor(generator, critic, batch) {
    Object.assign(this, { generator, critic, batch });
    this.players = { generator: new Optimiser(generator), critic: new Optimiser(critic) };
    this.making = new Pass(generator, batch);
    [this.onReal, this.onFake, this.between] = [0, 1, 2].map(() => new Pass(critic, batch));
    this.real = new Float64Array(2 * batch);
    this.mix = new Float64Array(batch);
  }

  // The critic's gradient on the points `real` and the latents in `making`; `mix` has shares of the real point, for the
  // penalty in between.
  lowerCritic({ loss, regulariser, gamma }) {
    const { critic, making, onReal, onFake, between, real, mix, batch } = this;
    critic.gradient.fill(0);
    const fakes = making.forward();
    const of = criticLoss(loss, onReal.forward(real), onFake.forward(fakes));
    onReal.backward();
    onFake.backward();
    let penalty = 0;
    if (regulariser === "r1") penalty = tilt(onReal, gamma, 0);
    if (regulariser === "r2") penalty = tilt(onFake, gamma, 0);
    if (regulariser === "gradient_penalty") {
      const x = between.h[0];
      for (let i = 0; i < 2 * batch; i++) x[i] = mix[i >> 1] * real[i] + (1 - mix[i >> 1]) * fakes[i];
      between.forward();
      between.backward();
      penalty = tilt(between, gamma, 1);
      between.collect(null, true);
    }
    onReal.collect(of.real, regulariser === "r1");
    onFake.collect(of.fake, regulariser === "r2");
    return { loss: of.value, penalty };
  }

  // The generator's gradient on the latents in `making`.
  lowerGenerator({ loss }) {
    const { generator, making, onReal, onFake, real } = this;
    generator.gradient.fill(0);
    onFake.forward(making.forward());
    if (loss === "relativistic") onReal.forward(real);
    const of = generatorLoss(loss, onReal.output, onFake.output);
    making.backward(onFake.backward(of.fake));
    making.collect(null);
    return { loss: of.value };
  }

  moveCritic({ regulariser, clip, criticRate, ...rest }) {
    this.players.critic.step(rest, criticRate);
    if (regulariser !== "clip") return;
    const { weights } = this.critic;
    for (let i = 0; i < weights.length; i++) weights[i] = Math.min(clip, Math.max(-clip, weights[i]));
  }

  // One step: `criticSteps` moves of the critic and one of the generator. The generator meets the critic that has moved, on
  // latents of its own; or, simultaneously, both move from one point, on the same latents. draw: { real, latent, mix }, each
  // of which fills an array.
  step(settings, draw) {
    const { making, real, mix } = this;
    let critic;
    let generator;
    for (let k = settings.criticSteps; k > 0; k--) {
      draw.real(real);
      draw.latent(making.h[0]);
      if (settings.regulariser === "gradient_penalty") draw.mix(mix);
      critic = this.lowerCritic(settings);
      if (k === 1 && settings.simultaneous) generator = this.lowerGenerator(settings);
      this.moveCritic(settings);
    }
    if (!settings.simultaneous) {
      draw.latent(making.h[0]);
      generator = this.lowerGenerator(settings);
    }
    this.players.generator.step(settings, settings.generatorRate);
    return { critic, generator };
  }
}

// gamma / 2 times the mean square of what the slopes' norms differ from the target; leaves in the pass the tangents along
// the penalty's gradient with respect to the slopes, held fixed: their sum has the penalty's gradient in the weights.
function tilt(pass, gamma, target) {
  const { n, slopes, t } = pass;
  const v = t[0];
  let sum = 0;
  for (let i = 0; i < 2 * n; i += 2) {
    const norm = Math.hypot(slopes[i], slopes[i + 1]);
    sum += (norm - target) ** 2;
    // The length has no derivative at zero, and counts as flat there.
    const share = target ? (norm > 0 ? (norm - target) / norm : 0) : 1;
    for (const k of [i, i + 1]) v[k] = (gamma / n) * share * slopes[k];
  }
  pass.tangent();
  return (gamma * sum) / (2 * n);
}

// What each point is told: minus the gradient of the generator's loss with respect to the point itself. After `forward`.
export function advice(loss, pass, onReal) {
  const { fake } = generatorLoss(loss, onReal, pass.output);
  return pass.backward(fake).map((v) => -v * pass.n);
}
