r"""How fast block Gibbs sampling of a small RBM forgets where it started: the eigenvalues of its transition matrix."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.energy._rbm_checks import check_matrix
from gmlib.energy._softplus import log_conditional
from gmlib.energy.rbm import RBM
from gmlib.energy.rbm_exact import states_of


def gibbs_eigenvalues(rbm: RBM) -> Float[Tensor, "k"]:
    r"""The largest eigenvalues of the transition matrix, :math:`2^{\min(d, d_h)}` of them, falling; the others are 0.

    .. math:: D^{1/2}\, T\, D^{-1/2} = A A^\top, \qquad
              A(x, h) = \frac{p(x, h)}{\sqrt{p(x)\,p(h)}} = \sqrt{p(h \mid x)\,p(x \mid h)}, \qquad
              D = \operatorname{diag} p(x)

    So they are the squared singular values of A, in [0, 1]: block Gibbs never oscillates. The second one is the square of
    the largest correlation that a function of x can have with a function of h.

    Args:
        rbm: the machine; d and d_h are at most 12.

    Returns:
        Eigenvalues, the first of which is 1.

    Raises:
        TypeError: ``rbm`` is no RBM.
        ValueError: a layer is too large.

    Example:
        >>> from gmlib.energy import gibbs_eigenvalues, reference_rbm
        >>> [round(v, 4) for v in gibbs_eigenvalues(reference_rbm()).tolist()[:3]]
        [1.0, 0.2076, 0.0304]
    """
    check_matrix(rbm)
    with torch.no_grad():
        x, h = states_of(rbm, rbm.d), states_of(rbm, rbm.d_h)
        up, down = log_conditional(rbm.hidden_logits(x), h), log_conditional(rbm.visible_logits(h), x)
        # From the conditionals: p(x, h) / p(x) and p(x, h) / p(h) exist also where p(x) and p(h) have underflown.
        return torch.linalg.svdvals((0.5 * (up + down.T)).exp()).square()


def second_eigenvalue(rbm: RBM) -> float:
    r"""The factor by which block Gibbs sampling, in the long run, brings a law nearer to the model's at each step.

    .. math:: \tfrac12 \lVert p_0 T^k - p \rVert_1 \sim C\, \lambda_2^k

    Args:
        rbm: the machine; d and d_h are at most 12.

    Returns:
        :math:`\lambda_2`, in [0, 1].

    Raises:
        TypeError: ``rbm`` is no RBM.
        ValueError: a layer is too large.

    Example:
        >>> from gmlib.energy import reference_rbm, second_eigenvalue
        >>> round(second_eigenvalue(reference_rbm()), 4)
        0.2076
    """
    return float(gibbs_eigenvalues(rbm)[1])
