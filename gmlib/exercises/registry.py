"""Which exercises there are: one module a chapter, found by the first word of an exercise's id."""

from __future__ import annotations

import difflib
import importlib

from gmlib.exercises.exercise import Exercise

CHAPTERS = ("map", "elbo", "flows", "energy", "score", "diffusion", "guidance", "gan")
"""The modules of this package that hold exercises, in the order of the book; each has a tuple ``EXERCISES``."""


def listed(chapter: str | None = None) -> tuple[Exercise, ...]:
    """Every exercise, or those of one chapter's module or notebook.

    Raises:
        ValueError: there is no such chapter.

    Example:
        >>> [exercise.id for exercise in listed("elbo")][:1]
        ['elbo.bound']
        >>> listed("02_elbo") == listed("elbo")
        True
    """
    every = tuple(
        exercise
        for name in ((chapter,) if chapter in CHAPTERS else CHAPTERS)
        for exercise in importlib.import_module(f"gmlib.exercises.{name}").EXERCISES
    )
    if chapter is None:
        return every
    found = tuple(e for e in every if chapter in (e.chapter, e.id.split(".")[0]))
    if not found:
        raise ValueError(f"chapter must be one of {', '.join(CHAPTERS)}, got {chapter!r}")
    return found


def find(id: str) -> Exercise:
    """The exercise with this id.

    Raises:
        ValueError: there is none; the message names the nearest.

    Example:
        >>> find("elbo.gaussian-kl").difficulty
        1
    """
    chapter = str(id).partition(".")[0]
    # Of one chapter: the others take longer to import than most checks take.
    every = {exercise.id: exercise for exercise in (listed(chapter) if chapter in CHAPTERS else ())}
    if id not in every:
        every = {exercise.id: exercise for exercise in listed()}
        near = difflib.get_close_matches(str(id), every, n=3, cutoff=0.4) or sorted(every)[:3]
        raise ValueError(f"id must be the id of an exercise, such as {', '.join(near)}; got {id!r}")
    return every[id]
