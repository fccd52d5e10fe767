"""Distances between two samples of 10,000 features in 64 dimensions, against the packages that people use for them.

Both sides get the same float32 features and do the same work: the same number of subsets, of directions, of neighbours, and
all four shares that prdc computes together. Features are the data: torchmetrics' feature network is the identity. The
yardstick runs on the CPU; where there is a GPU, gmlib runs there, and so does the peer that can.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable

import ot
import torch
from prdc import compute_prdc
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from benchmarks.harness import Row, compare
from gmlib.metrics import (
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
    sliced_wasserstein,
)

ROWS, COLUMNS = 10_000, 64
SUBSETS, SUBSET_SIZE = 100, 1000
DIRECTIONS = 256
K = 5


class Identity(nn.Module):
    """Features that are features already."""

    num_features = COLUMNS

    def forward(self, x: Tensor) -> Tensor:
        return x


def torchmetrics_frechet(x: Tensor, y: Tensor) -> None:
    """The Frechet distance by torchmetrics."""
    metric = FrechetInceptionDistance(feature=Identity()).to(x.device)
    metric.update(x, real=True)
    metric.update(y, real=False)
    metric.compute()


def torchmetrics_kernel(x: Tensor, y: Tensor) -> None:
    """The kernel distance by torchmetrics, which warns that it keeps the features."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = KernelInceptionDistance(feature=Identity(), subsets=SUBSETS, subset_size=SUBSET_SIZE)
    metric = metric.to(x.device)
    metric.update(x, real=True)
    metric.update(y, real=False)
    metric.compute()


def prdc_shares(x: Tensor, y: Tensor) -> None:
    """Precision, recall, density and coverage by prdc, which prints the sizes."""
    with contextlib.redirect_stdout(io.StringIO()):
        compute_prdc(x.numpy(), y.numpy(), K)


def gmlib_shares(x: Tensor, y: Tensor) -> None:
    """The same four by gmlib."""
    precision_recall(x, y, K)
    density_coverage(x, y, K)


def pot_sliced(x: Tensor, y: Tensor) -> None:
    """The sliced Wasserstein distance by POT, in numpy on the CPU, where that is its quicker way."""
    a, b = (x, y) if x.is_cuda else (x.numpy(), y.numpy())
    ot.sliced_wasserstein_distance(a, b, n_projections=DIRECTIONS, p=2)


Work = Callable[[Tensor, Tensor], object]
CASES: dict[str, tuple[str, Work, Work]] = {
    "Fréchet distance": ("torchmetrics", torchmetrics_frechet, frechet_distance),
    f"kernel distance, {SUBSETS} x {SUBSET_SIZE}": (
        "torchmetrics",
        torchmetrics_kernel,
        lambda x, y: kernel_distance(x, y, subsets=SUBSETS, subset_size=SUBSET_SIZE),
    ),
    f"precision to coverage, k = {K}": ("prdc", prdc_shares, gmlib_shares),
    f"sliced Wasserstein, {DIRECTIONS}": (
        "POT",
        pot_sliced,
        lambda x, y: sliced_wasserstein(x, y, directions=DIRECTIONS),
    ),
}


def run(*, rounds: int, clock: str) -> list[Row]:
    """Time every distance, peer first."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, COLUMNS, generator=generator)
    y = 1.1 * torch.randn(ROWS, COLUMNS, generator=generator) + 0.1
    rows = []
    for case, (peer, theirs, ours) in CASES.items():
        contenders = {f"{peer}, CPU": _on(theirs, x, y)}
        if torch.cuda.is_available():
            if peer != "prdc":
                contenders[f"{peer}, GPU"] = _on(theirs, x.to("cuda"), y.to("cuda"))
            contenders["gmlib.metrics, GPU"] = _on(ours, x.to("cuda"), y.to("cuda"))
        else:
            contenders["gmlib.metrics, CPU"] = _on(ours, x, y)
        rows += compare(case, contenders, rounds=rounds, clock=clock)
    return rows


def _on(work: Work, x: Tensor, y: Tensor) -> Callable[[], None]:
    def once() -> None:
        work(x, y)

    return once
