"""When a step does not fit into the device's memory: say so, with a batch that does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from gmlib.training.processes import Process


class OutOfMemory(RuntimeError):
    """A step did not fit into the memory of the device; the message says what does.

    Attributes:
        step: the step, counted from 0.
        batch_size: examples in it, over all processes.
        fits: a batch size that fits, found by halving; None when none was found, or on several processes, where none is
            sought.
    """

    def __init__(
        self, step: int, batch_size: int, fits: int | None, process: Process, good: Path | None
    ) -> None:
        self.step, self.batch_size, self.fits = step, batch_size, fits
        if process.world > 1:
            found = "try half of it"
        elif fits is None:
            found = "not even one example fits: the model is too large for this device"
        else:
            found = f"{fits} fits (found by halving): set batch_size = {fits}"
        kept = f"the last good checkpoint is {good}" if good else "there is no checkpoint"
        super().__init__(
            f"out of memory on {process.device} at step {step} with batch_size = {batch_size}; {found}. A run with another "
            f"batch size starts over (--fresh, resume=False); {kept}"
        )


def largest_that_fits(model: nn.Module, batch_size: int, attempt: Callable[[int], None]) -> int | None:
    """Half of ``batch_size``, or half of that, ...: the first with which ``attempt`` succeeds, or None.

    The weights and buffers of ``model`` stay as they are, whatever the attempts do to them.

    Args:
        model: the model.
        batch_size: what did not fit.
        attempt: makes a step with that many examples.

    Example:
        >>> def attempt(size):
        ...     if size > 30:
        ...         raise torch.OutOfMemoryError
        >>> largest_that_fits(nn.Linear(1, 1), 100, attempt)
        25
    """
    kept = {name: tensor.to("cpu", copy=True) for name, tensor in model.state_dict().items()}
    try:
        while batch_size := batch_size // 2:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            try:
                attempt(batch_size)
            # A single example may fail for a reason of its own, as in batch normalisation: then it does not fit either.
            except (RuntimeError, ValueError):
                continue
            return batch_size
        return None
    finally:
        model.load_state_dict(kept)
