r"""Gradient of an RBM's likelihood: the correlations of data minus those of the model, the latter by enumeration."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_event
from gmlib.energy.rbm import RBM


@dataclass(frozen=True)
class RBMGradient:
    """A direction in the space of an RBM's parameters, uphill for the log-likelihood.

    Attributes:
        weight: (d, d_h).
        b: (d,).
        c: (d_h,).

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, statistics
        >>> g = statistics(RBM(2, 3, std=0.0), torch.ones(4, 2))  # hidden means of 1/2
        >>> (g - g).weight.shape, g.c.tolist()
        (torch.Size([2, 3]), [0.5, 0.5, 0.5])
    """

    weight: Tensor
    b: Tensor
    c: Tensor

    def __sub__(self, other: RBMGradient) -> RBMGradient:
        """Return the difference."""
        return RBMGradient(self.weight - other.weight, self.b - other.b, self.c - other.c)

    def __add__(self, other: RBMGradient) -> RBMGradient:
        """Return the sum."""
        return RBMGradient(self.weight + other.weight, self.b + other.b, self.c + other.c)

    def vector(self) -> Tensor:
        """Return all entries in one row: weight, then b, then c."""
        return torch.cat((self.weight.flatten(), self.b, self.c))

    @torch.no_grad()
    def ascend(self, rbm: RBM, lr: float) -> None:
        """Move the parameters of ``rbm`` by ``lr`` times this direction, in place."""
        rbm.weight.add_(self.weight, alpha=lr)
        rbm.b.add_(self.b, alpha=lr)
        rbm.c.add_(self.c, alpha=lr)


@torch.no_grad()
def statistics(rbm: RBM, x: Float[Tensor, "n d"], law: Float[Tensor, "n"] | None = None) -> RBMGradient:
    r"""Return the expectations of :math:`x h^\top`, x and h when x has a given law and h follows from it.

    .. math:: \mathbb E\big[x\,\bar h(x)^\top\big], \quad \mathbb E[x], \quad \mathbb E\big[\bar h(x)\big], \qquad
              \bar h(x) = \mathbb E[h \mid x]

    The hidden units enter by their means, which changes no expectation and removes the noise of drawing them.

    Args:
        rbm: the machine.
        x: visible states, (n, d).
        law: their probabilities, (n,); equal ones if None.

    Returns:
        The expectations, :math:`-\mathbb E\,\partial E` in the order of the parameters.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, statistics
        >>> statistics(RBM(2, 1, std=0.0), torch.eye(2)).weight.tolist()
        [[0.25], [0.25]]
    """
    check_event("x", x, (rbm.d,))
    h = rbm.hidden_mean(x)
    if law is None:
        n = x.shape[0]
        return RBMGradient(x.T @ h / n, x.mean(0), h.mean(0))
    if tuple(law.shape) != tuple(x.shape[:1]):
        raise ValueError(
            f"law must have shape ({x.shape[0]},), one probability a state, got {tuple(law.shape)}"
        )
    return RBMGradient((law[:, None] * x).T @ h, law @ x, law @ h)
