r"""Mean-field contrastive divergence: means go down and up in place of draws: no noise, and another fixed point."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.energy._layers import check_layer
from gmlib.energy._rbm_checks import check_rbm, check_rows
from gmlib.energy.rbm import RBM
from gmlib.energy.rbm_gradient import RBMGradient, statistics


def mean_field_reconstruction(
    rbm: RBM, x: Float[Tensor, "*batch d"], k: int = 1
) -> Float[Tensor, "*batch d"]:
    r"""Return the visible units after k steps up and down in which each layer is replaced by its mean.

    .. math:: \mu_{t+1} = \bar x\big(\bar h(\mu_t)\big), \qquad \mu_0 = x

    Args:
        rbm: the machine.
        x: visible states, or means between 0 and 1, (\*batch, d).
        k: steps, at least 1.

    Returns:
        Means between 0 and 1, (\*batch, d).

    Raises:
        TypeError: ``rbm`` is no RBM, or x not of its dtype.
        ValueError: k is below 1, or x does not end in d units.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, mean_field_reconstruction
        >>> mean_field_reconstruction(RBM(2, 3, std=0.0), torch.ones(2)).tolist()
        [0.5, 0.5]
    """
    check_count("k", k)
    check_rbm("rbm", rbm)
    check_layer("x", x, rbm.d, rbm.weight)
    for _ in range(k):
        x = rbm.visible_mean(rbm.hidden_mean(x))
    return x


def mean_field_gradient(
    rbm: RBM,
    x: Float[Tensor, "n d"],
    law: Float[Tensor, "n"] | None = None,
    *,
    k: int = 1,
    differentiable: bool = False,
) -> RBMGradient:
    r"""The direction of mean-field CD-k: a function of the data alone.

    .. math:: \Delta W \propto \mathbb E_{p_0}\big[ x\,\bar h(x)^\top - \mu_k\,\bar h(\mu_k)^\top \big]

    :eq:`eq-06b-mean-field` in the book; Welling & Hinton 2002. It has no sampling variance. But the mean of a function is
    not the function of a mean: at data from the model the direction is not zero, so it leads elsewhere than likelihood.

    Args:
        rbm: the machine.
        x: data, (n, d).
        law: their probabilities, (n,); equal ones if None.
        k: steps, at least 1.
        differentiable: keep the dependence on the parameters for autograd.

    Returns:
        The direction.

    Raises:
        TypeError: ``rbm`` is no RBM, or a tensor not of its dtype.
        ValueError: the shapes do not fit, ``law`` is no law, or k is below 1.

    Example:
        >>> from gmlib.energy import mean_field_gradient, reference_rbm, states_of, visible_law
        >>> rbm = reference_rbm()
        >>> law = visible_law(rbm).detach()
        >>> off = mean_field_gradient(rbm, states_of(rbm, 4), law)  # data = model, and yet not zero
        >>> round(off.weight.abs().max().item(), 2)
        0.08
    """
    check_rows(rbm, x)
    with torch.set_grad_enabled(differentiable):
        moved = mean_field_reconstruction(rbm, x, k)
        start = statistics(rbm, x, law, differentiable=differentiable)
        return start - statistics(rbm, moved, law, differentiable=differentiable)
