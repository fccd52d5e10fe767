r"""Curvature-regularised score matching, and what a little noise on the data really adds to the objective."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.score._arguments import Score, check_callable, check_points, evaluate
from gmlib.score._products import Field, has_parameters, leaf, total


@dataclass(frozen=True)
class CurvatureLoss:
    r"""The implicit objective of each point with a penalty on the curvature of its energy.

    Attributes:
        square: (batch,), :math:`\tfrac12\lVert s\rVert^2`.
        trace: (batch,), :math:`\operatorname{tr}\nabla s`.
        penalty: (batch,), :math:`\tfrac12\sigma^2\lVert\nabla s\rVert_F^2`.
        total: (batch,), the sum of the three: what is minimised.

    Example:
        >>> import torch
        >>> from gmlib.score import CurvatureLoss
        >>> terms = [torch.tensor([v]) for v in (0.5, -1.0, 0.25, -0.25)]
        >>> CurvatureLoss(*terms).mean().total.item()
        -0.25
    """

    square: Tensor
    trace: Tensor
    penalty: Tensor
    total: Tensor

    def mean(self) -> CurvatureLoss:
        """Return the terms averaged over the batch."""
        return CurvatureLoss(self.square.mean(), self.trace.mean(), self.penalty.mean(), self.total.mean())


def curvature_score_matching(
    score: Score, x: Float[Tensor, "batch *event"], sigma: float, *, chunk: int = 1
) -> CurvatureLoss:
    r"""Implicit score matching with a price on curvature, which stands in for noise of level :math:`\sigma` on the data.

    .. math:: J_\sigma(\theta) = \mathbb E\Big[\tfrac12\lVert s\rVert^2 + \operatorname{tr}\nabla s
              + \tfrac{\sigma^2}2 \lVert\nabla s\rVert_F^2\Big]

    (:eq:`eq-08b-curvature` in the book; Kingma & LeCun 2010, who keep the diagonal of :math:`\nabla s`.) It is the
    objective on noisy data up to :math:`O(\sigma^4)` if the energy is quadratic, or at the data's own score; for
    another score other terms of order :math:`\sigma^2` are missing: see `small_noise_terms`.

    Args:
        score: any callable, x (batch, \*event) -> (batch, \*event); its value at a point must depend on that point alone.
        x: data, (batch, \*event).
        sigma: the level of noise it stands for, not negative, in the unit of x.
        chunk: how many products go through the score at once, vectorised; 1 works with every callable.

    Returns:
        The terms and their sum, one number a point.

    Raises:
        TypeError: ``score`` cannot be called, x is not a floating tensor, or ``chunk`` is not an int.
        ValueError: x has no event dimension or no point, ``score(x)`` has another shape or cannot be differentiated,
            ``sigma`` is negative, or ``chunk`` is below 1.

    Cost: the score and d vector-Jacobian products, the rows of the Jacobian, of which one block is held at a time; the
    gradient in the parameters goes through all of them again.

    Example:
        >>> import torch
        >>> from gmlib.score import curvature_score_matching
        >>> curvature_score_matching(lambda x: -x, torch.tensor([[1.0, 2.0]]), 0.5).total.item()  # 2.5 - 2 + 2/8
        0.75
    """
    check_callable("score", score)
    check_points("x", x)
    check_number("sigma", sigma, low=0.0)
    check_count("chunk", chunk)
    field = Field(score, x)
    trace, frobenius = x.new_zeros(x.shape[0]), x.new_zeros(x.shape[0])
    for first, block in field.rows(chunk):
        trace = trace + block[:, :, first : first + block.shape[0]].diagonal(dim1=0, dim2=2).sum(-1)
        frobenius = frobenius + block.square().sum((0, 2))
    square, penalty = 0.5 * total(field.value.square()), 0.5 * sigma**2 * frobenius
    return CurvatureLoss(square, trace, penalty, square + trace + penalty)


@dataclass(frozen=True)
class SmallNoiseTerms:
    r"""What noise adds to the implicit objective on the line, in units of :math:`\sigma^2`, point by point.

    Attributes:
        slope: (batch,), :math:`\tfrac12 s'^2`: what the curvature penalty keeps.
        bend: (batch,), :math:`\tfrac12 s s''`.
        third: (batch,), :math:`\tfrac12 s'''`.
        total: (batch,), the sum of the three.

    Example:
        >>> import torch
        >>> from gmlib.score import SmallNoiseTerms
        >>> SmallNoiseTerms(*(torch.tensor([v]) for v in (2.0, 1.0, -1.0, 2.0))).mean().total.item()
        2.0
    """

    slope: Tensor
    bend: Tensor
    third: Tensor
    total: Tensor

    def mean(self) -> SmallNoiseTerms:
        """Return the terms averaged over the batch."""
        return SmallNoiseTerms(self.slope.mean(), self.bend.mean(), self.third.mean(), self.total.mean())


def small_noise_terms(score: Score, x: Float[Tensor, "batch 1"]) -> SmallNoiseTerms:
    r"""The order :math:`\sigma^2` of the implicit objective on noisy data on the line, whole.

    .. math:: \mathbb E\,J(x + \sigma\varepsilon) = \mathbb E\Big[\tfrac12 s^2 + s'\Big]
              + \tfrac{\sigma^2}2\,\mathbb E\big[s'^2 + s\,s'' + s'''\big] + O(\sigma^4)

    (:eq:`eq-08b-curvature` in the book.) By parts :math:`\mathbb E[s\,s'' + s'''] = \mathbb E[s''\,(s - s_{\text{data}})]`:
    the last two vanish together at the data's score, and for quadratic energies, but not in general.

    Args:
        score: any callable, x (batch, 1) -> (batch, 1), three times differentiable.
        x: data, (batch, 1).

    Returns:
        The terms, one number a point.

    Raises:
        TypeError: ``score`` cannot be called or x is not a floating tensor.
        ValueError: x is not (batch, 1) with a point, or ``score(x)`` has another shape or no graph.

    Cost: the score and three derivatives of it.

    Example:
        >>> import torch
        >>> from gmlib.score import small_noise_terms
        >>> terms = small_noise_terms(lambda x: -x**3, torch.tensor([[1.0]]))
        >>> terms.slope.item(), terms.bend.item(), terms.third.item()  # half of (-3)^2, of (-1)(-6) and of -6
        (4.5, 3.0, -3.0)
    """
    check_callable("score", score)
    check_points("x", x)
    if tuple(x.shape[1:]) != (1,):
        raise ValueError(f"x must have shape (batch, 1), got shape {tuple(x.shape)}")
    recording = torch.is_grad_enabled()
    with torch.enable_grad():
        point = leaf(x)
        s = [evaluate(score, point)]
        if not s[0].requires_grad:
            raise ValueError("score(x) must be differentiable in x, got a value without a graph")
        keep = recording and (x.requires_grad or has_parameters(s[0], point))
        for order in range(3):  # the third is differentiated no further, unless a gradient is asked for
            s.append(_derivative(s[-1], point, keep or order < 2))
        terms = [0.5 * t.squeeze(1) for t in (s[1].square(), s[0] * s[2], s[3])]
    if not keep:
        terms = [t.detach() for t in terms]
    return SmallNoiseTerms(*terms, terms[0] + terms[1] + terms[2])


def _derivative(y: Tensor, x: Tensor, graph: bool) -> Tensor:
    """The derivative of each entry of ``y`` in the same entry of ``x``; 0 for a constant, which has no graph."""
    if not y.requires_grad:
        return torch.zeros_like(x)
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=graph, allow_unused=True, materialize_grads=True)
    return slope
