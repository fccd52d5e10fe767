"""The plain edition: each chapter as a notebook of ordinary Markdown, for Colab, GitHub and a bare JupyterLab.

``python -m gmbook.plain`` writes ``_build/notebooks``. Directives, citations, references, shown source and claimed
numbers are resolved; what has no plain form is an error. The outputs of the last run stay, so that the text can be read
without running it; the first cell installs gmlib where it is missing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from gmbook.cite import citation, works
from gmbook.excerpt import excerpt
from gmbook.fences import Directive, PlainError, Text
from gmbook.house import PLAIN, ROOT, address, chapter, files, notebooks
from gmbook.joined import figure_of, joined
from gmbook.labels import HEADING, TARGET, THEOREMS, Counted, Label, count, pages
from gmbook.widgets import VIEW
from gmlib._files import write_text

INSTALL = """# Where the book's package is missing (Colab, a new environment), this installs it.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("gmlib") is None:
    source = "gmlib[book,widgets] @ git+{repository}"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source], check=True)"""
ADMONITIONS = ("note", "tip", "important", "warning", "hint", "seealso", "caution")
LEFT = re.compile(r"^:{3,}|^\([\w.:-]+\)=|\{[a-z][\w:-]*\}`|\{\{ ", re.M)
"""What must not be left: fences, targets, roles, unresolved numbers."""
SPAN = re.compile(r"\{([a-z][\w:-]*)\}`([^`]+)`|(`+)(?:(?!\3).)+?\3(?!`)", re.S)


class Page:
    """One chapter on its way to plain Markdown."""

    def __init__(self, name: str, counted: Counted, labels: dict[str, Label]) -> None:
        self.name = name
        self.counted = counted
        self.labels = labels
        self.cited: list[str] = []

    # --- roles and text -------------------------------------------------------------------------------------------

    def _find(self, label: str) -> Label:
        if label not in self.labels:
            raise PlainError(f"{self.name}: there is no label {label!r}")
        return self.labels[label]

    def _refer(self, content: str) -> str:
        """What a reference says; a link when its target is on another page."""
        said, label = "", content.strip()
        if named := re.fullmatch(r"(.*?)\s*<([^<>]+)>", content, re.S):
            said, label = named[1], named[2]
        target = self._find(label)
        said = said or target.text
        if target.page == self.name:
            return said if re.search(r"\d", target.text) else f"*{said}*"
        return f"[{said}]({target.url})"

    def _api(self, content: str) -> str:
        said, name = "", content.strip()
        if named := re.fullmatch(r"(.*?)\s*<([^<>]+)>", content, re.S):
            said, name = named[1], named[2]
        short, name = name.startswith("~"), name.lstrip("~!")
        said = said or f"`{name.split('.')[-1] if short else name}`"
        part = excerpt(name) if name.startswith("gmlib.") else None
        return f"[{said}]({part.url})" if part else said

    def _cite(self, content: str, style: str) -> str:
        keys = [key.strip() for key in content.split(",")]
        self.cited.extend(keys)
        return citation(keys, style)

    def _role(self, match: re.Match[str]) -> str:
        name, content = match[1], match[2]
        if name is None:
            return match[0]
        roles: dict[str, Callable[[str], str]] = {
            "cite": lambda c: self._cite(c, "p"),
            "cite:p": lambda c: self._cite(c, "p"),
            "cite:t": lambda c: self._cite(c, "t"),
            "ref": self._refer,
            "numref": self._refer,
            "eq": self._refer,
            "prf:ref": self._refer,
            "doc": self._refer,
            "py:obj": self._api,
            "term": lambda c: f"*{c}*",
        }
        if name not in roles:
            raise PlainError(f"{self.name}: the plain edition does not know the role {{{name}}}")
        return roles[name](content)

    def _link(self, match: re.Match[str]) -> str:
        said, target = match[1], match[2]
        if target.startswith("#"):
            return self._refer(f"{said} <{target[1:]}>" if said else target[1:])
        if target.startswith(("http://", "https://", "mailto:", "data:", "attachment:")):
            return match[0]
        path = ((ROOT / self.name).parent / target.split("#")[0]).resolve().relative_to(ROOT)
        if path.suffix in (".md", ".ipynb"):
            return f"[{said}]({address('Documentation')}/{path.with_suffix('.html').as_posix()})"
        return f"[{said}]({address('Repository')}/raw/main/{path.as_posix()})"

    def words(self, text: str) -> str:
        """Ordinary Markdown with its roles and links resolved; code spans stay."""
        text = SPAN.sub(self._role, text)
        return re.sub(r"\[([^\[\]]*)\]\(([^()\s]+)\)", self._link, text)

    def text(self, node: Text) -> str:
        """A stretch of Markdown: targets go, the title gets the chapter's number, labelled $$ get theirs."""
        out: list[str] = []
        prose: list[str] = []
        code = ""

        def flush() -> None:
            if prose:
                out.extend(self.words("\n".join(prose)).split("\n"))
                prose.clear()

        for line in node.lines:
            mark = re.match(r"^\s*(`{3,}|~{3,})", line)
            if mark and (not code or line.strip().startswith(code)):
                flush()
                code = "" if code else mark[1]
                out.append(line)
            elif code:
                out.append(line)
            elif TARGET.match(line):
                continue
            elif (heading := HEADING.match(line)) and heading[1] == "#":
                number = chapter(self.name)
                prose.append(f"# {number}. {heading[2]}" if number else line)
            elif labelled := re.fullmatch(r"\$\$ *\(([\w.:-]+)\) *", line):
                prose.append(f"\\tag{{{self._find(labelled[1]).text.strip('()')}}}$$")
            else:
                prose.append(line)
        flush()
        return "\n".join(out)

    # --- directives -----------------------------------------------------------------------------------------------

    def render(self, nodes: list[Text | Directive]) -> str:
        """The Markdown of a sequence of nodes."""
        parts = [self.text(n) if isinstance(n, Text) else self._directive(n) for n in nodes]
        return re.sub(r"\n{3,}", "\n\n", "\n\n".join(part.strip("\n") for part in parts)).strip("\n")

    def _directive(self, node: Directive) -> str:
        kind = node.name.removeprefix("prf:")
        if node.name in ADMONITIONS:
            return self._boxed(kind.capitalize(), node)
        if node.name in ("admonition", "div"):
            return (
                self._boxed(self.words(node.argument), node)
                if kind == "admonition"
                else self.render(node.body)
            )
        if node.name == "dropdown":
            return self._folded(node.argument, node)
        if node.name == "prf:proof":
            return f"*Proof.* {self.render(node.body)} $\\blacksquare$"
        if (node.name.startswith("prf:") and kind in THEOREMS) or node.name == "exercise":
            title = f" ({self.words(node.argument)})" if node.argument else ""
            return self._boxed(self.counted.of_node[id(node)] + title, node)
        if node.name == "solution":
            return self._folded(f"Solution of {self._find(node.argument).text}", node)
        if node.name == "math":
            return self._math(node)
        if node.name == "gmlib-source":
            part = excerpt(node.argument, docstring="docstring" in node.options)
            link = f"[{part.path}, lines {part.first} to {part.last}]({part.url})"
            return f"```python\n{part.code}\n```\n\n{link}"
        if node.name == "figure":
            caption = self.render(node.body)
            number = self.counted.of_node[id(node)]
            return self.words(f"![{node.options['alt']}]({node.argument})") + f"\n\n**{number}.** {caption}"
        raise PlainError(f"{self.name}: the plain edition does not know the directive {{{node.name}}}")

    def _boxed(self, title: str, node: Directive) -> str:
        body = f"**{title}.** {self.render(node.body)}"
        return "\n".join(f"> {line}".rstrip() for line in body.split("\n"))

    def _folded(self, title: str, node: Directive) -> str:
        # Markdown is not read inside <summary>, so its title is plain text.
        said = re.sub(r"[*`]", "", self.words(title))
        return f"<details><summary><b>{said}</b></summary>\n\n{self.render(node.body)}\n\n</details>"

    def _math(self, node: Directive) -> str:
        tex = "\n".join(str(part) for part in node.body).strip()
        if (r"\\" in tex or "&" in tex) and not tex.startswith(r"\begin"):
            tex = f"\\begin{{aligned}}\n{tex}\n\\end{{aligned}}"
        tag = f" \\tag{{{self.counted.of_node[id(node)].strip('()')}}}" if node.label else ""
        return f"$$\n{tex}{tag}\n$$"

    # --- code cells -----------------------------------------------------------------------------------------------

    def outputs(self, cell: Any) -> list[Any]:
        """The cell's outputs; a figure as its drawing and a line of caption, which GitHub shows as well.

        A widget, whose state is not kept here, gives way to a line that says where it lives.
        """
        kept: list[Any] = []
        for output in cell.outputs:
            if VIEW in output.get("data", {}):
                site = f"{address('Documentation')}/{self.name}.html"
                words = f"*A widget: run this cell, or use it on [the page]({site}).*"
                said = {"text/markdown": words, "text/plain": output.data.get("text/plain", words)}
                kept.append(new_output("display_data", said))
                continue
            about = figure_of(output)
            if about is None:
                kept.append(output)
                continue
            drawing = {"image/svg+xml": output.data["image/svg+xml"], "text/plain": about["alt"]}
            caption = f"**{self._find('fig-' + about['name']).text}.** {about['caption']}"
            kept.append(new_output("display_data", drawing))
            kept.append(
                new_output("display_data", {"text/markdown": caption, "text/plain": about["caption"]})
            )
        return kept


def plain(path: Path, labels: dict[str, Label], counted: Counted, trees: list[Any], notebook: Any) -> Any:
    """The plain edition of one executed notebook.

    Raises:
        PlainError: something in the text has no plain form.
    """
    page = Page(path.relative_to(ROOT).with_suffix("").as_posix(), counted, {**labels, **counted.labels})
    cells: list[Any] = []
    for cell, tree in zip(notebook.cells, trees, strict=True):
        if tree is None:
            tags = set(cell.metadata.get("tags", []))
            hidden = bool(tags & {"hide-input", "hide-cell", "remove-input", "remove-cell"})
            meta = {"jupyter": {"source_hidden": True}, "cellView": "form"} if hidden else {}
            outputs = [] if tags & {"remove-output", "remove-cell"} else page.outputs(cell)
            cells.append(
                new_code_cell(
                    cell.source,
                    id=cell.id,
                    metadata=meta,
                    outputs=outputs,
                    execution_count=cell.execution_count,
                )
            )
        else:
            cells.append(new_markdown_cell(page.render(tree), id=cell.id))
    if page.cited:
        cells.append(new_markdown_cell("## Works cited\n\n" + works(page.cited), id="works-cited"))
    for number, cell in enumerate(cells):
        if cell.cell_type == "markdown" and (left := LEFT.search(_without_code(cell.source))):
            raise PlainError(f"{page.name}, cell {number}: {left[0]!r} is left in the plain edition")
    site = f"{address('Documentation')}/{page.name}.html"
    note = f"*The plain edition of a chapter of [Generative Models, Live]({site}), where it reads best.*"
    setup = new_code_cell(INSTALL.format(repository=address("Repository")), id="install-gmlib")
    cells = [cells[0], new_markdown_cell(note, id="plain-edition"), setup, *cells[1:]]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}}
    )


def _without_code(source: str) -> str:
    """The text without code blocks and spans, where anything may stand."""
    return re.sub(
        r"(`+)(?:(?!\1).)+?\1(?!`)", "", re.sub(r"^(```+).*?^\1", "", source, flags=re.M | re.S), flags=re.S
    )


def main() -> int:
    """Write the plain edition of every notebook of the book; 1 when one cannot be written."""
    every: dict[str, Label] = pages()
    work: list[tuple[Path, Any, Counted, list[Any]]] = []
    for path in notebooks():
        name = path.relative_to(ROOT).with_suffix("").as_posix()
        notebook = joined(path)
        counted, trees = count(name, notebook)
        title = next(line for line in notebook.cells[0].source.splitlines() if line.startswith("# "))
        every.update(counted.labels)
        every[f"/{name}"] = Label(title.lstrip("# "), name)
        work.append((path, notebook, counted, trees))
    PLAIN.mkdir(parents=True, exist_ok=True)
    for old in set(PLAIN.glob("*.ipynb")) - {PLAIN / path.name for path in notebooks()}:
        old.unlink()
    for path, notebook, counted, trees in work:
        result = plain(path, every, counted, trees, notebook)
        nbformat.validate(result)
        target = PLAIN / path.name
        text = nbformat.writes(result)
        write_text(target, text)
        print(f"  {target.relative_to(ROOT)}: {len(text) / 1024:.0f} kB", flush=True)
    print(f"  {len(work)} of {len(files())} pages are notebooks")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (PlainError, RuntimeError, LookupError, OSError) as error:
        sys.exit(f"plain edition: {error}")
