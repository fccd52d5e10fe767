"""Completion: recall with some units held at the cue."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gmlib._checks import check_event
from gmlib.energy._nets import check_net
from gmlib.energy._spins import check_known
from gmlib.energy.hopfield import Hopfield
from gmlib.energy.recall import Recall, recall


def complete(
    net: Hopfield,
    x: Float[Tensor, "*batch d"],
    known: Bool[Tensor, "*batch d"] | Bool[Tensor, " d"],
    *,
    sweeps: int = 100,
    generator: torch.Generator | None = None,
) -> Recall:
    r"""Recall by asynchronous updates of the free units, the known ones clamped to the cue.

    The free units are a Hopfield network of their own, in which the clamped ones act as biases: with W split into free
    (f) and known (g) units, :math:`a_f = W_{ff} x_f + (W_{fg} x_g + b_f)`. So the energy never rises here either, and the
    end is a fixed point of the free units, which need not be one of the whole net. Ties go to +1.

    Args:
        net: the network, of d units.
        x: cues, -1 and 1, (\*batch, d), the free units wherever they shall start.
        known: units to clamp, boolean, (d,) or (\*batch, d).
        sweeps: at most so many; a sweep updates each free unit once, in a random order that the batch shares.
        generator: source of the orders; None for torch's default generator.

    Returns:
        States, energies, and whether they settled: no free unit would change. ``period`` is 1 there and 0 elsewhere.

    Raises:
        TypeError: ``net`` is no Hopfield network, ``known`` not boolean, or ``x`` of another dtype than the weights.
        ValueError: a shape or device does not fit, ``x`` holds something else than -1 and 1, or ``sweeps`` is below 1.

    Example:
        >>> import torch
        >>> from gmlib.energy import Hopfield, complete, hebb
        >>> net = Hopfield(hebb(torch.tensor([[1.0, 1.0, -1.0, -1.0]])))
        >>> known = torch.tensor([True, True, False, False])
        >>> complete(net, torch.tensor([[-1.0, -1.0, -1.0, -1.0]]), known).state.tolist()
        [[-1.0, -1.0, 1.0, 1.0]]
    """
    check_net(net)
    check_event("x", x, (net.d,))
    check_known(known, x)
    return recall(net, x, known=known, sweeps=sweeps, generator=generator)
