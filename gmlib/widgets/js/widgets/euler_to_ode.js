// Euler's polygons along a linear field beside the field's own flow; the log-determinant of the steps, and its error.
import { button, number, readout, slider } from "../controls.js";
import { arrows, curve } from "../draw.js";
import { apply, determinant, eulerLogDet, eulerMaps, exponential, norm, stepOf, steps, trace, traceOfSquare } from "../linear_field.js";
import { Pace, playback } from "../playback.js";
import { clamp } from "../scale.js";
import { scientific } from "../scientific.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const MOST = 100; // steps in a unit of time
const LONGEST = 4; // T
const REACH = 2.5; // of the centre of the disc
const HEIGHT = 3.2; // of the plane's picture, either side
const RADIUS = 0.65; // of the disc
const ROUND = 72; // places on its edge
const PACE = 0.8; // units of time in a second of play
const FLOOR = -5; // of the error's picture, a power of ten
const FINENESS = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 100];
const ENTRIES = ["a11", "a12", "a21", "a22"];

const small = (v) => (Number.isFinite(v) ? (v && Math.abs(v) < 1e-3 ? scientific(v) : number(v, 4)) : v > 0 ? "∞" : "−∞");
const circle = Array.from({ length: ROUND + 1 }, (_, i) => [Math.cos((2 * Math.PI * i) / ROUND), Math.sin((2 * Math.PI * i) / ROUND)]);

export default widget("euler-to-ode", "Euler to ODE", (view) => {
  const plane = new Stage(view, {
    label: "The field, a disc that the field moves (blue), and what Euler's steps make of it (red), with the paths of some of its points.",
    height: (width) => clamp(0.6 * width, 280, 440),
    margin: { left: 30, right: 12, top: 46, bottom: 28 },
  });
  const running = new Stage(view, {
    label: "The log-determinant of Euler's map over time, beside t times the trace of A.",
    height: () => 220,
    margin: { left: 38, right: 12, top: 46, bottom: 30 },
  });
  const errors = new Stage(view, {
    label: "How far the log-determinant of Euler's map is off at time T, against the step, both in powers of ten.",
    height: () => 220,
    margin: { left: 44, right: 16, top: 46, bottom: 30 },
  });
  view.body.append(plane.element);
  const row = view.make("div", "gm-w-row", view.body);
  const play = button(view, row, { label: "Play", press: () => start() });
  for (const [name, [entries, start]] of Object.entries(view.get("fields"))) {
    const label = name[0].toUpperCase() + name.slice(1);
    button(view, row, { label, press: () => view.set({ ...Object.fromEntries(ENTRIES.map((trait, i) => [trait, entries[i]])), start }) });
  }
  const pair = view.make("div", "gm-w-pair", view.body);
  slider(view, pair, { trait: "n", label: "steps in a unit of time, 1 / Δt", values: FINENESS, step: 1, format: (v) => `${v}, Δt = ${number(1 / v, v > 10 ? 3 : 2)}` });
  slider(view, pair, { trait: "time", label: "time T", low: 0, high: LONGEST, format: (v) => number(v) });
  const names = ["A₁₁", "A₁₂", "A₂₁", "A₂₂"];
  ENTRIES.forEach((trait, i) => slider(view, pair, { trait, label: names[i], low: -2, high: 2, step: 0.05, format: (v) => number(v) }));
  const pictures = view.make("div", "gm-w-pair", view.body);
  pictures.append(running.element, errors.element);
  const lists = view.make("div", "gm-w-pair", view.body);
  const area = readout(view, lists, [["log |det| of Euler's map"], ["T tr A"], ["difference", "total"], ["− ½ Δt T tr A²"]]);
  const step = readout(view, lists, [["steps to T"], ["det(I + Δt A)"], ["Δt ‖A‖"], ["end points are apart"]]);
  const verdict = view.make("p", "gm-w-hint", view.body);

  const state = () => {
    const [n, time] = [clamp(Math.round(view.get("n")), 1, MOST), clamp(view.get("time"), 0, LONGEST)];
    return { matrix: ENTRIES.map((trait) => view.get(trait)), n, time, start: view.get("start").map((v) => clamp(v, -REACH, REACH)) };
  };
  plane.handle({
    name: "centre of the disc",
    kind: "gm-w-ring",
    get: () => state().start,
    move: (place) => view.set({ start: place.map((v) => clamp(Math.round(100 * v) / 100, -REACH, REACH)) }),
    step: 0.05,
  });
  errors.x.domain([Math.log10(1 / MOST), 0]);
  errors.y.domain([FLOOR, 1]);
  errors.handle({
    name: "step Δt",
    kind: "gm-w-orange",
    get: () => [-Math.log10(state().n), 1],
    // A step of an arrow key is one step more or fewer in a unit of time; a hand goes where it points.
    move: ([x]) => {
      const n = 10 ** -x;
      const now = state().n;
      const near = Math.abs(n - now) < 0.5 ? now - Math.sign(x + Math.log10(now)) : Math.round(n);
      view.set({ n: clamp(near, 1, MOST) });
    },
    step: 0.001,
    value: () => ({ low: -2, high: 0, now: -Math.log10(state().n), text: `Δt = ${number(1 / state().n, 3)}` }),
  });

  const start = () => {
    const on = !view.get("playing");
    view.set(on && state().time >= LONGEST ? { time: 0, playing: on } : { playing: on });
  };
  const pace = new Pace();
  const run = () => {
    const time = Math.min(LONGEST, state().time + PACE * pace.seconds());
    view.set({ time, playing: time < LONGEST });
  };
  playback(view, play, run, { pace, instead: "move the time by its slider" });

  view.draw(() => {
    const now = state();
    const { matrix, n, time } = now;
    const maps = eulerMaps(matrix, n, time);
    const [log, exact] = [eulerLogDet(matrix, n, time), time * trace(matrix)];
    const first = (-0.5 * time * traceOfSquare(matrix)) / n;
    const det = determinant(stepOf(matrix, 1 / n));
    const stretch = norm(matrix) / n;
    const ends = [apply(maps.at(-1), now.start), apply(exponential(matrix, time), now.start)];
    const apart = Math.hypot(ends[0][0] - ends[1][0], ends[0][1] - ends[1][1]);
    paths(view, plane, now, maps);
    logs(view, running, now);
    orders(view, errors, now, log - exact);
    area(small(log), small(exact), small(log - exact), small(first));
    step(count(n, time), number(det, 4), number(stretch, 3), small(apart));
    const said = judge(matrix, n, det, stretch);
    if (verdict.textContent !== said) verdict.textContent = said;
    view.say(
      `A = ${matrix.map((v) => number(v)).join(", ")}; step ${number(1 / n, 3)}, time ${number(time)}. Logarithm of the determinant of Euler's map ${small(log)}, ` +
        `exactly ${small(exact)}; difference ${small(log - exact)}, to first order ${small(first)}. ${said}`,
    );
  });
});

function count(n, time) {
  const { whole, rest } = steps(n, time);
  return rest ? `${whole}, and a part` : `${whole}`;
}

// What the numbers mean, in words.
function judge(matrix, n, det, stretch) {
  if (Math.abs(det) < 1e-12) return "det(I + Δt A) = 0: a step flattens the plane onto a line, and cannot be undone.";
  if (det < 0) return "det(I + Δt A) < 0: each step turns the plane over, which no flow does. Smaller steps cure it.";
  if (stretch >= 1) return "Δt ‖A‖ ≥ 1: nothing promises that a step can be undone; this one still can.";
  const square = traceOfSquare(matrix);
  const safe = "Δt ‖A‖ < 1: each step can be undone.";
  if (Math.abs(square) < 1e-12) {
    const nil = Math.abs(determinant(matrix)) < 1e-12;
    return nil ? `${safe} Here A² = 0: the steps have the flow's determinant, 1, exactly.` : `${safe} Here tr A² = 0: no error of first order.`;
  }
  return `${safe} Halve the step, and the difference halves.`;
}

// The field, the disc before and after, and paths of its centre and of places on its edge.
function paths(view, stage, { matrix, n, time, start }, maps) {
  const { colours } = view;
  const width = Math.max(stage.least, stage.element.clientWidth);
  const inner = [width - stage.margin.left - stage.margin.right, stage.heightOf(width) - stage.margin.top - stage.margin.bottom];
  const half = (HEIGHT * inner[0]) / inner[1];
  stage.x.domain([-half, half]);
  stage.y.domain([-HEIGHT, HEIGHT]);
  const c = stage.begin();
  stage.axes({ ticks: [width < 480 ? 5 : 9, 5] });
  const places = [];
  const gap = 0.75;
  for (let x = -Math.floor(half / gap) * gap; x <= half; x += gap) for (let y = -3; y <= 3; y += gap) places.push(x, y);
  const field = [];
  for (let i = 0; i < places.length; i += 2) field.push(...apply(matrix, places.slice(i, i + 2)));
  arrows(stage, places, field, { longest: 22, colour: colours.faint, scale: 2, alpha: 0.5 });

  const put = ([x, y]) => [stage.x(clamp(x, -1e4, 1e4)), stage.y(clamp(y, -1e4, 1e4))];
  const edge = (map) => circle.map(([x, y]) => put(apply(map, [start[0] + RADIUS * x, start[1] + RADIUS * y])));
  const flow = exponential(matrix, time);
  const seeds = [0, 12, 24, 36, 48, 60].map((i) => [start[0] + RADIUS * circle[i][0], start[1] + RADIUS * circle[i][1]]);
  const times = Array.from({ length: 121 }, (_, i) => (time * i) / 120);
  const flows = times.map((t) => exponential(matrix, t));
  // A quarter of the disc is darker, from its broad edge on counter-clockwise: it shows which way round the disc is.
  const disc = (map, colour, fill) => {
    const rim = edge(map);
    const middle = put(apply(map, start));
    c.fillStyle = colour;
    for (const [points, alpha] of [[rim, fill], [[middle, ...rim.slice(0, ROUND / 4 + 1), middle], fill + 0.2]]) {
      c.globalAlpha = alpha;
      c.beginPath();
      for (const [x, y] of points) c.lineTo(x, y);
      c.fill();
    }
    c.globalAlpha = 1;
    c.strokeStyle = colour;
    c.lineWidth = 2;
    stroke(c, ...rim);
    c.lineWidth = 4;
    stroke(c, middle, rim[0]);
  };
  stage.inside(() => {
    c.lineJoin = "round";
    c.strokeStyle = colours.faint;
    c.setLineDash([3, 3]);
    c.lineWidth = 1.5;
    stroke(c, ...edge([1, 0, 0, 1]));
    c.setLineDash([]);
    for (const [i, seed] of [start, ...seeds].entries()) {
      const main = i === 0;
      c.globalAlpha = main ? 1 : 0.45;
      c.lineWidth = main ? 2.2 : 1.2;
      c.strokeStyle = colours.blue;
      stroke(c, ...flows.map((map) => put(apply(map, seed))));
      c.strokeStyle = c.fillStyle = colours.red;
      const corners = maps.map((map) => put(apply(map, seed)));
      stroke(c, ...corners);
      if (n > (width < 480 ? 8 : 25) || (!main && n > 10)) continue;
      for (const [x, y] of corners.slice(1)) {
        c.beginPath();
        c.arc(x, y, main ? 3.2 : 2, 0, 7);
        c.fill();
      }
    }
    c.globalAlpha = 1;
    disc(flow, colours.blue, 0.2);
    disc(maps.at(-1), colours.red, 0.16);
  });
  const entries = [["exact, eᴬᵗ", "blue"], [`Euler, Δt = ${number(1 / n, n > 10 ? 3 : 2)}`, "red"], ["start", "faint", [3, 3]]];
  stage.legend(entries, { from: 2 });
  const det = determinant(stepOf(matrix, 1 / n));
  c.fillStyle = det > 1e-12 ? colours.ink : colours.red;
  c.font = c.font.replace("12px", "600 13px");
  c.fillText(`one step: det(I + Δt A) = ${number(det)}${det > 1e-12 ? "" : det < -1e-12 ? ", turned over" : ", flattened"}`, 2, 31);
  c.font = c.font.replace("600 13px", "12px");
  stage.place();
}

// The log-determinant over time: exact, of Euler's map, and to first order.
function logs(view, stage, { matrix, n, time }) {
  const { colours } = view;
  const slope = trace(matrix);
  const bend = (-0.5 * traceOfSquare(matrix)) / n;
  const ts = Array.from({ length: 401 }, (_, i) => (LONGEST * i) / 400);
  const euler = ts.map((t) => eulerLogDet(matrix, n, t));
  const seen = [0, slope * LONGEST, ...euler.filter(Number.isFinite)];
  const [low, high] = [Math.max(-14, Math.min(...seen)), Math.min(14, Math.max(...seen))];
  const room = Math.max(0.5, 0.08 * (high - low));
  stage.x.domain([0, LONGEST]);
  stage.y.domain([low - room, high + room]);
  const c = stage.begin();
  stage.axes({ ticks: [5, 5], grid: true });
  c.fillStyle = colours.orange;
  c.globalAlpha = 0.16;
  c.fillRect(stage.x(0), stage.margin.top, stage.x(time) - stage.x(0), stage.height - stage.margin.top - stage.margin.bottom);
  c.globalAlpha = 1;
  const line = (value, colour, dash) => curve(stage, [0, LONGEST], [0, value * LONGEST], { colour, width: 2, dash });
  line(slope, colours.blue, []);
  line(slope + bend, colours.orange, [6, 4]);
  // -Infinity is far below the picture.
  curve(stage, ts, euler.map((v) => Math.max(-1e3, v)), { colour: colours.red, width: 2.2 });
  const here = eulerLogDet(matrix, n, time);
  stage.inside(() => {
    c.fillStyle = colours.red;
    c.beginPath();
    c.arc(stage.x(time), stage.y(clamp(here, low - room, high + room)), 4.5, 0, 7);
    c.fill();
  });
  c.fillStyle = colours.faint;
  c.textAlign = "right";
  c.textBaseline = "bottom";
  c.fillText("time", stage.width - stage.margin.right, stage.height - stage.margin.bottom - 4);
  c.textAlign = "left";
  c.textBaseline = "middle";
  c.fillStyle = colours.ink;
  c.fillText("log |det|", 2, 11);
  stage.legend([["t tr A", "blue"], ["Euler", "red"], ["to first order", "orange", [6, 4]]], { from: 2, line: 30 });
}

// The error at T against the step, on logarithmic axes.
function orders(view, stage, { matrix, n, time }, error) {
  const { colours } = view;
  const c = stage.begin();
  const [top, bottom, left, right] = [stage.margin.top, stage.height - stage.margin.bottom, stage.margin.left, stage.width - stage.margin.right];
  c.lineWidth = 1;
  c.strokeStyle = colours.grid;
  c.fillStyle = colours.faint;
  for (let power = FLOOR; power <= 1; power += 2) {
    const y = stage.y(power);
    stroke(c, [left - 4, y], [right, y]);
    c.textAlign = "right";
    c.textBaseline = "middle";
    c.fillText(scientific(10 ** power, 1, 1).slice(2) || "1", left - 7, y);
  }
  for (const tick of [0.01, 0.1, 1]) {
    const x = stage.x(Math.log10(tick));
    stroke(c, [x, bottom], [x, bottom + 4]);
    c.textAlign = tick === 1 ? "right" : "center";
    c.textBaseline = "top";
    c.fillText(tick === 1 ? "Δt = 1" : `${tick}`, tick === 1 ? right + 4 : x, bottom + 8);
  }
  const square = 0.5 * time * Math.abs(traceOfSquare(matrix));
  const power = (v) => Math.max(FLOOR - 3, Math.log10(Math.abs(v)));
  if (square > 1e-12) curve(stage, [-2, 0], [power(square) - 2, power(square)], { colour: colours.orange, width: 2, dash: [6, 4] });
  const ns = Array.from({ length: MOST }, (_, i) => i + 1);
  const off = ns.map((k) => Math.abs(eulerLogDet(matrix, k, time) - time * trace(matrix)));
  const none = off.every((v) => v < 1e-12);
  stage.inside(() => {
    c.fillStyle = colours.red;
    ns.forEach((k, i) => {
      if (!(off[i] > 1e-12) || !Number.isFinite(off[i])) return;
      c.beginPath();
      c.arc(stage.x(-Math.log10(k)), stage.y(power(off[i])), 2.4, 0, 7);
      c.fill();
    });
  });
  c.strokeStyle = colours.orange;
  c.lineWidth = 1.5;
  stroke(c, [stage.x(-Math.log10(n)), top], [stage.x(-Math.log10(n)), bottom]);
  if (Number.isFinite(error) && Math.abs(error) > 1e-12) {
    stage.inside(() => {
      c.fillStyle = colours.red;
      c.beginPath();
      c.arc(stage.x(-Math.log10(n)), stage.y(power(error)), 4.5, 0, 7);
      c.fill();
    });
  }
  c.textAlign = "left";
  c.textBaseline = "middle";
  c.fillStyle = colours.ink;
  c.fillText(none ? "no difference at any step" : "difference at T, its size", 2, 11);
  if (!none) stage.legend([["Euler", "red"], ["½ Δt T |tr A²|", "orange", [6, 4]]], { from: 2, line: 30 });
  stage.place();
}
