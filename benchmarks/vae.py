"""One training step of the chapter's VAEs: gmlib's loop against a bare torch loop of the same network.

Both do the same work a step: a batch of rows and its noise by index, the negative bound and its two terms, backward,
clipping, fused Adam, exponential moving average. The bare loop does nothing else: no history, no NaN watch, no schedule of
the learning rate, no seeding. The first steps, which compile and allocate, are not counted on either side.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from benchmarks.harness import Row, compare, now
from gmlib.recipes.vae import digits_vae, mnist_vae
from gmlib.training import Task, TrainConfig, train

CLIP, DECAY, LR = 50.0, 0.99, 1e-4
WARM = 3
"""Steps before the clock starts."""


@dataclass(frozen=True)
class Work:
    """How much of what to do in a round."""

    task: Task
    steps: int
    batch_size: int
    device: torch.device
    compiled: bool
    clock: str


def bare_loop(work: Work) -> Callable[[], float]:
    """The yardstick: as little code as the same step can be written in."""
    task, device = work.task, work.device
    model = copy.deepcopy(task.model).to(device)
    average = copy.deepcopy(model).requires_grad_(False)
    assert isinstance(task.data, Tensor)
    assert task.noise is not None
    data, draw, loss = task.data.to(device), task.noise, task.loss
    assert not isinstance(loss, tuple)  # one player
    ours: list[Tensor] = list(average.parameters())
    theirs: list[Tensor] = list(model.parameters())
    move = get_ema_multi_avg_fn(DECAY)
    optimiser = torch.optim.Adam(theirs, lr=LR, fused=True)
    generator = torch.Generator(device).manual_seed(0)

    def step_loss(x: Tensor, noise: Tensor) -> dict[str, Tensor]:
        return loss(model, x, noise)

    if work.compiled:
        step_loss = torch.compile(step_loss)

    def run() -> float:
        model.train()
        start = 0.0
        for step in range(work.steps + WARM):
            if step == WARM:
                start = now(work.clock)
            index = torch.randint(len(data), (work.batch_size,), generator=generator, device=device)
            terms = step_loss(data[index], draw(work.batch_size, generator, device))
            terms["loss"].backward()
            nn.utils.clip_grad_norm_(theirs, CLIP)
            optimiser.step()
            optimiser.zero_grad()
            with torch.no_grad():
                move(ours, theirs, None)  # pyright: ignore[reportArgumentType]
        return (now(work.clock) - start) / work.steps

    return run


def gmlib_loop(work: Work) -> Callable[[], float]:
    """gmlib's training loop; its own request for noise, once a step, tells when to start the clock."""
    draw = work.task.noise
    assert draw is not None
    marks: list[float] = []

    def noise(n: int, generator: torch.Generator, device: torch.device) -> Tensor:
        marks.append(now(work.clock) if len(marks) == WARM else 0.0)
        return draw(n, generator, device)

    task = Task(copy.deepcopy(work.task.model), work.task.loss, work.task.data, noise)
    config = TrainConfig(
        steps=work.steps + WARM,
        batch_size=work.batch_size,
        lr=LR,
        grad_clip=CLIP,
        ema_decay=DECAY,
        checkpoint_every=0,
        log_every=work.steps + WARM,
        device=str(work.device),
        compile=work.compiled,
    )

    def run() -> float:
        marks.clear()
        train(task, config)
        return (now(work.clock) - marks[WARM]) / work.steps

    return run


def run(*, rounds: int, clock: str) -> list[Row]:
    """Time both loops, eager and compiled, on digits and MNIST."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = []
    for name, task, steps, batch_size in (
        ("digits (MLP), batch 64", digits_vae(), 200, 64),
        ("MNIST (conv), batch 128", mnist_vae(), 200 if device.type == "cuda" else 12, 128),
    ):
        for compiled in (False, True):
            work = Work(task, steps, batch_size, device, compiled, clock)
            kind = "compiled" if compiled else "eager"
            contenders = {f"bare loop, {kind}": bare_loop(work), f"gmlib.training, {kind}": gmlib_loop(work)}
            rows += compare(f"{name}, {kind}", contenders, rounds=rounds, clock=clock)
    return rows
