// The log-density of a point as a running sum: that of the base, and what each layer of a flow adds to it or takes away.
import { logBase, logSlope } from "./coupling_flow.js";
import { clamp } from "./scale.js";
import { stroke } from "./stage.js";

// As bars, filled as far as the level has come, of a point that was followed through the layers; `law` is the log-density that
// the law itself has at the end.
export function drawSum(stage, { places, logs }, level, law) {
  const { colours } = stage.view;
  const depth = logs.length;
  const values = [logBase(...places[0])];
  for (const log of logs) values.push(values.at(-1) - log);
  // The law may have next to nothing where the flow has a little: that far down the picture need not go.
  const all = [...values, Math.max(law, Math.min(...values) - 2)];
  stage.x.domain([-0.7, depth + 0.6]);
  stage.y.domain([Math.min(-3, ...all) - 0.4, Math.max(0, ...all) + 0.4]);
  stage.begin();
  stage.axes({ ticks: [0, 4] });
  const { context: c, x, y } = stage;
  c.textAlign = "center";
  c.textBaseline = "top";
  const foot = stage.height - stage.margin.bottom;
  stage.inside((c) => {
    const wide = 0.68 * (x(1) - x(0));
    const bar = (i, from, to, colour, alpha) => {
      c.globalAlpha = alpha;
      c.fillStyle = colour;
      c.fillRect(x(i) - wide / 2, Math.min(y(from), y(to)), wide, Math.max(1.5, Math.abs(y(to) - y(from))));
    };
    c.strokeStyle = colours.grid;
    stroke(c, [x(-0.7), y(0)], [x(depth + 0.6), y(0)]);
    bar(0, 0, values[0], colours.faint, 0.55);
    logs.forEach((log, i) => {
      const share = clamp(level - i, 0, 1);
      const colour = log > 0 ? colours.red : colours.blue;
      bar(i + 1, values[i], values[i + 1], colour, 0.22);
      if (share) bar(i + 1, values[i], values[i] - logSlope(log, share), colour, 1);
    });
    c.globalAlpha = 1;
    c.strokeStyle = colours.ink;
    c.lineWidth = 1;
    values.forEach((v, i) => i < depth && stroke(c, [x(i) + wide / 2, y(v)], [x(i + 1) - wide / 2, y(v)]));
    // The law's own density at the end of the way.
    c.lineWidth = 3;
    stroke(c, [x(depth) - wide / 2 - 2, y(law)], [x(depth) + wide / 2 + 2, y(law)]);
  });
  for (let i = 0; i <= depth; i++) {
    c.fillStyle = i === Math.round(level) ? colours.ink : colours.faint;
    c.fillText(i ? String(i) : "base", x(i), foot + 5);
  }
}
