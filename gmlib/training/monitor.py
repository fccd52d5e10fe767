"""The terms of the loss, watched without stopping for them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from gmlib.training.processes import Process

READ_EVERY = 50
"""Steps between two looks at the terms. A look waits for the device; between looks nothing does."""


class TrainingDiverged(RuntimeError):
    """A term of the loss, or a weight, turned NaN or infinite.

    Attributes:
        step: the first step at which it did, counted from 0.
        term: the term's name, or ``"parameters"``.
        checkpoint: the last good checkpoint, or None.
    """

    def __init__(self, step: int, term: str, checkpoint: Path | None) -> None:
        self.step, self.term, self.checkpoint = step, term, checkpoint
        where = f"the last good checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint"
        super().__init__(
            f"training diverged: {term!r} is NaN or infinite at step {step}; {where}. "
            "Usual cures: a lower lr, warmup, grad_clip, or float32 (amp = false)"
        )


class Kept:
    """The same terms of several steps.

    Args:
        names: of the terms.
        like: one of them, for dtype and device.
    """

    def __init__(self, names: list[str], like: Tensor) -> None:
        self.names, self.count = names, 0
        dtype = torch.promote_types(like.dtype, torch.float32)
        # One block, written in place: scalars kept one by one, between a step's large tensors, would scatter
        # the heap.
        self.block = torch.empty(READ_EVERY, len(names), dtype=dtype, device=like.device)

    def add(self, terms: dict[str, Tensor]) -> None:
        """Keep one step's."""
        torch.stack([terms[name].detach() for name in self.names], out=self.block[self.count])
        self.count += 1

    def rows(self) -> Tensor:
        """All that are kept, (steps, terms), which are forgotten at the next call of ``add``."""
        count, self.count = self.count, 0
        return self.block[:count]


class Monitor:
    """Keeps the terms of each step on the device until they are read, together and in order.

    Args:
        process: reads give the mean over all processes.
        first_step: step of the first call of ``add``.
    """

    def __init__(self, process: Process, first_step: int) -> None:
        self.process = process
        self.step = first_step
        self.kept: dict[tuple[str, ...], Kept] = {}
        self.order: list[tuple[str, ...]] = []

    def add(self, label: str, terms: dict[str, Tensor]) -> None:
        """Keep the terms of the next step, of at most READ_EVERY between reads. Does not wait for the device.

        Args:
            label: put in front of their names.
            terms: the terms by name.
        """
        key = (label, *terms)
        if key not in self.kept:
            self.kept[key] = Kept(list(terms), terms["loss"].detach())
        self.kept[key].add(terms)
        self.order.append(key)

    def read(self, checkpoint: Path | None) -> list[dict[str, float]]:
        """The terms of every step since the last read, label and name in one. Waits for the device once.

        Raises:
            TrainingDiverged: one of them is not finite; it names the first and ``checkpoint``.
        """
        if not self.order:
            return []
        blocks = [kept.rows() for kept in self.kept.values()]
        flat = iter(self.process.mean(torch.cat([block.flatten() for block in blocks])).tolist())
        rows = {
            key: iter([{f"{key[0]}{name}": next(flat) for name in kept.names} for _ in block])
            for (key, kept), block in zip(self.kept.items(), blocks, strict=True)
        }
        result = [next(rows[key]) for key in self.order]
        first, self.step = self.step, self.step + len(result)
        self.order = []
        for step, row in enumerate(result, start=first):
            for name, value in row.items():
                if not math.isfinite(value):
                    raise TrainingDiverged(step, name, checkpoint)
        return result

    def check_parameters(self, parameters: Iterable[Tensor], checkpoint: Path | None) -> None:
        """Raise ``TrainingDiverged`` when a weight is not finite, though every term is: a bad gradient."""
        if not bool(torch.stack([p.detach().isfinite().all() for p in parameters]).all()):
            raise TrainingDiverged(self.step - 1, "parameters", checkpoint)
