"""The linear spline: straight pieces, so that its density is a histogram."""

from __future__ import annotations

from torch import Tensor

from gmlib.flows.spline_knots import Spline, bin_sizes, find_bin


class LinearSpline(Spline):
    r"""Straight lines between knots with learnt places in u and in x.

    In the bin that starts at :math:`(u_k, x_k)`,

    .. math:: h(u) = x_k + \frac{\Delta x}{\Delta u}\,(u - u_k), \qquad
        \log h'(u) = \log\Delta x - \log\Delta u.

    The slope is a step function: the pushed density jumps at the knots, and a uniform base becomes a histogram. The
    parameters are (K widths, K heights), both softmax sizes; all zeros are the identity.

    Args:
        bins: number of pieces K.
        bound: upper end of the interval; outside, the map is the identity.
        low: lower end; None for ``-bound``. ``low=0.0, bound=1.0`` makes a map of the unit interval.
        min_size: least size of a bin, in u and in x, as a share of the interval.

    Raises:
        TypeError: an argument is not a number.
        ValueError: no bin, an empty interval, or bins that cannot all have their least size.

    References:
        T. Müller, B. McWilliams, F. Rousselle, M. Gross and J. Novák, *Neural importance sampling*, 2019, section 4.1.

    Example:
        Half of the noise goes into the first fifth of the data.

        >>> import torch
        >>> h = LinearSpline(2, 1.0, low=0.0, min_size=0.0)
        >>> params = torch.tensor([0.5, 0.5, 0.2, 0.8]).log().expand(2, -1)
        >>> x, log_slope = h.forward(torch.tensor([0.25, 0.75]), params)
        >>> x, log_slope.exp()
        (tensor([0.1000, 0.6000]), tensor([0.4000, 1.6000]))
    """

    @property
    def n_params(self) -> int:
        return 2 * self.bins

    def _unit_forward(self, point: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._across(point, params, 0)

    def _unit_inverse(self, point: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._across(point, params, 1)

    def _across(self, point: Tensor, params: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """From one side of the knots to the other: both ways are the same line."""
        sizes = bin_sizes(params.unflatten(-1, (2, self.bins)), self.min_size)
        found = find_bin(point, sizes, side)
        slope = found.size[1 - side] / found.size[side]
        return found.start[1 - side] + (point - found.start[side]) * slope, slope.log()
