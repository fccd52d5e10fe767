r"""The normal law in any dimension, with its score, its noised versions and its denoiser in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_finite, check_tensor
from gmlib.distributions._covariance import Covariance, Scalar, lift
from gmlib.distributions.base import LOG_2PI, Law, check_noise, in_chunks, numbers_a_point, read_covariance


class Gaussian(Law):
    r"""The normal law :math:`\mathcal N(m, C)`; the second argument is a variance or a covariance.

    .. math:: \log p(x) = -\tfrac12 (x-m)^\top C^{-1}(x-m) - \tfrac12\log\det C - \tfrac d2\log 2\pi

    Args:
        mean: the mean, shape ``(*batch, d)``; its dtype and device are the law's.
        var: variances; a number (isotropic) or a tensor that broadcasts against ``mean`` (last dimension
            ``d``: diagonal, 1: isotropic).
        cov: covariance matrices, shape ``(*batch, d, d)``, instead of ``var``.
        validate_args: look at the values (finite, positive definite), which waits for an accelerator.

    Raises:
        TypeError: if an argument is not a number or a floating tensor as asked.
        ValueError: if shapes do not fit, or a covariance is not symmetric positive definite.

    References:
        C. M. Bishop, *Pattern Recognition and Machine Learning* (2006), eq. 2.43.

    Example:
        >>> import torch
        >>> law = Gaussian(torch.zeros(2, dtype=torch.float64), var=4.0)
        >>> print(f"{law.log_prob(torch.zeros(2, dtype=torch.float64)).item():.6f}")
        -3.224171
    """

    has_rsample = True

    def __init__(
        self,
        mean: Float[Tensor, "*batch d"],
        *,
        var: float | int | Float[Tensor, "*_"] | None = None,
        cov: Float[Tensor, "... d d"] | None = None,
        validate_args: bool = True,
    ) -> None:
        check_tensor("mean", mean)
        if mean.dim() < 1 or mean.shape[-1] < 1:
            raise ValueError(f"mean must have shape (*batch, d) with d >= 1, got shape {tuple(mean.shape)}")
        if validate_args:
            check_finite("mean", mean)
        self._set(mean, read_covariance(mean, var, cov, component=False, validate=validate_args))

    def _set(self, mean: Tensor, covariance: Covariance) -> Gaussian:
        batch = torch.broadcast_shapes(mean.shape[:-1], covariance.lead)
        self._mean, self._cov = mean.expand(*batch, mean.shape[-1]), covariance
        super().__init__(batch, mean.shape[-1:], validate_args=False)
        return self

    def _of(self, mean: Tensor, covariance: Covariance) -> Gaussian:
        return Gaussian.__new__(Gaussian)._set(mean, covariance)

    def __repr__(self) -> str:
        kind = type(self._cov).__name__.lower()
        return f"Gaussian(batch_shape={tuple(self.batch_shape)}, d={self.event_shape[0]}, covariance={kind})"

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self._mean.device

    @property
    def mean(self) -> Float[Tensor, "*batch d"]:
        """The mean, shape ``(*batch, d)``."""
        return self._mean

    @property
    def variance(self) -> Float[Tensor, "*batch d"]:
        """The diagonal of the covariance, shape ``(*batch, d)``."""
        return self._cov.diagonal().expand(self._mean.shape)

    @property
    def covariance(self) -> Float[Tensor, "*batch d d"]:
        """The covariance matrix, shape ``(*batch, d, d)``."""
        return self._cov.matrix().expand(*self._mean.shape, self._mean.shape[-1])

    def to(self, *args: Any, **kwargs: Any) -> Gaussian:
        """The same law on another device or in another dtype; arguments as in `torch.Tensor.to`."""
        return self._of(self._mean.to(*args, **kwargs), self._cov.to(*args, **kwargs))

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> Gaussian:
        """The law with its batch dimensions expanded to ``batch_shape``, without copying the parameters."""
        return self._of(self._mean.expand(*batch_shape, *self.event_shape), self._cov)

    def rsample(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "... d"]:
        r"""Draw :math:`m + C^{1/2}\varepsilon`, differentiable with respect to the parameters.

        Args:
            sample_shape: shape in front of the law's own.
            generator: source of randomness; None is torch's default.

        Returns:
            Points of shape ``(*sample_shape, *batch, d)``.

        Example:
            >>> import torch
            >>> Gaussian(torch.zeros(3), var=1.0).rsample((5,)).shape
            torch.Size([5, 3])
        """
        shape = (*sample_shape, *self._mean.shape)
        noise = torch.randn(shape, generator=generator, dtype=self._mean.dtype, device=self.device)
        return self._mean + self._cov.root(noise)

    def sample(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "... d"]:
        """As `rsample`, without a gradient."""
        with torch.no_grad():
            return self.rsample(sample_shape, generator=generator)

    def log_prob(self, value: Float[Tensor, "... d"]) -> Float[Tensor, "*_"]:
        r"""Log-density in nats.

        Args:
            value: points, shape ``(..., d)``; the leading dimensions broadcast against the law's batch.

        Returns:
            One number a point.

        Raises:
            ValueError: if ``value`` does not end in the event shape or lies on another device.

        Example:
            >>> import torch
            >>> Gaussian(torch.zeros(1), var=1.0).log_prob(torch.zeros(4, 1)).shape
            torch.Size([4])
        """
        self._check_point("value", value)
        d = self.event_shape[0]
        return -0.5 * (self._cov.quadratic(value - self._mean) + self._cov.log_det() + d * LOG_2PI)

    def entropy(self) -> Float[Tensor, "*batch"]:
        r"""Differential entropy in nats, :math:`\tfrac12\log\det(2\pi e\,C)`."""
        d = self.event_shape[0]
        return (0.5 * (self._cov.log_det() + d * (1 + LOG_2PI))).expand(self.batch_shape)

    def score(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        r"""The score :math:`\nabla_x\log p(x) = -C^{-1}(x - m)`.

        Args:
            x: points, shape ``(..., d)``.

        Returns:
            One vector a point.

        Raises:
            ValueError: as `log_prob`.

        Example:
            >>> import torch
            >>> Gaussian(torch.zeros(2), var=2.0).score(torch.ones(2))
            tensor([-0.5000, -0.5000])
        """
        self._check_point("x", x)
        return -self._cov.solve(x - self._mean)

    def noised(self, alpha: Scalar, sigma: Scalar) -> Gaussian:
        r"""The law :math:`\mathcal N(\alpha m, \alpha^2 C + \sigma^2 I)` of :math:`\alpha x +
        \sigma\varepsilon`.

        Args:
            alpha: signal; a number, or a tensor that broadcasts against the law's batch (the result's batch).
            sigma: noise level, at least 0; as ``alpha``.

        Returns:
            A Gaussian.

        Raises:
            TypeError: if ``alpha`` or ``sigma`` is neither a real number nor a floating tensor.
            ValueError: if ``sigma`` is a negative number or both are the number 0.

        References:
            Y. Song et al., *Score-based generative modeling through stochastic differential equations*
            (2021), app. B.

        Example:
            >>> import torch
            >>> Gaussian(torch.ones(1), var=1.0).noised(0.5, 2.0).variance
            tensor([4.2500])
        """
        batch = check_noise(alpha, sigma, self.batch_shape)
        return self._of(lift(alpha, 1) * self._mean.expand(*batch, -1), self._cov.noised(alpha, sigma))

    def posterior(self, x: Float[Tensor, "... d"], alpha: Scalar, sigma: Scalar) -> Gaussian:
        r"""The law of :math:`x_0` given :math:`\alpha x_0 + \sigma\varepsilon = x`, for every point.

        .. math:: \mathcal N\bigl(m + \alpha C S^{-1}(x - \alpha m),\; \sigma^2 C S^{-1}\bigr),
            \qquad S = \alpha^2 C + \sigma^2 I

        Args:
            x: noised points, shape ``(..., d)``.
            alpha: signal; a number or a tensor that broadcasts against the points.
            sigma: noise level, positive; as ``alpha``.

        Returns:
            A Gaussian whose batch is the points'.

        Raises:
            ValueError: as `noised`, or if ``sigma`` is the number 0: the law is then a point.

        References:
            C. M. Bishop, *Pattern Recognition and Machine Learning* (2006), eq. 2.116.

        Example:
            >>> import torch
            >>> Gaussian(torch.zeros(1), var=1.0).posterior(torch.ones(3, 1), 1.0, 1.0).variance[0]
            tensor([0.5000])
        """
        if not isinstance(sigma, Tensor) and sigma == 0:
            raise ValueError(
                "sigma must be positive, got 0: without noise the posterior is a point, not a density"
            )
        mean = self.posterior_mean(x, alpha, sigma)
        return self._of(mean, self._cov.posterior(alpha, sigma))

    def posterior_mean(
        self, x: Float[Tensor, "... d"], alpha: Scalar, sigma: Scalar
    ) -> Float[Tensor, "... d"]:
        r"""The best denoiser :math:`\mathbb E[x_0 \mid \alpha x_0 + \sigma\varepsilon = x]`.

        .. math:: \hat x_0 = m + \alpha C(\alpha^2 C + \sigma^2 I)^{-1}(x - \alpha m)

        At :math:`\sigma = 0` this is :math:`x/\alpha`; at :math:`\alpha = 0` it is :math:`m`.

        Args:
            x: noised points, shape ``(..., d)``.
            alpha: signal; a number or a tensor that broadcasts against the points.
            sigma: noise level, at least 0; as ``alpha``.

        Returns:
            One vector a point.

        Raises:
            ValueError: as `noised`.

        References:
            B. Efron, *Tweedie's formula and selection bias* (2011), eq. 1.4; equal to it by
            :math:`\hat x_0 = (x + \sigma^2\nabla\log q(x))/\alpha`.

        Example:
            >>> import torch
            >>> Gaussian(torch.zeros(1), var=1.0).posterior_mean(torch.ones(1), 1.0, 1.0)
            tensor([0.5000])
        """
        self._check_point("x", x)
        check_noise(alpha, sigma, torch.broadcast_shapes(x.shape[:-1], self.batch_shape))

        def mean(x: Tensor, alpha: Scalar, sigma: Scalar) -> Tensor:
            a = lift(alpha, 1)
            return self._mean + a * self._cov.apply(self._cov.noised(alpha, sigma).solve(x - a * self._mean))

        if self.batch_shape:
            return mean(x, alpha, sigma)
        return in_chunks(mean, numbers_a_point(self._cov, alpha, sigma), x, alpha, sigma)
