"""Optional dependencies, imported when needed, and missed with a sentence that says what to install."""

from __future__ import annotations

import importlib
from typing import Any


def require(module: str, *, extra: str, purpose: str) -> Any:
    """Import ``module``, or raise ``ImportError`` that names the extra of gmlib which brings it.

    Args:
        module: dotted name of the module, such as ``"sklearn.datasets"``.
        extra: gmlib's extra that installs it, such as ``"train"``.
        purpose: what the module is wanted for, as the object of "is needed".

    Raises:
        ImportError: the module is not installed.

    Example:
        >>> require("math", extra="train", purpose="to count").sqrt(4.0)
        2.0
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise ImportError(
            f'{name} is needed {purpose}; install it with: pip install "gmlib[{extra}]"'
        ) from error
