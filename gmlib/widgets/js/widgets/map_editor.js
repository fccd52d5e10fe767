// A map of the line, N(0, 1) along the bottom, what the map makes of it at the side, and log h' below.
import { button, choice, number, readout, slider } from "../controls.js";
import { arm, between, bins, slopeOf, slopeTo, tidy } from "../map_knots.js";
import { drawBound, drawLogSlope, drawMapping, ground, SEEN } from "../map_picture.js";
import { affine, area, bound, nlsq, normal, said, spline } from "../scalar_maps.js";
import { clamp } from "../scale.js";
import { Stage } from "../stage.js";
import { widget } from "../widget.js";

const MOST = 5; // knots
const STRIP = 0.25; // half the width of the strip at the probe
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
const LINES = { "x = 2u": [Math.log(2), 0], "x = u/2 − 1": [-Math.log(2), -1], Identity: [0, 0] };
const NUMBERS = { a: [0.1, 3], b: [-3, 3], c: [-4, 4], d: [0.3, 3], e: [-3, 3] };

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
  }

  // --- state and what follows from it --------------------------------------------------------------------------------

  // Knots in order, whatever Python set.
  knots() {
    const { view } = this;
    const slopes = view.get("slopes");
    return view.get("knots").slice(0, MOST).map(([u, x], i) => ({ u, x, slope: slopeOf(slopes[i]) }));
  }

  now() {
    const { view } = this;
    const [kind, knots] = [view.get("kind"), this.knots()];
    const [a, b, c, d, e] = "abcde".split("").map((name) => view.get(name));
    const maps = {
      affine: () => affine(view.get("log_scale"), view.get("shift")),
      nlsq: () => nlsq({ a, b, c, d, e }),
      spline: () => spline(bins(knots)),
    };
    return { kind, knots, map: maps[kind](), formula: view.get("formula"), probe: view.get("probe"), a, limit: bound({ c, d }) };
  }

  moveKnot(i, place) {
    const knots = this.knots();
    this.view.set({ knots: knots.map((k, j) => (j === i ? between(knots, i, place) : [k.u, k.x])), chosen: i });
  }

  moveSlope(i, place) {
    this.view.set({ slopes: this.knots().map((k, j) => (j === i ? slopeTo(k, place) : k.slope)) });
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
        get: () => arm(map, knot(i)),
        move: (place) => this.moveSlope(i, place),
        step: 0.05,
      }),
    ]);
    const probe = { name: "u that is read", kind: "gm-w-orange", step: 0.05 };
    const move = ([u]) => view.set({ probe: clamp(tidy(u), -3.5, 3.5) });
    const value = () => ({ low: -3.5, high: 3.5, now: view.get("probe"), text: `u = ${number(view.get("probe"))}` });
    map.handle({ ...probe, get: () => [view.get("probe"), map.y.invert(ground(map))], move, value });
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
    const { kind, map, formula, probe, knots } = state;
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

    drawMapping(stage, state, { strip, image, total, x });
    const chosen = clamp(view.get("chosen"), 0, knots.length - 1);
    const count = kind === "spline" ? knots.length : 0;
    this.pairs.forEach(([knot, slopes], i) => {
      knot.button.hidden = i >= count;
      slopes.button.hidden = i >= count || i !== chosen;
    });
    stage.place();
    drawLogSlope(this.slope, state);
    if (kind === "nlsq") drawBound(this.meter, state, NUMBERS.a[1]);

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
}
