"""Gaussian data: laws, perfect predictions and the least attainable losses, also of what is trained."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gmlib.diffusion import GaussianOracle, denoising_loss
from gmlib.distributions import Gaussian
from gmlib.noise import (
    DDPM,
    EDM,
    VE,
    Denoiser,
    Rectified,
    Schedule,
    SubVP,
    VPCosine,
    VPLinear,
    exact_denoiser,
)

F64 = torch.float64
SCHEDULES: list[Schedule] = [
    VPLinear(),
    VPCosine(),
    SubVP(),
    VE(0.1, 5.0),
    EDM(0.1, 5.0),
    Rectified(),
    DDPM.linear(),
]
MEAN, VAR = torch.tensor([0.7, -1.0], dtype=F64), 0.25


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_gaussian_noising_oracle(schedule: Schedule) -> None:
    """Law and predictions are those of the exact denoiser; the floors are the conditional variances of the joint law."""
    oracle = GaussianOracle(MEAN, VAR, schedule)
    exact = exact_denoiser(Gaussian(MEAN, var=VAR), schedule)
    t = schedule.t_min + (schedule.t_max - schedule.t_min) * torch.tensor([0.2, 0.5, 0.8], dtype=F64)
    x = torch.tensor([[-1.0, 0.3], [2.0, 0.0], [0.5, -0.5]], dtype=F64)
    near = {"rtol": 1e-11, "atol": 1e-11}
    torch.testing.assert_close(oracle.eps(x, t), exact.eps(x, t), **near)
    torch.testing.assert_close(oracle.x0(x, t), exact.x0(x, t), **near)
    torch.testing.assert_close(oracle.x0(x, float(t[0]))[0], exact.x0(x, t)[0], **near)
    law, told = oracle.law(t), Gaussian(MEAN, var=VAR).noised(schedule.alpha(t), schedule.sigma(t))
    torch.testing.assert_close(law.log_prob(x), told.log_prob(x), **near)
    # Var(target | x_t) = Var(target) - Cov(target, x_t)² / Var(x_t), with independent x_0 and eps.
    for i in range(3):
        alpha, sigma = float(schedule.alpha(t[i])), float(schedule.sigma(t[i]))
        V = alpha**2 * VAR + sigma**2
        targets = {"eps": (0.0, 1.0), "x0": (1.0, 0.0), "v": (-sigma, alpha)}  # weights of x_0 and eps
        for name, (of_x0, of_eps) in targets.items():
            left = of_x0**2 * VAR + of_eps**2 - (of_x0 * alpha * VAR + of_eps * sigma) ** 2 / V
            floor = getattr(oracle, f"{name}_floor")(t)[i].item()
            assert floor == pytest.approx(left, rel=1e-10), name


def test_floor_of_v_where_variance_is_preserved() -> None:
    t = torch.linspace(0, 1, 9, dtype=F64)
    oracle = GaussianOracle(0.0, VAR, VPLinear())
    torch.testing.assert_close(oracle.v_floor(t), VAR / oracle.law(t).variance[:, 0], rtol=1e-12, atol=0)


def test_one_point_has_nothing_to_learn_about_itself() -> None:
    oracle = GaussianOracle(2.0, 0.0, Rectified())
    x = torch.tensor([[0.0], [5.0]], dtype=F64)
    assert torch.equal(oracle.x0(x, 0.5), torch.full_like(x, 2.0))
    assert oracle.eps_floor(0.5).item() == oracle.x0_floor(0.5).item() == 0


def loss_of_line(oracle: GaussianOracle, t: Tensor, slope: Tensor, offset: Tensor) -> Tensor:
    """Mean squared error of eps_hat = slope x + offset, one coordinate, in closed form."""
    alpha, sigma = oracle.schedule.alpha(t), oracle.schedule.sigma(t)
    m = alpha * float(oracle.mean)
    V = alpha**2 * oracle.var + sigma**2
    return 1 - 2 * slope * sigma + slope**2 * V + (slope * m + offset) ** 2


def test_simple_loss(generator: torch.Generator) -> None:
    """The exact denoiser's loss is alpha_bar v / (alpha_bar v + 1 - alpha_bar); a trained line ends just above it."""
    schedule, n = DDPM.linear(), 50_000
    oracle = GaussianOracle(0.7, VAR, schedule)
    exact = Denoiser(oracle.eps, schedule, "eps")
    for k in (1, 100, 500, 1000):
        alpha_bar = schedule.alpha_bar[k].item()
        floor = alpha_bar * VAR / (alpha_bar * VAR + 1 - alpha_bar)
        t = torch.full((n,), k / 1000, dtype=F64)
        assert oracle.eps_floor(t[0]).item() == pytest.approx(floor, rel=1e-10)
        x0 = 0.7 + VAR**0.5 * torch.randn(n, 1, generator=generator, dtype=F64)
        noise = torch.randn(n, 1, generator=generator, dtype=F64)
        loss = denoising_loss(exact, x0, t, noise).total  # floor times a chi-square variable of one degree
        assert abs(loss.mean().item() - floor) < 4 * floor * (2 / n) ** 0.5

        # Least squares on 200 points is what training to the end would give; on all data it is never below the floor.
        x = (alpha_bar**0.5 * x0 + (1 - alpha_bar) ** 0.5 * noise)[:200]
        fit = torch.linalg.lstsq(torch.cat([x, torch.ones_like(x)], 1), noise[:200]).solution.flatten()
        excess = loss_of_line(oracle, t[0], fit[0], fit[1]).item() - floor
        assert 0 <= excess < 0.2 * floor


def test_each_target_has_its_floor(generator: torch.Generator) -> None:
    """Also for the loss on x_0 and on v, with times in one batch; weights multiply."""
    schedule, n = VPCosine(), 30_000
    oracle = GaussianOracle(0.0, VAR, schedule)
    exact = Denoiser(oracle.eps, schedule, "eps")
    t = torch.linspace(0.1, 0.9, n, dtype=F64)
    x0 = VAR**0.5 * torch.randn(n, 1, generator=generator, dtype=F64)
    noise = torch.randn(n, 1, generator=generator, dtype=F64)
    for target in ("eps", "x0", "v"):
        floor = getattr(oracle, f"{target}_floor")(t)
        loss = denoising_loss(exact, x0, t, noise, target=target, weight=1 / floor)  # type: ignore[arg-type]
        assert abs(loss.total.mean().item() - 1) < 4 * (2 / n) ** 0.5
