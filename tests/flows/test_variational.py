"""The bound with a flow as the posterior, where the evidence, the posterior and the gradients are known exactly."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gmlib.flows import (
    Additive,
    Affine,
    Coupling,
    Elementwise,
    Flow,
    Planar,
    StandardNormal,
    fit_posterior,
    iaf,
    spline_coupling,
    variational_bound,
)

F64 = torch.float64
VAR = 0.5  # of x given z
X = torch.tensor([1.5, -0.4], dtype=F64)
LOG_Z = 1.7
# The floor of mean field on the banana, where its KL divergence stands still (see the test): VAR_2^2 + VAR_2 = 4.
VAR_2 = (math.sqrt(17) - 1) / 2
FLOOR = 0.5 + VAR_2**2 / 16 + VAR_2 / 8 + math.log(2) - 1 - 0.5 * math.log(VAR_2)


class Quarter(nn.Module):
    """The shift z^2/4."""

    def forward(self, z: Tensor) -> Tensor:
        return z.square() / 4


def gaussian(mean: Tensor, log_std: Tensor) -> Flow:
    flow = Flow(StandardNormal((2,)).to(mean), Elementwise(Affine(), (2,)).to(mean))
    with torch.no_grad():
        flow.bijection.params.copy_(torch.stack([log_std, mean], -1))  # type: ignore[union-attr]
    return flow


def posterior() -> Flow:
    """Of z ~ N(0, I), x | z ~ N(z, VAR I): N(x, VAR I) / (1 + VAR)."""
    return gaussian(X / (1 + VAR), torch.full((2,), 0.5 * math.log(VAR / (1 + VAR)), dtype=F64))


def log_joint(z: Tensor) -> Tensor:
    prior = StandardNormal((2,)).to(z).log_prob(z)
    return prior - ((X - z).square() / (2 * VAR) + 0.5 * math.log(2 * math.pi * VAR)).sum(-1)


def banana(z: Tensor) -> Tensor:
    """z2 ~ N(0, 4), z1 | z2 ~ N(z2^2/4, 1), times e^{1.7}."""
    first, second = z.unbind(-1)
    square = (first - second**2 / 4).square() + second.square() / 4
    return LOG_Z - 0.5 * square - math.log(2 * math.pi) - math.log(2)


def gradient(q: Flow, n: int, *, path_gradient: bool, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    bound = variational_bound(q, log_joint, (n,), path_gradient=path_gradient, generator=generator)
    return torch.autograd.grad(bound.total.mean(), q.bijection.params)[0]  # type: ignore[arg-type]


def test_flow_vi() -> None:
    # At the posterior every single draw is log p(x) = log N(x | 0, (1 + VAR) I).
    evidence = torch.distributions.Normal(torch.zeros(2, dtype=F64), math.sqrt(1 + VAR)).log_prob(X).sum()
    bound = variational_bound(posterior(), log_joint, (40,), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(bound.total, evidence.expand(40), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(bound.mean().log_joint - bound.mean().log_q, bound.mean().total)
    # The path gradient is 0 draw by draw; with the score it is minus the mean of (u^2 - 1, u / std), by hand.
    assert gradient(posterior(), 40, path_gradient=True).abs().max() < 1e-12
    u = StandardNormal((2,)).double().sample((40,), generator=torch.Generator().manual_seed(0))
    score = torch.stack([u.square() - 1, u / math.sqrt(VAR / (1 + VAR))], -1).mean(0)
    torch.testing.assert_close(gradient(posterior(), 40, path_gradient=False), -score)


def test_the_score_left_out_has_mean_zero() -> None:
    # Off the optimum both gradients have the exact one as their mean: for q = N(m, s^2) and the precision P = 1 + 1/VAR
    # the bound has the slopes 1 - P s^2 in log s, and x/VAR - P m in m.
    mean, log_std = torch.tensor([0.3, 0.8], dtype=F64), torch.tensor([-0.5, 0.2], dtype=F64)
    precision = 1 + 1 / VAR
    exact = torch.stack([1 - precision * (2 * log_std).exp(), X / VAR - precision * mean], -1)
    q = gaussian(mean, log_std)
    for path_gradient in (False, True):
        draws = torch.stack([gradient(q, 500, path_gradient=path_gradient, seed=k) for k in range(60)])
        error = draws.std(0) / 60**0.5
        assert ((draws.mean(0) - exact).abs() < 4 * error).all()


def test_the_gap_is_the_divergence() -> None:
    # Mean field on the banana, q = N((m, 0), diag(s1^2, s2^2)): the KL divergence is
    #   1/2 (s1^2 + (m - s2^2/4)^2 + s2^4/8) + s2^2/8 + log 2 - 1 - log s1 - log s2,
    # least at s1 = 1, m = s2^2/4 and s2^4 + s2^2 = 4.
    assert pytest.approx(0.3179, abs=5e-5) == FLOOR
    q = gaussian(
        torch.tensor([VAR_2 / 4, 0.0], dtype=F64), torch.tensor([0.0, 0.5 * math.log(VAR_2)], dtype=F64)
    )
    n = 20_000
    bound = variational_bound(q, banana, (n,), generator=torch.Generator().manual_seed(0)).total.detach()
    assert LOG_Z - bound.mean().item() == pytest.approx(FLOOR, abs=4 * bound.std().item() / n**0.5)


def test_a_shear_is_the_banana() -> None:
    # z2 = 2 u2, z1 = u1 + z2^2/4: an affine map and a quadratic shear close the gap at every draw.
    stretch = Elementwise(Affine(), (2,)).double()
    with torch.no_grad():
        stretch.params[1, 0] = math.log(2)
    shear = Coupling(torch.tensor([False, True]), Additive(), Quarter())
    q = Flow(StandardNormal((2,)).double(), [stretch, shear])
    bound = variational_bound(
        q, banana, (30,), path_gradient=True, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(bound.total, torch.full((30,), LOG_Z, dtype=F64), rtol=0, atol=1e-12)


def stretch() -> Elementwise:
    return Elementwise(Affine(), (2,))


def planar() -> Flow:
    return Flow(StandardNormal((2,)), [stretch(), *(Planar(2) for _ in range(6))])


def spline() -> Flow:
    return Flow(StandardNormal((2,)), [spline_coupling(2, layers=2, hidden=(16,)).bijection, stretch()])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "steps", "lr", "path_gradient"),
    [
        (planar, 200, 0.05, False),
        (lambda: iaf(2, layers=2, hidden=(16,)), 120, 0.03, False),
        (spline, 80, 0.02, True),
    ],
    ids=["planar", "iaf", "spline"],
)
def test_flows_go_below_the_floor_of_mean_field(
    make: Callable[[], Flow], steps: int, lr: float, path_gradient: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        q = make()
    fit_posterior(
        q, banana, steps=steps, samples=128, lr=lr, path_gradient=path_gradient, generator=generator
    )
    n = 5000
    with torch.no_grad():
        bound = variational_bound(q, banana, (n,), generator=generator).total
    gap, error = LOG_Z - bound.mean().item(), bound.std().item() / n**0.5
    assert -3 * error < gap < FLOOR / 2


def test_a_condition_goes_to_both_passes() -> None:
    # Conditions of three data at seven draws each: the density of the way back is that of the way there.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        q = iaf(2, layers=2, hidden=(8,), context=2).double()
        for parameter in q.parameters():
            nn.init.normal_(parameter, std=0.5)
    c = torch.stack([X, -X, 3 * X])
    with torch.no_grad():
        there, back = (
            variational_bound(
                q,
                lambda z: -(z - c).square().sum(-1),
                (7,),
                c,
                path_gradient=path,
                generator=torch.Generator().manual_seed(0),
            )
            for path in (False, True)
        )
    assert there.total.shape == (7, 3)
    torch.testing.assert_close(back.log_q, there.log_q, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(back.log_joint, there.log_joint)


@pytest.mark.bad_input
def test_bad_input() -> None:
    q = posterior()
    with pytest.raises(TypeError, match=r"^log_joint must be callable, got float"):
        variational_bound(q, 1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^log_joint must be callable, got float"):
        fit_posterior(q, 1.0, steps=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^log_joint must return shape \(3,\), got \(3, 2\)"):
        variational_bound(q, lambda z: -(z**2), (3,))
    with pytest.raises(ValueError, match=r"^samples must be at least 1, got 0"):
        fit_posterior(q, log_joint, steps=1, samples=0)
