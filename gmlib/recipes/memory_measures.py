"""Chapter 06: what one step of the memory of digits makes of half a digit or a noisy one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_number
from gmlib.data import mnist
from gmlib.recipes.measures_table import mean_and_spread
from gmlib.recipes.memory import digit_memory, encode_digits, upper_half

CUES = ("half", "noise")
"""What the memory is shown: the upper half of a digit, or all of it with flipped pixels."""

INV_TEMPS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0)
"""The inverse temperatures of the table, per pixel that agrees (which adds 1 to an overlap; one that differs takes 1)."""

FLIPPED = 0.3
"""Chance of a pixel to be flipped in a noisy cue."""


@dataclass(frozen=True)
class MemoryMeasures:
    """What one step makes of cues, as shares and means over the probes. Errors are mean squares of ink between 0 and 1.

    Attributes:
        retrieved: stored digits that come back right in every pixel, after rounding to the nearer of paper and ink.
        shared: number of patterns that share the answer (exponential of the entropy of the weights), the median over stored
            digits.
        label: test digits, which are not stored, whose largest weight is on a digit of their class.
        vote: test digits whose class has the largest sum of weights.
        error: squared error of the answer to a test digit, over the pixels that its cue hides or may have flipped.
        shared_new: as ``shared``, over test digits.

    Example:
        >>> from gmlib.recipes.memory_measures import MemoryMeasures
        >>> MemoryMeasures(0.5, 1.0, 0.8, 0.8, 0.07, 2.0).retrieved
        0.5
    """

    retrieved: float
    shared: float
    label: float
    vote: float
    error: float
    shared_new: float


@dataclass(frozen=True)
class MemoryFloors:
    """Squared errors on the same pixels of the same test digits, without a memory's average.

    Attributes:
        mean_image: the mean of the stored digits, whatever the cue.
        nearest: the stored digit that differs from the cue in the fewest known pixels (the first of several).
        nearest_label: share of the test digits whose class is that of this digit.

    Example:
        >>> from gmlib.recipes.memory_measures import MemoryFloors
        >>> MemoryFloors(0.07, 0.08, 0.85).nearest
        0.08
    """

    mean_image: float
    nearest: float
    nearest_label: float


def measure_memory(
    cue: Literal["half", "noise"] = "half",
    inv_temps: Sequence[float] = INV_TEMPS,
    *,
    probes: int = 500,
    seed: int = 0,
    stored: int = 10_000,
    encoding: Literal["binary", "grey", "ink"] = "binary",
) -> tuple[dict[float, MemoryMeasures], MemoryFloors]:
    r"""Ask the memory with cues of stored digits and of test digits, one step at each inverse temperature.

    The overlaps are computed once; :math:`\operatorname{softmax}(\beta\,\cdot)` and the average follow for each
    :math:`\beta`, as in :meth:`gmlib.energy.modern_hopfield.ModernHopfield.step`. Errors are against the binarised digit.

    Args:
        cue: "half", the lower half hidden, or "noise", each pixel flipped with probability .3 (in "ink", 0 and 1 change
            places; in "grey", ink and paper).
        inv_temps: the values of :math:`\beta`.
        probes: stored digits, and test digits, to ask with.
        seed: of the choice of the probes and of the noise.
        stored: digits in the memory.
        encoding: how a pixel is stored.

    Returns:
        The measures for each inverse temperature, and the floors.

    Raises:
        ValueError: a name is unknown or a number out of range (more probes than digits, for instance).

    Example:
        >>> from gmlib.recipes.memory_measures import measure_memory
        >>> rows, floors = measure_memory("half", [1.0], probes=20, stored=200)
        >>> rows[1.0].retrieved
        1.0
    """
    check_choice("cue", cue, CUES)
    check_count("probes", probes)
    check_count("seed", seed, low=0)
    for inv_temp in inv_temps:
        check_number("inv_temps", inv_temp, low=0.0, low_open=True)
    memory = digit_memory(stored=stored, encoding=encoding)
    labels, new = mnist("train").labels[:stored], mnist("test")
    if probes > min(stored, len(new.labels)):
        raise ValueError(f"probes must be at most {min(stored, len(new.labels))}, got {probes}")
    generator = torch.Generator().manual_seed(seed)
    old_at = torch.randperm(stored, generator=generator)[:probes]
    new_at = torch.randperm(len(new.labels), generator=generator)[:probes]
    x_new = encode_digits(new.images[new_at], encoding)
    known = upper_half() if cue == "half" else torch.ones(784, dtype=torch.bool)
    judged = ~known if cue == "half" else known
    asked = _cue(torch.cat((memory.patterns[old_at], x_new)), cue, encoding, generator)
    overlaps = memory.overlaps(asked, known)

    ink_old, ink_new, ink = (
        (encode_digits(images, "binary") + 1) / 2
        for images in (mnist("train").images[old_at], new.images[new_at], mnist("train").images[:stored])
    )
    truth = new.labels[new_at]
    classes = torch.nn.functional.one_hot(labels, 10).float()
    table = {}
    for inv_temp in inv_temps:
        p = torch.softmax(inv_temp * overlaps, -1)
        answer = p @ memory.patterns
        answer = answer if encoding == "ink" else (answer + 1) / 2
        shared = torch.special.entr(p).sum(-1).exp()
        right = ((answer[:probes] > 0.5) == (ink_old > 0.5)).all(-1)
        chosen = labels[p[probes:].argmax(-1)]
        vote = (p[probes:] @ classes).argmax(-1)
        table[inv_temp] = MemoryMeasures(
            retrieved=_share(right),
            shared=shared[:probes].median().item(),
            label=_share(chosen == truth),
            vote=_share(vote == truth),
            error=(answer[probes:] - ink_new)[:, judged].square().mean().item(),
            shared_new=shared[probes:].median().item(),
        )
    # Hamming distances of binarised digits, whatever the encoding of the memory.
    spins, shown = 2 * ink - 1, asked[probes:]
    near = ((shown if encoding != "ink" else 2 * shown - 1) * known @ spins.T).argmax(-1)
    floors = MemoryFloors(
        mean_image=(ink.mean(0) - ink_new)[:, judged].square().mean().item(),
        nearest=(ink[near] - ink_new)[:, judged].square().mean().item(),
        nearest_label=_share(labels[near] == truth),
    )
    return table, floors


@dataclass(frozen=True)
class MemoryTable:
    """The measures of several seeds.

    Attributes:
        mean: over the seeds, for each inverse temperature.
        spread: standard deviation over the seeds (with n - 1), likewise.
        floors: the mean of the floors.
        floors_spread: their standard deviation.

    Example:
        >>> from gmlib.recipes.memory_measures import memory_table
        >>> memory_table("noise", [1.0], probes=10, stored=100, seeds=(0, 1)).mean[1.0].retrieved
        1.0
    """

    mean: dict[float, MemoryMeasures]
    spread: dict[float, MemoryMeasures]
    floors: MemoryFloors
    floors_spread: MemoryFloors


def memory_table(
    cue: Literal["half", "noise"] = "half",
    inv_temps: Sequence[float] = INV_TEMPS,
    *,
    probes: int = 500,
    seeds: Sequence[int] = (0, 1, 2),
    stored: int = 10_000,
    encoding: Literal["binary", "grey", "ink"] = "binary",
) -> MemoryTable:
    """Measure the memory with several choices of probes and noise, and report mean and spread.

    Args:
        cue: "half" or "noise".
        inv_temps: the inverse temperatures.
        probes: stored digits, and test digits, for each seed.
        seeds: two or more.
        stored: digits in the memory.
        encoding: how a pixel is stored.

    Returns:
        Mean and spread of the measures and of the floors, the same on every call.

    Raises:
        ValueError: there is one seed only, or an argument of :func:`measure_memory` is wrong.

    Example:
        >>> from gmlib.recipes.memory_measures import memory_table
        >>> table = memory_table("half", [1.0], probes=10, stored=100, seeds=(0, 1))
        >>> table.mean[1.0].retrieved, table.spread[1.0].retrieved
        (1.0, 0.0)
    """
    if len(seeds) < 2:
        raise ValueError(f"seeds must be two or more, got {len(seeds)}")
    runs = [
        measure_memory(cue, inv_temps, probes=probes, seed=seed, stored=stored, encoding=encoding)
        for seed in seeds
    ]
    rows = {b: mean_and_spread([table[b] for table, _ in runs]) for b in inv_temps}
    floors, floors_spread = mean_and_spread([floors for _, floors in runs])
    return MemoryTable(
        {b: r[0] for b, r in rows.items()}, {b: r[1] for b, r in rows.items()}, floors, floors_spread
    )


def _cue(x: Tensor, cue: str, encoding: str, generator: torch.Generator) -> Tensor:
    if cue == "half":
        return torch.where(upper_half(), x, 0.0)
    flip = torch.rand(x.shape, generator=generator) < FLIPPED
    return torch.where(flip, 1 - x if encoding == "ink" else -x, x)


def _share(hits: Tensor) -> float:
    return hits.float().mean().item()
