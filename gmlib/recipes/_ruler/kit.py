"""What is measured of every model in the same way: distance, time, parameters, calls of the network."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gmlib.checkpoints import checkpoint, load_into
from gmlib.data.files import assets_folder
from gmlib.metrics import bits_per_dim, frechet_distance, mean_estimate
from gmlib.nn.masked import MaskedMLP
from gmlib.recipe import load_recipe
from gmlib.recipes.ruler_record import Kind, RulerRow

Draw = Callable[[int, torch.Generator], Tensor]
"""(n, generator) -> n samples."""
Made = TypeVar("Made")


@dataclass(frozen=True)
class Cost:
    """What a model's density costs, in the unit of the data set; None and the reason where there is none."""

    value: float | None
    error: float | None
    kind: Kind
    how: str


@dataclass(frozen=True)
class Entry:
    """A model to be measured.

    Attributes:
        family, model, recipe, checkpoint, trained_on, note: as in `RulerRow`.
        draw: the sampler.
        cost: asks for the density; called once.
        parameters: how many numbers are learnt.
        train_seconds: of learning.
        networks: whose calls are counted.
        calls: for a sampler whose network is no module that is called; None counts ``networks``.
    """

    family: str
    model: str
    recipe: str
    checkpoint: str
    trained_on: str
    draw: Draw
    cost: Callable[[], Cost]
    parameters: int
    train_seconds: float
    networks: tuple[nn.Module, ...] = ()
    calls: float | None = None
    note: str = ""


def measured(data: str, entry: Entry, judge: Callable[[Tensor], float], n: int, draws: int) -> RulerRow:
    """Draw n samples several times, and ask for the density once."""
    distance, seconds = [], []
    for seed in range(draws):
        start = time.process_time()
        samples = entry.draw(n, torch.Generator().manual_seed(seed))
        seconds.append((time.process_time() - start) / n * 1000)
        distance.append(judge(samples))
    cost = entry.cost()
    calls = calls_of(entry.networks, entry.draw) if entry.calls is None else float(entry.calls)
    row = RulerRow(
        data, entry.family, entry.model, entry.recipe, entry.checkpoint, entry.trained_on,
        cost.value, cost.error, cost.kind, cost.how, tuple(distance), entry.train_seconds,
        statistics.median(seconds), entry.parameters, calls, entry.note,
    )  # fmt: skip
    print(
        f"{data:<18} {row.model:<32} cost {row.cost} distance {row.distance[0]:.4f} s/1000 {row.sample_seconds:.3f} "
        f"parameters {row.parameters} calls {row.calls}",
        flush=True,
    )
    return row


def frechet_to(held_out: Tensor, features: Callable[[Tensor], Tensor]) -> Callable[[Tensor], float]:
    """The Frechet distance between the features of samples and those of held-out images."""
    known = features(held_out)
    return lambda images: frechet_distance(features(images), known).item()


def floor_of(judge: Callable[[Tensor], float], train: Tensor, n: int) -> tuple[float, ...]:
    """The distances of ten draws of n training images, none twice: as good as a model can be expected to get."""
    orders = (torch.randperm(len(train), generator=torch.Generator().manual_seed(seed)) for seed in range(10))
    return tuple(judge(train[order[:n]]) for order in orders)


def calls_of(networks: Iterable[nn.Module], draw: Draw, n: int = 4) -> float:
    """How often networks are called for one sample; a doubled batch counts twice."""
    seen: list[int] = []
    hooks = [
        network.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
        for network in networks
    ]
    draw(n, torch.Generator().manual_seed(0))
    for hook in hooks:
        hook.remove()
    return sum(seen) / n


def inner_networks(flow: nn.Module) -> tuple[nn.Module, ...]:
    """The networks inside a flow's bijections, one for each layer that has one."""
    return tuple(
        module
        for name, module in flow.named_modules()
        if name.split(".")[-1] in ("conditioner", "velocity") or isinstance(module, MaskedMLP)
    )


def shipped(name: str) -> Any:
    """The model of a recipe with the weights that come with the book, which are not to be trained."""
    folder = assets_folder()
    if folder is None:
        raise ValueError("the ruler is measured in a clone of the repository, not in an installed gmlib")
    model = load_recipe(folder / "recipes" / f"{name}.toml").make_task().model
    return load_into(model, name).requires_grad_(False)


def trained(name: str) -> dict[str, Any]:
    """What an entry says of a checkpoint, from the manifest."""
    known = checkpoint(name)
    return {"recipe": known.recipe, "checkpoint": name, "trained_on": known.data, "train_seconds": known.time}


def size_of(*models: nn.Module) -> int:
    """Numbers that are learnt."""
    return sum(p.numel() for model in models for p in model.parameters())


def timed(make: Callable[[], Made]) -> tuple[Made, float]:
    """What a function makes, and the processor time that it takes."""
    start = time.process_time()
    made = make()
    return made, time.process_time() - start


def no_density(why: str) -> Callable[[], Cost]:
    """The cost of a model that has none."""
    return lambda: Cost(None, None, "", why)


def image_cost(nats: Callable[[], Tensor], size: int, kind: Kind, how: str) -> Callable[[], Cost]:
    """Bits a pixel with their standard error, of nats an image."""

    @torch.no_grad()
    def ask() -> Cost:
        found = mean_estimate(bits_per_dim(nats().double(), size))
        return Cost(found.value, found.standard_error, kind, how)

    return ask


def cell_cost(
    log_prob: Callable[[Tensor], Tensor], x: Tensor, levels: int, draws: int, *, seed: int = 0
) -> Tensor:
    r"""An upper bound on :math:`-\log P(x)` of whole levels (n, d) by a density on the unit cube, nats an image.

    The mean of the density over uniform draws in the cell, whose logarithm is in expectation at most the mass's.
    """
    generator = torch.Generator().manual_seed(seed)
    log_p = []
    for _ in range(draws):
        noise = torch.rand(x.shape, generator=generator, dtype=torch.float64)
        log_p.append(log_prob((x + noise) / levels))
    return math.log(draws) - torch.stack(log_p).logsumexp(0) + x.shape[1] * math.log(levels)


def in_parts(function: Callable[[Tensor], Tensor], x: Tensor, batch: int) -> Tensor:
    """A function of rows, asked a few at a time."""
    return torch.cat([function(part) for part in x.split(batch)])


def spread_out(count: int, total: int) -> Sequence[int]:
    """Even places in a row of ``total``: the test images of MNIST are the easier half first."""
    return [i * total // count for i in range(count)]
