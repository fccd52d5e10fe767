"""One training step of a GAN: gmlib's trainer, eager and compiled, against the loop that people publish.

Three games: the chapter's sixteen Gaussians with plain gradient descent; the same with Adam and R1, where a step
differentiates twice; and the chapter's DCGAN pair on images of 28 x 28. Both sides have the same networks, batches drawn
from a table in memory, and fresh latents for each player. The published loop is that of PyTorch's DCGAN tutorial, with
torch.optim as it comes: among other things, the generator's backward pass computes the critic's gradients too, which the
next zero_grad drops. The first part of a run, which compiles and allocates, is not counted on either side.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.harness import Row, compare, now
from gmlib.distributions import sixteen_gaussians
from gmlib.gan import GAN_LOSSES, R1, Game, toy_critic, toy_generator, train_gan
from gmlib.gan.images import ImageCritic, ImageGenerator

POINTS = 20_000


@dataclass(frozen=True)
class Work:
    """A game, and how much of it to play in a round."""

    game: Game
    data: Tensor
    steps: int
    batch_size: int
    lr: float
    optimizer: str
    gamma: float
    clock: str


def published(work: Work) -> Callable[[], float]:
    """The usual loop."""
    game = copy.deepcopy(work.game)
    generator, critic, data = game.generator, game.critic, work.data
    n, device = work.batch_size, data.device

    def optimiser(net: nn.Module) -> torch.optim.Optimizer:
        if work.optimizer == "adam":
            return torch.optim.Adam(net.parameters(), lr=work.lr, betas=(0.5, 0.999))
        return torch.optim.SGD(net.parameters(), lr=work.lr)

    of_critic, of_generator = optimiser(critic), optimiser(generator)
    criterion = nn.BCEWithLogitsLoss()
    real_label, fake_label = torch.ones(n, device=device), torch.zeros(n, device=device)

    def step() -> None:
        of_critic.zero_grad()
        real = data[torch.randint(len(data), (n,), device=device)]
        if work.gamma:
            real.requires_grad_()
        output = critic(real)
        loss = criterion(output, real_label)
        fake = generator(torch.randn(n, game.latent_dim, device=device))
        loss = loss + criterion(critic(fake.detach()), fake_label)
        if work.gamma:
            (slope,) = torch.autograd.grad(output.sum(), real, create_graph=True)
            loss = loss + work.gamma / 2 * slope.square().flatten(1).sum(1).mean()
        loss.backward()
        of_critic.step()
        of_generator.zero_grad()
        fake = generator(torch.randn(n, game.latent_dim, device=device))
        criterion(critic(fake), real_label).backward()
        of_generator.step()

    def run() -> float:
        for _ in range(work.steps // 4):
            step()
        start = now(work.clock)
        for _ in range(work.steps):
            step()
        return (now(work.clock) - start) / work.steps

    return run


def gmlib_trainer(work: Work, compiled: bool) -> Callable[[], float]:
    """gmlib's trainer; what watches it takes the time at the middle and at the end."""
    game = copy.deepcopy(work.game)

    def run() -> float:
        marks: list[float] = []

        def watch(step: int, game: Game) -> dict[str, Any]:
            marks.append(now(work.clock))
            return {}

        train_gan(
            game,
            work.data,
            steps=2 * work.steps,
            batch_size=work.batch_size,
            lr_critic=work.lr,
            lr_generator=work.lr,
            optimizer=work.optimizer,
            compile=compiled,
            generator=torch.Generator(work.data.device).manual_seed(0),
            every=work.steps,
            watch=watch,
        )
        return (marks[2] - marks[1]) / work.steps

    return run


def run(*, rounds: int, clock: str) -> list[Row]:
    """Time the three games."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    toys = sixteen_gaussians(0.02).sample((POINTS,)).to(device)
    images = torch.rand(2048, 1, 28, 28, device=device)
    loss = GAN_LOSSES["non_saturating"]

    def toy(*regularisers: R1) -> Game:
        return Game(toy_generator(), toy_critic(), loss, regularisers, latent_dim=32).to(device)

    pair = Game(ImageGenerator(), ImageCritic(), loss, latent_dim=32).to(device)
    rows = []
    for case, work in (
        ("16 Gaussians, SGD", Work(toy(), toys, 400, 512, 0.05, "sgd", 0.0, clock)),
        ("16 Gaussians, Adam, R1", Work(toy(R1(0.1)), toys, 400, 512, 1e-3, "adam", 0.1, clock)),
        ("28 x 28, DCGAN, Adam", Work(pair, images, 10, 64, 2e-4, "adam", 0.0, clock)),
    ):
        contenders = {
            "published loop": published(work),
            "gmlib.gan": gmlib_trainer(work, False),
            "gmlib.gan, compiled": gmlib_trainer(work, True),
        }
        found = compare(case, contenders, rounds=rounds, clock=clock)
        for row in found:
            row.extra["steps_per_second"] = round(1 / row.median, 1)
        rows += found
    return rows
