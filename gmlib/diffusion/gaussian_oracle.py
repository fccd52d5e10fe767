r"""Gaussian data: everything about their noising in a formula, the least attainable losses included."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_finite, check_instance, check_number, check_tensor
from gmlib.diffusion.chain import check_points, level
from gmlib.distributions import Gaussian
from gmlib.noise import Schedule
from gmlib.noise.schedule import Time, Value


@dataclass(frozen=True, eq=False)
class GaussianOracle:
    r"""The noising of :math:`x_0\sim\mathcal N(m, vI)`, with nothing left to learn.

    .. math:: x_t \sim \mathcal N(\alpha_tm,\ V_tI), \qquad V_t = \alpha_t^2v + \sigma_t^2

    Given :math:`x_t`, the clean point, the noise and :math:`v = \alpha\varepsilon - \sigma x_0` are normal. Their means are
    what a perfect network says; their variances are what is left of its squared error, a coordinate, and no network gets
    below.

    (:eq:`eq-09-oracle` in the book.)

    Args:
        mean: m, a number (one coordinate) or a tensor of shape ``(d,)``, best where the points are.
        var: v, the same in every direction, at least 0; with 0 the data are one point.
        schedule: the schedule.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: ``mean`` is not finite or of another shape, or ``var`` is negative.

    References:
        C. M. Bishop, *Pattern Recognition and Machine Learning* (2006), eq. 2.116.

    Example:
        >>> from gmlib.diffusion import GaussianOracle
        >>> from gmlib.noise import DDPM
        >>> oracle = GaussianOracle(0.0, 0.25, DDPM.linear())
        >>> [round(oracle.eps_floor(t).item(), 4) for t in (0.001, 0.2, 1.0)]
        [0.9996, 0.3258, 0.0]
    """

    mean: Tensor | float
    var: float
    schedule: Schedule

    def __post_init__(self) -> None:
        if isinstance(self.mean, Tensor):
            check_tensor("mean", self.mean)
            if self.mean.dim() != 1 or len(self.mean) == 0:
                raise ValueError(
                    f"mean must be a number or have shape (d,), got shape {tuple(self.mean.shape)}"
                )
            check_finite("mean", self.mean)
        else:
            check_number("mean", self.mean)
        check_number("var", self.var, low=0.0)
        check_instance("schedule", self.schedule, Schedule)

    def _centre(self) -> Tensor:
        """The mean as a tensor of shape (d,)."""
        if isinstance(self.mean, Tensor):
            return self.mean
        return torch.full((1,), float(self.mean), dtype=torch.float64)

    def _beside(self, x: Tensor) -> Tensor | float:
        """The mean as it is added to points; a number needs no copy to their device."""
        return self.mean.to(x) if isinstance(self.mean, Tensor) else self.mean

    def _parts(self, t: Time) -> tuple[Tensor, Tensor, Tensor]:
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return alpha, sigma, alpha**2 * self.var + sigma**2

    def _deviation(self, x: Tensor, t: Time) -> tuple[Tensor, Tensor, Tensor]:
        """alpha and sigma shaped to multiply the points, and (x - alpha m)/V."""
        check_points("x", x)
        alpha, sigma, V = (level(value, x) for value in self._parts(t))
        return alpha, sigma, (x - alpha * self._beside(x)) / V

    def law(self, t: Time) -> Gaussian:
        r"""The law of :math:`x_t`.

        Args:
            t: time, a number or a tensor of any shape, which becomes the law's batch.

        Returns:
            A Gaussian over d coordinates.

        Raises:
            ValueError: the law is a point (``var`` and sigma are 0), or ``t`` is a number out of the schedule's range.

        Example:
            >>> from gmlib.noise import Rectified
            >>> GaussianOracle(2.0, 1.0, Rectified()).law(0.5).mean
            tensor([1.], dtype=torch.float64)
        """
        alpha, _, V = self._parts(t)
        return Gaussian(alpha.unsqueeze(-1) * self._centre(), var=V.unsqueeze(-1))

    def eps(self, x: Float[Tensor, "batch d"], t: Time) -> Float[Tensor, "batch d"]:
        r"""The noise that a perfect network predicts, :math:`\sigma_t(x_t - \alpha_tm)/V_t`.

        Args:
            x: noised points, (batch, d).
            t: time, a number or shape ``()`` or ``(batch,)``.

        Returns:
            Shaped as ``x``.

        Raises:
            TypeError: ``x`` is no floating tensor.
            ValueError: shapes do not fit, or ``t`` is a number out of the schedule's range.
        """
        _, sigma, deviation = self._deviation(x, t)
        return sigma * deviation

    def x0(self, x: Float[Tensor, "batch d"], t: Time) -> Float[Tensor, "batch d"]:
        r"""The clean point that a perfect network predicts, :math:`m + \alpha_tv(x_t - \alpha_tm)/V_t`; see `eps`."""
        alpha, _, deviation = self._deviation(x, t)
        return self._beside(x) + alpha * self.var * deviation

    def eps_floor(self, t: Time) -> Value:
        r"""Least mean squared error of the noise, a coordinate: :math:`\alpha_t^2v/V_t`.

        (:eq:`eq-09-floors` in the book.)

        Args:
            t: time, a number or a tensor of any shape.

        Returns:
            A number at each time.

        Raises:
            ValueError: ``t`` is a number out of the schedule's range.
        """
        alpha, _, V = self._parts(t)
        return alpha**2 * self.var / V

    def x0_floor(self, t: Time) -> Value:
        r"""Least mean squared error of the clean point, a coordinate: :math:`v\sigma_t^2/V_t`; arguments as `eps_floor`."""
        _, sigma, V = self._parts(t)
        return self.var * sigma**2 / V

    def v_floor(self, t: Time) -> Value:
        r"""Least mean squared error of :math:`\alpha\varepsilon - \sigma x_0`, a coordinate; arguments as `eps_floor`.

        .. math:: (\alpha_t^2 + \sigma_t^2)^2\,v/V_t

        which is :math:`v/V_t` where the schedule preserves variance.
        """
        alpha, sigma, V = self._parts(t)
        return (alpha**2 + sigma**2) ** 2 * self.var / V
