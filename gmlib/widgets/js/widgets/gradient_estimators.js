// Three estimates of the same gradient: every draw as a dot, the mean of the draws, the exact spread.
import { button, number, slider } from "../controls.js";
import { particles } from "../draw.js";
import { ESTIMATORS, estimates, summary } from "../estimators.js";
import { normals, random } from "../random.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const REACH = 45; // of the axis, either side
const MOST = 2000;
const ROWS = [
  { name: "pathwise", label: "pathwise", colour: "blue" },
  { name: "score", label: "score function", colour: "red" },
  { name: "detached", label: "detached", colour: "faint" },
];

export default widget("gradient-estimators", "Gradient estimators", (view) => {
  const stage = new Stage(view, {
    label: "Three rows of dots, one a draw: estimates of the gradient by the pathwise, score-function and detached estimator.",
    height: () => 320,
    margin: { left: 10, right: 10, top: 26, bottom: 30 },
  });
  view.body.append(stage.element);
  const panel = view.make("div", "gm-w-panel", view.body);
  const pair = view.make("div", "gm-w-pair", panel);
  slider(view, pair, { trait: "mu", label: "mean μ", low: -3, high: 3, step: 0.05, format: (v) => number(v) });
  slider(view, pair, { trait: "n", label: "draws n", low: 1, high: MOST, step: 1, scale: "log", format: (v) => `${v}` });
  const row = view.make("div", "gm-w-row", panel);
  button(view, row, { label: "New draws", press: () => view.set({ seed: view.get("seed") + 1 }) });
  view.make("p", "gm-w-hint", row).textContent = "f(z) = z², z ~ N(μ, 1): the gradient of its mean is 2μ.";
  const table = view.make("table", "gm-w-table", panel);
  const cells = heads(view, table);

  stage.x.domain([-REACH, REACH]);
  stage.y.domain([ROWS.length, 0]);
  stage.handle({
    name: "gradient 2μ; move it to change μ",
    kind: "gm-w-orange",
    get: () => [2 * view.get("mu"), 0],
    move: ([x]) => view.set({ mu: Math.min(3, Math.max(-3, Math.round(x * 10) / 20)) }),
    step: 0.1,
    value: () => ({ low: -6, high: 6, now: 2 * view.get("mu"), text: `2μ = ${number(2 * view.get("mu"))}` }),
  });

  // Heights of the dots within their row, the same for every seed.
  const spread = random(7);
  const heights = Float64Array.from({ length: MOST }, () => spread() + spread() - 1);
  let drawn = { seed: null };

  view.draw(() => {
    const mu = view.get("mu");
    const n = Math.min(MOST, Math.max(1, view.get("n")));
    if (drawn.seed !== view.get("seed")) drawn = { seed: view.get("seed"), noise: normals(MOST, view.get("seed")) };
    const noise = drawn.noise.subarray(0, n);
    const c = stage.begin();
    stage.axes({ ticks: [stage.width < 480 ? 5 : 9, 0], names: ["", ""] });
    const said = [];
    ROWS.forEach(({ name, label, colour }, i) => {
      const values = estimates(name, mu, noise);
      const { mean, variance } = summary(values);
      const exact = ESTIMATORS[name].variance(mu);
      const centre = ESTIMATORS[name].mean(mu);
      band(stage, i, centre, Math.sqrt(exact), view.colours[colour]);
      const dots = new Float64Array(2 * n);
      let beyond = 0;
      values.forEach((v, k) => {
        dots.set([v, i + 0.56 + 0.26 * heights[k]], 2 * k);
        beyond += Math.abs(v) > REACH;
      });
      particles(stage, dots, { colour: view.colours[colour], radius: n > 300 ? 1.2 : n > 40 ? 1.7 : 2.6, alpha: n > 300 ? 0.6 : 0.85 });
      const note = exact === 0 ? "every draw is 0" : beyond ? `${beyond} beyond the edge` : "";
      caption(stage, i, label, note, view.colours);
      marker(stage, i, mean, view.colours);
      cells[i](number(mean), number(centre - 2 * mu), number(exact), Number.isNaN(variance) ? "–" : number(variance));
      said.push(`${label}: mean ${number(mean)}, exact variance ${number(exact)}`);
    });
    const at = stage.x(2 * mu);
    c.strokeStyle = view.colours.orange;
    c.lineWidth = 2;
    stroke(c, [at, stage.y(0)], [at, stage.y(ROWS.length)]);
    c.fillStyle = view.colours.ink;
    c.textAlign = at > stage.width - 90 ? "right" : "left";
    c.textBaseline = "bottom";
    c.font = `600 ${c.font}`;
    c.fillText(`2μ = ${number(2 * mu)}`, at + (c.textAlign === "left" ? 15 : -15), stage.y(0) - 7);
    stage.place();
    view.say(`True gradient ${number(2 * mu)}, ${n} draws. ${said.join("; ")}.`);
  });
});

// Two standard deviations either side of the mean.
function band(stage, i, centre, std, colour) {
  stage.inside((c) => {
    c.fillStyle = colour;
    c.globalAlpha = 0.11;
    const [left, right] = [stage.x(centre - 2 * std), stage.x(centre + 2 * std)];
    c.fillRect(left, stage.y(i + 0.27), Math.max(2, right - left), stage.y(i + 0.85) - stage.y(i + 0.27));
  });
}

function caption(stage, i, label, note, colours) {
  const { context: c, margin, width } = stage;
  c.textBaseline = "top";
  c.fillStyle = colours.ink;
  c.textAlign = "left";
  c.fillText(label, margin.left + 4, stage.y(i) + 5);
  c.fillStyle = colours.faint;
  c.textAlign = "right";
  c.fillText(note, width - margin.right - 4, stage.y(i) + 5);
  c.strokeStyle = colours.grid;
  c.lineWidth = 1;
  if (i) stroke(c, [margin.left, Math.round(stage.y(i)) - 0.5], [width - margin.right, Math.round(stage.y(i)) - 0.5]);
}

function marker(stage, i, mean, colours) {
  stage.inside((c) => {
    const [x, top, bottom] = [stage.x(mean), stage.y(i + 0.22), stage.y(i + 0.9)];
    c.lineCap = "round";
    for (const [width, colour] of [[6, colours.paper], [3, colours.ink]]) {
      c.lineWidth = width;
      c.strokeStyle = colour;
      stroke(c, [x, top], [x, bottom]);
    }
  });
}

function heads(view, table) {
  const head = view.make("tr", "", view.make("thead", "", table));
  for (const text of ["", "mean drawn", "exact bias", "exact variance", "variance drawn"]) {
    const cell = view.make(text ? "th" : "td", "", head);
    cell.textContent = text;
    if (text) cell.scope = "col";
  }
  const body = view.make("tbody", "", table);
  return ROWS.map(({ label, colour }) => {
    const row = view.make("tr", "", body);
    const name = view.make("th", "", row);
    name.scope = "row";
    view.make("span", "gm-w-key", name).style.background = `var(--gm-w-${colour})`;
    name.append(label);
    const cells = [0, 1, 2, 3].map(() => view.make("td", "", row));
    return (...texts) => texts.forEach((text, k) => (cells[k].textContent = text));
  });
}
