r"""The variance of a reverse step, learnt by the network, or known because the data are normal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number
from gmlib.noise.denoiser import Denoiser
from gmlib.noise.samplers.steps import Step
from gmlib.noise.schedule import Time

Point = Float[Tensor, "batch *event"]


class LearnedVariance(Denoiser):
    r"""A denoiser whose network gives two tensors in one: its prediction, and how noisy the reverse step is.

    .. math:: \log\tilde\sigma^2 = r\log\beta + (1 - r)\log\tilde\beta, \qquad r = \tfrac12(1 + o)

    with :math:`o` the second half of the output, so that -1 stands for :math:`\tilde\beta` and 1 for
    :math:`\beta`, and an untrained last layer of zeros for their geometric mean. Any sampler can use the denoiser;
    `ancestral` with ``variance="learned"`` uses both halves of one call.

    Args:
        network: called as ``network(x, t, **condition)``; returns ``(batch, 2 * c, *rest)`` for ``x`` of shape
            ``(batch, c, *rest)``, the prediction first.
        schedule: the schedule it was trained on.
        parameterisation: what the first half predicts.

    Raises:
        TypeError: if ``network`` cannot be called or ``schedule`` is no Schedule.
        ValueError: if ``parameterisation`` is none of the five.

    References:
        A. Nichol and P. Dhariwal, *Improved denoising diffusion probabilistic models* (2021), eq. 15.

    Example:
        >>> from gmlib.noise import LearnedVariance, Rectified
        >>> from gmlib.noise.samplers import steps_of
        >>> model = LearnedVariance(lambda x, t: torch.zeros(len(x), 2), Rectified(), "x0")
        >>> step = steps_of(Rectified(), [0.5, 0.25])[0]
        >>> x0, variance = model.x0_and_variance(torch.ones(3, 1), step)
        >>> round(variance[0].item(), 5) == round((step.beta * step.beta_tilde) ** 0.5, 5)
        True
    """

    def forward(self, x: Point, t: Time, **condition: Any) -> Point:
        """The prediction, the first half of the network's output; arguments as `Denoiser.forward`."""
        return self.both(x, t, **condition)[0]

    def both(self, x: Point, t: Time, **condition: Any) -> tuple[Point, Point]:
        """The two halves of the network's output; arguments as `Denoiser.forward`.

        Raises:
            ValueError: the network does not return twice as many channels as ``x`` has.
        """
        out = self._ask(x, t, **condition)
        wanted = (x.shape[0], 2 * x.shape[1], *x.shape[2:])
        if out.shape != wanted:
            raise ValueError(
                f"network must return shape {wanted}, two tensors like x, got {tuple(out.shape)}"
            )
        first, second = out.chunk(2, dim=1)
        return first, second

    def x0_and_variance(self, x: Point, step: Step, **condition: Any) -> tuple[Point, Point]:
        r"""The clean point and the variance of a step from ``x``, from one call of the network.

        At :math:`\sigma_s = 0`, where :math:`\tilde\beta = 0`, the variance is 0.

        Args:
            x: noised points at ``step.t``, ``(batch, *event)``.
            step: the step.
            condition: passed on to the network.

        Returns:
            :math:`\hat x_0` and :math:`\tilde\sigma^2`, shaped as ``x``.
        """
        out, second = self.both(x, step.t, **condition)
        return self.x0_of(out, x, step.t), interpolated_variance(second, step)


def interpolated_variance(out: Float[Tensor, "..."], step: Step) -> Float[Tensor, "..."]:
    r"""The variance between :math:`\tilde\beta` and :math:`\beta` that an output stands for.

    .. math:: \tilde\sigma^2 = \beta^r\tilde\beta^{1-r} = \beta\,(\sigma_s/\sigma_t)^{2(1-r)}, \qquad r = \tfrac12(1 + o)

    Args:
        out: :math:`o`, any shape; usually within [-1, 1], but nothing holds it there.
        step: the step.

    Returns:
        Variances, shaped as ``out``; 0 at :math:`\sigma_s = 0`.

    References:
        A. Nichol and P. Dhariwal (2021), eq. 15.

    Example:
        >>> from gmlib.noise import Rectified
        >>> from gmlib.noise.samplers import interpolated_variance, steps_of
        >>> step = steps_of(Rectified(), [0.5, 0.25])[0]
        >>> found = interpolated_variance(torch.tensor([-1.0, 1.0]), step)
        >>> torch.allclose(found, torch.tensor([step.beta_tilde, step.beta]))
        True
    """
    if step.sigma_s == 0:
        return torch.zeros_like(out)
    return step.beta * (step.sigma_s / step.sigma_t) ** (1 - out)


def gaussian_variance(var: float | int | Float[Tensor, "..."]) -> Callable[[Tensor, Step], float | Tensor]:
    r"""The variance that makes every ancestral step exact when the data are :math:`\mathcal N(m, v)`.

    .. math:: \tilde\sigma^2 = \tilde\beta + \Big(\frac{\alpha_s\beta}{\sigma_t^2}\Big)^2
        \frac{v\,\sigma_t^2}{\alpha_t^2v + \sigma_t^2}

    The first term is the variance of :math:`x_s` for one known :math:`x_0`, the second that of its mean, because
    :math:`x_0` is not known. At v = 0 this is :math:`\tilde\beta`; at v = 1 on a variance-preserving schedule,
    :math:`\beta`. With ``last_noise=True`` the sampler is then exact for any number of steps.

    (:eq:`eq-09-true-variance` in the book.)

    Args:
        var: :math:`v \ge 0`, or one for each coordinate, shaped to multiply ``x``.

    Returns:
        A function for the argument ``variance`` of `ancestral`.

    Raises:
        ValueError: ``var`` is negative or NaN.

    References:
        F. Bao et al., *Analytic-DPM* (2022), theorem 1, for normal data.

    Example:
        >>> from gmlib.noise import VPLinear, gaussian_variance
        >>> from gmlib.noise.samplers import steps_of
        >>> step = steps_of(VPLinear(), [0.5, 0.25])[0]
        >>> found = gaussian_variance(1.0)(torch.zeros(1), step)
        >>> abs(found - step.beta) < 1e-12
        True
    """
    if not isinstance(var, Tensor):
        check_number("var", var, low=0.0)
    elif not bool((var >= 0).all()):
        raise ValueError(f"var must not be negative, got {float(var.min()):g}")

    def variance(x: Tensor, step: Step) -> float | Tensor:
        unknown = var * step.sigma_t**2 / (step.alpha_t**2 * var + step.sigma_t**2)
        return step.beta_tilde + step.pull**2 * unknown

    return variance
