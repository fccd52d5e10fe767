r"""The transition of the Ising model, measured: magnetisation and energy over a range of temperatures in one batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.energy._lattice import check_inv_temp
from gmlib.energy.ising import ising_energy, lattice_sweep


@dataclass(frozen=True)
class IsingRun:
    r"""Time averages of independent chains at several temperatures.

    Attributes:
        inv_temp: :math:`\beta`, (T,).
        magnetisation: time average of :math:`|m|`, m the mean spin, per temperature and chain, (T, chains).
        energy: time average of the energy per site, (T, chains).
        states: spins at the end, one lattice per temperature, (T, side, side).
        sweeps: sweeps in an average.

    Example:
        >>> import torch
        >>> from gmlib.energy import ising_transition
        >>> run = ising_transition(8, torch.tensor([0.2, 1.0]), chains=4, burn_in=20, sweeps=20,
        ...                        generator=torch.Generator().manual_seed(0))
        >>> run.mean_magnetisation.shape, bool(run.mean_magnetisation[1] > 0.99)
        (torch.Size([2]), True)
    """

    inv_temp: Tensor
    magnetisation: Tensor
    energy: Tensor
    states: Tensor
    sweeps: int

    @property
    def mean_magnetisation(self) -> Tensor:
        r"""Mean of :math:`|m|` over the chains, (T,)."""
        return self.magnetisation.mean(-1)

    @property
    def mean_energy(self) -> Tensor:
        """Mean energy per site over the chains, (T,)."""
        return self.energy.mean(-1)

    @property
    def magnetisation_error(self) -> Tensor:
        """Its standard error, from the spread of the chains, (T,)."""
        return self.magnetisation.std(-1) / self.magnetisation.shape[-1] ** 0.5

    @property
    def energy_error(self) -> Tensor:
        """Its standard error, from the spread of the chains, (T,)."""
        return self.energy.std(-1) / self.energy.shape[-1] ** 0.5


@torch.no_grad()
def ising_transition(
    side: int,
    inv_temps: Float[Tensor, " T"],
    *,
    chains: int = 8,
    burn_in: int = 400,
    sweeps: int = 600,
    generator: torch.Generator | None = None,
) -> IsingRun:
    r"""Run chains on a periodic lattice from all spins up, at all temperatures at once, and average.

    Close to :math:`\beta_c` a chain forgets in a time that grows like the square of the side or faster, so there a short
    burn-in leaves too large a magnetisation. Chains are independent: the spread between them is the error bar.

    Args:
        side: sites a side, even, at least 4.
        inv_temps: inverse temperatures :math:`\beta \ge 0`, (T,); their device and dtype are those of the run.
        chains: chains for each temperature, at least 2.
        burn_in: sweeps before the average.
        sweeps: sweeps in the average.
        generator: source of the noise, on the device of ``inv_temps``; None is torch's default.

    Returns:
        Averages per temperature and chain, and a lattice of each temperature.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: one is out of range.

    Example:
        >>> import torch
        >>> from gmlib.energy import ising_transition, torus_energy
        >>> run = ising_transition(8, torch.tensor([0.3]), chains=64, burn_in=50, sweeps=50,
        ...                        generator=torch.Generator().manual_seed(0))
        >>> truth = torus_energy(8, 8, run.inv_temp.double())
        >>> bool((run.mean_energy - truth).abs() < 5 * run.energy_error)
        True
    """
    check_count("side", side, low=4)
    if side % 2:
        raise ValueError(f"side must be even, got {side}")
    check_inv_temp(inv_temps, "inv_temps")
    if inv_temps.dim() != 1:
        raise ValueError(f"inv_temps must have shape (T,), got shape {tuple(inv_temps.shape)}")
    check_count("chains", chains, low=2)
    check_count("burn_in", burn_in, low=0)
    check_count("sweeps", sweeps)
    x = inv_temps.new_ones(len(inv_temps), chains, side, side)
    sweep = lattice_sweep(x, inv_temps[:, None])
    u = torch.empty_like(x)
    magnetisation, energy = (
        inv_temps.new_zeros(len(inv_temps), chains),
        inv_temps.new_zeros(len(inv_temps), chains),
    )
    for step in range(burn_in + sweeps):
        x = sweep(x, u.uniform_(generator=generator))
        if step >= burn_in:
            magnetisation += x.mean((-2, -1)).abs()
            energy += ising_energy(x) / side**2
    return IsingRun(inv_temps.clone(), magnetisation / sweeps, energy / sweeps, x[:, 0].clone(), sweeps)
