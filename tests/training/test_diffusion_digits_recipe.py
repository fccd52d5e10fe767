"""The recipe of the digits' denoiser: its start, its loss, and a run that goes on."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from gmlib.data import digits
from gmlib.data.files import assets_folder
from gmlib.recipe import load_recipe
from gmlib.recipes.diffusion_digits import (
    bound_measures,
    digits_denoiser,
    digits_diffusion,
    loss,
)
from gmlib.training import train


def test_a_fresh_model_takes_all_levels_for_equally_likely() -> None:
    found = bound_measures(digits_denoiser(width=4).eval(), digits("validation"), 20)
    # The mean over the levels is their entropy; blank pixels, of which there are many, cost a little less.
    assert abs(found["bits_per_dim"] - math.log2(17)) < 0.1
    parts = sum(found[f"{term}_bits"] for term in ("prior", "diffusion", "reconstruction"))
    assert found["bits_per_dim"] == pytest.approx(parts, rel=1e-6)
    assert found["class_bits_per_dim"] == found["bits_per_dim"]
    assert 0 < found["bits_per_dim_error"] < 0.1


def test_the_class_is_told_or_not() -> None:
    task = digits_diffusion(width=4)
    for parameter in task.model.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(0))
    assert isinstance(task.data, tuple)
    assert task.noise is not None
    x, label = (part[:64] for part in task.data)
    draw, t, told = task.noise(64, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert 0.7 < float(told.float().mean()) < 1
    values = [
        loss(task.model, (x, each), (draw, t, who))["loss"].item()
        for each, who in ((label, told), (label, told & False), (label * 0 + 10, told | True))
    ]
    assert values[1] == values[2]  # the class that stands for none
    assert values[0] != values[1]


@pytest.mark.slow
def test_a_run_learns_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    folder = assets_folder()
    assert folder is not None
    small = ["steps=40", "log_every=10", "checkpoint_every=8", "lr_schedule=constant", "warmup=2"]
    recipe = load_recipe(folder / "recipes" / "diffusion-digits.toml", small)
    torch.manual_seed(0)
    whole = train(recipe.make_task(), recipe.train)
    assert whole.history["loss"][-1] < whole.history["loss"][0]
    torch.manual_seed(0)
    train(recipe.make_task(), dataclasses.replace(recipe.train, steps=10), out=tmp_path)
    torch.manual_seed(0)
    resumed = train(recipe.make_task(), recipe.train, out=tmp_path)
    for a, b in zip(whole.final.parameters(), resumed.final.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_weights_are_small() -> None:
    assert 2 * sum(tensor.numel() for tensor in digits_denoiser().state_dict().values()) < 200_000


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="evaluate_on must be one of"):
        digits_diffusion(evaluate_on="train")
    with pytest.raises(ValueError, match="dropped must be"):
        digits_diffusion(dropped=1.5)
    with pytest.raises(ValueError, match="draws must be at least 1"):
        digits_diffusion(draws=0)
