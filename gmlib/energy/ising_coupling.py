r"""The coupling of the Ising model that suits given pictures best."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.energy._lattice import check_lattice
from gmlib.energy._spins import check_spins
from gmlib.energy.ising import neighbour_sum

ITERATIONS = 100
"""Newton steps at most; a handful are needed."""


@torch.no_grad()
def fit_coupling(clean: Float[Tensor, "*batch height width"], *, periodic: bool = False) -> float:
    r"""The coupling of pictures, by maximum pseudo-likelihood: each pixel is predicted from its neighbours.

    .. math:: \hat\beta = \arg\max_\beta \sum_i \log \operatorname{sigmoid}\Big(2 \beta\, x_i \sum_{j \sim i} x_j\Big)

    Concave in one number, and a function of the counts of nine values only. It needs no partition function.

    Args:
        clean: pixels of ±1, (\*batch, height, width).
        periodic: the lattice closes upon itself.

    Returns:
        The estimate; it may be negative.

    Raises:
        TypeError: ``clean`` is not a floating tensor.
        ValueError: it is no lattice of ±1, or every pixel agrees with its neighbours (or none does): no finite maximum.

    References:
        J. Besag, *Statistical analysis of non-lattice data*, The Statistician, 1975.

    Example:
        >>> import torch
        >>> from gmlib.energy import fit_coupling, ising_gibbs
        >>> x = ising_gibbs(torch.ones(8, 64, 64), 60, inv_temp=0.3, generator=torch.Generator().manual_seed(0))
        >>> abs(fit_coupling(x, periodic=True) - 0.3) < 0.02
        True
    """
    check_lattice("clean", clean, periodic=periodic, parity=False)
    check_spins("clean", clean)
    agreement = (clean * neighbour_sum(clean, periodic=periodic)).flatten()
    value, count = agreement.double().unique(return_counts=True)
    moving = value != 0
    value, share = value[moving], count[moving] / count.sum()
    if len(value) == 0 or bool((value > 0).all()) or bool((value < 0).all()):
        raise ValueError(
            "clean must have pixels that agree with most of their neighbours and pixels that do not, got only one kind: "
            "the coupling would be infinite or anything"
        )
    beta = 0.0
    for _ in range(ITERATIONS):
        p = torch.sigmoid(-2 * beta * value)
        slope, curvature = (
            float((share * 2 * value * p).sum()),
            float((share * 4 * value**2 * p * (1 - p)).sum()),
        )
        step = max(-0.5, min(0.5, slope / curvature))  # Newton, but never far: the likelihood flattens out
        beta += step
        if abs(step) < 1e-12:
            break
    return beta
