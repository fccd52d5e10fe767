"""The ruler on MNIST in 256 grey levels: bits a pixel of test images, Frechet distance to all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from gmlib.checkpoints import checkpoint
from gmlib.data import MNIST_LEVELS, mnist
from gmlib.diffusion import vdm_bound
from gmlib.metrics import image_features
from gmlib.noise import Denoiser
from gmlib.recipes._ruler.images import classical_entries
from gmlib.recipes._ruler.kit import (
    Entry,
    floor_of,
    frechet_to,
    image_cost,
    in_parts,
    inner_networks,
    measured,
    no_density,
    shipped,
    size_of,
    spread_out,
    trained,
)
from gmlib.recipes.cascade_mnist import cascaded_digits
from gmlib.recipes.diffusion_mnist import HIGH, LOW, scaled
from gmlib.recipes.diffusion_samplers import draw_digits, levels
from gmlib.recipes.gan_digits import sample_images
from gmlib.recipes.guidance_mnist import CLASSES
from gmlib.recipes.guidance_weights import guided_by, guided_digits
from gmlib.recipes.ruler_record import RulerData, RulerRow
from gmlib.vae import importance_weighted_bound

SIZE, CALLS = 784, 20
"""Pixels; steps of DPM-Solver++ 2M of every denoiser."""
SAMPLES, FILLS, NOISES = 64, 8, 4
"""Latent draws of the autoencoder's bound, noise draws of the flow's, noise levels of the diffusion bound."""
STAGES = tuple(f"cascade-{side}-mnist" for side in (7, 14, 28))


def measure_mnist(n: int, draws: int) -> tuple[RulerData, list[RulerRow]]:
    """All rows, drawing n pictures each time; costs are of n test images, spread evenly over the 10,000."""
    train, test = mnist("train", full=True).images, mnist("test", full=True).images
    judge = frechet_to(test, _features)
    floor = floor_of(judge, train, n)
    data = RulerData("mnist", "MNIST in 256 grey levels", "bits a pixel", "Fréchet", n, len(test), floor, {})
    return data, [measured("mnist", entry, judge, n, draws) for entry in entries(n)]


def _features(images: Tensor) -> Tensor:
    return image_features(images.reshape(-1, 1, 28, 28).float() / 255, "features-mnist").double()


def entries(n: int) -> Iterator[Entry]:
    """The models, one after the other; weights are loaded on the way."""
    full = mnist("test", full=True)
    chosen = list(spread_out(n, len(full.images)))
    test, label = full.images[chosen], full.labels[chosen]
    few = mnist("train").images.flatten(1).long()
    where = "9,000 of the embedded digits"
    yield from classical_entries(few[:-1000], few[-1000:], test.flatten(1).long(), MNIST_LEVELS, where)
    yield _vae(test.flatten(1).float())
    yield _flow(test)
    yield _diffusion(test)
    yield from _guidance(test, label)
    yield _cascade()
    yield _gan()


def _vae(test: Tensor) -> Entry:
    vae = shipped("vae-mnist")
    generator = torch.Generator().manual_seed(0)

    def nats(x: Tensor) -> Tensor:
        noise = torch.randn(SAMPLES, len(x), vae.latent_dim, generator=generator)
        return -importance_weighted_bound(vae.log_weights(x, noise))

    return Entry(
        "VAE", "VAE",
        draw=torch.no_grad()(lambda n, g: vae.sample(n, generator=g)),
        cost=image_cost(lambda: in_parts(nats, test, 50), SIZE, "bound", f"importance-weighted, {SAMPLES} draws"),
        parameters=size_of(vae), networks=(vae.decoder,), **trained("vae-mnist"),
    )  # fmt: skip


def _flow(test: Tensor) -> Entry:
    model = shipped("flow-mnist-small")
    generator = torch.Generator().manual_seed(0)

    def nats(x: Tensor) -> Tensor:
        return -model.bound(x, samples=FILLS, generator=generator)

    return Entry(
        "flows", "multiscale splines",
        draw=lambda n, g: model.sample((n,), generator=g),
        cost=image_cost(
            lambda: in_parts(nats, test, 50), SIZE, "bound", f"learnt dequantisation, {FILLS} draws"
        ),
        parameters=size_of(model), networks=inner_networks(model),
        note="and one small step for each of the 49 pixels of the coarsest image",
        **trained("flow-mnist-small"),
    )  # fmt: skip


def _bound(model: Denoiser, test: Tensor, label: Tensor | None) -> Callable[[], Tensor]:
    """Nats an image; with a label those of image and class together, which are no fewer."""
    generator, whole = torch.Generator().manual_seed(0), scaled(torch.arange(MNIST_LEVELS))

    def nats() -> Tensor:
        found = []
        for i in range(0, len(test), 100):
            told: dict[str, Any] = {} if label is None else {"label": label[i : i + 100]}
            x = scaled(test[i : i + 100])
            bound = vdm_bound(
                model, x, low=LOW, high=HIGH, draws=NOISES, levels=whole, generator=generator, **told
            )
            found.append(bound.total)
        return torch.cat(found) + (0.0 if label is None else math.log(CLASSES))

    return nats


def _diffusion(test: Tensor) -> Entry:
    model = shipped("diffusion-mnist")
    return Entry(
        "diffusion", "denoiser, DPM-Solver++ 2M",
        draw=lambda n, g: draw_digits(model, n, sampler="DPM-Solver++ 2M", calls=CALLS, seed=g.initial_seed()),
        cost=image_cost(_bound(model, test, None), SIZE, "bound", f"continuous time, {NOISES} noise levels"),
        parameters=size_of(model), networks=(model.network,), **trained("diffusion-mnist"),
    )  # fmt: skip


def _guidance(test: Tensor, label: Tensor) -> Iterator[Entry]:
    known = trained("guidance-mnist")
    known["train_seconds"] += checkpoint("diffusion-mnist").time
    for w in (1.0, 3.0):
        guided = guided_by("free", w)
        network = guided.network
        told = image_cost(
            _bound(shipped("guidance-mnist"), test, label), SIZE, "bound",
            f"of image and class together, {NOISES} noise levels",
        )  # fmt: skip
        yield Entry(
            "guidance", f"told the class, w = {w:g}",
            draw=lambda n, g, guided=guided: guided_digits(
                guided, torch.arange(n) % CLASSES, calls=CALLS, seed=g.initial_seed()
            ),
            cost=told if w == 1 else no_density("what guidance with w above 1 draws from has no known density"),
            parameters=size_of(guided), networks=(network.network,),  # pyright: ignore
            note="as many of each class; the seconds hold those of the denoiser that it starts from", **known,
        )  # fmt: skip


def _cascade() -> Entry:
    known = [trained(name) for name in STAGES]

    def draw(n: int, generator: torch.Generator) -> Tensor:
        seeds = range(1000 * generator.initial_seed(), 1000 * generator.initial_seed() + -(-n // 100))
        return levels(torch.cat([cascaded_digits(100, calls=CALLS, seed=seed)[-1] for seed in seeds])[:n])

    return Entry(
        "guidance", "cascade 7, 14, 28", **{
            **known[-1],
            "train_seconds": sum(each["train_seconds"] for each in known),
        },
        draw=draw,
        cost=no_density("its stages bound a picture together with its smaller copies, which has not been worked out"),
        parameters=size_of(*(shipped(name) for name in STAGES)), calls=CALLS * len(STAGES),
        note="three networks; the recipe is that of the last",
    )  # fmt: skip


def _gan() -> Entry:
    game = shipped("gan-mnist")
    return Entry(
        "GAN", "convolutional GAN, R1",
        draw=torch.no_grad()(lambda n, g: (sample_images(game, n, generator=g) * 255).round()),
        cost=no_density("GANs have no density"), parameters=size_of(game.generator), networks=(game.generator,),
        note=f"its critic has {size_of(game.critic):,} parameters more", **trained("gan-mnist"),
    )  # fmt: skip
