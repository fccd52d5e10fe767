"""The browser's mixture against gmlib.distributions in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gmlib.distributions import GaussianMixture, toy
from gmlib.distributions.toys import TOYS

from .node import assert_same, evaluate

F64 = torch.float64


def described(law: GaussianMixture) -> dict[str, Any]:
    cov = law.covariances
    return {
        "weights": law.weights.tolist(),
        "means": law.means.flatten().tolist(),
        "covariances": torch.stack([cov[:, 0, 0], cov[:, 0, 1], cov[:, 1, 1]], -1).flatten().tolist(),
    }


def some_mixture(seed: int) -> GaussianMixture:
    g = torch.Generator().manual_seed(seed)
    root = torch.randn(7, 2, 2, generator=g, dtype=F64)
    cov = root @ root.mT + 0.05 * torch.eye(2, dtype=F64)
    means = 3 * torch.randn(7, 2, generator=g, dtype=F64)
    return GaussianMixture(means, weights=torch.rand(7, generator=g, dtype=F64) + 0.05, cov=cov)


def some_points(seed: int) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    scale = torch.tensor([0.3, 1.0, 4.0, 1000.0], dtype=F64).repeat_interleave(25)
    return scale[:, None] * torch.randn(100, 2, generator=g, dtype=F64)


LAWS = {**{name: lambda name=name: toy(name, dtype=F64) for name in TOYS}, "full": lambda: some_mixture(1)}


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize(("alpha", "sigma"), [(1.0, 0.0), (1.0, 0.35), (0.6, 1.7)])
def test_log_density_and_score(name: str, alpha: float, sigma: float) -> None:
    law, points = LAWS[name](), some_points(3)
    noised = law.noised(alpha, sigma)
    got = evaluate(
        "Mixture from mixture",
        "const law = new Mixture(data.law).noised(data.sigma, data.alpha);"
        "return { log: data.points.map(([x, y]) => law.logDensity(x, y)),"
        " score: [...law.scores(Float64Array.from(data.points.flat()))] };",
        law=described(law),
        points=points,
        alpha=alpha,
        sigma=sigma,
    )
    assert_same(got["log"], noised.log_prob(points))
    assert_same(got["score"], noised.score(points))


@pytest.mark.parametrize("name", ["two_moons", "pinwheel", "banana", "full"])
def test_the_picture_of_the_density_is_the_density(name: str) -> None:
    law = LAWS[name]().noised(1.0, 0.1)
    axis = -4 + 0.04 * torch.arange(200, dtype=F64)
    got = evaluate(
        "Mixture from mixture",
        "return [...new Mixture(data.law).field({ x0: -4, y0: -4, h: 0.04, nx: 200, ny: 200 })];",
        law=described(law),
    )
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    assert_same(got, law.log_prob(torch.stack([x, y], -1)).exp().flatten())


def test_a_hundred_langevin_steps_on_the_same_noise() -> None:
    law = some_mixture(2).noised(1.0, 0.4)
    g = torch.Generator().manual_seed(0)
    start = torch.randn(20, 2, generator=g, dtype=F64)
    noise = torch.randn(100, 20, 2, generator=g, dtype=F64)
    x = start.clone()
    for step_noise in noise:
        x = x + 0.01 * law.score(x) + 0.02**0.5 * step_noise
    got = evaluate(
        "Mixture, langevin from mixture",
        "const law = new Mixture(data.law), x = Float64Array.from(data.start.flat());"
        "for (const noise of data.noise) langevin(x, law.scores(x), 0.02, noise.flat());"
        "return [...x];",
        law=described(law),
        start=start,
        noise=noise,
    )
    assert_same(got, x.flatten())


def test_moments_and_principal_axes() -> None:
    law = some_mixture(4)
    got = evaluate("Mixture from mixture", "return new Mixture(data.law).moments();", law=described(law))
    assert_same(got["mean"], law.mean)
    assert_same(got["variance"], law.variance)
    for cov in law.covariances:
        axes = evaluate(
            "principal from linear", "return principal(...data.cov);", cov=cov.flatten()[[0, 1, 3]]
        )
        values, vectors = torch.linalg.eigh(cov)
        assert_same([axes["small"], axes["large"]], values.sqrt())
        along = torch.tensor([axes["angle"]], dtype=F64)
        assert_same(
            torch.cat([along.cos(), along.sin()]).dot(vectors[:, 1]).abs().item(),
            torch.tensor(1.0, dtype=F64),
        )


@pytest.mark.parametrize("d", [0, 1])
def test_a_marginal_is_the_mixture_of_its_components_marginals(d: int) -> None:
    law, places = some_mixture(4), torch.linspace(-6, 6, 41, dtype=F64)
    std = law.covariances[:, d, d].sqrt()
    each = torch.distributions.Normal(law.means[:, d], std).log_prob(places[:, None]).exp()
    got = evaluate(
        "Mixture from mixture; marginal from marginals",
        "return [...marginal(new Mixture(data.law), data.d, Float64Array.from(data.places))];",
        law=described(law),
        places=places,
        d=d,
    )
    assert_same(got, each @ (law.weights / law.weights.sum()))
