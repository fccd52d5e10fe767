"""Which exercises are done: remembered on this machine only, one small file each.

The files lie in the user's data folder. ``GMLIB_PROGRESS=off`` keeps nothing, ``GMLIB_PROGRESS=FOLDER`` keeps them
elsewhere. Nothing is ever sent anywhere.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

from gmlib._files import write_text
from gmlib.exercises.registry import listed


def folder() -> Path | None:
    """Where progress is kept, or None when it is switched off.

    Example:
        >>> import os
        >>> from unittest.mock import patch
        >>> with patch.dict(os.environ, GMLIB_PROGRESS="off"):
        ...     folder() is None
        True
    """
    choice = os.environ.get("GMLIB_PROGRESS", "")
    if choice.lower() in ("off", "0", "no"):
        return None
    if choice:
        return Path(choice).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "gmlib" / "exercises"


def remember(id: str) -> None:
    """Note that an exercise is done, unless that is noted already. A folder that cannot be written is no error.

    Example:
        >>> import os, tempfile
        >>> from unittest.mock import patch
        >>> with tempfile.TemporaryDirectory() as place, patch.dict(os.environ, GMLIB_PROGRESS=place):
        ...     remember("elbo.bound")
        ...     progress().done
        ('elbo.bound',)
    """
    place = folder()
    if place is None:
        return
    path = place / f"{id}.json"
    try:
        if path.exists():
            return
        write_text(path, json.dumps({"done": datetime.date.today().isoformat()}))
    except OSError:
        return


@dataclass(frozen=True, repr=False)
class Progress:
    """Which exercises are done, and which are not.

    Attributes:
        dates: the ids of the exercises, each with the day it was done, or an empty string.
    """

    dates: dict[str, str]

    @property
    def done(self) -> tuple[str, ...]:
        """The ids of the exercises that are done."""
        return tuple(id for id, date in self.dates.items() if date)

    def __repr__(self) -> str:
        rows = [f"  {'✓' if date else '·'} {id:<28} {date}".rstrip() for id, date in self.dates.items()]
        return "\n".join([f"{len(self.done)} of {len(self.dates)} exercises done", *rows])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'✓' if date else '·'}</td><td><code>{escape(id)}</code></td><td>{escape(date)}</td></tr>"
            for id, date in self.dates.items()
        )
        head = "<tr><th></th><th>exercise</th><th>done</th></tr>"
        return f"<p>{len(self.done)} of {len(self.dates)} exercises done</p><table>{head}{rows}</table>"


def progress(chapter: str | None = None) -> Progress:
    """Which exercises are done on this machine.

    Args:
        chapter: one chapter's only, such as ``"elbo"`` or ``"02_elbo"``.

    Raises:
        ValueError: there is no such chapter.

    Example:
        >>> import os
        >>> from unittest.mock import patch
        >>> with patch.dict(os.environ, GMLIB_PROGRESS="off"):
        ...     progress("elbo").done
        ()
    """
    place, dates = folder(), {}
    for exercise in listed(chapter):
        dates[exercise.id] = ""
        if place is None:
            continue
        try:
            noted = json.loads((place / f"{exercise.id}.json").read_text("utf8"))
            dates[exercise.id] = datetime.date.fromisoformat(noted["done"]).isoformat()
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return Progress(dates)
