"""The table of families, measured: densities by their integral, samplers by their network calls."""

from __future__ import annotations

import functools
import math

import pytest
import torch
from torch import Tensor, nn

from gmlib.classical import KernelDensity, e_step, m_step
from gmlib.distributions import Gaussian, GaussianMixture, moment_projection, two_moons
from gmlib.metrics import Abilities, ModelInterface, measure_abilities
from gmlib.nn import MLP
from gmlib.vae import VAE, GaussianLikelihood, LinearVAE, log_evidence

F64 = torch.float64
ENTROPY = 1.0076  # of two moons at noise .1, nats, by quadrature


@functools.cache
def moons() -> tuple[GaussianMixture, Tensor]:
    law = two_moons(0.1, dtype=F64)
    return law, law.sample((1_000,), generator=torch.Generator().manual_seed(1))


def measure(model: ModelInterface | torch.distributions.Distribution, **settings) -> Abilities:
    settings = {"points": 120, **settings}
    return measure_abilities(model, moons()[0], generator=torch.Generator().manual_seed(2), **settings)


def fitted_mixture(x: Tensor, K: int) -> GaussianMixture:
    law = GaussianMixture(x[:K].clone(), var=0.1)
    for _ in range(25):
        law = m_step(x, e_step(law, x))
    return law


def trained_vae(x: Tensor) -> VAE:
    torch.manual_seed(0)
    model = VAE(MLP([2, 32, 2]), MLP([1, 32, 2]), GaussianLikelihood(0.03), latent_dim=1).double()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(300):
        loss = -model.elbo(x, torch.randn(1, len(x), 1, dtype=F64)).total.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model


def vae_interface(model: VAE) -> ModelInterface:
    # Midpoints of equal probability, scaled to variance 1, in place of draws: the bound itself, up to the rule's error.
    noise = torch.special.ndtri((torch.arange(32, dtype=F64) + 0.5) / 32)
    noise = noise / noise.square().mean().sqrt()

    def bound(x: Tensor) -> Tensor:
        return model.elbo(x, noise[:, None, None].expand(-1, len(x), 1)).total

    return ModelInterface(bound, lambda n, g: model.sample(n, generator=g), model.encode, model.decoder)


def vae_truth(model: VAE):
    z = torch.linspace(-8, 8, 321, dtype=F64)
    means = model.likelihood.mean(model.decode(z[:, None])).detach()
    log_prior = -0.5 * z**2 - 0.5 * math.log(2 * math.pi)

    def log_prob(x: Tensor) -> Tensor:
        square = (x[:, None] - means).square().sum(-1)
        log_likelihood = -0.5 * square / 0.03 - math.log(2 * math.pi * 0.03)
        return log_evidence(log_likelihood + log_prior, z)

    return log_prob


def test_model_family_map() -> None:
    """Exact densities integrate to 1, the VAE's bound to less and nowhere above its truth; a sampler alone has none."""
    law, x = moons()
    rows = {
        "normal law": measure(moment_projection(law)),
        "mixture, EM": measure(fitted_mixture(x, 12)),
        "kernel density": measure(KernelDensity(x, 0.08)),
    }
    for row in rows.values():
        assert row.density == "exact"
        assert row.integral == pytest.approx(1.0, abs=2e-3)
        assert (row.calls, row.parallel) == (0, True)
        assert row.log_likelihood is not None
        # No model does better on new data than the law itself: minus its entropy, within four standard errors.
        assert row.log_likelihood.value < -ENTROPY + 4 * row.log_likelihood.standard_error
    assert [row.latents for row in rows.values()] == [False, True, False]
    # The normal law's number is known: -1.9083 nats.
    normal = rows["normal law"].log_likelihood
    assert normal is not None
    assert abs(normal.value + 1.9083) < 4 * normal.standard_error

    vae = trained_vae(x)
    row = measure(vae_interface(vae), truth=vae_truth(vae))
    assert row.density == "bound"
    assert row.integral is not None
    assert 0.3 < row.integral < 0.99
    assert row.excess is not None
    assert row.excess <= 1e-2
    assert (row.calls, row.parallel, row.latents) == (1, True, True)
    # Its own law by quadrature over the latent is a density again, and the bound on new data lies below it.
    exact = measure(ModelInterface(vae_truth(vae)))
    assert exact.density == "exact"
    assert (exact.calls, exact.sample_log_prob) == (None, None)
    assert row.log_likelihood is not None
    assert exact.log_likelihood is not None
    assert row.log_likelihood.value < exact.log_likelihood.value

    # Implicit: samples only.
    row = measure(ModelInterface(sample=lambda n, g: vae.sample(n, generator=g), network=vae.decoder))
    assert (row.density, row.integral, row.log_likelihood, row.calls) == ("absent", None, None, 1)


def test_a_bound_that_is_tight_is_a_density() -> None:
    """A linear VAE: at its optimum the bound is the density, with another encoder it integrates to e^-gap of it."""
    law, x = moons()
    model = LinearVAE.from_ppca(x, 1)
    with torch.no_grad():
        tight = measure(ModelInterface(lambda y: model.elbo(y).total), truth=model.log_prob)
        assert tight.density == "exact"
        assert tight.excess is not None
        assert tight.excess < 1e-10
        model.encoder_log_std += 0.5  # the gap is now KL = e/2 - 1 (in s^2 = e), the same at every point
        loose = measure(ModelInterface(lambda y: model.elbo(y).total), truth=model.log_prob)
    gap = 0.5 * (math.e - 1 - 1)
    assert loose.density == "bound"
    assert loose.integral == pytest.approx(math.exp(-gap), rel=1e-4)
    assert loose.excess == pytest.approx(-gap, abs=1e-9)
    # Something above the model's law is no bound, even if it integrates to less than 1; nor is one that integrates to more.
    shifted = Gaussian(law.mean + 1, var=0.3)
    lies = ModelInterface(lambda y: shifted.log_prob(y) - 0.1)
    assert measure(lies, truth=model.log_prob).density == "neither"
    assert measure(ModelInterface(lambda y: shifted.log_prob(y) + 0.1)).density == "neither"


def test_bounds_of_bounded_support() -> None:
    """Where a bound is -inf it bounds anything, be the truth 0 there too or not; a claim where the truth is 0 is none."""
    law, x = moons()
    truth = KernelDensity(x, 1.5, "boxcar").log_prob
    lower = measure(ModelInterface(lambda y: truth(y) - 0.5), truth=truth)
    assert lower.density == "bound"
    assert lower.excess == pytest.approx(-0.5, abs=1e-12)
    exact = measure(ModelInterface(truth), truth=truth, tolerance=0.02)
    assert (exact.density, exact.excess) == ("exact", 0.0)
    wide = Gaussian(law.mean, var=4.0)
    cut = ModelInterface(lambda y: wide.log_prob(y).masked_fill(y.norm(dim=1) > 3.5, -math.inf))
    assert measure(cut, truth=wide.log_prob).density == "bound"
    beyond = measure(ModelInterface(lambda y: wide.log_prob(y) - 3), truth=truth)
    assert (beyond.density, beyond.excess) == ("neither", math.inf)


class Net(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x


@pytest.mark.parametrize("calls", [1, 2, 50])
def test_network_calls_are_counted(calls: int) -> None:
    """One for a decoder, D = 2 for an autoregressive model, T for diffusion: as many as the sampler makes in a row."""
    net = Net()

    def sample(n: int, generator: torch.Generator | None) -> Tensor:
        x = torch.randn(n, 2, dtype=F64, generator=generator)
        for _ in range(calls):
            x = net(x)
        return x

    row = measure(ModelInterface(sample=sample, network=net))
    assert (row.calls, row.parallel) == (calls, True)
    assert not net._forward_hooks  # nothing stays behind


def test_a_sampler_that_goes_one_by_one_is_found_out() -> None:
    net = Net()

    def sample(n: int, generator: torch.Generator | None) -> Tensor:
        return torch.cat([net(torch.randn(1, 2, dtype=F64, generator=generator)) for _ in range(n)])

    row = measure(ModelInterface(sample=sample, network=net), n=10)
    assert (row.calls, row.parallel) == (1, False)


def test_samples_are_judged_by_the_true_law() -> None:
    law, _ = moons()
    own = measure(law).sample_log_prob
    assert own is not None
    assert abs(own.value + ENTROPY) < 4 * own.standard_error
    other = measure(moment_projection(law)).sample_log_prob
    assert other is not None
    assert other.value < own.value - 3


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("model", "settings", "error", "match"),
    [
        (3, {}, TypeError, "model must be a ModelInterface"),
        (ModelInterface(), {"law": 3}, TypeError, "law must be a Law"),
        (ModelInterface(), {"law": Gaussian(torch.zeros(3), var=1.0)}, ValueError, "law must be over two"),
        (ModelInterface(), {"n": 1}, ValueError, "n must be at least 2"),
        (ModelInterface(), {"reach": 0.0}, ValueError, "reach must be"),
        (ModelInterface(), {"points": 1}, ValueError, "points must be at least 2"),
        (ModelInterface(), {"tolerance": math.nan}, ValueError, "tolerance must be"),
        (ModelInterface(lambda x: x), {}, ValueError, "log_density must give one number a point"),
        (ModelInterface(lambda x: x[:, 0] * math.nan), {}, ValueError, "log_density must lead to finite"),
        (ModelInterface(lambda x: x[:, 0]), {"truth": lambda x: x}, ValueError, "truth must give one number"),
        (ModelInterface(sample=lambda n, g: torch.zeros(n, 3)), {}, ValueError, "sample must give points"),
    ],
)  # fmt: skip
def test_bad_input(model, settings, error, match) -> None:
    settings = {"law": Gaussian(torch.zeros(2), var=1.0), **settings}
    with pytest.raises(error, match=match):
        measure_abilities(model, **settings)
