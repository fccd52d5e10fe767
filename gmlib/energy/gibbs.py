r"""Gibbs sampling over coordinates, for any conditional law that can be sampled."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_choice, check_count, check_tensor

SCANS = ("systematic", "random")
"""In order, 1 to n, or a coordinate drawn for each chain at each step."""

Conditional = Callable[[Tensor, int | Tensor, Tensor], Tensor]
"""Of states (chains, n), a coordinate (one for all chains, or one for each) and uniforms (chains,): the new values."""


def gibbs_chain(
    conditional: Conditional,
    x: Float[Tensor, "*batch n"],
    sweeps: int,
    *,
    scan: str = "systematic",
    noise: Float[Tensor, "sweeps *batch n"] | None = None,
    generator: torch.Generator | None = None,
    trace: bool = False,
) -> Float[Tensor, "*shape n"]:
    r"""Run Gibbs chains side by side: redraw one coordinate after the other, given all others.

    .. math:: x_i \sim p(x_i \mid x_1, \dots, x_{i-1}, x_{i+1}, \dots, x_n)

    (:eq:`eq-06-gibbs` in the book; Geman and Geman 1984.) Every such step leaves p as it is, so a sweep of n of them does.
    A systematic scan takes the coordinates in order, a random scan draws one for each step and chain.

    Args:
        conditional: draws coordinate i. It gets the states (chains, n), i as an int or, in a random scan, as an int64
            tensor (chains,), and uniforms in [0, 1) of shape (chains,), and returns the new values (chains,). Index the
            tables with ``table[i]``: that serves both.
        x: the start, (\*batch, n); it is not changed.
        sweeps: sweeps of n steps each; 0 returns the start.
        scan: "systematic" or "random".
        noise: uniforms in [0, 1), (sweeps, \*batch, n), one a step; drawn if None.
        generator: source of the noise and of a random scan's order, on the device of ``x``; None is torch's default.
        trace: return the state after every sweep, the start included.

    Returns:
        The states after the last sweep, (\*batch, n), or all of them, (sweeps + 1, \*batch, n).

    Raises:
        TypeError: ``conditional`` is not callable, or a tensor or a count is not one.
        ValueError: ``scan`` is unknown, ``sweeps`` negative, or a shape does not fit.

    Example:
        >>> import torch
        >>> from gmlib.energy import gibbs_chain
        >>> fair_bits = lambda x, i, u: (u < 0.5).to(x)
        >>> gibbs_chain(fair_bits, torch.zeros(1000, 3), 5, trace=True).shape
        torch.Size([6, 1000, 3])
    """
    check_callable("conditional", conditional)
    check_choice("scan", scan, SCANS)
    _check_chain(x, sweeps, noise)
    n = x.shape[-1]
    state = x.detach().reshape(-1, n).clone()
    kept = [state.clone()] if trace else []
    with torch.no_grad():
        for sweep in range(sweeps):
            if noise is None:  # one sweep at a time: all of a long run would not fit
                uniforms = torch.rand(state.shape, dtype=x.dtype, device=x.device, generator=generator)
            else:
                uniforms = noise[sweep].reshape(-1, n)
            if scan == "systematic":
                for i in range(n):
                    state[:, i] = conditional(state, i, uniforms[:, i])
            else:
                order = torch.randint(n, (n, len(state)), generator=generator, device=x.device)
                for at, u in zip(order, uniforms.T, strict=True):
                    state.scatter_(1, at[:, None], conditional(state, at, u)[:, None])
            if trace:
                kept.append(state.clone())
    return torch.stack(kept).reshape(sweeps + 1, *x.shape) if trace else state.reshape(x.shape)


def _check_chain(x: Tensor, sweeps: int, noise: Tensor | None) -> None:
    """Raise unless ``x`` can start a chain of ``sweeps`` sweeps, and ``noise`` (if any) is (sweeps, *x.shape)."""
    check_tensor("x", x)
    if x.dim() < 1 or x.shape[-1] == 0:
        raise ValueError(f"x must have shape (*batch, n) with n >= 1, got shape {tuple(x.shape)}")
    check_count("sweeps", sweeps, low=0)
    if noise is None:
        return
    check_tensor("noise", noise)
    if tuple(noise.shape) != (sweeps, *x.shape):
        raise ValueError(
            f"noise must have shape {(sweeps, *x.shape)}, (sweeps, *batch, n), got shape {tuple(noise.shape)}"
        )
