r"""The Gaussian mixture: the book's workhorse oracle.

A mixture stays a mixture under :math:`x_t = \alpha x_0 + \sigma\varepsilon`. Its density, its score, the
posterior of :math:`x_0` given :math:`x_t` and so the best denoiser are known at every noise level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_event, check_finite, check_tensor
from gmlib.distributions._condition import block, read_index, split
from gmlib.distributions._covariance import Covariance, Diagonal, Scalar, lift
from gmlib.distributions._differences import differences
from gmlib.distributions.base import (
    LOG_2PI,
    Law,
    check_broadcast,
    check_noise,
    in_chunks,
    numbers_a_point,
    read_covariance,
)


class GaussianMixture(Law):
    r"""The law with density :math:`p(x) = \sum_k \pi_k\,\mathcal N(x; m_k, V_k)`.

    Args:
        means: component means, shape ``(*batch, K, d)``; their dtype and device are the law's.
        weights: positive weights, shape ``(*batch, K)``, not necessarily summing to one; None: all equal.
        log_weights: their logarithms (up to a constant) instead of ``weights``; unconstrained, for learning.
        var: variances; a number, shape ``(K,)`` (one a component), or a tensor of two or more dimensions that
            broadcasts against ``means`` (last dimension ``d``: diagonal, 1: isotropic).
        cov: covariance matrices, shape ``(*batch, K, d, d)`` or ``(d, d)``, instead of ``var``.
        validate_args: look at the values (finite, positive, positive definite), which waits for an
            accelerator.

    Raises:
        TypeError: if an argument is not a number or a floating tensor as asked.
        ValueError: if shapes do not fit, a weight is not positive, a covariance not symmetric positive
            definite.

    References:
        C. M. Bishop, *Pattern Recognition and Machine Learning* (2006), section 9.2.

    Example:
        >>> import torch
        >>> law = GaussianMixture(torch.tensor([[-2.0], [2.0]]), var=1.0)
        >>> law.mean, law.variance
        (tensor([0.]), tensor([5.]))
    """

    def __init__(
        self,
        means: Float[Tensor, "*batch K d"],
        *,
        weights: Float[Tensor, "*_"] | None = None,
        log_weights: Float[Tensor, "*_"] | None = None,
        var: float | int | Float[Tensor, "*_"] | None = None,
        cov: Float[Tensor, "... d d"] | None = None,
        validate_args: bool = True,
    ) -> None:
        check_tensor("means", means)
        if means.dim() < 2 or 0 in means.shape[-2:]:
            raise ValueError(
                f"means must have shape (*batch, K, d), K and d >= 1, got shape {tuple(means.shape)}"
            )
        if weights is not None and log_weights is not None:
            raise ValueError("give weights or log_weights, not both")
        K = means.shape[-2]
        for name, w in (("weights", weights), ("log_weights", log_weights)):
            if w is None:
                continue
            check_tensor(name, w)
            if w.dim() < 1 or w.shape[-1] != K:
                raise ValueError(
                    f"{name} must end in the number of components {K}, got shape {tuple(w.shape)}"
                )
            check_broadcast(name, w.shape[:-1], means.shape[:-2], tuple(w.shape))
            if validate_args:
                check_finite(name, w)
        if validate_args:
            check_finite("means", means)
            if weights is not None and not bool((weights > 0).all()):
                raise ValueError(f"weights must be positive, got at least one of {float(weights.min()):g}")
        if weights is not None:
            log_weights = weights.to(means).log()
        elif log_weights is None:
            log_weights = means.new_zeros(K)
        covariance = read_covariance(means, var, cov, component=True, validate=validate_args)
        self._set(log_weights.to(means).log_softmax(-1), means, covariance)

    def _set(self, log_weights: Tensor, means: Tensor, covariance: Covariance) -> GaussianMixture:
        lead = torch.broadcast_shapes(log_weights.shape, means.shape[:-1], covariance.lead)
        self._log_weights, self._means, self._cov = log_weights, means, covariance
        super().__init__(lead[:-1], means.shape[-1:], validate_args=False)
        return self

    def _of(self, log_weights: Tensor, means: Tensor, covariance: Covariance) -> GaussianMixture:
        return GaussianMixture.__new__(GaussianMixture)._set(log_weights, means, covariance)

    def __repr__(self) -> str:
        kind = type(self._cov).__name__.lower()
        return (
            f"GaussianMixture(batch_shape={tuple(self.batch_shape)}, K={self.n_components}, "
            f"d={self.event_shape[0]}, covariance={kind})"
        )

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self._means.device

    @property
    def n_components(self) -> int:
        """The number K of components."""
        return self._means.shape[-2]

    @property
    def _lead(self) -> tuple[int, ...]:
        return (*self.batch_shape, self.n_components)

    @property
    def log_weights(self) -> Float[Tensor, "*batch K"]:
        """Logarithms of the normalised weights, shape ``(*batch, K)``."""
        return self._log_weights.expand(self._lead)

    @property
    def weights(self) -> Float[Tensor, "*batch K"]:
        """Normalised weights, shape ``(*batch, K)``."""
        return self.log_weights.exp()

    @property
    def means(self) -> Float[Tensor, "*batch K d"]:
        """Means of the components, shape ``(*batch, K, d)``."""
        return self._means.expand(*self._lead, -1)

    @property
    def covariances(self) -> Float[Tensor, "*batch K d d"]:
        """Covariance matrices of the components, shape ``(*batch, K, d, d)``."""
        return self._cov.matrix().expand(*self._lead, *self.event_shape, *self.event_shape)

    @property
    def diagonal(self) -> Float[Tensor, "*batch K d"] | None:
        """Variances of the components, shape ``(*batch, K, d)``, where coordinates do not interact; None: they may."""
        if not isinstance(self._cov, Diagonal):
            return None
        return self._cov.diagonal().expand(*self._lead, -1)

    @property
    def mean(self) -> Float[Tensor, "*batch d"]:
        """The mean of the mixture, shape ``(*batch, d)``."""
        return (self.weights.unsqueeze(-1) * self._means).sum(-2)

    @property
    def variance(self) -> Float[Tensor, "*batch d"]:
        """The variance of each coordinate, shape ``(*batch, d)``."""
        centred = self._means - self.mean.unsqueeze(-2)
        return (self.weights.unsqueeze(-1) * (self._cov.diagonal() + centred.square())).sum(-2)

    @property
    def covariance(self) -> Float[Tensor, "*batch d d"]:
        r"""The covariance :math:`\sum_k\pi_k(V_k + (m_k-m)(m_k-m)^\top)`, shape ``(*batch, d, d)``."""
        centred = self._means - self.mean.unsqueeze(-2)
        weights = self.weights[..., None, None]
        within = (weights * self._cov.matrix()).sum(-3)
        return within + (weights.squeeze(-1) * centred).mT @ centred

    def to(self, *args: Any, **kwargs: Any) -> GaussianMixture:
        """The same law on another device or in another dtype; arguments as in `torch.Tensor.to`."""
        log_weights, means = self._log_weights.to(*args, **kwargs), self._means.to(*args, **kwargs)
        return self._of(log_weights, means, self._cov.to(*args, **kwargs))

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> GaussianMixture:
        """The law with its batch dimensions expanded to ``batch_shape``, without copying the parameters."""
        means = self._means.expand(*batch_shape, self.n_components, *self.event_shape)
        return self._of(self._log_weights, means, self._cov)

    def sample(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "... d"]:
        """Draw a component by its weight, then a point of it. No gradient: the choice has none.

        Args:
            sample_shape: shape in front of the law's own.
            generator: source of randomness; None is torch's default.

        Returns:
            Points of shape ``(*sample_shape, *batch, d)``.

        Example:
            >>> import torch
            >>> GaussianMixture(torch.zeros(3, 2), var=1.0).sample((5,)).shape
            torch.Size([5, 2])
        """
        K, d, n = self.n_components, self.event_shape[0], math.prod(sample_shape)
        shape = (*sample_shape, *self.batch_shape, d)
        if math.prod(shape) == 0:
            return self._means.new_empty(shape)
        with torch.no_grad():
            B = math.prod(self.batch_shape)
            index = torch.multinomial(
                self.weights.reshape(B, K), n, replacement=True, generator=generator
            )  # (B, n)
            means = torch.take_along_dim(self.means.reshape(B, K, d), index.unsqueeze(-1), dim=1)
            noise = torch.randn(B, n, d, generator=generator, dtype=means.dtype, device=means.device)
            x = means + self._cov.roots(noise, index, self._lead)
            return x.transpose(0, 1).reshape(shape)

    def _log_joint(self, diff: Tensor) -> Tensor:
        """Log of weight times component density, ``(..., K)``, from ``diff = x - means``, ``(..., K, d)``."""
        log_norm = self._cov.log_det() + self.event_shape[0] * LOG_2PI
        return self._log_weights - 0.5 * (self._cov.quadratic(diff) + log_norm)

    def _chunked(self, fn: Any, x: Tensor, *args: Scalar) -> Tensor:
        # With batched parameters the points share dimensions with them, and a piece would have to cut both.
        if self.batch_shape:
            return fn(x, *args)
        return in_chunks(fn, self.n_components * numbers_a_point(self._cov, *args), x, *args)

    def log_prob(self, value: Float[Tensor, "... d"]) -> Float[Tensor, "*_"]:
        r"""Log-density :math:`\log\sum_k\pi_k\mathcal N(x; m_k, V_k)` in nats.

        Args:
            value: points, shape ``(..., d)``; the leading dimensions broadcast against the law's batch.

        Returns:
            One number a point.

        Raises:
            ValueError: if ``value`` does not end in the event shape or lies on another device.

        Example:
            >>> import torch
            >>> law = GaussianMixture(torch.tensor([[-2.0], [2.0]]), var=1.0)
            >>> print(f"{law.log_prob(torch.zeros(1)).item():.4f}")
            -2.9189
        """
        self._check_point("value", value)
        return self._chunked(lambda x: self._log_joint(differences(x, self._means)).logsumexp(-1), value)

    def responsibilities(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... K"]:
        r"""Probability of each component given the point, :math:`r_k(x) = \pi_k\mathcal N(x; m_k, V_k)/p(x)`.

        Args:
            x: points, shape ``(..., d)``.

        Returns:
            Probabilities of shape ``(..., K)``; the last dimension sums to one.

        Raises:
            ValueError: as `log_prob`.

        References:
            C. M. Bishop, *Pattern Recognition and Machine Learning* (2006), eq. 9.13.

        Example:
            >>> import torch
            >>> GaussianMixture(torch.tensor([[-2.0], [2.0]]), var=1.0).responsibilities(torch.zeros(1))
            tensor([0.5000, 0.5000])
        """
        self._check_point("x", x)
        return self._chunked(lambda x: self._log_joint(differences(x, self._means)).softmax(-1), x)

    def score(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        r"""The score :math:`\nabla_x\log p(x) = \sum_k r_k(x)\,V_k^{-1}(m_k - x)` (:eq:`eq-08-mixture` in the book).

        Args:
            x: points, shape ``(..., d)``.

        Returns:
            One vector a point.

        Raises:
            ValueError: as `log_prob`.

        References:
            The responsibility-weighted sum of the components' scores, from :math:`\nabla\log p = \nabla p/p`.

        Example:
            >>> import torch
            >>> GaussianMixture(torch.tensor([[-2.0], [2.0]]), var=1.0).score(torch.tensor([50.0]))
            tensor([-48.])
        """
        self._check_point("x", x)

        def score(x: Tensor) -> Tensor:
            diff = differences(x, self._means)
            r = self._log_joint(diff).softmax(-1)
            return -(r.unsqueeze(-2) @ self._cov.solve(diff)).squeeze(-2)

        return self._chunked(score, x)

    def marginal(self, index: int | Sequence[int]) -> GaussianMixture:
        """The law of some of the coordinates: the same weights, the parts of means and covariances that belong to them.

        Args:
            index: the coordinates to keep, in the order wanted; a negative one counts from the end.

        Returns:
            A mixture over as many coordinates as ``index`` has.

        Raises:
            TypeError: if ``index`` is not an int or a sequence of ints.
            ValueError: if it names a coordinate twice or one that does not exist.

        Example:
            >>> import torch
            >>> GaussianMixture(torch.tensor([[-2.0, 7.0], [2.0, 8.0]]), var=1.0).marginal(1).mean
            tensor([7.5000])
        """
        known, _ = read_index(index, self.event_shape[0])
        return self._of(self._log_weights, self._means[..., known], block(self._cov, known))

    def condition(self, index: int | Sequence[int], value: Float[Tensor, "... o"]) -> GaussianMixture:
        r"""The law of the other coordinates once some are known, a mixture again.

        .. math:: p(x_r\mid x_o) = \sum_k r_k(x_o)\,\mathcal N\bigl(x_r;\; m_{k,r} + C_{k,ro}C_{k,oo}^{-1}(x_o - m_{k,o}),\;
            C_{k,rr} - C_{k,ro}C_{k,oo}^{-1}C_{k,or}\bigr)

        with :math:`r_k` the responsibilities under the marginal law of :math:`x_o` (:eq:`eq-01-condition` in the book). One
        component: the conditional law of a joint normal one.

        Args:
            index: the known coordinates o.
            value: their values in the order of ``index``, shape ``(..., o)``; the leading dimensions broadcast against the
                law's batch and become the result's.

        Returns:
            A mixture over the remaining coordinates, in their order.

        Raises:
            TypeError: as `marginal`, or if ``value`` is not a floating tensor.
            ValueError: as `marginal`, if nothing is left, or if ``value`` does not fit ``index`` or lies on another device.

        References:
            C. M. Bishop, *Pattern Recognition and Machine Learning* (2006), eqs. 2.81 and 2.82, for each component.

        Example:
            >>> import torch
            >>> law = GaussianMixture(torch.tensor([[1.0, -1.0], [1.0, 1.0], [9.0, 5.0]]), var=0.01)
            >>> law.condition(0, torch.tensor([1.0])).weights  # the first coordinate rules the third component out
            tensor([0.5000, 0.5000, 0.0000])
        """
        known, rest = read_index(index, self.event_shape[0])
        if not rest:
            raise ValueError(f"index must leave a coordinate to be described, got {index!r}")
        check_event("value", value, (len(known),))
        if value.device != self.device:
            raise ValueError(f"value must be on the law's device {self.device}, got {value.device}")
        cov_known, cov_rest, slope = split(self._cov, known, rest)
        marginal = self._of(self._log_weights, self._means[..., known], cov_known)
        diff = differences(value, marginal._means)
        means = self._means[..., rest]
        if slope is not None:
            means = means + (slope @ diff.unsqueeze(-1)).squeeze(-1)
        return self._of(marginal._log_joint(diff).log_softmax(-1), means, cov_rest)

    def noised(self, alpha: Scalar, sigma: Scalar) -> GaussianMixture:
        r"""The law of :math:`\alpha x + \sigma\varepsilon`: same weights, each component noised.

        .. math:: q(x) = \sum_k\pi_k\,\mathcal N(x; \alpha m_k, \alpha^2V_k + \sigma^2 I)

        Args:
            alpha: signal; a number, or a tensor that broadcasts against the law's batch (the result's batch).
            sigma: noise level, at least 0; as ``alpha``.

        Returns:
            A mixture.

        Raises:
            TypeError: if ``alpha`` or ``sigma`` is neither a real number nor a floating tensor.
            ValueError: if ``sigma`` is a negative number or both are the number 0.

        References:
            Y. Song and S. Ermon, *Generative modeling by estimating gradients of the data distribution*
            (2019), section 4.1, for :math:`\alpha = 1`.

        Example:
            >>> import torch
            >>> GaussianMixture(torch.tensor([[-2.0], [2.0]]), var=1.0).noised(0.5, 1.0).variance
            tensor([2.2500])
        """
        check_noise(alpha, sigma, self.batch_shape)
        covariance = self._cov.noised(lift(alpha, 1), lift(sigma, 1))
        return self._of(self._log_weights, lift(alpha, 2) * self._means, covariance)

    def posterior(self, x: Float[Tensor, "... d"], alpha: Scalar, sigma: Scalar) -> GaussianMixture:
        r"""The law of :math:`x_0` given :math:`\alpha x_0 + \sigma\varepsilon = x`, a mixture again.

        .. math:: p(x_0\mid x) = \sum_k r_k(x)\,
            \mathcal N\bigl(x_0;\; m_k + \alpha V_kS_k^{-1}(x-\alpha m_k),\; \sigma^2 V_kS_k^{-1}\bigr),
            \qquad S_k = \alpha^2V_k + \sigma^2 I

        with :math:`r_k` the responsibilities under the noised law.

        Args:
            x: noised points, shape ``(..., d)``.
            alpha: signal; a number or a tensor that broadcasts against the points.
            sigma: noise level, positive; as ``alpha``.

        Returns:
            A mixture whose batch is the points'.

        Raises:
            ValueError: as `noised`, or if ``sigma`` is the number 0: the law is then a point.

        References:
            C. M. Bishop, *Pattern Recognition and Machine Learning* (2006), eq. 2.116, for each component.

        Example:
            >>> import torch
            >>> law = GaussianMixture(torch.tensor([[-2.0], [2.0]]), var=1.0)
            >>> law.posterior(torch.zeros(1), 1.0, 1.0).means
            tensor([[-1.],
                    [ 1.]])
        """
        self._check_point("x", x)
        if not isinstance(sigma, Tensor) and sigma == 0:
            raise ValueError(
                "sigma must be positive, got 0: without noise the posterior is a point, not a density"
            )
        log_r, means = self._posterior_terms(x, alpha, sigma)
        return self._of(log_r, means, self._cov.posterior(lift(alpha, 1), lift(sigma, 1)))

    def _posterior_terms(self, x: Tensor, alpha: Scalar, sigma: Scalar) -> tuple[Tensor, Tensor]:
        """Log-responsibilities ``(..., K)`` under the noised law and posterior means ``(..., K, d)``."""
        noised = self.noised(alpha, sigma)
        diff = differences(x, noised._means)
        means = self._means + lift(alpha, 2) * self._cov.apply(noised._cov.solve(diff))
        return noised._log_joint(diff).log_softmax(-1), means

    def posterior_mean(
        self, x: Float[Tensor, "... d"], alpha: Scalar, sigma: Scalar
    ) -> Float[Tensor, "... d"]:
        r"""The best denoiser :math:`\mathbb E[x_0 \mid \alpha x_0 + \sigma\varepsilon = x]`.

        .. math:: \hat x_0 = \sum_k r_k(x)
            \bigl(m_k + \alpha V_k(\alpha^2V_k+\sigma^2I)^{-1}(x - \alpha m_k)\bigr)

        At :math:`\sigma = 0` this is :math:`x/\alpha`; at :math:`\alpha = 0` it is the law's mean.

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
            >>> law = GaussianMixture(torch.tensor([[-2.0], [2.0]]), var=1.0)
            >>> law.posterior_mean(torch.zeros(1), 1.0, 1.0)
            tensor([0.])
        """
        self._check_point("x", x)
        check_noise(alpha, sigma, torch.broadcast_shapes(x.shape[:-1], self.batch_shape))

        def mean(x: Tensor, alpha: Scalar, sigma: Scalar) -> Tensor:
            log_r, means = self._posterior_terms(x, alpha, sigma)
            return (log_r.exp().unsqueeze(-2) @ means).squeeze(-2)

        return self._chunked(mean, x, alpha, sigma)
