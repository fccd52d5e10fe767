"""A network's clock: telling it the log-SNR instead of the schedule's time."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_number
from gmlib.noise.schedule import Schedule


class LogSNRClock(nn.Module):
    r"""A network that is told the log-SNR of the point it sees, in place of the time.

    .. math:: (x, t) \mapsto \mathtt{network}\big(x, \tau_t\big), \qquad
        \tau_t = \frac{\lambda_{\max} - \lambda_t}{\lambda_{\max} - \lambda_{\min}} \in [0, 1]

    What a noised point looks like depends on :math:`\lambda_t` alone (up to its scale), so the network serves every
    schedule of the same kind; and times that lie close together, as the first ones of the cosine schedule, are told apart.

    Args:
        network: called as ``network(x, tau, **condition)``.
        schedule: the schedule whose times come in.
        low: :math:`\lambda_{\min}`, told as 1; below it, too.
        high: :math:`\lambda_{\max}`, told as 0; above it, too.

    Raises:
        TypeError: ``network`` is no module or ``schedule`` no Schedule.
        ValueError: ``low`` is not below ``high``.

    References:
        D. Kingma et al., *Variational diffusion models* (2021), section 3.2.

    Example:
        >>> import torch
        >>> from gmlib.noise import LogSNRClock, Rectified
        >>> class Told(nn.Module):
        ...     def forward(self, x, tau):
        ...         return tau
        >>> LogSNRClock(Told(), Rectified(), -4.0, 4.0)(torch.zeros(3, 1), torch.tensor([0.0, 0.5, 1.0]))
        tensor([0.0000, 0.5000, 1.0000])
    """

    def __init__(self, network: nn.Module, schedule: Schedule, low: float, high: float) -> None:
        super().__init__()
        if not isinstance(network, nn.Module):
            raise TypeError(f"network must be a torch.nn.Module, got {type(network).__name__}")
        if not isinstance(schedule, Schedule):
            raise TypeError(f"schedule must be a Schedule, got {type(schedule).__name__}")
        check_number("high", high)
        check_number("low", low, high=high, high_open=True)
        self.network, self.schedule, self.low, self.high = network, schedule, low, high

    def forward(
        self, x: Float[Tensor, "batch *event"], t: Float[Tensor, " batch"], **condition: Any
    ) -> Tensor:
        """What the network says of points (batch, ``*event``) at times (batch,)."""
        told = (self.high - self.schedule.log_snr(t)) / (self.high - self.low)
        return self.network(x, told.clamp(0.0, 1.0), **condition)
