r"""How often each visible unit is on: the bias that says it alone, where training and annealing start from."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_finite, check_number, check_tensor


@torch.no_grad()
def log_odds(x: Float[Tensor, "n d"], *, pseudo_count: float | int = 1.0) -> Float[Tensor, " d"]:
    r"""Return the visible biases of the machine without weights that fits the data: the log odds of each unit, (d,).

    .. math:: b_i = \log\frac{\sum_n x_{ni} + a}{N - \sum_n x_{ni} + a}

    With weights 0 the visible units of an RBM are independent and these biases reproduce how often each is on. Started
    there, learning need not spend its weights on it; annealed importance sampling starts from the same machine.

    Args:
        x: data, or probabilities of the units, in [0, 1], (n, d).
        pseudo_count: :math:`a > 0`, in rows, added to both counts, so that a unit that is never on keeps a finite bias.

    Returns:
        The biases, in the dtype of ``x``.

    Raises:
        TypeError: ``x`` is no floating tensor.
        ValueError: ``x`` has no rows, or an entry outside [0, 1]; ``pseudo_count`` is not positive.

    References:
        R. Salakhutdinov and I. Murray, *On the quantitative analysis of deep belief networks*, 2008.

    Example:
        >>> import torch
        >>> from gmlib.energy import log_odds
        >>> log_odds(torch.tensor([[1.0, 0.0], [1.0, 1.0]])).exp().tolist()
        [3.0, 1.0]
    """
    check_data("x", x)
    check_number("pseudo_count", pseudo_count, low=0.0, low_open=True)
    on = x.sum(0)
    return ((on + pseudo_count) / (x.shape[0] - on + pseudo_count)).log()


def check_data(name: str, x: Tensor) -> None:
    """Raise unless ``x`` holds rows of numbers in [0, 1]. Synchronises with the device.

    Example:
        >>> from gmlib.energy.base_rates import check_data
        >>> check_data("x", torch.tensor([[0.5, 1.0]]))
    """
    check_tensor(name, x)
    if x.dim() != 2 or x.numel() == 0:
        raise ValueError(f"{name} must have shape (n, d) with n >= 1, got shape {tuple(x.shape)}")
    check_finite(name, x)
    if not bool(((x >= 0) & (x <= 1)).all()):
        raise ValueError(f"{name} must lie in [0, 1], got {float(x.min()):g} to {float(x.max()):g}")
