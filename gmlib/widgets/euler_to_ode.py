"""Euler's steps along a linear field in the plane, beside the field's own flow: what they do to area, when they fail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.widgets.base import STATIC, Widget

F64 = torch.float64
FIELDS: dict[str, tuple[tuple[float, float, float, float], tuple[float, float]]] = {
    "rotation": ((0.0, -1.0, 1.0, 0.0), (1.5, 0.0)),
    "spiral": ((-0.3, -1.2, 1.2, -0.3), (2.0, 0.5)),
    "saddle": ((0.8, 0.0, 0.0, -0.8), (0.5, 2.2)),
    "shear": ((0.0, 1.0, 0.0, 0.0), (-1.5, 1.2)),
    "sink": ((-2.0, 0.0, 0.5, -0.6), (1.8, 1.5)),
}
"""By name: a matrix, row by row, and where the disc starts."""
ENTRY = 2.0
MOST = 100
LONGEST = 4.0
REACH = 2.5


@dataclass(frozen=True)
class EulerToOdeTerms:
    r"""What the widget shows exactly, all at time T.

    Attributes:
        log_det: :math:`\sum \log|\det(I + \Delta t\,A)|`, minus infinity where a step flattens the plane.
        exact: :math:`T \operatorname{tr} A`.
        difference: the former minus the latter.
        first_order: :math:`-\tfrac12 \Delta t\, T \operatorname{tr} A^2`, which the difference is to first order.
        det: determinant of one step; not positive where Euler's map folds or mirrors.
        stretch: :math:`\Delta t\,\lVert A\rVert`, below 1 of which no step can fold.
        apart: distance of Euler's end point from the exact one.
    """

    log_det: float
    exact: float
    difference: float
    first_order: float
    det: float
    stretch: float
    apart: float


class EulerToOde(Widget):
    r"""Refine Euler's steps along :math:`\dot x = Ax` until they are the flow :math:`e^{At}`, with their log-determinant.

    .. math:: x \leftarrow (I + \Delta t\,A)\,x, \qquad \sum \log|\det(I + \Delta t\,A)|
        = T \operatorname{tr} A - \tfrac12 \Delta t\, T \operatorname{tr} A^2 + O(\Delta t^2)

    Each step is a layer of a residual network, and the limit is a continuous flow: its log-determinant is an integral of
    traces, without a determinant. A step can be undone for certain if :math:`\Delta t \lVert A\rVert < 1`; a step whose
    determinant is negative has mirrored the plane, and one whose determinant is 0 has flattened it.

    Args:
        field: ``"rotation"``, ``"spiral"``, ``"saddle"``, ``"shear"``, ``"sink"``, or the rows of a 2 x 2 matrix with
            entries from -2 to 2.
        n: steps in a unit of time, 1 to 100; :math:`\Delta t = 1/n`.
        time: T, from 0 to 4; if it is no multiple of the step the last step is cut off there.
        start: centre of the disc that is moved, both coordinates from -2.5 to 2.5; None for where the field shows best.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        R. Chen et al., *Neural ordinary differential equations*, 2018, theorem 1; K. Murphy, *Probabilistic Machine
        Learning: Advanced Topics*, 2023, section 23.2.6.

    Example:
        >>> from gmlib.widgets import EulerToOde
        >>> terms = EulerToOde("rotation", n=4, time=2.0).terms()
        >>> print(f"{terms.log_det:.3f} {terms.exact:.3f} {terms.first_order:.3f}")
        0.485 0.000 0.500
    """

    _esm = STATIC / "euler_to_ode.js"
    shown = ("a11", "a12", "a21", "a22", "n", "time", "start")

    fields = traitlets.Dict(FIELDS, help="matrices and starts by name").tag(sync=True)
    a11 = traitlets.Float(0.0, min=-ENTRY, max=ENTRY, help="entry of A").tag(sync=True)
    a12 = traitlets.Float(0.0, min=-ENTRY, max=ENTRY, help="entry of A").tag(sync=True)
    a21 = traitlets.Float(0.0, min=-ENTRY, max=ENTRY, help="entry of A").tag(sync=True)
    a22 = traitlets.Float(0.0, min=-ENTRY, max=ENTRY, help="entry of A").tag(sync=True)
    n = traitlets.Int(4, min=1, max=MOST, help="steps in a unit of time").tag(sync=True)
    time = traitlets.Float(2.0, min=0.0, max=LONGEST, help="T").tag(sync=True)
    start = traitlets.List(traitlets.Float(), [1.5, 0.0], minlen=2, maxlen=2, help="centre of the disc").tag(
        sync=True
    )
    playing = traitlets.Bool(False, help="whether time runs").tag(sync=True)

    def __init__(
        self,
        field: str | Sequence[Sequence[float]] = "rotation",
        *,
        n: int = 4,
        time: float = 2.0,
        start: Sequence[float] | None = None,
    ) -> None:
        (a11, a12, a21, a22), usual = _checked(field)
        start = usual if start is None else start
        check_count("n", n)
        if n > MOST:
            raise ValueError(f"n must be at most {MOST}, got {n}")
        check_number("time", time, low=0.0, high=LONGEST)
        if isinstance(start, str) or not isinstance(start, Sequence):
            raise TypeError(f"start must be two numbers, got {type(start).__name__}")
        if len(start) != 2:
            raise ValueError(f"start must be two numbers, got {len(start)}")
        for value in start:
            check_number("start", value, low=-REACH, high=REACH)
        places = [float(value) for value in start]
        super().__init__(a11=a11, a12=a12, a21=a21, a22=a22, n=n, time=float(time), start=places)

    @property
    def matrix(self) -> Float[Tensor, "2 2"]:
        """A, in float64.

        Example:
            >>> from gmlib.widgets import EulerToOde
            >>> EulerToOde("shear").matrix.tolist()
            [[0.0, 1.0], [0.0, 0.0]]
        """
        return torch.tensor([[self.a11, self.a12], [self.a21, self.a22]], dtype=F64)

    def step_lengths(self) -> list[float]:
        """The steps up to T: all of 1/n, but for a last one that is cut off.

        Example:
            >>> from gmlib.widgets import EulerToOde
            >>> EulerToOde(n=2, time=1.25).step_lengths()
            [0.5, 0.5, 0.25]
        """
        whole = math.floor(self.time * self.n + 1e-9)
        rest = self.time - whole / self.n
        return [1 / self.n] * whole + ([rest] if rest >= 1e-9 else [])

    def path(self) -> Float[Tensor, "steps 2"]:
        """The corners of Euler's polygon from ``start``.

        Example:
            >>> from gmlib.widgets import EulerToOde
            >>> EulerToOde("rotation", n=1, time=2.0, start=(1.0, 0.0)).path().tolist()
            [[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]
        """
        a, points = self.matrix, [torch.tensor(self.start, dtype=F64)]
        for length in self.step_lengths():
            points.append(points[-1] + length * (a @ points[-1]))
        return torch.stack(points)

    def terms(self) -> EulerToOdeTerms:
        """The exact numbers that the widget shows now, in float64.

        Example:
            >>> from gmlib.widgets import EulerToOde
            >>> print(f"{EulerToOde('sink', n=1).terms().det:.2f}")
            -0.40
        """
        a = self.matrix
        eye = torch.eye(2, dtype=F64)
        lengths = torch.tensor([*self.step_lengths(), 0.0], dtype=F64)
        log_det = float(torch.linalg.slogdet(eye + lengths[:, None, None] * a).logabsdet.sum())
        exact = self.time * float(a.trace())
        end = torch.linalg.matrix_exp(self.time * a) @ torch.tensor(self.start, dtype=F64)
        return EulerToOdeTerms(
            log_det=log_det,
            exact=exact,
            difference=log_det - exact,
            first_order=-0.5 * self.time / self.n * float((a @ a).trace()),
            det=float(torch.linalg.det(eye + a / self.n)),
            stretch=float(torch.linalg.matrix_norm(a, 2)) / self.n,
            apart=float((self.path()[-1] - end).norm()),
        )


def _checked(
    field: str | Sequence[Sequence[float]],
) -> tuple[tuple[float, float, float, float], tuple[float, float]]:
    """The entries of the matrix, row by row, and where to start; or an error."""
    want = f"field must be one of {', '.join(map(repr, FIELDS))} or two rows of two numbers"
    if isinstance(field, str):
        if field not in FIELDS:
            raise ValueError(f"{want}, got {field!r}")
        return FIELDS[field]
    if not isinstance(field, Sequence):
        raise TypeError(f"{want}, got {type(field).__name__}")
    if len(field) != 2 or any(
        isinstance(row, str) or not isinstance(row, Sequence) or len(row) != 2 for row in field
    ):
        raise ValueError(f"{want}, got {field!r}")
    for row in field:
        for value in row:
            check_number("field", value, low=-ENTRY, high=ENTRY)
    (a, b), (c, d) = field
    return (float(a), float(b), float(c), float(d)), (1.5, 0.0)
