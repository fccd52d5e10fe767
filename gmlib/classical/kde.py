"""Kernel density estimates: a small bump on every data point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints

from gmlib._checks import check_choice, check_count, check_event, check_finite, check_number, check_tensor
from gmlib.distributions import GaussianMixture
from gmlib.distributions.base import CHUNK, LOG_2PI, in_chunks

Kernel = Literal["gaussian", "boxcar"]
KERNELS = ("gaussian", "boxcar")


class KernelDensity(Distribution):
    r"""The average of n equal bumps, one on every data point (Parzen window).

    .. math:: p(x) = \frac1n\sum_{i=1}^n \mathcal K_\ell(x - x_i), \qquad
              \mathcal K_\ell(u) = \begin{cases}\mathcal N(u; 0, \ell^2 I) & \text{Gaussian}\\
              (2\ell)^{-d}\,[\max_j|u_j|\le\ell] & \text{boxcar}\end{cases}

    (:eq:`eq-01-kde` in the book.) Its integral is 1 for every bandwidth; its mean is the sample's, its covariance that of
    the sample (divisor n) plus :math:`\ell^2 I` (Gaussian) or :math:`\tfrac13\ell^2 I` (boxcar). With the Gaussian
    kernel and a tiny bandwidth it is the *memoriser* (:eq:`eq-01-memoriser`): its samples are the training set, its
    log-likelihood elsewhere falls like :math:`-1/\ell^2`.

    A `torch.distributions.Distribution` with event shape (d,). Evaluation goes in pieces, so that 60,000 points of 784
    coordinates fit; :meth:`mixture` is the same law with a score and a denoiser, for smaller n.

    Args:
        x: data, (n, d); their dtype and device are the law's.
        bandwidth: :math:`\ell`, in the units of the data: the kernel's standard deviation (Gaussian) or the half-width
            of its cube (boxcar).
        kernel: ``"gaussian"`` or ``"boxcar"``.
        validate_args: look at the values of ``x``, which waits for an accelerator.

    Raises:
        TypeError: ``x`` is not a floating tensor, or ``bandwidth`` not a number.
        ValueError: ``x`` is not a finite matrix of at least one row and column, ``bandwidth`` is not positive, or there
            is no such kernel.

    References:
        E. Parzen, *On estimation of a probability density function and mode* (1962).

    Example:
        >>> import torch
        >>> from gmlib.classical import KernelDensity
        >>> law = KernelDensity(torch.tensor([[-1.0], [1.0]]), 0.5, "boxcar")
        >>> law.log_prob(torch.tensor([[-1.2], [0.0]])).exp(), law.mean
        (tensor([0.5000, 0.0000]), tensor([0.]))
    """

    support = constraints.real_vector  # type: ignore[assignment]

    def __init__(
        self,
        x: Float[Tensor, "n d"],
        bandwidth: float,
        kernel: Kernel = "gaussian",
        *,
        validate_args: bool = True,
    ) -> None:
        _check_data(x, 1, validate_args)
        check_number("bandwidth", bandwidth, low=0.0, low_open=True)
        check_choice("kernel", kernel, KERNELS)
        self.x, self.bandwidth = x, float(bandwidth)
        self.kernel: Kernel = kernel
        super().__init__(event_shape=x.shape[1:], validate_args=False)

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """None: the constructor checks its arguments itself."""
        return {}

    def __repr__(self) -> str:
        n, d = self.x.shape
        return f"KernelDensity(n={n}, d={d}, bandwidth={self.bandwidth:g}, kernel={self.kernel!r})"

    @property
    def mean(self) -> Float[Tensor, " d"]:
        """The sample mean, (d,)."""
        return self.x.mean(0)

    @property
    def _kernel_variance(self) -> float:
        return self.bandwidth**2 / (1 if self.kernel == "gaussian" else 3)

    @property
    def variance(self) -> Float[Tensor, " d"]:
        """The variance of each coordinate, (d,)."""
        return self.x.var(0, correction=0) + self._kernel_variance

    @property
    def covariance(self) -> Float[Tensor, "d d"]:
        r"""Sample covariance (divisor n) plus :math:`\ell^2 I` (Gaussian) or :math:`\tfrac13\ell^2 I` (boxcar), (d, d)."""
        centred = self.x - self.mean
        eye = torch.eye(self.x.shape[1], dtype=self.x.dtype, device=self.x.device)
        return centred.T @ centred / self.x.shape[0] + self._kernel_variance * eye

    def sample(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "... d"]:
        """Draw a data point, then a point of its bump; shape ``(*sample_shape, d)``."""
        n, (count, d) = math.prod(sample_shape), self.x.shape
        like: dict[str, Any] = {"generator": generator, "device": self.x.device}
        with torch.no_grad():
            index = torch.randint(count, (n,), **like)
            if self.kernel == "gaussian":
                noise = torch.randn(n, d, dtype=self.x.dtype, **like)
            else:
                noise = 2 * torch.rand(n, d, dtype=self.x.dtype, **like) - 1
            return (self.x[index] + self.bandwidth * noise).reshape(*sample_shape, d)

    def log_prob(self, value: Float[Tensor, "... d"]) -> Float[Tensor, "*_"]:
        r"""Log-density in nats at points of shape ``(..., d)``; :math:`-\infty` where no boxcar reaches.

        Squared distances in more than 16 dimensions come from inner products in float64: trust them while the bandwidth
        is above about :math:`10^{-6}` of the data's norm.

        Raises:
            ValueError: ``value`` does not end in the event shape or lies on another device.
        """
        check_event("value", value, tuple(self.event_shape))
        if value.device != self.x.device:
            raise ValueError(f"value must be on the law's device {self.x.device}, got {value.device}")

        def log_density(points: Tensor) -> Tensor:
            distance = _distances(points, self.x, self.kernel)
            total = _log_kernel(distance, self.bandwidth, self.kernel, self.x.shape[1]).logsumexp(-1)
            return (total - math.log(self.x.shape[0])).to(self.x.dtype)

        n, d = self.x.shape
        return in_chunks(log_density, n, value.reshape(-1, d)).reshape(value.shape[:-1])

    def leave_one_out(self) -> Float[Tensor, " n"]:
        r"""Log-density of every data point under the estimate from the n - 1 others, in nats, (n,).

        .. math:: \log p_{-i}(x_i) = \log\frac1{n-1}\sum_{j\ne i}\mathcal K_\ell(x_i - x_j)

        Raises:
            ValueError: there is only one data point.
        """
        return _leave_one_out(self.x, [self.bandwidth], self.kernel)[0].to(self.x.dtype)

    def mixture(self) -> GaussianMixture:
        """The same law as a `GaussianMixture` of n components, which has a score, noised versions and a denoiser.

        Raises:
            ValueError: the kernel is a boxcar.
        """
        if self.kernel != "gaussian":
            raise ValueError(f"kernel must be 'gaussian' for a mixture of Gaussian laws, got {self.kernel!r}")
        return GaussianMixture(self.x, var=self.bandwidth**2)

    def to(self, *args: Any, **kwargs: Any) -> KernelDensity:
        """The same law on another device or in another dtype; arguments as in `torch.Tensor.to`."""
        return KernelDensity(self.x.to(*args, **kwargs), self.bandwidth, self.kernel, validate_args=False)


def leave_one_out_nll(
    x: Float[Tensor, "n d"],
    bandwidths: Sequence[float] | Float[Tensor, " b"],
    kernel: Kernel = "gaussian",
) -> Float[Tensor, " b"]:
    r"""Average leave-one-out negative log-likelihood of a kernel density estimate, for many bandwidths at once.

    .. math:: -\frac1n\sum_i\log\frac1{n-1}\sum_{j\ne i}\mathcal K_\ell(x_i - x_j)

    It needs no held-out data and has a minimum between bandwidths that are too narrow and too wide. Where points are
    repeated (a table of classes), narrow bandwidths look better than they are.

    Args:
        x: data, (n, d), n >= 2.
        bandwidths: positive numbers :math:`\ell`, in the units of the data.
        kernel: ``"gaussian"`` or ``"boxcar"``.

    Returns:
        Nats a point, one number for each bandwidth, float64; infinite where a boxcar leaves a point without neighbour.

    Raises:
        ValueError: ``x`` has fewer than two rows, or a bandwidth is not positive.

    References:
        R. P. W. Duin, *On the choice of smoothing parameters for Parzen estimators of probability density functions*
        (1976).

    Example:
        >>> import torch
        >>> from gmlib.classical import leave_one_out_nll
        >>> x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)  # each point sees the other: log N(1; 0, l^2)
        >>> [round(v, 4) for v in leave_one_out_nll(x, [0.5, 1.0, 2.0]).tolist()]
        [2.2258, 1.4189, 1.7371]
    """
    _check_data(x, 2, True)
    check_choice("kernel", kernel, KERNELS)
    values = bandwidths.tolist() if isinstance(bandwidths, Tensor) else list(bandwidths)
    if not values:
        raise ValueError("bandwidths must hold at least one number, got none")
    for value in values:
        check_number("bandwidths", value, low=0.0, low_open=True)
    return -_leave_one_out(x, values, kernel).mean(1)


def best_bandwidth(
    x: Float[Tensor, "n d"],
    bandwidths: Sequence[float] | Float[Tensor, " b"] | None = None,
    kernel: Kernel = "gaussian",
) -> float:
    r"""The bandwidth with the largest leave-one-out likelihood.

    Args:
        x: data, (n, d), n >= 2.
        bandwidths: candidates; None: a grid over all useful scales, refined around its best point to half a percent.
        kernel: ``"gaussian"`` or ``"boxcar"``.

    Returns:
        The best :math:`\ell`, in the units of the data.

    Raises:
        ValueError: as :func:`leave_one_out_nll`; no candidate gives every point a neighbour; or, without candidates,
            the likelihood has no maximum because every point is repeated.

    Example:
        >>> import torch
        >>> from gmlib.classical import best_bandwidth
        >>> x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
        >>> round(best_bandwidth(x), 2)  # two points: the optimum is their distance
        1.0
    """
    if bandwidths is not None:
        nll = leave_one_out_nll(x, bandwidths, kernel)
        best = _argmin(nll)
        return float(bandwidths[best])
    _check_data(x, 2, True)
    # No optimum is wider than a few standard deviations: there, one broad bump already fits as well.
    high = 4 * x.double().var(0, correction=0).sum().sqrt().item()
    if high == 0:
        raise ValueError("x must hold at least two different points for a bandwidth")
    # Nor is any narrower than this: with the distance r_i to the nearest other point, d log p_{-i} / d log l is at least
    # r_i^2 / l^2 - d. (The boxcar's has to reach every r_i.)
    low = (_nearest(x, kernel).square().mean() / x.shape[1]).sqrt().item()
    if low == 0:
        raise ValueError("x must not repeat every point: the leave-one-out likelihood then has no maximum")
    grid = torch.linspace(math.log(high / 1e4), math.log(high), 33, dtype=torch.float64)
    step = math.log(1e4) / 32
    below = max(0, math.ceil((grid[0].item() - math.log(low)) / step))
    grid = torch.cat([grid[0] - step * torch.arange(below, 0, -1, dtype=torch.float64), grid])
    best = _argmin(leave_one_out_nll(x, grid.exp(), kernel))
    for _ in range(3):
        low, up = grid[max(best - 1, 0)].item(), grid[min(best + 1, len(grid) - 1)].item()
        grid = torch.linspace(low, up, 9, dtype=torch.float64)
        best = _argmin(leave_one_out_nll(x, grid.exp(), kernel))
    return grid[best].exp().item()


def _argmin(nll: Tensor) -> int:
    best = int(nll.argmin())
    if not math.isfinite(nll[best].item()):
        raise ValueError("bandwidths must give every point a neighbour, got none that does")
    return best


def _check_data(x: Any, rows: int, look: bool) -> None:
    check_tensor("x", x)
    if x.dim() != 2 or x.shape[0] < rows or x.shape[1] < 1:
        raise ValueError(f"x must be a matrix (n, d) with n >= {rows} and d >= 1, got shape {tuple(x.shape)}")
    if look:
        check_finite("x", x)


def _distances(a: Float[Tensor, "m d"], b: Float[Tensor, "n d"], kernel: Kernel) -> Float[Tensor, "m n"]:
    """What the kernel looks at: squared distances (Gaussian), or the largest difference of a coordinate (boxcar)."""
    dtype = torch.promote_types(a.dtype, b.dtype)
    a, b = a.to(dtype), b.to(dtype)
    if kernel == "boxcar":
        return torch.cdist(a, b, p=math.inf)
    if b.shape[1] <= 16 or b.device.type == "mps":  # which has no float64
        return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square()
    # Ten times as fast as the differences; float64 makes up for the cancellation.
    a, b = a.double(), b.double()
    return (a.square().sum(-1, keepdim=True) + b.square().sum(-1) - 2 * a @ b.T).clamp_min(0)


def _log_kernel(distance: Tensor, bandwidth: float, kernel: Kernel, d: int) -> Tensor:
    if kernel == "boxcar":
        outside = torch.where(distance <= bandwidth, 0.0, -math.inf).to(distance)
        return outside - d * math.log(2 * bandwidth)
    return -0.5 * distance / bandwidth**2 - d * (math.log(bandwidth) + 0.5 * LOG_2PI)


def _nearest(x: Float[Tensor, "n d"], kernel: Kernel) -> Float[Tensor, " n"]:
    """The distance of each point from the nearest other one, as the kernel measures it; exactly 0 for copies."""
    wide = x if x.device.type == "mps" else x.double()
    found, rows = [], max(1, CHUNK // len(x))
    for start in range(0, len(x), rows):
        piece = wide[start : start + rows]
        distance = _distances(piece, wide, kernel)
        own = torch.arange(len(piece), device=x.device)
        distance[own, start + own] = math.inf
        # Taken again: a distance from inner products is not exact.
        away = piece - wide[distance.argmin(1)]
        found.append(away.abs().amax(1) if kernel == "boxcar" else away.norm(dim=1))
    return torch.cat(found)


def _leave_one_out(x: Tensor, bandwidths: list[float], kernel: Kernel) -> Float[Tensor, "b n"]:
    """Leave-one-out log-densities for every bandwidth, in float64; the distances are computed once."""
    n, d = x.shape
    check_count("the number of rows of x", n, low=2)
    wide = x if x.device.type == "mps" else x.double()
    columns = []
    rows = max(1, CHUNK // n)
    for start in range(0, n, rows):
        piece = wide[start : start + rows]
        distance = _distances(piece, wide, kernel)
        own = torch.arange(len(piece), device=x.device)
        distance[own, start + own] = math.inf
        columns.append(torch.stack([_log_kernel(distance, b, kernel, d).logsumexp(-1) for b in bandwidths]))
    return torch.cat(columns, 1) - math.log(n - 1)
