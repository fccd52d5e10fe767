"""Black-and-white images drawn from grey ones."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_tensor


def binarise(
    x: Float[Tensor, "*shape"], *, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    r"""Draw each pixel as black or white, with its grey value as the probability.

    .. math:: b_i \sim \mathrm{Bernoulli}(x_i)

    Called anew for every batch this is *dynamic* binarisation, which a model cannot overfit; called once with
    a seeded generator and kept it is *fixed* binarisation, which test numbers are quoted on.

    Args:
        x: grey values in [0, 1], any shape.
        generator: source of the draws; None for torch's default generator.

    Returns:
        Zeros and ones, of the shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not a floating tensor.
        ValueError: an entry of ``x`` is outside [0, 1] or NaN. (This check synchronises with the device; a
            training step takes its uniform noise u as an argument and compares ``u < x``.)

    References:
        R. Salakhutdinov and I. Murray, *On the quantitative analysis of deep belief networks*, 2008.

    Example:
        >>> binarise(torch.tensor([0.0, 1.0, 0.0]))
        tensor([0., 1., 0.])
    """
    check_tensor("x", x)
    if not bool(((x >= 0) & (x <= 1)).all()):
        raise ValueError(
            f"x must lie in [0, 1], got {float(x.min())} to {float(x.max())}; "
            "divide grey levels by the highest one"
        )
    u = torch.rand(x.shape, generator=generator, dtype=torch.float32, device=x.device)
    return (u < x).to(x.dtype)
