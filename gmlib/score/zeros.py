"""Where a planar field vanishes: the resting points of particles that follow a score without noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.score._arguments import check_callable, evaluate
from gmlib.score._products import Field


@dataclass(frozen=True)
class FieldZeros:
    r"""Points where a planar field vanishes, with the eigenvalues of its Jacobian there.

    Attributes:
        points: (k, 2), sorted by their first coordinate.
        eigenvalues: real parts of the eigenvalues of the Jacobian, the smaller first, (k, 2).

    Example:
        >>> import torch
        >>> from gmlib.score import FieldZeros
        >>> FieldZeros(torch.zeros(2, 2), torch.tensor([[-2.0, -1.0], [-2.0, 1.0]])).stable
        tensor([ True, False])
    """

    points: Tensor
    eigenvalues: Tensor

    @property
    def stable(self) -> Tensor:
        """Which of them attract from all sides, (k,): for a score that is a gradient, the modes of the density."""
        return self.eigenvalues[:, 1] < 0


def field_zeros(
    field: Callable[[Tensor], Tensor],
    *,
    low: float | int,
    high: float | int,
    cells: int = 60,
    steps: int = 20,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> FieldZeros:
    r"""The zeros of a planar field in a square, found by sign changes on a grid and Newton's method.

    .. math:: x \leftarrow x - J(x)^{-1} s(x), \qquad J = \nabla s

    Newton starts in every cell at whose corners both components change sign. A step longer than a cell is cut to one, and
    a start that ends more than two widths away is dropped. Zeros closer together than a cell may be missed.

    Args:
        field: takes (n, 2), returns (n, 2), a point's value depending on that point alone.
        low: left and lower side of the square.
        high: right and upper side.
        cells: along each side.
        steps: of Newton's method, two vector-Jacobian products each.
        dtype: of the points; None: that of the parameters of a module, float64 for anything else.
        device: of the points.

    Returns:
        The zeros, none twice.

    Raises:
        TypeError: ``field`` cannot be called or returns no floating tensor, or an argument is of the wrong kind.
        ValueError: ``high`` is not above ``low``, a count is below 1, or ``field`` returns another shape, cannot be
            differentiated (a constant 0 among them) or takes no points of this dtype.

    Example:
        >>> import torch
        >>> from gmlib.score import field_zeros
        >>> zeros = field_zeros(lambda x: torch.stack([x[:, 0] - x[:, 0] ** 3, -x[:, 1]], -1), low=-2, high=2.1)
        >>> zeros.points[:, 0].round().tolist(), zeros.stable.tolist()
        ([-1.0, 0.0, 1.0], [True, False, True])
    """
    check_callable("field", field)
    check_number("low", low)
    check_number("high", high, low=float(low), low_open=True)
    check_count("cells", cells)
    check_count("steps", steps)
    dtype = _dtype_of(field) if dtype is None else dtype
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise TypeError(f"dtype must be a floating torch dtype, got {dtype!r}")
    side = torch.linspace(float(low), float(high), cells + 1, dtype=dtype, device=device)
    width = (high - low) / cells
    with torch.no_grad():
        try:
            corners = evaluate(field, torch.cartesian_prod(side, side), "field")
        except RuntimeError as error:
            if "dtype" not in str(error):
                raise
            raise ValueError(
                f"field must take points of the dtype {dtype}, one of its own parameters: give dtype=, got {error}"
            ) from error
        corners = corners.to(dtype).reshape(cells + 1, cells + 1, 2)
    each = torch.stack([corners[:-1, :-1], corners[1:, :-1], corners[:-1, 1:], corners[1:, 1:]])
    change = ((each.amax(0) >= 0) & (each.amin(0) <= 0)).all(-1)
    middle = (side[:-1] + side[1:]) / 2
    start = torch.cartesian_prod(middle, middle)[change.flatten()]
    if len(start) == 0:
        return FieldZeros(start, start.clone())
    x = start
    for _ in range(steps):
        value, jacobian = _with_jacobian(field, x)
        move = torch.linalg.lstsq(jacobian, value[..., None]).solution.squeeze(-1)
        x = x - move * (width / move.norm(dim=-1, keepdim=True).clamp(min=width))
    value, jacobian = _with_jacobian(field, x)
    # Solved when a further step would not leave the point.
    left = torch.linalg.lstsq(jacobian, value[..., None]).solution.squeeze(-1).norm(dim=-1)
    solved = (left < 1e-3 * width) & ((x - start).abs().amax(-1) < 2.5 * width)
    x, jacobian = x[solved], jacobian[solved]
    near = torch.cdist(x, x) < 1e-2 * width
    first = ~near.tril(-1).any(1)  # of those at one place
    x, jacobian = x[first], jacobian[first]
    order = x[:, 0].argsort()
    real = torch.linalg.eigvals(jacobian).real.sort(dim=-1).values
    return FieldZeros(x[order], real[order])


def _with_jacobian(
    field: Callable[[Tensor], Tensor], x: Float[Tensor, "n 2"]
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 2 2"]]:
    at = Field(field, x.detach(), "field")
    return at.value.detach().to(x.dtype), at.jacobian(1).detach()


def _dtype_of(field: object) -> torch.dtype:
    if isinstance(field, torch.nn.Module):
        for parameter in field.parameters():
            return parameter.dtype
    return torch.float64
