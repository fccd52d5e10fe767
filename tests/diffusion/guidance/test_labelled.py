"""Labelled mixtures: the exact conditional denoiser, and the classifier that has seen the noise."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gmlib.diffusion.guidance import LabelledLaw
from gmlib.distributions import Gaussian, GaussianMixture
from gmlib.noise import EDM, PARAMETERISATIONS, Rectified, VPCosine, exact_denoiser
from gmlib.noise.guidance import ClassifierGuided, log_prob_gradient
from gmlib.noise.samplers import heun, snr_times

F64 = torch.float64
CENTRES = torch.tensor([[-1.2, 0.4], [1.0, 0.6], [0.2, -1.1]], dtype=F64)
WEIGHTS = torch.tensor([0.2, 0.3, 0.5], dtype=F64)
LAWS = LabelledLaw([Gaussian(m, var=0.09) for m in CENTRES], WEIGHTS)
ALL = GaussianMixture(CENTRES, weights=WEIGHTS, var=0.09)
COSINE = VPCosine()
X = torch.randn(40, 2, dtype=F64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("t", [0.05, 0.4, 0.9])
def test_each_class_and_none_have_their_own_best_guess(t: float) -> None:
    model = LAWS.denoiser(COSINE)
    for c, mean in enumerate(CENTRES):
        wanted = exact_denoiser(Gaussian(mean, var=0.09), COSINE).x0(X, t)
        torch.testing.assert_close(model.x0(X, t, label=torch.full((40,), c)), wanted)
    torch.testing.assert_close(
        model.x0(X, t, label=torch.full((40,), 3)), exact_denoiser(ALL, COSINE).x0(X, t)
    )


@pytest.mark.parametrize("t", [0.05, 0.4, 0.9])
def test_bayes_on_scores(t: float) -> None:
    """The unconditional score and the gradient of the exact classifier make the conditional score."""
    label = torch.randint(3, (40,), generator=torch.Generator().manual_seed(1))
    guided = ClassifierGuided(exact_denoiser(ALL, COSINE), LAWS.classifier(COSINE), 1.0)
    wanted = LAWS.denoiser(COSINE).score(X, t, label=label)
    torch.testing.assert_close(guided.score(X, t, label=label), wanted, rtol=1e-8, atol=1e-8)


def test_conditional_diffusion() -> None:
    """Per class, samples have its mean and variance; another class from the same noise is another place."""
    model, n = LAWS.denoiser(COSINE), 1000
    times = snr_times(COSINE, 60, low=-9.0, high=9.0)
    z = torch.randn(n, 2, dtype=F64, generator=torch.Generator().manual_seed(2))
    for c, mean in enumerate(CENTRES):
        x = heun(model, z, times, label=torch.full((n,), c)).x
        # Standard errors, n = 1000: of a mean .3 / sqrt(n) = .0095, of a variance sqrt(2 / n) = 4.5 % of it. Five of
        # them, and 1 % of the distance and 1 % of the variance for 59 steps of Heun.
        assert (x.mean(0) - mean).abs().max() < 5 * 0.3 / n**0.5 + 0.01
        assert (x.var(0) / 0.09 - 1).abs().max() < 5 * (2 / n) ** 0.5 + 0.01
        # What is left when the class is taken off is the noise that was started from.
        inside = (x - mean) / 0.3
        assert (inside - z).abs().max() < 0.15


def test_noise_aware_classifier() -> None:
    """Its accuracy on noised points is that of the Bayes rule, by quadrature."""
    generator = torch.Generator().manual_seed(3)
    x0, label = LAWS.sample(40_000, generator=generator)
    eps = torch.randn(x0.shape, dtype=F64, generator=generator)
    side = torch.linspace(-6, 6, 601, dtype=F64)
    grid = torch.cartesian_prod(side, side)
    for t in (0.1, 0.5, 0.8):
        alpha, sigma = COSINE.alpha(t), COSINE.sigma(t)
        best = LAWS.log_probs(grid, alpha, sigma).exp().amax(1).sum() * (side[1] - side[0]) ** 2
        found = LAWS.class_log_prob(alpha * x0 + sigma * eps, alpha, sigma).argmax(1)
        accuracy = (found == label).double().mean()
        assert (accuracy - best).abs() < 5 * (best * (1 - best) / len(x0)).sqrt() + 1e-4


def test_the_gradient_is_there_where_gradients_are_off() -> None:
    with torch.no_grad():
        found = log_prob_gradient(lambda x, t: -x.square().sum(1), X, 0.5)
    torch.testing.assert_close(found, -2 * X)


def test_at_weight_0_the_classifier_is_not_asked() -> None:
    def never(x: torch.Tensor, t: float) -> torch.Tensor:
        raise AssertionError

    for kind in PARAMETERISATIONS:
        prior = exact_denoiser(ALL, COSINE, kind)  # pyright: ignore[reportArgumentType]
        guided = ClassifierGuided(prior, never, 0.0)
        for asked in ("forward", *PARAMETERISATIONS):
            assert torch.equal(getattr(guided, asked)(X, 0.3), getattr(prior, asked)(X, 0.3))


@pytest.mark.parametrize("schedule", [COSINE, Rectified(), EDM()])
@pytest.mark.parametrize("kind", PARAMETERISATIONS)
def test_the_gradient_is_added_to_whatever_is_predicted(kind: Any, schedule: Any) -> None:
    """The score of the result is that of the prior and w times the gradient."""
    label = torch.randint(3, (40,), generator=torch.Generator().manual_seed(1))
    prior, log_prob, t = (
        exact_denoiser(ALL, schedule, kind),
        LAWS.classifier(schedule),
        torch.full((40,), 0.4),
    )
    gradient = log_prob_gradient(log_prob, X, t.double(), label=label)
    guided = ClassifierGuided(prior, log_prob, 2.5)
    assert guided.parameterisation == kind
    for time in (0.4, t.double()):
        found = guided.score(X, time, label=label)
        torch.testing.assert_close(found, prior.score(X, time) + 2.5 * gradient, rtol=1e-6, atol=1e-6)
        # and velocity is f x - g^2 / 2 times the score
        f, g = float(schedule.f(0.4)), float(schedule.g(0.4))
        torch.testing.assert_close(
            guided.velocity(X, time, label=label), f * X - g**2 / 2 * found, rtol=1e-6, atol=1e-6
        )


@pytest.mark.bad_input
def test_what_cannot_be_is_refused() -> None:
    one = Gaussian(torch.zeros(2), var=1.0)
    with pytest.raises(ValueError, match="laws must hold at least one"):
        LabelledLaw([])
    with pytest.raises(TypeError, match="laws must be a Law"):
        LabelledLaw([1.0])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="the same dimension"):
        LabelledLaw([one, Gaussian(torch.zeros(3), var=1.0)])
    with pytest.raises(ValueError, match="weights must be 2 probabilities"):
        LabelledLaw([one, one], torch.tensor([0.5, 0.6]))
    with pytest.raises(TypeError, match="log_prob must be callable"):
        ClassifierGuided(exact_denoiser(one, COSINE), 1.0)  # pyright: ignore[reportArgumentType]
    bad = ClassifierGuided(exact_denoiser(one, COSINE), lambda x, t: x, 1.0)
    with pytest.raises(ValueError, match="log_prob must return shape"):
        bad(torch.zeros(3, 2), 0.5)
