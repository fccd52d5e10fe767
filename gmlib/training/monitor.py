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


class Monitor:
    """Keeps the terms of each step on the device until they are read, together and in order.

    Args:
        process: reads give the mean over all processes.
        first_step: step of the first call of ``add``.
    """

    def __init__(self, process: Process, first_step: int) -> None:
        self.process = process
        self.step = first_step
        self.names: list[str] = []
        self.count = 0
        # One block, written in place: scalars kept one by one, between a step's large tensors, would scatter
        # the heap.
        self.kept = torch.empty(0)

    def add(self, terms: dict[str, Tensor]) -> None:
        """Keep the terms of the next step, of at most READ_EVERY between reads. Does not wait for the device."""
        if not self.names:
            self.names = list(terms)
            like = terms["loss"].detach()
            dtype = torch.promote_types(like.dtype, torch.float32)
            self.kept = torch.empty(READ_EVERY, len(terms), dtype=dtype, device=like.device)
        torch.stack([terms[name].detach() for name in self.names], out=self.kept[self.count])
        self.count += 1

    def read(self, checkpoint: Path | None) -> list[dict[str, float]]:
        """The terms of every step since the last read. Waits for the device once.

        Raises:
            TrainingDiverged: one of them is not finite; it names the first and ``checkpoint``.
        """
        if self.count == 0:
            return []
        rows = self.process.mean(self.kept[: self.count]).tolist()
        first, self.step = self.step, self.step + self.count
        self.count = 0
        for step, row in enumerate(rows, start=first):
            for name, value in zip(self.names, row, strict=True):
                if not math.isfinite(value):
                    raise TrainingDiverged(step, name, checkpoint)
        return [dict(zip(self.names, row, strict=True)) for row in rows]

    def check_parameters(self, parameters: Iterable[Tensor], checkpoint: Path | None) -> None:
        """Raise ``TrainingDiverged`` when a weight is not finite, though every term is: a bad gradient."""
        if not bool(torch.stack([p.detach().isfinite().all() for p in parameters]).all()):
            raise TrainingDiverged(self.step - 1, "parameters", checkpoint)
