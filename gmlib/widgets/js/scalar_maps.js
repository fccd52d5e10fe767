// Maps of the line, what they do to a density, and what goes wrong when the formula does. The oracle is gmlib.flows.
//
// A map has `at(u)`, [x, h'(u)]; `roots(x)`, every u with h(u) = x in order; `turns`, the two places between which it falls
// (none for a map that can be undone); `joints`, places between which it is smooth; and `reach`, between whose ends all x of
// [-9, 9] lie.
import { integratePieces } from "./quadrature.js";
import { forward, inverse } from "./rational_quadratic.js";

const FAR = 9; // of N(0, 1): no mass that counts is further out
export const STEEPEST = 9 / (8 * Math.sqrt(3)); // of the bump: the largest value of 2v / (1 + v^2)^2, at v = 1/sqrt(3)

export const normal = (u) => Math.exp(-0.5 * u * u) / Math.sqrt(2 * Math.PI);

export function affine(logScale, shift) {
  const scale = Math.exp(logScale);
  return { at: (u) => [scale * u + shift, scale], roots: (x) => [(x - shift) / scale], turns: [], joints: [0], reach: [shift - FAR * scale, shift + FAR * scale] };
}

// The spline through given knots { u, x, slopes }; see rational_quadratic.js.
export function spline(knots) {
  const at = (u) => {
    const [x, log] = forward(knots, u);
    return [x, Math.exp(log)];
  };
  return { at, roots: (x) => [inverse(knots, x)[0]], turns: [], joints: knots.u, reach: [-FAR, FAR] };
}

// Where f, which grows from a to b, is 0: Newton's steps, kept between the ends.
function rise(f, a, b) {
  let [low, high, u] = [a, b, (a + b) / 2];
  for (let i = 0; i < 200; i++) {
    const [value, slope] = f(u);
    if (value === 0) return u;
    if (value > 0) high = u;
    else low = u;
    const step = u - value / slope;
    const next = step > low && step < high ? step : (low + high) / 2;
    if (next === u || next === low || next === high) return next;
    u = next;
  }
  return u;
}

// The steepest slope of the bump against that of the line: a map that can be undone has a larger `a`.
export const bound = ({ c, d }) => STEEPEST * Math.abs(c) * d;

export function nlsq({ a, b, c, d, e }) {
  const at = (u) => {
    const v = d * u + e;
    const r = 1 / (1 + v * v);
    return [a * u + b + c * r, a - 2 * c * d * v * r * r];
  };
  const side = Math.sign(c);
  const place = (v) => (side * v - e) / d;
  let turns = [];
  if (a < bound({ c, d })) {
    // 2v / (1 + v^2)^2 = a / |c|d, once on either side of its top.
    const level = a / (Math.abs(c) * d);
    const bump = (sign) => (v) => {
      const r = 1 / (1 + v * v);
      return [sign * (2 * v * r * r - level), sign * (2 * r * r - 8 * v * v * r ** 3)];
    };
    const top = 1 / Math.sqrt(3);
    const ends = [rise(bump(1), 0, top), rise(bump(-1), top, top + Math.cbrt(2 / level))];
    turns = ends.map(place).sort((p, q) => p - q);
  }
  // Where the map is steepest and where it is flattest: there the density is a spike.
  const joints = c ? [-1, 1].map((v) => place(v / Math.sqrt(3))).sort((p, q) => p - q) : [0];
  const branch = (x, from, to) => {
    const ends = [(x - b - Math.max(c, 0)) / a - 1e-9, (x - b - Math.min(c, 0)) / a + 1e-9];
    const f = (u) => {
      const [value, slope] = at(u);
      return [value - x, slope];
    };
    return rise(f, Math.max(from, ends[0]), Math.min(to, ends[1]));
  };
  const roots = (x) => {
    if (!turns.length) return [branch(x, -Infinity, Infinity)];
    const [high, low] = turns.map((u) => at(u)[0]);
    const found = [];
    if (x <= high) found.push(branch(x, -Infinity, turns[0]));
    if (x > low && x < high) {
      const down = (u) => {
        const [value, slope] = at(u);
        return [x - value, -slope];
      };
      found.push(rise(down, ...turns));
    }
    if (x >= low) found.push(branch(x, turns[1], Infinity));
    return found;
  };
  return { at, roots, turns, joints, reach: [b - FAR * a + Math.min(c, 0), b + FAR * a + Math.max(c, 0)] };
}

// What each formula makes of the base density p at u and the slope there.
export const FORMULAS = {
  right: (p, slope) => p / Math.abs(slope),
  forgotten: (p) => p,
  wrong_sign: (p, slope) => p * Math.abs(slope),
};

// The density that a formula says at x: it knows of one u, the first.
export function said(map, formula, x) {
  const [u] = map.roots(x);
  return FORMULAS[formula](normal(u), map.at(u)[1]);
}

// The density of h(u) itself: every u that comes to x counts.
export const law = (map, x) => map.roots(x).reduce((sum, u) => sum + normal(u) / Math.abs(map.at(u)[1]), 0);

// The integral of what a formula says over x from `low` to `high`, in pieces where it is smooth: between joints, and folds,
// where the first u jumps.
export function area(map, formula, low = map.reach[0], high = map.reach[1]) {
  const inner = [...map.joints, 0, ...map.turns].map((u) => map.at(u)[0]).filter((x) => x > low && x < high);
  return integratePieces((x) => said(map, formula, x), [low, ...inner.sort((p, q) => p - q), high]);
}
