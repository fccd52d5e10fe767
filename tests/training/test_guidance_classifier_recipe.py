"""The recipe of the classifiers that guide: what noise they see, what they say, and how they are measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gmlib.checkpoints import checkpoint, load_into
from gmlib.data import mnist
from gmlib.data.files import assets_folder
from gmlib.diffusion import noised
from gmlib.noise.guidance import log_prob_gradient
from gmlib.recipe import load_recipe
from gmlib.recipes import guidance_classifier
from gmlib.recipes.diffusion_mnist import HIGH, LOW, scaled
from gmlib.recipes.guidance_classifier import (
    LEVELS,
    SCHEDULE,
    evaluator,
    log_prob_of,
    loss,
    mnist_noisy_classifier,
    noisy_classifier,
)
from gmlib.training import train

CPU = torch.device("cpu")
F64 = torch.float64
ROOT = Path(__file__).parents[2]
NAMES = ["accuracy_clean"] + [
    f"accuracy_{name}" for name in ("6", "4", "2", "0", "minus_2", "minus_4", "minus_6")
]


class Mean(nn.Module):
    """The mean of the pixels is the logit of class 0; those of the others are 0."""

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return torch.nn.functional.pad(x.mean((1, 2, 3))[:, None], (0, 9))


class Nearest(nn.Module):
    """The class whose grey is nearest to the mean of the pixels: the best there is for pictures of one grey."""

    def __init__(self, greys: Tensor) -> None:
        super().__init__()
        self.greys = nn.Parameter(greys)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        seen = x.mean((1, 2, 3)) / SCHEDULE.alpha(t)
        return -(seen[:, None] - self.greys).square()


def small() -> nn.Module:
    """A small network, of random weights also where a fresh one begins with 0 and does not listen to the time."""
    torch.manual_seed(0)
    model = noisy_classifier(widths=[8]).double()
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, std=0.3)
    return model


def test_images_to_choose_settings_with_are_not_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[tuple[Tensor, Tensor]] = []

    def keep(images: Tensor, labels: Tensor) -> Any:
        measured.append((images, labels))
        return dict

    monkeypatch.setattr(guidance_classifier, "evaluator", keep)
    tuned, reported = (
        mnist_noisy_classifier(widths=[8], full=False, evaluate_on=on) for on in ("validation", "test")
    )
    train_set, test_set = mnist("train"), mnist("test")
    for task, n in ((tuned, 9000), (reported, 10_000)):
        images, labels = task.data
        assert torch.equal(images, train_set.images[:n])
        assert torch.equal(labels, train_set.labels[:n])
    for (images, labels), part, n in zip(measured, (train_set, test_set), (1000, 2000), strict=True):
        assert torch.equal(images, part.images[-n:])
        assert torch.equal(labels, part.labels[-n:])


def test_the_times_of_a_batch() -> None:
    n = 500
    first, last = (float(SCHEDULE.t_of_log_snr(level)) for level in (HIGH, LOW))
    draws = {}
    for clean in (False, True):
        noise = mnist_noisy_classifier(widths=[8], clean=clean, full=False).noise
        assert noise is not None
        draws[clean] = noise(n, torch.Generator().manual_seed(3), CPU)
        assert [tuple(part.shape) for part in draws[clean]] == [(n, 1, 28, 28), (n,)]
    ordered = draws[False][1].sort().values
    assert first <= ordered[0] < first + 2 / n
    assert last - 2 / n < ordered[-1] <= last
    assert ordered.diff().max() < 2 / n
    # Clean: at the first time only, where the noise is exp(-HIGH / 2) of the picture, less than half a grey level.
    assert torch.equal(draws[True][1], torch.full((n,), first))
    alpha, sigma = float(SCHEDULE.alpha(first)), float(SCHEDULE.sigma(first))
    assert sigma / alpha == pytest.approx(math.exp(-HIGH / 2), rel=1e-3)
    assert sigma / alpha < 0.5 / 128


def test_the_loss_by_hand() -> None:
    """Pictures and noise of one number c: class 0 costs log(e^m + 9) - m with m = alpha c + sigma c', others have no -m."""
    levels, draws, times = (10, 200), (0.7, -1.1), (0.2, 0.8)
    x = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(2, 1, 28, 28)
    draw = torch.tensor(draws)[:, None, None, None].expand(2, 1, 28, 28)
    found = loss(Mean(), (x, torch.tensor([0, 4])), (draw, torch.tensor(times)))["loss"].item()
    costs = []
    for k, eps, t, own in zip(levels, draws, times, (1, 0), strict=True):
        alpha = math.cos(0.5 * math.pi * (t + 0.008) / 1.008) / math.cos(0.5 * math.pi * 0.008 / 1.008)
        m = alpha * ((k + 0.5) / 128 - 1) + math.sqrt(1 - alpha**2) * eps
        costs.append(math.log(math.exp(m) + 9) - own * m)
    assert found == pytest.approx(sum(costs) / 2, rel=1e-5)


def test_it_says_a_log_probability() -> None:
    model = small()
    x = torch.randn(3, 1, 28, 28, dtype=F64, generator=torch.Generator().manual_seed(1))
    log_prob, t = log_prob_of(model), torch.tensor(0.4, dtype=F64)
    with torch.no_grad():
        each = torch.stack([log_prob(x, 0.4, torch.full((3,), c)) for c in range(10)])
        assert torch.logsumexp(each, 0).abs().max() < 1e-12
        mixed = log_prob(x, 0.4, torch.tensor([7, 0, 2]))
        torch.testing.assert_close(mixed, each[[7, 0, 2], [0, 1, 2]], rtol=0, atol=1e-12)
        for same in (t, t.expand(3)):
            torch.testing.assert_close(log_prob(x, same, torch.tensor([7, 0, 2])), mixed, rtol=0, atol=1e-12)
        assert not torch.allclose(log_prob(x, 0.8, torch.tensor([7, 0, 2])), mixed)


def test_its_gradient() -> None:
    """It is that of finite differences, and its mean over the classes, by their probabilities, is 0."""
    model = small()
    log_prob, label = log_prob_of(model), torch.tensor([7, 2])
    generator = torch.Generator().manual_seed(1)
    x, along = (torch.randn(2, 1, 28, 28, dtype=F64, generator=generator) for _ in range(2))
    gradient = log_prob_gradient(log_prob, x, 0.4, label=label)
    assert (gradient.flatten(1).norm(dim=1) > 1e-3).all()
    h = 1e-5
    with torch.no_grad():
        slope = (log_prob(x + h * along, 0.4, label) - log_prob(x - h * along, 0.4, label)) / (2 * h)
    torch.testing.assert_close((gradient * along).sum((1, 2, 3)), slope, rtol=1e-6, atol=1e-8)
    total = torch.zeros_like(x)
    for c in range(10):
        each = torch.full((2,), c)
        with torch.no_grad():
            p = log_prob(x, 0.4, each).exp()[:, None, None, None]
        total += p * log_prob_gradient(log_prob, x, 0.4, label=each)
    assert total.abs().max() < 1e-12


def test_accuracy_by_the_level_of_noise() -> None:
    """Ten greys, d = 25/128 apart: noise leaves a mean with s = exp(-lambda / 2) / 28, and 1.8 Phi(d / 2s) - 0.8 are right.

    Of 1,000 pictures a share has a standard error of at most .016.
    """
    labels = torch.arange(1000) % 10
    images = (25 * labels).to(torch.uint8)[:, None, None, None].expand(-1, 1, 28, 28)
    found = evaluator(images, labels, batch=300)(Nearest(scaled(25 * torch.arange(10))))
    assert list(found) == NAMES
    for name, level in zip(NAMES, (HIGH, *reversed(LEVELS)), strict=True):
        reach = 25 / 128 / 2 * 28 * math.exp(level / 2)
        wanted = 0.9 * (1 + math.erf(reach / math.sqrt(2))) - 0.8
        assert abs(found[name] - wanted) <= 4 * math.sqrt(wanted * (1 - wanted) / 1000) + 1e-6, name
    assert found["accuracy_minus_6"] < 0.3 < found["accuracy_0"]


def test_a_few_steps_tell_noughts_from_ones() -> None:
    """To know that there are only these two takes the loss from log 10 to log 2; the rest it has to see."""
    folder = assets_folder()
    assert folder is not None
    little = [
        "task_options.full=false",
        "task_options.widths=[16, 32]",
        "amp=false",
        "steps=25",
        "batch_size=32",
    ]
    little += ["warmup=0", "lr=1e-2", "ema_decay=0", "lr_schedule=constant"]
    recipe = load_recipe(folder / "recipes" / "classifier-clean-mnist.toml", little)
    torch.manual_seed(0)
    task = recipe.make_task()
    seen, test = task.data[1] < 2, mnist("test")
    task.data, task.evaluate = (task.data[0][seen], task.data[1][seen]), None
    images, labels = test.images[test.labels < 2][:100], test.labels[test.labels < 2][:100]
    assert task.noise is not None
    noise = task.noise(100, torch.Generator().manual_seed(1), CPU)
    with torch.no_grad():
        before = loss(task.model, (images, labels), noise)["loss"].item()
    assert before == pytest.approx(math.log(10), abs=0.5)
    trained = train(task, recipe.train).final
    with torch.no_grad():
        assert loss(trained, (images, labels), noise)["loss"].item() < 0.7 * math.log(2)


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="evaluate_on must be one of"):
        mnist_noisy_classifier(full=False, evaluate_on="train")
    with pytest.raises(ValueError, match="groups must divide every one of the widths"):
        mnist_noisy_classifier(full=False, widths=[12])
    with pytest.raises(ValueError, match="widths must name at least one level"):
        noisy_classifier(widths=[])


def test_noise_aware_classifier() -> None:
    """Only the one that has seen noise reads noised digits. Of 100 images a share has a standard error of at most .05."""
    found, test = {}, mnist("test")
    for name in ("noisy", "clean"):
        entry = checkpoint(f"classifier-{name}-mnist")
        assert (ROOT / entry.recipe).is_file()
        model = load_into(noisy_classifier(), f"classifier-{name}-mnist").eval()
        found[name] = evaluator(test.images[:100], test.labels[:100])(model)
        assert list(entry.metrics["mean"]) == NAMES
        for key, value in entry.metrics["mean"].items():
            assert abs(found[name][key] - value) < 0.02 + 4 * math.sqrt(value * (1 - value) / 100), (
                name,
                key,
            )
        for seed in entry.metrics["seeds"].values():
            assert seed["accuracy_clean"] > 0.98
    noisy, clean = (checkpoint(f"classifier-{name}-mnist").metrics["mean"] for name in ("noisy", "clean"))
    assert noisy["accuracy_0"] > 0.95 > 0.5 > clean["accuracy_0"]
    # At log-SNR -2 and below the other is no better than always to say the same digit.
    for level in ("minus_2", "minus_4", "minus_6"):
        assert 0.08 < clean[f"accuracy_{level}"] < 0.13
        assert noisy[f"accuracy_{level}"] > clean[f"accuracy_{level}"] + 0.04
    falling = [noisy[name] for name in NAMES[3:]]
    assert falling == sorted(falling, reverse=True)
    # Its gradient leads to the class that is asked for: a step of .05 of a noised digit, towards another than its own.
    log_prob = log_prob_of(
        load_into(noisy_classifier(), "classifier-noisy-mnist").requires_grad_(False).eval()
    )
    draw, other = (
        torch.randn(20, 1, 28, 28, generator=torch.Generator().manual_seed(1)),
        (test.labels[:20] + 1) % 10,
    )
    for level in (2.0, 0.0, -2.0):
        t = SCHEDULE.t_of_log_snr(torch.full((20,), level))
        x = noised(scaled(test.images[:20]), t, draw, SCHEDULE)
        gradient = log_prob_gradient(log_prob, x, t, label=other)
        length = x.flatten(1).norm(dim=1) / gradient.flatten(1).norm(dim=1)
        further = x + 0.05 * length[:, None, None, None] * gradient
        assert (log_prob(further, t, other) > log_prob(x, t, other)).all(), level
