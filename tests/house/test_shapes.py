"""The shape checker of the suite: awake when a test begins, asleep after half a second of its work."""

from __future__ import annotations

import time

import pytest
import torch
from jaxtyping import TypeCheckError
from jaxtyping import config as shapes

from gmlib.distributions import Gaussian

LAW = Gaussian(torch.zeros(2), var=1.0)
with pytest.raises(TypeCheckError):  # once here: what is loaded at first use takes more than half a second
    LAW.log_prob("no tensor")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("turn", [1, 2])
def test_shapes_are_checked_until_half_a_second_of_work_is_done(turn: int) -> None:
    with pytest.raises(TypeCheckError):
        LAW.log_prob("no tensor")  # pyright: ignore[reportArgumentType]
    begin = time.process_time()
    while time.process_time() - begin < 3 and not shapes.jaxtyping_disable:
        pass
    assert shapes.jaxtyping_disable, f"still awake, in turn {turn}"
