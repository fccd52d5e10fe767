"""Chapter 09: a denoiser of the Swiss roll, small enough for a page, beside the exact one."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from gmlib._checks import check_count
from gmlib.diffusion import denoising_loss, low_discrepancy_times
from gmlib.distributions import GaussianMixture, Law, swiss_roll
from gmlib.metrics import sliced_wasserstein
from gmlib.nn import TimeMLP
from gmlib.noise import (
    Denoiser,
    VPCosine,
    dpm_solver_2m,
    exact_denoiser,
    probability_flow_log_prob,
    snr_times,
)
from gmlib.training import Task

FIRST, LAST = 0.001, 0.999
"""Times of the training."""


def scaled_roll(*, dtype: torch.dtype | None = None) -> GaussianMixture:
    """The Swiss roll of noise 0.1, scaled to a variance of about 1; 200 components.

    Example:
        >>> [round(v, 1) for v in scaled_roll().variance.tolist()]
        [1.0, 1.1]
    """
    return swiss_roll(0.1, n_components=200, dtype=dtype).noised(1 / 1.36, 0.0)


def roll_denoiser(*, width: int = 64, depth: int = 3) -> Denoiser:
    """The untrained model, which predicts v on the cosine schedule.

    Args:
        width: of the network's residual stream.
        depth: number of its blocks.

    Example:
        >>> roll_denoiser(width=8).parameterisation
        'v'
    """
    return Denoiser(TimeMLP(2, width=width, depth=depth), VPCosine(), "v")


def roll_diffusion(*, width: int = 64, depth: int = 3, points: int = 50_000, samples: int = 2000) -> Task:
    """Denoise the Swiss roll at even times.

    Args:
        width: of the network's residual stream.
        depth: number of its blocks.
        points: training points, drawn once with a fixed seed.
        samples: points of the evaluation.

    Returns:
        The task; its evaluation is that of :func:`evaluator`.

    Raises:
        ValueError: a count is below 1.

    Example:
        >>> from gmlib.recipes.diffusion_roll import roll_diffusion
        >>> roll_diffusion(points=100).data.shape
        torch.Size([100, 2])
    """
    check_count("points", points)
    law = scaled_roll(dtype=torch.float32)
    data = law.sample((points,), generator=torch.Generator().manual_seed(1))
    return Task(roll_denoiser(width=width, depth=depth), loss, data, noise, evaluator(law, samples=samples))


def noise(n: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
    """Normal draws (n, 2) and even times (n,).

    Args:
        n: batch size.
        generator: source of randomness.
        device: where they are made.

    Example:
        >>> [part.shape for part in noise(3, torch.Generator(), torch.device("cpu"))]
        [torch.Size([3, 2]), torch.Size([3])]
    """
    draw = torch.randn(n, 2, generator=generator, device=device)
    return draw, low_discrepancy_times(n, FIRST, LAST, generator=generator, device=device)


def loss(model: nn.Module, x: Tensor, noise: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """The mean squared error of v, a coordinate.

    Args:
        model: a Denoiser.
        x: points, (n, 2).
        noise: what :func:`noise` draws.

    Example:
        >>> import torch
        >>> from gmlib.recipes.diffusion_roll import loss, roll_denoiser
        >>> loss(roll_denoiser(), torch.zeros(1, 2), (torch.ones(1, 2), torch.tensor([0.999])))["loss"].item() < 1e-4
        True
    """
    assert isinstance(model, Denoiser)
    draw, t = noise
    return {"loss": denoising_loss(model, x, t, draw, target="v").total.mean() / x.shape[-1]}


def evaluator(law: Law, *, samples: int = 2000) -> Callable[[nn.Module], dict[str, float]]:
    """A function that measures a denoiser against the exact one of a planar law, with draws from a fixed seed.

    Args:
        law: the law of the data.
        samples: fresh points, and draws of 20 calls of DPM-Solver++ 2M.

    Returns:
        A function of the model that returns ``loss``, ``loss_exact`` (that of the exact denoiser on the same noise, the
        least there is), ``kl`` (from the law, noised to a log-SNR of 6, to the density of the probability flow, nats, by
        quadrature), ``mass`` (of that density on the grid), ``sliced_wasserstein`` and ``sliced_wasserstein_fresh``.

    Raises:
        ValueError: there are fewer than two samples.

    Example:
        >>> from gmlib.recipes.diffusion_roll import evaluator, roll_denoiser, scaled_roll
        >>> found = evaluator(scaled_roll(), samples=20)(roll_denoiser(width=8))
        >>> found["loss"] > found["loss_exact"]
        True
    """
    check_count("samples", samples, low=2)

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Denoiser)
        # A copy: whatever happens here, the model stays where it is.
        here, generator = deepcopy(model).to("cpu"), torch.Generator().manual_seed(0)
        x, fresh = (law.sample((samples,), generator=generator) for _ in range(2))
        draws = noise(samples, generator, torch.device("cpu"))
        exact = exact_denoiser(law, here.schedule, "v")
        times = snr_times(here.schedule, 20, low=-8.0, high=8.0)
        found = dpm_solver_2m(here, torch.randn(x.shape, generator=generator), times).x
        kl, mass = flow_divergence(here, law)
        distances = (sliced_wasserstein(y, fresh, generator=generator).value for y in (found, x))
        return {
            "loss": loss(here, x, draws)["loss"].item(),
            "loss_exact": loss(exact, x, draws)["loss"].item(),
            "kl": kl,
            "mass": mass,
        } | dict(zip(("sliced_wasserstein", "sliced_wasserstein_fresh"), distances, strict=True))

    return evaluate


def flow_divergence(denoiser: Denoiser, law: Law, *, side: int = 80, steps: int = 40) -> tuple[float, float]:
    """KL divergence from a planar law, noised to a log-SNR of 6, to the density of the probability flow; and its mass.

    Args:
        denoiser: the model.
        law: the law of the data, within 2.6 of the origin.
        side: points of the grid in each direction.
        steps: of the flow.

    Returns:
        Nats and mass, by quadrature on the grid.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import VPCosine, exact_denoiser
        >>> from gmlib.recipes.diffusion_roll import flow_divergence
        >>> law = Gaussian(torch.zeros(2), var=0.5)
        >>> kl, mass = flow_divergence(exact_denoiser(law, VPCosine()), law, side=20, steps=20)
        >>> abs(kl) < 0.01, abs(mass - 1) < 0.01
        (True, True)
    """
    schedule = denoiser.schedule
    line = torch.linspace(-2.6, 2.6, side)
    points, cell = torch.cartesian_prod(line, line), float(line[1] - line[0]) ** 2
    rising = snr_times(schedule, steps, low=-8.0, high=6.0).flip(0)
    start = law.noised(float(schedule.alpha(rising[0])), float(schedule.sigma(rising[0])))
    log_p, log_q = probability_flow_log_prob(denoiser, points, rising), start.log_prob(points)
    return float((log_q.exp() * (log_q - log_p)).sum()) * cell, float(log_p.exp().sum()) * cell
