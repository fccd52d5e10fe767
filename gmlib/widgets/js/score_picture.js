// Pictures of scores: arrows on the density of the noised law or on the size of the error, and both scores at a probe.
import { arrows, heatMap } from "./draw.js";
import { frame, needle } from "./marks.js";
import { ARROWS } from "./score_fields.js";

const longest = (stage) => (1.15 * stage.width) / ARROWS;
// A score of this length is drawn at half the longest arrow.
const half = ({ grain }) => 2 / grain;

// show: "exact", "learnt", "both" or "error"; errors: a function that finds the error's size. Drawn once for what it shows,
// and then copied.
export function drawScores(stage, fields, show, errors) {
  const { colours, dark } = stage.view;
  const { context, canvas, width, height, ratio } = stage;
  const key = `${show} ${dark} ${width} ${ratio}`;
  const ground = (stage.ground ??= document.createElement("canvas"));
  if (stage.fields === fields && stage.key === key) return context.drawImage(ground, 0, 0, width, height);
  if (show === "error") {
    const { values, grid } = errors();
    heatMap(stage, values, grid, 1, dark);
  } else heatMap(stage, fields.density, fields.grid, fields.top, dark);
  const draw = (field, colour, alpha) => arrows(stage, fields.feet, field, { longest: longest(stage), scale: half(fields), colour, alpha });
  if (show === "error") draw(fields.learnt.map((v, k) => v - fields.exact[k]), colours.ink, 0.8);
  else if (show === "both") {
    draw(fields.exact, colours.ink, 0.9);
    draw(fields.learnt, colours.orange, 0.9);
  } else draw(fields[show], colours.ink, 0.55);
  frame(stage);
  Object.assign(ground, { width: canvas.width, height: canvas.height });
  ground.getContext("2d").drawImage(canvas, 0, 0);
  Object.assign(stage, { fields, key });
}

// One score at the probe, a thick arrow.
export function drawProbe(stage, fields, [x, y], [dx, dy], colour) {
  const norm = Math.hypot(dx, dy);
  const length = 3.6 * longest(stage) * (norm / (norm + half(fields)));
  if (!(length > 1)) return;
  const foot = [stage.x(x), stage.y(y)];
  stage.inside((c) => {
    c.strokeStyle = colour;
    c.lineWidth = 3;
    c.lineCap = c.lineJoin = "round";
    needle(c, foot, [foot[0] + (dx / norm) * length, foot[1] - (dy / norm) * length], { barb: 8, share: 0.4 });
  });
}
