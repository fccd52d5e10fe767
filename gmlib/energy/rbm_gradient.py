r"""Gradient of an RBM's likelihood: the correlations of data minus those of the model, the latter by enumeration."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.energy._rbm_checks import check_law, check_rows
from gmlib.energy.rbm import RBM
from gmlib.energy.rbm_exact import log_z, smaller_layer


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


def statistics(
    rbm: RBM,
    x: Float[Tensor, "n d"],
    law: Float[Tensor, "n"] | None = None,
    *,
    differentiable: bool = False,
) -> RBMGradient:
    r"""Return the expectations of :math:`x h^\top`, x and h when x has a given law and h follows from it.

    .. math:: \mathbb E\big[x\,\bar h(x)^\top\big], \quad \mathbb E[x], \quad \mathbb E\big[\bar h(x)\big], \qquad
              \bar h(x) = \mathbb E[h \mid x]

    The hidden units enter by their means, which changes no expectation and removes the noise of drawing them.

    Args:
        rbm: the machine.
        x: visible states, (n, d).
        law: their probabilities, (n,); equal ones if None.
        differentiable: keep the dependence of the means on the parameters for autograd.

    Returns:
        The expectations, :math:`-\mathbb E\,\partial E` in the order of the parameters.

    Raises:
        TypeError: ``rbm`` is no RBM, or a tensor not of its dtype.
        ValueError: the shapes do not fit, or ``law`` is no law.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, statistics
        >>> statistics(RBM(2, 1, std=0.0), torch.eye(2)).weight.tolist()
        [[0.25], [0.25]]
    """
    check_rows(rbm, x)
    if law is not None:
        check_law(law, x.shape[0], rbm.weight)
    with torch.set_grad_enabled(differentiable):
        h = rbm.hidden_mean(x)
        if law is None:
            return RBMGradient(x.T @ h / x.shape[0], x.mean(0), h.mean(0))
        return RBMGradient((law[:, None] * x).T @ h, law @ x, law @ h)


@torch.no_grad()
def model_statistics(rbm: RBM, *, chunk: int = 65_536) -> RBMGradient:
    r"""Return the model's own expectations of :math:`x h^\top`, x and h, by a sum over the smaller layer.

    .. math:: \mathbb E_{p_\theta}[x h^\top] = \sum_x p(x)\, x\, \bar h(x)^\top = \sum_h p(h)\, \bar x(h)\, h^\top

    They are the gradient of :math:`\log Z`.

    Args:
        rbm: the machine; its smaller layer has at most 24 units.
        chunk: states summed at a time.

    Returns:
        The expectations.

    Raises:
        TypeError: ``rbm`` is no RBM.
        ValueError: both layers are too large to enumerate.

    Example:
        >>> from gmlib.energy import RBM, model_statistics
        >>> model_statistics(RBM(2, 3, std=0.0)).weight[0].tolist()  # independent fair coins
        [0.25, 0.25, 0.25]
    """
    total = log_z(rbm, chunk=chunk)
    weight, b, c = torch.zeros_like(rbm.weight), torch.zeros_like(rbm.b), torch.zeros_like(rbm.c)
    for states, log_weight in smaller_layer(rbm, chunk):
        visible = rbm.d <= rbm.d_h
        x, h = (states, rbm.hidden_mean(states)) if visible else (rbm.visible_mean(states), states)
        p = torch.exp(log_weight - total)
        weight += (p[:, None] * x).T @ h
        b += p @ x
        c += p @ h
    return RBMGradient(weight, b, c)


def exact_gradient(rbm: RBM, x: Float[Tensor, "n d"], law: Float[Tensor, "n"] | None = None) -> RBMGradient:
    r"""The gradient of the mean log-likelihood of data, exact.

    .. math:: \nabla_W\, \mathbb E_{p_0} \log p(x) = \mathbb E_{p_0}\big[x\,\bar h(x)^\top\big]
              - \mathbb E_{p_\theta}\big[x h^\top\big]

    (:eq:`eq-06-rbm-gradient` in the book), and likewise x for b, h for c: data minus model. The step uphill is
    :math:`+\eta` times it.

    Args:
        rbm: the machine; its smaller layer has at most 24 units.
        x: data, (n, d).
        law: their probabilities, (n,); equal ones if None.

    Returns:
        The gradient, in nats per unit of each parameter.

    Raises:
        TypeError: ``rbm`` is no RBM, or a tensor not of its dtype.
        ValueError: the shapes do not fit, ``law`` is no law, or both layers are too large to enumerate.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, exact_gradient
        >>> exact_gradient(RBM(2, 1, std=0.0), torch.ones(1, 2)).b.tolist()
        [0.5, 0.5]
    """
    return statistics(rbm, x, law) - model_statistics(rbm)
