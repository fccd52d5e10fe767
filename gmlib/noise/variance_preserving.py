r"""Schedules that keep the variance of unit-variance data: :math:`\alpha^2 + \sigma^2 = 1`; linear and cosine."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gmlib._checks import check_number
from gmlib.noise.schedule import Schedule, Time, Value, as_log_snr


class VariancePreserving(Schedule):
    r"""A schedule with :math:`\sigma^2 = 1 - \alpha^2`, so that data of variance one keep it.

    It noises at the rate :math:`\beta = -d\log\alpha^2/dt`; then :math:`f = -\beta/2` and :math:`g = \sqrt\beta`.

    References:
        Y. Song et al., *Score-based generative modeling through stochastic differential equations* (2021), eq. 11.
    """

    @abstractmethod
    def beta(self, t: Time) -> Value:
        r"""Rate of noising :math:`\beta(t) = -d\log\alpha^2/dt`."""

    @abstractmethod
    def _t_of_y(self, y: Tensor) -> Tensor:
        r"""The time at which :math:`-2\log\alpha = y`."""

    def t_of_log_snr(self, log_snr: Time) -> Value:
        r"""Inverse of `log_snr`, from :math:`-2\log\alpha = \log(1 + e^{-\lambda})`."""
        return self._t_of_y(softplus(-as_log_snr(log_snr)))

    def d_sigma(self, t: Time) -> Value:
        r"""Slope :math:`\sigma' = -\alpha\alpha'/\sigma`; infinite where :math:`\sigma = 0`."""
        return -self.alpha(t) * self.d_alpha(t) / self.sigma(t)

    def f(self, t: Time) -> Value:
        r"""Drift coefficient :math:`f = -\beta/2`."""
        return -0.5 * self.beta(t)

    def g(self, t: Time) -> Value:
        r"""Diffusion coefficient :math:`g = \sqrt\beta`."""
        return torch.sqrt(self.beta(t))


class ByExponent(VariancePreserving):
    r"""A variance-preserving schedule told by :math:`y(t) = \int_0^t\beta`, so that :math:`\alpha = e^{-y/2}`."""

    @abstractmethod
    def y(self, t: Time) -> Value:
        r"""The exponent :math:`y(t) = \int_0^t\beta = -2\log\alpha_t`."""

    def alpha(self, t: Time) -> Value:
        r"""Signal :math:`\alpha_t = e^{-y/2}`."""
        return torch.exp(-0.5 * self.y(t))

    def sigma(self, t: Time) -> Value:
        r"""Noise level :math:`\sigma_t = \sqrt{1 - e^{-y}}`, by ``expm1``, so that small times lose no digits."""
        return torch.sqrt(-torch.expm1(-self.y(t)))

    def log_snr(self, t: Time) -> Value:
        r"""Log signal-to-noise ratio :math:`\lambda_t = -y - \log(1 - e^{-y})`."""
        y = self.y(t)
        return -y - torch.log(-torch.expm1(-y))

    def d_alpha(self, t: Time) -> Value:
        r"""Slope :math:`\alpha' = -\tfrac12\beta\alpha`."""
        return -0.5 * self.beta(t) * self.alpha(t)


@dataclass(frozen=True)
class VPLinear(ByExponent):
    r"""The variance-preserving diffusion with a rate that grows linearly, the limit of DDPM's chain.

    .. math:: \beta(t) = \beta_{\min} + t(\beta_{\max} - \beta_{\min}), \qquad
        \log\alpha_t = -\tfrac14 t^2(\beta_{\max}-\beta_{\min}) - \tfrac12 t\beta_{\min}, \qquad 0 \le t \le 1

    Args:
        beta_min: rate at t = 0, at least 0.
        beta_max: rate at t = 1, above 0 and not below ``beta_min``.

    Raises:
        ValueError: if a rate is out of its range.

    References:
        Y. Song et al. (2021), eq. 32-33.

    Example:
        >>> print(f"{VPLinear().alpha(1.0).item():.5f}")
        0.00657
    """

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        check_number("beta_min", self.beta_min, low=0.0)
        check_number("beta_max", self.beta_max, low=max(self.beta_min, 1e-12))

    def y(self, t: Time) -> Value:
        r"""The exponent :math:`y(t) = t\beta_{\min} + \tfrac12t^2(\beta_{\max}-\beta_{\min})`."""
        t = self._time(t)
        return t * (self.beta_min + 0.5 * t * (self.beta_max - self.beta_min))

    def _t_of_y(self, y: Tensor) -> Tensor:
        # The root of the quadratic in the form without cancellation.
        root = torch.sqrt(self.beta_min**2 + 2 * (self.beta_max - self.beta_min) * y)
        return 2 * y / (self.beta_min + root)

    def beta(self, t: Time) -> Value:
        r"""Rate :math:`\beta(t)`."""
        return self.beta_min + self._time(t) * (self.beta_max - self.beta_min)


@dataclass(frozen=True)
class VPCosine(VariancePreserving):
    r"""The cosine schedule: :math:`\bar\alpha = \alpha^2` is a squared cosine.

    .. math:: \alpha_t = \frac{\cos\theta_t}{\cos\theta_0}, \qquad
        \theta_t = \frac\pi2\,\frac{t + s}{1 + s}, \qquad 0 \le t \le t_{\max}

    The offset :math:`s` keeps the first steps from being too small. The rate is infinite at t = 1, where
    :math:`\alpha = 0`. On its grid the paper clips :math:`\beta_k \le 0.999` (see `DDPM.cosine`); in
    continuous time the range ends at ``t_max`` instead, by default 0.999 where :math:`\alpha = 0.0016`.

    Args:
        offset: the paper's s, at least 0.
        t_max: end of the range, in (0, 1].

    Raises:
        ValueError: if an argument is out of its range.

    References:
        A. Nichol and P. Dhariwal, *Improved denoising diffusion probabilistic models* (2021), eq. 17.

    Example:
        >>> print(f"{VPCosine().alpha(0.5).item() ** 2:.4f}")
        0.4938
    """

    offset: float = 0.008
    t_max: float = 0.999

    def __post_init__(self) -> None:
        check_number("offset", self.offset, low=0.0)
        check_number("t_max", self.t_max, low=0.0, high=1.0, low_open=True)

    @property
    def _slope(self) -> float:
        return 0.5 * math.pi / (1 + self.offset)

    def _cosine(self, t: Tensor) -> Tensor:
        return torch.sin(self._slope * (1 - t))  # cos(theta), without cancellation near t = 1

    def _t_of_y(self, y: Tensor) -> Tensor:
        c0, s0 = math.cos(self._slope * self.offset), math.sin(self._slope * self.offset)
        cosine, sigma2 = c0 * torch.exp(-0.5 * y), -torch.expm1(-y)
        theta = torch.atan2(torch.sqrt(s0**2 + c0**2 * sigma2), cosine)
        return theta / self._slope - self.offset

    def alpha(self, t: Time) -> Value:
        r"""Signal :math:`\cos\theta_t/\cos\theta_0`."""
        return self._cosine(self._time(t)) / math.cos(self._slope * self.offset)

    def sigma(self, t: Time) -> Value:
        r"""Noise level, from :math:`\sigma^2 = \sin(\theta_t-\theta_0)\sin(\theta_t+\theta_0)/\cos^2\theta_0`."""
        t = self._time(t)
        product = torch.sin(self._slope * t) * torch.sin(self._slope * (t + 2 * self.offset))
        return torch.sqrt(product) / math.cos(self._slope * self.offset)

    def log_snr(self, t: Time) -> Value:
        r"""Log signal-to-noise ratio :math:`2\log\alpha - 2\log\sigma`; each logarithm is exact by itself."""
        return 2 * (torch.log(self.alpha(t)) - torch.log(self.sigma(t)))

    def beta(self, t: Time) -> Value:
        r"""Rate :math:`\beta = 2\theta'\tan\theta`."""
        t = self._time(t)
        return 2 * self._slope * torch.sin(self._slope * (t + self.offset)) / self._cosine(t)

    def d_alpha(self, t: Time) -> Value:
        r"""Slope :math:`-\theta'\sin\theta_t/\cos\theta_0`, finite up to t = 1."""
        sine = torch.sin(self._slope * (self._time(t) + self.offset))
        return -self._slope * sine / math.cos(self._slope * self.offset)
