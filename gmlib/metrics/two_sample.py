"""A two-sample test: could these two samples come from one law?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_number
from gmlib.metrics._samples import check_samples, raised
from gmlib.metrics.kernel import Kernel
from gmlib.metrics.mmd import BLOCK_ENTRIES

Statistic = Callable[[Tensor, Tensor], Tensor | float]


@dataclass(frozen=True)
class TwoSampleTest:
    """The outcome of a permutation test.

    Attributes:
        statistic: its value for the samples as they are; large values speak against one law.
        p_value: share of the relabelled samples, these among them, with a statistic as large.
        threshold: the test rejects at ``level`` exactly when the statistic is above it.
        level: probability of rejecting when there is one law.
        permuted: the statistic after each relabelling, (permutations,), float64.
    """

    statistic: float
    p_value: float
    threshold: float
    level: float
    permuted: Float[Tensor, " permutations"]

    @property
    def rejects(self) -> bool:
        """Whether the samples are told apart at the level."""
        return self.p_value <= self.level


@torch.no_grad()
def permutation_test(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    statistic: Kernel | Statistic,
    *,
    permutations: int = 999,
    level: float = 0.05,
    generator: torch.Generator | None = None,
) -> TwoSampleTest:
    r"""Test whether two samples come from one law, by exchanging their points at random.

    .. math:: p = \frac{1 + \#\{b : T_b \ge T\}}{1 + B}

    with the statistic T of the samples and :math:`T_b` of B random relabellings. Under one law all :math:`B + 1` are
    exchangeable, so that :math:`P(p \le \alpha) \le \alpha` whatever the statistic, with equality when
    :math:`\alpha (B + 1)` is an integer and there are no ties; without the two ones it would not hold (Phipson & Smyth
    2010). Anything chosen beforehand, such as a bandwidth, may depend on the pooled sample only.

    With a kernel the statistic is the unbiased squared MMD (Gretton et al. 2012), and all relabellings are done at once:
    each block of the Gram matrix of the pooled sample is computed once and multiplied by all of their indicator vectors.

    Args:
        x: one sample, (n, d).
        y: the other, (m, d).
        statistic: a :class:`~gmlib.metrics.kernel.Kernel`, or a function of two samples that is large when they
            differ (called once for each relabelling).
        permutations: number B of relabellings.
        level: :math:`\alpha`, in (0, 1).
        generator: source of the relabellings; None takes torch's default generator of the samples' device.

    Returns:
        Statistic, p-value, threshold and the permuted statistics.

    Raises:
        TypeError: not floating tensors, ``statistic`` cannot be called, or a number is not a number.
        ValueError: samples that do not match, are not finite or have fewer than two rows, or a number out of range.

    Example:
        >>> import torch
        >>> from gmlib.metrics import GaussianKernel, permutation_test
        >>> generator = torch.Generator().manual_seed(0)
        >>> x, y = torch.randn(2, 100, 1, generator=generator)
        >>> permutation_test(x, y + 1, GaussianKernel(1.0), generator=generator).p_value
        0.001
    """
    check_samples(rows=2, x=x, y=y)
    check_count("permutations", permutations)
    check_number("level", level, low=0.0, high=1.0, low_open=True, high_open=True)
    if not callable(statistic):
        raise TypeError(
            f"statistic must be a Kernel or a function of two samples, got {type(statistic).__name__}"
        )
    n, pool = x.shape[0], torch.cat([x, y])
    # Row 0: as they are; the others: random orders, of which the first n rows are called x.
    order = torch.rand(permutations + 1, pool.shape[0], generator=generator, device=pool.device).argsort(1)
    order[0] = torch.arange(pool.shape[0], device=pool.device)
    if isinstance(statistic, Kernel):
        values = _permuted_mmd2(raised(pool), order[:, :n], statistic)
    else:
        values = torch.stack([_number(statistic(pool[o[:n]], pool[o[n:]])) for o in order]).cpu()
    check_finite("statistic", values)
    # Relabellings that change nothing give the same statistic up to rounding: they count as ties.
    slack = torch.finfo(values.dtype).eps ** 0.75 * values.abs().max().item()
    values = values.cpu().double()
    observed, permuted = values[0].item(), values[1:]
    as_large = int((permuted >= observed - slack).sum())
    allowed = math.floor(level * (permutations + 1) + 1e-9)
    return TwoSampleTest(
        statistic=observed,
        p_value=(1 + as_large) / (1 + permutations),
        threshold=permuted.topk(allowed).values[-1].item() + slack if allowed else math.inf,
        level=level,
        permuted=permuted,
    )


def _number(value: Tensor | float) -> Tensor:
    """What a statistic returned, as a scalar tensor."""
    if isinstance(value, Tensor) and value.numel() == 1 and value.is_floating_point():
        return value.reshape(())
    if isinstance(value, int | float):
        return torch.tensor(value, dtype=torch.float64)
    given = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
    raise TypeError(f"statistic must return one real number, got {given}")


def _permuted_mmd2(
    pool: Float[Tensor, "N d"], chosen: Int[Tensor, "B n"], kernel: Kernel
) -> Float[Tensor, " B"]:
    """Unbiased squared MMD between the chosen rows of the pool and the rest, for each row of ``chosen``."""
    size, n = pool.shape[0], chosen.shape[1]
    label = pool.new_zeros(len(chosen), size).scatter_(1, chosen, 1.0).T.contiguous()
    rows = max(1, BLOCK_ENTRIES // size)
    within, sums = pool.new_zeros(len(chosen)), []
    for start in range(0, size, rows):
        block = kernel(pool[start : start + rows], pool)
        block.diagonal(start).zero_()  # no point with itself
        within += (label[start : start + rows] * (block @ label)).sum(0)
        sums.append(block.sum(1))
    row = torch.cat(sums)
    across = row @ label - within
    outside = row.sum() - within - 2 * across
    rest = size - n
    return within / (n * (n - 1)) + outside / (rest * (rest - 1)) - 2 * across / (n * rest)
