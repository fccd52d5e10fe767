"""Splines, the non-linear squared map and the squashing maps, for the sheet."""

from sheet import Case

from gmlib.flows import Elementwise, RationalQuadratic

# Ends of the interval and inner knots of equal bins included.
SPLINE_EDGES = (-30.0, -5.0, -2.5, 0.0, 2.5, 5.0, 30.0)

CASES = [
    Case(
        "rational-quadratic", lambda: Elementwise(RationalQuadratic(), (2,)), plane=True, edges=SPLINE_EDGES
    ),
    Case(
        "rational-quadratic-asymmetric",
        lambda: Elementwise(RationalQuadratic(3, 2.0, low=-1.0), (2, 2)),
        edges=SPLINE_EDGES,
    ),
]
