"""Every sampler on every schedule with every parameterisation: what it does to a normal law, exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gmlib.diffusion import variance_recursion
from gmlib.distributions import Gaussian, GaussianMixture
from gmlib.noise import (
    DDPM,
    EDM,
    PARAMETERISATIONS,
    VE,
    Denoiser,
    Rectified,
    Sampled,
    Schedule,
    SubVP,
    VPCosine,
    VPLinear,
    ancestral,
    ddim,
    ddpm_times,
    dpm_solver_2m,
    euler,
    euler_maruyama,
    even_times,
    exact_denoiser,
    heun,
    snr_times,
    start_noise,
)
from gmlib.noise.samplers import steps_of

F64 = torch.float64
MEAN, VAR = 0.7, 0.3
SCHEDULES: dict[str, Schedule] = {
    "vp-linear": VPLinear(),
    "vp-cosine": VPCosine(),
    "ve": VE(),
    "sub-vp": SubVP(),
    "edm": EDM(),
    "rectified": Rectified(),
    "ddpm": DDPM.linear(),
}
SAMPLERS: dict[str, tuple[Callable[..., Sampled], dict[str, Any], int]] = {
    "ancestral": (ancestral, {"last_noise": True}, 1),
    "ancestral, no last noise": (ancestral, {}, 1),
    "ancestral, beta tilde": (ancestral, {"variance": "beta_tilde", "last_noise": True}, 1),
    "ddim": (ddim, {}, 1),
    "ddim, eta 0.5": (ddim, {"eta": 0.5}, 1),
    "euler": (euler, {}, 1),
    "heun": (heun, {}, 2),
    "euler-maruyama": (euler_maruyama, {"last_noise": True}, 1),
    "dpm-solver++ 2m": (dpm_solver_2m, {}, 2),
}


@pytest.fixture(params=SCHEDULES)
def schedule(request: pytest.FixtureRequest) -> Schedule:
    return SCHEDULES[request.param]


@pytest.fixture(params=SAMPLERS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def law_at(schedule: Schedule, t: float) -> tuple[float, float]:
    """Mean and variance of the noised law."""
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    return alpha * MEAN, alpha**2 * VAR + sigma**2


def exact_network(schedule: Schedule, parameterisation: str) -> Callable[[Tensor, Tensor], Tensor]:
    """What a perfect network says of N(MEAN, VAR), in closed form."""

    def network(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = schedule.alpha(t).unsqueeze(-1), schedule.sigma(t).unsqueeze(-1)
        score = -(x - alpha * MEAN) / (alpha**2 * VAR + sigma**2)
        match parameterisation:
            case "x0":
                return (x + sigma**2 * score) / alpha
            case "eps":
                return -sigma * score
            case "v":
                return -alpha * sigma * score - sigma * (x + sigma**2 * score) / alpha
            case "score":
                return score
            case _:
                return schedule.f(t).unsqueeze(-1) * x - 0.5 * schedule.g(t).unsqueeze(-1) ** 2 * score

    return network


def response(
    sampler: Callable[..., Sampled], denoiser: Denoiser, times: Tensor, **options: Any
) -> np.ndarray:
    """The sampler as an affine map: its answer to 1, to the start, and to the noise of each step.

    More rows than unknowns, each with its own start and noise, leave one solution, if there is one.
    """
    columns = len(times) + 1
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(3 * columns, 1, dtype=F64, generator=draw)
    if sampler in (ancestral, euler_maruyama) or options.get("eta"):
        options["generator"] = torch.Generator().manual_seed(2)
    replay = torch.Generator().manual_seed(2)
    noise = [torch.randn(len(x), 1, dtype=F64, generator=replay) for _ in times[1:]]
    inputs = torch.cat([torch.ones_like(x), x, *noise], 1)
    found = sampler(denoiser, x, times, **options).x
    solved = torch.linalg.lstsq(inputs, found).solution
    torch.testing.assert_close(inputs @ solved, found, rtol=1e-10, atol=1e-10)
    return solved.squeeze(1).numpy()


def textbook(name: str, schedule: Schedule, times: Tensor) -> np.ndarray:
    """The same coefficients from the published formulas, in forms that the library does not use."""
    options = SAMPLERS[name][1]
    identity = np.eye(len(times) + 1)
    one, x, noise = identity[0], identity[1], identity[2:]
    names = ("alpha", "sigma", "f", "g", "log_snr")
    table = [
        dict(zip(names, row, strict=True))
        for row in np.stack([getattr(schedule, n)(times) for n in names], 1)
    ]
    before, h_before, last = x, 0.0, len(times) - 2
    for number, (length, now, then) in enumerate(
        zip((-times.diff()).tolist(), table, table[1:], strict=False)
    ):
        a, b, c, d = now["alpha"], now["sigma"], then["alpha"], then["sigma"]
        score = exact_score(x, one, now)
        x0, eps, ratio, fresh = (x + b**2 * score) / a, -b * score, a / c, noise[number]
        beta = b**2 - ratio**2 * d**2
        beta_tilde = 1 / (1 / d**2 + ratio**2 / beta)  # precisions add
        if name.startswith("ancestral"):
            spread = beta_tilde if "tilde" in name else beta
            x = (x - beta / b * eps) / ratio
            if number < last or options.get("last_noise"):
                x = x + math.sqrt(spread) * fresh
        elif name.startswith("ddim"):
            tilde = options.get("eta", 0.0) * math.sqrt(beta_tilde)
            x = c * x0 + math.sqrt(d**2 - tilde**2) * eps + tilde * fresh
        elif name in ("euler", "heun"):
            slope = now["f"] * x - 0.5 * now["g"] ** 2 * score
            ahead = x - length * slope
            there = then["f"] * ahead - 0.5 * then["g"] ** 2 * exact_score(ahead, one, then)
            x = ahead if name == "euler" else x - length * 0.5 * (slope + there)
        elif name == "euler-maruyama":
            x = x - length * (now["f"] * x - now["g"] ** 2 * score) + math.sqrt(length) * now["g"] * fresh
        else:
            h = 0.5 * (then["log_snr"] - now["log_snr"])
            r = h_before / h
            mixed = (1 + 1 / (2 * r)) * x0 - 1 / (2 * r) * before if number else x0
            x = d / b * x - c * (math.exp(-h) - 1) * mixed
            before, h_before = x0, h
    return x


def exact_score(x: np.ndarray, one: np.ndarray, at: dict[str, float]) -> np.ndarray:
    return -(x - at["alpha"] * MEAN * one) / (at["alpha"] ** 2 * VAR + at["sigma"] ** 2)


def law_after(coefficients: np.ndarray, mean: float, var: float) -> tuple[float, float]:
    """Mean and variance of the end when the start has these."""
    constant, start, *noise = coefficients.tolist()
    return constant + start * mean, start**2 * var + sum(c**2 for c in noise)


def test_every_sampler_with_every_schedule_and_parameterisation(name: str, schedule: Schedule) -> None:
    """Its law is that of the published formula to rounding, whatever the network predicts."""
    sampler, options, _ = SAMPLERS[name]
    times = snr_times(schedule, 3, low=-4.0, high=4.0)
    wanted = textbook(name, schedule, times)
    start = law_at(schedule, float(times[0]))
    for parameterisation in PARAMETERISATIONS:
        network = exact_network(schedule, parameterisation)
        denoiser = Denoiser(network, schedule, parameterisation)  # type: ignore[arg-type]
        found = response(sampler, denoiser, times, **options)
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
        assert law_after(found, *start) == pytest.approx(law_after(wanted, *start), rel=1e-9, abs=1e-9)
    recursion = variance_recursion(
        VAR, schedule, times, sampler=sampler.__name__, start_var=start[1], **options
    )
    assert float(recursion[-1]) == pytest.approx(law_after(wanted, *start)[1], rel=1e-9)
    assert len(recursion) == len(times)


def order_of(errors: list[float]) -> float:
    """The order of an error that is known for a number of steps and for twice as many."""
    return math.log2(errors[0] / errors[1])


def test_every_variance_converges_at_its_samplers_order(name: str, schedule: Schedule) -> None:
    """From the exact law at log-SNR -4 to that at 4, by the recursion, which the test before ties to the samplers.

    Where DDPM's grid is followed in time, the jumps of its rate hide the order below 1/T: there T is a million.
    """
    sampler, options, order = SAMPLERS[name]
    if isinstance(schedule, DDPM) and name.startswith(("euler", "heun")):
        schedule = DDPM.linear(1_000_000, 1e-7, 2e-5)
    errors = []
    for n in (100, 200):
        times = snr_times(schedule, n, low=-4.0, high=4.0)
        start, end = (law_at(schedule, float(t))[1] for t in times[[0, -1]])
        found = variance_recursion(VAR, schedule, times, sampler=sampler.__name__, start_var=start, **options)
        errors.append(abs(float(found[-1]) - end))
    assert order_of(errors) == pytest.approx(order, abs=0.2)
    assert errors[1] < 0.02


def test_every_mean_converges_at_its_samplers_order(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sampler of a normal law is affine in its start and its draws: of the mean, and draws of 0, it makes the mean."""
    sampler, options, order = SAMPLERS[name]
    monkeypatch.setattr(
        torch, "randn", lambda shape, *, generator, dtype, device: torch.zeros(shape, dtype=dtype)
    )
    schedule = SCHEDULES["vp-linear"]
    denoiser = Denoiser(exact_network(schedule, "eps"), schedule, "eps")
    errors = []
    for n in (50, 100):
        times = snr_times(schedule, n, low=-2.0, high=2.0)
        start, end = (law_at(schedule, float(t))[0] for t in times[[0, -1]])
        found = sampler(denoiser, torch.tensor([[start]], dtype=F64), times, **options).x
        errors.append(abs(float(found) - end))
    if name.startswith(("euler", "heun")):
        assert order_of(errors) == pytest.approx(order, abs=0.2)
        assert errors[1] < 0.02
    else:  # these move the mean exactly
        assert max(errors) < 1e-12


@pytest.mark.parametrize("parameterisation", ["x0", "v", "velocity"])
def test_from_no_signal_to_no_noise(parameterisation: Any) -> None:
    """The straight path from t = 1 to 0, in steps that divide by nothing: DDIM and Euler agree, and data that are one
    point are met."""
    times = [1.0, 0.7, 0.4, 0.0]
    x = torch.tensor([[-1.0], [2.0]], dtype=F64)
    spread = exact_denoiser(Gaussian(torch.tensor([MEAN], dtype=F64), var=VAR), Rectified(), parameterisation)
    point = exact_denoiser(
        Gaussian(torch.tensor([MEAN], dtype=F64), var=1e-30), Rectified(), parameterisation
    )
    near = {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(ddim(spread, x, times).x, euler(spread, x, times).x, **near)
    for sampler in (ancestral, ddim, euler, heun, dpm_solver_2m):
        found = sampler(point, x, times)
        torch.testing.assert_close(found.x, torch.full_like(x, MEAN), **near)
        assert found.nfe == (5 if sampler is heun else 3)
        assert torch.isfinite(sampler(spread, x, times).x).all()


def test_ddim_with_all_the_noise_is_ancestral() -> None:
    times = ddpm_times(DDPM.linear(), 20)
    x = torch.randn(5, 1, generator=torch.Generator().manual_seed(0), dtype=F64)
    denoiser = exact_denoiser(Gaussian(torch.zeros(1, dtype=F64), var=VAR), DDPM.linear())
    ours = ddim(denoiser, x, times, eta=1.0, generator=torch.Generator().manual_seed(1))
    theirs = ancestral(denoiser, x, times, variance="beta_tilde", generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours.x, theirs.x, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["ancestral", "ddim", "euler", "heun", "euler-maruyama", "dpm-solver++ 2m"])
def test_on_a_mixture(name: str) -> None:
    """1,000 points, five directions: the distance of the empirical distribution function from the exact one.

    It is beyond 2.6/sqrt(n) = .082 once in 300,000 times in each direction. The error of 30 steps, by
    40,000 points, is .027 at most for samplers of first order and .006 for those of second.
    """
    sampler, options, order = SAMPLERS[name]
    var = torch.tensor([0.3, 0.1], dtype=F64)
    law = GaussianMixture(
        torch.tensor([[2.0, 0.0], [-1.0, 1.5], [-1.0, -1.5]], dtype=F64),
        weights=torch.tensor([0.5, 0.3, 0.2], dtype=F64),
        var=var.unsqueeze(0),
    )
    schedule, draw = VPLinear(), torch.Generator().manual_seed(0)
    times = snr_times(schedule, 30, low=-9.5, high=7.0)
    if sampler in (ancestral, euler_maruyama) or "eta" in options:
        options = {**options, "generator": draw}
    x = start_noise(schedule, (1000, 2), t=float(times[0]), generator=draw, dtype=F64)
    found = sampler(exact_denoiser(law, schedule, "eps"), x, times, **options).x
    alpha, sigma = float(schedule.alpha(times[-1])), float(schedule.sigma(times[-1]))
    for angle in torch.arange(5, dtype=F64) * math.pi / 5:
        direction = torch.stack([angle.cos(), angle.sin()])
        line = (found @ direction).sort().values
        centres, width = alpha * law.means @ direction, (alpha**2 * var @ direction**2 + sigma**2).sqrt()
        exact = torch.special.ndtr((line.unsqueeze(-1) - centres) / width) @ law.weights
        steps = torch.arange(len(line) + 1, dtype=F64) / len(line)
        gap = torch.maximum((exact - steps[:-1]).abs(), (exact - steps[1:]).abs()).max()
        assert float(gap) < 0.082 + {1: 0.03, 2: 0.01}[order]


def test_calls_and_path() -> None:
    """Calls of the network are counted, and the path has the points of every time."""
    calls = []
    x, times = torch.ones(3, 2, dtype=F64), even_times(Rectified(), 4)[1:]
    denoiser = Denoiser(lambda x, t: calls.append(float(t[0])) or 0.5 * x, Rectified(), "x0")
    for sampler, wanted in (
        (ancestral, 3),
        (ddim, 3),
        (euler, 3),
        (heun, 5),
        (euler_maruyama, 3),
        (dpm_solver_2m, 3),
    ):
        calls.clear()
        found = sampler(denoiser, x, times, path=True)
        assert found.nfe == wanted == len(calls)
        assert set(calls) == set(times.tolist()[:-1])
        assert found.path is not None
        assert found.path.shape == (4, 3, 2)
        assert torch.equal(found.path[0], x)
        assert torch.equal(found.path[-1], found.x)
        short = sampler(denoiser, x, times[:2], path=True)
        assert short.path is not None
        if sampler in (ddim, dpm_solver_2m, euler):  # no draws: the beginning does not depend on the end
            assert torch.equal(found.path[1], short.x)
        assert sampler(denoiser, x, times).path is None


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_host_never_reads_a_point(name: str) -> None:
    """Tensors without values go through: on an accelerator nothing waits."""
    sampler, options, _ = SAMPLERS[name]
    denoiser = Denoiser(lambda x, t: x * t[:, None, None, None], DDPM.linear(), "eps")
    found = sampler(denoiser, torch.empty(4, 3, 8, 8, device="meta"), [1.0, 0.5, 0.1], path=True, **options)
    assert found.x.shape == (4, 3, 8, 8)
    assert found.x.dtype == torch.float32


@pytest.mark.gpu
@pytest.mark.parametrize("name", SAMPLERS)
def test_no_step_waits_for_the_gpu(name: str) -> None:
    sampler, options, _ = SAMPLERS[name]
    denoiser = Denoiser(lambda x, t: x * t[:, None], VPCosine(), "v")
    x, times = torch.ones(4, 2, device="cuda"), even_times(VPCosine(), 5)[:-1]
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = sampler(denoiser, x, times, **options)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    if name in ("ddim", "euler", "heun", "dpm-solver++ 2m"):
        torch.testing.assert_close(found.x.cpu(), sampler(denoiser, x.cpu(), times).x, rtol=1e-5, atol=1e-6)


def test_start_noise_has_the_schedules_level() -> None:
    for schedule in SCHEDULES.values():
        draw, same = (torch.Generator().manual_seed(3) for _ in range(2))
        x = start_noise(schedule, (2, 5), generator=draw, dtype=F64)
        sigma = float(schedule.sigma(schedule.t_max))
        torch.testing.assert_close(x, sigma * torch.randn(2, 5, generator=same, dtype=F64))
    half = start_noise(Rectified(), [3], t=0.5, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(2 * half, torch.randn(3, generator=torch.Generator().manual_seed(3)))


def test_grids() -> None:
    """Ends, spacing, and ends that float32 has rounded out of the range."""
    for schedule in SCHEDULES.values():
        even = even_times(schedule, 5)
        assert (even[0].item(), even[-1].item()) == (schedule.t_max, schedule.t_min)
        lam = schedule.log_snr(snr_times(schedule, 6, low=-3.0, high=3.0))
        torch.testing.assert_close(lam, torch.linspace(-3, 3, 7, dtype=F64), rtol=1e-9, atol=1e-9)
        steps = steps_of(schedule, even.float())
        assert (steps[0].t, steps[-1].s) == pytest.approx((schedule.t_max, schedule.t_min))
        assert steps[0].t <= schedule.t_max
        assert steps[-1].s >= schedule.t_min
    ddpm = DDPM.linear()
    assert [round(1000 * t) for t in ddpm_times(ddpm, 50).tolist()] == list(range(1000, -1, -20))


def test_a_step_of_the_chain_is_a_step() -> None:
    """On DDPM's grid beta and beta_tilde are the paper's, and their sum rule holds: the noise of x_s given x_0."""
    ddpm = DDPM.linear(50)
    for k, step in zip(range(50, 0, -1), steps_of(ddpm, ddpm_times(ddpm, 50)), strict=True):
        bar, before = float(ddpm.alpha_bar[k]), float(ddpm.alpha_bar[k - 1])
        assert step.beta == pytest.approx(float(ddpm.betas[k - 1]), rel=1e-9)
        assert step.beta_tilde == pytest.approx(
            float(ddpm.betas[k - 1]) * (1 - before) / (1 - bar), abs=1e-15
        )
        assert step.pull == pytest.approx(math.sqrt(before) * float(ddpm.betas[k - 1]) / (1 - bar), rel=1e-9)
        assert step.keep == pytest.approx(math.sqrt(bar / before) * (1 - before) / (1 - bar), rel=1e-9)
        assert step.keep**2 * step.sigma_t**2 + step.beta_tilde == pytest.approx(step.sigma_s**2, abs=1e-12)
