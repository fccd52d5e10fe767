"""From the real line into (0, 1), coordinate by coordinate: for data with two ends."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from gmlib.flows.bijection import Bijection, sum_event


class Sigmoid(Bijection):
    r"""The logistic function in every coordinate; its inverse is the logit.

    .. math:: x = \sigma(u), \qquad \log|\det J(u)| = \sum_i \log\sigma(u_i) + \log\sigma(-u_i)

    Points at or beyond the faces of the cube are read as the nearest floating-point numbers inside.

    Args:
        event_shape: shape of one point.

    Raises:
        ValueError: a size below 1.

    References:
        L. Dinh, J. Sohl-Dickstein and S. Bengio, *Density estimation using Real NVP*, 2017, section 4.1.

    Example:
        >>> x, log_det = Sigmoid((2,))(torch.zeros(2))
        >>> x, log_det.exp()
        (tensor([0.5000, 0.5000]), tensor(0.0625))
    """

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__(event_shape)

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        log_slope = functional.logsigmoid(u) + functional.logsigmoid(-u)
        return torch.sigmoid(u), sum_event(log_slope, len(self.event_shape))

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        x = inside(x)
        low, high = x.log(), (-x).log1p()
        return low - high, -sum_event(low + high, len(self.event_shape))


class NormalCdf(Bijection):
    r"""The distribution function of N(0, 1) in every coordinate: standard normal noise becomes uniform.

    .. math:: x = \Phi(u), \qquad \log|\det J(u)| = -\tfrac12\sum_i \big(u_i^2 + \log 2\pi\big)

    Points at or beyond the faces of the cube are read as the nearest floating-point numbers inside.

    Args:
        event_shape: shape of one point.

    Raises:
        ValueError: a size below 1.

    References:
        G. Papamakarios et al., *Normalizing flows for probabilistic modeling and inference*, 2021, section 2.2.

    Example:
        >>> from gmlib.flows import Flow, StandardNormal
        >>> x = torch.tensor([[0.1, 0.7]])
        >>> bool(Flow(StandardNormal((2,)), NormalCdf((2,))).log_prob(x).abs() < 1e-6)
        True
    """

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__(event_shape)

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        # torch.special.ndtr has no left tail: it is exactly 0 below -9.
        x = 0.5 * torch.special.erfc(-u / math.sqrt(2))
        return x, sum_event(_log_normal(u), len(self.event_shape))

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        u = torch.special.ndtri(inside(x))
        return u, -sum_event(_log_normal(u), len(self.event_shape))


def _log_normal(u: Tensor) -> Tensor:
    return -0.5 * (u.square() + math.log(2 * math.pi))


def inside(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Points at or beyond the ends of (0, 1) as the nearest floating-point numbers inside; the others as they are.

    Example:
        >>> inside(torch.tensor([0.0, 0.5, 1.0])).log().isfinite().tolist()
        [True, True, True]
    """
    limits = torch.finfo(x.dtype)
    return x.clamp(limits.tiny, 1 - limits.eps / 2)
