r"""Russian roulette: an infinite series without bias, from finitely many terms."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gmlib._checks import check_count, check_number, check_tensor


def roulette_survival(
    n: int,
    *,
    survive: float,
    kept: int = 1,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> Float[Tensor, " n"]:
    r"""The chance that the k-th term is reached, :math:`P(N \ge k)`, for k = 1, ..., n.

    .. math:: P(N \ge k) = r^{\max(0,\, k - m)}

    The first m terms are always taken; after each further one the series goes on with chance r.

    Args:
        n: how many chances.
        survive: r, between 0 and 1, both excluded.
        kept: m, how many terms are always taken.
        dtype: dtype of the result; None for torch's default.
        device: where the result is made; None for torch's default.

    Returns:
        Chances, shape (n,).

    Raises:
        TypeError: an argument of another type.
        ValueError: an argument outside its range.

    Example:
        >>> roulette_survival(4, survive=0.5, kept=2)
        tensor([1.0000, 1.0000, 0.5000, 0.2500])
    """
    check_count("n", n)
    _check(survive, kept)
    k = torch.arange(1, n + 1, dtype=dtype or torch.get_default_dtype(), device=device)
    return survive ** (k - kept).clamp_min(0)


def roulette_stops(
    shape: Sequence[int], *, survive: float, kept: int = 1, generator: torch.Generator | None = None
) -> Int[Tensor, "..."]:
    """Draw N, after how many terms to stop.

    Args:
        shape: how many draws.
        survive: chance to go on after each term beyond the kept ones.
        kept: how many terms are always taken.
        generator: source of the numbers; None for torch's default.

    Returns:
        Integers of at least ``kept``, of the shape asked for.

    Raises:
        TypeError: an argument of another type.
        ValueError: an argument outside its range.

    Example:
        >>> stops = roulette_stops((10_000,), survive=0.5, generator=torch.Generator().manual_seed(0))
        >>> int(stops.min()), bool((stops.double().mean() - 2).abs() < 0.05)
        (1, True)
    """
    _check(survive, kept)
    # 1 - U is never 0; in double precision no stop beyond 53 / log2(1 / r) would be lost.
    left = 1 - torch.rand(tuple(shape), generator=generator, dtype=torch.float64)
    return kept + (left.log() / math.log(survive)).floor().long()


def russian_roulette(
    terms: Float[Tensor, "... n"], stops: Int[Tensor, "..."], *, survive: float, kept: int = 1
) -> Float[Tensor, "..."]:
    r"""The sum up to the stop, each term divided by the chance that it is reached.

    .. math:: \hat S = \sum_{k=1}^{N} \frac{\Delta_k}{P(N \ge k)}, \qquad
        \mathbb E\,\hat S = \sum_{k=1}^\infty \Delta_k

    Unbiased for every r, but of finite variance only when the terms fall fast enough: for
    :math:`|\Delta_k| \le C L^k/k` whenever :math:`r \ge L^2`.

    (:eq:`eq-05b-roulette` in the book.)

    Args:
        terms: :math:`\Delta_1, \dots, \Delta_n`, shape ``(*batch, n)``; what is beyond counts as 0.
        stops: N, integers, of a shape that broadcasts with ``(*batch)``.
        survive: r, the chance with which ``stops`` were drawn.
        kept: how many terms were always taken.

    Returns:
        One estimate for each stop, of the shape that the two broadcast to.

    Raises:
        TypeError: ``terms`` is not a floating tensor, ``stops`` is no tensor, or another argument of another type.
        ValueError: an argument outside its range.

    References:
        R. Chen et al., *Residual flows for invertible generative modeling*, 2019, equation 6.

    Example:
        The series 1/2 + 1/4 + ..., with r = 1/2, has only few values: N / 2.

        >>> terms = 0.5 ** torch.arange(1, 9).float()
        >>> russian_roulette(terms.expand(3, -1), torch.tensor([1, 2, 5]), survive=0.5)
        tensor([0.5000, 1.0000, 2.5000])
    """
    check_tensor("terms", terms)
    check_tensor("stops", stops, floating=False)
    n = terms.shape[-1]
    chance = roulette_survival(n, survive=survive, kept=kept, dtype=terms.dtype, device=terms.device)
    reached = torch.arange(1, n + 1, device=terms.device) <= stops[..., None]
    return torch.where(reached, terms / chance, 0.0).sum(-1)


def roulette_variance(
    terms: Float[Tensor, "*batch n"], *, survive: float, kept: int = 1
) -> Float[Tensor, "*batch"]:
    r"""The exact variance of `russian_roulette` over the stop, for a series that ends after these terms.

    .. math:: \operatorname{Var}\hat S = \sum_k \frac{\Delta_k^2}{P(N \ge k)}
        + 2\sum_{j<k} \frac{\Delta_j\Delta_k}{P(N \ge j)} - \Big(\sum_k \Delta_k\Big)^2

    Args:
        terms: the terms, shape ``(*batch, n)``.
        survive: r, the chance to go on.
        kept: how many terms are always taken.

    Returns:
        The variance, shape ``(*batch)``.

    Raises:
        TypeError: ``terms`` is not a floating tensor, or another argument of another type.
        ValueError: an argument outside its range.

    Example:
        >>> roulette_variance(0.5 ** torch.arange(1, 30).double(), survive=0.5)
        tensor(0.5000, dtype=torch.float64)
    """
    check_tensor("terms", terms)
    n = terms.shape[-1]
    chance = roulette_survival(n, survive=survive, kept=kept, dtype=terms.dtype, device=terms.device)
    later = terms.flip(-1).cumsum(-1).flip(-1) - terms
    return (terms * (terms + 2 * later) / chance).sum(-1) - terms.sum(-1).square()


def _check(survive: float, kept: int) -> None:
    check_number("survive", survive, low=0.0, high=1.0, low_open=True, high_open=True)
    check_count("kept", kept, low=0)
