"""A flow as an approximate posterior: the evidence lower bound, and a gradient that falls silent at the optimum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable
from gmlib.flows.flow import Flow


@dataclass(frozen=True)
class VariationalBound:
    r"""The bound on log p(x) draw by draw, and its two terms, in nats.

    Attributes:
        log_joint: log p(x, z), shape ``(*sample_shape, *batch)``.
        log_q: log q(z), of that shape; its mean is minus the entropy of q.
        total: ``log_joint - log_q``, the log of an importance weight; its mean is the bound.

    Example:
        >>> one = torch.ones(3)
        >>> VariationalBound(-one, -2 * one, one).mean().total.item()
        1.0
    """

    log_joint: Tensor
    log_q: Tensor
    total: Tensor

    def mean(self) -> VariationalBound:
        """The terms averaged over all draws."""
        return VariationalBound(self.log_joint.mean(), self.log_q.mean(), self.total.mean())


def variational_bound(
    q: Flow,
    log_joint: Callable[[Tensor], Tensor],
    sample_shape: Sequence[int] = (),
    c: Float[Tensor, "..."] | None = None,
    *,
    path_gradient: bool = False,
    generator: torch.Generator | None = None,
) -> VariationalBound:
    r"""The evidence lower bound with a flow as the posterior, in one pass from noise to z.

    .. math:: \log p(x) = \mathbb E_q\big[\log p(x, z) - \log q(z)\big] + \mathrm{KL}\big(q \,\|\, p(z \mid x)\big),
        \qquad z = F_\theta(u), \quad \log q(z) = \log p_u(u) - \log|\det J_F(u)|

    The gradient in theta of one draw has two parts: theta moves z, and it moves the density q at a fixed z. The second,
    the score :math:`-\nabla_\theta\log q_\theta(z)`, has mean 0 and never rests; the first, the path gradient, is 0 draw by
    draw where q is the posterior. With ``path_gradient`` only the first is kept. The values stay the same, but log q(z) is
    computed once more, backwards from z: a flow without a cheap inverse pays for it.

    (:eq:`eq-05b-vi` in the book.)

    Args:
        q: the flow over z.
        log_joint: log p(x, z) for the x at hand as a function of z, from ``(*sample_shape, *batch, *event_shape)`` to
            ``(*sample_shape, *batch)``. It need not be normalised: then the bound is one on the log-normaliser.
        sample_shape: how many draws; with a condition, how many for each.
        c: conditions of the flow, shape ``(*batch, context)`` (amortised inference: c is x, or a summary of it).
        path_gradient: leave out the score.
        generator: source of the noise; None is torch's default.

    Returns:
        The terms, each of shape ``(*sample_shape, *batch)``.

    Raises:
        TypeError: ``log_joint`` cannot be called.
        ValueError: ``log_joint`` returns another shape, or ``c`` is missing, unwanted or of another length.

    References:
        D. Rezende and S. Mohamed, *Variational inference with normalizing flows*, 2015, equation 15; G. Roeder, Y. Wu and
        D. Duvenaud, *Sticking the landing*, 2017, equation 4 and algorithm 1; K. Murphy, *Probabilistic Machine Learning:
        Advanced Topics*, 2023, equations 23.5 to 23.8.

    Example:
        z ~ N(0, 1) and x | z ~ N(z, 1) with x = 1: the posterior is N(1/2, 1/2) and p(x) = N(1 | 0, 2), at every draw.

        >>> from gmlib.flows import Affine, Elementwise, StandardNormal
        >>> map = Elementwise(Affine(), (1,))
        >>> _ = map.params.data.copy_(torch.tensor([[0.5 * torch.tensor(0.5).log(), 0.5]]))
        >>> normal = torch.distributions.Normal
        >>> log_joint = lambda z: (normal(0.0, 1.0).log_prob(z) + normal(z, 1.0).log_prob(torch.ones(1))).sum(-1)
        >>> bound = variational_bound(Flow(StandardNormal((1,)), map), log_joint, (3,))
        >>> [round(v, 4) for v in bound.total.tolist()]
        [-1.5155, -1.5155, -1.5155]
        >>> round(normal(0.0, 2**0.5).log_prob(torch.tensor(1.0)).item(), 4)
        -1.5155
    """
    check_callable("log_joint", log_joint)
    z, log_q = q.rsample_and_log_prob(sample_shape, c, generator=generator)
    if path_gradient:
        still = {name: tensor.detach() for name, tensor in q.named_parameters()}
        if c is not None:
            c = c.detach().expand(*sample_shape, *c.shape)
        log_q = torch.func.functional_call(q, still, (z, c))
    joint = log_joint(z)
    if joint.shape != log_q.shape:
        raise ValueError(f"log_joint must return shape {tuple(log_q.shape)}, got {tuple(joint.shape)}")
    return VariationalBound(joint, log_q, joint - log_q)
