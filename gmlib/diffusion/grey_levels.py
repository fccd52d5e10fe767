"""What it costs to read grey levels off a picture with very little noise."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_finite, check_number, check_tensor
from gmlib.diffusion.chain import check_points, over_event


def level_cost(
    x0: Float[Tensor, "batch *event"],
    noise: Float[Tensor, "batch *event"],
    levels: Float[Tensor, " k"],
    log_snr: float,
) -> Float[Tensor, " batch"]:
    r"""Nats it takes to tell the levels of an image, given the image with a little noise, each pixel by itself.

    .. math:: -\sum_i\log p(x_i\mid z_i), \qquad p(x\mid z) = \frac{\mathcal N(z; \alpha x, \sigma^2)}
        {\sum_k\mathcal N(z; \alpha\ell_k, \sigma^2)}, \qquad z = \alpha x + \sigma\varepsilon

    Computed as :math:`\log\sum_k\exp(\varepsilon r_k - \tfrac12r_k^2)` with :math:`r_k = (\ell_k - x)\,\alpha/\sigma`, in
    which nothing large is subtracted from anything large. With well-separated levels it is nearly 0; far below, where
    they cannot be told apart, :math:`\log K` a pixel.

    Args:
        x0: the image, every entry one of the levels, (batch, ``*event``).
        noise: standard normal :math:`\varepsilon`, shaped as ``x0``.
        levels: the K values a pixel can have, ascending, (k,); best where ``x0`` is.
        log_snr: :math:`\log\alpha^2/\sigma^2` of z.

    Returns:
        Nats an image, (batch,).

    Raises:
        TypeError: a tensor is not floating.
        ValueError: shapes do not fit, ``levels`` does not ascend, or (on the CPU) an entry of ``x0`` is no level.

    References:
        D. Kingma et al., *Variational diffusion models* (2021), section 3.3.

    Example:
        >>> import math, torch
        >>> from gmlib.diffusion import level_cost
        >>> black, noise = torch.zeros(1, 3), torch.zeros(1, 3)
        >>> cost = level_cost(black, noise, torch.tensor([0.0, 1.0]), -40.0)  # nothing is seen: a bit a pixel
        >>> round(cost.item() / math.log(2), 6)
        3.0
    """
    check_number("log_snr", log_snr)
    check_levels(x0, levels)
    check_tensor("noise", noise)
    if noise.shape != x0.shape:
        raise ValueError(f"noise must have shape {tuple(x0.shape)}, as x0, got {tuple(noise.shape)}")
    # The scale is filled in where the points are: to copy a number there, the host would wait.
    distance = (levels.to(x0) - x0.unsqueeze(-1)) * x0.new_full((), 0.5 * log_snr).exp()
    # The pixel's own level has the exponent 0, so exp(-60) adds nothing; far smaller numbers make exp ten times slower.
    exponent = (distance * (noise.unsqueeze(-1) - 0.5 * distance)).clamp(min=-60.0)
    return over_event(exponent.logsumexp(-1))


def check_levels(x0: Tensor, levels: Tensor) -> None:
    """Raise unless ``levels`` ascends and, where looking costs no wait, every entry of ``x0`` is among them.

    Example:
        >>> check_levels(torch.tensor([[0.0, 1.0]]), torch.tensor([0.0, 0.5, 1.0]))
    """
    check_tensor("levels", levels)
    check_points("x0", x0)
    if levels.dim() != 1 or len(levels) < 2:
        raise ValueError(f"levels must have shape (k,) with k >= 2, got {tuple(levels.shape)}")
    if torch.compiler.is_compiling() or levels.device.type != "cpu" or x0.device.type != "cpu":
        return
    check_finite("levels", levels)
    gaps = levels.diff()
    if not bool((gaps > 0).all()):
        raise ValueError("levels must ascend")
    nearest = levels[torch.bucketize(x0, levels[:-1] + 0.5 * gaps)]
    off = (x0 - nearest).abs()
    # A rounding of the image in another order of operations is forgiven, a dequantised image is not.
    if x0.numel() and not bool((off <= 1e-3 * gaps.min()).all()):
        raise ValueError(f"x0 must be made of the levels, got an entry that is {float(off.max()):g} from any")
