"""Chapter 14: two players for the sixteen Gaussians, plain and with each cure, and what they reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count, check_number
from gmlib.distributions import eight_gaussians, sixteen_gaussians
from gmlib.gan import (
    GAN_LOSSES,
    R1,
    R2,
    Game,
    GradientPenalty,
    PlayerTerms,
    clip_weights,
    grid_coverage,
    spectral_norm,
    toy_critic,
    toy_generator,
)
from gmlib.training import Task

LAWS = {"sixteen_gaussians": sixteen_gaussians, "eight_gaussians": eight_gaussians}
PENALTIES = {"none": (), "r1": (R1,), "r1+r2": (R1, R2), "gradient_penalty": (GradientPenalty,)}
"""Penalties on the critic's gradient by name, each to be given its weight."""
NOISE = 0.02
"""Standard deviation of a mode."""
RADIUS = 5 * NOISE
"""A sample is of a mode when it is this near to its centre."""


def grid_gan(
    *,
    law: str = "sixteen_gaussians",
    loss: str = "non_saturating",
    penalty: str = "none",
    gamma: float = 0.0,
    critic_steps: int = 1,
    clip: float = 0.0,
    spectral: bool = False,
    critic_widths: Sequence[int] = (25, 25),
    latent_dim: int = 32,
    noise: float = NOISE,
    points: int = 50_000,
    samples: int = 10_000,
) -> Task:
    """Two small networks that play on narrow Gaussians in the plane, whose modes can be counted.

    Args:
        law: "sixteen_gaussians", the grid, or "eight_gaussians", the ring.
        loss: a name in ``gmlib.gan.GAN_LOSSES``.
        penalty: on the critic's gradient: "none", "r1", "r1+r2" or "gradient_penalty" (one-centred).
        gamma: its weight.
        critic_steps: steps of the critic for one of the generator.
        clip: bound of the critic's weights, 0 for none.
        spectral: divide the critic's weight matrices by their largest singular values.
        critic_widths: hidden layers of the critic; the generator's are 25 and 25.
        latent_dim: coordinates of z.
        noise: standard deviation of a mode.
        points: training points, drawn once with a fixed seed, which is the same for every seed of a run.
        samples: points of the evaluation.

    Returns:
        The task, a game of "critic" and "generator"; its evaluation is that of :func:`coverage_evaluator`.

    Raises:
        ValueError: there is no such law, loss or penalty, or a number is out of its range.

    References:
        K. P. Murphy, *Probabilistic Machine Learning: Advanced Topics* (2023), figure 26.6, for the grid and the failure.

    Example:
        >>> from gmlib.recipes.gan import grid_gan
        >>> task = grid_gan(penalty="r1", gamma=0.1, critic_steps=2, points=100)
        >>> task.players, task.data.shape
        (('critic', 'critic', 'generator'), torch.Size([100, 2]))
    """
    check_choice("law", law, tuple(LAWS))
    check_choice("loss", loss, tuple(GAN_LOSSES))
    check_choice("penalty", penalty, tuple(PENALTIES))
    check_number("gamma", gamma, low=0.0)
    check_number("clip", clip, low=0.0)
    check_count("points", points)
    if (penalty == "none") != (gamma == 0.0):
        raise ValueError(f"gamma must be positive with a penalty and 0 without, got {gamma} with {penalty!r}")
    exact = LAWS[law](noise=noise, dtype=torch.float32)
    data = exact.sample((points,), generator=torch.Generator().manual_seed(1))
    critic = toy_critic(widths=critic_widths)
    if spectral:
        spectral_norm(critic)
    penalties = [kind(gamma) for kind in PENALTIES[penalty]]
    game = Game(toy_generator(latent_dim=latent_dim), critic, GAN_LOSSES[loss], penalties, latent_dim)
    evaluate = coverage_evaluator(exact.means, samples=samples)
    return game_task(game, data, evaluate, critic_steps=critic_steps, clip=clip)


def game_task(
    game: Game,
    data: Float[Tensor, "n *event"],
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    *,
    critic_steps: int = 1,
    clip: float = 0.0,
    penalty_every: int = 1,
) -> Task:
    r"""The training task of a game: the critic minimises its objective some times, then the generator its own.

    Args:
        game: the players.
        data: training data, (n, \*event).
        evaluate: the task's evaluation, called with the game.
        critic_steps: steps of the critic for one of the generator.
        clip: bound of the critic's weights, which are clipped before they are used; 0 for none.
        penalty_every: take the penalties, so many times as heavy, in one round out of so many (Karras et al. 2020,
            "Analyzing and improving the image quality of StyleGAN", call it lazy).

    Raises:
        ValueError: ``critic_steps`` or ``penalty_every`` is below 1, or ``clip`` negative.

    Example:
        >>> import torch
        >>> from gmlib.gan import GAN_LOSSES, Game, toy_critic, toy_generator
        >>> from gmlib.recipes.gan import game_task
        >>> from gmlib.training import TrainConfig, train
        >>> game = Game(toy_generator(), toy_critic(), GAN_LOSSES["hinge"], latent_dim=32)
        >>> result = train(game_task(game, torch.randn(50, 2)), TrainConfig(steps=4, batch_size=10, device="cpu"))
        >>> result.history["generator.step"]
        [4]
    """
    check_count("critic_steps", critic_steps)
    check_number("clip", clip, low=0.0)
    check_count("penalty_every", penalty_every)

    def clipped(model: nn.Module) -> Game:
        assert isinstance(model, Game)
        if clip:
            clip_weights(model.critic, clip)
        return model

    def critic(model: nn.Module, x: Tensor, noise: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        terms = clipped(model).critic_terms(x, *noise)
        heavier = sum(terms.penalties.values(), torch.zeros_like(terms.loss)) * (penalty_every - 1)
        return _minimised(terms) | ({"loss": terms.total + heavier} if penalty_every > 1 else {})

    def light(model: nn.Module, x: Tensor, noise: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        model = clipped(model)
        bare = Game(model.generator, model.critic, model.loss, (), model.latent_dim)
        return _minimised(bare.critic_terms(x, noise[0]))

    def generator(model: nn.Module, x: Tensor, noise: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return _minimised(clipped(model).generator_terms(x, noise[0]))

    def noise(n: int, source: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        z = torch.randn(n, game.latent_dim, generator=source, device=device)
        return z, torch.rand(n, generator=source, device=device)

    rounds = [(critic,) * critic_steps + (generator,)]
    rounds += [(light,) * critic_steps + (generator,)] * (penalty_every - 1)
    players = ("critic",) * critic_steps + ("generator",)
    return Task(game, sum(rounds, ()), data, noise, evaluate, players=players * penalty_every)


def _minimised(terms: PlayerTerms) -> dict[str, Tensor]:
    # Without a penalty the objective is the loss, and one entry says it.
    return {
        "loss": terms.total,
        **({"unpenalised": terms.loss} if terms.penalties else {}),
        **terms.penalties,
    }


def coverage_evaluator(
    centres: Float[Tensor, "k d"], *, radius: float = RADIUS, samples: int = 10_000
) -> Callable[[nn.Module], dict[str, float]]:
    """A function that counts what a game's generator reaches, with latents from a fixed seed.

    Args:
        centres: of the modes, (k, d).
        radius: how near a sample of a mode is to its centre.
        samples: number of points drawn.

    Returns:
        A function of the game that returns the :func:`mode_counts` of its samples.

    Raises:
        ValueError: a number is out of its range.

    Example:
        >>> import torch
        >>> from gmlib.gan import GAN_LOSSES, Game, toy_critic, toy_generator
        >>> from gmlib.recipes.gan import coverage_evaluator
        >>> game = Game(toy_generator(), toy_critic(), GAN_LOSSES["hinge"], latent_dim=32)
        >>> sorted(coverage_evaluator(torch.eye(2), samples=100)(game))
        ['modes', 'nearest_modes', 'reverse_kl', 'share']
    """
    check_count("samples", samples)
    check_number("radius", radius, low=0.0, low_open=True)

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Game)
        device = next(model.parameters()).device
        z = torch.randn(samples, model.latent_dim, generator=torch.Generator().manual_seed(0)).to(device)
        return mode_counts(model.generator(z), centres.to(device), radius)

    return evaluate


def mode_counts(
    samples: Float[Tensor, "n d"], centres: Float[Tensor, "k d"], radius: float = RADIUS
) -> dict[str, float]:
    """What a sample reaches, as numbers for a record.

    Args:
        samples: points, (n, d).
        centres: of the modes, (k, d).
        radius: how near a sample of a mode is to its centre.

    Returns:
        ``modes`` (those with at least one sample within the radius), ``share`` (of the samples that are within the radius
        of some mode), ``reverse_kl`` (nats, of the histogram of these samples over the modes from equal shares; log k, its
        largest value, when there is none) and ``nearest_modes`` (modes that are the nearest one of some sample, wherever
        it is).

    Example:
        >>> import torch
        >>> from gmlib.recipes.gan import mode_counts
        >>> mode_counts(torch.tensor([[1.0, 0.05], [1.0, 0.5]]), torch.eye(2))["share"]
        0.5
    """
    seen = grid_coverage(samples, centres, radius)
    return {
        "modes": float(seen.modes),
        "share": seen.share,
        "reverse_kl": seen.reverse_kl if seen.share else math.log(len(centres)),
        "nearest_modes": float(seen.nearest_modes),
    }
