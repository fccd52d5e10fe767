// Fill the gap: a normal field over places in a row, some of them measured, and what a guided sampler makes of the rest,
// beside the exact law.
import { button, choice, number, slider } from "../controls.js";
import { FINE } from "../ddpm_steps.js";
import { curve } from "../draw.js";
import { compare, meanOf, PLACES, posterior, sampled, sampling, shaped } from "../gaussian_field.js";
import { principal } from "../linear.js";
import { random } from "../random.js";
import { clamp } from "../scale.js";
import { Stage, stroke } from "../stage.js";
import { widget } from "../widget.js";

const REACH = 3; // of a measured value
const EDGE = 3.5; // of the picture
const OUT = 3.25; // a value that is dragged further is let go
const WILD = 10; // a mean that far off, or a band that many times the exact one, is no picture any more
const DRAWN = 5; // samples
const BUDGET = 10; // milliseconds of a frame for the rules that were not chosen
const RULES = [["tweedie", "its true covariance"], ["isotropic", "one number"], ["none", "none: taken for the truth"]];
const GAP = [0, 1, 3, 4, 5, 14, 15, 17, 19];
const FOURTH = [0, 4, 8, 12, 16];

const ordered = (places) => [...places].sort((a, b) => a - b);
const wild = ({ off, band }) => !(off < WILD && band < WILD);

export default widget("fill-the-gap", "Fill the gap", (view) => {
  const state = () => {
    const [values, seen, length, noise, rule, sampler, steps, pair, seed] = ["values", "seen", "length", "noise", "covariance", "sampler", "steps", "pair", "seed"].map((trait) => view.get(trait));
    return { values, seen: ordered(new Set(seen)), length, noise, rule, sampler, steps, pair, seed };
  };
  // The laws' shapes do not depend on the values: they are worked out again only when something else has changed. The rule
  // that was chosen is at once, the others as far as a frame has time.
  let kept = {};
  const shapes = (now) => {
    const key = [now.seen.join(" "), now.length, now.noise, now.sampler, now.steps].join();
    if (kept.key !== key) kept = { key, exact: posterior(now), made: {}, runs: {} };
    const { made, runs } = kept;
    made[now.rule] ??= sampled(now, now.rule);
    const until = performance.now() + BUDGET;
    for (const [rule] of RULES) {
      while (!made[rule] && performance.now() < until) made[rule] = (runs[rule] ??= sampling(now, rule)).next().value;
      if (!made[rule]) view.redraw();
    }
  };
  const laws = (now) => {
    shapes(now);
    const y = now.seen.map((i) => now.values[i]);
    const exact = { mean: meanOf(kept.exact.gain, y), cov: kept.exact.cov };
    const made = Object.fromEntries(
      RULES.filter(([rule]) => kept.made[rule]).map(([rule]) => {
        const { gain, cov } = kept.made[rule];
        const mean = meanOf(gain, y);
        return [rule, { mean, cov, ...compare(mean, cov, exact.mean, exact.cov) }];
      }),
    );
    return { exact, made };
  };

  const field = new Stage(view, {
    label: "The field over its places: the exact mean and band given the measurement, the sampler's mean and band, some samples, and the measured values.",
    height: (width) => clamp(0.5 * width, 270, 360),
    margin: { left: 30, right: 14, top: 46, bottom: 46 },
  });
  view.body.append(field.element);
  const verdict = view.make("p", "gm-w-hint", view.body);
  verdict.style.cssText = "color: var(--gm-w-ink); min-height: 2.5rem";
  const row = view.make("div", "gm-w-row", view.body);
  button(view, row, { label: "A gap in the middle", press: () => view.set({ seen: [...GAP] }) });
  button(view, row, { label: "Every fourth", press: () => view.set({ seen: [...FOURTH] }) });
  const one = button(view, row, { label: "", press: () => toggle(state().pair[0]) });
  button(view, row, { label: "Other samples", press: () => view.set({ seed: (view.get("seed") + 1) % 2 ** 31 }) });
  const hint = view.make("p", "gm-w-hint", view.body);
  hint.textContent = "Tap a place without a dot to measure there; drag a dot up or down, or out of the picture to forget it; on the keyboard, arrows move it and Delete forgets it. The rings at the bottom of the picture choose the two places of the ellipse.";

  const lower = view.make("div", "gm-w-pair", view.body);
  const joint = new Stage(view, {
    label: "The joint law of two places: an area, exact; a line, of the samples. Ellipses of one and two standard deviations.",
    height: (width) => clamp(width, 250, 330),
    margin: { left: 34, right: 14, top: 28, bottom: 30 },
  });
  lower.append(joint.element);
  const settings = view.make("div", "gm-w-panel", lower);
  choice(view, settings, { trait: "covariance", label: "how sure is the guess x̂₀?", options: [["tweedie", "true"], ["isotropic", "one number"], ["none", "none"]] });
  choice(view, settings, { trait: "sampler", label: "sampler", options: [["ancestral", "ancestral"], ["ddim", "DDIM"]] });
  slider(view, settings, { trait: "steps", label: "steps", values: FINE, format: String });
  slider(view, settings, { trait: "length", label: "length scale ℓ of the field", low: 0.5, high: 6, step: 0.1, format: (v) => number(v, 1) });
  slider(view, settings, { trait: "noise", label: "noise of the measurement", low: 0.05, high: 1, step: 0.05, format: (v) => number(v) });
  const table = view.make("table", "gm-w-table", settings);
  const head = view.make("tr", "", view.make("thead", "", table));
  for (const name of ["covariance", "mean off by", "band / exact"]) Object.assign(view.make("th", "", head), { textContent: name, scope: "col" });
  head.firstChild.style.textAlign = "left";
  const body = view.make("tbody", "", table);
  const cells = RULES.map(([, name]) => {
    const line = view.make("tr", "", body);
    Object.assign(view.make("th", "", line), { textContent: name, scope: "row" }).style.whiteSpace = "normal";
    return { line, cells: [view.make("td", "", line), view.make("td", "", line)] };
  });

  field.x.domain([0.4, PLACES + 0.6]);
  field.y.domain([-EDGE, EDGE]);
  joint.x.domain([-EDGE, EDGE]);
  joint.y.domain([-EDGE, EDGE]);
  const written = (place, value) => {
    const values = [...view.get("values")];
    values[place] = clamp(Math.round(100 * value) / 100, -REACH, REACH);
    return { values };
  };
  const toggle = (place) => {
    const { seen } = state();
    view.set({ seen: seen.includes(place) ? seen.filter((i) => i !== place) : ordered([...seen, place]) });
  };
  // Its dot goes, and what had the focus must not go with it.
  const forget = (place) => {
    toggle(place);
    one.focus({ preventScroll: true });
  };
  let leaving = null; // the place whose dot is out of the picture
  const dots = Array.from({ length: PLACES }, (_, place) => {
    const handle = field.handle({
      name: `measured value of place ${place + 1}`,
      get: () => [place + 1, leaving === place ? Math.sign(state().values[place]) * EDGE : state().values[place]],
      move: ([, y]) => {
        leaving = Math.abs(y) > OUT ? place : null;
        view.set(written(place, y));
        view.redraw();
      },
      step: 0.05,
      value: () => ({ low: -REACH, high: REACH, now: state().values[place], text: number(state().values[place]) }),
    });
    handle.button.setAttribute("aria-orientation", "vertical");
    handle.button.setAttribute("aria-keyshortcuts", "Delete Backspace");
    view.listen(handle.button, "pointerup", () => {
      if (leaving === place) forget(place);
      leaving = null;
    });
    // A drag that the browser takes away, to scroll or for another gesture, forgets nothing.
    view.listen(handle.button, "pointercancel", () => {
      leaving = null;
      view.redraw();
    });
    view.listen(handle.button, "keydown", ({ key }) => {
      if (key === "Delete" || key === "Backspace") forget(place);
      // By keys a value stops at the edge of its range.
      leaving = null;
    });
    return handle;
  });
  ["first", "second"].forEach((which, k) =>
    field.handle({
      name: `${which} place of the ellipse`,
      kind: k ? "gm-w-ring" : "gm-w-ring gm-w-orange",
      get: () => [state().pair[k] + 1, -EDGE],
      move: ([x]) => {
        const pair = [...state().pair];
        pair[k] = clamp(Math.round(x) - 1, 0, PLACES - 1);
        view.set({ pair });
      },
      step: 1,
      value: () => ({ low: 1, high: PLACES, now: state().pair[k] + 1, text: `place ${state().pair[k] + 1}` }),
    }),
  );
  // On a phone the places are closer than handles are wide: of those under the finger the nearest is meant, and not the one on
  // top.
  view.listen(field.element, "pointerdown", (event) => {
    const far = ({ button: grip }) => {
      const box = grip.getBoundingClientRect();
      return Math.hypot(event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
    };
    const top = field.handles.find(({ button: grip }) => grip === event.target);
    if (!top) return;
    const meant = field.handles.filter(({ button: grip }) => !grip.hidden).reduce((best, handle) => (far(handle) < far(best) ? handle : best), top);
    if (meant === top) return;
    event.stopPropagation();
    event.preventDefault();
    meant.button.dispatchEvent(new PointerEvent("pointerdown", event));
  }, { capture: true });
  view.listen(field.canvas, "click", (event) => {
    const [x, y] = field.where(event.clientX, event.clientY);
    const place = Math.round(x) - 1;
    if (place < 0 || place >= PLACES || Math.abs(y) > REACH || state().seen.includes(place)) return;
    view.set({ ...written(place, y), seen: ordered([...state().seen, place]) });
  });

  view.draw(() => {
    const now = state();
    const { exact, made } = laws(now);
    const mine = made[now.rule];
    dots.forEach(({ button: dot }, place) => {
      dot.hidden = !now.seen.includes(place);
      dot.style.opacity = leaving === place ? "0.4" : "";
    });
    const [a, b] = now.pair;
    const label = now.seen.includes(a) ? `Forget place ${a + 1}` : `Measure place ${a + 1}`;
    if (one.textContent !== label) one.textContent = label;
    drawField(view, field, now, exact, mine);
    drawJoint(view, joint, now, exact, mine);
    RULES.forEach(([rule], i) => {
      cells[i].line.style.background = rule === now.rule ? "var(--gm-w-panel)" : "";
      // Numbers of before, until the new ones are there.
      cells[i].line.style.fontStyle = made[rule] ? "" : "italic";
      if (!made[rule]) return;
      const { off, band } = made[rule];
      const texts = wild(made[rule]) ? ["diverges", "diverges"] : [number(off, 3), number(band, 3)];
      texts.forEach((text, k) => {
        const cell = cells[i].cells[k];
        if (cell.textContent !== text) cell.textContent = text;
      });
    });
    const words = judge(now, mine);
    if (verdict.textContent !== words) verdict.textContent = words;
    view.say(
      `${now.seen.length} of ${PLACES} places measured; ${RULES.find(([rule]) => rule === now.rule)[1]}, ${now.steps} steps: ` +
        `${wild(mine) ? "the samples fly off" : `the samples' mean is off by ${number(mine.off, 3)}, their band is ${number(mine.band, 3)} times the exact one`}; places ${a + 1} and ${b + 1} have correlation ${number(correlation(exact.cov, now.pair))} exactly${wild(mine) ? "" : `, ${number(correlation(mine.cov, now.pair))} in the samples`}.`,
    );
  });
});

const correlation = (cov, [i, j]) => cov[i * PLACES + j] / Math.sqrt(cov[i * PLACES + i] * cov[j * PLACES + j]);

function judge({ seen, rule, sampler, steps }, { off, band }) {
  if (!seen.length) return "Nothing is measured: there is nothing to guide, and the samples follow the field itself.";
  if (wild({ off, band })) return `With ${steps} steps the samples fly off: taken for the truth, the guess is pulled so hard that a step overshoots, and the next one more. More steps, or more noise in the measurement, tame it; the other two need neither.`;
  if (rule === "tweedie") {
    const rest = sampler === "ddim" || Math.abs(band - 1) > 0.005 ? ` What is left is the length of ${steps} steps.` : "";
    return `With the true covariance of the guess the score is exact, and so are the samples, in the gap as at the dots.${rest}`;
  }
  const wrong = band > 1.02 ? "too wide" : band < 0.98 ? "too narrow" : "of about the right width";
  if (rule === "isotropic") return `One number takes each place for itself: it pulls too hard along what neighbours share and too little where they differ. The mean is off by ${number(off, 3)}, and the band ${wrong}.`;
  return `In the noise the guess knows next to nothing, and is pulled as if it knew all. The samples’ mean is off by ${number(off, 3)}, their band ${wrong}${band < 0.98 ? ": sure of the wrong thing" : ""}.`;
}

// The field: bands of two standard deviations, samples, what was measured and its noise.
function drawField(view, stage, now, exact, mine) {
  const { colours } = view;
  const c = stage.begin();
  const { x, y, margin } = stage;
  stage.axes({ ticks: [0, 5] });
  const bottom = stage.height - margin.bottom;
  c.fillStyle = colours.faint;
  c.textAlign = "center";
  c.textBaseline = "top";
  const xs = Array.from({ length: PLACES }, (_, i) => i + 1);
  for (const place of xs.filter((place) => place === 1 || place % 5 === 0)) c.fillText(`${place}`, x(place), bottom + 22);
  c.strokeStyle = colours.grid;
  stroke(c, [margin.left, y(0)], [stage.width - margin.right, y(0)]);
  const reach = ({ cov }) => xs.map((_, i) => 2 * Math.sqrt(Math.max(0, cov[i * PLACES + i])));
  const [near, far] = [reach(exact), reach(mine)];
  stage.inside(() => {
    c.fillStyle = colours.blue;
    c.globalAlpha = 0.22;
    c.beginPath();
    xs.forEach((place, i) => c[i ? "lineTo" : "moveTo"](x(place), y(exact.mean[i] + near[i])));
    [...xs].reverse().forEach((place) => c.lineTo(x(place), y(exact.mean[place - 1] - near[place - 1])));
    c.fill();
    c.globalAlpha = 1;
  });
  curve(stage, xs, [...exact.mean], { colour: colours.blue, width: 2.4 });
  if (!wild(mine)) {
    const draw = random(now.seed);
    for (let k = 0; k < DRAWN; k++) {
      const around = shaped(mine.cov, Float64Array.from({ length: PLACES }, () => draw.normal()));
      c.globalAlpha = 0.45;
      curve(stage, xs, xs.map((_, i) => mine.mean[i] + around[i]), { colour: colours.orange, width: 1 });
      c.globalAlpha = 1;
    }
    curve(stage, xs, [...mine.mean], { colour: colours.red, width: 2.2 });
    for (const side of [-1, 1]) curve(stage, xs, xs.map((_, i) => mine.mean[i] + side * far[i]), { colour: colours.red, width: 1.6, dash: [6, 3] });
  }
  c.lineWidth = 1.4;
  c.strokeStyle = colours.ink;
  for (const i of now.seen) {
    const [at, value] = [x(i + 1), now.values[i]];
    stage.inside(() => stroke(c, [at, y(value - now.noise)], [at, y(value + now.noise)]));
  }
  stage.legend([["exact mean, ±2 std", "blue"], ["sampler’s mean", "red"], ["±2 std", "red", [6, 3]], ["samples", "orange"]]);
  if (wild(mine)) {
    c.fillStyle = colours.ink;
    c.textAlign = "center";
    c.textBaseline = "middle";
    c.fillText("the samples fly off", (margin.left + stage.width - margin.right) / 2, y(0) - 12);
  }
  stage.place();
}

// The joint law of two places.
function drawJoint(view, stage, now, exact, mine) {
  const { colours } = view;
  const c = stage.begin();
  const { x, y, margin } = stage;
  stage.axes({ ticks: [5, 5] });
  const [i, j] = now.pair;
  c.strokeStyle = colours.faint;
  c.lineWidth = 1.2;
  c.setLineDash([3, 3]);
  if (now.seen.includes(i)) stroke(c, [x(now.values[i]), margin.top], [x(now.values[i]), stage.height - margin.bottom]);
  if (now.seen.includes(j)) stroke(c, [margin.left, y(now.values[j])], [stage.width - margin.right, y(now.values[j])]);
  c.setLineDash([]);
  const ring = ({ mean, cov }, many) => {
    const at = (a, b) => cov[a * PLACES + b];
    const { large, small, angle } = principal(at(i, i), at(i, j), at(j, j));
    const thin = Number.isFinite(small) ? small : 0; // two handles on one place: a line
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    c.beginPath();
    for (let k = 0; k <= 96; k++) {
      const [u, v] = [many * large * Math.cos((k * Math.PI) / 48), many * thin * Math.sin((k * Math.PI) / 48)];
      c[k ? "lineTo" : "moveTo"](x(mean[i] + cos * u - sin * v), y(mean[j] + sin * u + cos * v));
    }
  };
  stage.inside(() => {
    for (const many of [2, 1]) {
      ring(exact, many);
      c.fillStyle = c.strokeStyle = colours.blue;
      c.globalAlpha = 0.2;
      c.fill();
      c.globalAlpha = 1;
      c.lineWidth = 1.4;
      c.stroke();
      if (wild(mine)) continue;
      ring(mine, many);
      c.strokeStyle = colours.red;
      c.lineWidth = 2;
      c.stroke();
    }
  });
  c.fillStyle = colours.faint;
  c.textAlign = "right";
  c.textBaseline = "bottom";
  c.fillText(`place ${i + 1}`, stage.width - margin.right - 2, stage.height - margin.bottom - 4);
  c.textAlign = "left";
  c.textBaseline = "top";
  c.fillText(`place ${j + 1}`, margin.left + 5, margin.top);
  stage.legend([["exact, 1 and 2 std", "blue"], ["samples", "red"]]);
  stage.place();
}
