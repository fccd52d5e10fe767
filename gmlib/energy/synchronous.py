r"""All units at once: the energy can rise, but one of two moments cannot, and no cycle is longer than two."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_event
from gmlib.energy._nets import check_net
from gmlib.energy._spins import check_like, check_spins
from gmlib.energy.hopfield import TIES, Hopfield


def synchronous_path(
    net: Hopfield, x: Float[Tensor, "*batch d"], steps: int, *, tie: str = "up"
) -> Float[Tensor, "times *batch d"]:
    r"""Update all units at once, again and again, and keep every state.

    .. math:: x_{t+1} = \operatorname{sgn}(W x_t + b)

    Args:
        net: the network, of d units.
        x: the first states, (\*batch, d), entries +1 and -1.
        steps: how many updates.
        tie: what a unit with activation 0 does, "up" or "keep".

    Returns:
        :math:`x_0, \dots, x_T`, (steps + 1, \*batch, d).

    Raises:
        TypeError: ``steps`` is no integer, or ``x`` has another dtype than the weights.
        ValueError: ``steps`` is below 1, ``tie`` unknown, or ``x`` does not fit or has an entry other than +1 and -1.

    Example:
        >>> import torch
        >>> from gmlib.energy import Hopfield, synchronous_path
        >>> swap = Hopfield(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        >>> synchronous_path(swap, torch.tensor([1.0, -1.0]), 3).tolist()
        [[1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]]
    """
    check_net(net)
    check_count("steps", steps)
    check_choice("tie", tie, TIES)
    check_event("x", x, (net.d,))
    check_like("x", x, net.weights, "the weights")
    check_spins("x", x)
    path = [x]
    for _ in range(steps):
        path.append(net.updated(path[-1], tie=tie))
    return torch.stack(path)


def two_step_energy(
    net: Hopfield, now: Float[Tensor, "*batch d"], before: Float[Tensor, "*batch d"]
) -> Float[Tensor, "*batch"]:
    r"""The energy of two moments, which synchronous updates never raise (and a two-cycle keeps).

    .. math:: \mathcal L_t = -x_t^\top W x_{t-1} - b^\top (x_t + x_{t-1})

    (:eq:`eq-06b-synchronous` in the book; Goles, Fogelman-Soulié and Pellegrin 1985.) Since W is symmetric,
    :math:`\mathcal L_{t+1} - \mathcal L_t = -(x_{t+1} - x_{t-1})^\top (W x_t + b)`, and :math:`x_{t+1}` has the signs of
    the last bracket: the difference is minus twice the sum of :math:`|a_i|` over the units that differ from two steps
    ago. Ties aside it is 0 only when :math:`x_{t+1} = x_{t-1}`, a fixed point or a two-cycle.

    Args:
        net: the network, of d units.
        now: :math:`x_t`, (\*batch, d).
        before: :math:`x_{t-1}`, (\*batch, d).

    Returns:
        :math:`\mathcal L_t`, (\*batch,).

    Raises:
        TypeError: a state has another dtype than the weights.
        ValueError: a state does not end in d units or is elsewhere, or the shapes differ.

    Example:
        >>> import torch
        >>> from gmlib.energy import Hopfield, two_step_energy
        >>> swap = Hopfield(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        >>> x = torch.tensor([1.0, -1.0])
        >>> two_step_energy(swap, -x, x).item(), swap.energy(x).item()
        (-2.0, 1.0)
    """
    check_net(net)
    for name, value in (("now", now), ("before", before)):
        check_event(name, value, (net.d,))
        check_like(name, value, net.weights, "the weights")
    if now.shape != before.shape:
        raise ValueError(f"now must have the shape of before, {tuple(before.shape)}, got {tuple(now.shape)}")
    return -(now * net.activation(before)).sum(-1) - before @ net.bias


def doubled(net: Hopfield) -> Hopfield:
    r"""The network of 2 d units in which two copies of the units hear only each other.

    .. math:: \begin{pmatrix} 0 & W \\ W & 0 \end{pmatrix}, \qquad \begin{pmatrix} b \\ b \end{pmatrix}

    Updating its first half and then its second, one unit at a time, is two synchronous steps of the network, and its
    energy at :math:`(x_t, x_{t-1})` is :math:`\mathcal L_t` of :func:`gmlib.energy.synchronous.two_step_energy`: the
    argument for single updates, used once more.

    Args:
        net: the network, of d units.

    Returns:
        A network of 2 d units.

    Raises:
        TypeError: ``net`` is no Hopfield network.

    Example:
        >>> import torch
        >>> from gmlib.energy import Hopfield, doubled
        >>> doubled(Hopfield(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))).d
        4
    """
    check_net(net)
    zero = torch.zeros_like(net.weights)
    weights = torch.cat((torch.cat((zero, net.weights), 1), torch.cat((net.weights, zero), 1)))
    return Hopfield(weights, torch.cat((net.bias, net.bias)))
