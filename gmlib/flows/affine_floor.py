"""The best that one affine autoregressive layer can do: its conditional laws are normal, and no network helps that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gmlib._checks import check_count
from gmlib.distributions.base import LOG_2PI
from gmlib.flows.bijection import Bijection


class NormalConditionals(Bijection):
    r"""The affine autoregressive layer closest to a mixture of the plane, in closed form.

    .. math:: x_1 = \mathbb E[x_1] + \sqrt{\operatorname{Var}[x_1]}\;u_1, \qquad
        x_2 = \mathbb E[x_2\mid x_1] + \sqrt{\operatorname{Var}[x_2\mid x_1]}\;u_2

    With a standard normal base it minimises :math:`\mathrm{KL}(p\,\|\,p_\theta)` over all affine layers of that order,
    whatever their networks: the cross entropy of a normal law is least at the moments of p, here at those of each
    conditional law.

    Args:
        law: a `gmlib.distributions.GaussianMixture` over two coordinates, without batch.
        order: the coordinates, the first one first.

    Raises:
        TypeError: ``law`` has no ``marginal`` and ``condition``.
        ValueError: ``law`` is not over the plane, or ``order`` is neither (0, 1) nor (1, 0).

    References:
        K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, section 23.2.4.1.

    Example:
        >>> import torch
        >>> from gmlib.distributions import cross
        >>> layer = NormalConditionals(cross())
        >>> x, log_det = layer(torch.zeros(1, 2))  # the cross has mean 0
        >>> x.abs().max() < 1e-6, log_det.shape
        (tensor(True), torch.Size([1]))
    """

    mean: Tensor
    log_scale: Tensor
    log_weights: Tensor
    m_first: Tensor
    v_first: Tensor
    m_second: Tensor
    slope: Tensor
    v_second: Tensor

    def __init__(self, law: Any, order: Sequence[int] = (0, 1)) -> None:
        _check_plane(law, order)
        super().__init__((2,))
        self.first, self.second = order
        means, cov = law.means[:, list(order)], law.covariances[:, list(order)][..., list(order)]
        marginal = law.marginal(self.first)
        slope = cov[:, 0, 1] / cov[:, 0, 0]
        values = {
            "mean": marginal.mean[0],
            "log_scale": marginal.variance[0].log() / 2,
            "log_weights": law.log_weights - cov[:, 0, 0].log() / 2,
            "m_first": means[:, 0],
            "v_first": cov[:, 0, 0],
            "m_second": means[:, 1],
            "slope": slope,
            "v_second": cov[:, 1, 1] - slope * cov[:, 0, 1],
        }
        for name, value in values.items():
            self.register_buffer(name, value.clone())

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        x = list(u.unbind(-1))
        x[self.first] = self.mean + self.log_scale.exp() * x[self.first]
        shift, log_scale = self._second(x[self.first])
        x[self.second] = shift + log_scale.exp() * x[self.second]
        return torch.stack(x, -1), self.log_scale + log_scale

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        u = list(x.unbind(-1))
        shift, log_scale = self._second(u[self.first])
        u[self.first] = (u[self.first] - self.mean) * (-self.log_scale).exp()
        u[self.second] = (u[self.second] - shift) * (-log_scale).exp()
        return torch.stack(u, -1), -self.log_scale - log_scale

    def _second(self, first: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of the second coordinate given the first, summed over the components."""
        gap = first.unsqueeze(-1) - self.m_first
        share = (self.log_weights - 0.5 * gap.square() / self.v_first).softmax(-1)
        means = self.m_second + self.slope * gap
        mean = (share * means).sum(-1)
        var = (share * (self.v_second + (means - mean.unsqueeze(-1)).square())).sum(-1)
        return mean, var.log() / 2


@dataclass(frozen=True)
class AffineFloor:
    """Least KL divergence, in nats, of a law of the plane from one affine autoregressive layer over a normal base.

    Attributes:
        first: what the marginal law of the first coordinate costs, which the layer takes to be normal.
        second: what the conditional laws of the second cost, on average.
        entropy: entropy of the law.

    Example:
        >>> AffineFloor(first=0.25, second=0.5, entropy=1.0).total
        0.75
    """

    first: float
    second: float
    entropy: float

    @property
    def total(self) -> float:
        """The minimum of the KL divergence, ``first + second``."""
        return self.first + self.second


def affine_layer_floor(law: Any, order: Sequence[int] = (0, 1), *, n: int = 300) -> AffineFloor:
    r"""The least KL divergence that one affine autoregressive layer attains on a mixture of the plane.

    .. math:: \min_\theta \mathrm{KL}(p\,\|\,p_\theta)
        = \tfrac12\log\big(2\pi e\operatorname{Var}[x_1]\big) - H(x_1)
        + \mathbb E\big[\tfrac12\log\big(2\pi e\operatorname{Var}[x_2\mid x_1]\big)\big] - H(x_2\mid x_1)

    (:eq:`eq-05-floor` in the book), attained by `NormalConditionals`. The integrals are sums over a grid that reaches
    9 standard deviations past every component: for a mixture they are exact to many digits once the grid's step is
    less than the narrowest component is wide.

    Args:
        law: a `gmlib.distributions.GaussianMixture` over two coordinates, without batch.
        order: the coordinates, the first one first.
        n: nodes of the grid in either coordinate.

    Returns:
        The floor in its two parts, with the law's entropy.

    Raises:
        TypeError: ``law`` has no ``marginal`` and ``condition``.
        ValueError: ``law`` is not over the plane, ``order`` is neither (0, 1) nor (1, 0), or ``n`` is below 2.

    References:
        K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, section 23.2.4.1.

    Example:
        >>> import torch
        >>> from gmlib.distributions import cross
        >>> floor = affine_layer_floor(cross(dtype=torch.float64))
        >>> print(f"{floor.first:.4f} {floor.total:.4f} {floor.entropy:.4f}")
        0.2517 0.3283 1.4531
    """
    _check_plane(law, order)
    check_count("n", n, low=2)
    first, second = order
    reach = 9 * law.covariances.diagonal(dim1=-2, dim2=-1).sqrt()
    low, high = (law.means - reach).amin(0).tolist(), (law.means + reach).amax(0).tolist()
    axes = [
        torch.linspace(a, b, n, dtype=law.means.dtype, device=law.means.device)
        for a, b in zip(low, high, strict=True)
    ]
    steps = [(b - a) / (n - 1) for a, b in zip(low, high, strict=True)]

    marginal = law.marginal(first)
    log_p = marginal.log_prob(axes[first].unsqueeze(-1))
    weight = log_p.exp() * steps[first]
    entropy_first = -float((weight * log_p).sum())
    given = law.condition(first, axes[first].unsqueeze(-1))
    entropies = _entropies(given, axes[second]) * steps[second]
    entropy_second = float((weight * entropies).sum())

    normal = 0.5 * (LOG_2PI + 1)  # entropy of N(0, 1)
    return AffineFloor(
        first=normal + 0.5 * math.log(float(marginal.variance)) - entropy_first,
        second=normal + 0.5 * float((weight * given.variance.squeeze(-1).log()).sum()) - entropy_second,
        entropy=entropy_first + entropy_second,
    )


def _entropies(laws: Any, axis: Tensor) -> Tensor:
    """Sum of -p log p over the nodes, for each of a batch of mixtures on the line: one after the other, to spare memory."""
    means, var = laws.means.squeeze(-1), laws.covariances.flatten(-3)
    found = []
    for log_w, m, v in zip(laws.log_weights, means, var, strict=True):
        log_parts = log_w - 0.5 * ((axis.unsqueeze(-1) - m).square() / v + v.log() + LOG_2PI)
        log_p = log_parts.logsumexp(-1)
        found.append(-(log_p.exp() * log_p).sum())
    return torch.stack(found)


def _check_plane(law: Any, order: Any) -> None:
    if not (callable(getattr(law, "marginal", None)) and callable(getattr(law, "condition", None))):
        raise TypeError(f"law must have the methods marginal and condition, got {type(law).__name__}")
    if tuple(law.event_shape) != (2,) or tuple(law.batch_shape):
        found = f"batch {tuple(law.batch_shape)} and event {tuple(law.event_shape)}"
        raise ValueError(f"law must be one law over two coordinates, got {found}")
    if tuple(order) not in ((0, 1), (1, 0)):
        raise ValueError(f"order must be (0, 1) or (1, 0), got {order!r}")
