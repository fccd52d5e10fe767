"""A number measured on a sample, with its standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_number, check_tensor


@dataclass(frozen=True)
class Estimate:
    """A measured number, how far chance moves it, and what it was measured on.

    Printed with one significant digit of the standard error.

    Args:
        value: the estimate, in its own units.
        standard_error: its estimated standard deviation over repeats, in the same units, at least 0.
        n: number of terms that it was averaged over, at least 1.

    Raises:
        TypeError: a field is not a number (``n``: not an int).
        ValueError: a field is not finite, or ``standard_error`` or ``n`` is out of range.

    Example:
        >>> from gmlib.metrics import Estimate
        >>> print(Estimate(1.23412, 0.0048, n=1000))
        1.234 ± 0.005
    """

    value: float
    standard_error: float
    n: int

    def __post_init__(self) -> None:
        check_number("value", self.value)
        check_number("standard_error", self.standard_error, low=0.0)
        check_count("n", self.n)

    def __str__(self) -> str:
        if self.standard_error == 0.0:
            return f"{self.value:g} ± 0"
        decimals = -math.floor(math.log10(self.standard_error))
        if decimals > 6:
            return f"{self.value:.3e} ± {self.standard_error:.0e}"
        decimals = max(decimals, 0)
        return f"{self.value:.{decimals}f} ± {self.standard_error:.{decimals}f}"


def mean_estimate(values: Float[Tensor, " n"]) -> Estimate:
    r"""The mean of independent values, with its standard error.

    .. math:: \bar v = \frac1n \sum_i v_i, \qquad
              \mathrm{s.e.} = \sqrt{\frac1{n (n - 1)} \sum_i (v_i - \bar v)^2}

    Args:
        values: independent draws of one quantity, (n,), n >= 2.

    Returns:
        :math:`\bar v` in the units of the values, computed in float64 where the device has it.

    Raises:
        TypeError: ``values`` is not a floating tensor.
        ValueError: it is not a vector of at least two entries, or not finite.

    Example:
        >>> import torch
        >>> from gmlib.metrics import mean_estimate
        >>> mean_estimate(torch.tensor([1.0, 2.0, 3.0, 2.0])).value
        2.0
    """
    check_tensor("values", values)
    if values.dim() != 1 or values.shape[0] < 2:
        raise ValueError(f"values must be a vector of at least two entries, got shape {tuple(values.shape)}")
    check_finite("values", values)
    raised = values.float() if values.device.type == "mps" else values.double()
    n = values.shape[0]
    return Estimate(raised.mean().item(), raised.std().item() / math.sqrt(n), n)
