r"""Score matching as contrastive divergence: one short Langevin step away from the data, and back with the energy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number
from gmlib.score._arguments import check_callable, check_points, check_same, evaluate_energy
from gmlib.score._products import energy_and_gradient


@dataclass(frozen=True)
class ContrastLoss:
    r"""The contrast of each data point with the point that one Langevin step makes of it.

    Attributes:
        data: (batch,), :math:`E(x)`: lowered on the data,
        moved: (batch,), :math:`E(x')`: and raised where the model's dynamics would take them.
        total: (batch,), ``data - moved``: what is minimised. With the gradient stopped its value is no objective.

    Example:
        >>> import torch
        >>> from gmlib.score import ContrastLoss
        >>> ContrastLoss(torch.tensor([2.0]), torch.tensor([1.5]), torch.tensor([0.5])).mean().total.item()
        0.5
    """

    data: Tensor
    moved: Tensor
    total: Tensor

    def mean(self) -> ContrastLoss:
        """Return the terms averaged over the batch."""
        return ContrastLoss(self.data.mean(), self.moved.mean(), self.total.mean())


def one_step_contrast(
    energy: Callable[[Tensor], Tensor],
    x: Float[Tensor, "batch *event"],
    noise: Float[Tensor, "batch *event"],
    step: float,
    *,
    stop_gradient: bool = True,
) -> ContrastLoss:
    r"""Contrastive divergence whose negative sample is one Langevin step from the data.

    .. math:: \ell(\theta) = E_\theta(x) - E_\theta(x'), \qquad
              x' = x - \tfrac\delta2 \nabla E_\theta(x) + \sqrt\delta\,\varepsilon, \qquad
              \mathbb E\,\nabla_\theta \ell \,\big|_{x'\ \text{fixed}} = \tfrac\delta2 \nabla_\theta D_F + O(\delta^2)

    (:eq:`eq-08b-contrast` in the book; Hyvärinen 2007, *Connections*.) A step of gradient descent on the contrast is
    a step of :math:`-\tfrac\delta2 \nabla D_F`: score matching, without a second derivative. The chain starts at the
    *data*; from the model it would give the gradient of the negative log-likelihood.

    That holds if x' counts as data. Differentiated through the step as well, the contrast is an objective, of mean
    :math:`\tfrac\delta2\,\mathbb E[\lVert s \rVert^2 + \operatorname{tr}\nabla s] + O(\delta^2)`, where the square has lost
    its ½: the fitted precision of a normal law is half the right one.

    Args:
        energy: x (batch, \*event) -> E(x) (batch,), in nats.
        x: data, (batch, \*event).
        noise: standard normal :math:`\varepsilon`, shaped as ``x``. A point's contrast is of order :math:`\sqrt\delta`, its
            mean of order :math:`\delta`: give each point with ``noise`` and with ``-noise`` and the larger part cancels.
        step: :math:`\delta`, positive, the Langevin step in the unit of x squared.
        stop_gradient: take x' as data (score matching); False differentiates through the step.

    Returns:
        The terms of each point.

    Raises:
        TypeError: ``energy`` cannot be called, or x or ``noise`` is no floating tensor.
        ValueError: x has no point, ``noise`` differs from it in shape, dtype or device, ``step`` is not positive, or
            ``energy(x)`` is not of shape (batch,).

    Cost: the energy at x and at x', and its gradient in x from the first of these passes; a second derivative only
    without the stop.

    Example:
        >>> import torch
        >>> from gmlib.score import one_step_contrast
        >>> x = torch.tensor([[1.0]])
        >>> one_step_contrast(lambda x: 2 * x.square().sum(1), x, torch.zeros(1, 1), 0.25).moved  # x' = 1/2
        tensor([0.5000])
    """
    check_callable("energy", energy)
    check_points("x", x)
    check_same("noise", noise, "x", x)
    check_number("step", step, low=0.0, low_open=True)
    here, slope = energy_and_gradient(energy, x, through=not stop_gradient)
    moved = x - 0.5 * step * slope + math.sqrt(step) * noise
    if stop_gradient:
        moved = moved.detach()
    there = evaluate_energy(energy, moved)
    return ContrastLoss(here, there, here - there)
