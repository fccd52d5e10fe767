"""The wider family of chapter 02: estimates, rates, posteriors, decoders, paths and probes against closed forms."""

import math

import pytest
import torch

from gmlib.classical import PCA
from gmlib.data import digits
from gmlib.nn import MLP
from gmlib.vae import (
    Autoencoder,
    DiagonalPosterior,
    FullPosterior,
    LinearVAE,
    aggregated_posterior,
    attribute_vector,
    code_log_ratio,
    estimate_rate_split,
    four_faces,
    grid_posterior,
    lerp,
    linear_probe,
    log_evidence,
    optimal_squared_error_decoder,
    single_sample_elbo,
    slerp,
    split_rate,
    standard_normal_log_prob,
)

F64 = torch.float64


def gaussian_data(n: int, stds: list[float], seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, len(stds), dtype=F64, generator=generator) * torch.tensor(stds, dtype=F64)


def integrand(model: LinearVAE, x: torch.Tensor, q: DiagonalPosterior, z: torch.Tensor) -> torch.Tensor:
    return single_sample_elbo(
        x.expand(*z.shape[:-1], -1),
        z,
        decoder_mean=z @ model.weight.T + model.bias,
        decoder_var=model.log_var.exp().item(),
        q_mean=q.mean.expand_as(z),
        q_log_std=q.log_std.expand_as(z),
    )


def test_multi_sample_elbo() -> None:
    # At the exact posterior every sample returns log p(x): no variance. Summing s of them without 1/s is s times that.
    x = gaussian_data(30, [2.0, 1.0, 0.5], seed=0)
    model = LinearVAE.from_ppca(x, 2)
    q = model.encode(x)
    z = q.rsample(torch.randn(9, 30, 2, dtype=F64, generator=torch.Generator().manual_seed(1)))
    with torch.no_grad():
        values = integrand(model, x, q, z)
        assert torch.allclose(values, model.log_prob(x).expand_as(values), atol=1e-11)
        assert torch.allclose(values.sum(0), 9 * model.log_prob(x), atol=1e-10)


def test_single_sample_elbo() -> None:
    # The closed form equals the exact integrand; the bracket alone differs from it by (d/2) log 2 pi and nothing else.
    x = gaussian_data(20, [1.0, 1.0, 1.0, 1.0], seed=2)
    model = LinearVAE(4, 2, dtype=F64)
    q = model.encode(x)
    z = q.rsample(torch.randn(20, 2, dtype=F64, generator=torch.Generator().manual_seed(3)))
    with torch.no_grad():
        value = integrand(model, x, q, z)
        normal = torch.distributions.Normal(z @ model.weight.T + model.bias, (0.5 * model.log_var).exp())
        exact = normal.log_prob(x).sum(-1) + standard_normal_log_prob(z) - q.log_prob(z)
    assert torch.allclose(value, exact, atol=1e-12)
    zero = torch.zeros(1, 5, dtype=F64)
    bare = single_sample_elbo(zero, zero, decoder_mean=zero, decoder_var=1.0, q_mean=zero, q_log_std=zero)
    assert bare.item() == pytest.approx(-2.5 * math.log(2 * math.pi), abs=1e-14)


def test_decoder_gradient() -> None:
    # Plain Monte Carlo over z is unbiased for the decoder: mean of 4000 draws within 5 standard errors of the exact one.
    x = gaussian_data(10, [1.5, 1.0, 0.5], seed=4)
    model = LinearVAE(3, 1, dtype=F64)
    (exact,) = torch.autograd.grad(model.elbo(x).total.mean(), model.weight)
    q = model.encode(x)
    z = q.rsample(torch.randn(4000, 10, 1, dtype=F64, generator=torch.Generator().manual_seed(5))).detach()
    # d/dW of -|x - b - W z|^2 / 2 sigma^2, draw by draw.
    residual = (x - model.bias - z @ model.weight.T).detach() / model.log_var.exp().detach()
    draws = torch.einsum("snd,snk->sdk", residual, z) / 10
    error = draws.std(0) / math.sqrt(4000)
    assert bool(((draws.mean(0) - exact).abs() < 5 * error).all())


def test_rate_decomposition() -> None:
    generator = torch.Generator().manual_seed(6)
    data, prior = (torch.rand(n, dtype=F64, generator=generator).add(0.1) for n in (7, 4))
    data, prior = data / data.sum(), prior / prior.sum()
    encoder = torch.randn(7, 4, dtype=F64, generator=generator).softmax(-1)
    split = split_rate(data, encoder, prior)
    assert (split.rate - split.information - split.marginal_kl).abs() < 1e-14
    decoder = torch.randn(4, 7, dtype=F64, generator=generator).softmax(-1)
    assert split.rate.item() == pytest.approx(
        four_faces(data, encoder, prior, decoder).rate.item(), abs=1e-14
    )
    assert split.marginal_kl.item() == pytest.approx(
        four_faces(data, encoder, prior, decoder).code_kl.item(), abs=1e-14
    )
    # A Gaussian encoder on N points carries at most log N; codes far apart carry all of it.
    for spread, low in ((30.0, math.log(8) - 1e-6), (0.3, 0.0)):
        q = DiagonalPosterior(spread * torch.arange(8.0, dtype=F64)[:, None], torch.zeros(8, 1, dtype=F64))
        sampled = estimate_rate_split(q, torch.randn(2000, 8, 1, dtype=F64, generator=generator))
        assert low <= sampled.information.item() <= math.log(8) + 1e-12
        assert (sampled.rate - sampled.information - sampled.marginal_kl).abs() < 1e-10


def test_aggregated_posterior() -> None:
    # The codes of the optimal linear VAE have mean 0 and covariance I, exactly, for every number of latents.
    x = torch.cat([digits(s).images for s in ("train", "validation")]).flatten(1).to(F64) / 16
    for k in (2, 8):
        with torch.no_grad():
            law = aggregated_posterior(LinearVAE.from_ppca(x, k).encode(x))
        assert torch.allclose(law.mean, torch.zeros(k, dtype=F64), atol=1e-10)
        assert torch.allclose(law.covariance, torch.eye(k, dtype=F64), atol=1e-9)
    # A price beta of the rate keeps that: at its optimum W = U (Lambda - beta sigma^2)^(1/2), encoder variances
    # beta sigma^2 / lambda. Check by stationarity of the priced bound and by the moments of the codes.
    beta, var = 2.5, 0.02
    values, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0))
    values, vectors = values.flip(0)[:3], vectors.flip(1)[:, :3]
    model = LinearVAE(64, 3, dtype=F64)
    with torch.no_grad():
        model.bias.copy_(x.mean(0))
        model.encoder_centre.copy_(x.mean(0))
        model.log_var.fill_(math.log(var))
        model.weight.copy_(vectors * (values - beta * var).sqrt())
        model.encoder_weight.copy_((vectors * (values - beta * var).sqrt() / values).T)
        model.encoder_log_std.copy_(0.5 * (beta * var / values).log())
        law = aggregated_posterior(model.encode(x))
    assert torch.allclose(law.covariance, torch.eye(3, dtype=F64), atol=1e-9)
    bound = model.elbo(x).mean()
    model.log_var.requires_grad_(False)
    objective = bound.reconstruction - beta * bound.kl
    names = [n for n, p in model.named_parameters() if p.requires_grad]
    gradients = torch.autograd.grad(objective, [p for p in model.parameters() if p.requires_grad])
    for name, gradient in zip(names, gradients, strict=True):
        assert gradient.abs().max() < 1e-8, name


def test_full_covariance_posterior() -> None:
    generator = torch.Generator().manual_seed(7)
    mean, log_std = (
        torch.randn(4, 3, dtype=F64, generator=generator),
        0.3 * torch.randn(4, 3, dtype=F64, generator=generator),
    )
    lower = torch.randn(4, 3, 3, dtype=F64, generator=generator)
    q = FullPosterior(mean, log_std, lower)
    # log det L is the sum of log sigma, whatever stands on and above the diagonal of A.
    assert torch.allclose(torch.linalg.slogdet(q.scale_tril)[1], log_std.sum(-1), atol=1e-13)
    reference = torch.distributions.MultivariateNormal(mean, scale_tril=q.scale_tril)
    z = q.rsample(torch.randn(6, 4, 3, dtype=F64, generator=generator))
    assert torch.allclose(q.log_prob(z), reference.log_prob(z), atol=1e-11)
    prior = torch.distributions.MultivariateNormal(torch.zeros(3, dtype=F64), torch.eye(3, dtype=F64))
    assert torch.allclose(q.kl(), torch.distributions.kl_divergence(reference, prior), atol=1e-11)
    # On a linear model with a correlated posterior the full family is tight where the best diagonal one leaves
    # (sum log Lambda_kk - log det Lambda) / 2.
    model = LinearVAE(3, 2, dtype=F64)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 0.9], [0.5, 0.7], [0.0, 0.3]], dtype=F64))
        x = torch.randn(5, 3, dtype=F64, generator=generator)
        posterior_mean, cov = model.posterior(x)
        chol = torch.linalg.cholesky(cov)
        full = FullPosterior(posterior_mean, chol.diagonal().log().expand(5, 2), chol.expand(5, 2, 2))
        z = full.rsample(torch.randn(3, 5, 2, dtype=F64, generator=generator))
        likelihood = torch.distributions.Normal(z @ model.weight.T + model.bias, (0.5 * model.log_var).exp())
        weights = likelihood.log_prob(x).sum(-1) + standard_normal_log_prob(z) - full.log_prob(z)
        assert torch.allclose(weights, model.log_prob(x).expand_as(weights), atol=1e-11)
        precision = torch.linalg.inv(cov)
        diagonal = DiagonalPosterior(posterior_mean, (-0.5 * precision.diagonal().log()).expand(5, 2))
        gap = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision))
        assert torch.allclose(model.log_prob(x) - model.elbo(x, q=diagonal).total, gap.expand(5), atol=1e-12)


def test_inference_gaps() -> None:
    # One latent, a bent decoder mu(z) = (z, z^2 / 2), sigma = .4: log p - ELBO = approximation + amortisation gap, all on
    # a grid. The encoder is a fixed formula; the best normal law is found by optimising the grid's own bound.
    grid = torch.linspace(-7, 7, 1401, dtype=F64)
    x = torch.tensor([[0.3, 0.2], [-1.2, 0.9], [0.0, 2.2]], dtype=F64)
    centre = torch.stack([grid, grid**2 / 2], -1)
    log_joint = (
        -(x[:, None] - centre).square().sum(-1) / (2 * 0.16) - math.log(2 * math.pi * 0.16)
        + standard_normal_log_prob(grid[:, None])
    )  # fmt: skip
    evidence = log_evidence(log_joint, grid)

    def log_normal(mean: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
        noise = (grid - mean[:, None]) / log_std.exp()[:, None]
        return -0.5 * noise.square() - log_std[:, None] - 0.5 * math.log(2 * math.pi)

    def bound(mean: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
        log_q = log_normal(mean, log_std)
        return torch.trapezoid(log_q.exp() * (log_joint - log_q), grid)

    encoder = (0.9 * x[:, 0], torch.full((3,), math.log(0.5), dtype=F64))
    amortised = bound(*encoder)
    # Half a unit off the encoder's means: at the third point its 0 is a saddle between two equal optima.
    mean, log_std = (encoder[0] + 0.5).requires_grad_(), encoder[1].clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [mean, log_std], max_iter=300, line_search_fn="strong_wolfe", tolerance_change=1e-13
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = -bound(mean, log_std).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    best = bound(mean, log_std).detach()
    approximation, amortisation = evidence - best, best - amortised
    assert bool((approximation > 0).all())
    assert bool((amortisation > 0).all())
    # The approximation gap is the KL to the true posterior, computed on its own; the two gaps make up the whole.
    posterior = grid_posterior(log_joint, grid)
    log_q = log_normal(mean, log_std)
    kl = torch.trapezoid(log_q.exp() * (log_q - posterior.clamp_min(1e-300).log()), grid).detach()
    assert torch.allclose(approximation, kl, atol=1e-9)
    assert torch.allclose(approximation + amortisation, evidence - amortised, atol=1e-12)
    # x = (0, 2.2) has two explanations. One of two equal humps is missed: log 2, and a little for the hump's own shape.
    assert math.log(2) < approximation[2] < math.log(2) + 0.1


def test_squared_error_decoder() -> None:
    generator = torch.Generator().manual_seed(8)
    x = torch.randn(6, 4, dtype=F64, generator=generator)
    q = DiagonalPosterior(
        torch.randn(6, 1, dtype=F64, generator=generator), torch.full((6, 1), -0.7, dtype=F64)
    )
    grid = torch.linspace(-6, 6, 801, dtype=F64)[:, None]
    density = q.log_prob(grid[:, None, :].expand(-1, 6, -1)).exp()

    def error(decoded: torch.Tensor) -> float:
        square = (x - decoded[:, None, :]).square().sum(-1)
        return torch.trapezoid((density * square).sum(-1), grid[:, 0]).item()

    best = optimal_squared_error_decoder(grid, q, x)
    for _ in range(20):  # every smooth change of the decoder makes it worse
        phase, where = torch.rand(2, dtype=F64, generator=generator)
        change = (
            0.3 * torch.sin(5 * where * grid + 6 * phase) * torch.randn(4, dtype=F64, generator=generator)
        )
        assert error(best + change) > error(best)
    shared = DiagonalPosterior(torch.zeros(2, 1, dtype=F64), torch.zeros(2, 1, dtype=F64))
    assert torch.allclose(optimal_squared_error_decoder(grid, shared, x[:2]), x[:2].mean(0).expand(801, 4))
    # Narrow codes: the nearest image is looked up.
    sharp = DiagonalPosterior(torch.tensor([[-1.0], [1.0]], dtype=F64), torch.full((2, 1), -4.0, dtype=F64))
    assert torch.allclose(
        optimal_squared_error_decoder(torch.tensor([[0.8]], dtype=F64), sharp, x[:2])[0], x[1]
    )


def test_linear_autoencoder() -> None:
    x = gaussian_data(80, [3.0, 2.0, 0.7, 0.4], seed=9)
    pca = PCA(x, 2)
    least = pca.eigenvalues[2:].sum().item()
    assert (x - pca.decode(pca.encode(x))).square().sum(-1).mean().item() == pytest.approx(least, rel=1e-12)
    torch.manual_seed(0)
    model = Autoencoder(MLP([4, 2]).double(), MLP([2, 4]).double())
    optimiser = torch.optim.LBFGS(
        model.parameters(), max_iter=1000, line_search_fn="strong_wolfe", tolerance_change=1e-15
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = model.squared_error(x).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert closure().item() == pytest.approx(least, rel=1e-6)
    encoder, decoder = model.encoder.layers[0].weight, model.decoder.layers[0].weight
    projector = pca.components @ pca.components.T
    assert torch.allclose(decoder @ encoder, projector, atol=1e-3)
    mix = (
        encoder @ pca.components
    )  # the encoder is U^T up to an invertible 2 x 2 matrix, and that is not the identity
    assert torch.allclose(mix @ pca.components.T, encoder, atol=1e-3)
    assert not torch.allclose(mix, torch.eye(2, dtype=F64), atol=0.1)


def test_denoising_autoencoder() -> None:
    # x ~ N(0, V): the best denoiser is linear, V (V + s^2)^-1; its residual is s^2 times the score of the noised law.
    cov = torch.tensor([[2.0, 0.8], [0.8, 0.5]], dtype=F64)
    s2 = 0.3
    # Data and noise with exactly these joint moments: the least-squares fit is then exact, not Monte Carlo.
    generator = torch.Generator().manual_seed(10)
    raw = torch.randn(200, 4, dtype=F64, generator=generator)
    raw = raw - raw.mean(0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(raw.T @ raw / 200), raw.T, upper=False).T
    x = white[:, :2] @ torch.linalg.cholesky(cov).T
    noisy = x + math.sqrt(s2) * white[:, 2:]
    torch.manual_seed(1)
    model = Autoencoder(
        MLP([2, 2]).double(), MLP([2, 2]).double()
    )  # as many codes as inputs: overcomplete for PCA
    optimiser = torch.optim.LBFGS(
        model.parameters(), max_iter=1000, line_search_fn="strong_wolfe", tolerance_change=1e-15
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = model.denoising_error(x, noisy).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    points = torch.randn(50, 2, dtype=F64, generator=generator)
    score = -points @ torch.linalg.inv(cov + s2 * torch.eye(2, dtype=F64))
    with torch.no_grad():
        assert torch.allclose(model(points) - points, s2 * score, atol=1e-4)
    # Without noise the same net can learn to copy: residual 0, no score.
    assert model.denoising_error(x, x).shape == (200,)


def test_latent_interpolation() -> None:
    generator = torch.Generator().manual_seed(11)
    a, b = torch.randn(2, 4000, 64, dtype=F64, generator=generator)
    half = torch.tensor([0.5], dtype=F64)
    # E|a + b|^2 / 4 = k / 2: the straight midpoint has 1/sqrt 2 of the root mean square, within 4 standard errors.
    ratio = lerp(a, b, half)[0].square().sum(-1) / 64
    assert abs(ratio.mean() - 0.5) < 4 * ratio.std() / math.sqrt(4000)
    ends = torch.tensor([0.0, 1.0], dtype=F64)
    for path in (lerp, slerp):
        assert torch.allclose(path(a, b, ends), torch.stack([a, b]), atol=1e-12)
    # slerp keeps the length of unit vectors at every fraction, and moves at constant angular speed.
    ua, ub = a / a.norm(dim=-1, keepdim=True), b / b.norm(dim=-1, keepdim=True)
    path = slerp(ua, ub, torch.linspace(0, 1, 5, dtype=F64))
    assert torch.allclose(path.norm(dim=-1), torch.ones(5, 4000, dtype=F64), atol=1e-12)
    steps = (path[1:] * path[:-1]).sum(-1).clamp(-1, 1).acos()
    assert torch.allclose(steps, steps[:1].expand_as(steps), atol=1e-7)
    assert torch.allclose(slerp(ua, ua, half)[0], ua, atol=1e-12)  # equal ends: no division by zero
    # Between raw draws the middle has length (|a| + |b|) / 2: mean square 1/2 + (E|a|)^2 / 2k of a draw's.
    mean_length = math.exp(math.lgamma(32.5) - math.lgamma(32)) * math.sqrt(2)
    squares = slerp(a, b, half)[0].square().sum(-1) / 64
    expected = 0.5 + mean_length**2 / 128
    assert abs(squares.mean() - expected) < 4 * squares.std() / math.sqrt(4000)


def test_latent_arithmetic() -> None:
    # Two attributes of equal prevalence 1/2 and correlation rho, x = signs: exact tables of counts, no sampling.
    for rho in (0.0, 0.5, 0.8):
        same, different = round(100 * (1 + rho) / 4 * 10), round(100 * (1 - rho) / 4 * 10)
        table = [(1, 1, same), (-1, -1, same), (1, -1, different), (-1, 1, different)]
        signs = torch.cat([torch.tensor([[float(p), float(q)]], dtype=F64).expand(n, 2) for p, q, n in table])
        mix = torch.tensor([[1.0, 0.3], [-0.2, 0.8], [0.5, 0.5]], dtype=F64)
        codes = signs @ mix.T
        move = attribute_vector(codes, signs[:, 0] > 0)
        moved = torch.linalg.lstsq(mix, move[:, None]).solution[:, 0]
        assert moved[0].item() == pytest.approx(2.0, abs=1e-12)  # its own attribute, from -1 to +1
        assert moved[1].item() == pytest.approx(2.0 * rho, abs=1e-12)  # and the other by the factor rho


def test_linear_probe() -> None:
    from sklearn.linear_model import LogisticRegression

    train, test = (digits(s) for s in ("train", "test"))
    x, x_test = (d.images.flatten(1).to(F64) / 16 for d in (train, test))
    ours = linear_probe(x, train.labels, x_test, test.labels, ridge=1e-2)
    centre = x.mean(0)
    scale = (x - centre).square().mean().sqrt()
    reference = LogisticRegression(C=1 / (1e-2 * len(x)), max_iter=2000, tol=1e-8).fit(
        ((x - centre) / scale).numpy(), train.labels
    )
    theirs = reference.score(((x_test - centre) / scale).numpy(), test.labels.numpy())
    assert ours == pytest.approx(theirs, abs=3 / 447)
    # A rotation of the codes is undone by a linear classifier up to the penalty; random labels are not learnt.
    few = PCA(x, 16)
    assert linear_probe(few.encode(x), train.labels, few.encode(x_test), test.labels) > 0.85
    shuffled = train.labels[torch.randperm(1000, generator=torch.Generator().manual_seed(12))]
    assert linear_probe(x, shuffled, x_test, test.labels) < 0.25


def test_code_log_ratio_finds_holes() -> None:
    q = DiagonalPosterior(torch.tensor([[-2.0], [2.0]], dtype=F64), torch.full((2, 1), -1.5, dtype=F64))
    hole, code = code_log_ratio(q, samples=torch.tensor([[0.0], [2.0]], dtype=F64))
    assert hole < -10 < 0 < code


@pytest.mark.bad_input
def test_bad_input() -> None:
    q = DiagonalPosterior(torch.zeros(3, 2), torch.zeros(3, 2))
    half = torch.full((2,), 0.5)
    with pytest.raises(ValueError, match="encoder must have shape"):
        split_rate(half, torch.zeros(3, 2), half)
    with pytest.raises(ValueError, match="q must hold a batch"):
        aggregated_posterior(DiagonalPosterior(torch.zeros(2), torch.zeros(2)))
    with pytest.raises(ValueError, match="noise"):
        estimate_rate_split(q, torch.zeros(4, 3, 3))
    with pytest.raises(ValueError, match="samples"):
        code_log_ratio(q, samples=torch.zeros(4, 3))
    with pytest.raises(ValueError, match="noise"):
        FullPosterior(torch.zeros(2), torch.zeros(2), torch.zeros(2, 2)).rsample(torch.zeros(3))
    with pytest.raises(ValueError, match="x must end"):
        optimal_squared_error_decoder(torch.zeros(1, 2), q, torch.zeros(4, 5))
    with pytest.raises(ValueError, match="b must end"):
        slerp(torch.zeros(2), torch.zeros(3), half)
    with pytest.raises(TypeError, match="has must be a bool"):
        attribute_vector(torch.zeros(3, 2), torch.tensor([1, 1, 0]))
    with pytest.raises(ValueError, match="noise must have shape"):
        estimate_rate_split(q, torch.zeros(0, 3, 2))
    with pytest.raises(ValueError, match="encoder must be positive"):
        split_rate(half, torch.tensor([[1.0, 0.0], [0.5, 0.5]]), half)
    with pytest.raises(ValueError, match="has must be true"):
        attribute_vector(torch.zeros(3, 2), torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="ridge"):
        linear_probe(
            torch.zeros(2, 1), torch.zeros(2).long(), torch.zeros(2, 1), torch.zeros(2).long(), ridge=0.0
        )
    with pytest.raises(ValueError, match="k must be at most"):
        PCA(torch.randn(5, 2), 3)
    with pytest.raises(ValueError, match="x must be a matrix"):
        PCA(torch.randn(5), 1)
    with pytest.raises(ValueError, match="corrupted"):
        Autoencoder(MLP([2, 1]), MLP([1, 2])).denoising_error(torch.zeros(3, 2), torch.zeros(3, 3))
    zero = torch.zeros(1, 2)
    with pytest.raises(ValueError, match="decoder_var"):
        single_sample_elbo(zero, zero, decoder_mean=zero, decoder_var=0.0, q_mean=zero, q_log_std=zero)
