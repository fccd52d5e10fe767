"""The recipe of the MNIST denoiser: what its evaluation says of a model that is known, and a run that goes on."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from gmlib.data import mnist
from gmlib.data.files import assets_folder
from gmlib.recipe import load_recipe
from gmlib.recipes.diffusion_mnist import HIGH, LOW, evaluator, mnist_denoiser, mnist_diffusion, scaled
from gmlib.training import train

BITS = 784 * math.log(2)


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def test_the_bound_of_a_model_that_says_nothing() -> None:
    # A fresh network predicts v = 0: its noise is off by alpha v, of mean square alpha^4 + alpha^2 sigma^2 x^2 a pixel.
    # With s = alpha^2 = 1 / (1 + exp(-lambda)): the integral of s^2 is softplus - s, and that of s (1 - s) is s.
    images = mnist("test").images[:60]
    torch.manual_seed(0)
    found = evaluator(images, draws=8, loss_at=[-4.0, 2.0], loss_images=60)(mnist_denoiser(widths=[8]))
    square = float(scaled(images).square().mean())
    low, high = (1 / (1 + math.exp(-end)) for end in (LOW, HIGH))
    way = softplus(HIGH) - high - softplus(LOW) + low + (high - low) * square
    assert found["diffusion_bits"] == pytest.approx(0.5 * way / math.log(2), rel=0.02)
    assert found["prior_bits"] == pytest.approx(
        0.5 * (low * (square - 1) + softplus(LOW)) / math.log(2), rel=1e-4
    )
    for name, log_snr in (("v_loss_minus_4", -4.0), ("v_loss_2", 2.0)):
        alpha2 = 1 / (1 + math.exp(-log_snr))
        assert found[name] == pytest.approx(alpha2 + (1 - alpha2) * square, rel=0.02)
    parts = sum(found[f"{term}_bits"] for term in ("prior", "diffusion", "reconstruction"))
    assert found["bits_per_dim"] == pytest.approx(parts, rel=1e-6)
    assert all(found[f"{name}_error"] > 0 for name in ("bits_per_dim", "diffusion_bits", "prior_bits"))


def test_what_is_left_to_read_costs_next_to_nothing() -> None:
    # A black pixel has its neighbours on one side, r = k exp(HIGH / 2) / 128 away in units of the noise.
    grid = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
    density = torch.exp(-0.5 * grid**2) / math.sqrt(2 * math.pi) * (grid[1] - grid[0])
    r = torch.arange(256, dtype=torch.float64) * math.exp(HIGH / 2) / 128
    exact = (density * torch.logsumexp(grid[:, None] * r - 0.5 * r**2, 1)).sum() / math.log(2)
    black = torch.zeros(100, 1, 28, 28, dtype=torch.uint8)
    torch.manual_seed(0)
    found = evaluator(black, loss_at=[])(mnist_denoiser(widths=[8]))
    assert abs(found["reconstruction_bits"] - float(exact)) < 4 * found["reconstruction_bits_error"]
    assert 0.001 < float(exact) < 0.02


@pytest.mark.slow
def test_a_run_learns_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    folder = assets_folder()
    assert folder is not None
    small = ["task_options.full=false", "task_options.widths=[8]", "amp=false", "batch_size=16", "warmup=2"]
    small += ["steps=24", "log_every=6", "checkpoint_every=8", "lr_schedule=constant"]
    recipe = load_recipe(folder / "recipes" / "diffusion-mnist.toml", small)
    torch.manual_seed(0)
    whole = train(recipe.make_task(), recipe.train)
    assert whole.history["loss"][-1] < whole.history["loss"][0]
    torch.manual_seed(0)
    train(recipe.make_task(), dataclasses.replace(recipe.train, steps=10), out=tmp_path)
    torch.manual_seed(0)
    resumed = train(recipe.make_task(), recipe.train, out=tmp_path)
    for a, b in zip(whole.final.parameters(), resumed.final.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_weights_fit_a_page() -> None:
    numbers = sum(tensor.numel() for tensor in mnist_denoiser().state_dict().values())
    assert 2 * numbers < 4e6  # bytes, in float16


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="evaluate_on must be one of"):
        mnist_diffusion(full=False, evaluate_on="train")
    with pytest.raises(ValueError, match="eval_images must be at least 2, got 1"):
        mnist_diffusion(full=False, eval_images=1)
    with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
        evaluator(torch.zeros(2, 1, 28, 28, dtype=torch.uint8), draws=0)
