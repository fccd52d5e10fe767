"""Chapter 08: noise-conditional score networks for the planar toy laws."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count, check_number
from gmlib.distributions import TOYS, Law
from gmlib.nn import MLP
from gmlib.recipes.score_toys import check_levels, toy_evaluator
from gmlib.score import (
    ScoreNetwork,
    denoising_score_matching,
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
        The task; its evaluation is that of :func:`~gmlib.recipes.score_toys.toy_evaluator`.

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
