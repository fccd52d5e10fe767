r"""One normal law for a target of two bumps: forward against reverse projection, in chapter 01."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import traitlets

from gmlib._checks import check_number
from gmlib.distributions.divergences import divergences_1d
from gmlib.distributions.gaussian import Gaussian
from gmlib.distributions.mixture import GaussianMixture
from gmlib.widgets.base import STATIC, Widget

F64 = torch.float64
MEANS = (-4.0, 4.0)
STDS = (0.2, 4.0)


@dataclass(frozen=True)
class TwoBumpsTerms:
    r"""What the widget shows for one q.

    Attributes:
        forward: :math:`\mathrm{KL}(p\|q)`, nats.
        reverse: :math:`\mathrm{KL}(q\|p)`, nats.
        mean: mean of the target, and of the q with the least forward KL.
        std: standard deviation of both.
        least_forward: the forward KL there, nats.
    """

    forward: float
    reverse: float
    mean: float
    std: float
    least_forward: float


class TwoBumps(Widget):
    r"""Drag mean and width of :math:`q = \mathcal N(\mu, s^2)` over a target of two bumps; read both divergences.

    .. math:: p = w\,\mathcal N(-c, v) + (1-w)\,\mathcal N(c, v), \qquad
        \arg\min_q \mathrm{KL}(p\|q) = \mathcal N\bigl((1-2w)\,c,\; v + 4w(1-w)\,c^2\bigr)

    The forward minimum has the moments of the target. The reverse KL of bumps that are close together has one minimum,
    across both; of bumps far apart one on each, and, when their weights are similar, a third one across both, which is
    then the worst.

    Args:
        mean: :math:`\mu`, from -4 to 4.
        std: s, from 0.2 to 4.
        weight: w, weight of the left bump, from 0.05 to 0.95.
        centre: c, from 0 to 3: the bumps lie at -c and c.
        variance: v of each bump, from 0.1 to 1.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of its range.

    References:
        C. M. Bishop, *Pattern Recognition and Machine Learning* (2006), section 10.1.2;
        :func:`gmlib.distributions.divergences_1d` computes the same in torch.

    Example:
        >>> from gmlib.widgets import TwoBumps
        >>> terms = TwoBumps(mean=2.0, std=0.5).terms()  # on the right bump
        >>> print(f"{terms.reverse:.3f} {terms.forward:.3f}")
        0.693 15.307
    """

    _esm = STATIC / "two_bumps.js"
    shown = ("mean", "std", "weight", "centre", "variance")

    mean_range = traitlets.List(traitlets.Float(), [*MEANS], help="least and largest mean of q").tag(
        sync=True
    )
    std_range = traitlets.List(
        traitlets.Float(), [*STDS], help="least and largest standard deviation of q"
    ).tag(sync=True)
    mean = traitlets.Float(0.8, min=MEANS[0], max=MEANS[1], help="mean of q").tag(sync=True)
    std = traitlets.Float(1.0, min=STDS[0], max=STDS[1], help="standard deviation of q").tag(sync=True)
    weight = traitlets.Float(0.5, min=0.05, max=0.95, help="weight of the left bump").tag(sync=True)
    centre = traitlets.Float(2.0, min=0.0, max=3.0, help="distance of the bumps from 0").tag(sync=True)
    variance = traitlets.Float(0.25, min=0.1, max=1.0, help="variance of each bump").tag(sync=True)

    def __init__(
        self,
        mean: float = 0.8,
        std: float = 1.0,
        *,
        weight: float = 0.5,
        centre: float = 2.0,
        variance: float = 0.25,
    ) -> None:
        check_number("mean", mean, low=MEANS[0], high=MEANS[1])
        check_number("std", std, low=STDS[0], high=STDS[1])
        check_number("weight", weight, low=0.05, high=0.95)
        check_number("centre", centre, low=0.0, high=3.0)
        check_number("variance", variance, low=0.1, high=1.0)
        super().__init__(
            mean=float(mean),
            std=float(std),
            weight=float(weight),
            centre=float(centre),
            variance=float(variance),
        )

    @property
    def target(self) -> GaussianMixture:
        """The target p, over vectors of one coordinate, in float64.

        Example:
            >>> from gmlib.widgets import TwoBumps
            >>> TwoBumps().target.variance
            tensor([4.2500], dtype=torch.float64)
        """
        return GaussianMixture(
            torch.tensor([[-self.centre], [self.centre]], dtype=F64),
            weights=torch.tensor([self.weight, 1 - self.weight], dtype=F64),
            var=self.variance,
        )

    def terms(self) -> TwoBumpsTerms:
        """The numbers that the widget shows now, computed by torch in float64.

        Example:
            >>> from gmlib.widgets import TwoBumps
            >>> t = TwoBumps().terms()
            >>> print(f"{t.mean:.3f} {t.std:.3f} {t.least_forward:.3f}")
            0.000 2.062 0.724
        """
        p = self.target
        mean, std = p.mean.item(), p.stddev.item()
        now = _divergences(p, self.mean, self.std)
        return TwoBumpsTerms(*now, mean, std, _divergences(p, mean, std)[0])


def _divergences(p: GaussianMixture, mean: float, std: float) -> tuple[float, float]:
    q = Gaussian(torch.tensor([mean], dtype=F64), var=std**2)
    both = divergences_1d(p, q)
    return both.kl.item(), both.reverse_kl.item()
