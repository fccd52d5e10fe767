"""A denoiser of images on its way to a browser: the weights of its U-Net by name, and the few settings beside them."""

from __future__ import annotations

import torch
from torch import Tensor

from gmlib.nn import PixelUNet
from gmlib.noise import Denoiser, LogSNRClock, VPCosine


def denoiser_arrays(denoiser: Denoiser) -> dict[str, Tensor]:
    """The arrays from which ``js/unet.js`` and ``js/denoising.js`` build a denoiser.

    The weights are rounded to float16 and keep the names that they have in the U-Net, from which the browser reads off
    what there is in it. What names do not say comes in small arrays: ``groups``, ``heads``, ``eps`` (of the
    normalisation), ``patch``, ``octaves``, ``levels`` (the log-SNR told as 1 and as 0), ``schedule`` (offset, last time).

    Args:
        denoiser: a `PixelUNet` that predicts v, told the log-SNR, on the cosine schedule.

    Returns:
        Tensors by name.

    Raises:
        TypeError: a part of the denoiser is another one.
        ValueError: it predicts something else than v.

    Example:
        >>> from gmlib.recipes.diffusion_mnist import mnist_denoiser
        >>> arrays = denoiser_arrays(mnist_denoiser())
        >>> arrays["stem.weight"].shape, arrays["patch"].item()
        (torch.Size([48, 20, 3, 3]), 2.0)
    """
    clock, schedule = denoiser.network, denoiser.schedule
    parts = {"network": (clock, LogSNRClock), "schedule": (schedule, VPCosine)}
    for name, (part, kind) in parts.items():
        if not isinstance(part, kind):
            raise TypeError(f"{name} of denoiser must be a {kind.__name__}, got {type(part).__name__}")
    assert isinstance(clock, LogSNRClock)
    assert isinstance(schedule, VPCosine)
    if not isinstance(clock.network, PixelUNet):
        raise TypeError(f"network of the clock must be a PixelUNet, got {type(clock.network).__name__}")
    if denoiser.parameterisation != "v":
        raise ValueError(f"denoiser must predict v, got {denoiser.parameterisation!r}")
    pixels = clock.network
    network = pixels.unet
    attention = network.middle[1]
    settings = {
        "groups": [network.norm.num_groups],
        "eps": [network.norm.eps],
        "heads": [attention.heads],
        "patch": [pixels.patch],
        "octaves": pixels.octaves,
        "levels": [clock.low, clock.high],
        "schedule": [schedule.offset, schedule.t_max],
    }
    return {
        **{name: value.detach().half() for name, value in network.named_parameters()},
        **{name: value.detach().float() for name, value in network.named_buffers()},
        **{name: torch.tensor([float(v) for v in values]) for name, values in settings.items()},
    }
