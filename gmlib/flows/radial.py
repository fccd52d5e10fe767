"""The radial flow: pull space towards one point, or push it away."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmlib._checks import check_count
from gmlib.flows.bijection import Bijection
from gmlib.flows.planar import above_minus_one


class Radial(Bijection):
    r"""Every point moves along the ray from a centre, the more the nearer it is.

    .. math:: x = u + \beta h(r)\,(u - u_0), \qquad r = \lVert u - u_0\rVert, \qquad h(r) = \frac{1}{\alpha + r}

    .. math:: \det J(u) = \big(1 + \beta h\big)^{d-1}\big(1 + \beta h + \beta h' r\big), \qquad
        1 + \beta h + \beta h' r = 1 + \frac{\alpha\beta}{(\alpha + r)^2}

    Both factors are positive for all r if and only if :math:`\beta > -\alpha`. The way back is a quadratic: with
    :math:`R = \lVert x - u_0\rVert`,

    .. math:: r^2 + (\alpha + \beta - R)\,r - \alpha R = 0 .

    The Jacobian of the residual has rank d, not one: a multiple of the identity and a little more.

    (:eq:`eq-05b-radial` in the book.)

    Args:
        d: number of coordinates.

    Raises:
        ValueError: ``d`` below 1.

    References:
        D. Rezende and S. Mohamed, *Variational inference with normalizing flows*, 2015, equation 14 and appendix A.2.

    Example:
        >>> layer = Radial(3)
        >>> x, log_det = layer(torch.ones(5, 3))
        >>> bool((x == 1).all()), log_det.shape
        (True, torch.Size([5]))
    """

    def __init__(self, d: int) -> None:
        check_count("d", d)
        super().__init__((d,))
        self.centre = nn.Parameter(torch.zeros(d))
        self.log_alpha = nn.Parameter(torch.zeros(()))
        self.free_beta = nn.Parameter(torch.zeros(()))

    def coefficients(self) -> tuple[Tensor, Tensor]:
        r""":math:`\alpha > 0` and :math:`\beta > -\alpha`."""
        alpha = self.log_alpha.exp()
        return alpha, alpha * above_minus_one(self.free_beta)

    def _log_det(self, r: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        h = 1 / (alpha + r)
        d = self.event_shape[0]
        return (d - 1) * torch.log1p(beta * h) + torch.log1p(alpha * beta * h * h)

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        alpha, beta = self.coefficients()
        ray = u - self.centre
        # Its gradient at r = 0 is 0 in torch, where the log-determinant has the tip of a cone.
        r = torch.linalg.vector_norm(ray, dim=-1)
        return u + (beta / (alpha + r))[..., None] * ray, self._log_det(r, alpha, beta)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        alpha, beta = self.coefficients()
        ray = x - self.centre
        far = torch.linalg.vector_norm(ray, dim=-1)
        half = alpha + beta - far
        # Of the two equal forms of the root, the one that adds numbers of one sign; the sum is positive even at R = 0.
        total = torch.sqrt(half * half + 4 * alpha * far) + half.abs()
        r = torch.where(half > 0, 2 * alpha * far / total, total / 2)
        return x - (beta / (alpha + beta + r))[..., None] * ray, -self._log_det(r, alpha, beta)
