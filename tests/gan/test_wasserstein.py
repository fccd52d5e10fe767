"""Optimal critics against mean gaps, sorted samples, POT and CDFs that cross; and what each constraint makes of slope 1."""

import itertools
import math

import numpy as np
import ot
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from gmlib.gan import (
    R1,
    R2,
    GradientPenalty,
    clip_weights,
    clipped_slope,
    penalised_slope,
    spectral_norm,
    wasserstein_critic_1d,
    wasserstein_dual,
)
from gmlib.metrics import exact_wasserstein, wasserstein_1d
from gmlib.nn import MLP

F64 = torch.float64


def cdfs(p: object, q: object, low: float, high: float, n: int = 4001) -> tuple[Tensor, Tensor, Tensor]:
    grid = torch.linspace(low, high, n, dtype=F64)
    return *(torch.from_numpy(np.asarray(law.cdf(grid.numpy()))) for law in (p, q)), grid  # type: ignore[attr-defined]


def test_wasserstein() -> None:
    """Beta(3, 5) against Beta(2, 3) moved by 1 and 2: the mean gap, 1.025 and 2.025, by a critic of slope -1."""
    x, y = (
        torch.from_numpy(stats.beta(*shape).ppf((np.arange(4000) + 0.5) / 4000)) for shape in ((3, 5), (2, 3))
    )
    for shift in (1.0, 2.0):
        p, q, grid = cdfs(stats.beta(3, 5), stats.beta(2, 3, loc=shift), 0.0, shift + 1.0)
        critic = wasserstein_critic_1d(p, q, grid)
        truth = 2 / 5 - 3 / 8 + shift
        assert truth == pytest.approx(shift + 0.025, abs=1e-12)
        assert critic.distance.item() == pytest.approx(truth, abs=1e-7)
        assert (critic.slopes[1:-1] == -1).all()
        # 1-D is the mean gap of the sorted samples, here of quantiles, where the ruler of chapter 1 agrees.
        assert wasserstein_1d(x, y + shift, p=1).item() == pytest.approx(truth, abs=1e-4)
        assert (critic(x).mean() - critic(y + shift).mean()).item() == pytest.approx(truth, abs=1e-4)


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (stats.norm(0, 1), stats.norm(0.3, 2)),
        (stats.norm(0, 1), stats.norm(0, 2)),
        (stats.beta(2, 2), stats.beta(0.5, 0.5)),
    ],
)
def test_a_critic_turns_where_the_distribution_functions_cross(p, q) -> None:  # type: ignore[no-untyped-def]
    low, high = (0.0, 1.0) if p.cdf(-1e-3) == 0 else (-16.0, 16.0)
    critic = wasserstein_critic_1d(*cdfs(p, q, low, high, 20_001))
    # The quantile integral is another formula of the distance: of normal laws E|m + (s - s') Z|, a folded normal mean.
    levels = (np.arange(200_000) + 0.5) / 200_000
    truth = np.abs(p.ppf(levels) - q.ppf(levels)).mean()
    assert critic.distance.item() == pytest.approx(truth, rel=2e-4)
    assert critic.slopes.abs().max() == 1
    assert {-1.0, 1.0} <= set(critic.slopes.tolist())
    # It attains the distance, by integration over the densities.
    middle = (critic.grid[1:] + critic.grid[:-1]) / 2
    mass = [torch.from_numpy(np.diff(law.cdf(critic.grid.numpy()))) for law in (p, q)]
    assert ((mass[0] - mass[1]) @ critic(middle)).item() == pytest.approx(truth, rel=2e-4)
    # And goes on with its slope beyond the grid.
    ends = torch.tensor([low - 2.0, low - 1.0, high + 1.0, high + 2.0], dtype=F64)
    assert critic(ends).diff()[[0, 2]].tolist() == pytest.approx(critic.slopes[[0, -1]].tolist())


def test_folded_normal() -> None:
    # N(0, 1) against N(m, s^2): E|m + (s - 1) Z|.
    m, spread = 0.3, 1.0
    folded = spread * math.sqrt(2 / math.pi) * math.exp(-(m**2) / 2) + m * math.erf(m / math.sqrt(2))
    critic = wasserstein_critic_1d(*cdfs(stats.norm(0, 1), stats.norm(m, 1 + spread), -20, 20, 20_001))
    assert critic.distance.item() == pytest.approx(folded, abs=1e-6)


def test_samples_on_a_line_are_exact() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(9, dtype=F64, generator=generator), 2 * torch.randn(14, dtype=F64, generator=generator)
    grid = torch.cat([x, y]).sort().values
    p, q = ((grid[:, None] >= sample).to(F64).mean(1) for sample in (x, y))
    critic = wasserstein_critic_1d(p, q, grid, steps=True)
    truth = wasserstein_1d(x, y, p=1).item()
    assert critic.distance.item() == pytest.approx(truth, rel=1e-12)
    assert (critic(x).mean() - critic(y).mean()).item() == pytest.approx(truth, rel=1e-12)
    assert wasserstein_dual(x[:, None], y[:, None]).distance.item() == pytest.approx(truth, abs=1e-9)


@pytest.mark.parametrize(("n", "m", "d"), [(20, 20, 2), (7, 19, 3), (1, 5, 1)])
def test_dual_of_small_samples(n: int, m: int, d: int) -> None:
    generator = torch.Generator().manual_seed(n)
    x = torch.randn(n, d, dtype=F64, generator=generator)
    y = 0.5 + 1.5 * torch.randn(m, d, dtype=F64, generator=generator)
    critic = wasserstein_dual(x, y)
    truth = ot.emd2(np.full(n, 1 / n), np.full(m, 1 / m), torch.cdist(x, y).numpy())
    assert critic.distance.item() == pytest.approx(truth, abs=1e-9)
    if n == m:
        assert critic.distance.item() == pytest.approx(exact_wasserstein(x, y, p=1).item(), abs=1e-9)
    # 1-Lipschitz everywhere, and its means differ by the distance.
    z = 4 * torch.randn(60, d, dtype=F64, generator=generator)
    assert ((critic(z)[:, None] - critic(z)).abs() <= torch.cdist(z, z) + 1e-9).all()
    assert (critic(x).mean() - critic(y).mean()).item() == pytest.approx(truth, abs=1e-9)
    # Along every arrow of the best plan the critic falls with slope 1.
    plan = torch.from_numpy(ot.emd(np.full(n, 1 / n), np.full(m, 1 / m), torch.cdist(x, y).numpy()))
    i, j = (plan > 1e-9).nonzero(as_tuple=True)
    assert torch.allclose(critic(x)[i] - critic(y)[j], torch.cdist(x, y)[i, j], atol=1e-9)


def play_critic(critic: nn.Module, real: Tensor, fake: Tensor, *, how: str, steps: int, lr: float) -> float:
    """Gradient ascent of the critic alone; the value E_real a - E_fake a that it ends at."""
    optimiser = torch.optim.SGD(critic.parameters(), lr=lr)
    noise = torch.linspace(0, 1, len(real), dtype=F64)
    for _ in range(steps):
        loss = critic(fake).mean() - critic(real).mean()
        if how == "penalty":
            loss = loss + GradientPenalty(gamma=20.0)(lambda x: critic(x)[:, 0], real, fake, noise)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if how == "clip":
            clip_weights(critic, 0.01)
    return (critic(real).mean() - critic(fake).mean()).item()


def linear_critic(weight: list[float]) -> nn.Linear:
    layer = nn.Linear(len(weight), 1, bias=False, dtype=F64)
    layer.weight.data.copy_(torch.tensor([weight], dtype=F64))
    return layer


def test_wgan() -> None:
    """The value tracks the shift: exactly by spectral norm, times 1 + shift / gamma by the penalty, times c by clipping."""
    assert penalised_slope(1.0, gamma=20.0) == pytest.approx(1.05)  # the penalty's lambda of 10 is gamma / 2
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(64, 1, dtype=F64, generator=generator)
    pair = torch.randn(64, 2, dtype=F64, generator=generator)
    for shift in (0.25, 1.0, 3.0, -1.0):
        length, direction = abs(shift), torch.tensor([0.6, 0.8], dtype=F64)
        penalty = play_critic(linear_critic([0.0]), real, real + shift, how="penalty", steps=30, lr=0.04)
        assert penalty == pytest.approx(length * penalised_slope(length, 20.0), rel=1e-9)
        clipped = play_critic(linear_critic([0.0]), real, real + shift, how="clip", steps=5, lr=0.1)
        assert clipped == pytest.approx(length * clipped_slope([1, 1], 0.01), rel=1e-9)
        critic = spectral_norm(linear_critic([-1.0, 0.3]))
        value = play_critic(critic, pair, pair + shift * direction, how="spectral", steps=60, lr=1.0)
        assert value == pytest.approx(length, rel=1e-6)


def test_in_one_dimension_a_wrong_sign_stays() -> None:
    # A slope cannot turn around when it may not pass 0: the penalty has a second maximum at -(1 - shift / gamma).
    x, shift = torch.zeros(8, 1, dtype=F64), 1.0
    value = play_critic(linear_critic([1.0]), x, x + shift, how="penalty", steps=30, lr=0.04)
    assert value == pytest.approx(-shift * penalised_slope(0.0, 20.0) + shift**2 / 20.0, rel=1e-9)
    critic = spectral_norm(linear_critic([1.0]))
    assert play_critic(critic, x, x + shift, how="spectral", steps=5, lr=1.0) == pytest.approx(-shift)


def test_zero_centred_penalties_of_a_linear_critic_agree() -> None:
    # The maximum over a grid of slopes that holds it, by the penalties of the package; R1 and R2 see the same slope.
    x = torch.zeros(2, 1, dtype=F64)
    slopes = torch.linspace(0, 3, 61, dtype=F64).tolist()
    for shift, gamma in ((0.5, 0.4), (1.0, 2.0)):  # slopes 1.25, .5 and one more
        for penalty, target in ((R1(gamma), 0.0), (R2(gamma), 0.0), (GradientPenalty(gamma), 1.0)):
            objective = [
                w * shift
                - penalty(lambda x, w=w: -w * x[:, 0], x, x + shift, torch.zeros(2, dtype=F64)).item()
                for w in slopes
            ]
            best = slopes[int(np.argmax(objective))]
            assert best == pytest.approx(penalised_slope(shift, gamma, target=target), abs=1e-9)


def relu_critics(hidden: int, d: int, limit: float, levels: int) -> tuple[Tensor, Tensor, Tensor]:
    """All weights and biases of one hidden unit on a grid of the box: (units, d), (units,)."""
    values = torch.linspace(-limit, limit, levels, dtype=F64)
    table = torch.tensor(list(itertools.product(values.tolist(), repeat=d + 1)), dtype=F64)
    return table[:, :d], table[:, d], torch.full((hidden,), limit, dtype=F64)


def test_clipping_gives_an_unknown_constant() -> None:
    # One layer: the best corner of the box. A Lipschitz constant of c sqrt(d), reached along the diagonal.
    shift = torch.tensor([1.0, -0.5, 0.25], dtype=F64)
    corners = torch.tensor(list(itertools.product((-0.1, 0.1), repeat=3)), dtype=F64)
    assert (corners @ shift).max().item() == pytest.approx(0.1 * shift.abs().sum().item())
    assert corners.norm(dim=1).max().item() == pytest.approx(clipped_slope([3, 1], 0.1))

    # A hidden layer of ReLUs, unit by unit (the sum over units of independent maxima), over a grid of the box.
    c, hidden, at = 0.1, 4, 5.0
    weights, biases, out = relu_critics(hidden, 1, c, 41)

    def value(left: float, right: float) -> float:
        rise = torch.relu(weights[:, 0] * right + biases) - torch.relu(weights[:, 0] * left + biases)
        return (out * rise.abs().max()).sum().item()

    steepest = clipped_slope([1, hidden, 1], c)
    assert steepest == pytest.approx(hidden * c**2)
    # Point masses on one side of the bends: the full slope. About them: half of it, and a little for the biases.
    assert value(at, 3 * at) == pytest.approx(steepest * 2 * at)
    assert value(-at, at) == pytest.approx(steepest * (at + 1))
    assert value(-at, at) / (steepest * 2 * at) < 0.61

    # In two dimensions, and through two hidden layers: no network of the box is steeper, and one is as steep.
    torch.manual_seed(0)
    for sizes in ([2, 3, 1], [2, 3, 4, 1]):
        net = MLP(sizes, activation=nn.ReLU).double()
        steepest = clipped_slope(sizes, c)
        x = (3 * torch.randn(50, 2, dtype=F64)).requires_grad_()
        for _ in range(20):
            for weight in net.parameters():
                nn.init.uniform_(weight, -c, c)
            slope = torch.autograd.grad(net(x).sum(), x)[0].norm(dim=1)
            assert slope.max().item() <= steepest + 1e-12
        for weight in net.parameters():
            nn.init.constant_(weight, c)
        x = torch.ones(1, 2, dtype=F64, requires_grad=True)
        assert torch.autograd.grad(net(x).sum(), x)[0].norm().item() == pytest.approx(steepest)


@pytest.mark.bad_input
def test_bad_input() -> None:
    grid, cdf = torch.linspace(0, 1, 5), torch.linspace(0, 1, 5)
    with pytest.raises(ValueError, match=r"grid must increase, got a step of -0\.25"):
        wasserstein_critic_1d(cdf, cdf, grid.flip(0))
    with pytest.raises(ValueError, match="grid must be a vector of at least two points"):
        wasserstein_critic_1d(cdf[:1], cdf[:1], grid[:1])
    with pytest.raises(ValueError, match=r"cdf_q must have the shape \(5,\) of grid"):
        wasserstein_critic_1d(cdf, cdf[:4], grid)
    with pytest.raises(ValueError, match="cdf_p must rise within"):
        wasserstein_critic_1d(cdf.flip(0), cdf, grid)
    with pytest.raises(ValueError, match="cdf_q must rise within"):
        wasserstein_critic_1d(cdf, 2 * cdf, grid)
    with pytest.raises(TypeError, match="cdf_p must have a floating dtype"):
        wasserstein_critic_1d(cdf.long(), cdf, grid)
    with pytest.raises(ValueError, match=r"cdf_q must have the dtype torch\.float32 of grid"):
        wasserstein_critic_1d(cdf, cdf.double(), grid)
    with pytest.raises(ValueError, match=r"x must have the dtype torch\.float32 of grid"):
        wasserstein_critic_1d(cdf, cdf, grid)(grid.double())
    with pytest.raises(ValueError, match=r"z must have the event shape \(2,\) of the samples"):
        wasserstein_dual(torch.zeros(3, 2), torch.zeros(3, 2))(torch.zeros(3, 1))
    x = torch.zeros(3, 2)
    with pytest.raises(ValueError, match=r"y must have the event shape \(2,\) of x"):
        wasserstein_dual(x, torch.zeros(3, 1))
    with pytest.raises(ValueError, match="y must be finite"):
        wasserstein_dual(x, x + torch.inf)
    with pytest.raises(ValueError, match="x must be a matrix"):
        wasserstein_dual(x[:, :, None], x)
    with pytest.raises(ValueError, match=r"gamma must be a finite number in \(0"):
        penalised_slope(1.0, 0.0)
    with pytest.raises(ValueError, match="shift must be"):
        penalised_slope(-1.0, 1.0)
    with pytest.raises(TypeError, match="target must be a real number"):
        penalised_slope(1.0, 1.0, target="one")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sizes must end in 1"):
        clipped_slope([2, 3], 0.1)
    with pytest.raises(ValueError, match="sizes must name at least"):
        clipped_slope([1], 0.1)
    with pytest.raises(ValueError, match="limit must be"):
        clipped_slope([2, 1], 0.0)
