"""Chapter 09: how good the MNIST denoiser's pictures are, by sampler and by calls of the network, on record."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from gmlib._checks import check_choice, check_count
from gmlib._files import write_text
from gmlib.checkpoints import load_into
from gmlib.data import mnist
from gmlib.metrics import frechet_distance, image_features, memorisation_ratio
from gmlib.noise import Denoiser, Schedule
from gmlib.noise.samplers import Sampled, ancestral, ddim, dpm_solver_2m, heun, snr_times
from gmlib.recipes.diffusion_mnist import mnist_denoiser

RECORD = Path(__file__).with_name("diffusion_samplers.json")
"""The recorded rows, packaged with gmlib."""

Sampler = Callable[[Denoiser, Tensor, Tensor, torch.Generator], Sampled]

SAMPLERS: dict[str, Sampler] = {
    "ancestral, beta": lambda d, x, t, g: ancestral(d, x, t, generator=g),
    "ancestral, beta tilde": lambda d, x, t, g: ancestral(d, x, t, variance="beta_tilde", generator=g),
    "DDIM": lambda d, x, t, g: ddim(d, x, t),
    "Heun": lambda d, x, t, g: heun(d, x, t),
    "DPM-Solver++ 2M": lambda d, x, t, g: dpm_solver_2m(d, x, t),
}
"""The samplers of the table."""

CALLS = (10, 20, 50)
"""Calls of the network of the table's rows."""

LOW, HIGH = -9.0, 7.0
"""Range of log-SNR of the samplers' grids, even but for a last step from there to the clean picture."""


@dataclass(frozen=True)
class SamplerRow:
    """Pictures of one sampler with one number of calls.

    Attributes:
        sampler: its name; a baseline has a name too, and 0 calls.
        calls: calls of the network a picture.
        frechet: squared Frechet distance to the test images, in features of ``features-mnist``.
        memorisation: median distance to the nearest training image, in units of that of test images.
        images: how many pictures were measured.

    Example:
        >>> SamplerRow("DDIM", 10, 5.0, 1.0, 1000).calls
        10
    """

    sampler: str
    calls: int
    frechet: float
    memorisation: float
    images: int


def recorded_rows(path: Path | None = None) -> list[SamplerRow]:
    """The record, baselines first.

    Args:
        path: the file; None is the one that comes with gmlib.

    Example:
        >>> from gmlib.recipes.diffusion_samplers import recorded_rows
        >>> recorded_rows()[0].calls
        0
    """
    return [SamplerRow(**row) for row in json.loads((path or RECORD).read_text())["rows"]]


@torch.no_grad()
def draw_digits(
    denoiser: Denoiser, n: int, *, sampler: str = "DDIM", calls: int = 50, seed: int = 0, batch: int = 250
) -> UInt8[Tensor, "n 1 28 28"]:
    """New digits in 256 grey levels; row i starts from the same noise for every sampler.

    Args:
        denoiser: the model of :func:`gmlib.recipes.diffusion_mnist.mnist_denoiser`.
        n: how many.
        sampler: a key of ``SAMPLERS``.
        calls: of the network, for each picture, at least 2; Heun's method takes half as many steps (and one call fewer),
            of which there must be 2: at least 4.
        seed: of the noise.
        batch: pictures at a time.

    Raises:
        ValueError: there is no such sampler or a count is out of range.

    Example:
        >>> from gmlib.recipes.diffusion_mnist import mnist_denoiser
        >>> draw_digits(mnist_denoiser(widths=[8]), 2, calls=4).shape
        torch.Size([2, 1, 28, 28])
    """
    check_choice("sampler", sampler, tuple(SAMPLERS))
    check_count("n", n)
    check_count("calls", calls, low=4 if sampler == "Heun" else 2)
    device = next(denoiser.parameters()).device
    start = torch.randn(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed)).to(device)
    generator = torch.Generator(device).manual_seed(seed + 1)
    times = digit_times(denoiser.schedule, calls // 2 if sampler == "Heun" else calls)
    found = [SAMPLERS[sampler](denoiser, part, times, generator).x for part in start.split(batch)]
    return levels(torch.cat(found).cpu())


def digit_times(schedule: Schedule, steps: int) -> Float[Tensor, " n"]:
    """Times for drawing digits: even in log-SNR, and a last step to the clean picture.

    Args:
        schedule: the schedule.
        steps: how many, at least 2. Heun's method calls the network twice in each but the last.

    Example:
        >>> from gmlib.noise import VPCosine
        >>> [round(t, 3) for t in digit_times(VPCosine(), 3).tolist()]
        [0.993, 0.65, 0.013, 0.0]
    """
    check_count("steps", steps, low=2)
    return torch.cat(
        [snr_times(schedule, steps - 1, low=LOW, high=HIGH), torch.zeros(1, dtype=torch.float64)]
    )


def levels(x: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    r"""The nearest grey levels of pixels in (-1, 1): the inverse of :func:`gmlib.recipes.diffusion_mnist.scaled`.

    Example:
        >>> import torch
        >>> from gmlib.recipes.diffusion_mnist import scaled
        >>> levels(scaled(torch.tensor([0, 7, 255], dtype=torch.uint8))).tolist()
        [0, 7, 255]
    """
    return ((x + 1) * 128).floor().clamp(0, 255).to(torch.uint8)


def _measure(n: int) -> list[SamplerRow]:
    """All rows: two baselines of n pictures, and every sampler with every number of calls.

    Args:
        n: pictures a row.

    Returns:
        The rows, baselines first: real training images (as good as it gets at this n), and pixels drawn one by one from
        their histograms.
    """
    train, test = mnist("train", full=True).images, mnist("test", full=True).images
    generator = torch.Generator().manual_seed(0)
    real = train[torch.randperm(len(train), generator=generator)[:n]]
    rows = torch.randint(len(train), (n, 784), generator=generator)
    pixels = train.flatten(1).gather(0, rows).reshape(n, 1, 28, 28)
    judge = _Judge(train, test)
    found = [judge("training images", 0, real), judge("pixel histograms", 0, pixels)]
    denoiser = mnist_denoiser()
    load_into(denoiser, "diffusion-mnist").requires_grad_(False)
    for name in SAMPLERS:
        for count in CALLS:
            found.append(judge(name, count, draw_digits(denoiser, n, sampler=name, calls=count)))
            print(found[-1], flush=True)
    return found


class _Judge:
    def __init__(self, train: Tensor, test: Tensor) -> None:
        self.train, self.test = train.flatten(1).float() / 255, test.flatten(1).float() / 255
        self.features = image_features(test.float() / 255, "features-mnist").double()

    def __call__(self, name: str, calls: int, images: Tensor) -> SamplerRow:
        shown = images.float() / 255
        distance = frechet_distance(image_features(shown, "features-mnist").double(), self.features)
        ratio = memorisation_ratio(shown.flatten(1), self.train, self.test[: len(images)])
        return SamplerRow(name, calls, float(distance), ratio.value, len(images))


def _main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description="Measure the samplers on the MNIST denoiser.")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RECORD)
    options = parser.parse_args()
    rows = [asdict(row) for row in _measure(options.images)]
    write_text(options.out, json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    _main()
