r"""Reaching the tilted law after all: weighted particles along the guided chain.

The guided score belongs to the family :math:`\pi_t \propto q_t(x)^{1-w}q_t(x \mid c)^w`, which ends at the tilted law, but
is not the family of laws that the reverse equation with this score runs through. What differs is a weight, and it is
known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number
from gmlib.noise import Denoiser
from gmlib.noise.guidance import ClassifierFree
from gmlib.noise.guidance.rows import map_rows
from gmlib.noise.samplers import steps_of
from gmlib.noise.samplers.start import check_start, noise_like
from gmlib.noise.samplers.steps import Times


@dataclass(frozen=True)
class Particles:
    r"""Weighted points.

    Attributes:
        x: points, (batch, ``*event``).
        log_weights: normalised, (batch,).
        effective: effective sample sizes after each step, before any resampling, (steps,), between 1 and the batch.
        resampled: how often the points were drawn anew by their weights.
    """

    x: Tensor
    log_weights: Tensor
    effective: Tensor
    resampled: int

    def mean(self) -> Float[Tensor, "*event"]:
        """The weighted mean of the points."""
        return torch.einsum("n,n...->...", self.log_weights.exp(), self.x)

    def variance(self) -> Float[Tensor, "*event"]:
        """The weighted variance of each coordinate."""
        return torch.einsum("n,n...->...", self.log_weights.exp(), (self.x - self.mean()).square())


@torch.no_grad()
def guided_particles(
    denoiser: Denoiser,
    x: Float[Tensor, "batch *event"],
    times: Times,
    w: float,
    nothing: Mapping[str, float | int | Tensor],
    *,
    resample_below: float = 0.5,
    generator: torch.Generator | None = None,
    **condition: Any,
) -> Particles:
    r"""Particles of the tilted law :math:`\propto q(x)^{1-w}q(x \mid c)^w`: guided steps back in time, and weights.

    (:eq:`eq-11-weight` in the book.)

    .. math:: \Delta\ell = \tfrac12 g_t^2\,w(w - 1)\,\big\lVert s_t(x \mid c) - s_t(x)\big\rVert^2\,(t - s)

    for the logarithm of a particle's weight, along
    :math:`x_s = x_t + (s - t)(fx_t - g^2s_w) + g\sqrt{t - s}\,\varepsilon` with the guided score :math:`s_w`.
    Insert :math:`\pi_t` in the Fokker-Planck equation of the reverse process: what is left over is
    :math:`\tfrac12g^2\big(\lVert s_w\rVert^2 - w\lVert s_c\rVert^2 - (1 - w)\lVert s_u\rVert^2\big)`, which is this rate.

    The start must be :math:`\pi_1`. Pure noise is, nearly, where nothing of the data is left: the classes agree there.

    Args:
        denoiser: a model that has learnt to do without its condition.
        x: points at the first time.
        times: the grid, falling; f and g must be finite on it.
        w: the weight.
        nothing: as in `ClassifierFree`.
        resample_below: draw the points anew by their weights (systematically) when the effective sample size falls below
            this share of the batch; 0 for never.
        generator: source of randomness, on the device of ``x``; None is torch's default.
        condition: passed on to the network, as `ClassifierFree` does; rows for each point go with their points.

    Returns:
        Points at the last time, with weights; one call of the network a step, on a batch of twice the size.

    Raises:
        TypeError: ``denoiser`` is no Denoiser, ``x`` no floating tensor, or ``w`` no number.
        ValueError: ``resample_below`` is not in [0, 1], ``times`` are no falling times of the schedule, f or g is
            infinite at the first, or a condition has another number of rows than there are points.

    References:
        M. Skreta et al., *Feynman-Kac correctors in diffusion* (2025), proposition 3.1.

    Example:
        >>> import torch
        >>> from gmlib.diffusion.guidance import GaussianGuidance, guided_particles
        >>> from gmlib.noise import VPLinear
        >>> case, generator = GaussianGuidance(1.0, 0.25, 0.0, 1.25), torch.Generator().manual_seed(0)
        >>> x = torch.randn(500, 1, generator=generator)
        >>> label, times = torch.zeros(500, dtype=torch.long), torch.linspace(1, 0.001, 100)
        >>> denoiser = case.denoiser(VPLinear())
        >>> found = guided_particles(denoiser, x, times, 2.0, {"label": 1}, label=label, generator=generator)
        >>> abs(found.mean().item() - case.tilt(2.0).mean) < 0.1
        True
    """
    check_start(denoiser, x)
    check_number("w", w)
    check_number("resample_below", resample_below, low=0.0, high=1.0)
    guided = ClassifierFree(denoiser, w, nothing)
    steps, n = steps_of(denoiser.schedule, times), len(x)
    at = torch.tensor([step.t for step in steps], dtype=torch.float64)
    drift, diffusion = denoiser.schedule.f(at).tolist(), denoiser.schedule.g(at).tolist()
    if not all(map(math.isfinite, drift + diffusion)):
        raise ValueError(f"times must lie where f and g are finite, got {steps[0].t:g}")
    log_weights, sizes, resampled = x.new_zeros(n), [], 0
    for step, f, g in zip(steps, drift, diffusion, strict=True):
        length = step.t - step.s
        answers = guided.both(x, step.t, **condition)
        with_class, without = (guided.eps_of(answer, x, step.t) / -step.sigma_t for answer in answers)
        apart = (with_class - without).flatten(1).square().sum(1)
        log_weights = log_weights + 0.5 * length * g**2 * w * (w - 1) * apart
        score = without + w * (with_class - without)
        x = (1 - length * f) * x + length * g**2 * score + g * math.sqrt(length) * noise_like(x, generator)
        log_weights = log_weights.log_softmax(0)
        sizes.append(1 / log_weights.exp().square().sum())
        if sizes[-1] < resample_below * n:
            chosen = systematic(log_weights.exp(), generator=generator)
            x, log_weights, resampled = x[chosen], torch.full_like(log_weights, -math.log(n)), resampled + 1
            condition = {name: map_rows(name, c, n, itemgetter(chosen)) for name, c in condition.items()}
    return Particles(x, log_weights, torch.stack(sizes), resampled)


def systematic(weights: Float[Tensor, " n"], *, generator: torch.Generator | None = None) -> torch.Tensor:
    """Indices (n,), drawn by weights with one random number: index i comes n w_i times, rounded up or down.

    Args:
        weights: adding up to 1.
        generator: source of randomness; None is torch's default.

    References:
        R. Douc, O. Cappé and E. Moulines, *Comparison of resampling schemes for particle filtering* (2005).

    Example:
        >>> systematic(torch.tensor([0.5, 0.0, 0.25, 0.25]), generator=torch.Generator().manual_seed(0)).tolist()
        [0, 0, 2, 3]
    """
    n = len(weights)
    shift = torch.rand((), generator=generator, dtype=weights.dtype, device=weights.device)
    comb = (torch.arange(n, dtype=weights.dtype, device=weights.device) + shift) / n
    return torch.searchsorted(weights.cumsum(0), comb).clamp(max=n - 1)
