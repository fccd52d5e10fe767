"""Whether the chapters folder and the table of contents fit, before minutes go into executing what is there."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

from gmbook import house

NAME = re.compile(r"\d\d[a-z]?_[a-z0-9_]+\.ipynb")
OURS = {"ruff.toml"}
"""What lies beside the chapters for the tools."""


def faults() -> list[str]:
    """A sentence for each file that is in the wrong place, missing, or no notebook; it names the file and the cure."""
    listed = house.files()
    found = [
        f"_toc.yml lists {name}, and there is neither {name}.ipynb nor {name}.md: write it, or take the line out"
        for name in listed
        if not any((house.ROOT / f"{name}{suffix}").is_file() for suffix in (".ipynb", ".md"))
    ]
    for path in sorted((house.ROOT / "chapters").iterdir()):
        where = path.relative_to(house.ROOT)
        if path.name[0] in "._" or path.name in OURS:
            continue
        if path.suffix != ".ipynb" or not path.is_file():
            found.append(f"{where} is no notebook: move it out of the folder")
        elif not NAME.fullmatch(path.name):
            found.append(
                f"{where} has no chapter's name, such as 02_elbo.ipynb: rename it, or move it out of the folder"
            )
        elif where.with_suffix("").as_posix() not in listed:
            found.append(f"{where} is not in _toc.yml: list it there, or move it out of the folder")
    return found + [
        f"{path.relative_to(house.ROOT)} {fault}" for path in house.notebooks() if (fault := _fault(path))
    ]


def _fault(path: Path) -> str:
    """What is wrong with a notebook's file, or an empty string."""
    try:
        notebook = nbformat.read(path, 4)
        nbformat.validate(notebook)
    except (ValueError, KeyError, AttributeError, TypeError, OSError, nbformat.ValidationError) as error:
        first = str(error).strip().partition("\n")[0][:200]
        return f"cannot be read as a notebook ({first}): restore it from git, or save it anew from JupyterLab"
    return ""
