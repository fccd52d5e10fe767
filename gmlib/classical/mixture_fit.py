"""A Gaussian mixture fitted by expectation-maximisation, from start to convergence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_counts, check_finite, check_number, check_tensor
from gmlib.classical.em import CovarianceKind, m_step
from gmlib.distributions import GaussianMixture
from gmlib.distributions.base import LOG_2PI


@dataclass(frozen=True)
class MixtureFit:
    r"""What :func:`fit_mixture` returns.

    Attributes:
        mixture: the fitted law.
        log_likelihood: :math:`\sum_n c_n\log p(x_n)` in nats, at the start and after each step; it never falls.
        converged: whether the last step gained less than the tolerance.
    """

    mixture: GaussianMixture
    log_likelihood: Tensor
    converged: bool


def fit_mixture(
    x: Float[Tensor, "n d"],
    K: int,
    *,
    counts: Float[Tensor, " n"] | None = None,
    start: GaussianMixture | None = None,
    covariance: CovarianceKind = "full",
    floor: float = 0.0,
    steps: int = 1000,
    tolerance: float = 1e-8,
    generator: torch.Generator | None = None,
) -> MixtureFit:
    r"""Fit a mixture of K Gaussian laws by maximum likelihood: E-step and M-step in turns.

    The likelihood never falls, and where it stays the average responsibility of each component equals its weight. It
    may stop at a local maximum: try several starts. Without a floor there is no global one, since a component that
    sits on a single point makes the likelihood infinite.

    Args:
        x: data, (n, d); float64 is wise.
        K: number of components.
        counts: how often each row of x was seen, (n,), non-negative; None: once.
        start: mixture of K components to start from; None: K rows of x by k-means++ (each next one drawn in proportion
            to its squared distance from those before), with equal weights and one common variance.
        covariance: ``"full"``, ``"diagonal"`` or ``"spherical"``.
        floor: least variance in any direction, in squared units of x; the M-step maximises under this constraint.
        steps: most steps, an E-step and an M-step each.
        tolerance: stop when a step gains less than this many nats per observation.
        generator: source of randomness of the start.

    Returns:
        The mixture, the log-likelihood before each step and after the last, and whether it converged.

    Raises:
        ValueError: shapes do not match, K exceeds the number of rows, ``start`` is another kind of law or of
            another dtype, or a component is left with too few points and there is no floor.

    References:
        A. P. Dempster, N. M. Laird and D. B. Rubin, *Maximum likelihood from incomplete data via the EM algorithm*
        (1977); D. Arthur and S. Vassilvitskii, *k-means++* (2007), for the start.

    Example:
        >>> import torch
        >>> from gmlib.classical import fit_mixture
        >>> from gmlib.distributions import crab_table
        >>> midpoints, counts = crab_table()
        >>> fit = fit_mixture(midpoints[:, None], 2, counts=counts.double(), tolerance=1e-12, steps=10_000,
        ...                   generator=torch.Generator().manual_seed(0))
        >>> round(fit.log_likelihood[-1].item(), 2), fit.converged
        (2567.58, True)
    """
    check_tensor("x", x)
    if x.dim() != 2 or 0 in x.shape:
        raise ValueError(f"x must be a matrix (n, d) with n, d >= 1, got shape {tuple(x.shape)}")
    check_finite("x", x)
    check_count("K", K)
    if x.shape[0] < K:
        raise ValueError(f"K must be at most the number of rows {x.shape[0]}, got {K}")
    check_count("steps", steps)
    check_number("tolerance", tolerance, low=0.0)
    if counts is None:
        weights = torch.ones_like(x[:, 0])
    else:
        check_counts("counts", counts, len(x))
        weights = counts.to(x)
    if start is None:
        mixture = _k_means_plus_plus(x, K, weights, floor, generator)
    elif not isinstance(start, GaussianMixture) or (
        start.batch_shape,
        start.n_components,
        start.event_shape,
    ) != ((), K, x.shape[1:]):
        raise ValueError(f"start must be one mixture with K = {K} and d = {x.shape[1]}, got {start!r}")
    elif (start.means.dtype, start.device) != (x.dtype, x.device):
        raise ValueError(
            f"start must be {x.dtype} on {x.device} as x is, got {start.means.dtype} on {start.device}"
        )
    else:
        mixture = start
    total = weights.sum()
    joint = log_joint(mixture, x)
    history = [weights @ joint.logsumexp(-1)]
    converged = False
    for _ in range(steps):
        mixture = m_step(x, joint.softmax(-1), counts=weights, covariance=covariance, floor=floor)
        joint = log_joint(mixture, x)
        history.append(weights @ joint.logsumexp(-1))
        if bool(history[-1] - history[-2] < tolerance * total):
            converged = True
            break
    return MixtureFit(mixture, torch.stack(history), converged)


def log_joint(mixture: GaussianMixture, x: Float[Tensor, "n d"]) -> Float[Tensor, "n K"]:
    r"""Log of weight times density of every component, :math:`\log\pi_k\mathcal N(x_n; m_k, V_k)`.

    Its softmax over k is the E-step, its logsumexp the log-density. Computed by matrix products, one component after
    another, which for thousands of points is many times faster than the mixture's own (batched) form.

    Args:
        mixture: without batch dimensions.
        x: points, (n, d).

    Example:
        >>> import torch
        >>> from gmlib.classical.mixture_fit import log_joint
        >>> from gmlib.distributions import GaussianMixture
        >>> law = GaussianMixture(torch.tensor([[-2.0], [2.0]]), var=1.0)
        >>> print(f"{log_joint(law, torch.zeros(1, 1)).logsumexp(-1).item():.4f}")
        -2.9189
    """
    means, K, d = mixture.means, mixture.n_components, x.shape[1]
    base = mixture.log_weights - 0.5 * d * LOG_2PI
    var = mixture.diagonal
    if var is not None:
        centre = mixture.mean  # products of numbers far from 0 would cancel
        y, m = x - centre, means - centre
        square = y.square() @ (1 / var).T - 2 * y @ (m / var).T + (m.square() / var).sum(-1)
        return base - 0.5 * (square + var.log().sum(-1))
    factors = torch.linalg.cholesky(mixture.covariances)
    columns = []
    for k in range(K):
        white = torch.linalg.solve_triangular(factors[k], (x - means[k]).T, upper=False)
        columns.append(-0.5 * white.square().sum(0) - factors[k].diagonal().log().sum())
    return base + torch.stack(columns, -1)


def _k_means_plus_plus(
    x: Tensor, K: int, weights: Tensor, floor: float, generator: torch.Generator | None
) -> GaussianMixture:
    """Equal weights, K rows of x as means, and as common variance the mean squared distance to the nearest of them."""
    nearest = torch.full_like(weights, math.inf)
    draw, chosen = weights, []
    for _ in range(K):
        if not bool(draw.sum() > 0):
            raise ValueError(f"x must hold at least K = {K} different rows")
        chosen.append(x[torch.multinomial(draw, 1, generator=generator)])
        nearest = torch.minimum(nearest, (x - chosen[-1]).square().sum(-1))
        draw = weights * nearest
    var = (weights @ nearest / weights.sum() / x.shape[1]).item()
    if not var > 0 and not floor > 0:
        raise ValueError(f"x must hold more than K = {K} different rows when there is no floor")
    return GaussianMixture(torch.cat(chosen), var=max(var, floor))
