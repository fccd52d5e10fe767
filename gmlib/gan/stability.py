r"""Where a game rests and whether it stays: the Jacobian of two networks' game, step thresholds, Nash tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from gmlib._checks import check_number, check_tensor

Params = tuple[Iterable[Tensor], Iterable[Tensor]]


def game_jacobian(
    losses: tuple[Tensor, Tensor], params: Params, *, rates: tuple[float, float] = (1.0, 1.0)
) -> Float[Tensor, "d d"]:
    r"""The Jacobian of the velocity field of two players, for any losses and parameters, by autograd.

    .. math:: J = -\begin{pmatrix}
              \eta_\varphi\nabla^2_{\varphi\varphi} \mathcal L_D & \eta_\varphi\nabla^2_{\varphi\theta} \mathcal L_D \\
              \eta_\theta\nabla^2_{\theta\varphi} \mathcal L_G & \eta_\theta\nabla^2_{\theta\theta} \mathcal L_G
              \end{pmatrix}

    (:eq:`eq-14-jacobian` in the book; Mescheder et al. 2018.) At a rest point, simultaneous steps of small size converge
    locally if all eigenvalues have negative real parts, and diverge if one has a positive one.

    Args:
        losses: the critic's and the generator's loss, scalars with their graph.
        params: the critic's and the generator's parameters, each an iterable of tensors.
        rates: :math:`\eta_\varphi` and :math:`\eta_\theta`.

    Returns:
        (d, d) with d all parameters, the critic's first; rows = outputs. It takes d backward passes.

    Raises:
        TypeError: losses are not tensors, or a parameter needs no gradient.
        ValueError: a loss is not a scalar, or a player has no parameters.

    Example:
        >>> import torch
        >>> from gmlib.gan import game_jacobian
        >>> phi, theta = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
        >>> value = torch.nn.functional.softplus(-phi * theta).sum()
        >>> game_jacobian((value, -value), ([phi], [theta])).tolist()
        [[-0.0, 0.5], [-0.5, 0.0]]
    """
    phi, theta = _players(losses, params)
    for name, rate in zip(("rates[0]", "rates[1]"), rates, strict=True):
        check_number(name, rate, low=0.0, low_open=True)
    every = [*phi, *theta]
    blocks = [
        -rate * _derivative(_slope(loss, own), every)
        for loss, own, rate in zip(losses, (phi, theta), rates, strict=True)
    ]
    return torch.cat(blocks)


def largest_stable_step(eigenvalues: Complex[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    r"""The step below which the iteration :math:`x' = x + \eta v(x)` converges locally.

    .. math:: \eta < \min_\xi \frac{-2 \operatorname{Re}\xi}{|\xi|^2}

    (:eq:`eq-14b-fixed` in the book.) :math:`|1 + \eta\xi| < 1` says so for each eigenvalue. If one has no negative real
    part, no step will do, and the threshold is 0: so it is for every DiracGAN without damping.

    Args:
        eigenvalues: :math:`\xi`, of the field's Jacobian at the rest point, (\*batch, n), complex.

    Returns:
        (\*batch,).

    Raises:
        TypeError: not a complex tensor.
        ValueError: there is no eigenvalue.

    Example:
        >>> from gmlib.gan import DiracGAN, largest_stable_step
        >>> game = DiracGAN("logistic", gamma=0.1, penalty="r1")
        >>> round(largest_stable_step(game.eigenvalues()).item(), 6)  # gamma / psi'(0)^2
        0.4
    """
    check_tensor("eigenvalues", eigenvalues, floating=False)
    if not eigenvalues.is_complex():
        raise TypeError(f"eigenvalues must have a complex dtype, got {eigenvalues.dtype}")
    if eigenvalues.dim() == 0 or eigenvalues.shape[-1] == 0:
        raise ValueError(f"eigenvalues must hold at least one, got shape {tuple(eigenvalues.shape)}")
    squared = eigenvalues.real.square() + eigenvalues.imag.square()
    negative = eigenvalues.real < 0
    step = torch.where(
        negative, -2 * eigenvalues.real / squared.where(negative, torch.ones_like(squared)), 0.0
    )
    return step.amin(-1)


@dataclass(frozen=True)
class NashTest:
    r"""What the derivatives of both own losses say about a local Nash equilibrium.

    Attributes:
        gradient_phi: norm of :math:`\nabla_\varphi \mathcal L_D`.
        gradient_theta: norm of :math:`\nabla_\theta \mathcal L_G`.
        curvature_phi: smallest eigenvalue of :math:`\nabla^2_\varphi \mathcal L_D`.
        curvature_theta: smallest eigenvalue of :math:`\nabla^2_\theta \mathcal L_G`.

    Example:
        >>> from gmlib.gan import NashTest
        >>> NashTest(0.0, 0.0, 0.0, 1.0).necessary(), NashTest(0.0, 0.0, 0.0, 1.0).sufficient()
        (True, False)
    """

    gradient_phi: float
    gradient_theta: float
    curvature_phi: float
    curvature_theta: float

    def necessary(self, tolerance: float = 1e-6) -> bool:
        """Whether both gradients vanish and no own Hessian has a negative eigenvalue: every local equilibrium has this."""
        flat = max(self.gradient_phi, self.gradient_theta) <= tolerance
        return flat and min(self.curvature_phi, self.curvature_theta) >= -tolerance

    def sufficient(self, tolerance: float = 1e-6) -> bool:
        """Whether both own Hessians are positive definite besides: only a strict local equilibrium has this."""
        return self.necessary(tolerance) and min(self.curvature_phi, self.curvature_theta) > tolerance


def nash_test(losses: tuple[Tensor, Tensor], params: Params) -> NashTest:
    r"""Gradients and smallest curvatures of each player's own loss in its own parameters.

    .. math:: \nabla_\varphi \mathcal L_D = 0, \quad \nabla_\theta \mathcal L_G = 0, \quad
              \nabla^2_\varphi \mathcal L_D \succeq 0, \quad \nabla^2_\theta \mathcal L_G \succeq 0

    (:eq:`eq-14b-nash` in the book.) Necessary, not sufficient: the loss :math:`\theta^3` passes at 0 and falls to one side.
    With :math:`\succ` it is sufficient, and then excludes a GAN's solution, where the generator is indifferent.

    Args:
        losses: the critic's and the generator's loss, scalars with their graph.
        params: the critic's and the generator's parameters.

    Returns:
        The four numbers.

    Raises:
        TypeError: losses are not tensors, or a parameter needs no gradient.
        ValueError: a loss is not a scalar, or a player has no parameters.

    Example:
        >>> import torch
        >>> from gmlib.gan import nash_test
        >>> phi, theta = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
        >>> test = nash_test((phi.square().sum(), (theta**3).sum()), ([phi], [theta]))
        >>> test.necessary(), test.curvature_phi, test.curvature_theta
        (True, 2.0, 0.0)
    """
    numbers = []
    for loss, own in zip(losses, _players(losses, params), strict=True):
        slope = _slope(loss, own)
        hessian = _derivative(slope, own)
        curvature = torch.linalg.eigvalsh(0.5 * (hessian + hessian.T)).min()
        numbers.append((slope.norm().item(), curvature.item()))
    return NashTest(numbers[0][0], numbers[1][0], numbers[0][1], numbers[1][1])


def _players(losses: Sequence[Tensor], params: Params) -> tuple[list[Tensor], list[Tensor]]:
    """Both players' parameters as lists, after the checks."""
    both = (list(params[0]), list(params[1]))
    for i, (loss, own) in enumerate(zip(losses, both, strict=True)):
        check_tensor(f"losses[{i}]", loss)
        if loss.dim() != 0:
            raise ValueError(f"losses[{i}] must be a scalar, got shape {tuple(loss.shape)}")
        if not own:
            raise ValueError(f"params[{i}] must hold at least one tensor, got none")
        for p in own:
            check_tensor(f"params[{i}]", p)
            if not p.requires_grad:
                raise TypeError(
                    f"params[{i}] must hold tensors that require gradients, got one that does not"
                )
    return both


def _slope(loss: Tensor, own: list[Tensor]) -> Tensor:
    """The flat gradient of a loss, differentiable again."""
    if not loss.requires_grad:
        return torch.zeros(sum(p.numel() for p in own), dtype=own[0].dtype, device=own[0].device)
    parts = torch.autograd.grad(loss, own, create_graph=True, materialize_grads=True)
    return torch.cat([part.reshape(-1) for part in parts])


def _derivative(values: Tensor, by: list[Tensor]) -> Tensor:
    """The derivative of each of the values by all the parameters, one row a value."""
    rows = []
    for value in values:
        if value.requires_grad:
            parts = torch.autograd.grad(value, by, retain_graph=True, materialize_grads=True)
        else:
            parts = tuple(torch.zeros_like(p) for p in by)
        rows.append(torch.cat([part.reshape(-1) for part in parts]))
    return torch.stack(rows).detach()
