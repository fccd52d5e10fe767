"""Compilation of a chain's step, where there is a compiler for it."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import jaxtyping
import torch
from torch import Tensor

INNER = (
    *(f"{Path(file).parent}{os.sep}" for file in (__file__, torch.__file__, jaxtyping.__file__)),
    "<@beartype",
)
"""Where the code of frames between a chain's caller and `compiled` lives: this package and the decorators around it."""


def compiled(step: Callable[..., Tensor], wanted: bool, device: torch.device) -> Callable[..., Tensor]:
    """``step``, compiled when that is ``wanted`` and there is a C++ compiler; warns when there is none.

    On a CUDA device the compiled step is one recorded graph. Such a graph returns the same memory at every call, so the
    result is copied out of it, and each call is announced.
    """
    if not wanted:
        return step
    compilers = [os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl"]
    if not any(shutil.which(name) for name in compilers if name):
        frame, level = sys._getframe(), 1
        while frame.f_back is not None and frame.f_code.co_filename.startswith(INNER):
            frame, level = frame.f_back, level + 1
        warnings.warn("compile=True, but there is no C++ compiler: running eagerly", stacklevel=level)
        return step
    if device.type != "cuda":
        return torch.compile(step)
    recorded = torch.compile(step, mode="reduce-overhead")

    def call(*arguments: Tensor) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()
        return recorded(*arguments).clone()

    return call
