"""The recipe of the cascade's stages: the sizes, what a stage is shown, and what is measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gmlib.checkpoints import checkpoint, load_into
from gmlib.data import LabelledImages, mnist
from gmlib.data.files import assets_folder
from gmlib.diffusion.guidance import enlarged, pooled
from gmlib.noise import Denoiser, VPCosine
from gmlib.recipe import load_recipe
from gmlib.recipes import cascade_mnist, mnist_split
from gmlib.recipes.cascade_mnist import (
    BLUR,
    HIGH,
    cascaded_digits,
    evaluator,
    loss,
    mnist_stage,
    sizes,
    stage_denoiser,
)
from gmlib.recipes.diffusion_mnist import FIRST, LAST, LOW, scaled
from gmlib.training import train

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]
SIDES: tuple[cascade_mnist.Side, ...] = (7, 14, 28)


class Repeats(nn.Module):
    """Says what it is shown, ``off`` brighter; keeps what that was."""

    def __init__(self, off: float = 0.0) -> None:
        super().__init__()
        self.off = nn.Parameter(torch.tensor(off))
        self.shown: list[Tensor | None] = []

    def forward(self, x: Tensor, t: Tensor, image: Tensor | None = None) -> Tensor:
        self.shown.append(image)
        return self.off.expand_as(x) if image is None else image + self.off


def test_small_digits_are_means_of_large_ones() -> None:
    """Grey levels are multiples of 1/256, so that float32 has their means exactly."""
    levels = mnist("test").images[:20]
    found = sizes(levels)
    assert torch.equal(found[28], scaled(levels))
    assert torch.equal(pooled(found[28]), found[14])
    assert torch.equal(pooled(found[14]), found[7])
    assert all(x.shape == (20, 1, side, side) for side, x in found.items())
    corner = levels[3, 0, 4:8, 8:12].double()
    assert float(found[7][3, 0, 1, 2]) == pytest.approx((corner.mean().item() + 0.5) / 128 - 1, abs=1e-6)


@pytest.mark.parametrize("full", [False, True])
def test_images_to_choose_settings_with_are_not_learnt(full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[tuple[Tensor, int]] = []

    def keep(images: Tensor, side: int) -> Any:
        measured.append((images, side))
        return dict

    monkeypatch.setattr(cascade_mnist, "evaluator", keep)
    sets, kept = {name: mnist(name).images for name in ("train", "test")}, 1000
    if full:  # a few images in the place of 70,000
        kept = 4
        few, label = (
            torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 28, 28),
            torch.zeros(20).long(),
        )
        sets = {"train": few[:15], "test": few[15:]}
        monkeypatch.setattr(mnist_split, "HELD_BACK", kept)
        monkeypatch.setattr(
            mnist_split, "mnist", lambda name, full: LabelledImages(sets[name], label[: len(sets[name])])
        )
    tuned, reported = (
        mnist_stage(side=14, full=full, evaluate_on=on, eval_images=3) for on in ("validation", "test")
    )
    assert isinstance(tuned.data, Tensor)
    assert isinstance(reported.data, Tensor)
    assert torch.equal(tuned.data, sets["train"][:-kept])
    assert torch.equal(reported.data, sets["train"])
    start = len(sets["train"]) - kept
    for (images, side), right in zip(
        measured, (sets["train"][start : start + 3], sets["test"][:3]), strict=True
    ):
        assert side == 14
        assert torch.equal(images, right)


@pytest.mark.parametrize("side", SIDES)
def test_the_noise_of_a_batch(side: cascade_mnist.Side) -> None:
    n, half, schedule = 300, side // 2, VPCosine()
    draws = []
    for blur in (BLUR, 0.5, 0.0):
        noise = mnist_stage(side=side, blur=blur, full=False).noise
        assert noise is not None
        draw, t, *beside = noise(n, torch.Generator().manual_seed(2), CPU)
        assert (draw.shape, t.shape) == ((n, 1, side, side), (n,))
        # The first stage is shown nothing.
        assert [part.shape for part in beside] == ([] if side == 7 else [(n, 1, half, half)])
        # A standard deviation from k numbers has a standard error of 1 / sqrt(2k) of itself.
        for part in beside:
            assert abs(part.std().item() - blur) <= 4 * blur / math.sqrt(2 * part.numel())
        assert abs(draw.std().item() - 1) <= 4 / math.sqrt(2 * draw.numel())
        draws.append((draw, t))
    first, last = (float(schedule.t_of_log_snr(level)) for level in (HIGH, LOW))
    ordered = draws[0][1].sort().values
    assert first <= ordered[0]
    assert ordered[-1] <= last
    assert ordered.diff().max() < 2 / n
    assert all(torch.equal(draws[0][i], other[i]) for other in draws[1:] for i in (0, 1))


def test_the_loss_by_hand(alpha_sigma: Callable[[float], tuple[float, float]]) -> None:
    """Pictures and noise of one number: a stage that says v = what it is shown, here the picture and b beside it."""
    levels, draws, times, besides = (10, 200), (0.7, -1.1), (0.2, 0.8), (0.3, -0.2)
    x = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(2, 1, 28, 28)
    for side in SIDES:
        half = side // 2
        draw = torch.tensor(draws)[:, None, None, None].expand(2, 1, side, side)
        beside = torch.tensor(besides)[:, None, None, None].expand(2, 1, half, half)
        noise = (draw, torch.tensor(times), beside)[: 2 if side == 7 else 3]
        found = loss(Denoiser(Repeats(), VPCosine(), "v"), x, noise)
        wanted = 0.0
        for k, eps, t, b in zip(levels, draws, times, besides, strict=True):
            alpha, sigma = alpha_sigma(t)
            grey = (k + 0.5) / 128 - 1
            says = 0.0 if side == 7 else grey + b
            wanted += (alpha * eps - sigma * grey - says) ** 2 / 2
        assert found["loss"].item() == pytest.approx(wanted, rel=1e-5), side


@pytest.mark.parametrize("side", [14, 28])
def test_a_stage_is_shown_half_the_size_with_noise_on_it(side: int) -> None:
    levels = mnist("test").images[:4]
    network, half = Repeats(), side // 2
    generator = torch.Generator().manual_seed(0)
    beside = BLUR * torch.randn(4, 1, half, half, generator=generator)
    draw = torch.randn(4, 1, side, side, generator=generator)
    loss(Denoiser(network, VPCosine(), "v"), levels, (draw, torch.full((4,), 0.5), beside))
    (shown,) = network.shown
    assert shown is not None
    small = pooled(scaled(levels), 28 // half)
    assert torch.equal(shown, enlarged(small + beside))
    first = Repeats()
    draw = torch.randn(4, 1, 7, 7, generator=generator)
    loss(Denoiser(first, VPCosine(), "v"), levels, (draw, torch.full((4,), 0.5)))
    assert first.shown == [None]


@pytest.mark.parametrize("side", SIDES)
def test_a_stage_heeds_what_it_is_shown(side: cascade_mnist.Side) -> None:
    torch.manual_seed(0)
    model = stage_denoiser(side, widths=[8])
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.2)
    x, t = torch.randn(2, 1, side, side), torch.tensor([0.3, 0.7])
    if side == 7:
        assert model(x, t).shape == x.shape
        return
    small = torch.randn(2, 1, side // 2, side // 2)
    found = model(x, t, image=enlarged(small))
    assert found.shape == x.shape
    assert not torch.allclose(found, model(x, t, image=enlarged(small + 0.5)))
    # Of the picture beside, the means of blocks are read and nothing else.
    ripple = 0.25 * torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(side // 2, side // 2)
    torch.testing.assert_close(model(x, t, image=enlarged(small) + ripple), found, rtol=1e-4, atol=1e-4)


def test_what_is_measured(alpha_sigma: Callable[[float], tuple[float, float]]) -> None:
    """A stage sure of what it is shown, .1 brighter: its draws are .1 off, and v is off by the rest over sigma."""
    levels = mnist("test").images[:10]
    for side in (14, 28):
        found = evaluator(levels, side, batch=4)(Denoiser(Repeats(0.1), VPCosine(), "x0"))
        assert found["returned"] == pytest.approx(0.1, abs=1e-5)
        assert evaluator(levels, side)(Denoiser(Repeats(), VPCosine(), "x0"))["returned"] < 1e-5
    # Pictures of one grey leave no rest, and say v = 0 wrong by alpha eps - sigma grey.
    grey = torch.full((8, 1, 28, 28), 90, dtype=torch.uint8)
    assert evaluator(grey, 14)(Denoiser(Repeats(), VPCosine(), "x0"))["loss"] < 1e-6
    many = torch.full((2000, 1, 28, 28), 90, dtype=torch.uint8)
    found = evaluator(many, 7)(Denoiser(Repeats(), VPCosine(), "v"))
    assert list(found) == ["loss"]
    times = torch.linspace(FIRST, LAST, 2001, dtype=torch.float64)
    alpha2 = torch.tensor([alpha_sigma(float(t))[0] ** 2 for t in times])
    wanted = (alpha2 + (1 - alpha2) * (90.5 / 128 - 1) ** 2).mean().item()
    # 98,000 pixels; the square of a normal number has a standard deviation of sqrt(2).
    assert found["loss"] == pytest.approx(wanted, abs=4 * math.sqrt(2 / 98_000) + 1e-3)


def test_a_cascade_of_fresh_stages(leave_untrained: Callable[[ModuleType], list[str]]) -> None:
    """They say v = 0, so that the guess of a picture is alpha x: what is drawn is noise, the same for the same seed."""
    asked = leave_untrained(cascade_mnist)
    found, again, other = (cascaded_digits(2, calls=3, seed=seed) for seed in (4, 4, 5))
    assert [tuple(x.shape) for x in found] == [(2, 1, side, side) for side in SIDES]
    assert asked[:3] == ["cascade-7-mnist", "cascade-14-mnist", "cascade-28-mnist"]
    for first, same, different in zip(found, again, other, strict=True):
        assert torch.equal(first, same)
        assert not torch.equal(first, different)


@pytest.mark.parametrize("side", [7, 14])
def test_a_few_steps_lower_the_loss(side: int) -> None:
    folder = assets_folder()
    assert folder is not None
    little = [
        "task_options.full=false",
        "task_options.eval_images=2",
        "amp=false",
        "steps=8",
        "batch_size=16",
    ]
    little += ["warmup=0", "lr=3e-3", "ema_decay=0"]
    recipe = load_recipe(folder / "recipes" / f"cascade-{side}-mnist.toml", little)
    torch.manual_seed(0)
    task = recipe.make_task()
    images = mnist("test").images[:64]
    assert task.noise is not None
    noise = task.noise(64, torch.Generator().manual_seed(1), CPU)
    with torch.no_grad():
        before = loss(task.model, images, noise)["loss"].item()
    trained = train(task, recipe.train).final
    with torch.no_grad():
        assert loss(trained, images, noise)["loss"].item() < 0.9 * before


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="side must be one of 7, 14, 28, got 21"):
        stage_denoiser(21)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="evaluate_on must be one of"):
        mnist_stage(side=7, full=False, evaluate_on="train")
    with pytest.raises(ValueError, match="eval_images must be at least 1, got 0"):
        mnist_stage(side=7, full=False, eval_images=0)
    with pytest.raises(ValueError, match="blur must be a finite number in"):
        mnist_stage(side=7, full=False, blur=-0.1)
    with pytest.raises(ValueError, match="calls must be at least 2, got 1"):
        cascaded_digits(1, calls=1)


@pytest.mark.parametrize("side", SIDES)
def test_a_trained_stage(side: cascade_mnist.Side) -> None:
    name = f"cascade-{side}-mnist"
    entry = checkpoint(name)
    assert (ROOT / entry.recipe).is_file()
    model = load_into(stage_denoiser(side), name).eval()
    found = evaluator(mnist("test").images[:24], side)(model)
    for key, value in entry.metrics["mean"].items():
        assert found[key] == pytest.approx(value, rel=0.3), key
    assert set(found) == set(entry.metrics["mean"])
    for seed in entry.metrics["seeds"].values():
        assert seed["loss"] < 0.5  # a fresh one: about .8
        assert seed.get("returned", 0.0) < BLUR


def test_the_trained_cascade_keeps_what_it_drew() -> None:
    """Each size, pooled, is the size before it, up to the blur that the stage has learnt to doubt it by."""
    small, middle, large = cascaded_digits(8, seed=1)
    for coarse, fine in ((small, middle), (middle, large)):
        assert (pooled(fine) - coarse).square().mean().sqrt() < 2 * BLUR
    assert -1.2 < large.min() < -0.9
    assert 0.8 < large.max() < 1.3
    blurred, sharp = (cascaded_digits(2, blur=blur, calls=4) for blur in (BLUR, 0.0))
    assert torch.equal(blurred[0], sharp[0])
    assert not torch.equal(blurred[1], sharp[1])
