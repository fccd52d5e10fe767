"""Five parameterisations of the exact denoiser agree with the closed forms for every schedule."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gmlib.distributions import Gaussian, GaussianMixture, Law
from gmlib.noise import (
    DDPM,
    EDM,
    PARAMETERISATIONS,
    VE,
    Denoiser,
    EDMPreconditioned,
    Rectified,
    Schedule,
    SubVP,
    VPCosine,
    VPLinear,
    edm_coefficients,
    exact_denoiser,
)

F64 = torch.float64
SCHEDULES: dict[str, Schedule] = {
    "vp-linear": VPLinear(),
    "vp-cosine": VPCosine(),
    "sub-vp": SubVP(),
    "ve": VE(0.1, 5.0),
    "edm": EDM(0.1, 5.0),
    "rectified": Rectified(),
    "ddpm": DDPM.linear(),
}
G = torch.Generator().manual_seed(0)
LAWS: dict[str, Law] = {
    "gaussian": Gaussian(torch.tensor([1.0, -0.5], dtype=F64), var=torch.tensor([0.25, 2.0], dtype=F64)),
    "mixture": GaussianMixture(
        2 * torch.randn(5, 2, generator=G, dtype=F64),
        weights=torch.rand(5, generator=G, dtype=F64) + 0.1,
        cov=torch.tensor([[0.3, 0.1], [0.1, 0.2]], dtype=F64),
    ),
}


@pytest.fixture(params=SCHEDULES)
def schedule(request: pytest.FixtureRequest) -> Schedule:
    return SCHEDULES[request.param]


@pytest.fixture(params=LAWS)
def law(request: pytest.FixtureRequest) -> Law:
    return LAWS[request.param]


def batch(schedule: Schedule) -> tuple[Tensor, Tensor]:
    """Points and times from a tenth to nine tenths of the range."""
    t = schedule.t_min + (schedule.t_max - schedule.t_min) * torch.linspace(0.1, 0.9, 7, dtype=F64)
    x = torch.randn(7, 2, generator=torch.Generator().manual_seed(1), dtype=F64)
    return x * (schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2).sqrt().unsqueeze(-1), t


def closed_forms(law: Law, schedule: Schedule, x: Tensor, t: Tensor) -> dict[str, Tensor]:
    """From the law's score and posterior mean and the schedule's f and g alone."""
    alpha, sigma, f, g = (fn(t) for fn in (schedule.alpha, schedule.sigma, schedule.f, schedule.g))
    score, x0 = law.noised(alpha, sigma).score(x), law.posterior_mean(x, alpha, sigma)
    alpha, sigma, f, g = (a.unsqueeze(-1) for a in (alpha, sigma, f, g))
    eps = -sigma * score
    return {
        "x0": x0,
        "eps": eps,
        "v": alpha * eps - sigma * x0,
        "score": score,
        "velocity": f * x - 0.5 * g**2 * score,  # the probability flow, not alpha' x0 + sigma' eps
    }


@pytest.mark.parametrize("parameterisation", PARAMETERISATIONS)
def test_every_parameterisation_gives_every_quantity(
    law: Law, schedule: Schedule, parameterisation: Any
) -> None:
    x, t = batch(schedule)
    truth = closed_forms(law, schedule, x, t)
    for denoiser in (
        exact_denoiser(law, schedule, parameterisation),
        Denoiser(lambda x, t: truth[parameterisation], schedule, parameterisation),
    ):
        for name, want in truth.items():
            got = getattr(denoiser, name)(x, t)
            torch.testing.assert_close(
                got, want, rtol=1e-10, atol=1e-10, msg=lambda m, name=name: f"{name}: {m}"
            )
        x0, eps = denoiser.predict(x, t)
        torch.testing.assert_close(x0, truth["x0"], rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(eps, truth["eps"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("parameterisation", PARAMETERISATIONS)
def test_conversions_round_trip(schedule: Schedule, parameterisation: Any) -> None:
    """For any network, also a wrong one: to another parameterisation and back is the identity."""
    x, t = batch(schedule)
    out = torch.randn(7, 2, generator=torch.Generator().manual_seed(2), dtype=F64)
    first = Denoiser(lambda x, t: out, schedule, parameterisation)
    for name in PARAMETERISATIONS:
        second = Denoiser(getattr(first, name), schedule, name)  # type: ignore[arg-type]
        torch.testing.assert_close(getattr(second, parameterisation)(x, t), out, rtol=1e-10, atol=1e-10)
        x0, eps = second.predict(x, t)
        alpha, sigma = schedule.alpha(t).unsqueeze(-1), schedule.sigma(t).unsqueeze(-1)
        torch.testing.assert_close(alpha * x0 + sigma * eps, x, rtol=1e-10, atol=1e-10)


def test_gaussian_noising_oracle(schedule: Schedule) -> None:
    """Oracle O1: eps* = sigma (x - alpha m)/V, x0* = m + alpha v (x - alpha m)/V, V = alpha² v + sigma²."""
    m, v = 0.7, 0.25
    denoiser = exact_denoiser(Gaussian(torch.tensor([m], dtype=F64), var=v), schedule)
    t = schedule.t_min + 0.4 * (schedule.t_max - schedule.t_min)
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    V, x = alpha**2 * v + sigma**2, torch.tensor([[-1.0], [0.3], [2.0]], dtype=F64)
    near = {"rtol": 1e-11, "atol": 1e-11}
    torch.testing.assert_close(denoiser.eps(x, t), sigma * (x - alpha * m) / V, **near)
    torch.testing.assert_close(denoiser.x0(x, t), m + alpha * v * (x - alpha * m) / V, **near)
    torch.testing.assert_close(denoiser.score(x, t), -(x - alpha * m) / V, **near)


def test_velocity_of_the_rectified_path_points_from_data_to_noise() -> None:
    """b = E[eps - x0 | x_t], noise at t = 1."""
    x = torch.tensor([[0.5, 0.5]], dtype=F64)
    denoiser = exact_denoiser(LAWS["mixture"], Rectified())
    x0, eps = denoiser.predict(x, 0.3)
    torch.testing.assert_close(denoiser.velocity(x, 0.3), eps - x0)


def test_float_and_tensor_times_agree(schedule: Schedule) -> None:
    x, t = batch(schedule)
    denoiser = exact_denoiser(LAWS["mixture"], schedule, "v")
    for name in PARAMETERISATIONS:
        fn = getattr(denoiser, name)
        torch.testing.assert_close(fn(x, float(t[2])), fn(x, t[2].expand(7)), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(fn(x, t[2]), fn(x, float(t[2])), rtol=1e-12, atol=1e-12)


def test_network_gets_batched_times_in_the_points_dtype_and_the_condition() -> None:
    seen: dict[str, Any] = {}

    def network(x: Tensor, t: Tensor, label: int) -> Tensor:
        seen.update(t=t, label=label)
        return torch.zeros_like(x)

    out = Denoiser(network, Rectified(), "velocity").x0(torch.ones(3, 2, 4, 4), 0.25, label=7)
    assert out.shape == (3, 2, 4, 4)
    assert out.dtype == seen["t"].dtype == torch.float32
    assert (seen["t"].tolist(), seen["label"]) == ([0.25] * 3, 7)


def test_own_prediction_is_handed_through_unchanged() -> None:
    """Bit-equal, and one call of the network for each quantity."""
    calls = []
    x, out = torch.randn(3, 2, generator=G), torch.randn(3, 2, generator=G)
    for name in PARAMETERISATIONS:
        denoiser = Denoiser(lambda x, t: calls.append(t) or out, VPLinear(), name)  # type: ignore[arg-type]
        assert getattr(denoiser, name)(x, 0.5) is out
        denoiser.predict(x, 0.5)
    assert len(calls) == 2 * len(PARAMETERISATIONS)


def test_parameters_of_the_network_are_the_denoisers() -> None:
    layer = nn.Linear(2, 2)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            return self.layer(x) + t.unsqueeze(-1)

    denoiser = Denoiser(Net(), Rectified(), "velocity")
    denoiser.score(torch.ones(4, 2), torch.full((4,), 0.5)).sum().backward()
    assert layer.weight.grad is not None
    assert len(list(denoiser.parameters())) == 2


ZEROS: list[tuple[Schedule, str, str, float, str]] = [
    (Rectified(), "eps", "x0", 1.0, "divides by alpha"),
    (Rectified(), "score", "x0", 1.0, "divides by alpha"),
    (Rectified(), "eps", "v", 1.0, "divides by alpha"),
    (Rectified(), "eps", "velocity", 1.0, "divides by alpha"),
    (Rectified(), "x0", "eps", 0.0, "divides by sigma"),
    (Rectified(), "x0", "score", 0.0, "divides by sigma"),
    (Rectified(), "v", "score", 0.0, "divides by sigma"),
    (VPLinear(), "velocity", "x0", 0.0, "needs sigma'"),
    (DDPM.linear(), "v", "velocity", 0.0, "needs sigma'"),
    (VPCosine(t_max=1.0), "eps", "x0", 1.0, "divides by alpha"),
]


@pytest.mark.parametrize(("schedule", "of", "to", "t", "message"), ZEROS)
@pytest.mark.parametrize("kind", ["number", "tensor"])
def test_division_by_zero_is_refused(
    schedule: Schedule, of: Any, to: str, t: float, message: str, kind: str
) -> None:
    denoiser = Denoiser(lambda x, t: x, schedule, of)
    x = torch.ones(2, 1, dtype=F64)
    time = t if kind == "number" else torch.tensor([0.5, t], dtype=F64)
    with pytest.raises(ValueError, match=rf"{message}.* at t = .*{t:g}"):
        getattr(denoiser, to)(x, time)


@pytest.mark.parametrize("name", PARAMETERISATIONS)
def test_ends_of_the_rectified_path_where_nothing_divides(name: Any) -> None:
    """At t = 1 a velocity network still gives all five; at t = 0 it gives all but the score."""
    law, x = LAWS["gaussian"], torch.ones(2, 2, dtype=F64)
    denoiser = exact_denoiser(law, Rectified(), "velocity")
    truth = {"x0": law.mean.expand(2, 2), "eps": x, "v": -law.mean.expand(2, 2), "score": -x}
    truth["velocity"] = x - law.mean
    torch.testing.assert_close(getattr(denoiser, name)(x, 1.0), truth[name], rtol=1e-12, atol=1e-12)
    if name != "score":
        assert torch.isfinite(getattr(denoiser, name)(x, 0.0)).all()


def test_vmap_over_times() -> None:
    denoiser = exact_denoiser(LAWS["gaussian"], Rectified(), "eps")
    x, t = torch.ones(3, 2, dtype=F64), torch.tensor([0.2, 0.5, 0.8], dtype=F64)
    mapped = torch.func.vmap(lambda x, t: denoiser.x0(x.unsqueeze(0), t).squeeze(0))(x, t)
    torch.testing.assert_close(mapped, denoiser.x0(x, t))


def test_jacobian_of_the_exact_denoiser_is_the_posterior_covariance() -> None:
    law, x, t = LAWS["mixture"], torch.tensor([[0.3, -0.2]], dtype=F64), 0.4
    denoiser = exact_denoiser(law, Rectified())
    jacobian = torch.func.jacrev(lambda y: denoiser.x0(y.unsqueeze(0), t).squeeze(0))(x[0])
    covariance = law.posterior(x[0], 0.6, 0.4).covariance
    torch.testing.assert_close(0.6 / 0.4**2 * covariance, jacobian, rtol=1e-10, atol=1e-10)


def test_edm_preconditioning(schedule: Schedule) -> None:
    """c_in² V = 1, Var[(x0 - c_skip x)/c_out] = 1, and c_skip minimises c_out, at every noise level."""
    v, t = 0.25, batch(schedule)[1]
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    c = edm_coefficients(alpha, sigma, v)
    one = torch.ones_like(t)

    def target_variance(c_skip: Tensor) -> Tensor:
        """Of x0 - c_skip (alpha x0 + sigma eps)."""
        return (1 - c_skip * alpha) ** 2 * v + c_skip**2 * sigma**2

    torch.testing.assert_close(c.c_in**2 * (alpha**2 * v + sigma**2), one, rtol=1e-12, atol=0)
    torch.testing.assert_close(target_variance(c.c_skip) / c.c_out**2, one, rtol=1e-11, atol=0)
    assert (target_variance(c.c_skip * 1.01) > target_variance(c.c_skip)).all()
    torch.testing.assert_close(c.c_noise, -schedule.log_snr(t) / 8, rtol=1e-9, atol=1e-10)


def test_edm_coefficients_are_table_1() -> None:
    """sigma_data = 0.5, sigma = 2: c_skip = s²/(sigma² + s²), c_out = sigma s/sqrt(...), c_noise = log(sigma)/4."""
    c = edm_coefficients(torch.ones((), dtype=F64), torch.tensor(2.0, dtype=F64))
    want = torch.tensor([0.25 / 4.25, 1 / 4.25**0.5, 1 / 4.25**0.5, 0.17328679513998632], dtype=F64)
    torch.testing.assert_close(torch.stack(c), want, rtol=1e-12, atol=0)


def test_preconditioned_network_with_the_right_residual_is_exact(schedule: Schedule) -> None:
    """For N(0, v) data the best F is 0: the skip alone is the denoiser."""
    x, t = batch(schedule)
    network = EDMPreconditioned(lambda x, c: torch.zeros_like(x), schedule, var=0.25)
    denoiser = Denoiser(network, schedule, "x0")
    exact = exact_denoiser(Gaussian(torch.zeros(2, dtype=F64), var=0.25), schedule)
    torch.testing.assert_close(denoiser.x0(x, t), exact.x0(x, t), rtol=1e-11, atol=1e-12)
    assert network(x.float(), t.float()).dtype == torch.float32


def test_times_of_another_dtype_leave_the_points_theirs() -> None:
    law = Gaussian(torch.zeros(2), var=1.0)
    x, t = torch.randn(3, 2), torch.full((3,), 0.4, dtype=torch.float64)
    denoiser = exact_denoiser(law, Rectified(), "eps")
    for value in (denoiser.x0(x, t), denoiser.score(x, t), denoiser.velocity(x, t)):
        assert value.dtype == torch.float32


def test_exact_velocity_refuses_an_infinite_slope() -> None:
    denoiser = exact_denoiser(Gaussian(torch.zeros(2), var=1.0), VPLinear(), "velocity")
    with pytest.raises(ValueError, match="t must not be"):
        denoiser.velocity(torch.zeros(3, 2), 0.0)
