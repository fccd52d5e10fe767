// Laws in the plane that are fetched by the name that the trait `law` has.
import { Mixture } from "./mixture.js";
import { weights } from "./weights.js";

const NAMES = {
  two_moons: "two moons", swiss_roll: "Swiss roll", eight_gaussians: "eight Gaussians", sixteen_gaussians: "sixteen Gaussians",
  ring: "ring", pinwheel: "pinwheel", checkerboard: "checkerboard", banana: "banana", cross: "cross",
};

export const nameOf = (law) => NAMES[law] ?? law;
export const lawOptions = (laws) => laws.map((law) => [law, nameOf(law)]);

export const mixtureOf = ({ weights, means, covariances }) => new Mixture({ weights: weights.data, means: means.data, covariances: covariances.data });

// Hands the law's name and arrays to `use`, unless another law was chosen meanwhile.
export async function fetchLaw(view, use, what = "law") {
  const law = view.get("law");
  const late = () => view.get("law") !== law || view.signal.aborted;
  try {
    const arrays = await weights(view, law);
    if (late()) return;
    view.notice("");
    use(law, arrays);
  } catch (error) {
    if (!late()) view.notice(`The ${what} “${nameOf(law)}” could not be loaded. ${error.message}`);
  }
}
