"""Corruptions and jitter, each against what it must do to an image whose answer is known."""

from __future__ import annotations

import math

import pytest
import torch

from gmlib.data import add_noise, blur, drop_classes, jitter, replace_by_noise


def test_noise_has_the_stated_size_and_stays_in_range() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.full((100, 1, 28, 28), 0.5)
    error = (
        add_noise(x, 0.05, generator=g) - x
    ).double()  # ten standard deviations from either end: none is cut
    n = error.numel()
    assert abs(error.mean()) < 4 * 0.05 / n**0.5
    assert abs(error.square().mean() - 0.05**2) < 4 * 0.05**2 * (2 / n) ** 0.5
    # On paper the negative half is cut: the mean of max(0, sigma e) is sigma / sqrt(2 pi), its square's sigma^2 / 2.
    cut = add_noise(torch.zeros(100, 1, 28, 28), 0.1, generator=g).double()
    assert float(cut.min()) == 0.0
    spread = 0.1 * (0.5 - 0.5 / math.pi) ** 0.5
    assert abs(cut.mean() - 0.1 / math.sqrt(2 * math.pi)) < 4 * spread / n**0.5
    assert torch.equal(add_noise(x, 0.0), x)


def test_blur_is_a_normal_kernel() -> None:
    x = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    x[..., 20, 20] = 1.0
    sigma = 2.0
    image = blur(x, sigma)[0, 0]
    a = torch.arange(41, dtype=torch.float64) - 20
    assert image.sum().item() == pytest.approx(1.0, abs=1e-12)
    # Its variance is sigma^2 less what lies beyond 3 sigma, about 1 %.
    assert (image.sum(0) * a.square()).sum().item() == pytest.approx(sigma**2, rel=0.03)
    assert torch.allclose(image, image.T)
    assert image[20, 22] / image[20, 20] == pytest.approx(math.exp(-0.5), rel=1e-12)
    assert torch.equal(blur(x, 0.0), x)
    # Two blurs are one of the summed variance, up to the cut and the pixel grid.
    twice, once = blur(blur(x, 1.2), 1.6)[0, 0], image
    assert (twice - once).abs().max() < 0.002


def test_blur_keeps_channels_and_images_apart() -> None:
    x = torch.zeros(2, 2, 9, 9)
    x[0, 1, 4, 4] = 1.0
    image = blur(x, 1.0)
    assert image[0, 1].sum().item() == pytest.approx(1.0, abs=1e-6)
    assert float(image[1].abs().max()) == 0.0
    assert float(image[0, 0].abs().max()) == 0.0


def test_dropped_classes_are_gone_and_the_others_stay() -> None:
    labels = torch.arange(30) % 10
    images = torch.arange(30)[:, None, None, None].expand(30, 1, 2, 2)
    kept = drop_classes(images, labels, [3, 7])
    assert kept[:, 0, 0, 0].tolist() == [i for i in range(30) if i % 10 not in (3, 7)]
    assert torch.equal(drop_classes(images, labels, []), images)


def test_the_share_of_noise_is_exact() -> None:
    x = torch.zeros(200, 1, 8, 8)
    for share in (0.0, 0.01, 0.5, 1.0):
        image = replace_by_noise(x, share, generator=torch.Generator().manual_seed(1))
        noisy = image.flatten(1).sum(1) > 0
        assert int(noisy.sum()) == round(200 * share)
    n = image.numel()  # all of it uniform: mean 1/2, variance 1/12
    assert abs(image.mean() - 0.5) < 4 * (1 / 12 / n) ** 0.5
    assert torch.equal(x, torch.zeros_like(x))  # the argument is as it was


def test_jitter_moves_by_its_noise() -> None:
    x = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    x[0, 0, 4, 6] = 1.0  # two pixels to the right of the centre
    at = lambda image: tuple(int(i) for i in divmod(image.argmax().item(), 9))  # noqa: E731
    still = torch.zeros(1, 6, dtype=torch.float64)
    assert torch.allclose(jitter(x, still, rotate=1.0, stretch=1.0, slant=1.0, shift=1.0), x, atol=1e-12)
    eps = still.clone()
    eps[0, 0] = (
        1.0  # by a quarter turn the value at u is that at R u: at (0, -2) that of (2, 0), rows running down
    )
    assert at(jitter(x, eps, rotate=math.pi / 2)) == (2, 4)
    eps = still.clone()
    eps[0, 1] = 1.0  # the value at u = (1, 0) is that at (2, 0)
    assert at(jitter(x, eps, stretch=math.log(2.0))) == (4, 5)
    eps = still.clone()
    eps[0, 4:] = torch.tensor([2.0, -1.0])  # the value at (0, 1) is that at (2, 0)
    assert at(jitter(x, eps, shift=1.0)) == (5, 4)
    eps = still.clone()
    eps[0, 3] = 1.0  # the value at (u1, u2) is that at (u1 + u2, u2)
    lower = torch.zeros_like(x)
    lower[0, 0, 6, 6] = 1.0
    assert at(jitter(lower, eps, slant=1.0)) == (6, 4)


def test_jitter_of_a_wide_image_turns_by_pixels() -> None:
    x = torch.zeros(1, 1, 9, 17, dtype=torch.float64)
    x[0, 0, 4, 11] = 1.0  # three to the right
    eps = torch.zeros(1, 6, dtype=torch.float64)
    eps[0, 0] = 1.0
    image = jitter(x, eps, rotate=math.pi / 2)
    assert divmod(image.argmax().item(), 17) == (1, 8)  # three up
    assert image.max().item() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.full((3, 1, 4, 4), 0.5)
    labels = torch.tensor([0, 1, 1])
    for corrupt in (add_noise, blur, replace_by_noise):
        with pytest.raises(ValueError, match="images must lie in"):
            corrupt(2 * x + 0.5, 0.1)
        with pytest.raises(ValueError, match="images must lie in"):
            corrupt(x * float("nan"), 0.1)
        with pytest.raises(ValueError, match="images must have shape"):
            corrupt(x[0], 0.1)
        with pytest.raises(ValueError, match="images must have shape"):
            corrupt(x[:0], 0.1)
        with pytest.raises(TypeError, match="images must have a floating dtype"):
            corrupt(x.to(torch.uint8), 0.1)
    for corrupt in (add_noise, blur):
        with pytest.raises(ValueError, match="sigma must be a finite number"):
            corrupt(x, -0.1)
    with pytest.raises(ValueError, match="share must be a finite number"):
        replace_by_noise(x, 1.5)
    with pytest.raises(ValueError, match="labels must have shape"):
        drop_classes(x, labels[:2], [0])
    with pytest.raises(ValueError, match="dropped must name classes that occur"):
        drop_classes(x, labels, [0, 5])
    with pytest.raises(ValueError, match="dropped must leave a class"):
        drop_classes(x, labels, [0, 1])
    with pytest.raises(ValueError, match="noise must have shape"):
        jitter(x, torch.zeros(3, 5))
    with pytest.raises(ValueError, match="images must have shape"):
        jitter(x[0], torch.zeros(1, 6))
    with pytest.raises(ValueError, match="images must have shape"):
        jitter(x[:0], torch.zeros(0, 6))
    with pytest.raises(ValueError, match="shift must be a finite number"):
        jitter(x, torch.zeros(3, 6), shift=-1.0)
    with pytest.raises(TypeError, match="noise must be a torch"):
        jitter(x, None)  # pyright: ignore[reportArgumentType]
