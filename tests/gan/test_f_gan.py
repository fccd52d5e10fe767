"""f-GANs with a generator that cannot match the data: which solution each row of the table leads to."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gmlib.distributions import Gaussian, GaussianMixture, moment_projection, reverse_projection
from gmlib.gan import F_DIVERGENCES, FDivergence, f_bound_1d, f_divergence_1d

F64 = torch.float64
BUMPS = GaussianMixture(torch.tensor([[-2.0], [2.0]], dtype=F64), var=0.25)
SMOOTH = (
    "kl",
    "reverse_kl",
    "js",
    "pearson",
    "hellinger",
    "neyman",
)  # the best critic of total_variation jumps
Z = torch.linspace(-9, 9, 801, dtype=F64)
SHARE = (-Z.square() / 2).exp() * (Z[1] - Z[0]) / math.sqrt(2 * math.pi)


def normal(theta: Tensor) -> Gaussian:
    """The generator's law: x = theta_1 + exp(theta_2) z."""
    return Gaussian(theta[:1], var=(2 * theta[1:]).exp())


def generator_slope(row: FDivergence, theta: Tensor, output: Callable[[Tensor], Tensor]) -> Tensor:
    """The gradient of L_G by theta, through the critic at x = G(z): the critic's weights stay where they are."""
    theta = theta.detach().requires_grad_()
    made = theta[0] + theta[1].exp() * Z[:, None]
    loss = (SHARE * row.losses().generator(output(made))).sum()
    return torch.autograd.grad(loss, theta)[0]


def best_output(row: FDivergence, theta: Tensor) -> Callable[[Tensor], Tensor]:
    """The raw output of the best critic against a frozen generator, a function of x alone."""
    law = normal(theta.detach())
    return lambda x: row.output(BUMPS.log_prob(x) - law.log_prob(x))


def descend(row: FDivergence, theta: Tensor, steps: int = 40) -> Tensor:
    """Natural-gradient steps of the generator, a half each, against the best critic of the moment."""
    for _ in range(steps):
        inverse_fisher = torch.stack([(2 * theta[1]).exp(), torch.tensor(0.5, dtype=F64)])
        theta = theta - 0.5 * inverse_fisher * generator_slope(row, theta, best_output(row, theta))
    return theta


def test_f_gan() -> None:
    start = torch.tensor([1.0, 0.0], dtype=F64)
    # KL(p || q) covers both bumps: mean 0 and variance .25 + 2^2, which match the data's moments.
    covering = normal(descend(F_DIVERGENCES["kl"], start))
    assert covering.mean.item() == pytest.approx(0.0, abs=1e-6)
    assert covering.variance.item() == pytest.approx(4.25, abs=1e-6)
    direct = moment_projection(BUMPS)
    assert [direct.mean.item(), direct.variance.item()] == pytest.approx([0.0, 4.25], abs=1e-12)
    # KL(q || p) picks the bump on the side of the start, as its direct minimum does.
    for side in (1.0, -1.0):
        picked = normal(descend(F_DIVERGENCES["reverse_kl"], start * side))
        direct = reverse_projection(BUMPS, Gaussian(torch.tensor([side], dtype=F64), var=1.0))
        assert picked.mean.item() == pytest.approx(direct.mean.item(), abs=1e-6)
        assert picked.variance.item() == pytest.approx(direct.variance.item(), abs=1e-6)
        assert [picked.mean.item(), picked.variance.item()] == pytest.approx([2 * side, 0.25], abs=1e-3)
        # Each solution is the worse one by the other's measure.
        for name, better, worse in (("kl", covering, picked), ("reverse_kl", picked, covering)):
            at = [f_divergence_1d(BUMPS, law, F_DIVERGENCES[name]).item() for law in (better, worse)]
            assert at[0] + 0.5 < at[1]


@pytest.mark.parametrize("name", SMOOTH)
def test_the_best_critic_passes_on_the_gradient_of_the_divergence(name: str) -> None:
    # Envelope: at the best critic the value's slope by the critic is 0, so the generator's slope is the divergence's.
    row = F_DIVERGENCES[name]
    theta = torch.tensor(
        [0.7, -0.5 if name == "neyman" else 0.0], dtype=F64
    )  # neyman is finite below variance .5
    slope = generator_slope(row, theta, best_output(row, theta))
    at = theta.clone().requires_grad_()
    divergence = f_divergence_1d(BUMPS, normal(at), row, low=-9.0, high=9.0)
    (exact,) = torch.autograd.grad(divergence, at)
    assert torch.allclose(slope, exact, rtol=1e-6, atol=1e-8)
    assert bool((exact.abs() > 0.01).all())
    # Of a critic that was best for another generator it is the slope of something else.
    stale = generator_slope(row, theta, best_output(row, theta + 0.2))
    assert not torch.allclose(stale, exact, rtol=0.05)


def features(x: Tensor, bend: bool) -> Tensor:
    """1, x, x^2 and log cosh 8x: the log-ratio of the two bumps to any normal law is linear in them."""
    size = 8 * x.abs()
    last = size + torch.nn.functional.softplus(-2 * size) - math.log(2)
    columns = (torch.ones_like(x), x, x.square(), last) if bend else (torch.ones_like(x), x, x.square())
    return torch.cat(columns, -1)


@pytest.mark.parametrize("name", ["kl", "reverse_kl"])
def test_a_trained_critic_stays_below_the_divergence(name: str) -> None:
    row, law = F_DIVERGENCES[name], normal(torch.tensor([0.5, 0.0], dtype=F64))
    grid = torch.linspace(-9, 9, 401, dtype=F64)[:, None]
    p, q = (one.log_prob(grid).exp() * (grid[1] - grid[0]) for one in (BUMPS, law))
    exact = f_divergence_1d(BUMPS, law, row, low=-9.0, high=9.0).item()

    losses = row.losses()

    def loss(v: Tensor) -> Tensor:
        return p @ losses.real(v) + q @ losses.fake(v)

    reached = {}
    for bend in (False, True):
        x = features(grid, bend)
        w = torch.zeros(x.shape[1], dtype=F64)
        for _ in range(20):  # Newton's method on a convex loss, each step halved until it helps
            v = (x @ w).requires_grad_()
            (slope,) = torch.autograd.grad(loss(v), v, create_graph=True)
            (curvature,) = torch.autograd.grad(slope.sum(), v)
            step = torch.linalg.solve(x.T @ (curvature[:, None] * x), x.T @ slope.detach())
            for _ in range(30):
                if loss(x @ (w - step)) <= loss(v):
                    w = w - step
                    break
                step = step / 2
            assert -loss(x @ w).item() <= exact + 1e-9
        reached[bend] = f_bound_1d(
            BUMPS,
            law,
            row,
            lambda x, w=w, bend=bend: row.activation(features(x, bend) @ w),
            low=-9.0,
            high=9.0,
        ).total.item()
    assert reached[False] < exact - 0.1  # a quadratic critic sees a part
    assert reached[True] == pytest.approx(exact, abs=1e-7)
