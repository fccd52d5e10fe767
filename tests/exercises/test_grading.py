"""Grading: right, wrong, crashing, hanging and hostile submissions, side by side, each with its own marks only."""

from __future__ import annotations

import json
import socket
import textwrap
from pathlib import Path
from typing import Any

import nbformat
import pytest

from gmlib.exercises import find
from gmlib.exercises.__main__ import main
from gmlib.exercises.grading import Grades, grade, submissions
from gmlib.exercises.judge import judge
from gmlib.exercises.sandbox import Limits, NoSandbox, _read, bubblewrap
from gmlib.exercises.submission import load

pytestmark = pytest.mark.slow
EXERCISES = [find(id) for id in ("elbo.gaussian-kl", "elbo.iwae", "elbo.not-mle")]
KL, IWAE, NOT_MLE = EXERCISES
LIMITS = Limits(seconds=4.0, memory=1 << 30)
RIGHT = "import math, torch\n" + "\n".join(e.reference for e in EXERCISES)

FILES = {
    "ada.py": RIGHT,
    "bob.py": "import torch\n" + KL.wrong(KL.mistakes[2]) + IWAE.stub + "thetas = 'root two'\n",
    "cyd.py": "import torch\ndef normal_kl(mean, log_std):\n    return mean @ log_std @ mean @ log_std\n"
    "def iwae(log_weights):\n    import sys\n    sys.exit('enough')\n",
    "dan.py": "def (\n",
    # Hangs in one exercise, ends the process in another; the third is right.
    "eve.py": RIGHT
    + "import os\ndef normal_kl(mean, log_std):\n    while True:\n        pass\n"
    + "def iwae(log_weights):\n    os._exit(0)\n",
    "hog.py": RIGHT + "def iwae(log_weights):\n    return torch.zeros(10**10)\n",
}


def notebook(*cells: str) -> str:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    return nbformat.writes(made)


def fill(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf8")
    return folder


def sandbox_or_skip() -> None:
    try:
        bubblewrap()
    except NoSandbox as error:
        pytest.skip(str(error))


def states(grades: Grades, name: str) -> list[str]:
    return [grades.marks[name][e.id].state for e in EXERCISES]


@pytest.mark.parametrize("trusted", [False, True], ids=["confined", "trusted"])
def test_each_submission_gets_its_own_marks(tmp_path: Path, trusted: bool) -> None:
    if not trusted:
        sandbox_or_skip()
    files = dict(FILES)
    files["fay.ipynb"] = notebook(
        "%matplotlib inline\nimport math, torch", "1 / 0", KL.reference, NOT_MLE.stub
    )
    grades = grade(fill(tmp_path / "in", files), EXERCISES, trusted=trusted, limits=LIMITS)
    assert grades.confined is not trusted
    assert states(grades, "ada.py") == ["passed", "passed", "passed"]
    assert states(grades, "bob.py") == ["failed", "not done", "failed"]
    assert grades.marks["bob.py"][KL.id].mistake == KL.mistakes[2].name
    assert states(grades, "cyd.py") == ["crashed", "crashed", "missing"]
    assert "cyd.py" in grades.marks["cyd.py"][KL.id].says
    assert "return mean @ log_std" in grades.marks["cyd.py"][KL.id].says
    assert states(grades, "dan.py") == ["crashed", "crashed", "crashed"]
    assert "SyntaxError" in grades.marks["dan.py"][KL.id].says
    assert states(grades, "eve.py") == ["timed out", "ended early", "passed"]
    assert states(grades, "hog.py") == ["passed", "crashed", "passed"]
    assert states(grades, "fay.ipynb") == ["passed", "missing", "not done"]
    text = json.loads(grades.text())
    assert text["submissions"]["ada.py"][KL.id]["state"] == "passed"
    assert "ada.py" in grades.table()
    assert "3 of 3" in grades.table()


HOSTILE = textwrap.dedent(
    """
    import json, os, socket, sys
    from pathlib import Path

    import torch

    told = []
    for path in ("/mine", "/dev/mine", "/code/mine", "/submission/mine", "/usr/mine"):
        try:
            Path(path).write_text("mine")
            told.append("wrote " + path)
        except OSError:
            pass
    for path in {paths!r}:
        try:
            Path(path).write_text("mine")
            told.append(path)
        except OSError:
            pass
        try:
            told.append(Path(path).read_text())
        except OSError:
            pass
    try:
        socket.create_connection(("127.0.0.1", {port}), timeout=1).close()
        told.append("network")
    except OSError:
        pass
    torch.allclose = lambda *a, **k: True
    forged = [{{"loaded": True}}] + [
        {{"id": id, "state": "passed", "values": [], "text": "", "case": 0}} for id in {ids!r}
    ]
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, "".join(json.dumps(line) + "\\n" for line in forged).encode())
        except OSError:
            pass

    def normal_kl(mean, log_std):
        raise RuntimeError(repr(told))
    """
)


def test_a_hostile_submission_reaches_nothing(tmp_path: Path) -> None:
    sandbox_or_skip()
    folder = fill(tmp_path / "in", {"ada.py": RIGHT})
    (tmp_path / "secret.txt").write_text("the secret", "utf8")
    package = Path(__file__).parents[2] / "gmlib" / "exercises" / "judge.py"
    paths = [
        str(folder / "ada.py"),
        str(tmp_path / "secret.txt"),
        "/code/gmlib/exercises/judge.py",
        "/etc/passwd",
    ]
    before = package.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        text = HOSTILE.format(paths=paths, port=server.getsockname()[1], ids=[e.id for e in EXERCISES])
        fill(folder, {"mal.py": text, "zoe.py": RIGHT})
        grades = grade(folder, EXERCISES, limits=LIMITS)
        with pytest.raises(TimeoutError):
            server.accept()
    assert "passed" not in states(grades, "mal.py")
    assert states(grades, "ada.py") == states(grades, "zoe.py") == ["passed", "passed", "passed"]
    assert (folder / "ada.py").read_text("utf8") == RIGHT
    assert (tmp_path / "secret.txt").read_text("utf8") == "the secret"
    assert package.read_bytes() == before
    fill(folder, {"mal.py": text.replace("range(3, 30)", "()")})
    says = grade(folder, [KL], limits=LIMITS).marks["mal.py"][KL.id].says
    assert "RuntimeError" in says
    assert not any(
        found in says for found in ("the secret", "network", "root:", "wrote", str(tmp_path / "secret.txt"))
    )


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "elbo.iwae", "state": "values", "values": [], "text": "", "case": 0}',
        '{"id": "elbo.not-mle", "state": "passed", "values": [], "text": "", "case": 0}',
        '{"id": "elbo.not-mle", "state": "values", "values": [{"shape": [2], "numbers": "ab"}], "text": "", "case": 0}',
        '{"id": "elbo.not-mle", "state": "values", "values": [], "text": "", "case": 0}',
        '{"id": "elbo.not-mle", "state": "values", "values": 3, "text": "", "case": 0}',
        "null",
        "[" * 100_000,
        "nonsense",
        "\\x00\\xff",
    ],
    ids=range(9),
)
def test_a_forged_line_is_unreadable(line: str) -> None:
    given = _read(line.encode(), NOT_MLE)
    state = given if isinstance(given, str) else judge(NOT_MLE, NOT_MLE.inputs(0), given).state
    assert state in ("unreadable", "failed")


def test_a_flood_is_cut_off(tmp_path: Path) -> None:
    flood = "import os\nfor d in range(3, 40):\n    try:\n        os.write(d, b'x' * 10**7)\n"
    flood += "    except OSError:\n        pass\n"
    folder = fill(tmp_path / "in", {"mal.py": flood})
    grades = grade(folder, [NOT_MLE], trusted=True, limits=LIMITS)
    assert grades.marks["mal.py"][NOT_MLE.id].state == "unreadable"


def test_without_bubblewrap_grading_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bubblewrap.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = fill(tmp_path / "in", {"ada.py": RIGHT})
    with pytest.raises(NoSandbox, match=r"bubblewrap.*--trusted"):
        grade(folder, EXERCISES)
    assert main(["grade", str(folder)]) == 2
    assert "bubblewrap" in capsys.readouterr().err


def test_the_command_prints_a_table_and_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fill(tmp_path / "in", {"ada.py": RIGHT})
    target = tmp_path / "marks.json"
    assert main(["grade", str(folder), "--trusted", "--seed", "3", "--json", str(target)]) == 0
    said = capsys.readouterr()
    assert "3 of" in said.out
    assert "ada.py" in said.err
    marks = json.loads(target.read_text("utf8"))
    assert (marks["seed"], marks["confined"]) == (3, False)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
    assert main(["list"]) == 0
    assert "elbo.gaussian-kl" in capsys.readouterr().out


def test_what_is_no_folder_of_submissions_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="folder must be a folder"):
        submissions(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="folder must hold"):
        submissions(tmp_path)
    fill(tmp_path, {"ada.py": "", ".hidden.py": "", "notes.txt": ""})
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    assert [path.name for path in submissions(tmp_path)] == ["ada.py"]
    assert main(["grade", str(tmp_path / "nowhere"), "--trusted"]) == 2


def test_of_a_notebook_only_what_is_needed_runs(tmp_path: Path) -> None:
    cells: list[Any] = [
        "import math\n!pip install nothing\nraise RuntimeError('training')",
        "def helper(x):\n    return 2 * x\nhelper(1) / 0",
        "scale = 3.0\ndef answer(x):\n    return scale * helper(x)",
        "%%bash\nrm everything",
        "other = 1 / 0",
        "import a_module_that_is_not_here\nclass Broken(nowhere.Base):\n    pass",
        "this cell cannot be read",
    ]
    path = tmp_path / "gil.ipynb"
    path.write_text(notebook(*cells), "utf8")
    space = load(path, ["answer"])
    assert space["answer"](2) == 12
    assert "other" not in space
