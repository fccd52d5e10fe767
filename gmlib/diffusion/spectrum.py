r"""Which details noise drowns first: the power of images by frequency, and the time at which noise has as much."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_finite, check_instance, check_tensor
from gmlib.noise import Schedule


@dataclass(frozen=True)
class Spectrum:
    """Power by frequency, averaged over images and directions.

    Attributes:
        frequency: 1, 2, ... waves across the shorter side, (n,).
        power: mean squared Fourier coefficient, so scaled that white noise of variance one has power 1, (n,).
    """

    frequency: Tensor
    power: Tensor


def radial_spectrum(images: Float[Tensor, "*batch height width"]) -> Spectrum:
    r"""The power spectrum of images, averaged over rings of equal frequency.

    .. math:: S(f) = \operatorname{mean}_{k:\ \operatorname{round}\lvert k\rvert = f}
        \frac{1}{HW}\,\mathbb E\Big\lvert\sum_{y,x} I_{yx}\,e^{-2\pi i(k_yy/H + k_xx/W)}\Big\rvert^2

    with :math:`\lvert k\rvert` in waves across the shorter side. The mean brightness (frequency 0) is left out, and so are
    the corners, where a ring is no longer whole.

    Args:
        images: images, ``(*batch, height, width)``; all leading dimensions are averaged over.

    Returns:
        Frequencies from 1 to half the shorter side, and their power.

    Raises:
        TypeError: ``images`` is no floating tensor.
        ValueError: there are no images, one is not finite, or a side is below 2.

    References:
        D. Field, *Relations between the statistics of natural images and the response properties of cortical cells*
        (1987): the spectra of photographs fall as the square of the frequency.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import radial_spectrum
        >>> wave = torch.cos(2 * torch.pi * 3 * torch.arange(16.0) / 16).expand(16, 16)
        >>> spectrum = radial_spectrum(wave)
        >>> spectrum.frequency[spectrum.power.argmax()]
        tensor(3.)
    """
    check_tensor("images", images)
    if images.dim() < 2 or images.numel() == 0 or min(images.shape[-2:]) < 2:
        raise ValueError(
            f"images must have shape (*batch, height, width), sides of 2 or more, got {tuple(images.shape)}"
        )
    check_finite("images", images)
    height, width = images.shape[-2:]
    power = torch.fft.fft2(images, norm="ortho").abs().square().reshape(-1, height, width).mean(0)
    side = min(height, width)
    rows = side * torch.fft.fftfreq(height, device=images.device)
    columns = side * torch.fft.fftfreq(width, device=images.device)
    ring = torch.hypot(rows[:, None], columns).round().long().flatten()
    sums, sizes = torch.bincount(ring, weights=power.flatten()), torch.bincount(ring)
    kept = slice(1, side // 2 + 1)
    return Spectrum(torch.arange(1, side // 2 + 1).to(power), (sums / sizes)[kept].to(power))


def crossing_time(schedule: Schedule, power: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    r"""The time at which noise has as much power as the signal.

    .. math:: \mathrm{SNR}_t(f) = \frac{\alpha_t^2}{\sigma_t^2}\,S(f) = 1
        \quad\Longleftrightarrow\quad \lambda_t = -\log S(f)

    Where the spectrum falls with the frequency, so does this time: noise takes fine detail first, and denoising gives it
    back last.

    (:eq:`eq-09b-crossing` in the book.)

    Args:
        schedule: the schedule.
        power: S, positive, of any shape, relative to white noise of variance one.

    Returns:
        Times, shaped as ``power``; beyond the schedule's range where it never gets that noisy, or that clean.

    Raises:
        TypeError: ``schedule`` is no Schedule or ``power`` no floating tensor.
        ValueError: a power is not positive and finite.

    References:
        S. Dieleman, *Diffusion is spectral autoregression* (2024).

    Example:
        >>> import torch
        >>> from gmlib.diffusion import crossing_time
        >>> from gmlib.noise import Rectified
        >>> crossing_time(Rectified(), torch.tensor([9.0, 1.0, 1 / 9]))
        tensor([0.7500, 0.5000, 0.2500])
    """
    check_instance("schedule", schedule, Schedule)
    check_tensor("power", power)
    check_finite("power", power)
    if not bool((power > 0).all()):
        raise ValueError(f"power must be positive, got {float(power.min()):g}")
    return schedule.t_of_log_snr(-power.log())
