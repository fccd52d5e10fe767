"""Persistent contrastive divergence: gmlib's trainer against scikit-learn on the CPU, against a plain loop on a GPU.

CPU: 784 x 500, one epoch over 5,000 binarised MNIST digits, batches of 50, 50 chains, one Gibbs step, learning rate 0.05.
Both have float32 data and the same update rule: hidden means on either side, hidden states drawn for the chains.
scikit-learn's weights start at draws of standard deviation .01 and its biases at 0, and gmlib's the same way. What the two
have learnt is compared by the mean absolute error a pixel of a mean-field reconstruction of 1,000 of the images, averaged
over the rounds.

GPU: 784 x 512, batches of 256 (one Gibbs step) and 4,096 (ten), as many chains; the yardstick is the loop in eager torch
that a reader would write, with the batch at hand. TensorFloat32 products are allowed for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import Row, compare, now
from gmlib.data import binarise, mnist
from gmlib.energy import RBM, train_rbm

ROWS, BATCH, HIDDEN, LR = 5000, 50, 500, 0.05


def digits() -> Tensor:
    """The first 5,000 images of the embedded subset, as bits."""
    grey = mnist("train").images[:ROWS].flatten(1).float() / 255
    return binarise(grey, generator=torch.Generator().manual_seed(0))


def reconstruction(weight: Tensor, b: Tensor, c: Tensor, x: Tensor) -> float:
    """Mean absolute error a pixel of one mean-field pass down from the hidden means."""
    h = torch.sigmoid(x @ weight + c)
    return (torch.sigmoid(h @ weight.T + b) - x).abs().mean().item()


def on_cpu(rounds: int, clock: str) -> list[Row]:
    """One epoch of scikit-learn and of gmlib (eager), on as many threads each."""
    from sklearn.neural_network import BernoulliRBM
    from threadpoolctl import threadpool_limits

    x = digits()
    table = x.numpy()
    errors: dict[str, list[float]] = {}

    def sklearn() -> float:
        seed = len(errors.setdefault("scikit-learn BernoulliRBM", []))
        rbm = BernoulliRBM(HIDDEN, learning_rate=LR, batch_size=BATCH, n_iter=1, random_state=seed)
        with threadpool_limits(torch.get_num_threads()):
            start = now(clock)
            rbm.fit(table)
            seconds = now(clock) - start
        parts = (rbm.components_.T, rbm.intercept_visible_, rbm.intercept_hidden_)
        weight, b, c = (torch.as_tensor(part.copy()).float() for part in parts)
        errors["scikit-learn BernoulliRBM"].append(reconstruction(weight, b, c, x[:1000]))
        return seconds

    def gmlib() -> float:
        seen = errors.setdefault("gmlib.energy", [])
        generator = torch.Generator().manual_seed(len(seen))
        rbm = RBM(x.shape[1], HIDDEN, generator=generator)
        start = now(clock)
        train_rbm(rbm, x, steps=ROWS // BATCH, batch_size=BATCH, lr=LR, generator=generator)
        seconds = now(clock) - start
        seen.append(reconstruction(rbm.weight.detach(), rbm.b.detach(), rbm.c.detach(), x[:1000]))
        return seconds

    contenders = {"scikit-learn BernoulliRBM": sklearn, "gmlib.energy": gmlib}
    rows = compare("784 x 500, an epoch of 5,000", contenders, rounds=rounds, clock=clock)
    for row in rows:
        found = errors[row.contender]
        row.extra["images_per_second"] = round(ROWS / row.median)
        row.extra["reconstruction_error"] = round(sum(found) / len(found), 5)
        row.extra["reconstruction_errors"] = [round(error, 5) for error in found]
        print(f"{row.contender:<28} reconstruction error {row.extra['reconstruction_error']}")
    return rows


def plain_loop(batch: int, k: int, steps: int, clock: str) -> Callable[[], float]:
    """The loop as anyone writes it, on a batch that is there already."""
    device = torch.device("cuda")
    weight = torch.randn(784, 512, device=device) * 0.01
    b, c = torch.zeros(784, device=device), torch.zeros(512, device=device)
    x = (torch.rand(batch, 784, device=device) < 0.2).float()
    state: dict[str, Any] = {"h": torch.bernoulli(torch.full((batch, 512), 0.5, device=device))}

    def step() -> None:
        data_mean = torch.sigmoid(x @ weight + c)
        h = state["h"]
        chain, mean = x, data_mean
        for _ in range(k):
            chain = torch.bernoulli(torch.sigmoid(h @ weight.T + b))
            mean = torch.sigmoid(chain @ weight + c)
            h = torch.bernoulli(mean)
        weight.add_((x.T @ data_mean - chain.T @ mean) / batch, alpha=0.01)
        b.add_((x - chain).mean(0), alpha=0.01)
        c.add_((data_mean - mean).mean(0), alpha=0.01)
        state["h"] = h

    def run() -> float:
        for _ in range(10):
            step()
        start = now(clock)
        for _ in range(steps):
            step()
        return (now(clock) - start) / steps

    return run


def trainer(batch: int, k: int, steps: int, compile: bool, clock: str) -> Callable[[], float]:
    """gmlib's trainer, choosing its batches from a table; what watches it takes the time, without the first steps."""
    device = torch.device("cuda")
    table = (torch.rand(8 * batch, 784, device=device) < 0.2).float()

    def run() -> float:
        marks: list[float] = []

        def watch(step: int, rbm: RBM) -> dict[str, Tensor]:
            marks.append(now(clock))
            return {}

        train_rbm(
            RBM(784, 512, device=device),
            table,
            k=k,
            steps=2 * steps,
            batch_size=batch,
            lr=0.01,
            compile=compile,
            generator=torch.Generator(device).manual_seed(0),
            every=steps,
            watch=watch,
        )
        return (marks[2] - marks[1]) / steps

    return run


def on_gpu(rounds: int, clock: str) -> list[Row]:
    """Steps of PCD-1 and PCD-10 against the plain loop."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    rows = []
    try:
        for batch, k, steps in ((256, 1, 500), (4096, 1, 200), (4096, 10, 50)):
            contenders = {
                "plain eager loop": plain_loop(batch, k, steps, clock),
                "gmlib.energy": trainer(batch, k, steps, False, clock),
                "gmlib.energy, compiled": trainer(batch, k, steps, True, clock),
            }
            found = compare(f"784 x 512, PCD-{k}, batch {batch}", contenders, rounds=rounds, clock=clock)
            for row in found:
                row.extra["images_per_second"] = round(batch / row.median)
            rows += found
    finally:
        torch.set_float32_matmul_precision(before)
    return rows


def run(*, rounds: int, clock: str) -> list[Row]:
    """The GPU's cases where there is one, otherwise the CPU's."""
    return on_gpu(rounds, clock) if torch.cuda.is_available() else on_cpu(rounds, clock)
