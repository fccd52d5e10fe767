"""What classifier-free guidance costs over the calls of the network that it cannot do without.

Four steps of DDIM with the class-conditional U-Net of chapter 11, weights random, by each of

* the bare network on a batch of twice the size, half of it told the class and half not, unguided: the yardstick;
* gmlib's `ClassifierFree`, which makes such a batch in every step;
* two calls, one with the class and one without, put together by hand;
* two calls, put together by diffusers' `ClassifierFreeGuidance`;
* one call, told the class, unguided.

On a CPU in float32, not compiled (a compiler for CPUs takes minutes a network). On a GPU under bfloat16 autocast, eager and
with the network compiled, and a larger network too. Before anything is timed, all must agree, in float64.

`of two calls` is the time over that of two calls by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.harness import Row, compare
from gmlib.noise import Denoiser
from gmlib.noise.guidance import ClassifierFree
from gmlib.noise.samplers import ddim
from gmlib.noise.schedule import Time
from gmlib.recipes.diffusion_samplers import digit_times
from gmlib.recipes.guidance_mnist import CLASSES, listening_denoiser

W = 3.0
STEPS = 4
BARE, OURS, BY_HAND = "bare call, doubled batch", "gmlib, one call", "two calls by hand"
THEIRS, UNGUIDED = "diffusers' guider, two calls", "unguided, one call"

Draw = Callable[[], Tensor]


class Preset(NamedTuple):
    """A network, and the batches to try it with."""

    name: str
    widths: tuple[int, ...]
    patch: int
    batches: tuple[int, ...]


CPU = (Preset("small U-Net", (48, 64), 2, (1, 4, 64)),)
GPU = (*CPU, Preset("large U-Net", (128, 256, 256), 1, (1, 4, 64, 256)))


class ByHand(ClassifierFree):
    """Guidance as the formula says it: ask twice."""

    def forward(self, x: Tensor, t: Time, **condition: Any) -> Tensor:
        """The guided prediction."""
        told = self.network(x, t, **condition)
        untold = self.network(x, t, label=torch.full_like(condition["label"], CLASSES))
        return untold + W * (told - untold)


class ByDiffusers(ClassifierFree):
    """The same by the guider of diffusers, used as its pipelines use it: a call for each batch that it prepares."""

    def __init__(self, *arguments: Any) -> None:
        from diffusers.guiders.classifier_free_guidance import ClassifierFreeGuidance

        super().__init__(*arguments)
        self.guider = ClassifierFreeGuidance(guidance_scale=W)

    def forward(self, x: Tensor, t: Time, **condition: Any) -> Tensor:
        """The guided prediction."""
        label = condition["label"]
        data: dict[str, Any] = {"x": x, "label": (label, torch.full_like(label, CLASSES))}
        batches: Any = self.guider.prepare_inputs(data)
        for batch in batches:
            batch.noise_pred = self.network(batch.x, t, label=batch.label)
        return self.guider(batches).pred


def talkative(preset: Preset) -> Denoiser:
    """The model, with weights that make its answer depend on the class: fresh ones say 0."""
    torch.manual_seed(0)
    model = listening_denoiser(widths=preset.widths, patch=preset.patch).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.05)
    return model


def contenders(model: Denoiser, x: Tensor, label: Tensor) -> dict[str, Draw]:
    """The draws to be compared, from starts (n, 1, 28, 28), of classes (n,)."""
    times = digit_times(model.schedule, STEPS)
    twice, both = torch.cat([x, x]), torch.cat([label, torch.full_like(label, CLASSES)])
    ours, by_hand, theirs = (
        kind(model, W, {"label": CLASSES}) for kind in (ClassifierFree, ByHand, ByDiffusers)
    )
    return {
        BARE: lambda: ddim(model, twice, times, label=both).x,
        OURS: lambda: ddim(ours, x, times, label=label).x,
        BY_HAND: lambda: ddim(by_hand, x, times, label=label).x,
        THEIRS: lambda: ddim(theirs, x, times, label=label).x,
        UNGUIDED: lambda: ddim(model, x, times, label=label).x,
    }


def check(model: Denoiser, x: Tensor, label: Tensor) -> None:
    """Raise unless the three that guide draw the same, and the told half of the doubled batch what the unguided one draws.

    In float64, to which the network is copied: its waves, sin 2^8 pi x, multiply the rounding of float32 in every step.
    """
    drawn = {name: draw() for name, draw in contenders(deepcopy(model).double(), x.double(), label).items()}
    for name in (OURS, THEIRS):
        torch.testing.assert_close(drawn[name], drawn[BY_HAND], rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(drawn[BARE][: len(x)], drawn[UNGUIDED], rtol=1e-5, atol=1e-8)
    if torch.allclose(drawn[OURS], drawn[UNGUIDED], rtol=1e-2):
        raise AssertionError("guidance must change what is drawn, or nothing was compared")


def repeated(draw: Draw, times: int) -> Callable[[], None]:
    """Draw so many times; on a GPU under autocast."""

    def work() -> None:
        gpu = torch.cuda.is_available()
        with torch.autocast("cuda" if gpu else "cpu", torch.bfloat16, enabled=gpu):
            for _ in range(times):
                draw()

    return work


def measured(case: str, model: Denoiser, x: Tensor, label: Tensor, **how: Any) -> list[Row]:
    """The contenders at one size; a round of a small batch lasts as long as one of 32."""
    times = max(1, 32 // len(x))
    works = {name: repeated(draw, times) for name, draw in contenders(model, x, label).items()}
    rows = compare(case, works, units=times, **how)
    by_hand = next(row.ratio for row in rows if row.contender == BY_HAND)
    for row in rows:
        row.extra["of two calls"] = round(row.ratio / by_hand, 3)
    return rows


def run(*, rounds: int, clock: str) -> list[Row]:
    """The GPU's presets where there is one, otherwise the CPU's."""
    gpu = torch.cuda.is_available()
    device, rows = torch.device("cuda" if gpu else "cpu"), []
    for preset in GPU if gpu else CPU:
        model = talkative(preset).to(device)
        models = {"": model}
        if gpu:
            compiled = torch.compile(model.network, dynamic=False)
            models[", compiled"] = Denoiser(compiled, model.schedule, "v")
        for batch in preset.batches:
            x = torch.randn(batch, 1, 28, 28, device=device)
            label = torch.arange(batch, device=device) % CLASSES
            check(model, x, label)
            for kind, asked in models.items():
                case = f"{preset.name}{kind}, {STEPS} steps of {batch}"
                rows += measured(case, asked, x, label, rounds=rounds, clock=clock)
    return rows
