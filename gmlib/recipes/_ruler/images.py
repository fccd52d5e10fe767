"""The classical models of grey-level images that stand on every table of the ruler: fitted on the spot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from gmlib.classical import PCA, HistogramMixture, KernelDensity, PixelHistograms
from gmlib.classical.baselines import STRENGTHS
from gmlib.data import dequantise, quantise
from gmlib.recipes._ruler.kit import Cost, Entry, cell_cost, image_cost, in_parts, timed

COMPONENTS = 10
CODES = (5, 10, 20, 30, 50, 100, 150, 200)
"""Numbers of principal components to choose from."""
BANDWIDTHS = (0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.28)
"""Bandwidths to choose from; pixels lie in [0, 1]."""
DRAWS = 8
"""Draws of the dequantisation noise for an image."""


Setting = TypeVar("Setting", int, float)


@runtime_checkable
class _Density(Protocol):
    def log_prob(self, value: Tensor) -> Tensor: ...

    def sample(self, sample_shape: list[int], *, generator: torch.Generator) -> Tensor: ...


def classical_entries(
    train: Tensor, validation: Tensor, test: Tensor, levels: int, where: str
) -> Iterator[Entry]:
    """Histograms, a mixture of them, probabilistic PCA and a kernel density estimate of whole levels, as (n, d).

    Settings are chosen on the validation images; all laws are fitted to the training images alone.
    """
    size = train.shape[1]
    table, seconds = timed(lambda: PixelHistograms(train, levels, smoothing=0.01))
    yield Entry(
        "classical", "pixel histograms", "gmlib.classical.PixelHistograms", "", where,
        lambda n, g: table.sample(n, generator=g), image_cost(lambda: -table.log_prob(test), size, "exact", "a table"),
        size * (levels - 1), seconds, note="the ceiling: pixels that know nothing of each other",
    )  # fmt: skip

    def smoothed() -> HistogramMixture:
        law = HistogramMixture(
            train, levels, COMPONENTS, strength=STRENGTHS[3], smoothing=0.01, steps=30, tolerance=3e-4 * size,
            generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        laws = [law.smoothed(strength) for strength in STRENGTHS]
        return max(laws, key=lambda law: law.log_prob(validation).mean().item())

    mixture, seconds = timed(smoothed)
    yield Entry(
        "classical", f"mixture of {COMPONENTS} histograms", "gmlib.classical.HistogramMixture", "", where,
        lambda n, g: mixture.sample(n, generator=g),
        image_cost(lambda: -mixture.log_prob(test), size, "exact", "a sum of ten tables"),
        COMPONENTS * (size * (levels - 1) + 1) - 1, seconds,
    )  # fmt: skip
    y = dequantise(train, levels, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    codes = [k for k in CODES if k < size]
    (law, k), seconds = timed(lambda: _best([(PCA(y, k).law(), k) for k in codes], validation, levels))
    yield Entry(
        "classical", f"probabilistic PCA, {k} components", "gmlib.classical.PCA", "", where,
        *_continuous(law, test, levels), size * (k + 1) - k * (k - 1) // 2 + 1, seconds,
    )  # fmt: skip
    (kernel, width), seconds = timed(
        lambda: _best([(KernelDensity(y, b), b) for b in BANDWIDTHS], validation, levels)
    )
    yield Entry(
        "classical", "kernel density estimate", "gmlib.classical.KernelDensity", "", where,
        *_continuous(kernel, test, levels), y.numel() + 1, seconds,
        note=f"it keeps its training images, blurred by {width:g}: a draw is a copy with noise",
    )  # fmt: skip


def _best(laws: list[tuple[_Density, Setting]], validation: Tensor, levels: int) -> tuple[_Density, Setting]:
    costs = [cell_cost(law.log_prob, validation, levels, 1).mean().item() for law, _ in laws]
    return laws[min(range(len(costs)), key=costs.__getitem__)]


def _continuous(
    law: _Density, test: Tensor, levels: int
) -> tuple[Callable[[int, torch.Generator], Tensor], Callable[[], Cost]]:
    def draw(n: int, generator: torch.Generator) -> Tensor:
        return quantise(law.sample([n], generator=generator), levels).long()

    def nats() -> Tensor:
        return in_parts(lambda x: cell_cost(law.log_prob, x, levels, DRAWS), test, 500)

    return draw, image_cost(nats, test.shape[1], "bound", f"dequantised, {DRAWS} draws")
