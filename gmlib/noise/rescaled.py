r"""One network under another schedule: a change of input, nothing to train."""

from __future__ import annotations

from typing import Any, cast

from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import anywhere, check_instance
from gmlib.noise.denoiser import Denoiser, Parameterisation
from gmlib.noise.schedule import Schedule

SLACK = 1e-3  # in log-SNR: rounding of times in float32, far below a difference that a network could see


class _Rescaled(nn.Module):
    """Asks a denoiser about the same point as its own schedule would have shown it."""

    kind: Parameterisation

    def __init__(self, denoiser: Denoiser, schedule: Schedule) -> None:
        super().__init__()
        self.denoiser, self.schedule = denoiser, schedule
        own = denoiser.schedule
        self.low, self.high = float(own.log_snr(own.t_max)), float(own.log_snr(own.t_min))
        kind = "v" if denoiser.parameterisation == "velocity" else denoiser.parameterisation
        self.kind = cast(Parameterisation, kind)

    def forward(
        self, x: Float[Tensor, "batch *event"], t: Float[Tensor, " batch"], **condition: Any
    ) -> Float[Tensor, "batch *event"]:
        own, wanted = self.denoiser.schedule, self.schedule.log_snr(t)
        if anywhere((wanted < self.low - SLACK) | (wanted > self.high + SLACK)):
            raise ValueError(
                f"t must be where the log-SNR lies in [{self.low:g}, {self.high:g}], the range of the denoiser's own "
                f"schedule, got log-SNR {float(wanted.min()):g} to {float(wanted.max()):g}"
            )
        time = own.t_of_log_snr(wanted.clamp(self.low, self.high))
        size = (own.alpha(time) ** 2 + own.sigma(time) ** 2).sqrt()
        scale = size / (self.schedule.alpha(t) ** 2 + self.schedule.sigma(t) ** 2).sqrt()
        scale = scale.reshape(scale.shape + (1,) * (x.dim() - 1))
        out = getattr(self.denoiser, self.kind)(scale * x, time, **condition)
        if self.kind == "v":
            return out / scale
        return out * scale if self.kind == "score" else out


def on_schedule(denoiser: Denoiser, schedule: Schedule) -> Denoiser:
    r"""The same network, asked about the points of another schedule.

    .. math:: x' = c\,x, \qquad \lambda'_{t'} = \lambda_t, \qquad
        c = \sqrt{\frac{\alpha'^2_{t'} + \sigma'^2_{t'}}{\alpha_t^2 + \sigma_t^2}}
        = \frac{\alpha'_{t'}}{\alpha_t} = \frac{\sigma'_{t'}}{\sigma_t}

    Two schedules with the same log-SNR :math:`\lambda` show the same picture, one of them enlarged. So the network is told
    the time :math:`t'` at which its own schedule (primes) has this :math:`\lambda`, and sees the point at its own scale.
    :math:`\hat x_0` and :math:`\hat\varepsilon` are then right as they are, :math:`\hat v` and the score up to c. From a
    variance-exploding point to a variance-preserving one, :math:`c = 1/\sqrt{1 + \sigma^2}`.

    (:eq:`eq-09b-rescaled` in the book.)

    Args:
        denoiser: the model.
        schedule: the schedule it shall serve.

    Returns:
        A Denoiser on ``schedule``; it shares the network. It predicts what ``denoiser`` does (v for a velocity).

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: when called, on the CPU: the log-SNR at t is one that the denoiser's own schedule never has. (On an
            accelerator, the nearest that it has.)

    References:
        Y. Song et al., *Score-based generative modeling through stochastic differential equations* (2021), app. B;
        T. Karras et al., *Elucidating the design space of diffusion-based generative models* (2022), table 1.

    Example:
        >>> import torch
        >>> from gmlib.noise import EDM, Denoiser, VPLinear, on_schedule
        >>> seen = Denoiser(lambda x, t: x, VPLinear(), "eps")  # says what it sees
        >>> on_schedule(seen, EDM()).eps(torch.full((1, 1), 5.0), 2.0)  # 5 over the root of 1 + 4
        tensor([[2.2361]])
    """
    check_instance("denoiser", denoiser, Denoiser)
    check_instance("schedule", schedule, Schedule)
    served = _Rescaled(denoiser, schedule)
    return Denoiser(served, schedule, served.kind)
