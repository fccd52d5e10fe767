"""Chapter 14: how long a game keeps its modes, plain and with each cure: several games at once, for the record."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gmlib._checks import check_choice, check_count
from gmlib.gan import Game, GameDiverged, train_gan
from gmlib.recipes.gan import LAWS, NOISE, mode_counts
from gmlib.recipes.gan_cures import BY_RECIPE, CURES, Cure
from gmlib.recipes.gan_cures import SideBySide as SideBySide
from gmlib.recipes.gan_record import RECORD, TABLES, GridRun, record, recorded_runs
from gmlib.recipes.gan_record import run_of_recipe as run_of_recipe


def play_grid(
    cure: Cure,
    *,
    law: str = "sixteen_gaussians",
    games: int = 3,
    steps: int = 20_000,
    every: int = 2000,
    samples: int = 10_000,
    seed: int = 0,
) -> GridRun:
    """Play several independent games on narrow Gaussians and count what they reach over time.

    Args:
        cure: how to play.
        law: "sixteen_gaussians" or "eight_gaussians", with modes of width 0.02.
        games: games side by side, with initial weights of their own and separate shares of data and latents.
        steps: steps of the generator.
        every: steps between two looks.
        samples: points of each game at a look.
        seed: of the first game's weights and of all random numbers.

    Returns:
        What was seen at the start and at every look.

    Raises:
        ValueError: a name or a number is out of its range, or the cure is one that a recipe trains.

    Example:
        >>> from gmlib.recipes.gan_grid import Cure, play_grid
        >>> play_grid(Cure("R1", penalty="r1", gamma=0.1), games=1, steps=1, every=1, samples=10).step
        [0, 1]
    """
    check_choice("law", law, tuple(LAWS))
    for name, value in (("games", games), ("steps", steps), ("every", every), ("samples", samples)):
        check_count(name, value)
    check_count("seed", seed, low=0)
    if cure.average or cure.spectral:
        raise ValueError(
            f"cure must have average 0 and spectral False, got {cure.name!r}: a recipe trains it"
        )
    centres = LAWS[law](noise=NOISE, dtype=torch.float32).means
    run, game = GridRun(cure, law, seed), cure.players(games, seed)
    for name in TABLES:
        getattr(run, name).extend([] for _ in range(games))

    def draw(n: int, generator: torch.Generator) -> Tensor:
        which = torch.randint(len(centres), (n,), generator=generator)
        return centres[which] + NOISE * torch.randn(n, 2, generator=generator)

    def watch(step: int, game: Game) -> dict[str, Any]:
        run.step.append(step)
        x = game.sample(games * samples, generator=torch.Generator().manual_seed(0))
        for i, each in enumerate(x.split(samples)):
            for name, value in mode_counts(each, centres).items():
                getattr(run, name)[i].append(int(value) if "modes" in name else value)
        return {}

    started = time.process_time()
    descent = cure.optimizer == "sgd"
    lr = cure.lr * (games if descent else 1)  # the mean over all games has their number in its denominator
    try:
        train_gan(
            game,
            draw,
            steps=steps,
            batch_size=games * cure.batch_size,
            lr_critic=lr,
            lr_generator=lr,
            optimizer=cure.optimizer,
            momentum=cure.momentum if descent else 0.0,
            beta1=None if descent else cure.momentum,
            critic_steps=cure.critic_steps,
            simultaneous=cure.simultaneous,
            clip=cure.clip or None,
            generator=torch.Generator().manual_seed(seed),
            every=every,
            watch=watch,
        )
    except GameDiverged as error:
        run.diverged = error.step
    run.seconds = time.process_time() - started
    return run


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: ``python -m gmlib.recipes.gan_grid [--cure NAME] [--law LAW] [--steps 20000] [--out FILE]``.

    Args:
        arguments: its words; None for those of this process.

    Returns:
        0.

    Example:
        >>> main(["--help"])
        Traceback (most recent call last):
        SystemExit: 0
    """
    parser = argparse.ArgumentParser(
        prog="python -m gmlib.recipes.gan_grid", description="Play the grid and record it."
    )
    parser.add_argument(
        "--cure",
        nargs="+",
        default=[cure.name for cure in CURES if cure.name not in BY_RECIPE],
        help="names (default: all)",
    )
    parser.add_argument("--law", default="sixteen_gaussians", choices=tuple(LAWS))
    parser.add_argument("--games", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--every", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, default=RECORD, help="runs of the same cure and law are replaced there"
    )
    args = parser.parse_args(arguments)
    for name in args.cure:
        cure = next((cure for cure in CURES if cure.name == name and cure.name not in BY_RECIPE), None)
        if cure is None:
            known = ", ".join(cure.name for cure in CURES if cure.name not in BY_RECIPE)
            parser.error(f"--cure must be among {known}, got {name!r}")
        run = play_grid(
            cure, law=args.law, games=args.games, steps=args.steps, every=args.every, seed=args.seed
        )
        print(
            f"{name}: modes {[each[-1] for each in run.modes]}, share {[each[-1] for each in run.share]}",
            flush=True,
        )
        kept = recorded_runs(args.out) if args.out.is_file() else []
        record([*(old for old in kept if (old.cure.name, old.law) != (name, args.law)), run], args.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
