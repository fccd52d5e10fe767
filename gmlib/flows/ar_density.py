"""An autoregressive density model as a flow: uniform noise through the quantile function of each conditional law."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.distributions.base import LOG_2PI
from gmlib.flows.autoregressive import MaskedAutoregressive
from gmlib.flows.bases import StandardUniform
from gmlib.flows.flow import Flow
from gmlib.flows.scalar import ScalarMap
from gmlib.flows.squash import inside

# Halvings of the bracket, which cannot fail, and Newton's steps inside it, each of which doubles the digits.
HALVINGS, NEWTON_STEPS = 24, 4
Law = tuple[Tensor, Tensor, Tensor]
"""Log-weights, means and log standard deviations, components last."""


class MixtureQuantile(ScalarMap):
    r"""The quantile function of a mixture of K normal laws on the line, from (0, 1) to the line.

    .. math:: x = \mathrm{CDF}^{-1}(u), \qquad \mathrm{CDF}(x) = \sum_k \pi_k\,\Phi\Big(\frac{x - m_k}{s_k}\Big), \qquad
        \log h'(u) = -\log p(x)

    `inverse` is the CDF. `forward` solves for x, which lies between the least and the largest of the components' own
    quantiles :math:`m_k + s_k\Phi^{-1}(u)`; its gradient is that of the implicit function, exact however x was found.

    Both ways work with the smaller of the two tails. The left one is held to the least number of the dtype. On the right u
    itself is held to a rounding of 1 only: `inverse` may give 1, and `forward` reads numbers at or beyond the ends of
    (0, 1) as the nearest ones inside.

    The 3K parameters are logits of the :math:`\pi_k`, the :math:`m_k`, and :math:`\log s_k`. They start as a mixture of
    mean 0 and variance 1, close to N(0, 1): the components must not start equal, or they would stay so.

    Args:
        components: the number K.

    Raises:
        ValueError: ``components`` is below 1.

    References:
        K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, equations 23.27 to 23.29; B. Uria, I. Murray
        and H. Larochelle, *RNADE: The real-valued neural autoregressive density-estimator*, 2013.

    Example:
        One component with mean 3 and standard deviation 2:

        >>> h, params = MixtureQuantile(1), torch.tensor([[0.0, 3.0, 2.0]])
        >>> params[0, 2] = params[0, 2].log()
        >>> x, log_slope = h.forward(torch.tensor([0.5]), params)
        >>> x, torch.allclose(-log_slope, torch.distributions.Normal(3.0, 2.0).log_prob(x))
        (tensor([3.]), True)
    """

    def __init__(self, components: int = 8) -> None:
        check_count("components", components)
        self.components = components

    @property
    def n_params(self) -> int:
        return 3 * self.components

    def forward(
        self, u: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """The quantile at u in (0, 1), and minus the log-density there."""
        u, law = inside(u), self._read(params)
        with torch.no_grad():
            start = _solve(u, law)
            slope = _slope(_log_density(start, law))
        # The value stays; what is added is 0, with the gradient of the implicit function x(u, params).
        miss = _miss(start, u, law)
        x = start - (miss - miss.detach()) * slope
        return x, -_log_density(x, law)

    def inverse(
        self, x: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """The distribution function at x, and the log-density."""
        law = self._read(params)
        z = _standard(x, law)
        left, right = _tail(-z, law), _tail(z, law)
        return torch.where(left < 0.5, left, 1 - right), _log_density(x, law)

    def identity(self) -> Float[Tensor, " k"]:
        """Equal weights, means at normal quantiles drawn together, one width: mean 0, variance 1."""
        K = self.components
        means = 0.7 * torch.special.ndtri((torch.arange(K, dtype=torch.float64) + 0.5) / K)
        log_sd = 0.5 * (1 - means.square().mean()).log()
        return torch.cat([torch.zeros(K), means, log_sd.expand(K)]).to(torch.get_default_dtype())

    def _read(self, params: Tensor) -> Law:
        logits, means, log_sds = params.unflatten(-1, (3, self.components)).unbind(-2)
        return logits.log_softmax(-1), means, log_sds


def _standard(x: Tensor, law: Law) -> Tensor:
    _, means, log_sds = law
    return (x.unsqueeze(-1) - means) * (-log_sds).exp()


def _tail(z: Tensor, law: Law) -> Tensor:
    """The mixture's mass beyond z of each component: on the right; on the left for -z."""
    # torch.special.ndtr has no left tail: it is exactly 0 below -5.5 in single precision, and below -9 in double.
    return (law[0].exp() * 0.5 * torch.special.erfc(z / math.sqrt(2))).sum(-1)


def _log_density(x: Tensor, law: Law) -> Tensor:
    log_weights, _, log_sds = law
    return (log_weights - 0.5 * (_standard(x, law).square() + LOG_2PI) - log_sds).logsumexp(-1)


def _miss(x: Tensor, u: Tensor, law: Law) -> Tensor:
    """CDF(x) - u, as the difference of the masses on that side of them where u has less."""
    right, z = u >= 0.5, _standard(x, law)
    tail = _tail(torch.where(right.unsqueeze(-1), z, -z), law)
    return torch.where(right, (1 - u) - tail, tail - u)


def _slope(log_density: Tensor) -> Tensor:
    """1/p, kept finite in the gaps between components, where p underflows and every x is as good as the next."""
    return (-log_density).clamp(max=60.0).exp()


def _solve(u: Tensor, law: Law) -> Tensor:
    """The quantile by bisection, and Newton's method inside the last bracket; a fixed number of steps of each."""
    _, means, log_sds = law
    quantiles = means + log_sds.exp() * torch.special.ndtri(u).unsqueeze(-1)
    low, high = quantiles.amin(-1), quantiles.amax(-1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = _miss(middle, u, law) < 0
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    x = (low + high) / 2
    for _ in range(NEWTON_STEPS):
        x = (x - _miss(x, u, law) * _slope(_log_density(x, law))).clamp(low, high)
    return x


def rnade(
    d: int,
    *,
    components: int = 8,
    hidden: Sequence[int] = (64, 64),
    order: Sequence[int] | None = None,
    context: int = 0,
) -> Flow:
    r"""An autoregressive model with mixtures of normal laws as its conditional laws: a flow of one layer.

    .. math:: \log p(x) = \sum_i \log p(x_i\mid x_{<i}) = \sum_i \log\frac{\partial u_i}{\partial x_i}, \qquad
        u_i = \mathrm{CDF}(x_i\mid x_{<i}) \sim U(0, 1)

    (:eq:`eq-05b-cdf` in the book.) A stack of such layers, with `NormalCdf` between them, is more than an autoregressive
    model. Stack them in float64: float32 does not hold u well near 1, so that the log-density of a stack is off by some
    hundredths where an inner point is 5 standard deviations out on the right, and by nats, downwards, beyond 5.4. (In
    float64 that is at 8.2; on the left the limits are 12.9 and 37.) A single layer is right everywhere.

    Args:
        d: number of coordinates.
        components: normal laws in each mixture.
        hidden: widths of the masked network.
        order: the coordinates from the first to the last; None: as they stand.
        context: length of the condition c.

    Raises:
        ValueError: a size below 1, a negative ``context``, or an ``order`` that is no permutation.

    References:
        K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, section 23.2.4.4; B. Uria, I. Murray and H.
        Larochelle, *RNADE: The real-valued neural autoregressive density-estimator*, 2013.

    Example:
        >>> flow = rnade(2, components=3)
        >>> x = flow.sample((5,))
        >>> flow.log_prob(x).shape
        torch.Size([5])
    """
    layer = MaskedAutoregressive(d, MixtureQuantile(components), hidden=hidden, order=order, context=context)
    return Flow(StandardUniform((d,)), layer)
