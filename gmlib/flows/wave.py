"""A conditional law with a known entropy: noise that is skewed, and louder at one end than at the other."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_event

EULER = 0.57721566490153286


class SkewedWave:
    r"""x given c: a sine wave with Gumbel noise, whose size grows with c.

    .. math:: x = \sin(\pi c) + e^{c}v, \qquad c\sim U(-1, 1), \qquad p(v) = e^{-v - e^{-v}}

    The Gumbel law has entropy :math:`1 + \gamma` (Euler's :math:`\gamma`) and variance :math:`\pi^2/6`, and c has mean 0.
    So the conditional entropy is :math:`1 + \gamma = 1.5772` nats, and the best that conditional *normal* laws can do is
    :math:`\tfrac12\log(2\pi e\,\pi^2/6) = 1.6678`, whatever the network that gives their means and variances.

    Example:
        >>> wave = SkewedWave()
        >>> x, c = wave.sample(100, generator=torch.Generator().manual_seed(0))
        >>> x.shape, c.shape, wave.log_prob(x, c).shape
        (torch.Size([100, 1]), torch.Size([100, 1]), torch.Size([100]))
        >>> print(f"{wave.entropy:.4f} {wave.normal_minimum:.4f}")
        1.5772 1.6678
    """

    entropy = 1 + EULER
    normal_minimum = 0.5 * math.log(2 * math.pi * math.e * math.pi**2 / 6)

    def sample(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "n 1"], Float[Tensor, "n 1"]]:
        """Draw n pairs: x and c, each of shape ``(n, 1)``.

        Raises:
            ValueError: ``n`` is below 1.
        """
        check_count("n", n)
        c = 2 * torch.rand(n, 1, generator=generator) - 1
        # An exponential variable is above 0, where a uniform one may be 0 and its logarithm infinite.
        v = -torch.empty(n, 1).exponential_(generator=generator).log()
        return torch.sin(math.pi * c) + c.exp() * v, c

    def log_prob(self, x: Float[Tensor, "*batch 1"], c: Float[Tensor, "*batch 1"]) -> Float[Tensor, "*batch"]:
        """Log-density of x given c in nats, for points of shape ``(*batch, 1)``.

        Raises:
            ValueError: ``x`` or ``c`` does not end in (1,).
        """
        check_event("x", x, (1,))
        check_event("c", c, (1,))
        v = (x - torch.sin(math.pi * c)) * (-c).exp()
        return (-v - (-v).exp() - c).squeeze(-1)
