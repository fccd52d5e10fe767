"""MyST text as a tree: ordinary Markdown, and directives in colon fences, which may nest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

OPEN = re.compile(r"^(:{3,})\{([\w:.-]+)\}[ \t]*(.*)$")
CODE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")


class PlainError(ValueError):
    """Text that the plain edition has no way to show."""


@dataclass
class Directive:
    """A directive: ``:::{name} argument``, its ``:key: value`` options and what it holds."""

    name: str
    argument: str
    options: dict[str, str] = field(default_factory=dict)
    body: list[Text | Directive] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The label that references use, or an empty string."""
        return self.options.get("label") or self.options.get("name") or ""


@dataclass
class Text:
    """Lines of ordinary Markdown, code blocks included."""

    lines: list[str]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def parse(source: str) -> list[Text | Directive]:
    """The text as a sequence of Markdown and directives.

    Raises:
        PlainError: a fence is not closed, a directive is indented, or uses backticks.
    """
    lines = source.splitlines()
    nodes, rest = _block(lines, 0, None)
    if rest != len(lines):
        raise PlainError(f"a closing fence without an opening one: {lines[rest - 1]!r}")
    return nodes


def _block(lines: list[str], start: int, fence: str | None) -> tuple[list[Text | Directive], int]:
    """Nodes from ``start`` to the closing ``fence`` (or the end), and the line after it."""
    nodes: list[Text | Directive] = []
    text: list[str] = []
    i = start
    while i < len(lines):
        line = lines[i]
        if fence is not None and re.fullmatch(rf":{{{len(fence)},}}\s*", line):
            if text:
                nodes.append(Text(text))
            return nodes, i + 1
        if opened := CODE.match(line):
            if opened[2].startswith("{"):
                raise PlainError(f"write directives with colon fences: {line!r}")
            end = i + 1
            while end < len(lines) and not lines[end].strip().startswith(opened[1]):
                end += 1
            text.extend(lines[i : end + 1])
            i = end + 1
        elif opened := OPEN.match(line):
            if text:
                nodes.append(Text(text))
                text = []
            node = Directive(opened[2], opened[3].strip())
            i += 1
            while i < len(lines) and (option := re.match(r"^:([\w-]+):[ \t]*(.*)$", lines[i])):
                node.options[option[1]] = option[2].strip()
                i += 1
            node.body, i = _block(lines, i, opened[1])
            nodes.append(node)
        elif re.match(r"^\s+:{3,}\{", line):
            raise PlainError(f"a directive must start at the margin: {line!r}")
        else:
            text.append(line)
            i += 1
    if fence is not None:
        raise PlainError(f"a fence of {len(fence)} colons is not closed")
    if text:
        nodes.append(Text(text))
    return nodes, len(lines) + (0 if fence is None else 1)
