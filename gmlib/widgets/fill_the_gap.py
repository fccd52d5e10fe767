r"""Fill the gap: a normal field, some of it measured, and samplers that are told how sure their guess is, or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_number
from gmlib.distributions import Gaussian
from gmlib.noise import DDPM, Denoiser, exact_denoiser
from gmlib.noise.guidance import Measured
from gmlib.noise.guidance.measured import COVARIANCES
from gmlib.noise.samplers import ancestral, ddim, ddpm_times, steps_of
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.chain_steps import FINE, check_steps
from gmlib.widgets.draws import check_seed

F64 = torch.float64
PLACES = 20
NUGGET = 1e-3
REACH = 3.0
LENGTHS = (0.5, 6.0)
NOISES = (0.05, 1.0)
SAMPLERS = ("ancestral", "ddim")
VALUES = (
    1.1,
    1.4,
    1.0,
    0.3,
    -0.3,
    -0.5,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    1.2,
    0.8,
    -0.2,
    -1.0,
    -1.3,
    -1.0,
)
SEEN = (0, 1, 3, 4, 5, 14, 15, 17, 19)


class FieldLaw(NamedTuple):
    """A normal law over the places: its mean, (20,), and its covariance, (20, 20), in float64."""

    mean: Tensor
    cov: Tensor


@dataclass(frozen=True)
class FillTheGapTerms:
    """What the widget shows, for one way of guiding.

    Attributes:
        off: root mean square over the places of the distance of the samples' mean to the exact one.
        band: root mean variance of the samples over the exact one.
        correlation: between the two chosen places, in the samples.
        exact_correlation: the same given the measurement, exactly.
    """

    off: float
    band: float
    correlation: float
    exact_correlation: float


class FillTheGap(Widget):
    r"""Twenty places in a row with covariance :math:`e^{-(i-j)^2/2\ell^2}`: measure some, and let a sampler fill the gap.

    The measurement :math:`y = Ax_0 + \sigma_y\varepsilon` steers the sampler by

    .. math:: J^\top A^\top\big(ACA^\top + \sigma_y^2I\big)^{-1}(y - A\hat x_0), \qquad
        J = \frac{\partial\hat x_0}{\partial x_t}

    where C says how sure the guess :math:`\hat x_0` is: its true covariance (``"tweedie"``), with which the samples
    follow the exact posterior; one number for all places (``"isotropic"``); or nothing (``"none"``), as if the guess were
    the truth. The laws are exact, not drawn: every step is affine in the point, so a normal law stays one. With 1,000
    ancestral steps, for the measurement that the widget starts with, the samples' mean is off by (root mean square) and
    their band, over the exact one, is

    ========= ====== =====
    C         off    band
    ========= ====== =====
    tweedie   .0000  1.00
    isotropic .0708  1.07
    none      .2410  .89
    ========= ====== =====

    Taken for the truth, the guess is pulled so hard where :math:`\sigma_y` is small that short steps are not short
    enough, and the samples fly off.

    Args:
        values: what was measured at the twenty places, from -3 to 3; those of places that are not seen are kept.
        seen: numbers of the places that are, from 0.
        length: :math:`\ell`, from 0.5 to 6 places.
        noise: :math:`\sigma_y`, standard deviation of the measurement's noise, from 0.05 to 1.
        covariance: "tweedie", "isotropic" or "none".
        sampler: "ancestral", with noise of variance beta, or "ddim".
        steps: number of steps, a divisor of 1,000 from 20 on.
        pair: two places, whose joint law is drawn as an ellipse.
        seed: of the samples that are drawn from the law.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        H. Chung et al., *Diffusion posterior sampling* (2023), eq. 15 ("none"); B. Boys et al., *Tweedie moment projected
        diffusions* (2024), eq. 10 ("tweedie"); :class:`gmlib.noise.guidance.Measured` is all three.

    Example:
        >>> from gmlib.widgets import FillTheGap
        >>> for covariance in ("tweedie", "isotropic", "none"):
        ...     terms = FillTheGap(noise=0.6, covariance=covariance, steps=20).terms()
        ...     print(f"{terms.off:.3f} {terms.band:.2f}")
        0.000 0.97
        0.045 0.99
        0.243 0.87
    """

    _esm = STATIC / "fill_the_gap.js"
    shown = ("values", "seen", "length", "noise", "covariance", "sampler", "steps", "pair", "seed")

    values = traitlets.List(
        traitlets.Float(min=-REACH, max=REACH),
        [*VALUES],
        minlen=PLACES,
        maxlen=PLACES,
        help="what was measured, place by place",
    ).tag(sync=True)
    seen = traitlets.List(
        traitlets.Int(min=0, max=PLACES - 1), [*SEEN], help="numbers of the places that are measured"
    ).tag(sync=True)
    length = traitlets.Float(2.5, min=LENGTHS[0], max=LENGTHS[1], help="length scale of the field").tag(
        sync=True
    )
    noise = traitlets.Float(0.3, min=NOISES[0], max=NOISES[1], help="std of the measurement's noise").tag(
        sync=True
    )
    covariance = traitlets.Enum([*COVARIANCES], "none", help="how sure the guess is taken to be").tag(
        sync=True
    )
    sampler = traitlets.Enum([*SAMPLERS], "ancestral", help="the sampler").tag(sync=True)
    steps = traitlets.Enum([*FINE], 100, help="number of steps").tag(sync=True)
    pair = traitlets.List(
        traitlets.Int(min=0, max=PLACES - 1), [8, 11], minlen=2, maxlen=2, help="places of the ellipse"
    ).tag(sync=True)

    def __init__(
        self,
        values: Sequence[float] = VALUES,
        seen: Sequence[int] = SEEN,
        *,
        length: float = 2.5,
        noise: float = 0.3,
        covariance: str = "none",
        sampler: str = "ancestral",
        steps: int = 100,
        pair: Sequence[int] = (8, 11),
        seed: int = 0,
    ) -> None:
        for value in _listed("values", values, PLACES):
            check_number("values", value, low=-REACH, high=REACH)
        for name, places in (("seen", _listed("seen", seen)), ("pair", _listed("pair", pair, 2))):
            for place in places:
                check_count(name, place, low=0)
                if place >= PLACES:
                    raise ValueError(f"{name} must be numbers from 0 to {PLACES - 1}, got {place}")
        check_number("length", length, low=LENGTHS[0], high=LENGTHS[1])
        check_number("noise", noise, low=NOISES[0], high=NOISES[1])
        check_choice("covariance", covariance, COVARIANCES)
        check_choice("sampler", sampler, SAMPLERS)
        check_steps(steps, FINE)
        check_seed(seed)
        super().__init__(
            values=[float(value) for value in values],
            seen=sorted(set(seen)),
            length=float(length),
            noise=float(noise),
            covariance=covariance,
            sampler=sampler,
            steps=steps,
            pair=[*pair],
            seed=seed,
        )

    @property
    def prior(self) -> Gaussian:
        """The field before anything is measured, float64.

        Example:
            >>> from gmlib.widgets import FillTheGap
            >>> print(f"{FillTheGap(length=1.0).prior.covariance[0, 1]:.4f}")
            0.6065
        """
        place = torch.arange(PLACES, dtype=F64)
        near = torch.exp(-0.5 * ((place[:, None] - place) / self.length) ** 2)
        return Gaussian(torch.zeros(PLACES, dtype=F64), cov=near + NUGGET * torch.eye(PLACES, dtype=F64))

    def _measured(self) -> tuple[Float[Tensor, "m 20"], Float[Tensor, " m"]]:
        """The matrix that picks the seen places, and what was seen."""
        seen = sorted(set(self.seen))
        return torch.eye(PLACES, dtype=F64)[seen], torch.tensor(self.values, dtype=F64)[seen]

    def posterior(self) -> FieldLaw:
        r"""The exact law of the field given the measurement.

        .. math:: m = CA^\top(ACA^\top + \sigma_y^2I)^{-1}y, \qquad C - CA^\top(ACA^\top + \sigma_y^2I)^{-1}AC

        Example:
            >>> from gmlib.widgets import FillTheGap
            >>> law = FillTheGap([2.0] * 20, [4], noise=1.0).posterior()
            >>> print(f"{law.mean[4]:.3f} {law.cov[4, 4]:.3f}")
            1.000 0.500
        """
        matrix, y = self._measured()
        cov = self.prior.covariance
        own = matrix @ cov @ matrix.mT + self.noise**2 * torch.eye(len(y), dtype=F64)
        gain = torch.linalg.solve(own, matrix @ cov).mT
        return FieldLaw(gain @ y, cov - gain @ matrix @ cov)

    def sampled(self) -> FieldLaw:
        """The law of what the guided sampler makes: each step is asked where it takes the origin and the axes.

        Example:
            >>> from gmlib.widgets import FillTheGap
            >>> gap = FillTheGap([1.0] * 20, [4], covariance="tweedie", steps=20)
            >>> print(f"{float((gap.sampled().mean - gap.posterior().mean).abs().max()):.4f}")
            0.0000
        """
        schedule = DDPM.linear()
        denoiser: Denoiser = exact_denoiser(self.prior, schedule)
        matrix, y = self._measured()
        if len(y):
            rule: Any = self.covariance
            denoiser = Measured(denoiser, matrix, y, self.noise**2, covariance=rule, var=1 + NUGGET)
        origin_and_axes = torch.cat([torch.zeros(1, PLACES, dtype=F64), torch.eye(PLACES, dtype=F64)])
        steps = steps_of(schedule, ddpm_times(schedule, self.steps))
        mean = torch.zeros(PLACES, dtype=F64)
        cov = steps[0].sigma_t ** 2 * torch.eye(PLACES, dtype=F64)
        run = ddim if self.sampler == "ddim" else ancestral
        for step in steps:
            # The last step of a grid adds no noise: this is the mean.
            ends = run(denoiser, origin_and_axes, [step.t, step.s]).x
            turned = (ends[1:] - ends[0]).mT
            fresh = step.beta if run is ancestral and step.s > 0 else 0.0
            mean = ends[0] + turned @ mean
            cov = turned @ cov @ turned.mT + fresh * torch.eye(PLACES, dtype=F64)
        return FieldLaw(mean, cov)

    def terms(self) -> FillTheGapTerms:
        """The numbers that the widget shows now.

        Example:
            >>> from gmlib.widgets import FillTheGap
            >>> terms = FillTheGap(covariance="tweedie", steps=20).terms()
            >>> print(f"{terms.band:.2f}")
            0.97
        """
        exact, found = self.posterior(), self.sampled()
        return FillTheGapTerms(
            off=float((found.mean - exact.mean).square().mean().sqrt()),
            band=float((found.cov.trace() / exact.cov.trace()).sqrt()),
            correlation=self._correlation(found.cov),
            exact_correlation=self._correlation(exact.cov),
        )

    def _correlation(self, cov: Tensor) -> float:
        i, j = self.pair
        return float(cov[i, j] / (cov[i, i] * cov[j, j]).sqrt())


def _listed(name: str, given: Any, length: int | None = None) -> Sequence[Any]:
    """A sequence of that length, or an error that names it."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"{name} must be a sequence of numbers, got {type(given).__name__}")
    if length is not None and len(given) != length:
        raise ValueError(f"{name} must be {length} numbers, got {len(given)}")
    return given
