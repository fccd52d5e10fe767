r"""MMD with learned features: a kernel on what a critic sees, and what the critic gains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_callable, check_number
from gmlib.gan._points import Kernel, check_batch, check_partner
from gmlib.gan.gmmn import moment_matching_loss


class FeatureKernel(nn.Module):
    r"""A kernel on features of the points.

    .. math:: \kappa_\phi(x, y) = \kappa\big(\zeta_\phi(x), \zeta_\phi(y)\big)

    (Li et al. 2017, "MMD GAN: towards deeper understanding of moment matching network".) It is positive definite whatever
    the features, but characteristic only if they are injective: constant ones see no difference between any two laws.

    Args:
        features: :math:`\zeta_\phi`, a callable or module, (batch, \*event) -> (batch, k).
        kernel: :math:`\kappa` between features, a callable (n, k), (m, k) -> (n, m).

    Raises:
        TypeError: one of them is not callable.

    Example:
        >>> import torch
        >>> from gmlib.gan import FeatureKernel, MixtureKernel
        >>> kernel = FeatureKernel(torch.abs, MixtureKernel((1.0,)))
        >>> kernel(torch.ones(1, 1), -torch.ones(1, 1)).item()  # these features cannot tell 1 from -1
        1.0
    """

    def __init__(self, features: Callable[[Tensor], Tensor], kernel: Kernel) -> None:
        super().__init__()
        check_callable("features", features)
        check_callable("kernel", kernel)
        self.features, self.kernel = features, kernel

    def forward(self, x: Float[Tensor, "n *event"], y: Float[Tensor, "m *event"]) -> Float[Tensor, "n m"]:
        """Return the kernel values of all pairs."""
        seen = self.features(x)
        return self.kernel(seen, seen if y is x else self.features(y))


@dataclass(frozen=True)
class MMDCritic:
    r"""What the features of an MMD-GAN minimise, and its terms.

    Attributes:
        total: ``-mmd2 + weight * reconstruction``, ().
        mmd2: the squared MMD in the features; the features raise it, the generator lowers it, ().
        reconstruction: the mean squared error of the decoder, summed over the event, ().

    Example:
        >>> import torch
        >>> from gmlib.gan import MMDCritic
        >>> MMDCritic(torch.tensor(-0.5), torch.tensor(0.5), torch.tensor(0.0)).total.item()
        -0.5
    """

    total: Tensor
    mmd2: Tensor
    reconstruction: Tensor


def mmd_critic_loss(
    kernel: FeatureKernel,
    real: Float[Tensor, "n *event"],
    fake: Float[Tensor, "m *event"],
    *,
    decoder: Callable[[Tensor], Tensor] | None = None,
    weight: float = 1.0,
    unbiased: bool = True,
) -> MMDCritic:
    r"""The loss of the features of an MMD-GAN: the largest distance, among features that can be undone.

    .. math:: \min_\theta \max_\phi\; \mathrm{MMD}^2_{\kappa_\phi}(p_{\mathrm{data}}, p_\theta)
              - w\, \mathbb E \big\lVert x - \delta_\phi(\zeta_\phi(x)) \big\rVert^2

    (:eq:`eq-14b-mmdgan` in the book; Li et al. 2017, "MMD GAN".) The expectation of the second term is over the
    pooled batch; a decoder :math:`\delta` that undoes the features makes them injective, and the distance a metric. The
    generator minimises :func:`~gmlib.gan.gmmn.moment_matching_loss` with the same kernel. The maximum is again one over the
    features that the network can make: of a family that cannot tell two laws apart it is 0.

    Args:
        kernel: the features and a kernel on them.
        real: a batch of data, (n, \*event), n >= 2.
        fake: the generator's samples, detached by the caller where the generator is to stay out of it, (m, \*event).
        decoder: :math:`\delta`, features (batch, k) -> (batch, \*event); None leaves the term out.
        weight: w >= 0, in units of the squared MMD over those of the data, squared.
        unbiased: see :func:`~gmlib.gan.gmmn.moment_matching_loss`.

    Returns:
        The total and its terms.

    Raises:
        TypeError: ``kernel`` is no `FeatureKernel`, or arguments of another type.
        ValueError: batches that do not match, a decoder whose output has another shape, or a negative weight.

    Example:
        >>> import torch
        >>> from gmlib.gan import FeatureKernel, MixtureKernel, mmd_critic_loss
        >>> kernel = FeatureKernel(torch.nn.Linear(2, 2), MixtureKernel((1.0,)))
        >>> terms = mmd_critic_loss(kernel, torch.randn(8, 2), torch.randn(8, 2), decoder=torch.nn.Linear(2, 2))
        >>> bool(terms.total == terms.reconstruction - terms.mmd2)
        True
    """
    if not isinstance(kernel, FeatureKernel):
        raise TypeError(f"kernel must be a FeatureKernel, got {type(kernel).__name__}")
    check_batch("real", real, rows=2)
    check_batch("fake", fake, rows=2)
    check_partner("fake", fake, "real", real)
    check_number("weight", weight, low=0.0)
    n = real.shape[0]
    points = torch.cat([real, fake])
    seen = kernel.features(points)
    mmd2 = moment_matching_loss(kernel.kernel, seen[:n], seen[n:], unbiased=unbiased).total
    if decoder is None:
        return MMDCritic(-mmd2, mmd2, torch.zeros_like(mmd2))
    check_callable("decoder", decoder)
    undone = decoder(seen)
    if undone.shape != points.shape:
        raise ValueError(
            f"decoder(features) must have the shape {tuple(points.shape)} of the points, got {tuple(undone.shape)}"
        )
    reconstruction = (points - undone).square().flatten(1).sum(1).mean()
    return MMDCritic(weight * reconstruction - mmd2, mmd2, reconstruction)
