"""``python -m gmlib.exercises list`` and ``python -m gmlib.exercises grade FOLDER``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gmlib._files import write_text
from gmlib.exercises.grading import grade, left_out, printable
from gmlib.exercises.registry import listed
from gmlib.exercises.sandbox import Limits, NoSandbox


def main(arguments: list[str]) -> int:
    """List the exercises or grade a folder; 2 when that cannot be done, 1 when the marks cannot be written.

    Example:
        >>> main(["list", "elbo"])  # doctest: +ELLIPSIS
        elbo.bound ...
        0
    """
    parser = argparse.ArgumentParser(prog="python -m gmlib.exercises")
    commands = parser.add_subparsers(dest="command", required=True)
    lister = commands.add_parser("list", help="list the exercises")
    lister.add_argument("chapter", nargs="?", help="such as elbo or 02_elbo")
    grader = commands.add_parser("grade", help="grade a folder with one .py or .ipynb file a student")
    grader.add_argument("folder", type=Path)
    grader.add_argument("--chapter", help="such as elbo or 02_elbo (default: all)")
    grader.add_argument("--json", type=Path, metavar="FILE", help="write the marks there as well")
    grader.add_argument("--trusted", action="store_true", help="run the code without a sandbox")
    grader.add_argument("--seed", type=int, help="of the random inputs (default: drawn)")
    grader.add_argument("--seconds", type=float, default=20.0, help="for one exercise (default: 20)")
    chosen = parser.parse_args(arguments)
    try:
        exercises = listed(chosen.chapter)
        if chosen.command == "list":
            for e in exercises:
                print(f"{e.id:<22} {'*' * e.difficulty:<3} {e.minutes:>3} min  {e.answer:<14} {e.title}")
            return 0
        limits = Limits(seconds=chosen.seconds)
        grades = grade(
            chosen.folder,
            exercises,
            trusted=chosen.trusted,
            seed=chosen.seed,
            limits=limits,
            tell=lambda name: print(f"  {printable(name)}", file=sys.stderr, flush=True),
        )
        if others := left_out(chosen.folder):
            print(
                f"not graded, for want of a .py or .ipynb file: {printable(', '.join(others))}",
                file=sys.stderr,
            )
    except (ValueError, NoSandbox) as error:
        print(f"gmlib.exercises: {error}", file=sys.stderr)
        return 2
    problem = ""
    # The file first: whoever reads the table may close the pipe.
    if chosen.json is not None:
        try:
            write_text(chosen.json, grades.text())
        except OSError as error:
            problem = f"gmlib.exercises: {error} `--seed {grades.seed}` gives the same marks again."
    print(grades.table())
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
