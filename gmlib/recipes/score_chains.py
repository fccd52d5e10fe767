"""Chapter 08: 8x8 digits drawn by a noise-conditional score, in two ways."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.score import annealed_langevin, geometric_ladder

SIGMA_MIN, SIGMA_MAX = 0.05, 5.0
"""Noise levels of the digits, in units in which a black pixel is 0 and a white one 1: from a little less than the step of
1/16 between two grey levels to a little more than the largest distance of two training images, 4.8."""


@torch.no_grad()
def sample_digits(
    score: Callable[[Tensor, Tensor], Tensor],
    n: int,
    *,
    sigma_min: float = SIGMA_MIN,
    sigma_max: float = SIGMA_MAX,
    levels: int = 20,
    steps: int = 20,
    step: float = 0.2,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "n 64"]:
    r"""Annealed Langevin chains with steps of ``step`` times :math:`\sigma_i^2`, denoised at the end.

    In a direction in which the data have no width a chain settles at the variance :math:`\sigma_i^2 / (1 - \delta / 4)`,
    ``step`` being :math:`\delta`: more noise than the network is told of. In 64 dimensions that shows: with large steps the
    classes come out in wrong proportions, the eights in front.

    Args:
        score: a noise-conditional score on digits with entries in [0, 1].
        n: number of chains.
        sigma_min: lowest level.
        sigma_max: highest level; the chains start from normal noise of this size.
        levels: number of levels, in geometric progression.
        steps: steps a level.
        step: step over :math:`\sigma_i^2`, positive.
        generator: source of randomness; None is torch's default.
        device: device of the chains.

    Returns:
        The end points, (n, 64), which may lie a little outside [0, 1]; rounded to grey levels they are images.

    Example:
        >>> import torch
        >>> from gmlib.recipes.score_chains import sample_digits
        >>> sample_digits(lambda x, sigma: -x / sigma**2, 3, levels=2, steps=1).shape  # all images black
        torch.Size([3, 64])
    """
    start = sigma_max * torch.randn(n, 64, generator=generator, device=device)
    ladder = geometric_ladder(sigma_max, sigma_min, levels).to(start)
    return annealed_langevin(
        score, start, ladder, step=step * sigma_min**2, steps=steps, denoise=True, generator=generator
    )


@torch.no_grad()
def ancestral_digits(
    score: Callable[[Tensor, Tensor], Tensor],
    n: int,
    *,
    sigma_min: float = SIGMA_MIN,
    sigma_max: float = SIGMA_MAX,
    steps: int = 100,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "n 64"]:
    r"""The same network sampled by one reverse step a level instead of a chain at each: a look ahead to diffusion.

    .. math:: x \leftarrow x + (\sigma_i^2 - \sigma_{i+1}^2)\, s(x, \sigma_i)
              + \sqrt{\sigma_{i+1}^2 (\sigma_i^2 - \sigma_{i+1}^2) / \sigma_i^2}\; \varepsilon

    The step is the law of the point at level i + 1 given that at level i, the clean point taken for its posterior mean. It
    tells what the network is worth apart from Langevin dynamics.

    Args:
        score: a noise-conditional score on digits with entries in [0, 1].
        n: number of images.
        sigma_min: lowest level.
        sigma_max: highest level.
        steps: calls of the score.
        generator: source of randomness; None is torch's default.
        device: device of the images.

    Returns:
        The end points, denoised, (n, 64).

    References:
        Y. Song et al., *Score-based generative modeling through stochastic differential equations* (2021), appendix F.

    Example:
        >>> import torch
        >>> from gmlib.recipes.score_chains import ancestral_digits
        >>> ancestral_digits(lambda x, sigma: -x / sigma**2, 3, steps=3).abs().max() < 1e-6  # all images black
        tensor(True)
    """
    check_count("steps", steps, low=2)
    x = sigma_max * torch.randn(n, 64, generator=generator, device=device)
    ladder = geometric_ladder(sigma_max, sigma_min, steps).to(x)
    for sigma, lower in pairwise(ladder):
        removed = sigma.square() - lower.square()
        noise = torch.randn(x.shape, generator=generator, device=device)
        x = x + removed * score(x, sigma) + lower / sigma * removed.sqrt() * noise
    return x + ladder[-1].square() * score(x, ladder[-1])
