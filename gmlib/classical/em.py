"""Expectation-maximisation for Gaussian mixtures, one step at a time."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_counts, check_event, check_number, check_table, check_tensor
from gmlib.distributions import GaussianMixture

CovarianceKind = Literal["full", "diagonal", "spherical"]
COVARIANCES = ("full", "diagonal", "spherical")


def e_step(mixture: GaussianMixture, x: Float[Tensor, "n d"]) -> Float[Tensor, "n K"]:
    r"""The exact posterior of the component that made each point, its *responsibilities*.

    .. math:: r_{nk} = p(z = k \mid x_n) = \frac{\pi_k\, \mathcal N(x_n; m_k, V_k)}
              {\sum_j \pi_j\, \mathcal N(x_n; m_j, V_j)}

    (:eq:`eq-02-e-step` in the book; Dempster et al. 1977.) It maximises the bound over q: the gap closes.

    Args:
        mixture: the current model, with event dimension d.
        x: data, (n, d).

    Returns:
        Rows that sum to 1, (n, K).

    Raises:
        ValueError: ``x`` does not end in the mixture's event shape.

    Example:
        >>> import torch
        >>> from gmlib.classical import e_step
        >>> from gmlib.distributions import GaussianMixture
        >>> mixture = GaussianMixture(torch.tensor([[-1.0], [1.0]]), var=1.0)
        >>> e_step(mixture, torch.zeros(1, 1)).tolist()
        [[0.5, 0.5]]
    """
    check_event("x", x, tuple(mixture.event_shape))
    return mixture.responsibilities(x)


def m_step(
    x: Float[Tensor, "n d"],
    responsibilities: Float[Tensor, "n K"],
    *,
    counts: Float[Tensor, " n"] | None = None,
    covariance: CovarianceKind = "full",
    floor: float = 0.0,
) -> GaussianMixture:
    r"""The mixture that maximises the expected log joint for given responsibilities: weighted moments.

    .. math:: \pi_k = \frac1N\sum_n c_n r_{nk}, \qquad m_k = \frac{\sum_n c_n r_{nk} x_n}{\sum_n c_n r_{nk}}, \qquad
              V_k = \frac{\sum_n c_n r_{nk} (x_n - m_k)(x_n - m_k)^\top}{\sum_n c_n r_{nk}}

    with counts :math:`c_n` (1 unless the data are a table of classes) and :math:`N = \sum_n c_n`. It maximises the
    bound over the model's parameters at fixed q. When the responsibilities are those of the current model
    (:func:`e_step`), the bound started at its likelihood, which therefore does not fall.

    Args:
        x: data, (n, d).
        responsibilities: rows that sum to 1, (n, K).
        counts: how often each row of x was seen, (n,), non-negative, not all 0; None: once.
        covariance: ``"full"``, ``"diagonal"`` (keeps the diagonal of :math:`V_k`) or ``"spherical"`` (its mean).
        floor: least variance in any direction, in squared units of x; eigenvalues of :math:`V_k` below it are raised
            to it, which is the maximiser under that constraint, so that the likelihood still does not fall.

    Returns:
        A mixture of K Gaussian laws.

    Raises:
        TypeError: an argument is not a floating tensor, or ``responsibilities`` has another dtype than ``x``.
        ValueError: shapes do not match, rows of ``responsibilities`` are no probabilities, a count is negative, or a
            component is left without data (its covariance is then singular) and there is no floor.

    Example:
        >>> import torch
        >>> from gmlib.classical import m_step
        >>> x = torch.tensor([[-2.0], [0.0], [1.0], [3.0]])
        >>> r = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> m_step(x, r).mean.item()  # 0.5 * (-1) + 0.5 * 2
        0.5
    """
    check_tensor("x", x)
    check_tensor("responsibilities", responsibilities)
    if x.dim() != 2 or responsibilities.dim() != 2 or responsibilities.shape[0] != x.shape[0]:
        raise ValueError(
            f"responsibilities must be (n, K) for x of shape (n, d), got {tuple(responsibilities.shape)} "
            f"and {tuple(x.shape)}"
        )
    if responsibilities.dtype != x.dtype:
        raise TypeError(f"responsibilities must have the dtype {x.dtype} of x, got {responsibilities.dtype}")
    check_table("responsibilities", responsibilities)
    check_choice("covariance", covariance, COVARIANCES)
    check_number("floor", floor, low=0.0)
    if counts is not None:
        check_counts("counts", counts, len(x))
    weight = responsibilities if counts is None else counts.to(x)[:, None] * responsibilities
    mass = weight.sum(0)
    if not floor and not bool((mass > 0).all()):
        raise ValueError("responsibilities leave a component with too few points for a covariance")
    # A component that no point wants keeps a tiny weight, and with a floor a covariance too.
    share = mass.clamp_min(torch.finfo(mass.dtype).tiny ** 0.5) if floor else mass
    mean = (weight.T @ x) / share[:, None]
    if covariance == "full":
        # One component after another: all at once, the factors would be K copies of the data.
        parts = [(weight[:, k, None] * (x - m)).T @ (x - m) / share[k] for k, m in enumerate(mean)]
        cov = torch.stack(parts)
        values, vectors = torch.linalg.eigh(cov)
        if floor:
            raised = (vectors * values.clamp_min(floor).unsqueeze(-2)) @ vectors.mT
            cov = torch.where((values[:, 0] < floor)[:, None, None], (raised + raised.mT) / 2, cov)
        elif not bool((values[:, 0] > 0).all()):
            raise ValueError("responsibilities leave a component with too few points for a covariance")
        return GaussianMixture(mean, weights=share / share.sum(), cov=cov)
    var = torch.stack([weight[:, k] @ (x - m).square() / share[k] for k, m in enumerate(mean)])
    if covariance == "spherical":
        var = var.mean(-1, keepdim=True)
    var = var.clamp_min(floor)
    if not bool((var > 0).all()):
        raise ValueError("responsibilities leave a component with too few points for a variance")
    return GaussianMixture(mean, weights=share / share.sum(), var=var)
