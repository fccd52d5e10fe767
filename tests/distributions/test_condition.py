"""Marginal and conditional laws of mixtures, and why a conditional law is not a regression."""

from __future__ import annotations

import math

import pytest
import torch

from gmlib.distributions import Gaussian, GaussianMixture, two_branches

F64 = torch.float64


def mixture(kind: str, K: int = 3, d: int = 4, batch: tuple[int, ...] = ()) -> GaussianMixture:
    g = torch.Generator().manual_seed(4)
    means = torch.randn(*batch, K, d, generator=g, dtype=F64)
    weights = torch.rand(*batch, K, generator=g, dtype=F64) + 0.2
    if kind == "full":
        a = torch.randn(*batch, K, d, d, generator=g, dtype=F64)
        return GaussianMixture(means, weights=weights, cov=a @ a.mT / d + 0.3 * torch.eye(d, dtype=F64))
    if kind == "shared":
        a = torch.randn(d, d, generator=g, dtype=F64)
        return GaussianMixture(means, weights=weights, cov=a @ a.mT / d + 0.3 * torch.eye(d, dtype=F64))
    shape = {"isotropic": (K,), "diagonal": (*batch, K, d)}[kind]
    return GaussianMixture(means, weights=weights, var=torch.rand(shape, generator=g, dtype=F64) + 0.3)


@pytest.mark.parametrize("kind", ["full", "shared", "diagonal", "isotropic"])
@pytest.mark.parametrize("index", [1, (2, 0), [-1], (3, 1, 0)])
def test_joint_is_marginal_times_conditional(kind: str, index: int | list[int] | tuple[int, ...]) -> None:
    law = mixture(kind)
    known = [i % 4 for i in ([index] if isinstance(index, int) else index)]
    rest = [i for i in range(4) if i not in known]
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(5), dtype=F64)
    given = law.condition(index, x[:, known])
    assert given.batch_shape == (6,)
    assert given.event_shape == (len(rest),)
    product = law.marginal(index).log_prob(x[:, known]) + given.log_prob(x[:, rest])
    torch.testing.assert_close(product, law.log_prob(x), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(law.marginal(index).mean, law.mean[known])
    torch.testing.assert_close(law.marginal(index).covariance, law.covariance[known][:, known])


def test_one_component_is_the_conditional_normal_law() -> None:
    g = torch.Generator().manual_seed(6)
    a = torch.randn(5, 5, generator=g, dtype=F64)
    cov, mean = a @ a.T + torch.eye(5, dtype=F64), torch.randn(5, generator=g, dtype=F64)
    law = GaussianMixture(mean[None], cov=cov)
    known, rest, value = [3, 0], [1, 2, 4], torch.tensor([0.7, -1.2], dtype=F64)
    given = law.condition(known, value)
    solved = torch.linalg.solve(cov[known][:, known], cov[known][:, rest]).T
    torch.testing.assert_close(given.mean, mean[rest] + solved @ (value - mean[known]))
    torch.testing.assert_close(given.covariance, cov[rest][:, rest] - solved @ cov[known][:, rest])
    torch.testing.assert_close(given.weights, torch.ones(1, dtype=F64))


def test_batches_of_laws_and_of_values() -> None:
    law = mixture("full", batch=(5,))
    value = torch.randn(7, 5, 2, generator=torch.Generator().manual_seed(7), dtype=F64)
    given = law.condition((0, 2), value)
    assert given.batch_shape == (7, 5)
    one = GaussianMixture(law.means[3], weights=law.weights[3], cov=law.covariances[3])
    for got, want in (
        (given.mean[4, 3], one.condition((0, 2), value[4, 3]).mean),
        (given.covariance[4, 3], one.condition((0, 2), value[4, 3]).covariance),
    ):
        torch.testing.assert_close(got, want)
    assert given.sample((2,), generator=torch.Generator().manual_seed(0)).shape == (2, 7, 5, 2)


def test_samples_of_the_joint_near_a_value_have_the_conditional_moments(generator: torch.Generator) -> None:
    """Rejection: of 400,000 draws those with the first coordinate in a window of .02, mean within five standard errors."""
    law = mixture("full", d=2)
    x = law.sample((400_000,), generator=generator)
    near = x[(x[:, 0] - 0.4).abs() < 0.01, 1]
    given = law.condition(0, torch.tensor([0.4], dtype=F64))
    assert len(near) > 500
    assert abs(near.mean() - given.mean[0]) < 5 * (given.variance[0] / len(near)).sqrt()
    # The variance of a variance is at most its square times (kurtosis - 1) / n; 10 is generous for this mixture.
    assert abs(near.var() - given.variance[0]) < 5 * given.variance[0] * math.sqrt(10 / len(near))


def test_gradient_reaches_the_value() -> None:
    """d/dx_o log p(x_o) by autograd through the weights and means: the conditional law is differentiable."""
    law = mixture("full")
    value = torch.zeros(2, dtype=F64, requires_grad=True)
    mean = law.condition((0, 1), value).mean[0]
    (slope,) = torch.autograd.grad(mean, value)
    step = torch.tensor([1e-6, 0.0], dtype=F64)
    with torch.no_grad():
        ends = [law.condition((0, 1), value + s * step).mean[0] for s in (1, -1)]
    assert slope[0].item() == pytest.approx(((ends[0] - ends[1]) / 2e-6).item(), abs=1e-7)


def test_conditional_vs_regression(generator: torch.Generator) -> None:
    """x = +-sqrt(c) + noise: least squares says 0, where the density is about 0; the law says both, half the mass each."""
    law = two_branches(dtype=F64)
    joint = law.sample((20_000,), generator=generator)
    c, x = joint[:, 0], joint[:, 1]
    design = torch.stack([c**k for k in range(4)], -1)
    fit = torch.linalg.lstsq(design, x[:, None]).solution[:, 0]
    at = torch.tensor([0.5, 1.0, 1.5], dtype=F64)
    powers = torch.stack([at**k for k in range(4)], -1)
    # Least squares finds 0 within five standard errors of its prediction (residual variance about c, at most 2.1).
    spread = (2.1 * powers @ torch.linalg.inv(design.T @ design) @ powers.T).diagonal().sqrt()
    assert bool(((powers @ fit).abs() < 5 * spread).all())
    assert bool((spread < 0.03).all())
    given = law.condition(0, at[:, None])
    assert bool((given.mean.abs() < 1e-12).all())  # exactly what it estimates
    assert bool((given.log_prob(torch.zeros(3, 1, dtype=F64)) < -20).all())  # and hardly anything is there
    # By a grid: each branch has mass 1/2, its mean and spread are those of the formula.
    grid = torch.linspace(-3, 3, 6001, dtype=F64)
    dens = given.log_prob(grid[:, None, None]).exp()
    upper = grid > 0
    torch.testing.assert_close(
        torch.trapezoid(dens * upper[:, None], grid, dim=0),
        torch.full((3,), 0.5, dtype=F64), rtol=0, atol=1e-6,
    )  # fmt: skip
    centre = 2 * torch.trapezoid(dens * (grid * upper)[:, None], grid, dim=0)
    torch.testing.assert_close(centre, at.sqrt(), rtol=0, atol=2e-3)
    # And it is the joint over the marginal, the latter summed over the same grid.
    points = torch.stack(torch.broadcast_tensors(at, grid[:, None]), -1)
    joint_dens = law.log_prob(points).exp()
    torch.testing.assert_close(
        dens, joint_dens / torch.trapezoid(joint_dens, grid, dim=0), rtol=1e-8, atol=1e-12
    )


def test_the_cause_of_the_branches_is_about_uniform() -> None:
    law = two_branches(dtype=F64)
    c = torch.linspace(0.3, 1.9, 161, dtype=F64)
    dens = law.marginal(0).log_prob(c[:, None]).exp()
    torch.testing.assert_close(dens, torch.full_like(dens, 1 / 1.8), rtol=0.02, atol=0)
    assert law.mean[1].abs() < 1e-14


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    law = mixture("full").to("cuda")
    given = law.condition((0, 1), torch.zeros(6, 2, dtype=F64, device="cuda"))
    torch.testing.assert_close(
        given.mean.cpu(), mixture("full").condition((0, 1), torch.zeros(6, 2, dtype=F64)).mean
    )


LAW = GaussianMixture(torch.zeros(3, 2), var=1.0)
V = torch.zeros(1)


def test_the_narrowest_branches_are_right() -> None:
    law, truth = two_branches(1e-5), two_branches(1e-5, dtype=F64)
    c = torch.linspace(0.3, 1.9, 50)[:, None]
    x = truth.condition(0, c.double()).sample(generator=torch.Generator().manual_seed(0))
    error = law.condition(0, c).log_prob(x.float()) - truth.condition(0, c.double()).log_prob(
        x.float().double()
    )
    assert error.abs().median() < 0.02
    assert two_branches(1e-6, dtype=F64).condition(0, c.double()).log_prob(x).isfinite().all()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: LAW.condition(2, V), ValueError, "index must name coordinates from 0 to 1"),
        (lambda: LAW.condition((0, 0), V), ValueError, "index must not name a coordinate twice"),
        (lambda: LAW.condition((0, -2), V), ValueError, "index must not name a coordinate twice"),
        (lambda: LAW.condition((0, 1), torch.zeros(2)), ValueError, "index must leave a coordinate"),
        (lambda: LAW.condition((), V), TypeError, "index must be an int or a non-empty sequence"),
        (lambda: LAW.condition(0.5, V), TypeError, "index must be an int"),  # type: ignore[arg-type]
        (lambda: LAW.condition(True, V), TypeError, "index must be an int"),
        (lambda: LAW.condition(0, torch.zeros(4, 2)), ValueError, "value must end in the event shape"),
        (lambda: LAW.condition(0, torch.zeros(4, 1, dtype=torch.int64)), TypeError, "value must have a floating"),
        (lambda: LAW.condition(0, torch.zeros(4, 1, device="meta")), ValueError, "value must be on the law's"),
        (lambda: LAW.marginal("0"), TypeError, "index must be an int"),  # type: ignore[arg-type]
        (lambda: LAW.marginal(-3), ValueError, "index must name coordinates"),
        (lambda: two_branches(0.0), ValueError, "noise must be"),
        (lambda: two_branches(1e-6), ValueError, "noise must be larger in torch.float32, got 1e-06"),
        (lambda: two_branches(1e-12, dtype=F64), ValueError, "noise must be larger in torch.float64"),
        (lambda: two_branches(n_components=3), ValueError, "n_components must be even"),
    ],
)  # fmt: skip
def test_bad_input(call, error, match) -> None:
    with pytest.raises(error, match=match):
        call()


def test_a_gaussian_is_a_mixture_of_one() -> None:
    """How to condition a `Gaussian`: as the mixture of one component that it is."""
    law = Gaussian(torch.tensor([1.0, 2.0], dtype=F64), cov=torch.tensor([[2.0, 0.6], [0.6, 1.0]], dtype=F64))
    one = GaussianMixture(law.mean[None], cov=law.covariance)
    given = one.condition(0, torch.tensor([3.0], dtype=F64))
    assert given.mean.item() == pytest.approx(2 + 0.3 * 2)
    assert given.variance.item() == pytest.approx(1 - 0.18)
