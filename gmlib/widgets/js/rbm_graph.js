// The graph of a small machine: hidden units above visible ones, a line for every weight; how its parameters are called and
// where they are taken hold of.
import { dot } from "./marks.js";
import { D, H, SIZE } from "./rbm.js";
import { stroke } from "./stage.js";

const RADIUS = 17; // of a unit
const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";

export const WIDE = [-0.25, D - 0.75]; // of the graph's own coordinates
export const TALL = [-0.16, 1.16];

export const pretty = (name) => name.replace(/\d/g, (digit) => SUBSCRIPTS[digit]);
export const spoken = (name) => (name[0] === "W" ? `weight of x${name[1]} and h${name[2]}` : name[0] === "b" ? `bias of x${name[1]}` : `bias of h${name[1]}`);

const unit = (kind, i) => (kind === "x" ? [i, 0] : [i + (D - H) / 2, 1]);

// Where the parameter of this number is taken hold of: a bias at its unit, a weight on its line.
export function spot(at) {
  if (at >= D * H + D) return unit("h", at - D * H - D);
  if (at >= D * H) return unit("x", at - D * H);
  const [a, b] = [unit("x", Math.floor(at / H)), unit("h", at % H)];
  return [a[0] + 0.3 * (b[0] - a[0]), 0.3];
}

// The parameter whose unit or line is under a point of the stage, in pixels, or -1.
export function near(stage, px, py) {
  const screen = ([x, y]) => [stage.x(x), stage.y(y)];
  let [best, least] = [-1, 12];
  for (let at = D * H; at < SIZE; at++) {
    const [x, y] = screen(spot(at));
    if (Math.hypot(px - x, py - y) < RADIUS + 4) return at;
  }
  for (let at = 0; at < D * H; at++) {
    const [[ax, ay], [bx, by]] = [screen(unit("x", Math.floor(at / H))), screen(unit("h", at % H))];
    const t = ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2);
    if (t < 0 || t > 1) continue;
    const away = Math.hypot(px - ax - t * (bx - ax), py - ay - t * (by - ay));
    if (away < least) [best, least] = [at, away];
  }
  return best;
}

// The parameters p, and the units that are on in a chain, if there is one.
export function drawGraph(stage, p, chain) {
  const { colours } = stage.view;
  const c = stage.begin();
  const at = ([x, y]) => [stage.x(x), stage.y(y)];
  const tint = (v) => (v >= 0 ? colours.blue : colours.red);
  const thick = (v) => 0.6 + 2.6 * Math.sqrt(Math.abs(v));
  c.lineCap = "round";
  for (let i = 0; i < D; i++) {
    for (let j = 0; j < H; j++) {
      const v = p[H * i + j];
      c.strokeStyle = tint(v);
      c.globalAlpha = 0.3 + 0.7 * Math.min(1, Math.abs(v) / 2);
      c.lineWidth = thick(v);
      stroke(c, at(unit("x", i)), at(unit("h", j)));
    }
  }
  c.globalAlpha = 1;
  c.textAlign = "center";
  c.textBaseline = "middle";
  const units = [...chain?.x ?? new Array(D).fill(0)].map((on, i) => ["x", i, on, p[D * H + i]]);
  units.push(...[...chain?.h ?? new Array(H).fill(0)].map((on, j) => ["h", j, on, p[D * H + D + j]]));
  for (const [kind, i, on, bias] of units) {
    const [x, y] = at(unit(kind, i));
    if (on) {
      c.fillStyle = colours.orange;
      c.globalAlpha = 0.25;
      dot(c, x, y, RADIUS + 8);
      c.globalAlpha = 1;
    }
    c.fillStyle = on ? colours.orange : colours.paper;
    dot(c, x, y, RADIUS);
    c.strokeStyle = tint(bias);
    c.lineWidth = thick(bias);
    c.beginPath();
    c.arc(x, y, RADIUS, 0, 7);
    c.stroke();
    c.fillStyle = on ? "#1c2128" : colours.ink;
    c.font = `600 ${c.font.replace(/^.*?(\d+px)/, "$1").replace(/^\d+px/, "14px")}`;
    c.fillText(pretty(`${kind}${i + 1}`), x, y);
  }
  c.font = `400 ${c.font.replace(/^.*?14px/, "12px")}`;
  stage.legend([["weight > 0", "blue"], ["< 0", "red"], ["on", "orange"]]);
  stage.place();
}
