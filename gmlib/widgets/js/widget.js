// The frame of every widget: root element, theme, bindings, frame loop, text that follows the state, errors.
import { colours, isDark, watchTheme } from "./theme.js";
import css from "./widget.css";

const SAVE_EVERY = 80; // milliseconds between messages to Python while something is dragged
const SAY_EVERY = 700; // milliseconds between two announcements

export class View {
  constructor(model, el, name, title) {
    Object.assign(this, { model, name, stop: new AbortController(), painters: [], near: true, steps: null });
    this.signal = this.stop.signal;
    this.root = this.make("section", "gm-widget", el);
    this.root.dataset.widget = name;
    this.root.setAttribute("aria-label", title);
    this.make("p", "gm-w-title", this.root).textContent = title;
    this.body = this.make("div", "gm-w-body", this.root);
    this.live = this.make("p", "gm-w-live", this.root);
    this.live.setAttribute("aria-live", "polite");
    // Keys without Ctrl belong to the widget alone: JupyterLab moves its own cursor with arrows, and deletes cells with letters.
    this.listen(this.root, "keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
    });
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.still.addEventListener("change", () => this.redraw(), { signal: this.signal });
    this.theme();
    watchTheme(() => this.theme(), this.signal);
    // Nothing is drawn while it cannot be seen. A busy page may tell of leaving and coming back at once: the last one holds.
    const observer = new IntersectionObserver((entries) => {
      this.near = entries.at(-1).isIntersecting;
      if (this.near) this.redraw();
    }, { rootMargin: "200px" });
    observer.observe(this.root);
    this.signal.addEventListener("abort", () => observer.disconnect());
  }

  make(tag, className, parent) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    parent?.append(element);
    return element;
  }

  listen(target, event, act, options = {}) {
    target.addEventListener(event, act, { ...options, signal: this.signal });
  }

  theme() {
    const dark = isDark();
    if (dark === this.dark) return;
    this.dark = dark;
    this.root.dataset.theme = dark ? "dark" : "light";
    this.colours = null;
    this.redraw();
  }

  get(trait) {
    return this.model.get(trait);
  }

  // Set traits. Views of the same model follow at once, Python a little later.
  set(values) {
    for (const [trait, value] of Object.entries(values)) this.model.set(trait, value);
    this.saving ??= setTimeout(() => {
      this.saving = null;
      this.model.save_changes();
    }, SAVE_EVERY);
  }

  // Call with the trait's value now and whenever it changes.
  bind(trait, act) {
    const tell = () => act(this.model.get(trait));
    this.on(`change:${trait}`, tell);
    tell();
  }

  on(event, act) {
    this.model.on(event, act);
    this.signal.addEventListener("abort", () => this.model.off(event, act));
  }

  // What draws the picture; called before a frame is shown, whenever something changed. False: there is nothing to draw yet.
  draw(paint) {
    this.painters.push(paint);
    this.on("change", () => this.redraw());
  }

  // While `steps` is a function it is called before each frame, unless the reader asked for less motion.
  animate(steps) {
    this.steps = steps;
    this.redraw();
  }

  redraw() {
    if (this.signal.aborted) return;
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      // JupyterLab renders before it shows; styles and sizes are known only then.
      if (!this.root.isConnected) return this.redraw();
      // The first picture is drawn in any case, so that there is one to scroll to.
      if (!this.near && this.root.dataset.ready) return;
      this.guard(() => {
        style(this.root.getRootNode());
        this.colours ??= colours(this.root);
        const moving = this.steps && !this.still.matches;
        if (moving) this.steps();
        const drawn = this.painters.map((paint) => paint() !== false);
        if (drawn.length && drawn.every(Boolean)) this.root.dataset.ready = "true";
        if (moving && this.steps) this.redraw();
      });
    });
  }

  // The state in words, for those who do not see the picture; at most every SAY_EVERY milliseconds.
  say(text) {
    this.words = text;
    if (!this.live.textContent) this.live.textContent = text;
    this.saying ??= setTimeout(() => {
      this.saying = null;
      if (this.live.textContent !== this.words) this.live.textContent = this.words;
    }, SAY_EVERY);
  }

  notice(text) {
    this.shown ??= this.make("p", "gm-w-notice", this.root);
    this.shown.setAttribute("role", "status");
    this.shown.textContent = text;
    this.shown.hidden = !text;
  }

  guard(act) {
    try {
      return act();
    } catch (error) {
      this.steps = null;
      this.notice(`This widget stopped: ${error.message}`);
      console.error(error);
    }
  }

  close() {
    this.stop.abort();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.saying);
    if (this.saving) {
      clearTimeout(this.saving);
      this.model.save_changes();
    }
    this.root.remove();
  }
}

// One style sheet a document (or shadow root), shared by every widget of this version.
function style(place) {
  if (place.adoptedStyleSheets.some((sheet) => sheet.gmWidget === css)) return;
  const sheet = Object.assign(new CSSStyleSheet(), { gmWidget: css });
  sheet.replaceSync(css);
  place.adoptedStyleSheets = [...place.adoptedStyleSheets, sheet];
}

// The module that anywidget, Colab and the book's loader ask for: `export default widget(name, title, mount)`.
export function widget(name, title, mount) {
  return {
    render({ model, el }) {
      const view = new View(model, el, name, title);
      view.guard(() => mount(view));
      view.redraw();
      return () => view.close();
    },
  };
}
