"""What the loop is put together from: optimiser, averaged weights, compilation, seeds, progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gmlib._compiler import compiler_found
from gmlib._extras import require
from gmlib.training.config import TrainConfig


def make_optimizer(model: nn.Module, config: TrainConfig, device: torch.device) -> torch.optim.Optimizer:
    """The optimiser of the model's trainable weights, in its fastest form for the device."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    fused = device.type in ("cuda", "cpu")
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=fused)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
    betas = (float(config.beta1), 0.999)
    return kind(parameters, lr=config.lr, betas=betas, weight_decay=config.weight_decay, fused=fused)


def make_averager(model: nn.Module, ema: nn.Module | None, decay: float) -> Callable[[], None]:
    r"""A function that moves the averaged weights one step towards the model's, in one call for all of them.

    .. math:: \bar\theta \leftarrow \lambda \bar\theta + (1 - \lambda) \theta

    from the initial weights on, without a warm-up of the decay :math:`\lambda`. Buffers (running statistics,
    which are averages already) are copied.
    """
    if ema is None:
        return lambda: None
    target: list[Tensor] = list(ema.parameters())
    source: list[Tensor] = list(model.parameters())
    buffers = list(zip(ema.buffers(), model.buffers(), strict=True))
    move = get_ema_multi_avg_fn(decay)

    @torch.no_grad()
    def average() -> None:
        move(target, source, None)  # pyright: ignore[reportArgumentType]
        for ours, theirs in buffers:
            ours.copy_(theirs)

    return average


def compiled(objective: nn.Module, wanted: bool) -> nn.Module:
    """``objective``, compiled in place when that is ``wanted`` and there is a C++ compiler; warns when there is none."""
    if wanted and compiler_found("compile = true"):
        objective.compile()
    return objective


def seed_default(seed: int, device: torch.device) -> None:
    """Seed torch's default generators of the CPU and of ``device``."""
    # Not torch.manual_seed: it visits every kind of device there could be and takes as long as a small layer.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[_cuda_index(device)].manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


@contextmanager
def default_generators_kept(device: torch.device) -> Iterator[None]:
    """Give torch's default generators of the CPU and of ``device`` back as they were."""
    with torch.random.fork_rng(devices=[_cuda_index(device)] if device.type == "cuda" else []):
        if device.type != "mps":
            yield
            return
        state = torch.mps.get_rng_state()  # fork_rng knows devices by number, and MPS has none
        try:
            yield
        finally:
            torch.mps.set_rng_state(state)


def _cuda_index(device: torch.device) -> int:
    # "cuda" is where torch.cuda.set_device points, not device 0.
    return torch.cuda.current_device() if device.index is None else device.index


class _NoBar:
    def update(self) -> None: ...
    def set_postfix(self, *_: Any, **__: Any) -> None: ...
    def close(self) -> None: ...


def progress_bar(total: int, initial: int, *, shown: bool) -> Any:
    """A tqdm bar, or something that takes the same calls and shows nothing."""
    if not shown:
        return _NoBar()
    tqdm = require("tqdm", extra="train", purpose="for a progress bar").tqdm
    return tqdm(total=total, initial=initial, unit="step", dynamic_ncols=True)
