r"""Covariances of normal laws, diagonal or full, behind one small interface.

A normal law needs five things of its covariance :math:`C`: the quadratic form :math:`y^\top C^{-1} y`, the
solution :math:`C^{-1}y`, the product :math:`Cy`, a square root and :math:`\log\det C`. With these, and with
:math:`\alpha^2 C + \sigma^2 I` for the noised law, `Gaussian` and `GaussianMixture` are written once for
every kind. The leading dimensions of a covariance are those of the law's parameters (batch, then component).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Integer
from torch import Tensor

Scalar = float | int | Float[Tensor, "*_"]

# An evaluation goes in pieces whose largest temporary holds this many numbers: a batch of 100,000 points of a mixture
# of 400 components then needs no gigabyte, and on a CPU small pieces are faster too, since they stay in the cache.
CHUNK = 2**20


def lift(a: Scalar, n: int) -> Scalar:
    """Give ``a`` ``n`` more trailing dimensions of size 1.

    Numbers and 0-d tensors stay as they are: they broadcast anyway, and a 0-d tensor does not promote the
    dtype of what it multiplies, which a tensor with dimensions would.
    """
    if not isinstance(a, Tensor) or a.dim() == 0:
        return a
    return a.reshape(a.shape + (1,) * n)


@dataclass(frozen=True)
class Diagonal:
    """Variances ``var`` of shape ``(*lead, d)``, or ``(*lead, 1)`` when all ``d`` directions share one."""

    var: Float[Tensor, "*lead e"]
    d: int

    @property
    def lead(self) -> torch.Size:
        return self.var.shape[:-1]

    def solve(self, y: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        return y / self.var

    def apply(self, y: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        return y * self.var

    def quadratic(self, y: Float[Tensor, "... d"]) -> Float[Tensor, "*_"]:
        return (y * y / self.var).sum(-1)

    def root(self, noise: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        return self.var.sqrt() * noise

    def log_det(self) -> Float[Tensor, "*_"]:
        return self.var.log().sum(-1) * (self.d / self.var.shape[-1])

    def noised(self, alpha: Scalar, sigma: Scalar) -> Diagonal:
        """The covariance of ``alpha x + sigma eps``; ``alpha`` and ``sigma`` broadcast against ``lead``."""
        alpha, sigma = lift(alpha, 1), lift(sigma, 1)
        return Diagonal(alpha * alpha * self.var + sigma * sigma, self.d)

    def posterior(self, alpha: Scalar, sigma: Scalar) -> Diagonal:
        r"""The covariance :math:`\sigma^2 C S^{-1}` of :math:`x_0` given :math:`x_t`; :math:`S`: that of x_t."""
        noised, sigma = self.noised(alpha, sigma), lift(sigma, 1)
        return Diagonal(sigma * sigma * self.var / noised.var, self.d)

    def roots(
        self, noise: Float[Tensor, "B n d"], index: Integer[Tensor, "B n"], lead: tuple[int, ...]
    ) -> Float[Tensor, "B n d"]:
        """As `root`, each draw by the component ``index`` of its own, with ``lead = (*batch, K)`` and ``B`` laws in all."""
        var = self.var.expand(*lead, -1).reshape(len(index), lead[-1], -1)
        return torch.take_along_dim(var, index.unsqueeze(-1), dim=1).sqrt() * noise

    def matrix(self) -> Float[Tensor, "... d d"]:
        return torch.diag_embed(self.diagonal())

    def diagonal(self) -> Float[Tensor, "... d"]:
        return self.var.expand(*self.lead, self.d)

    def to(self, *args, **kwargs) -> Diagonal:
        return Diagonal(self.var.to(*args, **kwargs), self.d)


@dataclass(frozen=True)
class Full:
    """Matrices ``cov`` of shape ``(*lead, d, d)`` with their lower Cholesky factors ``chol``."""

    cov: Float[Tensor, "*lead d d"]
    chol: Float[Tensor, "*lead d d"]

    @classmethod
    def of(cls, cov: Float[Tensor, "*lead d d"]) -> Full:
        # cholesky_ex does not wait for the device to report failure, as cholesky does.
        return cls(cov, torch.linalg.cholesky_ex(cov).L)

    @property
    def d(self) -> int:
        return self.cov.shape[-1]

    @property
    def lead(self) -> torch.Size:
        return self.cov.shape[:-2]

    def whiten(self, y: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        return self._columns(lambda y: torch.linalg.solve_triangular(self.chol, y, upper=False), y)

    def solve(self, y: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        return self._columns(lambda y: torch.cholesky_solve(y, self.chol), y)

    def apply(self, y: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        return self._columns(lambda y: self.cov @ y, y)

    def quadratic(self, y: Float[Tensor, "... d"]) -> Float[Tensor, "*_"]:
        return self.whiten(y).square().sum(-1)

    def root(self, noise: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        return self._columns(lambda y: self.chol @ y, noise)

    def _columns(
        self, linear: Callable[[Tensor], Tensor], y: Float[Tensor, "... d"]
    ) -> Float[Tensor, "... d"]:
        """``linear`` of the points, those that share a matrix side by side as columns: one at a time, each would get
        a copy of the matrix, 2.5 GB for 1,000 points of 784 coordinates."""
        batch, n = y.shape[:-1], max(y.dim() - 1 - len(self.lead), 0)
        sample, own = batch[:n], torch.broadcast_shapes(batch[n:], self.lead)
        columns = y.expand(*sample, *own, self.d).reshape(math.prod(sample), *own, self.d).movedim(0, -1)
        return linear(columns).movedim(-1, 0).reshape(*sample, *own, self.d)

    def log_det(self) -> Float[Tensor, "*_"]:
        return 2 * self.chol.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def noised(self, alpha: Scalar, sigma: Scalar) -> Full:
        """The covariance of ``alpha x + sigma eps``; ``alpha`` and ``sigma`` broadcast against ``lead``."""
        alpha, sigma = lift(alpha, 2), lift(sigma, 2)
        eye = torch.eye(self.d, dtype=self.cov.dtype, device=self.cov.device)
        return Full.of(alpha * alpha * self.cov + sigma * sigma * eye)

    def posterior(self, alpha: Scalar, sigma: Scalar) -> Full:
        r"""The covariance :math:`\sigma^2 C S^{-1}` of :math:`x_0` given :math:`x_t`; :math:`S`: that of x_t."""
        noised, sigma = self.noised(alpha, sigma), lift(sigma, 2)
        # C and S commute, so that the product is symmetric; averaging removes what rounding leaves.
        product = sigma * sigma * torch.cholesky_solve(self.cov.expand_as(noised.chol), noised.chol)
        return Full.of((product + product.mT) / 2)

    def roots(
        self, noise: Float[Tensor, "B n d"], index: Integer[Tensor, "B n"], lead: tuple[int, ...]
    ) -> Float[Tensor, "B n d"]:
        """As `root`, each draw by the component ``index`` of its own, with ``lead = (*batch, K)`` and ``B`` laws in all.

        No draw gets a copy of its matrix, but for small pieces where there are fewer of those than matrices.
        """
        d, count = self.d, math.prod(self.lead)
        number = (
            torch.arange(count, device=index.device).reshape(self.lead).expand(lead).reshape(len(index), -1)
        )
        which, noise = torch.take_along_dim(number, index, dim=1).flatten(), noise.reshape(-1, d)
        chol, rows = self.chol.reshape(count, d, d), max(1, CHUNK // d**2)
        if len(which) <= rows * count:
            pieces = zip(which.split(rows), noise.split(rows), strict=True)
            out = torch.cat([(chol[w] @ y.unsqueeze(-1)).squeeze(-1) for w, y in pieces])
        else:
            order = which.argsort(stable=True)
            parts = noise[order].split(which.bincount(minlength=count).tolist())
            out = torch.empty_like(noise)
            out[order] = torch.cat([y @ root.mT for y, root in zip(parts, chol, strict=True)])
        return out.reshape(*index.shape, d)

    def matrix(self) -> Float[Tensor, "... d d"]:
        return self.cov

    def diagonal(self) -> Float[Tensor, "... d"]:
        return self.cov.diagonal(dim1=-2, dim2=-1)

    def to(self, *args, **kwargs) -> Full:
        return Full(self.cov.to(*args, **kwargs), self.chol.to(*args, **kwargs))


Covariance = Diagonal | Full
