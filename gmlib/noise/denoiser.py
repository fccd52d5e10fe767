r"""One network, five things it may have learnt to say.

At :math:`x_t = \alpha x_0 + \sigma\varepsilon` the guesses

.. math:: \hat x_0, \qquad \hat\varepsilon, \qquad \hat v = \alpha\hat\varepsilon - \sigma\hat x_0, \qquad
    \hat s = -\hat\varepsilon/\sigma, \qquad \hat b = \alpha'\hat x_0 + \sigma'\hat\varepsilon

(clean point, noise, v, score, velocity) are linear functions of one another and of :math:`x_t`, since
:math:`x_t = \alpha\hat x_0 + \sigma\hat\varepsilon` ties the first two. A `Denoiser` knows which one its network was
trained for and gives any of them. Samplers and guidance see nothing else of a model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import anywhere, check_choice, check_tensor
from gmlib.noise.schedule import Schedule, Time

Parameterisation = Literal["x0", "eps", "v", "score", "velocity"]
PARAMETERISATIONS: tuple[str, ...] = get_args(Parameterisation)

Point = Float[Tensor, "batch *event"]


class Prediction(NamedTuple):
    """The pair from which everything else follows: the clean point and the noise."""

    x0: Tensor
    eps: Tensor


class Denoiser(nn.Module):
    r"""A network with its schedule and its parameterisation.

    **Division by zero.** Some conversions divide by :math:`\alpha` or :math:`\sigma` (the table below). When the
    divisor is 0 at the given time, there is no answer and a ``ValueError`` names t. The check is made where it costs
    nothing: for a time that is a number or a tensor on the CPU. For a time on an accelerator, inside
    ``torch.compile``, or mapped over by ``vmap``, it would need the host to wait, so there the result is infinite or
    NaN.

    ========  ===================================  ====================================
    network   :math:`\hat x_0` divides by          :math:`\hat\varepsilon` divides by
    ========  ===================================  ====================================
    x0        nothing                              :math:`\sigma`
    eps       :math:`\alpha`                       nothing
    v         nothing                              nothing
    score     :math:`\alpha`                       nothing
    velocity  :math:`\alpha\sigma'-\sigma\alpha'`  the same
    ========  ===================================  ====================================

    What the network predicts itself needs no division; v and velocity need :math:`\hat x_0` and
    :math:`\hat\varepsilon`; the score divides :math:`\hat\varepsilon` by :math:`\sigma`. The determinant of the last row is
    1 on the rectified path; on variance-preserving ones it is infinite at t = 0, which is refused as well.

    Args:
        network: called as ``network(x, t, **condition)`` with ``t`` of shape ``(batch,)`` in the dtype of ``x``.
        schedule: the schedule it was trained on.
        parameterisation: what it predicts: "x0", "eps", "v", "score" or "velocity".

    Raises:
        TypeError: if ``network`` cannot be called or ``schedule`` is no Schedule.
        ValueError: if ``parameterisation`` is none of the five.

    References:
        T. Salimans and J. Ho, *Progressive distillation for fast sampling of diffusion models* (2022), app. D (eps, x0,
        v); Y. Lipman et al., *Flow matching for generative modeling* (2023), eq. 15 (velocity).

    Example:
        >>> import torch
        >>> from gmlib.noise import Rectified
        >>> denoiser = Denoiser(lambda x, t: torch.zeros_like(x), Rectified(), "x0")
        >>> denoiser.eps(torch.ones(1, 2), 0.5)
        tensor([[2., 2.]])
    """

    def __init__(
        self, network: Callable[..., Tensor], schedule: Schedule, parameterisation: Parameterisation
    ) -> None:
        super().__init__()
        if not callable(network):
            raise TypeError(f"network must be callable, got {type(network).__name__}")
        if not isinstance(schedule, Schedule):
            raise TypeError(f"schedule must be a Schedule, got {type(schedule).__name__}")
        check_choice("parameterisation", parameterisation, PARAMETERISATIONS)
        self.network = network
        self.schedule = schedule
        self.parameterisation: Parameterisation = parameterisation

    def forward(self, x: Point, t: Time, **condition: Any) -> Point:
        """The network's own prediction, whatever it is of.

        Args:
            x: noised points, shape ``(batch, *event)``.
            t: time, a number or shape ``()`` or ``(batch,)``.
            condition: passed on to the network.

        Returns:
            A tensor shaped as ``x``.

        Raises:
            TypeError: if ``x`` is no floating tensor or ``t`` neither a number nor one.
            ValueError: if ``t`` is a number out of the schedule's range or of another shape.
        """
        return self._ask(x, t, **condition)

    def predict(self, x: Point, t: Time, **condition: Any) -> Prediction:
        r"""Clean point and noise from one call of the network.

        Args:
            x: noised points, shape ``(batch, *event)``.
            t: time, a number or shape ``()`` or ``(batch,)``.
            condition: passed on to the network.

        Returns:
            The pair ``(x0, eps)``.

        Raises:
            ValueError: as `forward`, or if a conversion divides by zero at ``t``.

        Example:
            >>> import torch
            >>> from gmlib.noise import Rectified
            >>> denoiser = Denoiser(lambda x, t: torch.zeros_like(x), Rectified(), "v")
            >>> denoiser.predict(torch.ones(1, 1), 0.5)
            Prediction(x0=tensor([[1.]]), eps=tensor([[1.]]))
        """
        out = self.forward(x, t, **condition)
        return Prediction(self.x0_of(out, x, t), self.eps_of(out, x, t))

    def x0(self, x: Point, t: Time, **condition: Any) -> Point:
        r"""The clean point :math:`\hat x_0 = \mathbb E[x_0\mid x_t = x]`; arguments as `predict`."""
        return self.x0_of(self.forward(x, t, **condition), x, t)

    def eps(self, x: Point, t: Time, **condition: Any) -> Point:
        r"""The noise :math:`\hat\varepsilon = \mathbb E[\varepsilon\mid x_t = x]`; arguments as `predict`."""
        return self.eps_of(self.forward(x, t, **condition), x, t)

    def v(self, x: Point, t: Time, **condition: Any) -> Point:
        r"""The v-prediction :math:`\hat v = \alpha\hat\varepsilon - \sigma\hat x_0`; arguments as `predict`."""
        out = self.forward(x, t, **condition)
        if self.parameterisation == "v":
            return out
        alpha, sigma = self._at(t, x, "alpha", "sigma")
        return alpha * self.eps_of(out, x, t) - sigma * self.x0_of(out, x, t)

    def score(self, x: Point, t: Time, **condition: Any) -> Point:
        r"""The score :math:`\hat s = \nabla\log q_t(x) = -\hat\varepsilon/\sigma`; arguments as `predict`."""
        out = self.forward(x, t, **condition)
        if self.parameterisation == "score":
            return out
        (sigma,) = self._at(t, x, "sigma")
        return -self.eps_of(out, x, t) / self._divisor("score", "sigma", sigma, t)

    def velocity(self, x: Point, t: Time, **condition: Any) -> Point:
        r"""The velocity :math:`\hat b = \alpha'\hat x_0 + \sigma'\hat\varepsilon` of the probability flow.

        It is the field of :math:`dx/dt = f x - \tfrac12g^2\hat s`; arguments as `predict`.
        """
        out = self.forward(x, t, **condition)
        if self.parameterisation == "velocity":
            return out
        d_alpha, d_sigma = self._at(t, x, "d_alpha", "d_sigma")
        d_sigma = self._finite("velocity", d_sigma, t)
        return d_alpha * self.x0_of(out, x, t) + d_sigma * self.eps_of(out, x, t)

    def x0_of(self, out: Point, x: Point, t: Time) -> Point:
        r"""The clean point that an answer of the network stands for; ``out`` is what `forward` gave at ``x`` and ``t``."""
        alpha, sigma = self._at(t, x, "alpha", "sigma")
        match self.parameterisation:
            case "x0":
                return out
            case "eps":
                return (x - sigma * out) / self._divisor("x0", "alpha", alpha, t)
            case "score":
                return (x + sigma * sigma * out) / self._divisor("x0", "alpha", alpha, t)
            case "v":
                return (alpha * x - sigma * out) / (alpha * alpha + sigma * sigma)
            case _:
                _, d_sigma = self._at(t, x, "d_alpha", "d_sigma")
                return (d_sigma * x - sigma * out) / self._determinant("x0", x, t)

    def eps_of(self, out: Point, x: Point, t: Time) -> Point:
        r"""The noise that an answer of the network stands for; arguments as `x0_of`."""
        alpha, sigma = self._at(t, x, "alpha", "sigma")
        match self.parameterisation:
            case "eps":
                return out
            case "x0":
                return (x - alpha * out) / self._divisor("eps", "sigma", sigma, t)
            case "score":
                return -sigma * out
            case "v":
                return (sigma * x + alpha * out) / (alpha * alpha + sigma * sigma)
            case _:
                d_alpha, _ = self._at(t, x, "d_alpha", "d_sigma")
                return (alpha * out - d_alpha * x) / self._determinant("eps", x, t)

    def _ask(self, x: Tensor, t: Time, **condition: Any) -> Tensor:
        """What the network says, of whatever shape."""
        _check(x, t)
        time = self.schedule._time(t)
        if not isinstance(t, Tensor):  # filled in on the device: to copy a number there, the host would wait
            return self.network(x, x.new_full(x.shape[:1], float(t)), **condition)
        return self.network(x, time.to(x).expand(x.shape[:1]), **condition)

    def _at(self, t: Time, x: Tensor, *names: str) -> list[Tensor]:
        """The schedule's functions at t, shaped to multiply x, in its dtype and on its device."""
        values = (getattr(self.schedule, name)(t) for name in names)
        return [a if a.dim() == 0 else a.to(x).reshape(a.shape + (1,) * (x.dim() - 1)) for a in values]

    def _determinant(self, target: str, x: Tensor, t: Time) -> Tensor:
        alpha, sigma, d_alpha, d_sigma = self._at(t, x, "alpha", "sigma", "d_alpha", "d_sigma")
        value = alpha * self._finite(target, d_sigma, t) - sigma * d_alpha
        return self._divisor(target, "alpha sigma' - sigma alpha'", value, t)

    def _divisor(self, target: str, name: str, value: Tensor, t: Time) -> Tensor:
        if anywhere(value == 0):
            raise ValueError(
                f"{target} from a network that predicts {self.parameterisation} divides by {name}, which is 0 at "
                f"t = {_show(t)}; take t away from that end of the schedule"
            )
        return value

    def _finite(self, target: str, d_sigma: Tensor, t: Time) -> Tensor:
        if anywhere(torch.isinf(d_sigma)):
            raise ValueError(
                f"{target} from a network that predicts {self.parameterisation} needs sigma', which divides by sigma "
                f"= 0 at t = {_show(t)}; take t away from that end of the schedule"
            )
        return d_sigma


def _check(x: Any, t: Any) -> None:
    check_tensor("x", x)
    if x.dim() < 1:
        raise ValueError("x must have shape (batch, *event), got shape ()")
    if isinstance(t, Tensor) and tuple(t.shape) not in ((), tuple(x.shape[:1])):
        raise ValueError(f"t must have shape () or ({x.shape[0]},), got shape {tuple(t.shape)}")


def _show(t: Time) -> str:
    return f"{t:g}" if not isinstance(t, Tensor) else str(t.tolist())
