// A probe that is moved over a stage by its handle, by a click, and by a mouse wherever it goes.
import { number } from "./controls.js";
import { clamp } from "./scale.js";

export function probe(view, stage, on = "") {
  const put = (place) => {
    const inside = (v, i) => Math.round(1000 * clamp(v, ...[stage.x, stage.y][i].domain())) / 1000;
    view.set({ probe: place.map(inside) });
  };
  stage.handle({
    name: () => `probe ${on}at ${view.get("probe").map((v) => number(v)).join(", ")}`,
    kind: "gm-w-orange gm-w-ring",
    get: () => view.get("probe"),
    move: put,
    step: 0.05,
  });
  // A mouse carries the probe along; a finger or the keys move its handle.
  view.listen(stage.canvas, "pointermove", (event) => {
    if (event.pointerType === "mouse") put(stage.where(event.clientX, event.clientY));
  });
  view.listen(stage.canvas, "click", (event) => put(stage.where(event.clientX, event.clientY)));
}
