"""The regression that trains a denoiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_instance, check_tensor
from gmlib.diffusion.chain import check_points, noised, over_event
from gmlib.noise import Denoiser

Target = Literal["eps", "x0", "v"]
TARGETS: tuple[str, ...] = get_args(Target)


@dataclass(frozen=True)
class DenoisingLoss:
    """The error of a denoiser at each point of a batch, and what it weighs.

    Attributes:
        squared_error: squared distance of prediction and target, summed over the event, (batch,).
        weight: weight of each point, (batch,).
    """

    squared_error: Tensor
    weight: Tensor

    @property
    def total(self) -> Tensor:
        """Weight times squared error, (batch,)."""
        return self.weight * self.squared_error


def denoising_loss(
    denoiser: Denoiser,
    x0: Float[Tensor, "batch *event"],
    t: Float[Tensor, " batch"],
    noise: Float[Tensor, "batch *event"],
    *,
    target: Target = "eps",
    weight: Float[Tensor, " batch"] | None = None,
    **condition: Any,
) -> DenoisingLoss:
    r"""Noise clean points and ask the denoiser what was done to them.

    .. math:: \omega(t)\,\big\lVert\varepsilon - \hat\varepsilon(\alpha_tx_0 + \sigma_t\varepsilon,\ t)\big\rVert^2

    With :math:`\omega = 1`, averaged over t, :math:`x_0` and :math:`\varepsilon`, this is DDPM's
    :math:`L_{\mathrm{simple}}`.
    For the targets :math:`x_0` and :math:`v = \alpha_t\varepsilon - \sigma_tx_0` the error is that of :math:`\hat x_0` or
    :math:`\hat v`, whatever the network itself predicts. On a variance-preserving path the three differ by a factor,
    :math:`\lVert x_0 - \hat x_0\rVert : \lVert\varepsilon - \hat\varepsilon\rVert : \lVert v - \hat v\rVert =
    \sigma_t : \alpha_t : 1`.

    (:eq:`eq-09-simple` in the book.)

    Args:
        denoiser: the model.
        x0: clean points, (batch, ``*event``).
        t: times, (batch,).
        noise: standard normal noise, shaped as ``x0``.
        target: "eps", "x0" or "v".
        weight: :math:`\omega` at each time, (batch,); None is 1.
        condition: passed on to the network.

    Returns:
        Squared errors and weights, (batch,) each.

    Raises:
        TypeError: ``denoiser`` is no Denoiser or an array no floating tensor.
        ValueError: shapes do not fit or ``target`` is none of the three.

    References:
        J. Ho, A. Jain and P. Abbeel (2020), eq. 14; T. Salimans and J. Ho (2022), section 4 (v).

    Example:
        >>> import torch
        >>> from gmlib.diffusion import denoising_loss
        >>> from gmlib.noise import Denoiser, VPCosine
        >>> nothing = Denoiser(lambda x, t: torch.zeros_like(x), VPCosine(), "eps")
        >>> denoising_loss(nothing, torch.zeros(2, 3), torch.tensor([0.1, 0.9]), torch.ones(2, 3)).total
        tensor([3., 3.])
    """
    check_instance("denoiser", denoiser, Denoiser)
    check_choice("target", target, TARGETS)
    check_points("x0", x0)
    check_tensor("t", t)
    if t.shape != x0.shape[:1]:
        raise ValueError(f"t must have shape {tuple(x0.shape[:1])}, got {tuple(t.shape)}")
    if weight is not None:
        check_tensor("weight", weight)
        if weight.shape != t.shape:
            raise ValueError(f"weight must have shape {tuple(t.shape)}, as t, got {tuple(weight.shape)}")
    schedule = denoiser.schedule
    noisy = noised(x0, t, noise, schedule)
    wanted = noised(noise, t, -x0, schedule) if target == "v" else noise if target == "eps" else x0
    error = over_event((wanted - getattr(denoiser, target)(noisy, t, **condition)).square())
    return DenoisingLoss(error, torch.ones_like(error) if weight is None else weight.to(error))
