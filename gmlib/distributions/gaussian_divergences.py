r"""Divergences of two normal laws in closed form: the test-bed for everything that estimates one.

Their names end in ``gaussians`` since they take two laws; the VAE's rate, a KL from the standard normal law as a function
of an encoder's outputs, is `gmlib.vae.gaussian_kl`. The Jensen-Shannon divergence has no closed form: see
`gmlib.distributions.divergences_1d`.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gmlib.distributions._covariance import Covariance, Diagonal, Full
from gmlib.distributions.gaussian import Gaussian


def kl_gaussians(p: Gaussian, q: Gaussian) -> Float[Tensor, "*batch"]:
    r"""KL divergence of two normal laws, in nats.

    .. math:: \mathrm{KL}\big(\mathcal N(m_0, C_0)\,\|\,\mathcal N(m_1, C_1)\big) = \tfrac12\Big[
        \operatorname{tr}(C_1^{-1}C_0) - d + \Delta^\top C_1^{-1}\Delta + \log\frac{\det C_1}{\det C_0}\Big],
        \qquad \Delta = m_1 - m_0

    (:eq:`eq-01b-gaussian-kl` in the book.)

    Args:
        p: the first law.
        q: the second, of the same dimension; batches broadcast.

    Returns:
        Nats, shape ``(*batch,)``.

    Raises:
        TypeError: an argument is not a `Gaussian`.
        ValueError: the dimensions, batches or devices do not fit.

    References:
        L. Pardo, *Statistical Inference Based on Divergence Measures* (2006), section 1.5.

    Example:
        >>> import torch
        >>> zero = torch.zeros(2)
        >>> kl_gaussians(Gaussian(zero, var=1.0), Gaussian(zero + 1, var=1.0)).item()
        1.0
    """
    d = check_pair(p, q)
    log_det = q._cov.log_det() - p._cov.log_det()
    return 0.5 * (_trace(p._cov, q._cov) - d + q._cov.quadratic(q.mean - p.mean) + log_det)


def chi2_gaussians(p: Gaussian, q: Gaussian) -> Float[Tensor, "*batch"]:
    r"""Pearson's :math:`\chi^2(p\,\|\,q) = \int p^2/q - 1` of two normal laws.

    .. math:: \chi^2 = \frac{\det C_1}{\sqrt{\det C_0\,\det(2C_1 - C_0)}}
        \exp\big(\Delta^\top(2C_1 - C_0)^{-1}\Delta\big) - 1

    if :math:`2C_1 - C_0` is positive definite. Otherwise q has tails too thin for p and the integral is infinite:
    in one dimension once the variance of p is at least twice that of q.

    Args:
        p: the first law.
        q: the second, of the same dimension; batches broadcast.

    Returns:
        A number of at least 0 for each law of the batch, possibly infinite.

    Raises:
        TypeError, ValueError: as `kl_gaussians`.

    References:
        F. Nielsen and R. Nock, *On the chi square and higher-order chi distances for approximating f-divergences*
        (2014).

    Example:
        >>> import torch
        >>> zero = torch.zeros(1)
        >>> chi2_gaussians(Gaussian(zero, var=2.0), Gaussian(zero, var=1.0)).item()
        inf
    """
    check_pair(p, q)
    middle, finite = _sum(2.0, q._cov, -1.0, p._cov)
    log_det = q._cov.log_det() - 0.5 * (p._cov.log_det() + middle.log_det())
    log_one_plus = log_det + middle.quadratic(q.mean - p.mean)
    return torch.where(finite, log_one_plus.expm1(), torch.full_like(log_one_plus, torch.inf))


def hellinger2_gaussians(p: Gaussian, q: Gaussian) -> Float[Tensor, "*batch"]:
    r"""Squared Hellinger distance :math:`\int(\sqrt p - \sqrt q)^2` of two normal laws, without a factor ½.

    .. math:: 2 - 2\,\frac{(\det C_0\det C_1)^{1/4}}{\sqrt{\det\bar C}}
        \exp\big(-\tfrac18\Delta^\top\bar C^{-1}\Delta\big), \qquad \bar C = \tfrac12(C_0 + C_1)

    Args:
        p: one law.
        q: the other, of the same dimension; batches broadcast.

    Returns:
        Numbers between 0 and 2, shape ``(*batch,)``. (Many texts put a factor ½ in front: then up to 1.)

    Raises:
        TypeError, ValueError: as `kl_gaussians`.

    References:
        Pardo (2006), section 1.5; the integral of :math:`\sqrt{pq}` is Bhattacharyya's coefficient.

    Example:
        >>> import torch
        >>> zero = torch.zeros(1, dtype=torch.float64)
        >>> round(hellinger2_gaussians(Gaussian(zero, var=1.0), Gaussian(zero + 1, var=1.0)).item(), 6)
        0.235006
    """
    check_pair(p, q)
    middle, _ = _sum(0.5, p._cov, 0.5, q._cov)
    log_det = (p._cov.log_det() + q._cov.log_det()) / 4 - middle.log_det() / 2
    log_overlap = log_det - middle.quadratic(q.mean - p.mean) / 8
    return -2 * log_overlap.expm1()


def tv_gaussians(p: Gaussian, q: Gaussian) -> Float[Tensor, "*batch"]:
    r"""Total variation :math:`\tfrac12\int\lvert p - q\rvert` of two normal laws on the line.

    The densities cross at the roots :math:`a, b` of a quadratic (one at infinity if the variances agree), and

    .. math:: \mathrm{TV} = \Big\lvert\int_a^b p - \int_a^b q\Big\rvert;
        \qquad \text{equal variances:}\quad 2\,\Phi\big(\lvert\Delta\rvert/2\sigma\big) - 1

    Args:
        p: one law, of one coordinate.
        q: the other; batches broadcast.

    Returns:
        Numbers between 0 and 1, shape ``(*batch,)``. The best accuracy of a classifier that must tell p from q, both
        equally likely, is (1 + TV)/2.

    Raises:
        TypeError, ValueError: as `kl_gaussians`, or there is more than one coordinate.

    References:
        L. Devroye, A. Mehrabian and T. Reddad, *The total variation distance between high-dimensional Gaussians*
        (2018), section 1.

    Example:
        >>> import torch
        >>> zero = torch.zeros(1, dtype=torch.float64)
        >>> round(tv_gaussians(Gaussian(zero, var=1.0), Gaussian(zero + 1, var=1.0)).item(), 6)
        0.382925
    """
    if check_pair(p, q) != 1:
        raise ValueError(f"p must be a law over one coordinate, got event shape {tuple(p.event_shape)}")
    std_p, std_q = p.variance[..., 0].sqrt(), q.variance[..., 0].sqrt()
    # In units of p: p = N(0, 1), q = N(m, s^2). 2 log(p/q) = a x^2 + b x + c, whose discriminant is never negative.
    m, s = (q.mean - p.mean)[..., 0] / std_p, std_q / std_p
    a, b, c = (1 - s) * (1 + s) / s**2, -2 * m / s**2, m**2 / s**2 + 2 * s.log()
    root = (b * b - 4 * a * c).clamp_min(0).sqrt()
    # No two like numbers are subtracted, and a = 0 sends the first crossing to infinity, as it should.
    half = -0.5 * (b + torch.where(b < 0, -root, root))
    first, second = half / a, c / half
    normal = torch.special.ndtr
    inside = (normal(first) - normal(second)) - (normal((first - m) / s) - normal((second - m) / s))
    return torch.where(half == 0, torch.zeros_like(inside), inside.abs())


def _trace(p: Covariance, q: Covariance) -> Float[Tensor, "*_"]:
    r""":math:`\operatorname{tr}(C_1^{-1}C_0)`, with a matrix for each matrix of the laws, not for each law of a batch."""
    if isinstance(q, Diagonal):
        ratio = (p.var if isinstance(p, Diagonal) else p.diagonal()) / q.var
        return ratio.sum(-1) * (q.d / ratio.shape[-1])
    # The columns of a root of C_0, each against every C_1; those of the unit matrix do for all diagonal C_0.
    root = torch.eye(q.d, dtype=q.cov.dtype, device=q.cov.device) if isinstance(p, Diagonal) else p.chol
    ones = (1,) * (len(q.lead) + 2 - root.dim())
    white = q.whiten(root.reshape(*ones, *root.shape).movedim(-1, 0)).square().sum(-1)
    return (white.movedim(0, -1) * (p.diagonal() if isinstance(p, Diagonal) else 1.0)).sum(-1)


def _sum(a: float, p: Covariance, b: float, q: Covariance) -> tuple[Covariance, Bool[Tensor, "*_"]]:
    """The covariance ``a p + b q``, and whether it is positive definite; where not, the unit matrix in its place."""
    if isinstance(p, Diagonal) and isinstance(q, Diagonal):
        var = a * p.var + b * q.var
        fine = (var > 0).all(-1)
        return Diagonal(torch.where(fine.unsqueeze(-1), var, 1.0), p.d), fine
    cov = a * p.matrix() + b * q.matrix()
    root, failed = torch.linalg.cholesky_ex(cov)
    fine = failed == 0
    # Where it is not positive definite the factor is replaced before its inverse is asked for.
    eye = torch.eye(p.d, dtype=cov.dtype, device=cov.device)
    return Full(cov, torch.where(fine[..., None, None], root, eye)), fine


def check_pair(p: Any, q: Any) -> int:
    """Raise unless ``p`` and ``q`` are normal laws over the same coordinates, in one dtype and on one device.

    Returns:
        How many coordinates.

    Raises:
        TypeError: a law is no `Gaussian`.
        ValueError: event shapes, dtypes or devices differ, or the batches do not broadcast.

    Example:
        >>> law = Gaussian(torch.zeros(3), var=1.0)
        >>> check_pair(law, law)
        3
    """
    for name, law in (("p", p), ("q", q)):
        if not isinstance(law, Gaussian):
            raise TypeError(f"{name} must be a Gaussian, got {type(law).__name__}")
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"q must have the event shape {tuple(p.event_shape)} of p, got {tuple(q.event_shape)}"
        )
    if p.mean.dtype != q.mean.dtype:
        raise ValueError(f"q must have the dtype {p.mean.dtype} of p, got {q.mean.dtype}")
    if p.device != q.device:
        raise ValueError(f"q must be on the device {p.device} of p, got {q.device}")
    try:
        torch.broadcast_shapes(p.batch_shape, q.batch_shape)
    except RuntimeError:
        raise ValueError(
            f"the batch of q must broadcast against {tuple(p.batch_shape)}, got {tuple(q.batch_shape)}"
        ) from None
    return p.event_shape[0]
