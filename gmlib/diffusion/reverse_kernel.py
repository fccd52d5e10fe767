r"""One step back when the clean point is not known: a normal law only if the step is short."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import anywhere, check_instance, check_tensor
from gmlib.distributions import Gaussian, GaussianMixture, Law, divergences_1d
from gmlib.noise.samplers import Step


def reverse_kernel(law: Law | Float[Tensor, "n d"], x_t: Float[Tensor, "... d"], step: Step) -> Law:
    r"""The exact law of the earlier point given the later one.

    .. math:: q(x_s\mid x_t) \propto q_s(x_s)\,\mathcal N\Big(x_t;\ \frac{\alpha_t}{\alpha_s}x_s,\ \beta I\Big)

    For a mixture of Gaussians it is a mixture again; for n data points one of n Gaussians of variance
    :math:`\tilde\beta`, each around the mean of `reverse_posterior` for its point, weighted by how likely the point is.

    Args:
        law: the law of the data without batch dimensions (its noised versions must be known), or the data points,
            (n, d).
        x_t: points at the later time, ``(..., d)``.
        step: the step from t to s; sigma must be positive at s.

    Returns:
        The kernel, whose batch is the points'; a `GaussianMixture` for data points.

    Raises:
        TypeError: ``law`` is neither a law nor a floating tensor, or another argument of the wrong kind.
        ValueError: shapes do not fit, or the step ends in the data.

    References:
        J. Sohl-Dickstein et al., *Deep unsupervised learning using nonequilibrium thermodynamics* (2015), section 2.2;
        W. Feller, *On the theory of stochastic processes, with particular reference to applications* (1949).

    Example:
        >>> import torch
        >>> from gmlib.diffusion import reverse_kernel
        >>> from gmlib.noise import Rectified
        >>> from gmlib.noise.samplers import steps_of
        >>> step = steps_of(Rectified(), [0.5, 0.25])[0]
        >>> reverse_kernel(torch.tensor([[-1.0], [1.0]]), torch.zeros(1), step).means.flatten().round(decimals=4)
        tensor([-0.6667,  0.6667])
    """
    check_instance("step", step, Step)
    check_tensor("x_t", x_t)
    if step.sigma_s == 0:
        raise ValueError(f"step must end where sigma is positive, got sigma = 0 at s = {step.s:g}")
    if isinstance(law, Law):
        earlier = law.noised(step.alpha_s, step.sigma_s)
    else:
        check_tensor("law", law)
        if law.dim() != 2 or law.numel() == 0:
            raise ValueError(f"law must be a Law or points of shape (n, d), got shape {tuple(law.shape)}")
        earlier = GaussianMixture(step.alpha_s * law, var=step.sigma_s**2)
    return earlier.posterior(x_t, step.shrink, math.sqrt(step.beta))


def matched_gaussian_kl(kernel: Law, *, points: int = 20_001) -> Float[Tensor, "*_"]:
    r"""How far a kernel on the line is from the normal law with its mean and variance, by the trapezoid rule.

    .. math:: \mathrm{KL}\big(q\,\|\,\mathcal N(\mathbb E_q[x], \mathrm{Var}_q[x])\big)

    Of all normal laws this is the nearest in this divergence: what a model with normal steps loses at least.

    Args:
        kernel: a law over one coordinate.
        points: nodes of the rule.

    Returns:
        Nats, one for each law of the batch.

    Raises:
        TypeError: ``kernel`` is no Law.
        ValueError: ``kernel`` has more than one coordinate.

    References:
        C. M. Bishop, *Pattern Recognition and Machine Learning* (2006), section 10.7 (moments match at the minimum).

    Example:
        >>> import torch
        >>> from gmlib.diffusion import matched_gaussian_kl
        >>> from gmlib.distributions import GaussianMixture
        >>> pair = GaussianMixture(torch.tensor([[-10.0], [10.0]], dtype=torch.float64), var=1.0)
        >>> one = GaussianMixture(torch.zeros(1, 1, dtype=torch.float64), var=1.0)
        >>> print(f"{matched_gaussian_kl(pair):.4f}", f"{matched_gaussian_kl(one).abs():.4f}")
        1.6144 0.0000
    """
    check_instance("kernel", kernel, Law)
    if tuple(kernel.event_shape) != (1,):
        raise ValueError(
            f"kernel must be a law over one coordinate, got event shape {tuple(kernel.event_shape)}"
        )
    matched = Gaussian(kernel.mean, var=kernel.variance)
    return divergences_1d(kernel, matched, points=points).kl


def half_separation(kernel: GaussianMixture) -> Float[Tensor, "*batch"]:
    r"""Half the distance of two components over their standard deviation; two equal ones have two peaks above 1.

    .. math:: \frac{\lvert m_1 - m_2\rvert}{2\sqrt{\tilde\beta}} = \frac{\alpha_s\sqrt\beta}{\sigma_s\sigma_t}\,
        \frac{\lvert x_0 - x_0'\rvert}2

    the right side for the kernel of two data points :math:`x_0` and :math:`x_0'`.

    Args:
        kernel: a mixture of two Gaussians with the same variance in every direction.

    Returns:
        The ratio, one for each law of the batch.

    Raises:
        TypeError: ``kernel`` is no GaussianMixture.
        ValueError: it has not two components, or (on the CPU) their covariances are not the same multiple of the identity.

    References:
        C. Robertson and J. Fryer, *Some descriptive properties of normal mixtures* (1969), the case of equal weights.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import half_separation
        >>> from gmlib.distributions import GaussianMixture
        >>> half_separation(GaussianMixture(torch.tensor([[-1.0], [1.0]]), var=0.25))
        tensor(2.)
    """
    check_instance("kernel", kernel, GaussianMixture)
    if kernel.n_components != 2:
        raise ValueError(f"kernel must have two components, got {kernel.n_components}")
    cov = kernel.covariances
    variance = cov[..., 0, 0, 0]
    round_one = variance[..., None, None, None] * torch.eye(cov.shape[-1], dtype=cov.dtype, device=cov.device)
    if anywhere((cov - round_one).abs() > 1e-4 * round_one.amax((-1, -2), keepdim=True)):
        raise ValueError(
            "kernel must have components with the same variance in every direction, got "
            f"covariances {cov.tolist()}"
        )
    distance = torch.linalg.vector_norm(kernel.means[..., 1, :] - kernel.means[..., 0, :], dim=-1)
    return 0.5 * distance / variance.sqrt()
