"""The ratio from a classifier on N(0, 1) against N(1, 1), where the logit is 1/2 - x."""

import math

import pytest
import torch

from gmlib.distributions import Gaussian, divergences_1d
from gmlib.gan import (
    RatioFit,
    fit_ratio,
    jsd_from_value,
    log_score_value,
    optimal_logit,
    weighted_log_value,
)

F64 = torch.float64
ZERO = torch.zeros(1, dtype=F64)
P, Q = Gaussian(ZERO, var=1.0), Gaussian(ZERO + 1, var=1.0)


def draw(n: int, m: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return P.sample((n,), generator=generator), Q.sample((m,), generator=generator)


def coordinates(fit: RatioFit) -> torch.Tensor:
    return torch.cat([fit.weights, fit.intercept[None]])


def test_density_ratio_classifier() -> None:
    # The truth lies within 4 standard errors of the fit, at equal class sizes and at 4 : 1.
    x = torch.linspace(-3, 4, 15, dtype=F64)[:, None]
    assert torch.allclose(optimal_logit(P, Q, x), 0.5 - x[:, 0], atol=1e-13)
    assert torch.allclose(optimal_logit(P, Q, x, log_prior=math.log(4)), 1.8862944 - x[:, 0], atol=1e-6)
    ratio = torch.sigmoid(optimal_logit(P, Q, x)) / torch.sigmoid(-optimal_logit(P, Q, x))
    assert torch.allclose(ratio, (P.log_prob(x) - Q.log_prob(x)).exp(), rtol=1e-12)  # r = D / (1 - D)
    for n, m in ((20_000, 20_000), (40_000, 10_000)):
        fit = fit_ratio(*draw(n, m))
        truth = torch.tensor([-1.0, 0.5 + math.log(n / m)], dtype=F64)
        assert ((coordinates(fit) - truth).abs() < 4 * fit.standard_errors).all()
        assert (fit.standard_errors < 0.02).all()
        assert torch.allclose(fit.log_ratio(x), fit.logit(x) - math.log(n / m), atol=1e-12)
    # A maximum: residuals are orthogonal to the features.
    real, fake = draw(300, 200)
    fit = fit_ratio(real, fake)
    d_real, d_fake = torch.sigmoid(fit.logit(real)), torch.sigmoid(fit.logit(fake))
    assert ((1 - d_real).sum() - d_fake.sum()).abs() < 1e-7
    assert ((1 - d_real) @ real - d_fake @ fake).abs().item() < 1e-7


def test_standard_errors_are_those_of_repeated_samples() -> None:
    # 800 samples of 60 + 30 points, fitted at once by plain Newton steps: the variances over repeats, within 5 of their
    # standard errors, sqrt(2/799) = 5 %, and 10 % for the second order in 1/n.
    repeats, n, m = 800, 60, 30
    real, fake = (t.reshape(repeats, -1) for t in draw(repeats * n, repeats * m))
    x = torch.cat([real, fake], 1)
    design, label = torch.stack([x, torch.ones_like(x)], -1), (torch.arange(n + m) < n).to(F64)
    w = torch.zeros(repeats, 2, dtype=F64)
    for _ in range(12):
        d = torch.sigmoid((design @ w[..., None])[..., 0])
        information = design.mT @ (design * (d * (1 - d))[..., None])
        w = w + torch.linalg.solve(information, ((label - d)[:, None] @ design)[:, 0])
    stated = []
    for i in range(100):
        fit = fit_ratio(real[i, :, None], fake[i, :, None])
        assert torch.allclose(coordinates(fit), w[i], atol=1e-8)
        stated.append(fit.standard_errors.square())
    ratio = w.var(0) / torch.stack(stated).mean(0)
    assert ((ratio - 1).abs() < 5 * math.sqrt(2 / 799) + 0.1).all()
    # Without the correction the intercept's would be far too large.
    assert w.var(0)[1] < 0.65 * torch.linalg.inv(information)[:, 1, 1].mean()


def test_other_features() -> None:
    # N(0, 1) against N(0, 4): log r = log 2 - 3/8 x^2; the coordinate alone sees nothing.
    generator = torch.Generator().manual_seed(1)
    real = P.sample((20_000,), generator=generator)
    fake = 2 * P.sample((20_000,), generator=generator)
    fit = fit_ratio(real, fake, lambda x: torch.cat([x, x.square()], 1))
    truth = torch.tensor([0.0, -0.375, math.log(2)], dtype=F64)
    assert ((coordinates(fit) - truth).abs() < 4 * fit.standard_errors).all()
    blind = fit_ratio(real, fake)
    assert blind.weights.abs().item() < 4 * blind.standard_errors[0].item()


def test_value_on_samples() -> None:
    # At D*, n = 100,000 each: 2 JSD - log 4 within 5 standard errors; no linear critic has more in expectation.
    n = 100_000
    real, fake = draw(n, n)
    a, b = optimal_logit(P, Q, real), optimal_logit(P, Q, fake)
    value = log_score_value(a, b)
    error = math.sqrt((torch.sigmoid(a).log().var() + torch.sigmoid(-b).log().var()).item() / n)
    jsd = divergences_1d(P, Q).jsd.item()
    assert value.item() == pytest.approx(2 * jsd - math.log(4), abs=5 * error)
    assert jsd_from_value(value).item() == pytest.approx(0.111421, abs=2.5 * error)
    assert log_score_value(0.5 * a, 0.5 * b) < value
    assert log_score_value(torch.full((3,), 900.0), torch.full((2,), -900.0)).item() == 0.0
    assert log_score_value(torch.full((3,), -900.0), torch.full((2,), -900.0)).item() == -900.0


def test_separated_classes_have_no_maximum() -> None:
    real, fake = draw(20, 20)
    with pytest.raises(ValueError, match="no finite maximum"):
        fit_ratio(real, fake + 20)
    held = fit_ratio(real, fake + 20, ridge=1.0)
    assert held.logit(real).min() > 0 > held.logit(fake + 20).max()
    with pytest.raises(ValueError, match="no finite maximum"):
        fit_ratio(real, fake, lambda x: torch.cat([x, x], 1))


def test_unequal_priors() -> None:
    # Half of V* at 1/2; -H(pi) for equal laws; 0 for disjoint ones; and no D on a grid does better at any x.
    jsd = divergences_1d(P, Q).jsd.item()
    assert weighted_log_value(P, Q, 0.5).item() == pytest.approx(jsd - math.log(2), abs=1e-12)
    entropy = -(0.8 * math.log(0.8) + 0.2 * math.log(0.2))
    assert weighted_log_value(P, P, 0.8).item() == pytest.approx(-entropy, abs=1e-12)
    assert weighted_log_value(P, Gaussian(ZERO + 60, var=1.0), 0.8).item() == pytest.approx(0.0, abs=1e-12)
    x = torch.linspace(-12, 13, 2_001, dtype=F64)[:, None]
    d = torch.linspace(0.001, 0.999, 999, dtype=F64)
    p, q = P.log_prob(x).exp(), Q.log_prob(x).exp()
    best = (0.8 * p[:, None] * d.log() + 0.2 * q[:, None] * torch.log1p(-d)).amax(1)
    assert torch.trapezoid(best, x[:, 0]).item() == pytest.approx(
        weighted_log_value(P, Q, 0.8).item(), abs=1e-4
    )


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(4, 1)
    with pytest.raises(TypeError, match="q must have a method log_prob"):
        optimal_logit(P, 3.0, x)
    with pytest.raises(TypeError, match="x must be a torch"):
        optimal_logit(P, Q, [0.0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="log_prior must be a finite number"):
        optimal_logit(P, Q, x, log_prior=math.inf)
    with pytest.raises(ValueError, match="fake_logits must have shape \\(n,\\)"):
        log_score_value(torch.zeros(3), x)
    with pytest.raises(ValueError, match="real_logits must have shape \\(n,\\) with n >= 1"):
        log_score_value(torch.zeros(0), torch.zeros(3))
    with pytest.raises(TypeError, match="value must be a torch"):
        jsd_from_value(0.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="prior must be a finite number in \\(0, 1\\)"):
        weighted_log_value(P, Q, 1.0)
    with pytest.raises(ValueError, match="fake must have the 1 coordinates"):
        fit_ratio(x, torch.zeros(4, 2))
    with pytest.raises(ValueError, match="real must be finite"):
        fit_ratio(x / 0, x)
    with pytest.raises(ValueError, match=r"real must be a matrix \(n, d\)"):
        fit_ratio(torch.zeros(4), x)
    with pytest.raises(TypeError, match="fake must have a floating dtype"):
        fit_ratio(x, torch.zeros(4, 1, dtype=torch.int64))
    with pytest.raises(ValueError, match="features must map"):
        fit_ratio(x, x + 1, lambda x: x[:, 0])
    with pytest.raises(TypeError, match="features must be callable"):
        fit_ratio(x, x, "square")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"features\(real\) must be finite"):
        fit_ratio(x, x, lambda x: x.log())
    with pytest.raises(ValueError, match="ridge must be"):
        fit_ratio(x, x, ridge=-1.0)
