r"""Gibbs sampling of a Gaussian law, where the sweep is a linear recursion that can be written down."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_event, check_finite, check_tensor
from gmlib.energy.gibbs import gibbs_chain


class GaussianSweep(NamedTuple):
    r"""What one sweep does to a Gaussian: :math:`x' - \mu = A (x - \mu) + \xi` with :math:`\xi \sim \mathcal N(0, Q)`.

    Attributes:
        matrix: A, (d, d).
        noise_covariance: Q, (d, d).
    """

    matrix: Tensor
    noise_covariance: Tensor


def gaussian_sweep(covariance: Float[Tensor, "d d"]) -> GaussianSweep:
    r"""The linear recursion of one systematic sweep over the coordinates of :math:`\mathcal N(\mu, \Sigma)`.

    .. math:: A = -(D + L)^{-1} U, \qquad Q = (D + L)^{-1} D\, (D + L)^{-\top}, \qquad \Sigma^{-1} = L + D + U

    L, D and U are the lower, diagonal and upper part of the precision: the mean of a sweep is a step of Gauss and Seidel.
    The autocovariance at lag k, in sweeps, is :math:`A^k \Sigma`. For two coordinates of unit variance and correlation
    :math:`\rho` the diagonal of :math:`A \Sigma` is :math:`\rho^2`, twice.

    Args:
        covariance: :math:`\Sigma`, (d, d), symmetric and positive definite.

    Returns:
        A and Q.

    Raises:
        TypeError: ``covariance`` is not a floating tensor.
        ValueError: it is not square, not finite, not symmetric or not positive definite.

    References:
        G. O. Roberts and S. K. Sahu, *Updating schemes, correlation structure, blocking and parameterization for the Gibbs
        sampler*, J. R. Statist. Soc. B, 1997.

    Example:
        >>> import torch
        >>> from gmlib.energy import gaussian_sweep
        >>> covariance = torch.tensor([[1.0, 0.5], [0.5, 1.0]])
        >>> (gaussian_sweep(covariance).matrix @ covariance).diagonal().tolist()
        [0.25, 0.25]
    """
    precision = _precision(covariance)
    lower = precision.tril()
    identity = torch.eye(len(precision), dtype=precision.dtype, device=precision.device)
    inverse = torch.linalg.solve_triangular(lower, identity, upper=False)
    return GaussianSweep(-inverse @ precision.triu(1), (inverse * precision.diagonal()) @ inverse.T)


def gaussian_gibbs(
    covariance: Float[Tensor, "d d"],
    x: Float[Tensor, "*batch d"],
    sweeps: int,
    *,
    mean: Float[Tensor, " d"] | None = None,
    scan: str = "systematic",
    noise: Float[Tensor, "sweeps *batch d"] | None = None,
    generator: torch.Generator | None = None,
    trace: bool = False,
) -> Float[Tensor, "*shape d"]:
    r"""Gibbs chains for :math:`\mathcal N(\mu, \Sigma)`, one coordinate at a time.

    .. math:: x_i \mid x_{-i} \sim \mathcal N\Big(\mu_i - \tfrac{1}{\Lambda_{ii}} \sum_{j \ne i} \Lambda_{ij} (x_j - \mu_j),
              \; \tfrac{1}{\Lambda_{ii}}\Big), \qquad \Lambda = \Sigma^{-1}

    Args:
        covariance: :math:`\Sigma`, (d, d), symmetric and positive definite.
        x: the start, (\*batch, d).
        sweeps: sweeps of d steps each.
        mean: :math:`\mu`, (d,); zeros if None.
        scan: "systematic" or "random".
        noise: uniforms in [0, 1), (sweeps, \*batch, d), turned into normal draws by the inverse distribution function;
            drawn if None.
        generator: source of the noise, on the device of ``x``; None is torch's default.
        trace: return the state after every sweep, the start included.

    Returns:
        The states after the last sweep, (\*batch, d), or all of them, (sweeps + 1, \*batch, d).

    Raises:
        TypeError: an argument is not a floating tensor, or ``sweeps`` no int.
        ValueError: a shape does not fit, the covariance is none, ``scan`` is unknown or ``sweeps`` negative.

    Example:
        >>> import torch
        >>> from gmlib.energy import gaussian_gibbs
        >>> covariance = torch.tensor([[1.0, 0.5], [0.5, 1.0]])
        >>> path = gaussian_gibbs(covariance, torch.zeros(10_000, 2), 6, trace=True,
        ...                       generator=torch.Generator().manual_seed(0))
        >>> bool((path[-1].T.cov() - covariance).abs().max() < 0.06)
        True
    """
    precision = _precision(covariance)
    d = len(precision)
    check_event("x", x, (d,))
    if mean is None:
        mean = precision.new_zeros(d)
    check_tensor("mean", mean)
    if tuple(mean.shape) != (d,):
        raise ValueError(f"mean must have shape ({d},), got shape {tuple(mean.shape)}")
    spread = precision.diagonal().rsqrt()
    pull = (
        torch.eye(d, dtype=precision.dtype, device=precision.device)
        - precision / precision.diagonal()[:, None]
    )
    smallest = torch.finfo(x.dtype).tiny  # a uniform may be 0, whose normal value is infinite

    def conditional(state: Tensor, i: int | Tensor, u: Tensor) -> Tensor:
        centre = mean[i] + ((state - mean) * pull[i]).sum(-1)
        return centre + spread[i] * torch.special.ndtri(u.clamp_min(smallest))

    return gibbs_chain(conditional, x, sweeps, scan=scan, noise=noise, generator=generator, trace=trace)


def _precision(covariance: Tensor) -> Tensor:
    check_tensor("covariance", covariance)
    if covariance.dim() != 2 or covariance.shape[0] != covariance.shape[1] or not len(covariance):
        raise ValueError(
            f"covariance must have shape (d, d) with d >= 1, got shape {tuple(covariance.shape)}"
        )
    check_finite("covariance", covariance)
    if not torch.allclose(covariance, covariance.T, rtol=1e-5, atol=1e-7):
        raise ValueError("covariance must be symmetric, got one that differs from its transpose")
    factor, info = torch.linalg.cholesky_ex(covariance)
    if int(info):
        smallest = float(torch.linalg.eigvalsh(covariance)[0])
        raise ValueError(f"covariance must be positive definite, got a smallest eigenvalue of {smallest:g}")
    return torch.cholesky_inverse(factor)
