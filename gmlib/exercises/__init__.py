"""Exercises that say what is wrong: checks with diagnosis, hints, worked solutions, grading.

In a notebook::

    from gmlib.exercises import check, hint, solution, progress

    check("elbo.gaussian-kl", normal_kl)

From a shell, ``python -m gmlib.exercises list`` and ``python -m gmlib.exercises grade FOLDER``.
"""

from gmlib.exercises.checking import check, hint, solution
from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.progress import Progress, progress
from gmlib.exercises.registry import find, listed
from gmlib.exercises.report import Note, Report

__all__ = [
    "Exercise",
    "Mistake",
    "Note",
    "Progress",
    "Property",
    "Report",
    "check",
    "find",
    "hint",
    "listed",
    "progress",
    "solution",
]
