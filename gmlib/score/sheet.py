r"""Data on a thin sheet: what a score says about the number of dimensions that the data have.

Noise of level :math:`\sigma` takes the data off a k-dimensional sheet in all the d - k directions across it. Back to the
sheet it is a distance of about :math:`\sigma\sqrt{d-k}`, and the score, that distance over :math:`\sigma^2`, grows without
bound as the noise goes: for data on a sheet there is no score at :math:`\sigma = 0`. How fast it grows counts the
directions.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.score._arguments import (
    Level,
    Score,
    average,
    check_callable,
    check_points,
    evaluate,
    level_tensor,
    read_level,
    split_directions,
)
from gmlib.score._products import Field, total


def sheet_score_norm(d: int, k: int, sigma: float, *, var: float = 1.0) -> float:
    r"""The mean squared score, in units of the noise, for a flat sheet with normal data on it.

    .. math:: \sigma^2\,\mathbb E\lVert s(\tilde x)\rVert^2 = d - k + \frac{k\,\sigma^2}{v + \sigma^2},
              \qquad \tilde x = x + \sigma\varepsilon, \quad x \sim \mathcal N\big(0, \operatorname{diag}(v 1_k, 0)\big)

    (:eq:`eq-08b-sheet` in the book.) It falls to the number of directions *across* the sheet.

    Args:
        d: dimension of the space.
        k: dimension of the sheet, from 0 to d.
        sigma: noise level, positive.
        var: v, the variance of the data along the sheet, positive.

    Returns:
        A number without unit, between d - k and d.

    Raises:
        ValueError: ``k`` exceeds ``d``, or a number is out of range.

    Example:
        >>> from gmlib.score import sheet_score_norm
        >>> round(sheet_score_norm(10, 2, 0.1), 4)
        8.0198
    """
    return d - sheet_denoiser_trace(d, k, sigma, var=var)


def sheet_denoiser_trace(d: int, k: int, sigma: float, *, var: float = 1.0) -> float:
    r"""The trace of the denoiser's Jacobian for a flat sheet with normal data on it: k, less what the noise hides.

    .. math:: \operatorname{tr}\frac{\partial}{\partial\tilde x}\,\mathbb E[x \mid \tilde x]
              = d + \sigma^2\operatorname{tr}\nabla s(\tilde x) = \frac{k\,v}{v + \sigma^2}

    (:eq:`eq-08b-sheet` in the book.) Along the sheet the denoiser keeps the point, across it the Jacobian is 0.

    Args:
        d: dimension of the space.
        k: dimension of the sheet, from 0 to d.
        sigma: noise level, positive.
        var: v, the variance of the data along the sheet, positive.

    Returns:
        A number without unit, between 0 and k.

    Raises:
        ValueError: ``k`` exceeds ``d``, or a number is out of range.

    Example:
        >>> from gmlib.score import sheet_denoiser_trace
        >>> round(sheet_denoiser_trace(10, 2, 0.1), 4)
        1.9802
    """
    check_count("d", d)
    check_count("k", k, low=0)
    if k > d:
        raise ValueError(f"k must be at most d = {d}, got {k}")
    check_number("sigma", sigma, low=0.0, low_open=True)
    check_number("var", var, low=0.0, low_open=True)
    return k * var / (var + sigma**2)


def dimension_from_norm(
    score: Score, noisy: Float[Tensor, "batch *event"], sigma: Level
) -> Float[Tensor, " batch"]:
    r"""The dimension of the data from the length of the score; its mean over noisy points is the estimate.

    .. math:: \hat k = d - \sigma^2\,\mathbb E\lVert s(\tilde x)\rVert^2

    (:eq:`eq-08b-sheet` in the book.) For the exact score of the noised law it has the mean of `dimension_from_trace`,
    since :math:`\mathbb E\lVert s\rVert^2 = -\mathbb E\operatorname{tr}\nabla s`. A single point's value scatters with
    standard deviation about :math:`\sqrt{2(d-k)}` and may be negative. :math:`\sigma` must be small beside the extent
    of the sheet and the radius of its bends.

    Args:
        score: the score at this noise level, (batch, \*event) -> (batch, \*event).
        noisy: points of the noised law, (batch, \*event).
        sigma: noise level, positive, a number, () or (batch,).

    Returns:
        One value for each point, (batch,).

    Raises:
        TypeError: ``noisy`` is no floating tensor.
        ValueError: the shapes do not fit, or ``sigma`` is not positive.

    Cost: one call of the score.

    Example:
        >>> import torch
        >>> from gmlib.score import dimension_from_norm
        >>> noisy = torch.tensor([[5.0, 0.5]])  # a line: the first coordinate is free, the second is noise
        >>> dimension_from_norm(lambda x: x * torch.tensor([0.0, -4.0]), noisy, 0.5)
        tensor([1.])
    """
    check_callable("score", score)
    check_points("noisy", noisy)
    level = read_level("sigma", sigma, noisy)
    return noisy[0].numel() - total((level * evaluate(score, noisy)).square())


def dimension_from_trace(
    score: Score,
    noisy: Float[Tensor, "batch *event"],
    sigma: Level,
    *,
    projections: Float[Tensor, "..."] | None = None,
    chunk: int = 1,
) -> Float[Tensor, " batch"]:
    r"""The dimension of the data near each noisy point, from the trace of the denoiser's Jacobian.

    .. math:: \hat k(\tilde x) = d + \sigma^2\operatorname{tr}\nabla s(\tilde x)
              = \operatorname{tr}\frac{\partial}{\partial\tilde x}\big[\tilde x + \sigma^2 s(\tilde x)\big]
              = \frac{1}{\sigma^2}\operatorname{tr}\operatorname{Cov}(x \mid \tilde x)

    (:eq:`eq-08b-sheet` in the book; the last form for the exact score only.) Unlike the norm it scatters little from
    point to point, and says what the dimension is *there*.

    Args:
        score: the score at this noise level, (batch, \*event) -> (batch, \*event).
        noisy: points of the noised law, (batch, \*event).
        sigma: noise level, positive, a number, () or (batch,).
        projections: directions u with :math:`\mathbb E uu^\top = I`, (batch, \*event) or (directions, batch, \*event), for
            the estimate :math:`d + \sigma^2 u^\top\nabla s\,u`, averaged over directions; None: the exact trace.
        chunk: how many products go through the score at once for the exact trace, vectorised; 1 works with every
            callable.

    Returns:
        One value for each point, (batch,).

    Raises:
        TypeError: an argument is no floating tensor.
        ValueError: the shapes do not fit, or ``sigma`` is not positive.

    Cost: d vector-Jacobian products for the exact trace, one for each direction with projections, whatever d.

    Example:
        >>> import torch
        >>> from gmlib.score import dimension_from_trace
        >>> noisy = torch.tensor([[5.0, 0.5]])
        >>> dimension_from_trace(lambda x: x * torch.tensor([0.0, -4.0]), noisy, 0.5)
        tensor([1.])
    """
    check_callable("score", score)
    check_points("noisy", noisy)
    check_count("chunk", chunk)
    level = level_tensor("sigma", sigma, noisy)
    directions = () if projections is None else split_directions(projections, noisy)
    field = Field(score, noisy)
    trace = average([field.quadratic(u) for u in directions]) if directions else field.trace(chunk)
    return noisy[0].numel() + level**2 * trace
