"""What several tests of recipes compute by hand, or put in the place of trained weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import pytest
from torch import nn


@pytest.fixture
def alpha_sigma() -> Callable[[float], tuple[float, float]]:
    """The cosine schedule, by hand."""

    def at(t: float) -> tuple[float, float]:
        alpha = math.cos(0.5 * math.pi * (t + 0.008) / 1.008) / math.cos(0.5 * math.pi * 0.008 / 1.008)
        return alpha, math.sqrt(1 - alpha**2)

    return at


@pytest.fixture
def leave_untrained(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType], list[str]]:
    """Let a module's `load_into` give back the model as it is; the list fills with the names that are asked for."""

    def stand_in(module: ModuleType) -> list[str]:
        asked: list[str] = []

        def untrained(model: nn.Module, name: str) -> nn.Module:
            asked.append(name)
            return model

        monkeypatch.setattr(module, "load_into", untrained)
        return asked

    return stand_in
