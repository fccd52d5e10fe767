// Through the layers of a stack in time: a level is the number of layers done, each of which begins and ends gently.
import { clamp } from "./scale.js";

const ease = (t) => t * t * (3 - 2 * t);
const uneased = (s) => 0.5 - Math.sin(Math.asin(1 - 2 * s) / 3);

// The level a share of a layer's time later, on the way to a goal, at which it stays.
export function onward(level, goal, share) {
  const way = Math.sign(goal - level);
  if (!way) return goal;
  // At a whole level, the phase of the layer that comes next.
  const base = way > 0 ? Math.floor(level) : Math.ceil(level) - 1;
  const phase = clamp(uneased(level - base) + way * share, 0, 1);
  const next = base + (phase === 0 || phase === 1 ? phase : ease(phase));
  return way * (goal - next) <= 0 ? goal : next;
}

// The whole level that comes next, up or down.
export const neighbour = (level, up) => (up ? Math.floor(level + 1e-9) + 1 : Math.ceil(level - 1e-9) - 1);

// Points of a path { places }, those after 0, 1, ... layers, after `whole` layers and a share of the next; into `out` where
// they are between.
export function between({ places }, { whole, share }, out) {
  if (!share) return places[whole];
  const [from, to] = [places[whole], places[whole + 1]];
  for (let i = 0; i < out.length; i++) out[i] = from[i] + share * (to[i] - from[i]);
  return out;
}
