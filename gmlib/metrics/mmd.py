"""The squared maximum mean discrepancy, as a number, with a standard error, and in closed form."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_event, check_number, check_tensor
from gmlib.metrics._samples import check_like, check_mean, check_samples, raised
from gmlib.metrics.estimate import Estimate
from gmlib.metrics.kernel import Kernel

BLOCK_ENTRIES = 2**22
"""Kernel values a block when ``chunk`` is not given: 16 MiB of float32."""


def mmd2(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    kernel: Kernel,
    *,
    biased: bool = False,
    chunk: int | None = None,
) -> Float[Tensor, ""]:
    r"""Squared maximum mean discrepancy of two samples (:eq:`eq-01-mmd` in the book; Gretton et al. 2012, lemma 6).

    .. math:: \mathrm{MMD}^2 = \mathbb E\, k(x, x') + \mathbb E\, k(y, y') - 2\, \mathbb E\, k(x, y)

    estimated by averages over pairs of *different* points: a U-statistic, unbiased, and so sometimes negative. With
    ``biased`` the averages take each point with itself too: a V-statistic, never negative, which for n = m is larger by
    :math:`\frac1n (2 k(0) - \bar k_{xx} - \bar k_{yy})`, the means over different points (a kernel of differences).

    Differentiable in both samples, as a training loss is; then only shapes are checked, so that nothing waits for the
    device, but the blocks are all kept for the gradient.

    Args:
        x: one sample, (n, d), n >= 2; float16 and bfloat16 are raised to float32.
        y: the other, (m, d), m >= 2.
        kernel: a :class:`~gmlib.metrics.kernel.GaussianKernel`, :class:`~gmlib.metrics.kernel.CubicKernel` or other
            :class:`~gmlib.metrics.kernel.Kernel`.
        biased: the V-statistic instead of the U-statistic.
        chunk: rows of ``x`` a block; by default blocks of 4 million kernel values.

    Returns:
        A scalar, in the squared units of the kernel's features; sums in float64 where the device has it.

    Raises:
        TypeError: not floating tensors, or ``kernel`` is not a `Kernel`.
        ValueError: samples that do not match, are not finite or have fewer than two rows.

    Example:
        >>> import torch
        >>> from gmlib.metrics import GaussianKernel, mmd2
        >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [1.0]])
        >>> round(mmd2(x, y, GaussianKernel(1.0)).item(), 4), mmd2(x, y, GaussianKernel(1.0), biased=True).item()
        (-0.3935, 0.0)
    """
    x, y = _checked(x, y, kernel)
    n, m = x.shape[0], y.shape[0]
    xx, yy, xy = (_row_sums(kernel, a, b, chunk).sum() for a, b in ((x, x), (y, y), (x, y)))
    if biased:
        return xx / n**2 + yy / m**2 - 2 * xy / (n * m)
    own_x, own_y = raised(kernel.diagonal(x)).sum(), raised(kernel.diagonal(y)).sum()
    return (xx - own_x) / (n * (n - 1)) + (yy - own_y) / (m * (m - 1)) - 2 * xy / (n * m)


@torch.no_grad()
def mmd2_estimate(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], kernel: Kernel, *, chunk: int | None = None
) -> Estimate:
    r"""The unbiased squared MMD of two samples with its standard error.

    To second order (Hoeffding) the estimate is its expectation, plus averages :math:`2 \bar g(x) + 2 \bar g(y)` of one
    point each, plus averages over pairs of the doubly centred kernel :math:`\tilde k`. Where the laws are equal the first
    kind vanishes and the second is all there is, so both are counted:

    .. math:: \mathrm{Var} \approx \Big[\frac{4 S_x}{n} + \frac{4 S_y}{m}\Big] - Q, \qquad
              Q = \frac{2 \tilde k^2_{xx}}{n (n-1)} + \frac{2 \tilde k^2_{yy}}{m (m-1)} + \frac{4 \tilde k^2_{xy}}{n m}

    Here :math:`S_x` is the variance over i of the mean of :math:`k(x_i, x_j)` less that of :math:`k(x_i, y_j)`, and
    :math:`\tilde k^2` a mean square. The bracket is the jackknife's variance, which counts the pairs twice; hence
    :math:`-Q`. The result is held to at least Q, the pairs' own share, and so comes out up to a third too large where the
    laws are equal.

    Args:
        x: one sample, (n, d), n >= 4.
        y: the other, (m, d), m >= 4.
        kernel: see :func:`mmd2`.
        chunk: see :func:`mmd2`.

    Returns:
        The estimate of :func:`mmd2`; its ``n`` is the size of the smaller sample.

    Raises:
        TypeError: not floating tensors, or ``kernel`` is not a `Kernel`.
        ValueError: samples that do not match, are not finite or have fewer than four rows.

    Example:
        >>> import torch
        >>> from gmlib.metrics import GaussianKernel, mmd2_estimate
        >>> generator = torch.Generator().manual_seed(0)
        >>> x, y = torch.randn(500, 1, generator=generator), 1 + torch.randn(500, 1, generator=generator)
        >>> print(mmd2_estimate(x, y, GaussianKernel(1.0)))  # of .17727
        0.16 ± 0.02
    """
    x, y = _checked(x, y, kernel, rows=4)
    n, m = x.shape[0], y.shape[0]
    own_x, own_y = raised(kernel.diagonal(x)), raised(kernel.diagonal(y))
    xx, yy, xy, yx = (_moments(kernel, a, b, chunk) for a, b in ((x, x), (y, y), (x, y), (y, x)))
    mean_xx, mean_yy = (xx[0] - own_x) / (n - 1), (yy[0] - own_y) / (m - 1)
    mean_xy, mean_yx = xy[0] / m, yx[0] / n
    value = mean_xx.mean() + mean_yy.mean() - 2 * mean_xy.mean()
    # Mean squares of the doubly centred kernel: E k^2 - E (row mean)^2 - E (column mean)^2 + (E k)^2.
    q_xx = (xx[1] - own_x.square().sum()) / (n * (n - 1)) - 2 * mean_xx.square().mean() + mean_xx.mean() ** 2
    q_yy = (yy[1] - own_y.square().sum()) / (m * (m - 1)) - 2 * mean_yy.square().mean() + mean_yy.mean() ** 2
    q_xy = xy[1] / (n * m) - mean_xy.square().mean() - mean_yx.square().mean() + mean_xy.mean() ** 2
    pairs = (2 * q_xx / (n * (n - 1)) + 2 * q_yy / (m * (m - 1)) + 4 * q_xy / (n * m)).clamp_min(0)
    bracket = 4 * (mean_xx - mean_xy).var() / n + 4 * (mean_yy - mean_yx).var() / m
    return Estimate(value.item(), torch.maximum(bracket - pairs, pairs).sqrt().item(), n=min(n, m))


def gaussian_mmd2(
    mean1: Float[Tensor, " d"], var1: float, mean2: Float[Tensor, " d"], var2: float, bandwidth: float
) -> Float[Tensor, ""]:
    r"""Squared MMD between N(m1, v1 I) and N(m2, v2 I) under the Gaussian kernel, in closed form.

    .. math:: \mathbb E\, k(x, y) = \Big(\frac{\ell^2}{\ell^2 + v_1 + v_2}\Big)^{d/2}
              e^{-\lVert m_1 - m_2 \rVert^2 / 2 (\ell^2 + v_1 + v_2)}

    for each of the three pairs of laws: the difference of the two points is Gaussian, with variance
    :math:`v_1 + v_2`.

    Args:
        mean1: (d,).
        var1: variance in every direction, at least 0 (0: a point mass).
        mean2: (d,).
        var2: at least 0.
        bandwidth: :math:`\ell > 0`.

    Returns:
        A scalar of the dtype to which the means promote, float32 at least.

    Raises:
        TypeError: the means are not floating tensors, or a number is not a number.
        ValueError: shapes or devices do not match, a mean is not finite, or a number is out of range.

    Example:
        >>> import torch
        >>> from gmlib.metrics import gaussian_mmd2
        >>> zero = torch.zeros(1, dtype=torch.float64)
        >>> round(gaussian_mmd2(zero, 1.0, zero + 1, 1.0, bandwidth=1.0).item(), 5)
        0.17727
    """
    check_mean("mean1", mean1)
    check_like("mean2", mean2, tuple(mean1.shape), "mean1", mean1)
    check_number("var1", var1, low=0.0)
    check_number("var2", var2, low=0.0)
    check_number("bandwidth", bandwidth, low=0.0, low_open=True)
    shift = (raised(mean1) - raised(mean2)).square().sum()

    def expected(var: float, squared: Tensor) -> Tensor:
        total = bandwidth**2 + var
        return (bandwidth**2 / total) ** (mean1.shape[0] / 2) * (-squared / (2 * total)).exp()

    zero = torch.zeros_like(shift)
    value = expected(2 * var1, zero) + expected(2 * var2, zero) - 2 * expected(var1 + var2, shift)
    return value.to(torch.promote_types(torch.promote_types(mean1.dtype, mean2.dtype), torch.float32))


def _checked(x: Tensor, y: Tensor, kernel: Kernel, *, rows: int = 2) -> tuple[Tensor, Tensor]:
    """Both samples in one dtype of at least 32 bits, after the checks: of shapes only, where a gradient is wanted."""
    if torch.is_grad_enabled() and any(isinstance(v, Tensor) and v.requires_grad for v in (x, y)):
        check_tensor("x", x)
        if x.dim() != 2 or x.shape[0] < rows:
            raise ValueError(f"x must be a matrix of at least {rows} rows, got shape {tuple(x.shape)}")
        check_event("y", y, (x.shape[1],))
        if y.dim() != 2 or y.shape[0] < rows:
            raise ValueError(f"y must be a matrix of at least {rows} rows, got shape {tuple(y.shape)}")
    else:
        check_samples(rows=rows, x=x, y=y)
    if not isinstance(kernel, Kernel):
        raise TypeError(f"kernel must be a Kernel such as GaussianKernel(1.0), got {type(kernel).__name__}")
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    return x.to(dtype), y.to(dtype)


def _rows(m: int, chunk: int | None) -> int:
    if chunk is None:
        return max(1, math.ceil(BLOCK_ENTRIES / m))
    check_count("chunk", chunk)
    return chunk


def _row_sums(kernel: Kernel, x: Tensor, y: Tensor, chunk: int | None) -> Tensor:
    """Sums of the kernel's values over ``y``, (n,)."""
    return torch.cat([raised(kernel(part, y).sum(1)) for part in x.split(_rows(y.shape[0], chunk))])


def _moments(kernel: Kernel, x: Tensor, y: Tensor, chunk: int | None) -> tuple[Tensor, Tensor]:
    """Sums of the kernel's values over ``y``, (n,), and of all their squares, a scalar."""
    sums, squares = [], []
    for part in x.split(_rows(y.shape[0], chunk)):
        values = kernel(part, y)
        sums.append(raised(values.sum(1)))
        squares.append(raised(values.square().sum(1)).sum())
    return torch.cat(sums), torch.stack(squares).sum()
