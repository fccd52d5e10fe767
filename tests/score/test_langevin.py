"""Langevin chains against the exact law of a linear chain, and the weights they cannot see."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys

import pytest
import torch

from gmlib.distributions import Gaussian, GaussianMixture
from gmlib.score import (
    annealed_langevin,
    chain_moments,
    langevin,
    langevin_path,
    langevin_step,
    stationary_variance,
)

F64 = torch.float64


def linear(x: torch.Tensor) -> torch.Tensor:
    """The score of N(0, I)."""
    return -x


def variance_by_impulses(step: float, steps: int, temperature: float = 1.0) -> torch.Tensor:
    """Exact variance after 1, 2, ... steps from a point: chain j gets noise 1 at step j and no other."""
    impulses = torch.eye(steps, dtype=F64)
    x = torch.zeros(steps, 1, dtype=F64)
    variances = []
    for noise in impulses:
        x = langevin_step(x, linear(x), noise[:, None], step, temperature)
        variances.append(x.square().sum())  # the noises of different steps are independent
    return torch.stack(variances)


def test_langevin(generator: torch.Generator) -> None:
    # The chain's variance is exactly that of the recursion V = (1 - step/2)^2 V + step, and settles at 1/(1 - step/4).
    for step, settled in ((0.25, 1.0667), (1.0, 1.3333), (3.5, 8.0)):
        exact = variance_by_impulses(step, 200)
        value = 0.0
        for k in range(200):
            value = (1 - step / 2) ** 2 * value + step
            assert exact[k].item() == pytest.approx(value, rel=1e-12)
            assert chain_moments(step, k + 1)[1] == pytest.approx(value, rel=1e-12)
        assert exact[-1].item() == pytest.approx(1 / (1 - step / 4), rel=1e-9)
        assert stationary_variance(step) == pytest.approx(settled, abs=5e-5)
    # Beyond 4 it grows without bound; at 4 by 4 a step.
    assert variance_by_impulses(4.0, 50)[-1].item() == pytest.approx(200)
    assert chain_moments(4.0, 50)[1] == pytest.approx(200)
    assert variance_by_impulses(4.2, 200)[-1] > 1e8
    assert stationary_variance(4.0) == stationary_variance(4.2) == math.inf

    # n chains give the stationary variance within 4 standard errors, V sqrt(2/n).
    n = 20_000
    x = langevin(linear, torch.zeros(n, 1, dtype=F64), step=1.0, steps=40, generator=generator)
    assert x.var().item() == pytest.approx(4 / 3, abs=4 * 4 / 3 * math.sqrt(2 / n))


def test_the_mean_is_forgotten_geometrically() -> None:
    x = torch.tensor([[3.0, -1.0]], dtype=F64)
    for step in (0.25, 1.0, 3.0):
        end = langevin(linear, x, step=step, steps=7, temperature=0.0)
        torch.testing.assert_close(end, (1 - step / 2) ** 7 * x, rtol=1e-13, atol=0)
        assert chain_moments(step, 7, start_mean=3.0)[0] == pytest.approx(end[0, 0].item(), rel=1e-13)


def test_variance_scales_with_the_target_and_the_temperature() -> None:
    # Units: the chain on N(0, v) with step v * step is the chain on N(0, 1), stretched; noise variance is times tau.
    assert stationary_variance(0.5 * 3, var=3.0) == pytest.approx(3 * stationary_variance(0.5))
    torch.testing.assert_close(
        variance_by_impulses(0.5, 60, temperature=0.3), 0.3 * variance_by_impulses(0.5, 60)
    )
    assert stationary_variance(0.5, temperature=0.3) == pytest.approx(0.3 * stationary_variance(0.5))
    mean, variance = chain_moments(0.5, 400, start_mean=2.0, start_var=5.0, var=2.0, temperature=0.7)
    assert mean == pytest.approx(0, abs=1e-12)
    assert variance == pytest.approx(stationary_variance(0.5, var=2.0, temperature=0.7))


@pytest.mark.parametrize(
    ("drift", "spread", "settled"),
    [(2.0, 1.0, 4 / 7), (1.0, 0.5, 4 / 15), (1.0, math.sqrt(2), 32 / 15), (1.0, 1.0, 16 / 15)],
)
def test_drift_and_noise_belong_together(drift: float, spread: float, settled: float) -> None:
    # At step 1/4: step s, or step noise, or sqrt(2 step) noise, in place of step/2 s and sqrt(step) noise.
    variances, x = 0.0, torch.zeros(300, 1, dtype=F64)
    for noise in torch.eye(300, dtype=F64):
        x = langevin_step(x, drift * linear(x), spread * noise[:, None], 0.25)
        variances = x.square().sum().item()
    assert variances == pytest.approx(settled)


def exact_share(law: GaussianMixture, step: float, steps: int) -> float:
    """The share of chains that end below the line where the modes of ``law`` pull alike, from transition densities.

    The score moves the coordinate u along the diagonal by itself: there the law is that of u. From the square of side 16 u
    starts as a triangle. The grid holds all of the mass to 1e-6.
    """
    spacing = 0.05
    u = torch.arange(-18.0, 18.0, spacing, dtype=F64)
    mass = (8 * math.sqrt(2) - u.abs()).clamp(min=0)
    mass = mass / mass.sum()
    drift = law.score(torch.stack([u, u], -1).float() / math.sqrt(2)).double().sum(-1) / math.sqrt(2)
    kernel = torch.exp(-((u[:, None] - (u + step / 2 * drift)) ** 2) / (2 * step))
    kernel = kernel * spacing / math.sqrt(2 * math.pi * step)
    for _ in range(steps):
        mass = kernel @ mass
    assert mass.sum().item() == pytest.approx(1, abs=1e-6)
    return mass[u < -math.log(4) / (10 * math.sqrt(2))].sum().item()


def test_mode_weight_blindness(generator: torch.Generator) -> None:
    law = GaussianMixture(torch.tensor([[-5.0, -5.0], [5.0, 5.0]]), weights=torch.tensor([0.2, 0.8]), var=1.0)
    n = 5000
    start = 16 * torch.rand(n, 2, generator=generator) - 8

    # Far from the line x + y = -log(4)/10, where both modes pull alike, one responsibility is 1: the basins.
    def small_mode(x: torch.Tensor) -> float:
        return (x.sum(1) < -math.log(4) / 10).float().mean().item()

    # The line cuts a triangle of area (16 - log(4)/10)^2 / 2 off the square of area 256.
    basin = (16 - math.log(4) / 10) ** 2 / 2 / 256
    assert basin == pytest.approx(0.4914, abs=1e-4)
    assert small_mode(start) == pytest.approx(basin, abs=4 * math.sqrt(basin * (1 - basin) / n))
    crossing = exact_share(law, 0.1, 200)
    assert crossing == pytest.approx(basin, abs=0.02)  # a chain that starts near the line may still cross it
    end = small_mode(langevin(law.score, start, step=0.1, steps=200, generator=generator))
    assert end == pytest.approx(crossing, abs=4 * math.sqrt(crossing * (1 - crossing) / n))
    assert end > 2 * 0.2  # the truth is .2
    # Nothing is wrong with the chain: started in the law itself, it stays there.
    start = law.sample((n,), generator=generator)
    held = small_mode(langevin(law.score, start, step=0.1, steps=50, generator=generator))
    assert held == pytest.approx(0.2, abs=4 * math.sqrt(0.16 / n))


def test_path_and_chain_are_the_same_chain() -> None:
    x = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(1), dtype=F64)

    def run(seed: int = 5, every: int = 1) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return langevin_path(linear, x, step=0.3, steps=12, every=every, generator=generator)

    path = run()
    assert path.shape == (13, 6, 2, 3)
    assert torch.equal(path[0], x)
    assert torch.equal(run(every=4), path[::4])
    end = langevin(linear, x, step=0.3, steps=12, generator=torch.Generator().manual_seed(5))
    assert torch.equal(end, path[-1])
    assert not torch.equal(run(seed=6)[-1], path[-1])
    # A score in another dtype does not change that of the chain, and path and chain are still the same.
    for other in (torch.float32, torch.float64):
        start = x.to(torch.float32)
        settings = {"step": 0.3, "steps": 12}
        both = [
            run(
                lambda x, other=other: -x.to(other),
                start,
                generator=torch.Generator().manual_seed(5),
                **settings,
            )
            for run in (langevin, langevin_path)
        ]
        assert both[0].dtype == both[1].dtype == torch.float32
        assert torch.equal(both[0], both[1][-1])
    step = langevin_step(x.float(), -x, torch.zeros_like(x), 0.3)
    assert step.dtype == torch.float32
    # No step: the start, in a memory of its own.
    same = langevin(linear, x, step=0.3, steps=0)
    assert torch.equal(same, x)
    assert same.data_ptr() != x.data_ptr()


def test_a_tensor_step_is_the_same_step() -> None:
    x, noise = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(2), dtype=F64)
    number = langevin_step(x, -x, noise, 0.37, 0.8)
    torch.testing.assert_close(langevin_step(x, -x, noise, torch.tensor(0.37, dtype=F64), 0.8), number)


def test_no_gradient_flows_and_a_score_may_take_one() -> None:
    weight = torch.tensor(1.0, requires_grad=True)

    def by_autograd(x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(-weight * x.square().sum() / 2, x)[0]

    x = torch.ones(3, 1)
    end = langevin(by_autograd, x, step=0.2, steps=5, generator=torch.Generator().manual_seed(0))
    assert not end.requires_grad
    torch.testing.assert_close(
        end, langevin(linear, x, step=0.2, steps=5, generator=torch.Generator().manual_seed(0))
    )


PROGRAM = """
import torch
from torch._dynamo.utils import counters
from gmlib.score import annealed_langevin, geometric_ladder, langevin

torch.set_num_threads(1)
whole = torch.compile
# No code generation, and no break in the graph.
torch.compile = lambda step: whole(step, fullgraph=True, backend="aot_eager")
net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.SiLU(), torch.nn.Linear(8, 2))
x = torch.randn(16, 2)

def both(run):
    return [run(torch.Generator().manual_seed(0), compile) for compile in (False, True)]

for step in (0.1, 0.2):
    torch.testing.assert_close(*both(lambda g, c: langevin(net, x, step=step, steps=9, generator=g, compile=c)))
assert counters["stats"]["unique_graphs"] == 1, counters
conditional = lambda x, sigma: net(x) / (1 + sigma**2)
sigmas = geometric_ladder(4.0, 0.5, 4)
torch.testing.assert_close(
    *both(lambda g, c: annealed_langevin(conditional, x, sigmas, step=0.1, steps=3, generator=g, compile=c))
)
assert counters["stats"]["unique_graphs"] == 2, counters
print("compiled")
"""


@pytest.mark.weekly
def test_the_step_compiles_as_one_graph_for_all_levels() -> None:
    environment = {**os.environ, "JAXTYPING_DISABLE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )
    assert run.stdout.strip() == "compiled", run.stderr[-3000:]


def test_without_a_compiler_it_warns_and_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    x = torch.ones(2, 1)
    settings = {"step": 0.5, "steps": 2, "temperature": 0.0, "compile": True}
    for run in (
        lambda: langevin(linear, x, **settings),
        lambda: langevin_path(linear, x, **settings)[-1],
        lambda: annealed_langevin(lambda x, s: -x, x, torch.ones(1), **settings),
    ):
        with pytest.warns(UserWarning, match="no C\\+\\+ compiler") as warned:
            end = run()
        torch.testing.assert_close(end, 0.75**2 * x)
        assert [w.filename for w in warned] == [__file__]  # once, and at the caller


def test_a_path_compiles_its_step_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def compile(step: object) -> object:
        compiled.append(step)
        return step

    monkeypatch.setattr(torch, "compile", compile)
    monkeypatch.setattr(shutil, "which", lambda name: "c++")
    x = torch.ones(2, 1)
    path = langevin_path(linear, x, step=0.5, steps=10, temperature=0.0, compile=True)
    torch.testing.assert_close(path[-1], 0.75**10 * x)
    assert len(compiled) == 1


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    law = Gaussian(torch.tensor([2.0, -1.0], device="cuda"), var=1.0)
    x = torch.zeros(20_000, 2, device="cuda")

    def run(compile: bool) -> torch.Tensor:
        generator = torch.Generator("cuda").manual_seed(0)
        return langevin(law.score, x, step=1.0, steps=40, generator=generator, compile=compile)

    end = run(False)
    assert end.device.type == "cuda"
    assert end.var(0).tolist() == pytest.approx([4 / 3] * 2, abs=5 * 4 / 3 * math.sqrt(2 / 20_000))
    if os.environ.get("JAXTYPING_DISABLE") == "1":
        torch.testing.assert_close(run(True), end, rtol=1e-4, atol=1e-4)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(3, 2)

    def run(score: object = linear, x: object = x, **settings: object) -> None:
        langevin(score, x, **{"step": 0.1, "steps": 2, **settings})  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="score must be callable, got float"):
        run(score=1.0)
    with pytest.raises(TypeError, match=r"x must be a torch.Tensor, got list"):
        run(x=[0.0])
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        run(x=torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"x must have shape \(batch, \*event\)"):
        run(x=torch.tensor(1.0))
    with pytest.raises(ValueError, match="x must be finite, got 1 NaN"):
        run(x=torch.tensor([[0.0, math.nan]]))
    with pytest.raises(ValueError, match=r"step must be a finite number in \(0, inf"):
        run(step=0.0)
    with pytest.raises(TypeError, match="steps must be an int"):
        run(steps=2.0)
    with pytest.raises(ValueError, match="steps must be at least 0, got -1"):
        run(steps=-1)
    with pytest.raises(ValueError, match="temperature must be"):
        run(temperature=-1.0)
    with pytest.raises(ValueError, match=r"score\(x\) must have the shape \(3, 2\) of x, got shape \(3,\)"):
        run(score=lambda x: x.sum(1))
    with pytest.raises(TypeError, match=r"score\(x\) must be a torch.Tensor, got NoneType"):
        run(score=lambda x: None)
    with pytest.raises(ValueError, match=r"score\(x\) must be on the device cpu of x, got meta"):
        run(score=lambda x: x.to("meta"))
    with pytest.raises(ValueError, match="steps must be a multiple of every = 3, got 4"):
        langevin_path(linear, x, step=0.1, steps=4, every=3)
    with pytest.raises(ValueError, match="every must be at least 1"):
        langevin_path(linear, x, step=0.1, steps=4, every=0)
    with pytest.raises(ValueError, match=r"noise must have the shape \(3, 2\) of x, got \(2,\)"):
        langevin_step(x, x, torch.zeros(2), 0.1)
    with pytest.raises(ValueError, match="step must be a number or a tensor without dimensions"):
        langevin_step(x, x, x, torch.ones(3))
    with pytest.raises(ValueError, match="step must be"):
        langevin_step(x, x, x, -0.1)
    with pytest.raises(ValueError, match="var must be"):
        stationary_variance(0.1, var=0.0)
    with pytest.raises(ValueError, match="start_var must be"):
        chain_moments(0.1, 3, start_var=-1.0)
