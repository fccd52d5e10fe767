"""Which examples and which random numbers a step sees: a function of the seed and the step alone.

Step s of a run with seed k takes rows s B to (s + 1) B of an endless list: the data in a new random order
each epoch. The order of epoch e comes from a generator seeded with hash(k, e), the noise of step s from one
seeded with hash(k, s). Nothing is carried from step to step, so a resumed run sees what the unbroken one
would have seen, and every process of a run draws the batch and the noise of the *whole* batch and takes its
share: the numbers do not depend on how many share.
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor

from gmlib.training.config import Noise


def seed_from(*parts: int | str) -> int:
    """A 63-bit seed that depends on all ``parts`` and looks random: neighbouring steps get unrelated seeds.

    Example:
        >>> seed_from(0, "noise", 1) == seed_from(0, "noise", 1)
        True
        >>> seed_from(0, "noise", 1) == seed_from(0, "noise", 2)
        False
    """
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def share(nested: Any, start: int, stop: int) -> Any:
    """Rows ``start`` to ``stop`` of every tensor in nested tuples, lists and dicts.

    Example:
        >>> share({"u": torch.arange(4), "rest": (torch.ones(4, 2), None)}, 1, 3)["u"]
        tensor([1, 2])
    """
    if isinstance(nested, Tensor):
        return nested[start:stop]
    if isinstance(nested, dict):
        return {key: share(value, start, stop) for key, value in nested.items()}
    if isinstance(nested, tuple | list):
        parts = [share(value, start, stop) for value in nested]
        return type(nested)(*parts) if hasattr(nested, "_fields") else type(nested)(parts)
    return nested


class Batches:
    """The batch and the noise of any step, for one process of several.

    Args:
        data: the training data, which is moved to ``device`` as a whole.
        batch_size: examples a step over all processes.
        noise: draws the noise of a whole batch, or None.
        seed: the run's seed.
        device: where batches and noise live.
        rank: number of this process.
        world: number of processes, a divisor of ``batch_size``.

    Raises:
        ValueError: the batch is larger than the data, or cannot be shared evenly.
    """

    def __init__(
        self,
        data: Tensor | tuple[Tensor, ...],
        *,
        batch_size: int,
        noise: Noise | None,
        seed: int,
        device: torch.device,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if batch_size % world:
            raise ValueError(f"batch_size must be a multiple of the {world} processes, got {batch_size}")
        parts = data if isinstance(data, tuple) else (data,)
        self.parts = tuple(part.to(device) for part in parts)
        self.single = not isinstance(data, tuple)
        self.rows = len(self.parts[0])
        if batch_size > self.rows:
            raise ValueError(f"batch_size must be at most the {self.rows} rows of the data, got {batch_size}")
        self.batch_size, self.noise, self.seed, self.device = batch_size, noise, seed, device
        self.start, self.stop = rank * batch_size // world, (rank + 1) * batch_size // world
        self.generator = torch.Generator(device)
        self.order: tuple[int, Tensor] | None = None

    def epoch(self, number: int) -> Tensor:
        """The order of the rows in an epoch; drawn on the CPU, so that it is the same on every device."""
        if self.order is None or self.order[0] != number:
            generator = torch.Generator().manual_seed(seed_from(self.seed, "epoch", number))
            order = torch.randperm(self.rows, generator=generator)
            if self.device.type == "cuda":  # from pinned memory the copy does not wait for the device
                order = order.pin_memory()
            self.order = (number, order.to(self.device, non_blocking=True))
        return self.order[1]

    def indices(self, step: int) -> Tensor:
        """Rows of the whole batch of a step; a batch that crosses the end of an epoch takes from both."""
        position, end = step * self.batch_size, (step + 1) * self.batch_size
        pieces = []
        while position < end:
            number, offset = divmod(position, self.rows)
            take = min(end - position, self.rows - offset)
            pieces.append(self.epoch(number)[offset : offset + take])
            position += take
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def at(self, step: int) -> tuple[Any, Any]:
        """This process's share of the batch and of the noise of a step."""
        rows = self.indices(step)[self.start : self.stop]
        batch = tuple(part.index_select(0, rows) for part in self.parts)
        if self.noise is None:
            return batch[0] if self.single else batch, None
        self.generator.manual_seed(seed_from(self.seed, "noise", step))
        noise = self.noise(self.batch_size, self.generator, self.device)
        if self.stop - self.start < self.batch_size:
            noise = share(noise, self.start, self.stop)
        return batch[0] if self.single else batch, noise
