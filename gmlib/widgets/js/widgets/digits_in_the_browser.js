// Sixteen digits from noise by a trained network that runs here, and the way of one of them.
import code from "workers/denoising.txt";
import { choice, number, readout, slider } from "../controls.js";
import { logSnr } from "../denoising.js";
import { DigitPage, GAP, PIXELS, noiseOf, seedsOf } from "../digit_page.js";
import { cosine, evenTimes } from "../schedules.js";
import { clamp } from "../scale.js";
import { Stage } from "../stage.js";
import { widget } from "../widget.js";

const COUNT = 16;
const ACROSS = 4;
const [LEAST, MOST] = [54, 96]; // pixels of a column of the way
const SCHEDULE = cosine();
const ETA = { ddim: 0, ancestral: 1 };
const NAMES = { ddim: "DDIM", ancestral: "the ancestral sampler" };

const level = (v) => (Number.isFinite(v) ? number(v, 1) : "∞");

export default widget("digits-in-the-browser", "Digits from noise, in your browser", (view) => new Digits(view));

class Digits extends DigitPage {
  constructor(view) {
    super(view, code, { absent: "Load the network, 1.9 MB", loading: "Loading …", ready: "Denoise", busy: "Stop" });
    this.layout();
    for (const trait of ["seed", "steps", "sampler"]) view.on(`change:${trait}`, () => this.begin());
    this.begin();
    view.draw(() => this.paint());
  }

  layout() {
    const { view } = this;
    this.controls();
    const pair = view.make("div", "gm-w-pair", view.body);
    this.images = new Stage(view, {
      label: "Sixteen images of 28 by 28 pixels, four in a row; the one whose way is shown below has an orange frame.",
      height: (width) => width,
      margin: { left: 0, right: 0, top: 0, bottom: 0 },
    });
    this.images.element.style.cssText = "width: 100%; max-width: 400px; margin-inline: auto; align-self: start";
    pair.append(this.images.element);
    const panel = view.make("div", "gm-w-panel", pair);
    this.moment = slider(view, panel, { trait: "moment", label: "step that is shown", low: 0, high: 50, step: 1, format: (v) => `${v} of ${view.get("steps")}` });
    choice(view, panel, { trait: "show", label: "pictures", options: [["guess", "guess of x₀"], ["point", "xₜ as it is"]] });
    choice(view, panel, { trait: "sampler", label: "sampler", options: [["ddim", "DDIM"], ["ancestral", "ancestral"]] });
    slider(view, panel, { trait: "steps", label: "steps", low: 5, high: 50, step: 1, format: (v) => `${v}` });
    slider(view, panel, { trait: "digit", label: "image whose way is shown", low: 0, high: COUNT - 1, step: 1, format: (v) => `${v + 1}` });
    this.rows = readout(view, panel, [["log-SNR where the network looked"], ["images that it has seen"], ["mean grey of its guesses (MNIST: 0.13)"]]);
    const below = view.make("div", "gm-w-panel", view.body);
    below.style.gap = "0.3rem";
    this.title = view.make("p", "gm-w-hint", below);
    this.way = new Stage(view, {
      label: "The way of one image from noise: above, the image with its noise at several steps; below, the network's guess of the clean image at each.",
      height: (width) => 2 * this.columns(width - 4).size + GAP + 24,
      margin: { left: 0, right: 0, top: 0, bottom: 0 },
    });
    below.append(this.way.element);
    this.hint = view.make("p", "gm-w-hint", view.body);
    const { canvas } = this.images;
    canvas.style.cursor = "pointer";
    view.listen(canvas, "click", (event) => {
      const box = canvas.getBoundingClientRect();
      const [column, row] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((v) => clamp(Math.floor(ACROSS * v), 0, ACROSS - 1));
      view.set({ digit: ACROSS * row + column });
    });
    view.listen(this.way.canvas, "click", (event) => {
      const { count, wide } = this.columns(this.way.width - 4);
      const column = clamp(Math.floor((event.clientX - this.way.canvas.getBoundingClientRect().left) / wide), 0, count - 1);
      view.set({ moment: Math.min(this.made.length - 1, this.stop(column, count)) });
    });
  }

  get steps() {
    return clamp(this.view.get("steps"), 5, 50);
  }

  // --- from noise to images --------------------------------------------------------------------------------------------

  // Back to the noise; what is on its way is given up.
  begin() {
    const { view } = this;
    this.crew?.stop();
    this.seeds = seedsOf(view.get("seed"), COUNT);
    this.made = [{ points: noiseOf(this.seeds) }];
    this.times = evenTimes(SCHEDULE, this.steps);
    // The slider ends with the last step.
    const input = this.moment.querySelector("input");
    input.max = this.steps;
    view.set({ moment: 0 });
    input.value = 0;
    this.moment.querySelector(".gm-w-value").textContent = `0 of ${this.steps}`;
    if (this.state === "busy") this.state = "ready";
    view.redraw();
  }

  async run() {
    const { view, steps, seeds } = this;
    this.begin();
    this.turn("busy");
    const { made } = this;
    const began = performance.now();
    try {
      const done = await this.crew.run({ seeds, pixels: PIXELS, steps, eta: ETA[view.get("sampler")] }, (next) => {
        const follows = view.get("moment") === made.length - 1;
        made.push(next);
        if (follows) view.set({ moment: made.length - 1 });
        view.redraw();
      });
      if (done) this.account(performance.now() - began, COUNT * steps);
    } catch (error) {
      view.notice(`The network stopped: ${error.message}`);
    }
    if (made === this.made && !view.signal.aborted) this.turn("ready");
  }

  // --- the pictures ----------------------------------------------------------------------------------------------------

  // Of the way: how many, how wide with their gap, and the side of an image.
  columns(width) {
    const count = Math.min(clamp(Math.floor(width / LEAST), 4, 11), this.steps + 1);
    const wide = Math.min((width + GAP) / count, MOST);
    return { count, wide, size: wide - GAP };
  }

  // The step that a column shows.
  stop(column, count) {
    return Math.round((column * this.steps) / (count - 1));
  }

  paint() {
    const { view, made, steps } = this;
    this.tone();
    const moment = clamp(view.get("moment"), 0, made.length - 1);
    const { points, guesses } = made[moment];
    const shown = guesses && view.get("show") === "guess" ? guesses : points;
    const chosen = clamp(view.get("digit"), 0, COUNT - 1);
    this.wall(this.images, shown, { across: ACROSS, chosen });
    this.drawWay(moment, chosen);
    this.tell(moment, chosen, guesses);
    this.status(steps, made.length - 1);
    return true;
  }

  drawWay(moment, chosen) {
    const { view, made, steps } = this;
    const c = this.way.begin();
    const { count, wide, size } = this.columns(this.way.width - 4);
    c.textAlign = "center";
    c.textBaseline = "top";
    for (let column = 0; column < count; column++) {
      const x = 2 + column * wide;
      const stop = this.stop(column, count);
      const next = this.stop(column + 1, count);
      // The guess that was made of the image above it; the last image is its own.
      const below = stop === steps ? made[stop]?.points : made[stop + 1]?.guesses;
      [made[stop]?.points, below].forEach((values, row) => {
        const y = 2 + row * (size + GAP);
        if (values) this.image(c, values, chosen, x, y, size);
        this.frame(c, x, y, size, !row && moment >= stop && moment < next);
      });
      c.fillStyle = view.colours.faint;
      c.fillText(level(logSnr(SCHEDULE, this.times[stop])), x + size / 2, 2 * size + GAP + 7);
    }
  }

  tell(moment, chosen, guesses) {
    const { view, made, steps } = this;
    const sampler = NAMES[view.get("sampler")];
    this.title.textContent = `Image ${chosen + 1} on its way: above xₜ, below the guess of x₀ made from it, and the log-SNR of xₜ. Touch an image to follow another.`;
    const flops = this.crew?.flops;
    const price = flops ? `: ${number(flops / 1e6, 0)} million operations an image, ${number((flops * COUNT * steps) / 1e9, 0)} billion for ${COUNT} images and ${steps} steps` : "";
    this.hint.textContent = `A U-Net of 0.94 million weights${price}.${this.cost}`;
    if (!guesses) {
      this.rows("–", "0", "–");
      view.say(`${COUNT} images of noise, seed ${view.get("seed")}, before ${steps} steps of ${sampler}.${this.crew ? "" : " The network, 1.9 MB, is not loaded."}`);
      return;
    }
    let sum = 0;
    for (const v of guesses) sum += (1 + clamp(v, -1, 1)) / 2;
    const [snr, grey] = [logSnr(SCHEDULE, this.times[moment - 1]), sum / guesses.length];
    this.rows(number(snr, 2), `${COUNT * moment}`, number(grey, 3));
    view.say(
      `Step ${moment} of ${steps} of ${sampler}, ${made.length - 1} made: the network looked at a log-SNR of ${number(snr, 1)}; ` +
        `its guesses have a mean grey of ${number(grey, 3)}, from 0 for paper to 1 for ink. Image ${chosen + 1} is followed.`,
    );
  }
}
