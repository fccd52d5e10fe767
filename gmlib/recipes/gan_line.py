"""Chapter 14: a game on the line with two modes, where the generator can be watched as it hops from one to the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.gan import GAN_LOSSES, R1, Game, toy_critic, toy_generator, train_gan

WIDTH = 0.1
"""Standard deviation of each of the two modes, which are at -1 and 1."""

RECORD = Path(__file__).with_name("gan_line.json")
"""The recorded runs, packaged with gmlib."""


@dataclass
class LineRun:
    """A game on the line, watched.

    Attributes:
        gamma: weight of R1.
        seed: of weights and draws.
        step: steps of the generator done at each look.
        mean: of the generator's law.
        right: share of its samples above 0: one half when both modes have their share, 0 or 1 when it sits in one.
        share: share of its samples within three standard deviations of a mode.

    Example:
        >>> from gmlib.recipes.gan_line import play_line
        >>> run = play_line(steps=2, every=1)
        >>> run.step, len(run.right)
        ([0, 1, 2], 3)
    """

    gamma: float = 0.0
    seed: int = 0
    step: list[int] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)

    @property
    def hops(self) -> int:
        """How often the generator went from nine samples in ten on one side to nine in ten on the other."""
        sides = [r > 0.5 for r in self.right if abs(r - 0.5) >= 0.4]
        return sum(a != b for a, b in pairwise(sides))


def two_modes(n: int, generator: torch.Generator) -> Tensor:
    """Draw n points from two narrow normal laws at -1 and 1, (n, 1).

    Args:
        n: number of points.
        generator: source of randomness.

    Example:
        >>> import torch
        >>> from gmlib.recipes.gan_line import two_modes
        >>> two_modes(5, torch.Generator()).shape
        torch.Size([5, 1])
    """
    side = 2.0 * torch.randint(2, (n, 1), generator=generator) - 1
    return side + WIDTH * torch.randn(n, 1, generator=generator)


def play_line(
    *,
    gamma: float = 0.0,
    lr: float = 0.1,
    widths: Sequence[int] = (16, 16),
    batch_size: int = 128,
    steps: int = 2000,
    every: int = 25,
    samples: int = 1000,
    seed: int = 0,
) -> LineRun:
    r"""Play the non-saturating game on two modes by plain gradient descent in turns, and look at the generator.

    Args:
        gamma: weight of R1, 0 for the plain game.
        lr: learning rate of both players.
        widths: hidden layers of both; z has one coordinate.
        batch_size: points of each kind a step.
        steps: steps of the generator.
        every: steps between two looks.
        samples: points at a look, from the same latents each time.
        seed: of weights and draws.

    Returns:
        What was seen at the start and at every look.

    Raises:
        ValueError: a number is out of its range.

    Example:
        >>> from gmlib.recipes.gan_line import play_line
        >>> play_line(gamma=0.1, steps=1, every=1).step
        [0, 1]
    """
    check_number("gamma", gamma, low=0.0)
    check_count("samples", samples)
    check_count("seed", seed, low=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        players = toy_generator(1, latent_dim=1, widths=widths), toy_critic(1, widths=widths)
    game = Game(*players, GAN_LOSSES["non_saturating"], [R1(gamma)] if gamma else [], latent_dim=1)
    run = LineRun(gamma, seed)

    def watch(step: int, game: Game) -> dict[str, float]:
        x = game.sample(samples, generator=torch.Generator().manual_seed(0))
        run.step.append(step)
        run.mean.append(x.mean().item())
        run.right.append((x > 0).float().mean().item())
        run.share.append(((x.abs() - 1).abs() <= 3 * WIDTH).float().mean().item())
        return {}

    train_gan(
        game,
        two_modes,
        steps=steps,
        batch_size=batch_size,
        lr_critic=lr,
        lr_generator=lr,
        generator=torch.Generator().manual_seed(seed),
        every=every,
        watch=watch,
    )
    return run


def recorded_lines() -> list[LineRun]:
    """The recorded runs of :func:`play_line`: eight seeds, plain and with R1 of weight 1, 1,500 steps each.

    Example:
        >>> from gmlib.recipes.gan_line import recorded_lines
        >>> sorted({line.gamma for line in recorded_lines()})
        [0.0, 1.0]
    """
    return [LineRun(**entry) for entry in json.loads(RECORD.read_text())]
