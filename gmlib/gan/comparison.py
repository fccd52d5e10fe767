r"""The generic comparison of two laws by a critic, and why its maximum on training samples is too good.

For a critic that was chosen without the samples, averages over them are unbiased. For the critic that is best *on them*
they are not: it has also learnt their noise. With critics that are linear in features, held by a penalty, the excess is
known exactly.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number, check_tensor
from gmlib.gan._points import check_vectors
from gmlib.gan.f_bound import BoundTerms


def comparison(f_real: Float[Tensor, " n"], g_fake: Float[Tensor, " m"]) -> BoundTerms:
    r"""The comparison functional on samples.

    .. math:: \mathcal F(\phi) = \mathbb E_{p_{\mathrm{data}}} f_\phi(x) + \mathbb E_{p_\theta} g_\phi(x)

    (:eq:`eq-14b-functional` in the book.) All the values of this chapter have this form, so that samples of both laws are
    enough; the distance between the laws is a *maximum* of it over critics, and a maximum of unbiased averages is biased
    upwards.

    Args:
        f_real: f on real points, (n,).
        g_fake: g on fake points, (m,).

    Returns:
        The two means and their sum.

    Raises:
        TypeError: not floating tensors.
        ValueError: not non-empty vectors.

    Example:
        >>> import torch
        >>> from gmlib.gan import comparison
        >>> comparison(torch.tensor([1.0, 3.0]), torch.tensor([-0.5])).total.item()
        1.5
    """
    check_vectors(f_real=f_real, g_fake=g_fake)
    real, fake = f_real.mean(), g_fake.mean()
    return BoundTerms(real, fake, real + fake)


def best_linear_critic(
    real: Float[Tensor, "*batch n d"], fake: Float[Tensor, "*batch m d"], *, ridge: float = 1.0
) -> Float[Tensor, "*batch d"]:
    r"""The best linear critic on two samples, under a penalty: the difference of their means over the penalty's weight.

    .. math:: \arg\max_w\; w^\top (\bar x - \bar y) - \tfrac\gamma2 \lVert w \rVert^2 = \frac{\bar x - \bar y}{\gamma}

    The penalty is half the squared slope of :math:`a(x) = w^\top x`, times the weight: R1 and R2 of such a critic.

    Args:
        real: points, or their features, (\*batch, n, d).
        fake: likewise, (\*batch, m, d).
        ridge: :math:`\gamma > 0`.

    Returns:
        w, (\*batch, d).

    Raises:
        TypeError: not floating tensors, or ``ridge`` not a number.
        ValueError: shapes that do not match, or ``ridge`` is not positive.

    Example:
        >>> import torch
        >>> from gmlib.gan import best_linear_critic
        >>> best_linear_critic(torch.tensor([[1.0], [3.0]]), torch.zeros(4, 1)).item()
        2.0
    """
    _check_samples(real, fake)
    check_number("ridge", ridge, low=0.0, low_open=True)
    return (real.mean(-2) - fake.mean(-2)) / ridge


def linear_value(
    weights: Float[Tensor, "*batch d"],
    real: Float[Tensor, "*batch n d"],
    fake: Float[Tensor, "*batch m d"],
    *,
    ridge: float = 1.0,
) -> Float[Tensor, "*batch"]:
    r"""The value of a linear critic on two samples, penalty included.

    .. math:: w^\top (\bar x - \bar y) - \tfrac\gamma2 \lVert w \rVert^2

    (:eq:`eq-14b-functional` in the book, with :math:`f = -g = w^\top x` and a price on w.) Its maximum over w on the laws
    themselves is :math:`\lVert m_p - m_q \rVert^2 / 2\gamma`.

    Args:
        weights: w, (\*batch, d).
        real: (\*batch, n, d); the sample on which w was chosen, or a fresh one.
        fake: (\*batch, m, d).
        ridge: :math:`\gamma > 0`.

    Returns:
        (\*batch,).

    Raises:
        TypeError: not floating tensors, or ``ridge`` not a number.
        ValueError: shapes that do not match, or ``ridge`` is not positive.

    Example:
        >>> import torch
        >>> from gmlib.gan import linear_value
        >>> linear_value(torch.tensor([2.0]), torch.tensor([[1.0], [3.0]]), torch.zeros(4, 1)).item()
        2.0
    """
    _check_samples(real, fake)
    check_tensor("weights", weights)
    if weights.shape != real.shape[:-2] + real.shape[-1:]:
        raise ValueError(
            f"weights must have shape {tuple(real.shape[:-2] + real.shape[-1:])}, got {tuple(weights.shape)}"
        )
    check_number("ridge", ridge, low=0.0, low_open=True)
    gap = real.mean(-2) - fake.mean(-2)
    return (weights * gap).sum(-1) - ridge / 2 * weights.square().sum(-1)


def linear_excess(
    cov_real: Float[Tensor, "d d"],
    cov_fake: Float[Tensor, "d d"],
    n: int,
    m: int,
    *,
    ridge: float = 1.0,
) -> Float[Tensor, ""]:
    r"""By how much the best linear critic's value on its own samples is too large, in expectation.

    .. math:: b = \frac1{2\gamma} \Big(\frac{\operatorname{tr} C_p}n + \frac{\operatorname{tr} C_q}m\Big)

    With :math:`\hat\Delta` the difference of the sample means, the value on the training samples is
    :math:`\lVert\hat\Delta\rVert^2 / 2\gamma`, of expectation :math:`\lVert\Delta\rVert^2 / 2\gamma + b`; on fresh samples
    it is :math:`\lVert\Delta\rVert^2 / 2\gamma - b`. The gap between the two is 2b, like 1/n, whatever the laws: only
    their covariances enter.

    Args:
        cov_real: covariance of p's points (or features), (d, d).
        cov_fake: of q's.
        n: number of real points.
        m: number of fake points.
        ridge: :math:`\gamma > 0`.

    Returns:
        b, a scalar.

    Raises:
        TypeError: not floating tensors, or a number of the wrong type.
        ValueError: not square matrices of one size, or a number out of range.

    Example:
        >>> import torch
        >>> from gmlib.gan import linear_excess
        >>> linear_excess(torch.eye(10), torch.eye(10), 100, 100).item()  # two equal laws seem this far apart
        0.10000000149011612
    """
    for name, value in (("cov_real", cov_real), ("cov_fake", cov_fake)):
        check_tensor(name, value)
        if value.dim() != 2 or value.shape[0] != value.shape[1] or value.shape != cov_real.shape:
            raise ValueError(f"{name} must be a matrix (d, d), got shape {tuple(value.shape)}")
    check_count("n", n)
    check_count("m", m)
    check_number("ridge", ridge, low=0.0, low_open=True)
    return (torch.trace(cov_real) / n + torch.trace(cov_fake) / m) / (2 * ridge)


def _check_samples(real: Tensor, fake: Tensor) -> None:
    for name, value in (("real", real), ("fake", fake)):
        check_tensor(name, value)
        if value.dim() < 2 or value.shape[-2] == 0:
            raise ValueError(f"{name} must have shape (*batch, n, d) with n >= 1, got {tuple(value.shape)}")
    if real.shape[:-2] != fake.shape[:-2] or real.shape[-1] != fake.shape[-1]:
        raise ValueError(
            f"fake must have the batch and the {real.shape[-1]} coordinates of real, got shape {tuple(fake.shape)}"
        )
