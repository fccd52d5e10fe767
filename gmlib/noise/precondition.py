r"""EDM's preconditioning: the network sees inputs and learns targets of variance one at every noise level."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_number, check_tensor
from gmlib.noise.schedule import Schedule

Point = Float[Tensor, "batch *event"]


class Coefficients(NamedTuple):
    r"""The four functions of the noise level in :math:`\hat x_0 = c_{skip}\,x + c_{out}\,F(c_{in}\,x, c_{noise})`."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor
    c_noise: Tensor


def edm_coefficients(
    alpha: Float[Tensor, "*_"], sigma: Float[Tensor, "*_"], var: float | int = 0.25
) -> Coefficients:
    r"""Coefficients that give inputs and targets variance one when the data have variance ``var``.

    With :math:`V = \alpha^2 v + \sigma^2`, the variance of :math:`x_t`,

    .. math:: c_{skip} = \frac{\alpha v}{V}, \qquad c_{out} = \sigma\sqrt{\frac vV}, \qquad
        c_{in} = \frac1{\sqrt V}, \qquad c_{noise} = \tfrac14\log\frac\sigma\alpha

    At :math:`\alpha = 1` these are the paper's. Otherwise they are the paper's at :math:`x/\alpha` and noise level
    :math:`\sigma/\alpha`, written so that only :math:`c_{noise}` is lost at :math:`\alpha = 0`. The identities that
    define them: :math:`c_{in}^2 V = 1`, :math:`\operatorname{Var}[(x_0 - c_{skip}x)/c_{out}] = 1`, and
    :math:`c_{skip}` makes :math:`c_{out}` as small as it can be.

    Args:
        alpha: signal.
        sigma: noise level, positive, same shape.
        var: variance of the data, :math:`\sigma_{data}^2` in the paper (0.5²).

    Returns:
        The four coefficients, shaped as ``sigma``.

    Raises:
        TypeError: if ``alpha`` or ``sigma`` is no floating tensor.
        ValueError: if ``var`` is not positive.

    References:
        T. Karras et al., *Elucidating the design space of diffusion-based generative models* (2022), table 1 and app.
        B.6.

    Example:
        >>> import torch
        >>> c = edm_coefficients(torch.tensor(1.0), torch.tensor(0.5), var=0.25)
        >>> print(f"{c.c_skip.item():.3f} {c.c_in.item():.3f}")
        0.500 1.414
    """
    check_tensor("alpha", alpha)
    check_tensor("sigma", sigma)
    check_number("var", var, low=0.0, low_open=True)
    total = alpha * alpha * var + sigma * sigma
    c_noise = 0.25 * (torch.log(sigma) - torch.log(alpha))
    return Coefficients(alpha * var / total, sigma * torch.sqrt(var / total), torch.rsqrt(total), c_noise)


class EDMPreconditioned(nn.Module):
    r"""A network wrapped so that it predicts :math:`x_0`, as `Denoiser` wants it with parameterisation "x0".

    .. math:: \hat x_0(x, t) = c_{skip}\,x + c_{out}\,F(c_{in}\,x,\; c_{noise})

    (:eq:`eq-09-edm` in the book.)

    Args:
        network: F, called as ``network(c_in * x, c_noise, **condition)`` with ``c_noise`` of shape ``(batch,)``.
        schedule: the schedule that turns t into a noise level; any, not EDM's only.
        var: variance of the data.

    Raises:
        TypeError: if ``network`` cannot be called or ``schedule`` is no Schedule.
        ValueError: if ``var`` is not positive.

    References:
        T. Karras et al. (2022), eq. 7.

    Example:
        >>> import torch
        >>> from gmlib.noise import EDM, Denoiser
        >>> network = EDMPreconditioned(lambda x, c: torch.zeros_like(x), EDM(), var=1.0)
        >>> Denoiser(network, EDM(), "x0").x0(torch.ones(1, 2), 1.0)
        tensor([[0.5000, 0.5000]])
    """

    def __init__(self, network: Callable[..., Tensor], schedule: Schedule, var: float | int = 0.25) -> None:
        super().__init__()
        if not callable(network):
            raise TypeError(f"network must be callable, got {type(network).__name__}")
        if not isinstance(schedule, Schedule):
            raise TypeError(f"schedule must be a Schedule, got {type(schedule).__name__}")
        check_number("var", var, low=0.0, low_open=True)
        self.network = network
        self.schedule = schedule
        self.var = float(var)

    def coefficients(self, t: Float[Tensor, "*_"]) -> Coefficients:
        """The four coefficients at the times ``t``."""
        return edm_coefficients(self.schedule.alpha(t), self.schedule.sigma(t), self.var)

    def forward(self, x: Point, t: Float[Tensor, " batch"], **condition: Any) -> Point:
        """Predict the clean points.

        Args:
            x: noised points, shape ``(batch, *event)``.
            t: times, shape ``(batch,)``.
            condition: passed on to the network.

        Returns:
            A tensor shaped as ``x``.
        """
        c = self.coefficients(t)
        shape = t.shape + (1,) * (x.dim() - 1)
        c_skip, c_out, c_in = (a.reshape(shape) for a in (c.c_skip, c.c_out, c.c_in))
        return c_skip * x + c_out * self.network(c_in * x, c.c_noise, **condition)
