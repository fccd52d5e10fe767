"""The baseline row: pixel histograms on the 8x8 digits."""

import math

import pytest
import torch

from gmlib.classical import HistogramMixture, PixelHistograms
from gmlib.data import digits


@pytest.mark.parametrize(
    ("splits", "smoothing", "nats"),
    [
        # Fitted on 1,350 images, as in the catalogues of the field; and on the 1,000 that the book trains on.
        (("train", "validation"), 0.01, 106.09),
        (("train", "validation"), 1.0, 106.26),
        (("train",), 0.01, 106.33),
        (("train",), 1.0, 106.47),
    ],
)
def test_independent_pixels_on_digits(splits: tuple[str, ...], smoothing: float, nats: float) -> None:
    train = torch.cat([digits(s).images for s in splits]).flatten(1)
    law = PixelHistograms(train, levels=17, smoothing=smoothing)
    test = digits("test").images.flatten(1)
    assert -law.log_prob(test).mean().item() == pytest.approx(nats, abs=0.005)


def test_sums_to_one_and_large_smoothing_is_uniform() -> None:
    x = torch.randint(0, 3, (10, 2), generator=torch.Generator().manual_seed(0))
    every = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    law = PixelHistograms(x, levels=3, smoothing=0.5)
    assert law.log_prob(every).exp().sum().item() == pytest.approx(1.0, abs=1e-12)
    flat = PixelHistograms(x, levels=3, smoothing=1e9)
    assert flat.log_prob(every)[0].item() == pytest.approx(-2 * math.log(3), abs=1e-6)


@pytest.mark.parametrize("mixed", [False, True])
def test_images_are_drawn_as_they_are_priced(mixed: bool) -> None:
    generator, n = torch.Generator().manual_seed(0), 20_000
    x = torch.randint(0, 3, (300, 2), generator=generator)
    x[:150, 1] = x[:150, 0]
    law = HistogramMixture(x, 3, 4, generator=generator) if mixed else PixelHistograms(x, 3)
    drawn = law.sample(n, generator=generator)
    states = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    seen = torch.tensor([(drawn == state).all(1).float().mean() for state in states])
    exact = law.log_prob(states).exp().float()
    assert ((seen - exact).abs() < 5 * (exact * (1 - exact) / n).sqrt()).all()


@pytest.mark.bad_input
def test_bad_input() -> None:
    good = torch.zeros(3, 2, dtype=torch.int64)
    with pytest.raises(ValueError, match="smoothing"):
        PixelHistograms(good, levels=2, smoothing=0.0)
    with pytest.raises(ValueError, match=r"x must hold levels 0 \.\. 1"):
        PixelHistograms(good + 2, levels=2)
    with pytest.raises(ValueError, match="x must be a matrix"):
        PixelHistograms(good[:0], levels=2)
    with pytest.raises(TypeError, match="x must hold whole numbers"):
        PixelHistograms(torch.rand(3, 2), levels=2)
    with pytest.raises(ValueError, match="x must have 2 pixels"):
        PixelHistograms(good, levels=2).log_prob(good[:, :1])
    for bad in (good[0], good[0, 0]):
        with pytest.raises(ValueError, match="x must be a matrix"):
            PixelHistograms(bad, levels=2)
    with pytest.raises(TypeError, match=r"x must be a torch.Tensor, got list"):
        PixelHistograms(good.tolist(), levels=2)
    with pytest.raises(TypeError, match=r"x must be a torch.Tensor, got list"):
        PixelHistograms(good, levels=2).log_prob(good.tolist())
    with pytest.raises(ValueError, match="levels"):
        PixelHistograms(good, levels=1)
    with pytest.raises(ValueError, match="n must be at least 1"):
        PixelHistograms(good, levels=2).sample(0)
