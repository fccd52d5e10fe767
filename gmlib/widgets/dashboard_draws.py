"""What the dashboard of metrics draws before anything is spoiled: the law of eight Gaussians, its samples, noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from gmlib.distributions import GaussianMixture, toy
from gmlib.widgets.draws import Draws, normals, uniforms

F64 = torch.float64
N = 400
"""Points in each sample."""
STD = 0.2
"""Standard deviation of a mode."""
HALF = 4.0
"""Uniform noise fills the square from -4 to 4."""


def truth() -> GaussianMixture:
    """The law that the model is held against, in float64.

    Example:
        >>> truth().n_components
        8
    """
    return toy("eight_gaussians", dtype=F64)


@dataclass(frozen=True)
class Drawn:
    """All that depends on the seed alone: points (N, 2) and their modes, numbers in [0, 1), noise."""

    train: Tensor
    of_train: Tensor
    test: Tensor
    fresh: Tensor
    of_fresh: Tensor
    switches: Tensor
    picks: Tensor
    noises: dict[str, Tensor]
    errors: Tensor


@lru_cache(maxsize=16)
def drawn_from(seed: int) -> Drawn:
    """The draws of a seed, made once.

    Example:
        >>> drawn_from(0).train.shape
        torch.Size([400, 2])
    """
    draws = Draws(seed)
    (train, of_train), (test, _), (fresh, of_fresh) = (real_sample(draws) for _ in range(3))
    switches, picks = uniforms(draws, N), uniforms(draws, N)
    noises = {"uniform": HALF * (2 * uniforms(draws, N, 2) - 1)}
    noises["gaussian"] = truth().variance.sqrt() * normals(draws, N, 2)
    return Drawn(train, of_train, test, fresh, of_fresh, switches, picks, noises, normals(draws, N, 2))


def real_sample(draws: Draws) -> tuple[Tensor, Tensor]:
    """A sample of the law, (400, 2), and the mode of each point.

    Example:
        >>> points, modes = real_sample(Draws(0))
        >>> bool(((points - truth().means[modes]).norm(dim=1) < 1).all())
        True
    """
    labels = (8 * uniforms(draws, N)).long()
    return truth().means[labels] + STD * normals(draws, N, 2), labels
