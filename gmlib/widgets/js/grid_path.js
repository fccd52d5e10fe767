// Lines of the base, `lines` vertical and then as many horizontal ones, `gap` apart, and where each layer takes their points:
// { places, ends }, the places after 0, 1, ..., depth layers (flat pairs) and the number of points of each line. What a layer
// stretches to more than `stretched` gets points in between, as often as there are `passes`.
export function gridPath(flow, { lines = 15, points = 121, gap = 0.5, stretched = 0.1, passes = 6 } = {}) {
  const at = (i) => gap * (i - (lines - 1) / 2);
  const reach = at(lines - 1);
  const place = ([line, t]) => (line < lines ? [at(line), t] : [t, at(line - lines)]);
  const taken = (wanted) => {
    const { places } = flow.path(Float64Array.from(wanted.flatMap(place)));
    return wanted.map(([, t], k) => ({ t, way: places.map((v) => [v[2 * k], v[2 * k + 1]]) }));
  };
  const first = Array.from({ length: 2 * lines * points }, (_, k) => [Math.floor(k / points), reach * ((2 * (k % points)) / (points - 1) - 1)]);
  const start = taken(first);
  let rows = Array.from({ length: 2 * lines }, (_, line) => start.slice(line * points, (line + 1) * points));
  const far = (p, q) => p.way.some(([x, y], i) => Math.hypot(q.way[i][0] - x, q.way[i][1] - y) > stretched);
  for (let pass = 0; pass < passes; pass++) {
    const gaps = rows.flatMap((row, line) => row.slice(1).flatMap((q, k) => (far(row[k], q) ? [[line, (row[k].t + q.t) / 2]] : [])));
    if (!gaps.length) break;
    taken(gaps).forEach((point, i) => rows[gaps[i][0]].push(point));
    for (const row of rows) row.sort((p, q) => p.t - q.t);
  }
  const all = rows.flat();
  const places = all[0].way.map((_, i) => Float64Array.from(all.flatMap(({ way }) => way[i])));
  return { places, ends: rows.map((row) => row.length) };
}
