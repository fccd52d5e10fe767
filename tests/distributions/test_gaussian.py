"""What only the normal law has: entropy, reparameterised samples, batches of parameters."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import MultivariateNormal
from torch.profiler import ProfilerActivity, profile

from gmlib.distributions import Gaussian, base
from gmlib.distributions._covariance import Full

F64 = torch.float64


def test_gaussian_noising_oracle() -> None:
    """Oracle O1: N(m, v) at (alpha, sigma) is N(alpha m, V), V = alpha² v + sigma²; posterior variance v sigma²/V."""
    m, v, alpha, sigma, x = 1.5, 0.25, 0.6, 0.8, 2.0
    V = alpha**2 * v + sigma**2
    law = Gaussian(torch.tensor([m], dtype=F64), var=v)
    noised, point = law.noised(alpha, sigma), torch.tensor([x], dtype=F64)
    assert noised.mean.item() == pytest.approx(alpha * m, abs=1e-12)
    assert noised.variance.item() == pytest.approx(V, abs=1e-12)
    assert noised.score(point).item() == pytest.approx(-(x - alpha * m) / V, abs=1e-12)
    denoised = m + alpha * v * (x - alpha * m) / V
    assert law.posterior_mean(point, alpha, sigma).item() == pytest.approx(denoised, abs=1e-12)
    assert law.posterior(point, alpha, sigma).variance.item() == pytest.approx(v * sigma**2 / V, abs=1e-12)


def test_second_argument_is_a_variance() -> None:
    law = Gaussian(torch.zeros(1, dtype=F64), var=4.0)
    assert law.log_prob(torch.zeros(1, dtype=F64)).item() == pytest.approx(-0.5 * math.log(2 * math.pi * 4))


def test_entropy_agrees_with_torch() -> None:
    cov = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=F64)
    mean = torch.zeros(2, dtype=F64)
    assert Gaussian(mean, cov=cov).entropy().item() == pytest.approx(
        MultivariateNormal(mean, cov).entropy().item()
    )
    assert Gaussian(mean, var=4.0).entropy().item() == pytest.approx(2.837877066 + math.log(4), abs=1e-9)


def test_rsample_has_gradients() -> None:
    mean = torch.zeros(2, dtype=F64, requires_grad=True)
    cov = torch.eye(2, dtype=F64).requires_grad_()
    x = Gaussian(mean, cov=cov).rsample((10,), generator=torch.Generator().manual_seed(0))
    x.square().sum().backward()
    assert mean.grad is not None
    torch.testing.assert_close(mean.grad, 2 * x.detach().sum(0))
    assert cov.grad is not None


@pytest.mark.parametrize("kind", ["isotropic", "diagonal", "full"])
def test_batch_of_laws(kind: str) -> None:
    g = torch.Generator().manual_seed(0)
    mean = torch.randn(4, 2, generator=g, dtype=F64)
    var = torch.rand(4, 1 if kind == "isotropic" else 2, generator=g, dtype=F64) + 0.1
    law = Gaussian(mean, cov=torch.diag_embed(var)) if kind == "full" else Gaussian(mean, var=var)
    x = torch.randn(7, 4, 2, generator=g, dtype=F64)
    assert law.batch_shape == (4,)
    assert law.sample((3,), generator=g).shape == (3, 4, 2)
    assert law.entropy().shape == (4,)
    for i in range(4):
        one = Gaussian(mean[i], var=var[i])
        torch.testing.assert_close(law.log_prob(x)[:, i], one.log_prob(x[:, i]))
        torch.testing.assert_close(law.score(x)[:, i], one.score(x[:, i]))
        torch.testing.assert_close(
            law.posterior_mean(x, 0.3, 0.4)[:, i], one.posterior_mean(x[:, i], 0.3, 0.4)
        )


def _factors(*lead: int) -> Full:
    root = torch.randn(*lead, 3, 3, generator=torch.Generator().manual_seed(1), dtype=F64)
    return Full.of(root @ root.mT + 0.5 * torch.eye(3, dtype=F64))


SHAPES = [
    ((), ()),
    ((), (5,)),
    ((), (0,)),
    ((4,), (4,)),
    ((4,), ()),
    ((4,), (6, 4)),
    ((4,), (6, 1)),
    ((4,), (0, 4)),
    ((1,), (5,)),
    ((4, 2), (6, 1, 2)),
    ((4, 1), (5,)),
]


@pytest.mark.parametrize(("lead", "batch"), SHAPES)
def test_full_covariance_acts_on_points_of_any_batch(lead: tuple[int, ...], batch: tuple[int, ...]) -> None:
    """Against one matrix product a point with the inverse, where points and matrices broadcast either way."""
    law = _factors(*lead)
    y = torch.randn(*batch, 3, generator=torch.Generator().manual_seed(2), dtype=F64)
    one_by_one = {
        "whiten": torch.linalg.inv(law.chol),
        "solve": torch.linalg.inv(law.cov),
        "apply": law.cov,
        "root": law.chol,
    }
    for name, matrix in one_by_one.items():
        torch.testing.assert_close(getattr(law, name)(y), (matrix @ y.unsqueeze(-1)).squeeze(-1), msg=name)


def test_the_quadratic_form_has_the_gradients_of_its_parts() -> None:
    cov, y = _factors(2).cov.requires_grad_(), torch.ones(4, 2, 3, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c, y: Full.of((c + c.mT) / 2).quadratic(y), (cov, y))
    assert torch.autograd.gradcheck(lambda c, y: Full.of((c + c.mT) / 2).solve(y), (cov, y))


def test_points_that_share_a_matrix_get_no_copies_of_it() -> None:
    d, n = 30, 200
    law, x = Gaussian(torch.zeros(d, dtype=F64), cov=torch.eye(d, dtype=F64)), torch.ones(n, d, dtype=F64)
    for act in (
        law.log_prob,
        law.score,
        lambda x: law.posterior_mean(x, 0.6, 0.8),
        lambda _: law.rsample((n,)),
    ):
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            act(x)
        bytes_at_once = max(event.self_cpu_memory_usage for event in seen.events() or [])
        assert 8 * n * d <= bytes_at_once <= 3 * 8 * n * d  # a copy a point would be 8 n d d


def test_the_denoiser_factors_a_shared_matrix_once(monkeypatch: pytest.MonkeyPatch) -> None:
    law, factored = Gaussian(torch.zeros(30, dtype=F64), cov=torch.eye(30, dtype=F64)), []
    x = torch.ones(50, 30, dtype=F64)
    whole = law.posterior_mean(x, 0.6, torch.full((50,), 0.8, dtype=F64))
    monkeypatch.setattr(base, "CHUNK", 50 * 30)
    of = Full.of
    monkeypatch.setattr(Full, "of", lambda cov: factored.append(cov) or of(cov))
    torch.testing.assert_close(law.posterior_mean(x, 0.6, 0.8), whole)
    assert len(factored) == 1
    # A noise level a point is a matrix a point, 30 x 30: one at a time then.
    torch.testing.assert_close(law.posterior_mean(x, 0.6, torch.full((50,), 0.8, dtype=F64)), whole)
    assert len(factored) == 51
