"""Grade a folder of submissions: one file a student, a table, and JSON for the mark book."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gmlib._checks import check_count
from gmlib.exercises.answers import Answered
from gmlib.exercises.exercise import Exercise
from gmlib.exercises.judge import judge
from gmlib.exercises.sandbox import Limits, bubblewrap, run

SIGNS = {"passed": "✓", "failed": "✗", "crashed": "!", "not done": "…", "missing": "-"}


@dataclass(frozen=True)
class Mark:
    """What became of one exercise in one submission.

    Attributes:
        state: ``"passed"``, ``"failed"``, ``"crashed"``, ``"not done"``, ``"missing"``, ``"timed out"``,
            ``"ended early"``, ``"overran"`` or ``"unreadable"``.
        mistake: the usual mistake that it looks like, or empty.
        says: what the student would have read.
    """

    state: str
    mistake: str = ""
    says: str = ""


@dataclass(frozen=True)
class Grades:
    """The marks of all submissions.

    Attributes:
        marks: for each file name, a mark for each exercise.
        seed: of the random inputs.
        confined: whether the code ran in the sandbox.
    """

    marks: dict[str, dict[str, Mark]]
    seed: int
    confined: bool

    def table(self) -> str:
        """The marks as text, one line a submission; the columns are numbered and named below."""
        ids = list(next(iter(self.marks.values()), {}))
        names = {name: printable(name) for name in self.marks}
        width = max(map(len, names.values()), default=0)
        head = " " * width + "  " + " ".join(f"{i:>2}" for i in range(1, len(ids) + 1)) + "  passed"
        rows = [head]
        for name, marks in self.marks.items():
            signs = " ".join(f"{SIGNS.get(marks[id].state, '?'):>2}" for id in ids)
            passed = sum(mark.state == "passed" for mark in marks.values())
            rows.append(f"{names[name]:<{width}}  {signs}  {passed:>3} of {len(ids)}")
        key = "   ".join(f"{sign} {state}" for state, sign in SIGNS.items())
        rows += ["", f"{key}   ? timed out, ended early, overran or unreadable"]
        rows += [f"{i:>2} {id}" for i, id in enumerate(ids, 1)]
        return "\n".join(rows)

    def text(self) -> str:
        """The marks as JSON."""
        # A name need not be UTF-8, and JSON must.
        marks = {
            name.encode("utf8", "backslashreplace").decode(): {
                id: asdict(mark) for id, mark in exercises.items()
            }
            for name, exercises in self.marks.items()
        }
        about = {"seed": self.seed, "confined": self.confined, "submissions": marks}
        return json.dumps(about, indent=1, ensure_ascii=False) + "\n"


def printable(name: str) -> str:
    """A file's name for the terminal. It is the student's choice: nothing in it may arrive as a command.

    Example:
        >>> printable("a\\x1b[2J.py")
        'a?[2J.py'
    """
    return "".join(c if c.isprintable() else "?" for c in name)


def left_out(folder: Path) -> list[str]:
    """What lies in the folder and is not graded, but for hidden files: links, folders, files of another kind.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("ada.py", "bob.zip"):
        ...         Path(folder, name).touch()
        ...     left_out(Path(folder))
        ['bob.zip']
    """
    taken = {path.name for path in submissions(folder)}
    return sorted(p.name for p in folder.iterdir() if p.name[0] != "." and p.name not in taken)


def submissions(folder: Path) -> list[Path]:
    """The submissions in a folder: its ``.py`` and ``.ipynb`` files, links and hidden files left out.

    Raises:
        ValueError: the folder does not exist, or holds none.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "ada.py").touch()
        ...     [path.name for path in submissions(Path(folder))]
        ['ada.py']
    """
    if not folder.is_dir():
        raise ValueError(f"folder must be a folder of submissions, got {str(folder)!r}")
    found = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix in (".py", ".ipynb")
        and path.is_file()
        and not path.is_symlink()
        and path.name[0] != "."
    ]
    if not found:
        raise ValueError(f"folder must hold .py or .ipynb files, got {str(folder)!r} with none")
    return found


def grade(
    folder: str | Path,
    exercises: Sequence[Exercise],
    *,
    trusted: bool = False,
    seed: int | None = None,
    limits: Limits | None = None,
    tell: Callable[[str], None] | None = None,
) -> Grades:
    """Grade every submission in a folder.

    Each runs in a process of its own, in a sandbox unless ``trusted``; the inputs are drawn and the results judged here,
    where no student's code runs.

    Args:
        folder: one file a student.
        exercises: what is graded.
        trusted: run the code without the sandbox.
        seed: of the random inputs; None draws one, so that answers cannot be written for known inputs.
        limits: time and memory for each submission.
        tell: called with the name of each submission before it runs.

    Raises:
        ValueError: there is no such folder, or nothing in it.
        NoSandbox: code cannot be confined on this machine, and ``trusted`` is false.

    Example:
        >>> import tempfile
        >>> from gmlib.exercises.registry import find
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "ada.py").write_text("thetas = (2**0.5, 1.0643)")
        ...     grades = grade(folder, [find("elbo.not-mle")], trusted=True)
        ...     grades.marks["ada.py"]["elbo.not-mle"].state
        'passed'
    """
    files = submissions(Path(folder))
    if not trusted:
        bubblewrap()
    seed = secrets.randbelow(2**31) if seed is None else seed
    check_count("seed", seed, low=0)
    tasks = [(exercise, exercise.inputs(seed)) for exercise in exercises]
    marks: dict[str, dict[str, Mark]] = {}
    for file in files:
        if tell is not None:
            tell(file.name)
        given = run(file, tasks, trusted=trusted, limits=limits)
        marks[file.name] = {e.id: _mark(e, cases, given[e.id]) for e, cases in tasks}
    return Grades(marks, seed, not trusted)


def _mark(exercise: Exercise, cases: list[dict[str, object]], given: Answered | str) -> Mark:
    if isinstance(given, str):
        return Mark(given)
    if given.state == "odd" and given.text == "missing":
        return Mark("missing", says=f"There is no `{exercise.answer}` in the file.")
    if given.case >= len(cases):
        return Mark("unreadable")
    try:
        report = judge(exercise, cases, given)
    except Exception:
        # Numbers of the student's choice, of any shape: whatever they upset, the others are graded.
        return Mark("unreadable")
    return Mark(report.state, report.mistake, str(report))
