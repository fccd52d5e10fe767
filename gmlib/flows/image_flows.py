"""Flows of images as one call each: Real NVP, and a multiscale flow of splines."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gmlib._checks import check_count, check_number
from gmlib.flows.autoregressive import MaskedAutoregressive
from gmlib.flows.bases import StandardNormal, StandardUniform
from gmlib.flows.bijection import Bijection
from gmlib.flows.composition import Composition
from gmlib.flows.conditioned import Conditioned
from gmlib.flows.flow import Flow
from gmlib.flows.full_precision import FullPrecision
from gmlib.flows.grey_levels import GreyLevels
from gmlib.flows.image_coupling import ConvConditioner, ImageCoupling
from gmlib.flows.masks import half_mask
from gmlib.flows.multiscale import Multiscale
from gmlib.flows.permutation import Permutation
from gmlib.flows.rational_quadratic import RationalQuadratic
from gmlib.flows.reshape import Reshape
from gmlib.flows.scalar import Affine
from gmlib.flows.squash import NormalCdf, Sigmoid
from gmlib.flows.squeeze import Squeeze, check_image
from gmlib.flows.stretch import Stretch


def real_nvp_image(
    event_shape: tuple[int, int, int],
    *,
    levels: int = 2,
    hidden: int = 32,
    blocks: int = 2,
    bound: float = 2.0,
    alpha: float = 0.05,
) -> Flow:
    r"""Real NVP for images with values in (0, 1): affine couplings of checkerboards, then of channels, level by level.

    Each level squeezes 2 x 2 pixels into channels and has three couplings whose partition is a checkerboard of those
    pixels, and three that keep the first or the last half of the channels; then half of the channels leave. Data go through
    :math:`\operatorname{logit}(\alpha + (1 - 2\alpha)x)` first.

    Args:
        event_shape: (channels, height, width), height and width divisible by ``2 ** levels``.
        levels: number of levels.
        hidden: channels of the conditioners.
        blocks: residual blocks of the conditioners.
        bound: largest log-scale of a coupling.
        alpha: distance that is kept from the ends of the logit, between 0 and 1/2.

    Returns:
        The flow, with a standard normal base.

    Raises:
        ValueError: the image cannot be halved so often, or a setting is out of range.

    References:
        L. Dinh, J. Sohl-Dickstein and S. Bengio, *Density estimation using Real NVP*, 2017, sections 3.4, 3.6 and 4.1.

    Example:
        >>> flow = real_nvp_image((1, 8, 8), hidden=4, blocks=1)
        >>> flow.log_prob(torch.full((2, 1, 8, 8), 0.5)).shape, flow.sample((2,)).shape
        (torch.Size([2]), torch.Size([2, 1, 8, 8]))
    """
    affine = Affine(bound=bound)
    stack: list[Bijection] = []
    shape = event_shape
    for _ in check_levels(event_shape, levels):
        squeeze = Squeeze(shape)
        c, h, w = squeeze.noise_shape
        corners = torch.tensor([True, False, False, True]).repeat(c // 4)
        masks = [corners, ~corners, corners, half_mask(c), half_mask(c, flip=True), half_mask(c)]
        couplings: list[Bijection] = [
            ImageCoupling(
                (c, h, w),
                mask,
                affine,
                ConvConditioner(
                    int(mask.sum()), c - int(mask.sum()), affine, hidden=hidden, blocks=blocks, size=(h, w)
                ),
            )
            for mask in masks
        ]
        stack.insert(0, Composition([*couplings, squeeze]))
        shape = (c // 2, h, w)
    return logit_flow(Multiscale(stack), alpha)


def logit_flow(levels: Multiscale, alpha: float) -> Flow:
    r"""A standard normal base, these levels, and :math:`\sigma` stretched so that all of [0, 1] has a finite logit.

    Args:
        levels: maps to images of unbounded values.
        alpha: data x are read as :math:`\operatorname{logit}(\alpha + (1 - 2\alpha) x)`; between 0 and 1/2.

    Returns:
        A flow of images in (0, 1), or a little beyond.

    Raises:
        ValueError: ``alpha`` is not between 0 and 1/2.

    Example:
        >>> from gmlib.flows import ActNorm
        >>> flow = logit_flow(Multiscale([ActNorm((1, 2, 2))]), 0.05)
        >>> x = flow.sample((100,))
        >>> bool((x > -1 / 18).all()), bool((x < 19 / 18).all())
        (True, True)
    """
    check_number("alpha", alpha, low=0.0, high=0.5, low_open=True, high_open=True)
    shape, beyond = levels.event_shape, alpha / (1 - 2 * alpha)
    ends = [Sigmoid(shape), Stretch(shape, -beyond, 1 + beyond)]
    return Flow(StandardNormal(levels.noise_shape), [levels, *ends])


def spline_image_flow(
    event_shape: tuple[int, int, int],
    *,
    levels: int = 2,
    bins: int = 8,
    hidden: int = 48,
    blocks: int = 1,
    coarse_hidden: Sequence[int] = (384, 384),
) -> Flow:
    r"""A multiscale flow of rational-quadratic splines for images with values in [0, 1], a quarter of the pixels at a time.

    Of each 2 x 2 block the first pixel goes on to the coarser level. Given those, a coupling makes the pixels diagonally
    across; given both kinds, another makes half of the rest; and a third the last quarter, each of whose pixels then
    has known neighbours on all sides. A pixel's spline depends on pixels only, never on noise: every conditioner sees
    data. The coarsest image is made by an autoregressive layer. Drawing takes one network call a coupling and one small
    one for each pixel of the coarsest image; the density takes one each.

    The splines are those of `GreyLevels`, with biases of their own at every pixel (see `start_at_marginals`).

    Args:
        event_shape: (channels, height, width), height and width divisible by ``2 ** levels``.
        levels: how often the image is halved.
        bins: of each spline, at least 5.
        hidden: channels of the conditioners.
        blocks: residual blocks of the conditioners.
        coarse_hidden: widths of the masked network of the coarsest image.

    Returns:
        The flow, with a standard normal base.

    Raises:
        ValueError: the image cannot be halved so often, or a setting is out of range.

    References:
        C. Durkan, A. Bekasov, I. Murray and G. Papamakarios, *Neural spline flows*, 2019, for the splines; S. Reed et al.,
        *Parallel multiscale autoregressive density estimation*, 2017, figure 2, for the order of the pixels.

    Example:
        >>> flow = spline_image_flow((1, 8, 8), hidden=4, coarse_hidden=(8,))
        >>> flow.log_prob(torch.full((2, 1, 8, 8), 0.5)).shape, flow.sample((2,)).shape
        (torch.Size([2]), torch.Size([2, 1, 8, 8]))
    """
    check_count("bins", bins, low=5)
    spline = GreyLevels(RationalQuadratic(bins, 1.0, low=0.0, min_size=1e-5, min_slope=1e-4))
    count = len(check_levels(event_shape, levels))
    channels, h, w = event_shape[0], event_shape[1] >> count, event_shape[2] >> count
    coarse = FullPrecision(MaskedAutoregressive(channels * h * w, spline, hidden=coarse_hidden))
    stack: list[Bijection] = [Composition([coarse, Reshape((channels, h, w))])]
    for _ in range(count):
        for seen in (channels, 2 * channels, 3 * channels):
            shape = (seen + channels, h, w)
            mask = torch.arange(seen + channels) < seen
            net = ConvConditioner(seen, channels, spline, hidden=hidden, blocks=blocks, size=(h, w))
            stack.append(ImageCoupling(shape, mask, spline, net))
        h, w = 2 * h, 2 * w
        # From first pixels, those across, and the other two kinds, to the order in which Squeeze reads them.
        order = torch.tensor([0, 2, 3, 1]) * channels + torch.arange(channels)[:, None]
        final = Permutation(order.flatten(), stack[-1].event_shape)
        stack[-1] = Composition([stack[-1], final, Squeeze((channels, h, w))])
    levels_map = Multiscale(stack)
    return Flow(StandardNormal(levels_map.noise_shape), [NormalCdf(levels_map.noise_shape), levels_map])


def spline_noise(
    event_shape: tuple[int, int, int], *, bins: int = 4, hidden: int = 24, blocks: int = 1
) -> Flow:
    """Noise for `Dequantised`: in each cell a spline of a uniform number, chosen by a network that sees the image.

    Args:
        event_shape: (channels, height, width), height and width even.
        bins: of each spline.
        hidden: channels of the network.
        blocks: residual blocks of the network.

    Returns:
        A flow over [0, 1] with the flattened image for its condition; it starts as uniform noise.

    Raises:
        ValueError: height or width is odd, or a setting is out of range.

    Example:
        >>> noise = spline_noise((1, 4, 4), hidden=4)
        >>> noise.sample((), torch.rand(5, 16)).shape
        torch.Size([5, 1, 4, 4])
    """
    squeeze = Squeeze(event_shape)
    shape = squeeze.noise_shape
    spline = RationalQuadratic(bins, 1.0, low=0.0)
    net = ConvConditioner(shape[0], shape[0], spline, hidden=hidden, blocks=blocks)
    sees = _SeesImage(squeeze, net, spline.n_params)
    context = event_shape[0] * event_shape[1] * event_shape[2]
    return Flow(StandardUniform(shape), [Conditioned(shape, spline, sees, context=context), squeeze])


class _SeesImage(nn.Module):
    """A conditioner that squeezes the image in a flattened condition before it looks."""

    def __init__(self, squeeze: Squeeze, net: ConvConditioner, n_params: int) -> None:
        super().__init__()
        self.squeeze, self.net, self.n_params = squeeze, net, n_params

    def forward(self, c: Tensor) -> Tensor:
        x, _ = self.squeeze.inverse(c.unflatten(-1, self.squeeze.event_shape))
        return self.net(x).unflatten(1, (self.squeeze.noise_shape[0], self.n_params)).movedim(2, -1)


def check_levels(event_shape: tuple[int, int, int], levels: int) -> range:
    """The numbers of the levels; raises ``ValueError`` unless the image can be halved so often.

    Example:
        >>> check_levels((1, 28, 28), 2)
        range(0, 2)
    """
    check_image("event_shape", event_shape)
    check_count("levels", levels)
    if event_shape[1] % 2**levels or event_shape[2] % 2**levels:
        raise ValueError(
            f"event_shape must have height and width divisible by {2**levels} for {levels} levels, got {event_shape}"
        )
    return range(levels)
