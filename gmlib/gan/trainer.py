r"""One trainer for every game of this package: toys and images, any losses and penalties, in turns or at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gmlib._checks import check_callable, check_choice, check_count, check_number
from gmlib.gan._points import check_batch
from gmlib.gan._steps import Descent, Player, stepper
from gmlib.gan.game import Game

POINTS = 4096
"""Data points asked for at once (one step's, if that takes more)."""
READ_EVERY = 500
"""Steps between two looks at the terms. A look waits for the device; between looks nothing does."""

Data = Callable[[int, torch.Generator], Tensor] | Tensor
Watch = Callable[[int, Game], Mapping[str, Any]]


class GameDiverged(RuntimeError):
    """A term of a player's objective, or a weight, turned NaN or infinite.

    Attributes:
        step: the first step at which it did, counted from 0.
        term: the term, as in ``GANHistory.terms``, or ``"parameters"``.

    Example:
        >>> from gmlib.gan import GameDiverged
        >>> error = GameDiverged(30, "critic.loss")
        >>> error.step, error.term
        (30, 'critic.loss')
    """

    def __init__(self, step: int, term: str) -> None:
        self.step, self.term = step, term
        super().__init__(
            f"training diverged: {term!r} is NaN or infinite at step {step}. "
            "Usual cures: a smaller lr_critic or lr_generator, a gradient penalty, or another loss"
        )


@dataclass
class GANHistory:
    """How a game was played.

    Attributes:
        terms: each term of each player's objective, (steps,), on the CPU: "critic.loss", "critic.r1", "generator.loss".
            With several critic steps the critic's terms are those of the last one. A step's terms are those that its
            moves were made from.
        watched: ``"step"``, the number of steps done, and what ``watch`` returned then, one entry a look.
        compiled: whether the step was compiled.

    Example:
        >>> import torch
        >>> from gmlib.gan import GANHistory
        >>> history = GANHistory({"critic.loss": torch.tensor([1.5, 1.25])}, {"step": [0, 2], "modes": [1, 16]})
        >>> history.terms["critic.loss"][-1].item(), history.watched["modes"]
        (1.25, [1, 16])
    """

    terms: dict[str, Tensor] = field(repr=False)
    watched: dict[str, list[Any]] = field(default_factory=dict)
    compiled: bool = False


def train_gan(
    game: Game,
    sample_real: Data,
    *,
    steps: int,
    batch_size: int,
    lr_critic: float,
    lr_generator: float,
    optimizer: str = "sgd",
    momentum: float = 0.0,
    beta1: float | None = None,
    beta2: float | None = None,
    critic_steps: int = 1,
    simultaneous: bool = False,
    clip: float | None = None,
    compile: bool = False,
    generator: torch.Generator | None = None,
    every: int = 0,
    watch: Watch | None = None,
) -> GANHistory:
    r"""Play a game: k steps of the critic on its objective, then one of the generator on its own.

    .. math:: \varphi \leftarrow \varphi - \eta_\varphi \nabla_\varphi \big( \mathcal L_D + R \big)(\varphi, \theta)
              \quad (k \text{ times}), \qquad
              \theta \leftarrow \theta - \eta_\theta \nabla_\theta \mathcal L_G(\varphi, \theta)

    (Goodfellow et al. 2014, algorithm 1.) Every critic step has data, latents and, for penalties between the two, uniform
    numbers of its own; so has the generator's step, except that a loss that looks at data sees those of the last critic
    step. In turns, the generator meets the critic that has moved. Simultaneously, the last critic step and the generator's
    are taken from the same point, on the same latents.

    The same seed gives the same numbers, whatever is watched; a longer run begins as a shorter one. Nothing in the loop
    waits for the device, except the looks at the terms, every 500 steps, and ``watch``.

    Args:
        game: the players, trained in place and in the mode (training or evaluation) that they are in.
        sample_real: ``sample_real(n, generator)`` returns n points, (n, \*event), for several steps at once; or a tensor of
            data, (N, \*event), from which points are drawn with replacement.
        steps: steps of the generator.
        batch_size: points of each kind a step.
        lr_critic: learning rate of the critic, positive.
        lr_generator: learning rate of the generator, positive.
        optimizer: "sgd" or "adam".
        momentum: momentum :math:`\nu` of "sgd", in (-1, 1); negative values are of use in games.
        beta1: decay of the first moment of "adam", in [0, 1); None is 0.5.
        beta2: decay of the second moment of "adam", in [0, 1); None is 0.999.
        critic_steps: k.
        simultaneous: move both players from the same point.
        clip: clip the critic's weights into [-clip, clip] after each of its steps.
        compile: compile the whole step; without a C++ compiler it warns and runs eagerly. Settings that a network reads
            (its mode among them) are those of the first step.
        generator: source of all random numbers; None takes a seed from torch's default one.
        every: call ``watch`` before the first step and every so many steps; 0 is never.
        watch: ``watch(step, game)`` returns what to keep, by name, with the number of steps done.

    Returns:
        The terms of every step, and what was watched.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of range, or the data do not fit the game.
        GameDiverged: a term or a weight turned NaN or infinite.

    Example:
        >>> import torch
        >>> from gmlib.gan import GAN_LOSSES, R1, Game, toy_critic, toy_generator, train_gan
        >>> from gmlib.distributions import sixteen_gaussians
        >>> law = sixteen_gaussians()
        >>> game = Game(toy_generator(), toy_critic(), GAN_LOSSES["non_saturating"], [R1(0.1)], latent_dim=32)
        >>> history = train_gan(
        ...     game,
        ...     lambda n, generator: law.sample((n,), generator=generator),
        ...     steps=10,
        ...     batch_size=64,
        ...     lr_critic=0.05,
        ...     lr_generator=0.05,
        ...     every=5,
        ...     watch=lambda step, game: {"mean": game.sample(100).mean().item()},
        ... )
        >>> history.watched["step"], history.terms["critic.r1"].shape
        ([0, 5, 10], torch.Size([10]))
    """
    _check(game, sample_real, every, watch)
    check_count("steps", steps)
    check_count("batch_size", batch_size)
    check_count("critic_steps", critic_steps)
    check_choice("optimizer", optimizer, ("sgd", "adam"))
    check_number("momentum", momentum, low=-1.0, high=1.0, low_open=True, high_open=True)
    if optimizer == "adam" and momentum:
        raise ValueError(f'momentum must be 0 for "adam", whose own is beta1, got {momentum}')
    for name, value in (("beta1", beta1), ("beta2", beta2)):
        if value is not None:
            check_number(name, value, low=0.0, high=1.0, high_open=True)
            if optimizer == "sgd":
                raise ValueError(f'{name} must be None for "sgd", which has momentum instead, got {value}')
    betas = 0.5 if beta1 is None else beta1, 0.999 if beta2 is None else beta2
    for name, value in (("simultaneous", simultaneous), ("compile", compile)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be a bool, got {type(value).__name__}")
    for name, value in (("lr_critic", lr_critic), ("lr_generator", lr_generator)):
        check_number(name, value, low=0.0, low_open=True)
    if clip is not None:
        check_number("clip", clip, low=0.0, low_open=True)
    if generator is not None and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator or None, got {type(generator).__name__}")
    if generator is None:
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))

    players: list[Player] = []
    try:
        players += [Player("critic", game.critic)]
        players += [Player("generator", game.generator)]
        rules = (
            Descent(optimizer, lr_critic, momentum, *betas, clip),
            Descent(optimizer, lr_generator, momentum, *betas),
        )
        step, names, compiled = stepper(game, (players[0], players[1]), rules, simultaneous, compile)
        draws = batches(game, sample_real, batch_size, critic_steps, simultaneous, generator)
        blocks: list[Tensor] = []
        watched: dict[str, list[Any]] = {"step": []} if watch is not None else {}
        block, read = torch.empty(0), 0
        if watch is not None:
            _keep(watched, 0, watch, game)
        for done in range(1, steps + 1):
            terms = step(next(draws))
            if not blocks and done == 1:
                block = terms.new_empty(READ_EVERY, len(terms))
            block[done - 1 - read] = terms
            look = watch is not None and done % every == 0
            if look or done - read == READ_EVERY or done == steps:
                blocks.append(_read(block[: done - read], names, read))
                read = done
            if look:
                assert watch is not None
                _keep(watched, done, watch, game)
        for player in players:
            if not bool(player.flat.isfinite().all()):
                raise GameDiverged(steps - 1, "parameters")
    finally:
        for player in players:
            player.release()
    table = torch.cat(blocks)
    return GANHistory({name: table[:, i] for i, name in enumerate(names)}, watched, compiled)


def batches(
    game: Game,
    sample_real: Data,
    batch_size: int,
    critic_steps: int,
    simultaneous: bool,
    generator: torch.Generator,
) -> Iterator[tuple[Tensor, ...]]:
    r"""Yield each step's draws without end: data (k, batch, \*event), latents (k + 1 or k, batch, latent), uniforms.

    Several steps are drawn at once, always as many, so that a run's length does not change what it draws.

    Example:
        >>> import torch
        >>> from gmlib.gan import GAN_LOSSES, Game, toy_critic, toy_generator
        >>> from gmlib.gan.trainer import batches
        >>> game = Game(toy_generator(), toy_critic(), GAN_LOSSES["hinge"], latent_dim=32)
        >>> real, z = next(batches(game, torch.zeros(10, 2), 4, 3, False, torch.Generator()))
        >>> tuple(real.shape), tuple(z.shape)
        ((3, 4, 2), (4, 4, 32))
    """
    first = next(game.generator.parameters())
    k = critic_steps
    together = max(1, POINTS // (k * batch_size))
    latents = k if simultaneous else k + 1

    def draw(make: Callable[..., Tensor], *shape: int) -> Tensor:
        drawn = make(*shape, generator=generator, dtype=first.dtype, device=generator.device)
        return drawn.to(first.device, non_blocking=True)

    n = together * k * batch_size
    new = True
    while True:
        if isinstance(sample_real, Tensor):
            index = torch.randint(len(sample_real), (n,), generator=generator, device=generator.device)
            real = sample_real[index.to(sample_real.device, non_blocking=True)]
        else:
            real = sample_real(n, generator)
            check_batch("sample_real(n, generator)", real, finite=new)  # a look waits for the device
            new = False
            if len(real) != n:
                raise ValueError(f"sample_real(n, generator) must return n = {n} points, got {len(real)}")
        real = real.to(first.device, first.dtype, non_blocking=True).unflatten(0, (together, k, batch_size))
        z = draw(torch.randn, together, latents, batch_size, game.latent_dim)
        parts = [real, z] + ([draw(torch.rand, together, k, batch_size)] if game.draws else [])
        yield from zip(*parts, strict=True)


def _read(block: Tensor, names: list[str], start: int) -> Tensor:
    """Fetch the terms of some steps; complain about the first that is not finite."""
    here = block.detach().cpu().clone()
    bad = (~here.isfinite()).nonzero()
    if len(bad):
        row, column = bad[0].tolist()
        raise GameDiverged(start + row, names[column])
    return here


def _keep(watched: dict[str, list[Any]], step: int, watch: Watch, game: Game) -> None:
    seen = watch(step, game)
    if not isinstance(seen, Mapping):
        raise TypeError(f"watch(step, game) must return a dict, got {type(seen).__name__}")
    watched["step"].append(step)
    for key, value in seen.items():
        watched.setdefault(key, []).append(value)


def _check(game: Any, sample_real: Any, every: Any, watch: Any) -> None:
    if not isinstance(game, Game):
        raise TypeError(f"game must be a Game, got {type(game).__name__}")
    if isinstance(sample_real, Tensor):
        check_batch("sample_real", sample_real, finite=True)
    elif not callable(sample_real):
        raise TypeError(f"sample_real must be callable or a tensor, got {type(sample_real).__name__}")
    check_count("every", every, low=0)
    if watch is not None:
        check_callable("watch", watch)
    if (watch is None) != (every == 0):
        raise ValueError(f"every and watch must be given together, got every={every} and watch={watch}")
