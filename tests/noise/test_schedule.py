"""Every schedule's closed forms, held against autograd, the moments of its diffusion, and the papers' numbers."""

from __future__ import annotations

import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from gmlib.noise import DDPM, EDM, VE, Rectified, Schedule, SubVP, VariancePreserving, VPCosine, VPLinear

F64 = torch.float64
SCHEDULES: dict[str, Schedule] = {
    "vp-linear": VPLinear(),
    "vp-linear-flat": VPLinear(0.0, 5.0),
    "vp-cosine": VPCosine(),
    "sub-vp": SubVP(),
    "ve": VE(),
    "edm": EDM(),
    "rectified": Rectified(),
    "ddpm": DDPM.linear(),
    "ddpm-cosine": DDPM.cosine(50),
}


@pytest.fixture(params=SCHEDULES)
def schedule(request: pytest.FixtureRequest) -> Schedule:
    return SCHEDULES[request.param]


def inner_times(schedule: Schedule, n: int = 9) -> Tensor:
    """Times well inside the range and, for DDPM, off the kinks of its grid."""
    low, high = schedule.t_min, schedule.t_max
    return low + (high - low) * torch.linspace(0.0313, 0.957, n, dtype=F64)


def test_slopes_and_drift_are_autograds(schedule: Schedule) -> None:
    """alpha', sigma', f = d log alpha/dt, g² = d sigma²/dt - 2 f sigma², d lambda/dt = -g²/sigma²."""
    t = inner_times(schedule).requires_grad_()

    def slope(y: Tensor) -> Tensor:
        if not y.requires_grad:
            return torch.zeros_like(y)
        (out,) = torch.autograd.grad(y.sum(), t, allow_unused=True, materialize_grads=True)
        return out

    f = slope(schedule.alpha(t).log())
    g2 = slope(schedule.sigma(t) ** 2) - 2 * f * schedule.sigma(t).detach() ** 2
    near = {"rtol": 1e-9, "atol": 1e-11}
    torch.testing.assert_close(schedule.d_alpha(t).detach(), slope(schedule.alpha(t)), **near)
    torch.testing.assert_close(schedule.d_sigma(t).detach(), slope(schedule.sigma(t)), **near)
    torch.testing.assert_close(schedule.f(t).detach(), f, **near)
    torch.testing.assert_close(schedule.g(t).detach() ** 2, g2, **near)
    torch.testing.assert_close(slope(schedule.log_snr(t)), -g2 / schedule.sigma(t).detach() ** 2, **near)


def test_diffusion_has_the_marginals(schedule: Schedule) -> None:
    """Solve the moments of dx = f x dt + g dW: m' = f m, V' = 2 f V + g², from one inner time to another."""
    start, *others = inner_times(schedule, 5).tolist()
    if isinstance(schedule, DDPM):  # its rate jumps from step to step: stay within one
        start, *others = [(schedule.T // 2 + u) / schedule.T for u in (0.1, 0.3, 0.6, 0.9)]

    def slope(t: float, y: list[float]) -> list[float]:
        f, g = float(schedule.f(t)), float(schedule.g(t))
        return [f * y[0], 2 * f * y[1] + g**2]

    now = [float(schedule.alpha(start)), float(schedule.sigma(start)) ** 2]
    run = solve_ivp(slope, (start, others[-1]), now, t_eval=others, rtol=1e-8, atol=1e-12)
    want = torch.tensor(others, dtype=F64)
    torch.testing.assert_close(torch.from_numpy(run.y[0]), schedule.alpha(want), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(torch.from_numpy(run.y[1]), schedule.sigma(want) ** 2, rtol=1e-6, atol=1e-6)


def test_log_snr_is_the_logarithm_of_the_ratio(schedule: Schedule) -> None:
    t = inner_times(schedule)
    ratio = 2 * torch.log(schedule.alpha(t) / schedule.sigma(t))
    torch.testing.assert_close(schedule.log_snr(t), ratio, rtol=1e-10, atol=1e-10)
    assert (schedule.log_snr(t).diff() < 0).all()


def test_log_snr_round_trip(schedule: Schedule) -> None:
    t = inner_times(schedule, 33)
    torch.testing.assert_close(schedule.t_of_log_snr(schedule.log_snr(t)), t, rtol=1e-11, atol=1e-11)
    lam = float(schedule.log_snr(float(t[3])))
    assert float(schedule.t_of_log_snr(lam)) == pytest.approx(float(t[3]), rel=1e-11)


def test_float32_is_float64_rounded(schedule: Schedule) -> None:
    """No cancellation at either end: relative errors of a few parts in a million down to a thousandth of the range."""
    low, high = schedule.t_min, schedule.t_max
    t = (low + (high - low) * torch.tensor([1e-3, 0.0137, 0.3, 0.7, 0.99])).float()
    for name in ("alpha", "sigma", "g"):
        a, b = (getattr(schedule, name)(t.to(dtype)) for dtype in (torch.float32, F64))
        assert a.dtype == torch.float32
        torch.testing.assert_close(a.to(F64), b, rtol=2e-5, atol=0)
    torch.testing.assert_close(schedule.log_snr(t).to(F64), schedule.log_snr(t.to(F64)), rtol=1e-5, atol=3e-5)


def test_times_are_numbers_or_tensors(schedule: Schedule) -> None:
    t = inner_times(schedule, 6)
    for name in ("alpha", "sigma", "log_snr", "f", "g", "d_alpha", "d_sigma"):
        fn = getattr(schedule, name)
        batch = fn(t.reshape(2, 3))
        one = fn(float(t[4]))
        assert batch.shape == (2, 3)
        assert one.shape == ()
        assert one.dtype == F64
        torch.testing.assert_close(one, batch[1, 1], rtol=1e-12, atol=1e-12)


def test_data_at_the_start_noise_at_the_end(schedule: Schedule) -> None:
    first, last = float(schedule.t_min), float(schedule.t_max)
    assert float(schedule.alpha(first)) == pytest.approx(1, abs=1e-12)
    assert float(schedule.sigma(first)) == pytest.approx(getattr(schedule, "sigma_min", first), abs=1e-12)
    assert float(schedule.log_snr(last)) < -2
    if isinstance(schedule, VariancePreserving):
        t = inner_times(schedule)
        one = schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2
        torch.testing.assert_close(one, torch.ones_like(one), rtol=0, atol=1e-12)


@pytest.mark.gpu
def test_schedule_on_a_gpu(schedule: Schedule) -> None:
    t = inner_times(schedule)
    for name in ("alpha", "sigma", "log_snr", "f", "g"):
        fn = getattr(schedule, name)
        torch.testing.assert_close(fn(t.cuda()).cpu(), fn(t), rtol=1e-10, atol=1e-10)


def test_noise_schedules() -> None:
    """DDPM's linear grid ends at alpha_bar = 4.04e-5, alpha = .00635; the cosine's middle is alpha_bar = .494."""
    ddpm = DDPM.linear()
    assert ddpm.alpha_bar[-1].item() == pytest.approx(4.04e-5, abs=5e-8)
    assert ddpm.alpha(1.0).item() == pytest.approx(0.00635, abs=5e-6)
    assert VPCosine().alpha(0.5).item() ** 2 == pytest.approx(0.494, abs=5e-4)
    assert DDPM.cosine().alpha_bar[500].item() == pytest.approx(0.494, abs=5e-4)
    for grid in (ddpm, DDPM.cosine()):
        assert grid.alpha_bar[0].item() == 1
        assert (grid.alpha_bar.diff() < 0).all()
        assert grid.betas.min().item() > 0
        assert grid.betas.max().item() < 1


def test_ddpm_index_convention() -> None:
    """t = k/T carries alpha_bar_k, the product of the first k factors 1 - beta; t = 0 is clean; also in float32."""
    ddpm = DDPM.linear()
    product = torch.cat([torch.ones(1, dtype=F64), torch.cumprod(1 - ddpm.betas, 0)])
    torch.testing.assert_close(ddpm.alpha_bar, product, rtol=1e-12, atol=0)
    torch.testing.assert_close(ddpm.alpha(ddpm.times) ** 2, product[1:], rtol=1e-11, atol=0)
    assert ddpm.alpha(0.0).item() == 1
    assert ddpm.sigma(0.0).item() == 0
    assert (ddpm.betas[0].item(), ddpm.betas[-1].item()) == pytest.approx((1e-4, 0.02))
    rate = -ddpm.T * torch.log1p(-ddpm.betas)
    for dtype in (F64, torch.float32):
        torch.testing.assert_close(ddpm.beta(ddpm.times.to(dtype)).to(F64), rate, rtol=1e-3, atol=0)
    # one step of the chain: x_k = sqrt(1 - beta_k) x_{k-1} + sqrt(beta_k) eps
    alpha, sigma2 = ddpm.alpha_bar.sqrt(), 1 - ddpm.alpha_bar
    torch.testing.assert_close(alpha[1:], (1 - ddpm.betas).sqrt() * alpha[:-1])
    torch.testing.assert_close(sigma2[1:], (1 - ddpm.betas) * sigma2[:-1] + ddpm.betas)


def test_ddpm_can_train_after_sampling_in_inference_mode() -> None:
    ddpm = DDPM.linear(10)
    t = torch.tensor([0.25], dtype=F64)
    with torch.inference_mode():
        ddpm.alpha(t.clone())
    x = torch.ones(1, dtype=F64, requires_grad=True)
    (ddpm.alpha(t.requires_grad_()) * x).backward()
    assert x.grad is not None


def test_ddpm_tends_to_vp_linear() -> None:
    """beta(k/T) = T beta_k: with beta from .1/T to 20/T the chain's alpha tends to the diffusion's as 1/T."""
    t = torch.linspace(0.1, 1, 10, dtype=F64)
    errors = []
    for T in (500, 1000, 2000):
        gap = DDPM.linear(T, 0.1 / T, 20 / T).alpha(t).log() - VPLinear().alpha(t).log()
        errors.append(gap.abs().max().item())
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.1)


def test_cosine_is_clipped_as_printed() -> None:
    betas = DDPM.cosine().betas
    assert betas.max().item() == 0.999
    assert (betas == 0.999).sum() == 1
    alpha = VPCosine(t_max=1.0).alpha(torch.arange(1, 1000, dtype=F64) / 1000)
    torch.testing.assert_close(DDPM.cosine().alpha_bar[1:-1], alpha**2, rtol=1e-9, atol=0)
    assert VPCosine(t_max=1.0).alpha(1.0).item() == 0


def test_edm_grid() -> None:
    """Table 1 and eq. 5: from 80 to 0.002, equal steps in t^(1/7)."""
    grid = EDM().grid(18)
    assert (grid[0].item(), grid[-1].item()) == pytest.approx((80.0, 0.002))
    root = grid ** (1 / 7)
    torch.testing.assert_close(root.diff(), root.diff()[0].expand(17), rtol=1e-9, atol=1e-12)


def test_ve_adds_the_difference_of_variances() -> None:
    """Var(x_t | x_s) = sigma_t² - sigma_s²: the integral of g²."""
    ve, (s, t) = VE(), (0.2, 0.7)
    u = torch.linspace(s, t, 20_001, dtype=F64)
    added = torch.trapezoid(ve.g(u) ** 2, u).item()
    assert added == pytest.approx(ve.sigma(t).item() ** 2 - ve.sigma(s).item() ** 2, rel=1e-6)
