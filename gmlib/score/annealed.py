r"""Annealed Langevin dynamics: the chain walks down a ladder of noise levels.

At a large noise level the modes of the noised law overlap and a chain moves between them; each lower level starts from
where the level above has put it. So the weights of the modes are settled where they can be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number
from gmlib.score._arguments import check_levels, evaluate
from gmlib.score._chain import check_chain, moved
from gmlib.score._compile import compiled
from gmlib.score.tweedie import tweedie_mean


@torch.no_grad()
def annealed_langevin(
    score: Callable[[Tensor, Tensor], Tensor],
    x: Float[Tensor, "batch *event"],
    sigmas: Float[Tensor, " levels"],
    *,
    step: float | int,
    steps: int,
    temperature: float | int = 1.0,
    denoise: bool = False,
    allow_ascending: bool = False,
    generator: torch.Generator | None = None,
    compile: bool = False,
) -> Float[Tensor, "batch *event"]:
    r"""Run Langevin chains down the levels :math:`\sigma_1 > \dots > \sigma_L` and return where they end.

    .. math:: x \leftarrow x + \tfrac{\delta_i}2\,s(x, \sigma_i) + \sqrt{\delta_i\tau}\,\varepsilon, \qquad
              \delta_i = \delta\,\frac{\sigma_i^2}{\sigma_L^2}, \qquad i = 1, \dots, L

    with ``steps`` moves a level (:eq:`eq-08-annealed` in the book; Song & Ermon 2019, algorithm 1). At data of variance v,
    level i is stable for :math:`\delta_i < 4(v + \sigma_i^2)`; for data that are points that is
    :math:`\delta < 4\sigma_L^2` at all of them. The chains end near the law of the lowest noise level, as near as the
    number of steps allows; ``denoise`` takes that noise off again.

    **Cost.** One call of the score a move, L times ``steps`` in all, one more to denoise; no path is kept, and the host
    never waits for the device. No gradient flows through the chain.

    Args:
        score: noise-conditional: called as ``score(x, sigma)`` with ``x`` (batch, \*event) and ``sigma`` a tensor without
            dimensions in the dtype of ``x``; returns the shape of ``x``, read in that dtype.
        x: start, (batch, \*event); finite. It should look like noise of level :math:`\sigma_1`.
        sigmas: noise levels, (levels,), in the units of ``x``; positive and descending.
        step: :math:`\delta > 0`, the step at the last level, a squared length.
        steps: moves a level, at least 0.
        temperature: :math:`\tau \ge 0`, factor of the noise's variance.
        denoise: replace the end points by their posterior mean, :math:`x + \sigma_L^2 s(x, \sigma_L)`
            (:eq:`eq-08-tweedie` in the book).
        allow_ascending: take levels in any order. A ladder climbed upwards heads for the law of its largest noise and ends
            far from the data's; the last entry of ``sigmas`` stays the :math:`\sigma_L` of the formula.
        generator: source of the noise, on the device of ``x``; None is torch's default.
        compile: compile the step, score included, with ``torch.compile``; one graph serves all levels. Without a C++
            compiler it warns and runs eagerly.

    Returns:
        The end points, (batch, \*event).

    Raises:
        TypeError: ``score`` cannot be called or returns no floating tensor, or an argument is of the wrong kind.
        ValueError: ``sigmas`` is not a list of positive descending levels, ``step`` is not positive, ``steps`` or
            ``temperature`` is negative, ``x`` is not finite, or the score returns another shape than it is given.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.score import annealed_langevin, geometric_ladder
        >>> law = Gaussian(torch.tensor([3.0]), var=1.0)
        >>> x = annealed_langevin(lambda x, sigma: law.noised(1.0, sigma).score(x), torch.zeros(4000, 1),
        ...                       geometric_ladder(5.0, 0.1, 8), step=0.01, steps=20,
        ...                       generator=torch.Generator().manual_seed(0))
        >>> round(x.mean().item(), 1)
        3.0
    """
    check_chain(score, x, steps=steps, temperature=temperature)
    check_number("step", step, low=0.0, low_open=True)
    levels = _levels(sigmas, allow_ascending)
    ladder = torch.tensor(levels, dtype=x.dtype, device=x.device)

    def move(
        x: Tensor, sigma: Tensor, noise: Tensor, drift: float | Tensor, spread: float | Tensor
    ) -> Tensor:
        return moved(x, evaluate(score, x, "score", sigma), noise, drift, spread)

    advance = compiled(move, compile, x.device)
    x = x.detach().clone(memory_format=torch.contiguous_format)
    noise = torch.empty_like(x)
    for i, level in enumerate(levels):
        sigma = ladder[i].clone()
        delta = step * (level / levels[-1]) ** 2
        drift, spread = delta / 2, math.sqrt(delta * temperature)
        if compile:  # as tensors, so that one graph serves all levels
            drift, spread = x.new_full((), drift), x.new_full((), spread)
        for _ in range(steps):
            x = advance(x, sigma, noise.normal_(generator=generator), drift, spread)
    if denoise:
        x = tweedie_mean(evaluate(score, x, "score", ladder[-1]).to(x.dtype), x, levels[-1])
    return x


def _levels(sigmas: Tensor, allow_ascending: bool) -> list[float]:
    check_levels("sigmas", sigmas)
    levels: list[float] = sigmas.tolist()
    if not allow_ascending and any(a <= b for a, b in pairwise(levels)):
        raise ValueError(
            "sigmas must descend from the largest noise level to the smallest, "
            f"got {', '.join(f'{s:g}' for s in levels[:6])}{', ...' if len(levels) > 6 else ''}; "
            "allow_ascending=True takes any order"
        )
    return levels
