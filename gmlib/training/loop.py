"""The training loop."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gmlib.training import _state
from gmlib.training._fingerprint import fingerprint as fingerprint_of
from gmlib.training._pieces import (
    default_generators_kept,
    make_averager,
    make_optimizer,
    progress_bar,
    seed_default,
)
from gmlib.training._turns import Turn, turns_of
from gmlib.training.batches import Batches, seed_from, share
from gmlib.training.config import Task, TrainConfig
from gmlib.training.memory import OutOfMemory, largest_that_fits
from gmlib.training.monitor import READ_EVERY, Monitor
from gmlib.training.processes import Process, join

CHECKPOINT = "checkpoint.safetensors"
"""Name of the checkpoint in a run's folder."""


@dataclass
class TrainResult:
    """A trained model and how it came about.

    Attributes:
        model: the task's model, trained.
        ema: a copy of it with averaged weights, or None when ``ema_decay`` is 0.
        history: ``"step"`` and each term of the loss, one entry a log interval (its mean over the interval,
            the step counted from 1 at its end); ``"evaluate.step"`` and ``"evaluate.NAME"``, one entry an
            evaluation. When players take turns, ``"PLAYER.step"`` and ``"PLAYER.NAME"``, one entry an interval in which
            the player moved.
        steps_per_second: speed of this call after its first step (or round of turns), without evaluations; 0 when it
            did no more.
        seconds: time that the steps took, over all calls that the run was resumed in, with evaluations.
        device: where it ran.
        rank: number of this process; only process 0 writes files.
    """

    model: nn.Module
    ema: nn.Module | None
    history: dict[str, list[float | int]] = field(repr=False)
    steps_per_second: float
    seconds: float
    device: torch.device
    rank: int = 0

    @property
    def final(self) -> nn.Module:
        """The model to use: the averaged one where there is one."""
        return self.model if self.ema is None else self.ema


def train(
    task: Task,
    config: TrainConfig,
    *,
    out: Path | None = None,
    resume: bool = True,
    progress: bool = False,
    fingerprint: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Minimise the task's loss.

    A run that is killed and started again with the same ``out`` goes on from its last checkpoint and, on the
    CPU, ends with the same bits: see :mod:`gmlib.training.batches` for the randomness. torch's default
    generators are seeded before every step as well (for dropout), and given back as they were. A run that is
    about something else (other settings, data, weights by name and shape, or another ``fingerprint``) is
    refused; what the checkpoint cannot know is the code of loss and model, so that an option that only
    changes that belongs into ``fingerprint``. Gradients that the model comes with are dropped.

    Under ``torchrun`` or ``accelerate launch`` the batch and its ``noise`` are shared among the processes, to the
    same numbers as with one, up to rounding. That does not hold for what a model does by itself in training:
    dropout draws from torch's default generator, seeded differently in each process, and batch normalisation
    averages over the share of its process. The numbers of such a run depend on how many processes share it.

    Args:
        task: what to train; its model is trained in place, and moved to the device.
        config: how to train it.
        out: folder for the checkpoint; None keeps none.
        resume: go on from a checkpoint in ``out`` when there is one; otherwise start over.
        progress: show a progress bar (needs tqdm).
        fingerprint: what else the run depends on, as the recipes pass name and options of their task: values
            that JSON knows, nested or not. It is kept in the checkpoint and must be the same on resume.

    Returns:
        The trained model, its average, the history.

    Raises:
        TrainingDiverged: a term of the loss turned NaN or infinite.
        OutOfMemory: a step does not fit into the device's memory; the message has a batch size that does.
        OSError: the checkpoint cannot be written, and the last one stays.
        ValueError: the checkpoint belongs to another run, and the message says what differs; the batch does not
            fit data or processes; the loss does not return a scalar called ``"loss"``; ``fingerprint`` has a key
            "data", "model" or "players", which are filled in here; a trainable weight belongs to none of the players.
        TypeError: ``fingerprint`` holds what JSON does not know.
        ImportError: a progress bar is wanted and tqdm is not installed.

    Example:
        Least squares by gradient descent:

        >>> x = torch.linspace(-1, 1, 64)[:, None]
        >>> def loss(model, batch, noise):
        ...     x, y = batch
        ...     return {"loss": (model(x) - y).square().mean()}
        >>> task = Task(nn.Linear(1, 1), loss, data=(x, 3 * x + 1))
        >>> result = train(task, TrainConfig(steps=400, batch_size=32, lr=0.05, device="cpu"))
        >>> [round(p.item(), 2) for p in result.model.parameters()]
        [3.0, 1.0]
    """
    process = join(config.device)
    about = fingerprint_of(task, {} if fingerprint is None else fingerprint)
    with default_generators_kept(process.device):
        return _train(task, config, process, about, out=out, resume=resume, progress=progress)


def _train(
    task: Task,
    config: TrainConfig,
    process: Process,
    about: dict[str, Any],
    *,
    out: Path | None,
    resume: bool,
    progress: bool,
) -> TrainResult:
    device = process.device
    batches = Batches(
        task.data,
        batch_size=config.batch_size,
        noise=task.noise,
        seed=config.seed,
        device=device,
        rank=process.rank,
        world=process.world,
    )
    model = task.model.to(device)
    turns = turns_of(task, process, compile=config.compile)
    ema = copy.deepcopy(model).requires_grad_(False).eval() if config.ema_decay else None
    optimizer = make_optimizer(model, config, device)
    parameters = optimizer.param_groups[0]["params"]
    average = make_averager(model, ema, config.ema_decay)

    first, history, window, before = 0, {}, [], 0.0
    checkpoint = None if out is None else Path(out) / CHECKPOINT
    good = checkpoint if checkpoint is not None and resume and checkpoint.is_file() else None
    if good is not None:
        kept = _state.load(good, config=config, fingerprint=about, model=model, ema=ema, optimizer=optimizer)
        first, history, window, before = kept["step"], kept["history"], kept["window"], kept["seconds"]

    def move(turn: Turn, batch: Any, noise: Any, step: int, fresh: bool) -> dict[str, Tensor]:
        """One step of the optimiser."""
        with turn.alone():
            with precision:
                terms = turn.objective(batch, noise)
            if fresh:
                _check_terms(terms)
            terms["loss"].backward()
        if config.grad_clip:
            terms = terms | {"grad_norm": nn.utils.clip_grad_norm_(parameters, config.grad_clip)}
        for group in optimizer.param_groups:
            group["lr"] = config.lr_at(step)
        optimizer.step()
        optimizer.zero_grad()
        return terms

    def move_part(turn: Turn, batch: Any, noise: Any, step: int, count: int) -> None:
        """The same with the first rows only, after a step that failed."""
        optimizer.zero_grad()
        move(turn, share(batch, 0, count), share(noise, 0, count), step, fresh=False)

    monitor = Monitor(process, first)
    precision = torch.autocast(device.type, torch.bfloat16) if config.amp else nullcontext()
    started = timed_from = time.perf_counter()
    paused = 0.0
    model.train()
    optimizer.zero_grad()  # what a look at the gradients left is not of this run
    with closing(progress_bar(config.steps, first, shown=progress and process.rank == 0)) as bar:
        for step in range(first, config.steps):
            seed_default(seed_from(config.seed, "model", step, process.rank), device)
            batch, noise = batches.at(step)
            turn, fresh = turns[step % len(turns)], step - first < len(turns)
            try:
                terms = move(turn, batch, noise, step, fresh)
            except torch.OutOfMemoryError as error:
                error = error.with_traceback(None)  # its frames hold what the step had computed
                attempt = partial(move_part, turn, batch, noise, step)
                # Several processes would wait for each other's gradients.
                fits = largest_that_fits(model, config.batch_size, attempt) if process.world == 1 else None
                raise OutOfMemory(step, config.batch_size, fits, process, good) from error
            average()
            monitor.add(turn.label, terms)
            bar.update()

            done = step + 1
            last = done == config.steps
            log = done % config.log_every == 0 or last
            keep = last or (config.checkpoint_every > 0 and done % config.checkpoint_every == 0)
            evaluate = config.evaluate_every > 0 and done % config.evaluate_every == 0
            if log or keep or evaluate or done % READ_EVERY == 0 or fresh:
                window += monitor.read(good)
            if fresh:
                timed_from = time.perf_counter()  # the first steps compile, allocate and warm up
            if log and window:
                for label in dict.fromkeys(turn.label for turn in turns):
                    if entry := _mean(window, label):
                        _append(history, {f"{label}step": done} | entry)
                        bar.set_postfix({f"{label}loss": f"{entry[f'{label}loss']:.4g}"}, refresh=False)
                window = []
            if evaluate and task.evaluate is not None:
                begun = time.perf_counter()
                seed_default(seed_from(config.seed, "evaluate", step), device)
                values = _evaluate(task.evaluate, model if ema is None else ema)
                _append(history, {"evaluate.step": done} | {f"evaluate.{k}": v for k, v in values.items()})
                model.train()
                paused += time.perf_counter() - begun
            if keep:
                monitor.check_parameters(parameters, good)
                if checkpoint is not None:
                    if process.rank == 0:
                        _state.save(
                            checkpoint,
                            step=done,
                            config=config,
                            fingerprint=about,
                            history=history,
                            window=window,
                            seconds=before + time.perf_counter() - started,
                            model=model,
                            ema=ema,
                            optimizer=optimizer,
                        )
                    process.wait()
                    good = checkpoint
    now = time.perf_counter()
    speed = max(0, config.steps - first - len(turns)) / (now - timed_from - paused)
    return TrainResult(model.eval(), ema, history, speed, before + now - started, device, process.rank)


@torch.no_grad()
def _evaluate(evaluate: Callable[[nn.Module], dict[str, float]], model: nn.Module) -> dict[str, float]:
    return {name: float(value) for name, value in evaluate(model.eval()).items()}


def _check_terms(terms: Any) -> None:
    if not isinstance(terms, dict) or not isinstance(terms.get("loss"), Tensor):
        raise ValueError('loss must return a dict of scalar tensors, one of them called "loss"')
    for name, term in terms.items():
        if not isinstance(term, Tensor) or term.dim() != 0:
            shape = tuple(term.shape) if isinstance(term, Tensor) else type(term).__name__
            raise ValueError(f"loss must return scalars (means over the batch), got {shape} for {name!r}")


def _mean(window: list[dict[str, float]], label: str) -> dict[str, float]:
    """Mean of each of one player's terms over the steps that have it; none when the player did not move."""
    rows = [row for row in window if f"{label}loss" in row]
    columns = {name: [row[name] for row in rows if name in row] for row in rows for name in row}
    return {name: sum(values) / len(values) for name, values in columns.items()}


def _append(history: dict[str, list[float | int]], entry: dict[str, float | int]) -> None:
    for name, value in entry.items():
        history.setdefault(name, []).append(value)
