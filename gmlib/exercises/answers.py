"""Use an answer on the inputs of an exercise, whatever it does: it may crash, or not be there yet."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise
from gmlib.exercises.values import OddValue, Value, value

HERE = str(Path(__file__).parent)
State = Literal["values", "not done", "crashed", "odd"]


@dataclass(frozen=True)
class Answered:
    """What became of an answer.

    Attributes:
        state: ``"values"`` when it gave something on every case.
        values: what it gave, one a case.
        text: the traceback of a crash, or what is odd about the answer.
        case: the case at which it crashed.
    """

    state: State
    values: tuple[Value, ...] = ()
    text: str = ""
    case: int = 0


def is_blank(found: Any) -> bool:
    """Whether something stands for "not done yet".

    Example:
        >>> is_blank(None), is_blank(...), is_blank(0.0)
        (True, True, False)
    """
    return found is None or found is Ellipsis or found is NotImplemented


def answered(exercise: Exercise, answer: Any, cases: Sequence[Any]) -> Answered:
    """Use an answer on every case, on copies of the inputs, and leave torch's random state as it was.

    Example:
        >>> from gmlib.exercises.registry import find
        >>> exercise = find("elbo.gaussian-kl")
        >>> answered(exercise, lambda mean, log_std: None, exercise.inputs(0)).state
        'not done'
    """
    if is_blank(answer):
        return Answered("not done")
    if exercise.wants_function and not callable(answer):
        return Answered("odd", text=f"a function `{exercise.answer}(...)` is wanted, not {_kind(answer)}")
    if not exercise.wants_function and callable(answer) and not isinstance(answer, Tensor):
        return Answered("odd", text=f"a number or an array is wanted, not {_kind(answer)}")
    values: list[Value] = []
    for number, case in enumerate(cases):
        inputs = {k: v.clone() if isinstance(v, Tensor) else copy.copy(v) for k, v in case.items()}
        try:
            with torch.random.fork_rng(devices=[]), torch.enable_grad():
                found = exercise.use(answer, inputs)
        except NotImplementedError as error:
            if number == 0 and not values:
                return Answered("not done")
            return Answered("crashed", text=own_traceback(error), case=number)
        except (Exception, SystemExit) as error:
            return Answered("crashed", text=own_traceback(error), case=number)
        if is_blank(found):
            if number == 0:
                return Answered("not done")
            return Answered("odd", text=f"it returns {found!r} on some inputs", case=number)
        try:
            values.append(value(found))
        except OddValue as odd:
            verb = "it returns" if exercise.wants_function else "it is"
            return Answered("odd", text=f"{verb} {odd}; numbers are wanted", case=number)
    return Answered("values", tuple(values))


def own_traceback(error: BaseException) -> str:
    """The traceback of an error without the frames of the checker above the student's code.

    Example:
        >>> try:
        ...     1 / 0
        ... except ZeroDivisionError as error:
        ...     own_traceback(error).splitlines()[-1]
        'ZeroDivisionError: division by zero'
    """
    found = traceback.TracebackException.from_exception(error)
    frames = list(found.stack)
    ours = [i for i, frame in enumerate(frames) if frame.filename.startswith(HERE)]
    frames = frames[ours[-1] + 1 :] if ours else frames
    lines = traceback.StackSummary.from_list(frames[:3] + frames[3:][-9:]).format()
    head = "Traceback (most recent call last):\n" if lines else ""
    return (head + "".join(lines) + "".join(found.format_exception_only())).rstrip()


def _kind(found: Any) -> str:
    return "a function" if callable(found) and not isinstance(found, Tensor) else f"a {type(found).__name__}"
