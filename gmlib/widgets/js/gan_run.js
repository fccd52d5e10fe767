// A run of the game from a seed, on points around centres, and how many of the centres it finds.
import { Network, Pass } from "./dense_network.js";
import { Game } from "./gan_game.js";

export const SEEN = 500; // generated points that are shown and counted, always of the same latents
export const ASKED = 160; // of them, those at which the critic is asked where to go

// Fills `out` with points (flat pairs) around centres [[x, y], ...], each as likely as the others.
export function scatter(out, centres, std, random) {
  for (let i = 0; i < out.length; i += 2) {
    const [x, y] = centres[Math.floor(random() * centres.length)];
    out[i] = x + std * random.normal();
    out[i + 1] = y + std * random.normal();
  }
  return out;
}

// How many centres have a point within the radius, and the share of the points that are so near to one; a point counts for
// the nearest centre.
export function coverage(points, centres, radius) {
  const found = new Set();
  let near = 0;
  for (let i = 0; i < points.length; i += 2) {
    let [best, least] = [-1, Infinity];
    for (let k = 0; k < centres.length; k++) {
      const [dx, dy] = [points[i] - centres[k][0], points[i + 1] - centres[k][1]];
      const squared = dx * dx + dy * dy;
      if (squared < least) [best, least] = [k, squared];
    }
    if (least > radius * radius) continue;
    near++;
    found.add(best);
  }
  return { modes: found.size, share: (2 * near) / points.length };
}

// Everything is drawn from one stream: the generator's weights, the critic's, the latents that are shown, and the noise of
// each step. law: { centres, std, radius }, which may be exchanged on the way.
export class Run {
  constructor({ latent, widths, activation, batch }, law, random) {
    this.law = law;
    this.random = random;
    const generator = new Network([latent, ...widths, 2], activation).draw(random);
    const critic = new Network([2, ...widths, 1], activation).draw(random);
    this.game = new Game(generator, critic, batch);
    this.seen = new Pass(generator, SEEN);
    this.judged = new Pass(critic, ASKED);
    const fill = (array, one) => {
      for (let i = 0; i < array.length; i++) array[i] = one();
    };
    fill(this.seen.h[0], random.normal);
    this.draw = {
      real: (array) => scatter(array, this.law.centres, this.law.std, random),
      latent: (array) => fill(array, random.normal),
      mix: (array) => fill(array, random),
    };
    this.steps = 0;
    this.terms = null;
  }

  step(settings) {
    this.terms = this.game.step(settings, this.draw);
    this.steps++;
    return this.terms;
  }

  // Whether a weight has ceased to be a number, or left all bounds.
  get lost() {
    return ["generator", "critic"].some((player) => this.game[player].weights.some((w) => !(Math.abs(w) < 1e6)));
  }

  points() {
    if (this.made !== this.steps) this.seen.forward();
    this.made = this.steps;
    return this.seen.output;
  }

  // The critic's outputs on the first of them.
  asked() {
    return this.judged.forward(this.points().subarray(0, 2 * ASKED));
  }

  coverage() {
    return coverage(this.points(), this.law.centres, this.law.radius);
  }
}
