r"""Two laws on short intervals, one of them moved: ratios stop telling how far they are, distances do not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_event, check_number
from gmlib.gan import BetaLaw, CriticOnLine, shifted_distances, wasserstein_critic_1d
from gmlib.metrics import GaussianKernel
from gmlib.widgets.base import STATIC, Widget

F64 = torch.float64
REACH = 3.0
BANDWIDTHS = (0.1, 2.0)


@dataclass(frozen=True)
class ShiftedTerms:
    r"""The distances of the two laws, and how fast each changes with the shift: what a generator would be told.

    Attributes:
        kl: :math:`\mathrm{KL}(p\|q)`, nats; infinite unless the intervals coincide.
        jsd: the Jensen-Shannon divergence, nats; log 2 for intervals that are apart.
        w1: the Wasserstein-1 distance, in the units of x.
        mmd2: the squared MMD under the Gaussian kernel.
        jsd_slope: :math:`\mathrm d\,\mathrm{JSD}/\mathrm d\Delta`.
        w1_slope: :math:`\mathrm dW_1/\mathrm d\Delta`.
        mmd2_slope: :math:`\mathrm d\,\mathrm{MMD}^2/\mathrm d\Delta`.
        mmd2_most: what the squared MMD approaches far away, :math:`\mathbb E\kappa(x, x') + \mathbb E\kappa(y, y')`.
    """

    kl: float
    jsd: float
    w1: float
    mmd2: float
    jsd_slope: float
    w1_slope: float
    mmd2_slope: float
    mmd2_most: float


class ShiftedLaws(Widget):
    r"""Drag one of two laws, Beta(3, 5) and Beta(2, 3) moved by :math:`\Delta`, and see what four distances make of it.

    .. math:: \mathrm{KL} = \infty \;\; (\Delta \ne 0), \qquad \mathrm{JSD} = \log 2, \quad
        W_1 = \lvert \Delta + \tfrac1{40} \rvert \;\; (\lvert\Delta\rvert \ge 1), \qquad
        \mathrm{MMD}^2 \to \mathbb E\kappa(x, x') + \mathbb E\kappa(y, y')

    The optimal critic of :math:`W_1` keeps its slope of 1 over any gap; the witness of the MMD is back at 0 a few
    bandwidths away.

    Args:
        shift: :math:`\Delta`, how far the second law is moved, from -3 to 3.
        bandwidth: :math:`\ell` of the Gaussian kernel :math:`\kappa(x, y) = e^{-(x - y)^2 / 2\ell^2}`, from 0.1 to 2.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of its range.

    References:
        M. Arjovsky, S. Chintala and L. Bottou, *Wasserstein GAN* (2017), example 1;
        :func:`gmlib.gan.shifted_distances` computes the same in torch.

    Example:
        >>> from gmlib.widgets import ShiftedLaws
        >>> for shift in (1.0, 2.0):
        ...     terms = ShiftedLaws(shift).terms()
        ...     print(f"{terms.kl} {terms.jsd:.6f} {terms.w1:.3f} {terms.mmd2:.4f}")
        inf 0.693147 1.025 1.4390
        inf 0.693147 2.025 1.7748
    """

    _esm = STATIC / "shifted_laws.js"
    shown = ("shift", "bandwidth")

    shift = traitlets.Float(1.0, min=-REACH, max=REACH, help="how far the second law is moved").tag(sync=True)
    bandwidth = traitlets.Float(
        0.5, min=BANDWIDTHS[0], max=BANDWIDTHS[1], help="bandwidth of the kernel"
    ).tag(sync=True)

    def __init__(self, shift: float = 1.0, *, bandwidth: float = 0.5) -> None:
        check_number("shift", shift, low=-REACH, high=REACH)
        check_number("bandwidth", bandwidth, low=BANDWIDTHS[0], high=BANDWIDTHS[1])
        super().__init__(shift=float(shift), bandwidth=float(bandwidth))

    @property
    def laws(self) -> tuple[BetaLaw, BetaLaw]:
        """The law that stays and the one that is moved.

        Example:
            >>> from gmlib.widgets import ShiftedLaws
            >>> ShiftedLaws(2.0).laws
            (BetaLaw(a=3, b=5, shift=0.0), BetaLaw(a=2, b=3, shift=2.0))
        """
        return BetaLaw(3, 5), BetaLaw(2, 3, shift=self.shift)

    def critic(self, points: int = 20_001) -> CriticOnLine:
        """The optimal critic of the Wasserstein distance on a grid over both laws.

        Args:
            points: of the grid.

        Example:
            >>> from gmlib.widgets import ShiftedLaws
            >>> critic = ShiftedLaws(2.0).critic()
            >>> critic.slopes.unique().tolist(), round(critic.distance.item(), 6)
            ([-1.0], 2.025)
        """
        low, high = min(0.0, self.shift), max(0.0, self.shift) + 1
        grid = torch.linspace(low, high, points, dtype=F64)
        p, q = self.laws
        return wasserstein_critic_1d(p.cdf(grid), q.cdf(grid), grid)

    def witness(self, x: Float[Tensor, "n 1"]) -> Float[Tensor, " n"]:
        r"""The MMD's witness, the function of norm 1 whose means under the two laws differ most: by the MMD.

        .. math:: f(x) = \frac{\mathbb E_p\,\kappa(x', x) - \mathbb E_q\,\kappa(y, x)}{\mathrm{MMD}}

        Args:
            x: where, (n, 1).

        Example:
            >>> import torch
            >>> from gmlib.widgets import ShiftedLaws
            >>> far = ShiftedLaws(2.0).witness(torch.tensor([[0.4], [2.4], [9.0]], dtype=torch.float64))
            >>> [round(v, 3) + 0 for v in far.tolist()]
            [0.712, -0.695, 0.0]
        """
        check_event("x", x, (1,))
        kernel = GaussianKernel(self.bandwidth)
        # The midpoint rule: densities that vanish at both ends with it leave no boundary term of the first order.
        nodes = (torch.arange(2000, dtype=F64) + 0.5) / 2000
        p, q = self.laws
        means = [
            kernel(x, (nodes + law.shift)[:, None]) @ (law.density(nodes + law.shift) / 2000)
            for law in (p, q)
        ]
        return (means[0] - means[1]) / math.sqrt(self.terms().mmd2)

    def terms(self) -> ShiftedTerms:
        """The numbers that the widget shows now, by gmlib.gan in float64.

        Example:
            >>> from gmlib.widgets import ShiftedLaws
            >>> terms = ShiftedLaws(2.0, bandwidth=0.3).terms()
            >>> print(f"{terms.jsd_slope:.6f} {terms.w1_slope:.6f} {terms.mmd2_slope:.6f}")
            0.000000 1.000000 0.000013
        """
        kernel = GaussianKernel(self.bandwidth)
        p, q = BetaLaw(3, 5), BetaLaw(2, 3)
        shift = torch.tensor([self.shift], dtype=F64, requires_grad=True)
        d = shifted_distances(p, q, shift, kernel)
        jsd_slope, mmd2_slope = (
            torch.autograd.grad(v.sum(), shift, retain_graph=True)[0].item() for v in (d.jsd, d.mmd2)
        )
        # The slope of W_1 by its critic: -E_q f'. A derivative through |F_p - F_q| would have the error of its kinks.
        critic, moved = self.critic(), self.laws[1]
        w1_slope = -(critic.slopes * moved.cdf(critic.grid).diff()).sum().item()
        # No kernel value is left at a hundred bandwidths.
        far = shifted_distances(p, q, torch.tensor([200.0], dtype=F64), kernel)
        return ShiftedTerms(
            kl=d.kl.item(),
            jsd=d.jsd.item(),
            w1=d.w1.item(),
            mmd2=d.mmd2.item(),
            jsd_slope=jsd_slope,
            w1_slope=w1_slope,
            mmd2_slope=mmd2_slope,
            mmd2_most=far.mmd2.item(),
        )
