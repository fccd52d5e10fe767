"""For tests: the best schedule for standard normal data, quadrature, and points with exact second moments."""

import math

import torch
from torch import Tensor

from gmlib.noise import VariancePreserving

LOW, HIGH = math.log(1e-3), math.log(1e4)


class GeometricVariance(VariancePreserving):
    r"""The variance of the noise in geometric progression: log(1 + R) = -log sigma^2 falls linearly in t."""

    first, last = math.log1p(math.exp(HIGH)), math.log1p(math.exp(LOW))

    def height(self, t: float | Tensor) -> Tensor:
        return self.first + (self.last - self.first) * self._time(t)

    def log_snr(self, t: float | Tensor) -> Tensor:
        return torch.log(torch.expm1(self.height(t)))

    def sigma(self, t: float | Tensor) -> Tensor:
        return torch.exp(-0.5 * self.height(t))

    def alpha(self, t: float | Tensor) -> Tensor:
        return torch.sqrt(-torch.expm1(-self.height(t)))

    def d_sigma(self, t: float | Tensor) -> Tensor:
        return 0.5 * (self.first - self.last) * self.sigma(t)

    def d_alpha(self, t: float | Tensor) -> Tensor:
        return -self.sigma(t) * self.d_sigma(t) / self.alpha(t)

    def beta(self, t: float | Tensor) -> Tensor:
        return -2 * self.d_alpha(t) / self.alpha(t)

    def _t_of_y(self, y: Tensor) -> Tensor:
        return (self.first + torch.log(-torch.expm1(-y))) / (self.first - self.last)


def legendre(low: float, high: float, n: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights of Gauss-Legendre quadrature, from the eigenvalues of the Jacobi matrix."""
    k = torch.arange(1, n, dtype=torch.float64)
    off = k / torch.sqrt(4 * k * k - 1)
    nodes, vectors = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))
    return low + 0.5 * (high - low) * (nodes + 1), (high - low) * vectors[0].square()


def signs(n: int) -> tuple[Tensor, Tensor]:
    """Clean points and noises with the second moments of independent standard normal ones, n times over."""
    x = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64).repeat(n)[:, None]
    return x, torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64).repeat(n)[:, None]
