"""Densities with gradients, and draws, of three kinds of flow: gmlib beside zuko, nflows, normflows and torchdiffeq.

* Rational-quadratic spline couplings and masked autoregressive flows on the plane, 4,096 points (`flow_peers`).
* A continuous flow at equal error: one velocity network, tolerances 1e-5, 2,048 points (`continuous_peers`). `error` is
  the largest difference to a solution in double precision at a tolerance of 1e-10, `gradient_error` that of the gradient,
  relative to its norm; `evaluations` are calls of the network on the way there.

`peak` is the memory in MB that one call holds at most; `parameters` are equal where contenders stand side by side. On a GPU
the sizes are 65,536 points (32,768 for the continuous flow) and conditioners 128 wide.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from benchmarks import continuous_peers as continuous
from benchmarks.flow_peers import Contender, autoregressive, couplings
from benchmarks.harness import Row, compare, peak_mb
from gmlib.distributions import eight_gaussians

Work = Callable[[], None]


def training(
    contender: Contender | continuous.Contender, log_prob: Callable[[Tensor], Tensor], x: Tensor
) -> Work:
    """The gradient of the mean negative log-likelihood."""
    module = contender.module if isinstance(contender, Contender) else contender.velocity

    def work() -> None:
        module.zero_grad(set_to_none=True)
        (-log_prob(x).mean()).backward()

    return work


def without_gradients(function: Callable[[], Tensor]) -> Work:
    """The function, not recorded."""

    def work() -> None:
        with torch.no_grad():
            function()

    return work


def compiled(contender: Contender, x: Tensor) -> Contender | None:
    """The same, compiled for these shapes; None if torch cannot."""
    log_prob = torch.compile(contender.log_prob, dynamic=False)
    sample = torch.compile(contender.sample, dynamic=False)
    found = Contender(contender.module, contender.networks, log_prob, sample)
    try:
        training(found, log_prob, x)()
        without_gradients(lambda: sample(len(x)))()
    except Exception as error:
        print(f"does not compile: {type(error).__name__}: {str(error).splitlines()[0][:100]}", flush=True)
        return None
    return found


def timed(case: str, works: Mapping[str, Work], *, rounds: int, clock: str, units: int = 1) -> list[Row]:
    """Compare, and note the memory that each needs at its highest."""
    rows = compare(
        case, {n: repeated(w, units) for n, w in works.items()}, rounds=rounds, clock=clock, units=units
    )
    for row in rows:
        row.extra["peak"] = round(peak_mb(works[row.contender]), 2)
    return rows


def repeated(work: Work, times: int) -> Work:
    """The work, so many times."""

    def several() -> None:
        for _ in range(times):
            work()

    return several


def discrete(
    kind: str,
    contenders: dict[str, Contender],
    x: Tensor,
    *,
    compile: tuple[str, ...],
    rounds: int,
    clock: str,
) -> list[Row]:
    """Training steps and draws of flows made of layers."""
    for contender in contenders.values():
        contender.module.to(x.device)
    for name in compile:
        found = compiled(contenders[name], x)
        if found is not None:
            contenders = {**contenders, f"{name}, compiled": found}
    steps = {name: training(c, c.log_prob, x) for name, c in contenders.items()}
    draws = {name: without_gradients(lambda c=c: c.sample(len(x))) for name, c in contenders.items()}
    settings: dict[str, Any] = {"rounds": rounds, "clock": clock, "units": 3}
    rows = timed(f"{kind}, log_prob and gradient", steps, **settings)
    rows += timed(f"{kind}, sampling", draws, **settings)
    for row in rows:
        row.extra["parameters"] = contenders[row.contender].size
    return rows


def gradient(contender: continuous.Contender, x: Tensor) -> Tensor:
    """The gradient of the mean negative log-likelihood, as one vector in double precision."""
    training(contender, contender.log_prob, x)()
    return torch.cat(
        [p.grad.flatten().double() for p in contender.velocity.parameters() if p.grad is not None]
    )


def solved(n: int, *, rounds: int, clock: str, device: torch.device) -> list[Row]:
    """Densities, gradients and draws of a continuous flow."""
    velocity = continuous.steep_velocity().to(device)
    x = eight_gaussians(0.3).sample((n,)).to(device)
    u = torch.randn(n, 2, device=device)
    contenders = {
        "torchdiffeq": continuous.with_torchdiffeq(continuous.like(velocity)),
        "zuko": continuous.with_zuko(continuous.like(velocity)),
        "gmlib": continuous.with_gmlib(continuous.like(velocity)),
    }
    frugal = {
        "torchdiffeq, adjoint": continuous.with_torchdiffeq(continuous.like(velocity), adjoint=True),
        "gmlib, adjoint": continuous.with_gmlib(continuous.like(velocity), adjoint=True),
    }
    tight = continuous.with_torchdiffeq(continuous.like(velocity.double()), tolerance=1e-10)
    assert tight.push is not None
    with torch.no_grad():
        true_x, true_log_prob = tight.push(u.double()), tight.log_prob(x.double())
    true_gradient = gradient(tight, x.double())

    draws = {k: without_gradients(lambda c=c: c.push(u)) for k, c in contenders.items()}  # type: ignore[misc]
    rows = timed("continuous, sampling", draws, rounds=rounds, clock=clock)
    for row in rows:
        contender = contenders[row.contender]
        assert contender.push is not None
        contender.velocity.asked = 0
        with torch.no_grad():
            row.extra["error"] = float((contender.push(u) - true_x).abs().max())
        row.extra["evaluations"] = contender.velocity.asked

    values = {k: without_gradients(lambda c=c: c.log_prob(x)) for k, c in contenders.items()}
    found = timed("continuous, log_prob", values, rounds=rounds, clock=clock)
    everyone = contenders | frugal
    steps = {k: training(c, c.log_prob, x) for k, c in everyone.items()}
    found += timed("continuous, log_prob and gradient", steps, rounds=rounds, clock=clock)
    for row in found:
        contender = everyone[row.contender]
        contender.velocity.asked = 0
        with torch.no_grad():
            row.extra["error"] = float((contender.log_prob(x) - true_log_prob).abs().max())
        row.extra["evaluations"] = contender.velocity.asked
        if row.case.endswith("gradient"):
            missed = gradient(contender, x) - true_gradient
            row.extra["gradient_error"] = float(missed.norm() / true_gradient.norm())
    for row in rows + found:
        print(f"{row.case:<36} {row.contender:<22} {row.extra}")
    return rows + found


def run(*, rounds: int, clock: str) -> list[Row]:
    """The GPU's sizes where there is one, otherwise the CPU's."""
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    points, hidden = (65_536, 128) if gpu else (4096, 64)
    torch.manual_seed(0)
    # normflows and nflows say at each layer that they would rather scale a residual network's outputs.
    warnings.filterwarnings("ignore", "Inputs to the softmax are not scaled down")
    x = eight_gaussians(0.3).sample((points,)).to(device)
    # nflows and normflows pick the points inside a spline's interval by Boolean masks, which torch compiles in pieces only.
    whole = ("zuko", "gmlib")
    rows = discrete("RQ coupling", couplings(hidden), x, compile=whole, rounds=rounds, clock=clock)
    everybody = ("zuko", "nflows", "normflows", "gmlib")
    rows += discrete("MAF", autoregressive(hidden), x, compile=everybody, rounds=rounds, clock=clock)
    return rows + solved(points // 2, rounds=rounds, clock=clock, device=device)
