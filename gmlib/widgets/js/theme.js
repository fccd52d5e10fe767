// Light or dark, as the place that shows the widget says: the book, JupyterLab, VS Code, Colab, else the system.

export function isDark() {
  const html = document.documentElement;
  const { body } = document;
  const said = html.dataset.theme ?? html.getAttribute("theme");
  if (said === "dark" || said === "light") return said === "dark";
  if (body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
  if (body.dataset.vscodeThemeKind) return body.dataset.vscodeThemeKind.includes("dark");
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

// Call `changed` whenever that may have changed, until `signal` aborts.
export function watchTheme(changed, signal) {
  const observer = new MutationObserver(changed);
  for (const element of [document.documentElement, document.body]) observer.observe(element, { attributes: true });
  signal.addEventListener("abort", () => observer.disconnect());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed, { signal });
}

// The colours of the style sheet as the canvas needs them, by the names of gmlib.plot.
export function colours(root) {
  const style = getComputedStyle(root);
  const names = ["ink", "faint", "grid", "paper", "blue", "red", "green", "pink", "orange", "sky"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--gm-w-${name}`).trim()]));
}
