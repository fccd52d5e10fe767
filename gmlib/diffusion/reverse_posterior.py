r"""One step back when the clean point is known: the law of :math:`x_s` given :math:`x_t` and :math:`x_0`."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_instance
from gmlib.diffusion.chain import check_points
from gmlib.noise.samplers import Step


class ReversePosterior(NamedTuple):
    r"""A normal law with the same variance in every direction.

    Attributes:
        mean: :math:`\tilde\mu`, (batch, ``*event``).
        var: :math:`\tilde\beta`.
    """

    mean: Tensor
    var: float


def reverse_posterior(
    x0: Float[Tensor, "batch *event"], x_t: Float[Tensor, "batch *event"], step: Step
) -> ReversePosterior:
    r"""The exact law of the earlier point, given the later one and the clean one.

    .. math:: q(x_s\mid x_t, x_0) = \mathcal N\Big(
        \frac{\alpha_t\sigma_s^2}{\alpha_s\sigma_t^2}\,x_t + \frac{\alpha_s\beta}{\sigma_t^2}\,x_0,\
        \tilde\beta I\Big), \qquad \tilde\beta = \beta\,\frac{\sigma_s^2}{\sigma_t^2}

    It is the product of two normal factors in :math:`x_s`, normalised: :math:`q(x_s\mid x_0) = \mathcal N(\alpha_sx_0,
    \sigma_s^2)` and :math:`q(x_t\mid x_s) = \mathcal N(\tfrac{\alpha_t}{\alpha_s}x_s, \beta)`. Precisions add. A step that
    ends in the data has :math:`\tilde\beta = 0` and the mean :math:`x_0`.

    (:eq:`eq-09-posterior` in the book.)

    Args:
        x0: clean points, (batch, ``*event``).
        x_t: noised points at the later time, shaped as ``x0``.
        step: the step from t to s.

    Returns:
        Mean and variance.

    Raises:
        TypeError: an array is no floating tensor or ``step`` no Step.
        ValueError: shapes do not fit.

    References:
        J. Ho, A. Jain and P. Abbeel, *Denoising diffusion probabilistic models* (2020), eq. 6 and 7.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import reverse_posterior
        >>> from gmlib.noise import Rectified
        >>> from gmlib.noise.samplers import steps_of
        >>> step = steps_of(Rectified(), [0.5, 0.25])[0]
        >>> mean, var = reverse_posterior(torch.ones(1, 1), torch.ones(1, 1), step)
        >>> round(mean.item(), 4), round(var, 4)
        (0.8333, 0.0556)
    """
    _check("x0", x0, x_t, step)
    return ReversePosterior(step.keep * x_t + step.pull * x0, step.beta_tilde)


def reverse_mean_of_noise(
    x_t: Float[Tensor, "batch *event"], eps: Float[Tensor, "batch *event"], step: Step
) -> Float[Tensor, "batch *event"]:
    r"""The same mean, told the noise instead of the clean point.

    .. math:: \tilde\mu = \frac{\alpha_s}{\alpha_t}\Big(x_t - \frac{\beta}{\sigma_t}\,\varepsilon\Big)
        = \frac1{\sqrt{1-\beta_t}}\Big(x_t - \frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\,\varepsilon\Big)

    the right side for one step of DDPM's grid. Put :math:`x_0 = (x_t - \sigma_t\varepsilon)/\alpha_t` into
    `reverse_posterior` and use :math:`(\alpha_t/\alpha_s)^2\sigma_s^2 + \beta = \sigma_t^2`.

    (:eq:`eq-09-mean` in the book.)

    Args:
        x_t: noised points at the later time, (batch, ``*event``).
        eps: the noise in them, shaped as ``x_t``.
        step: the step from t to s.

    Returns:
        The mean of :math:`x_s`.

    Raises:
        TypeError: an array is no floating tensor or ``step`` no Step.
        ValueError: shapes do not fit, or ``step`` starts where alpha is 0: there the noise says nothing of :math:`x_0`.

    References:
        J. Ho, A. Jain and P. Abbeel (2020), eq. 10.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import reverse_mean_of_noise
        >>> from gmlib.noise import Rectified
        >>> from gmlib.noise.samplers import steps_of
        >>> step = steps_of(Rectified(), [0.5, 0.25])[0]
        >>> round(reverse_mean_of_noise(torch.ones(1, 1), torch.ones(1, 1), step).item(), 4)
        0.8333
    """
    _check("eps", eps, x_t, step)
    if step.alpha_t == 0:
        raise ValueError(f"step must start where alpha is positive, got alpha = 0 at t = {step.t:g}")
    return (x_t - (step.beta / step.sigma_t) * eps) / step.shrink


def _check(name: str, value: Tensor, x_t: Tensor, step: Step) -> None:
    check_points("x_t", x_t)
    check_points(name, value)
    if value.shape != x_t.shape:
        raise ValueError(f"{name} must have shape {tuple(x_t.shape)}, as x_t, got {tuple(value.shape)}")
    check_instance("step", step, Step)
