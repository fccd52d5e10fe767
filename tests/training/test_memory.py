"""A step that does not fit into memory: a model that is short of it above a number of rows stands for the GPU."""

from __future__ import annotations

import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from toy import CONFIG, make_task

from gmlib.training import CHECKPOINT, OutOfMemory, Task, TrainConfig, train


class Short(torch.autograd.Function):
    """The identity, whose gradient finds no memory when there are more rows than allowed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: int) -> Tensor:
        ctx.rows = rows
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        if len(gradient) > ctx.rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return gradient, None


def short_of_memory(rows: int, *, after: int, where: str) -> tuple[Task, list[int]]:
    """The toy task that can take this many rows once it has made ``after`` steps; and the sizes of the steps it tried."""
    task, tried, held = make_task(), [], []
    inner = task.loss
    assert callable(inner)

    def loss(model: nn.Module, batch: Any, noise: Any) -> dict[str, Tensor]:
        assert not any(reference() is not None for reference in held), "a failed step still holds its memory"
        tried.append(len(batch[0]))
        terms = inner(model, batch, noise)
        if len(tried) > after:
            held.append(weakref.ref(terms["bias"]))
            if where == "forward" and tried[-1] > rows:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            terms["loss"] = terms["loss"] + 0 * Short.apply(model[0](batch[0]), rows).sum()  # type: ignore[index]
        return terms

    task.loss = loss
    return task, tried


def settings(**changes: Any) -> TrainConfig:
    return TrainConfig(**(CONFIG | {"steps": 20, "checkpoint_every": 4} | changes))


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_the_message_has_a_batch_that_fits(tmp_path: Path, where: str) -> None:
    """24 do not fit, nor do 12; 6 do. Weights and checkpoint are those of the steps that were made."""
    task, tried = short_of_memory(7, after=6, where=where)
    with pytest.raises(OutOfMemory) as error:
        train(task, settings(), out=tmp_path)
    assert tried == [24] * 7 + [12, 6]
    assert (error.value.step, error.value.batch_size, error.value.fits) == (6, 24, 6)
    assert str(error.value) == (
        "out of memory on cpu at step 6 with batch_size = 24; 6 fits (found by halving): set batch_size = 6. A run with "
        "another batch size starts over (--fresh, resume=False); the last good checkpoint is "
        f"{tmp_path / CHECKPOINT}"
    )
    # The steps that were made, on the schedule of 20: stopped by the same shortage, with nothing that fits.
    other, _ = short_of_memory(0, after=6, where=where)
    with pytest.raises(OutOfMemory, match="not even one example fits") as none:
        train(other, settings(checkpoint_every=0))
    assert none.value.fits is None
    assert "there is no checkpoint" in str(none.value)
    for one, two in zip(task.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    resumed = train(make_task(), settings(), out=tmp_path).final.state_dict()
    whole = train(make_task(), settings()).final.state_dict()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
