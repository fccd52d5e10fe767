"""The axes' scale and its ticks."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest

from .node import evaluate


def scale(domain: list[float], body: str, **data: Any) -> Any:
    start = "const s = linearScale().domain(data.domain).range([30, 230]);"
    return evaluate("linearScale from scale", start + body, domain=domain, **data)


@pytest.mark.parametrize("domain", [[0.0, 1.0], [-3.0, 17.0], [3.0, 0.0], [1e-6, 2e-6]])
def test_ends_go_to_ends_and_the_way_back_is_the_inverse(domain: list[float]) -> None:
    low, high = domain
    places = [low, high, low + 0.3 * (high - low), low - (high - low)]
    got = scale(domain, "return data.places.map((v) => [s(v), s.invert(s(v))]);", places=places)
    assert [place for place, _ in got] == pytest.approx([30, 230, 90, -170])
    assert [back for _, back in got] == pytest.approx(places)


def test_an_empty_domain_lies_in_the_middle() -> None:
    assert scale([2.0, 2.0], "return [s(2), s(5), s.invert(130), ...s.ticks(5)];") == [130, 130, 2, 2]


@pytest.mark.parametrize(
    ("domain", "count", "wanted"),
    [
        ([0.13, 0.87], 4, [0.0, 1.0]),
        ([0.87, 0.13], 4, [1.0, 0.0]),
        ([-2.3, 9.7], 5, [-4, 10]),
        ([0.0, 1.0], 5, [0, 1]),
    ],
)
def test_a_nice_domain_ends_at_ticks(domain: list[float], count: int, wanted: list[float]) -> None:
    assert scale(domain, "return s.nice(data.count).domain();", count=count) == wanted


WRITTEN = {
    (0, 1, 5): "0.0 0.2 0.4 0.6 0.8 1.0",
    (-3, 3, 5): "−3 −2 −1 0 1 2 3",
    (-0.25, 0.25, 4): "−0.2 −0.1 0.0 0.1 0.2",
    (3, 0, 3): "0 1 2 3",
    (0, 12_000, 2): "0 5,000 10,000",
    (0.001, 0.0045, 3): "0.001 0.002 0.003 0.004",
}


@pytest.mark.parametrize("case", WRITTEN)
def test_ticks_as_they_are_written(case: tuple[float, float, int]) -> None:
    low, high, count = case
    got = scale(
        [low, high], "return s.ticks(data.count).map(s.tickFormat(data.count)).join(' ');", count=count
    )
    assert got == WRITTEN[case]


@pytest.mark.parametrize("domain", [[-0.7, 2.9], [0.013, 0.0781], [-4321.0, 777.0], [1e5, 1.001e5]])
@pytest.mark.parametrize("count", [2, 5, 9])
def test_ticks_are_all_the_multiples_of_a_round_number(domain: list[float], count: int) -> None:
    got = scale(domain, "return s.ticks(data.count);", count=count)
    low, high = domain
    values = [Fraction(repr(v)) for v in got]  # as JavaScript writes them: 0.3 is three tenths
    assert low <= values[0] <= values[-1] <= high
    # Some count from half to twice the wish gives such steps; with at most one tick the step cannot be seen.
    assert count / 2 - 1 <= len(values) <= 2 * count + 1
    if len(values) > 1:
        steps = {b - a for a, b in itertools.pairwise(values)}
        assert len(steps) == 1
        (step,) = steps
        assert str(step.numerator).strip("0") + str(step.denominator).strip("0") in {
            "11",
            "21",
            "51",
            "12",
            "15",
        }
        assert values[0] / step == int(values[0] / step)
        assert values[0] - step < low
        assert values[-1] + step > high
