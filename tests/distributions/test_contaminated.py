"""A model drowned in noise: what its likelihood notices, and what it is as a law."""

from __future__ import annotations

import math

import pytest
import torch

from gmlib.distributions import (
    Contaminated,
    Gaussian,
    GaussianMixture,
    divergences_1d,
    kl_gaussians,
    moment_projection,
)

F64 = torch.float64


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def as_mixture(law: Contaminated) -> GaussianMixture:
    parts = (law.model, law.noise)
    return GaussianMixture(
        torch.stack([p.mean for p in parts], -2),
        weights=torch.stack([law.weight, 1 - law.weight], -1),
        cov=torch.stack([p.covariance for p in parts], -3),
    )


@pytest.mark.parametrize("d", [1, 10, 100, 1000])
def test_good_likelihood_bad_samples(d: int, generator: torch.Generator) -> None:
    """1 % model, 99 % noise: at most log 100 nats lost in any dimension, while 99 of 100 samples are noise."""
    model = Gaussian(torch.zeros(d, dtype=F64), var=1.0)
    noise = Gaussian(torch.full((d,), 10.0, dtype=F64), var=1.0)
    law = Contaminated(model, noise, 0.01)
    x = model.sample((2_000,), generator=generator)
    loss = model.log_prob(x) - law.log_prob(x)
    assert bool((loss <= math.log(100) + 1e-9).all())
    assert f"{math.log(100):.3f}" == "4.605"
    # The laws are disjoint for practical purposes, so the bound is met: the loss a dimension goes as 1 / d.
    assert loss.mean().item() / d == pytest.approx(math.log(100) / d, rel=1e-3)
    # Of 5,000 samples the share that lies nearer to the noise is .99 within five standard errors.
    n = 5_000
    share = (law.sample((n,), generator=generator).mean(-1) > 5).double().mean().item()
    assert abs(share - 0.99) < 5 * math.sqrt(0.99 * 0.01 / n)


def test_kl_grows_by_at_most_the_log_of_the_share() -> None:
    p = GaussianMixture(torch.tensor([[-2.0], [2.0]], dtype=F64), var=0.25)
    model = moment_projection(p)
    reach = {"low": -30.0, "high": 35.0}
    plain = divergences_1d(p, model, **reach).kl.item()
    for weight in (0.9, 0.5, 0.01, 1e-6):
        bound = plain - math.log(weight)
        near, far = (Gaussian(torch.tensor([m], dtype=F64), var=1.0) for m in (4.0, 25.0))
        assert divergences_1d(p, Contaminated(model, near, weight), **reach).kl.item() < bound
        # Noise that p never sees: the bound is met.
        drowned = divergences_1d(p, Contaminated(model, far, weight), **reach).kl.item()
        assert drowned == pytest.approx(bound, abs=1e-9)
    # No bound the other way: noise that helps makes the divergence smaller.
    helping = Gaussian(torch.tensor([2.0], dtype=F64), var=0.25)
    assert divergences_1d(p, Contaminated(model, helping, 0.5), **reach).kl.item() < plain


@pytest.mark.parametrize("batch", [(), (4,)])
def test_it_is_the_mixture_of_two(batch: tuple[int, ...], generator: torch.Generator) -> None:
    """With normal parts everything agrees with `GaussianMixture`."""
    law = Contaminated(
        Gaussian(normal(*batch, 3), var=torch.tensor([0.5, 1.0, 2.0], dtype=F64)),
        Gaussian(normal(3, seed=1), cov=torch.eye(3, dtype=F64) + 0.3),
        0.3,
    )
    peer = as_mixture(law) if not batch else None
    x = normal(5, *batch, 3, seed=2)
    if peer is None:
        one = as_mixture(Contaminated(Gaussian(law.model.mean[1], var=law.model.variance[1]), law.noise, 0.3))
        torch.testing.assert_close(law.log_prob(x)[:, 1], one.log_prob(x[:, 1]))
        torch.testing.assert_close(law.score(x)[:, 1], one.score(x[:, 1]))
        torch.testing.assert_close(law.covariance[1], one.covariance)
        assert law.sample((7,), generator=generator).shape == (7, 4, 3)
        return
    for got, want in (
        (law.mean, peer.mean),
        (law.variance, peer.variance),
        (law.covariance, peer.covariance),
        (law.log_prob(x), peer.log_prob(x)),
        (law.score(x), peer.score(x)),
        (law.posterior_mean(x, 0.8, 0.6), peer.posterior_mean(x, 0.8, 0.6)),
        (law.noised(0.8, 0.6).log_prob(x), peer.noised(0.8, 0.6).log_prob(x)),
        (law.noised(0.8, 0.6).posterior_mean(x, 1.0, 0.5), peer.noised(0.8, 0.6).posterior_mean(x, 1.0, 0.5)),
    ):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)
    at = normal(5, 3, seed=3)
    torch.testing.assert_close(
        law.posterior(x, 0.8, 0.6).log_prob(at),
        peer.posterior(x, 0.8, 0.6).log_prob(at),
        rtol=1e-9,
        atol=1e-9,
    )
    torch.testing.assert_close(law.posterior(x, 0.8, 0.6).mean, law.posterior_mean(x, 0.8, 0.6))
    # 20,000 draws: mean and covariance within five standard errors (entries of the covariance below 3).
    draws = law.sample((20_000,), generator=generator)
    assert draws.shape == (20_000, 3)
    error = law.variance.sqrt() / math.sqrt(20_000)
    assert bool(((draws.mean(0) - law.mean).abs() < 5 * error).all())
    torch.testing.assert_close(torch.cov(draws.T), law.covariance, rtol=0, atol=0.15)


def test_a_share_too_small_for_float32_is_kept() -> None:
    zero = torch.zeros(2)
    law = Contaminated(Gaussian(zero, var=1.0), Gaussian(zero + 500, var=1.0), 1e-30)
    loss = law.model.log_prob(zero) - law.log_prob(zero)
    assert loss.item() == pytest.approx(30 * math.log(10), rel=1e-5)


def test_a_batch_draws_for_each_of_its_own(generator: torch.Generator) -> None:
    batch = Contaminated(
        Gaussian(torch.tensor([[0.0], [100.0]], dtype=F64), var=1.0),
        Gaussian(torch.tensor([50.0], dtype=F64), var=1.0),
        0.5,
    )
    x = batch.sample((400,), generator=generator)
    assert bool((x[:, 0] < 70).all())
    assert bool((x[:, 1] > 30).all())
    assert x[:, 0].unique().numel() == 400
    noise = x[(x - 50).abs() < 20]
    assert noise.unique().numel() == noise.numel()  # the shared noise law is drawn anew for each


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    zero = torch.zeros(3, device="cuda")
    law = Contaminated(Gaussian(zero, var=1.0), Gaussian(zero + 5, var=1.0), 0.01)
    x = law.sample((10,), generator=torch.Generator("cuda").manual_seed(0))
    assert law.score(x).device.type == "cuda"
    assert bool(law.log_prob(x).isfinite().all())
    assert kl_gaussians(law.model, law.noise).item() == pytest.approx(37.5)  # type: ignore[arg-type]


Z = torch.zeros(2)
G = Gaussian(Z, var=1.0)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: Contaminated(3, G, 0.5), TypeError, "model must be a Law"),  # type: ignore[arg-type]
        (lambda: Contaminated(G, None, 0.5), TypeError, "noise must be a Law"),  # type: ignore[arg-type]
        (lambda: Contaminated(G, Gaussian(torch.zeros(3), var=1.0), 0.5), ValueError, "noise must have the event"),
        (lambda: Contaminated(G, G, 0.0), ValueError, "weight must be a finite number in"),
        (lambda: Contaminated(G, G, 1.0), ValueError, "weight must be"),
        (lambda: Contaminated(G, G, math.nan), ValueError, "weight must be"),
        (lambda: Contaminated(G, G, torch.tensor(0.5)), TypeError, "weight must be a real number"),  # type: ignore[arg-type]
        (
            lambda: Contaminated(Gaussian(torch.zeros(2, 2), var=1.0), Gaussian(torch.zeros(3, 2), var=1.0), 0.5),
            ValueError,
            "leading dimensions of noise",
        ),
        (lambda: Contaminated(G, G, 0.5).log_prob(torch.zeros(4, 3)), ValueError, "value must end in"),
        (lambda: Contaminated(G, G, 0.5).score([0.0, 0.0]), TypeError, "x must be a torch.Tensor"),  # type: ignore[arg-type]
        (lambda: Contaminated(G, G, 0.5).noised(1.0, -1.0), ValueError, "sigma must be"),
    ],
)  # fmt: skip
def test_bad_input(call, error, match) -> None:
    with pytest.raises(error, match=match):
        call()
