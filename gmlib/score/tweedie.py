r"""What a score knows about the clean point: its mean, its covariance, and the risk of a denoiser without clean data."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.score._arguments import (
    Level,
    Score,
    average,
    check_callable,
    check_points,
    check_same,
    level_tensor,
    read_level,
    split_directions,
    spread,
)
from gmlib.score._products import Field, total


def tweedie_mean(
    score_value: Float[Tensor, "batch *event"],
    noisy: Float[Tensor, "batch *event"],
    sigma: Level,
    *,
    alpha: float = 1.0,
) -> Float[Tensor, "batch *event"]:
    r"""The posterior mean of the clean point from the score of the noised law: the best denoiser.

    .. math:: \mathbb E[x \mid \tilde x] = \frac{\tilde x + \sigma^2 \nabla\log q(\tilde x)}\alpha,
              \qquad \tilde x = \alpha x + \sigma\varepsilon

    (:eq:`eq-08-tweedie` in the book, with :math:`\alpha = 1`.) The prior enters only through the score. The noise that
    went in has the posterior mean :math:`-\sigma \nabla\log q(\tilde x)`.

    Args:
        score_value: :math:`\nabla\log q(\tilde x)`, the score of the *noised* law at the noisy points, (batch, \*event).
        noisy: :math:`\tilde x`, (batch, \*event).
        sigma: noise level, positive; a number or a tensor () or (batch,).
        alpha: signal, positive.

    Returns:
        (batch, \*event), in the units of x.

    Raises:
        TypeError: a tensor is not floating, or ``sigma`` or ``alpha`` is not a number.
        ValueError: the tensors differ in shape, dtype or device, or a number is not positive.

    References:
        B. Efron, *Tweedie's formula and selection bias* (2011), equation 1.4.

    Example:
        >>> import torch
        >>> from gmlib.score import tweedie_mean
        >>> noisy = torch.tensor([[2.0]])
        >>> tweedie_mean(-noisy / 2, noisy, 1.0)  # x ~ N(0, 1), sigma = 1: half of what is seen is signal
        tensor([[1.]])
    """
    check_points("noisy", noisy)
    check_same("score_value", score_value, "noisy", noisy)
    check_number("alpha", alpha, low=0.0, low_open=True)
    level = read_level("sigma", sigma, noisy)
    return (noisy + level**2 * score_value) / alpha


def tweedie_covariance(
    score: Score, noisy: Float[Tensor, "batch *event"], sigma: Level, *, chunk: int = 1
) -> Float[Tensor, "batch d d"]:
    r"""The posterior covariance of the clean point from the Jacobian of the score of the noised law.

    .. math:: \operatorname{Cov}[x \mid \tilde x] = \sigma^2 \big(I + \sigma^2 \nabla s(\tilde x)\big), \qquad
              s = \nabla\log q, \qquad \tilde x = x + \sigma\varepsilon

    It is :math:`\sigma^2` times the Jacobian of the denoiser. For the exact score it is symmetric and positive
    semidefinite; a learnt one need not be, and is returned as it is.

    Costs d vector-Jacobian products and a (batch, d, d) tensor.

    Args:
        score: the score of the noised law at this level, (batch, \*event) -> (batch, \*event).
        noisy: :math:`\tilde x`, (batch, \*event).
        sigma: noise level, positive; a number or a tensor () or (batch,).
        chunk: how many products go through the score at once, vectorised; 1 works with every callable.

    Returns:
        (batch, d, d) over the flattened event, in squared units of x.

    Raises:
        TypeError: ``score`` cannot be called, ``noisy`` is not a floating tensor, or a number is not one.
        ValueError: ``noisy`` has no event dimension or no point, ``sigma`` is not positive or does not fit, ``score`` has
            another shape or cannot be differentiated, or ``chunk`` is below 1.

    Example:
        >>> import torch
        >>> from gmlib.score import tweedie_covariance
        >>> tweedie_covariance(lambda x: -x / 2, torch.zeros(1, 1), 1.0)
        tensor([[[0.5000]]])
    """
    check_callable("score", score)
    check_points("noisy", noisy)
    check_count("chunk", chunk)
    var = spread(level_tensor("sigma", sigma, noisy), 2) ** 2
    jacobian = Field(score, noisy).jacobian(chunk)
    eye = torch.eye(jacobian.shape[-1], dtype=jacobian.dtype, device=jacobian.device)
    return var * (eye + var * jacobian)


def sure(
    denoiser: Score,
    noisy: Float[Tensor, "batch *event"],
    sigma: Level,
    *,
    projections: Float[Tensor, "..."] | None = None,
    chunk: int = 1,
) -> Float[Tensor, " batch"]:
    r"""Stein's unbiased estimate of a denoiser's squared error, from noisy points alone.

    .. math:: \mathrm{SURE} = \lVert h(\tilde x) - \tilde x \rVert^2 + 2 \sigma^2 \operatorname{tr} \nabla h(\tilde x)
              - d \sigma^2, \qquad \mathbb E\, \mathrm{SURE} = \mathbb E \lVert h(\tilde x) - x \rVert^2

    for every clean x and so for every prior. With the denoiser :math:`h = \tilde x + \sigma^2 s` it is
    :math:`2 \sigma^4` times the implicit score-matching objective of s at :math:`\tilde x`, plus :math:`d \sigma^2`:
    minimising one is minimising the other. A single value may be negative.

    Costs one evaluation of the denoiser and d vector-Jacobian products, or one for each direction in ``projections``.

    Args:
        denoiser: h, any callable, (batch, \*event) -> (batch, \*event).
        noisy: :math:`\tilde x = x + \sigma\varepsilon`, (batch, \*event).
        sigma: noise level, positive; a number or a tensor () or (batch,).
        projections: directions u with :math:`\mathbb E uu^\top = I`, (batch, \*event) or (directions, batch, \*event), for
            the estimate :math:`u^\top \nabla h\, u` of the trace, averaged over directions; None: the exact trace.
        chunk: how many products go through the denoiser at once for the exact trace, vectorised; 1 works with every
            callable.

    Returns:
        One estimate a point, summed over the event, (batch,), in squared units of x.

    Raises:
        TypeError: ``denoiser`` cannot be called, ``noisy`` is not a floating tensor, or a number is not one.
        ValueError: ``noisy`` has no event dimension or no point, ``sigma`` is not positive or does not fit, ``denoiser``
            has another shape or cannot be differentiated, ``projections`` do not fit, or ``chunk`` is below 1.

    References:
        C. Stein, *Estimation of the mean of a multivariate normal distribution* (1981), theorem 1.

    Example:
        >>> import torch
        >>> from gmlib.score import sure
        >>> sure(lambda x: 1.0 * x, torch.zeros(1, 3), 2.0).item()  # to do nothing costs the noise: d sigma^2
        12.0
    """
    check_callable("denoiser", denoiser)
    check_points("noisy", noisy)
    check_count("chunk", chunk)
    var = level_tensor("sigma", sigma, noisy) ** 2
    directions = () if projections is None else split_directions(projections, noisy)
    field = Field(denoiser, noisy, "denoiser")
    d = noisy[0].numel()
    trace = average([field.quadratic(u) for u in directions]) if directions else field.trace(chunk)
    return total((field.value - noisy).square()) + var * (2 * trace - d)
