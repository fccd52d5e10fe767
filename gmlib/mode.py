"""How much a notebook may compute: one environment variable, three words."""

from __future__ import annotations

import os
from typing import Literal, cast

from gmlib._checks import check_choice

Mode = Literal["smoke", "laptop", "gpu"]
MODES: tuple[Mode, ...] = ("smoke", "laptop", "gpu")


def mode() -> Mode:
    """The mode in which notebooks run, from the environment variable ``GMLIB_MODE``.

    ``"smoke"`` (the default) is what the page and CI use: at most a minute a notebook on two CPU cores.
    ``"laptop"`` may take ten minutes, ``"gpu"`` expects a CUDA device. There is no other switch.

    Returns:
        One of ``"smoke"``, ``"laptop"``, ``"gpu"``.

    Raises:
        ValueError: ``GMLIB_MODE`` is set to anything else.

    Example:
        >>> steps = {"smoke": 200, "laptop": 5_000, "gpu": 50_000}[mode()]
    """
    value = os.environ.get("GMLIB_MODE", "smoke")
    check_choice("GMLIB_MODE", value, MODES)
    return cast(Mode, value)
