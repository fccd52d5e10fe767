"""The plain edition: every directive and role has a plain form, what has none is an error, and it runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from gmbook import house, plain
from gmbook.execute import record
from gmbook.fences import Directive, PlainError, parse
from gmbook.labels import Label, count
from gmbook.widgets import VIEW
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ELSEWHERE = {
    "/book/notation": Label("Notation", "book/notation"),
    "sec-far": Label("Far away", "chapters/03_x"),
}


def converted(*sources: str, outputs: Any = None) -> str:
    """The plain Markdown of a chapter 2 with these text cells."""
    cells: list[Any] = [new_markdown_cell("# A title\n\nOpening."), *[new_markdown_cell(s) for s in sources]]
    if outputs:
        cells.append(new_code_cell("draw()", outputs=outputs))
    notebook = new_notebook(cells=cells)
    counted, trees = count("chapters/02_test", notebook)
    result = plain.plain(house.ROOT / "chapters" / "02_test.ipynb", ELSEWHERE, counted, trees, notebook)
    return "\n\n".join(c.source for c in result.cells if c.cell_type == "markdown")


def test_the_title_has_its_number_and_the_first_code_cell_installs() -> None:
    notebook = new_notebook(cells=[new_markdown_cell("# A title"), new_code_cell("1")])
    counted, trees = count("chapters/02_test", notebook)
    result = plain.plain(house.ROOT / "chapters" / "02_test.ipynb", {}, counted, trees, notebook)
    assert result.cells[0].source == "# 2. A title"
    first = next(c for c in result.cells if c.cell_type == "code")
    assert 'find_spec("gmlib") is None' in first.source
    assert f"git+{house.address('Repository')}" in first.source


def test_equations_are_numbered_in_order_and_quoted() -> None:
    text = converted(
        ":::{math}\n:label: eq-a\na = b\n:::\n\n$$\nc\n$$ (eq-b)\n\nBy {eq}`eq-a` and {eq}`eq-b`.",
        ":::{math}\n:label: eq-c\na &= b \\\\\n  &= c\n:::\n\nSee [](#eq-c).",
    )
    assert "$$\na = b \\tag{2.1}\n$$" in text
    assert "\\tag{2.2}$$" in text
    assert "By (2.1) and (2.2)." in text
    assert "\\begin{aligned}\na &= b \\\\\n  &= c\n\\end{aligned} \\tag{2.3}" in text
    assert "See (2.3)." in text


def test_theorems_become_quotations_and_are_counted_by_kind() -> None:
    text = converted(
        "::::{prf:theorem} Jensen\n:label: thm-j\nFor $f$:\n\n$$\nf(x)\n$$\n::::\n\n"
        ":::{prf:definition}\n:label: def-a\nA thing.\n:::\n\n:::{prf:theorem}\n:label: thm-k\nAnother.\n:::\n\n"
        "{prf:ref}`thm-k` needs {prf:ref}`def-a`; {ref}`the first <thm-j>`."
    )
    assert "> **Theorem 2.1 (Jensen).** For $f$:\n>\n> $$\n> f(x)\n> $$" in text
    assert "> **Definition 2.1.** A thing." in text
    assert "Theorem 2.2 needs Definition 2.1; the first." in text


def test_proofs_exercises_and_solutions_fold() -> None:
    text = converted(
        "::::{dropdown} Proof of the bound\nBy\n\n:::{math}\n:label: eq-p\nx\n:::\n\nand so on.\n::::",
        ":::{exercise} Tight\n:label: ex-t\nShow it.\n:::\n\n:::{solution} ex-t\n:class: dropdown\nSo.\n:::",
        ":::{prf:proof}\nClear.\n:::",
    )
    assert "<details><summary><b>Proof of the bound</b></summary>\n\nBy\n\n$$\nx \\tag{2.1}\n$$" in text
    assert "> **Exercise 2.1 (Tight).** Show it." in text
    assert "<details><summary><b>Solution of Exercise 2.1</b></summary>\n\nSo.\n\n</details>" in text
    assert "*Proof.* Clear. $\\blacksquare$" in text


@pytest.mark.parametrize("name", plain.ADMONITIONS)
def test_admonitions_become_quotations(name: str) -> None:
    assert f"> **{name.capitalize()}.** Look." in converted(f":::{{{name}}}\nLook.\n:::")


def test_an_admonition_with_a_title_of_its_own() -> None:
    assert "> **Mind $x$.** Look." in converted(":::{admonition} Mind $x$\n:class: tip\nLook.\n:::")


def test_references_say_what_they_point_at() -> None:
    text = converted(
        "(sec-here)=\n## Here\n\n{ref}`sec-here`, {ref}`sec-far`, {doc}`/book/notation`, {ref}`x <sec-far>`."
    )
    site = house.address("Documentation")
    assert "(sec-here)=" not in text
    assert f"*Here*, [Far away]({site}/chapters/03_x.html), [Notation]({site}/book/notation.html)" in text
    assert f"[x]({site}/chapters/03_x.html)." in text


def test_figures_keep_their_drawing_and_number() -> None:
    about = {"name": "gap", "caption": "The gap.", "alt": "It is 1."}
    drawn = new_output(
        "display_data",
        {"image/svg+xml": "<svg/>", "text/html": "<figure>"},
        metadata={"gmlib": {"figure": about}},
    )
    notebook = new_notebook(
        cells=[new_markdown_cell("# T\n\n{numref}`fig-gap`"), new_code_cell("draw()", outputs=[drawn])]
    )
    counted, trees = count("chapters/02_test", notebook)
    result = plain.plain(house.ROOT / "chapters" / "02_test.ipynb", {}, counted, trees, notebook)
    assert result.cells[0].source.endswith("Figure 2.1")
    drawing, caption = result.cells[-1].outputs
    assert drawing.data == {"image/svg+xml": "<svg/>", "text/plain": "It is 1."}
    assert caption.data["text/markdown"] == "**Figure 2.1.** The gap."


def test_a_widget_gives_way_to_a_line_that_says_where_it_lives() -> None:
    shown = new_output("display_data", {VIEW: {"model_id": "1"}, "text/plain": "PosteriorTug(mean=0.9)"})
    notebook = new_notebook(
        cells=[new_markdown_cell("# T"), new_code_cell("PosteriorTug()", outputs=[shown])]
    )
    counted, trees = count("chapters/02_test", notebook)
    result = plain.plain(house.ROOT / "chapters" / "02_test.ipynb", {}, counted, trees, notebook)
    (output,) = result.cells[-1].outputs
    assert output.data["text/plain"] == "PosteriorTug(mean=0.9)"
    assert f"{house.address('Documentation')}/chapters/02_test.html" in output.data["text/markdown"]
    assert set(output.data) == {"text/plain", "text/markdown"}


def test_citations_name_authors_and_year_and_the_works_are_listed() -> None:
    text = converted(
        "{cite:t}`kingma2014vae` and {cite:p}`rezende2014stochastic,neal1998view`; {cite}`murphy2023advanced`."
    )
    assert (
        "Kingma and Welling (2014) and (Rezende et al., 2014; Neal and Hinton, 1998); (Murphy, 2023)." in text
    )
    works = text.split("## Works cited")[1]
    assert works.count("\n- ") == 4
    assert works.index("Kingma") < works.index("Murphy") < works.index("Neal") < works.index("Rezende")


def test_source_is_shown_as_code_with_a_link() -> None:
    text = converted(":::{gmlib-source} gmlib.claims.written\n:::\n\nand {py:obj}`~gmlib.claims.written`.")
    code = text.split("```python\n")[1].split("```")[0]
    assert code.startswith("def written(")
    assert '"""' not in code
    compile(code, "shown", "exec")
    assert re.search(r"\[gmlib/claims.py, lines \d+ to \d+\]\(https://\S+/gmlib/claims.py#L\d+-L\d+\)", text)
    assert "and [`written`](https://" in text


def test_code_is_left_as_it_is() -> None:
    source = "Write `` {eq}`x` `` or:\n\n```text\n(label)=\n:::{note}\n{{ x }}\n:::\n```"
    assert source in converted(source)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (":::{unheard-of}\nx\n:::", "does not know the directive {unheard-of}"),
        ("{unheard}`x`", "does not know the role {unheard}"),
        ("{ref}`nowhere`", "no label 'nowhere'"),
        ("{cite:p}`nobody1900`", "no work 'nobody1900'"),
        (":::{note}\nx", "not closed"),
        ("```{note}\nx\n```", "colon fences"),
        ("- a\n  :::{note}\n  x\n  :::", "start at the margin"),
        ("A number: {{ gap }}.", "is left in the plain edition"),
        (":::{math}\n:label: eq-a\nx\n:::\n\n:::{math}\n:label: eq-a\ny\n:::", "used twice"),
    ],
)
def test_what_has_no_plain_form_is_an_error(source: str, words: str) -> None:
    with pytest.raises(PlainError, match=re.escape(words)):
        converted(source)


def test_fences_nest_by_their_length() -> None:
    (outer,) = parse(":::::{dropdown} Out\n::::{note}\n:::{math}\nx\n:::\n::::\nend\n:::::")
    assert isinstance(outer, Directive)
    note, end = outer.body
    assert isinstance(note, Directive)
    assert isinstance(note.body[0], Directive)
    assert (note.body[0].name, str(end)) == ("math", "end")


WRITTEN = sorted(house.PLAIN.glob("*.ipynb"))


@pytest.mark.parametrize("path", WRITTEN, ids=lambda p: p.stem)
def test_nothing_of_myst_is_left_in_the_written_edition(path: Path) -> None:
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "markdown":
            assert not plain.LEFT.search(plain._without_code(cell.source))


@pytest.mark.parametrize("path", WRITTEN, ids=lambda p: p.stem)
def test_its_code_is_that_of_the_book_after_a_cell_that_installs(path: Path) -> None:
    def code(file: Path) -> list[str]:
        return [cell.source for cell in nbformat.read(file, 4).cells if cell.cell_type == "code"]

    (ours,) = [p for p in house.notebooks() if p.name == path.name]
    assert code(path) == [plain.INSTALL.format(repository=house.address("Repository")), *code(ours)]


@pytest.mark.slow
def test_it_runs_from_another_folder(tmp_path: Path) -> None:
    """The quickest one; `python tests/all.py colab` runs them all, as Colab would."""
    path = min(house.notebooks(), key=lambda path: record(path)["seconds"])
    NotebookClient(
        nbformat.read(house.PLAIN / path.name, 4),
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    ).execute()


def test_every_notebook_of_the_book_has_its_plain_edition() -> None:
    if not house.PLAIN.exists():
        pytest.skip("`make notebooks` writes the plain edition")
    assert {path.name for path in WRITTEN} == {path.name for path in house.notebooks()}
