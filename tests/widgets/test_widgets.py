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
from gmlib.widgets.arrays import quantise
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
