r"""Update rules that look ahead, or at the field's derivative: five ways for two players not to drive each other out."""

from __future__ import annotations

import torch
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.gan.two_player import TwoPlayerGame
from gmlib.gan.updates import Rule


def extragradient(eta: float) -> Rule:
    r"""Look ahead, then step from where one stood: :math:`x' = x + \eta\, v\big(x + \eta\, v(x)\big)`.

    (:eq:`eq-14b-extragradient` in the book; Korpelevich 1976.) Two gradients a step.

    Args:
        eta: :math:`\eta > 0`, of the look and of the step.

    Returns:
        The rule.

    Raises:
        TypeError: ``eta`` is not a number.
        ValueError: it is not positive and finite.

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, extragradient
        >>> extragradient(0.5)(DiracGAN("linear"), torch.tensor([1.0, 1.0])).tolist()
        [1.25, 0.25]
    """
    check_number("eta", eta, low=0.0, low_open=True)

    def step(game: TwoPlayerGame, state: Tensor) -> Tensor:
        return state + eta * game.field(state + eta * game.field(state))

    return Rule("extragradient", eta, step)


def consensus(eta: float, gamma: float) -> Rule:
    r"""Both players also lower the speed that they share.

    .. math:: x' = x + \eta \big[v - \gamma\, \nabla \tfrac12 \lVert v \rVert^2\big]

    (:eq:`eq-14b-consensus` in the book; Mescheder et al. 2017.) The added term is :math:`-\gamma J^\top v`; it also draws
    towards any other rest point of the field, saddles and maxima of a player's own loss included.

    Args:
        eta: :math:`\eta > 0`.
        gamma: :math:`\gamma \ge 0`.

    Returns:
        The rule.

    Raises:
        TypeError: a number is not a number.
        ValueError: a number is out of range.

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, consensus
        >>> consensus(0.5, 1.0)(DiracGAN("linear"), torch.tensor([1.0, 1.0])).tolist()
        [1.0, 0.0]
    """
    check_number("eta", eta, low=0.0, low_open=True)
    check_number("gamma", gamma, low=0.0)

    def step(game: TwoPlayerGame, state: Tensor) -> Tensor:
        return state + eta * (game.field(state) - gamma * game.pull_back(state))

    return Rule("consensus", eta, step, {"gamma": gamma})


def unrolled(eta: float, *, inner: float, steps: int = 1) -> Rule:
    r"""The generator's loss is taken at the critic that *would* follow, and differentiated through those steps.

    .. math:: \varphi_{j+1} = \varphi_j + \eta_{\mathrm{in}}\, v_\varphi(\varphi_j, \theta), \qquad
              \theta' = \theta - \eta\eta_\theta\, \frac{d}{d\theta} \mathcal L_G\big(\varphi_k(\theta), \theta\big)

    (:eq:`eq-14b-unrolled` in the book; Metz et al. 2017.) The critic itself takes one step from the old state.

    Args:
        eta: :math:`\eta > 0`.
        inner: :math:`\eta_{\mathrm{in}} > 0`, the step of the imagined critic; the critic's rate multiplies it.
        steps: k, imagined steps.

    Returns:
        The rule.

    Raises:
        TypeError: a number is not a number.
        ValueError: a number is out of range.

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, unrolled
        >>> unrolled(0.5, inner=0.5)(DiracGAN("linear"), torch.tensor([1.0, 1.0])).tolist()
        [1.5, 0.0]
    """
    check_number("eta", eta, low=0.0, low_open=True)
    check_number("inner", inner, low=0.0, low_open=True)
    check_count("steps", steps)

    def step(game: TwoPlayerGame, state: Tensor) -> Tensor:
        phi, theta = game.split(state)
        with torch.enable_grad():
            at, ahead = theta.detach().requires_grad_(), phi.detach()
            for _ in range(steps):
                ahead = ahead + inner * game.velocity_phi(ahead, at, create_graph=True)
            (slope,) = torch.autograd.grad(game.loss_theta(ahead, at).sum(), at)
        new_phi = phi + eta * game.velocity_phi(phi, theta)
        return torch.cat((new_phi, theta - eta * game.rate_theta * slope), -1)

    return Rule("unrolled", eta, step, {"inner": inner, "steps": steps})


def competitive(eta: float) -> Rule:
    r"""Competitive gradient descent: the equilibrium of the game's local bilinear model, as a step.

    .. math:: \begin{pmatrix} I & -\eta J_{\varphi\theta} \\ -\eta J_{\theta\varphi} & I \end{pmatrix}
              \begin{pmatrix} \Delta\varphi \\ \Delta\theta \end{pmatrix} = \eta\, v

    (:eq:`eq-14b-competitive` in the book; Schäfer & Anandkumar 2019.) Each player answers the other one's step instead of
    its place. Only the mixed blocks of the Jacobian enter: on a bilinear game this is the implicit Euler method.

    Args:
        eta: :math:`\eta > 0`.

    Returns:
        The rule; it solves a dense linear system of the size of the state.

    Raises:
        TypeError: ``eta`` is not a number.
        ValueError: it is not positive and finite.

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, competitive
        >>> competitive(1.0)(DiracGAN("linear"), torch.tensor([1.0, 1.0])).tolist()
        [1.0, 0.0]
    """
    check_number("eta", eta, low=0.0, low_open=True)

    def step(game: TwoPlayerGame, state: Tensor) -> Tensor:
        mixed = game.jacobian(state).clone()
        mixed[..., : game.size_phi, : game.size_phi] = 0
        mixed[..., game.size_phi :, game.size_phi :] = 0
        eye = torch.eye(state.shape[-1], dtype=state.dtype, device=state.device)
        move = torch.linalg.solve(eye - eta * mixed, eta * game.field(state)[..., None])
        return state + move.squeeze(-1)

    return Rule("competitive", eta, step)


def rk4(eta: float) -> Rule:
    r"""The classical Runge-Kutta step of order four on the field: four gradients a step.

    .. math:: x' = x + \tfrac\eta6 (v_1 + 2 v_2 + 2 v_3 + v_4), \qquad v_2 = v(x + \tfrac\eta2 v_1), \;
              v_3 = v(x + \tfrac\eta2 v_2), \; v_4 = v(x + \eta v_3)

    (:eq:`eq-14b-rk4` in the book; Qin et al. 2020 train GANs so.) It follows the flow, and so circles where the flow does.

    Args:
        eta: :math:`\eta > 0`.

    Returns:
        The rule.

    Raises:
        TypeError: ``eta`` is not a number.
        ValueError: it is not positive and finite.

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, rk4
        >>> rk4(1.0)(DiracGAN("linear"), torch.tensor([0.0, 24.0])).tolist()  # near 24 sin 1, 24 cos 1
        [20.0, 13.0]
    """
    check_number("eta", eta, low=0.0, low_open=True)

    def step(game: TwoPlayerGame, state: Tensor) -> Tensor:
        v1 = game.field(state)
        v2 = game.field(state + eta / 2 * v1)
        v3 = game.field(state + eta / 2 * v2)
        v4 = game.field(state + eta * v3)
        return state + eta / 6 * (v1 + 2 * v2 + 2 * v3 + v4)

    return Rule("rk4", eta, step)
