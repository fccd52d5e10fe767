r"""How well two points can be told apart once they are noised."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number, check_tensor

Number = float | int | Float[Tensor, "*_"]


def two_point_error(distance: Number, std: Number) -> Float[Tensor, "*_"]:
    r"""Error of the best guess which of two equally likely centres a noisy point came from.

    .. math:: 1 - \Phi\Big(\frac{\ell}{2\sigma}\Big)

    The best guess is the nearer centre; it fails where the noise along the line between them exceeds half their distance
    :math:`\ell`. In the chain :math:`\ell = \alpha_t\lVert x_0 - x_0'\rVert` and :math:`\sigma = \sigma_t`.

    (:eq:`eq-09b-coin` in the book.)

    Args:
        distance: :math:`\ell`, at least 0; a number or a tensor.
        std: :math:`\sigma`, positive; a number or a tensor that broadcasts.

    Returns:
        The probability, at most 1/2; a 0-d float64 tensor for two numbers.

    Raises:
        TypeError: an argument is neither a number nor a floating tensor.
        ValueError: ``distance`` is a negative number, or ``std`` one that is not positive.

    References:
        T. Cover and J. Thomas, *Elements of Information Theory* (2006), section 11.7 (the best test between two laws).

    Example:
        >>> from gmlib.diffusion import two_point_error
        >>> print(f"{two_point_error(1.7, 0.8):.4f}")
        0.1440
    """
    return 0.5 * torch.erfc(_ratio(distance, std) / (2 * math.sqrt(2)))


def chernoff_bound(distance: Number, std: Number) -> Float[Tensor, "*_"]:
    r"""The bound :math:`1 - \Phi(\ell/2\sigma) \le \tfrac12e^{-\ell^2/8\sigma^2}` on `two_point_error`.

    It is :math:`\tfrac12\int\sqrt{pq}`, from :math:`\min(p, q) \le \sqrt{pq}`, and tight at :math:`\ell = 0`.

    Args:
        distance: :math:`\ell`, at least 0; a number or a tensor.
        std: :math:`\sigma`, positive; a number or a tensor that broadcasts.

    Returns:
        The bound; a 0-d float64 tensor for two numbers.

    Raises:
        TypeError: an argument is neither a number nor a floating tensor.
        ValueError: ``distance`` is a negative number, or ``std`` one that is not positive.

    References:
        T. Cover and J. Thomas, *Elements of Information Theory* (2006), section 11.9 (Chernoff information).

    Example:
        >>> from gmlib.diffusion import chernoff_bound
        >>> print(f"{chernoff_bound(1.7, 0.8):.4f}")
        0.2843
    """
    return 0.5 * torch.exp(-_ratio(distance, std).square() / 8)


def _ratio(distance: Number, std: Number) -> Tensor:
    if isinstance(distance, Tensor):
        check_tensor("distance", distance)
    else:
        check_number("distance", distance, low=0.0)
        distance = torch.tensor(float(distance), dtype=torch.float64)
    if isinstance(std, Tensor):
        check_tensor("std", std)
    else:
        check_number("std", std, low=0.0, low_open=True)
    return distance / std
