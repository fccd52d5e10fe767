r"""Stochastic-gradient Langevin dynamics: posterior samples from the gradients of minibatches.

The score of a posterior is a sum over all data. A minibatch gives it without bias; the noise it adds is of order
:math:`\delta^2` beside the :math:`\delta` that the chain injects, and vanishes with the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_number, check_tensor
from gmlib.score._arguments import check_callable, evaluate
from gmlib.score._chain import check_chain, moved


@torch.no_grad()
def sgld(
    prior_score: Callable[[Tensor], Tensor],
    likelihood_score: Callable[[Tensor, Tensor], Tensor],
    x: Float[Tensor, "batch *event"],
    data: Float[Tensor, "n *point"],
    *,
    batch_size: int,
    step: float | int | Callable[[int], float],
    steps: int,
    temperature: float | int = 1.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch *event"]:
    r"""Run Langevin chains on a posterior with minibatch scores and return where they end.

    .. math:: \theta \leftarrow \theta + \tfrac{\delta_t}2\Big(\nabla\log p(\theta)
              + \frac NB\sum_{i\in\mathcal B}\nabla_\theta\log p(x_i\mid\theta)\Big) + \sqrt{\delta_t\tau}\,\varepsilon

    (:eq:`eq-08b-sgld` in the book; Welling & Teh 2011, equation 4.) Every chain draws its own B points at every step, with
    replacement, so that chains are independent given the data. With steps that decrease slowly enough
    (:math:`\sum\delta_t = \infty`, :math:`\sum\delta_t^2 < \infty`) the chains reach the posterior; a constant step
    inflates its variance, see :func:`sgld_variance`.

    **Cost.** One call of each score a step, on B points a chain. No gradient flows through the chain.

    Args:
        prior_score: :math:`\nabla\log p(\theta)`, from (batch, \*event) to the same shape; like the other read in
            the dtype of ``x``.
        likelihood_score: ``likelihood_score(theta, points)`` with points (batch, B, \*point) returns the **sum** over the B
            points of :math:`\nabla_\theta\log p(x_i\mid\theta)`, (batch, \*event).
        x: start of :math:`\theta`, (batch, \*event), one row a chain; finite.
        data: (N, \*point), on the device of ``x``; finite.
        batch_size: B, at least 1.
        step: :math:`\delta > 0`, or a function of the step's number, counted from 0, such as :func:`decreasing_step`.
        steps: number of moves, at least 0.
        temperature: :math:`\tau \ge 0`, factor of the injected noise's variance.
        generator: source of minibatches and noise, on the device of ``x``; None is torch's default.

    Returns:
        The end points, (batch, \*event).

    Raises:
        TypeError: a score cannot be called or returns no floating tensor, or an argument is of the wrong kind.
        ValueError: there are no data, they are on another device, an argument is out of range or not finite, or a score
            returns another shape than that of ``x``.

    Example:
        >>> import torch
        >>> from gmlib.score import decreasing_step, sgld
        >>> data = torch.full((50, 1), 2.0)  # N(theta, 1), prior N(0, 1): the posterior is N(100/51, 1/51)
        >>> theta = sgld(lambda t: -t, lambda t, x: (x - t[:, None]).sum(1), torch.zeros(2000, 1), data, batch_size=5,
        ...              step=decreasing_step(0.01), steps=200, generator=torch.Generator().manual_seed(0))
        >>> round(theta.mean().item(), 2)
        1.96
    """
    check_chain(prior_score, x, steps=steps, temperature=temperature, name="prior_score")
    check_callable("likelihood_score", likelihood_score)
    if not callable(step):
        check_number("step", step, low=0.0, low_open=True)
    check_tensor("data", data)
    if data.dim() == 0 or len(data) == 0:
        raise ValueError(f"data must hold at least one point, got shape {tuple(data.shape)}")
    if data.device != x.device:
        raise ValueError(f"data must be on the device {x.device} of x, got {data.device}")
    check_finite("data", data)
    check_count("batch_size", batch_size)
    scale = len(data) / batch_size
    x = x.detach().clone(memory_format=torch.contiguous_format)
    noise = torch.empty_like(x)
    for t in range(steps):
        delta = step(t) if callable(step) else step
        check_number("step", delta, low=0.0, low_open=True)
        index = torch.randint(len(data), (len(x), batch_size), generator=generator, device=x.device)
        likelihood = evaluate(likelihood_score, x, "likelihood_score", data[index])
        prior = evaluate(prior_score, x, "prior_score")
        value = torch.add(prior, likelihood, alpha=scale)
        x = moved(x, value, noise.normal_(generator=generator), delta / 2, math.sqrt(delta * temperature))
    return x


def decreasing_step(
    start: float | int, offset: float | int = 10.0, power: float | int = 0.55
) -> Callable[[int], float]:
    r"""A step that decreases slowly enough to reach everywhere and fast enough to settle.

    .. math:: \delta_t = \delta_0\,(1 + t/b)^{-\gamma}, \qquad \tfrac12 < \gamma \le 1

    (The schedule of Welling & Teh 2011, :math:`a(b + t)^{-\gamma}` with :math:`a = \delta_0b^\gamma`.) The sum of the steps
    diverges, that of their squares converges.

    Args:
        start: :math:`\delta_0 > 0`, the first step.
        offset: :math:`b > 0`, the number of steps after which it has fallen to :math:`2^{-\gamma}` of its start.
        power: :math:`\gamma`, in (½, 1].

    Returns:
        A function of the step's number t, counted from 0.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.score import decreasing_step
        >>> step = decreasing_step(0.5, offset=1.0, power=1.0)
        >>> step(0), step(3)
        (0.5, 0.125)
    """
    check_number("start", start, low=0.0, low_open=True)
    check_number("offset", offset, low=0.0, low_open=True)
    check_number("power", power, low=0.5, high=1.0, low_open=True)
    return lambda t: start * (1 + t / offset) ** -power


def sgld_variance(step: float | int, precision: float | int, gradient_variance: float | int) -> float:
    r"""Variance in which a chain with a constant step and noisy scores settles, on a normal posterior.

    .. math:: V_\infty = \frac{1 + \delta C/4}{\Lambda\,(1 - \delta\Lambda/4)}

    for a posterior of precision :math:`\Lambda` and a score whose minibatch noise has the variance C at every
    :math:`\theta`. The chain multiplies a deviation by :math:`1 - \delta\Lambda/2` and adds the variance
    :math:`\delta + \delta^2C/4`. For the mean of N points with known variance v, minibatches of B drawn with replacement
    have :math:`C = N^2S^2/(Bv^2)`, with :math:`S^2` the mean squared deviation of the data from their mean. With C = 0 it
    is the variance of the chain without minibatches, as in :py:obj:`~gmlib.score.linear_chain.stationary_variance`.

    Args:
        step: :math:`\delta > 0`.
        precision: :math:`\Lambda > 0`, one over the posterior's variance.
        gradient_variance: :math:`C \ge 0`.

    Returns:
        The variance; infinite for :math:`\delta\Lambda \ge 4`.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.score import sgld_variance
        >>> sgld_variance(0.5, 2.0, 8.0)  # a posterior of variance 1/2
        1.3333333333333333
    """
    check_number("step", step, low=0.0, low_open=True)
    check_number("precision", precision, low=0.0, low_open=True)
    check_number("gradient_variance", gradient_variance, low=0.0)
    if step * precision >= 4:
        return math.inf
    return (1 + step * gradient_variance / 4) / (precision * (1 - step * precision / 4))
