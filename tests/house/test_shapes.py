"""The shape checker of the suite: awake when a test begins, asleep after a tenth of a second of its work."""

from __future__ import annotations

import time

import pytest
import torch
from jaxtyping import TypeCheckError
from jaxtyping import config as shapes

from gmlib.distributions import Gaussian

LAW = Gaussian(torch.zeros(2), var=1.0)


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """What the checker loads at its first word takes longer than that: before the first test, then."""
    shapes.update("jaxtyping_disable", False)
    with pytest.raises(TypeCheckError):
        LAW.log_prob("no tensor")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_shapes_are_checked_until_a_tenth_of_a_second_of_work_is_done(turn: int) -> None:
    if turn > 1:  # the first turn's time went, in part, to loading
        with pytest.raises(TypeCheckError):
            LAW.log_prob("no tensor")  # pyright: ignore[reportArgumentType]
    begin = time.process_time()
    while time.process_time() - begin < 3 and not shapes.jaxtyping_disable:
        pass
    assert shapes.jaxtyping_disable, f"still awake, in turn {turn}"
