"""Counts of levels as the last layer of a flow: independent histograms, before anything is learnt."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.flows._levels import check_levels, level_counts
from gmlib.flows.elementwise import Elementwise
from gmlib.flows.linear_spline import LinearSpline


def histogram_layer(x: Shaped[Tensor, "n *event"], levels: int, *, smoothing: float = 1.0) -> Elementwise:
    r"""The map of the unit cube that turns uniform noise into the histogram of each coordinate.

    Level j of a coordinate is the cell [j/L, (j + 1)/L) of dequantised data, and gets the share
    :math:`(n_j + s)/(n + sL)` of the noise. With a uniform base this is the independent model by counts; with
    `NormalCdf` in front, the other layers of a flow see data whose every coordinate is standard normal.

    Args:
        x: data, integers from 0 to ``levels`` - 1, shape ``(n, *event)``.
        levels: number of levels L.
        smoothing: s, added to every count; positive, so that no level is impossible.

    Returns:
        An `Elementwise` of `LinearSpline` on [0, 1], on the device of ``x``; its parameters can be trained further.

    Raises:
        TypeError: ``x`` is not a tensor of integers.
        ValueError: no data, a level out of range, or ``smoothing`` not positive.

    Example:
        Three zeros and a one, so that zero gets (3 + 1)/(4 + 2) of the noise:

        >>> layer = histogram_layer(torch.tensor([[0], [0], [0], [1]]), 2)
        >>> layer(torch.tensor([[0.0], [2 / 3], [1.0]]))[0].flatten().detach()
        tensor([0.0000, 0.5000, 1.0000])
    """
    check_count("levels", levels)
    check_levels("x", x, levels)
    check_number("smoothing", smoothing, low=0.0, low_open=True)
    if x.dim() < 1 or x.numel() == 0:
        raise ValueError(f"x must have shape (n, *event) with n >= 1, got shape {tuple(x.shape)}")
    layer = Elementwise(LinearSpline(levels, 1.0, low=0.0, min_size=0.0), tuple(x.shape[1:])).to(x.device)
    with torch.no_grad():
        layer.params[..., :levels] = (level_counts(x, levels) + smoothing).log()
    return layer
