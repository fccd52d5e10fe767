"""Densities of samplers against the change of variables, and the sheets that they live on."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gmlib.distributions import Gaussian
from gmlib.gan import empirical_density_1d, implicit_cdf, sample_rank, sheet_rank, toy_generator

F64 = torch.float64


def normal_density(z: Tensor) -> Tensor:
    return torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def test_implicit_model() -> None:
    # G = exp: the derivative of the numerical CDF is the log-normal density, .2038543 at 1.7.
    x = torch.tensor([0.05, 0.5, 1.7, 6.0], dtype=F64)
    found = empirical_density_1d(torch.exp, x)
    assert found[2].item() == pytest.approx(0.2038543, abs=1e-7)
    assert torch.allclose(found, normal_density(x.log()) / x, rtol=1e-5)
    assert torch.allclose(implicit_cdf(torch.exp, x), torch.special.ndtr(x.log()), atol=1e-14)

    # More coordinates than latents: a sheet, whatever the network. The Jacobian and the samples alone say so.
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    for m in (1, 2, 3):
        net = torch.nn.Sequential(toy_generator(5, latent_dim=m, widths=(40,)), torch.nn.Tanh()).double()
        z = torch.randn(20, m, dtype=F64, generator=generator)
        assert sheet_rank(net, z).rank.tolist() == [m] * 20
    around = sheet_rank(
        lambda z: z @ torch.ones(3, 4, dtype=F64), torch.randn(5, 3, dtype=F64, generator=generator)
    )
    assert around.rank.tolist() == [1] * 5
    z = torch.rand(5_000, 2, dtype=F64, generator=generator)
    sheet = torch.stack([z[:, 0].cos(), z[:, 0].sin(), z[:, 1], z[:, 1] * z[:, 0]], 1)
    inner = ((z - 0.5).abs() < 0.4).all(1).nonzero()[:50, 0]
    assert sample_rank(sheet, inner, neighbours=12).rank.tolist() == [2] * 50
    # A density in all coordinates has no such sheet.
    cloud = torch.rand(5_000, 4, dtype=F64, generator=generator)
    assert sample_rank(cloud, inner, neighbours=12).rank.tolist() == [4] * 50


def test_a_generator_that_folds() -> None:
    # z -> z^2 has two ends (chi-squared); z -> -z^3 falls; z -> sin z many: by the sum over all roots of the density of z
    # over the slope.
    x = torch.tensor([0.01, 0.5, 3.0], dtype=F64)
    assert torch.allclose(
        empirical_density_1d(lambda z: z * z, x, step=1e-5), normal_density(x.sqrt()) / x.sqrt(), rtol=1e-5
    )
    root = torch.tensor([-1.3, 0.4], dtype=F64)
    assert torch.allclose(
        empirical_density_1d(lambda z: -(z**3), -(root**3)),
        normal_density(root) / (3 * root * root),
        rtol=1e-5,
    )
    x = torch.tensor([[-0.7, 0.2], [0.0, 0.9]], dtype=F64)
    turns = 2 * math.pi * torch.arange(-3, 4, dtype=F64)
    roots = torch.cat([x[..., None].asin() + turns, math.pi - x[..., None].asin() + turns], -1)
    expected = (normal_density(roots) / roots.cos().abs()).sum(-1)
    assert torch.allclose(empirical_density_1d(torch.sin, x), expected, rtol=1e-5)


def test_a_constant_stretch_is_an_atom() -> None:
    # G = relu puts half its mass on 0: the CDF jumps there, and no density exists.
    cdf = implicit_cdf(torch.relu, torch.tensor([-0.1, 0.0, 1.0], dtype=F64))
    assert torch.allclose(cdf, torch.special.ndtr(torch.tensor([-torch.inf, 0.0, 1.0], dtype=F64)))
    zero = torch.zeros(1, dtype=F64)
    for step in (1e-2, 1e-4):
        found = empirical_density_1d(torch.relu, zero, step=step).item()
        assert found == pytest.approx(0.5 / (2 * step), rel=0.01)


def test_an_affine_generator_is_the_normal_law() -> None:
    law = Gaussian(torch.tensor([2.0], dtype=F64), var=0.25)
    x = torch.linspace(0.5, 3.5, 7, dtype=F64)
    found = empirical_density_1d(lambda z: 2 + 0.5 * z, x)
    assert torch.allclose(found, law.log_prob(x[:, None]).exp(), rtol=1e-5)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: implicit_cdf(3, torch.zeros(1)), TypeError, "generator must be callable, got int"),  # type: ignore[arg-type]
        (lambda: implicit_cdf(torch.exp, 1.0), TypeError, "x must be a torch.Tensor, got float"),  # type: ignore[arg-type]
        (
            lambda: implicit_cdf(torch.exp, torch.tensor([torch.nan])),
            ValueError,
            "x must be finite, got 1 NaN",
        ),
        (
            lambda: implicit_cdf(torch.exp, torch.zeros(1), reach=0.0),
            ValueError,
            "reach must be a finite number",
        ),
        (
            lambda: implicit_cdf(torch.exp, torch.zeros(1), cells=0),
            ValueError,
            "cells must be at least 1, got 0",
        ),
        (
            lambda: implicit_cdf(lambda z: z[:, 0], torch.zeros(1), cells=4),
            ValueError,
            r"generator\(z\) must have shape \(5, 1\), got shape \(5,\)",
        ),
        (
            lambda: empirical_density_1d(torch.exp, torch.zeros(1), step=-1.0),
            ValueError,
            r"step must be a finite number in \(0",
        ),
        (lambda: sheet_rank(torch.exp, torch.zeros(3)), ValueError, r"z must be a matrix \(n, d\)"),
        (lambda: sheet_rank(torch.exp, torch.zeros(3, 1, 1)), ValueError, r"z must be a matrix \(n, d\)"),
        (
            lambda: sheet_rank(torch.exp, torch.zeros(3, 1), tolerance=1.0),
            ValueError,
            r"tolerance must be a finite number in \(0, 1\)",
        ),
        (
            lambda: sheet_rank(lambda z: z[0], torch.zeros(3, 1)),
            ValueError,
            r"generator\(z\) must have shape \(batch, \*event\), got \(1,\) for a batch of 1",
        ),
        (
            lambda: sheet_rank(lambda z: z.long(), torch.zeros(3, 1)),
            TypeError,
            r"generator\(z\) must have a floating dtype, got torch.int64",
        ),
        (
            lambda: sheet_rank(torch.sqrt, torch.zeros(3, 1)),
            ValueError,
            r"the Jacobian of generator\(z\) must be finite, got 3 NaN or infinite",
        ),
        (
            lambda: sample_rank(torch.zeros(5, 2), torch.tensor([0.0]), neighbours=2),
            TypeError,
            "at must have an integer dtype, got torch.float32",
        ),
        (
            lambda: sample_rank(torch.zeros(5, 2), torch.tensor([1, 5]), neighbours=2),
            ValueError,
            r"at must be \(batch,\) with indices from 0 to 4, got indices from 1 to 5",
        ),
        (
            lambda: sample_rank(torch.zeros(5, 2), torch.zeros(1, 1).long(), neighbours=2),
            ValueError,
            r"indices from 0 to 4, got shape \(1, 1\)",
        ),
        (
            lambda: sample_rank(torch.zeros(5, 2), torch.tensor([0]), neighbours=5),
            ValueError,
            r"samples must have shape \(n, d\) with n > 5, got \(5, 2\)",
        ),
        (
            lambda: sample_rank(torch.full((5, 2), torch.inf), torch.tensor([0]), neighbours=2),
            ValueError,
            "samples must be finite",
        ),
    ],
)
def test_bad_input(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()
