// Images from noise by a trained denoiser: v-prediction on the cosine schedule, and DDIM's steps. The oracles are
// gmlib.noise.Denoiser and gmlib.noise.samplers in torch, on the same noise.
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

  tell(t) {
    const told = (this.high - logSnr(this.schedule, t)) / (this.high - this.low);
    this.network.tell(Math.min(1, Math.max(0, told)));
    this.levels = [this.schedule.alpha(t), this.schedule.sigma(t)];
  }

  // The guesses of the clean image and of the noise in x, at the time that it was told.
  predict(x, clean, noise) {
    const [alpha, sigma] = this.levels;
    const size = alpha * alpha + sigma * sigma;
    const v = this.network.run(x, noise);
    for (let i = 0; i < x.length; i++) {
      clean[i] = (alpha * x[i] - sigma * v[i]) / size;
      noise[i] = (sigma * x[i] + alpha * v[i]) / size;
    }
  }
}

// What a step multiplies its guesses of signal and noise by, and fresh noise; gmlib's `ddim`.
export function weightsOf({ alphaS, sigmaS, betaTilde }, eta) {
  const fresh = eta * eta * betaTilde;
  return [alphaS, Math.sqrt(Math.max(0, sigmaS * sigmaS - fresh)), Math.sqrt(fresh)];
}

// Walks from noise to images, all of them a step at a time: yields null after each image, so that a page can breathe, and
// after each step { step, points, guesses, spent }, the milliseconds that it took; the guesses are those of the points
// before the step. eta: 0 for DDIM without noise, 1 for the ancestral sampler; normals: for each image where it draws from.
export function* denoised(denoiser, { pixels, steps, eta }, normals) {
  const { schedule } = denoiser;
  const grid = stepsOf(schedule, evenTimes(schedule, steps));
  const points = Float32Array.from({ length: normals.length * pixels }, (_, i) => normals[Math.floor(i / pixels)]());
  const noise = new Float32Array(pixels);
  for (let step = 1; step <= steps; step++) {
    const guesses = new Float32Array(points.length);
    const [signal, rest, fresh] = weightsOf(grid[step - 1], eta);
    let spent = -performance.now();
    denoiser.tell(grid[step - 1].t);
    for (let k = 0; k < normals.length; k++) {
      const [x, clean] = [points, guesses].map((all) => all.subarray(k * pixels, (k + 1) * pixels));
      denoiser.predict(x, clean, noise);
      for (let i = 0; i < pixels; i++) x[i] = signal * clean[i] + rest * noise[i] + (fresh ? fresh * normals[k]() : 0);
      spent += performance.now();
      yield null;
      spent -= performance.now();
    }
    spent += performance.now();
    yield { step, points: points.slice(), guesses, spent };
  }
}
