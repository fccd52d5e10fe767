"""Batches: every row once an epoch, a function of seed and step alone, shared without changing the numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch

from gmlib.training.batches import Batches, seed_from, share

CPU = torch.device("cpu")


def noise(batch_size: int, generator: torch.Generator, device: torch.device) -> Any:
    return {"z": (torch.randn(batch_size, 2, generator=generator, device=device), None)}


def make(rank: int = 0, world: int = 1, seed: int = 0, batch_size: int = 6) -> Batches:
    data = (torch.arange(20), torch.arange(40.0).reshape(20, 2))
    return Batches(data, batch_size=batch_size, noise=noise, seed=seed, device=CPU, rank=rank, world=world)


def test_each_row_once_an_epoch() -> None:
    batches = make()
    rows = torch.cat([batches.indices(step) for step in range(10)])  # 60 rows, three epochs of 20
    epochs = rows.reshape(3, 20)
    assert all(sorted(epoch.tolist()) == list(range(20)) for epoch in epochs)
    assert not torch.equal(epochs[0], epochs[1])


def test_rows_go_together() -> None:
    (first, second), _ = make().at(2)
    assert torch.equal(second[:, 0], 2.0 * first)


def test_steps_stand_alone() -> None:
    """Any order of steps gives the same batches: nothing is carried from one to the next."""
    forwards, backwards = make(), make()
    there = [forwards.at(step) for step in range(12)]
    back = [backwards.at(step) for step in reversed(range(12))][::-1]
    for (a, u), (b, v) in zip(there, back, strict=True):
        assert torch.equal(a[0], b[0])
        assert torch.equal(u["z"][0], v["z"][0])
    assert not torch.equal(there[0][1]["z"][0], there[1][1]["z"][0])


def test_seed_matters() -> None:
    one, two = make(seed=1).at(0), make(seed=2).at(0)
    assert not torch.equal(one[0][0], two[0][0])
    assert not torch.equal(one[1]["z"][0], two[1]["z"][0])


@pytest.mark.parametrize("world", [2, 3, 6])
def test_shares_make_the_whole(world: int) -> None:
    whole = make()
    shares = [make(rank, world) for rank in range(world)]
    for step in range(7):
        batch, drawn = whole.at(step)
        parts = [s.at(step) for s in shares]
        assert torch.equal(batch[1], torch.cat([b[1] for b, _ in parts]))
        assert torch.equal(drawn["z"][0], torch.cat([n["z"][0] for _, n in parts]))


def test_share_keeps_the_form() -> None:
    class Pair(NamedTuple):
        a: torch.Tensor
        b: list[torch.Tensor | None]

    pair = share(Pair(torch.arange(4), [torch.arange(8).reshape(4, 2), None]), 1, 3)
    assert isinstance(pair, Pair)
    assert pair.a.tolist() == [1, 2]
    assert isinstance(pair.b, list)
    assert pair.b[1] is None


def test_seeds_differ() -> None:
    seeds = {seed_from(k, kind, s) for k in range(5) for kind in ("noise", "epoch") for s in range(200)}
    assert len(seeds) == 2000
    assert all(0 <= seed < 2**63 for seed in seeds)
    # Also in the 32 bits that torch's CPU generator keeps.
    assert len({seed % 2**32 for seed in seeds}) > 1990


@pytest.mark.bad_input
def test_batch_does_not_fit() -> None:
    with pytest.raises(ValueError, match="batch_size must be a multiple of the 4 processes, got 6"):
        make(world=4)
    with pytest.raises(ValueError, match="batch_size must be at most the 20 rows of the data, got 21"):
        make(batch_size=21)
