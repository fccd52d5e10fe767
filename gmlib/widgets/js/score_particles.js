// Particles that follow a score: Langevin steps at one noise level, annealed ones down a ladder of levels, or the flow.
import { flowStep, ladder, langevinStep } from "./annealed.js";

const FAR = 1e4; // where particles count as lost

export class ScoreParticles {
  // n of them as noise on a law with this mean and variance (a number for both axes), at the top of the range of levels.
  // normal: draws of their own.
  constructor(n, { mean, variance }, [least, most], normal) {
    const wide = Math.sqrt(variance + most ** 2);
    this.places = Float64Array.from({ length: 2 * n }, (_, i) => mean[i % 2] + wide * normal());
    [this.kick, this.push] = [new Float64Array(2 * n), new Float64Array(2 * n)];
    Object.assign(this, { least, most, normal, at: most, taken: 0, level: 0, within: 0, lost: false });
  }

  // One Langevin step, after which particles may be `lost`; scores: a function of points, noise level and where to write.
  jump(scores, sigma, { step, temperature }) {
    const { places, kick, push, normal } = this;
    for (let i = 0; i < kick.length; i++) kick[i] = normal();
    scores(places, sigma, push);
    this.taken++;
    langevinStep(places, push, step * sigma ** 2, kick, temperature);
    let far = 0;
    for (let i = 0; i < places.length; i++) far = Math.max(far, Math.abs(places[i]));
    this.lost ||= !(far < FAR);
  }

  // One step of annealed Langevin dynamics; true at the foot of the ladder.
  descend(scores, sigma, { levels, steps, ...settings }) {
    const rungs = ladder(this.most, this.least, levels);
    // Dragged, or on a ladder of other levels: on from the nearest one.
    if (this.at !== sigma || rungs[this.level] !== sigma) {
      const away = (v) => Math.abs(Math.log(v / sigma));
      this.level = rungs.reduce((best, v, i) => (away(v) < away(rungs[best]) ? i : best), 0);
      this.within = 0;
    }
    this.jump(scores, rungs[this.level], settings);
    let over = false;
    if (++this.within >= steps) {
      this.within = 0;
      over = this.level === levels - 1;
      if (!over) this.level++;
    }
    this.at = rungs[this.level];
    return over;
  }

  // One step of the flow towards a level, no further than from one of so many levels to the next.
  ride(scores, target, levels) {
    const ratio = (this.least / this.most) ** (1 / (levels - 1));
    const from = this.at;
    let to = target < from ? from * ratio : from / ratio;
    if (target < from ? to < target * 1.0001 : to > target / 1.0001) to = target;
    flowStep(this.places, scores(this.places, from, this.push), from, to);
    this.at = to;
    this.taken++;
  }

  // How many are not inside of these intervals.
  outside([x0, x1], [y0, y1]) {
    const { places } = this;
    let count = 0;
    for (let i = 0; i < places.length; i += 2) {
      if (!(places[i] > x0 && places[i] < x1 && places[i + 1] > y0 && places[i + 1] < y1)) count++;
    }
    return count;
  }
}
