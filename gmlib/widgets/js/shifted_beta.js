// Two Beta laws with whole parameters on intervals of length 1, one of them moved: four distances and two critics, exactly.

const choose = (n, k) => (k ? (choose(n - 1, k - 1) * n) / k : 1);
const clip = (v) => Math.min(1, Math.max(0, v));

// Density, its derivative, distribution function and the integral of that, on [0, 1] and, as due, beyond it.
export function beta(a, b) {
  const constant = a * choose(a + b - 1, a);
  const tail = (y, k, n) => {
    let sum = 0;
    for (let j = k; j <= n; j++) sum += choose(n, j) * y ** j * (1 - y) ** (n - j);
    return sum;
  };
  const mean = a / (a + b);
  return {
    mean,
    density: (y) => (y < 0 || y > 1 ? 0 : constant * y ** (a - 1) * (1 - y) ** (b - 1)),
    slope: (y) => (y < 0 || y > 1 ? 0 : constant * y ** (a - 2) * (1 - y) ** (b - 2) * ((a - 1) * (1 - y) - (b - 1) * y)),
    // Of a + b - 1 uniform numbers at least a are below y.
    cdf: (y) => tail(clip(y), a, a + b - 1),
    // By parts: y F(y) less the partial mean, which is the law's mean times a distribution function with a + 1.
    area: (y) => (y <= 0 ? 0 : clip(y) * tail(clip(y), a, a + b - 1) - mean * tail(clip(y), a + 1, a + b) + Math.max(0, y - 1)),
  };
}

export const P = beta(3, 5);
export const Q = beta(2, 3);

// Nodes and weights of Gauss and Legendre on [0, 1], by Newton's method.
export function legendre(n) {
  const [nodes, weights] = [new Float64Array(n), new Float64Array(n)];
  for (let i = 0; i < n; i++) {
    let x = -Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
    let slope = 1;
    for (let round = 0; round < 100; round++) {
      let [before, now] = [1, x];
      for (let k = 2; k <= n; k++) [before, now] = [now, ((2 * k - 1) * x * now - (k - 1) * before) / k];
      slope = (n * (before - x * now)) / (1 - x * x);
      const change = now / slope;
      x -= change;
      if (Math.abs(change) < 1e-15) break;
    }
    nodes[i] = (x + 1) / 2;
    weights[i] = 1 / ((1 - x * x) * slope * slope);
  }
  return { nodes, weights };
}

const fine = legendre(200);
const coarse = legendre(48);
const masses = (law, { nodes, weights }) => nodes.map((y, i) => weights[i] * law.density(y));
const [MASS_P, MASS_Q] = [masses(P, coarse), masses(Q, coarse)];

// KL(p‖q) of the laws on one interval; on any other pair of intervals it is infinite.
export const KL = fine.nodes.reduce((sum, y, i) => sum + fine.weights[i] * P.density(y) * Math.log(P.density(y) / Q.density(y)), 0);
export const kl = (shift) => (shift === 0 ? KL : Infinity);

// The Jensen-Shannon divergence and its slope in the shift.
export function jsd(shift) {
  const { nodes, weights } = fine;
  let [value, slope] = [0, 0];
  nodes.forEach((y, i) => {
    const [p, q] = [P.density(y), Q.density(y)];
    const [qp, pq] = [Q.density(y - shift), P.density(y + shift)];
    value += 0.5 * weights[i] * (p * Math.log((2 * p) / (p + qp)) + q * Math.log((2 * q) / (q + pq)));
    slope += 0.5 * weights[i] * ((p * Q.slope(y - shift)) / (p + qp) - (q * P.slope(y + shift)) / (q + pq));
  });
  return { value, slope };
}

// The optimal critic of the Wasserstein distance: its corners, its slope after each, and what it attains. Its slope is the
// sign of F_q - F_p, and 0 where these agree.
export function critic(shift) {
  const gap = (x) => Q.cdf(x - shift) - P.cdf(x);
  const area = (x) => Q.area(x - shift) - P.area(x);
  const corners = [0, 1, shift, shift + 1].sort((a, b) => a - b);
  const inside = [];
  const parts = 64;
  for (let piece = 0; piece < 3; piece++) {
    const [from, to] = [corners[piece], corners[piece + 1]];
    for (let i = 0; i < parts; i++) {
      let [low, high] = [from + ((to - from) * i) / parts, from + ((to - from) * (i + 1)) / parts];
      // A law that ends leaves rounding errors behind, which are no crossing.
      if (!(gap(low) * gap(high) < -1e-24)) continue;
      const rising = gap(high) > 0;
      for (let round = 0; round < 60; round++) {
        const middle = (low + high) / 2;
        if (gap(middle) > 0 === rising) high = middle;
        else low = middle;
      }
      inside.push((low + high) / 2);
    }
  }
  const places = [...corners, ...inside].sort((a, b) => a - b);
  let [value, slope] = [0, 0];
  const slopes = places.slice(1).map((to, i) => {
    const from = places[i];
    const between = gap((from + to) / 2);
    const sign = Math.abs(between) < 1e-12 ? 0 : Math.sign(between);
    value += sign * (area(to) - area(from));
    slope -= sign * (Q.cdf(to - shift) - Q.cdf(from - shift));
    return sign;
  });
  return { places, slopes, value, slope };
}

// That critic at increasing places, 0 half way between the two means.
export function criticAt(xs, { places, slopes }, shift) {
  const at = (x) => {
    let sum = 0;
    slopes.forEach((slope, i) => (sum += slope * (Math.min(Math.max(x, places[i]), places[i + 1]) - places[i])));
    return sum;
  };
  const middle = at((P.mean + Q.mean + shift) / 2);
  return Float64Array.from(xs, (x) => at(x) - middle);
}

// The law of y - x for independent x and y, as points and weights: its density is a polynomial on either side of 0.
function difference(first, second) {
  const { nodes, weights } = coarse;
  const overlap = (d) => {
    const [from, to] = [Math.max(0, -d), Math.min(1, 1 - d)];
    return nodes.reduce((sum, t, i) => {
      const x = from + (to - from) * t;
      return sum + weights[i] * (to - from) * first.density(x) * second.density(x + d);
    }, 0);
  };
  const places = [...nodes].map((t) => t - 1).concat([...nodes]);
  return { places, masses: places.map((d, i) => weights[i % nodes.length] * overlap(d)) };
}

const [PQ, PP, QQ] = [difference(P, Q), difference(P, P), difference(Q, Q)];

// The squared MMD under the Gaussian kernel and its slope, by the shift; `most` is what it approaches.
export function mmd2(bandwidth) {
  const scale = 0.5 / bandwidth ** 2;
  const kernel = (d) => Math.exp(-scale * d * d);
  const mean = ({ places, masses }, act) => places.reduce((sum, d, i) => sum + masses[i] * act(d), 0);
  const most = mean(PP, kernel) + mean(QQ, kernel);
  return {
    most,
    value: (shift) => Math.max(0, most - 2 * mean(PQ, (d) => kernel(d + shift))),
    slope: (shift) => 4 * scale * mean(PQ, (d) => (d + shift) * kernel(d + shift)),
  };
}

// The function of norm 1 in the kernel's space whose means differ most: by the MMD.
export function witness(xs, shift, bandwidth, value) {
  const { nodes } = coarse;
  const scale = 0.5 / bandwidth ** 2;
  const norm = Math.sqrt(value);
  return Float64Array.from(xs, (x) => {
    let sum = 0;
    for (let i = 0; i < nodes.length; i++) {
      sum += MASS_P[i] * Math.exp(-scale * (x - nodes[i]) ** 2) - MASS_Q[i] * Math.exp(-scale * (x - nodes[i] - shift) ** 2);
    }
    return norm > 0 ? sum / norm : 0;
  });
}
