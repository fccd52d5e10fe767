"""Whether ``torch.compile`` has what it needs."""

from __future__ import annotations

import os
import shutil
import warnings


def compiler_found() -> bool:
    """Whether there is a C++ compiler; warns when there is none."""
    compilers = [os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl"]
    if any(shutil.which(name) for name in compilers if name):
        return True
    warnings.warn("compile=True, but there is no C++ compiler: running eagerly", stacklevel=4)
    return False
