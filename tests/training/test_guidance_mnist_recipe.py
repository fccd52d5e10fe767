"""The recipe of the denoiser that listens to a class: what it is told, what it begins with, and what is measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gmlib.checkpoints import checkpoint, load_into
from gmlib.data import LabelledImages, mnist
from gmlib.data.files import assets_folder
from gmlib.noise import Denoiser, VPCosine
from gmlib.recipe import load_recipe
from gmlib.recipes import guidance_mnist, mnist_split
from gmlib.recipes.diffusion_mnist import HIGH, LOW, mnist_denoiser, scaled
from gmlib.recipes.guidance_mnist import (
    CLASSES,
    evaluator,
    listening_denoiser,
    loss,
    mnist_guidance,
    recognised,
)
from gmlib.training import train

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]


class SaysLabel(nn.Module):
    """Predicts the number of the class for every pixel of v."""

    def forward(self, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        return label.to(x)[:, None, None, None].expand_as(x)


class Templates(nn.Module):
    """Sure of one picture for each class, whatever it sees; keeps what it was asked."""

    def __init__(self, pictures: Tensor) -> None:
        super().__init__()
        self.pictures = nn.Parameter(pictures)
        self.asked: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        self.asked.append((x, t, label))
        return self.pictures[label]


def listening(classes: float = 0.3) -> Denoiser:
    """A small network whose classes make a difference, each another."""
    torch.manual_seed(0)
    model = listening_denoiser(widths=[8])
    for module in model.modules():
        if isinstance(module, nn.Embedding | nn.Conv2d):
            nn.init.normal_(module.weight, std=classes)
    return model


def one_of_each() -> Tensor:
    """For each class a test image that the judge takes for what it is, (10, 1, 28, 28)."""
    test = mnist("test")
    images, labels = test.images[:200], test.labels[:200]
    right = recognised(images, labels) == 1
    return torch.stack([images[(labels == c) & right][0] for c in range(CLASSES)])


@pytest.mark.parametrize("full", [False, True])
def test_images_to_choose_settings_with_are_not_learnt(full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[tuple[Tensor, Tensor]] = []

    def keep(images: Tensor, labels: Tensor) -> Any:
        measured.append((images, labels))
        return dict

    monkeypatch.setattr(guidance_mnist, "evaluator", keep)
    sets, kept = {name: mnist(name) for name in ("train", "test")}, 1000
    if full:  # a few images in the place of 70,000
        kept = 4
        rows = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 28, 28)
        sets = {
            "train": LabelledImages(rows[:15], torch.arange(15)),
            "test": LabelledImages(rows[15:], torch.arange(15, 20)),
        }
        monkeypatch.setattr(mnist_split, "HELD_BACK", kept)
        monkeypatch.setattr(mnist_split, "mnist", lambda name, full: sets[name])
    train_set, test_set = sets["train"], sets["test"]
    options = {"widths": [8], "start": "", "full": full, "eval_images": 3}
    tuned, reported = (mnist_guidance(evaluate_on=on, **options) for on in ("validation", "test"))
    for task, n in ((tuned, len(train_set.images) - kept), (reported, len(train_set.images))):
        images, labels = task.data
        assert torch.equal(images, train_set.images[:n])
        assert torch.equal(labels, train_set.labels[:n])
    (images, labels), (unseen, classes) = measured
    start = len(train_set.images) - kept
    assert torch.equal(images, train_set.images[start : start + 3])
    assert torch.equal(labels, train_set.labels[start : start + 3])
    assert torch.equal(unseen, test_set.images[:3])
    assert torch.equal(classes, test_set.labels[:3])


def test_the_noise_of_a_batch() -> None:
    """Of 4,000 classes a tenth is not told, standard error .0047; times leave no gaps."""
    n, schedule = 4000, VPCosine()
    draws = {}
    for dropped in (0.0, 0.1, 1.0):
        noise = mnist_guidance(widths=[8], start="", full=False, dropped=dropped).noise
        assert noise is not None
        draws[dropped] = noise(n, torch.Generator().manual_seed(3), CPU)
    draw, t, told = draws[0.1]
    assert [tuple(part.shape) for part in (draw, t, told)] == [(n, 1, 28, 28), (n,), (n,)]
    assert abs((~told).double().mean().item() - 0.1) < 4 * math.sqrt(0.09 / n)
    assert bool(draws[0.0][2].all())
    assert not bool(draws[1.0][2].any())
    # Who is told is independent of when: the mean time of the told is that of all, to 4 standard errors.
    first, last = (float(schedule.t_of_log_snr(level)) for level in (HIGH, LOW))
    ordered = t.sort().values
    assert first <= ordered[0]
    assert ordered[-1] <= last
    assert ordered.diff().max() < 2 * (last - first) / n
    spread = (last - first) / math.sqrt(12)
    assert abs(t[~told].mean().item() - t.mean().item()) < 4 * spread / math.sqrt(0.1 * n)


def test_the_loss_by_hand(alpha_sigma: Callable[[float], tuple[float, float]]) -> None:
    """Pictures and noise of one number, and a network that says the number of the class it was told."""
    levels, draws, times = (10, 200), (0.7, -1.1), (0.2, 0.8)
    x = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(2, 1, 28, 28)
    draw = torch.tensor(draws)[:, None, None, None].expand(2, 1, 28, 28)
    model = Denoiser(SaysLabel(), VPCosine(), "v")
    told = torch.tensor([True, False])
    found = loss(model, (x, torch.tensor([3, 4])), (draw, torch.tensor(times), told))["loss"].item()
    wanted = 0.0
    for k, eps, t, said in zip(levels, draws, times, (3, CLASSES), strict=True):
        alpha, sigma = alpha_sigma(t)
        wanted += (alpha * eps - sigma * ((k + 0.5) / 128 - 1) - said) ** 2 / 2
    assert found == pytest.approx(wanted, rel=1e-5)


def test_a_class_that_is_dropped_is_the_eleventh() -> None:
    model, test = listening(), mnist("test")
    x, label = test.images[:6], test.labels[:6]
    draw = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    t = torch.linspace(0.1, 0.9, 6)
    all_told, none_told = torch.ones(6, dtype=torch.bool), torch.zeros(6, dtype=torch.bool)

    def cost(label: Tensor, told: Tensor) -> Tensor:
        return loss(model, (x, label), (draw, t, told))["loss"]

    nobody = torch.full_like(label, CLASSES)
    assert torch.equal(cost(label, none_told), cost(nobody, all_told))
    assert torch.equal(cost(label, none_told), cost((label + 1) % 10, none_told))
    assert not torch.equal(cost(label, all_told), cost(nobody, all_told))
    assert not torch.equal(cost(label, all_told), cost((label + 1) % 10, all_told))
    half = torch.arange(6) < 3
    assert torch.equal(cost(label, half), cost(torch.where(half, label, nobody), all_told))


def test_it_begins_as_the_network_that_does_not_listen() -> None:
    deaf = load_into(mnist_denoiser(), "diffusion-mnist")
    model = listening_denoiser(start="diffusion-mnist")
    ours, theirs = model.state_dict(), deaf.state_dict()
    (rows,) = set(ours) - set(theirs)
    assert ours[rows].shape[0] == CLASSES + 1
    assert not ours[rows].any()
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())
    x = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0.1, 0.5, 0.9])
    with torch.no_grad():
        assert torch.equal(model(x, t, label=torch.tensor([0, 7, CLASSES])), deaf(x, t))
        assert deaf(x, t).std() > 0.1  # a fresh network says 0


def test_what_is_measured(alpha_sigma: Callable[[float], tuple[float, float]]) -> None:
    """A model that is sure of the right picture for each class, and of a grey one where there is none."""
    images, labels = one_of_each(), torch.arange(CLASSES)
    pictures = torch.cat([scaled(images), torch.zeros(1, 1, 28, 28)])
    network = Templates(pictures)
    model = Denoiser(network, VPCosine(), "x0")
    found = evaluator(images, labels, batch=4)(model)
    assert found["loss_told"] == pytest.approx(0, abs=1e-6)
    assert found["recognised"] == 1.0
    # v is off by (x0 - guess) / sigma; the times are those that the network was asked at.
    untold = network.asked[3:6]
    errors = [
        scaled(part).square().mean((1, 2, 3)) / torch.tensor([alpha_sigma(float(s))[1] ** 2 for s in t])
        for part, (_, t, _) in zip(images.split(4), untold, strict=True)
    ]
    assert found["loss_untold"] == pytest.approx(torch.cat(errors).mean().item(), rel=1e-3)
    for (x, t, label), (x_untold, t_untold, nobody) in zip(network.asked[:3], untold, strict=True):
        assert torch.equal(x, x_untold)
        assert torch.equal(t, t_untold)
        assert (nobody == CLASSES).all()
        assert torch.equal(label, labels[: len(label)] + label[0])
    assert len(network.asked) == 6 + 3 * 20
    wrong = Denoiser(Templates(pictures.roll(1, 0)), VPCosine(), "x0")
    assert evaluator(images[1:], labels[1:])(wrong)["recognised"] == 0.0


def test_a_few_steps_lower_the_loss() -> None:
    folder = assets_folder()
    assert folder is not None
    small = ["task_options.full=false", "task_options.widths=[8]", 'task_options.start=""', "amp=false"]
    small += ["task_options.eval_images=2", "steps=15", "batch_size=16", "warmup=0", "lr=1e-2", "ema_decay=0"]
    recipe = load_recipe(folder / "recipes" / "guidance-mnist.toml", small)
    torch.manual_seed(0)
    task = recipe.make_task()
    test = mnist("test")
    batch = test.images[:32], test.labels[:32]
    assert task.noise is not None
    noise = task.noise(32, torch.Generator().manual_seed(1), CPU)
    with torch.no_grad():
        before = loss(task.model, batch, noise)["loss"].item()
    trained = train(task, recipe.train).final
    with torch.no_grad():
        after = loss(trained, batch, noise)["loss"].item()
    assert after < 0.85 * before
    # The rows of the classes that were seen, and that of none, have moved.
    assert isinstance(trained, Denoiser)
    (rows,) = (m.weight for m in trained.modules() if isinstance(m, nn.Embedding))
    assert (rows.abs().sum(1) > 0).all()


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="evaluate_on must be one of"):
        mnist_guidance(full=False, evaluate_on="train")
    with pytest.raises(ValueError, match="eval_images must be at least 2, got 1"):
        mnist_guidance(full=False, eval_images=1)
    with pytest.raises(ValueError, match="dropped must be a finite number in"):
        mnist_guidance(full=False, dropped=1.1)
    with pytest.raises(ValueError, match="batch must be at least 1, got 0"):
        evaluator(torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.zeros(2, dtype=torch.long), batch=0)
    with pytest.raises(ValueError, match="name must be a checkpoint of the manifest, got 'deaf'"):
        listening_denoiser(start="deaf")


def test_the_trained_network_listens() -> None:
    """On 60 pictures a share has a standard error of at most .065."""
    entry = checkpoint("guidance-mnist")
    assert (ROOT / entry.recipe).is_file()
    for seed in entry.metrics["seeds"].values():
        assert seed["loss_told"] < seed["loss_untold"]
        assert seed["recognised"] > 0.8
    model = load_into(listening_denoiser(), "guidance-mnist").eval()
    test = mnist("test")
    found = evaluator(test.images[:60], test.labels[:60])(model)
    record = entry.metrics["mean"]
    assert found["loss_told"] < found["loss_untold"]
    assert found["loss_told"] == pytest.approx(record["loss_told"], rel=0.2)
    assert abs(found["recognised"] - record["recognised"]) < 4 * 0.065
