"""Judge what an answer gave: against the reference, against the properties, and against the usual mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gmlib.exercises.answers import Answered, answered
from gmlib.exercises.exercise import Exercise, Mistake
from gmlib.exercises.report import Report
from gmlib.exercises.values import Value, close, shown


def judge(exercise: Exercise, cases: Sequence[Any], given: Answered) -> Report:
    """The report on an answer that was used on ``cases``. Only values are looked at, never the answer itself.

    Example:
        >>> from gmlib.exercises.answers import Answered
        >>> from gmlib.exercises.registry import find
        >>> exercise = find("elbo.gaussian-kl")
        >>> judge(exercise, exercise.inputs(0), Answered("not done")).state
        'not done'
    """
    if given.state == "not done":
        line = f"Write `{exercise.answer}` and run the check again; `hint({exercise.id!r})` helps."
        return Report(exercise.id, "not done", "Not done yet.", (line,))
    if given.state == "crashed":
        lines = ["The error is raised in your code; this is its own traceback."]
        if exercise.wants_function:
            lines.append(f"It was called with {_arguments(cases[given.case])}.")
        return Report(exercise.id, "crashed", "Your code stops with an error.", tuple(lines), given.text)
    if given.state == "odd" or len(given.values) != len(cases):
        text = given.text or "it did not answer every input"
        return Report(exercise.id, "failed", "Not right yet.", (f"{text[0].upper()}{text[1:]}.",))
    return _compared(exercise, cases, given.values)


def _compared(exercise: Exercise, cases: Sequence[Any], values: Sequence[Value]) -> Report:
    due = answered(exercise, exercise.build(exercise.reference), cases).values
    wrong = [i for i in range(len(cases)) if not close(values[i], due[i], exercise.rtol)]
    if not wrong:
        tried = f"It agrees on {len(cases)} random inputs." if exercise.wants_function else ""
        return Report(exercise.id, "passed", "Passed.", (tried,) if tried else ())
    lines: list[str] = []
    if exercise.wants_function:
        i = wrong[0]
        given, right = values[i], due[i]
        lines.append(f"On {_arguments(cases[i])} it gives {shown(given)}.")
        if given.data.shape != right.data.shape:
            lines.append(
                f"Its shape is {tuple(given.data.shape)}; {tuple(right.data.shape)} is due on this input."
            )
        else:
            lines.append(f"{shown(right)} is due ({len(wrong)} of {len(cases)} inputs fail).")
    elif values[0].data.shape != due[0].data.shape:
        lines.append(f"Its shape is {tuple(values[0].data.shape)}; {tuple(due[0].data.shape)} is wanted.")
    else:
        lines.append(f"It is not {shown(values[0])}.")
    broken = [
        p.says
        for p in exercise.properties
        if not all(_holds(p.holds, c, v) for c, v in zip(cases, values, strict=True))
    ]
    lines += [f"It must hold that {says}." for says in broken[:2]]
    found = recognise(exercise, cases, values)
    if found is None:
        lines.append(f"It is none of the usual mistakes; `hint({exercise.id!r})` helps.")
    else:
        lines.append(f"This looks like a usual mistake. {found.hint}")
    return Report(exercise.id, "failed", "Not right yet.", tuple(lines), mistake=found.name if found else "")


def recognise(exercise: Exercise, cases: Sequence[Any], values: Sequence[Value]) -> Mistake | None:
    """The usual mistake that explains the values best: it gives them on all failing inputs, or on most of several.

    Someone who makes two mistakes at once agrees with one of them on some inputs only, and that one is named.

    Example:
        >>> from gmlib.exercises.registry import find
        >>> exercise = find("elbo.gaussian-kl")
        >>> cases = exercise.inputs(0)
        >>> wrong = exercise.build(exercise.wrong(exercise.mistakes[0]))
        >>> recognise(exercise, cases, answered(exercise, wrong, cases).values) is exercise.mistakes[0]
        True
    """
    due = answered(exercise, exercise.build(exercise.reference), cases).values
    failing = [i for i in range(len(cases)) if not close(values[i], due[i], exercise.rtol)]
    best: tuple[int, float, Mistake] | None = None
    for mistake in exercise.mistakes:
        made = answered(exercise, exercise.build(exercise.wrong(mistake)), cases).values
        if len(made) != len(cases):
            continue
        same = [i for i in range(len(cases)) if close(values[i], made[i], exercise.rtol)]
        explained = len(set(same) & set(failing))
        # All inputs, the ones it got right included; else at least two failing ones, and more than half of them.
        if len(same) < len(cases) and (explained < 2 or 2 * explained <= len(failing)):
            continue
        away = max(float((values[i].data - made[i].data).abs().nan_to_num().sum()) for i in same)
        if best is None or (explained, -away) > (best[0], -best[1]):
            best = (explained, away, mistake)
    return best[2] if best else None


def _holds(holds: Any, case: Any, found: Value) -> bool:
    """Whether a property holds; a value of a wrong shape may well break it, and a huge one is not tried."""
    if found.data.numel() > 10_000:
        return False
    try:
        return bool(holds(case, found.data))
    except (RuntimeError, ValueError, TypeError, IndexError):
        return False


def _arguments(case: Any) -> str:
    return ", ".join(f"{name} = {shown(found)}" for name, found in case.items())
