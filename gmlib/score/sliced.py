r"""Sliced score matching: one random direction instead of d, so that the cost does not grow with the dimension."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count
from gmlib.score._arguments import Score, average, check_callable, check_points, split_directions
from gmlib.score._products import Field, total

KINDS = ("rademacher", "gaussian", "sphere")


@dataclass(frozen=True)
class SlicedLoss:
    r"""The sliced score-matching objective of each point and its two terms.

    Attributes:
        square: :math:`\frac12 (u^\top s)^2`, or :math:`\frac12 \lVert s \rVert^2` in the reduced form, (batch,).
        curvature: :math:`u^\top \nabla s\, u`, (batch,).
        total: ``square + curvature``, (batch,); what is minimised.

    Example:
        >>> import torch
        >>> from gmlib.score import SlicedLoss
        >>> SlicedLoss(torch.tensor([1.0, 3.0]), torch.tensor([-1.0, -1.0]), torch.tensor([0.0, 2.0])).mean().total
        tensor(1.)
    """

    square: Tensor
    curvature: Tensor
    total: Tensor

    def mean(self) -> SlicedLoss:
        """Return the terms averaged over the batch."""
        return SlicedLoss(self.square.mean(), self.curvature.mean(), self.total.mean())


def sliced_score_matching(
    score: Score,
    x: Float[Tensor, "batch *event"],
    projections: Float[Tensor, "..."],
    *,
    reduced: bool = False,
) -> SlicedLoss:
    r"""Score matching along random directions, at the cost of one product with the Jacobian for each.

    .. math:: \tfrac12 \big(u^\top s_\theta(x)\big)^2 + u^\top \nabla_x s_\theta(x)\, u
              \qquad\text{or, reduced,}\qquad
              \tfrac12 \lVert s_\theta(x) \rVert^2 + u^\top \nabla_x s_\theta(x)\, u

    (:eq:`eq-08-sliced` in the book, and :eq:`eq-08b-reduced` in its companion.) The mean of the first over u and data is
    the sliced Fisher divergence up to a constant, whatever the law of u. The second replaces the square by its mean,
    which needs :math:`\mathbb E u u^\top = I`; it is implicit score matching with Hutchinson's estimate of the trace. Its
    variance is smaller by :math:`\mathbb E \operatorname{Var}_u(a) + 2\, \mathbb E \operatorname{Cov}_u(a, c)`, with a the
    square and c the curvature: mostly positive, not always (on :math:`\mathcal N(0, 1)` with :math:`s = -x` and Gaussian u
    the reduced form has variance 2.5, the other 2).

    Costs one evaluation of the score and, for each direction, one vector-Jacobian product, whatever d: then
    :math:`u^\top \nabla s\, u` is :math:`(\nabla s^\top u)^\top u`. The gradient in the parameters is one more backward
    pass through both; torch differentiates no compiled network twice, so give the network itself.

    Args:
        score: any callable, x (batch, \*event) -> (batch, \*event); its value at a point must depend on that point alone.
        x: data, (batch, \*event).
        projections: directions u, (batch, \*event), one a point; or (directions, batch, \*event), which are averaged.
        reduced: use the closed form of the square's mean.

    Returns:
        The terms and their sum, one number a point.

    Raises:
        TypeError: ``score`` cannot be called, or x or ``projections`` is not a floating tensor.
        ValueError: x has no event dimension or no point, ``projections`` do not fit it in shape, dtype or device, or
            ``score(x)`` has another shape or cannot be differentiated.

    References:
        Y. Song, S. Garg, J. Shi and S. Ermon, *Sliced score matching: a scalable approach to density and score estimation*
        (2019).

    Example:
        >>> import torch
        >>> from gmlib.score import sliced_score_matching
        >>> x, u = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, -1.0]])
        >>> sliced_score_matching(lambda x: -x, x, u).total.item()
        -1.5
        >>> sliced_score_matching(lambda x: -x, x, u, reduced=True).total.item()
        10.5
    """
    check_callable("score", score)
    check_points("x", x)
    directions = split_directions(projections, x)
    field = Field(score, x)
    curvature = average([field.quadratic(u) for u in directions])
    if reduced:
        square = 0.5 * total(field.value.square())
    else:
        square = 0.5 * average([total(field.value * u).square() for u in directions])
    return SlicedLoss(square, curvature, square + curvature)


def projections(
    x: Float[Tensor, "batch *event"],
    *,
    kind: str = "rademacher",
    directions: int | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "..."]:
    r"""Random directions u for `sliced_score_matching`, all with :math:`\mathbb E u u^\top = I`.

    Args:
        x: the points they are for, (batch, \*event).
        kind: ``"rademacher"`` (independent signs: the trace of a diagonal Jacobian comes out exactly), ``"gaussian"``
            (standard normal) or ``"sphere"`` (uniform on the sphere of radius :math:`\sqrt d`).
        directions: how many a point, in a dimension in front; None: one, without that dimension.
        generator: source of randomness; None is torch's default.

    Returns:
        (batch, \*event), or (directions, batch, \*event), with the dtype and device of x.

    Raises:
        TypeError: x is not a floating tensor, or ``directions`` is not an int.
        ValueError: x has no event dimension or no point, or ``kind`` or ``directions`` is out of range.

    Example:
        >>> import torch
        >>> from gmlib.score import projections
        >>> projections(torch.zeros(2, 3), kind="sphere").square().sum(1).round(decimals=3)
        tensor([3., 3.])
    """
    check_points("x", x)
    check_choice("kind", kind, KINDS)
    shape = tuple(x.shape)
    if directions is not None:
        check_count("directions", directions)
        shape = (directions, *shape)
    if kind == "rademacher":
        bits = torch.randint(0, 2, shape, generator=generator, dtype=x.dtype, device=x.device)
        return bits.mul_(2).sub_(1)
    u = torch.randn(shape, generator=generator, dtype=x.dtype, device=x.device)
    if kind == "sphere":
        event = tuple(range(u.dim() - x.dim() + 1, u.dim()))
        u = u * (x[0].numel() / u.square().sum(event, keepdim=True)).sqrt()
    return u
