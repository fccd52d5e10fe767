"""Chapter 05: a spline-coupling flow of the 8x8 digits, on top of their histograms."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count
from gmlib.data import DIGITS_LEVELS, digits, quantise
from gmlib.flows import (
    Bijection,
    Coupling,
    Flow,
    NormalCdf,
    RationalQuadratic,
    StandardNormal,
    checkerboard_mask,
    histogram_layer,
)
from gmlib.metrics import bits_per_dim
from gmlib.nn import MLP
from gmlib.training import Task

PIXELS = 64


def digits_flow(
    *,
    layers: int = 4,
    bins: int = 8,
    bound: float = 4.0,
    hidden: int = 256,
    dropout: float = 0.2,
    smoothing: float = 0.1,
    draws: int = 16,
    evaluate_on: str = "test",
) -> Task:
    """A flow of scikit-learn's 8x8 digits (17 grey levels), trained on the first 1,000, dequantised anew in every step.

    Args:
        layers: number of couplings, whose masks are the two colours of a checkerboard in turn.
        bins: pieces of each spline.
        bound: the splines bend [-bound, bound].
        hidden: width of the one hidden layer of each conditioner.
        dropout: in that layer.
        smoothing: pseudo-count of the histograms.
        draws: of the dequantisation noise for each image of the evaluation.
        evaluate_on: the split to evaluate on: "validation" to choose settings, "test" to report.

    Returns:
        The task; its evaluation is that of :func:`digits_flow_evaluator`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.flow_digits import digits_flow
        >>> digits_flow(hidden=8).data.shape
        torch.Size([1000, 64])
    """
    check_choice("evaluate_on", evaluate_on, ("validation", "test"))
    check_count("layers", layers)
    train = level_vectors("train")
    rule = RationalQuadratic(bins, bound)
    model = histogram_flow(train, rule, layers=layers, hidden=hidden, dropout=dropout, smoothing=smoothing)
    evaluate = digits_flow_evaluator(level_vectors(evaluate_on), draws=draws)
    return Task(model, dequantised_loss, train.float(), uniform_noise, evaluate)


def histogram_flow(
    train: UInt8[Tensor, "n d"],
    rule: RationalQuadratic,
    *,
    layers: int,
    hidden: int,
    dropout: float = 0.0,
    smoothing: float = 0.1,
) -> Flow:
    r"""Couplings of the image, then :math:`\Phi` and the histograms of the pixels: it starts as independent histograms.

    .. math:: u \sim \mathcal N(0, I) \;\to\; \text{couplings} \;\to\; \Phi \;\to\; \text{quantile functions of the pixels}

    On the way from data to noise the histograms come first, so that the couplings see coordinates that are each standard
    normal, and have only what is between the pixels left to learn. The histograms themselves are counted, not trained.

    Args:
        train: levels of the training images, (n, 64).
        rule: the splines.
        layers: number of couplings.
        hidden: width of the hidden layer of each conditioner.
        dropout: in that layer.
        smoothing: pseudo-count of the histograms.

    Example:
        The bound of the untrained flow is no bound: in its cells the density is flat.

        >>> from gmlib.classical import PixelHistograms
        >>> x, test = level_vectors("train"), level_vectors("test")
        >>> flow = histogram_flow(x, RationalQuadratic(), layers=2, hidden=4, smoothing=0.01).eval()
        >>> exact = -PixelHistograms(x, DIGITS_LEVELS, smoothing=0.01).log_prob(test).mean()
        >>> bound = digits_flow_evaluator(test, draws=1)(flow)["nll"]
        >>> f"{exact:.2f} {bound:.2f}"
        '106.33 106.33'
    """
    couplings: list[Bijection] = []
    for i in range(layers):
        mask = checkerboard_mask((8, 8), flip=i % 2 == 1).flatten()
        net = MLP([PIXELS // 2, hidden, PIXELS // 2 * rule.n_params], dropout=dropout)
        last = net.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        couplings.append(Coupling(mask, rule, net))
    counts = histogram_layer(train, DIGITS_LEVELS, smoothing=smoothing).requires_grad_(False)
    return Flow(StandardNormal((PIXELS,)), [*couplings, NormalCdf((PIXELS,)), counts])


def level_vectors(split: str) -> UInt8[Tensor, "n 64"]:
    """The levels of a split of the digits, flattened.

    Args:
        split: "train", "validation" or "test".

    Example:
        >>> level_vectors("test").shape, int(level_vectors("test").max())
        (torch.Size([447, 64]), 16)
    """
    return digits(split).images.flatten(1)  # pyright: ignore[reportArgumentType, reportReturnType]


def uniform_noise(n: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Uniform numbers for the pixels of n images.

    Example:
        >>> uniform_noise(3, torch.Generator(), torch.device("cpu")).shape
        torch.Size([3, 64])
    """
    return torch.rand(n, PIXELS, generator=generator, device=device)


def dequantised_loss(model: nn.Module, x: Tensor, noise: Tensor) -> dict[str, Tensor]:
    r"""Nats an image, :math:`-\log p((x + u)/L) + D\log L`: its mean over u bounds :math:`-\log P(x)` from above.

    Example:
        >>> task = digits_flow(hidden=4, layers=1)
        >>> list(task.loss(task.model, task.data[:2], torch.rand(2, 64)))
        ['loss']
    """
    return {"loss": PIXELS * math.log(DIGITS_LEVELS) - model((x + noise) / DIGITS_LEVELS).mean()}


def digits_flow_evaluator(
    x: UInt8[Tensor, "n d"], *, draws: int = 16
) -> Callable[[nn.Module], dict[str, float]]:
    r"""A function that measures a flow of dequantised digits, with noise from a fixed seed.

    Args:
        x: levels of held-out images, (n, 64).
        draws: K, dequantisation noise for each image.

    Returns:
        A function of the model that returns, in nats an image,

        - ``nll``: the mean of :math:`-\log p((x + u)/L) + D\log L` over K draws of u, a bound from above; its standard
          error over the images ``nll_error``; and ``bits_per_dim``, the same in bits a pixel;
        - ``nll_importance``: minus the logarithm of the mean of the K densities, a tighter bound, which comes down to the
          mass itself as K grows.

    Raises:
        ValueError: ``draws`` is below 1.

    Example:
        >>> task = digits_flow(hidden=4, layers=1)
        >>> measured = digits_flow_evaluator(level_vectors("test")[:20], draws=2)(task.model)
        >>> sorted(measured)
        ['bits_per_dim', 'nll', 'nll_error', 'nll_importance']
    """
    check_count("draws", draws)

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        place = next(model.parameters())
        generator = torch.Generator().manual_seed(0)
        values = []
        for _ in range(draws):
            noise = torch.rand(x.shape, generator=generator)
            values.append(model(((x + noise) / DIGITS_LEVELS).to(place)).double().cpu())
        log_p = torch.stack(values) - x.shape[1] * math.log(DIGITS_LEVELS)
        nll = -log_p.mean(0)
        return {
            "nll": nll.mean().item(),
            "nll_error": (nll.std() / len(x) ** 0.5).item(),
            "nll_importance": (math.log(draws) - log_p.logsumexp(0)).mean().item(),
            "bits_per_dim": float(bits_per_dim(nll.mean(), x.shape[1])),
        }

    return evaluate


def sample_levels(model: Flow, n: int, *, generator: torch.Generator | None = None) -> UInt8[Tensor, "n d"]:
    """Images from the flow, cut to levels.

    Args:
        model: the flow.
        n: how many.
        generator: source of randomness; None is torch's default.

    Example:
        >>> sample_levels(digits_flow(hidden=4).model, 5, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([5, 64])
    """
    return quantise(model.sample((n,), generator=generator), DIGITS_LEVELS)
