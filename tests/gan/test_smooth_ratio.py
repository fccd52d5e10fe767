"""Critics on laws that do not meet: finite ratio, usable gradient, a bound without end."""

import math

import pytest
import torch
from torch import nn

from gmlib.gan import F_DIVERGENCES, BetaLaw, fit_critic, scaled_bound
from gmlib.nn import MLP

F64 = torch.float64
P, Q = BetaLaw(3, 5), BetaLaw(2, 3, shift=1.0)


def test_smooth_ratio() -> None:
    # Exact for a straight line: k (1 - x) separates the laws, and its bound grows like k, without limit.
    n, generator = 4000, torch.Generator().manual_seed(0)
    real, fake = P.sample((n,), generator=generator), Q.sample((n,), generator=generator)
    error = 5 * math.sqrt(P.variance.item() / n)
    for k in (10.0, 100.0, 1e4):
        terms = scaled_bound(lambda x: 1 - x[:, 0], real, fake, k)
        assert terms.real.item() / k == pytest.approx(1 - 3 / 8, abs=error)  # 5 standard errors, n = 4000
        assert 0 < terms.fake.item() < 0.37  # at most e^{-1}: the price never catches up
    assert scaled_bound(lambda x: 1 - x[:, 0], real, fake, 1e4).total.item() > 6000

    # A network, three seeds: a finite ratio that falls from the one law to the other, a pull on every fake point, a bound
    # that doubles and goes on. (Left of .2, where 15 % of the data lie, it need not fall.)
    grid = torch.linspace(0.2, 1.95, 96)[:, None]
    for seed in range(3):
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        samples = [law.sample((128,), generator=generator, dtype=torch.float32) for law in (P, Q)]
        fit = fit_critic(MLP([1, 16, 16, 1]), *samples, steps=120, lr=0.01)
        assert fit.bound.shape == (121,)
        assert fit.bound[30] > 2.0
        assert fit.bound[60] > 2 * fit.bound[30]
        assert fit.bound[120] > 2 * fit.bound[60]
        assert torch.isfinite(fit.log_ratio(grid)).all()
        assert (fit.log_ratio(grid).diff() < 0).all()
        assert fit.log_ratio(samples[0]).min() > fit.log_ratio(samples[1]).max()
        assert (fit.slope(samples[1]) < -1).all()  # the JSD between these laws has slope 0


def test_the_course_is_plain_gradient_ascent_of_the_bound() -> None:
    # One weight, one step: Adam moves by lr in the direction of the gradient; the recorded values are the bound's.
    critic = nn.Linear(1, 1, bias=False, dtype=F64)
    nn.init.constant_(critic.weight, 0.3)
    real, fake = torch.tensor([[1.0], [2.0]], dtype=F64), torch.tensor([[-1.0]], dtype=F64)
    fit = fit_critic(critic, real, fake, steps=1, lr=0.1, divergence=F_DIVERGENCES["js"])
    values = []
    for w in (0.3, 0.4):
        v = torch.tensor([w, 2 * w], dtype=F64), torch.tensor([-w], dtype=F64)
        d_real, d_fake = torch.sigmoid(v[0]), torch.sigmoid(v[1])
        values.append((2 * d_real).log().mean().item() + (2 * (1 - d_fake)).log().mean().item())
    assert critic.weight.item() == pytest.approx(0.4, abs=1e-6)
    assert fit.bound.tolist() == pytest.approx(values, abs=1e-6)
    with pytest.raises(ValueError, match="divergence must be 'kl'"):
        fit.log_ratio(real)
    assert fit.slope(fake).item() == pytest.approx(0.4, abs=1e-6)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x, line = torch.zeros(4, 1), nn.Linear(1, 1)
    with pytest.raises(TypeError, match=r"critic must be a torch\.nn\.Module"):
        fit_critic(lambda x: x, x, x, steps=1, lr=0.1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"fake must have the event shape"):
        fit_critic(line, x, torch.zeros(4, 2), steps=1, lr=0.1)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        fit_critic(line, x, x, steps=0, lr=0.1)
    with pytest.raises(ValueError, match="lr must be"):
        fit_critic(line, x, x, steps=1, lr=0.0)
    with pytest.raises(TypeError, match="divergence must be an FDivergence"):
        fit_critic(line, x, x, steps=1, lr=0.1, divergence="kl")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="critic must map"):
        fit_critic(nn.Linear(1, 2), x, x, steps=1, lr=0.1)
    with pytest.raises(TypeError, match="critic must be callable"):
        scaled_bound(1.0, x, x, 1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="scale must be a finite number"):
        scaled_bound(lambda x: x[:, 0], x, x, math.inf)
