// What widgets share that make digits by a network in the page: it is fetched when the reader asks for it, it works, it can
// be stopped, and its images are drawn in the colours of the page.
import { channels } from "./colourmaps.js";
import { button, mainButton, number } from "./controls.js";
import { Crew } from "./crew.js";
import { random } from "./random.js";
import { clamp } from "./scale.js";
import { weights } from "./weights.js";

export const SIDE = 28;
export const PIXELS = SIDE * SIDE;
export const GAP = 6; // between images

// A seed for each of n images.
export function seedsOf(seed, n) {
  const uniform = random(seed);
  return Array.from({ length: n }, () => Math.floor(uniform() * 2 ** 31));
}

// The noise that images with these seeds begin with.
export function noiseOf(seeds) {
  const normals = seeds.map((seed) => random(seed).normal);
  return Float32Array.from({ length: seeds.length * PIXELS }, (_, i) => normals[Math.floor(i / PIXELS)]());
}

// A subclass has `run()`, which begins to work.
export class DigitPage {
  // code: the text of the worker; names: of the button, by state.
  constructor(view, code, names) {
    Object.assign(this, { view, code, names, crew: null, state: "absent", cost: "" });
    this.tile = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    view.signal.addEventListener("abort", () => this.crew?.close());
  }

  // The row of buttons, and how far the work is.
  controls() {
    const { view } = this;
    const top = view.make("div", "gm-w-row", view.body);
    this.main = mainButton(view, top, { label: "", press: () => this.press() });
    button(view, top, { label: "New noise", press: () => view.set({ seed: (view.get("seed") + 1) % 2 ** 31 }) });
    this.progress = view.make("progress", "", top);
    this.progress.setAttribute("aria-label", "steps made");
    this.progress.style.cssText = "flex: 1 1 8rem; align-self: center; height: 0.5rem; accent-color: var(--gm-w-accent)";
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
      const arrays = await weights(view, "network");
      if (view.signal.aborted) return;
      this.crew = new Crew(this.code, arrays);
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

  // What a run has cost in which the network was asked for so many guesses.
  account(milliseconds, guesses) {
    const { flops, workers } = this.crew;
    const threads = workers.length;
    const where = threads ? `${threads} thread${threads > 1 ? "s" : ""}` : "the page's own thread";
    const speed = (flops * guesses) / milliseconds / 1e6;
    this.cost = ` The last run took ${number(milliseconds / 1000, 1)} s on ${where}: ${number(speed, 1)} billion operations a second.`;
  }

  // What the button says and how many of the steps are made.
  status(steps, made) {
    this.main.textContent = this.names[this.state];
    this.main.disabled = this.state === "loading";
    Object.assign(this.progress, { max: steps, value: made });
  }

  // Paper for -1, ink for 1, as the theme has them.
  tone() {
    const [paper, ink] = ["paper", "ink"].map((name) => channels(this.view.colours[name]));
    this.tones = Array.from({ length: 65 }, (_, i) => paper.map((v, k) => v + (i / 64) * (ink[k] - v)));
  }

  // The k-th image.
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

  // All images in rows of `across`.
  wall(stage, values, { across, chosen = -1 }) {
    const c = stage.begin();
    c.imageSmoothingEnabled = false;
    const wide = (stage.width - 2) / across;
    for (let k = 0; k < values.length / PIXELS; k++) {
      const [x, y, size] = [1 + (k % across) * wide + GAP / 2, 1 + Math.floor(k / across) * wide + GAP / 2, wide - GAP];
      this.image(c, values, k, x, y, size);
      this.frame(c, x, y, size, k === chosen);
    }
  }
}
