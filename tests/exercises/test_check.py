"""What a student meets: verdicts, crashes, odd answers, hints, and what is remembered."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gmlib.exercises import Exercise, Mistake, check, hint, progress, solution
from gmlib.exercises.answers import answered
from gmlib.exercises.judge import judge
from gmlib.exercises.values import decode, encode, value


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GMLIB_PROGRESS", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture(autouse=True)
def _at_home(place: Path) -> None:
    """Nothing that a test does reaches the real folder."""


def right_kl(mean: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
    return 0.5 * (mean**2 + (2 * log_std).exp() - 1 - 2 * log_std).sum(-1)


def test_a_right_function_passes_and_the_report_is_true() -> None:
    report = check("elbo.gaussian-kl", right_kl)
    assert report
    assert "Passed" in str(report)
    assert 'data-state="passed"' in report._repr_html_()


def test_a_wrong_one_hears_on_which_input_and_what_was_due() -> None:
    report = check("elbo.gaussian-kl", lambda mean, log_std: -right_kl(mean, log_std))
    assert not report
    assert "mean = [[" in report.lines[0]
    assert "is due" in report.lines[1]
    assert any("never negative" in line for line in report.lines)
    assert report.mistake == "sign"


def test_a_wrong_shape_is_said() -> None:
    report = check("elbo.gaussian-kl", lambda mean, log_std: right_kl(mean, log_std)[:, None])
    assert "Its shape is (1, 1); (1,) is due" in str(report)


@pytest.mark.parametrize(
    "kind", [tuple, list, torch.tensor, np.array], ids=["tuple", "list", "tensor", "array"]
)
def test_numbers_come_in_any_form(kind: object) -> None:
    assert callable(kind)
    assert check("elbo.not-mle", kind([math.sqrt(2), 1.0643]))


def test_a_module_is_a_function() -> None:
    class Price(torch.nn.Module):
        def forward(self, mean: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
            return right_kl(mean, log_std)

    assert check("elbo.gaussian-kl", Price())


def test_gradients_and_changed_inputs_do_no_harm() -> None:
    def careless(mean: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
        result = right_kl(mean.requires_grad_(), log_std)
        with torch.no_grad():
            mean.zero_()
        return result

    with torch.no_grad():
        assert check("elbo.gaussian-kl", careless)


@pytest.mark.parametrize("blank", [None, ..., NotImplemented])
def test_nothing_yet_is_not_done(blank: object) -> None:
    assert check("elbo.not-mle", blank).state == "not done"
    assert check("elbo.iwae", blank).state == "not done"
    assert check("elbo.iwae", lambda log_weights: blank).state == "not done"


def test_not_implemented_is_not_done() -> None:
    def later(log_weights: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    assert check("elbo.iwae", later).state == "not done"


def test_a_crash_is_the_students_own() -> None:
    def mine(mean: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
        return mean @ log_std + undefined_name  # type: ignore[name-defined]

    report = check("elbo.gaussian-kl", mine)
    assert report.state == "crashed"
    assert "in your code" in str(report)
    assert "in mine" in report.code
    assert "gmlib/exercises/" not in report.code
    assert report.code.splitlines()[-1].split(":")[0] in ("NameError", "RuntimeError")
    assert "mean = [[" in str(report)


def test_leaving_is_a_crash_and_does_not_leave() -> None:
    def leave(log_weights: torch.Tensor) -> torch.Tensor:
        raise SystemExit(0)

    assert check("elbo.iwae", leave).state == "crashed"


def test_a_crash_inside_a_long_recursion_stays_short() -> None:
    def deep(log_weights: torch.Tensor) -> torch.Tensor:
        return deep(log_weights)

    report = check("elbo.iwae", deep)
    assert report.state == "crashed"
    assert len(report.code.splitlines()) < 60


@pytest.mark.parametrize(
    ("id", "answer", "said"),
    [
        ("elbo.iwae", 3.0, "a function `iwae(...)` is wanted, not a float"),
        ("elbo.not-mle", lambda: 1, "a number or an array is wanted, not a function"),
        ("elbo.not-mle", "1.4", "it is a value of type str"),
        ("elbo.not-mle", 1.4, "Its shape is (); (2,) is wanted"),
        ("elbo.iwae", lambda log_weights: "high", "it returns a value of type str"),
        ("elbo.iwae", lambda log_weights: log_weights[0] + 1j, "a complex tensor"),
        (
            "elbo.iwae",
            lambda log_weights: log_weights.sum(0) if len(log_weights) < 3 else None,
            "it returns None",
        ),
        ("elbo.iwae", lambda log_weights: [[1.0], [1.0, 2.0]], "parts with different shapes"),
    ],
)
def test_an_odd_answer_is_named(id: str, answer: object, said: str) -> None:
    report = check(id, answer)
    assert report.state == "failed"
    assert said.lower() in str(report).lower()


class Hostile:
    """Whatever the checker asks of it, it fails."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __array__(self) -> np.ndarray:
        raise self.error


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def _endless() -> list[object]:
    found: list[object] = [1.0]
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (10**400, "a value of type int that cannot be read as numbers (OverflowError: int too large"),
        ([1.0, 10**400], "a value of type list that cannot be read as numbers (OverflowError"),
        (
            Hostile(ValueError("mine")),
            "a value of type Hostile that cannot be read as numbers (ValueError: mine",
        ),
        (Hostile(SystemExit(3)), "a value of type Hostile that cannot be read as numbers (SystemExit: 3"),
        (Hostile(Wordless()), "a value of type Hostile that cannot be read as numbers"),
        (np.float64, "the class float64"),
        (_endless(), "a value of type list that cannot be read as numbers (RecursionError"),
        (torch.empty(2, device="meta"), "a value of type Tensor that cannot be read as numbers"),
        (torch.eye(2).to_sparse(), "a sparse or nested tensor"),
        (np.array([1j]), "a value of type ndarray"),
        (np.array(["a"]), "a value of type ndarray"),
    ],
    ids=range(11),
)
def test_what_cannot_be_read_is_the_students_mistake(odd: object, said: str) -> None:
    report = check("elbo.iwae", lambda log_weights: odd)
    assert report.state == "failed"
    assert f"It returns {said}" in str(report)
    assert "numbers are wanted" in str(report)
    report = check("elbo.not-mle", odd)
    assert report.state == "failed"
    assert (f"It is {said}" in str(report)) is not isinstance(odd, type)


def test_stopping_the_check_stops_it() -> None:
    with pytest.raises(KeyboardInterrupt):
        check("elbo.not-mle", Hostile(KeyboardInterrupt()))


def test_html_is_escaped() -> None:
    def mine(log_weights: torch.Tensor) -> torch.Tensor:
        raise ValueError("<script>alert(1)</script>")

    assert "<script>" not in check("elbo.iwae", mine)._repr_html_()


def test_unknown_ids_are_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"id must be .*elbo.gaussian-kl.*got 'elbo.gausian-kl'"):
        check("elbo.gausian-kl", None)
    with pytest.raises(ValueError, match="number must be at most"):
        hint("elbo.iwae", 99)
    with pytest.raises(ValueError, match="chapter must be one of"):
        progress("nowhere")


def test_hints_and_solutions_are_markdown() -> None:
    assert hint("elbo.iwae", 2)._repr_markdown_().startswith("Take the largest")
    assert "```python" in solution("elbo.iwae")._repr_markdown_()


# --- progress -------------------------------------------------------------------------------------------------------


def test_progress_notes_what_is_done_and_only_that(place: Path) -> None:
    assert progress().done == ()
    check("elbo.gaussian-kl", lambda mean, log_std: -right_kl(mean, log_std))
    assert not place.exists()
    check("elbo.gaussian-kl", right_kl)
    check("elbo.gaussian-kl", right_kl)
    assert progress().done == ("elbo.gaussian-kl",)
    assert [path.name for path in place.iterdir()] == ["elbo.gaussian-kl.json"]
    assert "1 of" in str(progress("02_elbo"))
    assert "<table>" in progress()._repr_html_()


def test_progress_can_be_declined(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check("elbo.gaussian-kl", right_kl, record=False)
    monkeypatch.setenv("GMLIB_PROGRESS", "off")
    check("elbo.gaussian-kl", right_kl)
    assert not place.exists()
    assert progress().done == ()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"done": 3}', '{"done": "yesterday"}', '{"other": 1}'])
def test_a_damaged_note_counts_as_not_done(place: Path, text: str) -> None:
    place.mkdir()
    (place / "elbo.iwae.json").write_text(text, "utf8")
    assert progress().done == ()


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", "utf8")
    monkeypatch.setenv("GMLIB_PROGRESS", str(tmp_path / "file"))
    assert check("elbo.gaussian-kl", right_kl)
    assert progress().done == ()


# --- the parts ------------------------------------------------------------------------------------------------------


def test_the_nearest_of_several_mistakes_is_chosen_by_name() -> None:
    exercise = Exercise(
        id="elbo.toy",
        title="Toy",
        chapter="02_elbo",
        section="sec-02-bound",
        difficulty=1,
        minutes=5,
        statement="",
        answer="f",
        stub="f = None",
        reference="def f(x):\n    return 2 * x\n",
        mistakes=(
            Mistake("half", (("2 * x", "x"),), "Half?"),
            Mistake("plus", (("2 * x", "2 + x"),), "Plus?"),
        ),
        hints=("",),
        solution="",
        cases=lambda generator: [{"x": torch.rand(3, generator=generator)} for _ in range(3)],
    )
    cases = exercise.inputs(0)
    report = judge(exercise, cases, answered(exercise, torch.nn.Identity(), cases))
    assert (report.state, report.mistake) == ("failed", "half")
    linear = torch.nn.Linear(3, 3, bias=False)
    torch.nn.init.eye_(linear.weight)
    linear.weight.data *= 2
    assert judge(exercise, cases, answered(exercise, linear, cases))


def test_of_two_mistakes_at_once_one_is_named() -> None:
    report = check("elbo.iwae", lambda log_weights: log_weights.exp().sum(0).log())
    assert report.mistake == "no-log-k"
    assert "the bound is finite" in str(report)


def test_a_mistake_made_in_other_words_is_recognised() -> None:
    def elbo(
        x: torch.Tensor, logits: torch.Tensor, mean: torch.Tensor, log_std: torch.Tensor
    ) -> torch.Tensor:
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, x)
        return -loss + 0.5 * (1 + 2 * log_std - mean.pow(2) - log_std.exp() ** 2).sum(-1)

    assert check("elbo.two-terms", elbo).mistake in ("default-reduction", "mean-over-pixels")

    def gradient(
        f: Callable[[torch.Tensor], torch.Tensor], mean: float, std: float, noise: torch.Tensor
    ) -> torch.Tensor:
        parameters = torch.tensor([mean, std], dtype=torch.float64, requires_grad=True)
        z = torch.distributions.Normal(parameters[0], parameters[1]).sample(noise.shape)
        (found,) = torch.autograd.grad(f(z).sum() + 0 * parameters.sum(), parameters)
        return found[:, None].expand(2, len(noise))

    assert check("elbo.pathwise", gradient).mistake == "detached"


@pytest.mark.parametrize("number", [0.1, math.inf, -math.inf, math.nan, 1e308])
def test_values_survive_json(number: float) -> None:
    sent = value(torch.tensor([[number, 1.0]], dtype=torch.float64))
    back = decode(json.loads(json.dumps(encode(sent))))
    assert torch.equal(back.data.nan_to_num(7), sent.data.nan_to_num(7))


@pytest.mark.parametrize(
    "text",
    [
        None,
        [],
        {},
        {"shape": [2], "numbers": [1.0], "coarse": False},
        {"shape": [-1, -1], "numbers": [1.0], "coarse": False},
        {"shape": [10**30], "numbers": [], "coarse": False},
        {"shape": [1], "numbers": ["x"], "coarse": False},
        {"shape": [1], "numbers": [10**400], "coarse": False},
        {"shape": 3, "numbers": [1.0], "coarse": False},
    ],
)
def test_what_is_no_value_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="not a value"):
        decode(text)
