"""The teacher's plans: what they name exists, nothing is asked twice, and no meeting comes before what it builds on."""

from __future__ import annotations

import re

import pytest
from gmbook import syllabus
from gmbook.house import ROOT, notebooks
from gmbook.objectives import before

COURSES = ["semester", "short"]
LABELS = {
    label for path in notebooks() for label in re.findall(r'"\((sec-[\w-]+)\)=', path.read_text("utf8"))
}


def test_a_semester_is_a_semester_and_the_short_course_has_five_sessions() -> None:
    assert 12 <= len(syllabus.course("semester")) <= 14
    assert len(syllabus.course("short")) == 5


@pytest.mark.parametrize("name", COURSES)
def test_sections_and_widgets_exist_and_belong_together(name: str) -> None:
    for meeting in syllabus.course(name):
        assert {*meeting.sections, meeting.widget} <= LABELS
        gallery = next(path for path in notebooks() if f"({meeting.widget})=" in path.read_text("utf8"))
        assert gallery.stem.removeprefix("widgets_") in {row.file for row in meeting.chapters}


@pytest.mark.parametrize("name", COURSES)
def test_nothing_is_asked_twice_and_the_exercises_are_of_the_chapters_taught(name: str) -> None:
    meetings = syllabus.course(name)
    for kind in ("sections", "exercises"):
        asked = [one for meeting in meetings for one in getattr(meeting, kind)]
        assert len(asked) == len(set(asked))
    for meeting in meetings:
        assert {task.chapter for task in meeting.tasks} <= {row.file for row in meeting.chapters}
        assert 30 <= meeting.minutes <= 150, f"{meeting.title}: {meeting.minutes} minutes of exercises"


@pytest.mark.parametrize("name", COURSES)
def test_a_meeting_comes_after_what_it_builds_on(name: str) -> None:
    done: set[str] = set()
    for meeting in syllabus.course(name):
        own = {row.file for row in meeting.chapters}
        assert {need for file in own for need in before(file)} <= done | own
        done |= own


def test_every_chapter_is_taught_in_the_semester() -> None:
    taught = {row.file for meeting in syllabus.course("semester") for row in meeting.chapters}
    assert {path.stem for path in (ROOT / "chapters").glob("[0-9][0-9]_*.ipynb")} <= taught


def test_the_two_weeks_that_may_be_left_out_carry_nothing() -> None:
    weeks = syllabus.course("semester")
    assert "leave out the second week of flows and the week of\nBoltzmann machines" in (
        ROOT / "book" / "syllabus.md"
    ).read_text("utf8")
    flows = [week for week in weeks if any(row.file == "05_flows" for row in week.chapters)]
    machines = [week for week in weeks if any(row.file == "06_hopfield_rbm" for row in week.chapters)]
    assert (len(flows), len(machines)) == (2, 1)
    later = [week for week in weeks if week not in (flows[1], machines[0], flows[0])]
    needed = {name for week in later for row in week.chapters for name in before(row.file)}
    assert not needed & {"05_flows", "06_hopfield_rbm"}
