r"""What each update rule does to the linear DiracGAN, exactly: its matrix, its modulus, its invariant."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_finite, check_tensor
from gmlib.gan.dirac import DiracGAN
from gmlib.gan.two_player import check_game
from gmlib.gan.updates import Rule, check_rule


def step_matrix(game: DiracGAN, rule: Rule) -> Float[Tensor, "n n"]:
    r"""The matrix of one step at the equilibrium, exact everywhere if :math:`\psi` is linear.

    With :math:`J` the game's Jacobian at 0, :math:`J_\varphi` and :math:`J_\theta` its upper and its lower row (the other
    one 0) and :math:`J_\times` its entries off the diagonal,

    .. math:: I + \eta J, \quad (I + \eta J_\theta)(I + \eta J_\varphi)^k, \quad I + \eta J + \eta^2 J^2, \quad
              I + \eta (J - \gamma J^\top J), \quad I + \eta (I - \eta J_\times)^{-1} J, \quad
              \textstyle\sum_{j \le 4} (\eta J)^j / j!

    are the matrices of the simultaneous, alternating, extragradient, consensus, competitive and Runge-Kutta step. The
    unrolled one has the row of :math:`\theta` from the critic :math:`A\varphi + B\theta` it imagines,
    :math:`-\eta_\theta\psi'(0)\,(A, 2B)`; momentum acts on :math:`(\varphi, \theta, m_\varphi, m_\theta)`.

    Args:
        game: a DiracGAN; its penalty is R1, R2, the quartic one (which has no linear part) or none.
        rule: an update rule.

    Returns:
        (2, 2), for momentum (4, 4), float64.

    Raises:
        TypeError: ``game`` is no ``DiracGAN``, or ``rule`` no rule.
        ValueError: the penalty is that of WGAN-GP, or the rule is none of these.

    Example:
        >>> from gmlib.gan import DiracGAN, simultaneous, step_matrix
        >>> step_matrix(DiracGAN("linear"), simultaneous(0.5)).tolist()
        [[1.0, 0.5], [-0.5, 1.0]]
    """
    check_game(game, DiracGAN)
    check_rule(rule)
    if game.penalty == "wgan_gp" and game.gamma > 0:
        raise ValueError("game must not have the penalty 'wgan_gp': its field jumps at phi = 0")
    eta, settings = rule.eta, rule.settings
    damping = game.rate_phi * game.gamma if game.penalty in ("r1", "r2") else 0.0
    c, eye = game.slope, torch.eye(2, dtype=torch.float64)
    j = torch.tensor([[-damping, game.rate_phi * c], [-game.rate_theta * c, 0.0]], dtype=torch.float64)
    upper, lower = torch.diag(eye[0]) @ j, torch.diag(eye[1]) @ j
    if rule.name == "simultaneous":
        return eye + eta * j
    if rule.name == "alternating":
        critic = torch.linalg.matrix_power(eye + eta * upper, int(settings["critic_steps"]))
        generator = eye + eta * lower
        return generator @ critic if settings["first"] == "phi" else critic @ generator
    if rule.name == "extragradient":
        return eye + eta * j @ (eye + eta * j)
    if rule.name == "consensus":
        return eye + eta * (j - float(settings["gamma"]) * j.T @ j)
    if rule.name == "competitive":
        mixed = j - torch.diag(j.diagonal())
        return eye + eta * torch.linalg.solve(eye - eta * mixed, j)
    if rule.name == "rk4":
        return eye + eta * j @ (eye + eta / 2 * j @ (eye + eta / 3 * j @ (eye + eta / 4 * j)))
    if rule.name == "unrolled":
        ahead = torch.linalg.matrix_power(eye + float(settings["inner"]) * upper, int(settings["steps"]))[0]
        slow = -game.rate_theta * c * torch.stack((ahead[0], 2 * ahead[1]))
        return eye + eta * torch.stack((j[0], slow))
    if rule.name == "momentum":
        nu = float(settings["nu"])
        seen = eye + eta * upper if settings["order"] == "alternating" else eye
        # The velocities: nu m + eta v, where the generator sees phi + nu m_phi + eta v_phi.
        ahead = torch.diag(eye[0]) * (nu if settings["order"] == "alternating" else 0.0)
        speed = torch.cat((eta * (upper + lower @ seen), nu * eye + eta * lower @ ahead), dim=1)
        return torch.cat((torch.cat((eye, torch.zeros_like(eye)), 1) + speed, speed))
    raise ValueError(f"rule must be one of gmlib.gan's update rules, got {rule.name!r}")


def modulus(game: DiracGAN, rule: Rule) -> float:
    r"""The factor by which the radius grows in a step, in the long run: the spectral radius of the step's matrix.

    For two by two matrices :math:`\sqrt{\det}` while the eigenvalues are complex, otherwise :math:`\tfrac12
    (|\mathrm{tr}| + \sqrt{\mathrm{tr}^2 - 4 \det})`. Without a penalty and with
    :math:`w = \eta\,\psi'(0) \sqrt{\eta_\varphi\eta_\theta}` it is

    .. math:: \sqrt{1 + w^2}, \quad 1 \;(w \le 2), \quad \sqrt{1 - w^2 + w^4}, \quad \frac1{\sqrt{1 + w^2}}, \quad
              \sqrt{1 - \tfrac{w^6}{72} + \tfrac{w^8}{576}}

    for the simultaneous (:eq:`eq-14-simultaneous` in the book), alternating, extragradient, competitive and Runge-Kutta
    step. At rates 1 and slope 1, consensus has :math:`\sqrt{(1 - \eta\gamma)^2 + \eta^2}`, and k unrolled steps have
    :math:`\sqrt{1 - 2k\eta\eta_{\mathrm{in}} + \eta^2}` while :math:`k \eta_{\mathrm{in}} \le 1`. Momentum solves
    :math:`(\xi - 1)^2 (\xi - \nu)^2 + w^2 \xi^3 = 0` (:eq:`eq-14b-momentum`), with
    :math:`\xi^2` for :math:`\xi^3` if both move at once; to leading order :math:`\log|\xi| = \nu w^2 / (1 - \nu)^3`,
    respectively :math:`\tfrac12 (1 + \nu)\, w^2 / (1 - \nu)^3`.

    Args:
        game: a DiracGAN.
        rule: an update rule.

    Returns:
        The modulus; below 1 the equilibrium attracts nearby states, above 1 it repels them.

    Raises:
        TypeError: as for :func:`step_matrix`.
        ValueError: likewise.

    Example:
        >>> from gmlib.gan import DiracGAN, competitive, modulus, unrolled
        >>> game = DiracGAN("linear")
        >>> round(modulus(game, unrolled(0.1, inner=0.5)), 4), round(modulus(game, competitive(0.5)), 4)
        (0.9539, 0.8944)
    """
    matrix = step_matrix(game, rule)
    if matrix.shape[0] != 2:
        return torch.linalg.eigvals(matrix).abs().max().item()
    trace = matrix.trace().item()
    # The determinant and the discriminant, of which nothing is lost to cancellation where all entries are near one.
    det = (matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]).item()
    spread = ((matrix[0, 0] - matrix[1, 1]) ** 2 + 4 * matrix[0, 1] * matrix[1, 0]).item()
    return math.sqrt(det) if spread < 0 else (abs(trace) + math.sqrt(spread)) / 2


def alternating_invariant(
    game: DiracGAN, rule: Rule, state: Float[Tensor, "*batch 2"]
) -> Float[Tensor, "*batch"]:
    r"""What turn-taking keeps exactly on the linear game.

    .. math:: I = \frac{\varphi^2}{\eta_\varphi} + k\, \frac{\theta^2}{\eta_\theta} \pm k\, \eta\, \psi'(0)\, \varphi\theta

    (:eq:`eq-14-alternating` in the book), plus if the critic moves first, minus if the generator does. The matrix M of a
    step has determinant 1, so it keeps areas, among them that of x and Mx, which is I up to a factor. The level lines
    are ellipses while :math:`\eta\,\psi'(0) \sqrt{k \eta_\varphi\eta_\theta} < 2`; beyond, hyperbolas. A logistic
    :math:`\psi` does not keep it: the orbit is a band.

    Args:
        game: a DiracGAN without a penalty.
        rule: the rule that :func:`~gmlib.gan.alternating` returns.
        state: :math:`(\varphi, \theta)`, (\*batch, 2).

    Returns:
        (\*batch,).

    Raises:
        TypeError: ``game`` is no ``DiracGAN``, ``rule`` no rule, or ``state`` no floating tensor.
        ValueError: the game has a penalty, or the rule is another one.

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, alternating, alternating_invariant, play
        >>> game, rule = DiracGAN("linear"), alternating(0.5)
        >>> alternating_invariant(game, rule, play(game, torch.ones(2), rule, 2)).tolist()
        [2.5, 2.5, 2.5]
    """
    check_game(game, DiracGAN)
    check_rule(rule)
    if game.gamma > 0:
        raise ValueError(f"game must have no penalty, got {game.penalty!r} with gamma {game.gamma}")
    if rule.name != "alternating":
        raise ValueError(f"rule must be the alternating one, got {rule.name!r}")
    phi, theta = (part.squeeze(-1) for part in game.split(state))
    k = int(rule.settings["critic_steps"])
    sign = 1 if rule.settings["first"] == "phi" else -1
    cross = sign * k * rule.eta * game.slope * phi * theta
    return phi.square() / game.rate_phi + k * theta.square() / game.rate_theta + cross


def measured_modulus(path: Float[Tensor, "time *batch d"]) -> Float[Tensor, "*batch"]:
    r"""The growth of the radius per step along a path: the exponential of the slope of its logarithm over steps.

    By least squares over the whole path. It is the modulus exactly where a step turns and scales, as the simultaneous one
    does on the linear game; where orbits are ellipses, it differs by the radius's swing over the number of steps.

    Args:
        path: states in time, (steps + 1, \*batch, d), none of them 0.

    Returns:
        (\*batch,).

    Raises:
        TypeError: ``path`` is not a floating tensor.
        ValueError: fewer than two states, or one that is 0 or not finite.

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN, measured_modulus, play, simultaneous
        >>> path = play(DiracGAN("linear"), torch.ones(2, dtype=torch.float64), simultaneous(0.5), 100)
        >>> round(measured_modulus(path).item(), 6)  # the root of 1.25
        1.118034
    """
    check_tensor("path", path)
    if path.dim() < 2 or path.shape[0] < 2:
        raise ValueError(
            f"path must hold at least two states (time, *batch, d), got shape {tuple(path.shape)}"
        )
    check_finite("path", path)
    radius = torch.linalg.vector_norm(path, dim=-1).log()
    if bool(radius.isneginf().any()):
        raise ValueError("path must not hold the state 0, whose radius has no logarithm")
    time = torch.arange(path.shape[0], dtype=path.dtype, device=path.device)
    time = (time - time.mean()).view(-1, *[1] * (radius.dim() - 1))
    return ((time * radius).sum(0) / time.square().sum()).exp()
