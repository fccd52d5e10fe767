r"""Denoising score matching: with noise added the regression target is known, and its mean is the score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.distributions import Gaussian, Law
from gmlib.score._arguments import (
    Level,
    Score,
    check_callable,
    check_law,
    check_points,
    check_same,
    evaluate,
    level_tensor,
    read_level,
    spread,
)
from gmlib.score._products import leaf, total


@dataclass(frozen=True)
class DenoisingLoss:
    r"""The denoising objective of each point, :math:`\frac12 \lVert s - t \rVert^2` with the target t, and its terms.

    The three terms are worked out when they are asked for, so that training pays for the total alone.

    Attributes:
        total: (batch,), never negative; what is minimised. The sum of the three terms below.
        value: the score at the noisy point, :math:`s(\tilde x)`, (batch, \*event).
        residual: :math:`s(\tilde x) - t`, (batch, \*event).
        averaged: whether the terms and their total are means over the batch.

    Example:
        >>> import torch
        >>> from gmlib.score import denoising_score_matching
        >>> x, noise = torch.zeros(2, 1), torch.tensor([[1.0], [3.0]])
        >>> loss = denoising_score_matching(lambda x: -x, x, noise, 2.0).mean()  # at 2 and 6, the targets are -1/2 and -3/2
        >>> loss.square, loss.cross, loss.constant, loss.total
        (tensor(10.), tensor(-5.), tensor(0.6250), tensor(5.6250))
    """

    total: Tensor
    value: Tensor
    residual: Tensor
    averaged: bool = False

    @property
    def square(self) -> Tensor:
        r""":math:`\frac12 \lVert s(\tilde x) \rVert^2`, (batch,)."""
        return self._of(0.5 * total(self.value.square()))

    @property
    def cross(self) -> Tensor:
        r""":math:`-s(\tilde x)^\top t`, (batch,); for Gaussian noise its mean is that of the trace of the Jacobian."""
        return self._of(total(self.value * (self.residual - self.value)))

    @property
    def constant(self) -> Tensor:
        r""":math:`\frac12 \lVert t \rVert^2`, (batch,); no parameter in it."""
        return self._of(0.5 * total((self.value - self.residual).square())).detach()

    def mean(self) -> DenoisingLoss:
        """Return the terms averaged over the batch."""
        return self if self.averaged else DenoisingLoss(self.total.mean(), self.value, self.residual, True)

    def _of(self, term: Tensor) -> Tensor:
        return term.mean() if self.averaged else term


def denoising_score_matching(
    score: Score, x: Float[Tensor, "batch *event"], noise: Float[Tensor, "batch *event"], sigma: Level
) -> DenoisingLoss:
    r"""Regress on the score of the noise: from the noisy point back towards the clean one.

    .. math:: \tfrac12 \Big\lVert s_\theta(\tilde x) + \frac{\tilde x - x}{\sigma^2} \Big\rVert^2
              = \tfrac12 \Big\lVert s_\theta(\tilde x) + \frac{\varepsilon}{\sigma} \Big\rVert^2,
              \qquad \tilde x = x + \sigma\varepsilon

    (:eq:`eq-08-denoising` in the book.) The minimiser is the score of the *noised* law :math:`q_\sigma`, not that of the
    data, and the minimum is not 0: see `denoising_minimum`. As :math:`\sigma \to 0` the target explodes like
    :math:`1/\sigma` and so does the spread of the loss.

    Costs one evaluation of the score and no derivative in x.

    Args:
        score: any callable, x (batch, \*event) -> (batch, \*event); for a noise-conditional one fix the level,
            ``lambda x: net(x, sigma)``.
        x: clean data, (batch, \*event).
        noise: standard normal draws :math:`\varepsilon`, (batch, \*event).
        sigma: noise level, positive, in the units of x; a number or a tensor () or (batch,). The values of a tensor are
            not looked at.

    Returns:
        The terms and their sum, one number a point.

    Raises:
        TypeError: ``score`` cannot be called, x or ``noise`` is not a floating tensor, or ``sigma`` is not a number.
        ValueError: x has no event dimension or no point, ``noise`` differs from it in shape, dtype or device, ``sigma`` is
            not positive or its shape does not fit, or ``score(x)`` has another shape than x.

    References:
        P. Vincent, *A connection between score matching and denoising autoencoders* (2011).

    Example:
        >>> import torch
        >>> from gmlib.score import denoising_score_matching
        >>> x, noise = torch.tensor([[1.0]]), torch.tensor([[2.0]])
        >>> denoising_score_matching(lambda x: -x, x, noise, 0.5).total  # at 2, the target is -4
        tensor([2.])
    """
    check_callable("score", score)
    check_points("x", x)
    check_same("noise", noise, "x", x)
    level = read_level("sigma", sigma, x)
    value = evaluate(score, x + level * noise)
    return _of_residual(value, value + noise / level)


def conditional_score_matching(
    score: Score,
    x: Float[Tensor, "batch *event"],
    noise_law: Callable[[Tensor], Any],
    noisy: Float[Tensor, "batch *event"],
) -> DenoisingLoss:
    r"""Denoising score matching for any noise with a differentiable density q(x̃ | x).

    .. math:: \tfrac12 \big\lVert s_\theta(\tilde x) - \nabla_{\tilde x} \log q(\tilde x \mid x) \big\rVert^2

    The gradient is in the *noisy* point. Given :math:`\tilde x`, the target's mean over x is the score of the marginal
    :math:`q(\tilde x)`, whatever the noise; heavy tails, noise that depends on x or is correlated are all allowed, as long
    as q is positive and smooth in :math:`\tilde x`. With Gaussian noise this is `denoising_score_matching`.

    Costs one evaluation of the score and one gradient of the noise's log-density, which is not differentiated further.

    Args:
        score: any callable, x (batch, \*event) -> (batch, \*event).
        x: clean data, (batch, \*event).
        noise_law: x -> a law over :math:`\tilde x` with ``log_prob``, as a `torch.distributions.Distribution`; coordinates
            may be its batch or its event.
        noisy: one draw from ``noise_law(x)`` a point, (batch, \*event).

    Returns:
        The terms and their sum, one number a point.

    Raises:
        TypeError: ``score`` or ``noise_law`` cannot be called, its value has no ``log_prob``, or x or ``noisy`` is not a
            floating tensor.
        ValueError: x has no event dimension or no point, ``noisy`` differs from it in shape, dtype or device, or
            ``score(noisy)`` has another shape, or the law's log-density has no gradient in the noisy point.

    References:
        P. Vincent, *A connection between score matching and denoising autoencoders* (2011).

    Example:
        >>> import torch
        >>> from gmlib.score import conditional_score_matching
        >>> x, noisy = torch.tensor([[1.0]]), torch.tensor([[2.0]])
        >>> law = lambda x: torch.distributions.Normal(x, 0.5)
        >>> conditional_score_matching(lambda x: -x, x, law, noisy).total
        tensor([2.])
    """
    check_callable("score", score)
    check_callable("noise_law", noise_law)
    check_points("x", x)
    check_same("noisy", noisy, "x", x)
    with torch.enable_grad():
        point = leaf(noisy.detach(), "noisy")
        law = noise_law(x.detach())
        if not callable(getattr(law, "log_prob", None)):
            raise TypeError(f"noise_law(x) must be a law with log_prob, got {type(law).__name__}")
        # One log-density a coordinate or one a point: the gradient of the sum is the same.
        density = law.log_prob(point)
        target = None
        if density.requires_grad:
            (target,) = torch.autograd.grad(density.sum(), point, allow_unused=True)
        if target is None:
            raise ValueError(
                "noise_law(x) must have a log_prob that is differentiable in the noisy point, "
                f"got {type(law).__name__}"
            )
    value = evaluate(score, noisy)
    return _of_residual(value, value - target)


def denoising_minimum(
    law: Law, sigma: Level, noisy: Float[Tensor, "batch d"] | None = None
) -> Float[Tensor, "*_"]:
    r"""The smallest value that denoising score matching can take: what the exact score of the noised law gets.

    .. math:: \min = \tfrac12 \Big( \frac d{\sigma^2} - \mathbb E_{q_\sigma} \lVert \nabla\log q_\sigma \rVert^2 \Big)
              = \mathbb E_{q_\sigma} \frac{\operatorname{tr}\operatorname{Cov}(x \mid \tilde x)}{2 \sigma^4}

    (:eq:`eq-08-floor` in the book.) A loss minus this number is a Fisher divergence, and only that difference compares
    noise levels. The second form is returned point by point: it is never negative and its mean usually varies less than the
    first's. For :math:`\mathcal N(m, v)` on the line it is :math:`v / (2 \sigma^2 (v + \sigma^2))` at every point.

    Args:
        law: the law of the clean data, with an exact posterior.
        sigma: noise level, positive; a number or a tensor () or (batch,).
        noisy: points drawn from ``law.noised(1.0, sigma)``, (batch, d); not needed for a `Gaussian`, whose posterior
            covariance is the same everywhere.

    Returns:
        (batch,), whose mean is the minimum; the minimum itself, (), if ``noisy`` is not given.

    Raises:
        TypeError: ``law`` is not an exact law, ``noisy`` is not a floating tensor, or ``sigma`` is not a number.
        ValueError: ``sigma`` is not positive, ``noisy`` does not fit the law, or it is missing where it is needed.

    References:
        P. Vincent, *A connection between score matching and denoising autoencoders* (2011), for the constant.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.score import denoising_minimum
        >>> denoising_minimum(Gaussian(torch.zeros(1), var=1.0), 0.5)
        tensor(1.6000)
    """
    share, level = posterior_share(law, sigma, noisy)
    return share / level**2  # divided twice: sigma^4 leaves a low precision first


def posterior_share(
    law: Law, sigma: Level, noisy: Float[Tensor, "batch d"] | None
) -> tuple[Float[Tensor, "*_"], Level]:
    r"""Return :math:`\tfrac12\operatorname{tr}\operatorname{Cov}(x \mid \tilde x)/\sigma^2`, (batch,), and the level.

    The shape is () without ``noisy``, which only a `Gaussian` can do without.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> posterior_share(Gaussian(torch.zeros(2), var=1.0), 1.0, None)  # half of the trace of I / 2
        (tensor(0.5000), tensor(1.))
    """
    check_law("law", law)
    if law.batch_shape:
        raise TypeError(f"law must be a single exact law, got one with batch shape {tuple(law.batch_shape)}")
    if noisy is None:
        if not isinstance(law, Gaussian):
            raise ValueError(f"noisy must be given for a {type(law).__name__}: its minimum is an average")
        if isinstance(sigma, Tensor) and sigma.dim() > 0:
            raise ValueError(f"sigma must be a number or () without noisy, got shape {tuple(sigma.shape)}")
        share, level = posterior_share(law, sigma, law.mean.unsqueeze(0))
        return share[0], level
    check_points("noisy", noisy)
    level = level_tensor("sigma", sigma, noisy)
    variance = law.posterior(noisy, 1.0, level).variance
    return 0.5 * (variance / spread(level, 1) ** 2).sum(-1), level


def _of_residual(value: Tensor, residual: Tensor) -> DenoisingLoss:
    # Not the sum of the terms, which cancel where the score is good and sigma small.
    return DenoisingLoss(0.5 * total(residual.square()), value, residual)
