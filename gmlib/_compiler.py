"""Whether ``torch.compile`` has what it needs."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from pathlib import Path

import jaxtyping
import torch

INNER = (
    *(f"{Path(file).parent}{os.sep}" for file in (__file__, torch.__file__, jaxtyping.__file__)),
    "<@beartype",
)
"""Where the code of frames between a caller of gmlib and `compiler_found` lives: gmlib and the decorators around it."""


def compiler_found(setting: str = "compile=True") -> bool:
    """Whether there is a C++ compiler; where there is none, warns the caller of gmlib, who wrote ``setting``."""
    compilers = [os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl"]
    if any(shutil.which(name) for name in compilers if name):
        return True
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INNER):
        frame, level = frame.f_back, level + 1
    warnings.warn(f"{setting}, but there is no C++ compiler: running eagerly", stacklevel=level)
    return False
