"""The ruler on MNIST as bits: nats an image of all test images, Frechet distance to them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gmlib.checkpoints import checkpoint
from gmlib.metrics import image_features, mean_estimate
from gmlib.recipes._ruler.kit import (
    Cost,
    Entry,
    floor_of,
    frechet_to,
    measured,
    shipped,
    size_of,
    timed,
    trained,
)
from gmlib.recipes.rbm import binary_digits
from gmlib.recipes.rbm_floors import BernoulliMixture
from gmlib.recipes.ruler_record import RulerData, RulerRow

SIZE, ROUNDS = 784, 1000
"""Pixels; rounds of block Gibbs sampling from fair bits to a picture."""
COMPONENTS = (1, 10)


def measure_bits(n: int, draws: int) -> tuple[RulerData, list[RulerRow]]:
    """All rows, drawing n pictures each time."""
    train, test = binary_digits("train", full=True), binary_digits("test", full=True)
    judge = frechet_to(test, _features)
    floor = floor_of(judge, train, n)
    data = RulerData("bits", "MNIST as bits", "nats an image", "Fréchet", n, len(test), floor, {})
    return data, [measured("bits", entry, judge, n, draws) for entry in entries(train, test)]


def _features(bits: Tensor) -> Tensor:
    return image_features(bits.reshape(-1, 1, 28, 28), "features-mnist").double()


def entries(train: Tensor, test: Tensor) -> Iterator[Entry]:
    """The models, one after the other."""
    for K in COMPONENTS:
        yield _table(K, train, test)
    yield _machine()


def _table(K: int, train: Tensor, test: Tensor) -> Entry:
    law, seconds = timed(
        lambda: BernoulliMixture(train, K, steps=60, generator=torch.Generator().manual_seed(0))
    )
    weights, rate = weights_and_rates(law)

    def draw(n: int, generator: torch.Generator) -> Tensor:
        component = weights.multinomial(n, replacement=True, generator=generator)
        return torch.bernoulli(rate[component], generator=generator)

    def cost() -> Cost:
        found = mean_estimate(-law.log_prob(test).double())
        return Cost(found.value, found.standard_error, "exact", "a table" if K == 1 else "a sum of tables")

    return Entry(
        "classical", "independent bits" if K == 1 else f"mixture of {K} tables of bits",
        "gmlib.recipes.rbm_floors.BernoulliMixture", "", "60,000 digits as bits", draw, cost,
        K * (SIZE + 1) - 1, seconds, note="the ceiling: pixels that know nothing of each other" if K == 1 else "",
    )  # fmt: skip


def weights_and_rates(law: BernoulliMixture) -> tuple[Tensor, Tensor]:
    """The chance of each component, (K,), and of each bit there, (K, d), from the coefficients that the law keeps."""
    return (law.level + softplus(law.slope).sum(1)).softmax(0), law.slope.sigmoid()


def _machine() -> Entry:
    rbm = shipped("rbm-mnist").rbm
    found = checkpoint("rbm-mnist").metrics["seeds"]["0"]

    @torch.no_grad()
    def draw(n: int, generator: torch.Generator) -> Tensor:
        start = torch.bernoulli(torch.full((n, SIZE), 0.5), generator=generator)
        return rbm.gibbs(start, ROUNDS, generator=generator)

    def cost() -> Cost:
        how = "annealed importance sampling of log Z when it was trained"
        return Cost(-found["test_log_likelihood"], found["test_error"], "estimate", how)

    return Entry(
        "energy", "RBM, 500 hidden units", draw=draw, cost=cost, parameters=size_of(rbm), calls=ROUNDS,
        note="a call is a round of Gibbs sampling", **trained("rbm-mnist"),
    )  # fmt: skip
