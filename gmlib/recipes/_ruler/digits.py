"""The ruler on scikit-learn's 8x8 digits: bits a pixel of all test images, Frechet distance to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gmlib.data import DIGITS_LEVELS, digits
from gmlib.diffusion import vdm_bound
from gmlib.flows import Dequantised
from gmlib.metrics import image_features
from gmlib.recipes._ruler.images import classical_entries
from gmlib.recipes._ruler.kit import (
    Entry,
    floor_of,
    frechet_to,
    image_cost,
    inner_networks,
    measured,
    no_density,
    shipped,
    size_of,
    trained,
)
from gmlib.recipes.as_levels import as_levels
from gmlib.recipes.diffusion_digits import HIGH, LOW, scaled
from gmlib.recipes.diffusion_digits import sample_digits as diffusion_digits
from gmlib.recipes.flow_digits import level_vectors, sample_levels
from gmlib.recipes.ruler_record import RulerData, RulerRow
from gmlib.recipes.score_chains import ancestral_digits, sample_digits
from gmlib.vae import importance_weighted_bound

SIZE, SAMPLES, DRAWS = 64, 64, 20
"""Pixels; latent draws of the autoencoder's bound and noise draws of the flow's; noise levels of the diffusion bound."""


def measure_digits(draws: int) -> tuple[RulerData, list[RulerRow]]:
    """All rows; a draw has as many images as the test set."""
    n, distance = len(level_vectors("test")), judge()
    floor = floor_of(distance, level_vectors("train"), n)
    data = RulerData("digits", "8 x 8 digits", "bits a pixel", "Fréchet", n, n, floor, {})
    return data, [measured("digits", entry, distance, n, draws) for entry in entries()]


def judge() -> Callable[[Tensor], float]:
    """The distance of whole levels, (n, 64), to the test images."""
    return frechet_to(level_vectors("test"), _features)


def _features(levels: Tensor) -> Tensor:
    return image_features(
        levels.float().unflatten(1, (1, 8, 8)) / (DIGITS_LEVELS - 1), "features-digits"
    ).double()


def _whole(x: Tensor) -> Tensor:
    return (16 * as_levels(x, DIGITS_LEVELS)).round().long()


def entries() -> Iterator[Entry]:
    """The models, one after the other; weights are loaded on the way."""
    train, validation, test = (level_vectors(split).long() for split in ("train", "validation", "test"))
    yield from classical_entries(train, validation, test, DIGITS_LEVELS, "first 1,000 digits")
    yield _vae(test)
    yield _flow(test)
    yield from _score()
    yield _diffusion()


def _vae(test: Tensor) -> Entry:
    vae = shipped("vae-digits")

    def nats() -> Tensor:
        noise = torch.randn(SAMPLES, len(test), vae.latent_dim, generator=torch.Generator().manual_seed(0))
        return -importance_weighted_bound(vae.log_weights(test.float(), noise))

    return Entry(
        "VAE", "VAE",
        draw=torch.no_grad()(lambda n, g: vae.sample(n, generator=g).long()),
        cost=image_cost(nats, SIZE, "bound", f"importance-weighted, {SAMPLES} draws"),
        parameters=size_of(vae), networks=(vae.decoder,), **trained("vae-digits"),
    )  # fmt: skip


def _flow(test: Tensor) -> Entry:
    flow = shipped("flow-digits")

    def nats() -> Tensor:
        bound = Dequantised(flow, DIGITS_LEVELS).bound
        return -bound(test, samples=SAMPLES, generator=torch.Generator().manual_seed(0))

    return Entry(
        "flows", "spline couplings on histograms",
        draw=lambda n, g: sample_levels(flow, n, generator=g).long(),
        cost=image_cost(nats, SIZE, "bound", f"dequantised, {SAMPLES} draws"),
        parameters=size_of(flow), networks=inner_networks(flow), **trained("flow-digits"),
    )  # fmt: skip


def _score() -> Iterator[Entry]:
    model = shipped("score-digits")
    for name, sample in (("annealed Langevin", sample_digits), ("reverse steps", ancestral_digits)):
        yield Entry(
            "score", f"score network, {name}",
            draw=lambda n, g, sample=sample: _whole(sample(model, n, generator=g)),
            cost=no_density("a score without a density"),
            parameters=size_of(model), networks=(model,), **trained("score-digits"),
        )  # fmt: skip


def _diffusion() -> Entry:
    model = shipped("diffusion-digits")

    def nats() -> Tensor:
        bound = vdm_bound(
            model, scaled(digits("test").images), low=LOW, high=HIGH, draws=DRAWS,
            levels=scaled(torch.arange(DIGITS_LEVELS)), generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        return bound.total

    return Entry(
        "diffusion", "denoiser, DDPM's sampler",
        draw=torch.no_grad()(lambda n, g: _whole(diffusion_digits(model, n, generator=g))),
        cost=image_cost(nats, SIZE, "bound", f"continuous time, {DRAWS} noise levels"),
        parameters=size_of(model), networks=(model.network,), **trained("diffusion-digits"),
    )  # fmt: skip
