"""The browser's rational-quadratic splines against gmlib.flows in float64, and against what a spline must be."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from gmlib.flows import RationalQuadratic

from .node import assert_same, evaluate

F64 = torch.float64
MODULE = "forward, fromParameters, inverse from rational_quadratic"
BOTH = (
    "const spline = data.spline ?? fromParameters(data.raw, data.options);"
    "return { spline, to: data.at.map((u) => forward(spline, u)), back: data.at.map((x) => inverse(spline, x)),"
    " round: data.at.map((x) => forward(spline, inverse(spline, x)[0])[0]) };"
)
SPLINE = {"u": [-5.0, -1.0, 0.5, 5.0], "x": [-5.0, 1.0, 1.5, 5.0], "slopes": [1.0, 0.2, 3.0, 1.0]}


def raw(bins: int, size: float) -> Tensor:
    return size * torch.randn(3 * bins - 1, generator=torch.Generator().manual_seed(bins), dtype=F64)


@pytest.mark.parametrize("size", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("bins", [1, 2, 8])
def test_knots_of_raw_parameters(bins: int, size: float) -> None:
    params = raw(bins, size)
    spline = evaluate(MODULE, "return fromParameters(data.raw);", raw=params)
    for name, part in (("u", params[:bins]), ("x", params[bins : 2 * bins])):
        widths = 10 * (1e-3 + (1 - 1e-3 * bins) * part.softmax(0))
        assert_same(spline[name], torch.cat([torch.zeros(1, dtype=F64), widths.cumsum(0)]) - 5)
        assert (spline[name][0], spline[name][-1]) == (-5, 5)
    one = torch.ones(1, dtype=F64)
    # softplus of the offset is 1 - 1e-3, so that raw zeros mean slope 1.
    inner = 1e-3 + softplus(params[2 * bins :] + math.log(math.expm1(1 - 1e-3)))
    assert_same(spline["slopes"], torch.cat([one, inner, one]))


@pytest.mark.parametrize("size", [0.5, 4.0])
@pytest.mark.parametrize("bins", [2, 8])
def test_both_directions_are_gmlibs(bins: int, size: float) -> None:
    params, at = raw(bins, size), torch.linspace(-6, 6, 121, dtype=F64)
    got = evaluate(MODULE, BOTH, raw=params, at=at)
    spline = RationalQuadratic(bins)
    for way, move in (("to", spline.forward), ("back", spline.inverse)):
        assert_same(got[way], torch.stack(move(at, params.expand(len(at), -1)), -1))


def test_zeros_are_the_identity() -> None:
    at = torch.linspace(-7, 7, 57, dtype=F64)
    got = evaluate(MODULE, BOTH, raw=torch.zeros(23), at=at)
    for way in ("to", "back"):
        values, logs = torch.tensor(got[way], dtype=F64).unbind(-1)
        assert float((values - at).abs().max()) < 1e-14
        assert float(logs.abs().max()) < 1e-14


@pytest.mark.parametrize(
    "given", [{"raw": raw(8, 1.0)}, {"raw": raw(5, 4.0)}, {"spline": SPLINE}], ids=["mild", "steep", "given"]
)
def test_a_spline_and_back(given: dict[str, object]) -> None:
    at = torch.linspace(-6, 6, 97, dtype=F64)
    got = evaluate(MODULE, BOTH, at=at, **given)
    assert float((torch.tensor(got["round"], dtype=F64) - at).abs().max()) < 1e-12
    # The inverse's slope at F(u) undoes that at u.
    images = [x for x, _ in got["to"]]
    assert images == sorted(images)
    back = evaluate(MODULE, BOTH, at=images, **given)["back"]
    assert_same([u for u, _ in back], at)
    assert_same([-log for _, log in back], torch.tensor([log for _, log in got["to"]], dtype=F64))


def test_values_and_slopes_at_knots_are_those_given() -> None:
    got = evaluate(MODULE, BOTH, spline=SPLINE, at=SPLINE["u"])
    assert_same([x for x, _ in got["to"]], torch.tensor(SPLINE["x"], dtype=F64))
    assert_same([math.exp(log) for _, log in got["to"]], torch.tensor(SPLINE["slopes"], dtype=F64))


def test_the_log_slope_is_that_of_the_map() -> None:
    at = torch.linspace(-6.05, 6.1, 60, dtype=F64)
    step = 1e-6
    shifted = torch.cat([at - step, at + step])
    params = raw(6, 1.0)
    below, above = torch.tensor(evaluate(MODULE, BOTH, raw=params, at=shifted)["to"], dtype=F64)[:, 0].chunk(
        2
    )
    logs = torch.tensor(evaluate(MODULE, BOTH, raw=params, at=at)["to"], dtype=F64)[:, 1]
    assert_same(logs.exp().tolist(), (above - below) / (2 * step))


def test_other_bounds_and_floors() -> None:
    options = {"bound": 3.0, "minSize": 0.05, "minSlope": 0.1}
    params = torch.tensor([-30.0, 0, 0, 0, 30, 0, -50, 50], dtype=F64)
    spline = evaluate(MODULE, "return fromParameters(data.raw, data.options);", raw=params, options=options)
    assert spline["u"][1] == pytest.approx(-3 + 6 * 0.05)
    assert spline["slopes"][1] == pytest.approx(0.1)
    assert spline["slopes"][2] == pytest.approx(0.1 + 50 + math.log(math.expm1(0.9)))
    at = torch.linspace(-4, 4, 41, dtype=F64)
    got = evaluate(MODULE, BOTH, raw=params, options=options, at=at)
    assert float((torch.tensor(got["round"], dtype=F64) - at).abs().max()) < 1e-12
