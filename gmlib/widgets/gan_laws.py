"""The laws in the plane that the widget of a GAN learns: equal Gaussians around centres."""

from __future__ import annotations

import math
from typing import Any

_Place = tuple[float, float]


def _grid(*values: float) -> list[_Place]:
    return [(x, y) for x in values for y in values]


def _arc(n: int, radius: float, first: float, last: float, x: float = 0.0, y: float = 0.0) -> list[_Place]:
    """Places on an arc, both ends included."""
    angles = [first + (last - first) * i / (n - 1) for i in range(n)]
    return [(round(x + radius * math.cos(a), 4), round(y + radius * math.sin(a), 4)) for a in angles]


def _roll(n: int) -> list[_Place]:
    turns = [1.5 * math.pi + 3 * math.pi * i / (n - 1) for i in range(n)]
    return [(round(0.128 * a * math.cos(a), 4), round(0.128 * a * math.sin(a), 4)) for a in turns]


STD, RADIUS = 0.05, 0.1
LAWS: dict[str, dict[str, Any]] = {
    "sixteen_gaussians": {"label": "grid of 16 Gaussians", "centres": _grid(-1.5, -0.5, 0.5, 1.5)},
    "nine_gaussians": {"label": "grid of 9 Gaussians", "centres": _grid(-1.0, 0.0, 1.0)},
    "eight_gaussians": {"label": "ring of 8 Gaussians", "centres": _arc(9, 1.5, 0.0, 2 * math.pi)[:8]},
    "two_modes": {"label": "two Gaussians", "centres": [(-1.0, 0.0), (1.0, 0.0)]},
    "two_moons": {
        "label": "two moons",
        "centres": _arc(20, 1.0, 0.0, math.pi, -0.5, -0.25) + _arc(20, 1.0, math.pi, 2 * math.pi, 0.5, 0.25),
    },
    "swiss_roll": {"label": "Swiss roll", "centres": _roll(40)},
}
"""The laws: equal Gaussians of standard deviation 0.05 around these centres (0.02 in the recipes)."""

FACE = [(-0.6, 0.7), (0.6, 0.7), *_arc(13, 1.1, 1.15 * math.pi, 1.85 * math.pi, 0.0, 0.1)]
"""What is drawn before the reader draws."""
