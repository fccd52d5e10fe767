r"""The variational bound of the chain, read as a VAE whose encoder is fixed: three kinds of costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import anywhere, check_instance
from gmlib.diffusion.chain import check_points, over_event
from gmlib.noise import Denoiser, Schedule
from gmlib.noise.samplers import Step, steps_of
from gmlib.noise.samplers.ancestral import Variance, check_variance, guess_and_variance
from gmlib.noise.samplers.steps import Times

Decoder = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class DiffusionBound:
    r"""What it costs to send data down the chain, in nats an example; the negative of the evidence lower bound.

    Attributes:
        prior: :math:`L_T = \mathrm{KL}(q(x_T\mid x_0)\,\|\,\mathcal N(0, I))`, (batch,).
        steps: :math:`L_{t-1}`, a KL divergence for every step but the last, in the order of the times (noise first),
            (batch, steps - 1).
        reconstruction: :math:`L_0 = -\log p(x_0\mid x_1)`, the last step, (batch,). A density's logarithm may be positive,
            so this one may be negative.
    """

    prior: Tensor
    steps: Tensor
    reconstruction: Tensor

    @property
    def total(self) -> Tensor:
        r"""The sum, in expectation at least :math:`-\log p(x_0)`, (batch,)."""
        return self.prior + self.steps.sum(-1) + self.reconstruction


@torch.no_grad()
def diffusion_bound(
    denoiser: Denoiser,
    x0: Float[Tensor, "batch *event"],
    times: Times,
    *,
    variance: Variance = "beta",
    generator: torch.Generator | None = None,
    decoder: Decoder | None = None,
    **condition: Any,
) -> DiffusionBound:
    r"""The variational bound of each example, with every KL divergence in closed form and one draw of noise a step.

    .. math:: -\log p(x_0) \le \mathrm{KL}\big(q(x_T\mid x_0)\,\|\,\mathcal N(0, I)\big)
        + \sum_{t\to s}\mathbb E\,\mathrm{KL}\big(q(x_s\mid x_t, x_0)\,\|\,p(x_s\mid x_t)\big)
        - \mathbb E\log p(x_0\mid x_1)

    The model's step :math:`p(x_s\mid x_t)` is that of `gmlib.noise.samplers.ancestral`: the posterior of the step with
    :math:`\hat x_0(x_t)` in place of :math:`x_0`, and the variance :math:`\tilde\sigma^2`. Two normal laws with centres
    :math:`\alpha_s\beta\,(x_0 - \hat x_0)/\sigma_t^2` apart:

    .. math:: \mathrm{KL} = \frac d2\Big(\frac{\tilde\beta}{\tilde\sigma^2} - 1
        - \log\frac{\tilde\beta}{\tilde\sigma^2}\Big)
        + \frac{1}{2\tilde\sigma^2}\,\frac{\alpha_s^2\beta^2}{\sigma_t^4}\,\lVert x_0 - \hat x_0\rVert^2

    (:eq:`eq-09-bound` in the book.)

    Args:
        denoiser: the model.
        x0: clean points, (batch, ``*event``).
        times: the grid, falling, to where sigma is 0.
        variance: :math:`\tilde\sigma^2`: "beta", "beta_tilde", "learned" or a function of :math:`x_t` and the step, as the
            sampler's, and positive. The step into the data, where :math:`\tilde\beta = 0`, has :math:`\beta` also for
            "beta_tilde" and "learned".
        generator: source of the noise.
        decoder: log-probability of the data at the last step, called as ``decoder(x0, mean, std)`` and (batch,), such as
            `discretised_gaussian` with its levels set; None is the normal density, for continuous data.
        condition: passed on to the network.

    Returns:
        The costs, one network call a step.

    Raises:
        TypeError: ``denoiser`` is no Denoiser, for "learned" no LearnedVariance, or ``x0`` no floating tensor.
        ValueError: ``variance`` is unknown or a function that (seen on the CPU) gives a number that is not positive, or
            ``times`` do not fall or end before sigma is 0.

    References:
        J. Ho, A. Jain and P. Abbeel, *Denoising diffusion probabilistic models* (2020), eq. 5 and app. A.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import diffusion_bound
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import DDPM, exact_denoiser
        >>> from gmlib.noise.samplers import ddpm_times
        >>> law, schedule = Gaussian(torch.zeros(1), var=1.0), DDPM.linear()
        >>> x0, draw = torch.full((1000, 1), 0.7), torch.Generator().manual_seed(0)
        >>> bound = diffusion_bound(exact_denoiser(law, schedule), x0, ddpm_times(schedule, 50), generator=draw)
        >>> abs(bound.total.mean().item() + law.log_prob(x0[:1]).item()) < 0.05  # for these data the bound is tight
        True
    """
    check_instance("denoiser", denoiser, Denoiser)
    check_points("x0", x0)
    check_variance(denoiser, variance)
    steps = steps_to_data(denoiser.schedule, times)
    alpha, sigma = steps[0].alpha_t, steps[0].sigma_t
    prior = 0.5 * over_event(alpha**2 * x0.square() + (sigma**2 - 1 - 2 * math.log(sigma)))
    costs = []
    for step in steps:
        noise = torch.randn(x0.shape, generator=generator, dtype=x0.dtype, device=x0.device)
        x_t = step.alpha_t * x0 + step.sigma_t * noise
        guess, var = _answer(denoiser, x_t, step, variance, condition)
        if anywhere(var == 0):
            raise ValueError(f"variance must be positive at every step, got 0 at t = {step.t:g}")
        if step is steps[-1]:
            costs.append(-_log_density(decoder, x0, guess, var.sqrt()))
        else:
            ratio, apart = step.beta_tilde / var, step.pull * (x0 - guess)
            costs.append(0.5 * over_event(apart.square() / var + (ratio - 1 - ratio.log())))
    return DiffusionBound(prior, torch.stack(costs, -1)[:, :-1], costs[-1])


def chain_variance(step: Step, variance: str) -> float:
    r"""The variance of a step of the model, :math:`\beta` or :math:`\tilde\beta`; :math:`\beta` for a step into the data.

    Args:
        step: the step.
        variance: "beta" or "beta_tilde".

    Returns:
        :math:`\tilde\sigma^2`.

    Example:
        >>> from gmlib.noise import Rectified
        >>> first, last = steps_of(Rectified(), [0.5, 0.25, 0.0])
        >>> round(chain_variance(first, "beta_tilde"), 4), chain_variance(last, "beta_tilde")
        (0.0556, 0.0625)
    """
    return step.beta if step.sigma_s == 0 else getattr(step, variance)


def steps_to_data(schedule: Schedule, times: Times) -> list[Step]:
    """The steps of a grid of times that ends in the data.

    Args:
        schedule: the schedule.
        times: the grid, falling, to where sigma is 0.

    Returns:
        The steps.

    Raises:
        ValueError: ``times`` do not fall, or end before sigma is 0.

    Example:
        >>> from gmlib.noise import Rectified
        >>> len(steps_to_data(Rectified(), [0.5, 0.25, 0.0]))
        2
    """
    steps = steps_of(schedule, times)
    if steps[-1].sigma_s != 0:
        raise ValueError(
            f"times must end where sigma is 0, got sigma = {steps[-1].sigma_s:g} at t = {steps[-1].s:g}; a schedule that "
            "never gets there needs gmlib.noise.on_schedule first"
        )
    return steps


def _answer(
    denoiser: Denoiser, x_t: Tensor, step: Step, variance: Variance, condition: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """The guess of the clean point and the variance of the model's step."""
    guess, var = guess_and_variance(denoiser, x_t, step, variance, condition)
    if step.sigma_s == 0 and not callable(variance):
        var = step.beta
    return guess, var if isinstance(var, Tensor) else torch.tensor(var, dtype=torch.float64)


def _log_density(decoder: Decoder | None, x0: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    if decoder is not None:
        return decoder(x0, mean, std)
    entries = ((x0 - mean) / std).square() + 2 * std.log() + math.log(2 * math.pi)
    return -0.5 * over_event(entries)
