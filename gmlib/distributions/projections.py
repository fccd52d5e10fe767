r"""The nearest normal law, forward and reverse.

Maximum likelihood minimises :math:`\mathrm{KL}(p\,\|\,q)` over q and so must cover p; variational inference minimises
:math:`\mathrm{KL}(q\,\|\,p)` and so must avoid what p avoids. For a target of two bumps and a normal q the two answers
could hardly be more different.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gmlib._checks import check_count
from gmlib.distributions.base import Law
from gmlib.distributions.gaussian import Gaussian

# The expectations over q are trapezoid sums over standard normal noise on this range: for smooth integrands their error
# falls exponentially in the inverse spacing, where Gauss-Hermite nodes would suffer from the steep valleys of log p.
_REACH, _NODES = 12.0, 2401


def moment_projection(law: Law) -> Gaussian:
    r"""The normal law of smallest *forward* divergence :math:`\mathrm{KL}(p\,\|\,q)`: the one with p's moments.

    .. math:: \operatorname*{argmin}_{m, C}\,\mathrm{KL}\big(p\,\|\,\mathcal N(m, C)\big)
        = \operatorname*{argmax}_{m, C}\,\mathbb E_p\log\mathcal N(x; m, C) = (\mathbb E_p x,\; \operatorname{Cov}_p x)

    (:eq:`eq-01-forward` in the book.) It is where maximum likelihood ends with unlimited data. Of two normal laws the one
    with the larger mean log-likelihood is nearer by exactly the difference.

    Args:
        law: the target p, with ``mean`` and ``covariance``.

    Returns:
        The normal law, of the same batch.

    Raises:
        TypeError: ``law`` is not a `Law`.

    References:
        C. M. Bishop, *Pattern Recognition and Machine Learning* (2006), section 10.7.

    Example:
        >>> import torch
        >>> from gmlib.distributions import GaussianMixture
        >>> q = moment_projection(GaussianMixture(torch.tensor([[-2.0], [2.0]]), var=0.25))
        >>> q.mean, q.variance
        (tensor([0.]), tensor([4.2500]))
    """
    if not isinstance(law, Law):
        raise TypeError(f"law must be a Law, got {type(law).__name__}")
    return Gaussian(law.mean, cov=law.covariance)


def reverse_projection(law: Law, start: Gaussian, *, max_steps: int = 200) -> Gaussian:
    r"""A normal law at a local minimum of the *reverse* divergence :math:`\mathrm{KL}(q\,\|\,p)`, on the line.

    .. math:: \mathrm{KL}(q\,\|\,p) = -\tfrac12\log(2\pi e\,\sigma^2) - \mathbb E_\varepsilon\log p(m + \sigma\varepsilon)

    minimised over :math:`(m, \log\sigma)` by Newton's method with a line search; by partial integration its derivatives
    need only the score of p. A target of well separated bumps has a local minimum on each, and ``start`` decides which is
    found. There may be more: over two equal bumps a third, worse one sits in the middle and covers both.

    Args:
        law: the target p: one coordinate, no batch, a smooth log-density with score. Its narrowest feature should be wider
            than a hundredth of the standard deviation of q.
        start: where to begin.
        max_steps: give up after so many Newton steps.

    Returns:
        The normal law, with a gradient (in m and :math:`\log\sigma`) of at most 1e-10 in float64.

    Raises:
        TypeError: ``law`` is not a `Law` or ``start`` not a `Gaussian`.
        ValueError: one of them has a batch or more than one coordinate, they differ in dtype or device, or the
            gradient is not small after ``max_steps``.

    References:
        Bishop (2006), section 10.1.2, on the two directions.

    Example:
        >>> import torch
        >>> from gmlib.distributions import GaussianMixture
        >>> p = GaussianMixture(torch.tensor([[-2.0], [2.0]], dtype=torch.float64), var=0.25)
        >>> q = reverse_projection(p, Gaussian(torch.ones(1, dtype=torch.float64), var=1.0))
        >>> print(f"{q.mean.item():.4f} {q.variance.item():.4f}")
        1.9998 0.2504
    """
    check_count("max_steps", max_steps)
    for name, value, kind in (("law", law, Law), ("start", start, Gaussian)):
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be a {kind.__name__}, got {type(value).__name__}")
        if tuple(value.event_shape) != (1,) or value.batch_shape:
            raise ValueError(
                f"{name} must have one coordinate and no batch, got event shape {tuple(value.event_shape)} and batch "
                f"shape {tuple(value.batch_shape)}"
            )
    mean = start.mean.detach()
    if start.device != law.device:
        raise ValueError(f"start must be on the law's device {law.device}, got {start.device}")
    if (dtype := law.log_prob(mean).dtype) != mean.dtype:
        raise ValueError(f"start must have the law's dtype {dtype}, got {mean.dtype}")
    noise = torch.linspace(-_REACH, _REACH, _NODES, dtype=mean.dtype, device=mean.device)
    weight = (-0.5 * noise.square()).exp()
    weight = weight / weight.sum()
    at = torch.stack([mean[0], start.variance.detach()[0].sqrt().log()])
    tolerance = 1e-10 if mean.dtype == torch.float64 else 1e-4

    for _ in range(max_steps):
        value, gradient, hessian = _reverse_kl(law, at, noise, weight)
        if float(gradient.abs().max()) <= tolerance:
            return Gaussian(at[:1], var=(2 * at[1:]).exp())
        # Newton downhill: negative curvatures count by their size, and no step is longer than one.
        curvature, axes = torch.linalg.eigh(hessian)
        step = -axes @ ((axes.T @ gradient) / curvature.abs().clamp_min(1e-3))
        step = step / step.abs().max().clamp_min(1.0)
        slope, size = float(gradient @ step), 1.0
        while size > 1e-6 and not (
            float(_reverse_kl(law, at + size * step, noise, weight)[0] - value) <= 1e-4 * size * slope + 1e-14
        ):
            size /= 2
        at = at + size * step
    raise ValueError(f"max_steps = {max_steps} Newton steps from start ({start}) did not reach a minimum")


def _reverse_kl(law: Law, at: Tensor, noise: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""KL(q || p) up to its constant, its gradient and its Hessian in :math:`(m, \log\sigma)`."""
    sigma = at[1].exp()
    x = (at[0] + sigma * noise).unsqueeze(-1)
    score = weight * law.score(x)[:, 0]
    # E s, E s eps, ...; Gaussian integration by parts turns E s' and its kin into them.
    s0, s1, s2, s3 = (float(score @ noise**k) for k in range(4))
    sd = float(sigma)
    value = -at[1] - weight @ law.log_prob(x)
    gradient = at.new_tensor([-s0, -1 - sd * s1])
    cross = -(s2 - s0)
    # d/d log sigma of -(1 + sd E[s eps]) is -sd E[s eps] - sd^2 E[s' eps^2], and sd E[s' eps^2] = E[s (eps^3 - 2 eps)].
    hessian = at.new_tensor([[-s1 / sd, cross], [cross, -sd * s1 - sd * (s3 - 2 * s1)]])
    return value, gradient, hessian
