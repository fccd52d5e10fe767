"""Chapter 08: what a score network of a toy law is worth, measured against the exact score."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_number
from gmlib.distributions import TOYS, Law
from gmlib.metrics import sliced_wasserstein
from gmlib.score import annealed_langevin, errors_by_noise_level, exact_score, geometric_ladder


def sample_toy(
    score: Callable[[Tensor, Tensor], Tensor],
    law: Law,
    n: int,
    *,
    sigma_min: float = 0.05,
    sigma_max: float = 5.0,
    levels: int = 20,
    steps: int = 20,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "n d"]:
    r"""Annealed Langevin chains from the round normal law of the highest level down to the lowest.

    Args:
        score: a noise-conditional score.
        law: the law of the data, whose mean and variance the start has.
        n: number of chains.
        sigma_min: lowest level; the samples have about the law noised at this level.
        sigma_max: highest level.
        levels: number of levels.
        steps: steps a level, each of size :math:`\delta_i = \sigma_i^2 / 2`.
        generator: source of randomness; None is torch's default.

    Returns:
        The last points of the chains, (n, d).

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.recipes.score_toys import sample_toy
        >>> from gmlib.score import exact_score
        >>> law = Gaussian(torch.tensor([3.0]), var=1.0)
        >>> x = sample_toy(exact_score(law), law, 2000, generator=torch.Generator().manual_seed(0))
        >>> round(x.mean().item(), 1)
        3.0
    """
    spread = math.sqrt(float(law.variance.mean()) + sigma_max**2)
    start = law.mean + spread * torch.randn(
        n, *law.event_shape, generator=generator, device=law.device, dtype=law.mean.dtype
    )
    ladder = geometric_ladder(sigma_max, sigma_min, levels).to(start)
    return annealed_langevin(score, start, ladder, step=0.5 * sigma_min**2, steps=steps, generator=generator)


def toy_evaluator(
    law: Law, sigma_min: float, sigma_max: float, *, samples: int = 2000, levels: int = 12
) -> Callable[[nn.Module], dict[str, float]]:
    r"""A function that measures a score network against the exact score of its law, with draws from a fixed seed.

    Args:
        law: the law of the data.
        sigma_min: lowest noise level.
        sigma_max: highest noise level.
        samples: fresh points, and chains of annealed Langevin dynamics.
        levels: noise levels at which the error is measured, in geometric progression.

    Returns:
        A function of the model that returns

        - ``score_error``: :math:`\sigma^2\, \mathbb E \lVert s_\theta - s^* \rVert^2 / d` averaged over the levels, and
          ``score_error_low``, ``score_error_high`` at the lowest and the highest level, ``score_error_worst`` at the worst;
          the score 0 has at most 1;
        - ``sliced_wasserstein``: between the chains of :func:`sample_toy` and as many fresh points;
          ``sliced_wasserstein_exact``, the same with the exact score and the same noise; ``sliced_wasserstein_fresh``,
          between fresh points and the same ones, the mean of ten draws.

    Raises:
        ValueError: the levels are not positive and in order, or there are fewer than two samples or levels.

    Example:
        >>> from gmlib.distributions import ring
        >>> from gmlib.recipes.score_toys import toy_evaluator
        >>> from gmlib.score import mlp_score
        >>> metrics = toy_evaluator(ring(), 0.1, 5.0, samples=50)(mlp_score(2, [8], var=2.0))
        >>> metrics["score_error_low"] > metrics["score_error_high"]
        True
    """
    check_levels(sigma_min, sigma_max)
    check_count("samples", samples, low=2)
    check_count("levels", levels, low=2)

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        device = next(model.parameters()).device
        # The exact law, its draws and the chains stay on the CPU: the same noise for every device and both scores.
        here = model.to("cpu")
        x, y, noise = _draws(law, samples)
        errors = errors_by_noise_level(here, law, geometric_ladder(sigma_max, sigma_min, levels), x, noise)
        learnt = _chains(here, law, samples, sigma_min, sigma_max)
        model.to(device)
        return {
            "score_error": errors.error.mean().item(),
            "score_error_low": errors.error[-1].item(),
            "score_error_high": errors.error[0].item(),
            "score_error_worst": errors.error.max().item(),
            "sliced_wasserstein": _distance(learnt, y),
            "sliced_wasserstein_exact": _oracle(law, samples, sigma_min, sigma_max),
            "sliced_wasserstein_fresh": _between_fresh(law, samples),
        }

    return evaluate


def _draws(law: Law, n: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = (law.sample((n,), generator=generator) for _ in range(2))
    return x, y, torch.randn(x.shape, generator=generator)


def _chains(
    score: Callable[[Tensor, Tensor], Tensor], law: Law, n: int, sigma_min: float, sigma_max: float
) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return sample_toy(score, law, n, sigma_min=sigma_min, sigma_max=sigma_max, generator=generator)


def _distance(x: Tensor, y: Tensor) -> float:
    # The same directions for every pair.
    return sliced_wasserstein(x, y, generator=torch.Generator().manual_seed(2)).value


@lru_cache(maxsize=len(TOYS))
def _oracle(law: Law, n: int, sigma_min: float, sigma_max: float) -> float:
    return _distance(_chains(exact_score(law), law, n, sigma_min, sigma_max), _draws(law, n)[1])


@lru_cache(maxsize=len(TOYS))
def _between_fresh(law: Law, n: int, repeats: int = 10) -> float:
    y, generator = _draws(law, n)[1], torch.Generator().manual_seed(3)
    return statistics.fmean(_distance(law.sample((n,), generator=generator), y) for _ in range(repeats))


def check_levels(sigma_min: float, sigma_max: float) -> None:
    """Raise unless two noise levels are positive and in order.

    Example:
        >>> from gmlib.recipes.score_toys import check_levels
        >>> check_levels(0.1, 10.0)
    """
    check_number("sigma_min", sigma_min, low=0.0, low_open=True)
    check_number("sigma_max", sigma_max, low=float(sigma_min), low_open=True)
