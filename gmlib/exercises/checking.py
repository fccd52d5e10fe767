"""What a student calls: check an answer, ask for a hint, look at the solution."""

from __future__ import annotations

from typing import Any

from gmlib._checks import check_count
from gmlib.exercises.answers import answered
from gmlib.exercises.judge import judge
from gmlib.exercises.progress import remember
from gmlib.exercises.registry import find
from gmlib.exercises.report import Note, Report


def check(id: str, answer: Any, *, seed: int = 0, record: bool = True) -> Report:
    """Check an answer to an exercise; say what failed, on which input, and which usual mistake it looks like.

    Args:
        id: the exercise, such as ``"elbo.gaussian-kl"``.
        answer: a function, a module, a number or an array, as the exercise asks; None means "not done yet".
        seed: of the random inputs.
        record: whether to note on this machine that the exercise is done (see :mod:`gmlib.exercises.progress`).

    Returns:
        A report: true when passed, shown as text or in colour. It never contains the solution.

    Raises:
        ValueError: there is no such exercise.

    Example:
        >>> check("elbo.not-mle", None)
        … elbo.not-mle: Not done yet.
          Write `thetas` and run the check again; `hint('elbo.not-mle')` helps.
    """
    exercise = find(id)
    cases = exercise.inputs(seed)
    report = judge(exercise, cases, answered(exercise, answer, cases))
    if report and record:
        remember(id)
    return report


def hint(id: str, number: int = 1) -> Note:
    """A hint for an exercise, the gentlest first.

    Args:
        id: the exercise.
        number: which of its hints, from 1.

    Raises:
        ValueError: there is no such exercise, or it has fewer hints.

    Example:
        >>> len(hint("elbo.gaussian-kl").text) > 10
        True
    """
    exercise = find(id)
    check_count("number", number)
    if number > len(exercise.hints):
        raise ValueError(f"number must be at most {len(exercise.hints)} for {id}, got {number}")
    more = f"\n\n(Hint {number} of {len(exercise.hints)}.)" if len(exercise.hints) > 1 else ""
    return Note(exercise.hints[number - 1] + more)


def solution(id: str) -> Note:
    """The worked solution of an exercise, with code that passes the check.

    Args:
        id: the exercise.

    Raises:
        ValueError: there is no such exercise.

    Example:
        >>> "def normal_kl" in solution("elbo.gaussian-kl").text
        True
    """
    exercise = find(id)
    return Note(
        f"**{exercise.title}.** {exercise.solution.strip()}\n\n```python\n{exercise.reference.strip()}\n```"
    )
