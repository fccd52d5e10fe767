"""The ladder of noise levels and averaged weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gmlib.score import ema_weights, geometric_ladder, langevin, largest_distance, level_overlap
from gmlib.training._pieces import make_averager

F64 = torch.float64


class Lines(nn.Module):
    """Many linear scores s(x) = b - a x at once, one a column."""

    def __init__(self, many: int) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.full((many,), 0.5))
        self.b = nn.Parameter(torch.zeros(many))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b - self.a * x


def sample_error(model: nn.Module, generator: torch.Generator, many: int) -> float:
    """Squared error of mean and variance of Langevin samples, averaged over the models; the truth is N(1, 1.25)."""
    x = langevin(model, torch.ones(300, many), step=0.2, steps=40, generator=generator)
    return ((x.mean(0) - 1) ** 2 + (x.var(0) - 1.25) ** 2).mean().item()


def trained(seed: int, many: int) -> tuple[float, float]:
    """Sample error of the last weights and of their average, after denoising score matching with small batches."""
    generator = torch.Generator().manual_seed(seed)
    model, average = Lines(many), Lines(many)
    move = make_averager(model, average, 0.98)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    sigma = 0.5
    for _ in range(250):
        clean = 1 + torch.randn(16, many, generator=generator)
        noise = torch.randn(16, many, generator=generator)
        residual = model(clean + sigma * noise) + noise / sigma
        optimiser.zero_grad()
        (0.5 * residual.square()).mean(0).sum().backward()
        optimiser.step()
        move()
    return sample_error(model, generator, many), sample_error(average, generator, many)


def test_sigma_ladder_ema() -> None:
    # sigma_i = sigma_1 r^(i-1): ends where told, and the proportion is constant.
    ladder = geometric_ladder(8.0, 0.05, 7, dtype=F64)
    assert ladder[0] == 8.0
    assert ladder[-1] == 0.05
    ratio = (0.05 / 8.0) ** (1 / 6)
    torch.testing.assert_close(ladder, 8.0 * ratio ** torch.arange(7, dtype=F64), rtol=1e-13, atol=0)
    # Neighbours overlap equally, in every dimension.
    for dim in (1, 2, 50):
        overlap = level_overlap(ladder, dim)
        torch.testing.assert_close(overlap, overlap[:1].expand(6), rtol=1e-10, atol=0)
        assert 0 < overlap[0] < 1
    linear = torch.linspace(8.0, 0.05, 7, dtype=F64)
    spread = level_overlap(linear, 2)
    assert spread.max() / spread.min() > 5

    # A constant stream is its own average, exactly; and the average of any stream is the closed form's.
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    target.load_state_dict(source.state_dict())
    move = make_averager(source, target, 0.9)
    for _ in range(20):
        move()
    torch.testing.assert_close(target.weight, source.weight, rtol=1e-6, atol=0)
    stream = torch.randn(31, 2, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        target.weight.copy_(stream[0])
        for value in stream[1:]:
            source.weight.copy_(value)
            move()
    expected = torch.einsum("t,tij->ij", ema_weights(0.9, 30), stream.double())
    torch.testing.assert_close(target.weight.double(), expected, rtol=0, atol=1e-6)

    # Averaged weights sample better: 64 scores a seed, trained with a constant rate on batches of 16.
    for seed in range(3):
        last, averaged = trained(seed, 64)
        assert averaged < 0.7 * last


def test_overlap_is_the_integral_of_the_lower_density() -> None:
    # In one dimension on a line; in d dimensions along the radius.
    x = np.linspace(-60, 60, 400_001)
    pair = [np.exp(-(x**2) / (2 * s**2)) / (s * math.sqrt(2 * math.pi)) for s in (3.0, 1.0)]
    one = np.trapezoid(np.minimum(*pair), x)
    sigmas = torch.tensor([3.0, 1.0], dtype=F64)
    assert level_overlap(sigmas, 1).item() == pytest.approx(one, abs=1e-7)
    r = np.linspace(1e-9, 60, 400_001)
    for dim in (2, 9):
        surface = 2 * math.pi ** (dim / 2) / math.gamma(dim / 2) * r ** (dim - 1)
        pair = [np.exp(-(r**2) / (2 * s**2)) / (s * math.sqrt(2 * math.pi)) ** dim for s in (3.0, 1.0)]
        expected = np.trapezoid(surface * np.minimum(*pair), r)
        assert level_overlap(sigmas, dim).item() == pytest.approx(expected, abs=1e-7)
    # Equal levels overlap wholly, and the order does not matter.
    assert level_overlap(torch.ones(2, dtype=F64), 5).item() == pytest.approx(1, abs=1e-12)
    assert level_overlap(sigmas.flip(0), 5).item() == pytest.approx(
        level_overlap(sigmas, 5).item(), abs=1e-12
    )


def test_high_dimension_needs_more_levels() -> None:
    # The shells' radii differ by (1 - r) sqrt(d) in units of their width: at d times 4 half the gap gives the same overlap.
    near = level_overlap(torch.tensor([1.0, 0.95], dtype=F64), 400).item()
    far = level_overlap(torch.tensor([1.0, math.sqrt(0.95)], dtype=F64), 1600).item()
    assert far == pytest.approx(near, abs=0.01)
    assert level_overlap(torch.tensor([1.0, 0.5]), 784).item() < 1e-6


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(1, 4), st.integers(0, 10_000))
def test_largest_distance_is_the_largest(n: int, dim: int, seed: int) -> None:
    x = torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=F64)
    expected = max((a - b).norm().item() for a in x for b in x)
    assert largest_distance(x).item() == pytest.approx(expected, rel=1e-12)


def test_largest_distance_in_blocks_and_of_any_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(50, 2, 3, generator=torch.Generator().manual_seed(0))
    whole = largest_distance(x)
    monkeypatch.setattr("gmlib.score.ladder.BLOCK", 128)
    assert largest_distance(x) == whole
    # Far from the origin differences keep their digits.
    assert largest_distance(torch.tensor([[1e4], [1e4 + 1.0]])).item() == 1.0
    # Points of 16 bits: read as they are, and a distance beyond their range.
    for dtype in (torch.float16, torch.bfloat16):
        low = x.to(dtype)
        assert largest_distance(low) == largest_distance(low.float())
    assert largest_distance(torch.tensor([[-6e4], [6e4]], dtype=torch.float16)).item() == pytest.approx(
        12e4, rel=1e-3
    )
    assert geometric_ladder(2.0, 1.0, 3, device="meta").device.type == "meta"


def test_shares_of_the_average() -> None:
    for decay, steps in ((0.0, 3), (0.9, 0), (0.9, 10), (0.999, 5000)):
        shares = ema_weights(decay, steps)
        assert shares.shape == (steps + 1,)
        assert shares.sum().item() == pytest.approx(1, abs=1e-12)
    assert ema_weights(0.0, 3).tolist() == [0, 0, 0, 1]
    # Independent noise keeps the share (1 - decay) / (1 + decay) of its variance.
    assert ema_weights(0.9, 400).square().sum().item() == pytest.approx(0.1 / 1.9, rel=1e-12)


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="sigma_min must be"):
        geometric_ladder(1.0, 2.0, 5)
    with pytest.raises(ValueError, match="sigma_max must be"):
        geometric_ladder(0.0, 0.0, 5)
    with pytest.raises(ValueError, match="levels must be at least 2, got 1"):
        geometric_ladder(2.0, 1.0, 1)
    with pytest.raises(TypeError, match="dtype must be a floating torch dtype"):
        geometric_ladder(2.0, 1.0, 3, dtype=torch.int64)
    with pytest.raises(ValueError, match="x must hold at least two points"):
        largest_distance(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="x must be finite"):
        largest_distance(torch.tensor([0.0, math.nan]))
    with pytest.raises(ValueError, match="levels >= 2"):
        level_overlap(torch.ones(1), 2)
    with pytest.raises(ValueError, match="sigmas must be positive, got a level of -1"):
        level_overlap(torch.tensor([1.0, -1.0]), 2)
    with pytest.raises(ValueError, match="dim must be at least 1"):
        level_overlap(torch.tensor([2.0, 1.0]), 0)
    with pytest.raises(ValueError, match="decay must be"):
        ema_weights(1.0, 3)
    with pytest.raises(ValueError, match="steps must be at least 0"):
        ema_weights(0.9, -1)
