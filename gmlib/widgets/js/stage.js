// A canvas with scales: sharp on every screen, redrawn by its view, with handles that can be dragged and moved by keys.
import { linearScale } from "./scale.js";

const DEFAULT_MARGIN = { left: 34, right: 10, top: 10, bottom: 28 };

export class Stage {
  // height: a function of the width, which is at least `least`. label: what the picture shows, for those who do not see it.
  constructor(view, { label, height, margin = DEFAULT_MARGIN, least = 200 }) {
    Object.assign(this, { view, heightOf: height, margin, least, handles: [], x: linearScale(), y: linearScale() });
    this.element = view.make("div", "gm-w-stage");
    this.canvas = view.make("canvas", "", this.element);
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", label);
    this.context = this.canvas.getContext("2d");
    const observer = new ResizeObserver(() => view.redraw());
    observer.observe(this.element);
    view.signal.addEventListener("abort", () => observer.disconnect());
  }

  // Size the canvas to its place and clear it; the scales map to the inside of the margins.
  begin() {
    const { canvas, context, margin } = this;
    const ratio = devicePixelRatio || 1;
    const width = Math.max(this.least, Math.round(this.element.clientWidth) || 480);
    const height = Math.round(this.heightOf(width));
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = `${height}px`;
    }
    Object.assign(this, { width, height, ratio });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = `12px ${getComputedStyle(this.element).fontFamily}`;
    this.x.range([margin.left, width - margin.right]);
    this.y.range([height - margin.bottom, margin.top]);
    return context;
  }

  inside(paint) {
    const { context, margin, width, height } = this;
    context.save();
    context.beginPath();
    context.rect(margin.left, margin.top, width - margin.left - margin.right, height - margin.top - margin.bottom);
    context.clip();
    paint(context);
    context.restore();
  }

  // Names of lines in a row from the pixel `from` on, each an array [text, colour, dash]; what is too long for the row
  // begins another.
  legend(entries, { from = this.margin.left, line = 11 } = {}) {
    const { context: c, view, width } = this;
    c.textAlign = "left";
    c.textBaseline = "middle";
    c.lineWidth = 3;
    let at = from;
    for (const [text, colour, dash = []] of entries) {
      const long = c.measureText(text).width + 36;
      if (at > from && at + long - 12 > width) [at, line] = [from, line + 18];
      c.strokeStyle = view.colours[colour];
      c.setLineDash(dash);
      stroke(c, [at, line], [at + 16, line]);
      c.setLineDash([]);
      c.fillStyle = view.colours.ink;
      c.fillText(text, at + 21, line);
      at += long;
    }
  }

  // Ticks and names of the axes; `ticks` says how many a side, 0 for none.
  axes({ ticks = [5, 5], names = ["", ""], grid = false }) {
    const { context: c, x, y, margin, width, height } = this;
    const { faint, grid: line } = this.view.colours;
    const bottom = height - margin.bottom;
    c.lineWidth = 1;
    c.strokeStyle = line;
    c.fillStyle = faint;
    c.textAlign = "center";
    c.textBaseline = "top";
    const formatX = x.tickFormat(ticks[0]);
    for (const value of ticks[0] ? x.ticks(ticks[0]) : []) {
      const at = Math.round(x(value)) + 0.5;
      stroke(c, [at, grid ? margin.top : bottom], [at, bottom + 4]);
      c.fillText(formatX(value), at, bottom + 7);
    }
    c.textAlign = "right";
    c.textBaseline = "middle";
    const formatY = y.tickFormat(ticks[1]);
    for (const value of ticks[1] ? y.ticks(ticks[1]) : []) {
      const at = Math.round(y(value)) + 0.5;
      stroke(c, [margin.left - 4, at], [grid ? width - margin.right : margin.left, at]);
      c.fillText(formatY(value), margin.left - 7, at);
    }
    stroke(c, [margin.left, bottom + 0.5], [width - margin.right, bottom + 0.5]);
    if (names[0]) {
      c.textAlign = "left";
      c.textBaseline = "bottom";
      c.fillText(names[0], margin.left + 2, bottom - 4);
    }
    if (names[1]) {
      c.textAlign = "left";
      c.textBaseline = "top";
      c.fillText(names[1], margin.left + 4, margin.top);
    }
  }

  // A handle. get: its place [x, y] in the scales' units; move: told where it should go; step: of an arrow key;
  // value: for a handle on one axis, { low, high, now, text } for assistive technology.
  handle({ name, get, move, step, value, kind = "", focus }) {
    const button = this.view.make("button", `gm-w-handle ${kind}`, this.element);
    button.type = "button";
    if (value) button.setAttribute("role", "slider");
    else button.setAttribute("aria-roledescription", "draggable point");
    const handle = { button, get, name, value };
    const { view } = this;
    let grip = null;
    view.listen(button, "pointerdown", (event) => {
      button.setPointerCapture(event.pointerId);
      const box = button.getBoundingClientRect();
      grip = [event.clientX - (box.left + box.width / 2), event.clientY - (box.top + box.height / 2)];
      button.focus({ preventScroll: true });
      event.preventDefault();
    });
    view.listen(button, "pointermove", (event) => {
      if (grip) move(this.where(event.clientX - grip[0], event.clientY - grip[1]));
    });
    for (const end of ["pointerup", "pointercancel"]) view.listen(button, end, () => (grip = null));
    view.listen(button, "keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const far = event.shiftKey ? 10 : 1;
      const [x, y] = get();
      move([x + far * step * (way[0] || (value ? way[1] : 0)), y + far * step * way[1]]);
    });
    if (focus) view.listen(button, "focus", focus);
    this.handles.push(handle);
    return handle;
  }

  // The place under a point of the screen, in the scales' units.
  where(clientX, clientY) {
    const box = this.canvas.getBoundingClientRect();
    return [this.x.invert(clientX - box.left), this.y.invert(clientY - box.top)];
  }

  // Put the handles where they belong; after the scales are set.
  place() {
    for (const { button, get, name, value } of this.handles) {
      const [x, y] = get();
      button.style.translate = `${this.x(x)}px ${this.y(y)}px`;
      const said = typeof name === "function" ? name() : name;
      if (button.getAttribute("aria-label") !== said) button.setAttribute("aria-label", said);
      if (!value) continue;
      const { low, high, now, text } = value();
      for (const [key, v] of [["valuemin", low], ["valuemax", high], ["valuenow", now], ["valuetext", text]]) {
        button.setAttribute(`aria-${key}`, v);
      }
    }
  }
}

export function stroke(c, ...points) {
  c.beginPath();
  points.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
  c.stroke();
}

// Begin with equal units on both axes, `side` from the origin in the middle to the nearer edge.
export function square(stage, side) {
  const c = stage.begin();
  const [wide, tall] = [stage.width - stage.margin.left - stage.margin.right, stage.height - stage.margin.top - stage.margin.bottom];
  const unit = side / (Math.min(wide, tall) / 2);
  stage.x.domain([(-unit * wide) / 2, (unit * wide) / 2]);
  stage.y.domain([(-unit * tall) / 2, (unit * tall) / 2]);
  return c;
}
