// A law in the plane whose points have classes: the best denoiser and score with a class, without, and guided by one, and the
// best classifier. The oracles are gmlib.diffusion.guidance.LabelledLaw and gmlib.noise.guidance.ClassifierFree.
import { Mixture } from "./mixture.js";
import { exactDenoiser } from "./mixture_samplers.js";

export class LabelledLaw {
  // As a mixture has them, and the class of each component; classes are as likely as their components together.
  constructor({ weights, means, covariances, labels }) {
    const part = (chosen) =>
      new Mixture({
        weights: weights.filter((_, k) => chosen(k)),
        means: means.filter((_, i) => chosen(Math.floor(i / 2))),
        covariances: covariances.filter((_, i) => chosen(Math.floor(i / 3))),
      });
    const classes = 1 + Math.max(...labels);
    this.labels = labels;
    this.all = part(() => true);
    this.each = Array.from({ length: classes }, (_, c) => part((k) => labels[k] === c));
    this.untold = exactDenoiser(this.all);
    this.told = this.each.map((law) => exactDenoiser(law));
  }

  // The class that the best classifier takes each of the points for, which have no noise any more.
  judge(points) {
    const { all, labels, each } = this;
    const top = new Float64Array(each.length);
    return Uint8Array.from({ length: points.length / 2 }, (_, i) => {
      const most = all.logTerms(points[2 * i], points[2 * i + 1]);
      top.fill(0);
      for (let k = 0; k < all.n; k++) top[labels[k]] += Math.exp(all.terms[k] - most);
      return top.indexOf(Math.max(...top));
    });
  }

  // x0(points, alpha, sigma), guided by a class: u + w (c - u). Where w is 1 or 0, one answer is enough.
  guided(label, w) {
    const { told: { [label]: told }, untold } = this;
    if (w === 1) return told;
    if (w === 0) return untold;
    return (points, alpha, sigma) => {
      const c = told(points, alpha, sigma);
      const u = untold(points, alpha, sigma);
      return c.map((v, i) => u[i] + w * (v - u[i]));
    };
  }

  // Scores of the noised laws at points: without the class, with it, and guided.
  scores(points, { label, w, alpha, sigma }) {
    const [u, c] = [this.all, this.each[label]].map((law) => law.noised(sigma, alpha).scores(points));
    return [u, c, u.map((v, i) => v + w * (c[i] - v))];
  }

  // Share of the points that are taken for the class, and their variance about their own mean (of both coordinates
  // together) over that of the class.
  measure(points, label) {
    const n = points.length / 2;
    const right = this.judge(points).reduce((sum, found) => sum + (found === label), 0);
    const mean = [0, 1].map((d) => points.reduce((sum, v, i) => sum + (i % 2 === d ? v : 0), 0) / n);
    const variance = points.reduce((sum, v, i) => sum + (v - mean[i % 2]) ** 2, 0) / n;
    const [x, y] = this.each[label].moments().variance;
    return { accuracy: right / n, spread: variance / (x + y) };
  }
}
