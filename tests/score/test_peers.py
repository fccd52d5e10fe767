"""The losses against torchebm's, and against the published forms that the benchmark holds them to: values and gradients."""

from __future__ import annotations

import pytest
import torch

from benchmarks.score import SIGMA, Energy, counted, packaged, published
from gmlib.nn import MLP
from gmlib.score import (
    denoising_score_matching,
    energy_score,
    implicit_score_matching,
    sliced_score_matching,
)


@pytest.mark.parametrize("name", ["DSM", "SSM", "ISM"])
@pytest.mark.parametrize("kind", ["energy", "field"])
def test_the_benchmark_compares_equal_losses(kind: str, name: str) -> None:
    torch.manual_seed(0)
    d = 5
    net = Energy(d) if kind == "energy" else MLP([d, 16, d])
    peer = (packaged(net) if isinstance(net, Energy) else published(net, d))[name]
    score = energy_score(net) if kind == "energy" else net
    x = torch.randn(12, d)

    # Both draw normal numbers of the shape of x, and nothing else.
    torch.manual_seed(1)
    theirs = peer(x)
    torch.manual_seed(1)
    draw = torch.randn_like(x)
    ours = {
        # An energy's slope is matched to the noise with its sign: torchebm fits +noise by the gradient of E.
        "DSM": lambda: denoising_score_matching(score, x, draw, SIGMA).total,
        "SSM": lambda: sliced_score_matching(score, x, draw.sign()).total,
        "ISM": lambda: implicit_score_matching(score, x).total,
    }[name]().mean()
    torch.testing.assert_close(ours, theirs)
    weights = list(net.parameters())
    expected = torch.autograd.grad(theirs, weights, allow_unused=True, materialize_grads=True)
    found = torch.autograd.grad(ours, weights, allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_products_are_counted() -> None:
    net, x = MLP([7, 8, 7]), torch.randn(3, 7)
    for loss, products in (
        (lambda: denoising_score_matching(net, x, torch.randn_like(x), 0.5), 0),
        (lambda: sliced_score_matching(net, x, torch.randn_like(x)), 1),
        (lambda: implicit_score_matching(net, x), 7),
        (lambda: implicit_score_matching(net, x, chunk=3), 7),
    ):
        with counted() as counts:
            loss()
        assert counts[0] == products
