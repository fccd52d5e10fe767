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
