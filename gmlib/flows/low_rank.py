r"""Jacobians that are the identity and a little more: determinants of the size of the bottleneck."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_tensor


def low_rank_log_det(
    a: Float[Tensor, "*batch d m"], b: Float[Tensor, "*batch m d"]
) -> Float[Tensor, "*batch"]:
    r""":math:`\log|\det(I_d + AB)|` at the price of an m x m determinant.

    .. math:: \det(I_d + AB) = \det(I_m + BA)

    (:eq:`eq-05b-lemma` in the book.)

    Args:
        a: A, shape ``(*batch, d, m)``.
        b: B, shape ``(*batch, m, d)``.

    Returns:
        Nats, shape ``(*batch)``.

    Raises:
        TypeError: ``a`` or ``b`` is not a floating tensor.
        ValueError: their shapes do not fit.

    References:
        K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, equation 23.37 (Weinstein and Aronszajn).

    Example:
        >>> low_rank_log_det(torch.ones(1000, 1), torch.ones(1, 1000))  # log 1001
        tensor(6.9088)
    """
    _check(a, b)
    eye = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    return torch.linalg.slogdet(eye + b @ a)[1]


def low_rank_residual(
    u: Float[Tensor, "*batch d"],
    a: Float[Tensor, "d m"],
    b: Float[Tensor, "m d"],
    bias: Float[Tensor, " m"],
) -> tuple[Float[Tensor, "*batch d"], Float[Tensor, "*batch"]]:
    r"""A residual block with m hidden units, and its log-determinant. It need not be invertible.

    .. math:: x = u + A\tanh(Bu + b), \qquad \det J(u) = \det\big(I_m + \operatorname{diag}(\tanh'(Bu + b))\,BA\big)

    With m = 1 this is the planar flow. `Planar` and `Sylvester` are the families of it that are always invertible.

    Args:
        u: points, shape ``(*batch, d)``.
        a: A, shape (d, m).
        b: B, shape (m, d).
        bias: b, shape (m,).

    Returns:
        x, shape ``(*batch, d)``, and :math:`\log|\det J(u)|`, shape ``(*batch)``.

    Raises:
        TypeError: an argument is not a floating tensor.
        ValueError: shapes that do not fit.

    References:
        R. van den Berg et al., *Sylvester normalizing flows for variational inference*, 2018, equations 7 and 8.

    Example:
        >>> x, log_det = low_rank_residual(torch.zeros(2), torch.ones(2, 1), torch.ones(1, 2), torch.zeros(1))
        >>> x, log_det  # log 3
        (tensor([0., 0.]), tensor(1.0986))
    """
    check_tensor("u", u)
    _check(a, b)
    check_tensor("bias", bias)
    if u.shape[-1:] != a.shape[:1] or bias.shape != b.shape[:1]:
        raise ValueError(
            f"u and bias must end in {a.shape[0]} and {a.shape[1]} entries for a of shape {tuple(a.shape)}, "
            f"got shapes {tuple(u.shape)} and {tuple(bias.shape)}"
        )
    hidden = torch.tanh(u @ b.mT + bias)
    x = u + hidden @ a.mT
    eye = torch.eye(a.shape[1], dtype=a.dtype, device=a.device)
    return x, torch.linalg.slogdet(eye + (1 - hidden.square())[..., None] * (b @ a))[1]


def _check(a: Tensor, b: Tensor) -> None:
    check_tensor("a", a)
    check_tensor("b", b)
    if a.dim() < 2 or b.dim() < 2 or a.shape[-2:] != b.shape[:-3:-1]:
        raise ValueError(
            f"a and b must have shapes (*batch, d, m) and (*batch, m, d), got {tuple(a.shape)} and {tuple(b.shape)}"
        )
