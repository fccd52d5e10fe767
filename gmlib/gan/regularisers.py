r"""Penalties on the critic's gradient in its points, and on both players' gradients in their weights.

A penalty is a callable ``penalty(critic, real, fake, noise)`` that returns a number to add to the critic's loss. All of
them are written :math:`\frac\gamma2 \mathbb E(\dots)^2`, so that the :math:`\lambda` of WGAN-GP is :math:`\gamma/2`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number, check_tensor
from gmlib.gan._points import check_batch, check_like
from gmlib.gan.slope import Critic, Points, slope_squared


@dataclass(frozen=True)
class _Penalty:
    """A penalty with a weight."""

    gamma: float
    draws: ClassVar[bool] = False
    """Whether it needs ``noise``."""

    def __post_init__(self) -> None:
        check_number("gamma", self.gamma, low=0.0)

    def _weighted(self, squares: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
        return 0.5 * self.gamma * squares.mean()


@dataclass(frozen=True)
class R1(_Penalty):
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

    name: ClassVar[str] = "r1"

    def __call__(
        self, critic: Critic, real: Points, fake: Points, noise: Float[Tensor, " batch"] | None = None
    ) -> Float[Tensor, ""]:
        """Return the penalty at the points ``real``; ``fake`` and ``noise`` are not looked at."""
        return self._weighted(slope_squared(critic, real))


@dataclass(frozen=True)
class R2(_Penalty):
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

    name: ClassVar[str] = "r2"

    def __call__(
        self, critic: Critic, real: Points, fake: Points, noise: Float[Tensor, " batch"] | None = None
    ) -> Float[Tensor, ""]:
        """Return the penalty at the points ``fake``; ``real`` and ``noise`` are not looked at."""
        return self._weighted(slope_squared(critic, fake))


@dataclass(frozen=True)
class GradientPenalty(_Penalty):
    r"""The penalty on slopes other than the wanted one, on the segments between data and fakes.

    .. math:: \frac\gamma2\, \mathbb E \big( \lVert \nabla_x a(\hat x) \rVert - \text{target} \big)^2, \qquad
              \hat x = u\, x + (1 - u)\, G(z), \quad u \sim \mathcal U(0, 1)

    (:eq:`eq-14-penalty` in the book; Gulrajani et al. 2017, equation 3, where :math:`\lambda = \gamma/2` is 10 and
    the target 1.) The slope of a linear critic settles above the target, at :math:`1 + \Delta/\gamma` for two laws that
    are a shift :math:`\Delta` apart: the value of the game overshoots :math:`W_1`.

    Args:
        gamma: :math:`\gamma`, not negative.
        target: the wanted slope, not negative; 0 gives the zero-centred penalty.

    Raises:
        ValueError: an argument is negative or not finite.

    Example:
        >>> import torch
        >>> from gmlib.gan import GradientPenalty
        >>> x = torch.zeros(4, 1)
        >>> GradientPenalty(20.0)(lambda x: 1.5 * x[:, 0], x, x + 1, torch.rand(4)).item()
        2.5
    """

    target: float = 1.0
    name: ClassVar[str] = "gradient_penalty"
    draws: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
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
            TypeError: not floating tensors, or ``noise`` is missing.
            ValueError: shapes or dtypes do not fit.
        """
        check_batch("real", real)
        check_tensor("fake", fake)
        check_like("fake", fake, "real", real)
        if noise is None:
            raise TypeError("noise must be a torch.Tensor of uniform numbers, one a point, got NoneType")
        check_tensor("noise", noise)
        if noise.shape != real.shape[:1]:
            raise ValueError(f"noise must have shape {tuple(real.shape[:1])}, got shape {tuple(noise.shape)}")
        between = torch.lerp(fake, real, noise.reshape(-1, *(1,) * (real.dim() - 1)))
        squared = slope_squared(critic, between)
        if self.target == 0.0:
            return self._weighted(squared)
        # The length has no derivative at 0: there the gradient of the penalty is taken to be 0.
        flat = squared == 0
        slope = torch.where(flat, torch.zeros_like(squared), torch.where(flat, 1.0, squared).sqrt())
        return self._weighted((slope - self.target).square())


@dataclass(frozen=True)
class Consensus(_Penalty):
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

    name: ClassVar[str] = "consensus"

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
