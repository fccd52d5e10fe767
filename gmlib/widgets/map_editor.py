"""A map of the line to pull at, and what it makes of N(0, 1): by the right formula, and by two wrong ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import traitlets
from torch import Tensor

from gmlib._checks import check_choice, check_number
from gmlib.flows import Affine, Elementwise, Flow, NLSq, RationalQuadratic, ScalarMap, StandardNormal
from gmlib.flows.nlsq import STEEPEST
from gmlib.widgets.base import STATIC, Widget

F64 = torch.float64
KINDS = ("spline", "nlsq", "affine")
FORMULAS = ("right", "forgotten", "wrong_sign")
BOUND = 5.0
GAP = 0.2  # least distance of two knots, in u and in x
MOST = 5  # inner knots
SLOPES = (0.05, 20.0)
RANGES = {
    "a": (0.1, 3.0),
    "b": (-3.0, 3.0),
    "c": (-4.0, 4.0),
    "d": (0.3, 3.0),
    "e": (-3.0, 3.0),
    "log_scale": (-1.5, 1.5),
    "shift": (-3.0, 3.0),
    "probe": (-3.5, 3.5),
}
FAR = 9.0  # of N(0, 1): no mass that counts is further out
STRIP = 0.25  # half the width of the strip at the probe


@dataclass(frozen=True)
class MapEditorTerms:
    r"""What the widget shows exactly.

    Attributes:
        x: :math:`h(u)` at the probe.
        log_slope: :math:`\log|h'(u)|` there.
        base: density of u there.
        density: the density that the formula says at x.
        area: integral over x of what the formula says; 1 for a density.
        below: mass of the strip of half width ¼ at the probe.
        beside: what the formula says of its image.
        bound: the least slope ``a`` of an NLSq map that can be undone; 0 for the other maps.
        turns: the two places between which the map falls; none if it can be undone.
    """

    x: float
    log_slope: float
    base: float
    density: float
    area: float
    below: float
    beside: float
    bound: float
    turns: tuple[float, ...]


class MapEditor(Widget):
    r"""Bend a map :math:`x = h(u)` and watch what becomes of :math:`u \sim \mathcal N(0, 1)`.

    .. math:: p(x) = \frac{p(u)}{|h'(u)|}, \qquad u = h^{-1}(x)

    Three maps: a monotone rational-quadratic spline whose knots and slopes are dragged, the line with a bump
    :math:`au + b + c/(1 + (du + e)^2)`, and :math:`u\,e^a + \mu`. Two slips: to leave out the slope (the area is then
    :math:`\mathbb E\,h'(u)`), and to multiply by it (:math:`\mathbb E\,h'(u)^2`); for x = 2u they are 2 and 4. A bump with
    :math:`a < \frac{9}{8\sqrt3}|c|d` folds the map back, so that an x has three u. The formula knows of one (here, the
    first), and the area falls short of 1.

    Args:
        kind: ``"spline"``, ``"nlsq"`` or ``"affine"``.
        knots: inner knots (u, x) of the spline, one to five, increasing in both by at least 0.2 between -5 and 5.
        slopes: slope at each of them, from 0.05 to 20; outside of [-5, 5] the spline is the identity.
        a: slope of the line with a bump, from 0.1 to 3.
        b: its shift, from -3 to 3.
        c: height of the bump, from -4 to 4.
        d: how narrow the bump is, from 0.3 to 3.
        e: place of the bump, u = -e/d; from -3 to 3.
        log_scale: logarithm of the affine map's scale, from -1.5 to 1.5.
        shift: :math:`\mu`, from -3 to 3.
        formula: ``"right"``, ``"forgotten"`` (the slope is left out) or ``"wrong_sign"`` (it multiplies).
        probe: u at which the numbers are read, from -3.5 to 3.5.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range, or the knots do not increase.

    References:
        K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, equations 23.2 and 23.9; C. Durkan, A. Bekasov,
        I. Murray and G. Papamakarios, *Neural spline flows*, 2019.

    Example:
        >>> from gmlib.widgets import MapEditor
        >>> for formula in ("right", "forgotten", "wrong_sign"):
        ...     print(f"{MapEditor('affine', formula=formula).terms().area:.4f}")
        1.0000
        2.0000
        4.0000
    """

    _esm = STATIC / "map_editor.js"
    shown = ("kind", "knots", "slopes", "a", "b", "c", "d", "e", "log_scale", "shift", "formula", "probe")

    kind = traitlets.Enum([*KINDS], "spline", help="which map").tag(sync=True)
    knots = traitlets.List(traitlets.List(traitlets.Float(), minlen=2, maxlen=2), help="inner knots").tag(
        sync=True
    )
    slopes = traitlets.List(traitlets.Float(), help="slopes at the knots").tag(sync=True)
    chosen = traitlets.Int(0, min=0, max=MOST - 1, help="the knot whose slope is shown").tag(sync=True)
    a = traitlets.Float(1.0, min=RANGES["a"][0], max=RANGES["a"][1], help="slope of the line").tag(sync=True)
    b = traitlets.Float(0.0, min=RANGES["b"][0], max=RANGES["b"][1], help="shift of the line").tag(sync=True)
    c = traitlets.Float(1.4, min=RANGES["c"][0], max=RANGES["c"][1], help="height of the bump").tag(sync=True)
    d = traitlets.Float(1.0, min=RANGES["d"][0], max=RANGES["d"][1], help="narrowness").tag(sync=True)
    e = traitlets.Float(0.0, min=RANGES["e"][0], max=RANGES["e"][1], help="place of the bump").tag(sync=True)
    log_scale = traitlets.Float(
        math.log(2), min=RANGES["log_scale"][0], max=RANGES["log_scale"][1], help="log-scale"
    ).tag(sync=True)
    shift = traitlets.Float(0.0, min=RANGES["shift"][0], max=RANGES["shift"][1], help="shift").tag(sync=True)
    formula = traitlets.Enum([*FORMULAS], "right", help="what is done with the slope").tag(sync=True)
    probe = traitlets.Float(0.6, min=RANGES["probe"][0], max=RANGES["probe"][1], help="u that is read").tag(
        sync=True
    )

    def __init__(
        self,
        kind: str = "spline",
        *,
        knots: Sequence[Sequence[float]] = ((-1.5, -2.2), (0.0, 0.0), (1.5, 2.2)),
        slopes: Sequence[float] = (0.35, 3.5, 0.35),
        a: float = 1.0,
        b: float = 0.0,
        c: float = 1.4,
        d: float = 1.0,
        e: float = 0.0,
        log_scale: float = math.log(2),
        shift: float = 0.0,
        formula: str = "right",
        probe: float = 0.6,
    ) -> None:
        check_choice("kind", kind, KINDS)
        check_choice("formula", formula, FORMULAS)
        numbers = {
            "a": a,
            "b": b,
            "c": c,
            "d": d,
            "e": e,
            "log_scale": log_scale,
            "shift": shift,
            "probe": probe,
        }
        for name, value in numbers.items():
            low, high = RANGES[name]
            check_number(name, value, low=low, high=high)
        places = _checked_knots(knots)
        super().__init__(
            kind=kind,
            knots=places,
            slopes=_checked_slopes(slopes, len(places)),
            formula=formula,
            **{name: float(value) for name, value in numbers.items()},
        )

    def scalar_map(self) -> tuple[ScalarMap, Tensor]:
        """The map as gmlib has it, and its unconstrained parameters in float64.

        Raises:
            ValueError: the map has a flat point or folds back.

        Example:
            >>> from gmlib.widgets import MapEditor
            >>> h, params = MapEditor("affine").scalar_map()
            >>> h.forward(torch.tensor([3.0]), params[None].float())[0]
            tensor([6.])
        """
        if self.kind == "affine":
            return Affine(), torch.tensor([self.log_scale, self.shift], dtype=F64)
        if self.kind == "nlsq":
            bump = NLSq(min_slope=1e-9)
            return bump, bump.params(self.a, self.b, self.c, self.d, self.e)
        h = RationalQuadratic(len(self.knots) + 1, BOUND)
        ends = [[-BOUND, -BOUND], *self.knots, [BOUND, BOUND]]
        shares = torch.tensor(ends, dtype=F64).diff(dim=0) / (2 * BOUND)
        sizes = ((shares - h.min_size) / (1 - h.bins * h.min_size)).log()
        slopes = torch.tensor(self.slopes, dtype=F64) - h.min_slope
        offset = math.log(math.expm1(1 - h.min_slope))
        return h, torch.cat([sizes[:, 0], sizes[:, 1], slopes.expm1().log() - offset])

    def flow(self) -> Flow:
        """The flow that the map makes of N(0, 1), in float64.

        Raises:
            ValueError: the map has a flat point or folds back.

        Example:
            >>> from gmlib.widgets import MapEditor
            >>> flow = MapEditor("affine", shift=1.0).flow()
            >>> torch.distributions.Normal(1.0, 2.0).log_prob(torch.tensor(0.0)), flow.log_prob(torch.zeros(1).double())
            (tensor(-1.7371), tensor(-1.7371, dtype=torch.float64, grad_fn=<AddBackward0>))
        """
        h, params = self.scalar_map()
        layer = Elementwise(h, (1,)).double()
        layer.params.data.copy_(params)
        return Flow(StandardNormal((1,)).double(), layer)

    def terms(self) -> MapEditorTerms:
        """The exact numbers that the widget shows now, in float64.

        Example:
            A bump that is too steep: the formula misses part of the mass.

            >>> from gmlib.widgets import MapEditor
            >>> terms = MapEditor("nlsq", c=3.0).terms()
            >>> print(f"{terms.bound:.4f} {terms.area:.4f}")
            1.9486 0.5735
        """
        at = torch.tensor(self.probe, dtype=F64)
        x, slope = self._at(at)
        turns = self._turns()
        strip = self._at(torch.tensor([self.probe - STRIP, self.probe + STRIP], dtype=F64))[0].tolist()
        root = torch.tensor(self._first_root(float(x)), dtype=F64)
        density = self._said(_normal(root), self._at(root)[1])
        root2 = 2**-0.5
        return MapEditorTerms(
            x=float(x),
            log_slope=float(slope.abs().log()),
            base=float(_normal(at)),
            density=float(density),
            area=self._mass(*self._reach(), turns),
            below=0.5 * (math.erf((self.probe + STRIP) * root2) - math.erf((self.probe - STRIP) * root2)),
            beside=self._mass(min(strip), max(strip), turns),
            bound=STEEPEST * abs(self.c) * self.d if self.kind == "nlsq" else 0.0,
            turns=turns,
        )

    def _at(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """h(u) and h'(u), whatever its sign."""
        if self.kind == "nlsq":
            v = self.d * u + self.e
            rest = 1 / (1 + v.square())
            return self.a * u + self.b + self.c * rest, self.a - 2 * self.c * self.d * v * rest.square()
        h, params = self.scalar_map()
        x, log_slope = h.forward(u, params.expand(*u.shape, -1))
        return x, log_slope.exp()

    def _reach(self) -> tuple[float, float]:
        """All x that come from u in [-9, 9] lie between these."""
        if self.kind == "nlsq":
            return self.b - self.a * FAR + min(self.c, 0.0), self.b + self.a * FAR + max(self.c, 0.0)
        low, high = self._at(torch.tensor([-FAR, FAR], dtype=F64))[0].tolist()
        return low, high

    def _turns(self) -> tuple[float, ...]:
        """Where the slope changes its sign: a (1 + v^2)^2 = 2 c d v."""
        if self.kind != "nlsq":
            return ()
        found = np.roots([self.a, 0, 2 * self.a, -2 * self.c * self.d, self.a])
        # A pair that is not real, but for rounding, is a double root: the map is flat there and goes on.
        real = sorted(((v.real - self.e) / self.d) for v in found if abs(v.imag) < 1e-7)
        folds = self.a < STEEPEST * abs(self.c) * self.d and len(real) == 2
        return tuple(map(float, real)) if folds else ()

    def _first_root(self, x: float) -> float:
        """The least u with h(u) = x."""
        if self.kind == "nlsq":
            a, c, d, e = self.a, self.c, self.d, self.e
            # (a u + b - x)(1 + v^2) + c = 0, with u = (v - e) / d.
            lead = (self.b - x) * d / a - e
            found = np.roots([1, lead, 1, lead + c * d / a])
            return float(min((v.real - e) / d for v in found if abs(v.imag) < 1e-7))
        h, params = self.scalar_map()
        return float(h.inverse(torch.tensor(x, dtype=F64), params)[0])

    def _said(self, p: Tensor, slope: Tensor) -> Tensor:
        if self.formula == "forgotten":
            return p
        return p * slope.abs() if self.formula == "wrong_sign" else p / slope.abs()

    def _mass(self, low: float, high: float, turns: tuple[float, ...]) -> float:
        """What the formula says of [low, high]: an integral over the u that come first."""
        ends = [self._first_root(low), self._first_root(high)]
        if not turns:
            return self._integral(*ends)
        top = float(self._at(torch.tensor(turns[0], dtype=F64))[0])
        if not low < top < high:
            return self._integral(*ends)
        # Over the fold the first u jumps, from the first turn to where the map is as high again: of three roots two are at
        # the turn, and their sum is known.
        beyond = (top - self.b) / self.a - 2 * (turns[0] + self.e / self.d)
        return self._integral(ends[0], turns[0]) + self._integral(beyond, ends[1])

    def _integral(self, low: float, high: float) -> float:
        """What the formula says, times dx, over u from ``low`` to ``high``, by Gauss and Legendre between the knots."""
        inner = [u for u, _ in self.knots] + [-BOUND, BOUND] if self.kind == "spline" else []
        edges = sorted({low, high, *(u for u in inner if low < u < high)})
        nodes, weights = np.polynomial.legendre.leggauss(16)
        total = 0.0
        for start, end in itertools.pairwise(edges):
            cuts = np.linspace(start, end, 25)
            half = np.diff(cuts)[:, None] / 2
            u = torch.from_numpy((cuts[:-1, None] + half + half * nodes).ravel())
            slope = self._at(u)[1]
            said = self._said(_normal(u), slope) * slope.abs()
            total += float((said * torch.from_numpy((half * weights).ravel())).sum())
        return total


def _normal(u: Tensor) -> Tensor:
    return (-0.5 * u.square()).exp() / math.sqrt(2 * math.pi)


def _checked_knots(knots: Sequence[Sequence[float]]) -> list[list[float]]:
    """The inner knots as lists, or an error."""
    want = f"knots must be one to {MOST} pairs (u, x) that increase by at least {GAP} between -{BOUND:g} and {BOUND:g}"
    if isinstance(knots, str) or not isinstance(knots, Sequence):
        raise TypeError(f"{want}, got {type(knots).__name__}")
    if not 1 <= len(knots) <= MOST:
        raise ValueError(f"{want}, got {len(knots)} of them")
    places = []
    for knot in knots:
        if isinstance(knot, str) or not isinstance(knot, Sequence) or len(knot) != 2:
            raise ValueError(f"{want}, got {knot!r} among them")
        for value in knot:
            check_number("knots", value, low=-BOUND, high=BOUND)
        places.append([float(value) for value in knot])
    steps = np.diff([[-BOUND] * 2, *places, [BOUND] * 2], axis=0)
    if steps.min() < GAP - 1e-9:
        raise ValueError(f"{want}, got {places}")
    return places


def _checked_slopes(slopes: Sequence[float], count: int) -> list[float]:
    """The slopes as a list, or an error."""
    want = f"slopes must be {count} numbers, one for each knot"
    if isinstance(slopes, str) or not isinstance(slopes, Sequence):
        raise TypeError(f"{want}, got {type(slopes).__name__}")
    if len(slopes) != count:
        raise ValueError(f"{want}, got {len(slopes)}")
    for slope in slopes:
        check_number("slopes", slope, low=SLOPES[0], high=SLOPES[1])
    return [float(slope) for slope in slopes]
