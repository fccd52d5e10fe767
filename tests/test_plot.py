"""Figures: the same bytes every time, words that are required, colours that have a dark partner."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch.distributions import Independent, Normal

pytest.importorskip("matplotlib").use("agg")

import matplotlib.pyplot as plt  # noqa: E402

from gmlib import plot  # noqa: E402

ALT = "A line rises from 0 to 2 on the unit interval."


@pytest.fixture(autouse=True)
def book_style() -> Any:
    with plt.style.context(plot.STYLE):
        yield
    plt.close("all")


def line() -> Any:
    fig, ax = plt.subplots()
    ax.plot([0, 1], [0, 2], label="a line")
    ax.scatter([0, 1], [1, 1], rasterized=True)
    ax.set(title="Title", xlabel="$x_1$", ylabel="y")
    ax.legend()
    return fig


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert plot.svg(line()) == plot.svg(line())


def test_text_is_outlines_and_points_are_an_image() -> None:
    text = plot.svg(line())
    assert "<text" not in text
    assert text.count("<image") == 1


def test_every_colour_of_a_figure_in_the_book_style_has_a_dark_partner() -> None:
    used = set(re.findall(r"#[0-9a-f]{6}\b", plot.svg(line())))
    assert used
    assert used <= set(plot.DARK)


def test_every_named_colour_has_a_dark_partner() -> None:
    assert set(vars(plot.colours).values()) == set(plot.DARK)
    assert len(set(plot.DARK.values())) == len(plot.DARK)
    # Replacing one after the other must not replace what was just put in.
    assert not set(plot.DARK) & set(plot.DARK.values())


def contrast(one: str, two: str) -> float:
    """The WCAG 2 contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_stands_out_from_the_paper_in_both_modes() -> None:
    for name in ("ink", "faint"):
        colour = getattr(plot.colours, name)
        assert contrast(colour, plot.colours.paper) >= 4.5
        assert contrast(plot.DARK[colour], plot.DARK[plot.colours.paper]) >= 4.5


def test_a_notebook_gets_drawing_words_and_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython.core.getipython
    import IPython.display

    shown: list[Any] = []
    monkeypatch.setattr(IPython.core.getipython, "get_ipython", object)
    monkeypatch.setattr(
        IPython.display, "display", lambda data, metadata, raw: shown.append((data, metadata))
    )
    fig = line()
    plot.figure(fig, name="a-line", caption="A line with <two> points.", alt=ALT)
    data, metadata = shown[0]
    assert data["image/svg+xml"].startswith("<svg")
    assert f'alt="{ALT}"' in data["text/html"]
    assert "&lt;two&gt;" in data["text/html"]
    assert data["text/plain"] == f"Figure a-line: {ALT}"
    assert metadata["gmlib"]["figure"] == {
        "name": "a-line",
        "caption": "A line with <two> points.",
        "alt": ALT,
    }
    assert not plt.fignum_exists(fig.number)


def test_outside_a_notebook_the_words_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    plot.figure(line(), name="a-line", caption="A line of slope two.", alt=ALT)
    assert capsys.readouterr().out == f"Figure a-line: {ALT}\n"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "A Line"}, "name must be lower-case"),
        ({"name": ""}, "name must be lower-case"),
        ({"caption": ""}, "caption must say"),
        ({"alt": ""}, "alt must describe"),
        ({"alt": "A line rises from left to right."}, "at least one number"),
        ({"alt": "2 lines"}, "alt must describe"),
        ({"alt": "A line rises from 0 to $\\sigma$ on the right."}, "read aloud"),
    ],
)
def test_a_figure_without_words_is_refused(changed: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plot.figure(line(), **{"name": "a-line", "caption": "A line of slope two.", "alt": ALT, **changed})


def test_image_grid_draws_paper_for_zero_and_ink_for_one() -> None:
    images = torch.stack([torch.zeros(2, 2), torch.ones(2, 2), torch.full((2, 2), 7.0)])
    fig = plot.image_grid(images, columns=2, titles=["0", "1", "7"])
    assert len(fig.axes) == 3
    shades = [float(ax.images[0].get_array().mean()) for ax in fig.axes]
    assert shades == [0.0, 1.0, 1.0]
    assert fig.axes[0].images[0].to_rgba([[0.0]])[0, 0, 0] == 1.0


@pytest.mark.bad_input
def test_image_grid_refuses_what_it_cannot_draw() -> None:
    with pytest.raises(ValueError, match="images must hold at least one"):
        plot.image_grid(torch.zeros(0, 8, 8))
    with pytest.raises(ValueError, match="titles must be one for each of the 2 images, got 1"):
        plot.image_grid(torch.zeros(2, 8, 8), titles=["one"])
    with pytest.raises(ValueError, match="columns must be at least 1"):
        plot.image_grid(torch.zeros(2, 8, 8), columns=0)


def test_density_draws_the_law_on_its_window() -> None:
    law = Independent(Normal(torch.tensor([1.0, -1.0]), torch.ones(2)), 1)
    fig, ax = plt.subplots()
    image = plot.density(ax, law, x=(-3.0, 3.0), y=(-4.0, 4.0), points=61)
    height = torch.as_tensor(image.get_array())
    row, column = divmod(int(height.argmax()), 61)
    assert (-3 + column * 0.1, -4 + row * 8 / 60) == (
        pytest.approx(1.0, abs=0.05),
        pytest.approx(-1.0, abs=0.07),
    )
    assert float(height.max()) <= 1 / (2 * torch.pi) + 1e-6
    assert ax.get_xlim() == (-3.0, 3.0)
    assert fig.axes == [ax]


@pytest.mark.bad_input
def test_density_refuses_a_law_without_a_value() -> None:
    class Broken:
        def log_prob(self, x: torch.Tensor) -> torch.Tensor:
            return torch.full((len(x),), float("nan"))

    with pytest.raises(ValueError, match="law must have a log_prob without NaN"):
        plot.density(plt.subplots()[1], Broken())
