"""A critic's output at points, and how steep it is there."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_tensor
from gmlib.gan._points import check_batch

Critic = Callable[[Tensor], Tensor]
Points = Float[Tensor, "batch *event"]


def slope_squared(critic: Critic, x: Points) -> Float[Tensor, " batch"]:
    r"""Squared length of the critic's gradient at each point, :math:`\lVert \nabla_x a(x) \rVert^2`.

    Differentiable with respect to the critic's weights. The critic must treat the points one by one: with batch
    normalisation the gradient at one point depends on the others.

    Args:
        critic: maps (batch, \*event) to (batch,).
        x: points, (batch, \*event).

    Returns:
        (batch,).

    Raises:
        TypeError: ``critic`` cannot be called, or a tensor is not floating.
        ValueError: ``x`` has no event dimension or no point, or ``critic(x)`` is not (batch,).

    Example:
        >>> import torch
        >>> from gmlib.gan import slope_squared
        >>> slope_squared(lambda x: 3 * x[:, 0] + 4 * x[:, 1], torch.zeros(2, 2))
        tensor([25., 25.])
    """
    check_batch("x", x)
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        a = critic_output(critic, x)
        if not a.requires_grad:  # a constant
            return torch.zeros_like(a)
        (gradient,) = torch.autograd.grad(a.sum(), x, create_graph=True, allow_unused=True)
        if gradient is None:
            return torch.zeros_like(a)
        return gradient.square().flatten(1).sum(1)


def critic_output(critic: Critic, x: Tensor) -> Float[Tensor, " batch"]:
    """Return ``critic(x)`` after a look at its kind and shape: one number a point.

    Example:
        >>> import torch
        >>> from gmlib.gan.slope import critic_output
        >>> critic_output(lambda x: x.sum(1), torch.ones(2, 3))
        tensor([3., 3.])
    """
    check_callable("critic", critic)
    a = critic(x)
    check_tensor("critic(x)", a)
    if a.shape != x.shape[:1]:
        raise ValueError(
            f"critic(x) must have shape {tuple(x.shape[:1])}, one number a point, got shape {tuple(a.shape)}"
        )
    return a
