"""The browser's importance-weighted bound against gmlib, closed forms and quadrature."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gmlib.widgets import ImportanceSamples

from .node import assert_same, evaluate

F64 = torch.float64
GUESSES = [(1.3, 0.0, 1.0), (-0.4, 0.7, 0.3), (3.0, -3.0, 3.0), (-3.0, 3.0, 0.2), (1.3, 0.65, 0.5**0.5)]
EXACT = (
    "return [logEvidence(data.x), elbo(data.x, data.mean, data.std), spread(data.x, data.mean, data.std)];"
)


def drawn(x: float, mean: float, std: float, noise: Tensor, counts: list[int]) -> list[dict[str, Any]]:
    """The module's bounds; noise: one row a draw, (n, most)."""
    return evaluate(
        "bounds from importance",
        "return bounds(data, data.noise.flat(), data.noise[0].length, data.counts).map("
        "({ count, values, effective }) => ({ count, values: [...values], effective }));",
        x=x,
        mean=mean,
        std=std,
        noise=noise,
        counts=counts,
    )


@pytest.mark.parametrize(("x", "mean", "std"), GUESSES)
def test_draws_of_the_bound_on_the_same_noise(x: float, mean: float, std: float) -> None:
    noise = torch.randn(30, 256, generator=torch.Generator().manual_seed(0), dtype=F64)
    counts = [7, 1, 2, 64, 256]
    widget = ImportanceSamples(x, mean=mean, std=std)
    normal = torch.distributions.Normal
    z = mean + std * noise
    log_w = normal(0.0, 1.0).log_prob(z) + normal(z, 1.0).log_prob(torch.tensor(x, dtype=F64))
    log_w = log_w - normal(mean, std).log_prob(z)
    for got, count in zip(drawn(x, mean, std, noise, counts), counts, strict=True):
        assert got["count"] == count
        assert_same(got["values"], widget.bounds(noise[:, :count].T))
        share = torch.softmax(log_w[:, :count], 1)
        assert_same(got["effective"], (1 / share.square().sum(1)).mean())


@pytest.mark.parametrize(("x", "mean", "std"), GUESSES)
def test_exact_lines_and_the_spread_of_one_sample(x: float, mean: float, std: float) -> None:
    log_evidence, elbo, spread = evaluate(
        "logEvidence, elbo, spread from importance", EXACT, x=x, mean=mean, std=std
    )
    terms = ImportanceSamples(x, mean=mean, std=std).terms()
    assert_same([log_evidence, elbo], torch.tensor([terms.log_evidence, terms.elbo], dtype=F64))
    # log w is a polynomial of degree two in the noise: quadrature with 20 nodes is exact.
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    weights = weights / weights.sum()
    (one,) = drawn(x, mean, std, torch.from_numpy(nodes)[:, None], [1])
    mean_one = float(weights @ np.array(one["values"]))
    assert mean_one == pytest.approx(elbo, abs=1e-10)
    assert spread**2 == pytest.approx(float(weights @ (np.array(one["values"]) - mean_one) ** 2), abs=1e-9)


def test_the_gap_is_the_divergence_from_the_posterior() -> None:
    normal = torch.distributions.Normal
    for x, mean, std in GUESSES:
        terms = ImportanceSamples(x, mean=mean, std=std).terms()
        q, p = (normal(torch.tensor(m, dtype=F64), s) for m, s in ((mean, std), (x / 2, 0.5**0.5)))
        assert terms.gap == pytest.approx(torch.distributions.kl_divergence(q, p).item(), abs=1e-12)


def test_the_chapters_numbers() -> None:
    # x = 1.3 with the prior as guess: chapter 02 has these from a grid.
    terms = ImportanceSamples(1.3).terms()
    assert terms.log_evidence == pytest.approx(-1.6880121, abs=1e-7)
    assert terms.elbo == pytest.approx(-2.2639385, abs=1e-7)
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    pairs = torch.cartesian_prod(torch.from_numpy(nodes), torch.from_numpy(nodes))
    weight = np.outer(weights, weights).flatten() / weights.sum() ** 2
    one, two = drawn(1.3, 0.0, 1.0, pairs, [1, 2])
    assert weight @ np.array(one["values"]) == pytest.approx(-2.2639385, abs=1e-7)
    assert weight @ np.array(two["values"]) == pytest.approx(-1.8966812, abs=1e-6)


def test_the_mean_rises_with_k_towards_the_evidence() -> None:
    # n = 4000 draws; each step up is at least three standard errors of the difference of the paired draws.
    noise = torch.randn(4000, 256, generator=torch.Generator().manual_seed(1), dtype=F64)
    widget = ImportanceSamples(1.3)
    steps = [widget.bounds(noise[:, :k].T) for k in (1, 2, 4, 16, 64, 256)]
    for lower, upper in pairwise(steps):
        rise = upper - lower
        assert rise.mean() > 3 * rise.std() / 4000**0.5
    last = steps[-1]
    assert last.mean() <= widget.terms().log_evidence + 4 * last.std() / 4000**0.5


def test_at_the_posterior_every_draw_is_the_evidence() -> None:
    noise = torch.randn(50, 64, generator=torch.Generator().manual_seed(2), dtype=F64)
    truth = ImportanceSamples(1.3).terms().log_evidence
    for got in drawn(1.3, 0.65, 0.5**0.5, noise, [1, 2, 64]):
        assert max(abs(v - truth) for v in got["values"]) < 1e-12
        assert got["effective"] == pytest.approx(got["count"])
