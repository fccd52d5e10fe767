"""Affine flows: every Gaussian and nothing else, with the best fit to data in closed form."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_finite, check_tensor
from gmlib.flows.bijection import Bijection


class AffineMap(Bijection):
    r"""A linear map with a lower-triangular matrix of positive diagonal, and a shift.

    .. math:: x = A u + b, \qquad A = \operatorname{tril}(\Lambda, -1) + \operatorname{diag} e^{a}, \qquad
        \log|\det A| = \sum_i a_i

    From a standard normal base it makes N(b, A Aᵀ), and every normal law in exactly one way: A is the Cholesky factor of
    its covariance. The way back is one triangular solve, O(d²) a point.

    Args:
        d: number of coordinates.

    Attributes:
        lower: the part of A below its diagonal (entries elsewhere are not used), (d, d); starts at 0.
        log_diagonal: a, (d,); starts at 0.
        shift: b, (d,); starts at 0.

    Raises:
        ValueError: ``d`` is below 1.

    References:
        K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, section 23.2.1.

    Example:
        >>> layer = AffineMap(3)
        >>> x, log_det = layer(torch.ones(5, 3))
        >>> bool((x == 1).all()), log_det.shape
        (True, torch.Size([5]))
    """

    def __init__(self, d: int) -> None:
        check_count("d", d)
        super().__init__((d,))
        self.lower = nn.Parameter(torch.zeros(d, d))
        self.log_diagonal = nn.Parameter(torch.zeros(d))
        self.shift = nn.Parameter(torch.zeros(d))

    def matrix(self) -> Float[Tensor, "d d"]:
        """A."""
        return self.lower.tril(-1) + torch.diag(self.log_diagonal.exp())

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        # Under autocast the product would round to bfloat16, and the inverse would not be one.
        with torch.autocast(u.device.type, enabled=False):
            x = u.to(self.shift.dtype) @ self.matrix().mT + self.shift
            return x, self.log_diagonal.sum().expand(u.shape[:-1])

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            # Columns are points: one solve for the whole batch.
            rows = (x - self.shift).reshape(x.shape[:-1].numel(), x.shape[-1])
            u = torch.linalg.solve_triangular(self.matrix(), rows.mT, upper=False).mT
            return u.reshape(x.shape), -self.log_diagonal.sum().expand(x.shape[:-1])


def fit_affine(x: Float[Tensor, "n d"]) -> AffineMap:
    r"""The affine flow of greatest likelihood: b is the sample's mean, A the Cholesky root of its covariance.

    .. math:: b = \frac1n\sum_i x_i, \qquad A A^\top = S = \frac1n\sum_i (x_i - b)(x_i - b)^\top, \qquad
        -\frac1n\sum_i\log p(x_i) = \tfrac12\log\det(2\pi e\,S)

    No other flow of affine layers does better, however many there are.

    Args:
        x: data, shape (n, d), in general position (n > d).

    Returns:
        The map, in the dtype and on the device of ``x``, for a standard normal base.

    Raises:
        TypeError: ``x`` is not a floating tensor.
        ValueError: ``x`` is not a finite matrix, or its covariance is singular.

    References:
        K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, section 23.2.1.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [2.0, 2.0], [0.0, 2.0], [2.0, 0.0]])
        >>> layer = fit_affine(x)
        >>> layer.shift.data, layer.matrix().data
        (tensor([1., 1.]), tensor([[1., 0.],
                [0., 1.]]))
    """
    check_tensor("x", x)
    if x.dim() != 2 or not x.numel():
        raise ValueError(f"x must have shape (n, d) with n, d >= 1, got shape {tuple(x.shape)}")
    check_finite("x", x)
    n, d = x.shape
    mean = x.mean(0)
    centred = x - mean
    root, failed = torch.linalg.cholesky_ex(centred.mT @ centred / n)
    diagonal = root.diagonal()
    # A singular covariance may still pass, with rounding errors for pivots; the root of one is what shows here.
    least = (10 * d * torch.finfo(x.dtype).eps) ** 0.5 * diagonal.max()
    if bool(failed) or not bool((diagonal > least).all()):
        raise ValueError(f"x must have a covariance of full rank {d}, got a singular one from {n} points")
    layer = AffineMap(d).to(x)
    with torch.no_grad():
        layer.shift.copy_(mean)
        layer.lower.copy_(root.tril(-1))
        layer.log_diagonal.copy_(diagonal.log())
    return layer
