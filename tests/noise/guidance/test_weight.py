"""The weight at a time: numbers, tensors, functions and intervals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gmlib.noise import Denoiser, VPCosine
from gmlib.noise.guidance import ClassifierFree, ClassifierGuided, Measured
from gmlib.noise.guidance.weight import check_weight, weight_at, weight_over

F64 = torch.float64
COSINE = VPCosine()
MODEL = Denoiser(lambda x, t, label: label[:, None] * x, COSINE, "x0")
STILL = Denoiser(lambda x, t: 0.5 * x, COSINE, "x0")


@pytest.mark.parametrize("end", [0.2, 0.6])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, F64])
def test_both_ends_belong_to_the_interval_however_the_time_is_given(end: float, dtype: torch.dtype) -> None:
    interval = (0.2, 0.6)
    rounded = torch.tensor(end, dtype=torch.float32).item()  # what a grid in float32 has there
    assert weight_at(3.0, end, interval) == weight_at(3.0, rounded, interval) == 3.0
    assert weight_at(3.0, torch.tensor(end, dtype=dtype), interval) == 3.0
    batch = torch.tensor([end, 0.1, 0.7, 0.4], dtype=dtype)
    found = weight_at(3.0, batch, interval)
    assert isinstance(found, Tensor)
    assert found.tolist() == [3.0, 1.0, 1.0, 3.0]
    outside = end + (1e-3 if end > 0.4 else -1e-3)
    assert weight_at(3.0, outside, interval) == 1.0


def test_numbers_are_numbers_however_they_are_given() -> None:
    for w in (3, 3.0, torch.tensor(3.0), lambda t: 3, lambda t: torch.tensor(3.0, dtype=F64)):
        found = weight_at(w, torch.tensor(0.4), (0.2, 0.6))
        assert isinstance(found, float)
        assert found == 3.0
    learnt = torch.nn.Parameter(torch.tensor(3.0))
    x, label = torch.ones(2, 1), torch.tensor([1, 2])
    ClassifierFree(MODEL, learnt, {"label": 0})(x, 0.4, label=label).sum().backward()
    torch.testing.assert_close(learnt.grad, torch.tensor(3.0))  # sum of labels


def test_a_weight_for_each_point_takes_the_dtype_of_the_points() -> None:
    found = weight_over(
        torch.tensor([1.0, 2.0]), torch.tensor([0.1, 0.4]), torch.zeros(2, 3, dtype=F64), (0.2, 0.6)
    )
    assert isinstance(found, Tensor)
    assert (found.dtype, found.tolist()) == (F64, [[1.0], [2.0]])


def uphill(x: Tensor, t: Any) -> Tensor:
    return -x.square().sum(1)


GUIDED = {
    "free": lambda w, **k: ClassifierFree(STILL, w, {"label": 0}, **k),
    "classifier": lambda w, **k: ClassifierGuided(STILL, uphill, w, **k),
    "measured": lambda w, **k: Measured(STILL, torch.eye(2), torch.ones(2), 0.1, w=w, **k),
}


@pytest.mark.parametrize("name", ["classifier", "measured"])
def test_weights_of_the_other_guidances(name: str) -> None:
    """Guidance is a straight line in w, for each point and each time its own."""
    make: Any = GUIDED[name]
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    none, one = make(0.0), make(1.0)
    assert torch.equal(none.x0(x, 0.4), (STILL if name == "classifier" else none).x0(x, 0.4))
    assert torch.equal(none.score(x, 0.4), STILL.score(x, 0.4))
    change = one(x, 0.4) - none(x, 0.4)
    for w in (-1.0, 2.5, torch.tensor(2.5), torch.tensor([0.0, 1.0, 4.0]), lambda t: 1 + 2 * t):
        strength = w(0.4) if callable(w) else w
        if isinstance(strength, Tensor) and strength.dim():
            strength = strength[:, None]
        torch.testing.assert_close(make(w)(x, 0.4), none(x, 0.4) + strength * change)
    limited, times = make(2.5, interval=(0.2, 0.6)), torch.tensor([0.1, 0.4, 0.7])
    together = limited(x, times)
    for i, (t, w) in enumerate(zip((0.1, 0.4, 0.7), (1.0, 2.5, 1.0), strict=True)):
        torch.testing.assert_close(together[i : i + 1], make(w)(x[i : i + 1], t))
        torch.testing.assert_close(limited(x, t), make(w)(x, t))


def test_tensors_move_with_the_module() -> None:
    guided = ClassifierFree(MODEL, torch.ones(2), {"label": torch.tensor(0), "text": torch.zeros(3)})
    assert {name for name, _ in guided.named_buffers()} == {"w", "nothing_label", "nothing_text"}
    assert guided.double().nothing["text"].dtype == F64
    assert list(guided.nothing) == ["label", "text"]


@pytest.mark.bad_input
@pytest.mark.parametrize("name", GUIDED)
def test_functions_that_give_no_weight(name: str) -> None:
    x, told = torch.ones(2, 2), {"label": torch.zeros(2)} if name == "free" else {}
    for wrong, kind, match in (
        (None, TypeError, r"w\(t\) must be a real number, got NoneType"),
        (float("nan"), ValueError, r"w\(t\) must be a finite number"),
        (torch.ones(2, 3), ValueError, r"w\(t\) must have shape \(\) or \(batch,\), got \(2, 3\)"),
        (torch.tensor([1.0, float("nan")]), ValueError, r"w\(t\) must be finite"),
        (torch.tensor([1, 2]), TypeError, r"w\(t\) must have a floating dtype"),
        (torch.ones(3), ValueError, r"w must have shape \(2,\), one weight for each point, got \(3,\)"),
    ):
        with pytest.raises(kind, match=match):
            GUIDED[name](lambda t, wrong=wrong: wrong)(x, 0.4, **told)  # pyright: ignore[reportArgumentType]


@pytest.mark.bad_input
def test_weights_that_are_none() -> None:
    for wrong, kind, match in (
        (torch.tensor([1, 2]), TypeError, "w must have a floating dtype"),
        (torch.ones(2, 2), ValueError, r"w must have shape \(\) or \(batch,\)"),
        (torch.tensor([float("inf")]), ValueError, "w must be finite"),
        ("2", TypeError, "w must be a real number"),
        (None, TypeError, "w must be a real number"),
    ):
        with pytest.raises(kind, match=match):
            check_weight(wrong, None)
