// The likelihood of a small machine over two of its parameters, and ways uphill from where it is.
import { contourLines, heatMap } from "./draw.js";
import { needle, tag } from "./marks.js";
import { LIMIT } from "./rbm.js";
import { stroke } from "./stage.js";

// land: { values, shares, side }, mean log-likelihoods on a square grid and what they are as shares of the best; p: the
// parameters, `axes` the numbers of the two; ways: the exact gradient and that of contrastive divergence.
export function drawLikelihood(stage, { values, shares, side: n }, { p, axes, ways, trail, names, k }) {
  const { colours, dark } = stage.view;
  stage.begin();
  const h = (2 * LIMIT) / (n - 1);
  const grid = { x0: -LIMIT, y0: -LIMIT, h, nx: n, ny: n };
  const top = shares.reduce((a, b) => Math.max(a, b), 1e-9);
  heatMap(stage, shares, grid, 1.4 * top, dark);
  contourLines(stage, shares, grid, top, dark ? colours.grid : "#ffffff", [0.02, 0.1, 0.25, 0.5, 0.75, 0.95]);
  stage.axes({ ticks: [5, 5] });
  const c = stage.context;
  const place = (q) => [stage.x(q[axes[0]]), stage.y(q[axes[1]])];
  stage.inside(() => {
    // The best point of the plane, as the grid sees it.
    const best = values.indexOf(values.reduce((a, b) => Math.max(a, b), -Infinity));
    const [bx, by] = [stage.x(-LIMIT + h * (best % n)), stage.y(-LIMIT + h * Math.floor(best / n))];
    c.strokeStyle = colours.ink;
    c.lineWidth = 1.5;
    stroke(c, [bx - 5, by], [bx + 5, by]);
    stroke(c, [bx, by - 5], [bx, by + 5]);
    if (trail.length) {
      c.strokeStyle = colours.orange;
      c.lineWidth = 2;
      c.lineJoin = "round";
      stroke(c, ...trail.map(place), place(p));
    }
    const flat = ways.map((way) => axes.map((at) => way[at]));
    const longest = Math.max(...flat.map((way) => Math.hypot(...way)));
    const scale = longest > 1e-9 ? (95 / longest) * (longest / (longest + 0.04)) : 0;
    const foot = place(p);
    const uphill = ([dx, dy], pens) => arrow(c, foot, [foot[0] + scale * dx, foot[1] - scale * dy], pens);
    // The exact one broad, with an edge of paper, so that it is seen where both agree.
    uphill(flat[0], [[8.5, colours.paper], [5.5, colours.ink]]);
    uphill(flat[1], [[2.2, colours.red]]);
  });
  tag(stage, names[0], stage.width - stage.margin.right - 4, stage.height - stage.margin.bottom - 11, { align: "right" });
  tag(stage, names[1], stage.margin.left + 5, stage.margin.top + 11);
  stage.legend([["exact gradient", "ink"], [`mean of CD-${k}`, "red"], ...(trail.length ? [["path", "orange"]] : [])]);
  stage.place();
}

function arrow(c, foot, tip, pens) {
  if (!(Math.hypot(tip[0] - foot[0], tip[1] - foot[1]) > 2)) return;
  c.lineCap = c.lineJoin = "round";
  for (const [width, colour] of pens) {
    c.lineWidth = width;
    c.strokeStyle = colour;
    needle(c, foot, tip, { barb: 12 });
  }
}
