r"""Update rules of two-player games: what each player sees of the other when it moves.

A rule is made with its step size and then applied to any :class:`~gmlib.gan.TwoPlayerGame`, a batch of states at once:
``simultaneous(0.1)(game, state)`` is the next state and ``play(game, start, simultaneous(0.1), steps)`` the path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_finite, check_number
from gmlib.gan.two_player import TwoPlayerGame, check_game

Step = Callable[[TwoPlayerGame, Tensor], Tensor]


@dataclass(frozen=True)
class Rule:
    r"""One step of both players, as a function of the game and the state.

    Attributes:
        name: which rule.
        eta: the step :math:`\eta`.
        step: ``step(game, state) -> state``.
        settings: what else the rule was made with.
        memory: how many further vectors of the state's size a step carries along (the velocities of momentum).

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, alternating
        >>> alternating(1.0)(DiracGAN("linear"), torch.tensor([1.0, 1.0])).tolist()  # the generator sees phi = 2
        [2.0, -1.0]
    """

    name: str
    eta: float
    step: Step = field(repr=False, compare=False)
    settings: Mapping[str, float | int | str] = field(default_factory=dict)
    memory: int = 0

    def __call__(self, game: TwoPlayerGame, state: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """Return the next state; a rule with memory takes and returns state and memory side by side."""
        with torch.no_grad():
            return self.step(game, state)


def simultaneous(eta: float) -> Rule:
    r"""Both players move at once, each by the gradient at the old state: :math:`x' = x + \eta\, v(x)`.

    (:eq:`eq-14-simultaneous` in the book.) On the linear DiracGAN the radius grows by :math:`\sqrt{1 + \eta^2}` in every
    step, however small: Euler's method for a rotation.

    Args:
        eta: :math:`\eta > 0`; the game's rates multiply it.

    Returns:
        The rule.

    Raises:
        TypeError: ``eta`` is not a number.
        ValueError: it is not positive and finite.

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, simultaneous
        >>> simultaneous(1.0)(DiracGAN("linear"), torch.tensor([1.0, 1.0])).tolist()
        [2.0, 0.0]
    """
    check_number("eta", eta, low=0.0, low_open=True)
    return Rule("simultaneous", eta, lambda game, state: state + eta * game.field(state))


def alternating(eta: float, *, first: str = "phi", critic_steps: int = 1) -> Rule:
    r"""The players move in turn, the second seeing the first one's new choice.

    .. math:: \varphi' = \varphi + \eta\, v_\varphi(\varphi, \theta), \qquad
              \theta' = \theta + \eta\, v_\theta(\varphi', \theta)

    (Goodfellow et al. 2014, algorithm 1.) On the linear DiracGAN it keeps :func:`~gmlib.gan.alternating_invariant`.

    Args:
        eta: :math:`\eta > 0`.
        first: who moves first, "phi" or "theta".
        critic_steps: k, steps of :math:`\varphi` to one of :math:`\theta`.

    Returns:
        The rule.

    Raises:
        TypeError: a number is not a number.
        ValueError: a number is out of range, or ``first`` is no player.

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, alternating
        >>> alternating(1.0, first="theta")(DiracGAN("linear"), torch.tensor([1.0, 1.0])).tolist()
        [1.0, 0.0]
    """
    check_number("eta", eta, low=0.0, low_open=True)
    check_choice("first", first, ("phi", "theta"))
    check_count("critic_steps", critic_steps)

    def step(game: TwoPlayerGame, state: Tensor) -> Tensor:
        phi, theta = game.split(state)
        for player in ("phi", "theta") if first == "phi" else ("theta", "phi"):
            if player == "theta":
                theta = theta + eta * game.velocity_theta(phi, theta)
            else:
                for _ in range(critic_steps):
                    phi = phi + eta * game.velocity_phi(phi, theta)
        return torch.cat((phi, theta), -1)

    return Rule("alternating", eta, step, {"first": first, "critic_steps": critic_steps})


def momentum(eta: float, nu: float, *, order: str = "alternating") -> Rule:
    r"""Heavy-ball momentum: each player adds its gradient to a velocity and moves by the velocity.

    .. math:: m_\varphi' = \nu m_\varphi + \eta\, v_\varphi(\varphi, \theta), \quad \varphi' = \varphi + m_\varphi', \qquad
              m_\theta' = \nu m_\theta + \eta\, v_\theta(\varphi', \theta), \quad \theta' = \theta + m_\theta'

    (:eq:`eq-14b-momentum` in the book; Gidel et al. 2019.) Negative :math:`\nu` damps what positive :math:`\nu` drives
    away, if the players take turns, best near
    :math:`\nu = -\tfrac12`, where the radius shrinks by :math:`e^{-4\eta^2/27}` a step (linear DiracGAN, small
    :math:`\eta`). If they move at once, every :math:`\nu` drives away, at every :math:`\eta`.

    Args:
        eta: :math:`\eta > 0`.
        nu: the momentum :math:`\nu`, between -1 and 1.
        order: "alternating", the critic first, or "simultaneous".

    Returns:
        The rule; it carries the velocities, of the size of the state, behind the state.

    Raises:
        TypeError: a number is not a number.
        ValueError: a number is out of range, or ``order`` is unknown.

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, momentum, play
        >>> path = play(DiracGAN("linear"), torch.ones(2, dtype=torch.float64), momentum(0.1, -0.5), 2000)
        >>> round(path[-1].norm().item(), 4)
        0.0752
    """
    check_number("eta", eta, low=0.0, low_open=True)
    check_number("nu", nu, low=-1.0, high=1.0, low_open=True, high_open=True)
    check_choice("order", order, ("alternating", "simultaneous"))

    def step(game: TwoPlayerGame, state: Tensor) -> Tensor:
        now, velocity = state.chunk(2, dim=-1)
        phi, theta = game.split(now)
        speed_phi, speed_theta = game.split(velocity)
        speed_phi = nu * speed_phi + eta * game.velocity_phi(phi, theta)
        seen = phi + speed_phi if order == "alternating" else phi
        speed_theta = nu * speed_theta + eta * game.velocity_theta(seen, theta)
        return torch.cat((phi + speed_phi, theta + speed_theta, speed_phi, speed_theta), -1)

    return Rule("momentum", eta, step, {"nu": nu, "order": order}, memory=1)


@torch.no_grad()
def play(
    game: TwoPlayerGame, start: Float[Tensor, "*batch d"], rule: Rule, steps: int
) -> Float[Tensor, "time *batch d"]:
    """Play a game from given starting points and return every state on the way.

    Args:
        game: the two players' game.
        start: where they start, (\\*batch, d): the critic's choice first.
        rule: an update rule; momentum starts from rest.
        steps: how many steps.

    Returns:
        The path, start included, (steps + 1, \\*batch, d).

    Raises:
        TypeError: ``game`` is no game, ``start`` no floating tensor, ``rule`` no rule, or ``steps`` not an int.
        ValueError: ``start`` does not fit the game or is not finite.

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, play, simultaneous
        >>> path = play(DiracGAN("linear"), torch.tensor([[1.0, 1.0], [0.0, 1.0]]), simultaneous(0.5), 3)
        >>> path.shape, path[:, 1].square().sum(-1).tolist()  # 1.25 to the powers 0, 1, 2, 3
        (torch.Size([4, 2, 2]), [1.0, 1.25, 1.5625, 1.953125])
    """
    check_game(game)
    check_rule(rule)
    check_count("steps", steps, low=0)
    game.split(start)
    check_finite("start", start)
    d = start.shape[-1]
    state = torch.cat([start] + [torch.zeros_like(start)] * rule.memory, -1)
    path = [state]
    for _ in range(steps):
        path.append(rule.step(game, path[-1]))
    return torch.stack(path)[..., :d]


def check_rule(rule: Any) -> None:
    """Raise ``TypeError`` unless ``rule`` is a rule.

    Example:
        >>> from gmlib.gan.updates import check_rule
        >>> check_rule("rk4")
        Traceback (most recent call last):
        TypeError: rule must be a Rule such as simultaneous(0.1), got str
    """
    if not isinstance(rule, Rule):
        raise TypeError(f"rule must be a Rule such as simultaneous(0.1), got {type(rule).__name__}")
