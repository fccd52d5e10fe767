"""One Gaussian of one variance: the least that a model of images can be."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_finite, check_tensor
from gmlib.distributions import Gaussian


def fit_isotropic(x: Float[Tensor, "n d"]) -> Gaussian:
    r"""The isotropic Gaussian with the largest likelihood: the mean, and the average variance of a coordinate.

    .. math:: m = \frac1n\sum_i x_i, \qquad \sigma^2 = \frac1{nd}\sum_i\lVert x_i - m\rVert^2

    maximises :math:`-\tfrac12\big(\sum_i\lVert x_i - m\rVert^2/\sigma^2 + nd\log2\pi\sigma^2\big)`. With d + 1 parameters
    for nd numbers it hardly overfits: the log-likelihood on new data is as good as on the old, however bad the model.

    Args:
        x: data, (n, d), n >= 2.

    Returns:
        The law, of the data's dtype and on its device.

    Raises:
        TypeError: ``x`` is not a floating tensor.
        ValueError: ``x`` is not a finite matrix of at least two rows, or all rows are the same.

    Example:
        >>> import torch
        >>> from gmlib.classical import fit_isotropic
        >>> law = fit_isotropic(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        >>> law.mean, law.variance
        (tensor([0., 0.]), tensor([0.5000, 0.5000]))
    """
    check_tensor("x", x)
    if x.dim() != 2 or x.shape[0] < 2 or x.shape[1] < 1:
        raise ValueError(f"x must be a matrix of at least two rows, got shape {tuple(x.shape)}")
    check_finite("x", x)
    mean = x.mean(0)
    var = (x - mean).square().mean()
    if not bool(var > 0):
        raise ValueError("x must hold at least two different rows, got copies of one")
    return Gaussian(mean, var=var)
