// What scrolls sideways must be reachable by keyboard: once the mathematics is set, and when the window changes.
(() => {
  const boxes = "div.math, mjx-container[display='true'], .pst-scrollable-table-container, .bd-article div.highlight pre, figure.gm-figure";
  const mark = () => {
    for (const box of document.querySelectorAll(boxes)) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  addEventListener("load", () => {
    const ready = window.MathJax?.startup?.promise ?? Promise.resolve();
    ready.then(mark);
    addEventListener("resize", mark);
  });
})();

// "Report an error" names the section that is read, the last whose heading has come into the upper third of the window. It
// is looked up when the link is about to be used; nobody is asked for anything before the reader follows it.
(() => {
  const section = () => {
    const heads = [...document.querySelectorAll(".bd-article section[id] > :is(h2, h3, h4)")];
    const head = heads.filter((h) => h.getBoundingClientRect().top < innerHeight / 3).at(-1);
    if (!head) return null;
    const name = head.cloneNode(true);
    for (const mark of name.querySelectorAll(".headerlink")) mark.remove();
    return { name: name.textContent.trim(), id: head.parentElement.id };
  };
  const fill = (event) => {
    const link = event.target.closest?.("a.gm-report");
    if (!link) return;
    link.dataset.plain ??= link.href;
    const url = new URL(link.dataset.plain);
    const found = section();
    if (found) {
      const body = url.searchParams.get("body");
      url.searchParams.set("body", body.replace(/^(Page: .*\n)(\S*)/, `$1$2#${found.id}\nSection: ${found.name}`));
    }
    link.href = url.href;
  };
  for (const kind of ["pointerover", "pointerdown", "focusin"]) addEventListener(kind, fill);
})();

// Paper is light: for the time of printing so is the page. Pictures that widgets drew for the dark keep a dark ground.
(() => {
  const page = document.documentElement;
  let before = null;
  addEventListener("beforeprint", () => {
    before = page.dataset.theme;
    page.classList.toggle("gm-was-dark", before === "dark");
    page.dataset.theme = "light";
  });
  addEventListener("afterprint", () => {
    if (before) page.dataset.theme = before;
    page.classList.remove("gm-was-dark");
  });
})();

// Opened from disk, a page may not read another one: the search shows its finds without the lines around them.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
