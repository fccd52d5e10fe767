"""What the benchmark of guidance compares: equal draws, at as many calls of the network as each row says."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmarks.guidance import (
    BARE,
    BY_HAND,
    OURS,
    STEPS,
    THEIRS,
    UNGUIDED,
    Preset,
    check,
    contenders,
    talkative,
)

TINY = Preset("tiny", (8, 8), 2, (3,))


@pytest.mark.slow  # the import of diffusers
def test_the_benchmark_compares_equal_draws() -> None:
    model = talkative(TINY)
    x, label = torch.randn(3, 1, 28, 28), torch.tensor([0, 4, 9])
    check(model, x, label)

    sizes: list[int] = []

    def note(network: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        sizes.append(len(inputs[0]))

    assert isinstance(model.network, torch.nn.Module)
    model.network.register_forward_pre_hook(note)
    wanted = {BARE: [6], OURS: [6], BY_HAND: [3, 3], THEIRS: [3, 3], UNGUIDED: [3]}
    found = contenders(model, x, label)
    assert list(found) == list(wanted)
    for name, draw in found.items():
        sizes.clear()
        draw()
        assert sizes == STEPS * wanted[name], name
