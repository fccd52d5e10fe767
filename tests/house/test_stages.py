"""The stages of `make test`: an empty one fails, and `make unit` leaves out what is marked slow."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def stages() -> Any:
    spec = importlib.util.spec_from_file_location("stages", ROOT / "tests" / "all.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("body", "good"),
    [
        ("def test_a(): pass", True),
        ("def test_a(): assert False", False),
        ("", False),
        ("import nothing_of_that_name", False),
    ],
    ids=["passes", "fails", "is empty", "does not load"],
)
def test_a_stage_is_good_when_it_ran_something_and_all_of_it_passed(
    stages: Any, tmp_path: Path, body: str, good: bool
) -> None:
    path = tmp_path / "test_it.py"
    path.write_text(body)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(path),
    ]
    said: list[str] = []
    assert stages.run("unit", [command], said.append)[:3] == (good, int(good), int(not good))
    assert said


def test_lanes_run_at_the_same_time_and_speak_one_after_the_other(
    stages: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each waits for the other's file, so that neither could end alone."""
    program = (
        "import pathlib, sys, time\nmine, other = map(pathlib.Path, sys.argv[1:])\nprint(mine.name)\nmine.touch()\n"
        "end = time.monotonic() + 60\nwhile not other.exists() and time.monotonic() < end: time.sleep(0.02)\n"
        "print(mine.name, flush=True)\nsys.exit(not other.exists())"
    )
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    commands = {
        "book": [[sys.executable, "-c", program, one, two]],
        "house": [[sys.executable, "-c", program, two, one]],
        "doctest": [[sys.executable, "-c", "print('three')"]],
    }
    found = stages.together((("book",), ("house", "doctest")), commands)
    assert {stage: good for stage, (good, *_) in found.items()} == dict.fromkeys(commands, True)
    words = capfd.readouterr().out.split()
    assert [word for word in words if word in ("one", "two", "three")] == [
        "one",
        "one",
        "two",
        "two",
        "three",
    ]


def test_the_whole_check_runs_every_stage_once_and_some_beside_others(stages: Any) -> None:
    wanted, met, beside = list(stages.STAGES), [], 0
    while wanted:
        lanes = stages.first(wanted)
        met += [stage for lane in lanes for stage in lane]
        wanted, beside = wanted[sum(map(len, lanes)) :], beside + (len(lanes) > 1)
    assert met == list(stages.STAGES)
    assert beside == len(stages.TOGETHER)
    assert stages.first(["book", "browser"]) == (("book",),)


def test_the_quick_stages_are_those_of_the_whole_check_without_the_slow_tests(stages: Any) -> None:
    assert set(stages.QUICK) < set(stages.STAGES)
    for command in (command for name in ("unit", "bad-input") for command in stages.QUICK[name]):
        assert "not slow" in command[command.index("-m", 3) + 1]
    assert not any("not slow" in word for commands in stages.STAGES.values() for c in commands for word in c)


def test_places_that_a_stage_names_exist(stages: Any) -> None:
    every = [*stages.STAGES.values(), *stages.LONG.values()]
    words = {word.removeprefix("--ignore=") for cs in every for c in cs for word in c}
    places = [word for word in words if word.startswith("tests")]
    assert places
    assert [word for word in places if not (ROOT / word).exists()] == []


def test_what_runs_once_a_week_runs_in_the_workflow(stages: Any) -> None:
    assert not set(stages.LONG) & set(stages.STAGES)
    workflow = (ROOT / ".github" / "workflows" / "weekly.yml").read_text("utf8")
    assert f"stage: [{', '.join(stages.LONG)}]" in workflow
