// Digits that were asked for: a network that knows the classes draws them here, guided with a weight that can be moved.
import code from "workers/denoising.txt";
import { choice, number, readout, slider } from "../controls.js";
import { answers } from "../denoising.js";
import { asked, between, grey } from "../digit_classes.js";
import { DigitPage, PIXELS, noiseOf, seedsOf } from "../digit_page.js";
import { clamp } from "../scale.js";
import { Stage } from "../stage.js";
import { widget } from "../widget.js";

const [LEAST, MOST] = [5, 30]; // steps
const STRONGEST = 8;
const PAUSE = 350; // milliseconds for which the settings rest before the network begins again
const KEPT = 60; // drawings
const CLASSES = [...Array.from({ length: 10 }, (_, i) => [String(i), String(i)]), ["each", "each"]];

const weight = (w) => number(w, Number.isInteger(w) ? 0 : 1);

export default widget("guided-digits", "Digits on demand", (view) => new Digits(view));

class Digits extends DigitPage {
  constructor(view) {
    super(view, code, { absent: "Load the network, 1.9 MB", loading: "Loading …", ready: "Draw", busy: "Stop" });
    Object.assign(this, { kept: new Map(), going: null, made: 0 });
    this.layout();
    for (const trait of ["seed", "steps", "asked", "w"]) view.on(`change:${trait}`, () => this.change());
    view.signal.addEventListener("abort", () => clearTimeout(this.soon));
    this.change();
    view.draw(() => this.paint());
  }

  layout() {
    const { view } = this;
    this.controls();
    this.classes = choice(view, view.body, { trait: "asked", label: "class that is asked for", options: CLASSES });
    this.classes.querySelectorAll("span").forEach((box) => (box.style.paddingInline = "0.15rem"));
    const pair = view.make("div", "gm-w-pair", view.body);
    this.images = new Stage(view, {
      label: "Images of 28 by 28 pixels in four rows: sixteen of one class, or two of each.",
      height: (width) => 2 + (4 * (width - 2)) / this.shown.across,
      margin: { left: 0, right: 0, top: 0, bottom: 0 },
    });
    this.images.element.style.cssText = "width: 100%; max-width: 440px; margin-inline: auto; align-self: start";
    pair.append(this.images.element);
    const panel = view.make("div", "gm-w-panel", pair);
    slider(view, panel, { trait: "w", label: "weight w of the guidance", low: 0, high: STRONGEST, step: 0.5, format: weight });
    slider(view, panel, { trait: "steps", label: "steps", low: LEAST, high: MOST, step: 1, format: String });
    this.rows = readout(view, panel, [["weight of these pictures"], ["calls of the network, an image"], ["variance between those of a class"], ["mean grey (MNIST: 0.13)"]]);
    this.words = view.make("p", "gm-w-hint", panel);
    this.words.style.cssText = "color: var(--gm-w-ink); min-height: 3.7rem";
    this.hint = view.make("p", "gm-w-hint", view.body);
  }

  // --- from noise to digits --------------------------------------------------------------------------------------------

  // What the settings ask for.
  get order() {
    const { view } = this;
    const [seed, name] = [view.get("seed"), view.get("asked")];
    const [steps, w] = [clamp(view.get("steps"), LEAST, MOST), clamp(view.get("w"), 0, STRONGEST)];
    const { labels, across } = asked(name);
    return { key: `${seed} ${name} ${steps} ${w}`, name, steps, w, labels, across, seeds: seedsOf(seed, labels.length) };
  }

  // Other settings: what is on its way is given up. Before the first drawing there is its noise to see; afterwards what was
  // drawn last stays until the network has drawn anew, or is found among the earlier ones.
  change() {
    clearTimeout(this.soon);
    this.crew?.stop();
    Object.assign(this, { going: null, made: 0 });
    if (this.state === "busy") this.state = "ready";
    const { order } = this;
    const before = this.kept.get(order.key);
    if (before) this.shown = before;
    else if (!this.kept.size) this.shown = { ...order, values: noiseOf(order.seeds), step: 0, done: false };
    else this.soon = setTimeout(() => this.run(), PAUSE);
    this.view.redraw();
  }

  async run() {
    clearTimeout(this.soon);
    const { view, order, crew } = this;
    const { seeds, labels, steps, w, key } = order;
    Object.assign(this, { going: order, made: 0 });
    this.turn("busy");
    const first = !this.kept.size;
    const began = performance.now();
    try {
      const whole = await crew.run({ seeds, labels, w, pixels: PIXELS, steps, eta: 0 }, ({ step, points, guesses }) => {
        if (this.going !== order) return;
        this.made = step;
        const done = step === steps;
        if (first || done) this.shown = { ...order, values: done ? points : guesses, step, done };
        if (done) this.keep(key, this.shown);
        view.redraw();
      });
      if (whole) this.account(performance.now() - began, seeds.length * steps * answers(w));
    } catch (error) {
      view.notice(`The network stopped: ${error.message}`);
    }
    if (this.going !== order || view.signal.aborted) return;
    this.going = null;
    this.turn("ready");
  }

  keep(key, drawing) {
    this.kept.set(key, drawing);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
  }

  // --- the pictures ----------------------------------------------------------------------------------------------------

  paint() {
    const { shown, order, made } = this;
    this.tone();
    this.wall(this.images, shown.values, shown);
    this.status(order.steps, this.going ? made : shown.key === order.key ? shown.step : 0);
    this.tell(shown, order);
    return true;
  }

  tell({ values, labels, name, w, steps, step, done, key }, order) {
    const { view, going, made } = this;
    const calls = `${steps * answers(w)}`;
    const numbers = done ? [number(between(values, labels, PIXELS), 4), number(grey(values), 3)] : ["–", "–"];
    this.rows(weight(w), calls, ...numbers);
    const what = name === "each" ? "two of each class" : `sixteen of class ${name}`;
    const rule = { 0: "w = 0: the class is not told, whatever was asked for.", 1: "w = 1: the class is told, and that is all." }[w];
    const said = rule ?? (w < 1 ? `w = ${weight(w)}: between untold and told.` : `w = ${weight(w)}: what the class changes, ${weight(w)} times over.`);
    const waits = going ? `Drawing with w = ${weight(going.w)}: step ${made} of ${going.steps}.` : "";
    const stale = key !== order.key && done ? `These pictures are still those of before: ${what}, w = ${weight(w)}.` : "";
    const start = this.crew ? "Press Draw." : "Load the network to draw.";
    const stopped = step ? `Stopped at step ${step} of ${steps}: the network’s guess there. Draw begins anew.` : `Noise. ${start}`;
    this.words.textContent = done ? [stale || said, waits].filter(Boolean).join(" ") : waits || stopped;
    const price = this.crew?.flops ? `: ${number(this.crew.flops / 1e6, 0)} million operations a call` : "";
    this.hint.textContent = `The U-Net of chapter 9 with a table of eleven vectors: ten classes and none${price}.${this.cost}`;
    view.say(
      done
        ? `${labels.length} images, ${what}, drawn with w = ${weight(w)} in ${steps} steps, ${calls} calls of the network each. ` +
          `Variance between those of a class ${numbers[0]}, mean grey ${numbers[1]}.${waits ? ` ${waits}` : ""}`
        : `${labels.length} images ${step ? `as the network guesses them at step ${step} of ${steps}` : "of noise"}, ${what} asked for with w = ${weight(w)}.` +
          `${step && !going ? ` Stopped at step ${step}.` : ""}${this.crew ? "" : " The network, 1.9 MB, is not loaded."}`,
    );
  }
}
