r"""Denoising score matching without its exploding variance: subtract from the loss what is known to average to zero.

For small :math:`\sigma` the loss is :math:`\lVert\varepsilon\rVert^2/2\sigma^2 + \varepsilon^\top s(x)/\sigma + O(1)`.
The first term does not depend on the model and the second has mean zero; what teaches the model anything is in the
:math:`O(1)`, the implicit objective, and drowns in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number, check_tensor
from gmlib.score._arguments import (
    Level,
    Score,
    check_callable,
    check_points,
    check_positive,
    check_same,
    evaluate,
    read_level,
)
from gmlib.score._products import total


@dataclass(frozen=True)
class ReducedDenoisingLoss:
    r"""The terms of denoising score matching with a control variate, for each data point.

    Attributes:
        square: (batch,), :math:`\tfrac12\lVert s(\tilde x)\rVert^2`.
        product: (batch,), :math:`\varepsilon^\top(s(\tilde x) - c\,s(x))/\sigma`: close to
            :math:`\varepsilon^\top \nabla s\,\varepsilon` for c = 1 and small :math:`\sigma`.
        total: (batch,), their sum: what is minimised. On average the denoising loss less :math:`d/2\sigma^2`.

    Example:
        >>> import torch
        >>> from gmlib.score import ReducedDenoisingLoss
        >>> ReducedDenoisingLoss(torch.tensor([0.5]), torch.tensor([-1.0]), torch.tensor([-0.5])).mean().total.item()
        -0.5
    """

    square: Tensor
    product: Tensor
    total: Tensor

    def mean(self) -> ReducedDenoisingLoss:
        """Return the terms averaged over the batch."""
        return ReducedDenoisingLoss(self.square.mean(), self.product.mean(), self.total.mean())


def variance_reduced_dsm(
    score: Score,
    x: Float[Tensor, "batch *event"],
    noise: Float[Tensor, "batch *event"],
    sigma: Level,
    *,
    coefficient: float = 1.0,
) -> ReducedDenoisingLoss:
    r"""Denoising score matching with the control variate :math:`\varepsilon^\top s(x)/\sigma`.

    .. math:: \ell(\theta) = \tfrac12\Big\lVert s_\theta(\tilde x) + \frac{\varepsilon}{\sigma}\Big\rVert^2
              - c\,\frac{\varepsilon^\top s_\theta(x)}{\sigma} - \frac{\lVert\varepsilon\rVert^2}{2\sigma^2}
              = \tfrac12\lVert s_\theta(\tilde x)\rVert^2
              + \frac{\varepsilon^\top\big(s_\theta(\tilde x) - c\,s_\theta(x)\big)}\sigma,
              \qquad \tilde x = x + \sigma\varepsilon

    (:eq:`eq-08b-control` in the book; Wang et al. 2020.) Its mean is that of the denoising loss less
    :math:`d/2\sigma^2` for every c, so the expected gradient is the same; with c = 1 its variance stays bounded as
    :math:`\sigma \to 0`, where the loss becomes the implicit one with noise for a projection. At large :math:`\sigma`
    the clean point says nothing about the noisy one, and subtracting it *adds* variance: compare
    `linear_gradient_variance`. The minimiser is unchanged, the score of the noised law.

    Args:
        score: callable (batch, \*event) -> (batch, \*event); a noise-conditional one with its level filled in. It is called
            twice and must be the same function both times: dropout in training mode would draw two masks, whose
            difference is divided by :math:`\sigma`.
        x: data, (batch, \*event).
        noise: standard normal :math:`\varepsilon`, shaped as ``x``.
        sigma: noise level, positive, a number, () or (batch,).
        coefficient: c; 1 removes all that diverges, 0 is the plain loss less what does not depend on the model.

    Returns:
        The terms of each data point.

    Raises:
        TypeError: ``score`` cannot be called, or x or ``noise`` is no floating tensor.
        ValueError: x has no point, ``noise`` differs from it in shape, dtype or device, ``sigma`` is not a positive number
            or its shape does not fit, or ``score(x)`` has another shape than x.

    Cost: two calls of the score, at ``x + sigma * noise`` and at ``x``: one more than the plain loss. The difference of
    the two values is divided by :math:`\sigma`, and so are their rounding errors, in float32 about 1e-7 of the score.

    Example:
        >>> import torch
        >>> from gmlib.score import variance_reduced_dsm
        >>> x, noise = torch.zeros(1, 2), torch.tensor([[1.0, -1.0]])
        >>> variance_reduced_dsm(lambda x: -x, x, noise, 0.25).total.item()  # |noise|^2 (sigma^2/2 - 1)
        -1.9375
    """
    check_callable("score", score)
    check_points("x", x)
    check_same("noise", noise, "x", x)
    level = read_level("sigma", sigma, x)
    check_number("coefficient", coefficient)
    there = evaluate(score, x + level * noise)
    difference = there if coefficient == 0 else there - coefficient * evaluate(score, x)
    square = 0.5 * total(there.square())
    product = total(noise * difference / level)
    return ReducedDenoisingLoss(square, product, square + product)


def linear_gradient_variance(
    slope: float, sigma: Float[Tensor, "*batch"], *, coefficient: float = 0.0
) -> Float[Tensor, "*batch"]:
    r"""The variance of one point's gradient, for :math:`s(x) = -\theta x` on :math:`\mathcal N(0, 1)`, exactly.

    .. math:: \operatorname{Var}\frac{\partial\ell}{\partial\theta}
              = 2\theta^2 + \Big(2\sigma\theta - \frac{1-c}{\sigma}\Big)^2 + 2\big(1 - \theta\sigma^2\big)^2

    (:eq:`eq-08b-variance` in the book.) Without the control variate, c = 0, it grows like :math:`1/\sigma^2`; with
    c = 1 it stays bounded. The best is :math:`c = 1 - 2\sigma^2\theta`: 1 for small noise, and negative once
    :math:`2\sigma^2\theta > 1`.

    Args:
        slope: :math:`\theta`.
        sigma: noise levels, positive, (\*batch,).
        coefficient: c, as in `variance_reduced_dsm`.

    Returns:
        The variances, (\*batch,).

    Raises:
        TypeError: ``sigma`` is no floating tensor.
        ValueError: a level is not positive or not finite.

    Example:
        >>> import torch
        >>> from gmlib.score import linear_gradient_variance
        >>> sigma = torch.tensor([1.0, 0.1, 0.01])
        >>> [round(v, 2) for v in linear_gradient_variance(0.7, sigma).sqrt().tolist()]
        [1.15, 10.01, 100.0]
        >>> [round(v, 2) for v in linear_gradient_variance(0.7, sigma, coefficient=1.0).sqrt().tolist()]
        [1.77, 1.72, 1.73]
    """
    check_number("slope", slope)
    check_number("coefficient", coefficient)
    check_tensor("sigma", sigma)
    check_positive("sigma", sigma)
    cross = 2 * sigma * slope - (1 - coefficient) / sigma
    return 2 * slope**2 + cross.square() + 2 * (1 - slope * sigma.square()).square()
