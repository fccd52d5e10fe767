// Sixteen digits from noise by a trained network that runs here, and the way of one of them.
import code from "workers/denoising.txt";
import { button, choice, number, readout, slider } from "../controls.js";
import { Crew } from "../crew.js";
import { logSnr } from "../denoising.js";
import { random } from "../random.js";
import { cosine, evenTimes } from "../schedules.js";
import { Stage } from "../stage.js";
import { weights } from "../weights.js";
import { widget } from "../widget.js";

const SIDE = 28;
const PIXELS = SIDE * SIDE;
const COUNT = 16;
const ACROSS = 4;
const GAP = 6; // between images
const [LEAST, MOST] = [54, 96]; // pixels of a column of the way
const SCHEDULE = cosine();
const ETA = { ddim: 0, ancestral: 1 };
const NAMES = { ddim: "DDIM", ancestral: "the ancestral sampler" };

const clamp = (v, a, b) => Math.min(b, Math.max(a, v));
const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const level = (v) => (Number.isFinite(v) ? number(v, 1) : "∞");

export default widget("digits-in-the-browser", "Digits from noise, in your browser", (view) => new Digits(view));

class Digits {
  constructor(view) {
    Object.assign(this, { view, crew: null, state: "absent", cost: "" });
    this.tile = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    this.layout();
    for (const trait of ["seed", "steps", "sampler"]) view.on(`change:${trait}`, () => this.begin());
    view.signal.addEventListener("abort", () => this.crew?.close());
    this.begin();
    view.draw(() => this.paint());
  }

  layout() {
    const { view } = this;
    const top = view.make("div", "gm-w-row", view.body);
    this.main = button(view, top, { label: "", press: () => this.press() });
    this.main.style.cssText = "background: var(--gm-w-accent); border-color: var(--gm-w-accent); color: var(--gm-w-paper); border-radius: 99px; padding-inline: 1.1rem";
    button(view, top, { label: "New noise", press: () => view.set({ seed: (view.get("seed") + 1) % 2 ** 31 }) });
    this.progress = view.make("progress", "", top);
    this.progress.setAttribute("aria-label", "steps made");
    this.progress.style.cssText = "flex: 1 1 8rem; align-self: center; height: 0.5rem; accent-color: var(--gm-w-accent)";
    const pair = view.make("div", "gm-w-pair", view.body);
    this.wall = new Stage(view, {
      label: "Sixteen images of 28 by 28 pixels, four in a row; the one whose way is shown below has an orange frame.",
      height: (width) => width,
      margin: { left: 0, right: 0, top: 0, bottom: 0 },
    });
    this.wall.element.style.cssText = "width: 100%; max-width: 400px; margin-inline: auto; align-self: start";
    pair.append(this.wall.element);
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
    const { canvas } = this.wall;
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
    const uniform = random(view.get("seed"));
    this.seeds = Array.from({ length: COUNT }, () => Math.floor(uniform() * 2 ** 31));
    const normals = this.seeds.map((seed) => random(seed).normal);
    const points = Float32Array.from({ length: COUNT * PIXELS }, (_, i) => normals[Math.floor(i / PIXELS)]());
    this.made = [{ points }];
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

  press() {
    if (this.state === "absent") this.load();
    else if (this.state === "ready") this.run();
    else if (this.state === "busy") this.crew.stop();
  }

  async load() {
    const { view } = this;
    this.turn("loading");
    try {
      const arrays = await weights(view.model, "network");
      if (view.signal.aborted) return;
      this.crew = new Crew(code, arrays);
      view.notice("");
      this.turn("ready");
    } catch (error) {
      if (view.signal.aborted) return;
      view.notice(`The network's weights could not be loaded. ${error.message}`);
      this.turn("absent");
    }
  }

  turn(state) {
    this.state = state;
    this.view.redraw();
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
      if (done) this.account(performance.now() - began, steps);
    } catch (error) {
      view.notice(`The network stopped: ${error.message}`);
    }
    if (made === this.made && !view.signal.aborted) this.turn("ready");
  }

  account(milliseconds, steps) {
    const { flops, workers } = this.crew;
    const threads = workers.length;
    const where = threads ? `${threads} thread${threads > 1 ? "s" : ""}` : "the page's own thread";
    const speed = (flops * COUNT * steps) / milliseconds / 1e6;
    this.cost = ` The last run took ${number(milliseconds / 1000, 1)} s on ${where}: ${number(speed, 1)} billion operations a second.`;
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

  image(c, values, k, x, y, size) {
    const side = this.tile.getContext("2d");
    const picture = side.createImageData(SIDE, SIDE);
    for (let i = 0; i < PIXELS; i++) {
      const [r, g, b] = this.tones[Math.round(32 * (1 + clamp(values[k * PIXELS + i], -1, 1)))];
      picture.data.set([r, g, b, 255], 4 * i);
    }
    side.putImageData(picture, 0, 0);
    c.drawImage(this.tile, x, y, size, size);
  }

  frame(c, x, y, size, chosen) {
    const { orange, grid } = this.view.colours;
    c.strokeStyle = chosen ? orange : grid;
    c.lineWidth = chosen ? 3 : 1;
    const out = chosen ? 1.5 : 0.5;
    c.strokeRect(x - out, y - out, size + 2 * out, size + 2 * out);
  }

  paint() {
    const { view, made, steps } = this;
    const [paper, ink] = ["paper", "ink"].map((name) => channels(view.colours[name]));
    this.tones = Array.from({ length: 65 }, (_, i) => paper.map((v, k) => v + (i / 64) * (ink[k] - v)));
    const moment = clamp(view.get("moment"), 0, made.length - 1);
    const { points, guesses } = made[moment];
    const shown = guesses && view.get("show") === "guess" ? guesses : points;
    const chosen = clamp(view.get("digit"), 0, COUNT - 1);
    this.drawWall(shown, chosen);
    this.drawWay(moment, chosen);
    this.tell(moment, chosen, guesses);
    this.main.textContent = { absent: "Load the network, 1.9 MB", loading: "Loading …", ready: "Denoise", busy: "Stop" }[this.state];
    this.main.disabled = this.state === "loading";
    Object.assign(this.progress, { max: steps, value: made.length - 1 });
    return true;
  }

  drawWall(shown, chosen) {
    const c = this.wall.begin();
    c.imageSmoothingEnabled = false;
    const wide = (this.wall.width - 2) / ACROSS;
    for (let k = 0; k < COUNT; k++) {
      const [x, y, size] = [1 + (k % ACROSS) * wide + GAP / 2, 1 + Math.floor(k / ACROSS) * wide + GAP / 2, wide - GAP];
      this.image(c, shown, k, x, y, size);
      this.frame(c, x, y, size, k === chosen);
    }
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
