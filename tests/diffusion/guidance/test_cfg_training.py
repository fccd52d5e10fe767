"""One network, two models: told the class it learns the class, told nothing it learns all data."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gmlib.diffusion import denoising_loss, low_discrepancy_times
from gmlib.diffusion.guidance import GaussianGuidance, LabelledLaw, told_or_not
from gmlib.distributions import Gaussian
from gmlib.nn import ResidualMLP, TimeAndClass
from gmlib.noise import Denoiser, VPCosine

F64 = torch.float64
COSINE = VPCosine()


def test_least_squares_with_a_dropped_condition_finds_both_guesses() -> None:
    """c ~ N(0, 1), x_0 ~ N(c, 1/4): both best guesses are linear, and one regression with a flag must find them.

    With the flag f (1 told, 0 not) the network is f (a x + b c) + (1 - f) e x. At alpha, sigma the class has the guess
    (alpha v x + sigma^2 c) / (alpha^2 v + sigma^2), all data the guess alpha v_0 x / (alpha^2 v_0 + sigma^2).
    """
    n, v, spread, dropped = 200_000, 0.25, 1.0, 0.1
    generator = torch.Generator().manual_seed(0)
    c, noise, clean = torch.randn(3, n, dtype=F64, generator=generator)
    told = torch.rand(n, generator=generator, dtype=F64) >= dropped
    x0 = spread * c + math.sqrt(v) * clean
    alpha, sigma = 0.8, 0.6
    x = alpha * x0 + sigma * noise
    features = torch.stack([told_or_not(x, told, 0), told_or_not(c, told, 0), told_or_not(x, ~told, 0)], 1)
    found = torch.linalg.lstsq(features, x0[:, None]).solution[:, 0]
    within, whole = alpha**2 * v + sigma**2, alpha**2 * (v + spread) + sigma**2
    wanted = torch.tensor([alpha * v / within, sigma**2 / within, alpha * (v + spread) / whole], dtype=F64)
    residual = (x0 - features @ found).square()
    inverse = torch.linalg.inv(features.mT @ features)
    error = (inverse @ (features.mT * residual) @ features @ inverse).diagonal().sqrt()
    assert ((found - wanted).abs() < 4 * error).all()
    # The guess of all data is the one that the oracle of this case has.
    slope = GaussianGuidance(0.0, v, 0.0, v + spread).score(torch.tensor([1.0], dtype=F64), 0.0, alpha, sigma)
    assert math.isclose((1 + sigma**2 * slope.item()) / alpha, wanted[2].item(), rel_tol=1e-12)


def test_what_is_not_told_is_replaced() -> None:
    told = torch.tensor([True, False, True])
    assert told_or_not(torch.tensor([0, 1, 2]), told, 9).tolist() == [0, 9, 2]
    pairs = torch.tensor([[0.5, 1.0], [math.nan, 2.0], [-1.0, 3.0]], dtype=F64)
    found = told_or_not(pairs, told, 0)
    assert found.dtype == F64
    assert found.tolist() == [[0.5, 1.0], [0.0, 0.0], [-1.0, 3.0]]


class Listener(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.told = TimeAndClass(32, 16, classes=3)
        self.body = ResidualMLP(2, 2, width=48, depth=2, condition=32)

    def forward(self, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        return self.body(x, self.told(t, label))


def test_cfg_training() -> None:
    """Each mode is at most a twentieth above the least loss that it can have, and each knows what the other does not."""
    centres = 0.8 * torch.tensor([[math.cos(a), math.sin(a)] for a in (1.6, 3.7, 5.8)], dtype=F64)
    three = LabelledLaw([Gaussian(m, var=0.15) for m in centres])
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model, steps = Denoiser(Listener(), COSINE, "v"), 300
    optimiser = torch.optim.Adam(model.parameters(), 6e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        x0, label = three.sample(256, generator=generator)
        label = told_or_not(label, torch.rand(256, generator=generator) >= 0.15, 3)
        t = low_discrepancy_times(256, 0.01, 0.99, generator=generator)
        noise = torch.randn(x0.shape, generator=generator)
        cost = denoising_loss(model, x0.float(), t, noise, target="v", label=label).total.mean()
        optimiser.zero_grad()
        cost.backward()
        optimiser.step()
        decay.step()
    x0, label = three.sample(20_000, generator=generator)
    t = low_discrepancy_times(20_000, 0.01, 0.99, generator=generator).double()
    noise = torch.randn(x0.shape, generator=generator, dtype=F64)
    losses = {}
    for told, asked in (("class", label), ("nothing", torch.full_like(label, 3))):
        for name, denoiser in (("learnt", model.double()), ("least", three.denoiser(COSINE))):
            with torch.no_grad():
                total = denoising_loss(denoiser, x0, t, noise, target="v", label=asked).total
            losses[told, name] = total.mean().item()
    for told in ("class", "nothing"):
        assert 1.0 < losses[told, "learnt"] / losses[told, "least"] < 1.05
    assert losses["class", "learnt"] < 0.65 * losses["nothing", "least"]
