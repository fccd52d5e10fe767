r"""Score matching without the data's score: integration by parts leaves an average over data."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.score._arguments import Score, check_callable, check_points
from gmlib.score._products import Field, total


@dataclass(frozen=True)
class ImplicitLoss:
    r"""The implicit score-matching objective of each point and its two terms.

    Attributes:
        square: :math:`\frac12 \lVert s(x) \rVert^2`, (batch,): the score should be small,
        trace: :math:`\operatorname{tr} \nabla s(x)`, (batch,): and should converge on the data.
        total: ``square + trace``, (batch,); what is minimised. It is not bounded below by 0.

    Example:
        >>> import torch
        >>> from gmlib.score import ImplicitLoss
        >>> ImplicitLoss(torch.tensor([1.0, 3.0]), torch.tensor([-1.0, -1.0]), torch.tensor([0.0, 2.0])).mean().total
        tensor(1.)
    """

    square: Tensor
    trace: Tensor
    total: Tensor

    def mean(self) -> ImplicitLoss:
        """Return the terms averaged over the batch."""
        return ImplicitLoss(self.square.mean(), self.trace.mean(), self.total.mean())


def implicit_score_matching(
    score: Score, x: Float[Tensor, "batch *event"], *, chunk: int = 1
) -> ImplicitLoss:
    r"""Hyvärinen's objective: the Fisher divergence up to a constant, from data and the model's score alone.

    .. math:: J(\theta) = \mathbb E_{p_{\text{data}}} \Big[ \tfrac12 \lVert s_\theta(x) \rVert^2
              + \operatorname{tr} \nabla_x s_\theta(x) \Big]
              = D_F(p_{\text{data}} \,\|\, p_\theta) - \tfrac12 \mathbb E \lVert \nabla\log p_{\text{data}} \rVert^2

    (:eq:`eq-08-implicit` in the book.) In terms of an energy the trace is :math:`-\Delta E`: it is subtracted there. The
    equality needs a differentiable data density with :math:`p_{\text{data}} s_\theta \to 0` at the ends of its support; it
    fails on data with an edge.

    Costs one evaluation of the score and d vector-Jacobian products (d coordinates an event), each about one backward
    pass; the gradient in the parameters goes through all of them again. Only the diagonal of the Jacobian is kept, but
    while gradients are recorded so is the graph of all d products. `sliced_score_matching` needs one product. To train
    with either, give the network itself: torch differentiates no compiled network twice.

    Args:
        score: any callable, x (batch, \*event) -> (batch, \*event); its value at a point must depend on that point alone.
        x: data, (batch, \*event).
        chunk: how many products go through the score at once, vectorised. 1 works with every callable and needs the least
            memory; more is faster for large d where torch can vectorise the backward pass.

    Returns:
        The terms and their sum, one number a point; differentiable in the parameters and, if it requires a gradient, in x.

    Raises:
        TypeError: ``score`` cannot be called, x is not a floating tensor, or ``chunk`` is not an int.
        ValueError: x has no event dimension or no point, ``score(x)`` has another shape or cannot be differentiated, or
            ``chunk`` is below 1.

    References:
        A. Hyvärinen, *Estimation of non-normalized statistical models by score matching* (2005), theorem 1.

    Example:
        >>> import torch
        >>> from gmlib.score import implicit_score_matching
        >>> implicit_score_matching(lambda x: -x, torch.tensor([[3.0, 4.0]])).total.item()
        10.5
    """
    check_callable("score", score)
    check_points("x", x)
    check_count("chunk", chunk)
    field = Field(score, x)
    square = 0.5 * total(field.value.square())
    trace = field.trace(chunk)
    return ImplicitLoss(square, trace, square + trace)
