"""The browser's network with classes, and guidance by them, against torch."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from gmlib.noise import Denoiser, LogSNRClock
from gmlib.noise.guidance import ClassifierFree
from gmlib.noise.samplers import ddim, even_times
from gmlib.recipes.guidance_mnist import CLASSES, listening_denoiser
from gmlib.widgets import GuidedDigits, guided_digits
from gmlib.widgets.guided_digits import ASKED, _noise

from .node import assert_same, evaluate
from .test_digits_in_the_browser import F64, NETWORK, given, noise, some_denoiser

PARTS = "Denoiser, answers, denoised from denoising; unpack from weights"


@torch.no_grad()
def test_a_network_that_is_told_a_class_or_none() -> None:
    denoiser, x = some_denoiser(widths=[8, 16], classes=CLASSES), noise(3, 1, 28, 28)
    got = evaluate(
        "PixelUNet from unet; unpack from weights",
        NETWORK + "const network = new PixelUNet(arrays);"
        "return data.labels.map((label, i) => { network.tell(0.4, label);"
        " return [...network.run(Float32Array.from(data.x[i]))]; });",
        **given(denoiser),
        x=x.flatten(1),
        labels=[7, None, 0],
    )
    assert isinstance(denoiser.network, LogSNRClock)
    network, t = denoiser.network.network, torch.full((3,), 0.4, dtype=F64)
    truth = network(x, t, label=torch.tensor([7, CLASSES, 0]))
    assert_same(got, truth.flatten(1))
    assert float((truth - network(x, t)).abs().max()) > 0.01


@torch.no_grad()
def test_guidance_asks_twice_or_once() -> None:
    denoiser, x = some_denoiser(widths=[8], patch=4, octaves=[0], classes=CLASSES), noise(1, 1, 28, 28)
    weights = [0.0, 0.5, 1.0, 8.0]
    got = evaluate(
        PARTS,
        NETWORK
        + "const denoiser = new Denoiser(arrays); const { network } = denoiser; const run = network.run;"
        "let asked = 0; network.run = (...given) => { asked++; return run.apply(network, given); };"
        "return data.weights.map((w) => { asked = 0; const [clean, noise] = [new Float64Array(784), new Float64Array(784)];"
        " denoiser.guide(Float32Array.from(data.x[0]), clean, noise, { t: 0.3, label: 4, w });"
        " return { clean: [...clean], noise: [...noise], asked, answers: answers(w) }; });",
        **given(denoiser),
        x=x.flatten(1),
        weights=weights,
    )
    for w, found in zip(weights, got, strict=True):
        guided = ClassifierFree(denoiser, w, {"label": CLASSES})
        truth = guided.predict(x, 0.3, label=torch.tensor([4]))
        assert_same(found["clean"], truth.x0.flatten())
        assert_same(found["noise"], truth.eps.flatten())
        assert found["asked"] == found["answers"] == (1 if w in (0.0, 1.0) else 2)


def drawn(denoiser: Denoiser, start: torch.Tensor, label: torch.Tensor, w: float, steps: int) -> torch.Tensor:
    """The pictures that the browser makes."""
    got = evaluate(
        PARTS,
        NETWORK + "const denoiser = new Denoiser(arrays);"
        "const normals = data.noise.map((own) => { let i = 0; return () => own[i++]; });"
        "const { labels, steps, w } = data;"
        "const made = [...denoised(denoiser, { pixels: 784, steps, eta: 0, labels, w }, normals)];"
        "return [...made.at(-1).points];",
        **given(denoiser),
        noise=start.flatten(1),
        labels=label,
        steps=steps,
        w=w,
    )
    return torch.tensor(got, dtype=F64).reshape(-1, 784)


@pytest.mark.parametrize("w", [0.0, 1.0, 4.0])
def test_guided_steps_are_those_of_gmlib(w: float) -> None:
    denoiser = some_denoiser(widths=[8], patch=4, octaves=[0], classes=CLASSES)
    start, label = noise(3, 1, 28, 28, seed=2), torch.tensor([0, 9, 3])
    guided = ClassifierFree(denoiser, w, {"label": CLASSES})
    truth = ddim(guided, start, even_times(denoiser.schedule, 5), label=label)
    assert float((drawn(denoiser, start, label, w, 5) - truth.x.flatten(1)).abs().max()) < 1e-3


@torch.no_grad()
def test_three_guided_steps_of_the_network_of_the_page() -> None:
    denoiser = copy.deepcopy(guided_digits._trained()).half().double()
    start, label = noise(2, 1, 28, 28, seed=4), torch.tensor([2, 8])
    guided = ClassifierFree(denoiser, 3.0, {"label": CLASSES})
    truth = ddim(guided, start, even_times(denoiser.schedule, 3), label=label)
    assert float((drawn(denoiser, start, label, 3.0, 3) - truth.x.flatten(1)).abs().max()) < 1e-3


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked_for_and_what_is_measured(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = GuidedDigits(asked, w=1.0)
    n = len(shown.labels)
    pictures = noise(n, 784, seed=6)
    monkeypatch.setattr(GuidedDigits, "pictures", lambda *_: pictures)
    got: Any = evaluate(
        "asked, between, grey from digit_classes",
        "const { labels, across } = asked(data.asked); const values = Float64Array.from(data.pictures.flat());"
        "return { labels, across, between: between(values, labels, 784), grey: grey(values) };",
        asked=asked,
        pictures=pictures,
    )
    terms = shown.terms()
    assert got["labels"] == shown.labels.tolist()
    assert got["across"] * 4 == n
    assert got["between"] == pytest.approx(terms.between, rel=1e-9)
    assert got["grey"] == pytest.approx(terms.grey, rel=1e-9)
    assert terms.calls == 20


def test_pictures_begin_with_the_same_noise_whatever_the_weight() -> None:
    denoiser = listening_denoiser(widths=[8], patch=4).double()
    # A fresh network says 0 with a class and without: no weight changes anything.
    one, other = (GuidedDigits("3", w=w, steps=5).pictures(denoiser) for w in (0.0, 8.0))
    assert torch.equal(one, other)
    # An image has a seed of its own, so that the first of twenty begin as those of one class do.
    assert torch.equal(_noise(5, 3)[:2], _noise(5, 2))
    assert float((_noise(6, 2) - _noise(5, 2)).abs().min()) > 0
