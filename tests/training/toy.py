"""A small task, for subprocesses too: a regression with dropout, noise and every option on."""

from __future__ import annotations

import torch
from torch import nn

from gmlib.training import Task

CONFIG = {
    "batch_size": 24,
    "lr": 0.01,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "lr_schedule": "cosine",
    "warmup": 5,
    "grad_clip": 1.0,
    "ema_decay": 0.9,
    "seed": 3,
    "device": "cpu",
    "log_every": 7,
}


def make_task(dropout: float = 0.1) -> Task:
    """The same task, with the same initial weights, each time."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(100, 3, generator=generator)
    y = x.sin().sum(-1, keepdim=True)
    torch.manual_seed(2)
    # No bias before the normalisation: its gradient is rounding error, which Adam would blow up to full
    # steps.
    model = nn.Sequential(
        nn.Linear(3, 16, bias=False), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 1)
    )

    def noise(batch_size: int, generator: torch.Generator, device: torch.device) -> dict[str, torch.Tensor]:
        return {"x": 0.1 * torch.randn(batch_size, 3, generator=generator, device=device)}

    def loss(model: nn.Module, batch: tuple[torch.Tensor, ...], noise: dict[str, torch.Tensor]) -> dict:
        x, y = batch
        error = model(x + noise["x"]) - y
        return {"loss": error.square().mean(), "bias": error.mean()}

    def evaluate(model: nn.Module) -> dict[str, float]:
        return {"mse": (model(x) - y).square().mean().item()}

    return Task(model, loss, (x, y), noise, evaluate)
