"""Held for every exercise: the reference is green, the stub is "not done yet", each usual mistake gets its own hint."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from gmlib.exercises import Exercise, Mistake, check, find, hint, listed, solution
from gmlib.exercises.answers import answered
from gmlib.exercises.judge import judge

EXERCISES = listed()
MISTAKES = [(exercise, mistake) for exercise in EXERCISES for mistake in exercise.mistakes]


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GMLIB_PROGRESS", "off")


def names(value: object) -> str | None:
    return value.id if isinstance(value, Exercise) else value.name if isinstance(value, Mistake) else None


def secrets(exercise: Exercise) -> Iterator[str]:
    """Lines of the reference that the stub does not show."""
    for line in exercise.reference.splitlines():
        if line.strip() and line.strip() not in exercise.stub:
            yield line.strip()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("exercise", EXERCISES, ids=names)
def test_the_reference_passes_on_any_inputs(exercise: Exercise, seed: int) -> None:
    report = check(exercise.id, exercise.build(exercise.reference), seed=seed)
    assert report, report


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("exercise", EXERCISES, ids=names)
def test_the_reference_has_the_properties(exercise: Exercise, seed: int) -> None:
    cases = exercise.inputs(seed)
    given = answered(exercise, exercise.build(exercise.reference), cases)
    for held in exercise.properties:
        for case, value in zip(cases, given.values, strict=True):
            assert held.holds(case, value.data), held.says


@pytest.mark.parametrize("exercise", EXERCISES, ids=names)
def test_the_reference_passes_with_lists_in_single_precision_too(exercise: Exercise) -> None:
    reference = exercise.build(exercise.reference)

    def single(*arguments: object) -> object:
        return reference(*arguments).float()

    assert check(exercise.id, single if exercise.wants_function else list(reference))


@pytest.mark.parametrize("exercise", EXERCISES, ids=names)
def test_the_stub_is_not_done_yet(exercise: Exercise) -> None:
    report = check(exercise.id, exercise.build(exercise.stub))
    assert report.state == "not done"
    assert "Not done yet" in str(report)


@pytest.mark.parametrize("seed", [0, pytest.param(7, marks=pytest.mark.weekly)])
@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES, ids=names)
def test_a_usual_mistake_gets_its_own_hint_and_no_solution(
    exercise: Exercise, mistake: Mistake, seed: int
) -> None:
    report = check(exercise.id, exercise.build(exercise.wrong(mistake)), seed=seed)
    assert report.state == "failed"
    assert report.mistake == mistake.name
    assert mistake.hint in str(report)
    for other in exercise.mistakes:
        if other is not mistake and other.hint != mistake.hint:
            assert other.hint not in str(report)
    # The solution is never shown.
    text = str(report) + report._repr_html_()
    assert not [line for line in secrets(exercise) if line in text]
    if not exercise.wants_function:
        right = exercise.build(exercise.reference)
        assert not any(f"{number:.3f}" in line for number in right for line in report.lines[1:])


@pytest.mark.parametrize("exercise", EXERCISES, ids=names)
def test_a_definition_is_whole(exercise: Exercise) -> None:
    assert len(exercise.mistakes) >= 3
    assert len({m.name for m in exercise.mistakes}) == len(exercise.mistakes)
    assert len({m.hint for m in exercise.mistakes}) == len(exercise.mistakes)
    assert exercise.difficulty in (1, 2, 3)
    assert 5 <= exercise.minutes <= 60
    assert exercise.properties
    assert exercise.hints
    assert hint(exercise.id).text.startswith(exercise.hints[0])
    assert exercise.reference.strip() in solution(exercise.id).text
    assert exercise.solution.strip() in solution(exercise.id).text


@pytest.mark.parametrize("exercise", EXERCISES, ids=names)
def test_an_unusual_wrong_answer_is_not_called_usual(exercise: Exercise) -> None:
    cases = exercise.inputs(0)
    reference = exercise.build(exercise.reference)

    def odd(*arguments: object) -> object:
        return reference(*arguments) * 1.2345 + 0.111

    answer = odd if exercise.wants_function else [17.3, 29.1]
    report = judge(exercise, cases, answered(exercise, answer, cases))
    assert report.state == "failed"
    assert report.mistake == ""


def test_ids_are_once_each_and_lead_back() -> None:
    assert len({e.id for e in EXERCISES}) == len(EXERCISES)
    assert all(find(e.id) is e for e in EXERCISES)
    assert len({e.label for e in EXERCISES}) == len(EXERCISES)


def test_checks_leave_the_random_state_alone() -> None:
    torch.manual_seed(3)
    due = torch.rand(2)
    torch.manual_seed(3)
    check("elbo.gaussian-kl", lambda mean, log_std: torch.randn(len(mean)))
    assert torch.equal(torch.rand(2), due)
