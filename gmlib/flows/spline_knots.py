"""From free parameters to the knots of a monotone spline, and what all splines share: an interval and its tails."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.flows.scalar import ScalarMap


def bin_sizes(raw: Float[Tensor, "... K"], min_size: float) -> Float[Tensor, "... K"]:
    r"""Sizes of K bins that fill an interval of length 1, from any K real numbers.

    .. math:: w_k = m + (1 - Km)\,\operatorname{softmax}(\theta)_k

    Args:
        raw: theta, shape ``(..., K)``.
        min_size: m, the least share of the interval that a bin keeps; :math:`Km < 1`.

    Returns:
        Sizes of at least m, which sum to 1.

    References:
        C. Durkan, A. Bekasov, I. Murray and G. Papamakarios, *Neural spline flows*, 2019, section 3.1.

    Example:
        >>> bin_sizes(torch.tensor([0.0, 0.0, -100.0]), 0.1)
        tensor([0.4500, 0.4500, 0.1000])
    """
    # On a processor, softmax takes rows of few numbers one by one; as columns it takes many points at once.
    shares = raw.movedim(-1, 0).softmax(0).movedim(0, -1)
    return shares * (1 - raw.shape[-1] * min_size) + min_size


class Bin(NamedTuple):
    """Where points fall: the bin's number, its lower ends and its sizes, in u (first) and in x (second)."""

    number: Tensor
    start: tuple[Tensor, Tensor]
    size: tuple[Tensor, Tensor]


def find_bin(point: Tensor, sizes: Tensor, side: int) -> Bin:
    """The bin of each point: ``point`` has shape ``(...)``, ``sizes`` ``(..., 2, K)``; ``side`` is 0 in u, 1 in x.

    Example:
        >>> import torch
        >>> find_bin(torch.tensor([0.3]), torch.tensor([[[0.5, 0.5], [0.2, 0.8]]]), 1).number
        tensor([1])
    """
    ends = sizes.cumsum(-1)
    # Counting the inner knots below the point needs no branch, and keeps the ends of the interval in their bins.
    number = (point.unsqueeze(-1) >= ends[..., side, :-1]).sum(-1)
    place = number[..., None, None].expand(*number.shape, 2, 1)
    size = sizes.gather(-1, place).squeeze(-1)
    start = ends.gather(-1, place).squeeze(-1) - size
    return Bin(number, (start[..., 0], start[..., 1]), (size[..., 0], size[..., 1]))


class Spline(ScalarMap):
    r"""A one-to-one map of the interval [low, bound] onto itself, made of ``bins`` pieces; the identity outside.

    A kind of spline writes `_unit_forward` and `_unit_inverse`, maps of [0, 1]; this class moves the interval and
    keeps the tails.

    Args:
        bins: number of pieces K.
        bound: upper end of the interval.
        low: lower end; None for ``-bound``. ``low=0.0, bound=1.0`` bends densities of bounded data.
        min_size: least size of a bin as a share of the interval, so that slopes stay finite; K times it is below 1.

    Raises:
        TypeError: an argument is not a number.
        ValueError: no bin, an empty interval, or bins that cannot all have their least size.
    """

    def __init__(
        self, bins: int = 8, bound: float = 5.0, *, low: float | None = None, min_size: float = 1e-3
    ) -> None:
        check_count("bins", bins)
        if low is None:
            check_number("bound", bound, low=0.0, low_open=True)
        else:
            check_number("low", low)
            check_number("bound", bound, low=low, low_open=True)
        check_number("min_size", min_size, low=0.0, high=1 / bins, high_open=True)
        self.bins = bins
        self.low = -bound if low is None else low
        self.bound = bound
        self.min_size = min_size

    def forward(
        self, u: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        r"""x = h(u) and :math:`\log h'(u)`; outside the interval u and 0."""
        self._check("u", u, params)
        unit, log_slope = self._unit_forward(self._to_unit(u), params)
        return self._with_tails(u, unit, log_slope)

    def inverse(
        self, x: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        r"""u = h^{-1}(x) and :math:`\log (h^{-1})'(x)`; outside the interval x and 0."""
        self._check("x", x, params)
        unit, log_slope = self._unit_inverse(self._to_unit(x), params)
        return self._with_tails(x, unit, log_slope)

    def identity(self) -> Float[Tensor, " k"]:
        """Zeros: equal bins, and slope 1 at every knot."""
        return torch.zeros(self.n_params)

    @abstractmethod
    def _unit_forward(self, point: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """The map of [0, 1] onto itself, and its log-slope."""

    @abstractmethod
    def _unit_inverse(self, point: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """Its inverse, and the log-slope of that."""

    def _to_unit(self, point: Tensor) -> Tensor:
        # Points outside are computed at the nearest end and replaced afterwards, so that their gradients are finite.
        return (point.clamp(self.low, self.bound) - self.low) / (self.bound - self.low)

    def _with_tails(self, point: Tensor, unit: Tensor, log_slope: Tensor) -> tuple[Tensor, Tensor]:
        inside = (point >= self.low) & (point <= self.bound)
        moved = unit * (self.bound - self.low) + self.low
        return torch.where(inside, moved, point), torch.where(inside, log_slope, 0.0)
