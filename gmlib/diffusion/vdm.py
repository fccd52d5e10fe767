"""A schedule that is learnt: a network that can only fall, and the variance-preserving schedule made of it."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_instance, check_number
from gmlib.noise import Schedule
from gmlib.noise.schedule import Time, Value, as_log_snr, as_time

BISECTIONS = 30


class MonotoneLogSNR(nn.Module):
    r"""A log-SNR that falls from ``high`` to ``low``, whatever the weights.

    .. math:: \lambda(t) = \lambda_{\max} - (\lambda_{\max} - \lambda_{\min})\frac{h(t) - h(0)}{h(1) - h(0)}, \qquad
        h(t) = t + \sum_j c_j\,\mathrm{sigmoid}\big(a_j(t - b_j)\big), \qquad a_j, c_j > 0

    The positive numbers are stored by their logarithms, and so is :math:`\lambda_{\max} - \lambda_{\min}`. At the start the
    steps are small: :math:`\lambda` is nearly linear.

    Args:
        low: :math:`\lambda_{\min}` at the start.
        high: :math:`\lambda_{\max}` at the start.
        hidden: number of steps; the flattest is wider than [0, 1], the steepest a few thousandths wide.
        learn_ends: whether the end points are trained as well: with the bound, not with the variance of its estimate.

    Raises:
        ValueError: ``low`` is not below ``high``, or ``hidden`` is below 1.

    References:
        D. Kingma et al., *Variational diffusion models* (2021), appendix H.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import MonotoneLogSNR
        >>> falling = MonotoneLogSNR(-5.0, 5.0)(torch.linspace(0, 1, 5))
        >>> bool((falling.diff() < 0).all()), [round(end, 4) for end in falling[[0, -1]].tolist()]
        (True, [5.0, -5.0])
    """

    def __init__(self, low: float, high: float, *, hidden: int = 32, learn_ends: bool = False) -> None:
        super().__init__()
        check_number("high", high)
        check_number("low", low, high=high, high_open=True)
        check_count("hidden", hidden)
        j = torch.arange(hidden)
        # Multiples of the golden ratio: every few steps, of whatever width, are spread over the whole of [0, 1].
        self.centre = nn.Parameter((0.5 + j * 0.6180339887) % 1.0)
        self.log_steepness = nn.Parameter(math.log(2.0) + math.log(250.0) * j / max(1, hidden - 1))
        self.log_height = nn.Parameter(torch.full((hidden,), math.log(0.1 / hidden)))
        self.high = nn.Parameter(torch.tensor(high), requires_grad=learn_ends)
        self.log_width = nn.Parameter(torch.tensor(math.log(high - low)), requires_grad=learn_ends)

    @property
    def low(self) -> Float[Tensor, ""]:
        r"""The end point :math:`\lambda_{\min}`."""
        return self.high - self.log_width.exp()

    def _steps(self, t: Tensor) -> Tensor:
        return torch.sigmoid(self.log_steepness.exp() * (t.unsqueeze(-1) - self.centre))

    def _range(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The value h(0), and how far the log-SNR falls for a unit of h."""
        ends = torch.stack([torch.zeros_like(like), torch.ones_like(like)])
        first, last = ends + (self.log_height.exp() * self._steps(ends)).sum(-1)
        return first, self.log_width.exp() / (last - first)

    def forward(self, t: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The log-SNR at times (``*batch``,) in [0, 1], which may be on the host when the weights are not."""
        here = t.to(self.centre.device)
        first, scale = self._range(here.new_zeros(()))
        h = here + (self.log_height.exp() * self._steps(here)).sum(-1)
        return (self.high - scale * (h - first)).to(t)

    def slope(self, t: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        r"""The derivative :math:`\lambda'(t) < 0`."""
        here = t.to(self.centre.device)
        _, scale = self._range(here.new_zeros(()))
        steps = self._steps(here)
        rise = 1 + (torch.exp(self.log_height + self.log_steepness) * steps * (1 - steps)).sum(-1)
        return (-scale * rise).to(t)


class LearnedSchedule(nn.Module, Schedule):
    r"""The variance-preserving schedule of a log-SNR that is learnt; a module, whose weights train with the model's.

    .. math:: \sigma_t^2 = \mathrm{sigmoid}(-\lambda_t), \qquad \alpha_t^2 = \mathrm{sigmoid}(\lambda_t), \qquad
        \alpha_t^2 + \sigma_t^2 = 1

    Args:
        curve: the log-SNR.

    Raises:
        TypeError: ``curve`` is no MonotoneLogSNR.

    References:
        D. Kingma et al., *Variational diffusion models* (2021), section 3.2.

    Example:
        >>> from gmlib.diffusion import LearnedSchedule, MonotoneLogSNR
        >>> schedule = LearnedSchedule(MonotoneLogSNR(-6.0, 6.0))
        >>> total = schedule.alpha(0.3) ** 2 + schedule.sigma(0.3) ** 2
        >>> f"{total.item():.6f}"
        '1.000000'
    """

    def __init__(self, curve: MonotoneLogSNR) -> None:
        super().__init__()
        check_instance("curve", curve, MonotoneLogSNR)
        self.curve = curve

    def log_snr(self, t: Time) -> Value:
        r"""Log signal-to-noise ratio :math:`\lambda_t`."""
        return self.curve(as_time(t, 0.0, 1.0))

    def alpha(self, t: Time) -> Value:
        r"""Signal :math:`\alpha_t`."""
        return torch.sigmoid(self.log_snr(t)).sqrt()

    def sigma(self, t: Time) -> Value:
        r"""Noise level :math:`\sigma_t`."""
        return torch.sigmoid(-self.log_snr(t)).sqrt()

    def t_of_log_snr(self, log_snr: Time) -> Value:
        r"""Inverse of `log_snr`, by bisection and a step of Newton's, through which the gradient flows."""
        given = as_log_snr(log_snr)
        value = given.to(self.curve.centre.device)
        with torch.no_grad():
            low, width = torch.zeros_like(value), 1.0
            for _ in range(BISECTIONS):
                width *= 0.5
                low = torch.where(self.curve(low + width) > value, low + width, low)
            middle = low + 0.5 * width
            slope = self.curve.slope(middle)
        return (middle - (self.curve(middle) - value) / slope).clamp(0.0, 1.0).to(given)

    def beta(self, t: Time) -> Value:
        r"""Rate of noising :math:`\beta = -d\log\alpha^2/dt = -\sigma^2\lambda'`."""
        return -torch.sigmoid(-self.log_snr(t)) * self.curve.slope(as_time(t, 0.0, 1.0))

    def d_alpha(self, t: Time) -> Value:
        r"""Slope :math:`\alpha' = -\tfrac12\beta\alpha`."""
        return -0.5 * self.beta(t) * self.alpha(t)

    def d_sigma(self, t: Time) -> Value:
        r"""Slope :math:`\sigma' = -\tfrac12\alpha^2\sigma\lambda'`."""
        level = self.log_snr(t)
        product = torch.sigmoid(level) * torch.sigmoid(-level).sqrt()
        return -0.5 * product * self.curve.slope(as_time(t, 0.0, 1.0))

    def f(self, t: Time) -> Value:
        r"""Drift coefficient :math:`f = -\beta/2`."""
        return -0.5 * self.beta(t)

    def g(self, t: Time) -> Value:
        r"""Diffusion coefficient :math:`g = \sqrt\beta`."""
        return self.beta(t).sqrt()
