r"""Penalties on the critic's gradient in its points, and on both players' gradients in their weights.

A penalty is a callable ``penalty(critic, real, fake, noise)`` that returns a number to add to the critic's loss. All of
them are written :math:`\frac\gamma2 \mathbb E(\dots)^2`, so that the :math:`\lambda` of WGAN-GP is :math:`\gamma/2`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number, check_tensor

Critic = Callable[[Tensor], Tensor]
Points = Float[Tensor, "batch *event"]


def slope_squared(critic: Critic, x: Points) -> Float[Tensor, " batch"]:
    r"""Squared length of the critic's gradient at each point, :math:`\lVert \nabla_x a(x) \rVert^2`.

    Differentiable with respect to the critic's weights. The critic must treat the points one by one: with batch
    normalisation the gradient at one point depends on the others.

    Args:
        critic: maps (batch, \*event) to (batch,).
        x: points, (batch, \*event).

    Returns:
        (batch,).

    Raises:
        TypeError: ``critic`` cannot be called, or a tensor is not floating.
        ValueError: ``x`` has no event dimension or no point, or ``critic(x)`` is not (batch,).

    Example:
        >>> import torch
        >>> from gmlib.gan import slope_squared
        >>> slope_squared(lambda x: 3 * x[:, 0] + 4 * x[:, 1], torch.zeros(2, 2))
        tensor([25., 25.])
    """
    check_points("x", x)
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        a = critic_output(critic, x)
        if not a.requires_grad:  # a constant
            return torch.zeros_like(a)
        (gradient,) = torch.autograd.grad(a.sum(), x, create_graph=True, allow_unused=True)
        if gradient is None:
            return torch.zeros_like(a)
        return gradient.square().flatten(1).sum(1)


@dataclass(frozen=True)
class R1:
    r"""The penalty on the critic's gradient at the data.

    .. math:: R_1 = \frac\gamma2\, \mathbb E_{p_{\mathrm{data}}} \lVert \nabla_x a(x) \rVert^2

    (:eq:`eq-14-r1` in the book; Mescheder et al. 2018, "Which training methods for GANs do actually converge?",
    equation 9.)

    Args:
        gamma: :math:`\gamma`, not negative.

    Raises:
        ValueError: ``gamma`` is negative or not finite.

    Example:
        >>> import torch
        >>> from gmlib.gan import R1
        >>> x = torch.zeros(4, 1)
        >>> R1(0.5)(lambda x: 2 * x[:, 0], x, x).item()
        1.0
    """

    gamma: float
    name: ClassVar[str] = "r1"
    draws: ClassVar[bool] = False
    """Whether it needs ``noise``."""

    def __post_init__(self) -> None:
        check_number("gamma", self.gamma, low=0.0)

    def __call__(
        self, critic: Critic, real: Points, fake: Points, noise: Float[Tensor, " batch"] | None = None
    ) -> Float[Tensor, ""]:
        """Return the penalty at the points ``real``; ``fake`` and ``noise`` are not looked at."""
        return 0.5 * self.gamma * slope_squared(critic, real).mean()


@dataclass(frozen=True)
class R2:
    r"""The penalty on the critic's gradient at the fakes.

    .. math:: R_2 = \frac\gamma2\, \mathbb E_{p_\theta} \lVert \nabla_x a(x) \rVert^2

    (Mescheder et al. 2018, equation 10.) The fakes are points here: no gradient reaches the generator through them.

    Args:
        gamma: :math:`\gamma`, not negative.

    Raises:
        ValueError: ``gamma`` is negative or not finite.

    Example:
        >>> import torch
        >>> from gmlib.gan import R2
        >>> x = torch.zeros(4, 1)
        >>> R2(0.5)(lambda x: 2 * x[:, 0], x, x).item()
        1.0
    """

    gamma: float
    name: ClassVar[str] = "r2"
    draws: ClassVar[bool] = False
    """Whether it needs ``noise``."""

    def __post_init__(self) -> None:
        check_number("gamma", self.gamma, low=0.0)

    def __call__(
        self, critic: Critic, real: Points, fake: Points, noise: Float[Tensor, " batch"] | None = None
    ) -> Float[Tensor, ""]:
        """Return the penalty at the points ``fake``; ``real`` and ``noise`` are not looked at."""
        return 0.5 * self.gamma * slope_squared(critic, fake).mean()


@dataclass(frozen=True)
class GradientPenalty:
    r"""The penalty on slopes other than the wanted one, on the segments between data and fakes.

    .. math:: \frac\gamma2\, \mathbb E \big( \lVert \nabla_x a(\hat x) \rVert - c \big)^2, \qquad
              \hat x = u\, x + (1 - u)\, G(z), \quad u \sim \mathcal U(0, 1)

    (:eq:`eq-14-penalty` in the book; Gulrajani et al. 2017, equation 3, where :math:`\lambda = \gamma/2` is 10 and
    :math:`c = 1`.) The slope of a linear critic settles above the target, at :math:`1 + \Delta/\gamma` for two laws that
    are a shift :math:`\Delta` apart: the value of the game overshoots :math:`W_1`.

    Args:
        gamma: :math:`\gamma`, not negative.
        target: :math:`c`, not negative; 0 gives the zero-centred penalty.

    Raises:
        ValueError: an argument is negative or not finite.

    Example:
        >>> import torch
        >>> from gmlib.gan import GradientPenalty
        >>> x = torch.zeros(4, 1)
        >>> GradientPenalty(20.0)(lambda x: 1.5 * x[:, 0], x, x + 1, torch.rand(4)).item()
        2.5
    """

    gamma: float
    target: float = 1.0
    name: ClassVar[str] = "gradient_penalty"
    draws: ClassVar[bool] = True
    """Whether it needs ``noise``."""

    def __post_init__(self) -> None:
        check_number("gamma", self.gamma, low=0.0)
        check_number("target", self.target, low=0.0)

    def __call__(
        self, critic: Critic, real: Points, fake: Points, noise: Float[Tensor, " batch"] | None = None
    ) -> Float[Tensor, ""]:
        r"""Return the penalty between ``real`` and ``fake``.

        Args:
            critic: maps (batch, \*event) to (batch,).
            real: data, (batch, \*event).
            fake: fakes, as many.
            noise: :math:`u`, (batch,), uniform in [0, 1].

        Raises:
            TypeError: ``noise`` is missing.
            ValueError: shapes do not fit.
        """
        check_points("real", real)
        if fake.shape != real.shape:
            raise ValueError(
                f"fake must have the shape {tuple(real.shape)} of real, got shape {tuple(fake.shape)}"
            )
        if noise is None:
            raise TypeError("noise must be a torch.Tensor of uniform numbers, one a point, got NoneType")
        if noise.shape != real.shape[:1]:
            raise ValueError(f"noise must have shape {tuple(real.shape[:1])}, got shape {tuple(noise.shape)}")
        between = torch.lerp(fake, real, noise.reshape(-1, *(1,) * (real.dim() - 1)))
        squared = slope_squared(critic, between)
        if self.target == 0.0:
            return 0.5 * self.gamma * squared.mean()
        # The length has no derivative at 0: there the gradient of the penalty is taken to be 0.
        flat = squared == 0
        slope = torch.where(flat, torch.zeros_like(squared), torch.where(flat, 1.0, squared).sqrt())
        return 0.5 * self.gamma * (slope - self.target).square().mean()


@dataclass(frozen=True)
class Consensus:
    r"""The players' common penalty, on the length of the game's vector field.

    .. math:: \frac\gamma2 \lVert v \rVert^2, \qquad v = (\nabla_\varphi \mathcal L_D, \nabla_\theta \mathcal L_G)

    (:eq:`eq-14b-consensus` in the book; Mescheder et al. 2017, "The numerics of GANs", equation 7.) Both players add it
    to what they minimise. A `Game` that has one among its regularisers computes both gradients at every step.

    Args:
        gamma: :math:`\gamma`, not negative.

    Raises:
        ValueError: ``gamma`` is negative or not finite.

    Example:
        >>> import torch
        >>> from gmlib.gan import Consensus
        >>> phi, theta = torch.tensor([3.0, 4.0], requires_grad=True)
        >>> Consensus(0.1)(-phi * theta, [phi], phi * theta, [theta]).item()  # 0.05 (4^2 + 3^2)
        1.25
    """

    gamma: float
    name: ClassVar[str] = "consensus"
    draws: ClassVar[bool] = False
    """Whether it needs ``noise``."""

    def __post_init__(self) -> None:
        check_number("gamma", self.gamma, low=0.0)

    def __call__(
        self,
        critic_loss: Float[Tensor, ""],
        critic_weights: Sequence[Tensor],
        generator_loss: Float[Tensor, ""],
        generator_weights: Sequence[Tensor],
    ) -> Float[Tensor, ""]:
        """Return the penalty, differentiable with respect to the weights of both players."""
        total = torch.zeros_like(critic_loss)
        for loss, weights in ((critic_loss, critic_weights), (generator_loss, generator_weights)):
            for gradient in torch.autograd.grad(loss, list(weights), create_graph=True, allow_unused=True):
                if gradient is not None:
                    total = total + gradient.square().sum()
        return 0.5 * self.gamma * total


def check_points(name: str, x: Any) -> None:
    """Raise unless ``x`` holds at least one point with at least one event dimension, (batch, *event).

    Example:
        >>> import torch
        >>> from gmlib.gan.regularisers import check_points
        >>> check_points("real", torch.zeros(3, 2))
    """
    check_tensor(name, x)
    if x.dim() < 2 or x.numel() == 0:
        raise ValueError(
            f"{name} must have shape (batch, *event) with at least one point and one event dimension, "
            f"got shape {tuple(x.shape)}"
        )


def critic_output(critic: Critic, x: Tensor) -> Float[Tensor, " batch"]:
    """Return ``critic(x)`` after a look at its kind and shape: one number a point.

    Example:
        >>> import torch
        >>> from gmlib.gan.regularisers import critic_output
        >>> critic_output(lambda x: x.sum(1), torch.ones(2, 3))
        tensor([3., 3.])
    """
    if not callable(critic):
        raise TypeError(f"critic must be callable, got {type(critic).__name__}")
    a = critic(x)
    check_tensor("critic(x)", a)
    if a.shape != x.shape[:1]:
        raise ValueError(
            f"critic(x) must have shape {tuple(x.shape[:1])}, one number a point, got shape {tuple(a.shape)}"
        )
    return a
