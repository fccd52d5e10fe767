"""Wrong arguments of samplers are refused by name, as a user without the shape checker meets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gmlib.distributions import Gaussian
from gmlib.noise import (
    DDPM,
    Denoiser,
    Rectified,
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

pytestmark = pytest.mark.bad_input


class Silent(Rectified):
    """A schedule whose signal is gone after half of the time."""

    def alpha(self, t: Any) -> torch.Tensor:
        return (1 - 2 * super().sigma(t)).clamp(min=0.0)


X = torch.ones(3, 2)
D = exact_denoiser(Gaussian(torch.zeros(2), var=1.0), Rectified())
EPS = Denoiser(lambda x, t: x, Rectified(), "eps")
SAMPLERS = (ancestral, ddim, euler, heun, euler_maruyama, dpm_solver_2m)

CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: ancestral(D, X, [0.5, 0.1], variance="gamma"), ValueError, "variance must be one of 'beta'"),  # type: ignore[arg-type]
    (
        lambda: ancestral(D, X, [0.5, 0.1], variance=lambda x, step: -0.5),
        ValueError,
        "variance must give numbers that are not negative, got -0.5 at t = 0.5",
    ),
    (
        lambda: ancestral(D, X, [0.5, 0.1], variance=lambda x, step: x - 2),
        ValueError,
        "variance must give numbers that are not negative, got -1 at t = 0.5",
    ),
    (lambda: ddim(D, X, [0.5, 0.1], eta=1.5), ValueError, r"eta must be a finite number in \[0, 1\]"),
    (lambda: ddim(EPS, X, [1.0, 0.1]), ValueError, "divides by alpha"),
    (
        lambda: euler_maruyama(D, X, [1.0, 0.1]),
        ValueError,
        "times must start where f and g are finite, got 1",
    ),
    (lambda: ddpm_times(DDPM.linear(), 3), ValueError, "n must divide T = 1000, got 3"),
    (lambda: ddpm_times(VPLinear(), 3), TypeError, "schedule must be a DDPM, got VPLinear"),  # type: ignore[arg-type]
    (lambda: even_times(VPLinear(), 0), ValueError, "n must be at least 1, got 0"),
    (lambda: even_times(VPLinear, 3), TypeError, "schedule must be a Schedule, got the class VPLinear"),  # type: ignore[arg-type]
    (lambda: snr_times("vp", 3, low=0.0, high=1.0), TypeError, "schedule must be a Schedule, got str"),  # type: ignore[arg-type]
    (lambda: steps_of(Silent(), [0.9, 0.6]), ValueError, "times must not go to where alpha is 0, got 0.6"),
    (lambda: snr_times(Rectified(), 3, low=1.0, high=0.0), ValueError, "low must be"),
    (lambda: start_noise("vp", (3, 2)), TypeError, "schedule must be a Schedule, got str"),  # type: ignore[arg-type]
    (lambda: start_noise(VPLinear(), ()), ValueError, "shape must have a batch dimension"),
    (lambda: start_noise(VPLinear(), (3,), t=2.0), ValueError, "t must be a finite number"),
    (lambda: steps_of("vp", [0.5, 0.1]), TypeError, "schedule must be a Schedule, got str"),  # type: ignore[arg-type]
    (lambda: steps_of(VPCosine(), [1.0, 0.5]), ValueError, r"times must lie in \[0, 0.999\], got 1"),
    (lambda: steps_of(VPLinear(), [0.5, 0.2, -0.1]), ValueError, r"times must lie in \[0, 1\], got -0.1"),
    (lambda: steps_of(VPLinear(), [0.5, 0.2, float("nan")]), ValueError, "times must lie"),
]


@pytest.mark.parametrize(("call", "error", "message"), CASES, ids=range(len(CASES)))
def test_refused_by_name(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: s.__name__)
def test_every_sampler_refuses(sampler: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="denoiser must be a Denoiser, got function"):
        sampler(lambda x, t: x, X, [0.5, 0.1])
    with pytest.raises(TypeError, match=r"x must be a torch.Tensor, got list"):
        sampler(D, [1.0], [0.5, 0.1])
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        sampler(D, torch.ones(3, 2, dtype=torch.long), [0.5, 0.1])
    with pytest.raises(ValueError, match=r"x must have shape \(batch, \*event\), got shape \(\)"):
        sampler(D, torch.ones(()), [0.5, 0.1])
    with pytest.raises(ValueError, match="times must be at least two, got 1"):
        sampler(D, X, [0.5])
    with pytest.raises(ValueError, match=r"times must fall from one to the next, got 0.5 after 0.1"):
        sampler(D, X, [0.1, 0.5])
    with pytest.raises(ValueError, match=r"times must lie in \[0, 1\], got 1.5"):
        sampler(D, X, torch.tensor([1.5, 0.5]))
