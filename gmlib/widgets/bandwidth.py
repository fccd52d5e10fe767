r"""Kernels of one width on every point: the kernel density estimate of chapter 01, and how its width is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_number
from gmlib.classical.kde import KERNELS, KernelDensity
from gmlib.distributions.mixture import GaussianMixture
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.draws import Draws, check_seed

F64 = torch.float64
MOST = 200
TEST = 300
LOW, HIGH = 0.03, 4.0

LAWS: dict[str, dict[str, Any]] = {
    "two_gaussians": {
        "label": "two Gaussians",
        "weights": [0.6, 0.4],
        "means": [-1.5, 1.5],
        "stds": [1.0, 0.4],
    },
    # The mixture of largest likelihood for `gmlib.distributions.crab_table`, to two digits; in percent.
    "crabs": {
        "label": "Pearson's crabs, percent",
        "weights": [0.43, 0.57],
        "means": [63.17, 65.46],
        "stds": [1.83, 1.26],
    },
    "normal": {"label": "one Gaussian", "weights": [1.0], "means": [0.0], "stds": [1.0]},
}
"""The laws to draw from: weights, means and standard deviations of their components."""


@dataclass(frozen=True)
class BandwidthTerms:
    r"""What the widget shows; the first four in nats a point.

    Attributes:
        train: average negative log-likelihood of the training points.
        leave_one_out: the same, each point under the estimate from the others.
        test: the same for held-out points.
        entropy: entropy of the true law: what the test value of the law itself has as its mean.
        mean: mean of the estimate, which is the sample's.
        sample_variance: S, variance of the sample (divisor n).
        variance: variance of the estimate, :math:`S + \ell^2` or, for the boxcar, :math:`S + \tfrac13\ell^2`.
    """

    train: float
    leave_one_out: float
    test: float
    entropy: float
    mean: float
    sample_variance: float
    variance: float


class Bandwidth(Widget):
    r"""Drag the bandwidth :math:`\ell` of a kernel density estimate; it redraws over the law that the points came from.

    .. math:: \hat p_\ell(x) = \frac1n\sum_{i=1}^n \mathcal K_\ell(x - x_i), \qquad
        \mathrm{Var}(\hat p_\ell) = S + \ell^2 \ \text{(Gaussian)}, \quad S + \tfrac13\ell^2 \ \text{(boxcar)}

    Negative log-likelihoods of the training points, of held-out points, and of each training point under the estimate
    from the others, now and against :math:`\ell`; the minimum of the last one is marked.

    Args:
        law: where the points come from: ``"two_gaussians"``, ``"crabs"`` (the mixture of two that fits Weldon's crabs;
            forehead over body length, in percent) or ``"normal"``.
        n: number of training points, 5 to 200.
        bandwidth: :math:`\ell`, from 0.03 to 4, in the units of the law.
        kernel: ``"gaussian"`` (then :math:`\ell` is its standard deviation) or ``"boxcar"`` (its half-width).
        truth: whether the true density is shown.
        kernels: whether the kernels are shown.
        seed: seed of the points.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        E. Parzen, *On estimation of a probability density function and mode* (1962);
        :class:`gmlib.classical.KernelDensity` computes the same in torch.

    Example:
        >>> from gmlib.widgets import Bandwidth
        >>> terms = Bandwidth(bandwidth=0.15).terms()
        >>> terms.train < terms.entropy < terms.leave_one_out
        True
    """

    _esm = STATIC / "bandwidth.js"
    shown = ("law", "n", "bandwidth", "kernel", "seed")

    laws = traitlets.Dict(LAWS, help="the laws to choose from").tag(sync=True)
    bandwidth_range = traitlets.List(traitlets.Float(), [LOW, HIGH], help="least and largest bandwidth").tag(
        sync=True
    )
    law = traitlets.Enum([*LAWS], "two_gaussians", help="where the points come from").tag(sync=True)
    n = traitlets.Int(40, min=5, max=MOST, help="number of training points").tag(sync=True)
    bandwidth = traitlets.Float(0.15, min=LOW, max=HIGH, help="bandwidth of the kernels").tag(sync=True)
    kernel = traitlets.Enum([*KERNELS], "gaussian", help="shape of the kernels").tag(sync=True)
    truth = traitlets.Bool(True, help="whether the true density is shown").tag(sync=True)
    kernels = traitlets.Bool(True, help="whether the kernels are shown").tag(sync=True)

    def __init__(
        self,
        law: str = "two_gaussians",
        *,
        n: int = 40,
        bandwidth: float = 0.15,
        kernel: str = "gaussian",
        truth: bool = True,
        kernels: bool = True,
        seed: int = 0,
    ) -> None:
        check_choice("law", law, tuple(LAWS))
        check_count("n", n, low=5)
        if n > MOST:
            raise ValueError(f"n must be at most {MOST}, got {n}")
        check_number("bandwidth", bandwidth, low=LOW, high=HIGH)
        check_choice("kernel", kernel, KERNELS)
        for name, value in (("truth", truth), ("kernels", kernels)):
            if not isinstance(value, bool):
                raise TypeError(f"{name} must be True or False, got {value!r}")
        check_seed(seed)
        super().__init__(
            law=law,
            n=n,
            bandwidth=float(bandwidth),
            kernel=kernel,
            truth=truth,
            kernels=kernels,
            seed=seed,
        )

    @property
    def distribution(self) -> GaussianMixture:
        """The law that the points come from, over vectors of one coordinate, in float64.

        Example:
            >>> from gmlib.widgets import Bandwidth
            >>> Bandwidth("normal").distribution.variance
            tensor([1.], dtype=torch.float64)
        """
        weights, means, stds = (
            torch.tensor(LAWS[self.law][key], dtype=F64) for key in ("weights", "means", "stds")
        )
        return GaussianMixture(means[:, None], weights=weights, cov=stds.square()[:, None, None])

    def sample(self) -> tuple[Float[Tensor, "n 1"], Float[Tensor, "test 1"]]:
        """The points that the browser draws from the seed: for training, (n, 1), and held out, (300, 1).

        Example:
            >>> from gmlib.widgets import Bandwidth
            >>> [len(points) for points in Bandwidth(n=20).sample()]
            [20, 300]
        """
        draws = Draws(self.seed)
        law = LAWS[self.law]

        def one() -> float:
            u, k = draws.uniform(), 0
            while k < len(law["weights"]) - 1 and u >= law["weights"][k]:
                u -= law["weights"][k]
                k += 1
            return law["means"][k] + law["stds"][k] * draws.normal()

        points = torch.tensor([one() for _ in range(MOST + TEST)], dtype=F64)[:, None]
        return points[: self.n], points[MOST:]

    def terms(self) -> BandwidthTerms:
        """The numbers that the widget shows now, computed by torch in float64.

        Example:
            >>> from gmlib.widgets import Bandwidth
            >>> t = Bandwidth(bandwidth=0.3, kernel="boxcar").terms()
            >>> print(f"{t.variance - t.sample_variance:.4f}")  # a third of 0.09
            0.0300
        """
        train, test = self.sample()
        estimate = KernelDensity(train, self.bandwidth, "boxcar" if self.kernel == "boxcar" else "gaussian")
        law = self.distribution
        reach = 15 * law.stddev.item()
        x = torch.linspace(law.mean.item() - reach, law.mean.item() + reach, 20_001, dtype=F64)
        log_p = law.log_prob(x[:, None])
        return BandwidthTerms(
            train=-estimate.log_prob(train).mean().item(),
            leave_one_out=-estimate.leave_one_out().mean().item(),
            test=-estimate.log_prob(test).mean().item(),
            entropy=-torch.trapezoid(log_p.exp() * log_p, x).item(),
            mean=estimate.mean.item(),
            sample_variance=train.var(correction=0).item(),
            variance=estimate.variance.item(),
        )
