"""The denoiser that nothing has to learn: that of a known law."""

from __future__ import annotations

import torch
from torch import Tensor

from gmlib._checks import anywhere, check_choice
from gmlib.distributions import Law
from gmlib.noise.denoiser import PARAMETERISATIONS, Denoiser, Parameterisation
from gmlib.noise.schedule import Schedule


def exact_denoiser(law: Law, schedule: Schedule, parameterisation: Parameterisation = "x0") -> Denoiser:
    r"""The best possible denoiser of a known law, as a `Denoiser`: what a perfectly trained network would say.

    .. math:: \hat x_0 = \mathbb E[x_0\mid x_t], \qquad \hat s = \nabla\log q_t(x_t), \qquad
        \hat\varepsilon = -\sigma_t\hat s

    Args:
        law: the law of the data, without batch dimensions.
        schedule: the schedule.
        parameterisation: what its "network" predicts. The five agree; they differ in rounding and in where a
            conversion divides by zero.

    Returns:
        A Denoiser for points of shape ``(batch, d)``.

    Raises:
        TypeError: if ``law`` is no Law or ``schedule`` no Schedule.
        ValueError: if ``parameterisation`` is none of the five or ``law`` has batch dimensions.

    References:
        Y. Song and S. Ermon, *Generative modeling by estimating gradients of the data distribution* (2019), section
        4.1; B. Efron, *Tweedie's formula and selection bias* (2011), eq. 1.4.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import Rectified
        >>> denoiser = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), Rectified())
        >>> denoiser.x0(torch.ones(1, 1), 0.5)
        tensor([[1.]])
    """
    if not isinstance(law, Law):
        raise TypeError(f"law must be a gmlib.distributions.Law, got {type(law).__name__}")
    if law.batch_shape:
        raise ValueError(f"law must have no batch dimensions, got batch shape {tuple(law.batch_shape)}")
    check_choice("parameterisation", parameterisation, PARAMETERISATIONS)

    def network(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        if parameterisation == "x0":
            return law.posterior_mean(x, alpha, sigma)
        score, column = law.noised(alpha, sigma).score(x), sigma.unsqueeze(-1)
        if parameterisation == "score":
            return score
        eps = -column * score
        if parameterisation == "eps":
            return eps
        x0 = law.posterior_mean(x, alpha, sigma)
        if parameterisation == "v":
            return alpha.unsqueeze(-1) * eps - column * x0
        d_sigma = schedule.d_sigma(t)
        if anywhere(torch.isinf(d_sigma)):
            raise ValueError(
                f"t must not be where sigma' is infinite for the exact velocity, got {t.tolist()}"
            )
        return schedule.d_alpha(t).unsqueeze(-1) * x0 + d_sigma.unsqueeze(-1) * eps

    return Denoiser(network, schedule, parameterisation)
