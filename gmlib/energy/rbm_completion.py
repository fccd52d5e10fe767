r"""Completion by an RBM: Gibbs sampling with some visible units held at what is known."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.energy._layers import check_layer
from gmlib.energy._rbm_checks import check_rbm
from gmlib.energy._spins import check_known
from gmlib.energy.rbm import RBM


@torch.no_grad()
def clamped_gibbs(
    rbm: RBM,
    x: Float[Tensor, "*batch d"],
    known: Bool[Tensor, "*batch d"] | Bool[Tensor, " d"],
    sweeps: int,
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*batch d"]:
    r"""Draw the unknown visible units given the known ones, by block Gibbs sampling with the known ones clamped.

    .. math:: h \sim p(h \mid x), \qquad x_i \sim p(x_i \mid h) \ \text{ where unknown}, \qquad
              x_i \text{ stays where known}

    The chain leaves :math:`p(x_{\text{unknown}} \mid x_{\text{known}})` of the machine invariant. The unknown units start
    at what ``x`` has there; how long the chain remembers that is not bounded by the method.

    Args:
        rbm: the machine.
        x: visible states, (\*batch, d), 0 or 1; those of the unknown units are where the chain starts.
        known: which units stay, (\*batch, d) or (d,) for all of them alike.
        sweeps: steps of block Gibbs sampling, 0 or more.
        generator: source of the draws, on the machine's device.

    Returns:
        The states after the last step, (\*batch, d).

    Raises:
        TypeError: ``rbm`` is no RBM, x not of its dtype, or ``known`` no tensor of bools.
        ValueError: the shapes do not fit, or ``sweeps`` is negative.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM, clamped_gibbs
        >>> known = torch.tensor([True, True, False, False])
        >>> x = clamped_gibbs(RBM(4, 3), torch.ones(5, 4), known, 3, generator=torch.Generator().manual_seed(0))
        >>> bool((x[:, :2] == 1).all())
        True
    """
    check_rbm("rbm", rbm)
    check_layer("x", x, rbm.d, rbm.weight)
    check_count("sweeps", sweeps, low=0)
    check_known(known, x)
    kept = x
    for _ in range(sweeps):
        h = rbm.sample_hidden(x, generator=generator)
        x = torch.where(known, kept, rbm.sample_visible(h, generator=generator))
    return x
