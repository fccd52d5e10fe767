r"""A small RBM, summed exactly: partition function, laws, and the transition matrix of block Gibbs sampling."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.energy._layers import check_bits
from gmlib.energy._rbm_checks import check_matrix, check_rbm
from gmlib.energy._softplus import log_conditional, softplus
from gmlib.energy.rbm import RBM
from gmlib.energy.states import MAX_UNITS, all_states, state_chunks


def log_z(rbm: RBM, *, chunk: int = 65_536) -> Float[Tensor, ""]:
    r"""The log partition function, in nats, by summing over the smaller layer.

    .. math:: Z = \sum_x e^{-\mathcal F(x)} = \sum_h e^{c^\top h} \prod_i \big(1 + e^{b_i + (W h)_i}\big)

    (:eq:`eq-06-partition` in the book.) The other layer sums in closed form, so Z costs :math:`2^{\min(d, d_h)}` terms
    and not :math:`2^{d + d_h}`. Differentiable: its gradient holds the model's correlations.

    Args:
        rbm: the machine; its smaller layer has at most ``MAX_UNITS`` (24) units.
        chunk: states summed at a time.

    Returns:
        A scalar.

    Raises:
        TypeError: ``rbm`` is no RBM.
        ValueError: both layers are too large to enumerate.

    Example:
        >>> import math
        >>> from gmlib.energy import RBM, log_z
        >>> round(log_z(RBM(784, 10, std=0.0)).item() / math.log(2), 3)  # no weights: 2^794 equal states
        794.0
    """
    parts = [torch.logsumexp(log_weight, 0) for _, log_weight in smaller_layer(rbm, chunk)]
    return torch.logsumexp(torch.stack(parts), 0)


def smaller_layer(rbm: RBM, chunk: int = 65_536) -> Iterator[tuple[Tensor, Tensor]]:
    r"""The states of the smaller layer in pieces, each with its unnormalised log-probability.

    .. math:: \log\tilde p(x) = -\mathcal F(x) \quad\text{or}\quad
              \log\tilde p(h) = c^\top h + \sum_i \log\big(1 + e^{b_i + (W h)_i}\big)

    Args:
        rbm: the machine.
        chunk: states in a piece.

    Returns:
        Pairs (states, log-weights): visible states if d <= d_h, else hidden ones.

    Raises:
        TypeError: ``rbm`` is no RBM.
        ValueError: both layers have more than ``MAX_UNITS`` units.

    Example:
        >>> from gmlib.energy import RBM, smaller_layer
        >>> [tuple(states.shape) for states, _ in smaller_layer(RBM(9, 3), chunk=5)]
        [(5, 3), (3, 3)]
    """
    check_count("chunk", chunk)
    check_rbm("rbm", rbm)
    n = min(rbm.d, rbm.d_h)
    if n > MAX_UNITS:
        raise ValueError(
            f"rbm must have a layer of at most {MAX_UNITS} units for a sum over its 2^n states, "
            f"got {rbm.d} visible and {rbm.d_h} hidden ones: estimate log Z by annealed importance sampling"
        )
    pieces = state_chunks(n, 0, size=chunk, dtype=rbm.weight.dtype, device=rbm.weight.device)
    return ((states, _log_weight(rbm, states)) for states in pieces)


def _log_weight(rbm: RBM, states: Tensor) -> Tensor:
    if rbm.d <= rbm.d_h:
        return -rbm.free_energy(states)
    return states @ rbm.c + softplus(rbm.visible_logits(states)).sum(-1)


def log_prob(rbm: RBM, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
    r"""Exact log-probability of visible states, :math:`-\mathcal F(x) - \log Z`, in nats.

    Args:
        rbm: the machine; its smaller layer has at most ``MAX_UNITS`` units.
        x: visible states of 0s and 1s, (\*batch, d).

    Returns:
        (\*batch,).

    Raises:
        TypeError: ``rbm`` is no RBM, or x not of its dtype.
        ValueError: both layers are too large to enumerate, x does not end in d units, or holds others than 0 and 1.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, log_prob
        >>> log_prob(RBM(3, 2, std=0.0), torch.zeros(1, 3)).exp().item()
        0.125
    """
    check_rbm("rbm", rbm)
    free_energy = rbm.free_energy(x)
    check_bits("x", x)
    return -free_energy - log_z(rbm)


def joint_table(rbm: RBM) -> Float[Tensor, "visible hidden"]:
    r"""The law of every pair (x, h): rows are visible states, columns hidden ones, both in the order of all_states.

    Args:
        rbm: the machine; d + d_h is at most ``MAX_UNITS``.

    Returns:
        Probabilities, (2^d, 2^d_h), which sum to 1.

    Raises:
        TypeError: ``rbm`` is no RBM.
        ValueError: there are too many units.

    Example:
        >>> from gmlib.energy import joint_table, reference_rbm
        >>> joint_table(reference_rbm()).shape
        torch.Size([16, 8])
    """
    check_rbm("rbm", rbm)
    if rbm.d + rbm.d_h > MAX_UNITS:
        raise ValueError(
            f"rbm must have at most {MAX_UNITS} units in all for a table of its joint law, got {rbm.d} + {rbm.d_h}"
        )
    x, h = states_of(rbm, rbm.d), states_of(rbm, rbm.d_h)
    log_p = x @ rbm.weight @ h.T + (x @ rbm.b)[:, None] + h @ rbm.c
    return torch.softmax(log_p.flatten(), 0).view_as(log_p)


def visible_law(rbm: RBM) -> Float[Tensor, "states"]:
    r"""The law of the visible units, :math:`p(x) = e^{-\mathcal F(x)} / Z` for every x in the order of all_states.

    Args:
        rbm: the machine, with at most ``MAX_UNITS`` visible units.

    Returns:
        Probabilities, (2^d,).

    Raises:
        TypeError: ``rbm`` is no RBM.
        ValueError: there are too many visible units.

    Example:
        >>> from gmlib.energy import RBM, visible_law
        >>> visible_law(RBM(2, 5, std=0.0)).tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    check_rbm("rbm", rbm)
    if rbm.d > MAX_UNITS:
        raise ValueError(f"rbm must have at most {MAX_UNITS} visible units to list its law, got {rbm.d}")
    return torch.softmax(-rbm.free_energy(states_of(rbm, rbm.d)), 0)


def states_of(rbm: RBM, n: int) -> Float[Tensor, "states n"]:
    """All states of n units of 0 and 1, in the dtype and on the device of ``rbm``.

    Args:
        rbm: the machine.
        n: units: d for the visible states, d_h for the hidden ones.

    Returns:
        (2^n, n).

    Raises:
        TypeError: ``rbm`` is no RBM.
        ValueError: n is out of the range of all_states.

    Example:
        >>> from gmlib.energy import RBM, states_of
        >>> states_of(RBM(4, 1), 1).tolist()
        [[0.0], [1.0]]
    """
    check_rbm("rbm", rbm)
    return all_states(n, 0, dtype=rbm.weight.dtype, device=rbm.weight.device)


def transition_matrix(rbm: RBM) -> Float[Tensor, "states states"]:
    r"""The matrix of one step of block Gibbs sampling, from visible state (row) to visible state (column).

    .. math:: T(x, x') = \sum_h p(h \mid x)\, p(x' \mid h), \qquad p\,T = p

    The law after k steps from :math:`p_0` is :math:`p_0 T^k`. Differentiable in the parameters.

    Args:
        rbm: the machine; d and d_h are at most 12.

    Returns:
        (2^d, 2^d), each row of sum 1.

    Raises:
        TypeError: ``rbm`` is no RBM.
        ValueError: a layer is too large.

    Example:
        >>> from gmlib.energy import reference_rbm, transition_matrix, visible_law
        >>> rbm = reference_rbm()
        >>> p = visible_law(rbm)
        >>> bool((p @ transition_matrix(rbm) - p).abs().max() < 1e-15)
        True
    """
    check_matrix(rbm)
    x, h = states_of(rbm, rbm.d), states_of(rbm, rbm.d_h)
    up, down = log_conditional(rbm.hidden_logits(x), h), log_conditional(rbm.visible_logits(h), x)
    return up.exp() @ down.exp()


def reference_rbm(dtype: torch.dtype = torch.float64) -> RBM:
    r"""The chapter's test machine: 4 visible and 3 hidden units, standard normal weights and biases of a fixed draw.

    Drawn by NumPy's ``default_rng(0)`` in the order W, b, c. Its 16 x 8 states make every sum exact.

    Args:
        dtype: of the parameters.

    Returns:
        The machine, on the CPU.

    Example:
        >>> from gmlib.energy import log_z, reference_rbm
        >>> round(log_z(reference_rbm()).item(), 4)
        3.3972
    """
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=3)
    return RBM.from_weights(*(torch.from_numpy(part).to(dtype) for part in draws))


def reference_law(dtype: torch.dtype = torch.float64) -> Float[Tensor, "16"]:
    r"""The data law that goes with :func:`gmlib.energy.rbm_exact.reference_rbm`: from 1/24 to 2/24 in equal steps.

    Args:
        dtype: of the table.

    Returns:
        Probabilities of the 16 visible states, in the order of all_states.

    Example:
        >>> from gmlib.energy import reference_law
        >>> round(reference_law().sum().item(), 12)
        1.0
    """
    return torch.linspace(1, 2, 16, dtype=dtype) / 24
