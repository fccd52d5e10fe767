"""The density that a denoiser's probability flow gives to points: a likelihood for diffusion in few dimensions."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_instance, check_tensor
from gmlib.noise.denoiser import Denoiser
from gmlib.noise.samplers.steps import Times, time_within


def probability_flow_log_prob(
    denoiser: Denoiser, x: Float[Tensor, "batch d"], times: Times, **condition: Any
) -> Float[Tensor, " batch"]:
    r"""Log-density of points under the law that the probability flow carries from noise to the first time.

    .. math:: \log p_{t_0}(x_{t_0}) = \log \mathcal N\big(x_{t_n};\, 0, (\alpha_{t_n}^2 + \sigma_{t_n}^2) I\big)
        + \int_{t_0}^{t_n} \nabla\!\cdot \hat b(x_t, t)\,dt, \qquad \frac{dx_t}{dt} = \hat b(x_t, t)

    by Heun's method, with the exact divergence: d backward passes for each of the two calls a step. Of second order in the
    steps. At the noisy end, noised data of mean 0 and variance 1 are taken for granted, which have this variance; for
    other data the end is as wrong as :math:`\alpha_{t_n}` leaves it.

    Args:
        denoiser: the model, for points of shape (batch, d).
        x: points at the first of the times.
        times: rising; the first is the data's end, not quite 0 where the velocity is infinite there. An end that lies
            outside the schedule's range by no more than the rounding of float32 counts as the end.
        condition: passed on to the network.

    Returns:
        Log-densities in nats, (batch,).

    Raises:
        TypeError: ``denoiser`` is no Denoiser or ``x`` no floating tensor.
        ValueError: ``x`` is not of shape (batch, d), or ``times`` are fewer than two, do not rise or leave the schedule's
            range.

    References:
        Y. Song et al., *Score-based generative modeling through stochastic differential equations* (2021), eq. 39.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import VPCosine, exact_denoiser, probability_flow_log_prob
        >>> law = Gaussian(torch.zeros(1), var=1.0)  # a flow that stands still
        >>> denoiser, x = exact_denoiser(law, VPCosine()), torch.tensor([[0.5]])
        >>> found = probability_flow_log_prob(denoiser, x, [0.1, 0.5, 0.9])
        >>> f"{found.item():.3f}, {law.log_prob(x).item():.3f}"
        '-1.044, -1.044'
    """
    check_instance("denoiser", denoiser, Denoiser)
    check_tensor("x", x)
    if x.dim() != 2:
        raise ValueError(f"x must have shape (batch, d), got {tuple(x.shape)}")
    grid: list[float] = times.tolist() if isinstance(times, Tensor) else [float(t) for t in times]
    if len(grid) < 2 or any(not a < b for a, b in pairwise(grid)):
        raise ValueError(f"times must be at least two that rise, got {grid}")
    schedule = denoiser.schedule
    grid[0], grid[-1] = time_within(schedule, grid[0]), time_within(schedule, grid[-1])
    x, gained = x.detach(), x.new_zeros(len(x))
    velocity, divergence = _velocity_and_divergence(denoiser, x, grid[0], condition)
    for t, later in pairwise(grid):
        h = later - t
        there, growth = _velocity_and_divergence(denoiser, x + h * velocity, later, condition)
        x = x + h / 2 * (velocity + there)
        gained = gained + h / 2 * (divergence + growth)
        velocity, divergence = (
            _velocity_and_divergence(denoiser, x, later, condition) if later < grid[-1] else (there, growth)
        )
    var = float(schedule.alpha(grid[-1]) ** 2 + schedule.sigma(grid[-1]) ** 2)
    end = -0.5 * (x.square().sum(-1) / var + x.shape[-1] * math.log(2 * math.pi * var))
    return end + gained


def _velocity_and_divergence(
    denoiser: Denoiser, x: Tensor, t: float, condition: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        velocity = denoiser.velocity(x, t, **condition)
        columns = range(x.shape[-1])
        rows = [torch.autograd.grad(velocity[:, i].sum(), x, retain_graph=True)[0][:, i] for i in columns]
    return velocity.detach(), torch.stack(rows).sum(0)
