"""The density that a denoiser's probability flow gives to points: a likelihood for diffusion in few dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_tensor
from gmlib.noise.denoiser import Denoiser


def probability_flow_log_prob(
    denoiser: Denoiser, x: Float[Tensor, "batch d"], times: Sequence[float] | Float[Tensor, " n"]
) -> Float[Tensor, " batch"]:
    r"""Log-density of points under the law that the probability flow carries from noise to the first time.

    .. math:: \log p_{t_0}(x_{t_0}) = \log \mathcal N\big(x_{t_n};\, 0, (\alpha_{t_n}^2 + \sigma_{t_n}^2) I\big)
        + \int_{t_0}^{t_n} \nabla\!\cdot \hat b(x_t, t)\,dt, \qquad \frac{dx_t}{dt} = \hat b(x_t, t)

    by Heun's method, with the exact divergence: d backward passes for each of the two calls a step. Of second order in the
    steps; an end at unit variance is taken for granted, as on variance-preserving schedules.

    Args:
        denoiser: the model, for points of shape (batch, d).
        x: points at the first of the times.
        times: rising; the first is the data's end, not quite 0 where the velocity is infinite there.

    Returns:
        Log-densities in nats, (batch,).

    Raises:
        TypeError: ``denoiser`` is no Denoiser or ``x`` no floating tensor.
        ValueError: ``times`` are fewer than two or do not rise.

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
    if not isinstance(denoiser, Denoiser):
        raise TypeError(f"denoiser must be a Denoiser, got {type(denoiser).__name__}")
    check_tensor("x", x)
    grid = [float(t) for t in times]
    if len(grid) < 2 or any(not a < b for a, b in pairwise(grid)):
        raise ValueError(f"times must be at least two that rise, got {grid}")
    x, gained = x.detach(), x.new_zeros(len(x))
    velocity, divergence = _velocity_and_divergence(denoiser, x, grid[0])
    for t, later in pairwise(grid):
        h = later - t
        there, growth = _velocity_and_divergence(denoiser, x + h * velocity, later)
        x = x + h / 2 * (velocity + there)
        gained = gained + h / 2 * (divergence + growth)
        velocity, divergence = (
            _velocity_and_divergence(denoiser, x, later) if later < grid[-1] else (there, growth)
        )
    var = float(denoiser.schedule.alpha(grid[-1]) ** 2 + denoiser.schedule.sigma(grid[-1]) ** 2)
    end = -0.5 * (x.square().sum(-1) / var + x.shape[-1] * math.log(2 * math.pi * var))
    return end + gained


def _velocity_and_divergence(denoiser: Denoiser, x: Tensor, t: float) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        velocity = denoiser.velocity(x, t)
        columns = range(x.shape[-1])
        rows = [torch.autograd.grad(velocity[:, i].sum(), x, retain_graph=True)[0][:, i] for i in columns]
    return velocity.detach(), torch.stack(rows).sum(0)
