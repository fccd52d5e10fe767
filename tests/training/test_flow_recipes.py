"""The recipes of chapter 05 for planar laws and digits: what they measure, what is on record, and what was shipped."""

import math
from pathlib import Path

import pytest
import torch

from gmlib.checkpoints import checkpoint, load_into
from gmlib.classical import PixelHistograms
from gmlib.distributions import Gaussian, GaussianMixture, kl_gaussians
from gmlib.flows import Flow, RationalQuadratic, StandardNormal, nice
from gmlib.recipes.flow import (
    KINDS,
    gaussian_kl,
    planar_law,
    plane_evaluator,
    plane_flow,
    plane_grid,
    standardised,
)
from gmlib.recipes.flow_digits import (
    digits_flow,
    digits_flow_evaluator,
    histogram_flow,
    level_vectors,
    sample_levels,
)
from gmlib.recipes.flow_record import LAWS, OPTIONS, TRAIN, plane_recipe, recorded_rows
from gmlib.training import TrainConfig, train

F64 = torch.float64


def tilted() -> GaussianMixture:
    """A normal law with correlation, dressed as a mixture."""
    cov = torch.tensor([[1.0, 0.6], [0.6, 0.5]], dtype=F64)
    return GaussianMixture(torch.tensor([[0.3, -0.2]], dtype=F64), cov=cov)


def test_quadrature_of_a_normal_law() -> None:
    law = tilted()
    grid = plane_grid(law)
    assert grid.mass == pytest.approx(1, abs=1e-9)
    # H = 1/2 log det(2 pi e V), det V = .14; the best normal law is the law.
    assert grid.entropy == pytest.approx(1 + math.log(2 * math.pi) + math.log(0.14) / 2, abs=1e-8)
    assert gaussian_kl(law) == pytest.approx(0, abs=1e-8)
    # KL to the standardised start of a flow, N(m, diag V), in closed form.
    start = standardised(nice(2), law).to(F64)
    other = Gaussian(law.mean, var=law.variance)
    mine = Gaussian(law.mean, cov=law.covariance)
    assert grid.kl(start.log_prob) == pytest.approx(float(kl_gaussians(mine, other)), abs=1e-7)


@pytest.mark.parametrize(("law", "entropy"), [("two_moons", 1.0076), ("eight_gaussians", math.nan)])
def test_entropies_of_toys(law: str, entropy: float) -> None:
    exact = planar_law(law)
    fine, coarse = plane_grid(exact), plane_grid(exact, per_deviation=3)
    assert coarse.mass == pytest.approx(1, abs=1e-9)
    assert coarse.entropy == pytest.approx(fine.entropy, abs=1e-6)
    if law == "two_moons":
        assert coarse.entropy == pytest.approx(entropy, abs=1e-4)
    else:
        # Eight equal components far apart: log 8 more than one of them, less their overlap, below 1e-2.
        alone = math.log(8) + 1 + math.log(2 * math.pi * 0.04)
        assert alone - 1e-2 < coarse.entropy < alone


def test_the_evaluation_agrees_with_its_own_sample() -> None:
    law = tilted()
    flow = standardised(nice(2), law)
    found = plane_evaluator(law, samples=4000)(flow)
    assert abs(found["test_gap"] - found["kl"]) < 5 * found["test_gap_error"]
    x = law.sample((4000,), generator=torch.Generator().manual_seed(0)).float()
    assert found["test_nll"] == pytest.approx(-float(flow.log_prob(x).mean().detach()), abs=1e-5)
    # The law itself: nothing is missing.
    exact = standardised(nice(2), law)
    exact.log_prob = lambda x, c=None: law.log_prob(x.double())  # type: ignore[method-assign]
    assert plane_evaluator(law, samples=100)(exact)["kl"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_starts_from_the_moments_and_improves(kind: str) -> None:
    torch.manual_seed(0)
    options = {"layers": 2, "hidden": [16]}
    task = plane_flow(law="two_moons", kind=kind, options=options)
    assert task.evaluate is not None
    start = task.evaluate(task.model)["kl"]
    # The start is the best normal law of independent coordinates: it also misses what the correlation is worth.
    law = planar_law("two_moons")
    correlation = float(law.variance.log().sum() - torch.logdet(law.covariance)) / 2
    assert start == pytest.approx(gaussian_kl(law) + correlation, abs=1e-4)
    result = train(task, TrainConfig(steps=60, batch_size=128, lr=1e-2, device="cpu"))
    assert task.evaluate(result.model)["kl"] < start - 0.02


def test_every_step_draws_its_points_anew() -> None:
    task = plane_flow(law="cross", kind="nice", options={"layers": 1})
    assert task.noise is not None
    draws = [task.noise(4, torch.Generator().manual_seed(seed), torch.device("cpu")) for seed in (0, 1, 0)]
    assert torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[1])


def test_a_run_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    def weights(steps: int, out: Path | None) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        task = plane_flow(law="cross", kind="spline_coupling", options={"layers": 1, "hidden": [4]})
        config = TrainConfig(steps=steps, batch_size=8, lr=1e-2, device="cpu")
        return train(task, config, out=out).model.state_dict()

    whole = weights(4, None)
    weights(2, tmp_path)
    resumed = weights(4, tmp_path)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.bad_input
def test_bad_options_are_named() -> None:
    with pytest.raises(ValueError, match=r"^law must be one of"):
        plane_flow(law="three_moons")
    with pytest.raises(ValueError, match=r"^kind must be one of"):
        plane_flow(kind="glow")
    with pytest.raises(ValueError, match=r"^evaluate_on must be one of 'validation', 'test', got 'train'"):
        digits_flow(evaluate_on="train")
    with pytest.raises(ValueError, match=r"^layers must be at least 1, got 0"):
        digits_flow(layers=0)
    with pytest.raises(ValueError, match=r"^draws must be at least 1, got 0"):
        digits_flow_evaluator(level_vectors("test"), draws=0)
    with pytest.raises(ValueError, match=r"^per_deviation must be at least 1"):
        plane_grid(tilted(), per_deviation=0)


def test_the_flow_of_digits_starts_as_their_histograms() -> None:
    train_levels, test = level_vectors("train"), level_vectors("test")
    flow = histogram_flow(train_levels, RationalQuadratic(), layers=2, hidden=4, smoothing=0.01).eval()
    found = digits_flow_evaluator(test, draws=2)(flow)
    exact = -PixelHistograms(train_levels, 17, smoothing=0.01).log_prob(test)
    # In a cell the density is flat, so that no draw of the noise makes a difference, and both bounds are the mass.
    assert float(exact.mean()) == pytest.approx(106.33, abs=5e-3)
    assert found["nll"] == pytest.approx(float(exact.mean()), abs=2e-3)
    assert found["nll_importance"] == pytest.approx(found["nll"], abs=1e-3)
    assert found["nll_error"] == pytest.approx(float(exact.std()) / 447**0.5, abs=1e-3)
    assert found["bits_per_dim"] == pytest.approx(found["nll"] / (64 * math.log(2)), abs=1e-6)
    # The counts are not trained, the couplings are.
    frozen = [name for name, p in flow.named_parameters() if not p.requires_grad]
    assert len(frozen) == 1


def test_bounds_of_a_law_that_is_not_flat_in_its_cells() -> None:
    # On 64 pixels, N(0, 1) of dequantised levels: the mean of log densities lies below the log of their mean.
    flow = Flow(StandardNormal((64,)), nice(64, layers=2, hidden=(4,)).bijection)
    found = digits_flow_evaluator(level_vectors("test")[:20], draws=8)(flow)
    assert found["nll_importance"] < found["nll"]


def test_training_digits_for_a_few_steps() -> None:
    torch.manual_seed(0)
    task = digits_flow(layers=2, hidden=32, bins=4, draws=1, evaluate_on="validation")
    assert task.evaluate is not None
    before = task.evaluate(task.model.eval())["nll"]
    model = train(task, TrainConfig(steps=15, batch_size=64, lr=5e-3, device="cpu")).model.eval()
    assert task.evaluate(model)["nll"] < before - 1
    assert isinstance(model, Flow)
    images = sample_levels(model, 7, generator=torch.Generator().manual_seed(0))
    assert images.shape == (7, 64)
    assert images.max() <= 16


def test_record_of_the_plane() -> None:
    table = recorded_rows()
    assert set(table.rows) == {(law, kind) for law in LAWS for kind in OPTIONS}
    for (law, kind), row in table.rows.items():
        assert len(row.kl) == 3
        assert all(value > 0 for value in row.kl)  # below the entropy nothing can be
        assert kind in KINDS
        # Shifts alone never leave the symmetric start on the eight Gaussians: that row is the best normal law's.
        stuck = (law, kind) == ("eight_gaussians", "nice")
        assert (row.mean == pytest.approx(table.gaussian[law], abs=1e-3)) == stuck
        assert stuck or row.mean < table.gaussian[law] - 0.5
    for law in LAWS:
        # On the banana every conditional law of one order is normal, and affine layers have nothing to miss.
        best = "real_nvp" if law == "banana" else "spline_coupling"
        assert table.rows[law, best].mean == min(
            table.rows[law, kind].mean for kind in ("nice", "real_nvp", "spline_coupling")
        )
    moons = plane_grid(planar_law("two_moons")).entropy
    assert table.entropy["two_moons"] == pytest.approx(moons, abs=1e-5)
    recipe = plane_recipe("cross", "maf")
    assert recipe.train == TRAIN
    assert recipe.make_task().rows >= TRAIN.batch_size


@pytest.mark.slow
def test_two_moons_flow_that_was_shipped() -> None:
    metrics = checkpoint("flow-two-moons").metrics
    # The target: the mean of three seeds lies at most .005 nats above the entropy; quadrature is never below.
    assert len(metrics["seeds"]) == 3
    assert 0 < metrics["mean"]["kl"] < 0.005
    for seed in metrics["seeds"].values():
        assert abs(seed["test_gap"] - seed["kl"]) < 4.5 * seed["test_gap_error"]
    options = {"layers": 6, "bins": 16, "hidden": [64, 64]}
    flow = plane_flow(law="two_moons", options=options).model.eval()
    load_into(flow, "flow-two-moons")
    assert plane_grid(planar_law("two_moons")).kl(lambda x: flow(x.float())) == pytest.approx(
        metrics["seeds"]["0"]["kl"], abs=1e-5
    )


@pytest.mark.slow
def test_digits_flow_that_was_shipped() -> None:
    metrics = checkpoint("flow-digits").metrics
    assert len(metrics["seeds"]) == 3
    assert metrics["mean"]["nll"] < 92
    assert metrics["mean"]["nll_importance"] < metrics["mean"]["nll"]
    task = digits_flow(dropout=0.5, draws=4)
    model = task.model.eval()
    load_into(model, "flow-digits")
    assert task.evaluate is not None
    found = task.evaluate(model)
    # Four draws instead of 64, on the same images.
    assert found["nll"] == pytest.approx(metrics["seeds"]["0"]["nll"], abs=0.1)
