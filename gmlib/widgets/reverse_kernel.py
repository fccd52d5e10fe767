r"""One step back from noise: a normal law if the step is short, and two peaks if it is long."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import traitlets

from gmlib._checks import check_number
from gmlib.diffusion.reverse_kernel import half_separation, matched_gaussian_kl
from gmlib.distributions.mixture import GaussianMixture
from gmlib.widgets.base import STATIC, Widget

F64 = torch.float64
REACH = 3.0
BARS = (0.02, 0.99)
BETAS = (0.005, 0.99)
WEIGHTS = (0.05, 0.95)
STDS = (0.0, 0.6)


@dataclass(frozen=True)
class ReverseKernelTerms:
    r"""What the widget shows of :math:`q(x_s \mid x_t)`.

    Attributes:
        mean: its mean, and that of the matched Gaussian.
        std: the standard deviation of both.
        upper: probability that the point came from the lump at 1.
        half_separation: half the distance of the two lumps of the kernel over their standard deviation.
        peaks: how many maxima its density has, 1 or 2.
        kl: KL from the kernel to the matched Gaussian, nats.
    """

    mean: float
    std: float
    upper: float
    half_separation: float
    peaks: int
    kl: float


class ReverseKernel(Widget):
    r"""Data are two lumps at -1 and 1; drag a noised point and two noise levels: what should one step back draw from?

    .. math:: q(x_s \mid x_t) \propto q_s(x_s)\;\mathcal N\bigl(x_t;\ \sqrt{1-\beta}\,x_s,\ \beta\bigr), \qquad
        1 - \beta = \frac{\bar\alpha_t}{\bar\alpha_s}

    It is a mixture of two normal laws with one variance. A model of DDPM's kind draws from one normal law, at best the one
    with the same mean and variance; for two points and :math:`x_t = 0` that costs about :math:`\beta^4`:

    ======= =============== ======== =====
    β       half-separation KL, nats peaks
    ======= =============== ======== =====
    .5      1.34            .039     2
    .2      1.03            .011     2
    .05     .59             4.5e-4   1
    .01     .28             2.1e-6   1
    ======= =============== ======== =====

    Args:
        x: the noised point :math:`x_t`, from -3 to 3.
        alpha_bar_s: :math:`\bar\alpha_s`, signal squared at the earlier time, from 0.02 to 0.99.
        beta: :math:`\beta`, the variance that the step from s to t adds, from 0.005 to 0.99.
        weight: weight of the lump at -1, from 0.05 to 0.95.
        std: standard deviation of each lump before noise, from 0 (two points) to 0.6.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of its range.

    References:
        J. Sohl-Dickstein et al., *Deep unsupervised learning using nonequilibrium thermodynamics* (2015), section 2.2;
        :func:`gmlib.diffusion.reverse_kernel` computes the same in torch.

    Example:
        >>> from gmlib.widgets import ReverseKernel
        >>> for beta in (0.5, 0.2, 0.05, 0.01):
        ...     terms = ReverseKernel(beta=beta).terms()
        ...     print(f"{terms.half_separation:.2f} {terms.kl:.1e} {terms.peaks}")
        1.34 3.9e-02 2
        1.03 1.1e-02 2
        0.59 4.5e-04 1
        0.28 2.1e-06 1
    """

    _esm = STATIC / "reverse_kernel.js"
    shown = ("x", "alpha_bar_s", "beta", "weight", "std")

    x = traitlets.Float(0.0, min=-REACH, max=REACH, help="the noised point").tag(sync=True)
    alpha_bar_s = traitlets.Float(
        0.7, min=BARS[0], max=BARS[1], help="signal squared at the earlier time"
    ).tag(sync=True)
    beta = traitlets.Float(0.5, min=BETAS[0], max=BETAS[1], help="variance that the step forward adds").tag(
        sync=True
    )
    weight = traitlets.Float(0.5, min=WEIGHTS[0], max=WEIGHTS[1], help="weight of the lump at -1").tag(
        sync=True
    )
    std = traitlets.Float(0.0, min=STDS[0], max=STDS[1], help="standard deviation of each lump").tag(
        sync=True
    )

    def __init__(
        self,
        x: float = 0.0,
        *,
        alpha_bar_s: float = 0.7,
        beta: float = 0.5,
        weight: float = 0.5,
        std: float = 0.0,
    ) -> None:
        check_number("x", x, low=-REACH, high=REACH)
        check_number("alpha_bar_s", alpha_bar_s, low=BARS[0], high=BARS[1])
        check_number("beta", beta, low=BETAS[0], high=BETAS[1])
        check_number("weight", weight, low=WEIGHTS[0], high=WEIGHTS[1])
        check_number("std", std, low=STDS[0], high=STDS[1])
        super().__init__(
            x=float(x),
            alpha_bar_s=float(alpha_bar_s),
            beta=float(beta),
            weight=float(weight),
            std=float(std),
        )

    @property
    def alpha_bar_t(self) -> float:
        r""":math:`\bar\alpha_t = (1-\beta)\,\bar\alpha_s`.

        Example:
            >>> from gmlib.widgets import ReverseKernel
            >>> ReverseKernel(alpha_bar_s=0.8, beta=0.25).alpha_bar_t
            0.6000000000000001
        """
        return (1 - self.beta) * self.alpha_bar_s

    @property
    def kernel(self) -> GaussianMixture:
        r"""The exact law of :math:`x_s` given :math:`x_t`, over vectors of one coordinate, in float64.

        Example:
            >>> from gmlib.widgets import ReverseKernel
            >>> ReverseKernel(0.5).kernel.weights
            tensor([0.2870, 0.7130], dtype=torch.float64)
        """
        bar = self.alpha_bar_s
        earlier = GaussianMixture(
            math.sqrt(bar) * torch.tensor([[-1.0], [1.0]], dtype=F64),
            weights=torch.tensor([self.weight, 1 - self.weight], dtype=F64),
            var=bar * self.std**2 + 1 - bar,
        )
        return earlier.posterior(
            torch.tensor([self.x], dtype=F64), math.sqrt(1 - self.beta), math.sqrt(self.beta)
        )

    def terms(self) -> ReverseKernelTerms:
        """The numbers that the widget shows now, in float64.

        Example:
            >>> from gmlib.widgets import ReverseKernel
            >>> terms = ReverseKernel(alpha_bar_s=0.9, beta=4 / 9).terms()
            >>> print(f"{terms.half_separation:.2f}")
            2.83
        """
        kernel = self.kernel
        low, high = kernel.means[:, 0].tolist()
        x = torch.linspace(low - 0.01, high + 0.01, 4001, dtype=F64)[:, None]
        rising = kernel.log_prob(x).diff() > 0
        return ReverseKernelTerms(
            mean=float(kernel.mean),
            std=float(kernel.variance.sqrt()),
            upper=float(kernel.weights[1]),
            half_separation=float(half_separation(kernel)),
            peaks=int((rising[:-1] & ~rising[1:]).sum()),
            kl=float(matched_gaussian_kl(kernel)),
        )
