"""The record of guidance weights: how it is measured, and what it claims."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from gmlib.noise import Denoiser, VPCosine
from gmlib.noise.guidance import ClassifierFree, ClassifierGuided
from gmlib.recipes import guidance_weights
from gmlib.recipes.diffusion_mnist import mnist_denoiser, scaled
from gmlib.recipes.guidance_classifier import log_prob_of, noisy_classifier
from gmlib.recipes.guidance_mnist import CLASSES, listening_denoiser
from gmlib.recipes.guidance_weights import (
    CLASSIFIER_WEIGHTS,
    WEIGHTS,
    WeightRow,
    class_spread,
    guided_by,
    guided_digits,
    recorded_weights,
)

ROW = WeightRow(
    "free", 2.0, 500, (0.9, 0.8), (5.0, 6.0), (0.8, 0.7), (0.7, 0.6), (0.9, 1.1), (1.0, 1.2), 40.0, (0.1, 0.2)
)


class Greys(nn.Module):
    """Sure of one grey for each class, whatever it sees; keeps what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        self.seen.append(x)
        return scaled(20 * label)[:, None, None, None].expand_as(x)


def test_spread_of_a_class() -> None:
    # The corners of a regular simplex, s e_i, are all s sqrt(2) apart; two points of another class 7 apart.
    simplex = torch.cat([3.0 * torch.eye(5), torch.zeros(2, 5)])
    simplex[6, 0] = 7.0
    label = torch.tensor([4, 4, 4, 4, 4, 1, 1])
    assert class_spread(simplex[:5], label[:5]) == pytest.approx(3 * math.sqrt(2), rel=1e-6)
    # Each class counts once, however many pairs it has: 10 here, 1 there.
    assert class_spread(simplex, label) == pytest.approx((3 * math.sqrt(2) + 7) / 2, rel=1e-6)
    # Who is alone in a class has no spread, and does not count as 0.
    alone = torch.cat([simplex, torch.full((1, 5), 100.0)])
    assert class_spread(alone, torch.cat([label, torch.tensor([9])])) == pytest.approx(
        (3 * math.sqrt(2) + 7) / 2, rel=1e-6
    )
    # n evenly spaced points 0, 1, ..., n - 1 are (n + 1) / 3 apart on average, in any order.
    line = torch.randperm(20, generator=torch.Generator().manual_seed(0)).float()[:, None]
    assert class_spread(line, torch.zeros(20, dtype=torch.long)) == pytest.approx(7, rel=1e-6)
    assert class_spread(torch.ones(3, 4), torch.zeros(3, dtype=torch.long)) == 0.0


def test_a_row_comes_back_from_the_file(tmp_path: Path) -> None:
    rows = [dataclasses.replace(ROW, guidance="training images", w=0.0, evaluations=0.0), ROW]
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"rows": [dataclasses.asdict(row) for row in rows]}))
    found = recorded_weights(path)
    assert found == rows
    assert hash(found[1]) == hash(ROW)  # tuples, not lists


@pytest.mark.parametrize(("w", "each"), [(0.0, 20), (1.0, 20), (0.5, 40), (3.0, 40)])
def test_how_often_the_network_is_asked(w: float, each: int) -> None:
    """Twenty steps ask once each, of a batch as it is where one answer is enough, and of a doubled one elsewhere."""
    model = listening_denoiser(widths=[8])
    assert guidance_weights._evaluations(ClassifierFree(model, w, {"label": CLASSES})) == each
    assert not any(module._forward_hooks for module in model.modules())


def test_how_often_the_network_is_asked_otherwise() -> None:
    free = ClassifierFree(listening_denoiser(widths=[8]), 3.0, {"label": CLASSES}, interval=(0.3, 0.7))
    assert 20 < guidance_weights._evaluations(free) < 40
    never = ClassifierFree(listening_denoiser(widths=[8]), 3.0, {"label": CLASSES}, interval=(2.0, 3.0))
    assert guidance_weights._evaluations(never) == 20
    # The classifier is another network: what it costs is not counted.
    classifier = log_prob_of(noisy_classifier(widths=[8]))
    for w in (0.0, 3.0):
        assert (
            guidance_weights._evaluations(ClassifierGuided(mnist_denoiser(widths=[8]), classifier, w)) == 20
        )


def test_every_guidance_starts_from_the_same_noise() -> None:
    label, starts = torch.tensor([3, 7, 0]), []
    for w in (0.0, 1.0, 3.0):
        network = Greys()
        guided = ClassifierFree(Denoiser(network, VPCosine(), "x0"), w, {"label": CLASSES})
        guided_digits(guided, label, calls=3, seed=11)
        starts.append(network.seen[0][:3])
    noise = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(11))
    assert all(torch.equal(start, noise) for start in starts)
    network = Greys()
    guided = ClassifierFree(Denoiser(network, VPCosine(), "x0"), 1.0, {"label": CLASSES})
    guided_digits(guided, label, calls=3, seed=11, batch=2)
    assert torch.equal(torch.cat([network.seen[0], network.seen[3]]), noise)
    guided_digits(guided, label, calls=3, seed=12)
    assert not torch.equal(network.seen[-3], noise)


@pytest.mark.parametrize(("w", "greys"), [(1.0, [20, 60, 0]), (0.0, [200, 200, 200]), (0.5, [110, 130, 100])])
def test_row_i_is_of_class_i(w: float, greys: list[int]) -> None:
    """A network that is sure of the grey 20 c draws 20 (10 + w (c - 10))."""
    guided = ClassifierFree(Denoiser(Greys(), VPCosine(), "x0"), w, {"label": CLASSES})
    found = guided_digits(guided, torch.tensor([1, 3, 0]), calls=4, batch=2)
    assert found.dtype == torch.uint8
    for picture, grey in zip(found, greys, strict=True):
        # half of a grey level is left to rounding
        assert {int(level) for level in picture.unique()} <= {grey - 1, grey, grey + 1}


def test_whose_weights_are_guided(leave_untrained: Callable[[ModuleType], list[str]]) -> None:
    asked = leave_untrained(guidance_weights)
    free = guided_by("free", 3.0, interval=(0.2, 0.6))
    assert isinstance(free, ClassifierFree)
    assert (free.w, free.interval, free.nothing) == (3.0, (0.2, 0.6), {"label": CLASSES})
    assert asked == ["guidance-mnist"]
    for kind, name in (
        ("classifier", "classifier-noisy-mnist"),
        ("clean classifier", "classifier-clean-mnist"),
    ):
        asked.clear()
        guided = guided_by(kind, 10.0, interval=(0.2, 0.6))
        assert isinstance(guided, ClassifierGuided)
        assert (guided.w, guided.interval) == (10.0, (0.2, 0.6))
        assert sorted(asked) == sorted(["diffusion-mnist", name])
        assert not any(p.requires_grad for p in guided.parameters())


def test_a_number_for_each_seed() -> None:
    class Judge(guidance_weights._Judge):
        def __init__(self) -> None:
            pass

        def __call__(self, images: Tensor, label: Tensor) -> dict[str, float]:
            names = ("accuracy", "frechet", "precision", "recall", "spread", "memorisation")
            return {name: float(images.sum()) + i for i, name in enumerate(names)}

    def draw(seed: int) -> tuple[Tensor, Tensor]:
        return torch.full((5, 1), 2.0 * seed), torch.arange(5)

    row = guidance_weights._row(Judge(), "free", 1.5, draw, 3, 40.0)
    assert (row.guidance, row.w, row.images, row.evaluations) == ("free", 1.5, 5, 40.0)
    assert row.accuracy == (0.0, 10.0, 20.0)
    assert row.memorisation == (5.0, 15.0, 25.0)
    assert row.seconds == ()  # measured later, in rounds of all rows


@pytest.mark.bad_input
def test_bad_input(leave_untrained: Callable[[ModuleType], list[str]]) -> None:
    leave_untrained(guidance_weights)
    with pytest.raises(
        ValueError, match="kind must be one of 'free', 'classifier', 'clean classifier', got 'judge'"
    ):
        guided_by("judge", 1.0)
    with pytest.raises(ValueError, match="w must be a finite number"):
        guided_by("free", math.nan)
    with pytest.raises(TypeError, match="interval must be a pair of times"):
        guided_by("classifier", 1.0, interval=0.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="calls must be at least 2, got 1"):
        guided_digits(guided_by("free", 1.0), torch.tensor([1]), calls=1)
    with pytest.raises(ValueError, match=r"label must hold a class twice, got \[0, 1\]"):
        class_spread(torch.zeros(2, 3), torch.tensor([0, 1]))


def mean_of(rows: dict[float, WeightRow], measure: str) -> dict[float, float]:
    return {w: statistics.fmean(getattr(row, measure)) for w, row in rows.items()}


def test_what_the_record_holds() -> None:
    rows = recorded_weights()
    plans = [("training images", 0.0), *(("free", w) for w in WEIGHTS)]
    plans += [(kind, w) for kind in ("classifier", "clean classifier") for w in CLASSIFIER_WEIGHTS]
    assert [(row.guidance, row.w) for row in rows] == plans
    assert len({row.images for row in rows}) == 1
    for row in rows:
        columns = [value for value in vars(row).values() if isinstance(value, tuple)]
        assert len(columns) == 7
        assert {len(column) for column in columns} <= ({0, 3} if row is rows[0] else {3}), (
            row.guidance,
            row.w,
        )
        assert all(0 <= share <= 1 for share in row.accuracy + row.precision + row.recall)
    real = rows[0]
    assert real.evaluations == 0
    assert min(real.accuracy) > 0.97
    assert all(0.9 < spread < 1.1 for spread in real.spread)
    assert max(real.frechet) < min(value for row in rows[1:] for value in row.frechet)
    for row in rows[1:]:
        single = row.guidance != "free" or row.w in (0.0, 1.0)
        assert row.evaluations == (20 if single else 40), (row.guidance, row.w)


def test_a_larger_weight_meets_the_class_and_loses_diversity() -> None:
    free = {row.w: row for row in recorded_weights() if row.guidance == "free"}
    accuracy, spread = mean_of(free, "accuracy"), mean_of(free, "spread")
    # At w = 0 nobody is told the class: one in ten is met by chance.
    assert all(0.05 < share < 0.2 for share in free[0.0].accuracy)
    assert accuracy[0.0] < accuracy[0.5] < accuracy[1.0] < accuracy[2.0]
    # Three draws of so many pictures: beyond w = 2 what still changes is no more than their standard errors.
    error = math.sqrt(0.05 * 0.95 / (3 * free[0.0].images))
    assert min(accuracy[w] for w in WEIGHTS if w >= 2) > accuracy[2.0] - 4 * error
    falling = [spread[w] for w in WEIGHTS if w >= 1]
    assert falling == sorted(falling, reverse=True)
    assert spread[8.0] < 0.95 * spread[1.0]
    recall = mean_of(free, "recall")
    assert recall[8.0] < recall[1.0]


def test_a_classifier_guides_if_it_has_seen_noise() -> None:
    found = {
        kind: mean_of({row.w: row for row in recorded_weights() if row.guidance == kind}, "accuracy")
        for kind in ("classifier", "clean classifier")
    }
    noisy, clean = found["classifier"], found["clean classifier"]
    assert noisy[1.0] < noisy[3.0] < noisy[10.0]
    assert all(noisy[w] > clean[w] for w in CLASSIFIER_WEIGHTS)
