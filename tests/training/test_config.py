"""Settings, the learning rate of a step, and which settings change the numbers."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import nn

from gmlib.training import Task, TrainConfig, resolve_device


def test_constant_with_warmup() -> None:
    config = TrainConfig(steps=10, lr=2.0, warmup=4)
    assert [config.lr_at(s) for s in range(6)] == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]


def test_cosine_equals_torch() -> None:
    config = TrainConfig(steps=50, lr=0.3, lr_schedule="cosine")
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50)
    for step in range(50):
        assert math.isclose(config.lr_at(step), scheduler.get_last_lr()[0], abs_tol=1e-12)
        optimizer.step()
        scheduler.step()


def test_differences() -> None:
    config = TrainConfig(steps=10, lr=0.1)
    same = dataclasses.asdict(TrainConfig(steps=20, lr=0.1, log_every=1, device="cpu", compile=True))
    assert config.differences(same) == []
    assert config.differences(same | {"lr": 0.2}) == ["lr: 0.2, not 0.1"]
    cosine = TrainConfig(steps=10, lr=0.1, lr_schedule="cosine")
    assert cosine.differences(dataclasses.asdict(cosine) | {"steps": 20}) == ["steps: 20, not 10"]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("steps", 0, ValueError),
        ("steps", 1.5, TypeError),
        ("batch_size", -1, ValueError),
        ("lr", 0.0, ValueError),
        ("lr", math.nan, ValueError),
        ("lr", "fast", TypeError),
        ("optimizer", "rmsprop", ValueError),
        ("beta1", 1.0, ValueError),
        ("beta1", "low", TypeError),
        ("lr_schedule", "linear", ValueError),
        ("warmup", -1, ValueError),
        ("weight_decay", -0.1, ValueError),
        ("grad_clip", -1.0, ValueError),
        ("ema_decay", 1.0, ValueError),
        ("amp", "yes", TypeError),
        ("compile", 1, TypeError),
        ("seed", -1, ValueError),
        ("device", torch.device("cpu"), TypeError),
        ("device", 0, TypeError),
        ("log_every", 0, ValueError),
    ],
)
def test_bad_config(field: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=field):
        TrainConfig(**({"steps": 10} | {field: value}))


@pytest.mark.bad_input
def test_momentum_of_plain_descent() -> None:
    with pytest.raises(ValueError, match="beta1 must be left out for sgd"):
        TrainConfig(steps=10, optimizer="sgd", beta1=0.5)


@pytest.mark.bad_input
def test_bad_task() -> None:
    def loss(model: Any, batch: Any, noise: Any) -> dict:
        return {}

    model, x = nn.Linear(1, 1), torch.zeros(3, 1)
    with pytest.raises(TypeError, match="model must be"):
        Task("model", loss, x)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="data must be"):
        Task(model, loss, [x])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"data must have the same number of rows .* got \(3, 1\), \(2, 1\)"):
        Task(model, loss, (x, x[:2]))
    with pytest.raises(ValueError, match="data must have the same number of rows"):
        Task(model, loss, x[:0])


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["gpu", "cuda:", "quantum"])
def test_bad_device(name: str) -> None:
    with pytest.raises(ValueError, match="device must be"):
        resolve_device(name)


@pytest.mark.bad_input
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_absent_device() -> None:
    with pytest.raises(ValueError, match="device must exist on this machine, got 'cuda'"):
        resolve_device("cuda")
