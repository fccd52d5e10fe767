"""Dequantisation against the exact mass of a Gaussian's cell; binarisation against its mean."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmlib.data import binarise, dequantise, log_mass, quantise


@settings(deadline=None, max_examples=60)
@given(
    levels=st.integers(2, 256),
    seed=st.integers(0, 2**31),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_quantise_undoes_dequantise(levels: int, seed: int, dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(seed)
    x = torch.randint(0, levels, (2000,), generator=g)
    y = dequantise(x, levels, generator=g, dtype=dtype)
    assert y.dtype == dtype
    assert 0 <= float(y.min()) <= float(y.max()) < 1
    assert bool((quantise(y, levels) == x).all())


def test_extreme_noise_stays_in_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest float below 1 plus 255 rounds to 256; the cell must hold it all the same."""
    monkeypatch.setattr(
        torch, "rand", lambda shape, **kw: torch.full(shape, math.nextafter(1, 0), dtype=kw["dtype"])
    )
    for levels in range(2, 257):
        x = torch.arange(levels)
        assert bool((quantise(dequantise(x, levels), levels) == x).all())


def test_noise_is_uniform(generator: torch.Generator) -> None:
    n, levels = 200_000, 17
    u = dequantise(torch.full((n,), 5), levels, generator=generator).double() * levels - 5
    assert abs(float(u.mean()) - 1 / 2) < 5 * math.sqrt(1 / 12 / n)
    assert abs(float((u**2).mean()) - 1 / 3) < 5 * math.sqrt(4 / 45 / n)


def test_uniform_dequantisation(generator: torch.Generator) -> None:
    """A Gaussian of sd 1.1, cell from 0.7 below to 0.3 above its mean: exact -1.0636, bound -1.0652.

    (The catalogue's mean 3.2 at x = 3 with cells centred on the integers; ours reach from x to x + 1: mean
    3.7.)
    """
    mean, sd, levels = 3.7, 1.1, 8
    normal = torch.distributions.Normal(torch.tensor(mean, dtype=torch.float64), sd)
    exact = float((normal.cdf(torch.tensor(4.0)) - normal.cdf(torch.tensor(3.0))).log())
    # E (x + u - mean)^2 over u: squared distance of the cell's middle plus the variance 1/12 of u.
    bound = -math.log(sd * math.sqrt(2 * math.pi)) - ((3.5 - mean) ** 2 + 1 / 12) / (2 * sd**2)
    assert round(exact, 4) == -1.0636
    assert round(bound, 4) == -1.0652
    n = 200_000
    y = dequantise(torch.full((n, 1), 3), levels, generator=generator, dtype=torch.float64)
    log_density = (normal.log_prob(y * levels) + math.log(levels)).sum(-1)  # y = z / levels
    nats = log_mass(log_density, levels, dim=1)
    assert abs(float(nats.mean()) - bound) < 5 * float(nats.std()) / math.sqrt(n)
    # Before the logarithm the average is the mass itself.
    mass = nats.exp()
    assert abs(float(mass.mean()) - math.exp(exact)) < 5 * float(mass.std()) / math.sqrt(n)


def test_bound_is_tight_for_a_flat_density() -> None:
    assert torch.allclose(log_mass(torch.zeros(3), 17, 64), torch.full((3,), -64 * math.log(17.0)))


def test_same_seed_same_numbers() -> None:
    x = torch.arange(16).reshape(4, 4)
    draw = [dequantise(x, 16, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])


def test_binarise(generator: torch.Generator) -> None:
    x = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0])
    n = 40_000
    b = binarise(x.expand(n, 5), generator=generator)
    assert set(b.unique().tolist()) == {0.0, 1.0}
    assert bool(((b.mean(0) - x).abs() <= 5 * (x * (1 - x) / n).sqrt()).all())
    fixed = [binarise(x, generator=torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(fixed[0], fixed[1])
    assert binarise(x.to(torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.tensor([0, 3, 16])
    with pytest.raises(ValueError, match="x must lie between 0 and levels - 1 = 15, got 0 to 16"):
        dequantise(x, 16)
    with pytest.raises(ValueError, match="x must lie between 0"):
        dequantise(-x, 17)
    with pytest.raises(TypeError, match=r"x must have an integer dtype, got torch\.float32"):
        dequantise(x.float(), 17)
    with pytest.raises(TypeError, match=r"x must be a torch\.Tensor"):
        dequantise([0, 3], 17)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="levels must be at least 1, got 0"):
        dequantise(x, 0)
    with pytest.raises(ValueError, match=r"levels must be at most .* in torch\.bfloat16"):
        dequantise(x, 17, dtype=torch.bfloat16)
    with pytest.raises(TypeError, match=r"y must have a floating dtype"):
        quantise(x, 17)
    with pytest.raises(ValueError, match="levels must be at most 256"):
        quantise(x.float(), 257)
    with pytest.raises(ValueError, match="dim must be at least 1"):
        log_mass(torch.zeros(2), 17, 0)
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        binarise(x)
    for bad in (torch.tensor([1.5]), torch.tensor([-0.1]), torch.tensor([math.nan])):
        with pytest.raises(ValueError, match=r"x must lie in \[0, 1\]"):
            binarise(bad)


@pytest.mark.bad_input
def test_empty_batch() -> None:
    empty = torch.zeros(0, 4)
    assert dequantise(empty.long(), 17).shape == (0, 4)
    assert quantise(empty, 17).shape == (0, 4)
    assert binarise(empty).shape == (0, 4)
