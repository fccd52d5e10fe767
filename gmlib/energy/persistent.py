r"""Persistent contrastive divergence: chains that are carried over from one step of learning to the next."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_tensor
from gmlib.energy._layers import check_bits, check_layer
from gmlib.energy._rbm_checks import check_rbm, check_rows
from gmlib.energy.rbm import RBM
from gmlib.energy.rbm_gradient import RBMGradient, statistics


class PersistentChains:
    r"""Gibbs chains that outlive the step of learning that they served.

    What is carried is the hidden state h: the next step draws the visible one from it, with the weights of that time, and
    the hidden means of what it has drawn serve the gradient and the next h alike.

    Args:
        h: hidden states to start from, (chains, d_h), 0 or 1.

    Attributes:
        h: the chains' hidden states, (chains, d_h).
        x: what they showed last, (chains, d); None before the first step. Called fantasy particles.

    Raises:
        TypeError: ``h`` is no floating tensor.
        ValueError: ``h`` is no table of 0s and 1s.

    References:
        T. Tieleman, *Training restricted Boltzmann machines using approximations to the likelihood gradient*, 2008.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, PersistentChains
        >>> chains = PersistentChains(torch.zeros(100, 3))
        >>> chains.advance(RBM(4, 3), 2, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([100, 4])
    """

    def __init__(self, h: Float[Tensor, "chains d_h"]) -> None:
        check_tensor("h", h)
        if h.dim() != 2 or h.numel() == 0:
            raise ValueError(f"h must have shape (chains, d_h), got shape {tuple(h.shape)}")
        check_finite("h", h)
        check_bits("h", h)
        self.h = h.detach().clone()
        self.x: Tensor | None = None

    @classmethod
    def start(cls, rbm: RBM, chains: int, *, generator: torch.Generator | None = None) -> PersistentChains:
        """Return chains whose hidden units are on with probability 1/2, for this machine."""
        check_rbm("rbm", rbm)
        check_count("chains", chains)
        half = torch.full((chains, rbm.d_h), 0.5, dtype=rbm.c.dtype, device=rbm.c.device)
        return cls(torch.bernoulli(half, generator=generator))

    @torch.no_grad()
    def advance(
        self, rbm: RBM, k: int = 1, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "chains d"]:
        r"""Take k steps of block Gibbs sampling, x from h and h from x, and return the last x, (chains, d).

        Raises:
            TypeError: ``rbm`` is no RBM, or of another dtype.
            ValueError: k is below 1, or the machine has another number of hidden units.
        """
        check_count("k", k)
        check_rbm("rbm", rbm)
        check_layer("h", self.h, rbm.d_h, rbm.weight)
        for _ in range(k):
            self.x = rbm.sample_visible(self.h, generator=generator)
            self.h = rbm.sample_hidden(self.x, generator=generator)
        assert self.x is not None
        return self.x


def pcd_gradient(
    rbm: RBM,
    x: Float[Tensor, "n d"],
    chains: PersistentChains,
    k: int = 1,
    *,
    generator: torch.Generator | None = None,
) -> RBMGradient:
    r"""Return the estimate of the log-likelihood's gradient from data and persistent chains, and move the chains on.

    .. math:: -\frac1B\sum_b\nabla\mathcal F(x_b) + \frac1S\sum_s\nabla\mathcal F(\tilde x_s), \qquad
              -\nabla_W\mathcal F(x) = x\,\mathbb E[h \mid x]^\top

    (:eq:`eq-06-pcd` in the book; Tieleman 2008.) The data's term raises the likelihood of what was seen, the chains' term
    has the opposite sign: where data and model agree the two cancel in expectation, and learning rests. CD-k starts its
    chains at the data in each step; these go on from where they were, and the model changes under them. They follow it if
    it changes slowly.

    Args:
        rbm: the machine.
        x: data, (n, d).
        chains: moved by k steps with the machine's present weights.
        k: steps of block Gibbs sampling.
        generator: source of the draws, on the machine's device.

    Returns:
        The gradient, uphill for the log-likelihood.

    Raises:
        TypeError: ``rbm`` is no RBM, ``chains`` are none, or a tensor is not of the machine's dtype.
        ValueError: k is below 1, or the shapes do not fit.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, PersistentChains, pcd_gradient
        >>> rbm = RBM(4, 3)
        >>> chains = PersistentChains(torch.zeros(100, 3))
        >>> gradient = pcd_gradient(rbm, torch.ones(10, 4), chains, generator=torch.Generator().manual_seed(0))
        >>> gradient.ascend(rbm, lr=0.1)
        >>> gradient.b.gt(0).all().item()  # all four units of the data are on
        True
    """
    check_rows(rbm, x)
    if not isinstance(chains, PersistentChains):
        raise TypeError(f"chains must be PersistentChains, got {type(chains).__name__}")
    return statistics(rbm, x) - statistics(rbm, chains.advance(rbm, k, generator=generator))
