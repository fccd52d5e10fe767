r"""Restoring a black-white picture whose pixels were flipped: the Ising model as prior, the noise as evidence."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_number
from gmlib.energy._lattice import check_lattice
from gmlib.energy._spins import check_spins
from gmlib.energy.ising import lattice_sweep, neighbour_sum

STARTS = ("noisy", "random")
"""Where chains begin: at the noisy picture, or at fair coins."""


def evidence(noisy: Float[Tensor, "*batch height width"], flip: float) -> Tensor:
    r"""What a pixel seen says of the pixel meant, as a field on the Ising model.

    .. math:: f_i = \tfrac12 \log\frac{1 - \rho}{\rho}\; y_i, \qquad p(x \mid y) \propto \exp\Big(\beta
              \sum_{\langle ij \rangle} x_i x_j + \sum_i f_i x_i\Big)

    (:eq:`eq-06b-denoising` in the book.) :math:`\rho` is the probability that a pixel was flipped.

    Args:
        noisy: y, pixels of ±1, (\*batch, height, width).
        flip: :math:`\rho`, in (0, 1); below 1/2 the evidence pulls towards what is seen.

    Returns:
        The field f, the shape of ``noisy``.

    Raises:
        TypeError: ``noisy`` is not a floating tensor, or ``flip`` not a number.
        ValueError: ``noisy`` is no lattice of ±1, or ``flip`` is out of range.

    Example:
        >>> import torch
        >>> from gmlib.energy import evidence
        >>> round(evidence(torch.ones(1, 1), 0.1).item(), 4)  # log 3
        1.0986
    """
    check_lattice("noisy", noisy, periodic=False)
    check_spins("noisy", noisy)
    check_number("flip", flip, low=0.0, high=1.0, low_open=True, high_open=True)
    return 0.5 * math.log((1 - flip) / flip) * noisy


@torch.no_grad()
def denoise_marginals(
    noisy: Float[Tensor, "*batch height width"],
    *,
    inv_temp: float,
    flip: float,
    chains: int = 4,
    burn_in: int = 20,
    sweeps: int = 30,
    start: str = "noisy",
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*batch height width"]:
    r"""The probability that each pixel was black (+1), given the noisy picture, by Gibbs sampling.

    .. math:: P(x_i = +1 \mid y) \approx \frac{1}{S} \sum_s \operatorname{sigmoid}\Big(2 \beta \sum_{j \sim i} x_j^{(s)}
              + 2 f_i\Big)

    The mean of conditional probabilities over all chains and sweeps, not of the pixels drawn: its variance is smaller for
    the same chain (Rao and Blackwell). The sign of ``2 p - 1`` is the estimate with the least expected number of
    wrong pixels *under the model*.

    Args:
        noisy: y, pixels of ±1, (\*batch, height, width), with a free boundary.
        inv_temp: the coupling :math:`\beta \ge 0`.
        flip: the probability :math:`\rho` of a flip, in (0, 1).
        chains: chains for each picture.
        burn_in: sweeps before the average.
        sweeps: sweeps in the average.
        start: "noisy" or "random".
        generator: source of the noise, on the device of ``noisy``; None is torch's default.

    Returns:
        Probabilities, the shape of ``noisy``.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: ``noisy`` is no lattice of ±1, or a setting is out of range.

    References:
        S. Geman and D. Geman, *Stochastic relaxation, Gibbs distributions, and the Bayesian restoration of images*, IEEE
        Trans. PAMI, 1984.

    Example:
        >>> import torch
        >>> from gmlib.energy import denoise_marginals
        >>> noisy = torch.ones(7, 7)
        >>> noisy[3, 3] = -1  # a hole in a black square
        >>> p = denoise_marginals(noisy, inv_temp=0.7, flip=0.1, generator=torch.Generator().manual_seed(0))
        >>> bool(p[3, 3] > 0.9)
        True
    """
    field = evidence(noisy, flip)
    check_number("inv_temp", inv_temp, low=0.0)
    check_count("chains", chains)
    check_count("burn_in", burn_in, low=0)
    check_count("sweeps", sweeps)
    check_choice("start", start, STARTS)
    x = noisy.expand(chains, *noisy.shape).clone()
    u = torch.empty_like(x)
    if start == "random":
        x = torch.where(u.uniform_(generator=generator) < 0.5, 1.0, -1.0).to(x)
    sweep = lattice_sweep(x, inv_temp, field, periodic=False)
    total = torch.zeros_like(x)
    for step in range(burn_in + sweeps):
        x = sweep(x, u.uniform_(generator=generator))
        if step >= burn_in:
            total += torch.sigmoid(2 * inv_temp * neighbour_sum(x, periodic=False) + 2 * field)
    return total.mean(0) / sweeps


@torch.no_grad()
def denoise_mode(
    noisy: Float[Tensor, "*batch height width"],
    *,
    inv_temp: float,
    flip: float,
    sweeps: int = 20,
    anneal: int = 0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*batch height width"]:
    r"""A picture of high posterior probability: pixels take the sign of their logit until none wants to change.

    .. math:: x_i \leftarrow \operatorname{sgn}\Big(\beta \sum_{j \sim i} x_j + f_i\Big)

    Iterated conditional modes, from the noisy picture: Hopfield's update with a field, which ends in the nearest valley.
    With ``anneal`` it starts with Gibbs sweeps whose inverse temperature grows from 0.2 to 5 times that of the posterior.

    Args:
        noisy: y, pixels of ±1, (\*batch, height, width), with a free boundary.
        inv_temp: the coupling :math:`\beta \ge 0`.
        flip: the probability :math:`\rho` of a flip, in (0, 1).
        sweeps: sweeps of both colours.
        anneal: Gibbs sweeps before, while the temperature falls; 0 for none.
        generator: source of their noise, on the device of ``noisy``; None is torch's default.

    Returns:
        Pixels of ±1, the shape of ``noisy``.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: ``noisy`` is no lattice of ±1, or a setting is out of range.

    References:
        J. Besag, *On the statistical analysis of dirty pictures*, J. R. Statist. Soc. B, 1986.

    Example:
        >>> import torch
        >>> from gmlib.energy import denoise_mode
        >>> noisy = torch.ones(7, 7)
        >>> noisy[3, 3] = -1
        >>> bool((denoise_mode(noisy, inv_temp=0.7, flip=0.1) == 1).all())
        True
    """
    field = evidence(noisy, flip)
    check_count("sweeps", sweeps)
    check_count("anneal", anneal, low=0)
    check_number("inv_temp", inv_temp, low=0.0)
    x, u = noisy, torch.empty_like(noisy)
    for beta in torch.logspace(math.log10(0.2), math.log10(5), anneal).tolist():
        x = lattice_sweep(x, beta * inv_temp, beta * field, periodic=False)(
            x, u.uniform_(generator=generator)
        )
    # A uniform of 1/2 is below the probability of +1 where the logit is positive: the mode, -1 at a tie.
    sweep, half = lattice_sweep(x, inv_temp, field, periodic=False), torch.full_like(x, 0.5)
    for _ in range(sweeps):
        x = sweep(x, half)
    return x
