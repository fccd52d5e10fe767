"""What the tables of measures have in common."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TypeVar

Measures = TypeVar("Measures")


def mean_and_spread(draws: Sequence[Measures]) -> tuple[Measures, Measures]:
    """Mean and standard deviation (with n - 1) of each field of measures of several draws, two or more.

    Example:
        >>> from gmlib.recipes._rows import mean_and_spread
        >>> from gmlib.recipes.score_digits import DigitMeasures
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
