// MathJax sets the mathematics in slices: what is in view at once, the rest after the page has loaded, with a pause after
// each slice. Set in one go, the formulas of a long chapter keep the page from answering for seconds.
(() => {
  const PLACES = ".math, .output_area, .tex2jax_process, .mathjax_process"; // where MathJax looks for mathematics
  const SLICE = 40; // formulas: a style sheet is renewed after each slice, and fifty milliseconds are not felt

  // Long enough for what waits: input, widgets, a frame. Timers of a tab in the background would take a second each.
  const pause = () =>
    new Promise((done) => {
      const channel = new MessageChannel();
      channel.port1.onmessage = done;
      channel.port2.postMessage(null);
    });

  async function pageReady() {
    const places = [...document.querySelectorAll(PLACES)].filter((place) => !place.parentElement.closest(PLACES));
    const inView = new Set(
      places.filter((place) => {
        const { top, bottom } = place.getBoundingClientRect();
        return bottom > -innerHeight / 2 && top < 1.5 * innerHeight;
      }),
    );

    // Whoever came for a section stays there while what is above it changes its height, unless they go elsewhere.
    let moved = false;
    for (const kind of ["wheel", "touchstart", "pointerdown", "keydown"]) {
      addEventListener(kind, () => (moved = true), { once: true, passive: true });
    }
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const settle = () => moved || target?.scrollIntoView();

    if (inView.size) await MathJax.typesetPromise([...inView]);
    settle();
    if (document.readyState !== "complete") await new Promise((done) => addEventListener("load", done, { once: true }));
    const rest = places.filter((place) => !inView.has(place));
    for (let i = 0; i < rest.length; i += SLICE) {
      await pause();
      await MathJax.typesetPromise(rest.slice(i, i + SLICE));
    }
    settle();
  }

  if (window.MathJax) MathJax.startup = { pageReady }; // a page without mathematics has no MathJax
})();
