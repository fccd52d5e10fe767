r"""How much signal and how much noise there is at each time.

A schedule is a pair of functions of time, :math:`\alpha(t)` (signal) and :math:`\sigma(t)` (noise), with

.. math:: x_t = \alpha_t x_0 + \sigma_t\varepsilon, \qquad \varepsilon\sim\mathcal N(0, I),

data at the small end of t and noise at the large one. The same marginals are those of the linear diffusion

.. math:: dx = f(t)\,x\,dt + g(t)\,dW, \qquad f = \frac{d\log\alpha}{dt}, \qquad
    g^2 = \frac{d\sigma^2}{dt} - 2f\sigma^2,

started at the schedule's first time. Every function takes a time as a Python float, which must lie between
``t_min`` and ``t_max`` and gives a 0-d float64 tensor (it loses nothing, and does not promote what it multiplies); or
as a floating tensor of any shape, which gives a tensor of that shape, dtype and device. The range of a tensor's
values is not checked: that would wait for an accelerator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number, check_tensor

Time = float | int | Float[Tensor, "*_"]
Value = Float[Tensor, "*_"]


def as_time(t: Any, low: float, high: float) -> Tensor:
    """A float in [low, high] as a 0-d float64 tensor; a floating tensor as it is.

    Example:
        >>> as_time(0.5, 0.0, 1.0)
        tensor(0.5000, dtype=torch.float64)
    """
    if isinstance(t, Tensor):
        check_tensor("t", t)
        return t
    check_number("t", t, low=low, high=high)
    return torch.tensor(float(t), dtype=torch.float64)


class Schedule(ABC):
    r"""The interface of every schedule: :math:`\alpha`, :math:`\sigma` and what follows from them.

    ``t_min`` and ``t_max`` bound the times; at them :math:`\sigma` or :math:`\alpha` may be 0.
    """

    t_min: float = 0.0
    t_max: float = 1.0

    def _time(self, t: Time) -> Tensor:
        return as_time(t, self.t_min, self.t_max)

    @abstractmethod
    def alpha(self, t: Time) -> Value:
        r"""Signal :math:`\alpha_t`."""

    @abstractmethod
    def sigma(self, t: Time) -> Value:
        r"""Noise level :math:`\sigma_t`, a standard deviation."""

    @abstractmethod
    def log_snr(self, t: Time) -> Value:
        r"""Log signal-to-noise ratio :math:`\lambda_t = \log(\alpha_t^2/\sigma_t^2)`, without cancellation."""

    @abstractmethod
    def t_of_log_snr(self, log_snr: Time) -> Value:
        r"""The time at which :math:`\lambda_t` has the given value: the inverse of `log_snr`."""

    @abstractmethod
    def d_alpha(self, t: Time) -> Value:
        r"""Slope :math:`d\alpha/dt`."""

    @abstractmethod
    def d_sigma(self, t: Time) -> Value:
        r"""Slope :math:`d\sigma/dt`."""

    @abstractmethod
    def f(self, t: Time) -> Value:
        r"""Drift coefficient :math:`f(t) = d\log\alpha/dt` of :math:`dx = f x\,dt + g\,dW`."""

    @abstractmethod
    def g(self, t: Time) -> Value:
        r"""Diffusion coefficient :math:`g(t)`, from :math:`g^2 = d\sigma^2/dt - 2f\sigma^2`."""


def as_log_snr(value: Any) -> Tensor:
    """A finite float as a 0-d float64 tensor; a floating tensor as it is.

    Example:
        >>> as_log_snr(-2.0)
        tensor(-2., dtype=torch.float64)
    """
    if isinstance(value, Tensor):
        check_tensor("log_snr", value)
        return value
    check_number("log_snr", value)
    return torch.tensor(float(value), dtype=torch.float64)
