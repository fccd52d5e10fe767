// Pictures of the Jacobian of a stack of couplings: the entries of two coordinates, and for four which can be other than zero.
import { number } from "./controls.js";
import { pattern } from "./jacobian_pattern.js";
import { stroke } from "./stage.js";

const entry = (v) => number(v, Math.abs(v) < 9.995 ? 2 : Math.abs(v) < 99.95 ? 1 : 0);

// The Jacobian of all layers so far, and that of the last of the layers begun.
export function drawMatrices(stage, { jacobian, layer }, begun) {
  const { colours } = stage.view;
  const c = stage.begin();
  const [gap, margin] = [26, 18];
  const side = Math.min(54, (stage.width - gap - margin) / 4);
  const start = margin + (stage.width - margin - gap - 4 * side) / 2;
  const blocks = [
    [start, jacobian, false, "so far"],
    [start + 2 * side + gap, layer, true, `layer ${begun}`],
  ];
  for (const [left, values, alone, name] of blocks) {
    const can = pattern(begun, 2, alone);
    for (let row = 0; row < 2; row++) {
      for (let column = 0; column < 2; column++) cell(c, left + column * side, 18 + row * side, side, values[row][column], can[row][column], colours);
    }
    c.fillStyle = colours.faint;
    c.textAlign = "center";
    c.textBaseline = "top";
    const det = values[0][0] * values[1][1] - values[0][1] * values[1][0];
    c.fillText(begun || !alone ? `${name}, det ${entry(det)}` : "no layer yet", left + side, 2 * side + 24);
  }
  // The left one's columns are the arrows of the picture, its rows the coordinates.
  [["u₁", colours.green], ["u₂", colours.pink]].forEach(([text, colour], k) => {
    c.fillStyle = colours.faint;
    c.textAlign = "center";
    c.textBaseline = "top";
    c.fillText(text, start + (k + 0.5) * side, 0);
    c.fillStyle = colour;
    c.fillRect(start + k * side + 2, 14, side - 4, 3.5);
  });
  c.fillStyle = colours.faint;
  c.textAlign = "left";
  c.textBaseline = "middle";
  ["x₁", "x₂"].forEach((text, k) => c.fillText(text, start - margin, 18 + (k + 0.5) * side));
}

// Which entries can be other than zero after the layers begun, and which rows the last of them has changed.
export function drawPattern(stage, found, begun) {
  const { colours } = stage.view;
  const c = stage.begin();
  const d = found.length;
  const side = stage.width / d;
  found.forEach((row, r) => row.forEach((can, k) => {
    const [px, py] = [k * side + 1, r * side + 1];
    // Darker: the rows that the last layer has changed.
    const fresh = begun > 0 && r < d / 2 === (begun % 2 === 0);
    c.globalAlpha = can ? (fresh ? 0.95 : 0.5) : 1;
    c.fillStyle = can ? colours.blue : colours.paper;
    c.fillRect(px, py, side - 2, side - 2);
    c.globalAlpha = 1;
    c.strokeStyle = can ? colours.blue : colours.grid;
    c.lineWidth = 1;
    c.strokeRect(px + 0.5, py + 0.5, side - 3, side - 3);
    if (!can) nothing(c, px, py, side - 2, colours);
  }));
}

// One entry: the bluer the more it is above zero, the redder the more below; empty where it is zero by structure.
function cell(c, x, y, side, value, can, colours) {
  const inner = side - 3;
  c.globalAlpha = 1;
  c.fillStyle = colours.paper;
  c.fillRect(x + 1, y + 1, inner, inner);
  if (can) {
    c.globalAlpha = 0.75 * (Math.abs(value) / (1 + Math.abs(value)));
    c.fillStyle = value > 0 ? colours.blue : colours.red;
    c.fillRect(x + 1, y + 1, inner, inner);
  }
  c.globalAlpha = 1;
  c.strokeStyle = colours.grid;
  c.lineWidth = 1;
  c.strokeRect(x + 1.5, y + 1.5, inner - 1, inner - 1);
  if (!can) return nothing(c, x + 1, y + 1, inner, colours);
  c.fillStyle = colours.ink;
  c.textAlign = "center";
  c.textBaseline = "middle";
  c.fillText(entry(value), x + side / 2, y + side / 2);
}

// The mark of a structural zero: hatched, and said.
function nothing(c, x, y, side, colours) {
  c.save();
  c.beginPath();
  c.rect(x, y, side, side);
  c.clip();
  c.strokeStyle = colours.grid;
  c.lineWidth = 1;
  for (let d = 4; d < 2 * side; d += 6) stroke(c, [x, y + d], [x + d, y]);
  c.restore();
  c.textAlign = "center";
  c.textBaseline = "middle";
  c.lineWidth = 4;
  c.strokeStyle = colours.paper;
  c.strokeText("0", x + side / 2, y + side / 2);
  c.fillStyle = colours.faint;
  c.fillText("0", x + side / 2, y + side / 2);
}
