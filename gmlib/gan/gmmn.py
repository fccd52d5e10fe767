r"""Moment matching with a kernel: a generator trained on the squared MMD itself, with no critic to train.

The distance as a number to report, with a standard error, is ``gmlib.metrics.mmd2``, which is differentiable too. Here is
what training wants: the terms, any callable kernel, no look at the values on the way, and no gradient where none is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_number, check_tensor
from gmlib.gan._points import Kernel, check_batch, check_partner, kernel_values


@dataclass(frozen=True)
class MixtureKernel:
    r"""A mean of Gaussian kernels of several bandwidths, so that some bandwidth has a slope at any distance.

    .. math:: \kappa(x, y) = \frac1B \sum_{b=1}^B e^{-\lVert x - y \rVert^2 / 2 \ell_b^2}

    (Li et al. 2015, "Generative moment matching networks".) The mean of characteristic kernels is one.

    Args:
        bandwidths: :math:`\ell_b > 0`, in the units of the data; usually a factor 2 or more apart.

    Raises:
        TypeError: not a sequence, or a bandwidth is not a number.
        ValueError: there is none, or one is not positive and finite.

    Example:
        >>> import torch
        >>> from gmlib.gan import MixtureKernel
        >>> round(MixtureKernel((1.0, 100.0))(torch.zeros(1, 2), torch.full((1, 2), 5.0)).item(), 4)
        0.4988
    """

    bandwidths: Sequence[float]

    def __post_init__(self) -> None:
        if isinstance(self.bandwidths, str) or not isinstance(self.bandwidths, Sequence):
            raise TypeError(f"bandwidths must be a sequence of numbers, got {type(self.bandwidths).__name__}")
        if len(self.bandwidths) == 0:
            raise ValueError("bandwidths must hold at least one bandwidth, got none")
        for bandwidth in self.bandwidths:
            check_number("bandwidths", bandwidth, low=0.0, low_open=True)

    def __call__(self, x: Float[Tensor, "n *event"], y: Float[Tensor, "m *event"]) -> Float[Tensor, "n m"]:
        """Return the kernel values of all pairs; images are read as vectors."""
        x, y = x.flatten(1), y.flatten(1)
        dtype = torch.promote_types(x.dtype, torch.float32)
        # Autocast would form the products in 16 bits, and about the origin the squares of far points cancel.
        with torch.autocast(x.device.type, enabled=False):
            x, y = x.to(dtype), y.to(dtype)
            centre = y.detach().mean(0)
            x, y = x - centre, y - centre
            squared = (x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T).clamp_min(0)
        return torch.stack([(-squared / (2 * b**2)).exp() for b in self.bandwidths]).mean(0)


@dataclass(frozen=True)
class MomentMatching:
    r"""The squared MMD of a batch of data and one of a generator, with its three means of kernel values.

    Attributes:
        total: ``real + fake - 2 * cross``, what the generator minimises, ().
        real: :math:`\mathbb E\, \kappa(x, x')` over the data; no gradient, ().
        fake: :math:`\mathbb E\, \kappa(y, y')` over the generator, whose gradient drives its samples apart, ().
        cross: :math:`\mathbb E\, \kappa(x, y)`, whose gradient pulls them to the data, ().

    Example:
        >>> import torch
        >>> from gmlib.gan import MomentMatching
        >>> MomentMatching(*(torch.tensor(v) for v in (0.5, 1.0, 1.0, 0.75))).total.item()
        0.5
    """

    total: Tensor
    real: Tensor
    fake: Tensor
    cross: Tensor


def moment_matching_loss(
    kernel: Kernel, real: Float[Tensor, "n *event"], fake: Float[Tensor, "m *event"], *, unbiased: bool = True
) -> MomentMatching:
    r"""The loss of a generative moment-matching network: the squared MMD of data and samples.

    .. math:: \mathrm{MMD}^2 = \mathbb E\, \kappa(x, x') - 2\, \mathbb E\, \kappa(x, y) + \mathbb E\, \kappa(y, y'),
              \qquad y = G_\theta(z)

    (:eq:`eq-14b-gmmn` in the book; Li et al. 2015, "Generative moment matching networks"; Dziugaite et al. 2015, "Training
    generative neural networks via maximum mean discrepancy optimization".) With ``unbiased`` the first and last means leave
    out each point with itself; value and gradient are then right on average for batches of any size. The V-statistic is
    never negative, but weakens what drives the samples apart by the factor 1 - 1/m: its best law is too narrow.

    Args:
        kernel: :math:`\kappa`, a callable (n, \*event), (m, \*event) -> (n, m): a :class:`MixtureKernel`, a
            :class:`~gmlib.gan.mmd_gan.FeatureKernel`, or ``gmlib.metrics.GaussianKernel``.
        real: a batch of data, (n, \*event), n >= 2.
        fake: the generator's samples, (m, \*event), m >= 2.
        unbiased: the U-statistic; else the V-statistic.

    Returns:
        The total and its three terms. The data's own term has a gradient only if the kernel's parameters or ``real`` ask
        for one.

    Raises:
        TypeError: ``kernel`` is not callable, or the batches are not floating tensors.
        ValueError: fewer than two points, or event shapes, dtypes or devices that differ.

    Example:
        >>> import torch
        >>> from gmlib.gan import MixtureKernel, moment_matching_loss
        >>> x = torch.randn(64, 2)
        >>> moment_matching_loss(MixtureKernel((0.5, 2.0)), x, x, unbiased=False).total.abs().item() < 1e-6
        True
    """
    check_callable("kernel", kernel)
    check_batch("real", real, rows=2)
    check_batch("fake", fake, rows=2)
    check_partner("fake", fake, "real", real)
    own_real, own_fake = _own(kernel, real, unbiased), _own(kernel, fake, unbiased)
    cross = kernel_values(kernel, real, fake).mean()
    return MomentMatching(own_real + own_fake - 2 * cross, own_real, own_fake, cross)


def _own(kernel: Kernel, x: Tensor, unbiased: bool) -> Tensor:
    """The mean kernel value of pairs of a sample, of different points if ``unbiased``."""
    values, n = kernel_values(kernel, x, x), x.shape[0]
    return (values.sum() - values.diagonal().sum()) / (n * (n - 1)) if unbiased else values.mean()


def mmd2_shift_gradient(
    shift: Float[Tensor, " d"], var: float, bandwidths: Sequence[float]
) -> Float[Tensor, " d"]:
    r"""The gradient of the squared MMD in the shift of a Gaussian, in closed form: what a generator's mean is told.

    .. math:: \nabla_\Delta \mathrm{MMD}^2\big(\mathcal N(0, vI), \mathcal N(\Delta, vI)\big)
              = 2 \Big(\frac{\ell^2}{s}\Big)^{d/2} \frac{\Delta}{s}\, e^{-\lVert \Delta \rVert^2 / 2s},
              \qquad s = \ell^2 + 2v

    and the mean of that over the bandwidths of a mixture. A bandwidth that is far off leaves it flat: of order
    :math:`\ell^d` for a small one, :math:`2 \Delta / \ell^2` for a large one. Training then stands still and nothing says
    why; a mixture has a bandwidth that reaches across.

    Args:
        shift: :math:`\Delta`, (d,), in the units of the data.
        var: v, the variance of both laws in every direction, at least 0.
        bandwidths: :math:`\ell_b > 0` of a :class:`MixtureKernel`; one alone as a sequence of one.

    Returns:
        (d,), pointing away from 0; descent goes the other way.

    Raises:
        TypeError: ``shift`` is not a floating tensor, or a number is not one.
        ValueError: ``shift`` is not a vector, or a number is out of range.

    Example:
        >>> import torch
        >>> from gmlib.gan import mmd2_shift_gradient
        >>> shift = torch.tensor([1.0], dtype=torch.float64)
        >>> [round(mmd2_shift_gradient(shift, 1.0, [ell]).item(), 6) for ell in (0.001, 1.0, 1000.0)]
        [0.000551, 0.325811, 2e-06]
    """
    check_tensor("shift", shift)
    if shift.dim() != 1 or shift.shape[0] < 1:
        raise ValueError(f"shift must be a vector of at least one entry, got shape {tuple(shift.shape)}")
    check_number("var", var, low=0.0)
    scales = MixtureKernel(bandwidths).bandwidths
    slopes = []
    for bandwidth in scales:
        total = bandwidth**2 + 2 * var
        height = 2 * (bandwidth**2 / total) ** (shift.shape[0] / 2) / total
        slopes.append(height * (-shift.square().sum() / (2 * total)).exp())
    return shift * torch.stack(slopes).mean()
