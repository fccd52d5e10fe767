// Eigenvalues in the complex plane: of a step against the unit circle, of a flow against the imaginary axis.
import { modulus } from "./dirac_game.js";
import { dot } from "./marks.js";
import { square, stroke } from "./stage.js";

// Eigenvalues of a step and the unit circle.
export function drawStepEigenvalues(stage, values) {
  const { colours } = stage.view;
  const far = values ? modulus(values) : 1;
  const c = square(stage, Math.max(1.3, 1.15 * far));
  stage.axes({ ticks: [5, 5] });
  stage.inside(() => {
    const [ox, oy, r] = [stage.x(0), stage.y(0), stage.x(1) - stage.x(0)];
    c.fillStyle = colours.green;
    c.globalAlpha = 0.1;
    dot(c, ox, oy, r);
    c.globalAlpha = 1;
    c.strokeStyle = colours.green;
    c.lineWidth = 1.5;
    c.beginPath();
    c.arc(ox, oy, r, 0, 7);
    c.stroke();
    c.fillStyle = colours.red;
    for (const [re, im] of values ?? []) dot(c, stage.x(re), stage.y(im), 5);
  });
  stage.legend([["eigenvalues of a step", "red"], ["unit circle", "green"]]);
}

// Eigenvalues of the flow and the left half-plane, with the disc in which simultaneous steps of this size converge.
export function drawFlowEigenvalues(stage, values, eta) {
  const { colours } = stage.view;
  const far = values ? modulus(values) : 1;
  const c = square(stage, Math.max(1.2, 1.2 * far));
  stage.axes({ ticks: [5, 5] });
  stage.inside(() => {
    const [x0, y0] = [stage.margin.left, stage.margin.top];
    c.fillStyle = colours.green;
    c.globalAlpha = 0.1;
    c.fillRect(x0, y0, stage.x(0) - x0, stage.height);
    c.globalAlpha = 1;
    c.strokeStyle = colours.green;
    c.lineWidth = 1.5;
    stroke(c, [stage.x(0), y0], [stage.x(0), stage.height]);
    const r = stage.x(1 / eta) - stage.x(0);
    c.strokeStyle = colours.red;
    c.setLineDash([4, 4]);
    c.beginPath();
    c.arc(stage.x(0) - r, stage.y(0), r, 0, 7);
    c.stroke();
    c.setLineDash([]);
    c.fillStyle = colours.blue;
    for (const [re, im] of values ?? []) dot(c, stage.x(re), stage.y(im), 5);
  });
  stage.legend([["eigenvalues of the flow", "blue"], ["|1 + ηξ| = 1", "red", [4, 4]]]);
}
