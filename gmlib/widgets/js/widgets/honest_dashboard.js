// A model spoiled in three ways, and a dashboard: which metric notices what? Every number with that of real points beside it.
import { button, check, number, select, slider } from "../controls.js";
import { particles } from "../draw.js";
import { random } from "../random.js";
import { HALF, N, spoil, world } from "../spoiled.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const OWN = "own setting";
const TALL = 46; // of a row of the dashboard
const linear = (low, high) => (v) => (v - low) / (high - low);
const LOSS = { digits: 2, at: linear(-8, 16), from: 0, ends: ["−8", "16"], less: true };
const SHARE = { digits: 3, at: linear(0, 1), from: 0, ends: ["0", "1"], less: false };
// at: place on the row, 0 to 1; from: where the bar begins; least: the lowest value that has a place; less: whether less is
// better; said: of values that are off.
const ROWS = [
  { key: "inception", name: "Inception score", digits: 2, at: linear(1, 8), from: 1, ends: ["1", "8"], less: false },
  { key: "frechet", name: "Fréchet distance", digits: 3, at: (v) => Math.sqrt(v / 8), from: 0, least: 0, ends: ["0", "8, root scale"], less: true },
  { key: "precision", name: "precision", ...SHARE },
  { key: "recall", name: "recall", ...SHARE },
  { key: "ratio", name: "neighbour ratio", digits: 3, at: (v) => 0.5 + Math.log10(v) / 4, from: 1, least: 0.01, ends: ["0.01", "100, log scale"], said: ["too near", "too far"] },
  { key: "test", name: "test NLL", ...LOSS },
  { key: "train", name: "training NLL", ...LOSS },
];
const KINDS = [["model", "blue", "model"], ["noise", "red", "noise"], ["copy", "orange", "near a training point"]];

export default widget("honest-dashboard", "Honest dashboard", (view) => {
  const stage = new Stage(view, {
    label: "Real training points and points of the model in the plane; noise and copies of training points in other colours.",
    height: (width) => width,
    margin: { left: 26, right: 4, top: 4, bottom: 26 },
  });
  const board = new Stage(view, {
    label: "Seven bars, one a metric, each with the value of real points and what is known exactly; the table has the numbers.",
    height: () => TALL * ROWS.length,
    margin: { left: 6, right: 6, top: 0, bottom: 0 },
  });
  // On a phone the controls stand between picture and bars, within sight of both.
  const columns = view.make("div", "gm-w-pair", view.body);
  const [left, right] = [0, 1].map(() => view.make("div", "gm-w-panel", columns));
  left.append(stage.element);
  keys(view, left, [["real", "faint"], ...KINDS.map(([, colour, text]) => [text, colour])]);
  const presets = view.get("presets");
  let chosen = () => {};
  // A select whose value follows from the others.
  const chooser = Object.assign(Object.create(view), {
    set: ({ preset }) => {
      view.set(presets[preset] ?? {});
      view.redraw();
    },
    bind: (_, act) => (chosen = act),
  });
  select(chooser, left, { trait: "preset", label: "model", options: [...Object.keys(presets), OWN].map((name) => [name, name]) });
  slider(view, left, { trait: "share", label: "share of noise", low: 0, high: 0.99, format: percent });
  select(view, left, { trait: "noise", label: "kind of noise", options: [["uniform", "uniform on the square"], ["gaussian", "Gaussian, moments of the data"]] });
  slider(view, left, { trait: "dropped", label: "modes dropped", low: 0, high: 7, step: 1, format: (v) => `${v} of 8` });
  check(view, left, { trait: "memorise", label: "memoriser: training points by heart" });
  const width = slider(view, left, { trait: "bandwidth", label: "memoriser's bandwidth ℓ", low: 1e-3, high: 1, scale: "log", parts: 120, format: (v) => number(v, v < 0.01 ? 4 : 3) });
  view.bind("memorise", (on) => (width.hidden = !on));

  right.append(board.element);
  keys(view, right, [["like honest models", "blue"], ["worse", "red"], ["better than real", "green"], ["exact", "orange"]]);
  const fill = table(view, right);
  const row = view.make("div", "gm-w-row", right);
  button(view, row, { label: "New points", press: () => view.set({ seed: view.get("seed") + 1 }) });
  view.make("p", "gm-w-hint", row).textContent =
    `${N} points a sample, compared with ${N} training points. Black tick: real test points; grey: 16 honest models, four standard deviations either side. ` +
    "Exact: modes left, distance of the laws, share without noise, share of modes, and as bound of the NLL that without noise − log(1 − share).";

  let now = { seed: null };
  view.draw(() => {
    const seed = view.get("seed");
    if (now.seed !== seed) now = { ...world(random(seed)), seed };
    const state = Object.fromEntries(["share", "dropped", "memorise", "bandwidth", "noise"].map((trait) => [trait, view.get(trait)]));
    const names = Object.keys(presets);
    chosen(names.find((name) => same(presets[name], state)) ?? OWN);
    const spoiled = spoil(now, state);
    const verdicts = ROWS.map((r) => verdict(r, spoiled.numbers[r.key], now.honest[r.key]));
    points(view, stage, now, spoiled);
    bars(view, board, now, spoiled, verdicts);
    fill(now, spoiled);
    const described = ROWS.map((r, i) => {
      const value = `${r.name} ${number(spoiled.numbers[r.key], r.digits)}`;
      return `${value}, real points ${number(now.real[r.key], r.digits)}${verdicts[i].text ? `, ${verdicts[i].text}` : ""}`;
    });
    view.say(`${percent(state.share)} ${state.noise} noise, ${state.dropped} of 8 modes dropped, ` +
      `${state.memorise ? `memoriser of bandwidth ${number(state.bandwidth, 3)}` : "no memoriser"}. ${described.join("; ")}.`);
  });
});

const percent = (v) => `${Math.round(100 * v)} %`;
// The noise is of no matter where there is none, nor is ℓ where nothing is memorised.
const same = (preset, state) =>
  ["share", "dropped", "memorise"].every((trait) => preset[trait] === state[trait]) &&
  (!state.share || preset.noise === state.noise) && (!state.memorise || preset.bandwidth === state.bandwidth);

// Is the value one that an honest model could have?
function verdict({ less, said }, value, { mean, std }) {
  const off = value - mean;
  if (Math.abs(off) <= 4 * std + 1e-9) return { colour: "blue", text: "" };
  if (said) return { colour: "red", text: said[Number(off > 0)] };
  return (off < 0) === less ? { colour: "green", text: "better than real" } : { colour: "red", text: "worse" };
}

function keys(view, place, entries) {
  const line = view.make("p", "gm-w-hint", place);
  for (const [text, colour] of entries) {
    const entry = view.make("span", "", line);
    Object.assign(entry.style, { display: "inline-block", marginRight: "1em" });
    view.make("span", "gm-w-key", entry).style.background = `var(--gm-w-${colour})`;
    entry.append(text);
  }
}

function points(view, stage, now, { sample, kinds }) {
  const { colours } = view;
  const reach = HALF + 0.3;
  stage.x.domain([-reach, reach]);
  stage.y.domain([-reach, reach]);
  stage.begin();
  stage.axes({ ticks: [5, 5] });
  particles(stage, now.train.points, { colour: colours.faint, radius: 1.9, alpha: 0.55 });
  for (const [kind, colour] of KINDS) {
    const some = sample.filter((_, i) => kinds[i >> 1] === kind);
    particles(stage, some, { colour: colours[colour], radius: kind === "copy" ? 1.2 : 1.5, alpha: 0.85 });
  }
}

function bars(view, stage, now, { numbers, exact }, verdicts) {
  const { colours } = view;
  const c = stage.begin();
  const font = c.font;
  const [from, to] = [stage.margin.left, stage.width - stage.margin.right];
  const place = (share) => from + (to - from) * Math.min(1, Math.max(0, share));
  ROWS.forEach(({ key, name, digits, at, from: zero, least = -Infinity, ends }, i) => {
    const [top, value, { colour, text }] = [i * TALL, numbers[key], verdicts[i]];
    const [line, thick] = [top + 17, 12];
    c.textBaseline = "alphabetic";
    c.textAlign = "left";
    c.fillStyle = colours.ink;
    c.fillText(name, from, top + 12);
    c.textAlign = "right";
    c.font = `600 ${font}`;
    const digitsShown = number(value, digits);
    c.fillText(digitsShown, to, top + 12);
    const taken = c.measureText(digitsShown).width;
    c.font = font;
    c.fillStyle = colours.faint;
    c.fillText(text, to - taken - 8, top + 12);
    c.fillStyle = colours.grid;
    c.globalAlpha = 0.5;
    c.fillRect(from, line, to - from, thick);
    const { mean, std } = now.honest[key];
    c.fillStyle = colours.faint;
    c.globalAlpha = 0.35;
    const low = place(at(Math.max(mean - 4 * std, least)));
    c.fillRect(low, line, place(at(mean + 4 * std)) - low, thick);
    c.globalAlpha = 1;
    c.fillStyle = colours[colour];
    const [a, b] = [place(at(zero)), place(at(value))];
    c.fillRect(Math.min(a, b), line + 3, Math.max(1.5, Math.abs(b - a)), thick - 6);
    if (at(value) > 1) arrow(c, to, line + thick / 2, 1);
    if (at(value) < 0) arrow(c, from, line + thick / 2, -1);
    c.strokeStyle = colours.ink;
    c.lineWidth = 2;
    stroke(c, [place(at(now.real[key])), line - 2], [place(at(now.real[key])), line + thick + 2]);
    if (key in exact && at(exact[key]) <= 1) diamond(c, place(at(exact[key])), line + thick / 2, colours);
    c.font = font.replace("12px", "10px");
    c.fillStyle = colours.faint;
    c.textBaseline = "top";
    c.textAlign = "left";
    c.fillText(ends[0], from, line + thick + 3);
    c.textAlign = "right";
    c.fillText(ends[1], to, line + thick + 3);
    c.font = font;
  });
}

// The bar goes on beyond the edge.
function arrow(c, x, y, way) {
  c.beginPath();
  c.moveTo(x + 5 * way, y);
  c.lineTo(x - 3 * way, y - 7);
  c.lineTo(x - 3 * way, y + 7);
  c.fill();
}

function diamond(c, x, y, colours) {
  c.fillStyle = colours.orange;
  c.strokeStyle = colours.paper;
  c.lineWidth = 1.5;
  c.beginPath();
  for (const [dx, dy] of [[0, -6], [5, 0], [0, 6], [-5, 0]]) c.lineTo(x + dx, y + dy);
  c.closePath();
  c.fill();
  c.stroke();
}

function table(view, place) {
  const grid = view.make("table", "gm-w-table", place);
  const head = view.make("tr", "", view.make("thead", "", grid));
  for (const text of ["", "model", "real", "exact"]) {
    const cell = view.make(text ? "th" : "td", "", head);
    cell.textContent = text;
    if (text) cell.scope = "col";
  }
  const body = view.make("tbody", "", grid);
  const names = { precision: "precision, k = 3", recall: "recall, k = 3", test: "test NLL, nats", train: "training NLL, nats" };
  const rows = ROWS.map(({ key, name }) => {
    const row = view.make("tr", "", body);
    const title = view.make("th", "", row);
    title.scope = "row";
    title.textContent = names[key] ?? name;
    return [0, 1, 2].map(() => view.make("td", "", row));
  });
  // What the exact number is: the number of modes left, the distance of the laws, shares, upper bounds of the loss.
  const known = (key, value, digits) => {
    if (value === undefined) return "–";
    if (key === "inception") return value === 1 ? "1 mode" : `${value} modes`;
    return (key === "test" || key === "train" ? "≤ " : "") + number(value, digits);
  };
  return (now, { numbers, exact }) => ROWS.forEach(({ key, digits }, i) => {
    [number(numbers[key], digits), number(now.real[key], digits), known(key, exact[key], digits)].forEach((text, k) => (rows[i][k].textContent = text));
  });
}
