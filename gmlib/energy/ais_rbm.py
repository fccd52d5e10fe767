r"""Annealed importance sampling for a binary RBM: its log partition function, and the log-likelihood of data with it."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_tensor
from gmlib.energy._draws import bernoulli
from gmlib.energy._layers import check_bits, check_layer
from gmlib.energy._rbm_checks import check_rbm
from gmlib.energy._softplus import softplus
from gmlib.energy.annealing import AISResult, check_path
from gmlib.energy.rbm import RBM


def rbm_path(temperatures: int = 1000) -> Float[Tensor, " temperatures"]:
    r"""Return inverse temperatures from 0 to 1 that lie closer where an RBM's law changes faster, (temperatures,), float64.

    Of 29 steps one leads from 0 to .5, eight from there to .9, and twenty to 1.

    Args:
        temperatures: how many, at least 21.

    Raises:
        ValueError: there are fewer.

    References:
        R. Salakhutdinov and I. Murray, *On the quantitative analysis of deep belief networks*, 2008, who
        divide 14,500 in the same way.

    Example:
        >>> from gmlib.energy import rbm_path
        >>> path = rbm_path(101)
        >>> path[0].item(), path[-1].item(), len(path)
        (0.0, 1.0, 101)
    """
    check_count("temperatures", temperatures, low=21)
    steps = temperatures - 1
    first, second = round(steps / 29), round(8 * steps / 29)
    pieces = ((0.0, 0.5, first), (0.5, 0.9, second), (0.9, 1.0, steps - first - second))
    parts = [torch.linspace(low, high, n + 1, dtype=torch.float64)[:-1] for low, high, n in pieces]
    return torch.cat([*parts, torch.ones(1, dtype=torch.float64)])


@torch.no_grad()
def rbm_log_z(
    rbm: RBM,
    base: Float[Tensor, " d"],
    *,
    runs: int = 100,
    path: Float[Tensor, " temperatures"] | None = None,
    generator: torch.Generator | None = None,
) -> AISResult:
    r"""Estimate :math:`\log Z` of an RBM by annealing from a machine without weights.

    .. math:: f_\beta(x) = e^{((1 - \beta)\,b_0 + \beta b)^\top x}
              \prod_j\big(1 + e^{\beta(c_j + (W^\top x)_j)}\big), \qquad
              Z_0 = 2^{d_h} \prod_i\big(1 + e^{b_{0i}}\big)

    (:eq:`eq-06-ais-rbm` in the book; after Salakhutdinov & Murray 2008.) Every law of the path is an RBM, with weights
    :math:`\beta W`, and its kernel is one step of block Gibbs sampling; the hidden units are summed out of the weights. The
    base biases should be those of the data (:func:`gmlib.energy.base_rates.log_odds`): then the first law is as near as
    independent units get.

    Args:
        rbm: the machine.
        base: visible biases :math:`b_0` of the base machine, (d,).
        runs: number of independent runs M.
        path: :math:`\beta_0 = 0 < \dots < \beta_T = 1`; None is :func:`rbm_path` of 1,000.
        generator: source of the draws, on the machine's device.

    Returns:
        Log-weights, the estimate with its standard error, the effective number of runs, and the last states (which are
        nearly, not exactly, draws of the machine).

    Raises:
        TypeError: ``rbm`` is no RBM, ``base`` or ``path`` no floating tensor.
        ValueError: the shapes do not fit, ``path`` does not rise from 0 to 1, or there are fewer than two runs.

    Example:
        >>> import torch
        >>> from gmlib.energy import log_z, rbm_log_z, reference_rbm
        >>> rbm = reference_rbm()
        >>> result = rbm_log_z(rbm, torch.zeros(4), runs=500, generator=torch.Generator().manual_seed(0))
        >>> abs(result.log_z - log_z(rbm).item()) < 4 * result.standard_error
        True
    """
    check_rbm("rbm", rbm)
    check_tensor("base", base)
    if tuple(base.shape) != (rbm.d,):
        raise ValueError(f"base must have shape ({rbm.d},), one bias a visible unit, got {tuple(base.shape)}")
    check_finite("base", base)
    check_count("runs", runs, low=2)
    betas = check_path(rbm_path() if path is None else path)
    weight, b, c = rbm.weight.detach(), rbm.b.detach(), rbm.c.detach()
    base = base.to(weight)
    log_z0 = softplus(base.double()).sum() + rbm.d_h * math.log(2)
    tilt = b - base

    x = bernoulli(torch.sigmoid(base).expand(runs, -1), generator)
    logits = torch.addmm(c, x, weight)
    log_weights = torch.zeros(runs, dtype=torch.float64, device=x.device)
    for before, beta in pairwise(betas):
        if before > 0:
            h = bernoulli((before * logits).sigmoid_(), generator)
            x = bernoulli(torch.addmm(base + before * tilt, h, weight.T, alpha=before).sigmoid_(), generator)
            logits = torch.addmm(c, x, weight)
        change = softplus(beta * logits) - softplus(before * logits)
        log_weights += ((beta - before) * (x @ tilt)).double() + change.sum(-1, dtype=torch.float64)
    return AISResult(log_weights.cpu(), log_z0.item(), x)


@torch.no_grad()
def rbm_log_likelihood(
    rbm: RBM, x: Float[Tensor, "n d"], log_z: float, *, rows: int = 2000
) -> Float[Tensor, " n"]:
    r"""Return :math:`\log p(x) = -\mathcal F(x) - \log Z` of each image with a given :math:`\log Z`, (n,), float64, nats.

    With an estimate of :math:`\log Z` that is too low on average these are too high on average: annealing flatters the
    machine, by less the smaller its standard error.

    Args:
        rbm: the machine.
        x: visible states, (n, d).
        log_z: its log partition function, nats.
        rows: states at a time.

    Raises:
        TypeError: ``rbm`` is no RBM, or x not of its dtype.
        ValueError: the shapes do not fit, or x holds others than 0 and 1.

    Example:
        >>> import torch
        >>> from gmlib.energy import log_prob, log_z, rbm_log_likelihood, reference_rbm
        >>> rbm, x = reference_rbm(), torch.ones(1, 4, dtype=torch.float64)
        >>> torch.allclose(rbm_log_likelihood(rbm, x, log_z(rbm).item()), log_prob(rbm, x))
        True
    """
    check_rbm("rbm", rbm)
    check_layer("x", x, rbm.d, rbm.weight)
    check_bits("x", x)
    check_count("rows", rows)
    return torch.cat([-rbm.free_energy(part).double() for part in x.split(rows)]) - log_z
