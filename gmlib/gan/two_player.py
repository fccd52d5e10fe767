r"""A game of two players with vector choices: its velocity field and the Jacobian of that field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number, check_tensor
from gmlib.gan._gradient import gradient

Loss = Callable[[Tensor, Tensor], Tensor]
"""``loss(phi, theta)``: (\\*batch, d_phi), (\\*batch, d_theta) -> (\\*batch,)."""


class TwoPlayerGame:
    r"""Two losses, each of both players' choices; each player lowers its own by its own choice.

    .. math:: v(\varphi, \theta) = \begin{pmatrix} -\eta_\varphi\, \nabla_\varphi \mathcal L_D(\varphi, \theta) \\
              -\eta_\theta\, \nabla_\theta \mathcal L_G(\varphi, \theta) \end{pmatrix}

    (:eq:`eq-14-field` in the book.) A state holds both choices side by side, first the critic's, :math:`\varphi`. The
    field is the gradient of no function unless :math:`\nabla_\theta \nabla_\varphi \mathcal L_D` is the transpose of
    :math:`\nabla_\varphi \nabla_\theta \mathcal L_G`, which in a zero-sum game is its negative. Losses of a batch of states
    are computed at once, so a loss must not mix the rows of its batch.

    Args:
        loss_phi: the critic's loss, ``loss_phi(phi, theta)`` of (\*batch, d_phi), (\*batch, d_theta) -> (\*batch,).
        loss_theta: the generator's loss, of the same form.
        size_phi: d_phi; the rest of a state is :math:`\theta`.
        rate_phi: the critic's rate :math:`\eta_\varphi > 0`.
        rate_theta: the generator's rate :math:`\eta_\theta > 0`.

    Raises:
        TypeError: a loss is not callable or a number is not a number.
        ValueError: a number is out of range.

    Example:
        >>> import torch
        >>> from gmlib.gan import TwoPlayerGame
        >>> game = TwoPlayerGame(lambda p, t: -(p * t).sum(-1), lambda p, t: (p * t).sum(-1))
        >>> game.field(torch.tensor([1.0, 2.0])).tolist()  # a rotation
        [2.0, -1.0]
    """

    def __init__(
        self,
        loss_phi: Loss,
        loss_theta: Loss,
        *,
        size_phi: int = 1,
        rate_phi: float = 1.0,
        rate_theta: float = 1.0,
    ) -> None:
        for name, loss in (("loss_phi", loss_phi), ("loss_theta", loss_theta)):
            if not callable(loss):
                raise TypeError(f"{name} must be a function of (phi, theta), got {type(loss).__name__}")
        check_count("size_phi", size_phi)
        check_number("rate_phi", rate_phi, low=0.0, low_open=True)
        check_number("rate_theta", rate_theta, low=0.0, low_open=True)
        self.loss_phi, self.loss_theta = loss_phi, loss_theta
        self.size_phi, self.rate_phi, self.rate_theta = size_phi, rate_phi, rate_theta

    def split(self, state: Float[Tensor, "*batch d"]) -> tuple[Tensor, Tensor]:
        """Return the two players' parts of a state, (\\*batch, d_phi) and (\\*batch, d_theta)."""
        check_tensor("state", state)
        if state.dim() < 1 or state.shape[-1] <= self.size_phi:
            raise ValueError(
                f"state must have shape (*batch, d) with d > size_phi = {self.size_phi}, got {tuple(state.shape)}"
            )
        return state[..., : self.size_phi], state[..., self.size_phi :]

    def velocity_phi(
        self, phi: Float[Tensor, "*batch m"], theta: Float[Tensor, "*batch n"], create_graph: bool = False
    ) -> Float[Tensor, "*batch m"]:
        r"""Return :math:`-\eta_\varphi\nabla_\varphi \mathcal L_D`; with ``create_graph`` differentiable again."""
        with torch.enable_grad():
            own = phi if phi.requires_grad else phi.detach().requires_grad_()
            return -self.rate_phi * gradient(self.loss_phi(own, theta), own, create_graph=create_graph)

    def velocity_theta(
        self, phi: Float[Tensor, "*batch m"], theta: Float[Tensor, "*batch n"], create_graph: bool = False
    ) -> Float[Tensor, "*batch n"]:
        r"""Return :math:`-\eta_\theta\nabla_\theta \mathcal L_G`; with ``create_graph`` differentiable again."""
        with torch.enable_grad():
            own = theta if theta.requires_grad else theta.detach().requires_grad_()
            return -self.rate_theta * gradient(self.loss_theta(phi, own), own, create_graph=create_graph)

    def field(
        self, state: Float[Tensor, "*batch d"], create_graph: bool = False
    ) -> Float[Tensor, "*batch d"]:
        """Return the velocity v of both players at a state."""
        phi, theta = self.split(state)
        v = (self.velocity_phi(phi, theta, create_graph), self.velocity_theta(phi, theta, create_graph))
        return torch.cat(v, dim=-1)

    def jacobian(self, state: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d d"]:
        r"""Return :math:`J = \partial v / \partial(\varphi, \theta)` by autograd, rows = outputs (:eq:`eq-14-jacobian`)."""
        with torch.enable_grad():
            at = state.detach().requires_grad_()
            v = self.field(at, create_graph=True)
            rows = [gradient(v[..., i], at, keep=True) for i in range(v.shape[-1])]
        return torch.stack(rows, dim=-2)

    def pull_back(self, state: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        r"""Return :math:`J^\top v`, the gradient of :math:`\tfrac12 \lVert v \rVert^2`."""
        with torch.enable_grad():
            at = state.detach().requires_grad_()
            v = self.field(at, create_graph=True)
            return gradient(0.5 * v.square().sum(-1), at)


def check_game(game: Any, kind: type[TwoPlayerGame] = TwoPlayerGame) -> None:
    """Raise ``TypeError`` unless ``game`` is one, of the kind that has the closed forms that are wanted.

    Example:
        >>> from gmlib.gan.two_player import check_game
        >>> check_game("chess")
        Traceback (most recent call last):
        TypeError: game must be a TwoPlayerGame, got str
    """
    if not isinstance(game, kind):
        raise TypeError(f"game must be a {kind.__name__}, got {type(game).__name__}")
