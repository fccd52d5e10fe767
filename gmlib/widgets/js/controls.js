// Labelled controls, each bound to a trait of the model: moved here it is set there, set there it moves here.

// scale: "linear" or "log", which has `parts` steps; values: the only ones to choose from; format: the value as it is read.
export function slider(view, place, { trait, label, values, low = values?.[0], high = values?.at(-1), step = 0.01, scale = "linear", parts = 200, format = (v) => v.toFixed(2) }) {
  const field = view.make("label", "gm-w-field", place);
  const head = view.make("span", "gm-w-field-head", field);
  view.make("span", "", head).textContent = label;
  const shown = view.make("span", "gm-w-value", head);
  const input = view.make("input", "", field);
  input.type = "range";
  input.setAttribute("aria-label", label);
  const log = scale === "log";
  // A log slider counts its steps: whole numbers, so that its last one is `high` and not a rounding error short of it.
  const ratio = high / low;
  let to = log ? (v) => (parts * Math.log(v / low)) / Math.log(ratio) : (v) => v;
  let from = log ? (count) => low * ratio ** (count / parts) : (v) => v;
  if (values) {
    to = (v) => values.reduce((best, value, i) => (Math.abs(value - v) < Math.abs(values[best] - v) ? i : best), 0);
    from = (i) => values[i];
  }
  Object.assign(input, { min: to(low), max: log ? parts : to(high), step: log || values ? 1 : step });
  view.listen(input, "input", () => {
    const value = Math.min(high, Math.max(low, from(Number(input.value))));
    view.set({ [trait]: Number.isInteger(step) ? Math.round(value) : value });
  });
  view.bind(trait, (value) => {
    input.value = to(value);
    shown.textContent = format(value);
    input.setAttribute("aria-valuetext", format(value));
    input.style.setProperty("--gm-w-filled", `${(100 * (input.value - input.min)) / (input.max - input.min)}%`);
  });
  return field;
}

// read: the trait's value from the option's text.
export function select(view, place, { trait, label, options, read = String }) {
  const field = view.make("label", "gm-w-field", place);
  view.make("span", "gm-w-field-head", field).textContent = label;
  const input = view.make("select", "", field);
  input.setAttribute("aria-label", label);
  for (const [value, text] of options) {
    const option = view.make("option", "", input);
    Object.assign(option, { value, textContent: text });
  }
  view.listen(input, "change", () => view.set({ [trait]: read(input.value) }));
  view.bind(trait, (value) => (input.value = String(value)));
  return field;
}

// One of a few, side by side.
export function choice(view, place, { trait, label, options }) {
  const group = view.make("fieldset", "gm-w-choice", place);
  view.make("legend", "gm-w-field-head", group).textContent = label;
  const row = view.make("div", "gm-w-choice-row", group);
  const name = `gm-w-${Math.random().toString(36).slice(2)}`;
  const inputs = options.map(([value, text]) => {
    const box = view.make("label", "", row);
    const input = view.make("input", "", box);
    Object.assign(input, { type: "radio", name, value });
    view.make("span", "", box).textContent = text;
    view.listen(input, "change", () => view.set({ [trait]: value }));
    return input;
  });
  view.bind(trait, (value) => inputs.forEach((input) => (input.checked = input.value === String(value))));
  return group;
}

export function check(view, place, { trait, label }) {
  const field = view.make("label", "gm-w-check", place);
  const input = view.make("input", "", field);
  input.type = "checkbox";
  view.make("span", "", field).textContent = label;
  view.listen(input, "change", () => view.set({ [trait]: input.checked }));
  view.bind(trait, (value) => (input.checked = value));
  return field;
}

export function button(view, place, { label, press }) {
  const element = view.make("button", "gm-w-button", place);
  element.type = "button";
  element.textContent = label;
  view.listen(element, "click", press);
  return element;
}

// What the colours of a picture mean: [colour, text] each, in a row; returns the entries.
export function colourKeys(view, place, entries) {
  return entries.map(([colour, text]) => {
    const entry = view.make("span", "", place);
    entry.style.cssText = "margin-right: 1em; white-space: nowrap";
    view.make("span", "gm-w-key", entry).style.background = `var(--gm-w-${colour})`;
    entry.append(text);
    return entry;
  });
}

// The one that a widget begins with.
export function mainButton(view, place, options) {
  const element = button(view, place, options);
  element.style.cssText = "background: var(--gm-w-accent); border-color: var(--gm-w-accent); color: var(--gm-w-paper); border-radius: 99px; padding-inline: 1.1rem";
  return element;
}

// Rows of a name and a number that stands in one column; returns a function that fills them.
export function readout(view, place, rows) {
  const list = view.make("dl", "gm-w-readout", place);
  const cells = rows.map(([label, kind = ""]) => {
    view.make("dt", kind, list).textContent = label;
    return view.make("dd", kind, list);
  });
  return (...values) => values.forEach((value, i) => (cells[i].textContent = value));
}

// Minus signs and not hyphens, a fixed number of digits.
export function number(value, digits = 2) {
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}
