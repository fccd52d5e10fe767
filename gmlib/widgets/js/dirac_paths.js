// Paths of two players of one number each: in their plane, and their radii over time; beside the flow.
import { energy, invariant, turns } from "./dirac_game.js";
import { arrows } from "./draw.js";
import { dot, tag } from "./marks.js";
import { clamp } from "./scale.js";
import { scientific } from "./scientific.js";
import { square, stroke } from "./stage.js";

const SIDES = [3.3, 8, 20, 50]; // half the picture, wide enough for the path
const FIELD = 17; // arrows a side
const DRAWN = 4000; // pieces of the flow that are drawn

// The plane of both players; returns how far it reaches.
export function drawPlayers(stage, places, { field, flow: stream, parts }, { k, start }, flowing) {
  const { colours } = stage.view;
  let far = Math.max(...start.map(Math.abs));
  for (const v of places) far = Math.max(far, Math.abs(v));
  const side = SIDES.find((s) => s >= 1.04 * far) ?? SIDES[SIDES.length - 1];
  const c = square(stage, side);
  stage.axes({ ticks: [5, 5], names: ["", ""] });
  const [[x0, x1], [y0, y1]] = [stage.x.domain(), stage.y.domain()];
  const at = [];
  for (let i = 0; i < FIELD; i++) for (let j = 0; j < FIELD; j++) at.push(x0 + ((x1 - x0) * (i + 0.5)) / FIELD, y0 + ((y1 - y0) * (j + 0.5)) / FIELD);
  const vectors = [];
  for (let i = 0; i < at.length; i += 2) vectors.push(...field([at[i], at[i + 1]]));
  arrows(stage, at, vectors, { longest: 22, colour: colours.faint, scale: 0.45 * side, alpha: 0.5 });
  stage.inside(() => {
    c.strokeStyle = colours.grid;
    c.lineWidth = 1;
    stroke(c, [stage.x(x0), stage.y(0)], [stage.x(x1), stage.y(0)]);
    stroke(c, [stage.x(0), stage.y(y0)], [stage.x(0), stage.y(y1)]);
    // What is far outside is cut off: a canvas cannot place it.
    const put = (list, i) => [stage.x(clamp(list[2 * i], -1e3 * side, 1e3 * side)), stage.y(clamp(list[2 * i + 1], -1e3 * side, 1e3 * side))];
    if (flowing) {
      const count = Math.min(DRAWN, k * parts);
      const line = stream.to(k * parts);
      c.strokeStyle = colours.blue;
      c.lineWidth = 2;
      c.lineJoin = "round";
      stroke(c, ...Array.from({ length: count + 1 }, (_, i) => put(line, i)));
      c.fillStyle = colours.blue;
      dot(c, ...put(line, k * parts), 5);
    }
    c.strokeStyle = colours.red;
    c.lineWidth = k > 400 ? 0.7 : 1.2;
    c.globalAlpha = k > 400 ? 0.6 : 0.8;
    stroke(c, ...Array.from({ length: k + 1 }, (_, i) => put(places, i)));
    c.globalAlpha = 1;
    c.fillStyle = colours.red;
    if (k <= 400) for (let i = 0; i <= k; i++) dot(c, ...put(places, i), k > 120 ? 1.6 : 2.3);
    dot(c, ...put(places, k), 5);
    c.strokeStyle = colours.ink;
    c.lineWidth = 1.5;
    const [ox, oy] = [stage.x(0), stage.y(0)];
    stroke(c, [ox - 5, oy], [ox + 5, oy]);
    stroke(c, [ox, oy - 5], [ox, oy + 5]);
  });
  tag(stage, "critic φ", stage.width - stage.margin.right - 4, stage.height - stage.margin.bottom - 11, { align: "right", room: 3 });
  tag(stage, "generator θ", stage.margin.left + 5, stage.margin.top + 11, { room: 3 });
  stage.legend([[`${k} steps`, "red"], ...(flowing ? [["flow, same time", "blue"]] : [])]);
  stage.place();
  return side;
}

// Radii against time.
export function drawRadii(stage, places, { flow: stream, parts }, { k, rate, eta, rule, loss, penalty, gamma }, flowing) {
  const { colours } = stage.view;
  const span = Math.max(20, k);
  const log = (v) => Math.log10(Math.max(1e-16, v));
  const of = (list, skip, count) => {
    const every = Math.max(1, Math.floor(count / 1200));
    const points = [];
    for (let i = 0; i <= count; i += every) points.push([(i / skip) * eta, log(Math.sqrt(energy(list[2 * i], list[2 * i + 1], rate)))]);
    return points;
  };
  const lines = [[of(places, 1, k), "red", 2, []]];
  if (flowing) lines.unshift([of(stream.to(k * parts), parts, k * parts), "blue", 2, []]);
  const keeps = turns({ rule, penalty, gamma }) && loss === "linear";
  if (keeps) {
    const points = Array.from({ length: k + 1 }, (_, i) => [i * eta, log(Math.sqrt(Math.max(0, invariant(places[2 * i], places[2 * i + 1], { loss, rate }, eta))))]);
    lines.push([points, "green", 2, [6, 4]]);
  }
  let [low, high] = [Infinity, -Infinity];
  for (const [points] of lines) for (const [, y] of points) [low, high] = [Math.min(low, y), Math.max(high, y)];
  const middle = (low + high) / 2;
  const room = Math.max(0.35, 0.56 * (high - low));
  stage.x.domain([0, span * eta]);
  stage.y.domain([middle - room, middle + room]);
  const c = stage.begin();
  stage.axes({ ticks: [5, 0] });
  const every = Math.max(1, Math.ceil(room / 2.5));
  c.fillStyle = colours.faint;
  c.textAlign = "right";
  c.textBaseline = "middle";
  for (let power = Math.ceil(middle - room - 1); power <= middle + room; power++) {
    for (const first of room < 0.8 ? [1, 2, 3, 5] : [1]) {
      const y = power + Math.log10(first);
      if (power % every || y < middle - room || y > middle + room) continue;
      c.strokeStyle = colours.grid;
      c.lineWidth = 1;
      stroke(c, [stage.margin.left, stage.y(y)], [stage.width - stage.margin.right, stage.y(y)]);
      c.fillText(power < -2 || power > 3 ? scientific(10 ** power, 1).replace(/^1·/, "") : `${Number((first * 10 ** power).toPrecision(2))}`, stage.margin.left - 6, stage.y(y));
    }
  }
  stage.inside(() => {
    c.lineJoin = "round";
    for (const [points, colour, width, dash] of lines) {
      c.strokeStyle = colours[colour];
      c.lineWidth = width;
      c.setLineDash(dash);
      stroke(c, ...points.map(([x, y]) => [stage.x(x), stage.y(y)]));
    }
    c.setLineDash([]);
  });
  c.fillStyle = colours.faint;
  c.textAlign = "right";
  c.textBaseline = "bottom";
  c.fillText("time ηk", stage.width - stage.margin.right, stage.height - 3);
  stage.legend([["radius of the steps", "red"], ...(flowing ? [["of the flow", "blue"]] : []), ...(keeps ? [["√ of the invariant", "green", [6, 4]]] : [])]);
}
