"""A question with two answers: where regression fails and a conditional law does not."""

from __future__ import annotations

from typing import Any

import torch

from gmlib._checks import check_count, check_number
from gmlib.distributions.mixture import GaussianMixture


def two_branches(
    noise: float = 0.1,
    n_components: int = 128,
    *,
    dtype: torch.dtype | None = None,
    device: Any = None,
) -> GaussianMixture:
    r"""The joint law of a cause c and an answer x that is a square root of it, of either sign.

    .. math:: x = \pm\sqrt c + \tau\varepsilon, \qquad c \text{ about uniform on } [0.2, 2]

    Made of normal laws along the two branches, equally many and equally heavy, each tilted as its branch is. The mean of x
    given c is 0 by symmetry, for every c, and a least squares regression finds it; the density of x given c there is
    next to nothing. `GaussianMixture.condition` gives both branches, each with mass ½.

    Args:
        noise: standard deviation :math:`\tau` of the answer around its branch.
        n_components: number of components, even, at least 2.
        dtype: dtype of the law; None is torch's default.
        device: device of the law.

    Returns:
        A law over (c, x).

    Raises:
        ValueError: ``noise`` is not positive, or too small for ``dtype`` (7e-6 in float32 with 128 components), or
            ``n_components`` not even.

    Example:
        >>> import torch
        >>> given = two_branches().condition(0, torch.tensor([1.0]))
        >>> abs(given.mean.item()) < 1e-4, given.log_prob(torch.zeros(1)).item() < -40
        (True, True)
    """
    check_number("noise", noise, low=0.0, low_open=True)
    check_count("n_components", n_components, low=2)
    if n_components % 2:
        raise ValueError(f"n_components must be even, half for each branch, got {n_components}")
    n = n_components // 2
    width = 1.8 / n
    c = 0.2 + width * (torch.arange(n, dtype=torch.float64, device="cpu") + 0.5)
    var_c = torch.full_like(c, (0.6 * width) ** 2)
    slope = 0.5 / c.sqrt()
    means, covs = [], []
    for sign in (-1.0, 1.0):
        cross = sign * slope * var_c
        means.append(torch.stack([c, sign * c.sqrt()], -1))
        rows = [
            torch.stack([var_c, cross], -1),
            torch.stack([cross, slope.square() * var_c + noise**2], -1),
        ]
        covs.append(torch.stack(rows, -2))
    cov, dtype = torch.cat(covs), dtype or torch.get_default_dtype()
    # The variance across a branch is a difference of the matrix' entries, of which rounding may leave nothing.
    held = cov.to(dtype).double()
    across = held[:, 1, 1] - held[:, 0, 1].square() / held[:, 0, 0]
    if not bool(((across / noise**2 - 1).abs() < 0.5).all()):
        raise ValueError(
            f"noise must be larger in {dtype}, got {noise!r}: rounded, the covariances do not hold its square"
        )
    return GaussianMixture(torch.cat(means), cov=cov).to(device=device, dtype=dtype)
