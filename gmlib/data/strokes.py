"""What can be measured of a written sign without knowing which it is: how thick its strokes are and how it leans."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from gmlib._checks import check_tensor

Images = Float[Tensor, "batch 1 height width"]


def thickness(images: Images) -> Float[Tensor, " batch"]:
    r"""The mean thickness of the strokes, in pixels: the ink over half the length of its outline.

    .. math:: \frac{2\sum I}{\sum\lvert\nabla I\rvert}

    A stroke of length L and thickness w has the area Lw and an outline of about 2L. The gradient is taken in the middle of
    each block of 2x2 pixels, beyond the border too, where there is paper. Brighter ink is not thicker.

    Not to be differentiated: on blank paper, where the gradient is 0, its length has no derivative, and autograd says NaN.

    Args:
        images: ink on paper, which is 0, (batch, 1, height, width); not negative.

    Returns:
        The thickness of each, (batch,); 0 where there is no ink.

    Raises:
        TypeError: ``images`` is no floating tensor.
        ValueError: ``images`` has another shape.

    Example:
        >>> bar = torch.zeros(1, 1, 40, 40)
        >>> bar[..., 2:38, 10:13] = 0.5  # 36 long and 3 thick
        >>> round(thickness(bar).item(), 2)
        2.81
    """
    check_signs(images)
    x = pad(images[:, 0], (1, 1, 1, 1))
    across, down = x.diff(dim=2), x.diff(dim=1)
    across = (across[:, 1:] + across[:, :-1]) / 2
    down = (down[:, :, 1:] + down[:, :, :-1]) / 2
    outline = torch.hypot(across, down).sum((1, 2))
    return 2 * images.sum((1, 2, 3)) / outline.clamp(min=torch.finfo(x.dtype).tiny)


def slant(images: Images) -> Float[Tensor, " batch"]:
    r"""How far the ink moves to the right for each pixel that it rises: negative for signs that lean to the left.

    .. math:: -\frac{\sum I\,(r - \bar r)(c - \bar c)}{\sum I\,(r - \bar r)^2}

    with rows r counted downwards, columns c, and the centre of the ink :math:`(\bar r, \bar c)`: the slope of the line that
    best tells the column from the row. To shear a sign by s pixels a row adds s.

    Args:
        images: ink on paper, which is 0, (batch, 1, height, width); not negative.

    Returns:
        The slant of each, (batch,); 0 where all ink is in one row.

    Raises:
        TypeError: ``images`` is no floating tensor.
        ValueError: ``images`` has another shape.

    Example:
        >>> rising = torch.eye(5).flip(1)[None, None]  # from the lower left to the upper right
        >>> slant(rising).item(), slant(rising.flip(3)).item()
        (1.0, -1.0)
    """
    check_signs(images)
    x, tiny = images[:, 0], torch.finfo(images.dtype).tiny
    rows = torch.arange(x.shape[1], dtype=x.dtype, device=x.device)
    columns = torch.arange(x.shape[2], dtype=x.dtype, device=x.device)
    by_row, by_column = x.sum(2), x.sum(1)
    ink = by_row.sum(1, keepdim=True).clamp(min=tiny)
    r = rows - (by_row * rows).sum(1, keepdim=True) / ink
    c = columns - (by_column * columns).sum(1, keepdim=True) / ink
    together = torch.einsum("bij,bi,bj->b", x, r, c)
    return -together / (by_row * r.square()).sum(1).clamp(min=tiny)


def check_signs(images: Tensor) -> None:
    """Raise unless ``images`` is a floating tensor (batch, 1, height, width).

    Raises:
        TypeError: it is no floating tensor.
        ValueError: it has another shape.

    Example:
        >>> check_signs(torch.zeros(3, 1, 8, 8))
    """
    check_tensor("images", images)
    if images.dim() != 4 or images.shape[1] != 1:
        raise ValueError(f"images must have shape (batch, 1, height, width), got {tuple(images.shape)}")
