r"""Inference from simulations by rejection: comparison of samples at its plainest, without a critic."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_finite, check_number, check_tensor
from gmlib.gan._points import check_matrix, check_vectors


@dataclass(frozen=True)
class Accepted:
    r"""Parameters whose simulations came close to the observation.

    Attributes:
        theta: the parameters that were kept, (kept, k).
        tried: how many were drawn.

    Example:
        >>> import torch
        >>> from gmlib.gan import Accepted
        >>> Accepted(torch.zeros(3, 1), tried=12).rate
        0.25
    """

    theta: Tensor
    tried: int

    @property
    def rate(self) -> float:
        """The share that was kept."""
        return self.theta.shape[0] / self.tried


def rejection_abc(
    observed: Float[Tensor, " d"],
    theta: Float[Tensor, "n k"],
    simulate: Callable[[Tensor], Tensor],
    tolerance: float,
) -> Accepted:
    r"""Keep the parameters whose simulated statistics lie within a tolerance of the observed ones.

    .. math:: \theta_i \sim p(\theta), \quad s_i \sim p(s \mid \theta_i), \qquad
              \text{keep } \theta_i \text{ if } \lVert s_i - s_{\mathrm{obs}} \rVert < \varepsilon

    (Tavare et al. 1997; Pritchard et al. 1999.) As :math:`\varepsilon \to 0` what is kept follows
    :math:`p(\theta \mid s_{\mathrm{obs}})`, and the share kept falls like :math:`\varepsilon^d`.

    Args:
        observed: :math:`s_{\mathrm{obs}}`, (d,).
        theta: draws from the prior, (n, k).
        simulate: parameters (n, k) -> statistics of one simulation of each, (n, d).
        tolerance: :math:`\varepsilon > 0`.

    Returns:
        The parameters that were kept, and how many were tried.

    Raises:
        TypeError: not floating tensors, or ``simulate`` cannot be called.
        ValueError: shapes that do not match, ``observed`` is not finite, or ``tolerance`` is not positive.

    Example:
        >>> import torch
        >>> from gmlib.gan import rejection_abc
        >>> theta = torch.tensor([[0.0], [1.0], [2.0]])
        >>> rejection_abc(torch.tensor([1.1]), theta, lambda theta: theta, tolerance=0.5).theta.tolist()
        [[1.0]]
    """
    check_vectors(observed=observed)
    check_finite("observed", observed)
    check_matrix("theta", theta)
    check_callable("simulate", simulate)
    check_number("tolerance", tolerance, low=0.0, low_open=True)
    statistics = simulate(theta)
    check_tensor("simulate(theta)", statistics)
    if statistics.shape != (theta.shape[0], observed.shape[0]):
        raise ValueError(
            f"simulate(theta) must have shape {(theta.shape[0], observed.shape[0])}, got {tuple(statistics.shape)}"
        )
    near = torch.linalg.vector_norm(statistics - observed, dim=1) < tolerance
    return Accepted(theta[near], theta.shape[0])


def gaussian_mean_acceptance(observed: float, prior_var: float, noise_var: float, tolerance: float) -> float:
    r"""The exact share that rejection keeps for a normal mean.

    .. math:: \theta \sim \mathcal N(0, V_0), \quad s \mid \theta \sim \mathcal N(\theta, V), \qquad
              P\big(\lvert s - s_{\mathrm{obs}}\rvert < \varepsilon\big)
              = \Phi\Big(\frac{s_{\mathrm{obs}} + \varepsilon}{\sqrt{V_0 + V}}\Big)
              - \Phi\Big(\frac{s_{\mathrm{obs}} - \varepsilon}{\sqrt{V_0 + V}}\Big)

    For small tolerances it is :math:`2 \varepsilon` times the density of s. With n observations of unit variance s is
    their mean, and V = 1/n.

    Args:
        observed: :math:`s_{\mathrm{obs}}`.
        prior_var: :math:`V_0 > 0`.
        noise_var: :math:`V > 0`.
        tolerance: :math:`\varepsilon > 0`.

    Returns:
        A probability.

    Raises:
        TypeError: not numbers.
        ValueError: a number is out of range.

    Example:
        >>> from gmlib.gan import gaussian_mean_acceptance
        >>> [round(gaussian_mean_acceptance(1.0, 1.0, 0.25, e), 4) for e in (0.2, 0.1)]
        [0.0956, 0.0478]
    """
    check_number("observed", observed)
    check_number("prior_var", prior_var, low=0.0, low_open=True)
    check_number("noise_var", noise_var, low=0.0, low_open=True)
    check_number("tolerance", tolerance, low=0.0, low_open=True)
    scale = math.sqrt(2 * (prior_var + noise_var))
    return (math.erf((observed + tolerance) / scale) - math.erf((observed - tolerance) / scale)) / 2
