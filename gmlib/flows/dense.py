"""The slow truth about a bijection: its whole Jacobian by automatic differentiation, and integrals over a grid."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_count, check_event, check_number
from gmlib.flows.bijection import Bijection


def jacobian(
    bijection: Bijection,
    u: Float[Tensor, "..."],
    c: Float[Tensor, "..."] | None = None,
    *,
    inverse: bool = False,
) -> Float[Tensor, "*batch d d"]:
    r"""The Jacobian of a bijection at each point, rows for outputs, the event flattened to d coordinates.

    One reverse pass a row, d passes in all: for tests and pictures, not for training.

    Args:
        bijection: the map.
        u: points, shape ``(*batch, *noise_shape)``; points x of data, ``(*batch, *event_shape)``, if ``inverse``.
        c: the condition, shape ``(*batch, context)``.
        inverse: differentiate the way from data to noise instead.

    Returns:
        :math:`J_{ij} = \partial x_i/\partial u_j`, shape ``(*batch, d, d)``.

    Raises:
        TypeError: ``u`` is not a floating tensor.
        ValueError: ``u`` does not end in the noise shape (the event shape if ``inverse``).

    Example:
        >>> from gmlib.flows import Affine, Elementwise
        >>> jacobian(Elementwise(Affine(), (2,)), torch.zeros(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    shape = bijection.event_shape if inverse else bijection.noise_shape
    check_event("u", u, shape)
    n = len(shape)
    batch = u.shape[: u.dim() - n]
    d = u.shape[u.dim() - n :].numel()
    point = u.detach().requires_grad_(True)
    with torch.enable_grad():
        out = (bijection.inverse if inverse else bijection.forward)(point, c)[0].reshape(*batch, d)
        rows = [
            torch.autograd.grad(
                out[..., i].sum(), point, retain_graph=True, materialize_grads=True, allow_unused=True
            )[0]
            for i in range(d)
        ]
    return torch.stack([row.reshape(*batch, d) for row in rows], -2)


def dense_log_det(
    bijection: Bijection,
    u: Float[Tensor, "..."],
    c: Float[Tensor, "..."] | None = None,
    *,
    inverse: bool = False,
) -> Float[Tensor, "*batch"]:
    r""":math:`\log|\det J|` from the whole Jacobian: what every layer's own formula is held to.

    Arguments as in `jacobian`; :math:`O(d^3)` a point.

    Example:
        >>> from gmlib.flows import Affine, Elementwise
        >>> dense_log_det(Elementwise(Affine(), (2,)), torch.zeros(3, 2))
        tensor([0., 0., 0.])
    """
    return torch.linalg.slogdet(jacobian(bijection, u, c, inverse=inverse))[1]


def grid_integral(
    log_prob: Callable[[Tensor], Tensor], *, low: float = -6.0, high: float = 6.0, n: int = 400
) -> float:
    r"""The integral of a two-dimensional density over a square, by the midpoint rule.

    Args:
        log_prob: log-density in nats, from points ``(N, 2)`` to ``(N,)``.
        low: lower end of the square in both coordinates.
        high: upper end.
        n: cells a side.

    Returns:
        The sum of density times area: 1 for a density that lies in the square.

    Raises:
        TypeError: ``log_prob`` cannot be called.
        ValueError: ``high`` is not above ``low``, or ``n`` below 1.

    Example:
        >>> from gmlib.flows import StandardNormal
        >>> round(grid_integral(StandardNormal((2,)).log_prob), 6)
        1.0
    """
    check_callable("log_prob", log_prob)
    check_number("low", low)
    check_number("high", high, low=low, low_open=True)
    check_count("n", n)
    step = (high - low) / n
    axis = low + step * (torch.arange(n, dtype=torch.get_default_dtype()) + 0.5)
    points = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        total = torch.cat([log_prob(part).double().exp() for part in points.split(40_000)]).sum()
    return float(total) * step**2
