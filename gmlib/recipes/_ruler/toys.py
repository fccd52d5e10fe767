"""The ruler on laws of the plane: KL divergence by quadrature, and sliced Wasserstein distance to fresh points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from gmlib.classical import KernelDensity, best_bandwidth, fit_mixture
from gmlib.distributions import TOYS, Gaussian, GaussianMixture, sixteen_gaussians
from gmlib.metrics import sliced_wasserstein
from gmlib.noise import dpm_solver_2m, snr_times
from gmlib.recipes._ruler.kit import (
    Cost,
    Entry,
    inner_networks,
    measured,
    no_density,
    shipped,
    size_of,
    timed,
    trained,
)
from gmlib.recipes.diffusion_roll import flow_divergence, scaled_roll
from gmlib.recipes.flow import plane_grid
from gmlib.recipes.flow_ode import ode_evaluator
from gmlib.recipes.gan import NOISE
from gmlib.recipes.ruler_record import RulerData, RulerRow
from gmlib.recipes.score_toys import sample_toy

LAWS: dict[str, tuple[str, Callable[..., GaussianMixture]]] = {
    "two_moons": ("Two moons", TOYS["two_moons"]),
    "swiss_roll": ("Swiss roll", TOYS["swiss_roll"]),
    "eight_gaussians": ("Eight Gaussians", TOYS["eight_gaussians"]),
    "checkerboard": ("Checkerboard", TOYS["checkerboard"]),
    "sixteen_gaussians": ("Sixteen Gaussians, width 0.1", TOYS["sixteen_gaussians"]),
    "sixteen_narrow": (f"Sixteen Gaussians, width {NOISE}", partial(sixteen_gaussians, noise=NOISE)),
}
"""Laws on which more than one family of the book has a trained model, by key: title and law."""

FLOWS = {
    "two_moons": {"flow-two-moons": "spline couplings", "flow-ode": "continuous flow"},
    "eight_gaussians": {},
    "checkerboard": {},
}
"""Laws that have flows: each one of ``flow-stack``, and these besides."""

POINTS, COMPONENTS, CENTRES = 10_000, 20, 2000
"""Training points of the classical models, components of the mixture, points of the kernel density estimate."""
ROLL_SCALE = 1.36
"""By how much the roll of chapter 09 is smaller."""


def measure_toy(key: str, n: int, draws: int) -> tuple[RulerData, list[RulerRow]]:
    """All rows of a law, drawing n points each time."""
    title, law = LAWS[key]
    fresh = law(dtype=torch.float32).sample((n,), generator=torch.Generator().manual_seed(1000))
    judge = partial(_distance, fresh)
    again = [
        law(dtype=torch.float32).sample((n,), generator=torch.Generator().manual_seed(2000 + seed))
        for seed in range(10)
    ]
    data = RulerData(
        key, title, "nats above the entropy", "sliced Wasserstein", n, n, tuple(judge(x) for x in again), {}
    )
    return data, [measured(key, entry, judge, n, draws) for entry in entries(key)]


def _distance(fresh: Tensor, x: Tensor) -> float:
    # The same directions for every pair.
    return sliced_wasserstein(x.float(), fresh, generator=torch.Generator().manual_seed(0)).value


def entries(key: str) -> Iterator[Entry]:
    """The models of a law, one after the other; weights are loaded on the way."""
    law = LAWS[key][1](dtype=torch.float64)
    yield from _classical(law)
    if key in FLOWS:
        yield from _flows(key, law)
    if key in ("two_moons", "swiss_roll", "eight_gaussians", "checkerboard", "sixteen_gaussians"):
        yield _score(key)
    if key == "swiss_roll":
        yield _diffusion()
    if key == "sixteen_narrow":
        yield _gan("gan-grid", "GAN, plain")
        yield _gan("gan-grid-r1", "GAN, R1 and averaged weights")


def _quadrature(law: GaussianMixture, log_q: Callable[[Tensor], Tensor]) -> Cost:
    return Cost(plane_grid(law).kl(log_q), None, "exact", "by quadrature")


def _classical(law: GaussianMixture) -> Iterator[Entry]:
    x = law.sample((POINTS,), generator=torch.Generator().manual_seed(1))

    def entry(
        model: str, recipe: str, make: Callable[[], object], size: int, note: str = "", n: int = POINTS
    ) -> Entry:
        found, seconds = timed(make)
        assert isinstance(found, Gaussian | GaussianMixture | KernelDensity)
        return Entry(
            "classical", model, recipe, "", f"{n:,} draws", lambda n, g: found.sample((n,), generator=g),
            lambda: _quadrature(law, found.log_prob), size, seconds, note=note,
        )  # fmt: skip

    yield entry(
        "one normal law", "gmlib.distributions.Gaussian", lambda: Gaussian(x.mean(0), cov=x.T.cov()), 5
    )
    generator = torch.Generator().manual_seed(0)
    yield entry(
        f"mixture of {COMPONENTS} normal laws",
        "gmlib.classical.fit_mixture",
        lambda: fit_mixture(x, COMPONENTS, floor=1e-4, tolerance=1e-6, generator=generator).mixture,
        6 * COMPONENTS - 1,
    )
    few = x[:CENTRES]
    yield entry(
        "kernel density estimate", "gmlib.classical.KernelDensity",
        lambda: KernelDensity(few, best_bandwidth(few)), few.numel() + 1, "it keeps its training points", CENTRES,
    )  # fmt: skip


def _flows(key: str, law: GaussianMixture) -> Iterator[Entry]:
    stack = {"flow-stack": "smooth spline couplings"}
    for name, model in (stack | FLOWS[key]).items():
        flow = shipped(name)
        flow = flow.get_submodule(key) if name == "flow-stack" else flow
        yield Entry(
            "flows",
            model,
            draw=lambda n, g, flow=flow: flow.sample((n,), generator=g),
            cost=lambda flow=flow, name=name: _flow_cost(law, flow, name),
            parameters=size_of(flow),
            networks=inner_networks(flow),
            note="trained with two others: the seconds are those of all three"
            if name == "flow-stack"
            else "",
            **trained(name),
        )


def _flow_cost(law: GaussianMixture, flow: object, name: str) -> Cost:
    if name == "flow-ode":
        value = ode_evaluator(law, samples=2)(flow)["kl"]  # pyright: ignore[reportArgumentType]
        return Cost(value, None, "exact", "by quadrature, the equation solved to 1e-5")
    return _quadrature(law, torch.no_grad()(lambda x: flow(x.float())))  # pyright: ignore[reportCallIssue]


def _score(key: str) -> Entry:
    name = f"score-{key.replace('_', '-')}"
    model, law = shipped(name), LAWS[key][1](dtype=torch.float32)
    return Entry(
        "score",
        "score network, annealed Langevin",
        draw=lambda n, g: sample_toy(model, law, n, generator=g),
        cost=no_density("a score, and chains that stop early: no density"),
        parameters=size_of(model),
        networks=(model,),
        **trained(name),
    )


def _diffusion() -> Entry:
    model = shipped("diffusion-roll")
    times = snr_times(model.schedule, 20, low=-8.0, high=8.0)

    @torch.no_grad()
    def draw(n: int, generator: torch.Generator) -> Tensor:
        return ROLL_SCALE * dpm_solver_2m(model, torch.randn(n, 2, generator=generator), times).x

    def cost() -> Cost:
        value = flow_divergence(model, scaled_roll(dtype=torch.float32))[0]
        return Cost(
            value, None, "estimate", "probability flow in 40 steps, of the law noised to a log-SNR of 6"
        )

    return Entry(
        "diffusion",
        "denoiser, DPM-Solver++ 2M",
        draw=draw,
        cost=torch.no_grad()(cost),
        parameters=size_of(model),
        networks=(model.network,),
        note="learnt from the roll as 200 normal laws at another scale, to which its points are brought back",
        **trained("diffusion-roll"),
    )


def _gan(name: str, model: str) -> Entry:
    game = shipped(name)
    return Entry(
        "GAN",
        model,
        draw=lambda n, g: game.sample(n, generator=g),
        cost=no_density("GANs have no density"),
        parameters=size_of(game.generator),
        networks=(game.generator,),
        note=f"its critic has {size_of(game.critic):,} parameters more",
        **trained(name),
    )
