r"""Two laws with the same two modes and other weights: the Fisher divergence is blind to them, noise opens its eyes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number
from gmlib.distributions.mixture import GaussianMixture
from gmlib.widgets.base import STATIC, Widget

F64 = torch.float64
WEIGHTS = (0.05, 0.95)
CENTRES = (0.0, 6.0)
STDS = (0.3, 2.0)
SIGMAS = (0.0, 20.0)


@dataclass(frozen=True)
class TwoModesTerms:
    r"""What the widget shows; p and q are the noised laws of the data and of the model.

    Attributes:
        fisher: :math:`D_F(p\|q) = \tfrac12\mathbb E_p[(s_p - s_q)^2]`, one over a squared length.
        weighted: :math:`\sigma^2 D_F`, without a unit.
        square: :math:`\sigma^2\,\mathbb E_p[(s_p - s_q)^2] = 2\sigma^2 D_F`, which is :math:`-\mathrm d\,\mathrm{KL} /
            \mathrm d\log\sigma`.
        kl: :math:`\mathrm{KL}(p\|q)`, nats.
        kl_weights: KL of the two pairs of weights, nats: what ``kl`` is for modes that do not overlap.
    """

    fisher: float
    weighted: float
    square: float
    kl: float
    kl_weights: float


class TwoModes(Widget):
    r"""Move the weights of two modes: the score hardly follows, the KL does; noise of level σ restores the difference.

    .. math:: p = \pi\,\mathcal N(-c, s^2 + \sigma^2) + (1-\pi)\,\mathcal N(c, s^2 + \sigma^2), \qquad
        s_p - s_q = \frac{2c}{s^2 + \sigma^2}\,\bigl(r_q - r_p\bigr)

    where q has the weight :math:`\pi'` in the place of :math:`\pi`, and r is the probability that a point came from the
    left mode. Of far modes :math:`r_p` and :math:`r_q` differ only between them, where there are no data. By de Bruijn's
    identity :math:`2\sigma^2 D_F` is the rate at which the KL falls along :math:`\log\sigma`.

    Args:
        weight: :math:`\pi`, weight of the left mode in the data, from 0.05 to 0.95.
        model_weight: :math:`\pi'`, its weight in the model, in the same range.
        centre: c, from 0 to 6: the modes lie at -c and c.
        std: s, standard deviation of each mode before noise, from 0.3 to 2.
        sigma: :math:`\sigma`, standard deviation of the noise that both laws get, from 0 to 20.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of its range.

    References:
        L. K. Wenliang and H. Kanagawa, *Blindness of score-based methods to isolated components and mixing proportions*
        (2020).

    Example:
        >>> from gmlib.widgets import TwoModes
        >>> terms = TwoModes().terms()
        >>> print(f"{terms.fisher:.3e} {terms.kl:.4f}")
        2.879e-06 0.2231
    """

    _esm = STATIC / "two_modes.js"
    shown = ("weight", "model_weight", "centre", "std", "sigma")

    weight = traitlets.Float(
        0.5, min=WEIGHTS[0], max=WEIGHTS[1], help="weight of the left mode in the data"
    ).tag(sync=True)
    model_weight = traitlets.Float(
        0.2, min=WEIGHTS[0], max=WEIGHTS[1], help="weight of the left mode in the model"
    ).tag(sync=True)
    centre = traitlets.Float(5.0, min=CENTRES[0], max=CENTRES[1], help="distance of the modes from 0").tag(
        sync=True
    )
    std = traitlets.Float(1.0, min=STDS[0], max=STDS[1], help="standard deviation of each mode").tag(
        sync=True
    )
    sigma = traitlets.Float(0.0, min=SIGMAS[0], max=SIGMAS[1], help="standard deviation of the noise").tag(
        sync=True
    )

    def __init__(
        self,
        weight: float = 0.5,
        model_weight: float = 0.2,
        *,
        centre: float = 5.0,
        std: float = 1.0,
        sigma: float = 0.0,
    ) -> None:
        check_number("weight", weight, low=WEIGHTS[0], high=WEIGHTS[1])
        check_number("model_weight", model_weight, low=WEIGHTS[0], high=WEIGHTS[1])
        check_number("centre", centre, low=CENTRES[0], high=CENTRES[1])
        check_number("std", std, low=STDS[0], high=STDS[1])
        check_number("sigma", sigma, low=SIGMAS[0], high=SIGMAS[1])
        super().__init__(
            weight=float(weight),
            model_weight=float(model_weight),
            centre=float(centre),
            std=float(std),
            sigma=float(sigma),
        )

    @property
    def laws(self) -> tuple[GaussianMixture, GaussianMixture]:
        """The noised laws of data and model, over vectors of one coordinate, in float64.

        Example:
            >>> from gmlib.widgets import TwoModes
            >>> p, q = TwoModes(sigma=1.0).laws
            >>> p.variance, q.variance
            (tensor([27.], dtype=torch.float64), tensor([18.], dtype=torch.float64))
        """
        means = torch.tensor([[-self.centre], [self.centre]], dtype=F64)
        clean = [
            GaussianMixture(means, weights=torch.tensor([w, 1 - w], dtype=F64), var=self.std**2)
            for w in (self.weight, self.model_weight)
        ]
        p, q = (law.noised(1.0, self.sigma) for law in clean) if self.sigma > 0 else clean
        return p, q

    def terms(self) -> TwoModesTerms:
        """The numbers that the widget shows now, by quadrature with gmlib's laws in float64.

        Example:
            >>> from gmlib.widgets import TwoModes
            >>> terms = TwoModes(0.8, 0.5, std=0.5, sigma=5.0).terms()
            >>> print(f"{terms.square:.4f} {terms.kl:.4f} {terms.kl_weights:.4f}")
            0.1218 0.1036 0.1927
        """
        p, q = self.laws
        var = self.std**2 + self.sigma**2
        # Where the nearest singularity of the integrands lies, off the real line: what step the trapezoid rule needs.
        strip = math.pi * var / (2 * self.centre) if self.centre > 0 else math.inf
        step = min(math.sqrt(var) / 3, strip / 6)
        half = math.ceil((self.centre + 12 * math.sqrt(var)) / step)
        x = step * torch.arange(-half, half + 1, dtype=F64)[:, None]
        density, gap = p.log_prob(x).exp(), _score_gap(p, q, x, var)
        fisher = 0.5 * step * float((density * gap.square()).sum())
        kl = step * float((density * (p.log_prob(x) - q.log_prob(x))).sum())
        kl_weights = float((p.weights * (p.log_weights - q.log_weights)).sum())
        square = self.sigma**2 * fisher
        return TwoModesTerms(fisher, square, 2 * square, kl, kl_weights)


def _score_gap(p: GaussianMixture, q: GaussianMixture, x: Tensor, var: float) -> Float[Tensor, " n"]:
    """Score of p minus score of q for the same two components, exact where the two are nearly equal.

    Scores that are subtracted leave rounding errors of 1e-16 on every mode, and their square swamps a divergence of
    1e-22. The responsibility of the farther component is small, and so is its error.
    """
    towards = 2 * (x[:, 0] > 0) - 1  # the sign of the nearer mode
    r_p, r_q = (
        torch.where(towards > 0, r[:, 0], r[:, 1]) for r in (law.responsibilities(x) for law in (p, q))
    )
    return (p.means[1, 0] - p.means[0, 0]) / var * towards * (r_q - r_p)
