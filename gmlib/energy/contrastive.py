r"""Contrastive divergence: k Gibbs steps from the data in place of the model, and what that leaves out, by enumeration."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.energy._rbm_checks import MAX_MATRIX, check_law, check_rbm, check_rows
from gmlib.energy.rbm import RBM
from gmlib.energy.rbm_exact import states_of, transition_matrix
from gmlib.energy.rbm_gradient import RBMGradient, statistics


def cd_gradient(
    rbm: RBM, x: Float[Tensor, "n d"], k: int = 1, *, generator: torch.Generator | None = None
) -> RBMGradient:
    r"""The CD-k direction of a batch, with chains that start at the data.

    .. math:: \Delta W \propto \frac1n \sum_n \big( x_0\,\bar h(x_0)^\top - x_k\,\bar h(x_k)^\top \big)

    (:eq:`eq-06-cd-update` in the book; Hinton 2002.) Each x is paired with the mean of its own hidden units. Along the
    chain both layers are drawn; only in the averages do means replace the hidden units, which takes out some of the noise
    (Rao-Blackwell) and changes no expectation.

    Args:
        rbm: the machine.
        x: data, (n, d).
        k: Gibbs steps, at least 1.
        generator: source of the draws, on the parameters' device.

    Returns:
        The direction; its mean over the draws is ``expected_cd_gradient``.

    Raises:
        TypeError: ``rbm`` is no RBM, or x not of its dtype.
        ValueError: k is below 1, or x has the wrong shape.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, cd_gradient
        >>> g = cd_gradient(RBM(6, 2), torch.ones(10, 6), generator=torch.Generator().manual_seed(0))
        >>> g.weight.shape, bool((g.b >= 0).all())  # the data are all ones: every bias rises
        (torch.Size([6, 2]), True)
    """
    check_count("k", k)
    check_rows(rbm, x)
    return statistics(rbm, x) - statistics(rbm, rbm.gibbs(x, k, generator=generator))


def law_after(rbm: RBM, law: Float[Tensor, "states"], k: int) -> Float[Tensor, "states"]:
    r"""The law :math:`p_k = p_0 T^k` of the visible units after k Gibbs steps; differentiable in the parameters.

    Args:
        rbm: the machine, with at most 12 units a layer.
        law: :math:`p_0`, over the states in the order of all_states, (2^d,).
        k: steps, 0 or more.

    Returns:
        (2^d,).

    Raises:
        TypeError: ``rbm`` is no RBM, or the law not of its dtype.
        ValueError: the law has the wrong length or is no law, or k is negative.

    Example:
        >>> from gmlib.energy import law_after, reference_law, reference_rbm, visible_law
        >>> rbm = reference_rbm()
        >>> bool((law_after(rbm, reference_law(), 30) - visible_law(rbm)).abs().max() < 1e-15)
        True
    """
    _check_law(rbm, law)
    check_count("k", k, low=0)
    step = transition_matrix(rbm)
    for _ in range(k):
        law = law @ step
    return law


def _check_law(rbm: RBM, law: Tensor) -> None:
    """Raise unless ``law`` holds the probabilities of all visible states of ``rbm``."""
    check_rbm("rbm", rbm)
    if rbm.d > MAX_MATRIX:
        raise ValueError(f"rbm must have at most {MAX_MATRIX} visible units here, got {rbm.d}")
    check_law(law, 2**rbm.d, rbm.weight, f"one probability for each of the 2^{rbm.d} visible states")


def expected_cd_gradient(
    rbm: RBM, law: Float[Tensor, "states"], k: int, *, differentiable: bool = False
) -> RBMGradient:
    r"""The mean of the CD-k direction over data and draws, by enumeration.

    .. math:: \mathbb E_{p_0}\big[x\,\bar h(x)^\top\big] - \mathbb E_{p_k}\big[x\,\bar h(x)^\top\big]

    Zero where the data's law is the model's. Its distance to the exact gradient falls like :math:`\lambda_2^k`.

    Args:
        rbm: the machine, with at most 12 units a layer.
        law: :math:`p_0`, (2^d,), in the order of all_states.
        k: Gibbs steps, at least 1.
        differentiable: keep the dependence on the parameters for autograd.

    Returns:
        The direction.

    Raises:
        TypeError: ``rbm`` is no RBM, or the law not of its dtype.
        ValueError: the law does not fit, or k is below 1.

    Example:
        >>> from gmlib.energy import expected_cd_gradient, reference_rbm, visible_law
        >>> rbm = reference_rbm()
        >>> bool(expected_cd_gradient(rbm, visible_law(rbm), 1).vector().abs().max() < 1e-15)
        True
    """
    check_count("k", k)
    _check_law(rbm, law)  # before its 2^d states are made
    x = states_of(rbm, rbm.d)
    with torch.set_grad_enabled(differentiable):
        moved = law_after(rbm, law, k)
    start = statistics(rbm, x, law, differentiable=differentiable)
    return start - statistics(rbm, x, moved, differentiable=differentiable)


def cd_objective(rbm: RBM, law: Float[Tensor, "states"], k: int) -> Float[Tensor, ""]:
    r"""The contrastive divergence itself, in nats, by enumeration; differentiable in the parameters.

    .. math:: \mathrm{CD}_k = \mathrm{KL}(p_0 \,\|\, p_\theta) - \mathrm{KL}(p_k \,\|\, p_\theta) \;\ge\; 0

    (:eq:`eq-06-cd` in the book; Hinton 2002.) A step of the chain never moves a law away from the model's, so it is never
    negative, and it rises with k to :math:`\mathrm{KL}(p_0 \,\|\, p_\theta)`.

    Args:
        rbm: the machine, with at most 12 units a layer.
        law: :math:`p_0`, (2^d,), in the order of all_states.
        k: Gibbs steps, 0 or more.

    Returns:
        A scalar.

    Raises:
        TypeError: ``rbm`` is no RBM, or the law not of its dtype.
        ValueError: the law does not fit, or k is negative.

    Example:
        >>> from gmlib.energy import cd_objective, reference_law, reference_rbm
        >>> [round(cd_objective(reference_rbm(), reference_law(), k).item(), 3) for k in (0, 1, 2, 9)]
        [0.0, 0.935, 0.936, 0.936]
    """
    moved = law_after(rbm, law, k)
    log_model = _log_model_law(rbm)
    return _kl(law, log_model) - _kl(moved, log_model)


def _log_model_law(rbm: RBM) -> Float[Tensor, "states"]:
    """The logarithm of the visible law, (2^d,), in the order of all_states."""
    return torch.log_softmax(-rbm.free_energy(states_of(rbm, rbm.d)), 0)


def _kl(p: Tensor, log_q: Tensor) -> Tensor:
    return (torch.special.xlogy(p, p) - p * log_q).sum()


def dropped_term(rbm: RBM, law: Float[Tensor, "states"], k: int) -> RBMGradient:
    r"""The term of CD-k's gradient that the update leaves out: the chain's law moves with the parameters.

    .. math:: -\partial_\theta \mathrm{CD}_k = \underbrace{\mathbb E_{p_k}\,\partial_\theta E
              - \mathbb E_{p_0}\,\partial_\theta E}_{\text{the update}}
              + \underbrace{\sum_x \partial_\theta p_k(x)\, \log\frac{p_k(x)}{p_\theta(x)}}_{\text{dropped}}

    (:eq:`eq-06-cd-gradient` in the book.) The update and this term add up to the direction in which
    :math:`\mathrm{CD}_k` falls fastest; the update alone is no function's gradient.

    Args:
        rbm: the machine, with at most 12 units a layer.
        law: :math:`p_0`, (2^d,), in the order of all_states.
        k: Gibbs steps, at least 1.

    Returns:
        The dropped term, with the sign that makes :math:`-\partial_\theta \mathrm{CD}_k` of the sum.

    Raises:
        TypeError: ``rbm`` is no RBM, or the law not of its dtype.
        ValueError: the law does not fit, or k is below 1.

    Example:
        >>> from gmlib.energy import dropped_term, expected_cd_gradient, reference_law, reference_rbm
        >>> rbm, law = reference_rbm(), reference_law()
        >>> update = expected_cd_gradient(rbm, law, 1)
        >>> round((dropped_term(rbm, law, 1).vector().norm() / update.vector().norm()).item(), 3)
        0.034
    """
    check_count("k", k)
    with torch.enable_grad():
        moved = law_after(rbm, law, k)
        log_ratio = (moved.log() - _log_model_law(rbm)).detach()
        parts = torch.autograd.grad(moved @ log_ratio, (rbm.weight, rbm.b, rbm.c))
    return RBMGradient(*parts)
