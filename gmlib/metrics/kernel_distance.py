"""The kernel distance: the unbiased squared MMD of features under the cubic kernel."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.metrics._samples import check_samples, raised
from gmlib.metrics.estimate import Estimate

BLOCK_ENTRIES, GPU_ENTRIES = 2**20, 2**27
"""Kernel values at a time: on a CPU what a cache holds, on other devices 512 MiB of float32."""


@torch.no_grad()
def kernel_distance(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    generator: torch.Generator | None = None,
) -> Estimate:
    r"""Unbiased squared MMD with the cubic kernel, averaged over random subsets (:eq:`eq-01b-kid` in the book).

    .. math:: \widehat{\mathrm{MMD}}^2 = \frac1{s(s-1)} \sum_{i \ne j} \big[ k(x_i, x_j) + k(y_i, y_j) \big]
              - \frac2{s^2} \sum_{ij} k(x_i, y_j), \qquad k(x, y) = \Big(\frac{x^\top y}{d} + 1\Big)^3

    This is the statistic of the kernel Inception distance (Binkowski et al. 2018), for any features. Its mean is free of
    the sample size, unlike that of the Frechet distance, and 0 for equal laws: negative values occur. The price is that it
    sees three moments only.

    Subsets are drawn as disjoint parts of one shuffle after another. Parts of one shuffle are independent, so the variance
    between them, over their number, is the variance of their average, and further shuffles only lower it: the standard
    error is never too small on average, and covers the chance in both samples. (The usual spread over overlapping subsets
    covers the drawing of subsets, and can be made small at will.)

    Args:
        x: features of one sample, (n, d); float16 and bfloat16 are raised to float32.
        y: features of the other, (m, d).
        subsets: number of subsets; rounded up to whole shuffles.
        subset_size: rows s that each sample gives to a subset, at least 2, at most half of the smaller sample.
        generator: source of the subsets; None takes torch's default generator of the samples' device.

    Returns:
        The mean over the subsets, in the units of the kernel; ``n`` is the number of subsets taken.

    Raises:
        TypeError: not floating tensors, or a count is not an int.
        ValueError: samples that do not match or are not finite, or a subset is larger than half of a sample.

    Example:
        >>> import torch
        >>> from gmlib.metrics import kernel_distance
        >>> generator = torch.Generator().manual_seed(0)
        >>> x, y = torch.randn(2, 2000, 8, generator=generator)
        >>> print(kernel_distance(x, y, subset_size=200, generator=generator))
        0.003 ± 0.006
    """
    check_samples(rows=4, x=x, y=y)
    check_count("subsets", subsets)
    check_count("subset_size", subset_size, low=2)
    most = min(x.shape[0], y.shape[0])
    if 2 * subset_size > most:
        raise ValueError(
            f"subset_size must be at most half of the smaller sample of {most} rows, got {subset_size}"
        )
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    x, y, parts = x.to(dtype), y.to(dtype), most // subset_size
    shuffles = -(-subsets // parts)
    values = torch.cat(
        [
            _part_statistics(*(_shuffled_parts(v, parts, subset_size, generator) for v in (x, y)))
            for _ in range(shuffles)
        ]
    ).reshape(shuffles, parts)
    error = (values.var(1).mean() / parts).sqrt()
    return Estimate(values.mean().item(), error.item(), n=values.numel())


def _shuffled_parts(x: Tensor, parts: int, size: int, generator: torch.Generator | None) -> Tensor:
    """Disjoint parts of the sample, (parts, size, d), after one shuffle."""
    order = torch.randperm(x.shape[0], generator=generator, device=x.device)
    return x[order[: parts * size]].reshape(parts, size, -1)


def _part_statistics(x: Float[Tensor, "parts s d"], y: Float[Tensor, "parts s d"]) -> Float[Tensor, " parts"]:
    """The statistic of each pair of parts, some of them at a time."""
    s = x.shape[1]
    together = max(1, (BLOCK_ENTRIES if x.device.type == "cpu" else GPU_ENTRIES) // s**2)
    values = []
    for a, b in zip(x.split(together), y.split(together), strict=True):
        same = _sums(a, a) - _own(a) + _sums(b, b) - _own(b)
        values.append(same / (s * (s - 1)) - 2 * _sums(a, b) / s**2)
    return torch.cat(values)


def _sums(a: Tensor, b: Tensor) -> Tensor:
    """Sums of the cubic kernel over all pairs of each part."""
    return raised(torch.baddbmm(a.new_ones(1), a, b.mT, alpha=1 / a.shape[-1]).pow_(3).sum((1, 2)))


def _own(a: Tensor) -> Tensor:
    """Sums of the cubic kernel of each point with itself."""
    return raised(((a.square().mean(-1) + 1) ** 3).sum(1))
