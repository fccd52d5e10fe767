"""The dashboard's numbers in the browser against gmlib on the same points, and what they must show."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import pytest
import torch

from gmlib.distributions import Contaminated, Gaussian
from gmlib.metrics import gaussian_frechet_distance
from gmlib.widgets import dashboard_draws, honest_dashboard
from gmlib.widgets.dashboard_draws import N
from gmlib.widgets.draws import Draws
from gmlib.widgets.honest_dashboard import HonestDashboard

from .node import assert_same, evaluate

F64 = torch.float64
STATES: list[dict[str, Any]] = [
    {"share": 0.0, "dropped": 0, "memorise": False, "bandwidth": 0.01, "noise": "uniform"},
    {"share": 0.99, "dropped": 0, "memorise": False, "bandwidth": 0.01, "noise": "uniform"},
    {"share": 0.5, "dropped": 3, "memorise": False, "bandwidth": 0.01, "noise": "gaussian"},
    {"share": 0.0, "dropped": 7, "memorise": False, "bandwidth": 0.01, "noise": "uniform"},
    {"share": 0.0, "dropped": 0, "memorise": True, "bandwidth": 0.001, "noise": "uniform"},
    {"share": 0.0, "dropped": 7, "memorise": True, "bandwidth": 1.0, "noise": "uniform"},
    {"share": 0.3, "dropped": 4, "memorise": True, "bandwidth": 0.05, "noise": "gaussian"},
]
RUN = """
const [u, z] = [data.uniforms.values(), data.normals.values()];
const uniform = () => u.next().value;
uniform.normal = () => z.next().value;
const now = world(uniform);
return { honest: now.honest, real: now.real, states: data.states.map((state) => {
  const { sample, kinds, numbers, exact } = spoil(now, state);
  return { sample: [...sample], kinds, numbers, exact };
}) };
"""


class Recorded(Draws):
    """Draws that are kept."""

    uniforms: list[float]
    normals: list[float]

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.uniforms, self.normals = [], []

    def uniform(self) -> float:
        self.uniforms.append(super().uniform())
        return self.uniforms[-1]

    def normal(self) -> float:
        kept = len(self.uniforms)
        self.normals.append(super().normal())
        del self.uniforms[kept:]  # those that the normal draw is made of
        return self.normals[-1]


def test_the_browsers_numbers_on_the_same_points(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Recorded] = []
    monkeypatch.setattr(dashboard_draws, "Draws", lambda seed: made.append(Recorded(seed)) or made[-1])
    dashboard_draws.drawn_from.cache_clear()
    widgets = [HonestDashboard(**state, seed=3) for state in STATES]
    points = widgets[0].samples()
    (draws,) = made
    repeats = [honest_dashboard._of_sample(dashboard_draws.real_sample(draws)[0], points) for _ in range(16)]
    got = evaluate(
        "spoil, world from spoiled", RUN, states=STATES, uniforms=draws.uniforms, normals=draws.normals
    )
    keys = [*repeats[0], "test", "train"]

    def row(numbers: Any) -> list[float]:
        return [numbers[key] for key in keys]

    assert_same(row(got["real"]), torch.tensor(row(asdict(widgets[0].real())), dtype=F64))
    for key in repeats[0]:
        values = torch.tensor([each[key] for each in repeats], dtype=F64)
        assert_same(
            [got["honest"][key][part] for part in ("mean", "std")], torch.stack([values.mean(), values.std()])
        )
    losses = -dashboard_draws.truth().log_prob(points.test)
    assert_same(
        [got["honest"]["test"][part] for part in ("mean", "std")],
        torch.stack([losses.mean(), losses.std() / N**0.5]),
    )
    for widget, one in zip(widgets, got["states"], strict=True):
        assert_same(one["sample"], widget.samples().model.flatten())
        assert_same(row(one["numbers"]), torch.tensor(row(asdict(widget.numbers())), dtype=F64))
        exact = asdict(widget.exact())
        assert_same([one["exact"][key] for key in exact], torch.tensor(list(exact.values()), dtype=F64))
        kinds = {"noise", "copy" if widget.memorise else "model"} if widget.share else None
        assert set(one["kinds"]) == (kinds or {"copy" if widget.memorise else "model"})


@pytest.mark.parametrize("noise", ["uniform", "gaussian"])
@pytest.mark.parametrize("state", [{}, {"dropped": 6}, {"memorise": True, "bandwidth": 0.003}])
def test_noise_costs_at_most_minus_the_log_of_what_is_left(noise: str, state: dict[str, Any]) -> None:
    for share in (0.01, 0.99):
        spoiled = HonestDashboard(share=share, noise=noise, **state)
        clean = HonestDashboard(**state).numbers()
        numbers, exact = spoiled.numbers(), spoiled.exact()
        assert exact.test == pytest.approx(clean.test - math.log1p(-share), rel=1e-12)
        assert numbers.test <= exact.test
        assert numbers.train <= exact.train
    assert -math.log1p(-0.99) == pytest.approx(math.log(100))


def test_the_density_has_mass_one() -> None:
    side = torch.linspace(-12, 12, 601, dtype=F64)
    grid = torch.cartesian_prod(side, side)
    spoiled = HonestDashboard(share=0.4, noise="gaussian", dropped=3)
    assert spoiled.log_prob(grid).exp().sum() * 0.04**2 == pytest.approx(1.0, abs=1e-9)
    # Cell centres for the noise with an edge: the edge lies between cells.
    middle = torch.linspace(-3.98, 3.98, 200, dtype=F64)
    square = torch.cartesian_prod(middle, middle)
    spoiled = HonestDashboard("memoriser", share=0.4, bandwidth=0.2)
    assert spoiled.log_prob(square).exp().sum() * 0.04**2 == pytest.approx(1.0, abs=1e-6)
    assert spoiled.log_prob(torch.tensor([[4.01, 0.0]], dtype=F64)) < -15


@pytest.mark.parametrize("state", STATES)
def test_the_exact_distance_is_that_of_the_density(state: dict[str, Any]) -> None:
    # Mean and covariance of the density on a grid, whose cells meet at the edge of the noise; narrower bumps it cannot see.
    state = {**state, "bandwidth": max(state["bandwidth"], 0.2)}
    spoiled = HonestDashboard(**state)
    side = 0.05 * torch.arange(-130, 130, dtype=F64) + 0.025
    grid = torch.cartesian_prod(side, side)
    weight = spoiled.log_prob(grid).exp() * 0.05**2
    mean = weight @ grid
    cov = (grid - mean).T @ ((grid - mean) * weight[:, None])
    truth = dashboard_draws.truth()
    distance = gaussian_frechet_distance(mean, cov, truth.mean, truth.covariance)
    assert spoiled.exact().frechet == pytest.approx(distance.item(), abs=1e-3)


def test_a_gaussian_noise_makes_it_a_contaminated_law() -> None:
    spoiled = HonestDashboard(share=0.7, noise="gaussian", dropped=2)
    truth = dashboard_draws.truth()
    noise = Gaussian(truth.mean, cov=truth.covariance)
    law = Contaminated(spoiled.core(), noise, 1 - 0.7)
    x = spoiled.samples().model
    assert torch.allclose(spoiled.log_prob(x), law.log_prob(x), rtol=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_memoriser_passes_until_held_out_points_come(seed: int) -> None:
    honest = HonestDashboard(seed=seed).numbers()
    spoiled = HonestDashboard("memoriser", bandwidth=0.001, seed=seed)
    got, real = spoiled.numbers(), spoiled.real()
    assert got.frechet < 1e-4 < honest.frechet
    assert (
        got.precision == got.recall == 1.0
    )  # each training point has a sample within 0.005 and its ball reaches further
    assert got.inception == pytest.approx(real.inception, abs=0.3)
    # Far apart, each bump sees its own point only: log N + log(2 pi eps^2). A neighbour within 3 eps adds a little.
    assert got.train == pytest.approx(math.log(N * 2 * math.pi * 0.001**2), abs=0.05)
    assert got.test > 1000
    assert got.ratio < 0.05


@pytest.mark.parametrize("dropped", [0, 2, 4, 7])
def test_recall_and_inception_score_count_the_modes(dropped: int) -> None:
    spoiled = HonestDashboard(dropped=dropped)
    got, real, exact = spoiled.numbers(), spoiled.real(), spoiled.exact()
    share = (8 - dropped) / 8
    assert exact.recall == share
    assert exact.inception == 8 - dropped
    # The training points of a kept mode, 400 share of them on average, are reached with the recall of real points.
    error = 4 * (share * (1 - share * real.recall) / N) ** 0.5 + 0.03
    assert got.recall == pytest.approx(share * real.recall, abs=error)
    # exp H of n = 400 labels over m modes falls short of m by a factor of about exp(-(m - 1)/2n); five times that.
    assert got.inception == pytest.approx(8 - dropped, abs=5 * (8 - dropped) * (7 - dropped) / (2 * N) + 0.01)
    assert got.inception <= 8


def test_the_frechet_distance_of_the_laws_is_blind_to_alternate_modes_and_matched_noise() -> None:
    for preset in ("honest", "half the modes", "99 % matched noise"):
        assert HonestDashboard(preset).exact().frechet < 1e-12
    # Uniform noise on [-4, 4] has variance 16/3, the law 2.04.
    var = 0.99 * 16 / 3 + 0.01 * 2.04
    assert HonestDashboard("99 % noise").exact().frechet == pytest.approx(2 * (var**0.5 - 2.04**0.5) ** 2)


def test_the_share_of_noise_is_the_share() -> None:
    # n = 400 switches; 4 standard errors.
    for share in (0.1, 0.5, 0.9):
        clean, spoiled = (HonestDashboard(share=s).samples().model for s in (0.0, share))
        changed = (clean != spoiled).any(1).double().mean().item()
        assert changed == pytest.approx(share, abs=4 * (share * (1 - share) / N) ** 0.5)


def test_the_points_follow_the_law() -> None:
    # n = 400: mean and mean square of the train and test points within 4 standard errors, from fourth moments below 8.
    points = HonestDashboard(seed=5).samples()
    for x in (points.train, points.test, points.model):
        assert x.mean(0).abs().max() < 4 * (2.04 / N) ** 0.5
        assert (x.square().mean(0) - 2.04).abs().max() < 4 * (8 / N) ** 0.5
    assert not torch.equal(points.train, HonestDashboard(seed=6).samples().train)


def test_a_preset_is_a_start() -> None:
    spoiled = HonestDashboard("memoriser", bandwidth=0.1, share=0.5)
    assert (spoiled.share, spoiled.dropped, spoiled.memorise, spoiled.bandwidth) == (0.5, 0, True, 0.1)
    assert HonestDashboard("memoriser", memorise=False).numbers() == HonestDashboard().numbers()


def test_the_points_are_the_callers() -> None:
    first = HonestDashboard().samples()
    kept = first.train.clone(), first.test.clone()
    first.train.zero_()
    first.test.zero_()
    again = HonestDashboard().samples()
    assert torch.equal(again.train, kept[0])
    assert torch.equal(again.test, kept[1])
