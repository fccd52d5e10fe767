"""The browser's kernel density estimates against gmlib, autograd and quadrature; its draws against Python's."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gmlib.classical import KernelDensity, leave_one_out_nll
from gmlib.distributions import crab_table
from gmlib.widgets import Bandwidth
from gmlib.widgets.bandwidth import HIGH, LAWS, LOW
from gmlib.widgets.draws import Draws

from .node import assert_same, evaluate, packages

F64 = torch.float64
NLL = (
    "const [p, q] = [data.train.flat(), data.test.flat()];"
    "return data.bandwidths.map((l) => {"
    " const own = ownNll(p, l, data.kernel); return [own.train, own.left, nll(p, q, l, data.kernel)]; });"
)
BEST = "return best(data.x.flat(), data.kernel, data.low, data.high);"


def best(x: Tensor, kernel: str, low: float = LOW, high: float = HIGH) -> dict[str, float]:
    return evaluate("best from kde", BEST, x=x, kernel=kernel, low=low, high=high)


@pytest.mark.parametrize("kernel", ["gaussian", "boxcar"])
@pytest.mark.parametrize("law", LAWS)
def test_three_likelihoods_at_every_bandwidth(law: str, kernel: str) -> None:
    widget = Bandwidth(law, kernel=kernel, n=40)
    train, test = widget.sample()
    bandwidths = [LOW, 0.15, 0.4, 1.0, HIGH]
    got = evaluate("nll, ownNll from kde", NLL, train=train, test=test, bandwidths=bandwidths, kernel=kernel)
    for bandwidth, row in zip(bandwidths, got, strict=True):
        widget.bandwidth = bandwidth
        terms = widget.terms()
        estimate = KernelDensity(train, bandwidth, "boxcar" if kernel == "boxcar" else "gaussian")
        densities = (estimate.log_prob(train), estimate.leave_one_out(), estimate.log_prob(test))
        for cell, log_p, value in zip(
            row, densities, (terms.train, terms.leave_one_out, terms.test), strict=True
        ):
            assert cell["missed"] == int(torch.isinf(log_p).sum())
            if cell["missed"]:
                assert cell["value"] is None  # infinite
                assert value == math.inf
            else:
                assert_same(cell["value"], torch.tensor(value, dtype=F64))


def test_log_densities_far_from_every_point() -> None:
    x = torch.tensor([[0.0], [1.0]], dtype=F64)
    at = torch.tensor([[-50.0], [0.5], [60.0]], dtype=F64)
    got = evaluate(
        "logProb from kde",
        "return data.at.flat().map((a) => logProb(data.x.flat(), a, 0.03, 'gaussian'));",
        x=x,
        at=at,
    )
    assert_same(got, KernelDensity(x, 0.03).log_prob(at))


@pytest.mark.parametrize(("law", "n"), [("two_gaussians", 40), ("crabs", 200), ("normal", 5)])
def test_the_marked_bandwidth_is_the_leave_one_out_minimum(law: str, n: int) -> None:
    train, _ = Bandwidth(law, n=n).sample()
    found = best(train, "gaussian")
    assert LOW < found["bandwidth"] < HIGH
    # No other bandwidth of a fine grid is better, and the derivative vanishes: the place is exact to 1e-6.
    grid = torch.logspace(math.log10(LOW), math.log10(HIGH), 2000, dtype=F64)
    assert float(leave_one_out_nll(train, grid).min()) >= found["value"] - 1e-12
    log_l = torch.tensor(math.log(found["bandwidth"]), dtype=F64, requires_grad=True)
    square = (train - train.T).square() + torch.diag(
        torch.full((n,), 1e9, dtype=F64)
    )  # no point is its own neighbour
    total = torch.logsumexp(-0.5 * square * torch.exp(-2 * log_l), 1) - math.log(n - 1) - log_l
    value = 0.5 * math.log(2 * math.pi) - total.mean()
    assert_same(found["value"], value.detach())
    (slope,) = torch.autograd.grad(value, log_l, create_graph=True)
    (bend,) = torch.autograd.grad(slope, log_l)
    assert abs(float((slope / bend).detach())) < 1e-6


def test_two_points_are_best_served_by_their_distance() -> None:
    # -log N(d; 0, l^2) is least at l = d.
    found = best(torch.tensor([[0.0], [0.7]], dtype=F64), "gaussian")
    assert found["bandwidth"] == pytest.approx(0.7, abs=1e-6)


@pytest.mark.parametrize(("law", "n"), [("two_gaussians", 40), ("crabs", 200), ("normal", 5)])
def test_a_boxcar_is_best_at_a_distance_of_two_points(law: str, n: int) -> None:
    train, _ = Bandwidth(law, n=n).sample()
    found = best(train, "boxcar")
    apart = torch.pdist(train)
    assert bool((apart == found["bandwidth"]).any())
    candidates = apart[(apart >= LOW) & (apart <= HIGH)][:: max(1, n // 10)]
    least = leave_one_out_nll(train, [*candidates.tolist(), found["bandwidth"]], "boxcar")
    assert_same(found["value"], least[-1])
    assert float(least.min()) >= found["value"] - 1e-9


@pytest.mark.parametrize("kernel", ["gaussian", "boxcar"])
def test_mean_and_variance_are_those_of_the_density(kernel: str) -> None:
    widget = Bandwidth("two_gaussians", n=7, bandwidth=0.5, kernel=kernel)
    train, _ = widget.sample()
    got = evaluate(
        "moments, kernelAt from kde",
        "const x = data.x.flat(); const m = moments(x, 0.5, data.kernel);"
        # The midpoint rule on a grid that has the edges of every boxcar within a cell.
        "let [mass, mean, square] = [0, 0, 0]; const h = 1e-3;"
        "for (let t = -12 + h / 2; t < 12; t += h) {"
        "let p = 0; for (const v of x) p += kernelAt(t - v, 0.5, data.kernel) / x.length;"
        "mass += h * p; mean += h * p * t; square += h * p * t * t; }"
        "return { m, mass, mean, variance: square - mean * mean };",
        x=train,
        kernel=kernel,
    )
    terms = widget.terms()
    exact = [terms.mean, terms.sample_variance, terms.variance - terms.sample_variance, terms.variance]
    assert_same(
        [got["m"][key] for key in ("mean", "sampled", "added", "variance")], torch.tensor(exact, dtype=F64)
    )
    assert terms.variance - terms.sample_variance == pytest.approx(0.25 / (3 if kernel == "boxcar" else 1))
    assert got["mass"] == pytest.approx(1, abs=2e-3)
    assert got["mean"] == pytest.approx(terms.mean, abs=5e-3)
    assert got["variance"] == pytest.approx(terms.variance, abs=1e-2)


@pytest.mark.parametrize("law", LAWS)
def test_density_and_entropy_of_the_laws(law: str) -> None:
    widget = Bandwidth(law)
    x = widget.distribution.mean + torch.linspace(-6, 6, 25, dtype=F64)[:, None]
    got = evaluate(
        "density, entropy from kde",
        "return [data.x.flat().map((x) => density(data.law, x)), entropy(data.law)];",
        x=x,
        law=LAWS[law],
    )
    assert_same(got[0], widget.distribution.log_prob(x).exp())
    assert_same(got[1], torch.tensor(widget.terms().entropy, dtype=F64))
    assert sum(LAWS[law]["weights"]) == pytest.approx(1, abs=1e-15)


def test_the_entropy_of_one_gaussian() -> None:
    assert Bandwidth("normal").terms().entropy == pytest.approx(
        0.5 * math.log(2 * math.pi * math.e), abs=1e-9
    )


def test_the_law_of_the_crabs_is_a_fixed_point_of_em() -> None:
    # To the two digits that are shown: more rounds of EM on the table move no parameter further than that.
    midpoints, counts = crab_table()
    law = LAWS["crabs"]
    weights, means, stds = (torch.tensor(law[key], dtype=F64) for key in ("weights", "means", "stds"))
    x, counts = 100 * midpoints[:, None], counts.double()[:, None]
    for _ in range(3000):
        log_joint = torch.distributions.Normal(means, stds).log_prob(x) + weights.log()
        shares = counts * torch.softmax(log_joint, 1)
        total = shares.sum(0)
        weights, means = total / total.sum(), (shares * x).sum(0) / total
        stds = ((shares * (x - means) ** 2).sum(0) / total).sqrt()
    for key, value in (("weights", weights), ("means", means), ("stds", stds)):
        assert torch.allclose(value, torch.tensor(law[key], dtype=F64), atol=6e-3, rtol=0)


def test_the_sample_has_the_moments_of_its_law() -> None:
    # 300 held-out points of 20 seeds: n = 6000, truth within four standard errors.
    widget = Bandwidth("two_gaussians")
    points = []
    for seed in range(20):
        widget.seed = 1000 + seed
        points.append(widget.sample()[1])
    x = torch.cat(points)
    law = widget.distribution
    n = len(x)
    assert abs(float(x.mean() - law.mean)) < 4 * float(law.stddev) / n**0.5
    square = (x - law.mean).square()
    assert abs(float(square.mean() - law.variance)) < 4 * float(square.std()) / n**0.5
    # The right component by its own region: no point beyond 0.6 more than the law allows.
    right = float((x > 0.6).double().mean())
    normal = torch.distributions.Normal(
        torch.tensor(LAWS["two_gaussians"]["means"]), torch.tensor(LAWS["two_gaussians"]["stds"])
    )
    share = float((torch.tensor([0.6, 0.4]) * (1 - normal.cdf(torch.tensor(0.6)))).sum())
    assert abs(right - share) < 4 * (share * (1 - share) / n) ** 0.5


def browsers(code: str, **data: Any) -> Any:
    """Run the generator that the bundles contain, from the packages they are made of."""
    esm = packages() / "pure-rand" / "lib" / "esm"
    found = {
        "xoroshiro128plus": esm / "generator" / "xoroshiro128plus.js",
        "uniformFloat64": esm / "distribution" / "uniformFloat64.js",
    }
    imports = "; ".join(f"{name} from {path.with_suffix('').as_posix()}" for name, path in found.items())
    return evaluate(imports, code, **data)


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**31 - 1])
def test_python_draws_what_the_browser_draws(seed: int) -> None:
    got = browsers(
        "const g = xoroshiro128plus(data.seed); return Array.from({ length: 500 }, () => uniformFloat64(g));",
        seed=seed,
    )
    draws = Draws(seed)
    assert got == [draws.uniform() for _ in range(500)]


def test_normal_draws_are_normal() -> None:
    # n = 20000; mean, variance and fourth moment within four standard errors (1, 2 and 96 are the variances).
    draws = Draws(3)
    x = torch.tensor([draws.normal() for _ in range(20_000)], dtype=F64)
    for power, truth, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (4, 3.0, 96.0)):
        assert abs(float((x**power).mean()) - truth) < 4 * (variance / 20_000) ** 0.5


@pytest.mark.bad_input
@pytest.mark.parametrize(("seed", "error"), [(-1, ValueError), (2**31, ValueError), (0.5, TypeError)])
def test_bad_seeds_are_named(seed: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="seed"):
        Draws(seed)
