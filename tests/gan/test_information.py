"""Mutual information of correlated normal variables by the bound: value and variance against exact integrals."""

import math

import pytest
import torch

from gmlib.gan import CorrelatedGaussians, information_bound

F64 = torch.float64


@pytest.mark.parametrize("rho", [0.5, -0.8])
def test_mutual_information(rho: float) -> None:
    # On a grid of the plane: the ratio's expectations, the information and both parts of the variance.
    law = CorrelatedGaussians(rho)
    axis = torch.linspace(-30, 30, 1201, dtype=F64)
    x, y = torch.meshgrid(axis, axis, indexing="ij")
    cell = (axis[1] - axis[0]).item() ** 2
    log_q = -(x * x + y * y) / 2 - math.log(2 * math.pi)
    log_r = law.log_ratio(x[..., None], y[..., None])
    q, p = log_q.exp(), (log_q + log_r).exp()
    precision = torch.linalg.inv(torch.tensor([[1.0, rho], [rho, 1.0]], dtype=F64))
    quadratic = precision[0, 0] * x * x + 2 * precision[0, 1] * x * y + precision[1, 1] * y * y
    joint = (-quadratic / 2).exp() * precision.det().sqrt() / (2 * math.pi)
    assert torch.allclose(p, joint, atol=1e-14)
    information = (p * log_r).sum().item() * cell
    assert information == pytest.approx(-0.5 * math.log(1 - rho * rho), abs=1e-9)
    assert law.information == pytest.approx(information, abs=1e-9)
    spread = (p * (log_r - information) ** 2).sum().item() * cell
    assert spread == pytest.approx(rho * rho, abs=1e-9)
    chi2 = ((2 * log_r + log_q).exp() - 2 * p + q).sum().item() * cell
    assert law.bound_variance(100) == pytest.approx((spread + chi2) / 100, rel=1e-6)


def test_bound_on_samples() -> None:
    # n = 20,000, rho = .5, d = 3: within 5 exact standard errors at the best critic; below at another.
    law, n, generator = CorrelatedGaussians(0.5, 3), 20_000, torch.Generator().manual_seed(0)
    x, y = law.sample(n, generator=generator)
    u, v = law.sample(n, joint=False, generator=generator)
    terms = information_bound(1 + law.log_ratio(x, y), 1 + law.log_ratio(u, v))
    assert terms.total.item() == pytest.approx(law.information, abs=5 * math.sqrt(law.bound_variance(n)))
    assert (x * y).mean().item() == pytest.approx(0.5, abs=5 * math.sqrt(1.25 / (3 * n)))
    assert (u * v).mean().item() == pytest.approx(0.0, abs=5 * math.sqrt(1.0 / (3 * n)))
    other = CorrelatedGaussians(0.3, 3)
    weaker = information_bound(1 + other.log_ratio(x, y), 1 + other.log_ratio(u, v))
    assert weaker.total < terms.total


def test_many_nats_need_exponentially_many_pairs() -> None:
    # Doubling d doubles I and squares e^{2I}; shuffled pairs stand for independent ones.
    one, ten = CorrelatedGaussians(0.9), CorrelatedGaussians(0.9, 10)
    assert ten.information == pytest.approx(10 * one.information, rel=1e-12)
    assert ten.information == pytest.approx(8.3037, abs=1e-4)
    expected = (10 * 0.81 + (1 / 0.19) ** 10 - 1) / 10_000
    assert ten.bound_variance(10_000) == pytest.approx(expected, rel=1e-9)
    assert math.sqrt(ten.bound_variance(10_000)) > 4 * ten.information
    # The variance over 4,000 repeats of n = 100 within 6 standard errors, at rho = .3, where r has four moments.
    law, generator = CorrelatedGaussians(0.3), torch.Generator().manual_seed(1)
    x, y = law.sample(400_000, generator=generator)
    u, v = law.sample(400_000, joint=False, generator=generator)
    parts = (1 + law.log_ratio(x, y)).reshape(4000, 100), law.log_ratio(u, v).exp().reshape(4000, 100)
    estimates = parts[0].mean(1) - parts[1].mean(1)
    squares = (estimates - estimates.mean()).square()
    error = squares.std().item() / math.sqrt(4000)
    assert squares.mean().item() == pytest.approx(law.bound_variance(100), abs=6 * error)


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="rho must be a finite number in \\(-1, 1\\)"):
        CorrelatedGaussians(1.0)
    with pytest.raises(ValueError, match="dim must be at least 1"):
        CorrelatedGaussians(0.5, 0)
    law = CorrelatedGaussians(0.5, 2)
    with pytest.raises(ValueError, match="x must end in the event shape \\(2,\\)"):
        law.log_ratio(torch.zeros(4, 1), torch.zeros(4, 2))
    with pytest.raises(ValueError, match="y must have the shape"):
        law.log_ratio(torch.zeros(4, 2), torch.zeros(3, 2))
    with pytest.raises(ValueError, match="n must be at least 1"):
        law.sample(0)
    with pytest.raises(TypeError, match="n must be an int"):
        law.bound_variance(10.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="c_fake must have shape"):
        information_bound(torch.zeros(3), torch.zeros(3, 1))
