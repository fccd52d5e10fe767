"""One training step of each score-matching loss, and annealed Langevin sampling.

Three comparisons, each on equal networks and batches, on data of 2, 64 and 784 coordinates (projections are signs on both
sides, drawn each in its own way; implicit score matching takes its products in chunks, `chunk_of`, the peers one by one):

* an energy E(x), where gmlib differentiates it through `energy_score` and the peer is torchebm;
* a free field s(x), where the peer is the published form of each loss, written below with nothing around it;
* what a step of gmlib's costs as the dimension grows: products with the Jacobian (counted) and time, beside denoising.

Then 4,096 annealed Langevin chains of 1,000 steps in a score network: a plain loop against gmlib's, compiled and not.
`peak` is the memory in MB that one step holds at most, beyond weights and optimiser.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torchebm.core import BaseModel
from torchebm.losses import DenoisingScoreMatching, ScoreMatching, SlicedScoreMatching

from benchmarks.harness import Row, compare, peak_mb
from gmlib.nn import MLP
from gmlib.score import (
    annealed_langevin,
    denoising_score_matching,
    energy_score,
    geometric_ladder,
    implicit_score_matching,
    mlp_score,
    projections,
    sliced_score_matching,
)

DIMENSIONS = (2, 64, 784)
BATCH, WIDTH, SIGMA = 64, 128, 0.5
CHAINS, LEVELS, STEPS = 4096, 10, 100
FEW = 5
"""Rounds of what takes seconds."""
MANY = 5
"""Times as many rounds of what takes milliseconds, each of them short: a shared processor changes within a second."""

Loss = Callable[[Tensor], Tensor]
Field = Callable[[Tensor], Tensor]


class Energy(BaseModel):
    """An energy as torchebm wants it: a network from a point to a number."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.net = MLP([d, WIDTH, WIDTH, 1])

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).squeeze(-1)


def chunk_of(d: int) -> int:
    """Products that implicit score matching sends through the network at once."""
    return min(d, 64)


def ours(score: Field, d: int) -> dict[str, Loss]:
    """gmlib's losses of a score."""
    return {
        "DSM": lambda x: denoising_score_matching(score, x, torch.randn_like(x), SIGMA).total.mean(),
        "SSM": lambda x: sliced_score_matching(score, x, projections(x)).total.mean(),
        "ISM": lambda x: implicit_score_matching(score, x, chunk=chunk_of(d)).total.mean(),
    }


def published(score: Field, d: int) -> dict[str, Loss]:
    """The losses as they are printed, for a free field."""

    def denoising(x: Tensor) -> Tensor:
        noisy = x + SIGMA * torch.randn_like(x)
        return 0.5 * (score(noisy) + (noisy - x) / SIGMA**2).square().sum(-1).mean()

    def sliced(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        v = torch.randn_like(x).sign()
        along = (score(x) * v).sum(-1)
        (back,) = torch.autograd.grad(along.sum(), x, create_graph=True)
        return (0.5 * along.square() + (back * v).sum(-1)).mean()

    def implicit(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        value = score(x)
        trace = torch.zeros_like(x[:, 0])
        for i in range(d):
            trace = trace + torch.autograd.grad(value[:, i].sum(), x, create_graph=True)[0][:, i]
        return (0.5 * value.square().sum(-1) + trace).mean()

    return {"DSM": denoising, "SSM": sliced, "ISM": implicit}


def packaged(energy: Energy) -> dict[str, Loss]:
    """torchebm's losses of an energy."""
    return {
        "DSM": DenoisingScoreMatching(model=energy, noise_scale=SIGMA),
        "SSM": SlicedScoreMatching(model=energy, n_projections=1),
        "ISM": ScoreMatching(model=energy, hessian_method="exact"),
    }


def training_step(net: nn.Module, loss: Loss, x: Tensor) -> Callable[[], None]:
    """A step: loss, backward, Adam."""
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        loss(x).backward()
        optimiser.step()
        optimiser.zero_grad()

    step()  # the optimiser's state is not the step's memory
    return step


def repeated(step: Callable[[], None], times: int) -> Callable[[], None]:
    """The step, so many times."""

    def work() -> None:
        for _ in range(times):
            step()

    return work


@contextmanager
def counted() -> Iterator[list[int]]:
    """Count the products with a Jacobian that go through ``torch.autograd.grad``."""
    counts, grad = [0], torch.autograd.grad

    def counting(outputs: Any, inputs: Any, grad_outputs: Any = None, **rest: Any) -> Any:
        counts[0] += len(grad_outputs) if rest.get("is_grads_batched") else 1
        return grad(outputs, inputs, grad_outputs, **rest)

    torch.autograd.grad = counting
    try:
        yield counts
    finally:
        torch.autograd.grad = grad


def losses(rounds: int, clock: str, device: torch.device) -> list[Row]:
    """The training steps of both kinds of network, peer first, and gmlib's own beside each other."""
    rows = []
    for d in DIMENSIONS:
        x = torch.randn(BATCH, d, device=device)
        own: dict[str, Callable[[], None]] = {}
        for kind in ("energy", "field"):
            for name in ("DSM", "SSM", "ISM"):
                nets = [Energy(d) if kind == "energy" else MLP([d, WIDTH, WIDTH, d]) for _ in range(2)]
                theirs, mine = (net.to(device) for net in nets)
                mine.load_state_dict(theirs.state_dict())
                peer = packaged(theirs) if isinstance(theirs, Energy) else published(theirs, d)
                score = energy_score(mine) if kind == "energy" else mine
                steps = {
                    "torchebm" if kind == "energy" else "as published": training_step(theirs, peer[name], x),
                    "gmlib.score": training_step(mine, ours(score, d)[name], x),
                }
                slow = name == "ISM" and d == 784
                quick = name != "ISM" or d == 2
                times = 12 if quick else 1
                rows += compare(
                    f"{kind}, {name}, d = {d}",
                    {who: repeated(step, times) for who, step in steps.items()},
                    rounds=min(rounds, FEW) if slow else MANY * rounds if quick else rounds,
                    clock=clock,
                    units=times,
                )
                for row, step in zip(rows[-2:], steps.values(), strict=True):
                    row.extra["peak"] = round(peak_mb(step), 2)
                if kind == "field":
                    own[name] = steps["gmlib.score"]
        rows += compare(
            f"cost of a loss, d = {d}",
            {name: repeated(step, 2 if d == 784 else 20) for name, step in own.items()},
            rounds=min(rounds, FEW),
            clock=clock,
            units=2 if d == 784 else 20,
        )
        for row, step in zip(rows[-3:], own.values(), strict=True):
            with counted() as counts:
                step()
            row.extra["products"] = counts[0]
    return rows


def plain_loop(score: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigmas: Tensor, step: float) -> Tensor:
    """Annealed Langevin dynamics in as little code as it can be written in."""
    with torch.no_grad():
        for sigma in sigmas:
            delta = step * (sigma / sigmas[-1]) ** 2
            for _ in range(STEPS):
                x = x + delta / 2 * score(x, sigma) + delta.sqrt() * torch.randn_like(x)
    return x


def sampling(rounds: int, clock: str, device: torch.device) -> list[Row]:
    """Annealed Langevin dynamics in the score network of the chapter's widget."""
    score = mlp_score(2, [64, 64]).to(device).eval()
    sigmas = geometric_ladder(5.0, 0.5, LEVELS).to(device)
    x = 5 * torch.randn(CHAINS, 2, device=device)

    def sampler(compile: bool) -> Callable[[], None]:
        def work() -> None:
            annealed_langevin(score, x, sigmas, step=0.05, steps=STEPS, compile=compile)

        return work

    def plain() -> None:
        plain_loop(score, x, sigmas, 0.05)

    contenders: dict[str, Callable[[], None]] = {
        "plain loop": plain,
        "gmlib.score": sampler(False),
        "gmlib.score, compiled": sampler(True),
    }
    return compare(f"sampling, {CHAINS} x {LEVELS * STEPS}", contenders, rounds=min(rounds, FEW), clock=clock)


def run(*, rounds: int, clock: str) -> list[Row]:
    """Time losses and sampling."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    gc.collect()
    gc.freeze()  # or the harness goes through all modules again between any two of the many rounds
    return losses(rounds, clock, device) + sampling(rounds, clock, device)
