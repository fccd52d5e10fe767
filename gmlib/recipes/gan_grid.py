"""Chapter 14: how long a game keeps its modes, plain and with each cure, several games at once; and the recorded runs."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count
from gmlib._files import write_text
from gmlib.gan import (
    GAN_LOSSES,
    R1,
    R2,
    Game,
    GameDiverged,
    GradientPenalty,
    grid_coverage,
    toy_critic,
    toy_generator,
    train_gan,
)
from gmlib.recipes.gan import LAWS, RADIUS

RECORD = Path(__file__).with_name("gan_grid.json")
"""The recorded runs, packaged with gmlib."""


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
        >>> from gmlib.recipes.gan_grid import SideBySide
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
        >>> from gmlib.recipes.gan_grid import Cure
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
        at = {"none": 0, "r1": 1, "r1+r2": 2, "gradient_penalty": 1}[self.penalty]
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
        penalties = {
            "none": [],
            "r1": [R1(self.gamma)],
            "r1+r2": [R1(self.gamma), R2(self.gamma)],
            "gradient_penalty": [GradientPenalty(self.gamma)],
        }[self.penalty]
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

TABLES = ("modes", "share", "reverse_kl", "nearest_modes")
"""What is kept of every look."""


@dataclass
class GridRun:
    """Several games of one cure, watched.

    Attributes:
        cure: how they were played.
        law: on what.
        seed: of the first game's initial weights.
        step: steps of the generator done at each look.
        modes: [game][look], modes with a sample within the radius.
        share: [game][look], share of the samples within the radius of a mode.
        reverse_kl: [game][look], nats, of the histogram of these over the modes from equal shares; log k if there is none.
        nearest_modes: [game][look], modes that are the nearest one of some sample, wherever it is.
        seconds: processor time of all games together (of a recipe: time on a busy machine).
        diverged: the step at which a number ceased to be finite, or None.
        recipe: the recipe whose seeds these are; "" for games side by side.

    Example:
        >>> from gmlib.recipes.gan_grid import Cure, play_grid
        >>> run = play_grid(Cure("plain"), games=2, steps=2, every=1, samples=10)
        >>> run.step, len(run.modes), len(run.modes[0])
        ([0, 1, 2], 2, 3)
    """

    cure: Cure
    law: str
    seed: int
    step: list[int] = field(default_factory=list)
    modes: list[list[int]] = field(default_factory=list)
    share: list[list[float]] = field(default_factory=list)
    reverse_kl: list[list[float]] = field(default_factory=list)
    nearest_modes: list[list[int]] = field(default_factory=list)
    seconds: float = 0.0
    diverged: int | None = None
    recipe: str = ""


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
    centres = LAWS[law](noise=0.02, dtype=torch.float32).means
    run, game = GridRun(cure, law, seed), cure.players(games, seed)
    for name in TABLES:
        getattr(run, name).extend([] for _ in range(games))

    def draw(n: int, generator: torch.Generator) -> Tensor:
        which = torch.randint(len(centres), (n,), generator=generator)
        return centres[which] + 0.02 * torch.randn(n, 2, generator=generator)

    def watch(step: int, game: Game) -> dict[str, Any]:
        run.step.append(step)
        x = game.sample(games * samples, generator=torch.Generator().manual_seed(0))
        for i, each in enumerate(x.split(samples)):
            seen = grid_coverage(each, centres, RADIUS)
            run.modes[i].append(seen.modes)
            run.share[i].append(seen.share)
            run.reverse_kl[i].append(seen.reverse_kl if seen.share else math.log(len(centres)))
            run.nearest_modes[i].append(seen.nearest_modes)
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


def run_of_recipe(cure: Cure, records: Sequence[dict[str, Any]]) -> GridRun:
    """The run that the seeds of a recipe make, for the record.

    Args:
        cure: how the recipe plays.
        records: what :func:`gmlib.train.run` returned for each seed, with evaluations on the way.

    Example:
        >>> history = {"evaluate.step": [4], **{f"evaluate.{name}": [1.0] for name in TABLES}}
        >>> run = run_of_recipe(Cure("plain"), [{"name": "gan-grid", "seed": 0, "seconds": 9.0, "history": history}])
        >>> run.step, run.modes
        ([2], [[1]])
    """
    histories = [entry["history"] for entry in records]
    moves = cure.critic_steps + 1
    run = GridRun(cure, "sixteen_gaussians", records[0]["seed"], recipe=records[0]["name"])
    run.step = [step // moves for step in histories[0]["evaluate.step"]]
    for name in TABLES:
        values = [history[f"evaluate.{name}"] for history in histories]
        setattr(run, name, [[int(v) for v in each] for each in values] if "modes" in name else values)
    run.seconds = sum(entry["seconds"] for entry in records)
    return run


def recorded_runs(path: Path = RECORD) -> list[GridRun]:
    """The runs of the record, on the sixteen Gaussians and on the ring of eight.

    Args:
        path: the file.

    Example:
        >>> from gmlib.recipes.gan_grid import recorded_runs
        >>> recorded_runs()[0].cure.name
        'plain'
    """
    content = json.loads(path.read_text())
    runs = []
    for entry in content["runs"]:
        cure = entry.pop("cure")
        runs.append(GridRun(Cure(**cure | {"critic_widths": tuple(cure["critic_widths"])}), **entry))
    return runs


def record(runs: Sequence[GridRun], path: Path = RECORD) -> None:
    """Write runs, the shares and divergences rounded to four digits, with torch's version.

    Args:
        runs: the runs.
        path: where to.

    Example:
        >>> import tempfile
        >>> from gmlib.recipes.gan_grid import Cure, play_grid, record
        >>> run = play_grid(Cure("plain"), games=1, steps=1, every=1, samples=10)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     record([run], Path(folder, "runs.json"))
        ...     Path(folder, "runs.json").is_file()
        True
    """

    def rounded(value: Any) -> Any:
        if isinstance(value, list):
            return [rounded(v) for v in value]
        return round(value, 4) if isinstance(value, float) else value

    entries = [{k: rounded(v) for k, v in dataclasses.asdict(run).items()} for run in runs]
    lines = ",\n  ".join(json.dumps(entry) for entry in entries)
    write_text(path, f'{{\n "torch": "{torch.__version__}",\n "runs": [\n  {lines}\n ]\n}}\n')


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
