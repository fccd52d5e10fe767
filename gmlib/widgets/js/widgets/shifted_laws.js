// Two laws, one of them dragged: their densities, the critics that tell them apart, and four distances against the shift.
import { button, number, slider } from "../controls.js";
import { curve } from "../draw.js";
import { clamp } from "../scale.js";
import { KL, P, Q, critic, criticAt, jsd, kl, mmd2, witness } from "../shifted_beta.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const REACH = 3; // of the shift, either side
const [NARROW, WIDE] = [0.1, 2]; // of the kernel
const TOP = 3.25; // of the picture of distances, where infinity is
const COUNT = 241; // points of a curve

const hundredth = (v) => Math.round(100 * v) / 100;
const line = (from, to, count) => Float64Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1));
const slope = (v) => (v === null ? "none" : Math.abs(v) < 5e-7 ? "0" : number(v, 6));

const ROWS = [
  ["kl", "KL(p‖q)", "pink", "∞", ", nats"],
  ["jsd", "JSD", "green", "log 2", ", nats"],
  ["w1", "W₁", "ink", "no bound", ", in x"],
  ["mmd", "MMD²", "orange", "", ""],
];

export default widget("shifted-laws", "Shift", (view) => {
  const state = () => ({ shift: clamp(view.get("shift"), -REACH, REACH), bandwidth: clamp(view.get("bandwidth"), NARROW, WIDE) });
  const upper = new Stage(view, {
    label: "Densities of the law p, which stays on the interval from 0 to 1, and of the law q, which is moved by the shift.",
    height: (width) => clamp(0.26 * width, 170, 210),
    margin: { left: 34, right: 14, top: 28, bottom: 30 },
  });
  const middle = new Stage(view, {
    label: "The optimal critic of the Wasserstein distance, a line of slope one in size wherever it is not free, and the witness of the MMD, which is 0 far from both laws.",
    height: (width) => clamp(0.28 * width, 190, 230),
    margin: { left: 34, right: 14, top: 28, bottom: 26 },
  });
  const lower = new Stage(view, {
    label: "Four distances against the shift: the KL divergence is infinite, the Jensen-Shannon divergence flat at log two, the Wasserstein distance a straight line, the squared MMD levels off.",
    height: (width) => clamp(0.4 * width, 260, 310),
    margin: { left: 34, right: 14, top: 28, bottom: 30 },
  });
  view.body.append(upper.element, middle.element, lower.element);
  const pair = view.make("div", "gm-w-pair", view.body);
  slider(view, pair, { trait: "shift", label: "shift Δ of q", low: -REACH, high: REACH, step: 0.05, format: (v) => number(v) });
  slider(view, pair, { trait: "bandwidth", label: "bandwidth ℓ of the kernel", low: NARROW, high: WIDE, scale: "log", parts: 150, format: (v) => number(v) });
  const row = view.make("div", "gm-w-row", view.body);
  for (const [label, shift] of [["Δ = 0", 0], ["Δ = ½", 0.5], ["Δ = 1", 1], ["Δ = 2", 2]]) button(view, row, { label, press: () => view.set({ shift }) });
  const verdict = view.make("p", "gm-w-hint", view.body);
  const fill = heads(view, view.make("table", "gm-w-table", view.body));

  const put = (shift) => view.set({ shift: clamp(hundredth(shift), -REACH, REACH) });
  const value = () => ({ low: -REACH, high: REACH, now: state().shift, text: `Δ = ${number(state().shift)}` });
  upper.handle({
    name: "law q; move it to change the shift Δ",
    kind: "gm-w-red",
    get: () => [Q.mean + state().shift, 1.1],
    move: ([x]) => put(x - Q.mean),
    step: 0.05,
    value,
  });
  lower.x.domain([-REACH, REACH]);
  lower.y.domain([-0.28, TOP + 0.2]);
  lower.handle({ name: "shift Δ, on the curves", kind: "gm-w-orange", get: () => [state().shift, 0], move: ([x]) => put(x), step: 0.05, value });

  const shifts = line(-REACH, REACH, COUNT);
  const flat = Float64Array.from(shifts, (s) => jsd(s).value);
  const long = Float64Array.from(shifts, (s) => critic(s).value);
  let kept = {};
  // The squared MMD against the shift, until the bandwidth changes.
  const kernel = (bandwidth) => {
    if (kept.bandwidth !== bandwidth) {
      const found = mmd2(bandwidth);
      kept = { bandwidth, ...found, values: Float64Array.from(shifts, (s) => found.value(s)) };
    }
    return kept;
  };

  view.draw(() => {
    const { shift, bandwidth } = state();
    const curves = kernel(bandwidth);
    const [best, js, k] = [critic(shift), jsd(shift), kl(shift)];
    const mmd = { value: curves.value(shift), slope: curves.slope(shift) };
    const edges = [Math.min(0, shift) - 0.75, Math.max(0, shift) + 1.75];
    densities(view, upper, shift, edges);
    critics(view, middle, { shift, bandwidth, best, mmd }, edges);
    distances(view, lower, { shift, shifts, flat, long, mmd: curves.values }, [k, js.value, best.value, mmd.value]);
    fill.kl(shift === 0 ? number(KL, 6) : "∞", slope(null), ROWS[0][3]);
    fill.jsd(number(js.value, 6), slope(js.slope), ROWS[1][3]);
    fill.w1(number(best.value, 6), slope(best.slope), ROWS[2][3]);
    fill.mmd(number(mmd.value, 6), slope(mmd.slope), number(curves.most, 6));
    const said = judge(shift, mmd.slope);
    if (verdict.textContent !== said) verdict.textContent = said;
    view.say(
      `Shift ${number(shift)}, bandwidth ${number(bandwidth)}. KL ${shift === 0 ? number(KL, 4) : "infinite"}, Jensen-Shannon ${number(js.value, 4)}, ` +
        `Wasserstein ${number(best.value, 4)}, squared MMD ${number(mmd.value, 4)}. ${said}`,
    );
  });
});

// What a generator would be told, in words.
function judge(shift, pull) {
  if (shift === 0) return "One interval for both: every distance is finite, and none is 0, for the shapes differ.";
  if (Math.abs(shift) < 1) return "The intervals overlap: the JSD has a slope, the KL is infinite already, for p has points where q has none.";
  const faint = Math.abs(pull) < 1e-3 ? ", and the MMD as good as nothing: widen its kernel" : ", and the MMD only within reach of its kernel";
  return `The intervals do not meet: KL and JSD say nothing about how far it is. W₁ says it with a slope of ${shift > 0 ? "1" : "−1"}${faint}.`;
}

// A row a distance: value, slope, most.
function heads(view, table) {
  const head = view.make("tr", "", view.make("thead", "", table));
  for (const text of ["", "value", "slope in Δ", "at most"]) {
    const cell = view.make(text ? "th" : "td", "", head);
    cell.textContent = text;
    if (text) cell.scope = "col";
  }
  const body = view.make("tbody", "", table);
  return Object.fromEntries(
    ROWS.map(([name, label, colour, , unit]) => {
      const row = view.make("tr", "", body);
      const title = view.make("th", "", row);
      title.scope = "row";
      view.make("span", "gm-w-key", title).style.background = `var(--gm-w-${colour})`;
      title.append(`${label}${unit}`);
      const cells = [0, 1, 2].map(() => view.make("td", "", row));
      return [name, (...texts) => texts.forEach((text, i) => (cells[i].textContent = text))];
    }),
  );
}

// Arrow heads beside a handle, where it can still go.
function grips(view, { context: c, x, y }, [at, up], colour, shift) {
  c.fillStyle = view.colours[colour];
  for (const side of [-1, 1]) {
    if (side * shift >= REACH) continue;
    const [left, middle] = [x(at) + 15 * side, y(up)];
    c.beginPath();
    c.moveTo(left, middle - 5);
    c.lineTo(left + 7 * side, middle);
    c.lineTo(left, middle + 5);
    c.fill();
  }
}

function densities(view, stage, shift, edges) {
  const { colours } = view;
  stage.x.domain(edges);
  stage.y.domain([0, 2.6]);
  stage.begin();
  stage.axes({ ticks: [stage.width < 480 ? 5 : 9, 3] });
  // Each on its own interval, so that its ends are where they are.
  const ys = line(0, 1, 201);
  curve(stage, ys, ys.map(P.density), { colour: colours.blue, fill: 0.2 });
  curve(stage, ys.map((y) => y + shift), ys.map(Q.density), { colour: colours.red, fill: 0.2 });
  grips(view, stage, [Q.mean + shift, 1.1], "red", shift);
  stage.legend([["p = Beta(3, 5)", "blue"], [`q = Beta(2, 3) ${shift < 0 ? "−" : "+"} ${number(Math.abs(shift))}`, "red"]]);
  stage.place();
}

function critics(view, stage, { shift, bandwidth, best, mmd }, edges) {
  const { colours } = view;
  const xs = line(...edges, 501);
  const seen = witness(xs, shift, bandwidth, mmd.value);
  const ends = criticAt([best.places[0], ...best.places, edges[1]], best, shift);
  const reach = 1.15 * Math.max(0.5, ...ends.map(Math.abs), ...seen.map(Math.abs));
  stage.x.domain(edges);
  stage.y.domain([-reach, reach]);
  const c = stage.begin();
  stage.axes({ ticks: [stage.width < 480 ? 5 : 9, 5] });
  c.strokeStyle = colours.grid;
  c.lineWidth = 1;
  stroke(c, [stage.margin.left, stage.y(0)], [stage.width - stage.margin.right, stage.y(0)]);
  // Where each law is.
  for (const [from, colour] of [[0, colours.blue], [shift, colours.red]]) {
    c.fillStyle = colour;
    c.globalAlpha = 0.1;
    c.fillRect(stage.x(from), stage.margin.top, stage.x(from + 1) - stage.x(from), stage.height - stage.margin.top - stage.margin.bottom);
    c.globalAlpha = 1;
  }
  curve(stage, xs, seen, { colour: colours.orange, width: 2.4 });
  // Solid where its slope is due, dashed where neither law cares.
  const [first, last] = [best.places[0], best.places[best.places.length - 1]];
  for (const [from, to] of [[edges[0], first], [last, edges[1]]]) {
    const free = [from, to];
    curve(stage, free, criticAt(free, best, shift), { colour: colours.ink, width: 1.6, dash: [3, 4] });
  }
  curve(stage, best.places, criticAt(best.places, best, shift), { colour: colours.ink, width: 2.4 });
  stage.legend([["best critic of W₁", "ink"], ["witness of MMD", "orange"]]);
}

function distances(view, stage, { shift, shifts, flat, long, mmd }, [k, js, w, m]) {
  const { colours } = view;
  const c = stage.begin();
  stage.axes({ ticks: [7, 4], names: ["", ""] });
  const dot = (x, y, colour, hollow) => {
    c.beginPath();
    c.arc(stage.x(x), stage.y(y), 4.5, 0, 7);
    c.fillStyle = hollow ? colours.paper : colour;
    c.fill();
    c.strokeStyle = colour;
    c.lineWidth = 2;
    c.stroke();
  };
  // The KL is infinite everywhere but at one point.
  curve(stage, [-REACH, REACH], [TOP, TOP], { colour: colours.pink, width: 2.4 });
  dot(0, TOP, colours.pink, true);
  dot(0, KL, colours.pink, false);
  curve(stage, shifts, long, { colour: colours.ink, width: 2.2 });
  curve(stage, shifts, mmd, { colour: colours.orange, width: 2.4 });
  curve(stage, shifts, flat, { colour: colours.green, width: 2.4 });
  c.strokeStyle = colours.faint;
  c.lineWidth = 1;
  c.setLineDash([4, 3]);
  stroke(c, [stage.x(shift), stage.margin.top], [stage.x(shift), stage.y(0)]);
  c.setLineDash([]);
  for (const [v, colour] of [[k, "pink"], [js, "green"], [w, "ink"], [m, "orange"]]) dot(shift, Math.min(v, TOP), colours[colour], false);
  c.fillStyle = colours.ink;
  c.textAlign = "right";
  c.textBaseline = "middle";
  c.fillText("∞", stage.margin.left - 7, stage.y(TOP));
  c.fillStyle = colours.faint;
  c.textBaseline = "bottom";
  c.fillText("shift Δ", stage.width - stage.margin.right - 2, stage.y(0) - 4);
  grips(view, stage, [shift, 0], "ink", shift);
  stage.legend(ROWS.map(([, label, colour]) => [label, colour]));
  stage.place();
}
