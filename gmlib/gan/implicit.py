r"""What law a sampler has: its density by differentiating its distribution function, and the sheet that it lies on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gmlib._checks import check_callable, check_count, check_finite, check_number, check_tensor
from gmlib.gan._points import check_matrix

Sampler = Callable[[Tensor], Tensor]
BISECTIONS = 60


def implicit_cdf(
    generator: Sampler, x: Float[Tensor, "*batch"], *, reach: float = 10.0, cells: int = 4096
) -> Float[Tensor, "*batch"]:
    r"""Distribution function of :math:`x = G(z)` for one latent :math:`z \sim \mathcal N(0, 1)` and one output.

    .. math:: F(x) = \int_{G(z) \le x} \mathcal N(z; 0, 1)\, \mathrm dz

    The set under x is found on a grid of z, and each of its ends by bisection, so that the result is exact to rounding if G
    is continuous and crosses x at most once in a cell.

    Args:
        generator: G, maps (n, 1) to (n, 1).
        x: where, (\*batch,).
        reach: the grid goes from -reach to reach; beyond it the set is continued by its last state.
        cells: cells of the grid.

    Returns:
        (\*batch,), from 0 to 1.

    Raises:
        TypeError: ``generator`` cannot be called, or a tensor is not floating.
        ValueError: a number is out of range, ``x`` is not finite, or ``generator(z)`` has another shape than z.

    Example:
        >>> import torch
        >>> from gmlib.gan import implicit_cdf
        >>> implicit_cdf(lambda z: z * z, torch.tensor([1.0]))  # a chi-squared law: two ends
        tensor([0.6827])
    """
    _check(generator, x)
    check_number("reach", reach, low=0.0, low_open=True)
    check_count("cells", cells)
    z = torch.linspace(-reach, reach, cells + 1, dtype=x.dtype, device=x.device)
    under = _outputs(generator, z) <= x.reshape(-1, 1)
    which, cell = (under[:, :-1] != under[:, 1:]).nonzero(as_tuple=True)
    low, high, level = z[cell], z[cell + 1], x.reshape(-1)[which]
    starts_under = under[which, cell]
    for _ in range(BISECTIONS if len(which) else 0):
        middle = (low + high) / 2
        same = (_outputs(generator, middle) <= level) == starts_under
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    # Each end of the set adds the mass to its left where the set stops, and takes it away where it begins.
    ends = torch.where(starts_under, 1.0, -1.0).to(x) * torch.special.ndtr((low + high) / 2)
    total = under[:, -1].to(x.dtype).index_add(0, which, ends)
    return total.reshape(x.shape)


def empirical_density_1d(
    generator: Sampler,
    x: Float[Tensor, "*batch"],
    *,
    step: float = 1e-4,
    reach: float = 10.0,
    cells: int = 4096,
) -> Float[Tensor, "*batch"]:
    r"""Density of :math:`x = G(z)`, by a central difference of its distribution function.

    .. math:: p_\theta(x) = \frac{\mathrm d}{\mathrm dx} \int_{G_\theta(z) \le x} p(z)\, \mathrm dz
              \approx \frac{F(x + h) - F(x - h)}{2h}

    (:eq:`eq-14-implicit` in the book, in one dimension; Mohamed & Lakshminarayanan 2016, equation 2.) The sampler is only
    evaluated: neither its inverse nor its derivative is asked for. Where G is constant on an interval, the law has an atom
    and no density, and the result grows like 1/h. Use float64: the difference loses what rounding takes, divided by h.

    Args:
        generator: G, maps (n, 1) to (n, 1); z is standard normal.
        x: where, (\*batch,).
        step: h, in the units of x.
        reach: as for `implicit_cdf`.
        cells: as for `implicit_cdf`.

    Returns:
        (\*batch,), in inverse units of x.

    Raises:
        TypeError: ``generator`` cannot be called, or a tensor is not floating.
        ValueError: a number is out of range, ``x`` is not finite, or ``generator(z)`` has another shape than z.

    Example:
        >>> import torch
        >>> from gmlib.gan import empirical_density_1d
        >>> density = empirical_density_1d(torch.exp, torch.tensor([1.7], dtype=torch.float64))  # log-normal
        >>> round(density.item(), 7)
        0.2038543
    """
    _check(generator, x)
    check_number("step", step, low=0.0, low_open=True)
    both = implicit_cdf(generator, torch.stack([x - step, x + step]), reach=reach, cells=cells)
    return (both[1] - both[0]) / (2 * step)


@dataclass(frozen=True)
class SheetRank:
    """How many directions there are around each point.

    Attributes:
        singular_values: (batch, k), largest first, k at most the smaller of latent and event dimension.
        rank: (batch,), how many of them exceed ``tolerance`` times the largest.

    Example:
        >>> import torch
        >>> from gmlib.gan import sheet_rank
        >>> flat = sheet_rank(lambda z: z @ torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), torch.zeros(1, 2))
        >>> flat.singular_values.tolist(), flat.rank.tolist()
        ([[3.0, 0.0]], [1])
    """

    singular_values: Tensor
    rank: Tensor


def sheet_rank(generator: Sampler, z: Float[Tensor, "batch latent"], *, tolerance: float = 1e-4) -> SheetRank:
    r"""Rank of a sampler's Jacobian :math:`\partial G / \partial z`, the dimension of the sheet that its samples lie on.

    With m latents and :math:`d > m` coordinates it is at most m: the law has no density in the d coordinates, and its
    divergences of density ratios from a law that has one are undefined or at their largest.

    Args:
        generator: G, maps (batch, m) to (batch, \*event).
        z: latents, (batch, m).
        tolerance: share of the largest singular value under which one counts as zero.

    Returns:
        Singular values and rank at each of the latents.

    Raises:
        TypeError: ``generator`` cannot be called, or ``z`` or what it returns is not a floating tensor.
        ValueError: ``z`` is not (batch, m), ``generator(z)`` not (batch, \*event) or with an infinite or undefined
            derivative, or ``tolerance`` is outside (0, 1).

    Example:
        >>> import torch
        >>> from gmlib.gan import sheet_rank
        >>> circle = lambda z: torch.cat([z.cos(), z.sin()], 1)
        >>> sheet_rank(circle, torch.zeros(1, 1)).rank.tolist()
        [1]
    """
    check_callable("generator", generator)
    check_matrix("z", z)
    _check_tolerance(tolerance)

    def one(latent: Tensor) -> Tensor:
        out = generator(latent[None])
        check_tensor("generator(z)", out)
        if out.dim() < 2 or out.shape[0] != 1 or out.numel() == 0:
            raise ValueError(
                f"generator(z) must have shape (batch, *event), got {tuple(out.shape)} for a batch of 1"
            )
        return out.reshape(-1)

    jacobians = torch.func.vmap(torch.func.jacrev(one))(z)
    assert isinstance(jacobians, Tensor)
    check_finite("the Jacobian of generator(z)", jacobians)
    return _ranked(torch.linalg.svdvals(jacobians), tolerance)


def sample_rank(
    samples: Float[Tensor, "n d"],
    at: Int[Tensor, " batch"],
    *,
    neighbours: int = 12,
    tolerance: float = 0.1,
) -> SheetRank:
    r"""Local dimension of a cloud of points: the singular values of the nearest neighbours' differences.

    It sees samples only, and so the sheet at the scale of their distances: with few samples a bent sheet looks thick, and
    noise around a sheet is seen once neighbours are nearer than it.

    Args:
        samples: points, (n, d).
        at: indices of the points to look around, (batch,).
        neighbours: how many nearest points.
        tolerance: share of the largest singular value under which one counts as zero.

    Returns:
        Singular values and rank around each of the points.

    Raises:
        TypeError: ``samples`` is not a floating tensor, ``at`` none of integers, or ``neighbours`` no int.
        ValueError: ``samples`` is not a finite (n, d) with n > neighbours, ``at`` is not (batch,) from 0 to n - 1, or
            ``tolerance`` is outside (0, 1).

    Example:
        >>> import torch
        >>> from gmlib.gan import sample_rank
        >>> angle = torch.linspace(0, 6, 1000)
        >>> sample_rank(torch.stack([angle.cos(), angle.sin(), angle], 1), torch.tensor([500])).rank.tolist()
        [1]
    """
    check_matrix("samples", samples, finite=True)
    check_count("neighbours", neighbours)
    if len(samples) <= neighbours:
        raise ValueError(f"samples must have shape (n, d) with n > {neighbours}, got {tuple(samples.shape)}")
    _check_indices(at, len(samples))
    _check_tolerance(tolerance)
    points = samples[at.long()]  # a mask of bytes is not what indices in 8 bits mean
    near = torch.cdist(points, samples).topk(neighbours + 1, largest=False).indices
    differences = samples[near] - points[:, None]
    return _ranked(torch.linalg.svdvals(differences), tolerance)


def _outputs(generator: Sampler, z: Tensor) -> Tensor:
    out = generator(z[:, None])
    check_tensor("generator(z)", out)
    if out.shape != (len(z), 1):
        raise ValueError(f"generator(z) must have shape ({len(z)}, 1), got shape {tuple(out.shape)}")
    return out.detach()[:, 0]


def _ranked(values: Tensor, tolerance: float) -> SheetRank:
    return SheetRank(values.detach(), (values > tolerance * values[:, :1]).sum(1))


def _check_indices(at: Any, n: int) -> None:
    check_tensor("at", at, floating=False)
    if at.dtype not in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
        raise TypeError(f"at must have an integer dtype, got {at.dtype}")
    if at.dim() != 1 or len(at) == 0 or not bool(((at >= 0) & (at < n)).all()):
        got = f"shape {tuple(at.shape)}"
        if at.dim() == 1 and len(at):
            got = f"indices from {int(at.min())} to {int(at.max())}"
        raise ValueError(f"at must be (batch,) with indices from 0 to {n - 1}, got {got}")


def _check_tolerance(tolerance: Any) -> None:
    check_number("tolerance", tolerance, low=0.0, high=1.0, low_open=True, high_open=True)


def _check(generator: Any, x: Any) -> None:
    check_callable("generator", generator)
    check_tensor("x", x)
    check_finite("x", x)
