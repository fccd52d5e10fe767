"""Tables of what samples are worth: one row a model, each measure with its mean and spread over several draws."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from gmlib._checks import check_count

Measures = TypeVar("Measures")  # a dataclass of numbers
Maker = Callable[[int, torch.Generator], Tensor]
"""(n, generator) -> n samples."""


@dataclass(frozen=True)
class MeasuresRow(Generic[Measures]):
    """A row of a table: each measure's mean and standard deviation over draws.

    Attributes:
        name: the model, or what stands in its place.
        mean: over the draws.
        spread: standard deviation over the draws, with n - 1.
        draws: number of draws.
    """

    name: str
    mean: Measures
    spread: Measures
    draws: int


def measures_table(
    makers: Iterable[tuple[str, Maker]],
    measure: Callable[[Tensor], Measures],
    n: int,
    *,
    draws: int,
    seed: int,
) -> list[MeasuresRow[Measures]]:
    """Measure several draws of each maker, all from one generator.

    Args:
        makers: the rows by name, each a function that draws; asked for one after the other.
        measure: samples -> their measures.
        n: samples in a draw.
        draws: draws of each, at least 2.
        seed: of the draws.

    Returns:
        The rows in the makers' order.

    Raises:
        ValueError: ``draws`` is below 2, or ``seed`` negative.

    Example:
        >>> from gmlib.recipes.digit_measures import DigitMeasures
        >>> makers = [("noise", lambda n, g: torch.rand(n, 64, generator=g))]
        >>> def measure(x): return DigitMeasures(x.shape[1], 0.0, 0.0, 1.0)
        >>> row = measures_table(makers, measure, 5, draws=3, seed=0)[0]
        >>> row.name, row.mean.frechet, row.spread.frechet
        ('noise', 64.0, 0.0)
    """
    check_count("draws", draws, low=2)
    check_count("seed", seed, low=0)
    generator = torch.Generator().manual_seed(seed)
    return [
        MeasuresRow(name, *mean_and_spread([measure(make(n, generator)) for _ in range(draws)]), draws)
        for name, make in makers
    ]


def mean_and_spread(draws: Sequence[Measures]) -> tuple[Measures, Measures]:
    """Mean and standard deviation (with n - 1) of each field of measures of several draws, two or more.

    Example:
        >>> from gmlib.recipes.measures_table import mean_and_spread
        >>> from gmlib.recipes.digit_measures import DigitMeasures
        >>> mean, spread = mean_and_spread([DigitMeasures(9.0, 0.5, 0.5, 1.0), DigitMeasures(11.0, 0.5, 0.5, 1.0)])
        >>> mean.frechet, spread.recall
        (10.0, 0.0)
    """
    columns = {key: [getattr(measures, key) for measures in draws] for key in vars(draws[0])}
    kind = type(draws[0])
    mean, spread = (
        kind(**{key: summary(values) for key, values in columns.items()})
        for summary in (statistics.fmean, statistics.stdev)
    )
    return mean, spread
