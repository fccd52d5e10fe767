"""The teacher's plans of ``book/syllabus.toml`` with what the book knows: prerequisites, minutes, titles."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache

from sphinx.environment import BuildEnvironment

from gmbook.exercises import stars
from gmbook.house import ROOT
from gmbook.objectives import SOURCE as OBJECTIVES
from gmbook.objectives import Chapter, chapters
from gmlib.exercises import Exercise, find

SOURCE = ROOT / "book" / "syllabus.toml"


@dataclass(frozen=True)
class Meeting:
    """A week of a course or a session: title, labels of sections, label of the widget, identifiers of exercises."""

    title: str
    sections: tuple[str, ...]
    widget: str
    exercises: tuple[str, ...]

    @property
    def chapters(self) -> list[Chapter]:
        """The chapters that its sections belong to, as ``sec-09-noise`` belongs to 9."""
        numbers = [re.match(r"sec-0?(\w+?)-", label) for label in self.sections]
        wanted = dict.fromkeys(found[1] for found in numbers if found)
        return [row for number in wanted for row in chapters().values() if row.number == number]

    @property
    def tasks(self) -> list[Exercise]:
        """Its exercises from the registry."""
        return [find(name) for name in self.exercises]

    @property
    def minutes(self) -> int:
        """What its exercises take together."""
        return sum(task.minutes for task in self.tasks)


@cache
def course(name: str) -> list[Meeting]:
    """The meetings of a course, ``"semester"`` or ``"short"``, in order."""
    rows = tomllib.loads(SOURCE.read_text("utf8"))[name]
    return [
        Meeting(row["title"], tuple(row["sections"]), row["widget"], tuple(row["exercises"])) for row in rows
    ]


def _meeting(number: int, meeting: Meeting, word: str) -> str:
    own = {row.file for row in meeting.chapters}
    needs = dict.fromkeys(name for row in meeting.chapters for name in row.builds_on if name not in own)
    read = ", ".join(f"{{ref}}`{label}`" for label in meeting.sections)
    do = "; ".join(
        f"{{ref}}`{task.title} <{task.label}>` {stars(task)} {task.minutes} min" for task in meeting.tasks
    )
    builds = ", ".join(chapters()[name].link for name in needs) or "no other chapter"
    return (
        f"### {word} {number}: {meeting.title}\n\n"
        f"Chapters\n: {', '.join(row.named for row in meeting.chapters)}, on top of {builds}\n\n"
        f"Sections\n: {read}\n\nShow\n: {{ref}}`{meeting.widget}`\n\n"
        f"Hand out\n: {do}. Together {meeting.minutes} minutes."
    )


def markdown(name: str, env: BuildEnvironment) -> str:
    """A course as one section a meeting, and what its exercises take in all."""
    for path in (SOURCE, OBJECTIVES):
        env.note_dependency(str(path))
    word = {"semester": "Week", "short": "Session"}[name]
    meetings = course(name)
    parts = [_meeting(number, meeting, word) for number, meeting in enumerate(meetings, 1)]
    tasks = sum(len(meeting.exercises) for meeting in meetings)
    hours = sum(meeting.minutes for meeting in meetings) / 60
    return "\n\n".join(parts) + f"\n\n{tasks} exercises in all, about {hours:.0f} hours."
