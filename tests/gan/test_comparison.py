"""A maximised comparison is biased upwards on its own samples: exact for linear critics with a penalty."""

import math

import pytest
import torch

from gmlib.gan import best_linear_critic, comparison, linear_excess, linear_value

F64 = torch.float64


def test_comparison_functional() -> None:
    # 20,000 repeats, d = 3, n fakes and 2n reals of other covariance: mean values on the training samples and on fresh
    # ones within 5 standard errors of truth + b and truth - b; b halves when n doubles.
    repeats, d, ridge = 20_000, 3, 2.0
    mean, spread = torch.tensor([0.5, 0.0, -0.2], dtype=F64), torch.tensor([1.0, 2.0, 0.5], dtype=F64)
    truth = mean.square().sum().item() / (2 * ridge)
    generator = torch.Generator().manual_seed(0)
    excesses = []
    for n in (5, 10, 20):
        real, fresh_real = mean + spread * torch.randn(2, repeats, 2 * n, d, dtype=F64, generator=generator)
        fake, fresh_fake = torch.randn(2, repeats, n, d, dtype=F64, generator=generator)
        w = best_linear_critic(real, fake, ridge=ridge)
        excess = linear_excess(spread.square().diag(), torch.eye(d, dtype=F64), 2 * n, n, ridge=ridge).item()
        train = linear_value(w, real, fake, ridge=ridge)
        test = linear_value(w, fresh_real, fresh_fake, ridge=ridge)
        for value, expected in ((train, truth + excess), (test, truth - excess)):
            error = value.std().item() / math.sqrt(repeats)
            assert value.mean().item() == pytest.approx(expected, abs=5 * error)
            assert abs(expected - truth) > 5 * error  # the excess is seen, not lost in the noise
        assert (
            train >= linear_value(mean.expand(repeats, d) / ridge, real, fake, ridge=ridge)
        ).all()  # a maximum
        excesses.append(excess)
    assert excesses[0] == pytest.approx(2 * excesses[1], rel=1e-12)
    assert excesses[1] == pytest.approx(2 * excesses[2], rel=1e-12)
    assert excesses[0] == pytest.approx((5.25 / 10 + 3 / 5) / 4, rel=1e-12)
    # A critic that was chosen without the sample is unbiased there.
    fixed = linear_value(mean.expand(repeats, d) / ridge, real, fake, ridge=ridge)
    assert fixed.mean().item() == pytest.approx(truth, abs=5 * fixed.std().item() / math.sqrt(repeats))


def test_terms() -> None:
    f, g = torch.tensor([1.0, 2.0, 6.0]), torch.tensor([-1.0, 0.5])
    terms = comparison(f, g)
    assert (terms.real.item(), terms.fake.item(), terms.total.item()) == (3.0, -0.25, 2.75)
    w = torch.tensor([2.0, -1.0])
    real, fake = torch.tensor([[1.0, 1.0], [3.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    value = comparison(real @ w, -(fake @ w)).total - 0.5 * 3.0 * w.square().sum()
    assert linear_value(w, real, fake, ridge=3.0).item() == pytest.approx(value.item())


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(4, 2)
    with pytest.raises(ValueError, match="g_fake must have shape"):
        comparison(torch.zeros(3), x)
    with pytest.raises(ValueError, match="fake must have the batch and the 2 coordinates"):
        best_linear_critic(x, torch.zeros(4, 3))
    with pytest.raises(ValueError, match="real must have shape \\(\\*batch, n, d\\)"):
        best_linear_critic(torch.zeros(0, 2), x)
    with pytest.raises(ValueError, match="ridge must be"):
        best_linear_critic(x, x, ridge=0.0)
    with pytest.raises(ValueError, match="weights must have shape \\(2,\\)"):
        linear_value(torch.zeros(3), x, x)
    with pytest.raises(ValueError, match="cov_fake must be a matrix"):
        linear_excess(torch.eye(2), torch.eye(3), 4, 4)
    with pytest.raises(TypeError, match="n must be an int"):
        linear_excess(torch.eye(2), torch.eye(2), 4.0, 4)  # type: ignore[arg-type]
