r"""The Ising model on a square lattice: energies, and Gibbs sampling of half of the sites at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_number, check_tensor
from gmlib.energy._lattice import check_inv_temp, check_lattice
from gmlib.energy._spins import check_like, check_spins


def neighbour_sum(x: Float[Tensor, "*batch height width"], *, periodic: bool = True) -> Tensor:
    r"""The sum of the four neighbours of every site.

    Args:
        x: spins, (\*batch, height, width).
        periodic: the lattice closes upon itself; otherwise sites at the edge have fewer neighbours.

    Returns:
        Sums, the shape of ``x``.

    Raises:
        TypeError: ``x`` is not a floating tensor.
        ValueError: ``x`` is no lattice.

    Example:
        >>> import torch
        >>> from gmlib.energy import neighbour_sum
        >>> neighbour_sum(torch.ones(2, 3), periodic=False).tolist()
        [[2.0, 3.0, 2.0], [2.0, 3.0, 2.0]]
    """
    check_lattice("x", x, periodic=False)
    return _neighbours(x, periodic)


def ising_energy(
    x: Float[Tensor, "*batch height width"], *, periodic: bool = True
) -> Float[Tensor, "*batch"]:
    r"""The energy of a lattice with coupling 1 and without a field.

    .. math:: E(x) = -\sum_{\langle ij \rangle} x_i x_j, \qquad p(x) \propto e^{-\beta E(x)}

    (:eq:`eq-06b-ising` in the book.) The sum counts every pair of neighbours once.

    Args:
        x: spins of ±1, (\*batch, height, width).
        periodic: the lattice closes upon itself.

    Returns:
        Energies, (\*batch,).

    Raises:
        TypeError: ``x`` is not a floating tensor.
        ValueError: ``x`` is no lattice; a periodic one has at least three sites a side, or neighbours would count twice.

    Example:
        >>> import torch
        >>> from gmlib.energy import ising_energy
        >>> ising_energy(torch.ones(8, 8)).item(), ising_energy(torch.ones(8, 8), periodic=False).item()
        (-128.0, -112.0)
    """
    check_lattice("x", x, periodic=periodic, parity=False)
    return -(x * _neighbours(x, periodic)).sum((-2, -1)) / 2


def lattice_weights(height: int, width: int, *, periodic: bool = False) -> Float[Tensor, "sites sites"]:
    r"""The lattice as a weight matrix: 1 for neighbours, else 0, for :class:`gmlib.energy.boltzmann.BoltzmannMachine`.

    Args:
        height: rows.
        width: columns.
        periodic: the lattice closes upon itself.

    Returns:
        W, (height * width, height * width), float64, sites row by row.

    Raises:
        TypeError: a side is no int.
        ValueError: a side is below 1, or below 3 with a periodic boundary.

    Example:
        >>> from gmlib.energy import lattice_weights
        >>> int(lattice_weights(3, 3).sum()) // 2  # pairs of neighbours
        12
    """
    check_count("height", height)
    check_count("width", width)
    n = height * width
    sites = torch.eye(n, dtype=torch.float64).reshape(n, height, width)
    check_lattice("the lattice", sites, periodic=periodic, parity=False)
    return _neighbours(sites, periodic).reshape(n, n)


def ising_gibbs(
    x: Float[Tensor, "*batch height width"],
    sweeps: int,
    *,
    inv_temp: float | Float[Tensor, "*chains"],
    field: Float[Tensor, "*shape"] | None = None,
    periodic: bool = True,
    noise: Float[Tensor, "sweeps *batch height width"] | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*batch height width"]:
    r"""Gibbs sweeps over a lattice as over a chessboard: first all black sites at once, then all white ones.

    .. math:: p(x) \propto \exp\Big(\beta \sum_{\langle ij \rangle} x_i x_j + \sum_i f_i x_i\Big), \qquad
              P(x_i = +1 \mid x_{-i}) = \operatorname{sigmoid}\Big(2 \beta \sum_{j \sim i} x_j + 2 f_i\Big)

    (:eq:`eq-06b-ising` in the book.) The neighbours of a black site are white, so given the white sites the black ones are
    independent. Any number of lattices run side by side, each at its own inverse temperature if so wished.

    Args:
        x: the start, spins of ±1, (\*batch, height, width).
        sweeps: sweeps of both colours; 0 returns the start.
        inv_temp: the inverse temperature :math:`\beta \ge 0`, one number or a tensor that broadcasts to the batch.
        field: f, not multiplied by :math:`\beta`, a tensor that broadcasts to ``x``; none if None.
        periodic: the lattice closes upon itself; its sides must then be even (and at least 4).
        noise: uniforms in [0, 1), (sweeps, \*batch, height, width), one a site and sweep; drawn if None.
        generator: source of the noise, on the device of ``x``; None is torch's default.

    Returns:
        The spins after the last sweep, (\*batch, height, width).

    Raises:
        TypeError: a tensor or a number is not one.
        ValueError: a shape does not fit, a spin is not ±1, or a number is out of range.

    Example:
        >>> import torch
        >>> from gmlib.energy import ising_gibbs
        >>> hot, cold = torch.ones(2, 32, 32), torch.tensor([0.0, 1.0])
        >>> x = ising_gibbs(hot, 20, inv_temp=cold, generator=torch.Generator().manual_seed(0))
        >>> bool(x[0].mean().abs() < 0.2), bool(x[1].mean() > 0.99)
        (True, True)
    """
    step = lattice_sweep(x, inv_temp, field, periodic=periodic)
    check_spins("x", x)
    check_count("sweeps", sweeps, low=0)
    if noise is not None:
        check_tensor("noise", noise)
        if tuple(noise.shape) != (sweeps, *x.shape):
            raise ValueError(f"noise must have shape {(sweeps, *x.shape)}, got shape {tuple(noise.shape)}")
        check_like("noise", noise, x, "x")
    state, uniforms = x.detach(), torch.empty_like(x)
    with torch.no_grad():
        for sweep in range(sweeps):
            u = uniforms.uniform_(generator=generator) if noise is None else noise[sweep]
            state = step(state, u)
    return state.clone() if sweeps == 0 else state


def lattice_sweep(
    x: Tensor,
    inv_temp: float | Tensor,
    field: Tensor | None = None,
    *,
    periodic: bool = True,
) -> Callable[[Tensor, Tensor], Tensor]:
    r"""One sweep, as a function of spins and uniforms: what :func:`gmlib.energy.ising.ising_gibbs` repeats.

    Args:
        x: an example of the spins, for shape, dtype and device.
        inv_temp: the inverse temperature, a number or a tensor that broadcasts to the batch.
        field: the field, a tensor that broadcasts to ``x``, or None.
        periodic: the lattice closes upon itself.

    Returns:
        The function.

    Raises:
        TypeError: a tensor or a number is not one.
        ValueError: a shape does not fit, or a number is out of range.

    Example:
        >>> import torch
        >>> from gmlib.energy import lattice_sweep
        >>> x = torch.ones(4, 4)
        >>> lattice_sweep(x, 0.4)(x, torch.zeros(4, 4)).mean().item()  # u = 0 is always below the probability
        1.0
    """
    check_lattice("x", x, periodic=periodic)
    if isinstance(inv_temp, Tensor):
        check_inv_temp(inv_temp)
        _check_broadcast("inv_temp", inv_temp, tuple(x.shape[:-2]))
        doubled = 2 * inv_temp.to(x)[..., None, None]
    else:
        check_number("inv_temp", inv_temp, low=0.0)
        doubled = x.new_tensor(2 * inv_temp)
    shift = None
    if field is not None:
        check_tensor("field", field)
        _check_broadcast("field", field, tuple(x.shape))
        check_finite("field", field)
        shift = 2 * field.to(x)
    row, column = (torch.arange(side, device=x.device) for side in x.shape[-2:])
    black = ((row[:, None] + column) % 2 == 0).to(x)
    one = x.new_ones(())

    def sweep(state: Tensor, u: Tensor) -> Tensor:
        for colour in (black, 1 - black):
            logit = doubled * _neighbours(state, periodic)
            if shift is not None:
                logit = logit + shift
            # +1 where u < p, without a branch; lerp at weight 0 or 1 is exact, and several times faster than where.
            state = torch.lerp(state, -torch.copysign(one, u - torch.sigmoid(logit)), colour)
        return state

    return sweep


def _check_broadcast(name: str, value: Tensor, shape: tuple[int, ...]) -> None:
    fits = value.dim() <= len(shape) and all(
        v in (1, s) for v, s in zip(reversed(value.shape), reversed(shape), strict=False)
    )
    if not fits:
        raise ValueError(f"{name} must broadcast to shape {shape}, got shape {tuple(value.shape)}")


def _neighbours(x: Tensor, periodic: bool) -> Tensor:
    up, down, left, right = x[..., :1, :], x[..., -1:, :], x[..., :1], x[..., -1:]
    if not periodic:
        up, down, left, right = (torch.zeros_like(edge) for edge in (up, down, left, right))
    tall, wide = torch.cat((down, x, up), -2), torch.cat((right, x, left), -1)
    return tall[..., :-2, :] + tall[..., 2:, :] + wide[..., :-2] + wide[..., 2:]
