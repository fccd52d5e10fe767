// A trained score, s(x, sigma) = -(x - m) / (v + sigma^2) + sqrt(v) / (sigma sqrt(v + sigma^2)) F(u, log(sigma) / 4) with
// u = (x - m) / sqrt(v + sigma^2): the round normal law's score and a network's correction. The oracle is
// gmlib.score.ScoreNetwork in float64.
import { Forward, layersOf } from "./mlp.js";
import { POINTS } from "./simd.js";

export class ScoreNetwork {
  // arrays: those of gmlib's state, as `weights()` gives them: the network's layers, `mean` (2) and `var` (one number).
  constructor(arrays, simd = true) {
    this.mean = arrays.mean.data;
    [this.variance] = arrays.var.data;
    this.network = new Forward(layersOf(arrays), simd);
  }

  // The score at each of the points (flat pairs) at one noise level, into `out`.
  scores(points, sigma, out = new Float64Array(points.length)) {
    const { network, variance } = this;
    const [mx, my] = this.mean;
    const total = variance + sigma * sigma;
    const shrink = 1 / Math.sqrt(total);
    const scale = Math.sqrt(variance) / (sigma * Math.sqrt(total));
    const level = 0.25 * Math.log(sigma);
    let at = 0;
    const fill = (rows) => {
      for (let i = 0; i < POINTS; i++) {
        const k = Math.min(at + 2 * i, points.length - 2); // the last block may be short
        rows[i] = shrink * (points[k] - mx);
        rows[POINTS + i] = shrink * (points[k + 1] - my);
        rows[2 * POINTS + i] = level;
      }
    };
    const take = (rows) => {
      const count = Math.min(POINTS, (points.length - at) / 2);
      for (let i = 0; i < count; i++) {
        const k = at + 2 * i;
        const [x, y] = [points[k] - mx, points[k + 1] - my]; // `out` may be `points`
        out[k] = scale * rows[i] - x / total;
        out[k + 1] = scale * rows[POINTS + i] - y / total;
      }
    };
    for (; at < points.length; at += 2 * POINTS) network.block(fill, take);
    return out;
  }
}
