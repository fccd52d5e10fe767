"""The Python side of the widgets: state, arrays, messages, errors."""

from __future__ import annotations

import struct
import subprocess
import sys
from typing import Any

import pytest
import torch
from traitlets import TraitError

from gmlib.distributions import GaussianMixture, toy
from gmlib.distributions.toys import TOYS
from gmlib.energy import RBM
from gmlib.widgets import (
    Bandwidth,
    BrowserGan,
    CouplingStack,
    DensityExplorer,
    DigitsChain,
    DigitsInTheBrowser,
    DiracLaboratory,
    EulerToOde,
    FillTheGap,
    ForwardAndBack,
    GradientEstimators,
    GuidanceWeight,
    GuidedDigits,
    GuidedField,
    HonestDashboard,
    HopfieldLetters,
    ImportanceSamples,
    LangevinStep,
    MapEditor,
    ModernRecall,
    PosteriorTug,
    ReverseKernel,
    ShiftedLaws,
    SwissRollScores,
    TinyRBM,
    TwoBumps,
    TwoModes,
    VarianceRecursion,
)
from gmlib.widgets.arrays import pack, quantise
from gmlib.widgets.base import STATIC

F64 = torch.float64
EVERY = (
    DensityExplorer,
    PosteriorTug,
    GradientEstimators,
    ImportanceSamples,
    HonestDashboard,
    Bandwidth,
    TwoBumps,
    TwoModes,
    LangevinStep,
    DiracLaboratory,
    BrowserGan,
    ShiftedLaws,
    HopfieldLetters,
    ModernRecall,
    TinyRBM,
    DigitsChain,
    CouplingStack,
    MapEditor,
    EulerToOde,
    DigitsInTheBrowser,
    VarianceRecursion,
    ReverseKernel,
    ForwardAndBack,
    GuidedField,
    GuidedDigits,
    GuidanceWeight,
    FillTheGap,
)


def replies(widget: Any, monkeypatch: pytest.MonkeyPatch, message: dict[str, Any]) -> list[Any]:
    """What the widget sends when its module sends ``message``."""
    found: list[Any] = []
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: found.append((content, buffers)))
    widget._handle_custom_msg(message, [])
    return found


@pytest.mark.parametrize("cls", EVERY)
def test_a_widget_is_its_bundled_module_and_says_its_state(cls: Any) -> None:
    widget = cls()
    assert "export{" in str(widget._esm)
    assert (STATIC / "LICENSES.txt").exists()
    assert repr(widget).startswith(f"{cls.__name__}(")
    assert " at 0x" not in repr(widget)


def test_a_kernel_answers_for_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    ((content, buffers),) = replies(
        DensityExplorer(), monkeypatch, {"kind": "weights", "name": "cross", "id": "7"}
    )
    assert content["id"] == "7"
    table = {row["name"]: row for row in content["arrays"]}
    law = toy("cross", dtype=F64)
    at = table["covariances"]["offset"]
    values = struct.unpack("<6f", buffers[0][at : at + 24])
    assert values == pytest.approx([1.0, 0.0, 0.15**2, 0.15**2, 0.0, 1.0], rel=1e-6)
    assert struct.unpack("<2f", buffers[0][:8]) == pytest.approx(law.weights.tolist())


def test_a_kernel_says_what_it_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    ((content, _),) = replies(DensityExplorer(), monkeypatch, {"kind": "weights", "name": "moons", "id": "1"})
    assert "moons" in content["error"]
    assert not replies(DensityExplorer(), monkeypatch, {"kind": "something else"})


@pytest.mark.parametrize("name", TOYS)
def test_the_explorer_names_the_law_that_it_shows(name: str) -> None:
    points = torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    shown = DensityExplorer(name, sigma=0.4).distribution
    assert torch.allclose(
        shown.log_prob(points), toy(name, dtype=F64).noised(1.0, 0.4).log_prob(points), rtol=1e-12
    )


def test_the_explorer_takes_a_mixture_and_gives_it_back() -> None:
    means = torch.tensor([[0.0, 1.0], [2.0, -1.0]], dtype=F64)
    cov = torch.tensor([[[1.0, 0.2], [0.2, 0.5]], [[0.3, 0.0], [0.0, 0.4]]], dtype=F64)
    law = GaussianMixture(means, weights=torch.tensor([1.0, 3.0], dtype=F64), cov=cov)
    points = torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    explorer = DensityExplorer(law)
    assert explorer.law == "mixture"
    assert torch.allclose(explorer.distribution.log_prob(points), law.log_prob(points), rtol=1e-12)
    explorer.law = "ring"
    assert explorer.distribution.n_components == toy("ring").n_components


def test_traits_refuse_what_the_picture_cannot_show() -> None:
    with pytest.raises(TraitError):
        DensityExplorer().sigma = -1.0
    with pytest.raises(TraitError):
        DensityExplorer().law = "moons"
    with pytest.raises(TraitError):
        GradientEstimators().n = 0
    with pytest.raises(TraitError):
        ImportanceSamples().k = 300
    with pytest.raises(TraitError):
        HonestDashboard().share = 1.0
    with pytest.raises(TraitError):
        HonestDashboard().noise = "pink"
    with pytest.raises(TraitError):
        Bandwidth().bandwidth = 0.0
    with pytest.raises(TraitError):
        TwoBumps().weight = 1.0
    with pytest.raises(TraitError):
        SwissRollScores().sigma = 0.01
    with pytest.raises(TraitError):
        SwissRollScores().sampler = "heun"
    with pytest.raises(TraitError):
        TwoModes().sigma = 21.0
    with pytest.raises(TraitError):
        LangevinStep().rule = "euler"
    with pytest.raises(TraitError):
        DiracLaboratory().step = 0.0
    with pytest.raises(TraitError):
        ShiftedLaws().shift = 3.5
    with pytest.raises(TraitError):
        TinyRBM().k = 11
    with pytest.raises(TraitError):
        DigitsChain().ink = [784]
    with pytest.raises(TraitError):
        DigitsInTheBrowser().steps = 51
    with pytest.raises(TraitError):
        CouplingStack().level = 7.0
    with pytest.raises(TraitError):
        CouplingStack().u = [0.0, 6.5]
    with pytest.raises(TraitError):
        BrowserGan().gamma = 0.0
    with pytest.raises(TraitError):
        BrowserGan().loss = "js"
    with pytest.raises(TraitError):
        HopfieldLetters().start = [1, -1]
    with pytest.raises(TraitError):
        HopfieldLetters().mode = "random"
    with pytest.raises(TraitError):
        ModernRecall().inv_temp = 0.0
    with pytest.raises(TraitError):
        ModernRecall().chosen = 100
    with pytest.raises(TraitError):
        VarianceRecursion().steps = 3
    with pytest.raises(TraitError):
        ReverseKernel().beta = 1.0
    with pytest.raises(TraitError):
        ForwardAndBack().sampler = "euler"
    with pytest.raises(TraitError):
        GuidanceWeight().w = 6.5
    with pytest.raises(TraitError):
        GuidanceWeight().steps = 10
    with pytest.raises(TraitError):
        FillTheGap().values = [0.0]
    with pytest.raises(TraitError):
        FillTheGap().seen = [20]
    with pytest.raises(TraitError):
        FillTheGap().covariance = "full"


def test_the_terms_of_a_linear_model_are_its_closed_form() -> None:
    # z ~ N(0, 1), x | z ~ N(z, 1): posterior N(x/2, 1/2), log p(x) = log N(x; 0, 2).
    z = torch.linspace(-14, 14, 1401, dtype=F64)
    x = torch.tensor([1.3, -0.4], dtype=F64)
    normal = torch.distributions.Normal
    joint = normal(0.0, 1.0).log_prob(z) + normal(z, 1.0).log_prob(x[:, None])
    tug = PosteriorTug(z, joint, mean=0.2, std=0.9)
    q = normal(torch.tensor(0.2, dtype=F64), torch.tensor(0.9, dtype=F64))
    p = normal(x[0] / 2, torch.tensor(0.5, dtype=F64).sqrt())
    terms = tug.terms()
    assert terms.reverse == pytest.approx(torch.distributions.kl_divergence(q, p).item(), abs=1e-9)
    assert terms.forward == pytest.approx(torch.distributions.kl_divergence(p, q).item(), abs=1e-9)
    assert terms.log_evidence == pytest.approx(normal(0 * x[0], 2**0.5).log_prob(x[0]).item(), abs=1e-9)
    assert terms.energy + terms.entropy + terms.reverse == pytest.approx(terms.log_evidence, abs=1e-9)


def test_int8_errs_by_at_most_half_a_step() -> None:
    value = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    small, scale = quantise(value)
    assert float((small * scale - value).abs().max()) <= 0.501 * scale
    assert quantise(torch.zeros(3))[0].tolist() == [0, 0, 0]


def test_without_anywidget_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['anywidget'] = None\n"
        "try:\n    import gmlib.widgets\nexcept ImportError as error:\n    print(error)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "gmlib[widgets]"' in out.stdout


BAD: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    (GradientEstimators, {"mu": 4.0}, ValueError, "mu"),
    (GradientEstimators, {"mu": "1"}, TypeError, "mu"),
    (GradientEstimators, {"n": 0}, ValueError, "n must"),
    (GradientEstimators, {"n": 5000}, ValueError, "n must"),
    (ImportanceSamples, {"x": 3.5}, ValueError, "x must"),
    (ImportanceSamples, {"mean": "0"}, TypeError, "mean"),
    (ImportanceSamples, {"std": 0.1}, ValueError, "std"),
    (ImportanceSamples, {"k": 0}, ValueError, "k must"),
    (ImportanceSamples, {"k": 257}, ValueError, "k must"),
    (ImportanceSamples, {"k": 2.0}, TypeError, "k must"),
    (HonestDashboard, {"preset": "bad"}, ValueError, "preset"),
    (HonestDashboard, {"share": 1.0}, ValueError, "share"),
    (HonestDashboard, {"share": "0.5"}, TypeError, "share"),
    (HonestDashboard, {"dropped": 8}, ValueError, "dropped"),
    (HonestDashboard, {"dropped": -1}, ValueError, "dropped"),
    (HonestDashboard, {"dropped": 1.0}, TypeError, "dropped"),
    (HonestDashboard, {"memorise": 1}, TypeError, "memorise"),
    (HonestDashboard, {"bandwidth": 0.0}, ValueError, "bandwidth"),
    (HonestDashboard, {"bandwidth": float("nan")}, ValueError, "bandwidth"),
    (HonestDashboard, {"noise": "pink"}, ValueError, "noise"),
    (HonestDashboard, {"seed": True}, TypeError, "seed"),
    (HonestDashboard, {"seed": -1}, ValueError, "seed"),
    (HonestDashboard, {"seed": 2**31}, ValueError, "seed"),
    (Bandwidth, {"law": "bumps"}, ValueError, "law"),
    (Bandwidth, {"seed": 2**31}, ValueError, "seed"),
    (Bandwidth, {"n": 4}, ValueError, "n must"),
    (Bandwidth, {"n": 201}, ValueError, "n must"),
    (Bandwidth, {"n": 40.0}, TypeError, "n must"),
    (Bandwidth, {"bandwidth": 0.01}, ValueError, "bandwidth"),
    (Bandwidth, {"bandwidth": 4.5}, ValueError, "bandwidth"),
    (Bandwidth, {"bandwidth": float("nan")}, ValueError, "bandwidth"),
    (Bandwidth, {"bandwidth": "0.1"}, TypeError, "bandwidth"),
    (Bandwidth, {"kernel": "triangle"}, ValueError, "kernel"),
    (Bandwidth, {"truth": 1}, TypeError, "truth"),
    (Bandwidth, {"kernels": "no"}, TypeError, "kernels"),
    (Bandwidth, {"seed": -1}, ValueError, "seed"),
    (TwoBumps, {"mean": 4.5}, ValueError, "mean"),
    (TwoBumps, {"mean": "0"}, TypeError, "mean"),
    (TwoBumps, {"std": 0.1}, ValueError, "std"),
    (TwoBumps, {"weight": 0.0}, ValueError, "weight"),
    (TwoBumps, {"centre": -1.0}, ValueError, "centre"),
    (TwoBumps, {"centre": 3.5}, ValueError, "centre"),
    (TwoBumps, {"variance": 0.05}, ValueError, "variance"),
    (TwoBumps, {"variance": float("nan")}, ValueError, "variance"),
    (SwissRollScores, {"law": "roll"}, ValueError, "law"),
    (SwissRollScores, {"sigma": 0.01}, ValueError, "sigma"),
    (SwissRollScores, {"sigma": "1"}, TypeError, "sigma"),
    (SwissRollScores, {"show": "left"}, ValueError, "show"),
    (SwissRollScores, {"sampler": "heun"}, ValueError, "sampler"),
    (SwissRollScores, {"drive": "both"}, ValueError, "drive"),
    (SwissRollScores, {"step": 6.0}, ValueError, "step"),
    (SwissRollScores, {"step": float("nan")}, ValueError, "step"),
    (SwissRollScores, {"levels": 1}, ValueError, "levels"),
    (SwissRollScores, {"levels": 101}, ValueError, "levels"),
    (SwissRollScores, {"steps": 0}, ValueError, "steps"),
    (SwissRollScores, {"steps": 8.0}, TypeError, "steps"),
    (SwissRollScores, {"run": 2001}, ValueError, "run"),
    (SwissRollScores, {"temperature": -0.1}, ValueError, "temperature"),
    (SwissRollScores, {"n": 5001}, ValueError, "n must"),
    (SwissRollScores, {"seed": -1}, ValueError, "seed"),
    (SwissRollScores, {"seed": 2**31}, ValueError, "seed"),
    (TwoModes, {"weight": 0.0}, ValueError, "weight"),
    (TwoModes, {"weight": "0.5"}, TypeError, "weight"),
    (TwoModes, {"model_weight": 0.97}, ValueError, "model_weight"),
    (TwoModes, {"centre": -1.0}, ValueError, "centre"),
    (TwoModes, {"centre": 6.5}, ValueError, "centre"),
    (TwoModes, {"std": 0.2}, ValueError, "std"),
    (TwoModes, {"sigma": -0.1}, ValueError, "sigma"),
    (TwoModes, {"sigma": 21.0}, ValueError, "sigma"),
    (TwoModes, {"sigma": float("nan")}, ValueError, "sigma"),
    (LangevinStep, {"step": 0.0}, ValueError, "step must"),
    (LangevinStep, {"step": 5.5}, ValueError, "step must"),
    (LangevinStep, {"step": "1"}, TypeError, "step must"),
    (LangevinStep, {"start": 5.5}, ValueError, "start"),
    (LangevinStep, {"start": float("nan")}, ValueError, "start"),
    (LangevinStep, {"steps": -1}, ValueError, "steps must"),
    (LangevinStep, {"steps": 1001}, ValueError, "steps must"),
    (LangevinStep, {"steps": 4.0}, TypeError, "steps must"),
    (LangevinStep, {"rule": "euler"}, ValueError, "rule"),
    (LangevinStep, {"n": 99}, ValueError, "n must"),
    (LangevinStep, {"n": 2001}, ValueError, "n must"),
    (LangevinStep, {"seed": -1}, ValueError, "seed"),
    (EulerToOde, {"field": "wheel"}, ValueError, "field"),
    (EulerToOde, {"field": 3}, TypeError, "field"),
    (EulerToOde, {"field": [[1.0, 0.0]]}, ValueError, "field"),
    (EulerToOde, {"field": [[1.0, 0.0], [0.0, 2.5]]}, ValueError, "field"),
    (EulerToOde, {"field": [[1.0, 0.0], [0.0, "1"]]}, TypeError, "field"),
    (EulerToOde, {"n": 0}, ValueError, "n must"),
    (EulerToOde, {"n": 101}, ValueError, "n must"),
    (EulerToOde, {"n": 2.0}, TypeError, "n must"),
    (EulerToOde, {"time": -1.0}, ValueError, "time"),
    (EulerToOde, {"time": float("nan")}, ValueError, "time"),
    (EulerToOde, {"start": (3.0, 0.0)}, ValueError, "start"),
    (EulerToOde, {"start": (1.0,)}, ValueError, "start"),
    (EulerToOde, {"start": 1.0}, TypeError, "start"),
    (MapEditor, {"kind": "cubic"}, ValueError, "kind"),
    (MapEditor, {"knots": []}, ValueError, "knots"),
    (MapEditor, {"knots": "012"}, TypeError, "knots"),
    (MapEditor, {"knots": [(0.0, 1.0), (1.0, 0.5)], "slopes": [1.0, 1.0]}, ValueError, "knots"),
    (MapEditor, {"knots": [(4.9, 0.0)], "slopes": [1.0]}, ValueError, "knots"),
    (MapEditor, {"knots": [(0.0, 5.5)], "slopes": [1.0]}, ValueError, "knots"),
    (MapEditor, {"knots": [(0.0, 0.0, 0.0)], "slopes": [1.0]}, ValueError, "knots"),
    (MapEditor, {"knots": [("0", 0.0)], "slopes": [1.0]}, TypeError, "knots"),
    (MapEditor, {"slopes": [1.0]}, ValueError, "slopes"),
    (MapEditor, {"slopes": [1.0, 0.0, 1.0]}, ValueError, "slopes"),
    (MapEditor, {"slopes": 1.0}, TypeError, "slopes"),
    (MapEditor, {"a": 0.0}, ValueError, "a must"),
    (MapEditor, {"b": float("nan")}, ValueError, "b must"),
    (MapEditor, {"c": "1"}, TypeError, "c must"),
    (MapEditor, {"d": 0.0}, ValueError, "d must"),
    (MapEditor, {"e": 4.0}, ValueError, "e must"),
    (MapEditor, {"log_scale": 2.0}, ValueError, "log_scale"),
    (MapEditor, {"shift": -4.0}, ValueError, "shift"),
    (MapEditor, {"formula": "left"}, ValueError, "formula"),
    (MapEditor, {"probe": 4.0}, ValueError, "probe"),
    (DiracLaboratory, {"preset": "wheel"}, ValueError, "preset"),
    (DiracLaboratory, {"start_phi": 3.5}, ValueError, "start_phi"),
    (DiracLaboratory, {"start_theta": "1"}, TypeError, "start_theta"),
    (DiracLaboratory, {"step": 0.0}, ValueError, "step must"),
    (DiracLaboratory, {"step": float("nan")}, ValueError, "step must"),
    (DiracLaboratory, {"loss": "hinge"}, ValueError, "loss"),
    (DiracLaboratory, {"penalty": "r3"}, ValueError, "penalty"),
    (DiracLaboratory, {"gamma": -0.1}, ValueError, "gamma"),
    (DiracLaboratory, {"rule": "euler"}, ValueError, "rule"),
    (DiracLaboratory, {"momentum": 0.95}, ValueError, "momentum"),
    (DiracLaboratory, {"inner": 0.0}, ValueError, "inner"),
    (DiracLaboratory, {"strength": -1.0}, ValueError, "strength"),
    (DiracLaboratory, {"rate_theta": 0.05}, ValueError, "rate_theta"),
    (DiracLaboratory, {"steps": 2001}, ValueError, "steps must"),
    (DiracLaboratory, {"steps": 4.0}, TypeError, "steps must"),
    (DiracLaboratory, {"speed": 1.0}, TypeError, "settings"),
    (BrowserGan, {"law": "moons"}, ValueError, "law"),
    (BrowserGan, {"loss": "js"}, ValueError, "loss"),
    (BrowserGan, {"regulariser": "r3"}, ValueError, "regulariser"),
    (BrowserGan, {"gamma": 0.0}, ValueError, "gamma"),
    (BrowserGan, {"gamma": float("nan")}, ValueError, "gamma"),
    (BrowserGan, {"limit": 0.0}, ValueError, "limit"),
    (BrowserGan, {"critic_steps": 11}, ValueError, "critic_steps"),
    (BrowserGan, {"lr_critic": 2.0}, ValueError, "lr_critic"),
    (BrowserGan, {"lr_generator": "0.1"}, TypeError, "lr_generator"),
    (BrowserGan, {"optimizer": "lion"}, ValueError, "optimizer"),
    (BrowserGan, {"beta1": 1.0}, ValueError, "beta1"),
    (BrowserGan, {"simultaneous": 1}, TypeError, "simultaneous"),
    (BrowserGan, {"steps": -1}, ValueError, "steps must"),
    (BrowserGan, {"steps": 2.0}, TypeError, "steps must"),
    (BrowserGan, {"drawn": []}, ValueError, "drawn"),
    (BrowserGan, {"drawn": [(0.0, 3.0)]}, ValueError, "drawn"),
    (BrowserGan, {"drawn": [(0.0, 1.0, 2.0)]}, ValueError, "drawn"),
    (BrowserGan, {"drawn": "face"}, TypeError, "drawn"),
    (BrowserGan, {"seed": -1}, ValueError, "seed"),
    (ShiftedLaws, {"shift": -3.5}, ValueError, "shift"),
    (ShiftedLaws, {"shift": "1"}, TypeError, "shift"),
    (ShiftedLaws, {"shift": float("nan")}, ValueError, "shift"),
    (ShiftedLaws, {"bandwidth": 0.05}, ValueError, "bandwidth"),
    (ShiftedLaws, {"bandwidth": 2.5}, ValueError, "bandwidth"),
    (TinyRBM, {"machine": "large"}, ValueError, "machine"),
    (TinyRBM, {"machine": 3}, TypeError, "machine"),
    (TinyRBM, {"machine": RBM(3, 4)}, ValueError, "machine"),
    (TinyRBM, {"machine": RBM(4, 3, std=100.0)}, ValueError, "machine"),
    (TinyRBM, {"data": "stripes"}, ValueError, "data"),
    (TinyRBM, {"data": torch.full((8,), 0.125)}, ValueError, "data"),
    (TinyRBM, {"data": torch.full((16,), 0.1)}, ValueError, "data"),
    (TinyRBM, {"data": torch.full((16,), float("nan"))}, ValueError, "data"),
    (TinyRBM, {"data": [0.0625] * 16}, TypeError, "data"),
    (TinyRBM, {"k": 0}, ValueError, "k must"),
    (TinyRBM, {"k": 11}, ValueError, "k must"),
    (TinyRBM, {"k": 1.0}, TypeError, "k must"),
    (TinyRBM, {"rule": "pcd"}, ValueError, "rule"),
    (TinyRBM, {"lr": 0.0}, ValueError, "lr"),
    (TinyRBM, {"lr": float("nan")}, ValueError, "lr"),
    (TinyRBM, {"first": "W44"}, ValueError, "first"),
    (TinyRBM, {"second": "W11"}, ValueError, "second"),
    (TinyRBM, {"seed": -1}, ValueError, "seed"),
    (HopfieldLetters, {"start": "A"}, ValueError, "start"),
    (HopfieldLetters, {"start": [1, -1]}, ValueError, "start"),
    (HopfieldLetters, {"start": [0] * 25}, ValueError, "start"),
    (HopfieldLetters, {"start": torch.ones(5, 4)}, ValueError, "start"),
    (HopfieldLetters, {"start": 3}, TypeError, "start"),
    (HopfieldLetters, {"flips": 13}, ValueError, "flips"),
    (HopfieldLetters, {"flips": -1}, ValueError, "flips"),
    (HopfieldLetters, {"flips": 2.0}, TypeError, "flips"),
    (HopfieldLetters, {"mode": "both"}, ValueError, "mode"),
    (HopfieldLetters, {"steps": 1001}, ValueError, "steps"),
    (HopfieldLetters, {"extra": 4}, TypeError, "extra"),
    (HopfieldLetters, {"extra": [[1] * 24]}, ValueError, "extra"),
    (HopfieldLetters, {"extra": torch.ones(7, 25)}, ValueError, "extra"),
    (HopfieldLetters, {"seed": -1}, ValueError, "seed"),
    (ModernRecall, {"chosen": 100}, ValueError, "chosen"),
    (ModernRecall, {"chosen": "7"}, TypeError, "chosen"),
    (ModernRecall, {"inv_temp": 0.0}, ValueError, "inv_temp"),
    (ModernRecall, {"inv_temp": float("nan")}, ValueError, "inv_temp"),
    (ModernRecall, {"flipped": 0.6}, ValueError, "flipped"),
    (ModernRecall, {"hidden": 29}, ValueError, "hidden"),
    (ModernRecall, {"hidden": 3.0}, TypeError, "hidden"),
    (ModernRecall, {"strokes": [0]}, ValueError, "strokes"),
    (ModernRecall, {"strokes": [3, -3]}, ValueError, "strokes"),
    (ModernRecall, {"strokes": [1.5]}, TypeError, "strokes"),
    (ModernRecall, {"strokes": "1"}, TypeError, "strokes"),
    (ModernRecall, {"at": 5}, ValueError, "at must"),
    (ModernRecall, {"seed": 2**31}, ValueError, "seed"),
    (DigitsChain, {"start": "digits"}, ValueError, "start"),
    (DigitsChain, {"digit": 10}, ValueError, "digit"),
    (DigitsChain, {"digit": 3.0}, TypeError, "digit"),
    (DigitsChain, {"half": "middle"}, ValueError, "half"),
    (DigitsChain, {"ink": [784]}, ValueError, "ink"),
    (DigitsChain, {"ink": [1.0]}, TypeError, "ink"),
    (DigitsChain, {"ink": 3}, TypeError, "ink"),
    (DigitsChain, {"paper": [-1]}, ValueError, "paper"),
    (DigitsChain, {"ink": [1, 2], "paper": [2, 3]}, ValueError, "paper"),
    (DigitsChain, {"inv_temp": 0.1}, ValueError, "inv_temp"),
    (DigitsChain, {"inv_temp": float("nan")}, ValueError, "inv_temp"),
    (DigitsChain, {"rate": 0}, ValueError, "rate"),
    (DigitsChain, {"rate": 1001}, ValueError, "rate"),
    (DigitsChain, {"show": "both"}, ValueError, "show"),
    (DigitsChain, {"unit": 500}, ValueError, "unit"),
    (DigitsChain, {"seed": -1}, ValueError, "seed"),
    (CouplingStack, {"law": "moons"}, ValueError, "law"),
    (CouplingStack, {"level": 6.5}, ValueError, "level"),
    (CouplingStack, {"level": -0.1}, ValueError, "level"),
    (CouplingStack, {"level": float("nan")}, ValueError, "level"),
    (CouplingStack, {"level": "3"}, TypeError, "level"),
    (CouplingStack, {"u": [0.0]}, ValueError, "u must"),
    (CouplingStack, {"u": [0.0, 7.0]}, ValueError, "u must"),
    (CouplingStack, {"u": ["0", "1"]}, TypeError, "u must"),
    (CouplingStack, {"u": 0.5}, ValueError, "u must"),
    (CouplingStack, {"density": 1}, TypeError, "density"),
    (CouplingStack, {"data": "yes"}, TypeError, "data"),
    (CouplingStack, {"seed": -1}, ValueError, "seed"),
    (ForwardAndBack, {"law": "ring"}, ValueError, "law"),
    (ForwardAndBack, {"schedule": "edm"}, ValueError, "schedule"),
    (ForwardAndBack, {"sampler": "euler"}, ValueError, "sampler"),
    (ForwardAndBack, {"steps": 0}, ValueError, "steps"),
    (ForwardAndBack, {"steps": 101}, ValueError, "steps"),
    (ForwardAndBack, {"steps": 5.0}, TypeError, "steps"),
    (ForwardAndBack, {"eta": 1.5}, ValueError, "eta"),
    (ForwardAndBack, {"time": -0.1}, ValueError, "time"),
    (ForwardAndBack, {"time": float("nan")}, ValueError, "time"),
    (ForwardAndBack, {"turn": "1"}, TypeError, "turn"),
    (ForwardAndBack, {"way": "up"}, ValueError, "way"),
    (ForwardAndBack, {"n": 50}, ValueError, "n must"),
    (ForwardAndBack, {"n": 2001}, ValueError, "n must"),
    (ForwardAndBack, {"seed": -1}, ValueError, "seed"),
    (GuidanceWeight, {"w": 6.5}, ValueError, "w must"),
    (GuidanceWeight, {"w": "2"}, TypeError, "w must"),
    (GuidanceWeight, {"c": -3.0}, ValueError, "c must"),
    (GuidanceWeight, {"var": 0.0}, ValueError, "var must"),
    (GuidanceWeight, {"prior_var": float("nan")}, ValueError, "prior_var"),
    (GuidanceWeight, {"steps": 10}, ValueError, "steps must divide"),
    (GuidanceWeight, {"steps": 300}, ValueError, "steps must divide"),
    (GuidanceWeight, {"steps": 50.0}, TypeError, "steps"),
    (GuidanceWeight, {"alpha_bar": 1.0}, ValueError, "alpha_bar"),
    (GuidanceWeight, {"show": "std"}, ValueError, "show"),
    (FillTheGap, {"values": [0.0]}, ValueError, "values must be 20"),
    (FillTheGap, {"values": [4.0] * 20}, ValueError, "values must"),
    (FillTheGap, {"values": "0" * 20}, TypeError, "values"),
    (FillTheGap, {"values": 0.0}, TypeError, "values"),
    (FillTheGap, {"seen": [20]}, ValueError, "seen must be numbers"),
    (FillTheGap, {"seen": [-1]}, ValueError, "seen"),
    (FillTheGap, {"seen": [0.5]}, TypeError, "seen"),
    (FillTheGap, {"pair": [1]}, ValueError, "pair must be 2"),
    (FillTheGap, {"pair": [1, 20]}, ValueError, "pair must be numbers"),
    (FillTheGap, {"length": 0.0}, ValueError, "length"),
    (FillTheGap, {"noise": 0.0}, ValueError, "noise"),
    (FillTheGap, {"covariance": "full"}, ValueError, "covariance"),
    (FillTheGap, {"sampler": "heun"}, ValueError, "sampler"),
    (FillTheGap, {"steps": 10}, ValueError, "steps must divide"),
    (FillTheGap, {"seed": -1}, ValueError, "seed"),
    (ReverseKernel, {"x": 3.5}, ValueError, "x must"),
    (ReverseKernel, {"x": "0"}, TypeError, "x must"),
    (ReverseKernel, {"alpha_bar_s": 1.0}, ValueError, "alpha_bar_s"),
    (ReverseKernel, {"alpha_bar_s": float("nan")}, ValueError, "alpha_bar_s"),
    (ReverseKernel, {"beta": 0.0}, ValueError, "beta"),
    (ReverseKernel, {"weight": 1.0}, ValueError, "weight"),
    (ReverseKernel, {"std": -0.1}, ValueError, "std"),
    (VarianceRecursion, {"variance": 0.0}, ValueError, "variance"),
    (VarianceRecursion, {"variance": float("nan")}, ValueError, "variance"),
    (VarianceRecursion, {"variance": "1"}, TypeError, "variance"),
    (VarianceRecursion, {"steps": 3}, ValueError, "steps must divide"),
    (VarianceRecursion, {"steps": 50.0}, TypeError, "steps"),
    (VarianceRecursion, {"noise": "learned"}, ValueError, "noise"),
    (VarianceRecursion, {"front": 1}, TypeError, "front"),
    (VarianceRecursion, {"last_noise": "no"}, TypeError, "last_noise"),
    (DigitsInTheBrowser, {"sampler": "heun"}, ValueError, "sampler"),
    (DigitsInTheBrowser, {"steps": 4}, ValueError, "steps"),
    (DigitsInTheBrowser, {"steps": 51}, ValueError, "steps"),
    (DigitsInTheBrowser, {"steps": 20.0}, TypeError, "steps"),
    (DigitsInTheBrowser, {"show": "noise"}, ValueError, "show"),
    (DigitsInTheBrowser, {"digit": 16}, ValueError, "digit"),
    (DigitsInTheBrowser, {"seed": -1}, ValueError, "seed"),
    (GuidedField, {"law": "moons"}, ValueError, "law"),
    (GuidedField, {"asked": 3}, ValueError, "asked"),
    (GuidedField, {"asked": 1.0}, TypeError, "asked"),
    (GuidedField, {"w": 8.5}, ValueError, "w must"),
    (GuidedField, {"w": float("nan")}, ValueError, "w must"),
    (GuidedField, {"sampler": "heun"}, ValueError, "sampler"),
    (GuidedField, {"steps": 101}, ValueError, "steps"),
    (GuidedField, {"interval": 0.5}, TypeError, "interval must"),
    (GuidedField, {"interval": (0.1, 0.2, 0.3)}, TypeError, "interval must"),
    (GuidedField, {"interval": (0.7, 0.2)}, ValueError, "interval"),
    (GuidedField, {"interval": (0.7, 1.2)}, ValueError, "interval"),
    (GuidedField, {"interval": (-0.1, 0.5)}, ValueError, "interval"),
    (FillTheGap, {"seed": 2**31}, ValueError, "seed must"),
    (GuidedField, {"time": 1.5}, ValueError, "time"),
    (GuidedField, {"seed": -1}, ValueError, "seed"),
    (GuidedDigits, {"asked": "10"}, ValueError, "asked"),
    (GuidedDigits, {"asked": 7}, ValueError, "asked"),
    (GuidedDigits, {"w": -1.0}, ValueError, "w must"),
    (GuidedDigits, {"w": "3"}, TypeError, "w must"),
    (GuidedDigits, {"steps": 31}, ValueError, "steps"),
    (GuidedDigits, {"steps": 20.0}, TypeError, "steps"),
    (GuidedDigits, {"seed": 2**31}, ValueError, "seed"),
    (DensityExplorer, {"law": "moons"}, ValueError, "law"),
    (DensityExplorer, {"sigma": -0.1}, ValueError, "sigma"),
    (DensityExplorer, {"show": "map"}, ValueError, "show"),
    (DensityExplorer, {"n": 10_000}, ValueError, "n must"),
    (DensityExplorer, {"law": GaussianMixture(torch.zeros(2, 3), var=1.0)}, ValueError, "law"),
    (DensityExplorer, {"law": GaussianMixture(torch.zeros(5, 2, 2), var=1.0)}, ValueError, "law"),
    (DensityExplorer, {"law": GaussianMixture(torch.zeros(13, 2), var=1.0)}, ValueError, "law"),
    (PosteriorTug, {"z": torch.linspace(-5, 5, 101)}, ValueError, "log_joint"),
    (PosteriorTug, {"z": torch.linspace(-5, 5, 11), "log_joint": torch.zeros(1, 11)}, ValueError, "z must"),
    (
        PosteriorTug,
        {"z": torch.linspace(-5, 5, 101), "log_joint": torch.zeros(1, 100)},
        ValueError,
        "log_joint",
    ),
    (
        PosteriorTug,
        {"z": torch.linspace(-5, 5, 101), "log_joint": torch.zeros(1, 101)},
        ValueError,
        "posterior",
    ),
    (PosteriorTug, {"z": torch.linspace(5, -5, 101), "log_joint": torch.zeros(1, 101)}, ValueError, "z must"),
    (PosteriorTug, {"z": torch.arange(101), "log_joint": torch.zeros(1, 101)}, TypeError, "z"),
    (PosteriorTug, {"mean": 9.0}, ValueError, "mean"),
    (PosteriorTug, {"std": 0.0}, ValueError, "std"),
    (PosteriorTug, {"observation": 3}, ValueError, "observation"),
    (PosteriorTug, {"labels": ["A"]}, ValueError, "labels"),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("cls", "arguments", "error", "named"), BAD)
def test_bad_arguments_are_named(
    cls: Any, arguments: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        cls(**arguments)


@pytest.mark.bad_input
def test_bad_arrays_are_named() -> None:
    with pytest.raises(TypeError, match="arrays"):
        pack({"a": torch.zeros(2, dtype=F64)})
    with pytest.raises(TypeError, match="arrays"):
        pack({"a": [1.0]})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="scales"):
        pack({"a": torch.zeros(2, dtype=torch.int8)})
    with pytest.raises(ValueError, match="value"):
        quantise(torch.tensor([float("nan")]))
    with pytest.raises(ValueError, match="x must"):
        ShiftedLaws().witness(torch.zeros(5, 2))
    with pytest.raises(ValueError, match="penalty"):
        DiracLaboratory(penalty="wgan_gp").eigenvalues()
    with pytest.raises(ValueError, match="cross"):
        DensityExplorer.block("moons")
    with pytest.raises(ValueError, match="step must"):
        ForwardAndBack(steps=5).distribution(6)
    with pytest.raises(ValueError, match="machine"):
        DigitsChain.block("weights")
    with pytest.raises(ValueError, match="steps"):
        DigitsChain().chain(-1)
    with pytest.raises(ValueError, match="steps"):
        TinyRBM().visits(0)
    with pytest.raises(ValueError, match="name must be"):
        ModernRecall.block("letters")
    with pytest.raises(TypeError, match="noise"):
        ImportanceSamples().bounds([[0.0]])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="x must"):
        HonestDashboard().log_prob(torch.zeros(5, 3))
    dashboard = HonestDashboard()
    dashboard.seed = -1  # a trait, which the browser may set
    with pytest.raises(ValueError, match="seed"):
        dashboard.samples()
