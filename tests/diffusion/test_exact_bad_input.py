"""Wrong arguments of the exact quantities are refused by name, as a user without the shape checker meets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gmlib.diffusion import (
    GaussianOracle,
    chernoff_bound,
    crossing_time,
    denoising_loss,
    diffusion_bound,
    discretised_gaussian,
    exact_gaussian_bound,
    finite_data_denoiser,
    forward_chain,
    half_separation,
    kl_weight,
    matched_gaussian_kl,
    noised,
    radial_spectrum,
    reverse_kernel,
    reverse_mean_of_noise,
    reverse_posterior,
    two_point_error,
)
from gmlib.distributions import Gaussian, GaussianMixture
from gmlib.noise import DDPM, EDM, Denoiser, Rectified, on_schedule
from gmlib.noise.samplers import steps_of

pytestmark = pytest.mark.bad_input

X, S = torch.ones(3, 2), Rectified()
STEP, LAST = steps_of(S, [0.5, 0.25, 0.0])
FIRST = steps_of(S, [1.0, 0.5])[0]
PLAIN = Denoiser(lambda x, t: x, S, "x0")
PLANE = GaussianMixture(torch.zeros(3, 2), var=1.0)

CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: forward_chain([1.0], DDPM.linear(2)), TypeError, "x0 must be a torch.Tensor"),  # type: ignore[arg-type]
    (lambda: forward_chain(torch.ones(()), DDPM.linear(2)), ValueError, "x0 must have shape"),
    (lambda: forward_chain(X, S), TypeError, "schedule must be a DDPM, got Rectified"),  # type: ignore[arg-type]
    (lambda: noised(X, 0.5, X[:2], S), ValueError, r"noise must have shape \(3, 2\), as x0"),
    (lambda: noised(X, torch.ones(2), X, S), ValueError, r"t must have shape \(\) or \(3,\)"),
    (lambda: noised(X, 2.0, X, S), ValueError, "t must be a finite number"),
    (lambda: noised(X, 0.5, X, "vp"), TypeError, "schedule must be a Schedule"),  # type: ignore[arg-type]
    (lambda: denoising_loss(PLAIN, X, torch.ones(2), X), ValueError, r"t must have shape \(3,\)"),
    (lambda: denoising_loss(PLAIN, X, torch.ones(3), X[:1]), ValueError, "noise must have shape"),
    (lambda: reverse_posterior(X[:2], X, STEP), ValueError, r"x0 must have shape \(3, 2\), as x_t"),
    (lambda: reverse_posterior(X, X, 0.5), TypeError, "step must be a Step"),  # type: ignore[arg-type]
    (lambda: reverse_mean_of_noise(X, X[:2], STEP), ValueError, "eps must have shape"),
    (lambda: GaussianOracle("0", 1.0, S), TypeError, "mean must be a real number"),  # type: ignore[arg-type]
    (lambda: GaussianOracle(torch.ones(2, 2), 1.0, S), ValueError, "mean must be a number or have shape"),
    (lambda: GaussianOracle(0.0, -1.0, S), ValueError, "var must be a finite number"),
    (lambda: GaussianOracle(0.0, 1.0, "vp"), TypeError, "schedule must be a Schedule"),  # type: ignore[arg-type]
    (lambda: GaussianOracle(0.0, 1.0, S).eps([0.0], 0.5), TypeError, "x must be a torch.Tensor"),  # type: ignore[arg-type]
    (lambda: diffusion_bound("net", X, [0.5, 0.0]), TypeError, "denoiser must be a Denoiser"),  # type: ignore[arg-type]
    (
        lambda: diffusion_bound(PLAIN, X, [0.5, 0.25]),
        ValueError,
        "times must end where sigma is 0, got sigma = 0.25",
    ),
    (
        lambda: diffusion_bound(PLAIN, X, [0.5, 0.0], variance="exact"),  # type: ignore[arg-type]
        ValueError,
        "variance must be one of",
    ),
    (
        lambda: diffusion_bound(PLAIN, X, [0.5, 0.0], variance="learned"),
        TypeError,
        "denoiser must be a LearnedVariance",
    ),
    (lambda: exact_gaussian_bound(0.0, 0.0, DDPM.linear(2)), ValueError, "var must be"),
    (lambda: exact_gaussian_bound(0.0, 1.0, S), ValueError, "times must be given for Rectified"),
    (
        lambda: exact_gaussian_bound(0.0, 1.0, S, "learned"),
        ValueError,
        "variance must be one of 'beta', 'beta_tilde'",
    ),
    (
        lambda: exact_gaussian_bound(0.0, 1.0, EDM(), times=[2.0, 1.0]),
        ValueError,
        "times must end where sigma is 0",
    ),
    (lambda: discretised_gaussian(X, X[:2], 1.0, 256), ValueError, "mean must have shape"),
    (lambda: discretised_gaussian(X, X, 0.0, 256), ValueError, "std must be"),
    (lambda: discretised_gaussian(X, X, 1.0, 1), ValueError, "levels must be at least 2"),
    (lambda: discretised_gaussian(X, X, 1.0, 256, 1.0, 0.0), ValueError, "low must be"),
    (lambda: kl_weight(0.5), TypeError, "step must be a Step"),  # type: ignore[arg-type]
    (lambda: kl_weight(STEP, "gamma"), ValueError, "variance must be one of"),
    (
        lambda: kl_weight(LAST, "beta_tilde"),
        ValueError,
        "variance must not be 'beta_tilde' for a step into the data",
    ),
    (lambda: on_schedule("net", S), TypeError, "denoiser must be a Denoiser"),  # type: ignore[arg-type]
    (lambda: on_schedule(PLAIN, "vp"), TypeError, "schedule must be a Schedule"),  # type: ignore[arg-type]
    (lambda: two_point_error(-1.0, 1.0), ValueError, "distance must be"),
    (lambda: chernoff_bound(1.0, 0.0), ValueError, "std must be"),
    (lambda: two_point_error(torch.tensor([1]), 1.0), TypeError, "distance must have a floating dtype"),
    (lambda: reverse_kernel(torch.ones(3), X, STEP), ValueError, "law must be a Law or points of shape"),
    (lambda: reverse_kernel(X, X, LAST), ValueError, "step must end where sigma is positive"),
    (lambda: reverse_kernel("law", X, STEP), TypeError, "law must be a torch.Tensor"),  # type: ignore[arg-type]
    (lambda: matched_gaussian_kl(PLANE), ValueError, "kernel must be a law over one coordinate"),
    (lambda: matched_gaussian_kl(X), TypeError, "kernel must be a Law"),  # type: ignore[arg-type]
    (lambda: half_separation(PLANE), ValueError, "kernel must have two components, got 3"),
    (
        lambda: half_separation(Gaussian(torch.zeros(1), var=1.0)),  # type: ignore[arg-type]
        TypeError,
        "kernel must be a GaussianMixture",
    ),
    (
        lambda: half_separation(GaussianMixture(torch.zeros(2, 2), var=torch.tensor([[1.0], [2.0]]))),
        ValueError,
        "kernel must have components with the same variance in every direction",
    ),
    (
        lambda: half_separation(GaussianMixture(torch.zeros(2, 2), var=torch.tensor([1.0, 2.0]))),
        ValueError,
        "kernel must have components with the same variance in every direction",
    ),
    (lambda: kl_weight(FIRST), ValueError, "step must start where alpha is positive, got alpha = 0 at t = 1"),
    (
        lambda: reverse_mean_of_noise(X, X, FIRST),
        ValueError,
        "step must start where alpha is positive, got alpha = 0 at t = 1",
    ),
    (lambda: denoising_loss(PLAIN, [1.0], torch.ones(3), X), TypeError, "x0 must be a torch.Tensor"),  # type: ignore[arg-type]
    (lambda: denoising_loss(PLAIN, X, 0.5, X), TypeError, "t must be a torch.Tensor"),  # type: ignore[arg-type]
    (
        lambda: denoising_loss(PLAIN, X, torch.full((3,), 0.5), X, weight=[1.0]),  # type: ignore[arg-type]
        TypeError,
        "weight must be a torch.Tensor",
    ),
    (lambda: diffusion_bound(PLAIN, [1.0], [0.5, 0.0]), TypeError, "x0 must be a torch.Tensor"),  # type: ignore[arg-type]
    (
        lambda: diffusion_bound(PLAIN, X, [0.5, 0.25, 0.0], variance=lambda x, step: step.beta_tilde),
        ValueError,
        "variance must be positive at every step, got 0 at t = 0.25",
    ),
    (
        lambda: diffusion_bound(PLAIN, X, [0.5, 0.0], variance=lambda x, step: -x.square()),
        ValueError,
        "variance must give numbers that are not negative, got -",
    ),
    (
        lambda: discretised_gaussian(X - 0.7, X, 1.0, 3),
        ValueError,
        "x0 must be made of 3 levels from -1 to 1, got an entry that is 0.3 of",
    ),
    (lambda: discretised_gaussian(3 * X, X, 1.0, 3), ValueError, "x0 must be made of 3 levels from -1 to 1"),
    (lambda: discretised_gaussian(X / 0 - X / 0, X, 1.0, 3), ValueError, "x0 must be made of 3 levels"),
    (lambda: discretised_gaussian(X, X, -X, 3), ValueError, "std must be positive, got an entry of -1"),
    (lambda: discretised_gaussian(X, X, X / 0 - X / 0, 3), ValueError, "std must be positive, got .* nan"),
    (lambda: finite_data_denoiser(torch.ones(3), S), ValueError, "points must have shape"),
    (lambda: finite_data_denoiser(X * float("nan"), S), ValueError, "points must be finite"),
    (lambda: finite_data_denoiser(X, S, chunk=0), ValueError, "chunk must be at least 1"),
    (lambda: radial_spectrum(torch.ones(4)), ValueError, "images must have shape"),
    (lambda: radial_spectrum(torch.ones(4, 1)), ValueError, "sides of 2 or more"),
    (lambda: crossing_time(S, torch.zeros(2)), ValueError, "power must be positive"),
    (lambda: crossing_time(S, 1.0), TypeError, "power must be a torch.Tensor"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "error", "message"), CASES, ids=range(len(CASES)))
def test_refused_by_name(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
