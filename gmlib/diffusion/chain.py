r"""The chain that destroys: one step at a time, and in one jump."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_instance, check_tensor
from gmlib.noise import DDPM, Schedule
from gmlib.noise.schedule import Time


def forward_chain(
    x0: Float[Tensor, "batch *event"], schedule: DDPM, *, generator: torch.Generator | None = None
) -> Float[Tensor, "times batch *event"]:
    r"""Walk from clean points to noise, step by step, and keep every state.

    .. math:: x_k = \sqrt{1 - \beta_k}\,x_{k-1} + \sqrt{\beta_k}\,\varepsilon_k, \qquad k = 1, \dots, T

    Data of variance one keep it: :math:`(1 - \beta_k) + \beta_k = 1`. For one time alone, `noised` jumps there.

    (:eq:`eq-09-step` in the book.)

    Args:
        x0: clean points, (batch, ``*event``).
        schedule: the chain, of T steps.
        generator: source of the noise; None is torch's default.

    Returns:
        The states :math:`x_0, x_1, \dots, x_T`, (T + 1, batch, ``*event``).

    Raises:
        TypeError: ``x0`` is no floating tensor or ``schedule`` no DDPM.
        ValueError: ``x0`` has no batch dimension.

    References:
        J. Ho, A. Jain and P. Abbeel, *Denoising diffusion probabilistic models* (2020), eq. 2.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import forward_chain
        >>> from gmlib.noise import DDPM
        >>> forward_chain(torch.zeros(5, 2), DDPM.linear(10)).shape
        torch.Size([11, 5, 2])
    """
    check_points("x0", x0)
    check_instance("schedule", schedule, DDPM)
    noise = torch.randn(schedule.T, *x0.shape, generator=generator, dtype=x0.dtype, device=x0.device)
    states = [x0]
    for beta, fresh in zip(schedule.betas.tolist(), noise, strict=True):
        states.append((1 - beta) ** 0.5 * states[-1] + beta**0.5 * fresh)
    return torch.stack(states)


def noised(
    x0: Float[Tensor, "batch *event"],
    t: Time,
    noise: Float[Tensor, "batch *event"],
    schedule: Schedule,
) -> Float[Tensor, "batch *event"]:
    r"""Jump from clean points to a time: all steps of the chain at once.

    .. math:: x_t = \alpha_tx_0 + \sigma_t\varepsilon, \qquad x_t\mid x_0 \sim \mathcal N(\alpha_tx_0,\ \sigma_t^2I)

    On DDPM's grid :math:`\alpha_t = \sqrt{\bar\alpha_t}` and :math:`\sigma_t^2 = 1 - \bar\alpha_t`. The target
    :math:`v = \alpha_t\varepsilon - \sigma_tx_0` is the same sum with the pair turned by a right angle:
    ``noised(noise, t, -x0, schedule)``.

    (:eq:`eq-09-noised` in the book, and :eq:`eq-09-marginal` on the grid of DDPM.)

    Args:
        x0: clean points, (batch, ``*event``).
        t: time, a number or shape ``()`` or ``(batch,)``.
        noise: standard normal noise, shaped as ``x0``.
        schedule: the schedule.

    Returns:
        Noised points in the dtype of ``x0``.

    Raises:
        TypeError: ``x0`` or ``noise`` is no floating tensor, or ``schedule`` no Schedule.
        ValueError: shapes do not fit, or ``t`` is a number out of the schedule's range.

    References:
        J. Ho, A. Jain and P. Abbeel (2020), eq. 4.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import noised
        >>> from gmlib.noise import Rectified
        >>> noised(torch.ones(1, 2), 0.25, torch.zeros(1, 2), Rectified())
        tensor([[0.7500, 0.7500]])
    """
    check_points("x0", x0)
    check_instance("schedule", schedule, Schedule)
    check_tensor("noise", noise)
    if noise.shape != x0.shape:
        raise ValueError(f"noise must have shape {tuple(x0.shape)}, as x0, got {tuple(noise.shape)}")
    alpha, sigma = level(schedule.alpha(t), x0), level(schedule.sigma(t), x0)
    return alpha * x0 + sigma * noise


def level(value: Float[Tensor, "*_"], x: Float[Tensor, "batch *event"]) -> Tensor:
    """A number, or one for each point, shaped to multiply the points, in their dtype.

    Example:
        >>> level(torch.ones(3), torch.ones(3, 2, 2)).shape
        torch.Size([3, 1, 1])
    """
    if value.dim() == 0:  # multiplies on any device, and promotes nothing
        return value
    if value.shape != x.shape[:1]:
        raise ValueError(f"t must have shape () or ({x.shape[0]},), got shape {tuple(value.shape)}")
    return value.to(x).reshape(value.shape + (1,) * (x.dim() - 1))


def over_event(values: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
    """The sum of what each point of a batch has; points that are numbers have one each.

    Example:
        >>> over_event(torch.ones(2, 3, 4)), over_event(torch.ones(2))
        (tensor([12., 12.]), tensor([1., 1.]))
    """
    return values.flatten(1).sum(1) if values.dim() > 1 else values


def check_points(name: str, x: Any) -> None:
    """Raise unless ``x`` is a floating tensor with a batch dimension.

    Example:
        >>> check_points("x0", torch.zeros(3, 2))
    """
    check_tensor(name, x)
    if x.dim() < 1:
        raise ValueError(f"{name} must have shape (batch, *event), got shape ()")
