"""Chapter 14: the ways to play on the grid that are compared, and several games of one kind as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib.gan import GAN_LOSSES, Game, toy_critic, toy_generator
from gmlib.recipes.gan import PENALTIES


class SideBySide(nn.Module):
    """Several networks of one shape as one module that takes them all in one product a layer.

    Points of the first network come first, then those of the second: (games * batch, inputs). A mean over all of them is
    the mean of the games' means, so that its gradient is that of each game by itself over their number, which the
    learning rate makes up for.

    Args:
        nets: multilayer perceptrons with ReLU, of equal sizes.
        scalar: return (games * batch,), as a critic does, instead of (games * batch, outputs).

    Example:
        >>> import torch
        >>> from gmlib.gan import toy_critic
        >>> from gmlib.recipes.gan_cures import SideBySide
        >>> one, two, x = toy_critic(), toy_critic(), torch.randn(6, 2)
        >>> both = SideBySide([one, two], scalar=True)(x)
        >>> torch.allclose(both, torch.cat([one(x[:3]), two(x[3:])]), atol=1e-6)
        True
    """

    def __init__(self, nets: Sequence[nn.Module], *, scalar: bool = False) -> None:
        super().__init__()
        layers = [[m for m in net.modules() if isinstance(m, nn.Linear)] for net in nets]
        self.weights = nn.ParameterList(
            torch.stack([layer.weight.detach().T for layer in each]) for each in zip(*layers, strict=True)
        )
        self.biases = nn.ParameterList(
            torch.stack([layer.bias.detach()[None] for layer in each]) for each in zip(*layers, strict=True)
        )
        self.games, self.scalar = len(nets), scalar

    def forward(self, x: Float[Tensor, "points inputs"]) -> Tensor:
        """Send each share of the points through its own network."""
        h = x.reshape(self.games, -1, x.shape[1])
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(b, h if i == 0 else h.relu(), w)
        return h.reshape(-1) if self.scalar else h.reshape(-1, h.shape[-1])


@dataclass(frozen=True)
class Cure:
    """One way to play on the grid.

    Attributes:
        name: what it is called.
        loss: a name in ``gmlib.gan.GAN_LOSSES``.
        penalty: "none", "r1", "r1+r2" or "gradient_penalty".
        gamma: its weight.
        critic_steps: steps of the critic for one of the generator.
        clip: bound of the critic's weights, 0 for none.
        critic_widths: hidden layers of the critic.
        batch_size: points of each kind a step.
        optimizer: "sgd" or "adam".
        lr: learning rate of both players.
        momentum: of "sgd", or Adam's beta1.
        simultaneous: both players move at once.
        spectral: divide the critic's weight matrices by their largest singular values.
        average: decay a step of either player of the averaged weights that are looked at, 0 for the last ones.

    Example:
        >>> from gmlib.recipes.gan_cures import Cure
        >>> Cure("plain").passes, Cure("R1", penalty="r1", gamma=0.1).passes
        (9.0, 13.0)
    """

    name: str
    loss: str = "non_saturating"
    penalty: str = "none"
    gamma: float = 0.0
    critic_steps: int = 1
    clip: float = 0.0
    critic_widths: tuple[int, ...] = (25, 25)
    batch_size: int = 512
    optimizer: str = "sgd"
    lr: float = 0.05
    momentum: float = 0.0
    simultaneous: bool = False
    spectral: bool = False
    average: float = 0.0

    @property
    def passes(self) -> float:
        """Passes of 512 points through a network, there or back, in one step of the generator with those of the critic.

        A critic's step takes one through the generator and two there and two back through the critic; a penalty at one
        sample of points four more (there, back to the points, and both once more for the weights). A generator's step takes
        both networks there and back, and a relativistic loss the critic once more, on the data.
        """
        at = len(PENALTIES[self.penalty])
        generator = 4 + (1 if self.loss.startswith("relativistic") else 0)
        return (self.critic_steps * (5 + 4 * at) + generator) * self.batch_size / 512

    def players(self, games: int, seed: int) -> Game:
        """A game of ``games`` pairs of networks side by side.

        Args:
            games: number of pairs.
            seed: of the first pair's initial weights; the second has those of ``seed`` + 1, and so on.
        """
        pairs = []
        with torch.random.fork_rng(devices=[]):
            for i in range(games):
                torch.manual_seed(seed + i)
                pairs.append((toy_generator(), toy_critic(widths=self.critic_widths)))
        penalties = [kind(self.gamma) for kind in PENALTIES[self.penalty]]
        generators, critics = zip(*pairs, strict=True)
        return Game(
            SideBySide(generators), SideBySide(critics, scalar=True), GAN_LOSSES[self.loss], penalties, 32
        )


GAMMA = 0.1
"""Weight of R1 and R2 in the record."""

CURES = (
    Cure("plain"),
    Cure("R1", penalty="r1", gamma=GAMMA),
    Cure("relativistic, R1 and R2", loss="relativistic", penalty="r1+r2", gamma=GAMMA),
    Cure("hinge", loss="hinge"),
    Cure("least squares", loss="least_squares"),
    Cure("spectral norm", spectral=True),
    Cure("wide critic", critic_widths=(100, 100)),
    Cure("momentum 0.5", momentum=0.5),
    Cure("momentum -0.5", momentum=-0.5),
    Cure("Adam, beta1 = 0", optimizer="adam", lr=1e-3),
    Cure("Adam, beta1 = 0.9", optimizer="adam", lr=1e-3, momentum=0.9),
    Cure("Adam, beta1 = 0, R1", optimizer="adam", lr=1e-3, penalty="r1", gamma=GAMMA),
    Cure(
        "Adam, beta1 = 0, R1, averaged", optimizer="adam", lr=1e-3, penalty="r1", gamma=GAMMA, average=0.999
    ),
    Cure(
        "WGAN, gradient penalty, Adam",
        loss="wasserstein",
        penalty="gradient_penalty",
        gamma=20.0,
        critic_steps=5,
        optimizer="adam",
        lr=1e-3,
    ),
    Cure(
        "WGAN, clipped weights, Adam", loss="wasserstein", clip=0.1, critic_steps=5, optimizer="adam", lr=1e-3
    ),
    Cure("four times the batch", batch_size=2048),
)
"""What is recorded, each at the plain game's settings but for what its name says."""


BY_RECIPE = tuple(cure.name for cure in CURES if cure.average or cure.spectral)
"""Cures that are trained by a recipe, seed by seed, and not side by side."""
