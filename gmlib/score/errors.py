r"""How wrong a learnt score is: by noise level, by density, and where no data are.

The loss averages the error under the data law, so that it says nothing of places where data are rare. With an exact law
the error is known at every point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_event, check_number
from gmlib.distributions import Law
from gmlib.score._arguments import check_callable, check_law, check_levels, check_same, evaluate
from gmlib.score.ncsn import NoiseScore


@dataclass(frozen=True)
class NoiseLevelErrors:
    r"""The error of a noise-conditional score at each noise level, in units in which the levels are comparable.

    Attributes:
        sigmas: the levels, (levels,).
        error: :math:`\sigma^2\, \mathbb E \lVert s - s^* \rVert^2 / d`, (levels,).
        standard_error: of that average over points, (levels,).
        scale: :math:`\sigma^2\, \mathbb E \lVert s^* \rVert^2 / d`, the error of the score 0, at most 1, (levels,).

    Example:
        >>> import torch
        >>> from gmlib.score import NoiseLevelErrors
        >>> NoiseLevelErrors(*torch.tensor([[1.0], [0.1], [0.0], [0.5]])).relative
        tensor([0.2000])
    """

    sigmas: Tensor
    error: Tensor
    standard_error: Tensor
    scale: Tensor

    @property
    def relative(self) -> Tensor:
        """Error over scale, (levels,): 0 for the exact score, 1 for the score 0."""
        return self.error / self.scale


@torch.no_grad()
def errors_by_noise_level(
    score: NoiseScore,
    law: Law,
    sigmas: Float[Tensor, " levels"],
    x: Float[Tensor, "n d"],
    noise: Float[Tensor, "n d"],
) -> NoiseLevelErrors:
    r"""The mean squared error of a learnt score at each level, under the noised law of that level.

    .. math:: \frac{\sigma^2}{d}\, \mathbb E_{q_\sigma} \big\lVert s_\theta(\tilde x, \sigma)
              - \nabla \log q_\sigma(\tilde x) \big\rVert^2, \qquad \tilde x = x + \sigma\varepsilon

    d/2 times this is what the loss :math:`\tfrac12 \mathbb E \lVert \sigma s_\theta + \varepsilon \rVert^2` exceeds its
    minimum by, without the noise of its target. The same x and noise serve all levels.

    Args:
        score: a noise-conditional score.
        law: the law of the data.
        sigmas: noise levels, positive, (levels,).
        x: points of ``law``, (n, d), n at least 2.
        noise: standard normal, shaped as ``x``.

    Returns:
        Error, standard error and scale at each level. One call of the score a level.

    Raises:
        TypeError: ``law`` is no `Law`, ``score`` cannot be called, or another argument or what the score returns is no
            floating tensor.
        ValueError: shapes do not fit, a level is not positive or not finite, or there are fewer than two points.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.score import errors_by_noise_level, exact_score
        >>> law, levels = Gaussian(torch.zeros(1), var=1.0), torch.tensor([0.5, 1.0])
        >>> x, noise = torch.randn(2, 100, 1)
        >>> errors_by_noise_level(exact_score(law), law, levels, x, noise).error
        tensor([0., 0.])
    """
    check_callable("score", score)
    check_law("law", law)
    check_levels("sigmas", sigmas)
    check_event("x", x, tuple(law.event_shape))
    if x.dim() != 2 or len(x) < 2:
        raise ValueError(f"x must have shape (n, d) with n >= 2, got shape {tuple(x.shape)}")
    check_same("noise", noise, "x", x)
    rows = []
    for sigma in sigmas.to(x):
        noisy = x + sigma * noise
        exact = law.noised(1.0, sigma).score(noisy)
        error = sigma**2 * (evaluate(score, noisy, "score", sigma) - exact).square().mean(-1)
        scale = sigma**2 * exact.square().mean()
        rows.append(torch.stack([error.mean(), error.std() / len(x) ** 0.5, scale]))
    return NoiseLevelErrors(sigmas, *torch.stack(rows, dim=1))


@dataclass(frozen=True)
class DensityErrors:
    r"""The error of a score among points of like density, the rarest first.

    Attributes:
        log_density: mean log-density of the points of a part, in nats, (parts,).
        error: mean of ``weight`` :math:`\lVert s - s^* \rVert^2 / d` over them, (parts,).
        standard_error: of that mean, (parts,).
        scale: mean of ``weight`` :math:`\lVert s^* \rVert^2 / d` over them, (parts,).

    Example:
        >>> import torch
        >>> from gmlib.score import DensityErrors
        >>> DensityErrors(*torch.tensor([[-9.0, -1.0], [0.6, 0.1], [0.0, 0.0], [1.0, 1.0]])).relative
        tensor([0.6000, 0.1000])
    """

    log_density: Tensor
    error: Tensor
    standard_error: Tensor
    scale: Tensor

    @property
    def relative(self) -> Tensor:
        """Error over scale, (parts,)."""
        return self.error / self.scale


@torch.no_grad()
def errors_by_density(
    score: Callable[[Tensor], Tensor],
    law: Law,
    x: Float[Tensor, "n d"],
    *,
    parts: int = 10,
    weight: float | int = 1.0,
) -> DensityErrors:
    r"""The error of a learnt score by quantile of the exact density.

    The points are sorted by :math:`\log p(x)` and cut into parts of equal number (up to one). With points of the law the
    parts have equal probability; with the points of a grid, equal area.

    Args:
        score: a score; for a noise level, ``lambda x: net(x, sigma)`` with ``law.noised(1.0, sigma)``.
        law: the law whose score it should be.
        x: where to look, (n, d), at least two points a part.
        parts: number of parts.
        weight: factor of the error, :math:`\sigma^2` to compare noise levels.

    Returns:
        Density, error and scale of each part, the part of lowest density first.

    Raises:
        TypeError: ``law`` is no `Law`, ``score`` cannot be called, or ``x`` or ``score(x)`` is no floating tensor.
        ValueError: there are too few points, ``weight`` is not positive, or ``score(x)`` has another shape than x.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.score import errors_by_density
        >>> law, x = Gaussian(torch.zeros(1), var=1.0), torch.tensor([[3.0], [-3.0], [1.0], [-1.0]])
        >>> errors_by_density(lambda x: torch.zeros_like(x), law, x, parts=2).error  # the score is -x
        tensor([9., 1.])
    """
    check_callable("score", score)
    check_law("law", law)
    check_event("x", x, tuple(law.event_shape))
    check_count("parts", parts)
    check_number("weight", weight, low=0.0, low_open=True)
    if x.dim() != 2 or len(x) < 2 * parts:
        raise ValueError(
            f"x must have shape (n, d) with n >= 2 parts = {2 * parts}, got shape {tuple(x.shape)}"
        )
    log_density, order = law.log_prob(x).sort()
    exact = law.score(x)
    error = weight * (evaluate(score, x) - exact).square().mean(-1)[order]
    scale = weight * exact.square().mean(-1)[order]
    pieces = error.tensor_split(parts)
    return DensityErrors(
        torch.stack([piece.mean() for piece in log_density.tensor_split(parts)]),
        torch.stack([piece.mean() for piece in pieces]),
        torch.stack([piece.std() / len(piece) ** 0.5 for piece in pieces]),
        torch.stack([piece.mean() for piece in scale.tensor_split(parts)]),
    )


@dataclass(frozen=True)
class LowDensityError:
    r"""The error of a score in two regions.

    Attributes:
        rare: mean :math:`\lVert s - s^* \rVert^2 / d` where data are rare, ().
        common: the same where they are common, ().

    Example:
        >>> import torch
        >>> from gmlib.score import LowDensityError
        >>> LowDensityError(torch.tensor(6.0), torch.tensor(0.5)).ratio.item()
        12.0
    """

    rare: Tensor
    common: Tensor

    @property
    def ratio(self) -> Tensor:
        """How many times larger the error is where data are rare, ()."""
        return self.rare / self.common


@torch.no_grad()
def low_density_error(
    score: Callable[[Tensor], Tensor],
    law: Law,
    rare: Float[Tensor, "n d"],
    common: Float[Tensor, "m d"],
) -> LowDensityError:
    r"""The error of a learnt score in a region without data against that in a region with data.

    .. math:: \frac{\mathbb E_{\text{rare}} \lVert s_\theta - \nabla\log p \rVert^2}{\mathbb E_{\text{common}}
              \lVert s_\theta - \nabla\log p \rVert^2}

    The loss weights the error by p(x): where p is 0 it costs nothing to be wrong, and a Langevin chain that starts there
    follows the network's invention (Song & Ermon 2019, section 3.2.1).

    Args:
        score: the learnt score.
        law: the law whose score it should be.
        rare: points between the modes, (n, d).
        common: points on the modes, (m, d), say of ``law`` itself.

    Returns:
        Both errors and their ratio.

    Raises:
        TypeError: ``law`` is no `Law`, ``score`` cannot be called, or ``rare``, ``common`` or what the score returns is no
            floating tensor.
        ValueError: a set of points is empty or has the wrong shape, or the score returns another shape.

    Example:
        >>> import torch
        >>> from gmlib.distributions import GaussianMixture
        >>> from gmlib.score import low_density_error
        >>> law = GaussianMixture(torch.tensor([[-4.0], [4.0]]), var=1.0)
        >>> straight = lambda x: 4.0 - x  # the score of the right mode alone
        >>> low_density_error(straight, law, torch.tensor([[-0.5]]), torch.tensor([[4.5]])).ratio > 1000
        tensor(True)
    """
    check_callable("score", score)
    check_law("law", law)
    means = []
    for name, x in (("rare", rare), ("common", common)):
        check_event(name, x, tuple(law.event_shape))
        if x.dim() != 2 or len(x) == 0:
            raise ValueError(f"{name} must have shape (n, d) with n >= 1, got shape {tuple(x.shape)}")
        means.append((evaluate(score, x) - law.score(x)).square().mean())
    return LowDensityError(*means)
