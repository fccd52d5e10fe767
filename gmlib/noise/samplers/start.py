"""Where samplers start."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_instance
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
