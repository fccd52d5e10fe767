r"""The log-determinant of I + J as a power series, for J smaller than the identity."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_count, check_number, check_tensor
from gmlib.flows._square import check_square
from gmlib.flows.bijection import sum_event


def log_det_terms(matrix: Float[Tensor, "*batch d d"], n: int) -> Float[Tensor, "*batch n"]:
    r"""The first terms of the series, with exact traces.

    .. math:: \log\det(I + J) = \sum_{k=1}^\infty \Delta_k, \qquad
        \Delta_k = \frac{(-1)^{k+1}}{k}\operatorname{tr}J^k

    It converges when all eigenvalues of J are smaller than 1 in modulus, so whenever :math:`\lVert J\rVert < 1`.

    (:eq:`eq-05-series` in the book.)

    Args:
        matrix: J, shape ``(*batch, d, d)``.
        n: how many terms.

    Returns:
        :math:`\Delta_1, \dots, \Delta_n`, shape ``(*batch, n)``; their ``cumsum(-1)`` are the truncated series.

    Raises:
        TypeError: ``matrix`` is not a floating tensor.
        ValueError: ``matrix`` is not square, or ``n`` below 1.

    References:
        J. Behrmann et al., *Invertible residual networks*, 2019, equation 5; K. Murphy, *Probabilistic Machine Learning:
        Advanced Topics*, 2023, equation 23.35.

    Example:
        >>> log_det_terms(0.5 * torch.eye(2), 25).sum(), 2 * math.log(1.5)
        (tensor(0.8109), 0.8109302162163288)
    """
    check_square("matrix", matrix)
    check_count("n", n)
    power, terms = matrix, []
    for k in range(1, n + 1):
        terms.append(power.diagonal(dim1=-2, dim2=-1).sum(-1) * _sign(k))
        power = power @ matrix
    return torch.stack(terms, -1)


def probed_log_det_terms(
    product: Callable[[Tensor], Tensor], v: Float[Tensor, "..."], n: int, *, event_dims: int = 1
) -> Float[Tensor, "*batch n"]:
    r"""The first terms of the series, each with Hutchinson's estimate of its trace from the same random vector.

    .. math:: \hat\Delta_k = \frac{(-1)^{k+1}}{k}\, v^\top J^k v, \qquad \mathbb E\,\hat\Delta_k = \Delta_k

    One product a term: :math:`J^kv` is made from :math:`J^{k-1}v`.

    Args:
        product: applies J (or its transpose) to vectors of the shape of ``v``.
        v: random vectors, shape ``(*batch, *event)``; see `gmlib.flows.hutchinson.probe`.
        n: how many terms.
        event_dims: how many dimensions at the end of ``v`` one vector has.

    Returns:
        The estimates, shape ``(*batch, n)``.

    Raises:
        TypeError: ``product`` cannot be called, or ``v`` is not a floating tensor.
        ValueError: ``n`` below 1, or ``event_dims`` below 0.

    References:
        R. Chen et al., *Residual flows for invertible generative modeling*, 2019, section 3.1.

    Example:
        >>> probed_log_det_terms(lambda v: 0.5 * v, torch.tensor([1.0, -1.0]), 3)
        tensor([ 1.0000, -0.2500,  0.0833])
    """
    check_callable("product", product)
    check_tensor("v", v)
    check_count("n", n)
    check_count("event_dims", event_dims, low=0)
    w, terms = v, []
    for k in range(1, n + 1):
        w = product(w)
        terms.append(sum_event(v * w, event_dims) * _sign(k))
    return torch.stack(terms, -1)


def log_det_series_bound(d: int, lipschitz: float, n: int) -> float:
    r"""How far the series with n terms can be from :math:`\log\det(I + J)`, for any J of norm at most L.

    .. math:: \Big|\log\det(I + J) - \sum_{k=1}^n \Delta_k\Big| \le \sum_{k>n} \frac{d\,L^k}{k}
        = -d\,\Big[\log(1 - L) + \sum_{k=1}^n \frac{L^k}{k}\Big]

    (:eq:`eq-05b-truncation` in the book.)

    Args:
        d: size of J.
        lipschitz: L, in [0, 1).
        n: terms taken, 0 for none.

    Returns:
        Nats.

    Raises:
        TypeError: an argument of another type.
        ValueError: an argument outside its range.

    References:
        J. Behrmann et al., *Invertible residual networks*, 2019, theorem 4.

    Example:
        >>> [round(log_det_series_bound(6, 0.6, n), 4) for n in (2, 5, 10)]
        [0.8177, 0.098, 0.0044]
    """
    check_count("d", d)
    check_number("lipschitz", lipschitz, low=0.0, high=1.0, high_open=True)
    check_count("n", n, low=0)
    return -d * (math.log1p(-lipschitz) + sum(lipschitz**k / k for k in range(1, n + 1)))


def _sign(k: int) -> float:
    return (-1) ** (k + 1) / k
