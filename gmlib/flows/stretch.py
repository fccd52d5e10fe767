"""From the unit interval to another in every coordinate: a fixed map that puts data where the next layer wants them."""

from __future__ import annotations

import math

from torch import Tensor

from gmlib._checks import check_number
from gmlib.flows.bijection import Bijection


class Stretch(Bijection):
    r"""(0, 1) onto (low, high) in every one of d coordinates, without parameters.

    .. math:: x = \text{low} + (\text{high} - \text{low})\,u, \qquad \log|\det J| = d \log(\text{high} - \text{low})

    Behind a `gmlib.flows.Sigmoid`, an interval a little wider than that of the data keeps their ends at finite noise:
    Real NVP's :math:`\operatorname{logit}(\alpha + (1 - 2\alpha)x)` is the interval from :math:`-\alpha/(1 - 2\alpha)` to
    :math:`(1 - \alpha)/(1 - 2\alpha)`.

    Args:
        event_shape: shape of one point.
        low: image of 0.
        high: image of 1, above ``low``.

    Raises:
        ValueError: ``high`` is not above ``low``.

    References:
        L. Dinh, J. Sohl-Dickstein and S. Bengio, *Density estimation using Real NVP*, 2017, section 4.1.

    Example:
        >>> import torch
        >>> Stretch((2,), -1.0, 3.0)(torch.tensor([0.0, 0.5]))
        (tensor([-1.,  1.]), tensor(2.7726))
    """

    def __init__(self, event_shape: tuple[int, ...], low: float, high: float) -> None:
        super().__init__(event_shape)
        check_number("low", low)
        check_number("high", high, low=low, low_open=True)
        self.low, self.high = low, high
        self.log_volume = math.prod(event_shape) * math.log(high - low)

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        batch = u.shape[: u.dim() - len(self.event_shape)]
        return self.low + (self.high - self.low) * u, u.new_full(batch, self.log_volume)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        batch = x.shape[: x.dim() - len(self.event_shape)]
        return (x - self.low) / (self.high - self.low), x.new_full(batch, -self.log_volume)
