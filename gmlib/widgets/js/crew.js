// Denoising shared out to threads, or done here, in slices, where a page may not have threads.
import { Denoiser, denoised } from "./denoising.js";
import { random } from "./random.js";

const MOST = 4; // threads

class NoThreads extends Error {}

export class Crew {
  // code: the worker's, as text; arrays: a denoiser's. `flops` is what an image costs the network, once that is known.
  constructor(code, arrays) {
    Object.assign(this, { arrays, workers: [], running: null });
    this.address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    this.size = Math.min(MOST, Math.max(1, Math.floor((navigator.hardwareConcurrency || 2) / 2)));
  }

  // Does the job { seeds, pixels, steps, eta, labels, w }, as `denoised` has it, and tells of every step of all images; a
  // promise of true, or of false when it was stopped before.
  async run(job, tell) {
    this.stop();
    const running = (this.running = new AbortController());
    const { signal } = running;
    try {
      return await (this.here ? this.slices(job, tell, signal) : this.shared(job, tell, signal));
    } catch (error) {
      if (!(error instanceof NoThreads)) throw error;
      this.end();
      this.here = new Denoiser(this.arrays);
      this.flops = this.here.network.flops;
      return await this.slices(job, tell, signal);
    } finally {
      if (this.running === running) this.running = null;
    }
  }

  async slices(job, tell, signal) {
    for (const done of denoised(this.here, job, job.seeds.map((seed) => random(seed).normal))) {
      await new Promise((rest) => setTimeout(rest));
      if (signal.aborted) return false;
      if (done) tell(done);
    }
    return true;
  }

  async shared(job, tell, signal) {
    const { seeds, labels, pixels, steps } = job;
    await Promise.all(Array.from({ length: this.size - this.workers.length }, () => this.hire(signal)));
    if (signal.aborted) return false;
    const each = Math.ceil(seeds.length / this.workers.length);
    const waiting = new Map();
    const empty = (step) => ({ step, parts: 0, spent: 0, points: new Float32Array(seeds.length * pixels), guesses: new Float32Array(seeds.length * pixels) });
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => resolve(false));
      this.workers.forEach((worker, w) => {
        const first = w * each;
        worker.onerror = (event) => {
          this.end(); // the others would go on, and their late steps would reach the next run
          reject(new Error(event.message));
        };
        worker.onmessage = ({ data: { step, points, guesses, spent } }) => {
          const all = waiting.get(step) ?? empty(step);
          waiting.set(step, all);
          all.points.set(points, first * pixels);
          all.guesses.set(guesses, first * pixels);
          all.spent += spent;
          if (++all.parts < this.workers.length) return;
          waiting.delete(step);
          tell(all);
          if (step === steps) resolve(true);
        };
        const [own, asked] = [seeds, labels].map((all) => all?.slice(first, first + each));
        worker.postMessage({ job: { ...job, seeds: own, labels: asked } });
      });
    });
  }

  hire(signal) {
    return new Promise((resolve, reject) => {
      try {
        const worker = new Worker(this.address);
        this.workers.push(worker);
        worker.onerror = () => reject(new NoThreads()); // a page's policy
        worker.onmessage = ({ data: { flops } }) => resolve((this.flops = flops));
        signal.addEventListener("abort", resolve);
        worker.postMessage({ arrays: this.arrays });
      } catch {
        reject(new NoThreads());
      }
    });
  }

  // A thread that is busy hears nothing: all are ended, and the next job begins with new ones.
  stop() {
    if (!this.running) return;
    this.running.abort();
    this.running = null;
    this.end();
  }

  end() {
    for (const worker of this.workers) worker.terminate();
    this.workers = [];
  }

  close() {
    this.stop();
    this.end();
    URL.revokeObjectURL(this.address);
  }
}
