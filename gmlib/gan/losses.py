r"""What two players minimise: three functions of the critic's output, or functions of differences of it.

The critic's output :math:`a` is a logit (:math:`D = \sigma(a)`) or a value; each loss says which. Every player
*minimises*: :math:`\mathcal L_D` is a sum of two means without the weights ½, and a loss with a generator's part of
:math:`-L_-` is the zero-sum game.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from gmlib._checks import check_callable, check_tensor

Part = Callable[[Tensor], Tensor]


@runtime_checkable
class GANLoss(Protocol):
    """What a game needs of a loss: one number for each player, from the critic's outputs on two samples.

    Example:
        >>> from gmlib.gan import GAN_LOSSES, GANLoss
        >>> all(isinstance(loss, GANLoss) for loss in GAN_LOSSES.values())
        True
    """

    def critic_loss(self, a_real: Tensor, a_fake: Tensor) -> Tensor:
        """What the critic minimises, ()."""
        ...

    def generator_loss(self, a_real: Tensor | None, a_fake: Tensor) -> Tensor:
        """What the generator minimises, (); ``a_real`` may be None if ``uses_real`` is False."""
        ...


@dataclass(frozen=True)
class PairLoss:
    r"""A pair of losses made of three functions of the critic's output.

    .. math:: \mathcal L_D = \mathbb E_{p_{\mathrm{data}}} L_+(a(x)) + \mathbb E_{p_\theta} L_-(a(x)), \qquad
              \mathcal L_G = \mathbb E_{z} L_G(a(G_\theta(z)))

    (:eq:`eq-14-losses` in the book; Mohamed & Lakshminarayanan 2016 write g, h and l for the three.)

    Args:
        name: what to call it.
        real: :math:`L_+`, elementwise.
        fake: :math:`L_-`, elementwise.
        generator: :math:`L_G`, elementwise.

    Raises:
        TypeError: ``name`` is no text, or a part cannot be called.

    Example:
        >>> import torch
        >>> from gmlib.gan import GAN_LOSSES
        >>> GAN_LOSSES["hinge"].critic_loss(torch.tensor([0.5, 2.0]), torch.tensor([-3.0])).item()
        0.25
    """

    name: str
    real: Part
    fake: Part
    generator: Part
    uses_real: ClassVar[bool] = False
    """Whether the generator's loss looks at the data."""

    def __post_init__(self) -> None:
        _check_name(self.name)
        for part in ("real", "fake", "generator"):
            check_callable(part, getattr(self, part))

    def critic_loss(self, a_real: Float[Tensor, " n"], a_fake: Float[Tensor, " m"]) -> Float[Tensor, ""]:
        r""":math:`\mathcal L_D`, the mean of :math:`L_+` over the data plus that of :math:`L_-` over the fakes.

        (Its best critic and its minimum: :eq:`eq-14b-least-squares` and :eq:`eq-14b-hinge` in the book for two of them.)

        Args:
            a_real: the critic's output on data, (n,).
            a_fake: the critic's output on fakes, (m,).

        Raises:
            TypeError: not floating tensors.
            ValueError: not vectors, or empty ones.
        """
        check_outputs("a_real", a_real)
        check_outputs("a_fake", a_fake)
        return self.real(a_real).mean() + self.fake(a_fake).mean()

    def generator_loss(
        self, a_real: Float[Tensor, " n"] | None, a_fake: Float[Tensor, " m"]
    ) -> Float[Tensor, ""]:
        r""":math:`\mathcal L_G`, the mean over the fakes.

        (Its slope in the logit where the critic rejects: :eq:`eq-14-saturation` in the book, for two of them.)

        Args:
            a_real: not looked at, and may be None; here so that every loss is called alike.
            a_fake: the critic's output on fakes, (m,).

        Raises:
            TypeError: not a floating tensor.
            ValueError: not a vector, or an empty one.
        """
        check_outputs("a_fake", a_fake)
        return self.generator(a_fake).mean()


@dataclass(frozen=True)
class RelativisticLoss:
    r"""A pair of losses in which the critic says how much *more* real the data look than the fakes.

    Paired, with :math:`\Delta_i = a(x_i) - a(G(z_i))`, and average, with the mean :math:`\bar a` of the other sample:

    .. math:: \mathcal L_D = -\mathbb E \log\sigma(\Delta), \qquad \mathcal L_G = -\mathbb E \log\sigma(-\Delta)

    .. math:: \mathcal L_D = -\mathbb E_x \log\sigma\big(a(x) - \bar a_{\mathrm{fake}}\big)
              - \mathbb E_z \log\sigma\big(\bar a_{\mathrm{real}} - a(G(z))\big), \qquad
              \mathcal L_G = \text{the same with data and fakes exchanged}

    (:eq:`eq-14b-relativistic` in the book; Jolicoeur-Martineau 2019, "The relativistic discriminator".) A constant added
    to :math:`a` changes nothing, so that the output has no meaning by itself. At its best critic the paired loss is
    :math:`\log 2 - \mathrm{JSD}(p \otimes q \,\|\, q \otimes p)`: two draws, and the question is which is which.

    Args:
        name: what to call it.
        average: compare with the other sample's mean, instead of pair by pair.

    Raises:
        TypeError: ``name`` is no text, or ``average`` is no bool.

    Example:
        >>> import torch
        >>> from gmlib.gan import RelativisticLoss
        >>> a = torch.tensor([1.0, 3.0])
        >>> round(RelativisticLoss("paired").critic_loss(a + 7, a + 7).item(), 4)  # log 2, whatever the level
        0.6931
    """

    name: str
    average: bool = False
    uses_real: ClassVar[bool] = True
    """Whether the generator's loss looks at the data."""

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not isinstance(self.average, bool):
            raise TypeError(f"average must be a bool, got {type(self.average).__name__}")

    def critic_loss(self, a_real: Float[Tensor, " n"], a_fake: Float[Tensor, " m"]) -> Float[Tensor, ""]:
        r""":math:`\mathcal L_D`, small when data score higher than fakes.

        Args:
            a_real: the critic's output on data, (n,).
            a_fake: the critic's output on fakes, (m,); m = n for the paired loss.

        Raises:
            TypeError: not floating tensors.
            ValueError: not vectors, empty ones, or of unequal length for the paired loss.
        """
        check_outputs("a_real", a_real)
        check_outputs("a_fake", a_fake)
        if self.average:
            return softplus(a_fake.mean() - a_real).mean() + softplus(a_fake - a_real.mean()).mean()
        if a_real.shape != a_fake.shape:
            raise ValueError(
                f"a_fake must have the shape {tuple(a_real.shape)} of a_real, one fake a datum, "
                f"got {tuple(a_fake.shape)}"
            )
        return softplus(a_fake - a_real).mean()

    def generator_loss(
        self, a_real: Float[Tensor, " n"] | None, a_fake: Float[Tensor, " m"]
    ) -> Float[Tensor, ""]:
        r""":math:`\mathcal L_G`, the critic's loss with the samples exchanged.

        Args:
            a_real: the critic's output on data, (n,).
            a_fake: the critic's output on fakes, (m,); m = n for the paired loss.

        Raises:
            TypeError: not floating tensors.
            ValueError: not vectors, empty ones, or of unequal length for the paired loss.
        """
        check_outputs("a_real", a_real)
        check_outputs("a_fake", a_fake)
        assert a_real is not None
        return self.critic_loss(a_fake, a_real)


def check_outputs(name: str, value: object) -> None:
    """Raise unless ``value`` holds the critic's outputs on at least one point, (batch,).

    Example:
        >>> import torch
        >>> from gmlib.gan.losses import check_outputs
        >>> check_outputs("a_fake", torch.zeros(2, 1))
        Traceback (most recent call last):
        ValueError: a_fake must have shape (batch,) with at least one point, one number a point, got shape (2, 1)
    """
    check_tensor(name, value)
    assert isinstance(value, Tensor)
    if value.dim() != 1 or value.numel() == 0:
        raise ValueError(
            f"{name} must have shape (batch,) with at least one point, one number a point, "
            f"got shape {tuple(value.shape)}"
        )


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, got {type(name).__name__}")


GAN_LOSSES: dict[str, PairLoss | RelativisticLoss] = {
    # -log D, -log(1 - D) and log(1 - D), in the logit and without a logarithm of a small number.
    "minimax": PairLoss("minimax", lambda a: softplus(-a), softplus, lambda a: -softplus(a)),
    "non_saturating": PairLoss("non_saturating", lambda a: softplus(-a), softplus, lambda a: softplus(-a)),
    "wasserstein": PairLoss("wasserstein", lambda a: -a, lambda a: a, lambda a: -a),
    "hinge": PairLoss("hinge", lambda a: (1 - a).relu(), lambda a: (1 + a).relu(), lambda a: -a),
    # Targets 1 for data and -1 for fakes; the generator aims at 0, where the critic cannot tell.
    "least_squares": PairLoss(
        "least_squares", lambda a: (a - 1).square(), lambda a: (a + 1).square(), lambda a: a.square()
    ),
    "relativistic": RelativisticLoss("relativistic"),
    "relativistic_average": RelativisticLoss("relativistic_average", average=True),
}
r"""The losses by name.

================== ====================== ====================== ===================== ==================================
name               :math:`L_+(a)`         :math:`L_-(a)`         :math:`L_G(a)`        best critic
================== ====================== ====================== ===================== ==================================
minimax            softplus(-a)           softplus(a)            -softplus(a)          log r
non_saturating     softplus(-a)           softplus(a)            softplus(-a)          log r
wasserstein        -a                     a                      -a                    1-Lipschitz, by a constraint
hinge              max(0, 1 - a)          max(0, 1 + a)          -a                    sign(r - 1)
least_squares      (a - 1)²               (a + 1)²               a²                    (r - 1) / (r + 1)
================== ====================== ====================== ===================== ==================================

Those of the f-divergences, with :math:`(-c, f^*, -f^*)`, come from ``F_DIVERGENCES``.
"""
