r"""Hutchinson's estimate: the trace of a matrix that can only be applied, from random vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_choice, check_count, check_tensor
from gmlib.flows._square import check_square
from gmlib.flows.bijection import sum_event

PROBES = ("rademacher", "gaussian")
"""Laws of the random vectors: signs with equal chances, or standard normal numbers."""


def probe(
    shape: Sequence[int],
    law: str = "rademacher",
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "..."]:
    r"""Random vectors v with :math:`\mathbb E[vv^\top] = I`.

    Args:
        shape: shape of the tensor.
        law: ``"rademacher"`` or ``"gaussian"``.
        generator: source of the numbers; None for torch's default.
        dtype: dtype of the tensor; None for torch's default.
        device: where it lives.

    Returns:
        v, of the shape asked for.

    Raises:
        ValueError: ``law`` is unknown.

    Example:
        >>> probe((2, 3), generator=torch.Generator().manual_seed(0)).abs()
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """
    check_choice("law", law, PROBES)
    v = torch.empty(tuple(shape), dtype=dtype, device=device)
    if law == "gaussian":
        return v.normal_(generator=generator)
    return v.bernoulli_(0.5, generator=generator).mul_(2).sub_(1)


def vector_jacobian(
    function: Callable[[Tensor], Tensor], u: Float[Tensor, "..."]
) -> tuple[Float[Tensor, "..."], Callable[[Tensor], Tensor]]:
    r"""A function's value, and the product :math:`v \mapsto J^\top v` with its Jacobian there, for as many v as wanted.

    Points of a batch must not act on each other; then one product serves all of them. The products carry gradients.

    Args:
        function: from the shape of ``u`` to the same shape.
        u: points, any shape.

    Returns:
        function(u), and the product.

    Raises:
        TypeError: ``function`` cannot be called, or ``u`` is not a floating tensor.

    Example:
        >>> value, product = vector_jacobian(torch.sin, torch.zeros(2))
        >>> product(torch.tensor([1.0, 2.0]))
        tensor([1., 2.])
    """
    check_callable("function", function)
    check_tensor("u", u)
    value, pull, *_ = torch.func.vjp(function, u)
    return value, lambda v: pull(v)[0]


def hutchinson_trace(
    product: Callable[[Tensor], Tensor], v: Float[Tensor, "..."], *, event_dims: int = 1
) -> Float[Tensor, "..."]:
    r"""One unbiased estimate of a trace for each random vector.

    .. math:: \operatorname{tr}A = \mathbb E\,[v^\top A v], \qquad \mathbb E[vv^\top] = I

    Only products with the matrix are needed, one for each vector: v goes in, :math:`Av` or :math:`A^\top v` comes out.

    (:eq:`eq-05-hutchinson` in the book.)

    Args:
        product: applies the matrix (or its transpose) to vectors of the shape of ``v``.
        v: random vectors, shape ``(*batch, *event)``; see `probe`.
        event_dims: how many dimensions at the end of ``v`` one vector has.

    Returns:
        The estimates, shape ``(*batch)``; average over as many as you like.

    Raises:
        TypeError: ``product`` cannot be called, or ``v`` is not a floating tensor.
        ValueError: ``event_dims`` below 0.

    References:
        M. Hutchinson, *A stochastic estimator of the trace of the influence matrix for Laplacian smoothing splines*,
        1990; K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, equation 23.36.

    Example:
        >>> a = torch.tensor([[1.0, 5.0], [0.0, 2.0]])
        >>> signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
        >>> hutchinson_trace(lambda v: v @ a.T, signs)
        tensor([ 8., -2., -2.,  8.])

        Their mean is the trace, 3.
    """
    check_callable("product", product)
    check_tensor("v", v)
    check_count("event_dims", event_dims, low=0)
    return sum_event(v * product(v), event_dims)


def hutchinson_variance(
    matrix: Float[Tensor, "*batch d d"], law: str = "rademacher"
) -> Float[Tensor, "*batch"]:
    r"""The exact variance of one estimate :math:`v^\top Av`.

    .. math:: \operatorname{Var} = 2\lVert A_s\rVert_F^2 \text{ (Gaussian)}, \qquad
        2\Big(\lVert A_s\rVert_F^2 - \sum_i a_{ii}^2\Big) \text{ (signs)}, \qquad A_s = \tfrac12(A + A^\top)

    Signs never do worse, and know a diagonal matrix exactly.

    Args:
        matrix: A, shape ``(*batch, d, d)``.
        law: ``"rademacher"`` or ``"gaussian"``.

    Returns:
        The variance, shape ``(*batch)``.

    Raises:
        TypeError: ``matrix`` is not a floating tensor.
        ValueError: ``matrix`` is not square, or ``law`` is unknown.

    Example:
        >>> hutchinson_variance(torch.eye(3)), hutchinson_variance(torch.eye(3), "gaussian")
        (tensor(0.), tensor(6.))
    """
    check_square("matrix", matrix)
    check_choice("law", law, PROBES)
    symmetric = 0.5 * (matrix + matrix.mT)
    total = symmetric.square().sum((-2, -1))
    if law == "rademacher":
        total = total - symmetric.diagonal(dim1=-2, dim2=-1).square().sum(-1)
    return 2 * total
