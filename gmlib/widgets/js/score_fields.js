// A trained score beside the exact one: both on a grid, their difference there, and its mean square over the noised law.

export const ARROWS = 22; // a side
const SIDE = 36; // of the grid of errors
const NODES_A_PART = 128;

// Density and both scores in a square from x0 to x1 and from y0 on, at one noise level.
export function scoreFields(exact, learnt, [x0, x1], y0, sigma) {
  const now = exact.noised(sigma);
  // Four points a standard deviation: what lies between them the eye cannot tell from the truth.
  const h = Math.max((x1 - x0) / 280, 0.28 * now.grain);
  const side = Math.ceil((x1 - x0) / h) + 4; // beyond the edge, where a scaled picture fades
  const grid = { x0: x0 - 1.5 * h, y0: y0 - 1.5 * h, h, nx: side, ny: side };
  const density = now.field(grid);
  const gap = (x1 - x0) / ARROWS;
  const feet = new Float64Array(2 * ARROWS * ARROWS);
  for (let j = 0; j < ARROWS; j++) {
    for (let i = 0; i < ARROWS; i++) feet.set([x0 + (i + 0.5) * gap, y0 + (j + 0.5) * gap], 2 * (j * ARROWS + i));
  }
  return {
    sigma, grid, density, feet,
    grain: now.grain,
    top: density.reduce((a, b) => (b > a ? b : a), 0),
    exact: exact.scores(feet, sigma),
    learnt: learnt.scores(feet, sigma),
  };
}

// The size of the error in units of 1 / sigma, on a grid.
export function scoreErrors(exact, learnt, [x0, x1], y0, sigma) {
  const h = (x1 - x0) / (SIDE - 4);
  const grid = { x0: x0 - 1.5 * h, y0: y0 - 1.5 * h, h, nx: SIDE, ny: SIDE };
  const points = new Float64Array(2 * SIDE * SIDE);
  for (let i = 0; i < SIDE * SIDE; i++) points.set([grid.x0 + (i % SIDE) * h, grid.y0 + Math.floor(i / SIDE) * h], 2 * i);
  const [one, other] = [exact.scores(points, sigma), learnt.scores(points, sigma)];
  const values = Float64Array.from({ length: SIDE * SIDE }, (_, i) =>
    sigma * Math.hypot(other[2 * i] - one[2 * i], other[2 * i + 1] - one[2 * i + 1]));
  return { grid, values };
}

// Root mean squares of the error and of the exact score over the noised law, whose draws are points + sigma noise.
export class ScoreAverages {
  constructor(exact, learnt, { points, noise }) {
    Object.assign(this, { exact, learnt, points, noise, job: null, mean: null });
  }

  // Those of a noise level, or, while something moves, a part of what they take; `mean` is the last that is known.
  work(sigma, moving) {
    if (!this.job || (this.job.sigma !== sigma && (this.job.done || !moving))) this.job = { sigma, at: 0, error: 0, score: 0, done: false };
    const { job, points, noise } = this;
    const last = moving && this.mean ? Math.min(points.length, job.at + 2 * NODES_A_PART) : points.length;
    if (job.at < last) {
      const places = Float64Array.from({ length: last - job.at }, (_, i) => points[job.at + i] + job.sigma * noise[job.at + i]);
      const exact = this.exact.scores(places, job.sigma);
      const learnt = this.learnt.scores(places, job.sigma);
      for (let i = 0; i < places.length; i++) {
        job.error += (learnt[i] - exact[i]) ** 2;
        job.score += exact[i] ** 2;
      }
      job.at = last;
    }
    if (job.at === points.length && !job.done) {
      job.done = true;
      this.mean = { error: Math.sqrt((2 * job.error) / points.length), score: Math.sqrt((2 * job.score) / points.length) };
    }
  }
}
