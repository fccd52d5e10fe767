"""One ruler for every family of the book: measure all of them and write the record.

``GMLIB_DATA=FOLDER python -m gmlib.recipes.one_ruler`` takes about a quarter of an hour of one processor core.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from gmlib._checks import check_choice, check_count
from gmlib._machine import processor
from gmlib.recipes._ruler.bits import measure_bits
from gmlib.recipes._ruler.digits import measure_digits
from gmlib.recipes._ruler.mnist import measure_mnist
from gmlib.recipes._ruler.toys import LAWS, measure_toy
from gmlib.recipes.ruler_record import RECORD, RulerData, RulerRow, recorded_ruler, write_ruler

KEYS = (*LAWS, "digits", "mnist", "bits")
"""The data sets, in the order of the table."""
TOY_DRAWS, IMAGE_DRAWS = 3, 1
"""Draws of each model: of toys and 8x8 digits, and of 28x28 pictures, which take the most time."""


def measure_data(
    key: str, *, points: int = 10_000, images: int = 1000, draws: int | None = None
) -> tuple[RulerData, list[RulerRow]]:
    """Measure every model of a data set.

    Args:
        key: one of ``KEYS``.
        points: of each draw on a law of the plane.
        images: of each draw on 28x28 digits, and test images whose cost is asked for; at most 10,000.
        draws: of each model; None is that of the record.

    Returns:
        The data set, with its floor and what it was measured on, and its rows.

    Raises:
        ValueError: there is no such data set, or a count is too low.
        AssetError: weights or data are missing.

    Example:
        >>> from gmlib.recipes.one_ruler import measure_data
        >>> measure_data("letters")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: key must be one of 'two_moons', ..., got 'letters'
    """
    check_choice("key", key, KEYS)
    check_count("points", points, low=100)
    check_count("images", images, low=20)
    start, often = time.process_time(), draws or (IMAGE_DRAWS if key in ("mnist", "bits") else TOY_DRAWS)
    if key == "digits":
        data, rows = measure_digits(often)
    elif key in ("mnist", "bits"):
        data, rows = (measure_mnist if key == "mnist" else measure_bits)(images, often)
    else:
        data, rows = measure_toy(key, points, often)
    settings = {"draws": often, "seeds": list(range(often)), "threads": torch.get_num_threads()}
    return replace(data, about=_about(settings, time.process_time() - start)), rows


def _about(settings: dict[str, Any], seconds: float) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"processor": processor(), "system": platform.system()},
        "versions": {
            "gmlib": version("gmlib"),
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "settings": settings,
        "seconds": round(seconds),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the record; with ``--only`` the other data sets stay as they are on record.

    Args:
        arguments: words of the command line; None takes those of the process.

    Example:
        >>> from gmlib.recipes.one_ruler import main
        >>> main(["--only", "letters"])
        Traceback (most recent call last):
        SystemExit: 2
    """
    parser = argparse.ArgumentParser(description="Measure every family of the book with one ruler.")
    parser.add_argument(
        "--only", nargs="+", choices=KEYS, default=list(KEYS), help="data sets (default: all)"
    )
    parser.add_argument("--points", type=int, default=10_000, help="of a draw on a law of the plane")
    parser.add_argument("--images", type=int, default=1000, help="of a draw on 28x28 digits")
    parser.add_argument("--out", type=Path, default=RECORD)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found = {key: measure_data(key, points=options.points, images=options.images) for key in options.only}
    if set(options.only) != set(KEYS):
        old = recorded_ruler()
        rest = {each.key: (each, [row for row in old.rows if row.data == each.key]) for each in old.data}
        found = rest | found
    ordered = [found[key] for key in KEYS if key in found]
    write_ruler(options.out, [data for data, _ in ordered], [row for _, rows in ordered for row in rows])


if __name__ == "__main__":
    main()
