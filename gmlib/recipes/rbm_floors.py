"""Chapter 06: what the likelihood of an RBM is compared with: independent pixels and mixtures of them, on the same bits."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_event, check_number
from gmlib.energy import log_odds


class BernoulliMixture:
    r"""A mixture of K tables of independent bits, fitted by expectation-maximisation with matrix products.

    .. math:: p(x) = \sum_{k=1}^K \pi_k \prod_i \theta_{ki}^{x_i} (1 - \theta_{ki})^{1 - x_i}, \qquad
              \theta_{ki} = \frac{\sum_n r_{nk} x_{ni} + a\,\bar\theta_i}{\sum_n r_{nk} + a}

    with :math:`\bar\theta_i` the rate of bit i in all data. The two-level case of
    :class:`gmlib.classical.histogram_mixture.HistogramMixture`, at a size for which that one is too slow: 60,000 images
    and 500 components. K = 1 is independent bits.

    Args:
        x: bits, (n, d).
        K: number of components, at most n.
        strength: pseudo-count a, in images.
        steps: steps of EM, from K rows drawn at random as first centres.
        generator: source of the first centres.

    Raises:
        ValueError: an argument is out of range, or ``x`` leaves [0, 1].

    Example:
        >>> import torch
        >>> from gmlib.recipes.rbm_floors import BernoulliMixture
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).repeat(50, 1)
        >>> law = BernoulliMixture(x, 2, strength=0.01, steps=20, generator=torch.Generator().manual_seed(0))
        >>> round(law.log_prob(x).mean().exp().item(), 2)
        0.5
    """

    def __init__(
        self,
        x: Float[Tensor, "n d"],
        K: int,
        *,
        strength: float = 1.0,
        steps: int = 50,
        generator: torch.Generator | None = None,
    ) -> None:
        check_count("K", K)
        check_count("steps", steps)
        check_number("strength", strength, low=0.0, low_open=True)
        common = torch.sigmoid(log_odds(x))
        if len(x) < K:
            raise ValueError(f"K must be at most the {len(x)} rows of x, got {K}")
        centres = x[torch.randperm(len(x), generator=generator)[:K]]
        self._set((centres + common) / 2 if K > 1 else common[None], x.new_full((K,), -math.log(K)))
        for _ in range(steps if K > 1 else 1):
            mass, on = x.new_zeros(K), torch.zeros_like(self.slope)
            for part in x.split(10_000):
                r = self._log_joint(part).softmax(1)
                mass += r.sum(0)
                on += r.T @ part
            self._set(
                (on + strength * common) / (mass + strength)[:, None], ((mass + 1) / (mass + 1).sum()).log()
            )

    def log_prob(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return the log-probability of each row of bits in nats, (n,).

        Raises:
            ValueError: the number of bits differs.
        """
        check_event("x", x, (self.slope.shape[1],))
        return torch.cat([self._log_joint(part).logsumexp(1) for part in x.split(10_000)])

    def _set(self, rate: Tensor, log_weights: Tensor) -> None:
        self.slope = rate.log() - (-rate).log1p()
        self.level = log_weights + (-rate).log1p().sum(1)

    def _log_joint(self, x: Tensor) -> Tensor:
        return torch.addmm(self.level, x, self.slope.T)
