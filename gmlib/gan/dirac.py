r"""DiracGAN: the smallest adversarial game, two numbers, in which every update rule has a closed form."""

from __future__ import annotations

import cmath
from collections.abc import Callable

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from gmlib._checks import check_choice, check_number
from gmlib.gan._gradient import gradient
from gmlib.gan.two_player import TwoPlayerGame

PENALTIES = ("none", "r1", "r2", "wgan_gp", "quartic")
"""What may be added to the critic's loss."""


class DiracGAN(TwoPlayerGame):
    r"""Data are the point 0, the generator is the point :math:`\theta`, the critic the line :math:`a(x) = -\varphi x`.

    .. math:: \mathcal L_D = -\psi(0) - \psi(\theta\varphi) + R(\varphi), \qquad
              \mathcal L_G = \psi(0) + \psi(\theta\varphi)

    (:eq:`eq-14-dirac` in the book; Mescheder et al. 2018, section 2.) The only equilibrium is (0, 0), and the field turns
    about it: :math:`\dot\varphi = \eta_\varphi\,[\psi'(\theta\varphi)\,\theta - R'(\varphi)]`,
    :math:`\dot\theta = -\eta_\theta\,\psi'(\theta\varphi)\,\varphi`. The critic's slope is :math:`\varphi` at every x, so a
    penalty on it is the same at data (R1), at samples (R2) and in between: :math:`R = \frac\gamma2 \varphi^2`; centred at
    one, as in WGAN-GP, :math:`R = \frac\gamma2 (|\varphi| - 1)^2`, with a kink at the equilibrium; of fourth order,
    :math:`R = \frac\gamma4 \varphi^4`, too flat there for any eigenvalue to see.

    Args:
        loss: "linear", :math:`\psi(u) = u`, "logistic", :math:`\psi(u) = -\log(1 + e^{-u})`, or an elementwise function
            of a tensor that autograd can differentiate twice.
        gamma: :math:`\gamma \ge 0`, the penalty's strength.
        penalty: "none", "r1", "r2", "wgan_gp" or "quartic".
        rate_phi: the critic's rate :math:`\eta_\varphi`.
        rate_theta: the generator's rate :math:`\eta_\theta`.

    Raises:
        TypeError: ``loss`` is neither a name nor a function, or a number is not a number.
        ValueError: a name is unknown, a number out of range, or ``gamma`` is not 0 and ``penalty`` is "none".

    Example:
        >>> import torch
        >>> from gmlib.gan import DiracGAN
        >>> DiracGAN("logistic").field(torch.tensor([0.0, 2.0])).tolist()  # psi'(0) = 1/2
        [1.0, -0.0]
        >>> DiracGAN("linear", gamma=2.0, penalty="r1").eigenvalues().real.tolist()  # critical damping
        [-1.0, -1.0]
    """

    def __init__(
        self,
        loss: str | Callable[[Tensor], Tensor] = "linear",
        *,
        gamma: float = 0.0,
        penalty: str = "none",
        rate_phi: float = 1.0,
        rate_theta: float = 1.0,
    ) -> None:
        if isinstance(loss, str):
            check_choice("loss", loss, ("linear", "logistic"))
        elif not callable(loss):
            raise TypeError(f"loss must be 'linear', 'logistic' or a function, got {type(loss).__name__}")
        check_number("gamma", gamma, low=0.0)
        check_choice("penalty", penalty, PENALTIES)
        if penalty == "none" and gamma > 0:
            raise ValueError(f"penalty must be one of {PENALTIES[1:]} when gamma is {gamma}, got 'none'")
        super().__init__(self._critic, self._generator, rate_phi=rate_phi, rate_theta=rate_theta)
        self.loss, self.gamma, self.penalty = loss, gamma, penalty

    def psi(self, u: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        r"""Return :math:`\psi(u)`."""
        if isinstance(self.loss, str):
            return u if self.loss == "linear" else torch.nn.functional.logsigmoid(u)
        return self.loss(u)

    def slope_at(self, u: Tensor) -> Tensor:
        r"""Return :math:`\psi'(u)`."""
        if self.loss == "linear":
            return torch.ones_like(u)
        return torch.sigmoid(-u) if self.loss == "logistic" else self.derivatives(u)[0]

    def derivatives(self, u: Float[Tensor, "*batch"]) -> tuple[Tensor, Tensor]:
        r"""Return :math:`\psi'(u)` and :math:`\psi''(u)`."""
        if self.loss == "linear":
            return torch.ones_like(u), torch.zeros_like(u)
        if self.loss == "logistic":
            return torch.sigmoid(-u), -torch.sigmoid(u) * torch.sigmoid(-u)
        with torch.enable_grad():
            at = u if u.requires_grad else u.detach().requires_grad_()
            first = gradient(self.psi(at), at, create_graph=True)
            second = gradient(first, at, create_graph=True)
        return (first, second) if u.requires_grad else (first.detach(), second.detach())

    @property
    def slope(self) -> float:
        r""":math:`\psi'(0)`: 1 for the linear loss, 1/2 for the logistic one."""
        return self.slope_at(torch.zeros((), dtype=torch.float64)).item()

    def velocity_phi(self, phi: Tensor, theta: Tensor, create_graph: bool = False) -> Tensor:
        r"""Return :math:`\eta_\varphi\,[\psi'(\theta\varphi)\,\theta - R'(\varphi)]`."""
        return self.rate_phi * (self.slope_at(theta * phi) * theta - self._penalty_force(phi))

    def velocity_theta(self, phi: Tensor, theta: Tensor, create_graph: bool = False) -> Tensor:
        r"""Return :math:`-\eta_\theta\,\psi'(\theta\varphi)\,\varphi`."""
        return -self.rate_theta * self.slope_at(theta * phi) * phi

    def field(
        self, state: Float[Tensor, "*batch 2"], create_graph: bool = False
    ) -> Float[Tensor, "*batch 2"]:
        """Return the velocity of both players, in closed form (always differentiable)."""
        phi, theta = self.split(state)
        slope = self.slope_at(theta * phi)
        v_phi = self.rate_phi * (slope * theta - self._penalty_force(phi))
        return torch.cat((v_phi, -self.rate_theta * slope * phi), -1)

    def split(self, state: Float[Tensor, "*batch 2"]) -> tuple[Tensor, Tensor]:
        r"""Return :math:`\varphi` and :math:`\theta`, each (\*batch, 1)."""
        phi, theta = super().split(state)
        if theta.shape[-1] != 1:
            raise ValueError(
                f"state must have shape (*batch, 2), the columns (phi, theta), got {tuple(state.shape)}"
            )
        return phi, theta

    def jacobian(self, state: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2 2"]:
        r"""Return the Jacobian of the field in closed form (:eq:`eq-14-jacobian`), for WGAN-GP beside its kink."""
        phi, theta = (part.squeeze(-1) for part in self.split(state))
        first, second = self.derivatives(theta * phi)
        across = first + second * theta * phi
        own = second * theta.square() - self._penalty_curvature(phi)
        rows = (
            torch.stack((self.rate_phi * own, self.rate_phi * across), -1),
            torch.stack((-self.rate_theta * across, -self.rate_theta * second * phi.square()), -1),
        )
        return torch.stack(rows, -2)

    def pull_back(self, state: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        r"""Return :math:`J^\top v`."""
        return (self.jacobian(state) * self.field(state)[..., None]).sum(-2)

    def eigenvalues(self) -> Complex[Tensor, "2"]:
        r"""The eigenvalues of the Jacobian at the equilibrium, in closed form.

        .. math:: \xi = \tfrac12\Big(-\eta_\varphi\gamma \pm \sqrt{\eta_\varphi^2\gamma^2
                  - 4\eta_\varphi\eta_\theta\,\psi'(0)^2}\Big)

        (:eq:`eq-14-regularised` in the book.) Without a penalty, or with the quartic one, :math:`\pm i
        \sqrt{\eta_\varphi\eta_\theta}\,\psi'(0)`.

        Returns:
            Both eigenvalues, complex128, the one with the larger imaginary (or real) part first.

        Raises:
            ValueError: the penalty is that of WGAN-GP with ``gamma`` > 0, whose field jumps at the equilibrium.
        """
        if self.penalty == "wgan_gp" and self.gamma > 0:
            raise ValueError(
                "penalty must not be 'wgan_gp' here: its field jumps at phi = 0, so no Jacobian exists"
            )
        damping = self.rate_phi * self.gamma if self.penalty in ("r1", "r2") else 0.0
        root = cmath.sqrt(damping**2 - 4 * self.rate_phi * self.rate_theta * self.slope**2)
        return torch.tensor([(-damping + root) / 2, (-damping - root) / 2], dtype=torch.complex128)

    def critical_gamma(self) -> float:
        r"""The R1 strength of critical damping, :math:`\gamma = 2\psi'(0)\sqrt{\eta_\theta/\eta_\varphi}`."""
        return 2 * self.slope * (self.rate_theta / self.rate_phi) ** 0.5

    def _critic(self, phi: Tensor, theta: Tensor) -> Tensor:
        return self._penalty_value(phi.squeeze(-1)) - self._generator(phi, theta)

    def _generator(self, phi: Tensor, theta: Tensor) -> Tensor:
        u = (theta * phi).squeeze(-1)
        return self.psi(torch.zeros_like(u)) + self.psi(u)

    def _penalty_value(self, phi: Tensor) -> Tensor:
        if self.penalty == "wgan_gp":
            return 0.5 * self.gamma * (phi.abs() - 1).square()
        return 0.25 * self.gamma * phi**4 if self.penalty == "quartic" else 0.5 * self.gamma * phi.square()

    def _penalty_force(self, phi: Tensor) -> Tensor | float:
        if self.gamma == 0:
            return 0.0
        if self.penalty == "wgan_gp":
            return self.gamma * (phi - phi.sign())
        return self.gamma * (phi**3 if self.penalty == "quartic" else phi)

    def _penalty_curvature(self, phi: Tensor) -> Tensor:
        return self.gamma * (3 * phi.square() if self.penalty == "quartic" else torch.ones_like(phi))
