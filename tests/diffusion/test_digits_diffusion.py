"""The shipped denoiser of digits: bits a pixel, asked classes, and samples against the held-out digits."""

import math
from pathlib import Path

import pytest
import torch

from gmlib.checkpoints import checkpoint, load_into
from gmlib.data import digits
from gmlib.recipes.diffusion_digits import bound_measures, digits_denoiser, recognised, sample_digits
from gmlib.recipes.digit_measures import digit_measures


@pytest.mark.slow
def test_digits_diffusion() -> None:
    entry = checkpoint("diffusion-digits")
    record = entry.metrics["seeds"]["0"]
    assert (Path(__file__).parents[2] / entry.recipe).is_file()
    model = digits_denoiser().eval()
    fresh = math.log2(17)
    load_into(model, "diffusion-digits")
    test = digits("test")
    with torch.no_grad():
        again = bound_measures(model, test, 2)
    assert abs(again["bits_per_dim"] - record["bits_per_dim"]) < 4 * again["bits_per_dim_error"]
    # Bits a pixel fall, and further when the class is told, which can save no more than its own bits.
    assert record["bits_per_dim"] < 0.6 * fresh
    assert 0 < record["bits_per_dim"] - record["class_bits_per_dim"] < math.log2(10) / 64 + 0.1
    # Samples of asked classes are recognised; of no class, they are closer to digits than noise is.
    generator = torch.Generator().manual_seed(3)
    label = torch.arange(10).repeat(30)
    asked = sample_digits(model, 300, label=label, steps=100, generator=generator)
    assert recognised(asked, label) > 0.9 - 4 * math.sqrt(0.9 * 0.1 / 300)
    assert all(found["recognised"] > 0.9 for found in entry.metrics["seeds"].values())
    drawn = sample_digits(model, len(test.labels), steps=100, generator=generator)
    noise = torch.rand(len(test.labels), 64, generator=generator)
    ours, floor = (digit_measures(images, held_out="test").frechet for images in (drawn, noise))
    assert ours < floor / 4
