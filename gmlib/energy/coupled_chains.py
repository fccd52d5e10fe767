r"""Coupled chains: two Gibbs chains that share their noise and meet, and an estimate without the bias of stopping early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gmlib._checks import check_callable, check_count, check_tensor
from gmlib.energy._rbm_checks import check_rows
from gmlib.energy.rbm import RBM
from gmlib.energy.rbm_gradient import RBMGradient, statistics

LOOK_EVERY = 8
"""Steps between two looks at whether all pairs have met: a look waits for an accelerator."""


@dataclass(frozen=True)
class CoupledEstimate:
    """Unbiased estimates of an expectation under the model, one a pair of chains.

    Attributes:
        value: the estimates, (n, ...) with the event shape of the function.
        meeting: the step at which each pair had met, (n,).
        met: whether it had, (n,); where False the estimate was cut off, and is biased.

    Example:
        >>> import torch
        >>> from gmlib.energy import coupled_estimate, reference_rbm
        >>> start = torch.zeros(500, 4, dtype=torch.float64)
        >>> found = coupled_estimate(reference_rbm(), start, lambda x: x, generator=torch.Generator().manual_seed(0))
        >>> found.value.shape, bool(found.met.all()), bool(found.meeting.min() >= 1)
        (torch.Size([500, 4]), True, True)
    """

    value: Tensor
    meeting: Int[Tensor, "n"]
    met: Bool[Tensor, "n"]


def coupled_step(
    rbm: RBM,
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "n d"],
    *,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    r"""One step of block Gibbs sampling of two chains that compare the same uniform numbers with their means.

    .. math:: P\big(h_j \ne h'_j\big) = \big|\bar h_j(x) - \bar h_j(y)\big|

    Unit by unit this is the maximal coupling: no joint draw with these means has equal units more often. Each chain by
    itself moves as ever, and once the two are equal they stay so.

    Args:
        rbm: the machine.
        x: states of the first chains, (n, d).
        y: states of the second chains, (n, d).
        generator: source of the shared numbers.

    Returns:
        Both new states.

    Raises:
        TypeError: ``rbm`` is no RBM, or x not of its dtype.
        ValueError: the shapes differ, or are not (n, d).

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, coupled_step
        >>> x, y = coupled_step(RBM(3, 2, std=0.0), torch.zeros(5, 3), torch.ones(5, 3))
        >>> bool((x == y).all())  # without weights the means agree, and so do the draws
        True
    """
    check_rows(rbm, x)
    check_tensor("y", y)
    if y.shape != x.shape or y.dtype != x.dtype or y.device != x.device:
        raise ValueError(
            f"y must be {tuple(x.shape)} of {x.dtype} on {x.device} like x, "
            f"got {tuple(y.shape)} of {y.dtype} on {y.device}"
        )

    def uniform(n: int) -> Tensor:
        return torch.rand(x.shape[0], n, generator=generator, dtype=x.dtype, device=x.device)

    up, down = uniform(rbm.d_h), uniform(rbm.d)
    h_x, h_y = rbm.sample_hidden(x, noise=up), rbm.sample_hidden(y, noise=up)
    return rbm.sample_visible(h_x, noise=down), rbm.sample_visible(h_y, noise=down)


@torch.no_grad()
def coupled_estimate(
    rbm: RBM,
    x: Float[Tensor, "n d"],
    function: Callable[[Tensor], Tensor],
    *,
    k: int = 1,
    max_steps: int = 1000,
    generator: torch.Generator | None = None,
) -> CoupledEstimate:
    r"""Unbiased estimates of :math:`\mathbb E_{p_\theta} f(x)` from chains of finite length.

    .. math:: f(X_k) + \sum_{t=k+1}^{\tau-1} \big[ f(X_t) - f(Y_{t-1}) \big], \qquad
              \tau = \min\{t : X_t = Y_{t-1}\}

    (:eq:`eq-06b-coupled` in the book; Jacob, O'Leary & Atchadé 2020; for RBMs Qiu, Zhang & Wang 2020.) X and Y start alike,
    X is one step ahead, and from then on both share their noise. The mean of the sum telescopes to :math:`\lim_t \mathbb E
    f(X_t)`, from any start; k trades the first term's bias, which the sum repairs, against the variance of the repair.

    Args:
        rbm: the machine.
        x: where both chains of each pair start, (n, d).
        function: f, from states (n, d) to (n, ...).
        k: the step from which on differences are added, 0 or more.
        max_steps: at most so many; more than k.
        generator: source of the draws.

    Returns:
        The estimates and when the pairs met.

    Raises:
        TypeError: ``function`` cannot be called, ``rbm`` is no RBM, or x not of its dtype.
        ValueError: a count is out of range, or x has the wrong shape.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, coupled_estimate
        >>> flat = RBM(3, 2, std=0.0)
        >>> found = coupled_estimate(flat, torch.zeros(4000, 3), lambda x: x, generator=torch.Generator().manual_seed(0))
        >>> bool((found.value.mean(0) - 0.5).abs().max() < 0.04)  # fair coins, although all chains start at 0
        True
    """
    check_callable("function", function)
    check_count("k", k, low=0)
    check_count("max_steps", max_steps, low=k + 1)
    check_rows(rbm, x)
    ahead, behind = rbm.gibbs(x, 1, generator=generator), x
    # When X_t is one step ahead of Y_{t-1}: t = 1 here.
    value = function(x if k == 0 else ahead)
    meeting = torch.full(x.shape[:1], max_steps, dtype=torch.int64, device=x.device)
    met = torch.zeros(x.shape[:1], dtype=torch.bool, device=x.device)
    for t in range(1, max_steps + 1):
        if t > 1:
            ahead, behind = coupled_step(rbm, ahead, behind, generator=generator)
        same = (ahead == behind).all(-1)
        meeting = torch.where(same & ~met, t, meeting)
        met = met | same
        if t == k:
            value = function(ahead)
        elif t > k:  # equal chains add nothing, so no pair needs to be taken out when it has met
            value = value + function(ahead) - function(behind)
        if t >= k and t % LOOK_EVERY == 0 and bool(met.all()):
            break
    return CoupledEstimate(value, meeting, met)


def unbiased_gradient(
    rbm: RBM,
    x: Float[Tensor, "n d"],
    *,
    k: int = 1,
    max_steps: int = 1000,
    generator: torch.Generator | None = None,
) -> RBMGradient:
    r"""The likelihood gradient of a batch, without bias: contrastive divergence plus the coupled chains' repair.

    .. math:: \frac1n \sum_n \Big( S(x_n) - S(X_k) - \sum_{t=k+1}^{\tau-1} \big[ S(X_t) - S(Y_{t-1}) \big] \Big), \qquad
              S(x) = x\,\bar h(x)^\top

    Args:
        rbm: the machine.
        x: data, at which the chains start, (n, d).
        k: Gibbs steps before the repair begins.
        max_steps: at most so many steps, by which all pairs must have met.
        generator: source of the draws.

    Returns:
        The direction; its mean over the draws is ``exact_gradient``.

    Raises:
        TypeError: ``rbm`` is no RBM, or x not of its dtype.
        ValueError: a count is out of range, or x has the wrong shape.
        RuntimeError: a pair had not met after ``max_steps``.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, unbiased_gradient
        >>> unbiased_gradient(RBM(6, 2), torch.ones(10, 6), generator=torch.Generator().manual_seed(0)).weight.shape
        torch.Size([6, 2])
    """

    check_rows(rbm, x)

    def both(state: Tensor) -> Tensor:
        h = rbm.hidden_mean(state)
        return torch.cat(((state[:, :, None] * h[:, None]).flatten(1), state, h), -1)

    found = coupled_estimate(rbm, x, both, k=k, max_steps=max_steps, generator=generator)
    if not bool(found.met.all()):
        raise RuntimeError(
            f"{int((~found.met).sum())} of {len(x)} pairs of chains had not met after max_steps={max_steps} steps, "
            "and without their repair the gradient is biased: raise max_steps"
        )
    weight, b, c = found.value.mean(0).split((rbm.d * rbm.d_h, rbm.d, rbm.d_h))
    return statistics(rbm, x) - RBMGradient(weight.view_as(rbm.weight), b, c)
