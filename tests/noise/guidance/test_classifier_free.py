"""Guidance without a classifier: one call of the network, and bit for bit where nothing is to be mixed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gmlib.nn import UNet
from gmlib.noise import Denoiser, VPCosine
from gmlib.noise.denoiser import PARAMETERISATIONS
from gmlib.noise.guidance import ClassifierFree

F64 = torch.float64


class Counted(torch.nn.Module):
    """A network that keeps the sizes of its batches."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network, self.sizes = network, []

    def forward(self, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        self.sizes.append(len(x))
        return self.network(x, t, label)


def talkative() -> Counted:
    """A U-Net whose answers depend on all that it is told."""
    torch.manual_seed(0)
    network = UNet(1, [8, 8], classes=3)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return Counted(network).eval()


@pytest.mark.parametrize("kind", PARAMETERISATIONS)
def test_the_ends_are_the_models_themselves_in_one_call(kind: Any) -> None:
    network = talkative()
    model = Denoiser(network, VPCosine(), kind)
    x, label = torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 1])
    none = torch.full_like(label, 3)
    with torch.no_grad():
        for w, told in ((1.0, label), (0.0, none), (1, label), (0, none)):
            wanted = model(x, 0.4, label=told)
            network.sizes.clear()
            found = ClassifierFree(model, w, {"label": 3})(x, 0.4, label=label)
            assert torch.equal(found, wanted)
            assert network.sizes == [4]


@pytest.mark.parametrize("kind", PARAMETERISATIONS)
@pytest.mark.parametrize("w", [-1.0, 0.5, 3.0, 7.5])
def test_other_weights_equal_two_separate_calls(kind: Any, w: float) -> None:
    network = talkative().to(F64)
    model = Denoiser(network, VPCosine(), kind)
    x, label = torch.randn(4, 1, 8, 8, dtype=F64), torch.tensor([0, 1, 2, 1])
    guided = ClassifierFree(model, w, {"label": 3})
    with torch.no_grad():
        for asked in ("x0", "eps", "v", "score", "velocity"):
            told = getattr(model, asked)(x, 0.4, label=label)
            untold = getattr(model, asked)(x, 0.4, label=torch.full_like(label, 3))
            network.sizes.clear()
            found = getattr(guided, asked)(x, 0.4, label=label)
            assert network.sizes == [8]
            torch.testing.assert_close(found, untold + w * (told - untold), rtol=1e-6, atol=1e-6)


def test_a_weight_for_each_point_and_each_time() -> None:
    network = talkative()
    model = Denoiser(network, VPCosine(), "eps")
    x, label = torch.randn(3, 1, 8, 8), torch.tensor([0, 1, 2])
    each = torch.tensor([0.0, 1.0, 4.0])
    with torch.no_grad():
        together = ClassifierFree(model, each, {"label": 3})(x, 0.4, label=label)
        for i, w in enumerate(each.tolist()):
            alone = ClassifierFree(model, w, {"label": 3})(x[i : i + 1], 0.4, label=label[i : i + 1])
            torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-5, atol=1e-5)
        growing = ClassifierFree(model, lambda t: 1 + 4 * t, {"label": 3})
        times = torch.tensor([0.1, 0.5, 0.9])
        by_time = growing(x, times, label=label)
        for i, t in enumerate(times.tolist()):
            wanted = ClassifierFree(model, 1 + 4 * t, {"label": 3})(x[i : i + 1], t, label=label[i : i + 1])
            torch.testing.assert_close(by_time[i : i + 1], wanted, rtol=1e-5, atol=1e-5)


def test_outside_its_interval_guidance_costs_nothing() -> None:
    network = talkative()
    model = Denoiser(network, VPCosine(), "eps")
    guided = ClassifierFree(model, 4.0, {"label": 3}, interval=(0.2, 0.6))
    x, label = torch.randn(2, 1, 8, 8), torch.tensor([0, 1])
    with torch.no_grad():
        for t, size in ((0.1, 2), (0.2, 4), (0.6, 4), (0.61, 2)):
            network.sizes.clear()
            found = guided(x, t, label=label)
            assert network.sizes == [size]
            if size == 2:
                assert torch.equal(found, model(x, t, label=label))
        mixed = guided(x, torch.tensor([0.1, 0.4]), label=label)
        torch.testing.assert_close(mixed[:1], model(x[:1], 0.1, label=label[:1]), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(mixed[1:], guided(x[1:], 0.4, label=label[1:]), rtol=1e-5, atol=1e-5)


def test_conditions_that_are_not_taken_away_are_told_to_both() -> None:
    def network(x: Tensor, t: Tensor, label: Tensor, shift: Tensor, scale: float) -> Tensor:
        return label[:, None] * x + shift * scale

    guided = ClassifierFree(Denoiser(network, VPCosine(), "x0"), 3.0, {"label": 0})
    x, shift = torch.ones(2, 2), torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    found = guided.x0(x, 0.5, label=torch.tensor([1, 2]), shift=shift, scale=2.0)
    torch.testing.assert_close(found, torch.tensor([[3.0], [6.0]]) * x + 2 * shift)


@pytest.mark.bad_input
def test_what_cannot_be_is_refused() -> None:
    model = Denoiser(talkative(), VPCosine(), "eps")
    with pytest.raises(TypeError, match="denoiser must be a Denoiser"):
        ClassifierFree(talkative(), 1.0, {"label": 3})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="nothing must name"):
        ClassifierFree(model, 1.0, {})
    with pytest.raises(TypeError, match="nothing must map"):
        ClassifierFree(model, 1.0, 3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"w must be a finite number"):
        ClassifierFree(model, float("nan"), {"label": 3})
    with pytest.raises(ValueError, match=r"w must have shape \(\) or \(batch,\), got \(2, 2\)"):
        ClassifierFree(model, torch.ones(2, 2), {"label": 3})
    with pytest.raises(ValueError, match=r"interval\[0\] must"):
        ClassifierFree(model, 1.0, {"label": 3}, interval=(0.6, 0.2))
    guided = ClassifierFree(model, torch.ones(3), {"label": 3})
    with pytest.raises(ValueError, match="condition must give label"):
        guided(torch.zeros(2, 1, 8, 8), 0.5)
    with pytest.raises(ValueError, match=r"w must have shape \(2,\)"):
        guided(torch.zeros(2, 1, 8, 8), 0.5, label=torch.zeros(2, dtype=torch.long))
