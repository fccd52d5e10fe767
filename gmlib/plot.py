"""The figures' common look: one style, named colours, and figures that carry their caption and alt text."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count

try:
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap, to_rgb
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
except ImportError as error:  # pragma: no cover - what a user without the extra meets
    raise ImportError('gmlib.plot needs matplotlib: pip install "gmlib[book]"') from error

STYLE = Path(__file__).with_name("book.mplstyle")
"""The style sheet; ``with plt.style.context(STYLE):`` for one figure, :func:`style` for a whole notebook."""

colours = SimpleNamespace(
    ink="#1c2128",
    faint="#57606a",
    grid="#d8dee4",
    paper="#ffffff",
    blue="#0072b2",
    red="#d55e00",
    green="#009e73",
    pink="#cc79a7",
    orange="#e69f00",
    sky="#56b4e9",
)
"""Named colours. Figures that use only these (and images) turn dark with the page."""

DARK = {
    colours.ink: "#e6edf3",
    colours.faint: "#9da7b1",
    colours.grid: "#30363d",
    colours.paper: "#14181e",
    colours.blue: "#4fa8e0",
    colours.red: "#f0803c",
    colours.green: "#2fc596",
    colours.pink: "#dd93bd",
    colours.orange: "#edb23c",
    colours.sky: "#7cc6ef",
}
"""What the build puts for each colour in the dark twin of a figure."""


def style() -> None:
    """Use the book's look for every figure from here on (the first cell of each chapter).

    Example:
        >>> style()
        >>> plt.rcParams["svg.hashsalt"]
        'gmlib'
    """
    plt.style.use(STYLE)


def svg(fig: Figure) -> str:
    """A figure as SVG text: the same bytes for the same figure, on every machine.

    Text becomes outlines; artists with ``rasterized=True`` (for point clouds) become images of 160 dots
    an inch.

    Args:
        fig: the matplotlib figure.

    Returns:
        The ``<svg>`` element, without XML header.

    Example:
        >>> svg(plt.figure(figsize=(1, 1)))[:4]
        '<svg'
    """
    buffer = io.StringIO()
    with plt.rc_context({"svg.hashsalt": "gmlib", "svg.fonttype": "path"}):
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _check_words(name: str, caption: str, alt: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ValueError(f"name must be lower-case words joined by hyphens, got {name!r}")
    if len(caption.split()) < 3:
        raise ValueError(f"caption must say what is seen, got {caption!r}")
    if len(alt.split()) < 5 or not re.search(r"\d", alt):
        raise ValueError(
            "alt must describe the picture to someone who cannot see it, with at least one number taken from "
            f"the data, got {alt!r}"
        )
    if "$" in alt or "\\" in alt:
        raise ValueError(f"alt must be words that can be read aloud, without mathematics markup, got {alt!r}")


def figure(fig: Figure, *, name: str, caption: str, alt: str) -> None:
    r"""Show a figure with its caption and alternative text, and close it.

    In a notebook the picture appears with the caption beneath. On the book's page it becomes a numbered
    figure with the anchor ``fig-NAME`` (quote it with ``{numref}`fig-NAME```) and a twin for dark mode.

    Args:
        fig: the matplotlib figure.
        name: lower-case words joined by hyphens, unique in the book.
        caption: what is seen and what to notice; Markdown and ``$mathematics$`` are allowed.
        alt: the picture in words for a reader who cannot see it: an f-string with numbers from the data.

    Raises:
        ValueError: the name is malformed, the caption is missing, or ``alt`` is too short, has no number in
            it, or contains mathematical markup.

    Example:
        >>> fig, ax = plt.subplots()
        >>> _ = ax.plot([0, 1], [0, 2])
        >>> figure(fig, name="line", caption="A line, slope two.", alt="A line rises from 0 to 2 on [0, 1].")
        Figure line: A line rises from 0 to 2 on [0, 1].
    """
    _check_words(name, caption, alt)
    picture = svg(fig)
    plt.close(fig)
    line = f"Figure {name}: {alt}"
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:
        print(line)
        return
    if get_ipython() is None:
        print(line)
        return
    data = base64.b64encode(picture.encode()).decode()
    page = (
        '<figure style="margin: 0.5em 0; max-width: 46em">'
        f'<img style="max-width: 100%" alt="{html.escape(alt)}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{html.escape(caption, quote=False)}</figcaption></figure>"
    )
    # The build reads the metadata; notebooks show the HTML; what can show neither shows the words.
    display(
        {"text/html": page, "image/svg+xml": picture, "text/plain": line},
        metadata={"gmlib": {"figure": {"name": name, "caption": caption, "alt": alt}}},
        raw=True,
    )


def image_grid(
    images: Float[Tensor, "n height width"],
    *,
    columns: int = 10,
    titles: Sequence[str] | None = None,
    size: float = 0.6,
) -> Figure:
    """Grey images side by side: paper is 0, ink is 1.

    Args:
        images: values in [0, 1] (others are clipped), one image a row, shape (n, height, width).
        columns: images in a row.
        titles: one short title for each image.
        size: the side of an image, in inches.

    Returns:
        The figure, to be handed to :func:`figure`.

    Raises:
        ValueError: there is no image, or the number of titles differs from the number of images.

    Example:
        >>> fig = image_grid(torch.rand(6, 8, 8), columns=3)
        >>> len(fig.axes)
        6
    """
    check_count("columns", columns)
    n = images.shape[0]
    if n == 0:
        raise ValueError("images must hold at least one image, got shape " + str(tuple(images.shape)))
    if titles is not None and len(titles) != n:
        raise ValueError(f"titles must be one for each of the {n} images, got {len(titles)}")
    columns = min(columns, n)
    rows = -(-n // columns)
    height = size + (0.2 if titles else 0.04)
    fig, axes = plt.subplots(
        rows, columns, figsize=(columns * (size + 0.04), rows * height), squeeze=False, layout="none"
    )
    fig.subplots_adjust(
        0, 0, 1, 1 - (0.2 / (rows * height) if titles else 0), wspace=0.08, hspace=height / size - 0.92
    )
    pixels = images.detach().float().cpu().clamp(0, 1).numpy()
    for i, ax in enumerate(axes.flat):
        if i >= n:
            ax.remove()
            continue
        ax.imshow(pixels[i], cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        for spine in ax.spines.values():
            spine.set(visible=True, color=colours.grid, linewidth=0.6)
        if titles is not None:
            ax.set_title(titles[i], fontsize=8, fontweight="normal", loc="center", pad=2)
    return fig


def density(
    ax: Axes,
    law: Any,
    *,
    x: tuple[float, float] = (-4.0, 4.0),
    y: tuple[float, float] = (-4.0, 4.0),
    colour: str = colours.blue,
    points: int = 160,
    levels: int = 5,
) -> AxesImage:
    """Draw a law on the plane: the density as a wash of colour, with contour lines at equal steps of it.

    Args:
        ax: where to draw.
        law: anything with ``log_prob`` for points of shape (batch, 2), in nats.
        x: left and right end of the window.
        y: lower and upper end of the window.
        colour: the colour at the mode; the wash fades to nothing, so that it works on light and dark paper.
        points: grid points a side.
        levels: number of contour lines.

    Returns:
        The image, for a colour bar.

    Raises:
        ValueError: ``law`` returns NaN somewhere in the window.

    Example:
        >>> from torch.distributions import Independent, Normal
        >>> law = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
        >>> image = density(plt.figure().add_subplot(), law)
        >>> image.get_array().shape
        (160, 160)
    """
    check_count("points", points, low=2)
    xs, ys = torch.linspace(*x, points), torch.linspace(*y, points)
    grid = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1).reshape(-1, 2)
    with torch.no_grad():
        height = (
            law.log_prob(grid.to(getattr(law, "device", "cpu"))).exp().reshape(points, points).cpu().numpy()
        )
    if np.isnan(height).any():
        raise ValueError("law must have a log_prob without NaN in the window")
    fade = LinearSegmentedColormap.from_list("fade", [(*to_rgb(colour), 0.0), (*to_rgb(colour), 0.75)])
    image = ax.imshow(
        height, origin="lower", extent=(*x, *y), cmap=fade, vmin=0.0, interpolation="bilinear", aspect="auto"
    )
    steps = height.max() * (np.arange(levels) + 0.5) / levels
    ax.contour(xs.numpy(), ys.numpy(), height, levels=steps, colors=[colour], linewidths=0.7, alpha=0.8)
    ax.set(xlim=x, ylim=y)
    return image
