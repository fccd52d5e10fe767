r"""Inverting u + g(u) by repetition, when g brings points closer together."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_count, check_number, check_tensor


def fixed_point_path(
    residual: Callable[[Tensor], Tensor],
    x: Float[Tensor, "..."],
    n: int,
    *,
    start: Float[Tensor, "..."] | None = None,
) -> Float[Tensor, "steps ..."]:
    r"""The iterates towards the u with :math:`u + g(u) = x`.

    .. math:: u_{k+1} = x - g(u_k), \qquad
        \lVert u_k - u_*\rVert \le \frac{L^k}{1 - L}\,\lVert u_1 - u_0\rVert \quad\text{if } \operatorname{Lip}(g) \le L < 1

    That g contracts is enough, not necessary, for u + g(u) to be invertible, nor is it necessary for the iteration. From
    starts near the solution that converges if the Jacobian of g has a spectral radius below 1 there, and in general not
    if it is above: with g(u) = 1.5 u the map x = 2.5 u has an inverse, and the iterates run away from it.

    Args:
        residual: g.
        x: points, any shape.
        n: how many steps.
        start: :math:`u_0`; None for x.

    Returns:
        :math:`u_0, \dots, u_n`, shape ``(n + 1, *x.shape)``.

    Raises:
        TypeError: ``residual`` cannot be called, or ``x`` is not a floating tensor.
        ValueError: ``n`` below 1.

    References:
        J. Behrmann et al., *Invertible residual networks*, 2019, algorithm 1; K. Murphy, *Probabilistic Machine Learning:
        Advanced Topics*, 2023, equation 23.34.

    Example:
        >>> fixed_point_path(lambda u: 0.5 * u, torch.tensor(3.0), 4)
        tensor([3.0000, 1.5000, 2.2500, 1.8750, 2.0625])
    """
    check_callable("residual", residual)
    check_tensor("x", x)
    check_count("n", n)
    path = [x if start is None else start]
    for _ in range(n):
        path.append(x - residual(path[-1]))
    return torch.stack(path)


def fixed_point_bound(first_step: float, lipschitz: float, n: int) -> float:
    r"""Banach's bound on the error after n steps, :math:`L^n/(1 - L)\,\lVert u_1 - u_0\rVert`.

    (:eq:`eq-05-fixed-point` in the book.)

    Args:
        first_step: :math:`\lVert u_1 - u_0\rVert`.
        lipschitz: L, in [0, 1).
        n: steps taken, 0 for none.

    Returns:
        A distance, in the units of ``first_step``.

    Raises:
        TypeError: an argument of another type.
        ValueError: an argument outside its range.

    Example:
        >>> fixed_point_bound(1.5, 0.5, 4)
        0.1875
    """
    check_number("first_step", first_step, low=0.0)
    check_number("lipschitz", lipschitz, low=0.0, high=1.0, high_open=True)
    check_count("n", n, low=0)
    return lipschitz**n / (1 - lipschitz) * first_step


def iterations_for(lipschitz: float, error: float) -> int:
    r"""The least n for which Banach's bound is at most ``error`` times the first step.

    Args:
        lipschitz: L, between 0 and 1.
        error: the factor.

    Returns:
        n, at least 1.

    Raises:
        TypeError: an argument of another type.
        ValueError: an argument outside its range.

    Example:
        >>> iterations_for(0.5, 1e-6), iterations_for(0.9, 1e-6)
        (21, 153)
    """
    check_number("lipschitz", lipschitz, low=0.0, high=1.0, low_open=True, high_open=True)
    check_number("error", error, low=0.0, low_open=True)
    return max(1, math.ceil(math.log(error * (1 - lipschitz)) / math.log(lipschitz)))
