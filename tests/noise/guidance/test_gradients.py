"""Guided denoisers where gradients are wanted, where they are off, in inference mode and under autocast."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gmlib.distributions import Gaussian
from gmlib.noise import Denoiser, VPCosine, exact_denoiser, probability_flow_log_prob
from gmlib.noise.guidance import ClassifierFree, ClassifierGuided, Measured, log_prob_gradient
from gmlib.noise.samplers import snr_times

F64 = torch.float64
COSINE = VPCosine()
ONE = torch.ones(1, 1, dtype=F64)
LINE = exact_denoiser(Gaussian(torch.zeros(1, dtype=F64), var=1.0), COSINE)
Y, NOISE = torch.tensor([0.8], dtype=F64), 0.25


def log_prob(x: Tensor, t: Any, y: Tensor | None = None) -> Tensor:
    """log p(y | x_t) of y = x_0 + N(0, 1/4), x_0 ~ N(0, 1)."""
    a, s = COSINE.alpha(t).to(x), COSINE.sigma(t).to(x)
    return -((Y.to(x) if y is None else y[:, 0]) - a * x[:, 0]).square() / (2 * (s**2 + NOISE))


GUIDED = {
    "classifier": ClassifierGuided(LINE, log_prob),
    "tweedie": Measured(LINE, ONE, Y, NOISE),
    "isotropic": Measured(LINE, ONE, Y, NOISE, covariance="isotropic"),
}


@pytest.mark.parametrize("name", GUIDED)
def test_the_density_of_the_guided_flow_is_that_of_the_posterior(name: str) -> None:
    """x_0 ~ N(0, 1) measured as .8 with variance 1/4: N(.64, .2), log-densities -.163 and -.438 at .5 and 1."""
    x = torch.tensor([[0.5], [1.0]], dtype=F64)
    times = snr_times(COSINE, 60, low=float(COSINE.log_snr(COSINE.t_max)), high=12.0).flip(0)
    found = probability_flow_log_prob(GUIDED[name], x, times)
    law = Gaussian(torch.tensor([0.64], dtype=F64), var=0.2)
    torch.testing.assert_close(law.log_prob(x), torch.tensor([-0.163, -0.438], dtype=F64), rtol=0, atol=1e-3)
    wanted = law.noised(float(COSINE.alpha(times[0])), float(COSINE.sigma(times[0]))).log_prob(x)
    torch.testing.assert_close(found, wanted, rtol=0, atol=3e-3)


@pytest.mark.parametrize("name", GUIDED)
def test_the_derivative_is_that_of_the_posterior_score(name: str) -> None:
    """Its score is a straight line of slope -1 / (alpha^2 / 5 + sigma^2)."""
    x, t = torch.tensor([[0.5], [1.0]], dtype=F64, requires_grad=True), 0.4
    (slope,) = torch.autograd.grad(GUIDED[name].score(x, t).sum(), x)
    a, s = float(COSINE.alpha(t)), float(COSINE.sigma(t))
    torch.testing.assert_close(slope, torch.full_like(slope, -1 / (0.2 * a**2 + s**2)))


def test_one_measurement_around_another_is_both_in_one() -> None:
    root = torch.tensor([[1.0, 0.0, 0.0], [0.6, 0.5, 0.0], [-0.3, 0.4, 0.7]], dtype=F64)
    prior = exact_denoiser(Gaussian(torch.tensor([0.3, -0.5, 0.2], dtype=F64), cov=root @ root.mT), COSINE)
    a = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, -1.0]], dtype=F64)
    y = torch.tensor([0.8, -1.1], dtype=F64)
    x = torch.randn(4, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
    stacked = Measured(prior, a, y, 0.1)
    nested = Measured(Measured(prior, a[:1], y[:1], 0.1), a[1:], y[1:], 0.1)
    torch.testing.assert_close(nested.score(x, 0.4), stacked.score(x, 0.4))


@pytest.mark.parametrize("name", GUIDED)
def test_without_a_wish_for_gradients_the_answer_is_a_constant(name: str) -> None:
    x = torch.ones(2, 1, dtype=F64)
    assert not GUIDED[name](x, 0.4).requires_grad
    with torch.no_grad():
        assert not GUIDED[name](x.requires_grad_(), 0.4).requires_grad


@pytest.mark.parametrize("name", GUIDED)
def test_inference_mode(name: str) -> None:
    outside = torch.ones(2, 1, dtype=F64)
    with torch.inference_mode():
        x, t = torch.ones(2, 1, dtype=F64), torch.full((2,), 0.4, dtype=F64)
        found = GUIDED[name](x, t)
        if name == "classifier":
            told = GUIDED[name](x, t, y=torch.full((2, 1), 0.8, dtype=F64))
            torch.testing.assert_close(told, found)
    torch.testing.assert_close(found.clone(), GUIDED[name](outside, 0.4))


def test_an_empty_batch() -> None:
    nobody = torch.zeros(0, 1, dtype=F64)
    for guided in GUIDED.values():
        assert guided.x0(nobody, 0.4).shape == (0, 1)
    model = Denoiser(lambda x, t, label: label[:, None] * x, COSINE, "x0")
    label = torch.zeros(0, dtype=torch.long)
    assert ClassifierFree(model, 3.0, {"label": 0}).x0(nobody, 0.4, label=label).shape == (0, 1)


class Linear(torch.nn.Module):
    """A network whose products autocast rounds."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([[0.9, 0.1], [0.2, 0.7]]))

    def forward(self, x: Tensor, t: Tensor, shift: Tensor | None = None) -> Tensor:
        return (x if shift is None else x + shift) @ self.weight


def test_autocast_rounds_the_network_and_not_the_guidance() -> None:
    model = Denoiser(Linear(), COSINE, "x0")
    x, shift = torch.randn(3, 2, generator=torch.Generator().manual_seed(0)), torch.ones(3, 2)
    guided = ClassifierFree(model, 30.0, {"shift": 0.0})
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        told, untold = model(x, 0.4, shift=shift), model(x, 0.4, shift=0 * shift)
        assert told.dtype == torch.bfloat16
        found = guided(x, 0.4, shift=shift)
        for kind in ("tweedie", "isotropic", "none"):
            seen = Measured(model, torch.eye(2), torch.ones(2), 0.1, covariance=kind)  # pyright: ignore[reportArgumentType]
            score = seen(x, 0.4)
            assert score.dtype == torch.float32
            assert torch.isfinite(score).all()
        steered = ClassifierGuided(model, lambda x, t: x.sum(1), 2.0)(x, 0.4)
    assert found.dtype == steered.dtype == torch.float32
    torch.testing.assert_close(found, untold.float() + 30 * (told.float() - untold.float()), rtol=0, atol=0)


@pytest.mark.bad_input
def test_log_probabilities_without_a_gradient() -> None:
    x = torch.ones(2, 1, dtype=F64)
    parameter = torch.ones(2, requires_grad=True)
    constant = "log_prob must be differentiable in x"
    for wrong in (lambda x, t: torch.zeros(2), lambda x, t: x.detach().sum(1), lambda x, t: 2 * parameter):
        with pytest.raises(ValueError, match=constant):
            log_prob_gradient(wrong, x, 0.4)
        with pytest.raises(ValueError, match=constant):
            ClassifierGuided(LINE, wrong)(x, 0.4)
    with pytest.raises(TypeError, match=r"log_prob must return a torch\.Tensor, got float"):
        log_prob_gradient(lambda x, t: 1.0, x, 0.4)  # pyright: ignore[reportArgumentType]
