"""One ruler: what is measured is what is said, and the record and its page hold every family of the book."""

from __future__ import annotations

import importlib
import math
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch
from gmbook import ruler as page
from gmbook.house import ROOT
from torch import nn

from gmlib.checkpoints import checkpoint, load_weights
from gmlib.data import digits
from gmlib.energy import RBM
from gmlib.recipes._ruler import bits, kit, mnist, toys
from gmlib.recipes._ruler import digits as small
from gmlib.recipes.cascade_mnist import cascaded_digits
from gmlib.recipes.one_ruler import KEYS, main, measure_data
from gmlib.recipes.rbm_floors import BernoulliMixture
from gmlib.recipes.ruler_record import RulerRow, recorded_ruler

RULER = recorded_ruler()
ROWS = {(row.data, row.model): row for row in RULER.rows}
IMAGES = ("digits", "mnist", "bits")


def name_of(row: RulerRow) -> str:
    return f"{row.data}: {row.model}"


def test_every_family_and_data_set_is_there() -> None:
    assert tuple(data.key for data in RULER.data) == KEYS
    families = {"classical", "VAE", "flows", "energy", "score", "diffusion", "guidance", "GAN"}
    assert {row.family for row in RULER.rows} == families
    assert len(ROWS) == len(RULER.rows)
    for data in RULER.data:
        assert {"date", "machine", "versions", "settings", "seconds"} == set(data.about)
        assert data.about["settings"]["threads"] == 1
        draws = data.about["settings"]["draws"]
        for row in RULER.rows:
            if row.data == data.key:
                assert len(row.distance) == draws, name_of(row)
        assert len(data.floor) == 10


@pytest.mark.parametrize("row", RULER.rows, ids=name_of)
def test_a_row_has_a_recipe_and_a_reason_for_what_it_lacks(row: RulerRow) -> None:
    if row.checkpoint:
        assert (ROOT / row.recipe).is_file()
        known = checkpoint(row.checkpoint)
        assert (row.recipe, row.trained_on) == (known.recipe, known.data)
        others = {
            "guidance-mnist": ["diffusion-mnist"],
            "cascade-28-mnist": ["cascade-7-mnist", "cascade-14-mnist"],
        }
        before = sum(checkpoint(name).time for name in others.get(row.checkpoint, []))
        assert row.train_seconds == pytest.approx(known.time + before, rel=1e-5)
    else:
        module, _, name = row.recipe.rpartition(".")
        assert hasattr(importlib.import_module(module), name)
    assert (row.cost is None) == (row.kind == "")
    assert row.how
    assert row.sample_seconds >= 0
    assert row.calls == 0 if row.family == "classical" else row.calls >= 1


@pytest.mark.parametrize("key", IMAGES)
def test_pictures_lie_between_floor_and_ceiling(key: str) -> None:
    (data,) = (data for data in RULER.data if data.key == key)
    ceiling, *others = (statistics.fmean(row.distance) for row in RULER.rows if row.data == key)
    assert all(statistics.fmean(data.floor) < distance < ceiling for distance in others)


def test_the_histograms_of_the_digits_by_hand() -> None:
    train, test = (digits(split).images.flatten(1).numpy() for split in ("train", "test"))
    counts = np.stack([(train == level).sum(0) for level in range(17)]) + 0.01
    table = -np.log2(counts / counts.sum(0))
    cost = np.take_along_axis(table, test.astype(int), 0).mean()
    row = ROWS["digits", "pixel histograms"]
    assert row.cost == pytest.approx(float(cost), rel=1e-5)
    assert (row.kind, row.parameters) == ("exact", 64 * 16)


def test_what_one_normal_law_misses_in_closed_form() -> None:
    """The variances of sixteen equal laws at +-1/2 and +-3/2 are 5/4 + width², their entropy log 16 + log 2 pi e width²."""
    for key, width in (("sixteen_gaussians", 0.1), ("sixteen_narrow", 0.02)):
        exact = math.log(1.25 + width**2) - math.log(16) - 2 * math.log(width)
        assert ROWS[key, "one normal law"].cost == pytest.approx(exact, abs=0.002)


BUFFERS = ("h", "mean", "var")


@pytest.mark.parametrize(
    ("data", "model", "part"),
    [
        ("two_moons", "continuous flow", ""),
        ("two_moons", "score network, annealed Langevin", ""),
        ("eight_gaussians", "smooth spline couplings", "eight_gaussians."),
        ("sixteen_narrow", "GAN, plain", "generator."),
        ("digits", "VAE", ""),
        ("digits", "denoiser, DDPM's sampler", "network.network."),
        ("mnist", "convolutional GAN, R1", "generator."),
        ("mnist", "told the class, w = 3", "network.network."),
        ("bits", "RBM, 500 hidden units", ""),
    ],
)
def test_parameters_are_those_of_the_file(data: str, model: str, part: str) -> None:
    row = ROWS[data, model]
    weights = {
        k: w for k, w in load_weights(row.checkpoint).items() if k.startswith(part) and k not in BUFFERS
    }
    assert row.parameters == sum(w.numel() for w in weights.values() if w.is_floating_point())


def test_calls_are_counted_by_rows() -> None:
    network = nn.Identity()

    def draw(n: int, generator: torch.Generator) -> torch.Tensor:
        x = torch.zeros(n, 2)
        for _ in range(3):
            network(torch.cat([x, x]))
        return network(x)

    assert kit.calls_of([network], draw) == 7
    assert not network._forward_hooks


def test_calls_of_chains_and_cascades() -> None:
    assert ROWS["digits", "score network, annealed Langevin"].calls == 20 * 20 + 1  # and one that denoises
    assert ROWS["two_moons", "continuous flow"].calls == 8 * 4
    assert [ROWS["mnist", f"told the class, w = {w}"].calls for w in (1, 3)] == [20, 40]
    counted: list[str] = []
    hook = nn.modules.module.register_module_forward_hook(
        lambda module, inputs, output: counted.append(type(module).__name__)
    )
    try:
        cascaded_digits(1, calls=3)
    finally:
        hook.remove()
    assert counted.count("LogSNRClock") == 3 * 3
    assert ROWS["mnist", "cascade 7, 14, 28"].calls == 3 * mnist.CALLS

    class Counted(RBM):
        def hidden_logits(self, x: torch.Tensor) -> torch.Tensor:
            counted.append("round")
            return super().hidden_logits(x)

    Counted(4, 3).gibbs(torch.zeros(2, 4), 7)
    assert counted.count("round") == 7
    assert ROWS["bits", "RBM, 500 hidden units"].calls == bits.ROUNDS


def test_a_flat_density_costs_the_cells() -> None:
    x = torch.tensor([[0, 5], [16, 3]])
    found = kit.cell_cost(lambda y: torch.zeros(len(y), dtype=torch.float64), x, 17, 3)
    assert found.tolist() == pytest.approx([2 * math.log(17)] * 2)
    # The density 2y of one number gives the level k of L the mass (2k + 1)/L², and many draws find it.
    level = torch.full((20_000, 1), 3)
    exact = -math.log(7 / 100)
    bound = kit.cell_cost(lambda y: (2 * y[:, 0]).log(), level, 10, 50)
    assert exact < bound.mean().item() < exact + 0.001


def test_weights_and_rates_are_the_law_of_a_mixture_of_bits() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 2, (300, 2), generator=generator).float()
    machine = BernoulliMixture(x, 2, steps=20, generator=generator)
    weights, rate = bits.weights_and_rates(machine)
    points = torch.cartesian_prod(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0]))
    mass = torch.where(points[:, None] > 0, rate, 1 - rate).prod(-1) @ weights
    assert torch.allclose(mass.log(), machine.log_prob(points), atol=1e-5)


def test_test_images_are_spread_evenly() -> None:
    assert list(kit.spread_out(4, 10)) == [0, 2, 5, 7]
    assert len(set(kit.spread_out(1000, 10_000))) == 1000


@pytest.mark.slow
def test_quick_rows_come_out_again() -> None:
    test = small.level_vectors("test").long()
    judge = small.judge()
    for entry in (next(small.entries()), small._vae(test)):
        recorded = ROWS["digits", entry.model]
        row = kit.measured("digits", entry, judge, len(test), 1)
        assert row.cost == pytest.approx(recorded.cost, abs=1e-3)
        assert (row.parameters, row.calls) == (recorded.parameters, recorded.calls)
        mean, deviation = statistics.fmean(recorded.distance), statistics.stdev(recorded.distance)
        assert abs(row.distance[0] - mean) < 4 * deviation + 0.02 * mean
    game = toys._gan("gan-grid-r1", "GAN, R1 and averaged weights")
    assert kit.calls_of(game.networks, game.draw) == 1


@pytest.mark.bad_input
def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"key must be one of 'two_moons', .*, got 'letters'"):
        measure_data("letters")
    with pytest.raises(ValueError, match="points must be at least 100, got 1"):
        measure_data("two_moons", points=1)
    with pytest.raises(SystemExit):
        main(["--only", "letters", "--out", str(tmp_path / "x.json")])


def test_the_page_shows_every_row() -> None:
    assert "<!-- gmbook: ruler -->" in (ROOT / "book" / "ruler.md").read_text("utf8")
    for data in RULER.data:
        rows = [row for row in RULER.rows if row.data == data.key]
        lines = page.section(data, rows).splitlines()
        table = [line for line in lines if line.startswith("|")]
        assert len(table) == 3 + len(rows) + 2 + len(rows)
        for row, line in zip(rows, table[-len(rows) :], strict=True):
            assert line.startswith(f"| {row.model} | ")
            assert row.recipe.split(".")[-1] in line
            assert row.trained_on in line
        for row, line in zip(rows, table[3 : 3 + len(rows)], strict=True):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 9, line
            assert cells[0] == row.family
            assert cells[1].startswith(row.model)
            if row.cost is None:
                assert cells[2].startswith("–\N{NO-BREAK SPACE}{sup}")
            else:
                assert float(cells[2].split("±")[0].replace(",", "")) == pytest.approx(
                    row.cost, rel=0.006, abs=6e-5
                )
                assert cells[3].startswith(row.kind)
            shown = float(cells[4].split("±")[0].replace(",", ""))
            assert shown == pytest.approx(statistics.fmean(row.distance), rel=0.006, abs=6e-5)
            assert cells[7] == f"{row.parameters:,}"
        assert data.about["date"] in lines[-1]
