r"""Games in continuous time: the flow that steps follow, what it keeps, and the cycle of WGAN-GP."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_finite, check_number, check_tensor
from gmlib.gan._points import check_kind
from gmlib.gan.dirac import DiracGAN
from gmlib.gan.lookahead import rk4
from gmlib.gan.two_player import TwoPlayerGame, check_game


@torch.no_grad()
def flow(
    game: TwoPlayerGame,
    start: Float[Tensor, "*batch d"],
    times: Float[Tensor, " n"],
    *,
    max_step: float = 0.01,
) -> Float[Tensor, "n *batch d"]:
    r"""Follow the players' gradients in time.

    .. math:: \dot\varphi = -\eta_\varphi\nabla_\varphi \mathcal L_D, \qquad
              \dot\theta = -\eta_\theta\nabla_\theta \mathcal L_G

    Runge-Kutta steps of order four, equal between two times and at most ``max_step`` long. On a rotation of unit speed
    the radius then shrinks by :math:`10^{-12}` in the time 1: see :func:`~gmlib.gan.rk4`.

    Args:
        game: the two players' game, with their rates.
        start: the state at time 0, (\*batch, d).
        times: when to look, (n,), not falling, not negative.
        max_step: the longest step.

    Returns:
        The states at those times, (n, \*batch, d).

    Raises:
        TypeError: not floating tensors.
        ValueError: ``start`` does not fit the game or is not finite, times are out of order or ``max_step`` of range.

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, flow
        >>> quarter = torch.tensor([torch.pi / 2], dtype=torch.float64)
        >>> (10 * flow(DiracGAN("linear"), torch.tensor([0.0, 1.0], dtype=torch.float64), quarter)[0]).round().tolist()
        [10.0, 0.0]
    """
    check_tensor("times", times)
    check_number("max_step", max_step, low=0.0, low_open=True)
    check_game(game)
    game.split(start)
    check_finite("start", start)
    check_finite("times", times)
    marks = times.tolist()
    if times.dim() != 1 or not marks or any(b < a for a, b in zip([0.0, *marks], marks, strict=False)):
        raise ValueError(
            f"times must be a non-empty row that starts at 0 or later and does not fall, got {times}"
        )
    state, now, path = start, 0.0, []
    for mark in marks:
        steps = math.ceil((mark - now) / max_step - 1e-9)
        if steps > 0:
            rule = rk4((mark - now) / steps)
            for _ in range(steps):
                state = rule.step(game, state)
        now = mark
        path.append(state)
    return torch.stack(path)


def linear_flow(
    game: DiracGAN, start: Float[Tensor, "*batch 2"], times: Float[Tensor, " n"]
) -> Float[Tensor, "n *batch 2"]:
    r"""The flow of the linear DiracGAN in closed form, :math:`x_t = e^{tJ} x_0`.

    Args:
        game: a DiracGAN with linear loss and without a penalty, or with R1 or R2.
        start: (\*batch, 2).
        times: (n,), of any sign and order.

    Returns:
        (n, \*batch, 2).

    Raises:
        TypeError: not floating tensors.
        ValueError: the game is not linear, or a shape does not fit.

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, linear_flow
        >>> linear_flow(DiracGAN("linear"), torch.tensor([0.0, 1.0]), torch.tensor([torch.pi / 2])).round().abs().tolist()
        [[1.0, 0.0]]
    """
    _check_linear(game, ("none", "r1", "r2"))
    check_tensor("times", times)
    if times.dim() != 1:
        raise ValueError(f"times must be a row, got shape {tuple(times.shape)}")
    game.split(start)
    check_kind("times", times, "start", start)
    jacobian = game.jacobian(torch.zeros(2, dtype=start.dtype, device=start.device))
    return torch.einsum("nij,...j->n...i", torch.linalg.matrix_exp(times[:, None, None] * jacobian), start)


def conserved(game: DiracGAN, state: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch"]:
    r"""What the flow of a DiracGAN without a penalty keeps, for every :math:`\psi`.

    .. math:: \frac{d}{dt}\Big(\frac{\varphi^2}{\eta_\varphi} + \frac{\theta^2}{\eta_\theta}\Big)
              = 2\varphi\,\psi'\,\theta - 2\theta\,\psi'\,\varphi = 0

    (:eq:`eq-14b-conserved` in the book.) Orbits are circles if the rates are equal, ellipses if not.

    Args:
        game: a DiracGAN; its rates are the weights.
        state: :math:`(\varphi, \theta)`, (\*batch, 2).

    Returns:
        (\*batch,).

    Raises:
        ValueError: ``state`` does not end in two columns.

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, conserved
        >>> conserved(DiracGAN("linear", rate_theta=0.25), torch.tensor([1.0, 1.0])).item()
        5.0
    """
    check_game(game, DiracGAN)
    phi, theta = (part.squeeze(-1) for part in game.split(state))
    return phi.square() / game.rate_phi + theta.square() / game.rate_theta


@dataclass(frozen=True)
class Cycle:
    r"""Where the linear DiracGAN with the penalty of WGAN-GP ends.

    Attributes:
        amplitude: :math:`|\theta|` where the orbit meets the axis :math:`\varphi = 0`: on the cycle twice a round, or, if
            it sticks, where it comes to rest.
        period: time of a round; infinite if it sticks.
        contraction: the factor by which half a round brings the orbit nearer the cycle; 0 if it sticks.

    Example:
        >>> from gmlib.gan import DiracGAN, wgan_gp_cycle
        >>> wgan_gp_cycle(DiracGAN("linear", gamma=3.0, penalty="wgan_gp"))  # it sticks, off the data
        Cycle(amplitude=3.0, period=inf, contraction=0.0)
    """

    amplitude: float
    period: float
    contraction: float


def wgan_gp_cycle(game: DiracGAN) -> Cycle:
    r"""The limit cycle of the linear DiracGAN under the penalty :math:`\frac\gamma2 (|\varphi| - 1)^2`, in closed form.

    On the side :math:`\varphi > 0` the field is that of R1 about the *displaced* focus :math:`(0, -\gamma)`, on the other
    about :math:`(0, \gamma)`. Half a turn takes :math:`\theta + \gamma` to :math:`-\rho\, (\theta + \gamma)`, so that the
    crossings follow :math:`|\theta| \mapsto \gamma + \rho\, (|\theta| + \gamma)`, whose fixed point is

    .. math:: |\theta^*| = \gamma\, \frac{1 + \rho}{1 - \rho} = \gamma \coth\frac{\pi\eta_\varphi\gamma}{4\omega}, \qquad
              \rho = e^{-\pi\eta_\varphi\gamma / 2\omega}, \qquad
              \omega = \sqrt{\eta_\varphi\eta_\theta - \eta_\varphi^2\gamma^2/4}.

    (:eq:`eq-14-penalty` in the book.) So it never converges to the equilibrium. For :math:`\gamma <
    2\sqrt{\eta_\theta/\eta_\varphi}` all orbits tend to the cycle, which is the wider, the stronger the penalty: its
    amplitude is :math:`\frac4\pi \sqrt{\eta_\theta/\eta_\varphi}` in the limit :math:`\gamma \to 0`. Beyond, the
    critic no longer turns about and the generator sticks at :math:`|\theta| = \gamma`, off the data. (Mescheder et
    al. 2018 show that it need not converge.)

    Args:
        game: a DiracGAN with linear loss and the penalty "wgan_gp", ``gamma`` > 0.

    Returns:
        The cycle.

    Raises:
        ValueError: the game is another one.

    Example:
        >>> from gmlib.gan import DiracGAN, wgan_gp_cycle
        >>> round(wgan_gp_cycle(DiracGAN("linear", gamma=1.0, penalty="wgan_gp")).amplitude, 4)
        1.3896
    """
    _check_linear(game, ("wgan_gp",))
    check_number("game.gamma", game.gamma, low=0.0, low_open=True)
    damping = game.rate_phi * game.gamma / 2
    squared = game.rate_phi * game.rate_theta - damping**2
    if squared <= 0:
        return Cycle(game.gamma, math.inf, 0.0)
    omega = math.sqrt(squared)
    amplitude = game.gamma / math.tanh(math.pi * damping / (2 * omega))
    return Cycle(amplitude, 2 * math.pi / omega, math.exp(-math.pi * damping / omega))


def _check_linear(game: DiracGAN, penalties: tuple[str, ...]) -> None:
    check_game(game, DiracGAN)
    if game.loss != "linear" or game.penalty not in penalties:
        raise ValueError(
            f"game must have the linear loss and a penalty of {penalties}, got {game.loss!r} and {game.penalty!r}"
        )
