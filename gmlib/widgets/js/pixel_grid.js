// A square of pixels as buttons, one of which the tab key reaches: flipped by a click or by space, painted over by a mouse.

// value(i): +1 or -1; put(i, value): what a flip or a brush asks for. Returns the buttons.
export function pixelGrid(view, parent, side, label, { value, put }) {
  const grid = view.make("div", "", parent);
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", label);
  grid.style.cssText = `display: grid; grid-template-columns: repeat(${side}, minmax(0, 1fr)); gap: 5px; width: 100%; max-width: 18rem; touch-action: manipulation`;
  let focus = (side * side - 1) / 2;
  const cells = Array.from({ length: side * side }, (_, i) => {
    const cell = view.make("button", "gm-w-button", grid);
    cell.type = "button";
    cell.tabIndex = i === focus ? 0 : -1;
    cell.style.cssText = "aspect-ratio: 1; min-height: 0; padding: 0; border-radius: 5px; font-size: 0.8125rem; user-select: none";
    return cell;
  });
  let [brush, done] = [0, false];
  cells.forEach((cell, i) => {
    view.listen(cell, "focus", () => {
      cells[focus].tabIndex = -1;
      focus = i;
      cell.tabIndex = 0;
    });
    // A mouse or pen that is pressed paints on over other cells; a finger taps.
    view.listen(cell, "pointerdown", (event) => {
      done = event.pointerType !== "touch" && event.button === 0;
      if (!done) return;
      brush = -value(i);
      put(i, brush);
    });
    view.listen(cell, "pointerenter", (event) => {
      if (brush && event.buttons & 1) put(i, brush);
    });
    view.listen(cell, "click", (event) => {
      if (!(event.detail && done)) put(i, -value(i));
      done = false;
    });
    view.listen(cell, "keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const [column, row] = [(i % side) + way[0], Math.floor(i / side) + way[1]];
      if (column >= 0 && column < side && row >= 0 && row < side) cells[row * side + column].focus();
    });
  });
  for (const end of ["pointerup", "pointercancel"]) view.listen(window, end, () => (brush = 0));
  return cells;
}
