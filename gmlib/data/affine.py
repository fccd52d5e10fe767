"""Images turned, stretched, slanted and shifted at random."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from gmlib._checks import check_number, check_tensor


def jitter(
    images: Float[Tensor, "batch channels height width"],
    noise: Float[Tensor, "batch 6"],
    *,
    rotate: float = 0.0,
    stretch: float = 0.0,
    slant: float = 0.0,
    shift: float = 0.0,
) -> Float[Tensor, "batch channels height width"]:
    r"""Move each image by an affine map of its own, about its centre, with bilinear interpolation.

    The value at position :math:`u` (in pixels from the centre) is that of the original at

    .. math:: R(\alpha) \begin{pmatrix} e^{s_1} & h \\ 0 & e^{s_2} \end{pmatrix} u + t, \qquad
              (\alpha, s_1, s_2, h, t_1, t_2) = (\text{rotate}, \text{stretch}, \text{stretch}, \text{slant},
              \text{shift}, \text{shift}) \odot \varepsilon

    with :math:`R` a rotation and :math:`\varepsilon` the noise; outside the original there is paper (0).

    Args:
        images: (batch, channels, height, width).
        noise: standard normal draws, (batch, 6); given, not drawn, so that a training step is a function of its noise.
        rotate: standard deviation of the angle, in radians.
        stretch: standard deviation of the logarithm of the factor along each axis.
        slant: standard deviation of the shear, in pixels across per pixel down.
        shift: standard deviation of the shift along each axis, in pixels.

    Returns:
        Images of the same shape, between the smallest of 0 and ``images`` and the largest.

    Raises:
        ValueError: ``images`` has not four dimensions or is empty, ``noise`` does not match, or a size is negative.
        TypeError: ``images`` or ``noise`` is not a floating tensor.

    Example:
        >>> x = torch.zeros(1, 1, 5, 5)
        >>> x[..., 2, 2] = 1.0
        >>> jitter(x, torch.tensor([[0.0, 0.0, 0.0, 0.0, 1.0, 0.0]]), shift=1.0).argmax().item()  # one to the left
        11
    """
    check_tensor("images", images)
    check_tensor("noise", noise)
    if images.dim() != 4 or 0 in images.shape:
        raise ValueError(
            f"images must have shape (batch, channels, height, width) without a 0, got shape {tuple(images.shape)}"
        )
    if tuple(noise.shape) != (len(images), 6):
        raise ValueError(f"noise must have shape ({len(images)}, 6), got shape {tuple(noise.shape)}")
    for name, value in {"rotate": rotate, "stretch": stretch, "slant": slant, "shift": shift}.items():
        check_number(name, value, low=0.0)
    height, width = images.shape[-2:]
    # Number by number: a tensor of the four sizes would have to travel to the device in every training step.
    angle, shear = rotate * noise[:, 0], slant * noise[:, 3]
    stretch_x, stretch_y = stretch * noise[:, 1], stretch * noise[:, 2]
    cos, sin, a, b = angle.cos(), angle.sin(), stretch_x.exp(), stretch_y.exp()
    # affine_grid measures both axes from -1 to 1: pixels across are 2 / width of it, down 2 / height.
    aspect = height / width
    right, low = (2 * shift / width) * noise[:, 4], (2 * shift / height) * noise[:, 5]
    across = torch.stack([cos * a, (cos * shear - sin * b) * aspect, right], 1)
    down = torch.stack([sin * a / aspect, sin * shear + cos * b, low], 1)
    grid = affine_grid(
        torch.stack([across, down], 1).to(images.dtype), list(images.shape), align_corners=False
    )
    return grid_sample(images, grid, align_corners=False)
