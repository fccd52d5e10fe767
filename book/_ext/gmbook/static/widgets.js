// Mounts the widgets of a page without Python: reads the states that the build left in the page, loads each module by its
// hash, and gives every view a model that behaves as with a kernel, except that nobody listens at the other end.
(() => {
  "use strict";
  const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';
  const FOLDER = new URL("../_widgets/", document.currentScript.src);
  const PART = /"gm:([0-9a-f]{20})"/g;
  const NEEDS_PYTHON = "This part needs Python. Open the chapter in Colab or JupyterLab to use it.";

  // Packets: scripts that hand over a text under their hash, each loaded once.
  const packets = new Map();
  window.gmBook = { give: (hash, text) => packets.get(hash)?.resolve(text) };

  function packet(hash) {
    if (!packets.has(hash)) {
      const entry = {};
      entry.promise = new Promise((resolve, reject) => {
        entry.resolve = resolve;
        const script = document.createElement("script");
        script.src = new URL(`${hash}.js`, FOLDER).href;
        script.addEventListener("error", () => {
          packets.delete(hash);
          reject(new Error("A file of this page could not be loaded. Is the connection working?"));
        });
        document.head.append(script);
      });
      packets.set(hash, entry);
    }
    return packets.get(hash).promise;
  }

  const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const same = (a, b) => a === b || JSON.stringify(a) === JSON.stringify(b);

  // get, set, on, off and send as the models of ipywidgets have them.
  class Model {
    constructor({ state, buffers = [], weights = {} }) {
      this.state = { ...state };
      this.weights = weights;
      this.listeners = [];
      for (const { path, data } of buffers) {
        let place = this.state;
        for (const key of path.slice(0, -1)) place = place[key];
        place[path.at(-1)] = new DataView(bytes(data).buffer);
      }
    }

    get(key) {
      return this.state[key];
    }

    set(key, value) {
      const changed = Object.entries(typeof key === "object" ? key : { [key]: value }).filter(
        ([name, next]) => !same(this.state[name], next),
      );
      for (const [name, next] of changed) this.state[name] = next;
      for (const [name, next] of changed) this.trigger(`change:${name}`, this, next);
      if (changed.length) this.trigger("change", this);
    }

    save_changes() {}

    on(events, act, context) {
      for (const event of events.split(" ")) this.listeners.push({ event, act, context });
    }

    once(event, act, context) {
      const first = (...values) => {
        this.off(event, first);
        act.apply(context, values);
      };
      this.on(event, first);
    }

    off(event, act) {
      this.listeners = this.listeners.filter((l) => (event && l.event !== event) || (act && l.act !== act));
    }

    trigger(event, ...values) {
      for (const { act, context } of this.listeners.filter((l) => l.event === event)) act.apply(context, values);
    }

    // Arrays are answered as Python would; anything else needs Python, and both widget and reader are told.
    async send(content) {
      const { id, kind, name } = content ?? {};
      const answer = (body, buffers = []) => this.trigger("msg:custom", { id, ...body }, buffers);
      if (kind !== "weights") {
        this.trigger("gm:notice", NEEDS_PYTHON);
        return answer({ error: NEEDS_PYTHON });
      }
      const offer = this.weights[name];
      if (!offer) return answer({ error: `There are no arrays called ${name}.` });
      try {
        const data = bytes(await packet(offer.packet));
        answer({ arrays: offer.arrays }, [new DataView(data.buffer)]);
      } catch (error) {
        answer({ error: error.message });
      }
    }
  }

  // Called once for each hash; what fails may be tried again.
  function once(act) {
    const kept = new Map();
    return (hash) => {
      if (!kept.has(hash)) kept.set(hash, act(hash).catch((error) => Promise.reject((kept.delete(hash), error))));
      return kept.get(hash);
    };
  }

  // The address of a module that is made from its text, after those of the parts that it imports as "gm:HASH".
  const address = once(async (hash) => {
    const text = await packet(hash);
    const parts = [...new Set(Array.from(text.matchAll(PART), ([, part]) => part))];
    const found = await Promise.all(parts.map(address));
    const whole = text.replace(PART, (_, part) => `"${found[parts.indexOf(part)]}"`);
    return URL.createObjectURL(new Blob([whole], { type: "text/javascript" }));
  });

  // A module by its hash: each is evaluated once, however many models use it.
  const load = once(async (hash) => {
    const { default: found } = await import(await address(hash));
    return typeof found === "function" ? await found() : found;
  });

  // A notice at a widget's place. What went wrong is said with what the reader can do about it.
  function notice(place, text, ...more) {
    const box = document.createElement("div");
    box.className = "admonition warning gm-notice";
    box.setAttribute("role", "status");
    const title = document.createElement("p");
    title.className = "admonition-title";
    title.textContent = "Widget";
    const words = document.createElement("p");
    words.append(text, ...more);
    box.append(title, words);
    place.querySelector(":scope > .gm-notice")?.remove();
    place.append(box);
  }

  async function mount(script, models, ready) {
    const el = document.createElement("div");
    el.className = "gm-view";
    script.replaceWith(el);
    try {
      const { model_id: id } = JSON.parse(script.textContent);
      const model = models.get(id);
      if (!model) throw new Error("Its state is not in this page.");
      model.on("gm:notice", (text) => notice(el, text));
      const module = await load(model.get("_esm"));
      if (!ready.has(id)) ready.set(id, module.initialize?.({ model }));
      await ready.get(id);
      await module.render({ model, el, signal: new AbortController().signal, experimental: { invoke: needsPython } });
    } catch (error) {
      el.replaceChildren(); // nothing half drawn
      notice(el, `This widget could not be shown: ${error?.message ?? error} `, ...remedies());
      console.warn(error);
    }
  }

  // The rest of the page works. Loading it again helps against a bad connection, telling us against a fault of ours.
  function remedies() {
    const report = document.querySelector("a.gm-report[rel]")?.cloneNode();
    report?.append("report it");
    const again = "Everything else on this page works. Load the page again";
    return report ? [`${again}; if that does not help, `, report, "."] : [`${again}.`];
  }

  const needsPython = () => Promise.reject(new Error(NEEDS_PYTHON));

  function start() {
    const models = new Map();
    for (const script of document.querySelectorAll(STATE)) {
      for (const [id, entry] of Object.entries(JSON.parse(script.textContent).state)) models.set(id, new Model(entry));
    }
    const ready = new Map();
    for (const script of document.querySelectorAll(VIEW)) mount(script, models, ready);
  }

  start();
})();
