// A map of the line, N(0, 1) along the bottom, what the map makes of it at the side, and log h' below.
import { button, choice, number, readout, slider } from "../controls.js";
import { affine, area, bound, law, nlsq, normal, said, spline } from "../scalar_maps.js";
import { linearScale } from "../scale.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const EDGE = 5; // of the spline
const SEEN = 5.6; // of the picture, either side
const GAP = 0.2; // least distance of two knots
const MOST = 5; // knots
const SLOPES = [0.05, 20];
const STRIP = 0.25; // half the width of the strip at the probe
const ARM = 46; // pixels from a knot to the handle of its slope
const KNOTS = [[-1.5, -2.2], [0, 0], [1.5, 2.2]];
const SPLINES = {
  "Two humps": { knots: KNOTS, slopes: [0.35, 3.5, 0.35] },
  "One spike": { knots: [[-2, -1], [0, 0], [2, 1]], slopes: [0.7, 0.2, 0.7] },
  Skew: { knots: [[-1.5, -2], [0, -1.4], [1.5, 0.6]], slopes: [0.4, 0.6, 2] },
  Identity: { knots: [[-1.5, -1.5], [0, 0], [1.5, 1.5]], slopes: [1, 1, 1] },
};
const BUMPS = {
  "Two humps": { a: 1, b: 0.3, c: 1.4, d: 1, e: 0.2 },
  "Fold it": { a: 1, b: 0, c: 3, d: 1, e: 0 },
  "No bump": { a: 1, b: 0, c: 0, d: 1, e: 0 },
};
const SAID = { right: "p(u) / h′(u)", forgotten: "p(u)", wrong_sign: "p(u) · h′(u)" };
const LINES = { "x = 2u": [Math.log(2), 0], "x = u/2 − 1": [-Math.log(2), -1], Identity: [0, 0] };
const NUMBERS = { a: [0.1, 3], b: [-3, 3], c: [-4, 4], d: [0.3, 3], e: [-3, 3] };

const clamp = (v, a, b) => Math.min(b, Math.max(a, v));
const tidy = (v) => Math.round(1000 * v) / 1000;

export default widget("map-editor", "Map editor", (view) => new Editor(view));

class Editor {
  constructor(view) {
    this.view = view;
    const row = view.make("div", "gm-w-pair", view.body);
    choice(view, row, { trait: "kind", label: "map", options: [["spline", "spline"], ["nlsq", "line + bump"], ["affine", "affine"]] });
    choice(view, row, { trait: "formula", label: "formula for the density of x", options: [["right", "p(u) / h′"], ["forgotten", "forget h′"], ["wrong_sign", "wrong sign"]] });
    this.map = new Stage(view, {
      label: "The map x = h(u): the density of u below it, the density of x by the chosen formula at its right.",
      height: (width) => clamp(0.62 * width, 340, 500),
      margin: { left: 34, right: 90, top: 12, bottom: 96 },
    });
    this.slope = new Stage(view, {
      label: "The logarithm of the slope of the map, over u.",
      height: (width) => (width < 480 ? 130 : 150),
      margin: { left: 34, right: 90, top: 8, bottom: 22 },
    });
    view.body.append(this.map.element, this.slope.element);
    this.scales();
    this.handles();
    this.controls();
    view.draw(() => this.paint());
  }

  scales() {
    for (const stage of [this.map, this.slope]) stage.x.domain([-SEEN, SEEN]);
    this.map.y.domain([-SEEN, SEEN]);
    Object.assign(this, { below: linearScale().domain([0, 0.42]), beside: linearScale() });
  }

  // --- state and what follows from it --------------------------------------------------------------------------------

  // Knots in order, whatever Python set.
  knots() {
    const { view } = this;
    const slopes = view.get("slopes");
    return view.get("knots").slice(0, MOST).map(([u, x], i) => ({ u, x, slope: clamp(slopes[i] ?? 1, ...SLOPES) }));
  }

  now() {
    const { view } = this;
    const kind = view.get("kind");
    const [a, b, c, d, e] = "abcde".split("").map((name) => view.get(name));
    const maps = {
      affine: () => affine(view.get("log_scale"), view.get("shift")),
      nlsq: () => nlsq({ a, b, c, d, e }),
      spline: () => {
        const knots = this.knots();
        const ends = (name) => [-EDGE, ...knots.map((k) => k[name]), EDGE];
        return spline({ u: ends("u"), x: ends("x"), slopes: [1, ...knots.map((k) => k.slope), 1] });
      },
    };
    return { kind, map: maps[kind](), formula: view.get("formula"), probe: view.get("probe"), a, limit: bound({ c, d }) };
  }

  moveKnot(i, [u, x]) {
    const knots = this.knots();
    const [before, after] = [knots[i - 1] ?? { u: -EDGE, x: -EDGE }, knots[i + 1] ?? { u: EDGE, x: EDGE }];
    const place = [tidy(clamp(u, before.u + GAP, after.u - GAP)), tidy(clamp(x, before.x + GAP, after.x - GAP))];
    this.view.set({ knots: knots.map((k, j) => (j === i ? place : [k.u, k.x])), chosen: i });
  }

  moveSlope(i, [u, x]) {
    const knots = this.knots();
    // Behind its knot the handle goes on turning: straight up is as steep as it gets.
    const wanted = (x - knots[i].x) / Math.max(u - knots[i].u, 1e-3);
    const slope = Number(clamp(wanted, ...SLOPES).toPrecision(3));
    this.view.set({ slopes: knots.map((k, j) => (j === i ? slope : k.slope)) });
  }

  // Where the slope's handle is: ARM pixels along the tangent.
  arm({ u, x, slope }) {
    const { map } = this;
    const [px, py] = [map.x(1) - map.x(0), map.y(0) - map.y(1)];
    const far = ARM / Math.hypot(px, py * slope);
    return [u + far, x + far * slope];
  }

  // --- handles and controls ------------------------------------------------------------------------------------------

  handles() {
    const { map, view } = this;
    const knot = (i) => this.knots()[i] ?? { u: 0, x: 0, slope: 1 };
    this.pairs = Array.from({ length: MOST }, (_, i) => [
      map.handle({
        name: () => `knot ${i + 1}: h(${number(knot(i).u)}) = ${number(knot(i).x)}`,
        get: () => [knot(i).u, knot(i).x],
        move: (place) => this.moveKnot(i, place),
        step: 0.05,
        focus: () => view.set({ chosen: i }),
      }),
      map.handle({
        name: () => `slope at knot ${i + 1}: ${number(knot(i).slope)}`,
        kind: "gm-w-ring",
        get: () => this.arm(knot(i)),
        move: (place) => this.moveSlope(i, place),
        step: 0.05,
      }),
    ]);
    const probe = { name: "u that is read", kind: "gm-w-orange", step: 0.05 };
    const move = ([u]) => view.set({ probe: clamp(tidy(u), -3.5, 3.5) });
    const value = () => ({ low: -3.5, high: 3.5, now: view.get("probe"), text: `u = ${number(view.get("probe"))}` });
    map.handle({ ...probe, get: () => [view.get("probe"), map.y.invert(this.ground)], move, value });
  }

  controls() {
    const { view } = this;
    const groups = { spline: view.make("div", "", view.body), nlsq: view.make("div", "", view.body), affine: view.make("div", "", view.body) };
    for (const group of Object.values(groups)) group.style.cssText = "display: grid; gap: 0.75rem; min-width: 0";
    const buttons = (group, presets, set) => {
      const row = view.make("div", "gm-w-row", group);
      for (const [label, preset] of Object.entries(presets)) button(view, row, { label, press: () => view.set(set(preset)) });
      return row;
    };
    const pull = view.make("p", "gm-w-hint", groups.spline);
    pull.textContent = "Drag the knots; the open ring turns the slope at the knot that you touched last. Outside of [−5, 5] the spline is the identity.";
    buttons(groups.spline, SPLINES, (preset) => ({ ...preset, chosen: 1 }));

    const meter = (this.meter = new Stage(view, {
      label: "The slope a of the line against the least that it may have, 9 / (8 √3) |c| d.",
      height: () => 46,
      margin: { left: 8, right: 8, top: 20, bottom: 12 },
    }));
    groups.nlsq.append(meter.element);
    const presets = buttons(groups.nlsq, BUMPS, (preset) => preset);
    button(view, presets, { label: "At the bound", press: () => view.set({ a: clamp(bound({ c: view.get("c"), d: view.get("d") }), ...NUMBERS.a) }) });
    const bumps = view.make("div", "gm-w-pair", groups.nlsq);
    const names = { a: "a, slope of the line", b: "b, shift", c: "c, height of the bump", d: "d, narrowness", e: "e, place" };
    for (const [trait, [low, high]] of Object.entries(NUMBERS)) slider(view, bumps, { trait, label: names[trait], low, high, format: (v) => number(v) });

    const lines = view.make("div", "gm-w-pair", groups.affine);
    slider(view, lines, { trait: "log_scale", label: "log-scale a", low: -1.5, high: 1.5, format: (v) => `${number(v)}, scale ${number(Math.exp(v))}` });
    slider(view, lines, { trait: "shift", label: "shift μ", low: -3, high: 3, format: (v) => number(v) });
    buttons(groups.affine, LINES, ([log_scale, shift]) => ({ log_scale, shift }));
    view.bind("kind", (kind) => {
      for (const [name, group] of Object.entries(groups)) group.hidden = name !== kind;
    });

    const lists = view.make("div", "gm-w-pair", view.body);
    this.atProbe = readout(view, lists, [["u that is read"], ["x = h(u)"], ["log |h′(u)|"], ["density of u"], ["density of x, by the formula"]]);
    this.overall = readout(view, lists, [["mass of the orange strip, below"], ["of its image, by the formula"], ["area, by the formula", "total"]]);
    this.verdict = view.make("p", "gm-w-hint", view.body);
  }

  // --- the picture ---------------------------------------------------------------------------------------------------

  paint() {
    const { view, map: stage } = this;
    const state = this.now();
    const { kind, map, formula, probe } = state;
    const narrow = stage.element.clientWidth < 480;
    const side = narrow ? 66 : 150;
    stage.margin = { left: 30, right: side + 8, top: 26, bottom: narrow ? 90 : 112 };
    this.slope.margin = { ...this.slope.margin, left: 30, right: side + 8 };

    const [x, slope] = map.at(probe);
    const strip = [probe - STRIP, probe + STRIP];
    const image = strip.map((u) => map.at(u)[0]).sort((p, q) => p - q);
    const total = area(map, formula);
    const density = said(map, formula, x);
    const below = area(affine(0, 0), "right", ...strip);
    const beside = area(map, formula, ...image);

    const c = stage.begin();
    this.ground = stage.height - 24;
    this.axes(c);
    this.sayBelow(c, strip);
    this.sayBeside(c, state, image, total);
    this.sayMap(c, state, x);
    const chosen = clamp(view.get("chosen"), 0, this.knots().length - 1);
    const count = kind === "spline" ? this.knots().length : 0;
    this.pairs.forEach(([knot, slopes], i) => {
      knot.button.hidden = i >= count;
      slopes.button.hidden = i >= count || i !== chosen;
    });
    stage.place();
    this.sayLogSlope(state);
    if (kind === "nlsq") this.sayBound(state);

    this.atProbe(number(probe), number(x), number(Math.log(Math.abs(slope)), 3), number(normal(probe), 4), number(density, 4));
    this.overall(number(below, 4), number(beside, 4), number(total, 4));
    const words = this.judge(state, total);
    if (this.verdict.textContent !== words) this.verdict.textContent = words;
    view.say(
      `${{ spline: "Spline", nlsq: "Line with a bump", affine: "Affine map" }[kind]}. h(${number(probe)}) = ${number(x)}, log of the slope ${number(Math.log(Math.abs(slope)), 3)}; ` +
        `density of u ${number(normal(probe), 4)}, of x by the formula ${number(density, 4)}. Area by the formula: ${number(total, 4)}. ${words}`,
    );
  }

  judge({ kind, map, formula, a, limit }, total) {
    const shown = number(total, 4);
    if (map.turns.length) {
      const why = `a = ${number(a)} is below ${number(limit)}: the map folds back, and between its turns an x has three u.`;
      return formula === "right" ? `${why} The formula knows of one, the first: the area is ${shown}, and the rest of the mass is not spoken of.` : `${why} The area is ${shown}.`;
    }
    const good = kind === "nlsq" && a <= limit + 1e-12 ? "At the bound: one flat point, an endless spike of the density, and still one u for each x. " : "";
    if (formula === "right") return `${good}Where the map is steep, u is thinned out; where it is flat, u is crowded. The strip has the same mass on both sides.`;
    if (formula === "forgotten") return `${good}Without the slope, the density of u is only moved to other places. The area is the mean of h′: ${shown}.`;
    return `${good}With the slope on the wrong side, what is stretched gains mass. The area is the mean of h′²: ${shown}.`;
  }

  axes(c) {
    const { map: stage } = this;
    const { faint, grid } = this.view.colours;
    const { margin, width, height } = stage;
    const [left, right, top, bottom] = [margin.left, width - margin.right, margin.top, height - margin.bottom];
    c.lineWidth = 1;
    c.strokeStyle = grid;
    c.fillStyle = faint;
    const step = width < 480 ? 2.5 : 1;
    for (let v = -5; v <= 5; v += step) {
      const [px, py] = [stage.x(v), stage.y(v)];
      c.globalAlpha = 0.7;
      stroke(c, [px, top], [px, this.ground]);
      stroke(c, [left, py], [right, py]);
      c.globalAlpha = 1;
      if (v % 5 && width < 480) continue;
      c.textAlign = "center";
      c.textBaseline = "top";
      c.fillText(number(v, 0), px, this.ground + 8);
      c.textAlign = "right";
      c.textBaseline = "middle";
      c.fillText(number(v, 0), left - 6, py);
    }
    stroke(c, [left, this.ground + 0.5], [right, this.ground + 0.5]);
    stroke(c, [right + 0.5, top], [right + 0.5, bottom]);
    stroke(c, [left, bottom + 0.5], [right, bottom + 0.5]);
    c.textAlign = "left";
    c.textBaseline = "middle";
    c.fillText("x = h(u)", left, 12);
    c.textBaseline = "top";
    c.fillText(width < 480 ? "density of u" : "density of u, N(0, 1)", left + 2, bottom + 6);
  }

  // The base density along the bottom.
  sayBelow(c, strip) {
    const { map: stage } = this;
    const { blue, orange } = this.view.colours;
    this.below.range([this.ground, stage.height - stage.margin.bottom + 4]);
    const points = (from, to) => Array.from({ length: 121 }, (_, i) => from + ((to - from) * i) / 120).map((u) => [stage.x(u), this.below(normal(u))]);
    const fill = (places, colour, alpha) => {
      c.fillStyle = colour;
      c.globalAlpha = alpha;
      c.beginPath();
      c.moveTo(places[0][0], this.ground);
      for (const [x, y] of places) c.lineTo(x, y);
      c.lineTo(places.at(-1)[0], this.ground);
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
  sayBeside(c, { map, formula }, image, total) {
    const { map: stage, beside } = this;
    const { red, orange, ink, faint } = this.view.colours;
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
    beside.domain([0, clamp(1.15 * most, 0.5, 3)]).range([left, right]);
    const across = (v) => Math.min(right + 2, beside(v));
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
  sayMap(c, { kind, map, probe }, x) {
    const { map: stage } = this;
    const { ink, red, orange, faint, green } = this.view.colours;
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
        for (const knot of this.knots()) {
          const [u, v] = this.arm(knot);
          c.strokeStyle = green;
          stroke(c, [stage.x(2 * knot.u - u), stage.y(2 * knot.x - v)], [stage.x(u), stage.y(v)]);
        }
        c.fillStyle = ink;
        for (const end of [-EDGE, EDGE]) c.fillRect(stage.x(end) - 4, stage.y(end) - 4, 8, 8);
      }
      c.fillStyle = orange;
      for (const u of map.roots(x)) {
        c.beginPath();
        c.arc(stage.x(u), stage.y(x), 4, 0, 7);
        c.fill();
      }
    });
    c.strokeStyle = orange;
    c.lineWidth = 1.5;
    c.setLineDash([5, 3]);
    const [px, py] = [stage.x(probe), clamp(stage.y(x), top, bottom)];
    stroke(c, [px, this.ground], [px, py], [right, py]);
    c.setLineDash([]);
  }

  sayLogSlope({ map, probe }) {
    const { slope: stage } = this;
    const { green, red, faint, orange } = this.view.colours;
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
      c.beginPath();
      c.arc(stage.x(probe), stage.y(here), 4.5, 0, 7);
      c.fill();
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
  sayBound({ map, a, limit }) {
    const stage = this.meter;
    const { green, red, ink, grid } = this.view.colours;
    stage.x.domain([0, NUMBERS.a[1]]);
    const c = stage.begin();
    const [left, right, top] = [stage.x(0), stage.x(NUMBERS.a[1]), stage.margin.top];
    const colour = map.turns.length ? red : green;
    c.fillStyle = grid;
    c.fillRect(left, top, right - left, 12);
    c.fillStyle = colour;
    c.fillRect(left, top, stage.x(a) - left, 12);
    c.strokeStyle = ink;
    c.lineWidth = 3;
    const mark = stage.x(Math.min(limit, NUMBERS.a[1]));
    stroke(c, [mark, top - 5], [mark, top + 17]);
    c.textBaseline = "middle";
    c.textAlign = "left";
    c.fillStyle = ink;
    c.fillText(`9/(8√3) · |c| d = ${number(limit, 3)} ${map.turns.length ? ">" : "≤"} a = ${number(a, 3)}: ${map.turns.length ? "the map folds" : "one u for each x"}`, left, 8);
  }
}
