"""Decoder likelihoods against sums to one, torch's own laws, and their tails."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmlib.vae import Bernoulli, DiscretisedLogistic, GaussianLikelihood

F64 = torch.float64


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([2, 3, 17, 256]), st.integers(1, 4), st.floats(0.1, 8.0))
def test_discretised_logistic_sums_to_one(seed: int, levels: int, components: int, spread: float) -> None:
    law = DiscretisedLogistic(levels, components)
    params = spread * torch.randn(
        1, law.num_params, 1, dtype=F64, generator=torch.Generator().manual_seed(seed)
    )
    every = torch.arange(levels, dtype=F64)[:, None]
    log_mass = law.log_prob(params, every)
    assert torch.allclose(log_mass.exp().sum(), torch.ones((), dtype=F64), atol=1e-12)
    # The mean is the sum over levels of level times mass.
    assert law.mean(params).item() == pytest.approx((log_mass.exp() * every[:, 0]).sum().item(), abs=1e-9)


def test_discretised_logistic_is_cell_integral() -> None:
    # One component, interior level: the difference of two sigmoids, computed the plain way where that is accurate.
    law = DiscretisedLogistic(levels=9, components=1)
    location, log_scale = (
        0.25,
        math.log(0.5),
    )  # in units where the levels run from -1 to 1: half-range is 4 levels
    params = torch.tensor([0.3, location, log_scale], dtype=F64).reshape(1, 3, 1)
    centre, scale = 4 * (1 + location), 4 * 0.5
    edges = (torch.tensor([5.5, 6.5], dtype=F64) - centre) / scale
    plain = torch.sigmoid(edges[1]) - torch.sigmoid(edges[0])
    assert law.log_prob(params, torch.tensor([[6.0]], dtype=F64)).exp().item() == pytest.approx(
        plain.item(), rel=1e-12
    )


def test_discretised_logistic_keeps_digits_far_from_the_data() -> None:
    # float32, a sharp law at one end and the data at the other: the plain difference of sigmoids is exactly 0 here.
    law = DiscretisedLogistic(levels=256, components=1)
    params = torch.tensor([0.0, 1.0, -4.0]).reshape(1, 3, 1).requires_grad_()
    value = law.log_prob(params, torch.tensor([[3.0]]))
    exact = law.log_prob(params.detach().double(), torch.tensor([[3.0]], dtype=F64))
    assert torch.isfinite(value).all()
    assert value.item() == pytest.approx(exact.item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(value.sum(), params)
    assert torch.isfinite(gradient).all()
    assert gradient[0, 1, 0] < 0  # pull the location towards the data


def test_samples_follow_the_law(generator: torch.Generator) -> None:
    # 40 000 draws; every level's frequency within 5 standard errors of its mass.
    n, law = 40_000, DiscretisedLogistic(levels=6, components=2)
    params = torch.tensor([0.5, -0.5, -0.6, 0.7, -1.0, -1.5], dtype=F64).reshape(1, 6, 1)
    mass = law.log_prob(params, torch.arange(6.0, dtype=F64)[:, None]).exp()
    draws = law.sample(params.expand(n, 6, 1), generator=generator)[:, 0]
    for level in range(6):
        error = math.sqrt(mass[level] * (1 - mass[level]) / n)
        assert abs((draws == level).double().mean() - mass[level]) < 5 * error


def test_bernoulli_and_gaussian_agree_with_torch(generator: torch.Generator) -> None:
    params = 3 * torch.randn(4, 5, 1, 7, dtype=F64, generator=generator)
    x = torch.randint(0, 2, (5, 7), generator=generator).double()
    reference = torch.distributions.Bernoulli(logits=params[..., 0, :]).log_prob(x).sum(-1)
    assert torch.allclose(Bernoulli().log_prob(params, x), reference, atol=1e-12)
    normal = torch.distributions.Normal(params[..., 0, :], math.sqrt(0.3)).log_prob(x).sum(-1)
    assert torch.allclose(GaussianLikelihood(0.3).log_prob(params, x), normal, atol=1e-12)
    assert torch.equal(GaussianLikelihood(0.3).mean(params), params[..., 0, :])
    draws = GaussianLikelihood(0.25).sample(torch.zeros(50_000, 1, 1, dtype=F64), generator=generator)
    assert abs(draws.var().item() - 0.25) < 4 * 0.25 * math.sqrt(2 / 50_000)
    assert set(Bernoulli().sample(params, generator=generator).unique().tolist()) == {0.0, 1.0}


def test_standardise_covers_minus_one_to_one() -> None:
    assert DiscretisedLogistic(17).standardise(torch.tensor([[0.0, 8.0, 16.0]])).tolist() == [
        [-1.0, 0.0, 1.0]
    ]
    assert Bernoulli().standardise(torch.tensor([[0.0, 1.0]])).tolist() == [[-1.0, 1.0]]


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="params must have shape"):
        DiscretisedLogistic(17, 2).log_prob(torch.zeros(1, 3, 4), torch.zeros(1, 4))
    with pytest.raises(ValueError, match="x must end in d = 4"):
        Bernoulli().log_prob(torch.zeros(1, 1, 4), torch.zeros(1, 5))
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        Bernoulli().log_prob(torch.zeros(1, 1, 4), torch.zeros(1, 4, dtype=torch.int64))
    with pytest.raises(ValueError, match="levels"):
        DiscretisedLogistic(1)
    with pytest.raises(ValueError, match="components"):
        DiscretisedLogistic(17, 0)
    with pytest.raises(ValueError, match="var"):
        GaussianLikelihood(0.0)
