"""Two-dimensional toy laws, each a Gaussian mixture of at most 400 components, by name.

As mixtures they have everything that `GaussianMixture` has: a density, a score, a denoiser at every noise
level. So "the true score of the Swiss roll" is a number here and not a picture. Three kinds, a file each: mixtures by
definition (`toy_grids`), curves blurred by isotropic noise (`toy_curves`), bent normal laws (`toy_bends`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gmlib._checks import check_choice
from gmlib.distributions.mixture import GaussianMixture
from gmlib.distributions.toy_bends import banana, pinwheel
from gmlib.distributions.toy_curves import ring, swiss_roll, two_moons
from gmlib.distributions.toy_grids import checkerboard, cross, eight_gaussians, sixteen_gaussians

TOYS: dict[str, Callable[..., GaussianMixture]] = {
    make.__name__: make
    for make in (
        two_moons,
        swiss_roll,
        eight_gaussians,
        sixteen_gaussians,
        ring,
        pinwheel,
        checkerboard,
        banana,
        cross,
    )
}
"""The toy laws that recipes and widgets offer, by name."""


def toy(name: str, **constants: Any) -> GaussianMixture:
    """The toy law called ``name``.

    Args:
        name: a key of `TOYS`.
        constants: passed on, among them ``dtype`` and ``device``.

    Returns:
        The mixture.

    Raises:
        ValueError: if there is no toy of that name, or as the toy itself.

    References:
        Each toy's own.

    Example:
        >>> toy("ring", noise=0.3).event_shape
        torch.Size([2])
    """
    check_choice("name", name, tuple(TOYS))
    return TOYS[name](**constants)
