// A record of a run as curves over its steps: what the generated points cover, and both losses.
import { curve } from "./draw.js";
import { stroke } from "./stage.js";

export function drawCoverage(stage, { looks, marks }, steps) {
  const { colours } = stage.view;
  const xs = looks.map(({ step }) => step);
  stage.x.domain([0, Math.max(steps, 100)]);
  stage.y.domain([0, 1.04]);
  stage.begin();
  const percent = stage.y.tickFormat;
  stage.y.tickFormat = () => (v) => `${Math.round(100 * v)} %`;
  stage.axes({ ticks: [3, 4], grid: false });
  stage.y.tickFormat = percent;
  drawMarks(stage, marks);
  curve(stage, xs, looks.map(({ share }) => share), { colour: colours.orange, width: 2 });
  curve(stage, xs, looks.map(({ modes, total }) => (total ? modes / total : 0)), { colour: colours.green, width: 2.4 });
  stage.legend([["modes found", "green"], ["points near one", "orange"]], { from: 4 });
}

export function drawLosses(stage, { looks, marks }, steps) {
  const { colours } = stage.view;
  const seen = looks.filter(({ critic, generator }) => Number.isFinite(critic) && Number.isFinite(generator) && critic !== null);
  const values = seen.flatMap(({ critic, generator }) => [critic, generator]);
  const [low, high] = [Math.min(0, ...values), Math.max(0.1, ...values)];
  stage.x.domain([0, Math.max(steps, 100)]);
  stage.y.domain([low - 0.03 * (high - low), high + 0.05 * (high - low)]);
  stage.begin();
  stage.axes({ ticks: [3, 4] });
  drawMarks(stage, marks);
  if (seen.length > 1) {
    const at = seen.map(({ step }) => step);
    curve(stage, at, seen.map(({ generator }) => generator), { colour: colours.red, width: 1.4 });
    curve(stage, at, seen.map(({ critic }) => critic), { colour: colours.blue, width: 1.4 });
  }
  stage.legend([["critic's loss, with penalty", "blue"], ["generator's", "red"]], { from: 4 });
}

// Where the reader moved a setting.
function drawMarks(stage, marks) {
  const { context: c } = stage;
  c.strokeStyle = stage.view.colours.faint;
  c.lineWidth = 1;
  c.setLineDash([2, 3]);
  for (const step of marks) stroke(c, [stage.x(step), stage.margin.top], [stage.x(step), stage.height - stage.margin.bottom]);
  c.setLineDash([]);
}
