r"""What a density says about integers: the bound on the mass of a cell, and the mass itself for normal laws.

Integer data x have a mass, not a density. A continuous model p gives x the mass of its cell,

.. math:: P(x) = \int_{[0,1)^D} p(x + o + u)\,\mathrm du, \qquad
    \log P(x) \;\ge\; \mathbb E_{q(u\mid x)}\big[\log p(x + o + u) - \log q(u\mid x)\big],

with :math:`o = 0` if real numbers become integers by rounding *down* (`gmlib.data.quantise`) and :math:`o = -\tfrac12` if
they are rounded to the nearest. The noise must belong to the rule: with the wrong cell the right-hand side bounds the mass
of another event.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from gmlib._checks import check_count, check_number, check_tensor
from gmlib.data.dequantise import log_mass

# From uniform numbers (samples, *batch, D) and the data: u in the cell and log q(u | x) in nats, (samples, *batch).
Proposal = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def dequantisation_bound(
    log_density: Callable[[Tensor], Tensor],
    x: Shaped[Tensor, "*batch D"],
    noise: Float[Tensor, "samples *batch D"],
    *,
    proposal: Proposal | None = None,
    levels: int = 1,
    offset: float = 0.0,
) -> Float[Tensor, "*batch"]:
    r"""Lower bound on the log-mass that a continuous model gives to integers, in nats.

    .. math:: \log P(x) \;\ge\; \frac1S\sum_s \log p\Big(\frac{x + o + u_s}{L}\Big) - \log q(u_s\mid x) - D\log L,
              \qquad u_s \sim q(u\mid x)

    (:eq:`eq-01b-dequantisation` in the book.) The bound holds for the expectation over u. Uniform noise, the default, has
    :math:`\log q = 0`. The gap is :math:`\mathrm{KL}(q(u\mid x)\,\|\,p(u\mid x))`, so that it closes if and only if q is
    the model's own law within the cell.

    Args:
        log_density: log p in nats of points (..., D), giving (...).
        x: integers of any dtype, (\*batch, D).
        noise: uniform on [0, 1), (samples, \*batch, D): random (``torch.rand``), or a grid of midpoints.
        proposal: turns uniform noise into draws of q(u | x): ``proposal(noise, x)`` gives u in :math:`[0, 1]^D`, of the
            shape of ``noise``, and its log-density in nats, (samples, \*batch). None: u is the noise.
        levels: number of levels L, if the model's density is on [0, 1)^D as after `gmlib.data.dequantise`; 1 if it is on
            the axis of the integers.
        offset: where a cell begins, o: 0 for rounding down, -0.5 for rounding to the nearest integer.

    Returns:
        Nats a data point, (\*batch,).

    Raises:
        TypeError: ``x`` or ``noise`` is no tensor, or ``noise`` not floating.
        ValueError: the shapes do not fit, ``noise`` leaves [0, 1), ``levels`` is below 1 or ``offset`` not finite.

    References:
        L. Theis, A. van den Oord and M. Bethge, *A note on the evaluation of generative models* (2016), section 3.1;
        J. Ho, X. Chen, A. Srinivas, Y. Duan and P. Abbeel, *Flow++* (2019), for other proposals than the uniform one.

    Example:
        The cell of 3 under N(3.2, 1.1²), rounded to the nearest: exactly -1.0636 nats.

        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.metrics import dequantisation_bound
        >>> model = Gaussian(torch.tensor([3.2]), var=1.21)
        >>> midpoints = ((torch.arange(1000) + 0.5) / 1000)[:, None]
        >>> print(f"{dequantisation_bound(model.log_prob, torch.tensor([3]), midpoints, offset=-0.5).item():.4f}")
        -1.0652
    """
    check_tensor("x", x, floating=False)
    check_tensor("noise", noise)
    check_count("levels", levels)
    check_number("offset", offset)
    if x.dim() < 1 or noise.shape[1:] != x.shape or noise.shape[0] == 0:
        raise ValueError(
            f"noise must have shape (samples, *x.shape) with samples >= 1 and x at least one dimension, got "
            f"{tuple(noise.shape)} for x of shape {tuple(x.shape)}"
        )
    outside = noise[~((noise >= 0) & (noise < 1))]
    if outside.numel():
        raise ValueError(f"noise must lie in [0, 1), got {outside[0].item():.6g}")
    u, log_q = (noise, None) if proposal is None else proposal(noise, x)
    if log_q is not None and (u.shape != noise.shape or log_q.shape != noise.shape[:-1]):
        raise ValueError(
            f"proposal must give u of shape {tuple(noise.shape)} and log q of shape {tuple(noise.shape[:-1])}, got "
            f"{tuple(u.shape)} and {tuple(log_q.shape)}"
        )
    log_p = log_density((x.to(noise) + offset + u) / levels)
    if log_p.shape != noise.shape[:-1]:
        raise ValueError(
            f"log_density must give one number a point, {tuple(noise.shape[:-1])}, got shape {tuple(log_p.shape)}"
        )
    log_p = log_mass(log_p, levels, x.shape[-1])
    return (log_p if log_q is None else log_p - log_q).mean(0)


def gaussian_log_mass(
    x: Shaped[Tensor, "*batch D"],
    mean: float | Float[Tensor, "*_"],
    std: float | Float[Tensor, "*_"],
    *,
    offset: float = 0.0,
) -> Float[Tensor, "*batch"]:
    r"""Exact log-mass of the unit cells of integers under independent normal laws, in nats.

    .. math:: \log P(x) = \sum_d \log\Big[\Phi\Big(\frac{x_d + o + 1 - \mu_d}{\sigma_d}\Big)
              - \Phi\Big(\frac{x_d + o - \mu_d}{\sigma_d}\Big)\Big]

    Args:
        x: integers of any dtype, (\*batch, D).
        mean: :math:`\mu`; a number or a tensor that broadcasts against x.
        std: :math:`\sigma`, positive; as ``mean``.
        offset: where a cell begins, as in `dequantisation_bound`.

    Returns:
        Nats a data point, (\*batch,); float64 unless ``mean`` or ``std`` is a tensor of another dtype.

    Raises:
        TypeError: ``x`` is no tensor.
        ValueError: ``std`` is a number that is not positive, or ``offset`` is not finite.

    References:
        Theis et al. (2016), section 3.1.

    Example:
        >>> import torch
        >>> from gmlib.metrics import gaussian_log_mass
        >>> print(f"{gaussian_log_mass(torch.tensor([3]), 3.2, 1.1, offset=-0.5).item():.4f}")
        -1.0636
    """
    low, high = _edges(x, mean, std, offset)
    return _log_difference(low, high).sum(-1)


def gaussian_proposal(
    mean: float | Float[Tensor, "*_"], std: float | Float[Tensor, "*_"], *, offset: float = 0.0
) -> Proposal:
    r"""The proposal that closes the gap of normal models: the normal law cut to the cell, drawn by its inverse CDF.

    .. math:: x + o + u = \mu + \sigma\,\Phi^{-1}\big(\Phi(a) + v\,(\Phi(b) - \Phi(a))\big), \qquad v\sim\mathcal U[0,1)

    with a and b the standardised edges of the cell; the uniform one is its limit for large :math:`\sigma`. Only logarithms
    of masses are formed, so that the cell may be as far from :math:`\mu` as it likes.

    Args:
        mean: :math:`\mu`; a number or a tensor that broadcasts against x.
        std: :math:`\sigma`, positive; as ``mean``. If both are numbers, the draws are computed in float64.
        offset: where a cell begins, as in `dequantisation_bound`.

    Returns:
        A function of noise and x, the ``proposal`` of `dequantisation_bound`.

    Raises:
        ValueError: ``std`` is a number that is not positive, or ``offset`` is not finite.

    References:
        L. Devroye, *Non-Uniform Random Variate Generation* (1986), section II.2.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.metrics import dequantisation_bound
        >>> model, q = Gaussian(torch.tensor([3.2]), var=1.21), gaussian_proposal(3.2, 1.1, offset=-0.5)
        >>> one = torch.tensor([[0.7]])  # any draw gives the exact log-mass
        >>> bound = dequantisation_bound(model.log_prob, torch.tensor([3]), one, proposal=q, offset=-0.5)
        >>> print(f"{bound.item():.4f}")
        -1.0636
    """
    _check_normal(std, offset)

    def draw(noise: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        low, high = _edges(x, mean, std, offset)
        v = noise.to(low)
        # The law's mass to the left and to the right of the draw. The smaller one is inverted: it is never about 1, and its
        # logarithm is a number where the mass itself would be 0.
        cell, log_normal = _log_difference(low, high), torch.special.log_ndtr
        left = torch.logaddexp(log_normal(low), cell + v.log())
        right = torch.logaddexp(log_normal(-high), cell + torch.log1p(-v))
        lower = left < right
        z = _quantile(torch.where(lower, left, right))
        z = torch.where(lower, z, -z)
        u = (mean + std * z - offset - x.to(low)).clamp(0, 1)
        log_std = std.log() if isinstance(std, Tensor) else math.log(std)
        log_q = -0.5 * z.square() - 0.5 * math.log(2 * math.pi) - log_std - cell
        return u.to(noise), log_q.sum(-1).to(noise)

    return draw


def _check_normal(std: float | Tensor, offset: float) -> None:
    if not isinstance(std, Tensor):
        check_number("std", std, low=0.0, low_open=True)
    check_number("offset", offset)


def _edges(x: Tensor, mean: float | Tensor, std: float | Tensor, offset: float) -> tuple[Tensor, Tensor]:
    """The edges of the cells in standard deviations from the mean."""
    check_tensor("x", x, floating=False)
    _check_normal(std, offset)
    dtypes = [v.dtype for v in (mean, std) if isinstance(v, Tensor)]
    at = x.to(dtypes[0] if dtypes else torch.float64) + offset
    return (at - mean) / std, (at + 1 - mean) / std


def _log_difference(low: Tensor, high: Tensor) -> Tensor:
    """log(Phi(high) - Phi(low)), without losing the tails: both are taken from the nearer one."""
    flip = low + high > 0
    low, high = torch.where(flip, -high, low), torch.where(flip, -low, high)
    log_low, log_high = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    return log_high + torch.log(-torch.expm1(log_low - log_high))


def _quantile(log_p: Tensor) -> Tensor:
    """The z with log Phi(z) = log_p, for p up to a half, by Newton's method; differentiable in log_p.

    log Phi is concave and the start to the left of the root, so that every step goes up to it and none beyond. Seven are
    enough for float64.
    """
    z = -(-2 * log_p.detach()).sqrt()
    for _ in range(7):
        slope = math.sqrt(2 / math.pi) / torch.special.erfcx(-z / math.sqrt(2))  # phi / Phi
        z = z.detach() + (log_p - torch.special.log_ndtr(z.detach())) / slope.detach()
    return z
