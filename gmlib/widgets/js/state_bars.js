// The probabilities of a small machine's visible states, each with its state as an image.
import { dot } from "./marks.js";
import { STATES, visible } from "./rbm.js";
import { stroke } from "./stage.js";

// As bars the machine's law, as marks that of the data, as dots how often a chain has been there.
export function drawStates(stage, law, data, chain) {
  const { colours } = stage.view;
  const visits = chain?.steps ? chain.frequencies : null;
  const most = Math.max(0.2, ...law, ...data, ...(visits && chain.steps > 20 ? visits : []));
  stage.x.domain([-0.5, STATES - 0.5]);
  stage.y.domain([0, 1.06 * most]);
  const c = stage.begin();
  stage.axes({ ticks: [0, 4], grid: true });
  const wide = stage.x(1) - stage.x(0);
  const zero = stage.y(0);
  for (let index = 0; index < STATES; index++) {
    const left = stage.x(index) - 0.36 * wide;
    c.fillStyle = colours.blue;
    c.globalAlpha = 0.75;
    c.fillRect(left, stage.y(law[index]), 0.72 * wide, zero - stage.y(law[index]));
    c.globalAlpha = 1;
    if (data[index] > 0) {
      const up = stage.y(data[index]);
      c.strokeStyle = colours.ink;
      c.lineWidth = 3;
      stroke(c, [left - 1, up], [left + 0.72 * wide + 1, up]);
      c.lineWidth = 1;
      c.setLineDash([2, 3]);
      c.strokeRect(left, up, 0.72 * wide, zero - up);
      c.setLineDash([]);
    }
    if (visits) {
      c.fillStyle = colours.orange;
      c.strokeStyle = colours.paper;
      c.lineWidth = 1.5;
      dot(c, stage.x(index), Math.max(stage.margin.top, stage.y(visits[index])), 4.5);
      c.stroke();
    }
    // The state as an image of two rows.
    const cell = Math.min(10, Math.floor(0.36 * wide));
    const [x0, y0] = [Math.round(stage.x(index) - cell), Math.round(zero + 7)];
    visible(index).forEach((on, i) => {
      c.fillStyle = on ? colours.ink : colours.paper;
      c.fillRect(x0 + cell * (i % 2), y0 + cell * Math.floor(i / 2), cell, cell);
    });
    c.strokeStyle = colours.faint;
    c.lineWidth = 1;
    c.strokeRect(x0 - 0.5, y0 - 0.5, 2 * cell + 1, 2 * cell + 1);
    if (chain?.steps && chain.x.every((v, i) => v === visible(index)[i])) {
      c.strokeStyle = colours.orange;
      c.lineWidth = 2;
      c.strokeRect(x0 - 3, y0 - 3, 2 * cell + 6, 2 * cell + 6);
    }
  }
  stage.legend([["machine", "blue"], ["data", "ink"], ...(visits ? [[`${chain.steps} visits`, "orange"]] : [])]);
}
