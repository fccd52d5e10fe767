r"""Where does the bar go? The variance of DDPM's sampler along its steps, right and with seven slips of the pen."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_number
from gmlib.diffusion.variance_recursion import variance_recursion
from gmlib.noise import DDPM
from gmlib.noise.samplers import Step, steps_of
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.chain_steps import COUNTS, check_steps

F64 = torch.float64
VARIANCES = (0.01, 4.0)
NOISES = ("beta", "beta_tilde", "ddim")


@dataclass(frozen=True)
class VarianceRecursionTerms:
    r"""What the widget shows.

    Attributes:
        final: variance of the samples; infinite when it outgrows float64.
        ratio: ``final`` over the variance of the data.
        right: ``final`` with every bar where it belongs.
        first: variance after the first step.
        exact_first: that of the noised data there.
    """

    final: float
    ratio: float
    right: float
    first: float
    exact_first: float


class VarianceRecursion(Widget):
    r"""Data :math:`\mathcal N(0, v)`, the exact denoiser, DDPM's 1,000 noise levels: put three bars where they belong.

    .. math:: x_{k-1} = \frac{1}{\sqrt{1-\beta_k}}\Bigl(x_k
        - \frac{\beta_k}{\sqrt{1-\bar\alpha_k}}\,\hat\varepsilon\Bigr) + \tilde\sigma\varepsilon, \qquad
        \bar\alpha_k = \prod_{j \le k} (1 - \beta_j)

    In three places the quantity of one step, :math:`1-\beta_k` or :math:`\beta_k`, and that of all steps so far,
    :math:`\bar\alpha_k` or :math:`1-\bar\alpha_k`, look alike; one of the eight formulas is right. Here
    :math:`\hat\varepsilon = \sqrt{1-\bar\alpha_k}\,x_k/(\bar\alpha_k v + 1 - \bar\alpha_k)`, a step multiplies the point
    by a number m, and the samples' variance follows :math:`V \leftarrow m^2V + \tilde\sigma^2` from 1 exactly. For v = ¼
    it ends at

    ============================ ============ ==========
    bars                         1,000 steps  50 steps
    ============================ ============ ==========
    below only: right            .2508        .2619
    none                         .0305        .1185
    everywhere                   .0112        .0821
    in front and below           overflows    4.6e65
    ============================ ============ ==========

    With fewer steps than 1,000, :math:`1-\beta_k` is the ratio of :math:`\bar\alpha` between neighbouring times of the
    grid.

    Args:
        variance: v, from 0.01 to 4.
        steps: number of steps, a divisor of 1,000.
        noise: ``"beta"`` or ``"beta_tilde"``, the variance of the noise of a step, or ``"ddim"``, which adds none and has
            none of the three places.
        front: whether the root in front has a bar.
        above: whether the factor above :math:`\hat\varepsilon` has one.
        below: whether the root below it has one.
        last_noise: whether the last step adds noise too.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        J. Ho, A. Jain and P. Abbeel, *Denoising diffusion probabilistic models* (2020), algorithm 2;
        :func:`gmlib.noise.samplers.ancestral` and :func:`gmlib.noise.samplers.ddim` are these samplers.

    Example:
        >>> from gmlib.widgets import VarianceRecursion
        >>> for bars in ((False, False, True), (False, False, False), (True, True, True)):
        ...     front, above, below = bars
        ...     print(f"{VarianceRecursion(front=front, above=above, below=below).terms().final:.4f}")
        0.2508
        0.0305
        0.0112
    """

    _esm = STATIC / "variance_recursion.js"
    shown = ("variance", "steps", "noise", "front", "above", "below", "last_noise")

    variance = traitlets.Float(0.25, min=VARIANCES[0], max=VARIANCES[1], help="variance of the data").tag(
        sync=True
    )
    steps = traitlets.Enum([*COUNTS], 1000, help="number of steps").tag(sync=True)
    noise = traitlets.Enum([*NOISES], "beta", help="variance of the noise of a step").tag(sync=True)
    front = traitlets.Bool(False, help="whether the root in front has a bar").tag(sync=True)
    above = traitlets.Bool(False, help="whether the factor above the noise has a bar").tag(sync=True)
    below = traitlets.Bool(False, help="whether the root below it has a bar").tag(sync=True)
    last_noise = traitlets.Bool(False, help="whether the last step adds noise").tag(sync=True)

    def __init__(
        self,
        variance: float = 0.25,
        steps: int = 1000,
        *,
        noise: str = "beta",
        front: bool = False,
        above: bool = False,
        below: bool = False,
        last_noise: bool = False,
    ) -> None:
        check_number("variance", variance, low=VARIANCES[0], high=VARIANCES[1])
        check_steps(steps, COUNTS)
        check_choice("noise", noise, NOISES)
        for name, value in (("front", front), ("above", above), ("below", below), ("last_noise", last_noise)):
            if not isinstance(value, bool):
                raise TypeError(f"{name} must be a bool, got {type(value).__name__}")
        super().__init__(
            variance=float(variance),
            steps=steps,
            noise=noise,
            front=front,
            above=above,
            below=below,
            last_noise=last_noise,
        )

    def _times(self) -> Float[Tensor, " steps_plus_1"]:
        return torch.arange(self.steps, -1, -1, dtype=F64) / self.steps

    def _slip(self, step: Step) -> float:
        """By what the step multiplies a point with the bars as they are."""
        eps = step.sigma_t / (step.alpha_t**2 * self.variance + step.sigma_t**2)
        front = step.alpha_t if self.front else step.shrink
        above = step.sigma_t**2 if self.above else step.beta
        below = step.sigma_t if self.below else step.beta**0.5
        return (1 - above / below * eps) / front

    def variances(self) -> Float[Tensor, " steps_plus_1"]:
        """The variance of the points from pure noise on, after each step, in float64.

        Example:
            >>> from gmlib.widgets import VarianceRecursion
            >>> print([f"{v:.4f}" for v in VarianceRecursion(steps=2, below=True).variances().tolist()])
            ['1.0000', '0.9999', '0.0055']
        """
        schedule, times = DDPM.linear(), self._times()
        if self.noise == "ddim":
            return variance_recursion(self.variance, schedule, times, sampler="ddim", start_var=1.0)
        if (self.front, self.above, self.below) == (False, False, True):
            kind = "beta" if self.noise == "beta" else "beta_tilde"
            return variance_recursion(
                self.variance, schedule, times, variance=kind, last_noise=self.last_noise, start_var=1.0
            )
        found = [1.0]
        for step in steps_of(schedule, times):
            fresh = step.beta if self.noise == "beta" else step.beta_tilde
            silent = len(found) == self.steps and not self.last_noise
            # A product and not a power: Python raises where a power outgrows its floats.
            m = self._slip(step)
            found.append(m * m * found[-1] + (0.0 if silent else fresh))
        return torch.tensor(found, dtype=F64)

    def exact(self) -> Float[Tensor, " steps_plus_1"]:
        """The variance of the noised data at the same times.

        Example:
            >>> from gmlib.widgets import VarianceRecursion
            >>> print([f"{v:.4f}" for v in VarianceRecursion(steps=2).exact().tolist()])
            ['1.0000', '0.9411', '0.2500']
        """
        signal = DDPM.linear().alpha(self._times()).square()
        return signal * self.variance + 1 - signal

    def terms(self) -> VarianceRecursionTerms:
        """The numbers that the widget shows now, in float64.

        Example:
            >>> from gmlib.widgets import VarianceRecursion
            >>> terms = VarianceRecursion(steps=50, noise="ddim").terms()
            >>> print(f"{terms.final:.4f} {terms.ratio:.4f}")
            0.2222 0.8889
        """
        found, exact = self.variances(), self.exact()
        right = VarianceRecursion(
            self.variance, self.steps, noise=self.noise, below=True, last_noise=self.last_noise
        )
        final = float(found[-1])
        return VarianceRecursionTerms(
            final=final,
            ratio=final / self.variance,
            right=float(right.variances()[-1]),
            first=float(found[1]),
            exact_first=float(exact[1]),
        )
