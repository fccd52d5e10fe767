r"""Two networks, what each of them minimises, and nothing about how they take their steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_callable, check_count
from gmlib.gan._points import check_batch, check_kind
from gmlib.gan.losses import GANLoss
from gmlib.gan.regularisers import Consensus
from gmlib.gan.slope import critic_output


@dataclass(frozen=True)
class PlayerTerms:
    """What one player minimises.

    Attributes:
        total: (), the loss plus all penalties.
        loss: (), the player's loss.
        penalties: (), one a regulariser, by name.

    Example:
        >>> import torch
        >>> from gmlib.gan import PlayerTerms
        >>> terms = PlayerTerms(torch.tensor(1.5), torch.tensor(1.25), {"r1": torch.tensor(0.25)})
        >>> terms.as_dict()["r1"].item()
        0.25
    """

    total: Tensor
    loss: Tensor
    penalties: dict[str, Tensor] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Tensor]:
        """The terms by name: "total", "loss" and the penalties' names."""
        return {"total": self.total, "loss": self.loss, **self.penalties}


class Game(nn.Module):
    r"""A generator and a critic, each with its own objective.

    .. math:: \min_\varphi \mathcal L_D(\varphi, \theta) + R(\varphi, \theta), \qquad
              \min_\theta \mathcal L_G(\varphi, \theta)

    (:eq:`eq-14-minimax` in the book, where :math:`\mathcal L_G = -\mathcal L_D`.) The critic's objective sends no gradient
    to the generator, and the trainer moves each player by its own objective only.

    Args:
        generator: maps z, (batch, latent_dim), to points (batch, \*event).
        critic: maps points (batch, \*event) to one number each, (batch,).
        loss: a `PairLoss`, a `RelativisticLoss`, or anything with their two methods.
        regularisers: penalties on the critic, ``penalty(critic, real, fake, noise)``; a `Consensus` is on both players.
            Each goes by its ``name``, or that of its function or class.
        latent_dim: coordinates of z, which is standard normal.

    Raises:
        TypeError: a player is no module, or ``loss`` or a regulariser is not what it should be.
        ValueError: ``latent_dim`` is below 1, or two regularisers have one name or that of another term.

    Example:
        >>> import torch
        >>> from gmlib.gan import GAN_LOSSES, R1, Game, toy_critic, toy_generator
        >>> game = Game(toy_generator(2), toy_critic(2), GAN_LOSSES["non_saturating"], [R1(1.0)], latent_dim=32)
        >>> real, z = torch.randn(64, 2), torch.randn(64, 32)
        >>> sorted(game.critic_terms(real, z).as_dict())
        ['loss', 'r1', 'total']
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        loss: GANLoss,
        regularisers: Sequence[Any] = (),
        latent_dim: int = 2,
    ) -> None:
        super().__init__()
        for name, player in (("generator", generator), ("critic", critic)):
            if not isinstance(player, nn.Module):
                raise TypeError(f"{name} must be a torch.nn.Module, got {type(player).__name__}")
        for method in ("critic_loss", "generator_loss"):
            if not callable(getattr(loss, method, None)):
                raise TypeError(f"loss must have a method {method}, got {type(loss).__name__}")
        if not isinstance(regularisers, Sequence):
            raise TypeError(f"regularisers must be a sequence, got {type(regularisers).__name__}")
        taken = {"total", "loss"}
        for regulariser in regularisers:
            check_callable("regularisers", regulariser)
            if (name := _name(regulariser)) in taken:
                raise ValueError(
                    f"regularisers must have names of their own, beside 'total' and 'loss', got {name!r} again"
                )
            taken.add(name)
        check_count("latent_dim", latent_dim)
        self.generator, self.critic, self.loss, self.latent_dim = generator, critic, loss, latent_dim
        self.regularisers = tuple(regularisers)
        self.common = [r for r in self.regularisers if isinstance(r, Consensus)]
        self.own = [r for r in self.regularisers if not isinstance(r, Consensus)]

    @property
    def draws(self) -> bool:
        """Whether a penalty needs ``noise``."""
        return any(getattr(r, "draws", False) for r in self.own)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n *event"]:
        """Draw n points from the generator, without gradients.

        Args:
            n: how many, at least 1.
            generator: source of the random numbers, on any device: latents are drawn there.

        Raises:
            ValueError: ``n`` is below 1.
        """
        check_count("n", n)
        first = next(self.parameters())
        where = first.device if generator is None else generator.device
        z = torch.randn(n, self.latent_dim, generator=generator, dtype=first.dtype, device=where)
        with torch.no_grad():
            return self.generator(z.to(first.device))

    def critic_terms(
        self,
        real: Float[Tensor, "batch *event"],
        z: Float[Tensor, "batch latent"],
        noise: Float[Tensor, " batch"] | None = None,
    ) -> PlayerTerms:
        r"""What the critic minimises, :math:`\mathcal L_D` and its penalties (:eq:`eq-14-losses` in the book).

        Args:
            real: data, (batch, \*event).
            z: latents, (batch, latent_dim).
            noise: uniform numbers, (batch,), for penalties between data and fakes.

        Returns:
            The terms, each ().

        Raises:
            TypeError: not floating tensors, or ``noise`` is missing.
            ValueError: shapes, dtypes or devices do not fit.
        """
        self._check(real, z)
        with torch.no_grad():
            fake = self.generator(z)
        loss = self.loss.critic_loss(critic_output(self.critic, real), critic_output(self.critic, fake))
        penalties = {_name(r): r(self.critic, real, fake, noise) for r in self.own}
        penalties |= self._common(real, z)
        return _terms(loss, penalties)

    def generator_terms(
        self, real: Float[Tensor, "batch *event"] | None, z: Float[Tensor, "batch latent"]
    ) -> PlayerTerms:
        r"""What the generator minimises, :math:`\mathcal L_G` (:eq:`eq-14-losses` in the book).

        Args:
            real: data, (batch, \*event); may be None for a loss that does not look at it.
            z: latents, (batch, latent_dim).

        Returns:
            The terms, each (); their gradient reaches the generator through the critic.

        Raises:
            TypeError: not floating tensors.
            ValueError: shapes, dtypes or devices do not fit.
        """
        needed = getattr(self.loss, "uses_real", True) or bool(self.common)
        self._check(real, z, needed=needed)
        a_real = critic_output(self.critic, real) if needed and real is not None else None
        loss = self.loss.generator_loss(a_real, critic_output(self.critic, self.generator(z)))
        return _terms(loss, self._common(real, z))

    def _common(self, real: Tensor | None, z: Tensor) -> dict[str, Tensor]:
        """The penalties on both players' gradients."""
        if not self.common:
            return {}
        assert real is not None
        a_real, a_fake = critic_output(self.critic, real), critic_output(self.critic, self.generator(z))
        losses = self.loss.critic_loss(a_real, a_fake), self.loss.generator_loss(a_real, a_fake)
        phi = [w for w in self.critic.parameters() if w.requires_grad]
        theta = [w for w in self.generator.parameters() if w.requires_grad]
        return {_name(r): r(losses[0], phi, losses[1], theta) for r in self.common}

    def _check(self, real: Tensor | None, z: Tensor, *, needed: bool = True) -> None:
        if needed:
            check_batch("real", real)
            assert real is not None
            _check_fit("real", real, "the critic", self.critic)
        check_batch("z", z)
        if z.dim() != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z must have shape (batch, {self.latent_dim}), got shape {tuple(z.shape)}")
        _check_fit("z", z, "the generator", self.generator)


def _check_fit(name: str, x: Tensor, whose: str, player: nn.Module) -> None:
    weight = next((w for w in player.parameters() if w.is_floating_point()), None)
    if weight is not None:
        check_kind(name, x, whose, weight)


def _name(regulariser: Any) -> str:
    return getattr(regulariser, "name", None) or getattr(regulariser, "__name__", type(regulariser).__name__)


def _terms(loss: Tensor, penalties: dict[str, Tensor]) -> PlayerTerms:
    total = loss
    for penalty in penalties.values():
        total = total + penalty
    return PlayerTerms(total, loss, penalties)
