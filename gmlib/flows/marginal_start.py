"""A start for flows of images that is better than the identity: each pixel at its own histogram."""

from __future__ import annotations

import math

import torch
from jaxtyping import Integer
from torch import Tensor, nn

from gmlib._checks import check_number
from gmlib.flows._levels import check_levels, level_counts
from gmlib.flows.autoregressive import MaskedAutoregressive
from gmlib.flows.bijection import Bijection
from gmlib.flows.composition import Composition
from gmlib.flows.flow import Flow
from gmlib.flows.full_precision import FullPrecision
from gmlib.flows.grey_levels import BLACK, WHITE, Y_BLACK, Y_WHITE, GreyLevels, warp
from gmlib.flows.image_coupling import ConvConditioner, ImageCoupling
from gmlib.flows.multiscale import Multiscale
from gmlib.flows.rational_quadratic import RationalQuadratic

LEAST = 1e-4
"""Least share of the noise that a bin starts with."""


@torch.no_grad()
def start_at_marginals(
    flow: Flow, images: Integer[Tensor, "n channels height width"], *, pseudo_count: float = 30.0
) -> None:
    r"""Set the biases of a `spline_image_flow` so that each pixel starts at the histogram of its grey levels.

    The bins of a spline get heights (in x) that suit grey levels: one for level 0 alone, one for the three brightest,
    wider ones between them, and one beyond each end. Their widths (in u) are the shares of the images whose pixel lies
    there, with a pseudo-count of all pixels' shares; the slope at a knot is the lesser secant of its two bins, so that no
    flat bin is bent by a steep neighbour. Nothing depends on other pixels yet: the networks' last weights stay 0.

    Args:
        flow: made by `spline_image_flow` with per-pixel biases.
        images: levels 0 to 255, shape (n, channels, height, width).
        pseudo_count: images' worth of the pixels' common histogram.

    Raises:
        TypeError: ``images`` is not a tensor of integers, or ``flow`` is of another kind.
        ValueError: the shapes do not fit, or a level is out of range.

    Example:
        >>> from gmlib.flows import Dequantised, spline_image_flow, start_at_marginals
        >>> flow = spline_image_flow((1, 8, 8), hidden=4, coarse_hidden=(8,))
        >>> x = torch.zeros(100, 1, 8, 8, dtype=torch.uint8)
        >>> start_at_marginals(flow, x)
        >>> bool(Dequantised(flow, 256).bound(x[:1]) / 64 > -0.05)  # nats a pixel: black is expected
        True
    """
    check_levels("images", images, 256)
    check_number("pseudo_count", pseudo_count, low=0.0, low_open=True)
    layers = _leaves(flow.bijection)
    kinds = [layer for layer in layers if isinstance(layer, ImageCoupling | MaskedAutoregressive)]
    splines = [layer.scalar_map for layer in kinds if isinstance(layer.scalar_map, GreyLevels)]
    if not kinds or len(splines) < len(kinds):
        raise TypeError("flow must be made by spline_image_flow")
    if images.dim() != 4 or tuple(images.shape[1:]) != flow.event_shape or not len(images):
        raise ValueError(
            f"images must have shape (n, *{flow.event_shape}) with n >= 1, got {tuple(images.shape)}"
        )
    spline = splines[0].inner
    assert isinstance(spline, RationalQuadratic)
    # One map of parameters a pixel, sent through the layers as if it were a batch of images.
    maps = _marginal_params(images, spline, pseudo_count).to(next(flow.parameters()))
    for layer in reversed(layers):
        if isinstance(layer, ImageCoupling):
            assert isinstance(layer.conditioner, ConvConditioner)
            here = maps.index_select(1, layer.changed).movedim(0, 1).flatten(0, 1)
            layer.conditioner.bias.copy_(here)
            maps = maps.index_select(1, layer.kept)
        elif isinstance(layer, MaskedAutoregressive):
            last = layer.net.layers[-1]
            assert isinstance(last, nn.Linear)
            last.bias.copy_(maps.flatten(1).mT.flatten())
        elif layer.event_shape == tuple(maps.shape[1:]):
            maps = layer.inverse(maps)[0]


def _marginal_params(images: Tensor, spline: RationalQuadratic, pseudo_count: float) -> Tensor:
    """Parameters of the spline for the histogram of each pixel: shape (n_params, *event_shape)."""
    edges, share = _bins(spline.bins)
    counts = level_counts(images, 256).movedim(-1, 0)
    common = counts.flatten(1).sum(1) / counts.sum()
    levels = (counts + pseudo_count * common[:, None, None, None]) / (len(images) + pseudo_count)
    shares = (1 - spline.bins * LEAST) * torch.einsum("kl,lchw->kchw", share.to(levels), levels) + LEAST
    heights = edges.diff().to(shares)[:, None, None, None].expand_as(shares)
    secants = heights / shares
    slopes = (torch.minimum(secants[1:], secants[:-1]) - spline.min_slope).clamp_min(1e-6)
    # The inverse of softplus, as `RationalQuadratic` offsets it, in a form that does not overflow.
    raw = slopes + (-torch.expm1(-slopes)).log() - math.log(math.expm1(1 - spline.min_slope))
    widths, heights = (size.log() - size.log().mean(0) for size in (shares, heights))
    return torch.cat([widths, heights, raw])


def _bins(bins: int) -> tuple[Tensor, Tensor]:
    """Edges of the bins on the warped axis, and the share of each grey level (column) that lies in each bin (row)."""
    ends = torch.tensor([0.0, 0.02, 0.98, 1.0], dtype=torch.float64)
    middle = torch.linspace(Y_BLACK, Y_WHITE, bins - 3, dtype=torch.float64)
    edges = torch.cat([ends[:2], middle, ends[2:]])
    levels = torch.arange(257, dtype=torch.float64) / 256
    places = warp(levels, (BLACK, WHITE), (Y_BLACK, Y_WHITE))[0]
    low = torch.maximum(edges[:-1, None], places[:-1])
    high = torch.minimum(edges[1:, None], places[1:])
    return edges, (high - low).clamp_min(0) / places.diff()


def _leaves(bijection: Bijection) -> list[Bijection]:
    """The layers of nested compositions and levels in one list, noise first."""
    if isinstance(bijection, Composition | Multiscale):
        return [leaf for layer in bijection for leaf in _leaves(layer)]
    if isinstance(bijection, FullPrecision):
        return _leaves(bijection.bijection)
    return [bijection]
