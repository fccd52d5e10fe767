r"""Deep belief network of two layers: an RBM on the hidden units of an RBM, and the bound that this cannot lower."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.energy._draws import bernoulli
from gmlib.energy._layers import check_bits, check_layer
from gmlib.energy._rbm_checks import MAX_MATRIX, check_law, check_rbm, check_rows
from gmlib.energy._softplus import log_conditional, softplus
from gmlib.energy._spins import check_like
from gmlib.energy.rbm import RBM
from gmlib.energy.rbm_exact import log_prob, states_of


class DeepBeliefNetwork:
    r"""Two layers: a top RBM as the law of h, and the lower RBM's way down from h to x.

    .. math:: p(x, h) = p_{\text{lower}}(x \mid h)\; p_{\text{top}}(h), \qquad
              p_{\text{top}}(h) = \sum_{h'} p_{\text{top}}(h, h')

    (Hinton, Osindero & Teh 2006.) Only the top pair is undirected; of the lower RBM nothing is kept but
    :math:`p(x \mid h)`, and its :math:`q(h \mid x)` as an approximate posterior.

    Args:
        lower: RBM on x, (d, d_h).
        top: RBM on h: its visible units are the lower one's hidden units.

    Raises:
        TypeError: one is no RBM, or their dtypes differ.
        ValueError: the sizes or devices do not fit.

    Example:
        >>> import torch
        >>> from gmlib.energy import DeepBeliefNetwork, RBM, tied_top
        >>> lower = RBM(4, 3, std=1.0, generator=torch.Generator().manual_seed(0))
        >>> DeepBeliefNetwork(lower, tied_top(lower)).sample(5, generator=torch.Generator().manual_seed(1)).shape
        torch.Size([5, 4])
    """

    def __init__(self, lower: RBM, top: RBM) -> None:
        for name, value in (("lower", lower), ("top", top)):
            check_rbm(name, value)
        if top.d != lower.d_h:
            raise ValueError(
                f"top must have {lower.d_h} visible units, one a hidden unit of lower, got {top.d}"
            )
        check_like("top", top.weight, lower.weight, "lower")
        self.lower, self.top = lower, top

    def _log_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        check_layer("x", x, self.lower.d, self.lower.weight)
        check_bits("x", x)
        if self.lower.d_h > MAX_MATRIX:
            raise ValueError(
                f"lower must have at most {MAX_MATRIX} hidden units to sum over h, got {self.lower.d_h}"
            )
        h = states_of(self.lower, self.lower.d_h)
        down = self.lower.visible_logits(h)
        log_down = x @ down.T - softplus(down).sum(-1)
        return h, log_down + log_prob(self.top, h)

    def log_prob(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        r"""Return the exact :math:`\log p(x)`, (\*batch,), in nats, by a sum over the states of h.

        Raises:
            TypeError: x is not of the dtype of the machines.
            ValueError: there are more than 12 hidden units, x does not end in d units, or holds others than 0 and 1.
        """
        _, log_joint = self._log_terms(x)
        return torch.logsumexp(log_joint, -1)

    def bound(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        r"""Return the variational bound with the lower RBM's conditional as approximate posterior, (\*batch,), in nats.

        .. math:: \log p(x) \ge \mathbb E_{q(h \mid x)}\big[\log p_{\text{lower}}(x \mid h)
                  + \log p_{\text{top}}(h)\big] + H\big(q(\cdot \mid x)\big)

        (:eq:`eq-06b-dbn` in the book; Hinton et al. 2006.) An equality when the top is the tied one, for then q is the
        posterior. While only the top is trained, its mean over data changes by exactly the top's mean log-likelihood of
        h drawn from q: so it never falls if that does not.

        Raises:
            TypeError: x is not of the dtype of the machines.
            ValueError: there are more than 12 hidden units, x does not end in d units, or holds others than 0 and 1.
        """
        h, log_joint = self._log_terms(x)
        log_q = log_conditional(self.lower.hidden_logits(x), h)
        return (log_q.exp() * (log_joint - log_q)).sum(-1)

    @torch.no_grad()
    def sample(
        self, n: int, *, steps: int = 100, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n d"]:
        """Draw x: Gibbs sampling between the two upper layers from fair coins, then one pass down.

        Args:
            n: number of draws.
            steps: Gibbs steps of the top RBM.
            generator: source of the draws.

        Returns:
            Visible states, (n, d).

        Raises:
            ValueError: a count is out of range.
        """
        check_count("n", n)
        check_count("steps", steps, low=0)
        coins = bernoulli(self.top.weight.new_full((n, self.top.d), 0.5), generator)
        h = self.top.gibbs(coins, steps, generator=generator)
        return self.lower.sample_visible(h, generator=generator)


def tied_top(lower: RBM) -> RBM:
    r"""Return the top RBM with which a two-layer network has the law of its lower RBM alone.

    .. math:: W_{\text{top}} = W^\top, \qquad b_{\text{top}} = c, \qquad c_{\text{top}} = b

    Turned upside down, the RBM has the same joint law, so :math:`p_{\text{top}}(h)` is its marginal.

    Args:
        lower: the first RBM.

    Returns:
        A copy, upside down.

    Raises:
        TypeError: ``lower`` is no RBM.

    Example:
        >>> from gmlib.energy import RBM, tied_top
        >>> tied_top(RBM(4, 3)).weight.shape
        torch.Size([3, 4])
    """
    check_rbm("lower", lower)
    return RBM.from_weights(lower.weight.detach().T, lower.c.detach(), lower.b.detach())


@torch.no_grad()
def hidden_law(
    rbm: RBM, x: Float[Tensor, "n d"], law: Float[Tensor, "n"] | None = None
) -> Float[Tensor, "states"]:
    r"""The law of the hidden units over data, :math:`\sum_n p_0(x_n)\, p(h \mid x_n)`: what the next layer is trained on.

    Args:
        rbm: the machine; d_h is at most 12.
        x: data, (n, d).
        law: their probabilities, (n,); equal ones if None.

    Returns:
        (2^d_h,), in the order of all_states.

    Raises:
        TypeError: ``rbm`` is no RBM, or a tensor not of its dtype.
        ValueError: the shapes do not fit, ``law`` is no law, or there are too many hidden units.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, hidden_law
        >>> hidden_law(RBM(3, 2, std=0.0), torch.ones(1, 3)).tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    check_rows(rbm, x)
    if rbm.d_h > MAX_MATRIX:
        raise ValueError(f"rbm must have at most {MAX_MATRIX} hidden units, got {rbm.d_h}")
    if law is not None:
        check_law(law, x.shape[0], rbm.weight)
    q = log_conditional(rbm.hidden_logits(x), states_of(rbm, rbm.d_h)).exp()
    return q.mean(0) if law is None else law @ q
