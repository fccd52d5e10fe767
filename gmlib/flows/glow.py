"""Glow: steps of activation normalisation, 1x1 convolution and affine coupling, level by level."""

from __future__ import annotations

import torch

from gmlib._checks import check_count
from gmlib.flows.actnorm import ActNorm
from gmlib.flows.bijection import Bijection
from gmlib.flows.composition import Composition
from gmlib.flows.conv1x1 import Conv1x1
from gmlib.flows.flow import Flow
from gmlib.flows.image_coupling import ConvConditioner, ImageCoupling
from gmlib.flows.image_flows import check_levels, logit_flow
from gmlib.flows.masks import half_mask
from gmlib.flows.multiscale import Multiscale
from gmlib.flows.scalar import Affine
from gmlib.flows.squeeze import Squeeze


def glow_step(
    event_shape: tuple[int, int, int],
    *,
    hidden: int = 32,
    blocks: int = 1,
    bound: float = 2.0,
    generator: torch.Generator | None = None,
) -> Composition:
    r"""One step of Glow: from data to noise, actnorm, then an invertible 1x1 convolution, then an affine coupling.

    .. math:: \log|\det J| = HW\sum_c a_c + HW\log|\det W| + \sum_{i\in A} a_i(u_B)

    The convolution deals the channels anew before each coupling, where Real NVP reverses them.

    Args:
        event_shape: (C, height, width), C at least 2.
        hidden: channels of the conditioner.
        blocks: residual blocks of the conditioner.
        bound: largest log-scale of the coupling.
        generator: source of the convolution's first rotation; None for torch's default.

    Returns:
        The three layers, noise first; `Bijection.initialise` sets the actnorm from data.

    Raises:
        ValueError: ``event_shape`` is not that of an image of at least two channels, or a size is below 1.

    References:
        D. Kingma and P. Dhariwal, *Glow: Generative flow with invertible 1x1 convolutions*, 2018, table 1 and figure 2a.

    Example:
        >>> step = glow_step((4, 7, 7), hidden=8)
        >>> x, log_det = step(torch.randn(5, 4, 7, 7))
        >>> x.shape, log_det.shape
        (torch.Size([5, 4, 7, 7]), torch.Size([5]))
    """
    convolution = Conv1x1(event_shape, generator=generator)
    channels = event_shape[0]
    mask, affine = half_mask(channels), Affine(bound=bound)
    kept = int(mask.sum())
    net = ConvConditioner(kept, channels - kept, affine, hidden=hidden, blocks=blocks)
    return Composition([ImageCoupling(event_shape, mask, affine, net), convolution, ActNorm(event_shape)])


def glow(
    event_shape: tuple[int, int, int],
    *,
    levels: int = 2,
    steps: int = 4,
    hidden: int = 32,
    blocks: int = 1,
    bound: float = 2.0,
    alpha: float = 0.05,
    generator: torch.Generator | None = None,
) -> Flow:
    r"""Glow for images with values in (0, 1): at each level a squeeze and some steps, then half of the channels leave.

    Args:
        event_shape: (channels, height, width), height and width divisible by ``2 ** levels``.
        levels: number of levels, L.
        steps: steps of `glow_step` a level, K.
        hidden: channels of the conditioners.
        blocks: residual blocks of the conditioners.
        bound: largest log-scale of a coupling.
        alpha: data x are read as :math:`\operatorname{logit}(\alpha + (1 - 2\alpha) x)`; between 0 and 1/2.
        generator: source of the first rotations; None for torch's default.

    Returns:
        The flow, with a standard normal base. Before training, ``flow.bijection.initialise(x)`` with a batch of data.

    Raises:
        ValueError: the image cannot be halved so often, or a setting is out of range.

    References:
        D. Kingma and P. Dhariwal, *Glow: Generative flow with invertible 1x1 convolutions*, 2018, figure 2b.

    Example:
        >>> flow = glow((1, 8, 8), steps=2, hidden=4)
        >>> x = torch.rand(20, 1, 8, 8)
        >>> flow.bijection.initialise(x).shape, flow.log_prob(x).shape
        (torch.Size([20, 64]), torch.Size([20]))
    """
    check_count("steps", steps)
    stack: list[Bijection] = []
    shape = event_shape
    for _ in check_levels(event_shape, levels):
        squeeze = Squeeze(shape)
        c, h, w = squeeze.noise_shape
        layers = [
            glow_step((c, h, w), hidden=hidden, blocks=blocks, bound=bound, generator=generator)
            for _ in range(steps)
        ]
        stack.insert(0, Composition([*layers, squeeze]))
        shape = (c // 2, h, w)
    return logit_flow(Multiscale(stack), alpha)
