r"""Recall: a Hopfield network runs downhill from a cue, one unit at a time or all at once, for a whole batch of cues."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_event
from gmlib.energy._nets import check_net
from gmlib.energy._spins import check_known, check_like, check_spins
from gmlib.energy.hopfield import TIES, Hopfield, follow

BLOCK = 64
"""Units whose activations one matrix product computes."""


class Recall(NamedTuple):
    r"""Where recall ended, :math:`x_{t+p} = x_t`, and how.

    Args:
        state: the states, (\*batch, d); of two that alternate, the one reached first.
        energy: their energies, (\*batch).
        sweeps: the sweeps that changed something (in synchronous mode: before the first state of the cycle), (\*batch).
        settled: whether the state is a fixed point, (\*batch).
        period: 1 for a fixed point, 2 for two states that alternate, 0 when more sweeps would have been needed, (\*batch).
        trace: the energies at the start and after every update, (updates + 1, \*batch), if asked for.

    Example:
        >>> import torch
        >>> from gmlib.energy import Hopfield, recall
        >>> swap = Hopfield(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        >>> recall(swap, torch.tensor([1.0, -1.0]), mode="synchronous").period.item()
        2
    """

    state: Tensor
    energy: Tensor
    sweeps: Tensor
    settled: Tensor
    period: Tensor
    trace: Tensor | None = None


def recall(
    net: Hopfield,
    x: Float[Tensor, "*batch d"],
    *,
    mode: str = "asynchronous",
    order: str = "random",
    sweeps: int = 100,
    tie: str = "up",
    known: Bool[Tensor, "*batch d"] | Bool[Tensor, " d"] | None = None,
    generator: torch.Generator | None = None,
    trace: bool = False,
    stop_early: bool = True,
) -> Recall:
    r"""Update the units of each state until nothing changes.

    .. math:: x_i \leftarrow \operatorname{sgn}\Big(\sum_j w_{ij} x_j + b_i\Big)

    (:eq:`eq-06-update` in the book.) Asynchronously, each unit sees the latest values of all others; a sweep updates
    every unit once, and the energy never rises. The result is that of a plain loop over the units. It is computed in
    blocks: one matrix product gives the activations of ``BLOCK`` units, and a flip inside the block corrects those that
    follow. Synchronously, all units change at once from the same state, and two states may alternate for ever.

    Args:
        net: the network, of d units.
        x: cues, (\*batch, d), entries +1 and -1.
        mode: "asynchronous" or "synchronous".
        order: of the units in an asynchronous sweep: "random", a new permutation for each sweep, shared by the batch,
            or "fixed", from the first to the last.
        sweeps: at most that many sweeps (of d updates each).
        tie: what a unit with activation 0 does: "up", it becomes +1, or "keep", it stays.
        known: units that stay as they are, boolean, (\*batch, d) or (d,) for all states alike; a state is then settled
            when no other unit would change. None: no unit is held.
        generator: source of the permutations; None for torch's default generator.
        trace: return the energy after every single update (after every step, in synchronous mode): for small problems.
        stop_early: look after each sweep which states still change, and go on with those only; it changes no result.
            Without it all sweeps are done, and (with a ``generator`` on the device) nothing waits for the device
            between them.

    Returns:
        The states reached, their energies, and how they were reached.

    Raises:
        TypeError: ``net`` is no Hopfield network, ``sweeps`` no integer, ``x`` has another dtype than the weights, or
            ``known`` is no boolean tensor.
        ValueError: ``x`` does not end in d units, has an entry other than +1 and -1 or is elsewhere, ``known`` does not
            fit ``x``, ``sweeps`` is below 1, or a name is unknown.

    Example:
        >>> from gmlib.data import four_letters
        >>> from gmlib.energy import Hopfield, hebb, recall
        >>> letters = four_letters()
        >>> net, cue = Hopfield(hebb(letters)), letters[0].clone()
        >>> cue[[3, 12]] *= -1
        >>> found = recall(net, cue, order="fixed", trace=True)
        >>> bool((found.state == letters[0]).all()), bool((found.trace.diff() <= 0).all())
        (True, True)
    """
    check_net(net)
    check_choice("mode", mode, ("asynchronous", "synchronous"))
    check_choice("order", order, ("random", "fixed"))
    check_choice("tie", tie, TIES)
    check_count("sweeps", sweeps)
    check_event("x", x, (net.d,))
    check_like("x", x, net.weights, "the weights")
    check_spins("x", x)
    if known is not None:
        check_known(known, x)
    rows = x.reshape(-1, net.d)
    held = None if known is None else known.expand(x.shape).reshape(-1, net.d)
    with torch.no_grad():
        if mode == "synchronous":
            state, count, period, energies = _synchronous(net, rows, held, sweeps, tie, trace, stop_early)
        else:
            orders = _Orders(net, order, generator)
            state, count, period, energies = _asynchronous(
                net, rows, held, sweeps, tie, orders, trace, stop_early
            )
        state = state.reshape(x.shape)
        batch = x.shape[:-1]
        path = None if energies is None else energies.reshape(len(energies), *batch)
        period = period.reshape(batch)
        return Recall(state, net.energy(state), count.reshape(batch), period == 1, period, path)


class _Orders:
    """The order of the units, anew for each sweep."""

    def __init__(self, net: Hopfield, order: str, generator: torch.Generator | None) -> None:
        self.d, self.device, self.generator = net.d, net.weights.device, generator
        self.source = self.device if generator is None else generator.device
        self.fixed = torch.arange(net.d, device=self.device) if order == "fixed" else None

    def __call__(self) -> Tensor:
        if self.fixed is not None:
            return self.fixed
        return torch.randperm(self.d, generator=self.generator, device=self.source).to(self.device)


def _asynchronous(
    net: Hopfield,
    rows: Tensor,
    held: Tensor | None,
    sweeps: int,
    tie: str,
    orders: _Orders,
    trace: bool,
    stop_early: bool,
) -> tuple[Tensor, Int[Tensor, "n"], Int[Tensor, "n"], Tensor | None]:
    final = rows.T.clone(memory_format=torch.contiguous_format)  # (d, n): the values of one unit lie together
    count = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
    x, at = final, None  # the states that still change, and their places in final (None: all of them)
    energies = [net.energy(rows)[None]] if trace else []
    bias = net.bias[:, None] + 0.0  # turns -0.0 into 0.0
    if held is not None:  # a bias that all others together do not outweigh holds a unit
        reach = 1 + 2 * net.weights.abs().sum(1, keepdim=True)
        bias = torch.where(held.T, final * reach, bias)
    for _ in range(sweeps):
        changed = torch.zeros(x.shape[1], dtype=torch.bool, device=x.device)
        for units in orders().split(BLOCK):
            old, weights = x[units], net.weights[units]
            activation = torch.addmm(bias[units], weights, x)
            _correct(activation, old, weights[:, units], tie)
            new = follow(activation, old if tie == "keep" else None)
            x[units] = new
            changed |= (new != old).any(0)
            if trace:
                energies.append(energies[-1][-1] + ((old - new) * activation).cumsum(0))
        if at is None:
            count += changed
        else:
            count[at] += changed
        if not stop_early:
            continue
        if trace:  # the columns stay together
            if not bool(changed.any()):
                break
            continue
        keep = changed.nonzero().squeeze(1)
        if len(keep) < x.shape[1]:
            if at is not None:
                final[:, at] = x
            at = keep if at is None else at[keep]
            x = final[:, at]
            if held is not None:
                bias, held = bias[:, keep], held[keep]
            if len(keep) == 0:
                break
    fixed = _settled(net, x.T, held, tie).long()
    period = torch.ones_like(count)  # those that dropped out had settled
    if at is None:
        period = fixed
    else:
        final[:, at], period[at] = x, fixed
    return final.T.contiguous(), count, period, torch.cat(energies) if trace else None


def _correct(activation: Tensor, old: Tensor, weights: Tensor, tie: str) -> None:
    """Turn activations of a block before it is updated into those that each unit sees at its turn, in place."""
    one = activation.new_ones(())
    # copysign is follow in a single operation: no activation is -0.0, for sums that begin at +0.0 never are.
    rows, olds, columns = activation.unbind(0), old.unbind(0), weights.unbind(0)
    for j in range(len(old) - 1):
        new = torch.copysign(one, rows[j]) if tie == "up" else follow(rows[j], olds[j])
        activation[j + 1 :].addr_(columns[j][j + 1 :], new - olds[j])


def _synchronous(
    net: Hopfield, rows: Tensor, held: Tensor | None, sweeps: int, tie: str, trace: bool, stop_early: bool
) -> tuple[Tensor, Int[Tensor, "n"], Int[Tensor, "n"], Tensor | None]:
    now, before = rows, rows
    state = rows
    period = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
    count = torch.zeros_like(period)
    energies = [net.energy(rows)[None]] if trace else []
    for t in range(sweeps + 1):  # the last one only looks
        after = net.updated(now, tie=tie)
        if held is not None:
            after = torch.where(held, now, after)
        running = period == 0
        one = running & (after == now).all(-1)
        two = running & ~one & (after == before).all(-1) & (t > 0)
        state = _choose(running, torch.where(two[:, None], before, now), state)
        count = torch.where(running, t - two.long(), count)
        period = period + one + 2 * two
        if t == sweeps or (stop_early and bool((period > 0).all())):
            break
        before, now = now, after
        if trace:
            energies.append(net.energy(now)[None])
    return state, count, period, torch.cat(energies) if trace else None


def _settled(net: Hopfield, x: Tensor, held: Tensor | None, tie: str) -> Tensor:
    stays = net.updated(x, tie=tie) == x
    return (stays if held is None else stays | held).all(-1)


def _choose(chosen: Bool[Tensor, "n"], new: Tensor, old: Tensor) -> Tensor:
    return torch.where(chosen[:, None], new, old)
