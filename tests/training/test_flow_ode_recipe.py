"""The recipe of the continuous flow: what its evaluation sees and its own steps do not, and the shipped weights."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gmlib.checkpoints import checkpoint, load_into
from gmlib.distributions import GaussianMixture
from gmlib.flows import ContinuousFlow, Flow, StandardNormal, grid_integral
from gmlib.recipes.flow import planar_law, plane_grid
from gmlib.recipes.flow_ode import ode_evaluator, ode_flow, plane_ode
from gmlib.training import TrainConfig, train


class Stretch(nn.Module):
    """b = -rate (1 + t) x: along it a point grows by exp(-3 rate / 2), and so does every side of an area."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(rate))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return -self.rate * (1 + t) * x


def test_the_evaluation_takes_the_steps_that_it_needs() -> None:
    # A field that makes N(0, I) into N(0, e^{3 rate} I), to be seen by a solver that takes care; two steps of Euler, at
    # t = 0 and 1/2 with slopes 1 and 3/2, shrink a point by (1 - rate/2) (1 - 3 rate/4) and report a log-density that is
    # off. With rate 1/2: e^{-3/4} = .472 against .469, and the integral 2 rate (1 + 3/2) / 2 for 3 rate.
    rate = 0.5
    law = GaussianMixture(torch.zeros(1, 2, dtype=torch.float64), var=float(torch.tensor(3 * rate).exp()))
    flow = Flow(StandardNormal((2,)), ContinuousFlow(Stretch(rate), (2,), method="euler", steps=2))
    measures = ode_evaluator(law, samples=500)(flow)
    assert measures["kl"] == pytest.approx(0, abs=1e-4)
    assert measures["test_gap"] == pytest.approx(0, abs=1e-4)
    # E|x|^2 = 2 e^{1.5}: log p is -(|x|^2/2) factor^2 - 1.25 instead of -(|x|^2/2) e^{-1.5} - 1.5.
    factor = (1 - rate / 2) * (1 - 3 * rate / 4)
    wanted = float(torch.tensor(1.5).exp()) * factor**2 - 1 - (1.5 - 1.25)
    assert measures["kl_own_steps"] == pytest.approx(wanted, abs=1e-4)
    assert wanted < 0  # a divergence that no density has


def test_the_recipe_trains() -> None:
    torch.manual_seed(0)
    task = plane_ode(law="two_moons", hidden=[8], solver_steps=2)
    assert isinstance(task.model, Flow)
    x = planar_law("two_moons").sample((500,), generator=torch.Generator().manual_seed(5)).float()
    with torch.no_grad():
        before = -task.model.log_prob(x).mean()
        # It starts at the normal law with the moments: .5 log det(2 pi e diag V).
        variance = planar_law("two_moons").variance.float()
        start = torch.distributions.Normal(planar_law("two_moons").mean.float(), variance.sqrt())
        torch.testing.assert_close(task.model.log_prob(x), start.log_prob(x).sum(-1))
    train(task, TrainConfig(steps=30, batch_size=128, lr=0.03, device="cpu", checkpoint_every=0))
    with torch.no_grad():
        assert -task.model.log_prob(x).mean() < before - 0.1


def test_shipped_weights() -> None:
    entry = checkpoint("flow-ode")
    recorded = entry.metrics["seeds"]["0"]
    assert sorted(entry.metrics["seeds"]) == ["0", "1", "2"]
    assert (Path(__file__).parents[2] / entry.recipe).is_file()
    flow = load_into(ode_flow(), "flow-ode")
    assert isinstance(flow, Flow)
    with torch.no_grad():
        own = plane_grid(planar_law("two_moons")).kl(lambda x: flow(x.float()))
        assert own == pytest.approx(recorded["kl_own_steps"], abs=1e-4)
        assert grid_integral(flow.log_prob, low=-3.0, high=4.0, n=150) == pytest.approx(1, abs=2e-3)
    for measures in entry.metrics["seeds"].values():
        # What training saw is what a careful solver sees, and no density comes closer than the law itself.
        assert measures["kl_own_steps"] == pytest.approx(measures["kl"], abs=2e-3)
        assert 0 < measures["kl"] < 0.05
        assert abs(measures["test_gap"] - measures["kl"]) < 5 * measures["test_gap_error"]


@pytest.mark.bad_input
def test_bad_input() -> None:
    for make in (ode_flow, plane_ode):
        with pytest.raises(ValueError, match=r"^law must be one of"):
            make(law="moon")
        with pytest.raises(ValueError, match=r"^steps must be at least 1, got 0"):
            make(solver_steps=0)
