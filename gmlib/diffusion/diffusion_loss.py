r"""The diffusion term of the bound: what a step costs, what an instant costs, and how much one draw of it varies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import anywhere, check_callable, check_instance, check_tensor
from gmlib.diffusion.objective import denoising_loss
from gmlib.noise import Denoiser, Schedule


def step_loss(
    denoiser: Denoiser,
    x0: Float[Tensor, "batch *event"],
    s: Float[Tensor, " batch"],
    t: Float[Tensor, " batch"],
    noise: Float[Tensor, "batch *event"],
    **condition: Any,
) -> Float[Tensor, " batch"]:
    r"""What the step from time t back to time s costs in the bound, in nats.

    .. math:: \tfrac12\big(R_s - R_t\big)\,\lVert x_0 - \hat x_0(z_t)\rVert^2
        = \tfrac12\big(e^{\lambda_s - \lambda_t} - 1\big)\,\lVert\varepsilon - \hat\varepsilon(z_t)\rVert^2, \qquad
        R = e^\lambda

    It is not negative, and neither is the sum over the steps of a chain: a Riemann sum of `instant_loss`, with the
    error taken at the noisier end of each step, so that more steps cost less.

    (:eq:`eq-09-step-snr` in the book.)

    Args:
        denoiser: the model.
        x0: clean points, (batch, ``*event``).
        s: times at which the steps end, (batch,).
        t: times at which they start, not before ``s``, (batch,).
        noise: standard normal noise, shaped as ``x0``.
        condition: passed on to the network.

    Returns:
        Nats a step, (batch,).

    Raises:
        TypeError: as `denoising_loss`.
        ValueError: as `denoising_loss`, or ``s`` has another shape than ``t`` or (on the CPU) is later.

    References:
        D. Kingma et al., *Variational diffusion models* (2021), section 4.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import step_loss
        >>> from gmlib.noise import Denoiser, VPCosine
        >>> nothing = Denoiser(lambda x, t: torch.zeros_like(x), VPCosine(), "eps")
        >>> t = torch.tensor([0.5])
        >>> step_loss(nothing, torch.zeros(1, 1), t, t, torch.ones(1, 1))
        tensor([0.])
    """
    check_instance("denoiser", denoiser, Denoiser)
    check_tensor("s", s)
    check_tensor("t", t)
    if s.shape != t.shape:
        raise ValueError(f"s must have shape {tuple(t.shape)}, as t, got {tuple(s.shape)}")
    if anywhere(s > t):
        raise ValueError(f"s must not be later than t, got a step from t to s = t + {float((s - t).max()):g}")
    error = denoising_loss(denoiser, x0, t, noise, **condition).squared_error
    return 0.5 * torch.expm1(denoiser.schedule.log_snr(s) - denoiser.schedule.log_snr(t)).to(error) * error


def instant_loss(
    denoiser: Denoiser,
    x0: Float[Tensor, "batch *event"],
    t: Float[Tensor, " batch"],
    noise: Float[Tensor, "batch *event"],
    **condition: Any,
) -> Float[Tensor, " batch"]:
    r"""What time t costs in the bound, in nats for a unit of time.

    .. math:: -\tfrac12\frac{dR}{dt}\,\lVert x_0 - \hat x_0(z_t)\rVert^2
        = -\tfrac12\frac{d\lambda}{dt}\,\lVert\varepsilon - \hat\varepsilon(z_t)\rVert^2

    Its integral over time is one over the log-SNR, so its mean depends on the schedule through the end points only. Its
    variance, with t drawn evenly, depends on all of it.

    (:eq:`eq-09-continuous` in the book.)

    Args:
        denoiser: the model.
        x0: clean points, (batch, ``*event``).
        t: times, where the schedule's log-SNR is finite, (batch,).
        noise: standard normal noise, shaped as ``x0``.
        condition: passed on to the network.

    Returns:
        (batch,). Its mean over even times, times their range, is the diffusion term.

    Raises:
        TypeError: as `denoising_loss`.
        ValueError: as `denoising_loss`.

    References:
        D. Kingma et al., *Variational diffusion models* (2021), section 5.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import instant_loss
        >>> from gmlib.noise import Denoiser, Rectified
        >>> nothing = Denoiser(lambda x, t: torch.zeros_like(x), Rectified(), "eps")
        >>> instant_loss(nothing, torch.zeros(1, 1), torch.tensor([0.5]), torch.ones(1, 1))
        tensor([4.])
    """
    check_instance("denoiser", denoiser, Denoiser)
    error = denoising_loss(denoiser, x0, t, noise, **condition).squared_error
    return bound_weight(denoiser.schedule, t).to(error) * error


def bound_weight(schedule: Schedule, t: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    r"""The weight of the noise's squared error in the bound, when times are drawn evenly.

    .. math:: -\tfrac12\frac{d\lambda}{dt} = \frac{\sigma'}{\sigma} - \frac{\alpha'}{\alpha}

    Args:
        schedule: the schedule.
        t: times, (``*batch``,).

    Returns:
        (``*batch``,), positive; infinite where the log-SNR is.

    Raises:
        TypeError: ``schedule`` is no Schedule or ``t`` no floating tensor.

    References:
        D. Kingma and R. Gao, *Understanding diffusion objectives as the ELBO with simple data augmentation* (2023), eq. 5.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import bound_weight
        >>> from gmlib.noise import Rectified
        >>> bound_weight(Rectified(), torch.tensor([0.1, 0.5]))  # 1 / t + 1 / (1 - t)
        tensor([11.1111,  4.0000])
    """
    check_instance("schedule", schedule, Schedule)
    check_tensor("t", t)
    return schedule.d_sigma(t) / schedule.sigma(t) - schedule.d_alpha(t) / schedule.alpha(t)


def one_draw_variance(
    schedule: Schedule, error: Callable[[Tensor], Tensor], t: Float[Tensor, " n"]
) -> Float[Tensor, ""]:
    r"""How much the diffusion term varies when it is estimated at one time; what a schedule may be trained to make small.

    .. math:: \mathrm{Var}_t\Big[-\tfrac12\lambda'(t)\,e\big(\lambda(t)\big)\Big], \qquad
        e(\lambda) = \mathbb E\lVert\varepsilon - \hat\varepsilon\rVert^2

    The best schedule spends on each stretch of log-SNR a time in proportion to its cost. For standard normal data, with
    :math:`e = R/(1+R)`, it makes :math:`\log(1 + R)` linear in t, and the variance 0.

    Args:
        schedule: the schedule, whose gradient flows.
        error: mean squared error of the noise at log-SNRs (n,).
        t: times spread evenly over the schedule's range, (n,).

    Returns:
        A scalar, nats squared.

    Raises:
        TypeError: ``schedule`` is no Schedule, ``error`` cannot be called or ``t`` is no floating tensor.

    References:
        D. Kingma et al., *Variational diffusion models* (2021), section 5.3.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import LearnedSchedule, MonotoneLogSNR, one_draw_variance
        >>> schedule = LearnedSchedule(MonotoneLogSNR(-5.0, 5.0))
        >>> variance = one_draw_variance(schedule, torch.sigmoid, (torch.arange(100) + 0.5) / 100)
        >>> bool(variance > 1)
        True
    """
    check_instance("schedule", schedule, Schedule)
    check_callable("error", error)
    return (bound_weight(schedule, t) * error(schedule.log_snr(t))).var(correction=0)
