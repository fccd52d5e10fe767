"""Chapter 08: noise-conditional score networks for the planar toy laws."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count, check_number
from gmlib.distributions import TOYS, Law
from gmlib.metrics import sliced_wasserstein
from gmlib.nn import MLP
from gmlib.score import (
    ScoreNetwork,
    annealed_langevin,
    denoising_score_matching,
    errors_by_noise_level,
    exact_score,
    geometric_ladder,
    implicit_score_matching,
    mlp_score,
    ncsn_loss,
    sliced_score_matching,
)
from gmlib.training import Task


def toy_score(
    *,
    law: str = "swiss_roll",
    hidden: Sequence[int] = (64, 64),
    points: int = 50_000,
    sigma_min: float = 0.05,
    sigma_max: float = 5.0,
    samples: int = 2000,
) -> Task:
    """A score network small enough for a page, on a toy law of the plane, for all noise levels of a range.

    Args:
        law: a name in ``gmlib.distributions.TOYS``, with its own noise.
        hidden: widths of the hidden layers.
        points: training points, drawn once with a fixed seed, which is the same for every seed of a run.
        sigma_min: lowest noise level of training and evaluation.
        sigma_max: highest noise level.
        samples: points and chains of the evaluation.

    Returns:
        The task; its evaluation is that of :func:`toy_evaluator`.

    Raises:
        ValueError: there is no such law, or a number is out of its range.

    Example:
        >>> from gmlib.recipes.score import toy_score
        >>> task = toy_score(law="ring", points=100)
        >>> task.data.shape, [round(v.item(), 2) for v in (task.model.mean.norm(), task.model.var)]
        (torch.Size([100, 2]), [0.0, 2.01])
    """
    check_choice("law", law, tuple(TOYS))
    check_count("points", points)
    exact = _toy(law)
    data = exact.sample((points,), generator=torch.Generator().manual_seed(1))
    model = mlp_score(2, list(hidden), exact.mean, float(exact.variance.mean()))
    evaluate = toy_evaluator(exact, sigma_min, sigma_max, samples=samples)
    return score_task(model, data, sigma_min, sigma_max, evaluate)


@lru_cache(maxsize=len(TOYS))
def _toy(name: str) -> Law:
    # One object for each name, so that what is known of the exact law is computed once for all seeds.
    return TOYS[name](dtype=torch.float32)


def score_task(
    model: ScoreNetwork,
    train: Float[Tensor, "n d"],
    sigma_min: float,
    sigma_max: float,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
) -> Task:
    """The training task of a score network: the loss weighted by the square of a log-uniform noise level.

    Args:
        model: the network.
        train: training data, (n, d).
        sigma_min: lowest noise level.
        sigma_max: highest noise level.
        evaluate: the task's evaluation.

    Raises:
        ValueError: the levels are not positive and in order.

    Example:
        >>> import torch
        >>> from gmlib.recipes.score import score_task
        >>> from gmlib.score import mlp_score
        >>> task = score_task(mlp_score(2), torch.zeros(8, 2), 0.1, 10.0)
        >>> sorted(task.loss(task.model, task.data, task.noise(8, torch.Generator(), torch.device("cpu"))))
        ['loss']
    """
    check_levels(sigma_min, sigma_max)

    def loss(model: nn.Module, x: Tensor, noise: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return {"loss": ncsn_loss(model, x, *noise).mean().total}

    def noise(n: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        draw = torch.randn(n, *train.shape[1:], generator=generator, device=device)
        return draw, log_uniform(n, sigma_min, sigma_max, generator=generator, device=device)

    return Task(model, loss, train, noise, evaluate)


def roll_score(
    method: str = "implicit",
    *,
    sigma: float = 0.1,
    hidden: Sequence[int] = (128, 128),
    points: int = 50_000,
) -> Task:
    r"""A free field on the Swiss roll (noise 0.1) at one noise level, trained by one of three losses; to be run live.

    Args:
        method: "implicit" (exact trace), "sliced" (one Rademacher projection, reduced variance) or "denoising".
        sigma: noise level of "denoising", whose target is the score of the roll noised by it; its loss is times
            :math:`\sigma^2`.
        hidden: widths of the hidden layers.
        points: training points, drawn once.

    Returns:
        The task; its model is an MLP from points (n, 2) to scores (n, 2), its loss that of the method.

    Raises:
        ValueError: there is no such method, or a number is out of its range.

    References:
        K. P. Murphy, *Probabilistic Machine Learning: Advanced Topics* (2023), figure 25.5, for task and network.

    Example:
        >>> from gmlib.recipes.score import roll_score
        >>> roll_score("sliced", points=100).model.out_features
        2
    """
    check_choice("method", method, ("implicit", "sliced", "denoising"))
    check_number("sigma", sigma, low=0.0, low_open=True)
    check_count("points", points)
    data = _toy("swiss_roll").sample((points,), generator=torch.Generator().manual_seed(1))

    def loss(model: nn.Module, x: Tensor, noise: Tensor) -> dict[str, Tensor]:
        if method == "implicit":
            return {"loss": implicit_score_matching(model, x).mean().total}
        if method == "sliced":
            return {"loss": sliced_score_matching(model, x, noise.sign(), reduced=True).mean().total}
        return {"loss": sigma**2 * denoising_score_matching(model, x, noise, sigma).mean().total}

    def noise(n: int, generator: torch.Generator, device: torch.device) -> Tensor:
        return torch.randn(n, 2, generator=generator, device=device)

    return Task(MLP([2, *hidden, 2]), loss, data, noise)


def log_uniform(
    n: int,
    low: float,
    high: float,
    *,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, " n"]:
    r"""Noise levels whose logarithms are spread evenly over a range, with one shift for all.

    .. math:: \sigma_i = \sigma_{\min} \Big(\frac{\sigma_{\max}}{\sigma_{\min}}\Big)^{(i + u)/n},
              \qquad i = 0, \dots, n - 1, \quad u \sim \mathcal U(0, 1)

    A level picked at random is log-uniform; together they leave no gap, so that a batch's average over the levels has less
    variance than with independent draws. They come in rising order: give them to points in random order.

    Args:
        n: number of levels, in rising order.
        low: :math:`\sigma_{\min}`.
        high: :math:`\sigma_{\max}`.
        generator: source of randomness; None is torch's default.
        device: device of the levels.

    Example:
        >>> from gmlib.recipes.score import log_uniform
        >>> levels = log_uniform(4, 0.01, 100.0)
        >>> [round(r.item(), 3) for r in levels[1:] / levels[:-1]]
        [10.0, 10.0, 10.0]
    """
    shift = torch.rand(1, generator=generator, device=device)
    part = (torch.arange(n, device=device) + shift) / n
    return low * torch.exp(math.log(high / low) * part)


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
        >>> from gmlib.recipes.score import sample_toy
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
        >>> from gmlib.recipes.score import toy_evaluator
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
        >>> from gmlib.recipes.score import check_levels
        >>> check_levels(0.1, 10.0)
    """
    check_number("sigma_min", sigma_min, low=0.0, low_open=True)
    check_number("sigma_max", sigma_max, low=float(sigma_min), low_open=True)
