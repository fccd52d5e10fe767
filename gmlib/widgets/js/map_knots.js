// The knots { u, x, slope } by which a rising spline is edited, between its ends at -EDGE and EDGE.
import { clamp } from "./scale.js";

export const EDGE = 5;
const GAP = 0.2; // least distance of two knots
const SLOPES = [0.05, 20];
const ARM = 46; // pixels from a knot to the handle of its slope

export const tidy = (v) => Math.round(1000 * v) / 1000;
export const slopeOf = (v) => clamp(v ?? 1, ...SLOPES);

// The spline's bins: its knots with the ends.
export function bins(knots) {
  const ends = (name) => [-EDGE, ...knots.map((k) => k[name]), EDGE];
  return { u: ends("u"), x: ends("x"), slopes: [1, ...knots.map((k) => k.slope), 1] };
}

// Where knot i may go that should be at [u, x]: between its neighbours.
export function between(knots, i, [u, x]) {
  const [before, after] = [knots[i - 1] ?? { u: -EDGE, x: -EDGE }, knots[i + 1] ?? { u: EDGE, x: EDGE }];
  return [tidy(clamp(u, before.u + GAP, after.u - GAP)), tidy(clamp(x, before.x + GAP, after.x - GAP))];
}

// The slope whose handle is at [u, x]. Behind its knot the handle goes on turning: straight up is as steep as it gets.
export const slopeTo = (knot, [u, x]) => Number(slopeOf((x - knot.x) / Math.max(u - knot.u, 1e-3)).toPrecision(3));

// Where the slope's handle is on a stage: ARM pixels along the tangent.
export function arm(stage, { u, x, slope }) {
  const [px, py] = [stage.x(1) - stage.x(0), stage.y(0) - stage.y(1)];
  const far = ARM / Math.hypot(px, py * slope);
  return [u + far, x + far * slope];
}
