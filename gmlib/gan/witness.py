r"""The witness of the maximum mean discrepancy: the critic that needs no training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_event, check_number
from gmlib.gan._points import Kernel, check_batch, check_partner, check_vector, check_vectors, kernel_values


@dataclass(frozen=True)
class Witness:
    r"""The function of norm 1 that two samples disagree about most.

    Attributes:
        kernel: :math:`\kappa`.
        x: one sample, (n, \*event).
        y: the other, (m, \*event).
        mmd: the distance, ().

    Example:
        >>> import torch
        >>> from gmlib.gan import mmd_witness
        >>> from gmlib.metrics import GaussianKernel
        >>> x, y = torch.zeros(1, 1), torch.ones(1, 1)
        >>> mmd_witness(GaussianKernel(1.0), x, y)(torch.tensor([[0.5], [50.0]])).tolist()
        [0.0, 0.0]
    """

    kernel: Kernel
    x: Tensor
    y: Tensor
    mmd: Tensor

    def __call__(self, z: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Return the witness at any points; differentiable, for the field that pulls on samples."""
        check_event("z", z, tuple(self.x.shape[1:]))
        difference = self.kernel(z, self.x).mean(1) - self.kernel(z, self.y).mean(1)
        return torch.where(self.mmd > 0, difference / torch.where(self.mmd > 0, self.mmd, 1.0), 0.0)


@torch.no_grad()
def mmd_witness(kernel: Kernel, x: Float[Tensor, "n *event"], y: Float[Tensor, "m *event"]) -> Witness:
    r"""The witness of two samples, normalised: its difference of means is the MMD itself.

    .. math:: f^*(z) = \frac{1}{\mathrm{MMD}} \Big(\frac1n \sum_i \kappa(x_i, z) - \frac1m \sum_j \kappa(y_j, z)\Big),
              \qquad \mathrm{MMD} = \frac1n \sum_i f^*(x_i) - \frac1m \sum_j f^*(y_j)

    (:eq:`eq-14b-witness` in the book; Gretton et al. 2012, "A kernel two-sample test".) The MMD here is the root of the
    V-statistic, the exact distance of the two empirical laws. A Gaussian kernel's witness is smooth and goes to 0
    far from all points, so that a sample which is lost there feels no pull; the Wasserstein critic keeps its slope.

    Args:
        kernel: :math:`\kappa`, a callable (n, d), (m, d) -> (n, m); ``gmlib.metrics.GaussianKernel`` fits.
        x: the sample on which it is large, (n, \*event).
        y: the sample on which it is small, (m, \*event).

    Returns:
        A callable, (batch, \*event) -> (batch,), with the distance as ``mmd``.

    Raises:
        TypeError: ``kernel`` is not callable, or the samples are not floating tensors.
        ValueError: empty or not finite samples, or event shapes, dtypes or devices that differ.

    Example:
        >>> import torch
        >>> from gmlib.gan import mmd_witness
        >>> from gmlib.metrics import GaussianKernel
        >>> x, y = torch.randn(50, 2), torch.randn(70, 2) + 1
        >>> f = mmd_witness(GaussianKernel(1.0), x, y)
        >>> bool(abs(f(x).mean() - f(y).mean() - f.mmd) < 1e-5)
        True
    """
    check_callable("kernel", kernel)
    check_batch("x", x, finite=True)
    check_batch("y", y, finite=True)
    check_partner("y", y, "x", x)
    squared = _mean(kernel, x, x) + _mean(kernel, y, y) - 2 * _mean(kernel, x, y)
    return Witness(kernel, x, y, squared.clamp_min(0).sqrt())


def _mean(kernel: Kernel, x: Tensor, y: Tensor) -> Tensor:
    """The mean kernel value of all pairs, in blocks of some 4 million."""
    blocks = x.split(max(1, 2**22 // y.shape[0]))
    return torch.stack([kernel_values(kernel, block, y).sum() for block in blocks]).sum() / (
        x.shape[0] * y.shape[0]
    )


def gaussian_witness(
    z: Float[Tensor, "*batch d"],
    mean1: Float[Tensor, " d"],
    var1: float,
    mean2: Float[Tensor, " d"],
    var2: float,
    bandwidth: float,
) -> Float[Tensor, "*batch"]:
    r"""The witness between N(m1, v1 I) and N(m2, v2 I) under the Gaussian kernel, in closed form.

    .. math:: f^*(z) \propto g_1(z) - g_2(z), \qquad g_i(z) = \mathbb E\, \kappa(x_i, z)
              = \Big(\frac{\ell^2}{\ell^2 + v_i}\Big)^{d/2} e^{-\lVert z - m_i \rVert^2 / 2 (\ell^2 + v_i)}

    normalised by the MMD of the two laws, as in :func:`mmd_witness` (:eq:`eq-14b-witness` in the book).

    Args:
        z: where, (\*batch, d).
        mean1: of the law on which the witness is large, (d,).
        var1: its variance in every direction, at least 0.
        mean2: (d,).
        var2: at least 0.
        bandwidth: :math:`\ell > 0`.

    Returns:
        (\*batch,); 0 everywhere if the laws are equal.

    Raises:
        TypeError: not floating tensors, or not numbers.
        ValueError: shapes that differ, or numbers out of range.

    Example:
        >>> import torch
        >>> from gmlib.gan import gaussian_witness
        >>> zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
        >>> round(gaussian_witness(zero, zero, 1.0, one, 1.0, bandwidth=1.0).item(), 5)
        0.3715
    """
    check_vectors(mean1=mean1)
    check_vector("mean1", mean1, len(mean1), "coordinate")
    check_vector("mean2", mean2, len(mean1), "coordinate of mean1")
    check_event("z", z, tuple(mean1.shape))
    check_number("var1", var1, low=0.0)
    check_number("var2", var2, low=0.0)
    check_number("bandwidth", bandwidth, low=0.0, low_open=True)

    def height(var: float) -> float:
        return (bandwidth**2 / (bandwidth**2 + var)) ** (mean1.shape[0] / 2)

    def exponent(at: Tensor, mean: Tensor, var: float) -> Tensor:
        return -(at - mean).square().sum(-1) / (2 * (bandwidth**2 + var))

    if var1 == var2 and torch.equal(mean1, mean2):
        return torch.zeros_like(z[..., 0])
    # Laws of one variance may be as near as they like: what the heights leave is then 0, and expm1 keeps the rest.
    across = height(var1 + var2)
    apart = exponent(mean1, mean2, var1 + var2)
    squared = height(2 * var1) + height(2 * var2) - 2 * across - 2 * across * torch.expm1(apart)
    at1, at2 = exponent(z, mean1, var1), exponent(z, mean2, var2)
    difference = height(var1) * at1.exp() - height(var2) * at2.exp()
    return difference / squared.clamp_min(torch.finfo(z.dtype).tiny).sqrt()
