"""Chapter 09: two denoisers, trained on two halves without a common image, that draw from the same noise; on record."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_tensor
from gmlib._files import write_text
from gmlib.data import digits
from gmlib.diffusion import denoising_loss, low_discrepancy_times
from gmlib.nn import TimeMLP
from gmlib.noise import Denoiser, VPCosine
from gmlib.noise.samplers import ddim, snr_times
from gmlib.training import Task, TrainConfig, train

RECORD = Path(__file__).with_name("diffusion_twins.json")
"""The recorded rows, packaged with gmlib."""

SIZES = (10, 40, 160, 640)
"""Images in each of the two training sets."""

DRAWS = 200
"""Pictures that each network draws."""


@dataclass(frozen=True)
class TwinRow:
    """Pairs of networks with training sets of one size; a number for each pair.

    Attributes:
        images: in each training set.
        apart: median distance of the pictures that the two draw from the same noise.
        other: the same from different noise, the distance of two unrelated pictures.
        nearest: median distance of a picture to the nearest image of its network's training set.

    Example:
        >>> TwinRow(10, (5.0,), (6.0,), (0.1,)).images
        10
    """

    images: int
    apart: tuple[float, ...]
    other: tuple[float, ...]
    nearest: tuple[float, ...]


def recorded_twins(path: Path | None = None) -> list[TwinRow]:
    """The record, the smallest training sets first.

    Args:
        path: the file; None is the one that comes with gmlib.

    Example:
        >>> from gmlib.recipes.diffusion_twins import recorded_twins
        >>> recorded_twins()[0].images
        10
    """
    rows = json.loads((path or RECORD).read_text())["rows"]
    return [
        TwinRow(row["images"], *(tuple(row[key]) for key in ("apart", "other", "nearest"))) for row in rows
    ]


def twin_images() -> Float[Tensor, "1350 64"]:
    """The 1,350 digits that are not for testing, in [-1, 1].

    Example:
        >>> tuple(twin_images().shape)
        (1350, 64)
    """
    both = torch.cat([digits(part).images for part in ("train", "validation")])
    return both.float().flatten(1) / 8 - 1


def train_twin(
    images: Float[Tensor, "n 64"], seed: int, *, steps: int = 4000, batch_size: int = 64
) -> Denoiser:
    """A residual MLP, trained to denoise some images.

    Args:
        images: the training set, in [-1, 1], (n, 64).
        seed: of its first weights, its batches and its noise.
        steps: of training.
        batch_size: images a step; an image may come more than once.

    Returns:
        The denoiser, which predicts v.

    Raises:
        ValueError: a count is below 1.

    Example:
        >>> import torch
        >>> train_twin(torch.zeros(3, 64), 0, steps=1, batch_size=3).parameterisation
        'v'
    """
    check_tensor("images", images)
    check_count("steps", steps)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Denoiser(TimeMLP(64, width=160, depth=3), VPCosine(), "v")
    # As many rows as a batch at least: a small set is repeated.
    data = images.repeat(-(-batch_size // len(images)), 1)
    config = TrainConfig(
        steps=steps,
        batch_size=batch_size,
        lr=2e-3,
        lr_schedule="cosine",
        warmup=100,
        grad_clip=1.0,
        ema_decay=0.99,
        device="cpu",
        seed=seed,
        checkpoint_every=0,
        log_every=500,
    )
    final = train(Task(model, _loss, data, _noise), config).final
    assert isinstance(final, Denoiser)
    return final.eval().requires_grad_(False)


def _loss(model: torch.nn.Module, x: Tensor, noise: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    assert isinstance(model, Denoiser)
    draw, t = noise
    return {"loss": denoising_loss(model, x, t, draw, target="v").total.mean() / 64}


def _noise(n: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
    draw = torch.randn(n, 64, generator=generator, device=device)
    return draw, low_discrepancy_times(n, 0.002, 0.998, generator=generator, device=device)


def compare(size: int, pairs: int = 3, *, steps: int = 4000, draws: int = DRAWS) -> TwinRow:
    """Train pairs of networks on sets of one size and let them draw.

    Args:
        size: images in each training set, at most 675.
        pairs: how many pairs; each has a split and seeds of its own.
        steps: of training.
        draws: pictures of each network.

    Raises:
        ValueError: ``size`` is out of range.

    Example:
        >>> from gmlib.recipes.diffusion_twins import compare
        >>> row = compare(8, 1, steps=1, draws=2)
        >>> row.images, len(row.apart)
        (8, 1)
    """
    check_count("size", size)
    images = twin_images()
    if 2 * size > len(images):
        raise ValueError(f"size must be at most {len(images) // 2}, got {size}")
    apart, other, nearest = [], [], []
    for pair in range(pairs):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(pair))
        sets = images[order[:size]], images[order[-size:]]
        first, second = (train_twin(half, 2 * pair + i, steps=steps) for i, half in enumerate(sets))
        z = torch.randn(draws, 64, generator=torch.Generator().manual_seed(100 + pair))
        times = snr_times(first.schedule, 40, low=-8.0, high=8.0)
        x, y = (ddim(twin, z, times).x for twin in (first, second))
        apart.append(float((x - y).norm(dim=1).median()))
        other.append(float((x - y.roll(1, 0)).norm(dim=1).median()))
        nearest.append(float(torch.cdist(x, sets[0]).min(1).values.median()))
    return TwinRow(size, tuple(apart), tuple(other), tuple(nearest))


def _main() -> None:
    """Train all pairs and write the record."""
    parser = argparse.ArgumentParser(description="Train pairs of denoisers on disjoint sets of digits.")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=RECORD)
    options = parser.parse_args()
    rows = []
    for size in SIZES:
        rows.append(asdict(compare(size, steps=options.steps)))
        print(rows[-1], flush=True)
    write_text(
        options.out, json.dumps({"steps": options.steps, "draws": DRAWS, "rows": rows}, indent=1) + "\n"
    )


if __name__ == "__main__":
    _main()
