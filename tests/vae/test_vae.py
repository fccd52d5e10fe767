"""The VAE, its linear optimum, per-example inference, and the autoencoder beside it."""

import math
import os
import subprocess
import sys

import pytest
import torch

from gmlib.data import digits
from gmlib.metrics import frechet_distance
from gmlib.nn import MLP
from gmlib.vae import (
    VAE,
    Autoencoder,
    DiagonalPosterior,
    GaussianLikelihood,
    LinearVAE,
    importance_weighted_bound,
    mle_and_elbo_maximiser,
    refine_posterior,
)

F64 = torch.float64


def digit_vectors(*splits: str) -> torch.Tensor:
    return torch.cat([digits(s).images for s in splits]).flatten(1).to(F64) / 16


@pytest.mark.parametrize(
    ("k", "var", "value", "rate"),
    [(8, 0.0272508, 14.2730798, 10.2003743), (2, 0.0545578, -0.2282017, 2.4879511)],
)
def test_gaussian_vae(k: int, var: float, value: float, rate: float) -> None:
    # 8x8 digits / 16, first 1350, divisor N: the optimum of the linear VAE is probabilistic PCA.
    x = digit_vectors("train", "validation")
    assert x.shape == (1350, 64)
    model = LinearVAE.from_ppca(x, k)
    bound = model.elbo(x).mean()
    assert model.log_var.exp().item() == pytest.approx(var, abs=1e-7)
    assert bound.total.item() == pytest.approx(value, abs=1e-6)
    assert model.log_prob(x).mean().item() == pytest.approx(value, abs=1e-6)
    assert bound.kl.item() == pytest.approx(rate, abs=1e-6)
    # sigma^2 is the mean discarded eigenvalue, the rate half the log-ratios of the kept ones.
    values = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    assert model.log_var.exp().item() == pytest.approx(values[k:].mean().item(), rel=1e-12)
    assert bound.kl.item() == pytest.approx(
        0.5 * (values[:k] / values[k:].mean()).log().sum().item(), rel=1e-10
    )


def test_linear_vae_reaches_ppca_by_gradient() -> None:
    # Trained from a fixed start, on data of 60 points in 4-D: the bound climbs to the PPCA likelihood.
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(60, 4, dtype=F64, generator=generator) * torch.tensor([3.0, 1.5, 0.6, 0.5], dtype=F64)
    best = LinearVAE.from_ppca(x, 2).log_prob(x).mean().item()
    model = LinearVAE(4, 2, dtype=F64)
    optimiser = torch.optim.LBFGS(
        model.parameters(), max_iter=600, line_search_fn="strong_wolfe", tolerance_change=1e-14
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = -model.elbo(x).total.mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert -closure().item() == pytest.approx(best, abs=1e-6)
    mean, cov = model.posterior(x)  # the encoder has become the exact posterior
    q = model.encode(x)
    assert torch.allclose(q.mean, mean, atol=1e-3)
    assert torch.allclose(torch.diag(q.std[0].square()), cov, atol=1e-3)


def test_aggregated_code_of_the_optimum_is_the_prior() -> None:
    x = digit_vectors("train", "validation")
    q = LinearVAE.from_ppca(x, 5).encode(x)
    second = torch.cov(q.mean.T, correction=0) + torch.diag(q.std[0].square())
    assert torch.allclose(q.mean.mean(0), torch.zeros(5, dtype=F64), atol=1e-10)
    assert torch.allclose(second, torch.eye(5, dtype=F64), atol=1e-10)


def test_bound_lies_below_the_evidence_and_the_gap_is_the_kl(generator: torch.Generator) -> None:
    # A linear model whose latents share a direction: the posterior is correlated, so every diagonal q leaves a gap.
    model = LinearVAE(3, 2, dtype=F64)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 0.9], [0.5, 0.7], [0.0, 0.3]], dtype=F64))
    x = torch.randn(6, 3, dtype=F64, generator=generator)
    mean, cov = model.posterior(x)
    precision = torch.linalg.inv(cov)
    q = DiagonalPosterior(mean, (-0.5 * precision.diagonal().log()).expand_as(mean))
    gap = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision))
    assert gap > 0.05
    assert torch.allclose(model.log_prob(x) - model.elbo(x, q=q).total, gap.expand(6), atol=1e-12)
    # No diagonal q does better: every change of its means and widths lowers the bound.
    for _ in range(50):
        shift, stretch = 0.3 * torch.randn(2, *mean.shape, dtype=F64, generator=generator)
        other = DiagonalPosterior(q.mean + shift, q.log_std + stretch)
        assert bool((model.elbo(x, q=other).total < model.elbo(x, q=q).total).all())


def test_the_bounds_maximiser_is_not_the_mle() -> None:
    mle, bound = mle_and_elbo_maximiser(5.0)
    assert mle == pytest.approx(math.sqrt(2), abs=1e-12)
    assert bound == pytest.approx(1.0643, abs=5e-5)
    # The average bound itself, on a grid: log-likelihood minus the diagonal gap.
    theta = torch.linspace(0.5, 2.0, 150_001, dtype=F64)
    u = theta.square()
    log_p = -0.5 * (torch.log(1 + 2 * u) + 5.0 / (1 + 2 * u))
    gap = torch.log(1 + u) - 0.5 * torch.log(1 + 2 * u)
    assert theta[log_p.argmax()].item() == pytest.approx(mle, abs=1e-4)
    assert theta[(log_p - gap).argmax()].item() == pytest.approx(bound, abs=1e-4)


def linear_as_vae(reference: LinearVAE) -> VAE:
    """The same linear model, written as a VAE of two one-layer networks."""
    d, k = reference.weight.shape
    encoder, decoder = MLP([d, 2 * k]).double(), MLP([k, d]).double()
    with torch.no_grad():
        first, last = encoder.layers[0], decoder.layers[0]
        first.weight.copy_(torch.cat([reference.encoder_weight, torch.zeros(k, d, dtype=F64)]))
        shift = -reference.encoder_weight @ reference.encoder_centre
        first.bias.copy_(torch.cat([shift, reference.encoder_log_std]))
        last.weight.copy_(reference.weight)
        last.bias.copy_(reference.bias)
    return VAE(encoder, decoder, GaussianLikelihood(reference.log_var.exp().item()), latent_dim=k)


def test_amortised_inference(generator: torch.Generator) -> None:
    x = torch.randn(50, 4, dtype=F64, generator=generator) * torch.tensor([3.0, 2.0, 0.5, 0.4], dtype=F64)
    # Noise with mean 0 and covariance exactly I at every point: the sampled bound of a linear model is then exact.
    noise = torch.randn(32, 50, 2, dtype=F64, generator=generator)
    noise = noise - noise.mean(0)
    cov = torch.einsum("snj,snk->njk", noise, noise) / 32
    noise = torch.linalg.solve_triangular(torch.linalg.cholesky(cov), noise.permute(1, 2, 0), upper=False)
    noise = noise.permute(2, 0, 1)
    # At the linear optimum the best map is the encoder's own: the bound is the evidence and the gap is 0.
    linear = LinearVAE.from_ppca(x, 2)
    model = linear_as_vae(linear)
    with torch.no_grad():
        own = model.elbo(x, noise).total
        assert torch.allclose(own, linear.log_prob(x), atol=1e-10)
        refined = model.elbo(x, noise, q=refine_posterior(model, x, noise, steps=50)).total
        assert torch.allclose(refined, own, atol=1e-10)
        # Spoil the encoder: the gap opens at every point, and optimising each q closes nearly all of it.
        model.encoder.layers[0].weight.mul_(0.5)
        spoiled = model.elbo(x, noise).total
        better = model.elbo(x, noise, q=refine_posterior(model, x, noise, steps=300, lr=0.05)).total
    gap = better - spoiled
    assert bool((gap > 0).all())
    assert bool((better <= own + 1e-10).all())  # nothing beats the evidence
    assert (own - better).mean() < 0.01 * gap.mean()


def test_sampled_bound_agrees_with_the_closed_form(generator: torch.Generator) -> None:
    x = torch.randn(20, 4, dtype=F64, generator=generator)
    linear = LinearVAE(4, 2, dtype=F64)
    model = linear_as_vae(linear)
    with torch.no_grad():
        draws = torch.stack(
            [model.elbo(x, torch.randn(1, 20, 2, dtype=F64, generator=generator)).total for _ in range(2000)]
        )
        exact = linear.elbo(x).total
        error = draws.std(0) / math.sqrt(2000)
        assert bool(((draws.mean(0) - exact).abs() < 5 * error).all())
        # Many importance samples lie between the bound and the evidence.
        tight = importance_weighted_bound(
            model.log_weights(x, torch.randn(5000, 20, 2, dtype=F64, generator=generator))
        )
        assert bool((tight > exact).all())
        assert torch.allclose(tight, linear.log_prob(x), atol=0.05)


def test_price_of_rate_and_shapes(generator: torch.Generator) -> None:
    model = VAE(MLP([6, 4]), MLP([2, 6]), GaussianLikelihood(1.0), latent_dim=2)
    x, noise = torch.randn(3, 6, generator=generator), torch.randn(5, 3, 2, generator=generator)
    plain, dear = model.elbo(x, noise), model.elbo(x, noise, kl_weight=4.0)
    assert torch.allclose(dear.total, plain.reconstruction - 4 * plain.kl)
    assert model.log_weights(x, noise).shape == (5, 3)
    assert model.sample(7, generator=generator).shape == (7, 6)
    again = [model.sample(4, generator=torch.Generator().manual_seed(1)) for _ in range(2)]
    assert torch.equal(*again)
    (gradient,) = torch.autograd.grad(plain.total.sum(), model.encoder.layers[0].weight)
    assert bool((gradient != 0).any())  # the path through the sample reaches the encoder


@pytest.mark.slow
def test_autoencoder() -> None:
    """Reconstruction AE < half-price VAE < VAE; the AE's decoder fed with the prior is far from the data.

    8x8 digits, 8 latents, decoder variance .05, Frechet distance in 20 principal components.
    """
    train, test = digit_vectors("train", "validation").float(), digit_vectors("test").float()
    _, _, basis = torch.pca_lowrank(train, q=20, niter=8)
    torch.manual_seed(0)
    error: dict[str, float] = {}
    distance: dict[str, float] = {}
    for name, price in (("ae", 0.0), ("half", 0.5), ("vae", 1.0)):
        deterministic = name == "ae"
        encoder = MLP([64, 128, 8 if deterministic else 16])
        decoder = MLP([8, 128, 64])
        ae = Autoencoder(encoder, decoder)
        vae = None if deterministic else VAE(encoder, decoder, GaussianLikelihood(0.05), latent_dim=8)
        optimiser = torch.optim.Adam(ae.parameters(), lr=2e-3)
        for _ in range(600):
            batch = train[torch.randint(len(train), (100,))]
            if vae is None:
                loss = ae.squared_error(batch).mean()
            else:
                loss = -vae.elbo(batch, torch.randn(1, 100, 8), kl_weight=price).total.mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            code = encoder(test)[:, :8]
            error[name] = (test - decoder(code)).square().sum(-1).mean().item()
            decoded = decoder(torch.randn(2000, 8))
            distance[name] = frechet_distance(decoded @ basis, train @ basis).item()
    assert error["ae"] < error["half"] < error["vae"]
    assert distance["ae"] > 5 * max(distance["half"], distance["vae"])


@pytest.mark.bad_input
def test_bad_input() -> None:
    model = VAE(MLP([6, 4]), MLP([2, 6]), GaussianLikelihood(1.0), latent_dim=2)
    with pytest.raises(ValueError, match="x must be a batch of vectors"):
        model.encode(torch.zeros(6))
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        model.encode(torch.zeros(2, 6, dtype=torch.int64))
    with pytest.raises(ValueError, match="x must end in the event shape"):
        model.encode(torch.zeros(2, 7))
    with pytest.raises(ValueError, match="noise"):
        model.elbo(torch.zeros(2, 6), torch.zeros(1, 3, 2))
    for method in (model.elbo, model.log_weights):
        with pytest.raises(ValueError, match="noise must have shape"):
            method(torch.zeros(2, 6), torch.zeros(0, 2, 2))
    with pytest.raises(ValueError, match="latent_dim"):
        VAE(MLP([6, 4]), MLP([2, 6]), GaussianLikelihood(1.0), latent_dim=0)
    with pytest.raises(ValueError, match="k must be below d"):
        LinearVAE(3, 3)
    with pytest.raises(ValueError, match="x must vary in more"):
        LinearVAE.from_ppca(torch.eye(3, dtype=F64)[:, :1] @ torch.ones(1, 3, dtype=F64), 1)
    with pytest.raises(ValueError, match="steps"):
        refine_posterior(model, torch.zeros(2, 6), torch.zeros(1, 2, 2), steps=0)
    with pytest.raises(ValueError, match="variance"):
        mle_and_elbo_maximiser(1.0)
    with pytest.raises(ValueError, match="n must be at least 1"):
        model.sample(0)


@pytest.mark.gpu
def test_the_gpu_gives_the_cpus_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    model = VAE(MLP([16, 32, 8]), MLP([4, 32, 16]), GaussianLikelihood(0.3), latent_dim=4)
    x, noise = torch.randn(20, 16, generator=generator), torch.randn(5, 20, 4, generator=generator)
    with torch.no_grad():
        bound, weights = model.elbo(x, noise), model.log_weights(x, noise)
        model.cuda()
        there, weights_there = model.elbo(x.cuda(), noise.cuda()), model.log_weights(x.cuda(), noise.cuda())
    assert torch.allclose(there.total.cpu(), bound.total, rtol=1e-3)
    assert torch.allclose(weights_there.cpu(), weights, rtol=1e-3)
    assert model.sample(3, generator=torch.Generator("cuda").manual_seed(1)).is_cuda
    with torch.autocast("cuda", torch.bfloat16):
        rough = model.elbo(x.cuda(), noise.cuda()).total
    assert torch.allclose(rough.float().cpu(), bound.total, rtol=0.05)


@pytest.mark.weekly
def test_the_bound_compiles_as_one_graph() -> None:
    # A process of its own: jaxtyping's checks and full-graph compilation do not mix.
    code = (
        "import torch; from gmlib.nn import MLP; from gmlib.vae import VAE, DiscretisedLogistic\n"
        "law = DiscretisedLogistic(5, 2)\n"
        "model = VAE(MLP([6, 8, 4]), MLP([2, 8, 36]), law, latent_dim=2)\n"
        "x, noise = torch.randint(0, 5, (3, 6)).float(), torch.randn(4, 3, 2)\n"
        "step = torch.compile(lambda: model.elbo(x, noise).mean().total, fullgraph=True, backend='aot_eager')\n"
        "assert torch.allclose(step(), model.elbo(x, noise).mean().total)\n"
    )
    environment = {**os.environ, "JAXTYPING_DISABLE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
