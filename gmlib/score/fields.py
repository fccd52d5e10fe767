r"""Score fields: the score of an energy, and what a field has that no energy can have, a curl."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.score._arguments import Score, check_callable, check_points
from gmlib.score._products import Field, energy_and_gradient


def energy_score(energy: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    r"""The score of the law with density proportional to :math:`e^{-E(x)}`, as a callable.

    .. math:: s(x) = \nabla_x \log p(x) = -\nabla_x E(x), \qquad p(x) = e^{-E(x)} / Z

    (:eq:`eq-08-score` in the book.) Z does not depend on x and drops out: energies that differ by a constant have one
    score. A field made this way has no curl; see `curl`. The gradient is in x, not in the parameters (the other thing that
    statisticians call a score).

    Each call costs one forward and one backward pass of the energy. The result is differentiable in the parameters, and in
    x if that requires a gradient; under ``torch.no_grad()`` it carries no graph.

    Args:
        energy: x (batch, \*event) -> E(x) (batch,), in nats.

    Returns:
        A callable, x (batch, \*event) -> (batch, \*event), in nats per unit of x.

    Raises:
        TypeError: ``energy`` cannot be called, or (on a call) x or ``energy(x)`` is not a floating tensor.
        ValueError: (on a call) x has no event dimension or no point or was made under ``torch.inference_mode``, or
            ``energy(x)`` is not of shape (batch,) or cannot be differentiated.

    Example:
        >>> import torch
        >>> from gmlib.score import energy_score
        >>> score = energy_score(lambda x: x.square().sum(1) + 7.0)
        >>> score(torch.tensor([[1.0, -2.0]]))
        tensor([[-2.,  4.]])
    """
    check_callable("energy", energy)

    def score(x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        check_points("x", x)
        return -energy_and_gradient(energy, x)[1]

    return score


@dataclass(frozen=True)
class Curl:
    r"""The antisymmetric part of a field's Jacobian, point by point.

    Attributes:
        antisymmetric: :math:`A = \frac12 (J - J^\top)` with :math:`J_{ij} = \partial s_i / \partial x_j`, (batch, d, d).
            In two dimensions the curl :math:`\partial_1 s_2 - \partial_2 s_1` is ``2 * antisymmetric[:, 1, 0]``.
        norm: its Frobenius norm :math:`\lVert A \rVert_F`, (batch,).
        share: :math:`\lVert A \rVert_F / \lVert J \rVert_F`, between 0 (the field has an energy nearby) and 1 (it only
            turns), (batch,); 0 where J is 0.

    Example:
        >>> import torch
        >>> from gmlib.score import Curl
        >>> turn = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]])
        >>> Curl(turn, turn.norm().reshape(1), torch.ones(1)).norm
        tensor([1.4142])
    """

    antisymmetric: Tensor
    norm: Tensor
    share: Tensor


def curl(score: Score, x: Float[Tensor, "batch *event"], *, chunk: int = 1) -> Curl:
    r"""The antisymmetric part of the Jacobian of a field: zero for the score of any energy, exact or learnt.

    .. math:: A = \tfrac12 \big(J - J^\top\big), \qquad J_{ij} = \frac{\partial s_i}{\partial x_j}; \qquad
              s = -\nabla E \;\Rightarrow\; J = -\nabla^2 E \;\Rightarrow\; A = 0

    (:eq:`eq-08b-curl` in the book.) On a simply connected domain the converse holds too (Poincaré's lemma): a field
    without curl is minus the gradient of an energy. A free network has no reason to be one.

    Costs d vector-Jacobian products and a (batch, d, d) tensor: a diagnostic for small d.

    Args:
        score: any callable, x (batch, \*event) -> (batch, \*event).
        x: where, (batch, \*event); d is the number of coordinates of an event.
        chunk: how many products go through the score at once, vectorised; 1 works with every callable.

    Returns:
        The antisymmetric part, its norm and its share of J.

    Raises:
        TypeError: ``score`` cannot be called, x is not a floating tensor, or ``chunk`` is not an int.
        ValueError: x has no event dimension or no point, ``score(x)`` has another shape or cannot be differentiated, or
            ``chunk`` is below 1.

    Example:
        >>> import torch
        >>> from gmlib.score import curl
        >>> turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> curl(lambda x: -x + x @ turn.T, torch.zeros(1, 2)).share  # half of the field's Jacobian turns
        tensor([0.7071])
    """
    check_callable("score", score)
    check_points("x", x)
    check_count("chunk", chunk)
    jacobian = Field(score, x).jacobian(chunk)
    antisymmetric = 0.5 * (jacobian - jacobian.mT)
    norm, full = (torch.linalg.matrix_norm(m) for m in (antisymmetric, jacobian))
    return Curl(antisymmetric, norm, norm / torch.where(full > 0, full, 1.0))
