"""The Frechet distance between the Gaussian fits of two samples."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.metrics._samples import check_covariance, check_like, check_mean, check_samples, raised


def squared_bures(
    cov1: Float[Tensor, "*batch d d"], cov2: Float[Tensor, "*batch d d"]
) -> Float[Tensor, "*batch"]:
    r"""Squared Bures distance of covariances, one pair or a stack: :func:`gaussian_frechet_distance` of equal means.

    .. math:: \operatorname{tr}\big(V_1 + V_2 - 2 (V_1^{1/2} V_2 V_1^{1/2})^{1/2}\big)

    Nothing is checked. Where rounding leaves less than 0, as it may for equal covariances, it is 0.

    Args:
        cov1: symmetric positive semi-definite, (*batch, d, d).
        cov2: likewise.

    Returns:
        One number a pair, (*batch,), in the squared units of the data.

    Example:
        >>> import torch
        >>> from gmlib.metrics.frechet import squared_bures
        >>> squared_bures(torch.eye(2, dtype=torch.float64), 4 * torch.eye(2, dtype=torch.float64)).item()
        2.0
    """
    values, vectors = torch.linalg.eigh(cov1)
    root = (vectors * values.clamp_min(0).sqrt()[..., None, :]) @ vectors.mT
    overlap = torch.linalg.eigvalsh(root @ cov2 @ root).clamp_min(0).sqrt().sum(-1)
    return ((cov1 + cov2).diagonal(dim1=-2, dim2=-1).sum(-1) - 2 * overlap).clamp_min(0)


def gaussian_frechet_distance(
    mean1: Float[Tensor, " d"],
    cov1: Float[Tensor, "d d"],
    mean2: Float[Tensor, " d"],
    cov2: Float[Tensor, "d d"],
) -> Float[Tensor, ""]:
    r"""Squared Frechet (2-Wasserstein) distance between two Gaussian laws (:eq:`eq-01-frechet` in the book).

    .. math:: \mathrm{FD} = \lVert m_1 - m_2 \rVert^2
              + \operatorname{tr}\big(V_1 + V_2 - 2 (V_1^{1/2} V_2 V_1^{1/2})^{1/2}\big)

    (Dowson & Landau 1982; Heusel et al. 2017, equation 6.) The trace of the root is taken from the eigenvalues of the
    symmetric form, so singular covariances are fine. In one dimension it is
    :math:`(m_1 - m_2)^2 + (\sigma_1 - \sigma_2)^2`.

    Computed in float64 (float32 on Apple's devices), where the small difference of large traces keeps its digits, and never
    negative: where rounding leaves less than 0 it is 0.

    Args:
        mean1: (d,).
        cov1: symmetric positive semi-definite, (d, d).
        mean2: (d,).
        cov2: symmetric positive semi-definite, (d, d).

    Returns:
        A scalar in the squared units of the data, of the dtype to which the four promote, float32 at least.

    Raises:
        TypeError: not floating tensors.
        ValueError: shapes or devices do not match, something is not finite, or a covariance is, beyond rounding, not
            symmetric or not positive semi-definite.

    Example:
        >>> import torch
        >>> from gmlib.metrics import gaussian_frechet_distance
        >>> one = torch.ones(1, dtype=torch.float64)
        >>> gaussian_frechet_distance(0 * one, one[None], 3 * one, 4 * one[None]).item()  # 3^2 + (1 - 2)^2
        10.0
    """
    check_mean("mean1", mean1)
    d, dtype = mean1.shape[0], torch.promote_types(mean1.dtype, torch.float32)
    for name, value, shape in (("mean2", mean2, (d,)), ("cov1", cov1, (d, d)), ("cov2", cov2, (d, d))):
        check_like(name, value, shape, "mean1", mean1)
        dtype = torch.promote_types(dtype, value.dtype)
    check_covariance("cov1", cov1)
    check_covariance("cov2", cov2)
    shift = raised(mean1) - raised(mean2)
    return (shift.square().sum() + squared_bures(raised(cov1), raised(cov2))).to(dtype)


def frechet_distance(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
    r"""Squared Frechet distance between the Gaussian fits of two samples (covariances with divisor n - 1).

    Biased upwards by finite samples: two samples of the *same* law do not give 0. How much they give
    :func:`~gmlib.metrics.frechet_bias.frechet_bias` says, and
    :func:`~gmlib.metrics.frechet_bias.extrapolated_frechet_distance` takes it off. Always print beside it the distance
    between two real samples of the same sizes.

    Computed in float64 (float32 on Apple's devices), whatever the features are. With fewer rows than dimensions the
    covariances are never formed: for the centred and scaled samples A, B with :math:`V_1 = A^\top A`,
    :math:`V_2 = B^\top B`, the trace of the root is the sum of the singular values of :math:`A B^\top`, which has n x m
    entries.

    Args:
        x: features of one sample, (n, d), n >= 2.
        y: features of the other, (m, d), m >= 2.

    Returns:
        A scalar in the squared units of the features, float64, never negative.

    Raises:
        TypeError: not floating tensors.
        ValueError: a sample has fewer than two rows or is not finite, or dimensions or devices differ.

    Example:
        >>> import torch
        >>> from gmlib.metrics import frechet_distance
        >>> x = torch.randn(100, 3)
        >>> abs(frechet_distance(x, x).item()) < 1e-12
        True
    """
    check_samples(rows=2, x=x, y=y)
    n, m = x.shape[0] - 1, y.shape[0] - 1
    if max(n, m) < x.shape[1]:
        mean_x, mean_y = raised(x).mean(0), raised(y).mean(0)
        a, b = raised(x) - mean_x, raised(y) - mean_y
        overlap = torch.linalg.svdvals(a @ b.T).sum() / (n * m) ** 0.5
        spread = (a.square().sum() / n + b.square().sum() / m - 2 * overlap).clamp_min(0)
    else:
        (mean_x, square_x), (mean_y, square_y) = _moments(x), _moments(y)
        spread = squared_bures(square_x / n, square_y / m)
    return (mean_x - mean_y).square().sum() + spread


def _moments(x: Tensor, rows: int = 2048) -> tuple[Tensor, Tensor]:
    """Mean and sum of squares about it, in one pass over blocks that fit a cache, about a first guess of the mean."""
    guess = raised(x.mean(0))
    total, square = torch.zeros_like(guess), guess.new_zeros(guess.shape[0], guess.shape[0])
    for part in x.split(rows):
        part = raised(part) - guess
        total = total + part.sum(0)
        square = torch.addmm(square, part.T, part)
    off = total / x.shape[0]
    return guess + off, square - x.shape[0] * torch.outer(off, off)
