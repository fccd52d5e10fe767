r"""Unadjusted Langevin dynamics: samples from a score, and what a finite step does to their law.

.. math:: x \leftarrow x + \tfrac\delta2\,s(x) + \sqrt{\delta\tau}\,\varepsilon, \qquad \varepsilon\sim\mathcal N(0, I)

The book writes the step this way everywhere. Other conventions for the same chain: :math:`\epsilon s + \sqrt{2\epsilon}\,z`
has :math:`\epsilon = \delta/2`, and :math:`\tfrac{\epsilon^2}2 s + \epsilon z` has :math:`\epsilon^2 = \delta`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number, check_tensor
from gmlib.score._arguments import check_same, evaluate
from gmlib.score._chain import check_chain, moved
from gmlib.score._compile import compiled


def langevin_step(
    x: Float[Tensor, "batch *event"],
    score_value: Float[Tensor, "batch *event"],
    noise: Float[Tensor, "batch *event"],
    step: float | int | Float[Tensor, ""],
    temperature: float | int = 1.0,
) -> Float[Tensor, "batch *event"]:
    r"""One step of the Langevin chain.

    .. math:: x + \tfrac\delta2\,s(x) + \sqrt{\delta\tau}\,\varepsilon

    (:eq:`eq-08-langevin` in the book.) Drift and noise belong together: the noise has the standard deviation
    :math:`\sqrt\delta` because the drift has the factor :math:`\delta/2`.

    Args:
        x: points, (batch, \*event).
        score_value: the score there, :math:`s(x)`, (batch, \*event); one over a length.
        noise: standard normal noise, (batch, \*event). Both are read in the dtype of ``x``.
        step: :math:`\delta > 0`, a squared length; a number, or a tensor without dimensions, whose value is not checked.
        temperature: :math:`\tau \ge 0`; it multiplies the variance of the noise, so that small steps sample
            :math:`p^{1/\tau}`, and 0 leaves gradient ascent on :math:`\log p`.

    Returns:
        The next points, (batch, \*event).

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: ``step`` is not positive, ``temperature`` is negative, or the tensors differ in shape or device.

    Example:
        >>> import torch
        >>> from gmlib.score import langevin_step
        >>> x = torch.tensor([[2.0]])
        >>> langevin_step(x, -x, torch.ones(1, 1), 0.25).item()  # 2 - 0.25 + 0.5
        2.25
    """
    check_tensor("x", x)
    for name, value in (("score_value", score_value), ("noise", noise)):
        check_tensor(name, value)
        check_same(name, value.to(x.dtype), "x", x)
    check_number("temperature", temperature, low=0.0)
    if isinstance(step, Tensor):
        if step.dim():
            raise ValueError(f"step must be a number or a tensor without dimensions, got {tuple(step.shape)}")
        return moved(x, score_value, noise, step / 2, (step * temperature).sqrt())
    check_number("step", step, low=0.0, low_open=True)
    return moved(x, score_value, noise, step / 2, math.sqrt(step * temperature))


@torch.no_grad()
def langevin(
    score: Callable[[Tensor], Tensor],
    x: Float[Tensor, "batch *event"],
    *,
    step: float | int,
    steps: int,
    temperature: float | int = 1.0,
    generator: torch.Generator | None = None,
    compile: bool = False,
) -> Float[Tensor, "batch *event"]:
    r"""Run Langevin chains and return where they end.

    Every chain starts at its own row of ``x`` and makes ``steps`` moves (:eq:`eq-08-langevin` in the book). With a finite
    step the law they settle in is not the target; see
    :py:obj:`~gmlib.score.linear_chain.stationary_variance`. Total time ``step * steps`` must also be
    long enough for a chain to forget where it started, which between far modes it never is.

    **Cost.** One call of the score and one draw of noise a step; no path is kept, and the host never waits for the device.
    No gradient flows through the chain.

    Args:
        score: any callable from (batch, \*event) to the same shape, such as ``law.score``; its values are read in the dtype
            of ``x``, which is the chain's.
        x: start, (batch, \*event); finite.
        step: :math:`\delta > 0`, a squared length.
        steps: number of moves, at least 0.
        temperature: factor of the noise's variance, at least 0.
        generator: source of the noise, on the device of ``x``; None is torch's default.
        compile: compile the step, score included, with ``torch.compile``: worth it for thousands of steps. Without a C++
            compiler it warns and runs eagerly.

    Returns:
        The end points, (batch, \*event).

    Raises:
        TypeError: ``score`` cannot be called or returns no floating tensor, or an argument is of the wrong kind.
        ValueError: ``step`` is not positive, ``steps`` or ``temperature`` is negative, ``x`` is not finite or has no batch,
            or the score returns another shape than it is given.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.score import langevin
        >>> law = Gaussian(torch.tensor([3.0]), var=1.0)
        >>> x = langevin(law.score, torch.zeros(4000, 1), step=0.1, steps=100,
        ...              generator=torch.Generator().manual_seed(0))
        >>> round(x.mean().item(), 1)
        3.0
    """
    check_chain(score, x, steps=steps, temperature=temperature)
    check_number("step", step, low=0.0, low_open=True)
    move = _prepare(score, x, step, temperature, compile)
    x = x.detach().clone(memory_format=torch.contiguous_format)
    noise = torch.empty_like(x)
    for _ in range(steps):
        x = move(x, noise.normal_(generator=generator))
    return x


@torch.no_grad()
def langevin_path(
    score: Callable[[Tensor], Tensor],
    x: Float[Tensor, "batch *event"],
    *,
    step: float | int,
    steps: int,
    every: int = 1,
    temperature: float | int = 1.0,
    generator: torch.Generator | None = None,
    compile: bool = False,
) -> Float[Tensor, "kept batch *event"]:
    r"""Run Langevin chains and keep every ``every``-th point of their paths, the start first.

    The same chain as :func:`langevin`: with the same generator it ends in the same points. It holds
    ``steps / every + 1`` copies of ``x``.

    Args:
        score: any callable from (batch, \*event) to the same shape.
        x: start, (batch, \*event); finite.
        step: :math:`\delta > 0`, a squared length.
        steps: number of moves, a multiple of ``every``.
        every: moves from one kept point to the next, at least 1.
        temperature: factor of the noise's variance, at least 0.
        generator: source of the noise, on the device of ``x``; None is torch's default.
        compile: compile the step, score included.

    Returns:
        (steps / every + 1, batch, \*event).

    Raises:
        TypeError: as :func:`langevin`.
        ValueError: as :func:`langevin`, or ``steps`` is no multiple of ``every``.

    Example:
        >>> import torch
        >>> from gmlib.score import langevin_path
        >>> langevin_path(lambda x: -x, torch.ones(5, 2), step=0.1, steps=20, every=10).shape
        torch.Size([3, 5, 2])
    """
    check_chain(score, x, steps=steps, temperature=temperature)
    check_number("step", step, low=0.0, low_open=True)
    check_count("every", every)
    if steps % every:
        raise ValueError(f"steps must be a multiple of every = {every}, got {steps}")
    path = x.new_empty(steps // every + 1, *x.shape)
    path[0] = x
    move = _prepare(score, x, step, temperature, compile)
    x = path[0].clone()
    noise = torch.empty_like(x)
    for i in range(1, steps + 1):
        x = move(x, noise.normal_(generator=generator))
        if i % every == 0:
            path[i // every] = x
    return path


def _prepare(
    score: Callable[[Tensor], Tensor], x: Tensor, step: float | int, temperature: float | int, compile: bool
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the step of the chain, (x, noise) -> x, compiled if asked for."""

    def move(x: Tensor, noise: Tensor, drift: float | Tensor, spread: float | Tensor) -> Tensor:
        return moved(x, evaluate(score, x), noise, drift, spread)

    drift, spread = step / 2, math.sqrt(step * temperature)
    if compile:  # as tensors, so that another step size needs no other graph
        drift, spread = x.new_full((), drift), x.new_full((), spread)
    advance = compiled(move, compile, x.device)
    return lambda x, noise: advance(x, noise, drift, spread)
