// Seeded draws: the same seed gives the same picture in every home.
import { randomNormal } from "d3-random";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

// A function that draws from U[0, 1), with `.normal()` for N(0, 1).
export function random(seed) {
  const generator = xoroshiro128plus(seed);
  const uniform = () => uniformFloat64(generator);
  uniform.normal = randomNormal.source(uniform)(0, 1);
  return uniform;
}

export function normals(n, seed) {
  const { normal } = random(seed);
  return Float64Array.from({ length: n }, normal);
}
