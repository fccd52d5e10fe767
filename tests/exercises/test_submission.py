"""What of a student's file is found, however it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from gmlib.exercises import find
from gmlib.exercises.grading import grade
from gmlib.exercises.submission import load

pytestmark = pytest.mark.slow
NOT_MLE = find("elbo.not-mle")


def notebook(folder: Path, *cells: str) -> Path:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    path = folder / "ada.ipynb"
    path.write_text(nbformat.writes(made), "utf8")
    return path


@pytest.mark.parametrize(
    "cell",
    [
        "thetas: tuple = (1, 2)",
        "if True:\n    thetas = (1, 2)",
        "try:\n    thetas = (1, 2)\nexcept ValueError:\n    pass",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    thetas = (1, 2)",
        "for thetas in [(1, 2)]:\n    pass",
        "with open('/dev/null') as other:\n    thetas = (1, 2)",
        "(thetas := (1, 2))",
        "first, *thetas = 0, 1, 2\nthetas = tuple(thetas)",
        "thetas = (1,)\nthetas += (2,)",
    ],
)
def test_an_answer_is_found_however_it_is_bound(tmp_path: Path, cell: str) -> None:
    assert load(notebook(tmp_path, cell), ["thetas"])["thetas"] == (1, 2)


def test_an_answer_that_is_filled_later_is_found(tmp_path: Path) -> None:
    cells = ["thetas = [0, 0]", "thetas[0] = 1", "thetas[1]: int = 2"]
    assert load(notebook(tmp_path, *cells), ["thetas"])["thetas"] == [1, 2]


def test_a_function_under_if_or_try_is_found(tmp_path: Path) -> None:
    cells = [
        "try:\n    import a_module_that_is_not_here as quick\nexcept ImportError:\n    import math as quick",
        "if quick:\n    def helper(x):\n        return quick.sqrt(x)\nelse:\n    def helper(x):\n        pass",
        "try:\n    def answer(x):\n        return helper(x)\nexcept NameError:\n    raise",
    ]
    assert load(notebook(tmp_path, *cells), ["answer"])["answer"](4) == 2


@pytest.mark.parametrize(
    "cell",
    [
        "if True:\n    import math\n    raise SystemExit('training')",
        "def train():\n    thetas = 1\nraise SystemExit('training')",
        "found = [thetas for thetas in (1, 2)]\nraise SystemExit('training')",
        "found = {}\nfound[thetas] = 1\nraise SystemExit('training')",
        "thetas: tuple\nraise SystemExit('training')",
        "thetas.append(3) if False else print(thetas)\nraise SystemExit('training')",
    ],
)
def test_a_cell_that_binds_no_answer_is_not_run(tmp_path: Path, cell: str) -> None:
    assert "thetas" not in load(notebook(tmp_path, cell), ["thetas"])


@pytest.mark.parametrize("suffix", [".py", ".ipynb"])
def test_a_byte_order_mark_does_no_harm(tmp_path: Path, suffix: str) -> None:
    text = "thetas = (2**0.5, 1.0643)\n"
    path = tmp_path / f"ada{suffix}"
    text = text if suffix == ".py" else notebook(tmp_path, text).read_text("utf8")
    path.write_text(text, "utf-8-sig")
    assert grade(tmp_path, [NOT_MLE], trusted=True).marks[path.name][NOT_MLE.id].state == "passed"


@pytest.mark.parametrize(
    ("cell", "due"),
    [
        ("thetas = (100\n% 7)", 2),
        ("thetas = 100 \\\n% 7", 2),
        ("thetas = '''a\n!b\n%c'''", "a\n!b\n%c"),
        ("%matplotlib inline\nthetas = 100", 100),
        ("%matplotlib inline\nthetas = (100\n    % 7)\n!ls", 2),
        ("!ls\nthetas = '''a\n!b'''\nif thetas:\n    pass\n    %time 1", "a\n!b"),
        ("thetas = 'a\u2028%b'", "a\u2028%b"),
    ],
)
def test_only_what_is_no_python_is_left_out(tmp_path: Path, cell: str, due: Any) -> None:
    assert load(notebook(tmp_path, cell), ["thetas"])["thetas"] == due


def test_a_line_that_cannot_be_read_is_the_students_error(tmp_path: Path) -> None:
    with pytest.raises(SyntaxError) as error:
        load(notebook(tmp_path, "%pylab\nthetas = (1\n!ls\n"), ["thetas"])
    assert error.value.lineno == 2
