"""Denoising is score matching; VP and VE are one model that is shown enlarged pictures."""

from __future__ import annotations

import pytest
import torch

from gmlib.diffusion import denoising_loss, noised
from gmlib.distributions import GaussianMixture
from gmlib.noise import (
    DDPM,
    EDM,
    VE,
    Denoiser,
    Rectified,
    Schedule,
    VPCosine,
    VPLinear,
    exact_denoiser,
    on_schedule,
)
from gmlib.noise.samplers import ddim, heun, snr_times

F64 = torch.float64
LAW = GaussianMixture(torch.tensor([[-1.0, 0.5], [1.0, 0.0], [0.2, 2.0]], dtype=F64), var=0.1)
X = torch.tensor([[0.3, 0.1], [-1.0, 2.0], [0.0, 0.7]], dtype=F64)


def test_score_ddpm_equivalence() -> None:
    """|eps - eps_hat|² = (1 - alpha_bar)|s_hat - target|² for each sample, without a half; and one net drives VP and VE."""
    schedule = DDPM.linear()
    out = torch.randn(3, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    noise = torch.randn(3, 2, generator=torch.Generator().manual_seed(1), dtype=F64)
    t = torch.tensor([0.001, 0.4, 1.0], dtype=F64)
    denoiser = Denoiser(lambda x, t: out, schedule, "eps")
    loss = denoising_loss(denoiser, X, t, noise).squared_error
    x_t = noised(X, t, noise, schedule)
    variance = 1 - schedule.alpha_bar[[1, 400, 1000]]
    target = -(x_t - (1 - variance).sqrt()[:, None] * X) / variance[:, None]  # gradient of log q(x_t | x_0)
    matched = (denoiser.score(x_t, t) - target).square().sum(1)
    torch.testing.assert_close(variance * matched, loss, rtol=1e-9, atol=0)

    # One network, trained on VP points, samples the VE process: the same as the exact VE denoiser, step for step.
    ve, vp = VE(0.01, 50.0), VPLinear()
    served = on_schedule(exact_denoiser(LAW, vp, "eps"), ve)
    start = 50 * torch.randn(3, 2, generator=torch.Generator().manual_seed(2), dtype=F64)
    times = snr_times(ve, 8, low=-7.8, high=9.0)
    for sampler in (ddim, heun):
        found, truth = (sampler(d, start, times) for d in (served, exact_denoiser(LAW, ve, "eps")))
        torch.testing.assert_close(found.x, truth.x, rtol=1e-8, atol=1e-8)


PAIRS: list[tuple[Schedule, Schedule]] = [
    (VPLinear(), VE()),
    (VPCosine(), EDM(0.002, 80.0)),
    (EDM(0.002, 80.0), VPLinear()),
    (Rectified(), VPCosine()),
    (DDPM.linear(), Rectified()),
]


@pytest.mark.parametrize("parameterisation", ["x0", "eps", "v", "score", "velocity"])
@pytest.mark.parametrize(("own", "wanted"), PAIRS, ids=lambda s: type(s).__name__)
def test_any_network_on_any_schedule(own: Schedule, wanted: Schedule, parameterisation: str) -> None:
    served = on_schedule(exact_denoiser(LAW, own, parameterisation), wanted)  # type: ignore[arg-type]
    truth = exact_denoiser(LAW, wanted)
    t = wanted.t_of_log_snr(torch.tensor([-5.0, 0.0, 4.0], dtype=F64))
    x = X * (wanted.alpha(t) ** 2 + wanted.sigma(t) ** 2).sqrt()[:, None]
    for name in ("x0", "eps", "v", "score", "velocity"):
        torch.testing.assert_close(
            getattr(served, name)(x, t), getattr(truth, name)(x, t), rtol=1e-7, atol=1e-8
        )


def test_vp_point_is_the_ve_point_shrunk() -> None:
    """x_VP = x_VE / sqrt(1 + sigma²): what the network sees; and its condition arrives."""
    seen = {}

    def network(x: torch.Tensor, t: torch.Tensor, label: int) -> torch.Tensor:
        seen.update(x=x, t=t, label=label)
        return torch.zeros_like(x)

    vp = VPCosine()
    on_schedule(Denoiser(network, vp, "v"), EDM()).x0(X, 3.0, label=4)
    torch.testing.assert_close(seen["x"], X / 10**0.5, rtol=1e-12, atol=1e-12)
    assert seen["label"] == 4
    torch.testing.assert_close(vp.alpha(seen["t"]), torch.full((3,), 0.1**0.5, dtype=F64))


def test_parameters_are_shared_and_images_keep_their_shape() -> None:
    layer = torch.nn.Conv2d(1, 1, 1)
    denoiser = Denoiser(Named(layer), VPLinear(), "eps")
    served = on_schedule(denoiser, VE())
    served.score(torch.ones(2, 1, 4, 4), torch.tensor([0.3, 0.9])).sum().backward()
    assert layer.weight.grad is not None
    assert len(list(served.parameters())) == 2


class Named(torch.nn.Module):
    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def test_noise_that_was_never_trained_is_refused() -> None:
    served = on_schedule(exact_denoiser(LAW, VPLinear()), EDM(0.002, 1000.0))
    with pytest.raises(ValueError, match="t must be where the log-SNR lies in"):
        served.x0(X, 900.0)
