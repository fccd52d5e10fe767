"""Seeding and giving back the default generators, on devices that this machine need not have."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import pytest
import torch

from gmlib.training import _pieces


@pytest.mark.parametrize(("name", "index"), [("cuda", 1), ("cuda:0", 0), ("cuda:1", 1)])
def test_cuda_without_a_number_is_the_current_device(
    monkeypatch: pytest.MonkeyPatch, name: str, index: int
) -> None:
    """After torch.cuda.set_device(1), "cuda" is device 1."""
    generators = (torch.Generator(), torch.Generator())
    forked: list[Any] = []

    @contextmanager
    def fork_rng(devices: Any) -> Any:
        forked.append(list(devices))
        yield

    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "default_generators", generators)
    monkeypatch.setattr(torch.random, "fork_rng", fork_rng)
    state = torch.get_rng_state()
    with _pieces.default_generators_kept(torch.device(name)):
        _pieces.seed_default(12345, torch.device(name))
    torch.set_rng_state(state)
    assert forked == [[index]]
    assert [g.initial_seed() == 12345 for g in generators] == [index == 0, index == 1]


def test_mps_generator_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.random.fork_rng leaves MPS as it is."""
    held = {"state": torch.tensor([7])}
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: held["state"].clone())
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda state: held.update(state=state))
    monkeypatch.setattr(torch.mps, "manual_seed", lambda seed: held.update(state=torch.tensor([seed])))
    device, before = torch.device("mps"), torch.get_rng_state()

    def fail() -> None:
        with _pieces.default_generators_kept(device):
            _pieces.seed_default(3, device)
            assert held["state"].item() == 3
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert held["state"].item() == 7
    assert torch.equal(torch.get_rng_state(), before)
