"""The times at which a batch is trained."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number


def low_discrepancy_times(
    n: int,
    low: float = 0.0,
    high: float = 1.0,
    *,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, " n"]:
    r"""Times that share one random shift: each of them uniform, together without gaps.

    .. math:: t_i = t_{\min} + (t_{\max} - t_{\min})\,\mathrm{mod}(u + i/n,\ 1), \qquad i = 0, \dots, n - 1, \quad
        u \sim \mathcal U(0, 1)

    The mean over the batch of a function of t then varies far less than with independent times: for f(t) = t on [0, 1] its
    variance is :math:`1/(12n^2)` instead of :math:`1/(12n)`. Give them to points in random order.

    Args:
        n: number of times.
        low: the smallest time.
        high: the largest time.
        generator: source of the shift; None is torch's default.
        device: where the times are made.

    Returns:
        Times, (n,).

    Raises:
        ValueError: ``n`` is below 1 or ``low`` not below ``high``.

    References:
        D. Kingma et al., *Variational diffusion models* (2021), appendix I.1.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import low_discrepancy_times
        >>> times = low_discrepancy_times(4, generator=torch.Generator().manual_seed(0))
        >>> [round(gap, 4) for gap in times.sort().values.diff().tolist()]
        [0.25, 0.25, 0.25]
    """
    check_count("n", n)
    check_number("high", high)
    check_number("low", low, high=high, high_open=True)
    shift = torch.rand(1, generator=generator, device=device)
    return low + (high - low) * ((torch.arange(n, device=device) / n + shift) % 1.0)
