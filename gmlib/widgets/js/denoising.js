// Images from noise by a trained denoiser: v-prediction on the cosine schedule, guidance by a class, and DDIM's steps. The
// oracles are gmlib.noise.Denoiser, .guidance.ClassifierFree and .samplers in torch, on the same noise.
import { cosine, evenTimes, stepsOf } from "./schedules.js";
import { PixelUNet } from "./unet.js";

export const logSnr = ({ alpha, sigma }, t) => 2 * (Math.log(alpha(t)) - Math.log(sigma(t)));

// The settings of a denoiser's arrays are decimal numbers that float32 has rounded.
const exact = ({ data }) => Array.from(data, (v) => Number(v.toPrecision(7)));

// gmlib.noise.Denoiser of a PixelUNet that is told the log-SNR and predicts v; `arrays` as gmlib.widgets.denoiser_arrays
// gives them.
export class Denoiser {
  constructor(arrays, options) {
    this.schedule = cosine(...exact(arrays.schedule));
    [this.low, this.high] = exact(arrays.levels);
    this.network = new PixelUNet(arrays, options);
  }

  tell(t, label = null) {
    const told = (this.high - logSnr(this.schedule, t)) / (this.high - this.low);
    this.network.tell(Math.min(1, Math.max(0, told)), label);
    this.levels = [this.schedule.alpha(t), this.schedule.sigma(t)];
  }

  // The guesses of the clean image and of the noise in x, at the time that it was told.
  predict(x, clean, noise) {
    this.apart(x, this.network.run(x, noise), clean, noise);
  }

  // The same at the time t, guided by a class: v is u + w (c - u). Where w is 1 or 0, one answer of the network is enough.
  guide(x, clean, noise, { t, label, w }) {
    this.tell(t, w === 0 ? null : label);
    const v = this.network.run(x, noise);
    if (w !== 0 && w !== 1) {
      this.tell(t);
      const untold = this.network.run(x, (this.untold ??= new Float32Array(x.length)));
      for (let i = 0; i < x.length; i++) v[i] = untold[i] + w * (v[i] - untold[i]);
    }
    this.apart(x, v, clean, noise);
  }

  apart(x, v, clean, noise) {
    const [alpha, sigma] = this.levels;
    const size = alpha * alpha + sigma * sigma;
    for (let i = 0; i < x.length; i++) {
      clean[i] = (alpha * x[i] - sigma * v[i]) / size;
      noise[i] = (sigma * x[i] + alpha * v[i]) / size;
    }
  }
}

// How often guidance with the weight w asks the network for a guess.
export const answers = (w) => (w === 0 || w === 1 ? 1 : 2);

// What a step multiplies its guesses of signal and noise by, and fresh noise; gmlib's `ddim`.
export function weightsOf({ alphaS, sigmaS, betaTilde }, eta) {
  const fresh = eta * eta * betaTilde;
  return [alphaS, Math.sqrt(Math.max(0, sigmaS * sigmaS - fresh)), Math.sqrt(fresh)];
}

// Walks from noise to images, all of them a step at a time: yields null after each image, so that a page can breathe, and
// after each step { step, points, guesses, spent }, the milliseconds that it took; the guesses are those of the points
// before the step. eta: 0 for DDIM without noise, 1 for the ancestral sampler; labels: a class for each image, by which it is
// guided with the weight w, or nothing; normals: for each image where it draws from.
export function* denoised(denoiser, { pixels, steps, eta, labels, w }, normals) {
  const { schedule } = denoiser;
  const grid = stepsOf(schedule, evenTimes(schedule, steps));
  const points = Float32Array.from({ length: normals.length * pixels }, (_, i) => normals[Math.floor(i / pixels)]());
  const noise = new Float32Array(pixels);
  for (let step = 1; step <= steps; step++) {
    const guesses = new Float32Array(points.length);
    const [signal, rest, fresh] = weightsOf(grid[step - 1], eta);
    let spent = -performance.now();
    const { t } = grid[step - 1];
    if (!labels) denoiser.tell(t);
    for (let k = 0; k < normals.length; k++) {
      const [x, clean] = [points, guesses].map((all) => all.subarray(k * pixels, (k + 1) * pixels));
      if (labels) denoiser.guide(x, clean, noise, { t, label: labels[k], w });
      else denoiser.predict(x, clean, noise);
      for (let i = 0; i < pixels; i++) x[i] = signal * clean[i] + rest * noise[i] + (fresh ? fresh * normals[k]() : 0);
      spent += performance.now();
      yield null;
      spent -= performance.now();
    }
    spent += performance.now();
    yield { step, points: points.slice(), guesses, spent };
  }
}
