// Denoises in a thread of its own: told the arrays of a denoiser first, then what to make.
import { Denoiser, denoised } from "../denoising.js";
import { random } from "../random.js";

let denoiser;

self.addEventListener("message", ({ data: { arrays, job } }) => {
  if (arrays) {
    denoiser = new Denoiser(arrays);
    self.postMessage({ flops: denoiser.network.flops });
  }
  if (!job) return;
  for (const done of denoised(denoiser, job, job.seeds.map((seed) => random(seed).normal))) {
    if (done) self.postMessage(done, [done.points.buffer, done.guesses.buffer]);
  }
});
