"""Schedules that do not preserve variance: sub-VP, variance-exploding, EDM's, rectified."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.noise.schedule import Schedule, Time, Value, as_log_snr
from gmlib.noise.variance_preserving import VPLinear


@dataclass(frozen=True)
class SubVP(Schedule):
    r"""The sub-VP diffusion: the signal of `VPLinear` with less noise, :math:`\sigma = 1 - \alpha^2`.

    .. math:: \alpha = e^{-y/2}, \qquad \sigma = 1 - e^{-y}, \qquad f = -\tfrac12\beta, \qquad
        g^2 = \beta\,(1 - e^{-2y}), \qquad \lambda = -2\log\bigl(2\sinh\tfrac y2\bigr)

    Args:
        beta_min: rate at t = 0, at least 0.
        beta_max: rate at t = 1, above 0 and not below ``beta_min``.

    Raises:
        ValueError: if a rate is out of its range.

    References:
        Y. Song et al. (2021), eq. 12 and 29.

    Example:
        >>> schedule = SubVP()
        >>> print(f"{schedule.alpha(0.5) ** 2 + schedule.sigma(0.5):.6f}")
        1.000000
    """

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        self._vp()

    def _vp(self) -> VPLinear:
        return VPLinear(self.beta_min, self.beta_max)

    def alpha(self, t: Time) -> Value:
        r"""Signal :math:`e^{-y/2}`."""
        return self._vp().alpha(t)

    def sigma(self, t: Time) -> Value:
        r"""Noise level :math:`1 - e^{-y}`."""
        return -torch.expm1(-self._vp().y(t))

    def log_snr(self, t: Time) -> Value:
        r"""Log signal-to-noise ratio :math:`-y - 2\log(1 - e^{-y})`."""
        return -self._vp().y(t) - 2 * torch.log(self.sigma(t))

    def t_of_log_snr(self, log_snr: Time) -> Value:
        r"""Inverse of `log_snr`, from :math:`y = 2\operatorname{arsinh}(\tfrac12e^{-\lambda/2})`."""
        return self._vp()._t_of_y(2 * torch.asinh(0.5 * torch.exp(-0.5 * as_log_snr(log_snr))))

    def d_alpha(self, t: Time) -> Value:
        r"""Slope :math:`-\tfrac12\beta\alpha`."""
        return self._vp().d_alpha(t)

    def d_sigma(self, t: Time) -> Value:
        r"""Slope :math:`\beta e^{-y}`."""
        return self._vp().beta(t) * self.alpha(t) ** 2

    def f(self, t: Time) -> Value:
        r"""Drift coefficient :math:`-\beta/2`."""
        return self._vp().f(t)

    def g(self, t: Time) -> Value:
        r"""Diffusion coefficient :math:`\sqrt{\beta(1 - e^{-2y})}`."""
        return torch.sqrt(self._vp().beta(t) * -torch.expm1(-2 * self._vp().y(t)))


@dataclass(frozen=True)
class VE(Schedule):
    r"""The variance-exploding diffusion: signal 1, noise that grows geometrically.

    .. math:: \alpha_t = 1, \qquad \sigma_t = \sigma_{\min}\Bigl(\frac{\sigma_{\max}}{\sigma_{\min}}\Bigr)^t, \qquad
        f = 0, \qquad g = \sigma_t\sqrt{2\log(\sigma_{\max}/\sigma_{\min})}, \qquad 0 \le t \le 1

    At t = 0 there is noise :math:`\sigma_{\min}` already: the diffusion starts there, not at the clean data.

    Args:
        sigma_min: noise level at t = 0, positive.
        sigma_max: noise level at t = 1, above ``sigma_min``.

    Raises:
        ValueError: if a level is out of its range.

    References:
        Y. Song et al., *Score-based generative modeling through stochastic differential equations* (2021), eq. 30-31.

    Example:
        >>> print(f"{VE(0.01, 100.0).sigma(0.5).item():.6f}")
        1.000000
    """

    sigma_min: float = 0.01
    sigma_max: float = 50.0

    def __post_init__(self) -> None:
        check_number("sigma_min", self.sigma_min, low=0.0, low_open=True)
        check_number("sigma_max", self.sigma_max, low=self.sigma_min, low_open=True)

    @property
    def _rate(self) -> float:
        return math.log(self.sigma_max / self.sigma_min)

    def alpha(self, t: Time) -> Value:
        """Signal, 1."""
        return torch.ones_like(self._time(t))

    def sigma(self, t: Time) -> Value:
        r"""Noise level :math:`\sigma_{\min}(\sigma_{\max}/\sigma_{\min})^t`."""
        return self.sigma_min * torch.exp(self._rate * self._time(t))

    def log_snr(self, t: Time) -> Value:
        r"""Log signal-to-noise ratio :math:`-2\log\sigma_t`, linear in t."""
        return -2 * (math.log(self.sigma_min) + self._rate * self._time(t))

    def t_of_log_snr(self, log_snr: Time) -> Value:
        """Inverse of `log_snr`."""
        return (-0.5 * as_log_snr(log_snr) - math.log(self.sigma_min)) / self._rate

    def d_alpha(self, t: Time) -> Value:
        """Slope of the signal, 0."""
        return torch.zeros_like(self._time(t))

    def d_sigma(self, t: Time) -> Value:
        r"""Slope :math:`\sigma_t\log(\sigma_{\max}/\sigma_{\min})`."""
        return self._rate * self.sigma(t)

    def f(self, t: Time) -> Value:
        """Drift coefficient, 0."""
        return torch.zeros_like(self._time(t))

    def g(self, t: Time) -> Value:
        r"""Diffusion coefficient :math:`\sigma_t\sqrt{2\log(\sigma_{\max}/\sigma_{\min})}`."""
        return math.sqrt(2 * self._rate) * self.sigma(t)


@dataclass(frozen=True)
class EDM(Schedule):
    r"""Karras's choice: signal 1, and time *is* the noise level.

    .. math:: \alpha_t = 1, \qquad \sigma_t = t, \qquad f = 0, \qquad g = \sqrt{2t}, \qquad
        t_{\min} \le t \le t_{\max}

    Times do not run from 0 to 1 here but from the smallest noise level to the largest.

    Args:
        t_min: smallest noise level, positive.
        t_max: largest noise level, above ``t_min``.

    Raises:
        ValueError: if a level is out of its range.

    References:
        T. Karras et al., *Elucidating the design space of diffusion-based generative models* (2022), table 1.

    Example:
        >>> print(f"{EDM().sigma(3.0).item():.1f}")
        3.0
    """

    t_min: float = 0.002
    t_max: float = 80.0

    def __post_init__(self) -> None:
        check_number("t_min", self.t_min, low=0.0, low_open=True)
        check_number("t_max", self.t_max, low=self.t_min, low_open=True)

    def grid(self, n: int, rho: float = 7.0) -> Float[Tensor, " n"]:
        r"""The ``n`` noise levels of the paper, from the largest to the smallest.

        .. math:: t_i = \Bigl(t_{\max}^{1/\rho}
            + \tfrac i{n-1}\bigl(t_{\min}^{1/\rho} - t_{\max}^{1/\rho}\bigr)\Bigr)^\rho, \qquad i = 0,\dots,n-1

        Args:
            n: number of levels, at least 2.
            rho: the larger, the more levels lie near ``t_min``.

        Returns:
            Levels, float64, shape ``(n,)``.

        Raises:
            ValueError: if ``n`` is below 2 or ``rho`` below 1.

        References:
            T. Karras et al. (2022), eq. 5, without its last level 0.

        Example:
            >>> EDM().grid(3).round(decimals=3)
            tensor([8.0000e+01, 2.5150e+00, 2.0000e-03], dtype=torch.float64)
        """
        check_count("n", n, low=2)
        check_number("rho", rho, low=1.0)
        ends = [self.t_max ** (1 / rho), self.t_min ** (1 / rho)]
        return torch.linspace(ends[0], ends[1], n, dtype=torch.float64) ** rho

    def alpha(self, t: Time) -> Value:
        """Signal, 1."""
        return torch.ones_like(self._time(t))

    def sigma(self, t: Time) -> Value:
        """Noise level, t itself."""
        return self._time(t)

    def log_snr(self, t: Time) -> Value:
        r"""Log signal-to-noise ratio :math:`-2\log t`."""
        return -2 * torch.log(self._time(t))

    def t_of_log_snr(self, log_snr: Time) -> Value:
        r"""Inverse of `log_snr`, :math:`e^{-\lambda/2}`."""
        return torch.exp(-0.5 * as_log_snr(log_snr))

    def d_alpha(self, t: Time) -> Value:
        """Slope of the signal, 0."""
        return torch.zeros_like(self._time(t))

    def d_sigma(self, t: Time) -> Value:
        """Slope of the noise level, 1."""
        return torch.ones_like(self._time(t))

    def f(self, t: Time) -> Value:
        """Drift coefficient, 0."""
        return torch.zeros_like(self._time(t))

    def g(self, t: Time) -> Value:
        r"""Diffusion coefficient :math:`\sqrt{2t}`."""
        return torch.sqrt(2 * self._time(t))


@dataclass(frozen=True)
class Rectified(Schedule):
    r"""The straight path of flow matching, from data at t = 0 to noise at t = 1.

    .. math:: \alpha_t = 1 - t, \qquad \sigma_t = t, \qquad f = -\frac1{1-t}, \qquad g^2 = \frac{2t}{1-t}

    Drift and diffusion are infinite at t = 1; signal, noise and their slopes are not, so that the velocity is not.

    References:
        X. Liu, C. Gong and Q. Liu, *Flow straight and fast* (2023), eq. 1, whose time runs the other way.

    Example:
        >>> Rectified().log_snr(0.5).item()
        0.0
    """

    def alpha(self, t: Time) -> Value:
        """Signal 1 - t."""
        return 1 - self._time(t)

    def sigma(self, t: Time) -> Value:
        """Noise level t."""
        return self._time(t)

    def log_snr(self, t: Time) -> Value:
        r"""Log signal-to-noise ratio :math:`2\log(1-t) - 2\log t`."""
        t = self._time(t)
        return 2 * (torch.log1p(-t) - torch.log(t))

    def t_of_log_snr(self, log_snr: Time) -> Value:
        r"""Inverse of `log_snr`, the logistic function of :math:`-\lambda/2`."""
        return torch.sigmoid(-0.5 * as_log_snr(log_snr))

    def d_alpha(self, t: Time) -> Value:
        """Slope of the signal, -1."""
        return -torch.ones_like(self._time(t))

    def d_sigma(self, t: Time) -> Value:
        """Slope of the noise level, 1."""
        return torch.ones_like(self._time(t))

    def f(self, t: Time) -> Value:
        r"""Drift coefficient :math:`-1/(1-t)`."""
        return -1 / (1 - self._time(t))

    def g(self, t: Time) -> Value:
        r"""Diffusion coefficient :math:`\sqrt{2t/(1-t)}`."""
        t = self._time(t)
        return torch.sqrt(2 * t / (1 - t))
