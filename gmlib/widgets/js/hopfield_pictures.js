// A run of a Hopfield network as pictures: the energy on its way, the overlaps with the memories, and a state in small.
import { number } from "./controls.js";
import { energy, fixed, margins, overlap } from "./hopfield.js";
import { dot } from "./marks.js";
import { stroke } from "./stage.js";

const SVG = "http://www.w3.org/2000/svg";

// The energies of the first k steps of a run, over those of the memories.
export function drawEnergy(stage, { memories, weights, run, k, mode, ended }) {
  const { colours } = stage.view;
  const units = run.states[0].length;
  const levels = memories.map((memory) => energy(weights, memory));
  const [low, high] = [Math.min(...levels), Math.max(...levels)];
  const seen = run.energies.slice(0, k + 1);
  const width = mode === "synchronous" ? 6 : 2 * units;
  stage.x.domain([0, Math.max(width, mode === "synchronous" ? k : units * Math.ceil(k / units))]);
  stage.y.domain([Math.min(low, ...run.energies) - 15, Math.max(0, ...run.energies) + 15]);
  const c = stage.begin();
  stage.axes({ ticks: [5, 4], grid: true });
  const [left, right] = [stage.margin.left, stage.width - stage.margin.right];
  c.fillStyle = colours.blue;
  c.globalAlpha = 0.22;
  c.fillRect(left, stage.y(high) - 1, right - left, stage.y(low) - stage.y(high) + 2);
  c.globalAlpha = 1;
  c.fillStyle = colours.faint;
  c.textBaseline = "bottom";
  c.textAlign = "right";
  c.fillText("energies of the memories", right - 3, stage.y(high) - 3);
  const points = seen.map((e, t) => [stage.x(t), stage.y(e)]);
  // One unit changes at a time: the energy is a flight of stairs.
  const path = mode === "synchronous" ? points : points.flatMap(([px, py], t) => (t ? [[px, points[t - 1][1]], [px, py]] : [[px, py]]));
  c.strokeStyle = colours.red;
  c.lineWidth = 2.2;
  c.lineJoin = "round";
  if (k) stroke(c, ...path);
  c.fillStyle = colours.red;
  points.forEach(([px, py], t) => {
    if (t === k || mode === "synchronous") dot(c, px, py, t === k ? 4.5 : 3);
  });
  c.fillStyle = colours.ink;
  c.textAlign = "left";
  c.textBaseline = "middle";
  c.fillText(`energy${ended === "cycle" ? ": two states take turns" : ""}`, 4, 11);
  c.textAlign = "right";
  c.fillStyle = colours.faint;
  c.fillText(mode === "synchronous" ? "steps" : "units updated", right, 11);
}

// The overlap of a state with every memory, and whether the memory is a fixed point; name: what a memory is called.
export function drawOverlaps(stage, { memories, weights, x }, name) {
  const { colours } = stage.view;
  stage.x.domain([-1, 1]);
  stage.y.domain([memories.length, 0]);
  const c = stage.begin();
  const { top } = stage.margin;
  const [left, bottom] = [stage.x(-1), stage.y(memories.length)];
  c.textBaseline = "middle";
  c.fillStyle = colours.ink;
  c.textAlign = "left";
  c.fillText("overlap with", 4, 11);
  c.textAlign = "right";
  c.fillStyle = colours.faint;
  c.fillText("itself fixed?", stage.width - 2, 11);
  c.lineWidth = 1;
  c.strokeStyle = colours.grid;
  for (const v of [-1, 0, 1]) stroke(c, [Math.round(stage.x(v)) + 0.5, top], [Math.round(stage.x(v)) + 0.5, bottom]);
  memories.forEach((memory, k) => {
    const o = overlap(x, memory);
    const y = stage.y(k + 0.5);
    c.fillStyle = o < 0 ? colours.red : colours.blue;
    c.globalAlpha = 0.85;
    c.fillRect(Math.min(stage.x(0), stage.x(o)), y - 7, Math.abs(stage.x(o) - stage.x(0)), 14);
    c.globalAlpha = 1;
    c.fillStyle = colours.ink;
    c.textAlign = "right";
    c.fillText(name(k), left - 8, y);
    // Beside the bar, on the side where it is not.
    c.textAlign = o < 0 ? "left" : "right";
    c.fillText(number(o), stage.x(0) + (o < 0 ? 5 : -5), y);
    const least = margins(weights, memory).reduce((a, b) => Math.min(a, b));
    const stays = fixed(weights, memory);
    c.textAlign = "right";
    c.fillStyle = stays ? colours.faint : colours.red;
    c.fillText(`${stays ? "yes" : "no"}, ${number(least, 0)}`, stage.width - 2, y);
  });
}

// A small picture of a state.
export function bitmap(state, side, colour, size) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: `-0.3 -0.3 ${side + 0.6} ${side + 0.6}`, width: size, height: size, "aria-hidden": "true" })) svg.setAttribute(key, value);
  svg.style.cssText = `display: block; flex: none; border: 1px solid var(--gm-w-grid); border-radius: 3px; background: var(--gm-w-paper); color: var(--gm-w-${colour})`;
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("fill", "currentColor");
  path.setAttribute("d", Array.from(state, (v, i) => (v > 0 ? `M${i % side} ${Math.floor(i / side)}h1v1h-1z` : "")).join(""));
  svg.append(path);
  return svg;
}
