"""No number alone: a metric of the model beside the same metric of real data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_event, check_tensor

T = TypeVar("T")


@dataclass(frozen=True)
class WithCeiling(Generic[T]):
    """What a metric says of a model, and what it says of real data.

    Attributes:
        value: of n real points and n of the model.
        ceiling: of the same n real points and n other real points: what a perfect model would get.
        n: number of points on each side.

    Example:
        >>> print(WithCeiling(1.5, 0.25, 1000))
        1.5 (real against real 0.25, N = 1000)
    """

    value: T
    ceiling: T
    n: int

    def __str__(self) -> str:
        """The two numbers and N, in one line."""
        shown = [f"{x:.4g}" if isinstance(x, float) else str(x) for x in (self.value, self.ceiling)]
        return f"{shown[0]} (real against real {shown[1]}, N = {self.n})"


def with_ceiling(
    metric: Callable[[Tensor, Tensor], T],
    real: Float[Tensor, "n d"],
    fake: Float[Tensor, "m d"],
    *,
    generator: torch.Generator | None = None,
) -> WithCeiling[T]:
    r"""Measure a model against one half of the real data, and the other half likewise.

    .. math:: (M(A, F),\; M(A, B)), \qquad A \cup B \subseteq \text{real}, \quad F \subseteq \text{fake}, \quad
              |A| = |B| = |F| = N

    All three are drawn at random without replacement, with the largest N that both samples allow,
    :math:`N = \min(\lfloor n / 2 \rfloor, m)`, so that a bias that depends on N is in both numbers.

    Args:
        metric: a function of two samples (N, d), real first.
        real: features of real data, (n, d), n >= 4.
        fake: features of the model's samples, (m, d), m >= 2.
        generator: source of the draws; None for torch's default generator.

    Returns:
        Both numbers (as ``metric`` returns them, a scalar tensor as a float), with N.

    Raises:
        ValueError: a sample is too small or no matrix, or the dimensions differ.
        TypeError: a sample is not a floating tensor.

    Example:
        Two laws that are the same, and a model that is shifted by 1:

        >>> from gmlib.metrics import frechet_distance, with_ceiling
        >>> real = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> result = with_ceiling(frechet_distance, real, real[:2000] + torch.tensor([1.0, 0.0]))
        >>> 0.9 < result.value < 1.1, result.ceiling < 0.02, result.n
        (True, True, 2000)
    """
    for name, sample, least in (("real", real, 4), ("fake", fake, 2)):
        check_tensor(name, sample)
        if sample.dim() != 2 or len(sample) < least:
            raise ValueError(
                f"{name} must be a matrix of at least {least} rows, got shape {tuple(sample.shape)}"
            )
    check_event("fake", fake, (real.shape[1],))
    n = min(len(real) // 2, len(fake))
    device = torch.device("cpu") if generator is None else generator.device
    order = torch.randperm(len(real), generator=generator, device=device).to(real.device)
    chosen = torch.randperm(len(fake), generator=generator, device=device).to(fake.device)[:n]
    a, b = real[order[:n]], real[order[n : 2 * n]]
    return WithCeiling(_number(metric(a, fake[chosen])), _number(metric(a, b)), n)


def _number(value: T) -> T:
    return value.item() if isinstance(value, Tensor) else value  # pyright: ignore[reportReturnType]
