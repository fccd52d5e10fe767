"""What the sheet of `test_sheet.py` needs to know of a bijection; each area lists its own in `cases_*.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gmlib.flows import Bijection


def normal_points(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Standard normal points, in float64."""
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def uniform_points(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Points inside the unit cube, a little away from its faces."""
    return 0.02 + 0.96 * torch.rand(shape, dtype=torch.float64, generator=generator)


@dataclass(frozen=True)
class Case:
    """A bijection for the sheet.

    Attributes:
        name: unique in the sheet.
        make: builds it, in float32 and with torch's default generator; the sheet shakes its parameters afterwards.
        points: noise u of a given shape (batch in front of the event), float64.
        edges: values of u, used for all coordinates at once, at which gradients must be finite as well.
        plane: whether it maps the plane to the plane (event shape (2,)), so that its density of a normal base must
            integrate to one on a grid.
        shake: size of the noise that the sheet adds to every parameter, so that nothing is tested at its start only.
        inverse_error: what float64 round trips may miss, relative to 1 + |u| (an iterative inverse stops early).
        compiles: ways that must compile into one graph, of "forward" and "inverse".
        exact_log_det: whether the log-determinant is exact (an estimate or a truncated series is not; its own test
            says how far off it may be).
    """

    name: str
    make: Callable[[], Bijection]
    points: Callable[[tuple[int, ...], torch.Generator], Tensor] = normal_points
    edges: tuple[float, ...] = (-30.0, 0.0, 30.0)
    plane: bool = False
    shake: float = 0.3
    inverse_error: float = 1e-12
    compiles: tuple[str, ...] = ("forward", "inverse")
    exact_log_det: bool = True


def build(case: Case, *, dtype: torch.dtype = torch.float64) -> Bijection:
    """The bijection of a case, its parameters moved off their start, in the given dtype."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        bijection = case.make()
        with torch.no_grad():
            for parameter in bijection.parameters():
                parameter.add_(case.shake * torch.randn_like(parameter))
    return bijection.to(dtype)
