r"""Generalised score matching: a weight that vanishes where the data end.

The implicit objective rests on an integration by parts that loses nothing at the edge of the data. Where the density
stops short of 0, as that of incomes or of intensities does at 0, it loses :math:`p\,s` there and the fit is wrong. A
weight that is 0 at the edge takes that term away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.score._arguments import Score, check_callable, check_points, check_same, evaluate
from gmlib.score._products import Field, total


@dataclass(frozen=True)
class GeneralisedLoss:
    r"""The weighted implicit objective of each point and its two terms.

    Attributes:
        square: (batch,), :math:`\tfrac12 \sum_i \omega_i s_i^2`.
        divergence: (batch,), :math:`\sum_i \partial_i (\omega_i s_i)`.
        total: (batch,), their sum: what is minimised. It is not bounded below by 0.

    Example:
        >>> import torch
        >>> from gmlib.score import GeneralisedLoss
        >>> GeneralisedLoss(torch.tensor([1.0]), torch.tensor([-3.0]), torch.tensor([-2.0])).mean().total.item()
        -2.0
    """

    square: Tensor
    divergence: Tensor
    total: Tensor

    def mean(self) -> GeneralisedLoss:
        """Return the terms averaged over the batch."""
        return GeneralisedLoss(self.square.mean(), self.divergence.mean(), self.total.mean())


def generalised_score_matching(
    score: Score, x: Float[Tensor, "batch *event"], weight: Callable[[Tensor], Tensor], *, chunk: int = 1
) -> GeneralisedLoss:
    r"""Score matching for data with an edge, through a weight that is 0 there.

    .. math:: J_\omega(\theta) = \mathbb E_{p_{\text{data}}} \sum_i \Big[ \tfrac12 \omega_i(x)\, s_i(x)^2
              + \frac{\partial}{\partial x_i} \big( \omega_i(x)\, s_i(x) \big) \Big]
              = \tfrac12\, \mathbb E \sum_i \omega_i \big( s_i - \partial_i \log p_{\text{data}} \big)^2 + \text{const}

    (:eq:`eq-08b-generalised` in the book; Hyvärinen 2007 with :math:`\omega_i = x_i^2`, Yu et al. 2019 in general.) The
    equality asks for :math:`p_{\text{data}}\, \omega_i s_i = 0` at the edge. Then a law in the family whose score is right
    wherever there are data is a minimiser. Half lines: :math:`x^2`, :math:`x` or :math:`\min(x, c)`; an interval:
    :math:`(x-a)(b-x)`. With weight 1 it is `implicit_score_matching`. For binary data see `ratio_matching`.

    Args:
        score: any callable, x (batch, \*event) -> (batch, \*event); its value at a point must depend on that point alone.
        x: data, (batch, \*event).
        weight: callable x -> (batch, \*event), a weight for each coordinate, not negative, differentiable, 0 at the edge.
        chunk: how many products go through the score at once, vectorised; 1 works with every callable.

    Returns:
        The terms and their sum, one number a point; differentiable in the parameters.

    Raises:
        TypeError: ``score`` or ``weight`` cannot be called, x is not a floating tensor, or ``chunk`` is not an int.
        ValueError: x has no event dimension or no point, ``score(x)`` or ``weight(x)`` has another shape, their product
            cannot be differentiated, or ``chunk`` is below 1.

    Cost: the score and the weight once, and d vector-Jacobian products of their product.

    Example:
        >>> import torch
        >>> from gmlib.score import generalised_score_matching
        >>> x = torch.tensor([[2.0]])  # weight * score = -x^3: half of 4 * 4, less 3 * 4
        >>> generalised_score_matching(lambda x: -x, x, torch.square).total.item()
        -4.0
    """
    check_callable("score", score)
    check_callable("weight", weight)
    check_points("x", x)
    check_count("chunk", chunk)
    values: list[Tensor] = []

    def weighted(x: Tensor) -> Tensor:
        w, s = weight(x), evaluate(score, x)
        check_same("weight(x)", w, "x", x)
        values.append(s)
        return w * s

    field = Field(weighted, x)
    square = 0.5 * total(field.value * (values[0] if field.keep else values[0].detach()))
    divergence = field.trace(chunk)
    return GeneralisedLoss(square, divergence, square + divergence)
