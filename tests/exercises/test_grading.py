"""Grading: right, wrong, crashing, hanging and hostile submissions, side by side, each with its own marks only."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import nbformat
import pytest

from gmlib.exercises import __main__ as command
from gmlib.exercises import find
from gmlib.exercises.__main__ import main
from gmlib.exercises.grading import Grades, grade, submissions
from gmlib.exercises.judge import judge
from gmlib.exercises.sandbox import Limits, NoSandbox, NoUserNamespaces, _read, bubblewrap
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
    """Without a sandbox the tests of it are skipped, but never unseen: where CI runs, that is a failure."""
    try:
        bubblewrap()
    except NoSandbox as error:
        known = isinstance(error, NoUserNamespaces) and os.environ.get("GMLIB_NO_USERNS") == "1"
        if os.environ.get("CI") and not known:
            pytest.fail(str(error))
        pytest.skip(str(error))


def states(grades: Grades, name: str) -> list[str]:
    return [grades.marks[name][e.id].state for e in EXERCISES]


@pytest.mark.parametrize("trusted", [False, True], ids=["confined", "trusted"])
def test_each_submission_gets_its_own_marks(tmp_path: Path, trusted: bool) -> None:
    if not trusted:
        sandbox_or_skip()
    # What the answers are worth is judged alike: outside the sandbox only what stops a process is tried again.
    files = {
        name: text for name, text in FILES.items() if not trusted or name in ("ada.py", "eve.py", "hog.py")
    }
    files["fay.ipynb"] = notebook(
        "%matplotlib inline\nimport math, torch", "1 / 0", KL.reference, NOT_MLE.stub
    )
    grades = grade(fill(tmp_path / "in", files), EXERCISES, trusted=trusted, limits=LIMITS)
    assert grades.confined is not trusted
    assert states(grades, "ada.py") == ["passed", "passed", "passed"]
    assert states(grades, "eve.py") == ["timed out", "ended early", "passed"]
    assert states(grades, "hog.py") == ["passed", "crashed", "passed"]
    assert states(grades, "fay.ipynb") == ["passed", "missing", "not done"]
    if not trusted:
        assert states(grades, "bob.py") == ["failed", "not done", "failed"]
        assert grades.marks["bob.py"][KL.id].mistake == KL.mistakes[2].name
        assert states(grades, "cyd.py") == ["crashed", "crashed", "missing"]
        assert "cyd.py" in grades.marks["cyd.py"][KL.id].says
        assert "return mean @ log_std" in grades.marks["cyd.py"][KL.id].says
        assert states(grades, "dan.py") == ["crashed", "crashed", "crashed"]
        assert "SyntaxError" in grades.marks["dan.py"][KL.id].says
    text = json.loads(grades.text())
    assert text["submissions"]["ada.py"][KL.id]["state"] == "passed"
    assert "ada.py" in grades.table()
    assert "3 of 3" in grades.table()


HOSTILE = textwrap.dedent(
    """
    import json, os, resource, socket, sys
    from pathlib import Path

    import torch

    told = [f"processes {{resource.getrlimit(resource.RLIMIT_NPROC)}}"]
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
            told.append(Path(path).read_text()[:60])  # a traceback is cut to its last 4000 characters
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
    alone = fill(tmp_path / "alone", {"mal.py": text.replace("range(3, 30)", "()")})
    says = grade(alone, [KL], limits=LIMITS).marks["mal.py"][KL.id].says
    assert "RuntimeError" in says
    assert "processes (8, 8)" in says
    assert not any(
        found in says for found in ("the secret", "network", "root:", "wrote", str(tmp_path / "secret.txt"))
    )


def kl(*lines: str) -> str:
    """A file whose answer to the first exercise does this."""
    return "import torch\ndef normal_kl(mean, log_std):\n" + textwrap.indent("\n".join(lines), "    ")


LIAR = """
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True
def normal_kl(mean, log_std):
    return torch.zeros(3).as_subclass(Liar)
"""
PATCHED = """
import builtins, torch
import gmlib.exercises.judge, gmlib.exercises.values
gmlib.exercises.judge.close = gmlib.exercises.values.close = torch.allclose = lambda *a, **k: True
builtins.all = lambda *a: True
def normal_kl(mean, log_std):
    return torch.zeros(())
"""
FORKS = """
import os, time
while True:
    if os.fork() == 0:
        time.sleep(60)
    time.sleep(0.005)
"""
TRICKS = {
    # A list of its rows took all the memory of the grader.
    "a-rows.py": (kl("return torch.zeros(10**9, 0)"), "failed", "too large for any answer"),
    # Half of a surrogate pair could not be written as JSON, and all marks were lost.
    "b-half.py": (kl(r"raise RuntimeError('\ud800')"), "crashed", "RuntimeError: ?"),
    # Only root may have more processes than the limit says: its are counted from outside.
    "c-forks.py": (kl(FORKS), "overran" if os.getuid() == 0 else "crashed", ""),
    "d-kills.py": (
        kl("import os", "os.kill(1, 9)", "os.kill(os.getppid(), 9)", "os.kill(-1, 9)"),
        "crashed",
        "ProcessLookupError",
    ),
    "e-base.py": ("class Mine(BaseException):\n    pass\nraise Mine\n", "ended early", ""),
    "f-liar.py": ("import torch" + LIAR, "failed", "numbers are wanted"),
    "g-patched.py": (PATCHED, "failed", "Not right yet"),
    "h\x1b[2J\n .py": (RIGHT, "passed", ""),
    os.fsdecode(b"i-\xff.py"): (RIGHT, "passed", ""),
}


def test_whatever_one_does_the_others_are_graded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox_or_skip()
    folder = fill(
        tmp_path / "in",
        {name: text for name, (text, *_) in TRICKS.items()} | {"notes.txt": "", "z.py": RIGHT},
    )
    monkeypatch.setattr(command, "listed", lambda _: (KL,))
    monkeypatch.setattr(command, "Limits", lambda seconds: LIMITS)
    target = tmp_path / "marks.json"
    assert main(["grade", str(folder), "--json", str(target)]) == 0
    marks = json.loads(target.read_text("utf8"))["submissions"]
    assert len(marks) == len(TRICKS) + 1
    for name, (_, state, says) in TRICKS.items():
        mark = marks[name.encode("utf8", "backslashreplace").decode()][KL.id]
        assert (mark["state"], name) == (state, name)
        assert says in mark["says"]
    assert marks["z.py"][KL.id]["state"] == "passed"
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "h?[2J? .py" in said.out
    assert "not graded, for want of a .py or .ipynb file: notes.txt" in said.err


LIMITED = """
import resource, sys
from gmlib.exercises import _child
names = ("AS", "CPU", "FSIZE", "CORE", "NPROC")
before = {name: int(bound) for name, bound in zip(names, sys.argv[1:])}
for name, bound in before.items():
    resource.setrlimit(getattr(resource, "RLIMIT_" + name), (bound, bound))
_child._limit(1 << 40, 10**6)
for name, bound in before.items():
    found = resource.getrlimit(getattr(resource, "RLIMIT_" + name))
    assert found == (bound, bound), (name, found, bound)
print("held")
"""


def test_a_limit_that_is_lower_already_is_kept() -> None:
    bounds = [str(n) for n in (1 << 36, 1000, 1 << 20, 0, 6)]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *bounds],
        capture_output=True,
        text=True,
        env={**os.environ, "GMLIB_SANDBOX": "1"},
    )
    assert done.stdout == "held\n", done.stderr


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
        '{"id": "elbo.not-mle", "state": "values", "values": [{"shape": [100000000, 0], "numbers": [], "coarse": false}], '
        '"text": "", "case": 0}',
        '{"id": "elbo.not-mle", "state": "values", "values": [{"shape": ['
        + "1, " * 5000
        + '1], "numbers": [1], '
        '"coarse": false}], "text": "", "case": 0}',
    ],
    ids=range(11),
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


def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str | None) -> None:
    """A machine whose bubblewrap fails with these words, or that has none."""
    bubblewrap.cache_clear()
    if says is not None:
        script = tmp_path / "bwrap"
        script.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n", "utf8")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("CI", "GMLIB_NO_USERNS"):
        monkeypatch.delenv(name, raising=False)


REFUSALS = [
    "bwrap: setting up uid map: Permission denied",
    "bwrap: Creating new namespace failed: Operation not permitted",
    "bwrap: No permissions to create a new namespace, likely because the kernel does not allow it.",
    "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted",
]
BROKEN = "bwrap: Unknown option --unshare-all"


@pytest.mark.parametrize("says", REFUSALS)
def test_refused_user_namespaces_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    without(tmp_path, monkeypatch, says)
    with pytest.raises(NoUserNamespaces, match=r"user namespaces.*apparmor_restrict.*--trusted") as error:
        bubblewrap()
    assert says in str(error.value)
    without(tmp_path, monkeypatch, BROKEN)
    with pytest.raises(NoSandbox, match="Unknown option") as other:
        bubblewrap()
    assert not isinstance(other.value, NoUserNamespaces)


@pytest.mark.parametrize(
    ("says", "ci", "known", "fails"),
    [
        (None, "", "", False),
        (None, "true", "", True),
        (None, "true", "1", True),
        (REFUSALS[0], "", "", False),
        (REFUSALS[0], "true", "", True),
        (REFUSALS[0], "true", "1", False),
        (BROKEN, "true", "1", True),
    ],
)
def test_where_ci_runs_a_missing_sandbox_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str | None, ci: str, known: str, fails: bool
) -> None:
    without(tmp_path, monkeypatch, says)
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("GMLIB_NO_USERNS", known)
    # What pytest raises for a failure and for a skip is no Exception.
    with pytest.raises(BaseException, match="bwrap") as outcome:
        sandbox_or_skip()
    assert outcome.type is (pytest.fail.Exception if fails else pytest.skip.Exception)


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
        "%%time\ndef timed(x):\n    return x",
        "other = 1 / 0",
        "import a_module_that_is_not_here\nclass Broken(nowhere.Base):\n    pass",
        "this cell cannot be read",
    ]
    path = tmp_path / "gil.ipynb"
    path.write_text(notebook(*cells), "utf8")
    space = load(path, ["answer", "timed"])
    assert space["answer"](2) == 12
    assert space["timed"](3) == 3
    assert "other" not in space
