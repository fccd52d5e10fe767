r"""Two laws that do not meet: ratios have nothing to say there, distances have.

A divergence that is built on the ratio p / q does not move when disjoint laws do, so its gradient is 0; the Wasserstein
distance counts every step, and the MMD those within reach of its kernel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_finite
from gmlib.gan._points import Kernel, check_vectors, kernel_values
from gmlib.gan.beta_law import BetaLaw

NODES = 200


@dataclass(frozen=True)
class Distances:
    r"""How far two laws are apart, for each of n shifts.

    Attributes:
        kl: :math:`\mathrm{KL}(p \,\|\, q)`, nats, (n,).
        jsd: the Jensen-Shannon divergence, nats, (n,).
        w1: the Wasserstein-1 distance, in the units of x, (n,).
        mmd2: the squared MMD, (n,).

    Example:
        >>> import torch
        >>> from gmlib.gan import point_mass_distances
        >>> kernel = lambda x, y: (-(x - y.T).square() / 2).exp()
        >>> print(point_mass_distances(torch.tensor([0.0]), kernel).w1.item())
        0.0
    """

    kl: Tensor
    jsd: Tensor
    w1: Tensor
    mmd2: Tensor


def point_mass_distances(shift: Float[Tensor, " n"], kernel: Kernel) -> Distances:
    r"""Distances of the point mass at 0 from the one at the shift :math:`\Delta`, differentiable in the shift.

    .. math:: \mathrm{KL} = \infty, \qquad \mathrm{JSD} = \log 2, \qquad W_1 = \lvert\Delta\rvert, \qquad
              \mathrm{MMD}^2 = \kappa(0, 0) + \kappa(\Delta, \Delta) - 2 \kappa(0, \Delta)

    for :math:`\Delta \ne 0`, and all 0 at :math:`\Delta = 0`. The gradients are 0 for the JSD and the sign of the shift for
    :math:`W_1`; that of the MMD fades where the kernel does.

    Args:
        shift: :math:`\Delta`, (n,).
        kernel: (n, 1), (m, 1) -> (n, m), such as :class:`gmlib.metrics.GaussianKernel`.

    Returns:
        The four distances, each (n,). The KL's gradient is 0, where it has one.

    Raises:
        TypeError: ``shift`` is not a floating tensor, or the kernel cannot be called.
        ValueError: ``shift`` is not a non-empty vector, or not finite, or the kernel's values have the wrong shape.

    Example:
        >>> import torch
        >>> from gmlib.gan import point_mass_distances
        >>> kernel = lambda x, y: (-(x - y.T).square() / 2).exp()
        >>> shift = torch.tensor([-2.0, 0.5], requires_grad=True)
        >>> distances = point_mass_distances(shift, kernel)
        >>> for value in (distances.jsd, distances.w1):
        ...     print(torch.autograd.grad(value.sum(), shift)[0].tolist())
        [0.0, 0.0]
        [-1.0, 1.0]
    """
    _check_shift(shift)
    check_callable("kernel", kernel)
    apart = shift != 0
    still = 0 * shift  # keeps the graph, so that the gradient is a 0 and not an error
    point, origin = shift[:, None], torch.zeros_like(shift[:1])[:, None]
    cross = kernel_values(kernel, point, origin)[:, 0]
    own = torch.stack([kernel_values(kernel, x, x)[0, 0] for x in point.split(1)])
    mmd2 = own + kernel_values(kernel, origin, origin)[0, 0] - 2 * cross
    kl = torch.where(apart, math.inf, still)
    return Distances(kl, math.log(2) * apart.to(shift) + still, shift.abs(), mmd2)


def shifted_distances(p: BetaLaw, q: BetaLaw, shift: Float[Tensor, " n"], kernel: Kernel) -> Distances:
    r"""Distances of p from q moved by each shift, by Gauss-Legendre rules; differentiable in it.

    Once the intervals are apart, the KL is infinite, the JSD exactly log 2, and :math:`W_1` the difference of the means,
    which grows with the shift for ever; the MMD saturates. Where the intervals overlap, the JSD is right to about 1e-5: the
    other density has a kink at its end. The slope of :math:`W_1` is exact once they are apart; where the distribution
    functions cross inside, it is right to about 0.01.

    Args:
        p: a law, which stays.
        q: the law that is moved by the shift.
        shift: :math:`\Delta`, (n,), added to q's own.
        kernel: (n, 1), (m, 1) -> (n, m), such as :class:`gmlib.metrics.GaussianKernel`.

    Returns:
        The four distances, each (n,). Laws on intervals of length 1 have a finite KL only where these coincide.

    Raises:
        TypeError: a law is not a ``BetaLaw``, ``shift`` not a floating tensor, or the kernel cannot be called.
        ValueError: ``shift`` is not a non-empty vector, or not finite, or the kernel's values have the wrong shape.

    Example:
        >>> import torch
        >>> from gmlib.gan import BetaLaw, shifted_distances
        >>> kernel = lambda x, y: (-(x - y.T).square() / 2).exp()
        >>> d = shifted_distances(BetaLaw(3, 5), BetaLaw(2, 3), torch.tensor([1.0, 2.0], dtype=torch.float64), kernel)
        >>> print([round(v, 6) for v in d.w1.tolist()], [round(v, 6) for v in d.jsd.tolist()])
        [1.025, 2.025] [0.693147, 0.693147]
    """
    for name, law in (("p", p), ("q", q)):
        if not isinstance(law, BetaLaw):
            raise TypeError(f"{name} must be a BetaLaw, got {type(law).__name__}")
    _check_shift(shift)
    check_callable("kernel", kernel)
    nodes, weights = (torch.as_tensor(v, dtype=shift.dtype, device=shift.device) for v in _legendre())
    x_p, x_q = p.shift + nodes, q.shift + nodes + shift[:, None]  # (m,), (n, m): each law's own interval
    mass_p, mass_q = weights * p.density(x_p), weights * q.density(q.shift + nodes)
    away = shift[:, None]
    with_q, with_p = q.density(x_p - away), p.density(x_q)  # the other law's density, (n, m)
    own_p, own_q = p.density(x_p), q.density(q.shift + nodes)
    jsd = (mass_p * (2 * own_p / (own_p + with_q)).log()).sum(1) / 2
    jsd = jsd + (mass_q * (2 * own_q / (own_q + with_p)).log()).sum(1) / 2
    log_r = own_p.log() - own_q.log()
    kl = torch.where(q.shift + shift == p.shift, (mass_p * log_r).sum(), math.inf)
    return Distances(kl, jsd, _w1(p, q, shift, nodes, weights), _mmd2(kernel, x_p, x_q, mass_p, mass_q))


def _w1(p: BetaLaw, q: BetaLaw, shift: Tensor, nodes: Tensor, weights: Tensor) -> Tensor:
    """The integral of |F_p - F_q|, piece by piece between the ends of the two intervals."""
    ends = torch.stack([torch.full_like(shift, e) for e in (p.shift, p.shift + 1)])
    ends = torch.cat([ends, torch.stack([q.shift + shift, q.shift + 1 + shift])]).sort(0).values  # (4, n)
    lengths = ends[1:] - ends[:-1]
    x = ends[:-1, :, None] + lengths[..., None] * nodes
    gap = (p.cdf(x) - q.cdf(x - shift[:, None])).abs()
    return (gap * weights * lengths[..., None]).sum((0, 2))


def _mmd2(kernel: Kernel, x_p: Tensor, x_q: Tensor, mass_p: Tensor, mass_q: Tensor) -> Tensor:
    rows = [x_p[:, None], *(row[:, None] for row in x_q)]
    pp = mass_p @ kernel_values(kernel, rows[0], rows[0]) @ mass_p
    values = [
        pp
        + mass_q @ kernel_values(kernel, row, row) @ mass_q
        - 2 * mass_p @ kernel_values(kernel, rows[0], row) @ mass_q
        for row in rows[1:]
    ]
    return torch.stack(values)


@cache
def _legendre() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1]; exact for the polynomials of the densities."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return (nodes + 1) / 2, weights / 2


def _check_shift(shift: Tensor) -> None:
    check_vectors(shift=shift)
    check_finite("shift", shift.detach())
