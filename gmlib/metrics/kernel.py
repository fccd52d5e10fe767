"""Kernels that compare points, and the usual bandwidth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.metrics._samples import check_sample, check_samples, median_centre, raised


class Kernel(ABC):
    """A positive definite function of two points, evaluated on all pairs of two samples."""

    @abstractmethod
    def __call__(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
        """Return k(x_i, y_j) for all pairs."""

    @abstractmethod
    def diagonal(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return k(x_i, x_i)."""


@dataclass(frozen=True)
class GaussianKernel(Kernel):
    r"""The Gaussian kernel of bandwidth :math:`\ell`.

    .. math:: k(x, y) = e^{-\lVert x - y \rVert^2 / 2 \ell^2}

    It is characteristic: the squared MMD is 0 only for equal laws. With :math:`\ell` far below the distances between
    points it sees only each point itself, far above them only the means; see :func:`median_bandwidth`.

    Squared distances come from a matrix product about the coordinatewise median, in float64 (float32 on Apple's devices).
    They lose about :math:`10^{-16} R^2`, with R the distance from the median: nothing to a kernel as long as that is small
    beside :math:`\ell^2`, and less than float32 data resolve.

    Args:
        bandwidth: :math:`\ell > 0`, in the units of the data.

    Raises:
        TypeError: ``bandwidth`` is not a number.
        ValueError: it is not positive and finite.

    Example:
        >>> import torch
        >>> from gmlib.metrics import GaussianKernel
        >>> GaussianKernel(1.0)(torch.zeros(1, 2, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)).item()
        0.36787944117144233
    """

    bandwidth: float

    def __post_init__(self) -> None:
        check_number("bandwidth", self.bandwidth, low=0.0, low_open=True)

    def __call__(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
        """Return the kernel values of all pairs."""
        dtype = torch.promote_types(x.dtype, y.dtype)
        # Squares of coordinates far from the centre cancel, which costs float32 its digits; and a mean follows outliers.
        centre = median_centre(y.detach())
        x, y = (raised(x) - centre) / self.bandwidth, (raised(y) - centre) / self.bandwidth
        exponent = torch.addmm(-y.square().sum(1) / 2, x, y.T)
        exponent -= x.square().sum(1, keepdim=True) / 2
        return exponent.clamp_max_(0).to(dtype).exp_()

    def diagonal(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return ones."""
        return torch.ones_like(x[:, 0])


@dataclass(frozen=True)
class CubicKernel(Kernel):
    r"""The cubic kernel of the kernel distance: it compares all moments up to the third.

    .. math:: k(x, y) = \Big(\frac{x^\top y}{d} + 1\Big)^3

    (Binkowski et al. 2018.) Not characteristic: laws with the same first three moments have squared MMD 0.

    Example:
        >>> import torch
        >>> from gmlib.metrics import CubicKernel
        >>> CubicKernel()(torch.ones(1, 2), torch.ones(1, 2)).item()
        8.0
    """

    def __call__(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
        """Return the kernel values of all pairs."""
        base = torch.addmm(x.new_ones(1), x / x.shape[1], y.T)
        return base * base * base

    def diagonal(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return k(x_i, x_i)."""
        return (x.square().mean(1) + 1) ** 3


@torch.no_grad()
def median_bandwidth(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"] | None = None,
    *,
    most: int = 2000,
    generator: torch.Generator | None = None,
) -> float:
    """The median distance between different points of the pooled sample: the usual first guess of a bandwidth.

    It looks at the pooled sample only, not at which point came from where, so that a permutation test stays exact.

    Args:
        x: one sample, (n, d).
        y: the other, (m, d), or None.
        most: points that are looked at; of more, that many are drawn.
        generator: source of the draw; None takes torch's default generator of the samples' device.

    Returns:
        The median, in the units of the data.

    Raises:
        TypeError: not floating tensors, or ``most`` is not an int.
        ValueError: fewer than two points, samples that do not match or are not finite, or a median of 0.

    Example:
        >>> import torch
        >>> from gmlib.metrics import median_bandwidth
        >>> median_bandwidth(torch.tensor([[0.0], [1.0], [3.0]]))
        2.0
    """
    if y is None:
        check_sample("x", x, rows=2)
    else:
        check_samples(x=x, y=y)
    check_count("most", most, low=2)
    pool = x if y is None else torch.cat([x, y])
    if pool.shape[0] > most:
        pool = pool[torch.randperm(pool.shape[0], generator=generator, device=pool.device)[:most]]
    median = torch.pdist(raised(pool)).median().item()
    if median == 0.0:
        raise ValueError(
            "x must have a positive median distance, got 0: more than half of the pairs are duplicates"
        )
    return median
