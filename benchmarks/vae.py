"""One training step of the chapter's VAEs: gmlib's loop against a bare torch loop of the same network.

Both do the same work a step: a batch of rows and its noise by index, the negative bound and its two terms, backward,
clipping, fused Adam, exponential moving average. The bare loop does nothing else: no history, no NaN watch, no schedule of
the learning rate, no seeding.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from benchmarks.harness import Row, compare
from gmlib.recipes.vae import digits_vae, mnist_vae
from gmlib.training import Task, TrainConfig, train

CLIP, DECAY, LR = 50.0, 0.99, 1e-4


def bare_loop(
    task: Task, *, steps: int, batch_size: int, device: torch.device, compiled: bool
) -> Callable[[], None]:
    """The yardstick: as little code as the same step can be written in."""
    model = copy.deepcopy(task.model).to(device)
    average = copy.deepcopy(model).requires_grad_(False)
    assert isinstance(task.data, torch.Tensor)
    data = task.data.to(device)
    ours: list[Tensor] = list(average.parameters())
    theirs: list[Tensor] = list(model.parameters())
    move = get_ema_multi_avg_fn(DECAY)
    optimiser = torch.optim.Adam(theirs, lr=LR, fused=True)
    generator = torch.Generator(device).manual_seed(0)
    loss = task.loss
    step_loss = (
        torch.compile(lambda x, noise: loss(model, x, noise)) if compiled else lambda x, n: loss(model, x, n)
    )
    assert task.noise is not None
    draw = task.noise

    def run() -> None:
        model.train()
        for _ in range(steps):
            index = torch.randint(len(data), (batch_size,), generator=generator, device=device)
            terms = step_loss(data[index], draw(batch_size, generator, device))
            terms["loss"].backward()
            nn.utils.clip_grad_norm_(theirs, CLIP)
            optimiser.step()
            optimiser.zero_grad()
            with torch.no_grad():
                move(ours, theirs, None)  # pyright: ignore[reportArgumentType]

    return run


def gmlib_loop(
    task: Task, *, steps: int, batch_size: int, device: torch.device, compiled: bool
) -> Callable[[], Any]:
    """gmlib's training loop, called anew each round: its set-up counts too."""
    task = Task(copy.deepcopy(task.model), task.loss, task.data, task.noise)
    config = TrainConfig(
        steps=steps,
        batch_size=batch_size,
        lr=LR,
        grad_clip=CLIP,
        ema_decay=DECAY,
        checkpoint_every=0,
        log_every=steps,
        device=str(device),
        compile=compiled,
    )
    return lambda: train(task, config)


def run(*, rounds: int, clock: str) -> list[Row]:
    """Time both loops, eager and compiled, on digits and MNIST."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = []
    for name, task, steps, batch_size in (
        ("digits (MLP), batch 64", digits_vae(), 200, 64),
        ("MNIST (conv), batch 128", mnist_vae(), 200 if device.type == "cuda" else 12, 128),
    ):
        for compiled in (False, True):
            work = {"steps": steps, "batch_size": batch_size, "device": device, "compiled": compiled}
            kind = "compiled" if compiled else "eager"
            contenders = {
                f"bare loop, {kind}": bare_loop(task, **work),
                f"gmlib.training, {kind}": gmlib_loop(task, **work),
            }
            rows += compare(f"{name}, {kind}", contenders, rounds=rounds, clock=clock, units=steps)
    return rows
