"""One exercise, whole: what is asked, what is given, what is right, and what usually goes wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Case = Mapping[str, Any]
"""The arguments of one call: tensors, floats, ints and strings, by the names of the parameters."""


@dataclass(frozen=True)
class Property:
    """Something that must hold of a right answer and is known without the reference.

    It tells a student what is wrong, and the tests hold the reference to it.

    Attributes:
        says: the property as a sentence, which the student may read.
        holds: whether it does, for one case and what the answer gave on it.
    """

    says: str
    holds: Callable[[Any, Tensor], bool]


@dataclass(frozen=True)
class Mistake:
    """A usual wrong answer: the reference with some words exchanged.

    Attributes:
        name: a short name for tables, in lower case with hyphens.
        swap: pairs of (old, new) source text; each old stands in the reference exactly once.
        hint: what a student who did this should be asked; plain text, never the solution.
    """

    name: str
    swap: tuple[tuple[str, str], ...]
    hint: str


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        id: chapter and slug, such as ``"elbo.gaussian-kl"``.
        title: a few words.
        chapter: the notebook's stem, such as ``"02_elbo"``.
        section: the label of the section that it belongs to.
        difficulty: 1 (apply the text), 2 (derive something), 3 (find an idea).
        minutes: what it takes with pen and paper at hand.
        statement: what is asked, in Markdown.
        answer: the name that the student's answer has.
        stub: the source that the student starts from; its value means "not done yet".
        reference: source of a right answer.
        mistakes: the usual wrong answers.
        hints: help in steps, the gentlest first, in Markdown.
        solution: the argument, in Markdown; the reference is shown below it.
        cases: makes the inputs of a function from a random source; None when the answer is a number.
        call: how the answer is used on one case; by default it is called with the case's values by position.
        properties: what must hold of a right answer whatever the reference says.
        rtol: relative (and absolute) tolerance of comparisons.
    """

    id: str
    title: str
    chapter: str
    section: str
    difficulty: int
    minutes: int
    statement: str
    answer: str
    stub: str
    reference: str
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]
    solution: str
    cases: Callable[[torch.Generator], list[dict[str, Any]]] | None = None
    call: Callable[[Any, Any], Any] | None = None
    properties: tuple[Property, ...] = ()
    rtol: float = 1e-6

    @property
    def wants_function(self) -> bool:
        """Whether the answer is a function (or a module), and not a number or an array."""
        return self.cases is not None

    @property
    def label(self) -> str:
        """The label of the exercise on its page: ``ex-02-gaussian-kl``."""
        return f"ex-{self.chapter.split('_')[0]}-{self.id.split('.')[1]}"

    def inputs(self, seed: int) -> list[dict[str, Any]]:
        """The inputs on which answers are tried; one empty case when the answer is a number."""
        return [{}] if self.cases is None else self.cases(torch.Generator().manual_seed(seed))

    def use(self, answer: Any, case: Case) -> Any:
        """What an answer gives on one case."""
        if not self.wants_function:
            return answer
        return answer(*case.values()) if self.call is None else self.call(answer, case)

    def build(self, source: str) -> Any:
        """The answer that a source text (reference, stub or mistake) defines."""
        space: dict[str, Any] = {"math": math, "torch": torch, "__name__": "answer"}
        exec(compile(source, f"<{self.id}>", "exec"), space)
        return space[self.answer]

    def wrong(self, mistake: Mistake) -> str:
        """The reference's source with the mistake in it.

        Raises:
            ValueError: a text to exchange does not stand in the reference exactly once.
        """
        source = self.reference
        for old, new in mistake.swap:
            if source.count(old) != 1:
                raise ValueError(f"{self.id}, {mistake.name}: {old!r} stands {source.count(old)} times")
            source = source.replace(old, new)
        return source
