"""Chapter 11: what the guidance weight does to MNIST digits, on record: the class is met, and diversity falls."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count
from gmlib._files import write_text
from gmlib.checkpoints import load_into
from gmlib.data import mnist
from gmlib.metrics import frechet_distance, image_features, memorisation_ratio, precision_recall
from gmlib.noise import Denoiser
from gmlib.noise.guidance import ClassifierFree, ClassifierGuided
from gmlib.noise.samplers import dpm_solver_2m
from gmlib.recipes.diffusion_mnist import mnist_denoiser
from gmlib.recipes.diffusion_samplers import digit_times, levels
from gmlib.recipes.guidance_classifier import log_prob_of, noisy_classifier
from gmlib.recipes.guidance_mnist import CLASSES, listening_denoiser, recognised

RECORD = Path(__file__).with_name("guidance_weights.json")
"""The recorded rows, packaged with gmlib."""

WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Weights of classifier-free guidance in the table."""

CLASSIFIER_WEIGHTS = (1.0, 3.0, 10.0)
"""Weights of guidance by a classifier."""

KINDS = {
    "free": "guidance-mnist",
    "classifier": "classifier-noisy-mnist",
    "clean classifier": "classifier-clean-mnist",
}
"""Kinds of guidance, and the checkpoint that each has of its own: a denoiser that listens, or a classifier."""

CALLS = 20
"""Steps of DPM-Solver++ 2M for each picture."""


@dataclass(frozen=True)
class WeightRow:
    """Pictures with one kind and weight of guidance; a number for each seed.

    Attributes:
        guidance: "free", "classifier", "clean classifier", or the name of a baseline.
        w: the weight; 0 for a baseline.
        images: in each draw, as many of each class.
        accuracy: share that ``judge-mnist`` takes for the class asked for.
        frechet: squared Frechet distance to the test images, in features of ``features-mnist``.
        precision: share of pictures among the test images (k = 3).
        recall: share of test images among the pictures (k = 3).
        spread: mean distance of two pictures of one class, in units of that of two test images of one class.
        memorisation: median distance to the nearest training image, in units of that of test images.
        evaluations: of the network, for each picture: a doubled batch counts twice.
        seconds: for each picture, one thread, in rounds of all rows; to compare rows only. None for a baseline.

    Example:
        >>> WeightRow("free", 2.0, 500, (0.9,), (5.0,), (0.8,), (0.7,), (0.9,), (1.0,), 40.0, (0.1,)).w
        2.0
    """

    guidance: str
    w: float
    images: int
    accuracy: tuple[float, ...]
    frechet: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    spread: tuple[float, ...]
    memorisation: tuple[float, ...]
    evaluations: float
    seconds: tuple[float, ...]


def recorded_weights(path: Path | None = None) -> list[WeightRow]:
    """The record, baselines first.

    Args:
        path: the file; None is the one that comes with gmlib.

    Example:
        >>> from gmlib.recipes.guidance_weights import recorded_weights
        >>> recorded_weights()[0].guidance
        'training images'
    """
    return [_read(row) for row in json.loads((path or RECORD).read_text())["rows"]]


def _read(row: dict[str, Any]) -> WeightRow:
    fields: dict[str, Any] = {
        k: tuple(value) if isinstance(value, list) else value for k, value in row.items()
    }
    return WeightRow(**fields)


def guided_by(kind: str, w: float, *, interval: tuple[float, float] | None = None) -> Denoiser:
    """A guided denoiser of MNIST, of the shipped weights; called with ``label`` (batch,).

    Args:
        kind: "free", "classifier" or "clean classifier".
        w: the weight.
        interval: times at which it guides; None is all.

    Raises:
        ValueError: there is no such kind, or ``w`` is not finite.
        TypeError: ``interval`` is no pair of times.

    Example:
        >>> from gmlib.recipes.guidance_weights import guided_by
        >>> guided_by("free", 3.0).w
        3.0
    """
    check_choice("kind", kind, tuple(KINDS))
    if kind == "free":
        model = load_into(listening_denoiser(), KINDS[kind]).requires_grad_(False)
        assert isinstance(model, Denoiser)
        return ClassifierFree(model, w, {"label": CLASSES}, interval=interval)
    model = load_into(mnist_denoiser(), "diffusion-mnist").requires_grad_(False)
    classifier = load_into(noisy_classifier(), KINDS[kind]).requires_grad_(False)
    assert isinstance(model, Denoiser)
    return ClassifierGuided(model, log_prob_of(classifier), w, interval=interval)


@torch.no_grad()
def guided_digits(
    guided: Denoiser, label: Int[Tensor, " n"], *, calls: int = CALLS, seed: int = 0, batch: int = 100
) -> UInt8[Tensor, "n 1 28 28"]:
    """New digits of given classes in 256 grey levels; row i starts from the same noise for every guidance.

    Args:
        guided: as of :func:`guided_by`.
        label: the classes wanted, (n,).
        calls: steps of DPM-Solver++ 2M, at least 2.
        seed: of the noise.
        batch: pictures at a time.

    Example:
        >>> from gmlib.recipes.guidance_weights import guided_by, guided_digits
        >>> guided_digits(guided_by("free", 3.0), torch.tensor([3, 7]), calls=4).shape
        torch.Size([2, 1, 28, 28])
    """
    check_count("calls", calls, low=2)
    times = digit_times(guided.schedule, calls)
    start = torch.randn(len(label), 1, 28, 28, generator=torch.Generator().manual_seed(seed))
    found = [
        dpm_solver_2m(guided, z, times, label=c).x
        for z, c in zip(start.split(batch), label.split(batch), strict=True)
    ]
    return levels(torch.cat(found))


def class_spread(images: Float[Tensor, "n d"], label: Int[Tensor, " n"]) -> float:
    """Mean distance of two different pictures of one class, averaged over the classes that have two.

    Raises:
        ValueError: no class has.

    Example:
        >>> class_spread(torch.tensor([[0.0], [2.0], [5.0]]), torch.tensor([1, 1, 0]))
        2.0
    """
    each = []
    for c in label.unique():
        same = images[label == c]
        if len(same) > 1:
            each.append(torch.pdist(same).mean().item())
    if not each:
        raise ValueError(f"label must hold a class twice, got {label.tolist()}")
    return sum(each) / len(each)


class _Judge:
    def __init__(self) -> None:
        train, test = mnist("train", full=True), mnist("test", full=True)
        self.train, self.test = train.images.flatten(1).float() / 255, test.images.flatten(1).float() / 255
        self.features = image_features(test.images.float() / 255, "features-mnist").double()
        self.unit = class_spread(self.test[:2000], test.labels[:2000])

    def __call__(self, images: Tensor, label: Tensor) -> dict[str, float]:
        shown = images.float() / 255
        phi = image_features(shown, "features-mnist").double()
        both = precision_recall(self.features[: len(images)], phi, k=3)
        flat = shown.flatten(1)
        return {
            "accuracy": recognised(images, label).mean().item(),
            "frechet": float(frechet_distance(phi, self.features)),
            "precision": both.precision.value,
            "recall": both.recall.value,
            "spread": class_spread(flat, label) / self.unit,
            "memorisation": memorisation_ratio(flat, self.train, self.test[: len(images)]).value,
        }


def _row(
    judge: _Judge,
    kind: str,
    w: float,
    draw: Callable[[int], tuple[Tensor, Tensor]],
    seeds: int,
    evaluations: float,
) -> WeightRow:
    measured: list[dict[str, float]] = []
    for seed in range(seeds):
        images, label = draw(seed)
        measured.append(judge(images, label))
    columns = {key: tuple(row[key] for row in measured) for key in measured[0]}
    row = WeightRow(kind, w, len(images), evaluations=evaluations, seconds=(), **columns)  # pyright: ignore
    print(row, flush=True)
    return row


def _measure(n: int, seeds: int) -> list[WeightRow]:
    judge, label = _Judge(), torch.arange(n) % CLASSES
    train = mnist("train", full=True)

    def real(seed: int) -> tuple[Tensor, Tensor]:
        order = torch.randperm(len(train.images), generator=torch.Generator().manual_seed(seed))
        # As many of each class as are drawn.
        chosen = torch.cat([order[train.labels[order] == c][: (label == c).sum()] for c in range(CLASSES)])
        return train.images[chosen], train.labels[chosen]

    rows = [_row(judge, "training images", 0.0, real, seeds, 0.0)]
    plans = [("free", w) for w in WEIGHTS]
    plans += [(kind, w) for kind in ("classifier", "clean classifier") for w in CLASSIFIER_WEIGHTS]
    for kind, w in plans:
        guided = guided_by(kind, w)

        def drawn(seed: int, guided: Denoiser = guided) -> tuple[Tensor, Tensor]:
            return guided_digits(guided, label, seed=seed), label

        rows.append(_row(judge, kind, w, drawn, seeds, _evaluations(guided)))
    return [rows[0], *_timed(rows[1:], seeds)]


def _timed(rows: list[WeightRow], rounds: int, *, n: int = 50) -> list[WeightRow]:
    """The rows with their seconds, in rounds of all rows, so that other work on the machine slows all of them."""
    label = torch.arange(n) % CLASSES
    guided = [guided_by(row.guidance, row.w) for row in rows]
    seconds: list[list[float]] = [[] for _ in rows]
    for seed in range(rounds):
        for each, denoiser in zip(seconds, guided, strict=True):
            start = time.perf_counter()
            guided_digits(denoiser, label, seed=seed)
            each.append((time.perf_counter() - start) / n)
    return [replace(row, seconds=tuple(each)) for row, each in zip(rows, seconds, strict=True)]


def _evaluations(guided: Denoiser) -> float:
    """Pictures that the denoising network sees for one that is drawn."""
    seen: list[int] = []
    network = guided.network
    assert isinstance(network, nn.Module)
    handle = network.network.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))  # pyright: ignore
    guided_digits(guided, torch.tensor([0, 1]))
    handle.remove()
    return sum(seen) / 2


def _main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description="Measure the guidance weight on MNIST.")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RECORD)
    options = parser.parse_args()
    rows = [asdict(row) for row in _measure(options.images, options.seeds)]
    write_text(options.out, json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    _main()
