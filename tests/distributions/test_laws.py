"""What every law must do, held against autograd, finite differences, scipy, torch.distributions and Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from gmlib.distributions import Gaussian, GaussianMixture, Law

F64 = torch.float64


def spd(g: torch.Generator, *lead: int, d: int) -> Tensor:
    """Well-conditioned covariances: a Gram matrix plus half the identity."""
    a = torch.randn(*lead, d, d, generator=g, dtype=F64)
    return a @ a.mT / d + 0.5 * torch.eye(d, dtype=F64)


def gaussian(kind: str, d: int = 3) -> Gaussian:
    g = torch.Generator().manual_seed(1)
    mean = torch.randn(d, generator=g, dtype=F64)
    if kind == "full":
        return Gaussian(mean, cov=spd(g, d=d))
    return Gaussian(mean, var=0.7 if kind == "isotropic" else torch.rand(d, generator=g, dtype=F64) + 0.3)


def mixture(kind: str, K: int = 4, d: int = 3, batch: tuple[int, ...] = ()) -> GaussianMixture:
    g = torch.Generator().manual_seed(2)
    means = 2 * torch.randn(*batch, K, d, generator=g, dtype=F64)
    weights = torch.rand(*batch, K, generator=g, dtype=F64) + 0.2
    if kind == "full":
        return GaussianMixture(means, weights=weights, cov=spd(g, *batch, K, d=d))
    shape = {"scalar": (), "isotropic": (K,), "diagonal": (K, d)}[kind]
    return GaussianMixture(means, weights=weights, var=torch.rand(shape, generator=g, dtype=F64) + 0.3)


LAWS: dict[str, Callable[[], Law]] = {
    **{f"gaussian-{k}": (lambda k=k: gaussian(k)) for k in ("full", "diagonal", "isotropic")},
    **{f"mixture-{k}": (lambda k=k: mixture(k)) for k in ("full", "diagonal", "isotropic", "scalar")},
}


@pytest.fixture(params=LAWS)
def law(request: pytest.FixtureRequest) -> Law:
    return LAWS[request.param]()


@pytest.fixture
def points() -> Tensor:
    return 2 * torch.randn(5, 3, generator=torch.Generator().manual_seed(3), dtype=F64)


def as_torch(law: Law) -> torch.distributions.Distribution:
    if isinstance(law, GaussianMixture):
        return MixtureSameFamily(Categorical(law.weights), MultivariateNormal(law.means, law.covariances))
    assert isinstance(law, Gaussian)
    return MultivariateNormal(law.mean, law.covariance)


def test_log_prob_and_moments_agree_with_torch(law: Law, points: Tensor) -> None:
    peer = as_torch(law)
    torch.testing.assert_close(law.log_prob(points), peer.log_prob(points), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(law.mean, peer.mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(law.variance, peer.variance, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(law.covariance.diagonal(), peer.variance, rtol=1e-12, atol=1e-12)


def test_log_prob_agrees_with_scipy(law: Law, points: Tensor) -> None:
    if isinstance(law, GaussianMixture):
        parts = zip(law.weights, law.means, law.covariances, strict=True)
        density = sum(w.item() * scipy.stats.multivariate_normal(m, c).pdf(points) for w, m, c in parts)
    else:
        assert isinstance(law, Gaussian)
        density = scipy.stats.multivariate_normal(law.mean, law.covariance).pdf(points)
    np.testing.assert_allclose(law.log_prob(points).exp(), density, rtol=1e-11)


def test_score_is_the_gradient(law: Law, points: Tensor) -> None:
    x = points.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(law.log_prob(x).sum(), x)
    torch.testing.assert_close(law.score(points), gradient, rtol=1e-11, atol=1e-11)
    h = 1e-5  # central difference: error h²/6 times the third derivative, about 1e-10
    for i, e in enumerate(h * torch.eye(3, dtype=F64)):
        difference = (law.log_prob(points + e) - law.log_prob(points - e)) / (2 * h)
        torch.testing.assert_close(law.score(points)[:, i], difference, rtol=1e-7, atol=1e-7)


def test_score_is_differentiable(law: Law, points: Tensor) -> None:
    """The Jacobian of the score is symmetric: it is the Hessian of the log-density."""
    jacobian = torch.func.jacrev(law.score)(points[0])
    hessian = torch.autograd.functional.hessian(law.log_prob, points[0])
    torch.testing.assert_close(jacobian, jacobian.mT, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(jacobian, hessian, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("alpha", "sigma"), [(0.6, 0.8), (1.0, 3.0), (0.0, 1.0), (0.9, 0.0)])
def test_noised_law_is_the_law_of_noised_samples(law: Law, alpha: float, sigma: float) -> None:
    """Mean and covariance of 40,000 noised draws within 5 standard errors of the noised law's."""
    n = 40_000
    g = torch.Generator().manual_seed(4)
    x = alpha * law.sample((n,), generator=g) + sigma * torch.randn(n, 3, generator=g, dtype=F64)
    noised = law.noised(alpha, sigma)
    assert type(noised) is type(law)
    error = noised.variance.sqrt() / math.sqrt(n)
    assert ((x.mean(0) - noised.mean).abs() <= 5 * error).all()
    products = (x - noised.mean).unsqueeze(-1) * (x - noised.mean).unsqueeze(-2)
    error = products.std(0) / math.sqrt(n)
    assert ((products.mean(0) - noised.covariance).abs() <= 5 * error).all()


def test_noised_law_without_noise_is_the_law(law: Law, points: Tensor) -> None:
    torch.testing.assert_close(
        law.noised(1, 0).log_prob(points), law.log_prob(points), rtol=1e-12, atol=1e-12
    )


def test_noising_twice_is_noising_once(law: Law, points: Tensor) -> None:
    twice = law.noised(0.8, 0.5).noised(0.7, 0.4)
    once = law.noised(0.56, math.hypot(0.7 * 0.5, 0.4))
    torch.testing.assert_close(twice.log_prob(points), once.log_prob(points), rtol=1e-11, atol=1e-11)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(LAWS)),
    alpha=st.floats(0.05, 2.0),
    sigma=st.floats(0.0, 5.0),
    x=st.lists(st.floats(-10, 10), min_size=3, max_size=3),
)
def test_tweedie(name: str, alpha: float, sigma: float, x: list[float]) -> None:
    r"""Posterior mean = (x + sigma² score of the noised law)/alpha, to 1e-10 in float64 (Efron 2011)."""
    law, point = LAWS[name](), torch.tensor(x, dtype=F64)
    tweedie = (point + sigma**2 * law.noised(alpha, sigma).score(point)) / alpha
    # Tweedie's own rounding grows as its two terms cancel; the scale is that of x/alpha.
    scale = 1 + float(point.abs().max()) / alpha
    torch.testing.assert_close(law.posterior_mean(point, alpha, sigma), tweedie, rtol=0, atol=1e-10 * scale)


def test_posterior_mean_at_the_ends(law: Law, points: Tensor) -> None:
    torch.testing.assert_close(law.posterior_mean(points, 0.5, 0.0), points / 0.5, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        law.posterior_mean(points, 0.0, 2.0), law.mean.expand(5, 3), rtol=1e-12, atol=1e-12
    )


def test_posterior_is_bayes(law: Law, points: Tensor) -> None:
    """log p(x0 | x) = log p(x0) + log N(x; alpha x0, sigma²) - log q(x), and its mean is the posterior mean."""
    alpha, sigma, x = 0.7, 0.6, points[0]
    posterior = law.posterior(x, alpha, sigma)
    x0 = points[1:]
    likelihood = Gaussian(alpha * x0, var=sigma**2).log_prob(x)
    bayes = law.log_prob(x0) + likelihood - law.noised(alpha, sigma).log_prob(x)
    torch.testing.assert_close(posterior.log_prob(x0), bayes, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(posterior.mean, law.posterior_mean(x, alpha, sigma), rtol=1e-11, atol=1e-11)


def test_posterior_covariance_is_the_jacobian_of_the_denoiser(law: Law, points: Tensor) -> None:
    r"""Second-order Tweedie: Cov[x0 | x] = (sigma²/alpha) d posterior_mean / dx."""
    alpha, sigma = 0.7, 0.6
    jacobian = torch.func.jacrev(lambda x: law.posterior_mean(x, alpha, sigma))(points[0])
    covariance = law.posterior(points, alpha, sigma).covariance[0]
    torch.testing.assert_close(covariance, sigma**2 / alpha * jacobian, rtol=1e-10, atol=1e-10)


def test_noise_levels_can_differ_from_point_to_point(law: Law, points: Tensor) -> None:
    alpha, sigma = torch.linspace(0.1, 1, 5, dtype=F64), torch.linspace(2, 0.1, 5, dtype=F64)
    means = law.posterior_mean(points, alpha, sigma)
    scores = law.noised(alpha, sigma).score(points)
    covariances = law.posterior(points, alpha, sigma).covariance
    for i in range(5):
        a, s = float(alpha[i]), float(sigma[i])
        torch.testing.assert_close(means[i], law.posterior_mean(points[i], a, s), rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(scores[i], law.noised(a, s).score(points[i]), rtol=1e-11, atol=1e-11)
        one = law.posterior(points[i], a, s).covariance
        torch.testing.assert_close(covariances[i], one, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_float32_far_from_the_data(law: Law, size: float) -> None:
    """At 1e4 everything is finite and the score is float64's to 1e-3: the nearest component's pull."""
    far = torch.full((2, 3), size)
    law32 = law.to(torch.float32)
    assert torch.isfinite(law32.log_prob(far)).all()
    torch.testing.assert_close(law32.score(far).to(F64), law.score(far.to(F64)), rtol=1e-3, atol=0)
    torch.testing.assert_close(
        law32.posterior_mean(far, 0.5, 0.1).to(F64),
        law.posterior_mean(far.to(F64), 0.5, 0.1),
        rtol=1e-3,
        atol=0,
    )
    x = far.clone().requires_grad_()
    law32.log_prob(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_same_seed_same_sample(law: Law) -> None:
    a, b, c = (law.sample((7, 2), generator=torch.Generator().manual_seed(s)) for s in (5, 5, 6))
    assert a.shape == (7, 2, 3)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert law.sample((0,)).shape == (0, 3)
    assert law.sample().shape == (3,)
    assert not a.requires_grad


def test_to_changes_the_dtype(law: Law, points: Tensor) -> None:
    law32 = law.to(dtype=torch.float32)
    assert law32.sample((2,)).dtype == law32.log_prob(points.float()).dtype == torch.float32
    assert law.log_prob(points).dtype == F64


def test_empty_batch(law: Law) -> None:
    x = torch.empty(0, 3, dtype=F64)
    assert law.log_prob(x).shape == (0,)
    assert law.score(x).shape == law.posterior_mean(x, 0.5, 0.5).shape == (0, 3)


def test_is_a_torch_distribution(law: Law) -> None:
    assert isinstance(law, torch.distributions.Distribution)
    assert (law.batch_shape, law.event_shape) == (torch.Size(), torch.Size([3]))
    wide = law.expand((4,))
    assert (wide.batch_shape, wide.sample((2,)).shape) == (torch.Size([4]), torch.Size([2, 4, 3]))
    assert "d=3" in repr(law)


@pytest.mark.gpu
def test_on_a_gpu(law: Law, points: Tensor) -> None:
    there = law.to("cuda")
    torch.testing.assert_close(there.score(points.cuda()).cpu(), law.score(points), rtol=1e-10, atol=1e-10)
    g = torch.Generator("cuda").manual_seed(0)
    assert there.noised(0.5, 0.5).sample((3,), generator=g).device.type == "cuda"
