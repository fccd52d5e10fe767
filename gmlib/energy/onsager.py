r"""What is known exactly of the Ising model on the square lattice, infinite or on a torus."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.energy._lattice import check_inv_temp


def critical_inv_temp() -> float:
    r"""The inverse temperature of the transition, at coupling 1.

    .. math:: \beta_c = \tfrac12 \log(1 + \sqrt2) \quad\Leftrightarrow\quad \sinh 2\beta_c = 1

    (:eq:`eq-06b-onsager` in the book; Onsager 1944.)

    Returns:
        0.4407.

    Example:
        >>> from gmlib.energy import critical_inv_temp
        >>> round(critical_inv_temp(), 4)
        0.4407
    """
    return 0.5 * math.log(1 + math.sqrt(2))


def spontaneous_magnetisation(inv_temp: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    r"""The magnetisation of the infinite lattice: what remains of a field when it is taken away.

    .. math:: m(\beta) = \begin{cases} \big(1 - \sinh(2\beta)^{-4}\big)^{1/8} & \beta > \beta_c \\ 0 & \text{else}
              \end{cases}

    (:eq:`eq-06b-onsager` in the book; Yang 1952.)

    Args:
        inv_temp: :math:`\beta \ge 0`, (\*batch,).

    Returns:
        Magnetisations in [0, 1), (\*batch,).

    Raises:
        TypeError: ``inv_temp`` is not a floating tensor.
        ValueError: one is negative or not finite.

    Example:
        >>> import torch
        >>> from gmlib.energy import spontaneous_magnetisation
        >>> [round(m, 4) for m in spontaneous_magnetisation(torch.tensor([0.4, 0.5])).tolist()]
        [0.0, 0.9113]
    """
    check_inv_temp(inv_temp)
    return (1 - torch.sinh(2 * inv_temp) ** -4).clamp_min(0) ** 0.125


def onsager_energy(inv_temp: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    r"""The mean energy per site of the infinite lattice, at coupling 1 and without a field.

    .. math:: u(\beta) = -\coth 2\beta\, \Big[1 + \tfrac2\pi\, q\, K(k)\Big], \qquad
              q = \frac{\sinh^2 2\beta - 1}{\sinh^2 2\beta + 1} = 2 \tanh^2 2\beta - 1, \qquad k^2 = 1 - q^2

    with the complete elliptic integral of the first kind, from the arithmetic-geometric mean:
    :math:`K(k) = \pi / \big(2 \operatorname{agm}(1, |q|)\big)`. At :math:`\beta_c` it is :math:`-\sqrt2`, with an upright
    tangent. (Onsager 1944.)

    Args:
        inv_temp: :math:`\beta \ge 0`, (\*batch,).

    Returns:
        Energies between -2 and 0, (\*batch,).

    Raises:
        TypeError: ``inv_temp`` is not a floating tensor.
        ValueError: one is negative or not finite.

    Example:
        >>> import torch
        >>> from gmlib.energy import critical_inv_temp, onsager_energy
        >>> round(onsager_energy(torch.tensor(critical_inv_temp(), dtype=torch.float64)).item(), 6)  # -sqrt 2
        -1.414214
    """
    check_inv_temp(inv_temp)
    beta = inv_temp.double()  # near 0 the bracket is a small difference
    t = torch.tanh(2 * beta)
    q = 2 * t.square() - 1
    a, g = torch.ones_like(q), q.abs().clamp_min(torch.finfo(q.dtype).tiny)
    for _ in range(12):  # the digits double in each step; the first few bring the smallest g up
        a, g = (a + g) / 2, (a * g).sqrt()
    inner = 1 + q / a
    series = -2 * beta  # where 1 + q / a cancels even so: u = -2 beta - ...
    energy = torch.where(beta < 1e-4, series, -inner / t.clamp_min(torch.finfo(q.dtype).tiny))
    return energy.to(inv_temp.dtype)


def torus_log_z(height: int, width: int, inv_temp: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    r"""The log partition function of the lattice with periodic boundary, exactly, at any size; differentiable.

    .. math:: Z = \tfrac12 (2 \sinh 2\beta)^{hw/2} \Big[\prod_{r} 2\cosh\tfrac h2\gamma_{2r+1} + \prod_r
              2\sinh\tfrac h2\gamma_{2r+1} + \prod_r 2\cosh\tfrac h2\gamma_{2r} + \prod_r 2\sinh\tfrac h2\gamma_{2r}\Big]

    with r from 0 to w - 1, :math:`\cosh\gamma_q = \cosh^2 2\beta / \sinh 2\beta - \cos(\pi q / w)` and
    :math:`\gamma_0 = 2\beta + \log\tanh\beta`. The mean energy per site is :math:`-\partial_\beta \log Z / (hw)`.

    Args:
        height: h, rows, at least 3.
        width: w, columns, at least 3.
        inv_temp: :math:`\beta > 0`, (\*batch,), at most 43 in float32 and 354 in float64; best in float64.

    Returns:
        :math:`\log Z` in nats, (\*batch,).

    Raises:
        TypeError: ``inv_temp`` is not a floating tensor, or a side no int.
        ValueError: a side is below 3, or an inverse temperature not positive or too large.

    References:
        B. Kaufman, *Crystal statistics II. Partition function evaluated by spinor analysis*, Phys. Rev., 1949.

    Example:
        >>> import torch
        >>> from gmlib.energy import torus_log_z
        >>> beta = torch.tensor(0.4, dtype=torch.float64)
        >>> round(torus_log_z(16, 16, beta).item() / 256, 4)  # per site
        0.8798
    """
    check_count("height", height, low=3)
    check_count("width", width, low=3)
    check_inv_temp(inv_temp)
    check_number("the smallest inv_temp", float(inv_temp.detach().min()), low=0.0, low_open=True)
    # As far as sinh(2 beta) is finite.
    limit = float(math.floor(0.5 * math.log(torch.finfo(inv_temp.dtype).max) - 0.5))
    check_number("the largest inv_temp", float(inv_temp.detach().max()), high=limit)
    double = 2 * inv_temp[..., None]
    q = torch.arange(2 * width, dtype=inv_temp.dtype, device=inv_temp.device)
    # cosh(gamma) - 1 = 2 sinh^2(gamma/2), and both of its parts are squares: nothing cancels, nothing overflows early.
    root = torch.exp(0.5 * _log_sinh(double)) / math.sqrt(2)  # sinh(2 beta)^(1/2)
    excess = (root - 1 / root).square() + 2 * torch.sin(torch.pi * q[1:] / (2 * width)).square()
    gamma = 2 * torch.asinh((excess / 2).sqrt())
    first = double + (double / 2).tanh().log()
    arguments = torch.cat((first, gamma), -1) * (height / 2)
    odd, even = arguments[..., 1::2], arguments[..., 0::2]
    head, tail = even[..., 0], _log_sinh(even[..., 1:]).sum(-1)
    terms = torch.stack(
        (_log_cosh(odd).sum(-1), _log_sinh(odd).sum(-1), _log_cosh(even).sum(-1), tail + head, tail - head),
        -1,
    )
    # The last product changes its sign with gamma_0 at the transition: 2 sinh a = e^a - e^-a.
    top = terms.detach().amax(-1, keepdim=True)
    sign = terms.new_tensor([1.0, 1.0, 1.0, 1.0, -1.0])
    total = (sign * (terms - top).exp()).sum(-1).log() + top.squeeze(-1)
    return total - math.log(2) + height * width / 2 * _log_sinh(2 * inv_temp)


def torus_energy(height: int, width: int, inv_temp: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    r"""The mean energy per site on a torus, :math:`-\partial_\beta \log Z / (hw)`, exactly.

    Args:
        height: rows, at least 3.
        width: columns, at least 3.
        inv_temp: :math:`\beta > 0`, (\*batch,), at most 43 in float32 and 354 in float64; best in float64.

    Returns:
        Energies per site, (\*batch,).

    Raises:
        TypeError: ``inv_temp`` is not a floating tensor, or a side no int.
        ValueError: a side is below 3, or an inverse temperature not positive or too large.

    Example:
        >>> import torch
        >>> from gmlib.energy import onsager_energy, torus_energy
        >>> beta = torch.tensor([0.3, 0.6], dtype=torch.float64)
        >>> torch.allclose(torus_energy(64, 64, beta), onsager_energy(beta), atol=1e-9)  # far from the transition
        True
    """
    check_inv_temp(inv_temp)
    with torch.enable_grad():
        at = inv_temp.detach().requires_grad_()
        slope = torch.autograd.grad(torus_log_z(height, width, at).sum(), at)[0]
    return -slope / (height * width)


def _log_cosh(a: Tensor) -> Tensor:
    return a.abs() + torch.log1p(torch.exp(-2 * a.abs()))


def _log_sinh(a: Tensor) -> Tensor:
    return a + torch.log1p(-torch.exp(-2 * a))
