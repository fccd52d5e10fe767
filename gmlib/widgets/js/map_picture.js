// A map of the line as a picture: the density of u below it, at its right what a formula makes of it, and log h' apart.
import { number } from "./controls.js";
import { arm, EDGE } from "./map_knots.js";
import { dot } from "./marks.js";
import { law, normal, said } from "./scalar_maps.js";
import { clamp, linearScale } from "./scale.js";
import { stroke } from "./stage.js";

export const SEEN = 5.6; // of the picture, either side
const SAID = { right: "p(u) / h′(u)", forgotten: "p(u)", wrong_sign: "p(u) · h′(u)" };

// The line on which the density of u stands, in pixels.
export const ground = (stage) => stage.height - 24;

// strip: an interval of u, whose mass is shown; image: where it goes; total: the area that the formula has; x: of the probe.
export function drawMapping(stage, state, { strip, image, total, x }) {
  stage.begin();
  drawAxes(stage);
  drawBelow(stage, strip);
  drawBeside(stage, state, image, total);
  drawMap(stage, state, x);
}

function drawAxes(stage) {
  const { context: c, margin, width, height } = stage;
  const { faint, grid } = stage.view.colours;
  const foot = ground(stage);
  const [left, right, top, bottom] = [margin.left, width - margin.right, margin.top, height - margin.bottom];
  c.lineWidth = 1;
  c.strokeStyle = grid;
  c.fillStyle = faint;
  const step = width < 480 ? 2.5 : 1;
  for (let v = -5; v <= 5; v += step) {
    const [px, py] = [stage.x(v), stage.y(v)];
    c.globalAlpha = 0.7;
    stroke(c, [px, top], [px, foot]);
    stroke(c, [left, py], [right, py]);
    c.globalAlpha = 1;
    if (v % 5 && width < 480) continue;
    c.textAlign = "center";
    c.textBaseline = "top";
    c.fillText(number(v, 0), px, foot + 8);
    c.textAlign = "right";
    c.textBaseline = "middle";
    c.fillText(number(v, 0), left - 6, py);
  }
  stroke(c, [left, foot + 0.5], [right, foot + 0.5]);
  stroke(c, [right + 0.5, top], [right + 0.5, bottom]);
  stroke(c, [left, bottom + 0.5], [right, bottom + 0.5]);
  c.textAlign = "left";
  c.textBaseline = "middle";
  c.fillText("x = h(u)", left, 12);
  c.textBaseline = "top";
  c.fillText(width < 480 ? "density of u" : "density of u, N(0, 1)", left + 2, bottom + 6);
}

// The base density along the bottom.
function drawBelow(stage, strip) {
  const { context: c } = stage;
  const { blue, orange } = stage.view.colours;
  const foot = ground(stage);
  const scale = linearScale().domain([0, 0.42]).range([foot, stage.height - stage.margin.bottom + 4]);
  const points = (from, to) => Array.from({ length: 121 }, (_, i) => from + ((to - from) * i) / 120).map((u) => [stage.x(u), scale(normal(u))]);
  const fill = (places, colour, alpha) => {
    c.fillStyle = colour;
    c.globalAlpha = alpha;
    c.beginPath();
    c.moveTo(places[0][0], foot);
    for (const [x, y] of places) c.lineTo(x, y);
    c.lineTo(places.at(-1)[0], foot);
    c.fill();
    c.globalAlpha = 1;
  };
  const all = points(-SEEN, SEEN);
  fill(all, blue, 0.2);
  fill(points(...strip), orange, 0.75);
  c.strokeStyle = blue;
  c.lineWidth = 2;
  stroke(c, ...all);
}

// What the formula says, at the side, and the law of h(u) where that is another one.
function drawBeside(stage, { map, formula }, image, total) {
  const { context: c } = stage;
  const { red, orange, ink, faint } = stage.view.colours;
  const [left, right] = [stage.width - stage.margin.right + 1, stage.width - 8];
  const rows = 360;
  // A fold is a jump: places on either side of it.
  const jumps = map.turns.map((u) => map.at(u)[0]).flatMap((x) => [x - 1e-6, x + 1e-6]);
  const places = [...Array.from({ length: rows + 1 }, (_, i) => SEEN * ((2 * i) / rows - 1)), ...jumps].sort((p, q) => p - q);
  const shown = places.map((x) => said(map, formula, x));
  const wrong = formula !== "right" || map.turns.length > 0;
  const true_ = wrong ? places.map((x) => law(map, x)) : shown;
  // Room for all but the spikes.
  const most = [...shown, ...true_].sort((p, q) => p - q)[Math.floor(0.985 * (shown.length + true_.length))];
  const scale = linearScale().domain([0, clamp(1.15 * most, 0.5, 3)]).range([left, right]);
  const across = (v) => Math.min(right + 2, scale(v));
  c.save();
  c.beginPath();
  c.rect(left, stage.margin.top, right - left + 8, stage.height - stage.margin.bottom - stage.margin.top);
  c.clip();
  const fill = (xs, values, colour, alpha) => {
    if (!xs.length) return;
    c.fillStyle = colour;
    c.globalAlpha = alpha;
    c.beginPath();
    c.moveTo(left, stage.y(xs[0]));
    xs.forEach((x, i) => c.lineTo(across(values[i]), stage.y(x)));
    c.lineTo(left, stage.y(xs.at(-1)));
    c.fill();
    c.globalAlpha = 1;
  };
  fill(places, shown, red, 0.22);
  const inner = Array.from({ length: 61 }, (_, i) => image[0] + ((image[1] - image[0]) * i) / 60);
  fill(inner, inner.map((x) => said(map, formula, x)), orange, 0.75);
  if (wrong) {
    c.strokeStyle = ink;
    c.lineWidth = 1.5;
    c.setLineDash([4, 3]);
    stroke(c, ...places.map((x, i) => [across(true_[i]), stage.y(x)]));
    c.setLineDash([]);
  }
  c.strokeStyle = red;
  c.lineWidth = 2;
  stroke(c, ...places.map((x, i) => [across(shown[i]), stage.y(x)]));
  c.restore();
  c.textAlign = "left";
  c.textBaseline = "middle";
  c.fillStyle = faint;
  const narrow = stage.width < 480;
  c.fillText(SAID[formula], narrow ? left - 4 : left + 2, 12);
  const foot = stage.height - stage.margin.bottom + 6;
  c.textBaseline = "top";
  c.fillText("area", left + 2, foot);
  if (wrong) for (const [i, line] of (narrow ? ["- - - law", "of h(u)"] : ["- - - law of h(u)"]).entries()) c.fillText(line, left + 2, foot + 42 + 14 * i);
  c.fillStyle = Math.abs(total - 1) < 5e-5 ? ink : red;
  c.font = c.font.replace("12px", narrow ? "600 16px" : "600 20px");
  c.fillText(number(total, 4), left + 2, foot + 16);
  c.font = c.font.replace(/(600 )?\d+px/, "12px");
}

// The map, its falling part in red, and the way from the probe to the side.
function drawMap(stage, { kind, map, probe, knots }, x) {
  const { context: c } = stage;
  const { ink, red, orange, faint, green } = stage.view.colours;
  const [right, top, bottom] = [stage.width - stage.margin.right, stage.margin.top, stage.height - stage.margin.bottom];
  stage.inside(() => {
    c.strokeStyle = faint;
    c.lineWidth = 1;
    c.setLineDash([2, 4]);
    stroke(c, [stage.x(-SEEN), stage.y(-SEEN)], [stage.x(SEEN), stage.y(SEEN)]);
    c.setLineDash([]);
    if (map.turns.length) {
      const [high, low] = map.turns.map((u) => stage.y(map.at(u)[0]));
      c.fillStyle = red;
      c.globalAlpha = 0.12;
      c.fillRect(stage.margin.left, high, right - stage.margin.left, low - high);
      c.globalAlpha = 1;
    }
    const along = (from, to) => Array.from({ length: 401 }, (_, i) => from + ((to - from) * i) / 400).map((u) => [stage.x(u), stage.y(map.at(u)[0])]);
    c.lineJoin = "round";
    c.strokeStyle = ink;
    c.lineWidth = 2.5;
    stroke(c, ...along(-SEEN, SEEN));
    if (map.turns.length) {
      c.strokeStyle = red;
      c.lineWidth = 3.5;
      stroke(c, ...along(...map.turns));
    }
    c.lineWidth = 1.5;
    if (kind === "spline") {
      for (const knot of knots) {
        const [u, v] = arm(stage, knot);
        c.strokeStyle = green;
        stroke(c, [stage.x(2 * knot.u - u), stage.y(2 * knot.x - v)], [stage.x(u), stage.y(v)]);
      }
      c.fillStyle = ink;
      for (const end of [-EDGE, EDGE]) c.fillRect(stage.x(end) - 4, stage.y(end) - 4, 8, 8);
    }
    c.fillStyle = orange;
    for (const u of map.roots(x)) dot(c, stage.x(u), stage.y(x), 4);
  });
  c.strokeStyle = orange;
  c.lineWidth = 1.5;
  c.setLineDash([5, 3]);
  const [px, py] = [stage.x(probe), clamp(stage.y(x), top, bottom)];
  stroke(c, [px, ground(stage)], [px, py], [right, py]);
  c.setLineDash([]);
}

// The logarithm of the slope over u.
export function drawLogSlope(stage, { map, probe }) {
  const { green, red, faint, orange } = stage.view.colours;
  const us = [...Array.from({ length: 601 }, (_, i) => SEEN * (i / 300 - 1)), ...map.turns.flatMap((u) => [u - 1e-4, u + 1e-4])].sort((p, q) => p - q);
  const slopes = us.map((u) => map.at(u)[1]);
  const logs = slopes.map((s) => Math.log(Math.abs(s)));
  const low = Math.min(-1.5, Math.max(-4, Math.min(...logs) - 0.3));
  stage.y.domain([low, Math.max(1.5, Math.min(4.5, Math.max(...logs) + 0.8))]);
  const c = stage.begin();
  stage.axes({ ticks: [0, 4], grid: true });
  stage.inside(() => {
    c.lineWidth = 1;
    c.strokeStyle = faint;
    stroke(c, [stage.x(-SEEN), stage.y(0)], [stage.x(SEEN), stage.y(0)]);
    c.lineWidth = 2.2;
    // In pieces: rising parts green, falling ones red.
    for (let i = 0; i < us.length; ) {
      const from = i;
      while (i < us.length && slopes[i] > 0 === slopes[from] > 0) i++;
      c.strokeStyle = slopes[from] > 0 ? green : red;
      stroke(c, ...us.slice(from, i).map((u, j) => [stage.x(u), stage.y(logs[from + j])]));
    }
    const here = Math.log(Math.abs(map.at(probe)[1]));
    c.fillStyle = c.strokeStyle = orange;
    c.lineWidth = 1.5;
    c.setLineDash([5, 3]);
    stroke(c, [stage.x(probe), stage.margin.top], [stage.x(probe), stage.height - stage.margin.bottom]);
    c.setLineDash([]);
    dot(c, stage.x(probe), stage.y(here), 4.5);
  });
  c.fillStyle = faint;
  c.textAlign = "left";
  c.textBaseline = "top";
  c.fillText(map.turns.length ? "log |h′(u)|" : "log h′(u)", stage.margin.left + 4, stage.margin.top + 2);
  c.textAlign = "right";
  c.textBaseline = "bottom";
  c.fillText("u", stage.width - stage.margin.right - 4, stage.height - stage.margin.bottom - 3);
}

// a as a bar, and the bound that it must pass.
export function drawBound(stage, { map, a, limit }, most) {
  const { green, red, ink, grid } = stage.view.colours;
  stage.x.domain([0, most]);
  const c = stage.begin();
  const [left, right, top] = [stage.x(0), stage.x(most), stage.margin.top];
  const colour = map.turns.length ? red : green;
  c.fillStyle = grid;
  c.fillRect(left, top, right - left, 12);
  c.fillStyle = colour;
  c.fillRect(left, top, stage.x(a) - left, 12);
  c.strokeStyle = ink;
  c.lineWidth = 3;
  const mark = stage.x(Math.min(limit, most));
  stroke(c, [mark, top - 5], [mark, top + 17]);
  c.textBaseline = "middle";
  c.textAlign = "left";
  c.fillStyle = ink;
  c.fillText(`9/(8√3) · |c| d = ${number(limit, 3)} ${map.turns.length ? ">" : "≤"} a = ${number(a, 3)}: ${map.turns.length ? "the map folds" : "one u for each x"}`, left, 8);
}
