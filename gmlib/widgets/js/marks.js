// Small marks on a picture: arrows, dots, words, a frame.
import { stroke } from "./stage.js";

// An arrow by the pen as it is set, its head of two barbs no longer than `barb` and `share` of the way.
export function needle(c, [px, py], [tx, ty], { barb, share = 0.45, spread = 0.6 }) {
  const length = Math.hypot(tx - px, ty - py);
  const [ux, uy, b] = [(tx - px) / length, (ty - py) / length, Math.min(barb, share * length)];
  stroke(c, [px, py], [tx, ty]);
  stroke(c, [tx - b * (ux - spread * uy), ty - b * (uy + spread * ux)], [tx, ty], [tx - b * (ux + spread * uy), ty - b * (uy - spread * ux)]);
}

// A line around all of a stage.
export function frame({ context: c, view, width, height }) {
  c.globalAlpha = 1;
  c.strokeStyle = view.colours.grid;
  c.lineWidth = 1;
  c.strokeRect(0.5, 0.5, width - 1, height - 1);
}

export function dot(c, x, y, radius) {
  c.beginPath();
  c.arc(x, y, radius, 0, 7);
  c.fill();
}

// A word on the picture, on a piece of paper that goes `room` pixels beyond it.
export function tag({ context: c, view: { colours } }, text, x, y, { align = "left", room = 4 } = {}) {
  const wide = c.measureText(text).width;
  c.fillStyle = colours.paper;
  c.globalAlpha = 0.85;
  c.fillRect((align === "right" ? x - wide : x) - room, y - 9, wide + 2 * room, 18);
  c.globalAlpha = 1;
  c.fillStyle = colours.ink;
  c.textAlign = align;
  c.textBaseline = "middle";
  c.fillText(text, x, y);
}

// Words in the middle of a picture that is still to come.
export function notYet({ context: c, view, width, height }, text) {
  c.fillStyle = view.colours.faint;
  c.textAlign = "center";
  c.textBaseline = "middle";
  c.fillText(text, width / 2, height / 2);
}
