// Drawing on a picture by a mouse, a pen or a finger.

// `draw` gets every event of a stroke and whether it is the first; `ready`: whether the picture can be drawn on.
export function onStrokes(view, canvas, ready, draw) {
  let down = false;
  view.listen(canvas, "pointerdown", (event) => {
    if (!ready() || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    down = true;
    draw(event, true);
    event.preventDefault();
  });
  view.listen(canvas, "pointermove", (event) => {
    if (down) for (const e of event.getCoalescedEvents?.() ?? [event]) draw(e, false);
  });
  for (const end of ["pointerup", "pointercancel"]) view.listen(canvas, end, () => (down = false));
}

// A brush carried by its handle draws as well; a click and the space bar put one dab.
export function onCarried(view, handle, dab) {
  let carried = false;
  view.listen(handle, "pointerdown", () => (carried = true));
  view.listen(handle, "pointermove", () => carried && dab());
  for (const end of ["pointerup", "pointercancel"]) view.listen(handle, end, () => (carried = false));
  view.listen(handle, "click", dab);
}

export function onDelete(view, handle, act) {
  view.listen(handle, "keydown", (event) => {
    if (event.key !== "Delete" && event.key !== "Backspace") return;
    event.preventDefault();
    act();
  });
}
