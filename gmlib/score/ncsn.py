r"""Noise-conditional score matching: one network for a family of noised laws, each level with the weight it needs.

The noised laws :math:`q_\sigma = p * \mathcal N(0, \sigma^2 I)` fill the empty space between the modes of p, and there the
weights of the modes, to which the score of p is blind, become visible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_tensor
from gmlib.distributions import Law
from gmlib.score._arguments import (
    Level,
    check_callable,
    check_law,
    check_points,
    check_same,
    evaluate,
    level_tensor,
    spread,
)
from gmlib.score._products import total
from gmlib.score.denoising import posterior_share

# A noise-conditional score: (x, sigma), x (batch, *event), sigma a number, () or (batch,) -> (batch, *event).
NoiseScore = Callable[[Tensor, Tensor], Tensor]


def noised_laws(law: Law, sigmas: Float[Tensor, " levels"]) -> list[Law]:
    r"""The law of the data at each noise level.

    .. math:: q_\sigma = p * \mathcal N(0, \sigma^2 I), \qquad
              p = \sum_k \pi_k\, \mathcal N(m_k, V_k) \ \Rightarrow\
              q_\sigma = \sum_k \pi_k\, \mathcal N(m_k, V_k + \sigma^2 I)

    (:eq:`eq-08-noised` in the book; Song & Ermon 2019, section 4.) The weights and means stay, the variances grow.

    Args:
        law: the law of the data, of any class that knows its noised versions.
        sigmas: noise levels, none negative, (levels,).

    Returns:
        A law for each level, in the order of ``sigmas``.

    Raises:
        TypeError: ``law`` is no `Law`, or ``sigmas`` no floating tensor.
        ValueError: ``sigmas`` is not a vector.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.score import noised_laws
        >>> [q.variance.item() for q in noised_laws(Gaussian(torch.zeros(1), var=4.0), torch.tensor([3.0, 1.0]))]
        [13.0, 5.0]
    """
    check_law("law", law)
    check_tensor("sigmas", sigmas)
    if sigmas.dim() != 1:
        raise ValueError(f"sigmas must have shape (levels,), got shape {tuple(sigmas.shape)}")
    return [law.noised(1.0, sigma) for sigma in sigmas.tolist()]


def exact_score(law: Law) -> Callable[[Tensor, Level], Tensor]:
    r"""The score of the noised law as a noise-conditional score, :math:`(x, \sigma) \mapsto \nabla \log q_\sigma(x)`.

    What a perfect network would return: the oracle beside every learnt score.

    Args:
        law: the law of the data.

    Returns:
        A function of points (batch, d) and noise levels, a number, () or (batch,), which returns (batch, d).

    Raises:
        TypeError: ``law`` is no `Law`.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.score import exact_score
        >>> exact_score(Gaussian(torch.zeros(1), var=3.0))(torch.tensor([[8.0]]), torch.tensor(1.0))
        tensor([[-2.]])
    """
    check_law("law", law)

    def score(x: Tensor, sigma: Level) -> Tensor:
        check_points("x", x)
        return law.noised(1.0, level_tensor("sigma", sigma, x)).score(x)

    return score


@dataclass(frozen=True)
class NCSNLoss:
    r"""The terms of noise-conditional score matching for each data point.

    Attributes:
        matching: (batch,), :math:`\tfrac12 \lVert s(\tilde x, \sigma) + \varepsilon/\sigma \rVert^2`, unweighted: up to
            :math:`d / 2\sigma^2`.
        total: (batch,), :math:`\sigma^2` times that: about d/2 at the most for a useful score, at every level.

    Example:
        >>> import torch
        >>> from gmlib.score import NCSNLoss
        >>> NCSNLoss(torch.tensor([8.0, 2.0]), torch.tensor([0.5, 0.5])).mean().total.item()
        0.5
    """

    matching: Tensor
    total: Tensor

    def mean(self) -> NCSNLoss:
        """Return the terms averaged over the batch."""
        return NCSNLoss(self.matching.mean(), self.total.mean())


def ncsn_loss(
    score: NoiseScore,
    x: Float[Tensor, "batch *event"],
    noise: Float[Tensor, "batch *event"],
    sigma: Level,
) -> NCSNLoss:
    r"""Denoising score matching at many noise levels with the weight :math:`\sigma^2`.

    .. math:: J_{\mathrm n}(\theta) = \mathbb E\ \sigma^2\, \tfrac12 \Big\lVert s_\theta(x + \sigma\varepsilon, \sigma)
              + \frac{\varepsilon}{\sigma} \Big\rVert^2 = \mathbb E\ \tfrac12 \lVert \sigma s_\theta + \varepsilon \rVert^2

    (:eq:`eq-08-ncsn` in the book; Song & Ermon 2019, equations 5 and 6, an average over the levels of a ladder; here
    ``sigma`` is drawn by the caller, from a ladder or from a continuous law.) Minus :math:`\sigma s_\theta` is the
    network's guess of the noise. One call of the score, no derivative of it.

    Args:
        score: a noise-conditional score, called with the level as a tensor () or (batch,) of the dtype of ``x``.
        x: data, (batch, \*event).
        noise: standard normal :math:`\varepsilon`, shaped as ``x``.
        sigma: noise level, positive; a number or a tensor () or (batch,), whose values are not looked at.

    Returns:
        The terms of each data point.

    Raises:
        TypeError: ``score`` cannot be called, or a tensor or what the score returns is not a floating one.
        ValueError: x has no event dimension or no point, ``noise`` differs from it in shape, dtype or device, ``sigma`` is
            not positive or its shape does not fit, or ``score(x, sigma)`` has another shape than x.

    Example:
        >>> import torch
        >>> from gmlib.score import ncsn_loss
        >>> x, noise = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
        >>> ncsn_loss(lambda x, sigma: torch.zeros_like(x), x, noise, torch.tensor(0.5)).total.item()
        12.5
    """
    check_callable("score", score)
    check_points("x", x)
    check_same("noise", noise, "x", x)
    level = level_tensor("sigma", sigma, x)
    wide = spread(level, x.dim() - 1)
    # As the weighted residual, so that no square of 1/sigma is ever formed.
    residual = wide * evaluate(score, x + wide * noise, "score", level) + noise
    loss = 0.5 * total(residual.square())
    return NCSNLoss(loss / level.square(), loss)


def ncsn_minimum(
    law: Law, sigma: Level, noisy: Float[Tensor, "batch d"] | None = None
) -> Float[Tensor, "*_"]:
    r"""The least value that the weighted loss can take at a noise level.

    .. math:: L^*(\sigma) = \tfrac12 \big( d - \sigma^2\, \mathbb E_{q_\sigma} \lVert \nabla \log q_\sigma \rVert^2 \big),
              \qquad L^*(\sigma) = \tfrac12 \sum_j \frac{v_j}{v_j + \sigma^2} \text{ for a normal law}

    (:math:`v_j`: the eigenvalues of its covariance.) It lies between 0 and d/2 at every level of every law: half the
    mean squared error of the best guess of the noise. The unweighted minimum, `denoising_minimum`, is
    :math:`1/\sigma^2` times this and would leave the large levels without a voice.

    Args:
        law: the law of the data, without batch dimensions.
        sigma: noise level, positive; a number or a tensor () or (batch,).
        noisy: points of the *noised* law, (batch, d), to average over; not needed for a `Gaussian`.

    Returns:
        (batch,), whose mean is the minimum; the minimum itself, (), if ``noisy`` is not given.

    Raises:
        TypeError: ``law`` is no single `Law`.
        ValueError: ``sigma`` is not positive, ``noisy`` has the wrong shape, or is missing for a law that is not normal.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.score import ncsn_minimum
        >>> ncsn_minimum(Gaussian(torch.zeros(2), var=3.0), 1.0).item()  # two coordinates, each 3/4 of a half
        0.75
    """
    return posterior_share(law, sigma, noisy)[0]
