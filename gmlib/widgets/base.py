"""What every widget shares: the module in the browser, arrays by name, a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from gmlib.widgets.arrays import Block, pack

try:
    import anywidget
    import traitlets
except ImportError as error:  # pragma: no cover - what a user without the extra meets
    raise ImportError('gmlib.widgets needs anywidget: pip install "gmlib[widgets]"') from error

STATIC = Path(__file__).with_name("static")
"""Where the browser's modules lie: one bundled file a widget, made from ``gmlib/widgets/js``."""


class Widget(anywidget.AnyWidget):
    """A widget whose picture is computed in the browser.

    A subclass names its module (``_esm = STATIC / "NAME.js"``), declares its state as traits with ``sync=True``, and may
    offer arrays: ``weights("NAME")`` in the module asks for one of ``offers``. With a kernel Python answers; on the
    page the book's loader does, from a file that the build wrote.

    Example:
        >>> from gmlib.widgets import GradientEstimators
        >>> GradientEstimators(mu=0.5)
        GradientEstimators(mu=0.5, n=400, seed=0)
    """

    offers: ClassVar[Mapping[str, Callable[[], Mapping[str, Tensor]]]] = {}
    """Arrays that the module may ask for: a function that makes them, by name."""

    shown: ClassVar[tuple[str, ...]] = ("seed",)
    """The traits that the text form shows."""

    seed = traitlets.Int(0, help="seed of everything that is drawn").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._answer)

    def __repr__(self) -> str:
        state = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.shown)
        return f"{type(self).__name__}({state})"

    @classmethod
    def block(cls, name: str) -> Block:
        """The arrays called ``name`` as the browser gets them.

        Args:
            name: a key of ``offers``.

        Raises:
            ValueError: there is none of that name.

        Example:
            >>> from gmlib.widgets import DensityExplorer
            >>> [array["shape"] for array in DensityExplorer.block("cross").arrays]
            [[2], [2, 2], [2, 3]]
        """
        if name not in cls.offers:
            raise ValueError(f"name must be one of {', '.join(map(repr, cls.offers))}, got {name!r}")
        return _packed(cls.offers[name])

    def _answer(self, _: object, content: object, __: object) -> None:
        """Answer the module's ``weights(name)``."""
        if not isinstance(content, dict) or content.get("kind") != "weights":
            return
        try:
            block = self.block(str(content.get("name")))
        except ValueError as error:
            self.send({"id": content.get("id"), "error": str(error)})
            return
        self.send({"id": content.get("id"), "arrays": block.arrays}, buffers=[block.data])


@cache
def _packed(make: Callable[[], Mapping[str, Tensor]]) -> Block:
    return pack(make())
