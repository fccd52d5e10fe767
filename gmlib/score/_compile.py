"""Compilation of a chain's step, where there is a compiler for it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gmlib._compiler import compiler_found


def compiled(step: Callable[..., Tensor], wanted: bool, device: torch.device) -> Callable[..., Tensor]:
    """``step``, compiled when that is ``wanted`` and there is a C++ compiler; warns when there is none.

    On a CUDA device the compiled step is one recorded graph. Such a graph returns the same memory at every call, so the
    result is copied out of it, and each call is announced.
    """
    if not wanted or not compiler_found():
        return step
    if device.type != "cuda":
        return torch.compile(step)
    recorded = torch.compile(step, mode="reduce-overhead")

    def call(*arguments: Tensor) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()
        return recorded(*arguments).clone()

    return call
