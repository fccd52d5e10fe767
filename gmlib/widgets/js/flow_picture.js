// Pictures of a flow at one level of its layers: a grid of the base that they bend, and one point on its way.
import { split } from "./coupling_flow.js";
import { needle } from "./marks.js";
import { stroke } from "./stage.js";

const SMALL = 0.42; // side of the square at the base whose image the Jacobian is

// Lines of `points` (flat pairs), `ends` the number of points of each, half of them one way and half the other; those in the
// middle are stronger.
export function drawGrid(stage, points, ends) {
  const half = ends.length / 2;
  const [ox, ax] = [stage.x(0), stage.x(1) - stage.x(0)];
  const [oy, ay] = [stage.y(0), stage.y(1) - stage.y(0)];
  stage.inside((c) => {
    c.strokeStyle = stage.view.colours.ink;
    c.lineJoin = "round";
    for (const middle of [false, true]) {
      c.globalAlpha = middle ? 0.75 : 0.32;
      c.lineWidth = middle ? 1.5 : 0.9;
      c.beginPath();
      let p = 0;
      ends.forEach((length, line) => {
        const chosen = (line % half === (half - 1) / 2) === middle;
        for (let k = 0; k < length; k++, p += 2) if (chosen) c[k ? "lineTo" : "moveTo"](ox + ax * points[p], oy + ay * points[p + 1]);
      });
      c.stroke();
    }
  });
}

// The path of a point through its `places` after 0, 1, ... layers, where it is now, and the image of a small square of the
// base under the Jacobian.
export function drawPoint(stage, places, { place, jacobian }, level) {
  const { x, y } = stage;
  const { colours } = stage.view;
  const last = places.length - 1;
  const { whole } = split(level, last);
  const at = ([a, b]) => [x(a), y(b)];
  stage.inside((c) => {
    const corner = ([a, b]) => at([0, 1].map((r) => place[r] + SMALL * (a * jacobian[r][0] + b * jacobian[r][1])));
    c.fillStyle = colours.orange;
    c.globalAlpha = 0.3;
    c.beginPath();
    [[0, 0], [1, 0], [1, 1], [0, 1]].forEach((v, i) => c[i ? "lineTo" : "moveTo"](...corner(v)));
    c.fill();
    c.globalAlpha = 1;
    c.lineJoin = c.lineCap = "round";
    for (const [width, colour] of [[6, colours.paper], [2.2, colours.orange]]) {
      c.strokeStyle = colour;
      c.lineWidth = width;
      c.globalAlpha = width > 3 ? 0.7 : 1;
      stroke(c, ...places.slice(0, whole + 1).map(at), at(place));
      c.setLineDash(width > 3 ? [] : [1.5, 5]);
      c.globalAlpha = width > 3 ? 0.4 : 0.9;
      stroke(c, at(place), ...places.slice(whole + 1).map(at));
      c.setLineDash([]);
    }
    c.globalAlpha = 1;
    places.forEach((v, i) => {
      c.beginPath();
      c.arc(...at(v), i === 0 || i === last ? 4.5 : 3, 0, 2 * Math.PI);
      c.fillStyle = i === 0 ? colours.paper : colours.orange;
      c.strokeStyle = i === 0 ? colours.orange : colours.paper;
      c.lineWidth = i === 0 ? 2 : 1.2;
      c.fill();
      c.stroke();
    });
    c.font = `italic 600 14px ${getComputedStyle(stage.element).fontFamily}`;
    c.textAlign = "center";
    c.textBaseline = "middle";
    c.strokeStyle = colours.paper;
    c.fillStyle = colours.ink;
    c.lineWidth = 4;
    [["u", 0, 1], ["x", last, last - 1]].forEach(([text, i, j]) => {
      if (Math.abs(level - i) < 0.5) return; // the ring is there
      // On the far side of the path.
      const [here, next] = [places[i], places[j]];
      const [dx, dy] = [here[0] - next[0], here[1] - next[1]];
      const far = Math.hypot(dx, dy) || 1;
      const [px, py] = at(here);
      for (const write of ["strokeText", "fillText"]) c[write](text, px + (14 * dx) / far, py - (14 * dy) / far);
    });
    for (const [v, colour] of [[[1, 0], colours.green], [[0, 1], colours.pink]]) arrow(c, at(place), corner(v), colour, colours.paper);
  });
}

function arrow(c, foot, tip, colour, halo) {
  if (Math.hypot(tip[0] - foot[0], tip[1] - foot[1]) < 2) return;
  for (const [width, style] of [[5, halo], [2.6, colour]]) {
    c.strokeStyle = style;
    c.lineWidth = width;
    c.globalAlpha = width > 4 ? 0.7 : 1;
    needle(c, foot, tip, { barb: 8, spread: 0.55 });
  }
  c.globalAlpha = 1;
}
