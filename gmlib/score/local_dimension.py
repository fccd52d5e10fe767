"""The dimension of the data at a point: the scores around it point back across the sheet, never along it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_tensor
from gmlib.score._arguments import (
    Level,
    Score,
    check_callable,
    check_points,
    check_same,
    evaluate,
    level_tensor,
    spread,
)


@dataclass(frozen=True)
class LocalDimension:
    r"""The directions in which the data near a point vary.

    Attributes:
        singular_values: (batch, d), of the scores around the point in units of the noise, descending: near 1 across
            the sheet, near 0 along it.
        dimension: (batch,), how many are below ½.

    Example:
        >>> import torch
        >>> from gmlib.score import LocalDimension
        >>> LocalDimension(torch.tensor([[1.0, 0.1]]), torch.tensor([1])).dimension.item()
        1
    """

    singular_values: Tensor
    dimension: Tensor


def local_dimension(
    score: Score, x: Float[Tensor, "batch *event"], noise: Float[Tensor, "n batch *event"], sigma: Level
) -> LocalDimension:
    r"""The dimension of the data at given points: scores around a point on the sheet span the directions across it.

    .. math:: S_{ji} = \frac{\sigma}{\sqrt n}\,s_i(x + \sigma\varepsilon^{(j)}), \qquad
              \hat k(x) = \#\{i : \text{singular value}_i(S) < \tfrac12\}

    (:eq:`eq-08b-sheet` in the book; Stanczuk et al. 2024, who look for the largest gap instead of taking a fixed
    threshold. Counted in units of the noise the values are near 1 and 0, and k = 0 and k = d need no gap.)

    Args:
        score: the score at this noise level, (batch, \*event) -> (batch, \*event).
        x: points of the data, without noise, (batch, \*event).
        noise: n standard normal draws for each point, (n, batch, \*event). With :math:`n \ge 16 d` the values across
            the sheet stay above about ¾; n may not be below d.
        sigma: noise level, positive, a number, () or (batch,): small beside the radius of the sheet's bends, large beside
            its own thickness.

    Returns:
        The singular values and the count, for each point.

    Raises:
        TypeError: an argument is no floating tensor.
        ValueError: the shapes do not fit, there are fewer draws than dimensions, or ``sigma`` is not positive.

    Cost: one call of the score on n * batch points and the singular values of an (n, d) matrix for each point.

    Example:
        >>> import torch
        >>> from gmlib.score import local_dimension
        >>> noise = torch.tensor([[[1.0, 1.0]], [[-1.0, 1.0]], [[1.0, -1.0]], [[-1.0, -1.0]]])
        >>> local_dimension(lambda x: x * torch.tensor([0.0, -4.0]), torch.zeros(1, 2), noise, 0.5).dimension
        tensor([1])
    """
    check_callable("score", score)
    check_points("x", x)
    check_tensor("noise", noise)
    if noise.dim() < 2 or noise.shape[1:] != x.shape:
        raise ValueError(f"noise must have shape (n, *{tuple(x.shape)}), got shape {tuple(noise.shape)}")
    d = x[0].numel()
    if noise.shape[0] < d:
        raise ValueError(f"noise must hold at least as many draws as dimensions, {d}, got {noise.shape[0]}")
    check_same("noise", noise[0], "x", x)
    level = level_tensor("sigma", sigma, x)
    noisy = (x + spread(level, x.dim() - 1) * noise).flatten(0, 1)
    with torch.no_grad():
        scores = evaluate(score, noisy).reshape(noise.shape[0], x.shape[0], d).transpose(0, 1)
        values = torch.linalg.svdvals(scores * (spread(level, 2) / noise.shape[0] ** 0.5))
    return LocalDimension(values, (values < 0.5).sum(1))
