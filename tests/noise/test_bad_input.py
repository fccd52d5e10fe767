"""Wrong arguments are refused by name, as a user without the shape checker meets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gmlib.distributions import Gaussian
from gmlib.noise import (
    DDPM,
    EDM,
    VE,
    Denoiser,
    EDMPreconditioned,
    Rectified,
    SubVP,
    VPCosine,
    VPLinear,
    edm_coefficients,
    exact_denoiser,
)

pytestmark = pytest.mark.bad_input

X = torch.ones(3, 2)
D = Denoiser(lambda x, t: x, Rectified(), "x0")
BATCHED = Gaussian(torch.zeros(4, 2), var=1.0)

CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: Rectified().alpha(1.5), ValueError, r"t must be a finite number in \[0, 1\]"),
    (lambda: Rectified().alpha(float("nan")), ValueError, "t must be a finite number"),
    (lambda: Rectified().alpha("0"), TypeError, "t must be a real number"),  # type: ignore[arg-type]
    (lambda: VPLinear().sigma(torch.tensor([0, 1])), TypeError, "t must have a floating dtype"),
    (lambda: VPCosine().log_snr(1.0), ValueError, r"t must be a finite number in \[0, 0.999\]"),
    (lambda: EDM().sigma(0.0), ValueError, r"t must be a finite number in \[0.002, 80\]"),
    (lambda: VE().t_of_log_snr(float("inf")), ValueError, "log_snr must be"),
    (lambda: VE().t_of_log_snr(torch.tensor([1])), TypeError, "log_snr must have a floating dtype"),
    (lambda: VPLinear(beta_min=-1.0), ValueError, "beta_min must be"),
    (lambda: VPLinear(1.0, 0.5), ValueError, "beta_max must be"),
    (lambda: SubVP(beta_min=-1.0), ValueError, "beta_min must be"),
    (lambda: VPCosine(offset=-1.0), ValueError, "offset must be"),
    (lambda: VPCosine(t_max=1.5), ValueError, "t_max must be"),
    (lambda: VE(0.0), ValueError, "sigma_min must be"),
    (lambda: VE(1.0, 0.5), ValueError, "sigma_max must be"),
    (lambda: EDM(t_min=0.0), ValueError, "t_min must be"),
    (lambda: EDM(1.0, 0.5), ValueError, "t_max must be"),
    (lambda: EDM().grid(1), ValueError, "n must be at least 2"),
    (lambda: EDM().grid(5, rho=0.0), ValueError, "rho must be"),
    (lambda: DDPM([0.1]), TypeError, "betas must be a torch.Tensor"),  # type: ignore[arg-type]
    (lambda: DDPM(torch.ones(2, 2)), ValueError, "betas must have shape"),
    (lambda: DDPM(torch.tensor([0.5, 1.0])), ValueError, "betas must lie in"),
    (lambda: DDPM(torch.tensor([0.5, float("nan")])), ValueError, "betas must be finite"),
    (lambda: DDPM.linear(0), ValueError, "T must be at least 1"),
    (lambda: DDPM.linear(10, 0.0), ValueError, "beta_1 must be"),
    (lambda: DDPM.cosine(10, max_beta=1.0), ValueError, "max_beta must be"),
    (lambda: Denoiser(3, Rectified(), "x0"), TypeError, "network must be callable"),  # type: ignore[arg-type]
    (lambda: Denoiser(lambda x, t: x, "vp", "x0"), TypeError, "schedule must be a Schedule"),  # type: ignore[arg-type]
    (lambda: Denoiser(lambda x, t: x, VE(), "noise"), ValueError, "parameterisation must be one of"),  # type: ignore[arg-type]
    (lambda: D.x0([1.0], 0.5), TypeError, "x must be a torch.Tensor"),  # type: ignore[arg-type]
    (lambda: D.x0(torch.ones(()), 0.5), ValueError, "x must have shape"),
    (lambda: D.x0(X, torch.full((2,), 0.5)), ValueError, r"t must have shape \(\) or \(3,\)"),
    (lambda: D.x0(X, 2.0), ValueError, "t must be a finite number"),
    (lambda: exact_denoiser("gmm", VE()), TypeError, "law must be"),  # type: ignore[arg-type]
    (lambda: exact_denoiser(BATCHED, VE()), ValueError, "law must have no batch dimensions"),
    (lambda: EDMPreconditioned(3, VE()), TypeError, "network must be callable"),  # type: ignore[arg-type]
    (lambda: EDMPreconditioned(lambda x, c: x, "edm"), TypeError, "schedule must be"),  # type: ignore[arg-type]
    (lambda: EDMPreconditioned(lambda x, c: x, VE(), var=0.0), ValueError, "var must be"),
    (lambda: edm_coefficients(1.0, torch.ones(1)), TypeError, "alpha must be a torch.Tensor"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "error", "message"), CASES, ids=range(len(CASES)))
def test_refused_by_name(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
