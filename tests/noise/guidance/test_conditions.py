"""What a network is told when guidance asks it twice about every point."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from gmlib.diffusion.guidance import Repairer, hole
from gmlib.noise import Denoiser, VPCosine
from gmlib.noise.guidance import ClassifierFree, ClassifierGuided, Measured
from gmlib.noise.guidance.rows import map_rows

COSINE = VPCosine()


def network(x: Tensor, t: Tensor, label: Tensor, shift: Any = 0.0) -> Tensor:
    return label[:, None] * x + shift


MODEL = Denoiser(network, COSINE, "x0")
X = torch.tensor([[1.0, 2.0], [3.0, 4.0]])


def test_one_label_for_all_guides_all() -> None:
    guided = ClassifierFree(MODEL, 3.0, {"label": 0})
    wanted = 3.0 * 2 * X
    for label in (torch.tensor(2), torch.tensor([2]), torch.tensor([2, 2])):
        torch.testing.assert_close(guided.x0(X, 0.5, label=label), wanted)
        torch.testing.assert_close(
            guided.x0(X[:1], 0.5, label=label[:1] if label.dim() else label), wanted[:1]
        )
    assert guided(X, torch.tensor(0.5), label=torch.tensor(2)).shape == X.shape


def test_one_text_for_all_guides_all() -> None:
    def reads(x: Tensor, t: Tensor, text: Tensor) -> Tensor:
        return x + text.sum(1, keepdim=True)

    nothing = torch.tensor([0.5, 0.0, 0.0])
    guided = ClassifierFree(Denoiser(reads, COSINE, "x0"), 3.0, {"text": nothing})
    for text in (torch.ones(1, 3), torch.ones(2, 3)):  # (u + w (c - u)) of .5 and 3
        torch.testing.assert_close(guided.x0(X, 0.5, text=text), X + 8.0)
    torch.testing.assert_close(ClassifierFree(MODEL, 3.0, {"label": torch.tensor(1)}).x0(
        X, 0.5, label=torch.tensor([2, 3])
    ), torch.tensor([[4.0], [7.0]]) * X)  # fmt: skip


def test_rows_go_with_their_points_and_the_rest_is_for_all() -> None:
    guided = ClassifierFree(MODEL, 3.0, {"label": 0})
    label = torch.tensor([1, 2])
    plain = guided.x0(X, 0.5, label=label)
    rows = torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    for shift in (rows, rows[:1], torch.tensor(0.5), 0.5):
        torch.testing.assert_close(guided.x0(X, 0.5, label=label, shift=shift), plain + shift)


class Pair(NamedTuple):
    """Two tensors in one condition."""

    first: Tensor
    rest: tuple[Tensor, float]


def test_named_tuples_are_doubled_within() -> None:
    def reads(x: Tensor, t: Tensor, label: Tensor, pair: Pair) -> Tensor:
        return label[:, None] * x + pair.first * pair.rest[1] + pair.rest[0]

    guided = ClassifierFree(Denoiser(reads, COSINE, "x0"), 3.0, {"label": 0})
    rows, label = torch.tensor([[0.1, 0.2], [0.3, 0.4]]), torch.tensor([1, 2])
    found = guided.x0(X, 0.5, label=label, pair=Pair(rows, (X, 2.0)))
    torch.testing.assert_close(found, 3.0 * label[:, None] * X + 2 * rows + X)


def test_a_repairer_is_guided() -> None:
    def reads(x: Tensor, t: Tensor, image: Tensor, label: Tensor) -> Tensor:
        return label[:, None, None, None] * x

    x = torch.randn(2, 1, 4, 4)
    seen, label = hole(torch.randn(2, 1, 4, 4), 1), torch.tensor([1, 2])
    found = ClassifierFree(Repairer(Denoiser(reads, COSINE, "x0")), 3.0, {"label": 0}).x0(
        x, 0.5, seen=seen, label=label
    )
    wanted = torch.where(seen.known, seen.image, 3.0 * label[:, None, None, None] * x)
    torch.testing.assert_close(found, wanted)


def test_a_measurement_goes_around() -> None:
    """The one order in which each point can have a measurement of its own."""
    guided = ClassifierFree(MODEL, 3.0, {"label": 0})
    told, y = {"label": torch.tensor([1, 2])}, torch.tensor([[0.5], [1.0]])
    together = Measured(guided, torch.ones(1, 2), y, 0.1)(X, 0.5, **told)
    for i in range(2):
        alone = Measured(guided, torch.ones(1, 2), y[i], 0.1)
        torch.testing.assert_close(
            together[i : i + 1], alone(X[i : i + 1], 0.5, label=told["label"][i : i + 1])
        )


@pytest.mark.bad_input
def test_what_is_held_for_each_point_cannot_be_inside() -> None:
    each, still = torch.ones(2), Denoiser(lambda x, t: x, COSINE, "x0")
    for inner, kind in (
        (ClassifierFree(MODEL, each, {"label": 0}), "ClassifierFree"),
        (ClassifierGuided(still, lambda x, t: x.sum(1), each), "ClassifierGuided"),
        (Measured(still, torch.ones(1, 2), torch.ones(2, 1), 0.1), "Measured"),
        (Repairer(Measured(still, torch.ones(1, 2), torch.ones(2, 1), 0.1)), "Measured"),
    ):
        with pytest.raises(ValueError, match=rf"guide first, as in {kind}\(ClassifierFree\("):
            ClassifierFree(inner, 3.0, {"label": 0})


@pytest.mark.bad_input
def test_conditions_that_do_not_fit() -> None:
    guided, label = ClassifierFree(MODEL, 3.0, {"label": 0}), torch.tensor([1, 2])
    with pytest.raises(TypeError, match=r"label must be a torch\.Tensor, got int"):
        guided(X, 0.5, label=2)
    with pytest.raises(ValueError, match=r"label must have 2 rows, one for each point, or one for all"):
        guided(X, 0.5, label=torch.tensor([1, 2, 3]))
    with pytest.raises(ValueError, match=r"shift must have 2 rows.* got shape \(3,\)"):
        guided(X, 0.5, label=label, shift=torch.ones(3))
    with pytest.raises(ValueError, match=r"pair\[1\] must have 2 rows"):
        map_rows("pair", (label, torch.ones(3)), 2, torch.neg)
    for wrong, kind, match in (
        (None, TypeError, r"nothing\['label'\] must be a real number, got NoneType"),
        ("none", TypeError, r"nothing\['label'\] must be a real number, got str"),
        (float("nan"), ValueError, r"nothing\['label'\] must be a finite number"),
    ):
        with pytest.raises(kind, match=match):
            ClassifierFree(MODEL, 3.0, {"label": wrong})  # pyright: ignore[reportArgumentType]
    for wrong, kind, match in (
        (
            0.5,
            ValueError,
            r"nothing\['label'\] must be a whole number, as label has dtype torch.int64, got 0.5",
        ),
        (torch.tensor(0.5), TypeError, r"nothing\['label'\] must hold whole numbers"),
        (
            torch.tensor([1, 2, 3]),
            ValueError,
            r"nothing\['label'\] must expand to the shape of label, \(2,\)",
        ),
        (torch.tensor([[1, 2]]), ValueError, r"nothing\['label'\] must expand to the shape of label, \(2,\)"),
    ):
        with pytest.raises(kind, match=match):
            ClassifierFree(MODEL, 3.0, {"label": wrong})(X, 0.5, label=label)
