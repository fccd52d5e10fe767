"""Noise takes fine detail first: spectra of images and the times at which noise has as much power."""

from __future__ import annotations

import math

import pytest
import torch

from gmlib.diffusion import crossing_time, noised, radial_spectrum
from gmlib.noise import DDPM, EDM, Rectified, Schedule, VPCosine, VPLinear

F64 = torch.float64


@pytest.mark.parametrize("schedule", [VPLinear(), VPCosine(), DDPM.linear(), Rectified(), EDM()], ids=str)
def test_spectral_noising(schedule: Schedule) -> None:
    """Spectrum f^-2: the time of SNR_t(f) = 1 falls with f; there alpha² S = sigma²."""
    power = 100 / torch.arange(1, 15, dtype=F64) ** 2
    t = crossing_time(schedule, power)
    assert (t.diff() < 0).all()
    snr = schedule.alpha(t) ** 2 / schedule.sigma(t) ** 2 * power
    torch.testing.assert_close(snr, torch.ones_like(snr), rtol=1e-9, atol=0)


def test_spectrum_of_white_noise_and_of_waves(generator: torch.Generator) -> None:
    """White noise has power 1 at every frequency (64 images, 4 standard errors); a wave has all of it at its own."""
    noise = torch.randn(64, 28, 28, generator=generator, dtype=F64)
    found = radial_spectrum(noise)
    assert found.frequency.tolist() == list(range(1, 15))
    # A ring of radius f has about 2 pi f coefficients, in conjugate pairs: pi f independent exponential variables.
    error = 1 / (64 * math.pi * found.frequency).sqrt()
    assert ((found.power - 1).abs() < 4 * error * 1.2).all()
    row = torch.arange(16, dtype=F64)
    wave = torch.cos(2 * math.pi * (3 * row[:, None] + 4 * row) / 16)
    power = radial_spectrum(wave[None]).power
    assert power.argmax() == 4  # |(3, 4)| = 5 waves
    assert (power.sum() - power[4]).item() < 1e-20
    # Parseval: the mean square 1/2 of 256 pixels, spread over the coefficients of that ring.
    rows, columns = torch.meshgrid(torch.arange(-8, 8), torch.arange(-8, 8), indexing="ij")
    ring = int((torch.hypot(rows.double(), columns.double()).round() == 5).sum())
    assert power[4].item() == pytest.approx(128 / ring, rel=1e-12)


def test_spectrum_of_noised_images_is_signal_plus_noise(generator: torch.Generator) -> None:
    """alpha² S + sigma²: the cross term vanishes on average; also for sides that differ, and channels."""
    images = torch.randn(200, 3, 8, 12, generator=generator, dtype=F64).cumsum(-1).cumsum(-2)
    images = images - images.mean((-2, -1), keepdim=True)
    clean = radial_spectrum(images)
    assert len(clean.frequency) == 4
    noise, t = torch.randn(images.shape, generator=generator, dtype=F64), 0.5
    got = radial_spectrum(noised(images, t, noise, VPCosine())).power
    truth = VPCosine().alpha(t) ** 2 * clean.power + VPCosine().sigma(t) ** 2
    torch.testing.assert_close(got, truth, rtol=0.1, atol=0)


def test_radial_spectrum_ignores_the_mean() -> None:
    image = torch.randn(9, 9, generator=torch.Generator().manual_seed(1), dtype=F64)
    torch.testing.assert_close(radial_spectrum(image + 7).power, radial_spectrum(image).power)
