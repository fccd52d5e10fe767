"""A law drowned in another: good likelihood, bad samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number
from gmlib.distributions._covariance import Scalar
from gmlib.distributions.base import Law, check_broadcast, check_noise


class Contaminated(Law):
    r"""The law :math:`\pi q_0 + (1-\pi) q_1`: a share :math:`\pi` of a model, the rest noise.

    Since :math:`\log(\pi q_0 + (1-\pi)q_1) \ge \log q_0 - \log(1/\pi)`, a share of 1 % costs a model at most
    :math:`\log 100 = 4.605` nats of log-likelihood, in any dimension, while 99 of 100 samples are noise.

    Args:
        model: the law :math:`q_0`.
        noise: the law :math:`q_1`, of the same event shape, on the same device; batches broadcast.
        weight: the share :math:`\pi` of the model, strictly between 0 and 1.

    Raises:
        TypeError: ``model`` or ``noise`` is not a `Law`, or ``weight`` not a number.
        ValueError: the laws do not fit, or ``weight`` is out of range.

    References:
        L. Theis, A. van den Oord and M. Bethge, *A note on the evaluation of generative models* (2016), section 3.2.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> model, noise = Gaussian(torch.zeros(784), var=0.01), Gaussian(torch.zeros(784), var=1.0)
        >>> x = torch.zeros(784)
        >>> print(f"{(model.log_prob(x) - Contaminated(model, noise, 0.01).log_prob(x)).item():.2f}")
        4.61
    """

    def __init__(self, model: Law, noise: Law, weight: float) -> None:
        for name, law in (("model", model), ("noise", noise)):
            if not isinstance(law, Law):
                raise TypeError(f"{name} must be a Law, got {type(law).__name__}")
        if noise.event_shape != model.event_shape:
            raise ValueError(
                f"noise must have the event shape {tuple(model.event_shape)} of model, "
                f"got {tuple(noise.event_shape)}"
            )
        if noise.device != model.device:
            raise ValueError(f"noise must be on the device {model.device} of model, got {noise.device}")
        check_broadcast("noise", noise.batch_shape, model.batch_shape, tuple(noise.batch_shape))
        check_number("weight", weight, low=0.0, high=1.0, low_open=True, high_open=True)
        shares = torch.tensor([weight, 1 - weight], dtype=torch.float64).log()
        self._set(model, noise, shares.to(model.mean))

    def _set(self, model: Law, noise: Law, log_shares: Tensor) -> Contaminated:
        """``log_shares``: logs of the shares of model and noise, shape ``(*batch, 2)``."""
        self._model, self._noise, self._log_shares = model, noise, log_shares
        batch = torch.broadcast_shapes(model.batch_shape, noise.batch_shape, log_shares.shape[:-1])
        super().__init__(batch, model.event_shape, validate_args=False)
        return self

    def _of(self, model: Law, noise: Law, log_shares: Tensor) -> Contaminated:
        return Contaminated.__new__(Contaminated)._set(model, noise, log_shares)

    def __repr__(self) -> str:
        return f"Contaminated(model={self._model}, noise={self._noise})"

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self._model.device

    @property
    def model(self) -> Law:
        """The law that is drowned."""
        return self._model

    @property
    def noise(self) -> Law:
        """What it is drowned in."""
        return self._noise

    @property
    def weight(self) -> Float[Tensor, "*batch"]:
        """The model's share, shape ``(*batch,)``."""
        return self._log_shares[..., 0].exp().expand(self.batch_shape)

    @property
    def mean(self) -> Float[Tensor, "*batch d"]:
        """The mean, shape ``(*batch, d)``."""
        a, b = self._log_shares.exp().unsqueeze(-1).unbind(-2)
        return a * self._model.mean + b * self._noise.mean

    @property
    def covariance(self) -> Float[Tensor, "*batch d d"]:
        """The covariance matrix, shape ``(*batch, d, d)``."""
        a, b = self._log_shares.exp()[..., None, None].unbind(-3)
        apart = (self._model.mean - self._noise.mean).unsqueeze(-1)
        return a * self._model.covariance + b * self._noise.covariance + a * b * apart @ apart.mT

    @property
    def variance(self) -> Float[Tensor, "*batch d"]:
        """The variance of each coordinate, shape ``(*batch, d)``."""
        a, b = self._log_shares.exp().unsqueeze(-1).unbind(-2)
        apart = (self._model.mean - self._noise.mean).square()
        return a * self._model.variance + b * self._noise.variance + a * b * apart

    def to(self, *args: Any, **kwargs: Any) -> Contaminated:
        """The same law on another device or in another dtype; arguments as in `torch.Tensor.to`."""
        model, noise = self._model.to(*args, **kwargs), self._noise.to(*args, **kwargs)
        return self._of(model, noise, self._log_shares.to(*args, **kwargs))

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> Contaminated:
        """The law with its batch dimensions expanded to ``batch_shape``."""
        return self._of(self._model, self._noise, self._log_shares.expand(*batch_shape, 2))

    def sample(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "... d"]:
        """Draw from the model or from the noise, by their shares. No gradient: the choice has none.

        Args:
            sample_shape: shape in front of the law's own.
            generator: source of randomness; None is torch's default.

        Returns:
            Points of shape ``(*sample_shape, *batch, d)``.

        Example:
            >>> import torch
            >>> from gmlib.distributions import Gaussian
            >>> far = Contaminated(Gaussian(torch.zeros(1), var=1.0), Gaussian(torch.full((1,), 99.0), var=1.0), 0.01)
            >>> x = far.sample((1000,), generator=torch.Generator().manual_seed(0))
            >>> bool((x > 50).float().mean() > 0.98)
            True
        """
        with torch.no_grad():
            shape = (*sample_shape, *self.batch_shape)
            mean = self._model.mean
            uniform = torch.rand((*shape, 1), generator=generator, dtype=mean.dtype, device=mean.device)
            # The noise's share is the one compared: it survives rounding when the model's is tiny.
            chosen = uniform >= self._log_shares[..., 1:].exp()
            draws = [
                self._spread(law).sample(sample_shape, generator=generator)
                for law in (self._model, self._noise)
            ]
            return torch.where(chosen, draws[0], draws[1])

    def _spread(self, law: Law) -> Law:
        """The law with this one's batch, so that each of the batch gets a draw of its own."""
        return law if law.batch_shape == self.batch_shape else law.expand(self.batch_shape)

    def _log_parts(self, x: Tensor) -> Float[Tensor, "... 2"]:
        return torch.stack(
            torch.broadcast_tensors(
                self._log_shares[..., 0] + self._model.log_prob(x),
                self._log_shares[..., 1] + self._noise.log_prob(x),
            ),
            -1,
        )

    def log_prob(self, value: Float[Tensor, "... d"]) -> Float[Tensor, "*_"]:
        r"""Log-density :math:`\log\big(\pi q_0(x) + (1-\pi) q_1(x)\big) \ge \log q_0(x) - \log(1/\pi)` in nats.

        (:eq:`eq-01-contaminated` in the book.)

        Args:
            value: points, shape ``(..., d)``.

        Returns:
            One number a point.

        Raises:
            ValueError: if ``value`` does not end in the event shape or lies on another device.
        """
        self._check_point("value", value)
        return self._log_parts(value).logsumexp(-1)

    def score(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        r"""The score: those of the two laws, weighed by the probability that the point came from each.

        Args:
            x: points, shape ``(..., d)``.

        Returns:
            One vector a point.

        Raises:
            ValueError: as `log_prob`.
        """
        self._check_point("x", x)
        a, b = self._log_parts(x).softmax(-1).unsqueeze(-1).unbind(-2)
        return a * self._model.score(x) + b * self._noise.score(x)

    def noised(self, alpha: Scalar, sigma: Scalar) -> Contaminated:
        r"""The law of :math:`\alpha x + \sigma\varepsilon`: both parts noised, the shares kept.

        Args:
            alpha: signal; a number, or a tensor that broadcasts against the law's batch.
            sigma: noise level, at least 0; as ``alpha``.
        """
        check_noise(alpha, sigma, self.batch_shape)
        return self._of(self._model.noised(alpha, sigma), self._noise.noised(alpha, sigma), self._log_shares)

    def posterior(self, x: Float[Tensor, "... d"], alpha: Scalar, sigma: Scalar) -> Contaminated:
        r"""The law of :math:`x_0` given :math:`\alpha x_0 + \sigma\varepsilon = x`: posteriors, shares by Bayes' rule.

        Args:
            x: noised points, shape ``(..., d)``.
            alpha: signal; a number or a tensor that broadcasts against the points.
            sigma: noise level, positive; as ``alpha``.
        """
        self._check_point("x", x)
        log_shares = self.noised(alpha, sigma)._log_parts(x).log_softmax(-1)
        return self._of(
            self._model.posterior(x, alpha, sigma), self._noise.posterior(x, alpha, sigma), log_shares
        )

    def posterior_mean(
        self, x: Float[Tensor, "... d"], alpha: Scalar, sigma: Scalar
    ) -> Float[Tensor, "... d"]:
        r"""The best denoiser :math:`\mathbb E[x_0\mid\alpha x_0 + \sigma\varepsilon = x]`.

        Args:
            x: noised points, shape ``(..., d)``.
            alpha: signal; a number or a tensor that broadcasts against the points.
            sigma: noise level, at least 0; as ``alpha``.
        """
        self._check_point("x", x)
        a, b = self.noised(alpha, sigma)._log_parts(x).softmax(-1).unsqueeze(-1).unbind(-2)
        return a * self._model.posterior_mean(x, alpha, sigma) + b * self._noise.posterior_mean(
            x, alpha, sigma
        )
