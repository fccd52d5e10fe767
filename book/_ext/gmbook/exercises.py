"""The exercises of a chapter as cells of its notebook: ``python -m gmbook.exercises NOTEBOOK ...`` writes them.

They stand in front of the summary and are made from the definitions in :mod:`gmlib.exercises`, so that page, check and
solution cannot disagree; a test compares them.
"""

from __future__ import annotations

import re
import sys
import uuid
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell
from sphinx.environment import BuildEnvironment

from gmbook.house import ROOT, notebooks
from gmbook.hygiene import clean, text
from gmlib._files import write_text
from gmlib.exercises import Exercise, listed

PREFIX = "exercise-"
MADE = re.compile(r"\{exercise\}|\{solution|\{dropdown\} Hint|-exercises\)=")
SUMMARY = re.compile(r"^\(sec-\w+-summary\)=$|^## Summary$", re.M)
INTRODUCTION = """(sec-{number}-exercises)=
## Exercises

Fill in the cell below an exercise and run the one after it: the check tries your answer on random inputs and says what is
wrong, on which input, and which usual mistake it looks like. It notes on your machine, and nowhere else, what you have
done; `progress()` from the same module lists it. The stars say how hard an exercise is: one to apply the text, two to
derive something, three to find an idea."""


def stars(exercise: Exercise) -> str:
    """The difficulty as filled and empty stars.

    Example:
        >>> from gmlib.exercises import find
        >>> stars(find("elbo.gaussian-kl"))
        '★☆☆'
    """
    return "★" * exercise.difficulty + "☆" * (3 - exercise.difficulty)


def _question(exercise: Exercise) -> str:
    return (
        f"::::{{exercise}} {exercise.title}\n:label: {exercise.label}\n\n{exercise.statement.strip()}\n\n"
        f"{stars(exercise)}, about {exercise.minutes} minutes.\n::::"
    )


def _help(exercise: Exercise) -> str:
    hints = [
        f"::::{{dropdown}} Hint{f' {number}' if len(exercise.hints) > 1 else ''}\n{hint}\n::::"
        for number, hint in enumerate(exercise.hints, 1)
    ]
    answer = (
        f"::::{{solution}} {exercise.label}\n:class: dropdown\n\n{exercise.solution.strip()}\n\n"
        f"```python\n{exercise.reference.strip()}\n```\n::::"
    )
    return "\n\n".join([*hints, answer])


def cells(chapter: str) -> list[Any]:
    """The cells of a chapter's exercises, for the notebook ``chapters/CHAPTER.ipynb``; none when it has none."""
    exercises = [exercise for exercise in listed() if exercise.chapter == chapter]
    if not exercises:
        return []
    made: list[Any] = [
        new_markdown_cell(INTRODUCTION.format(number=chapter.split("_")[0]), id=f"{PREFIX}start"),
        new_code_cell("from gmlib.exercises import check", id=f"{PREFIX}import"),
    ]
    for exercise in exercises:
        slug = exercise.id.split(".")[1]
        checked = f'check("{exercise.id}", {exercise.answer})'
        made += [
            new_markdown_cell(_question(exercise), id=f"{PREFIX}{slug}"),
            new_code_cell(exercise.stub.strip(), id=f"{PREFIX}{slug}-stub"),
            new_code_cell(checked, id=f"{PREFIX}{slug}-check"),
            new_markdown_cell(_help(exercise), id=f"{PREFIX}{slug}-help"),
        ]
    return made


def _is_exercise(cell: Any) -> bool:
    """Whether a cell was made here, perhaps from an older definition: by its id, and by what it says."""
    if not cell.get("id", "").startswith(PREFIX):
        return False
    if cell.cell_type == "markdown":
        return MADE.search(cell.source) is not None
    answers = [exercise.answer for exercise in listed()]
    words = ["gmlib.exercises", "check(", *(f"def {a}(" for a in answers), *(f"{a} =" for a in answers)]
    return any(word in cell.source for word in words)


def write(notebook: Any, chapter: str) -> None:
    """Put the exercises into a notebook, in front of its summary, in place of those that are there.

    Raises:
        ValueError: the notebook has no summary to stand in front of.
    """
    made = cells(chapter)
    old = {cell.source for cell in made}
    kept = [c for c in notebook.cells if not (c.source in old or _is_exercise(c))]
    for cell in kept:
        if cell.get("id", "").startswith(PREFIX):
            # jupytext --update may hand an exercise's id to another cell: the text stays, the id goes.
            cell.id = uuid.uuid4().hex[:8]
    for place, cell in enumerate(kept):
        found = SUMMARY.search(cell.source) if cell.cell_type == "markdown" else None
        if found is None:
            continue
        before, after = cell.source[: found.start()].rstrip(), cell.source[found.start() :]
        if before:
            cell.source = before
            kept.insert(place + 1, new_markdown_cell(after, id="summary"))
            place += 1
        notebook.cells = [*kept[:place], *made, *kept[place:]]
        return
    raise ValueError(f"chapters/{chapter}.ipynb has no summary")


def table(_: str, env: BuildEnvironment) -> str:
    """Every exercise with its difficulty and time, for the instructors' page; linked when its chapter shows it."""
    for path in (ROOT / "gmlib" / "exercises").rglob("*.py"):
        env.note_dependency(str(path))
    shown = "".join(path.read_text("utf8") for path in notebooks())
    rows = ["| exercise | id | answer | difficulty | minutes |", "|---|---|---|---|---:|"]
    for exercise in listed():
        linked = f":label: {exercise.label}\\n" in shown
        title = f"{{ref}}`{exercise.title} <{exercise.label}>`" if linked else exercise.title
        rows.append(
            f"| {title} | `{exercise.id}` | `{exercise.answer}` | {stars(exercise)} | {exercise.minutes} |"
        )
    total = sum(exercise.minutes for exercise in listed())
    return "\n".join(rows) + f"\n\n{len(listed())} exercises, about {total / 60:.0f} hours."


def main(names: list[str]) -> int:
    """Write the exercises into each notebook and clean it."""
    for name in names:
        path = Path(name)
        notebook = nbformat.read(path, 4)
        write(notebook, path.stem)
        write_text(path, text(clean(notebook)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
