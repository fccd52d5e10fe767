"""Where samplers start, and the noise that they add."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_instance, check_tensor
from gmlib.noise.denoiser import Denoiser
from gmlib.noise.schedule import Schedule


def start_noise(
    schedule: Schedule,
    shape: Sequence[int],
    *,
    t: float | int | None = None,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "batch *event"]:
    r"""Draw points at the noisy end, :math:`x_t = \sigma_t\varepsilon`, for a sampler to start from.

    The law of noised data has mean :math:`\alpha_tm` and variance :math:`\alpha_t^2v + \sigma_t^2`; this one leaves
    :math:`\alpha_t` out, which is what is not known without data. On DDPM's linear grid :math:`\alpha_T = 0.006`.

    Args:
        schedule: the schedule.
        shape: ``(batch, *event)``.
        t: the time; None is the schedule's last.
        generator: source of the noise, on ``device``; None is torch's default.
        dtype: of the points; None is torch's default.
        device: where they are made.

    Returns:
        Points, ``(batch, *event)``.

    Raises:
        TypeError: ``schedule`` is no Schedule.
        ValueError: ``shape`` is empty or ``t`` out of the schedule's range.

    Example:
        >>> from gmlib.noise import EDM, start_noise
        >>> x = start_noise(EDM(), (1000, 2), generator=torch.Generator().manual_seed(0))
        >>> tuple(x.shape), bool((x.std() - 80).abs() < 4)
        ((1000, 2), True)
    """
    check_instance("schedule", schedule, Schedule)
    if len(shape) == 0:
        raise ValueError("shape must have a batch dimension, got ()")
    sigma = float(schedule.sigma(schedule.t_max if t is None else t))
    return sigma * torch.randn(tuple(shape), generator=generator, dtype=dtype, device=device)


def check_start(denoiser: Any, x: Any) -> None:
    """Raise unless a sampler can start here.

    Raises:
        TypeError: ``denoiser`` is no Denoiser, or ``x`` no floating tensor.
        ValueError: ``x`` has no batch dimension.

    Example:
        >>> from gmlib.noise.samplers.start import check_start
        >>> check_start(None, torch.zeros(1, 2))
        Traceback (most recent call last):
        TypeError: denoiser must be a Denoiser, got NoneType
    """
    check_instance("denoiser", denoiser, Denoiser)
    check_tensor("x", x)
    if x.dim() < 1:
        raise ValueError("x must have shape (batch, *event), got shape ()")


def noise_like(
    x: Float[Tensor, "batch *event"], generator: torch.Generator | None
) -> Float[Tensor, "batch *event"]:
    """Standard normal noise of the shape, dtype and device of x.

    Example:
        >>> from gmlib.noise.samplers.start import noise_like
        >>> noise_like(torch.zeros(3, 2), None).shape
        torch.Size([3, 2])
    """
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
