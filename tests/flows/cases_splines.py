"""Splines, the non-linear squared map and the squashing maps, for the sheet."""

import torch
from sheet import Case, uniform_points

from gmlib.flows import (
    CubicSpline,
    Elementwise,
    LinearSpline,
    NLSq,
    NormalCdf,
    QuadraticSpline,
    RationalQuadratic,
    Sigmoid,
    histogram_layer,
)

# Ends of the interval and inner knots of equal bins included.
SPLINE_EDGES = (-30.0, -5.0, -2.5, 0.0, 2.5, 5.0, 30.0)
# The squashing maps read a point of the open unit cube both as noise and as data.
UNIT_EDGES = (1e-12, 0.5, 1 - 1e-12)


def counted() -> Elementwise:
    """Five levels in each of two pixels."""
    return histogram_layer(torch.tensor([[0, 4], [1, 4], [1, 0], [3, 4]]), 5, smoothing=0.1)


CASES = [
    Case(
        "rational-quadratic", lambda: Elementwise(RationalQuadratic(), (2,)), plane=True, edges=SPLINE_EDGES
    ),
    Case(
        "rational-quadratic-asymmetric",
        lambda: Elementwise(RationalQuadratic(3, 2.0, low=-1.0), (2, 2)),
        edges=SPLINE_EDGES,
    ),
    # Not on the grid: the rule of midpoints is only of first order where a density jumps. test_splines.py integrates it.
    Case("linear-spline", lambda: Elementwise(LinearSpline(), (2,)), edges=SPLINE_EDGES),
    Case("quadratic-spline", lambda: Elementwise(QuadraticSpline(), (2,)), plane=True, edges=SPLINE_EDGES),
    Case("cubic-spline", lambda: Elementwise(CubicSpline(), (2,)), plane=True, edges=SPLINE_EDGES),
    Case("nlsq", lambda: Elementwise(NLSq(), (2,)), plane=True, edges=(-1e4, -30.0, 0.0, 30.0, 1e4)),
    Case("histogram-layer", counted, points=uniform_points, edges=(-1.0, 0.0, 0.2, 1.0, 2.0)),
    Case("sigmoid", lambda: Sigmoid((2, 3)), points=uniform_points, edges=UNIT_EDGES),
    Case("normal-cdf", lambda: NormalCdf((3,)), points=uniform_points, edges=UNIT_EDGES),
]
