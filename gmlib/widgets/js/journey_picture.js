// Particles on their way as pictures: histograms under the exact densities at the edges of a plane, and trajectories.
import { stroke } from "./stage.js";

const BINS = 40;
const FRESH = 10; // steps of a trajectory that are drawn in full; what is older fades

// A histogram of coordinate d of flat pairs and its exact density, above the plane (0) or beside it (1), over the square that
// reaches `half` from the origin.
export function drawMarginal(stage, { places, marginals }, moved, d, half) {
  const { context: c, x, y, margin, width } = stage;
  const { colours } = stage.view;
  const counts = new Float64Array(BINS);
  for (let i = d; i < moved.length; i += 2) {
    const bin = Math.floor(((moved[i] + half) / (2 * half)) * BINS);
    if (bin >= 0 && bin < BINS) counts[bin]++;
  }
  const wide = (2 * half) / BINS;
  const room = (d ? margin.right : margin.top) - 8;
  const most = 1.12 * Math.max(...marginals[d], 0.42);
  const tall = (v) => Math.min(room, (room * v) / most);
  const [foot, edge] = [margin.top - 2, width - margin.right + 2];
  c.fillStyle = colours.faint;
  c.globalAlpha = 0.4;
  counts.forEach((count, i) => {
    const size = tall(count / ((moved.length / 2) * wide));
    const from = -half + i * wide;
    if (!size) return;
    if (d) c.fillRect(edge, y(from + wide) + 0.5, size, y(from) - y(from + wide) - 1);
    else c.fillRect(x(from) + 0.5, foot - size, x(from + wide) - x(from) - 1, size);
  });
  c.globalAlpha = 1;
  c.strokeStyle = colours.blue;
  c.lineWidth = 2;
  c.lineJoin = "round";
  stroke(c, ...Array.from(places, (v, i) => (d ? [edge + tall(marginals[1][i]), y(v)] : [x(v), foot - tall(marginals[0][i])])));
}

// The ways of the first particles through these levels (flat pairs each) to where they are now, in a colour each: lines, which
// lie below the others, or dots above them.
export function drawTrails(stage, levels, moved, tints, dots) {
  const { colours } = stage.view;
  const { x, y } = stage;
  stage.inside((c) => {
    c.lineJoin = c.lineCap = "round";
    tints.forEach((colour, i) => {
      const end = [x(moved[2 * i]), y(moved[2 * i + 1])];
      if (dots) {
        c.fillStyle = colour;
        c.strokeStyle = colours.paper;
        c.lineWidth = 1.6;
        c.beginPath();
        c.arc(...end, 4.2, 0, 7);
        c.fill();
        c.stroke();
        return;
      }
      const path = [...levels.map((level) => [x(level[2 * i]), y(level[2 * i + 1])]), end];
      const recent = path.slice(-FRESH - 1);
      for (const [width, style, alpha, part] of [[1, colour, 0.28, path], [3.4, colours.paper, 0.55, recent], [1.5, colour, 0.95, recent]]) {
        c.strokeStyle = style;
        c.lineWidth = width;
        c.globalAlpha = alpha;
        stroke(c, ...part);
      }
      c.globalAlpha = 1;
      c.fillStyle = colours.paper;
      c.strokeStyle = colour;
      c.beginPath();
      c.arc(...path[0], 2.6, 0, 7);
      c.fill();
      c.stroke();
    });
  });
}
