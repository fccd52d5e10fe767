"""Points less means are what they are in any layout, and in the fast one where that pays."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gmlib.distributions import GaussianMixture
from gmlib.distributions._differences import differences

SHAPES = [
    ((2,), (3, 2)),
    ((5, 2), (3, 2)),
    ((2,), (4, 3, 2)),
    ((4, 2), (4, 3, 2)),
    ((6, 4, 2), (4, 3, 2)),
    ((6, 1, 2), (4, 3, 2)),
    ((7, 1, 2), (1, 4, 3, 2)),
    ((0, 2), (3, 2)),
    ((5, 8), (3, 8)),
]


@pytest.mark.parametrize(("points", "centres"), SHAPES)
def test_differences(points: tuple[int, ...], centres: tuple[int, ...], generator: torch.Generator) -> None:
    x, means = (torch.randn(shape, generator=generator) for shape in (points, centres))
    found = differences(x, means)
    assert torch.equal(found, x.unsqueeze(-2) - means)
    if found.numel() and points[-1] < centres[-2]:
        assert found.stride(-2) == 1  # component beside component
        assert (found * found).stride() == found.stride()


def test_gradients_pass_through_it(generator: torch.Generator) -> None:
    x = torch.randn(3, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    means = torch.randn(4, 2, dtype=torch.float64, generator=generator, requires_grad=True)

    def log_prob(x: Tensor, means: Tensor) -> Tensor:
        return GaussianMixture(means, var=0.5).log_prob(x)

    assert torch.autograd.gradcheck(log_prob, (x, means))
    assert torch.autograd.gradgradcheck(log_prob, (x, means))
