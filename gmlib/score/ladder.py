r"""Practical choices of a noise-conditional score: the ladder of noise levels, and averages of weights.

Neighbouring levels should overlap, so that where a chain stands at the end of one level is a typical place of the next.
In a geometric ladder all neighbours overlap equally, and how much depends on the dimension.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_number, check_tensor
from gmlib.score._arguments import check_levels

BLOCK = 2**24
"""Distances computed at once."""


def geometric_ladder(
    sigma_max: float | int,
    sigma_min: float | int,
    levels: int,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, " levels"]:
    r"""Noise levels in constant proportion, largest first.

    .. math:: \sigma_i = \sigma_1 r^{i-1}, \qquad r = \Big(\frac{\sigma_L}{\sigma_1}\Big)^{1/(L-1)}, \qquad i = 1, \dots, L

    (:eq:`eq-08b-ladder` in the book; Song & Ermon 2019, section 4.)

    Args:
        sigma_max: :math:`\sigma_1`, in the units of the data; see :func:`largest_distance`.
        sigma_min: :math:`\sigma_L`, positive and below ``sigma_max``; where noise is invisible.
        levels: L, at least 2.
        dtype: of the result; None is torch's default. It is computed in float64 whatever it is.
        device: of the result; None is torch's default.

    Returns:
        (levels,), descending.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: the levels are not positive or do not descend, or there are fewer than two.

    Example:
        >>> from gmlib.score import geometric_ladder
        >>> geometric_ladder(8.0, 1.0, 4)
        tensor([8., 4., 2., 1.])
    """
    check_number("sigma_max", sigma_max, low=0.0, low_open=True)
    check_number("sigma_min", sigma_min, low=0.0, high=sigma_max, low_open=True, high_open=True)
    check_count("levels", levels, low=2)
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise TypeError(f"dtype must be a floating torch dtype, got {dtype!r}")
    ratio = sigma_min / sigma_max
    values = [sigma_max * ratio ** (i / (levels - 1)) for i in range(levels)]
    return torch.tensor([*values[:-1], sigma_min], dtype=dtype or torch.get_default_dtype(), device=device)


def largest_distance(x: Float[Tensor, "n *event"]) -> Float[Tensor, ""]:
    r"""The largest distance between two points of a sample: a start for :math:`\sigma_1`.

    .. math:: \max_{i, j}\,\lVert x_i - x_j\rVert

    With noise of this size no point of the data is out of reach from another (Song & Ermon 2020, technique 1). It
    depends on the two outermost points alone; a sample of the data gives a lower bound.

    **Cost.** n(n−1)/2 distances, a block of rows at a time.

    Args:
        x: data, (n, \*event), n at least 2; finite.

    Returns:
        The distance, in the units of ``x``, as a tensor without dimensions; in float32 for points of 16 bits, whose range
        it may leave.

    Raises:
        TypeError: ``x`` is no floating tensor.
        ValueError: there are fewer than two points, or one is not finite.

    Example:
        >>> import torch
        >>> from gmlib.score import largest_distance
        >>> largest_distance(torch.tensor([[0.0, 0.0], [3.0, 4.0], [1.0, 1.0]]))
        tensor(5.)
    """
    check_tensor("x", x)
    if x.dim() == 0 or len(x) < 2:
        raise ValueError(f"x must hold at least two points, got shape {tuple(x.shape)}")
    check_finite("x", x)
    points = x.detach().reshape(len(x), -1).to(torch.promote_types(x.dtype, torch.float32))
    rows = max(1, BLOCK // len(points))
    # Differences are taken pair by pair: a matrix product would lose the small ones, and with them ties.
    blocks = [
        torch.cdist(points[i : i + rows], points[i:], compute_mode="donot_use_mm_for_euclid_dist").max()
        for i in range(0, len(points), rows)
    ]
    return torch.stack(blocks).max()


def level_overlap(sigmas: Float[Tensor, " levels"], dim: int) -> Float[Tensor, " gaps"]:
    r"""How much the noise of each level overlaps with that of the next one, in [0, 1].

    .. math:: \int \min\big(\mathcal N(x; 0, \sigma_i^2 I_d), \mathcal N(x; 0, \sigma_{i+1}^2 I_d)\big)\,dx
              = 1 - \mathrm{TV}

    The two densities cross on one sphere, so the integral is a pair of :math:`\chi^2_d` probabilities. It depends on the
    ratio of the levels alone: a geometric ladder has equal entries. In high dimension noise lives on a thin shell of radius
    :math:`\sigma\sqrt d`, and for the same overlap a ladder needs a number of levels that grows like :math:`\sqrt d`.

    Args:
        sigmas: noise levels, (levels,), positive, at least two.
        dim: d, the dimension of the data, at least 1.

    Returns:
        (levels − 1,), in the dtype of ``sigmas``.

    Raises:
        TypeError: ``sigmas`` is no floating tensor or ``dim`` no int.
        ValueError: ``sigmas`` is not a list of at least two positive levels, or ``dim`` is below 1.

    Example:
        >>> import torch
        >>> from gmlib.score import geometric_ladder, level_overlap
        >>> level_overlap(geometric_ladder(8.0, 1.0, 4), dim=2)
        tensor([0.5275, 0.5275, 0.5275])
    """
    check_levels("sigmas", sigmas, low=2)
    check_count("dim", dim)
    wide = sigmas.double() if sigmas.device.type != "mps" else sigmas
    log_ratio = (wide[:-1] / wide[1:]).log().abs()
    # Squared radius of the sphere, in units of the narrow law's variance; at ratio 1 its limit, d.
    square = torch.where(
        log_ratio > 0,
        dim * 2 * log_ratio / -torch.expm1(-2 * log_ratio),
        torch.full_like(log_ratio, float(dim)),
    )
    half = torch.full_like(square, dim / 2)
    outside = torch.special.gammaincc(half, square / 2)
    inside = torch.special.gammainc(half, square * torch.exp(-2 * log_ratio) / 2)
    return (outside + inside).to(sigmas.dtype)


def ema_weights(decay: float | int, steps: int) -> Float[Tensor, " n"]:
    r"""What share each past iterate has in an exponential moving average of the weights.

    .. math:: \bar\theta_T = \kappa\bar\theta_{T-1} + (1 - \kappa)\theta_T
              = \kappa^T\theta_0 + (1 - \kappa)\sum_{t=1}^T \kappa^{T-t}\,\theta_t

    (:eq:`eq-08b-ema` in the book.) The shares sum to one, so an average of equal weights is these weights. It looks back
    about :math:`1/(1 - \kappa)` steps; noise of the iterates that is independent from step to step keeps the share
    :math:`(1-\kappa)/(1+\kappa)` of its variance.

    Args:
        decay: :math:`\kappa`, in [0, 1).
        steps: T, at least 0.

    Returns:
        (steps + 1,) in float64: the shares of :math:`\theta_0, \dots, \theta_T`.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.score import ema_weights
        >>> ema_weights(0.5, 2)
        tensor([0.2500, 0.2500, 0.5000], dtype=torch.float64)
    """
    check_number("decay", decay, low=0.0, high=1.0, high_open=True)
    check_count("steps", steps, low=0)
    shares = [(1 - decay) * math.pow(decay, steps - t) for t in range(1, steps + 1)]
    return torch.tensor([math.pow(decay, steps), *shares], dtype=torch.float64)
