"""The Frechet distance between the Gaussian fits of two samples."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_event, check_tensor


def gaussian_frechet_distance(
    mean1: Float[Tensor, " d"],
    cov1: Float[Tensor, "d d"],
    mean2: Float[Tensor, " d"],
    cov2: Float[Tensor, "d d"],
) -> Float[Tensor, ""]:
    r"""Squared Frechet (2-Wasserstein) distance between two Gaussian laws.

    .. math:: \mathrm{FD} = \lVert m_1 - m_2 \rVert^2
              + \operatorname{tr}\big(V_1 + V_2 - 2 (V_1^{1/2} V_2 V_1^{1/2})^{1/2}\big)

    (Dowson & Landau 1982; Heusel et al. 2017, equation 6.) The trace of the root is taken from the eigenvalues of the
    symmetric form, so singular covariances are fine. In one dimension it is
    :math:`(m_1 - m_2)^2 + (\sigma_1 - \sigma_2)^2`.

    Args:
        mean1: (d,).
        cov1: symmetric positive semi-definite, (d, d).
        mean2: (d,).
        cov2: symmetric positive semi-definite, (d, d).

    Returns:
        A scalar in the squared units of the data.

    Raises:
        ValueError: shapes do not match.

    Example:
        >>> import torch
        >>> from gmlib.metrics import gaussian_frechet_distance
        >>> one = torch.ones(1, dtype=torch.float64)
        >>> gaussian_frechet_distance(0 * one, one[None], 3 * one, 4 * one[None]).item()  # 3^2 + (1 - 2)^2
        10.0
    """
    check_tensor("mean1", mean1)
    d = mean1.shape[-1]
    check_event("mean2", mean2, (d,))
    check_event("cov1", cov1, (d, d))
    check_event("cov2", cov2, (d, d))
    values, vectors = torch.linalg.eigh(cov1)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    overlap = torch.linalg.eigvalsh(root @ cov2 @ root).clamp_min(0).sqrt().sum()
    return (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * overlap


def frechet_distance(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
    r"""Squared Frechet distance between the Gaussian fits of two samples (covariances with divisor n - 1).

    Biased upwards by finite samples: two samples of the *same* law do not give 0. Always print beside it the distance
    between two real samples of the same sizes.

    Args:
        x: features of one sample, (n, d), n >= 2.
        y: features of the other, (m, d), m >= 2.

    Returns:
        A scalar in the squared units of the features.

    Raises:
        ValueError: a sample has fewer than two rows, or the dimensions differ.

    Example:
        >>> import torch
        >>> from gmlib.metrics import frechet_distance
        >>> x = torch.randn(100, 3, dtype=torch.float64)
        >>> abs(frechet_distance(x, x).item()) < 1e-12
        True
    """
    for name, sample in (("x", x), ("y", y)):
        check_tensor(name, sample)
        if sample.dim() != 2 or sample.shape[0] < 2:
            raise ValueError(f"{name} must be a matrix of at least two rows, got shape {tuple(sample.shape)}")
    cov_x, cov_y = (torch.cov(sample.T).reshape(sample.shape[1], -1) for sample in (x, y))
    return gaussian_frechet_distance(x.mean(0), cov_x, y.mean(0), cov_y)
