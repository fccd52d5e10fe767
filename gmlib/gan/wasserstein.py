r"""The critic's side of the Wasserstein distance: optimal critics, exact, and what each way to hold the slope makes.

The distance itself is a metric and lives in ``gmlib.metrics``; a generator is trained by the slope of the critic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_number, check_tensor
from gmlib._extras import require
from gmlib.gan._points import check_kind, check_like, check_matrix, check_partner
from gmlib.gan._program import highest


@dataclass(frozen=True)
class CriticOnLine:
    r"""An optimal critic on a line: linear between the points of a grid, with slope 1, -1 or, where it is free, 0.

    Attributes:
        grid: increasing, (n,).
        values: of the critic on the grid, 0 at its first point, (n,).
        slopes: between the points, (n - 1,).
        distance: :math:`W_1`, which is what this critic attains, ().

    Example:
        >>> import torch
        >>> from gmlib.gan import wasserstein_critic_1d
        >>> grid = torch.tensor([0.0, 1.0, 2.0])
        >>> critic = wasserstein_critic_1d(torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.0, 0.0, 1.0]), grid, steps=True)
        >>> critic(torch.tensor([0.5, 3.0])).tolist()
        [-0.5, -3.0]
    """

    grid: Tensor
    values: Tensor
    slopes: Tensor
    distance: Tensor

    def __call__(self, x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Return the critic at any points; outside the grid it goes on with its first and last slope."""
        check_tensor("x", x)
        check_kind("x", x, "grid", self.grid)
        cell = (torch.searchsorted(self.grid, x.contiguous(), right=True) - 1).clamp(0, len(self.slopes) - 1)
        return self.values[cell] + self.slopes[cell] * (x - self.grid[cell])


@torch.no_grad()
def wasserstein_critic_1d(
    cdf_p: Float[Tensor, " n"], cdf_q: Float[Tensor, " n"], grid: Float[Tensor, " n"], *, steps: bool = False
) -> CriticOnLine:
    r"""The optimal 1-Lipschitz critic of two laws on a line, from their distribution functions.

    .. math:: \mathbb E_p f - \mathbb E_q f = \int f' (F_q - F_p)\, dx \quad\Rightarrow\quad
              f^{*\prime} = \operatorname{sign}(F_q - F_p), \qquad W_1 = \int \lvert F_p - F_q \rvert\, dx

    (:eq:`eq-14-wasserstein` in the book; Villani 2003, "Topics in optimal transportation", section 2.2.) The critic falls
    where p lies to the left of q, and turns where the distribution functions cross.

    Args:
        cdf_p: :math:`F_p` on the grid, (n,).
        cdf_q: :math:`F_q` there, (n,).
        grid: increasing points that cover both laws, (n,).
        steps: the distribution functions are constant from each point up to the next, as those of samples are, and the
            result is exact; otherwise they are linear in between, up to an error of the square of the spacing.

    Returns:
        The critic, with slope constant between the points, and the distance.

    Raises:
        TypeError: not floating tensors.
        ValueError: shapes, dtypes or devices that differ, fewer than two points, a grid that does not increase, or a
            distribution function that falls or leaves [0, 1].

    Example:
        >>> import torch
        >>> from gmlib.gan import wasserstein_critic_1d
        >>> grid = torch.linspace(0, 3, 7)
        >>> uniform = grid.clamp(0, 1)  # on [0, 1]; and on [2, 3]
        >>> wasserstein_critic_1d(uniform, (grid - 2).clamp(0, 1), grid).distance.item()
        2.0
    """
    check_tensor("grid", grid)
    if grid.dim() != 1 or grid.shape[0] < 2:
        raise ValueError(f"grid must be a vector of at least two points, got shape {tuple(grid.shape)}")
    check_finite("grid", grid)
    if not bool((grid.diff() > 0).all()):
        raise ValueError(f"grid must increase, got a step of {grid.diff().min().item():g}")
    for name, cdf in (("cdf_p", cdf_p), ("cdf_q", cdf_q)):
        check_tensor(name, cdf)
        check_like(name, cdf, "grid", grid)
        check_finite(name, cdf)
        slack = 8 * torch.finfo(cdf.dtype).eps
        if bool((cdf.diff() < -slack).any()) or cdf[0] < -slack or cdf[-1] > 1 + slack:
            raise ValueError(
                f"{name} must rise within [0, 1], got values from {cdf.min():g} to {cdf.max():g}"
            )
    gap = cdf_q - cdf_p
    area = (gap[:-1] if steps else (gap[:-1] + gap[1:]) / 2) * grid.diff()
    slopes = area.sign()
    values = torch.cat([torch.zeros_like(grid[:1]), (slopes * grid.diff()).cumsum(0)])
    return CriticOnLine(grid, values, slopes, area.abs().sum())


@dataclass(frozen=True)
class KantorovichCritic:
    r"""An optimal critic of two samples, defined everywhere: the lower envelope of cones of slope 1.

    .. math:: f(z) = \min_j \big(\lVert z - y_j \rVert - v_j\big)

    Attributes:
        anchors: the points :math:`y_j`, (m, d).
        potentials: :math:`v_j`, (m,).
        distance: :math:`W_1` of the samples, which is what this critic attains, ().

    Example:
        >>> import torch
        >>> from gmlib.gan import KantorovichCritic
        >>> critic = KantorovichCritic(torch.tensor([[0.0, 0.0]]), torch.tensor([1.0]), torch.tensor(0.0))
        >>> critic(torch.tensor([[3.0, 4.0]])).item()
        4.0
    """

    anchors: Tensor
    potentials: Tensor
    distance: Tensor

    def __call__(self, z: Float[Tensor, "batch d"]) -> Float[Tensor, " batch"]:
        """Return the critic at any points."""
        check_matrix("z", z)
        check_partner("z", z, "the samples", self.anchors)
        costs = torch.cdist(z, self.anchors, compute_mode="donot_use_mm_for_euclid_dist")
        return (costs - self.potentials).min(dim=1).values


@torch.no_grad()
def wasserstein_dual(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> KantorovichCritic:
    r"""The optimal 1-Lipschitz critic of two small samples, by the dual of the transport problem.

    .. math:: W_1 = \max_{\lVert f \rVert_{\mathrm{Lip}} \le 1} \frac1n \sum_i f(x_i) - \frac1m \sum_j f(y_j)
                  = \max_{u_i + v_j \le \lVert x_i - y_j \rVert} \frac1n \sum_i u_i + \frac1m \sum_j v_j

    (:eq:`eq-14-wasserstein` in the book; Villani 2003, "Topics in optimal transportation", theorem 1.14.) A linear program
    with n + m unknowns and n m constraints, solved by scipy's HiGHS on the CPU: a few hundred points. The critic from its
    potentials is 1-Lipschitz by construction, so what it attains is a lower bound whatever the solver did.

    Args:
        x: one sample, (n, d).
        y: the other, (m, d).

    Returns:
        A critic for points anywhere, and the distance it attains.

    Raises:
        ImportError: scipy is not installed.
        TypeError: not floating tensors.
        ValueError: not finite matrices with the same number of columns, dtype and device.

    Example:
        >>> import torch
        >>> from gmlib.gan import wasserstein_dual
        >>> x = torch.tensor([[0.0, 0.0], [5.0, 5.0]], dtype=torch.float64)
        >>> round(wasserstein_dual(x, x.flip(0) + torch.tensor([3.0, 4.0])).distance.item(), 6)
        5.0
    """
    check_matrix("x", x, finite=True)
    check_matrix("y", y, finite=True)
    check_partner("y", y, "x", x)
    sparse = require("scipy.sparse", extra="book", purpose="to solve a linear program")
    n, m = x.shape[0], y.shape[0]
    costs = torch.cdist(x.double().cpu(), y.double().cpu(), compute_mode="donot_use_mm_for_euclid_dist")
    left = sparse.kron(sparse.eye(n), torch.ones(m, 1).numpy())
    right = sparse.kron(torch.ones(n, 1).numpy(), sparse.eye(m))
    gain = torch.cat([torch.full((size,), 1 / size, dtype=torch.float64) for size in (n, m)])
    solution = highest(gain, sparse.hstack([left, right]).tocsr(), costs.flatten())
    critic = KantorovichCritic(y, solution[n:].to(y), y.new_zeros(()))
    return KantorovichCritic(y, critic.potentials, critic(x).mean() - critic(y).mean())


def penalised_slope(shift: float, gamma: float, *, target: float = 1.0) -> float:
    r"""The slope of the best linear critic under a gradient penalty, for two laws whose means differ by ``shift``.

    .. math:: \max_w\; w \Delta - \tfrac\gamma2 (w - c)^2 \quad\Rightarrow\quad w = c + \frac\Delta\gamma

    (:eq:`eq-14-penalty` in the book.) The one-centred penalty, c = 1, of WGAN-GP overshoots the slope 1 that the
    Wasserstein distance wants, by :math:`\Delta / \gamma`: its :math:`\lambda (\lvert D' \rvert - 1)^2` is
    :math:`\gamma = 2 \lambda`, so that :math:`\lambda = 10` and :math:`\Delta = 1` give 1.05. With c = 0 (R1 and R2, which
    a linear critic cannot tell apart) the slope itself is :math:`\Delta / \gamma`. The critic's value is the slope times
    the shift.

    Args:
        shift: :math:`\Delta \ge 0`, the distance of the means, in the units of the data.
        gamma: :math:`\gamma > 0`, the weight of the penalty.
        target: :math:`c \ge 0`, the slope that costs nothing.

    Returns:
        The length of the critic's gradient.

    Raises:
        TypeError: not numbers.
        ValueError: out of range.

    Example:
        >>> from gmlib.gan import penalised_slope
        >>> penalised_slope(1.0, gamma=20.0)
        1.05
    """
    check_number("shift", shift, low=0.0)
    check_number("gamma", gamma, low=0.0, low_open=True)
    check_number("target", target, low=0.0)
    return target + shift / gamma


def clipped_slope(sizes: Sequence[int], limit: float) -> float:
    r"""The steepest slope of a ReLU critic whose weights are clipped: what weight clipping puts in the place of 1.

    .. math:: \max_{\lvert W_{ij} \rvert \le c} \lVert f \rVert_{\mathrm{Lip}} = c^L \sqrt{d}\; n_1 n_2 \cdots n_{L-1}

    for L layers from d inputs through :math:`n_1, \dots, n_{L-1}` units to one output, slopes in the Euclidean norm: all
    weights :math:`c`, all units on. It is how the critic of :eq:`eq-14-wgan` in the book was first held (Arjovsky et al.
    2017, "Wasserstein generative adversarial networks"). For one layer the value of two laws whose means differ by
    :math:`\Delta` is :math:`c \lVert \Delta \rVert_1`. With hidden units it is at most this slope times the distance, and
    how much less depends on where the data are: on one side of all bends nothing is lost, but units that rise on one
    side of their bend are flat on the other, so about it only half the slope remains, plus a little for the biases. The
    clipped value is a distance up to a constant that nobody knows.

    Args:
        sizes: widths of all layers, the input first and the output, 1, last.
        limit: :math:`c > 0`, the largest absolute weight.

    Returns:
        The largest Lipschitz constant of the class.

    Raises:
        TypeError: not ints or not a number.
        ValueError: fewer than two sizes, an output that is not 1, or a limit that is not positive.

    Example:
        >>> from gmlib.gan import clipped_slope
        >>> clipped_slope([1, 1], 0.01), round(clipped_slope([1, 100, 100, 1], 0.01), 9)
        (0.01, 0.01)
    """
    if len(sizes) < 2:
        raise ValueError(f"sizes must name at least an input and an output width, got {list(sizes)}")
    for size in sizes:
        check_count("sizes", size)
    if sizes[-1] != 1:
        raise ValueError(f"sizes must end in 1, the value of the critic, got {list(sizes)}")
    check_number("limit", limit, low=0.0, low_open=True)
    return limit ** (len(sizes) - 1) * math.sqrt(sizes[0]) * math.prod(sizes[1:-1])
