r"""The Gibbs chain of a Boltzmann machine: drawn, and as an exact transition matrix."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_event, check_number, check_table
from gmlib.energy._spins import check_like, check_spins
from gmlib.energy.boltzmann import BoltzmannMachine
from gmlib.energy.gibbs import SCANS, gibbs_chain
from gmlib.energy.states import all_states

MAX_MATRIX_UNITS = 12
"""More units than this get no transition matrix: at 12 it has 16.8 million entries."""


def boltzmann_gibbs(
    machine: BoltzmannMachine,
    x: Float[Tensor, "*batch n"],
    sweeps: int,
    *,
    inv_temp: float | None = None,
    scan: str = "systematic",
    noise: Float[Tensor, "sweeps *batch n"] | None = None,
    generator: torch.Generator | None = None,
    trace: bool = False,
) -> Float[Tensor, "*shape n"]:
    r"""Gibbs chains of a Boltzmann machine: unit i becomes +1 where :math:`u < \operatorname{sigmoid}(2 \beta a_i)`.

    As :math:`\beta` grows the draw becomes the sign of the activation, Hopfield's asynchronous update.

    Args:
        machine: the machine.
        x: the start, states of ±1, (\*batch, n).
        sweeps: sweeps of n steps each.
        inv_temp: the inverse temperature :math:`\beta > 0`; that of the machine if None.
        scan: "systematic" or "random".
        noise: uniforms u in [0, 1), (sweeps, \*batch, n); drawn if None.
        generator: source of the noise, on the device of ``x``; None is torch's default.
        trace: return the state after every sweep, the start included.

    Returns:
        The states after the last sweep, (\*batch, n), or all of them, (sweeps + 1, \*batch, n).

    Raises:
        TypeError: ``machine`` is none, a tensor or a number is not one, or ``x`` has another dtype than the weights.
        ValueError: a shape does not fit, a start is not ±1, or a number or ``scan`` is out of range.

    Example:
        >>> import torch
        >>> from gmlib.energy import BoltzmannMachine, boltzmann_gibbs
        >>> machine = BoltzmannMachine(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        >>> x = boltzmann_gibbs(machine, torch.ones(10_000, 2), 20, generator=torch.Generator().manual_seed(0))
        >>> bool((x.prod(-1).mean() - machine.moments().correlation[0, 1]).abs() < 0.03)
        True
    """
    beta = _check(machine, inv_temp, scan)
    check_event("x", x, (machine.n,))
    check_like("x", x, machine.weights, "the weights")
    check_spins("x", x)
    doubled, shift = 2 * beta * machine.weights.detach(), 2 * beta * machine.bias.detach()

    def conditional(state: Tensor, i: int | Tensor, u: Tensor) -> Tensor:
        row = doubled[i]
        logit = (state @ row if row.dim() == 1 else (state * row).sum(-1)) + shift[i]
        return torch.where(u < torch.sigmoid(logit), 1.0, -1.0).to(state)

    return gibbs_chain(conditional, x, sweeps, scan=scan, noise=noise, generator=generator, trace=trace)


@torch.no_grad()
def sweep_matrix(
    machine: BoltzmannMachine, *, inv_temp: float | None = None, scan: str = "systematic"
) -> Float[Tensor, "states states"]:
    r"""The exact transition matrix T of the chain, over the states of :func:`gmlib.energy.states.all_states`.

    .. math:: T = T_1 T_2 \cdots T_n \quad \text{(systematic)}, \qquad T = \Big(\frac1n \sum_i T_i\Big)^n \quad
              \text{(random)}, \qquad p\, T = p

    :math:`T_i` redraws unit i. Rows are where the sweep starts, columns where it ends; a law is a row vector.

    Args:
        machine: a machine of at most ``MAX_MATRIX_UNITS`` units.
        inv_temp: the inverse temperature :math:`\beta > 0`; that of the machine if None.
        scan: "systematic" or "random".

    Returns:
        T, (2^n, 2^n), rows that sum to one.

    Raises:
        TypeError: ``machine`` is none, or ``inv_temp`` is not a number.
        ValueError: the units are too many, or ``inv_temp`` or ``scan`` is out of range.

    Example:
        >>> import torch
        >>> from gmlib.energy import BoltzmannMachine, sweep_matrix
        >>> machine = BoltzmannMachine(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        >>> p = machine.probabilities()
        >>> torch.allclose(p @ sweep_matrix(machine), p)
        True
    """
    beta = _check(machine, inv_temp, scan)
    n = machine.n
    if n > MAX_MATRIX_UNITS:
        raise ValueError(
            f"machine must have at most {MAX_MATRIX_UNITS} units for a transition matrix, got {n}"
        )
    x = all_states(n, dtype=machine.weights.dtype, device=machine.weights.device)
    up = torch.sigmoid(2 * beta * machine.activation(x))
    row = torch.arange(2**n, device=x.device)

    def redraw(
        law: Tensor, i: int
    ) -> Tensor:  # law T_i: the pair of states that differ in unit i shares its mass
        bit = 1 << (n - 1 - i)
        mass = law + law[:, row ^ bit]
        return mass * torch.where(x[:, i] > 0, up[:, i], 1 - up[:, i])

    matrix = torch.eye(2**n, dtype=x.dtype, device=x.device)
    for _ in range(n if scan == "random" else 1):
        if scan == "random":
            matrix = sum((redraw(matrix, i) for i in range(1, n)), redraw(matrix, 0)) / n
        else:
            for i in range(n):
                matrix = redraw(matrix, i)
    return matrix


def second_modulus(matrix: Float[Tensor, "states states"]) -> float:
    r"""The second largest modulus :math:`|\lambda_2|` of a transition matrix's eigenvalues: the rate of forgetting.

    Args:
        matrix: T, (N, N) with N >= 2, rows that sum to one.

    Returns:
        A number in [0, 1].

    Raises:
        TypeError: ``matrix`` is not a floating tensor.
        ValueError: it is not square, has fewer than two rows, or its rows do not sum to one.

    Example:
        >>> import torch
        >>> from gmlib.energy import second_modulus
        >>> round(second_modulus(torch.tensor([[0.9, 0.1], [0.2, 0.8]])), 6)
        0.7
    """
    check_table("matrix", matrix)
    if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise ValueError(f"matrix must have shape (N, N) with N >= 2, got shape {tuple(matrix.shape)}")
    return torch.linalg.eigvals(matrix).abs().sort().values[-2].item()


def _check(machine: BoltzmannMachine, inv_temp: float | None, scan: str) -> float:
    if not isinstance(machine, BoltzmannMachine):
        raise TypeError(f"machine must be a BoltzmannMachine, got {type(machine).__name__}")
    check_choice("scan", scan, SCANS)
    if inv_temp is None:
        return machine.inv_temp
    check_number("inv_temp", inv_temp, low=0.0, low_open=True)
    return inv_temp
