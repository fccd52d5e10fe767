"""The noised family and its weighted loss against quadrature and the closed form of the normal law."""

import math

import numpy as np
import pytest
import torch

from gmlib.distributions import Gaussian, GaussianMixture, swiss_roll
from gmlib.score import (
    denoising_minimum,
    denoising_score_matching,
    dimension_from_norm,
    dimension_from_trace,
    errors_by_noise_level,
    exact_score,
    local_dimension,
    mlp_score,
    ncsn_loss,
    ncsn_minimum,
    noised_laws,
    sure,
    tweedie_covariance,
    tweedie_mean,
    variance_reduced_dsm,
)

F64 = torch.float64


def two_modes(weight: float) -> GaussianMixture:
    means = torch.tensor([[-5.0], [5.0]], dtype=F64)
    return GaussianMixture(means, weights=torch.tensor([weight, 1 - weight], dtype=F64), var=0.25)


def test_noised_family() -> None:
    # Variances add; means and weights stay. Against the convolution on a grid.
    law, sigmas = two_modes(0.8), torch.tensor([0.1, 2.0, 5.0, 20.0, 4.5], dtype=F64)
    laws, others = noised_laws(law, sigmas), noised_laws(two_modes(0.5), sigmas)
    for q, sigma in zip(laws, sigmas.tolist(), strict=True):
        expected = law.variance + sigma**2
        assert torch.allclose(q.variance, expected, atol=1e-12)
        assert torch.allclose(q.mean, law.mean, atol=1e-12)
    grid = torch.linspace(-9, 9, 3601, dtype=F64)[:, None]
    kernel = Gaussian(torch.zeros(1, dtype=F64), var=4.0)
    x = torch.tensor([[-4.0], [0.3], [6.0]], dtype=F64)
    step = (grid[1] - grid[0]).item()
    convolved = (law.log_prob(grid).exp() * kernel.log_prob(x[:, None] - grid).exp()).sum(-1) * step
    assert torch.allclose(laws[1].log_prob(x).exp(), convolved, rtol=1e-9)

    # What the weights change in the score, sigma^2 E|s - s'|^2 under the .8/.2 law (no half): nothing at
    # sigma = .1, most at 4.5. By quadrature over each law's own range.
    shift = []
    for q, other, sigma in zip(laws, others, sigmas.tolist(), strict=True):
        y = torch.linspace(-6 - 12 * sigma - 6, 6 + 12 * sigma + 6, 40_001, dtype=F64)[:, None]
        delta = (q.score(y) - other.score(y)).square().squeeze(-1)
        shift.append(sigma**2 * torch.trapezoid(q.log_prob(y).exp() * delta, y.squeeze(-1)).item())
    assert shift[0] == pytest.approx(1.24e-22, rel=0.01)
    assert shift[1:] == pytest.approx([0.0289, 0.1218, 0.0204, 0.1243], abs=1e-4)


def test_exact_score_of_a_curve() -> None:
    law = swiss_roll(dtype=F64)
    generator = torch.Generator().manual_seed(0)
    x = law.sample((6,), generator=generator)
    sigma = torch.rand(6, dtype=F64, generator=generator) + 0.1
    each = torch.stack([law.noised(1.0, s).score(p) for p, s in zip(x, sigma.tolist(), strict=True)])
    assert torch.allclose(exact_score(law)(x, sigma), each, rtol=1e-9)
    assert torch.allclose(exact_score(law)(x, sigma[0]), law.noised(1.0, sigma[0].item()).score(x), rtol=1e-9)
    assert torch.equal(exact_score(law)(x, sigma[0].item()), exact_score(law)(x, sigma[0]))


@pytest.mark.parametrize("sigma", [0.01, 0.3, 1.0, 30.0])
def test_ncsn(sigma: float) -> None:
    # On N(0, v) the weighted loss is smallest for s = -x/(v + sigma^2), where it is half v/(v + sigma^2): exact in the
    # second moments of x and noise, which are set to one here, so that no draw is left.
    v, n = 2.5, 4000
    draws = np.linalg.qr(np.random.default_rng(0).normal(size=(n, 2)))[0] * math.sqrt(n)
    x, noise = (torch.from_numpy(draws[:, i : i + 1]) for i in (0, 1))
    x, level = x * v**0.5, torch.tensor(sigma, dtype=F64)

    def loss(slope: float) -> float:
        return ncsn_loss(lambda y, s: -slope * y, x, noise, level).mean().total.item()

    best = 1 / (v + sigma**2)
    minimum = 0.5 * v / (v + sigma**2)
    assert loss(best) == pytest.approx(minimum, rel=1e-9)
    assert loss(1.1 * best) > minimum < loss(0.9 * best)
    law = Gaussian(torch.zeros(1, dtype=F64), var=v)
    assert ncsn_minimum(law, sigma).item() == pytest.approx(minimum, rel=1e-12)
    terms = ncsn_loss(exact_score(law), x, noise, level)
    assert torch.allclose(terms.matching * sigma**2, terms.total, rtol=1e-12)


def test_minimum_of_a_mixture() -> None:
    # d = 2 and unequal axes: half the sum over the eigenvalues. Points of the noised law give the same to
    # 5 standard errors, and for a mixture what the exact score leaves of the loss.
    law = Gaussian(torch.zeros(2, dtype=F64), cov=torch.tensor([[2.0, 1.2], [1.2, 1.0]], dtype=F64))
    generator, n = torch.Generator().manual_seed(0), 100_000
    exact = ncsn_minimum(law, 0.7)
    assert exact.item() == pytest.approx(
        0.5 * sum(e / (e + 0.49) for e in np.linalg.eigvalsh([[2.0, 1.2], [1.2, 1.0]])), rel=1e-12
    )
    noisy = law.noised(1.0, 0.7).sample((n,), generator=generator)
    each = ncsn_minimum(law, 0.7, noisy)
    assert torch.allclose(each, exact, rtol=1e-12)  # a normal law's posterior is as wide everywhere
    square = law.noised(1.0, 0.7).score(noisy).square().sum(-1)
    other = 0.5 * (2 - 0.49 * square)
    assert abs(other.mean().item() - exact.item()) < 5 * other.std().item() * n**-0.5

    roll = swiss_roll(dtype=F64)
    x = roll.sample((5000,), generator=generator)
    noise = torch.randn(5000, 2, dtype=F64, generator=generator)
    sigma = torch.tensor(0.3, dtype=F64)
    loss = ncsn_loss(exact_score(roll), x, noise, sigma).total
    floor = ncsn_minimum(roll, 0.3, x + 0.3 * noise).mean().item()
    assert abs(loss.mean().item() - floor) < 5 * loss.std().item() * 5000**-0.5


def test_loss_takes_any_event_and_any_levels() -> None:
    x, noise = torch.randn(2, 3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.1, 1.0, 5.0])
    terms = ncsn_loss(lambda y, s: -y, x, noise, sigma)
    alone = [ncsn_loss(lambda y, s: -y, x[i : i + 1], noise[i : i + 1], sigma[i]).total for i in range(3)]
    assert torch.allclose(terms.total, torch.cat(alone), rtol=1e-5)


@pytest.mark.parametrize(
    "sigma", [0.5, torch.tensor(0.5), torch.tensor(0.5, dtype=F64), torch.full((4,), 0.5, dtype=F64)]
)
def test_a_level_is_a_number_or_a_tensor_everywhere(sigma) -> None:
    # One reader: with float32 points and a float32 network, every form of one level gives the same, in float32.
    torch.manual_seed(0)
    net = mlp_score(2, [8])
    law = GaussianMixture(torch.tensor([[-1.0, 0.0], [1.0, 2.0]]), var=0.3)
    x, noise = torch.randn(2, 4, 2, generator=torch.Generator().manual_seed(0))

    def plain(x: torch.Tensor) -> torch.Tensor:
        return net(x, 0.5)

    for call in (
        lambda s: net(x, s),
        lambda s: exact_score(law)(x, s),
        lambda s: ncsn_loss(net, x, noise, s).total,
        lambda s: ncsn_loss(exact_score(law), x, noise, s).matching,
        lambda s: ncsn_minimum(law, s, x),
        lambda s: denoising_minimum(law, s, x),
        lambda s: denoising_score_matching(plain, x, noise, s).total,
        lambda s: variance_reduced_dsm(plain, x, noise, s).total,
        lambda s: tweedie_mean(noise, x, s),
        lambda s: tweedie_covariance(plain, x, s),
        lambda s: sure(plain, x, s),
        lambda s: dimension_from_norm(plain, x, s),
        lambda s: dimension_from_trace(plain, x, s),
        lambda s: local_dimension(plain, x, noise.expand(3, 4, 2), s).singular_values,
    ):
        value = call(sigma)
        assert value.dtype == torch.float32
        assert torch.allclose(value, call(0.5), rtol=1e-5, atol=1e-6)
    errors = errors_by_noise_level(net, law, torch.tensor([0.5, 2.0], dtype=F64), x, noise)
    assert errors.error.dtype == torch.float32


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: noised_laws(3, torch.ones(2)), TypeError, "law must be a gmlib Law, got int"),  # type: ignore[arg-type]
        (lambda: noised_laws(two_modes(0.5), [1.0]), TypeError, "sigmas must be a torch.Tensor"),  # type: ignore[arg-type]
        (
            lambda: noised_laws(two_modes(0.5), torch.tensor(1.0)),
            ValueError,
            r"sigmas must have shape \(levels,\)",
        ),
        (
            lambda: noised_laws(two_modes(0.5), torch.tensor([-1.0])),
            ValueError,
            "sigma must be a finite number",
        ),
        (lambda: exact_score("law"), TypeError, "law must be a gmlib Law, got str"),  # type: ignore[arg-type]
        (
            lambda: ncsn_loss(
                exact_score(two_modes(0.5)), torch.zeros(2, 1), torch.zeros(3, 1), torch.tensor(1.0)
            ),
            ValueError,
            r"noise must have the shape \(2, 1\) of x, got \(3, 1\)",
        ),
        (
            lambda: ncsn_loss(
                exact_score(two_modes(0.5)), torch.zeros(2, 1), torch.zeros(2, 1), torch.ones(3)
            ),
            ValueError,
            r"sigma must have shape \(\) or \(2,\)",
        ),
        (
            lambda: ncsn_loss(lambda x, s: x[:, :1], torch.zeros(2, 3), torch.zeros(2, 3), 1.0),
            ValueError,
            r"score\(x\) must have the shape \(2, 3\) of x, got shape \(2, 1\)",
        ),
        (
            lambda: ncsn_loss(lambda x, s: None, torch.zeros(2, 3), torch.zeros(2, 3), 1.0),  # type: ignore[arg-type, return-value]
            TypeError,
            r"score\(x\) must be a torch.Tensor, got NoneType",
        ),
        (
            lambda: ncsn_loss(torch.mul, torch.zeros(0, 3), torch.zeros(0, 3), 1.0),
            ValueError,
            r"x must have shape \(batch, \*event\) with at least one point",
        ),
        (
            lambda: ncsn_loss(torch.mul, torch.zeros(2, 3), torch.zeros(2, 3, dtype=F64), 1.0),
            ValueError,
            "noise must have the dtype torch.float32 of x, got torch.float64",
        ),
        (
            lambda: ncsn_loss(torch.mul, torch.zeros(2, 3), torch.zeros(2, 3, device="meta"), 1.0),
            ValueError,
            "noise must have the device cpu of x, got meta",
        ),
        (
            lambda: ncsn_loss(torch.mul, torch.zeros(2, 3), torch.zeros(2, 3), 0.0),
            ValueError,
            "sigma must be a finite number",
        ),
        (lambda: ncsn_minimum(two_modes(0.5), 1.0), ValueError, "noisy must be given for a GaussianMixture"),
        (
            lambda: ncsn_minimum(two_modes(0.5), 0.0, torch.zeros(1, 1)),
            ValueError,
            "sigma must be a finite number",
        ),
    ],
)
def test_bad_input(call, error, said) -> None:
    with pytest.raises(error, match=said):
        call()
