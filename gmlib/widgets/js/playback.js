// What plays: its button, its pace, and words for readers who asked for less motion.

// Whole steps at a rate, whatever the frames are.
export class Pace {
  begin() {
    Object.assign(this, { before: performance.now(), owed: 0 });
  }

  // The seconds since the last frame, no more than `most` milliseconds of them.
  seconds(most = 100) {
    const now = performance.now();
    const passed = Math.min(most, now - this.before) / 1000;
    this.before = now;
    return passed;
  }

  steps(rate, most) {
    this.owed += rate * this.seconds(most);
    const whole = Math.floor(this.owed);
    this.owed -= whole;
    return whole;
  }
}

// While the trait `playing` is on, `frame` is called before each picture; a pace begins then.
export function playback(view, button, frame, { pace, instead = "take the steps by their buttons" } = {}) {
  const calm = () => view.notice(view.get("playing") && view.still.matches ? `Your system asks for reduced motion: ${instead}.` : "");
  view.bind("playing", (playing) => {
    button.textContent = playing ? "Pause" : "Play";
    pace?.begin();
    view.animate(playing ? frame : null);
    if (playing || view.shown) calm();
  });
  view.still.addEventListener("change", calm, { signal: view.signal });
}
