"""Bounds on the mass of integers, where that mass is known: a density that is a line within each cell."""

import math

import pytest
import torch
from torch import Tensor

from gmlib.distributions import Gaussian
from gmlib.flows import (
    Affine,
    Conditioned,
    Dequantised,
    Elementwise,
    Flow,
    Reshape,
    ScalarMap,
    Sigmoid,
    StandardUniform,
    spline_noise,
    start_at_marginals,
)

F64 = torch.float64
LEVELS = 4


class SquareRoot(ScalarMap):
    """x = sqrt(u) on [0, 1], so that the density of x is 2x; it takes one parameter and ignores it."""

    @property
    def n_params(self) -> int:
        return 1

    def forward(self, u: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        x = u.sqrt()
        return x, -(2 * x).log() + 0 * params[..., 0]

    def inverse(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return x.square(), (2 * x).log() + 0 * params[..., 0]

    def identity(self) -> Tensor:
        return torch.zeros(1)


class Line(ScalarMap):
    """The law on [0, 1] with density (k + v) / (k + 1/2): p within cell k, when p(x) = 2x. One parameter, k."""

    @property
    def n_params(self) -> int:
        return 1

    def forward(self, u: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        k = params[..., 0]
        v = (k.square() + (2 * k + 1) * u).sqrt() - k
        return v, -((k + v) / (k + 0.5)).log()

    def inverse(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        k = params[..., 0]
        return (x.square() / 2 + k * x) / (k + 0.5), ((k + x) / (k + 0.5)).log()

    def identity(self) -> Tensor:
        return torch.zeros(1)


def half_line(c: Tensor) -> Tensor:
    """Not the best noise, and not the uniform one: that of a cell half a level further up."""
    return LEVELS * c[..., None] + 0.5


def line(c: Tensor) -> Tensor:
    """The condition is x / L; the parameter is x."""
    return LEVELS * c[..., None]


def law() -> Flow:
    """Two independent pixels with density 2x: P(k) = ((k + 1)^2 - k^2) / 16 = (2k + 1) / 16."""
    return Flow(StandardUniform((2,)).to(F64), Elementwise(SquareRoot(), (2,)).to(F64))


def noise(conditioner) -> Flow:
    return Flow(StandardUniform((2,)).to(F64), Conditioned((2,), Line(), conditioner, context=2))


def grid(n: int) -> Tensor:
    """Midpoints of the unit square, (n^2, 2)."""
    axis = (torch.arange(n, dtype=F64) + 0.5) / n
    return torch.cartesian_prod(axis, axis)


def diagonal(n: int) -> Tensor:
    """Midpoints of its diagonal, (n, 2): enough for log-weights, which are sums over the two pixels."""
    return ((torch.arange(n, dtype=F64) + 0.5) / n)[:, None].expand(-1, 2)


IMAGES = torch.cartesian_prod(torch.arange(LEVELS), torch.arange(LEVELS))
EXACT = ((2 * IMAGES + 1).double() / 16).log().sum(1)


def expected(model: Dequantised, draws: Tensor) -> Tensor:
    """Mean of the log-weight of each of the 16 images over draws, which are shared: a quadrature."""
    x = IMAGES[:, None].expand(-1, len(draws), -1)
    return model.log_weight(x, draws.expand(len(IMAGES), -1, -1)).mean(1)


def test_masses_are_those_of_a_law() -> None:
    assert EXACT.exp().sum().item() == pytest.approx(1, abs=1e-12)
    # The weight of uniform noise has the mass for its mean.
    model = Dequantised(law(), LEVELS)
    x = IMAGES[:, None].expand(-1, 400, -1)
    weights = model.log_weight(x, grid(20).expand(16, -1, -1)).exp().mean(1)
    torch.testing.assert_close(weights.log(), EXACT, rtol=0, atol=1e-10)  # midpoints are exact for lines


def test_variational_dequantisation_lies_between_uniform_noise_and_the_truth() -> None:
    draws = diagonal(10_000)
    uniform = expected(Dequantised(law(), LEVELS), draws)
    better = expected(Dequantised(law(), LEVELS, noise(half_line)), draws)
    best = expected(Dequantised(law(), LEVELS, noise(line)), draws)
    assert (uniform < better).all()
    assert (better < best + 1e-9).all()
    # Equality for the model's own law within the cell, and then for every single draw.
    one = Dequantised(law(), LEVELS, noise(line)).log_weight(IMAGES, draws[:1].expand(16, -1))
    torch.testing.assert_close(one, EXACT, rtol=0, atol=1e-10)
    torch.testing.assert_close(best, EXACT, rtol=0, atol=1e-10)
    # The gap of uniform noise by hand: E log(k + v) = (k + 1) log(k + 1) - k log k - 1 against log(k + 1/2).
    k = IMAGES.double()
    mean_log = (k + 1).xlogy(k + 1) - k.xlogy(k) - 1
    gap = ((k + 0.5).log() - mean_log).sum(1)
    torch.testing.assert_close(EXACT - uniform, gap, rtol=0, atol=1e-4)


def test_more_draws_come_closer() -> None:
    model = Dequantised(law(), LEVELS)
    x = torch.tensor([[0, 1]]).expand(4000, -1)
    exact = math.log(1 / 16) + math.log(3 / 16)
    means, errors = [], []
    for samples in (1, 8, 64):
        bound = model.bound(x, samples=samples, generator=torch.Generator().manual_seed(samples))
        means.append(bound.mean().item())
        errors.append(bound.std().item() / math.sqrt(len(x)))
    assert means[0] + 4 * errors[0] < means[1]
    assert means[1] + 4 * errors[1] < means[2]
    assert means[2] < exact + 4 * errors[2]
    assert exact - means[2] < 0.02
    # K = 1 in expectation: the gap by hand, k = 0 and 1.
    gap = (math.log(0.5) + 1) + (math.log(1.5) - 2 * math.log(2) + 1)
    assert means[0] == pytest.approx(exact - gap, abs=4 * errors[0])


def test_the_best_noise_is_found_by_gradients() -> None:
    # q is the Line of k = exp(a); the model's own law in cell 1 is that of k = 1.
    a = torch.nn.Parameter(torch.tensor(1.0, dtype=F64))
    model = Dequantised(law(), LEVELS, noise(lambda c: a.exp().expand(*c.shape, 1)))
    x, draws = torch.ones(1000, 2), diagonal(1000)
    optimiser = torch.optim.SGD([a], lr=20.0)
    for _ in range(50):
        optimiser.zero_grad()
        (-model.log_weight(x, draws).mean()).backward()
        optimiser.step()
    assert a.item() == pytest.approx(0.0, abs=1e-3)
    assert -model.log_weight(x, draws).mean().item() == pytest.approx(-2 * math.log(3 / 16), abs=1e-6)


def test_learnt_noise_starts_uniform_and_stays_in_the_cell() -> None:
    shape = (1, 4, 4)
    flow = Flow(StandardUniform((16,)), Reshape(shape))
    learnt, plain = Dequantised(flow, 256, spline_noise(shape, hidden=4)), Dequantised(flow, 256)
    x = torch.randint(0, 256, (5, *shape), generator=torch.Generator().manual_seed(0))
    draw = torch.rand(5, *learnt.draw_shape, generator=torch.Generator().manual_seed(1))
    assert learnt.draw_shape == (4, 2, 2)
    torch.testing.assert_close(
        learnt.log_weight(x, draw), torch.full((5,), -16 * math.log(256)), rtol=1e-6, atol=1e-4
    )
    assert plain.log_weight(x, torch.rand(5, *shape)).shape == (5,)
    assert learnt.noise is not None
    with torch.no_grad():
        for parameter in learnt.noise.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    v = learnt.noise.sample((), (x / 256).flatten(1), generator=torch.Generator().manual_seed(3))
    assert ((v >= 0) & (v <= 1)).all()


def test_samples_are_integers_with_the_right_masses() -> None:
    n = 20_000
    x = Dequantised(law(), LEVELS).sample((n,), generator=torch.Generator().manual_seed(0))
    assert x.dtype == torch.uint8
    share = (x == 3).double().mean().item()
    error = math.sqrt(7 / 16 * 9 / 16 / (2 * n))  # 2n independent pixels
    assert share == pytest.approx(7 / 16, abs=4 * error)


def test_the_base_may_be_a_law_that_is_no_module() -> None:
    # Two independent standard normal coordinates behind a sigmoid; the mass of a level is a difference of normal CDFs.
    cut = torch.linspace(0, 1, LEVELS + 1, dtype=F64).logit()
    mass = torch.special.ndtr(cut).diff().log()
    flow = Flow(Gaussian(torch.zeros(2, dtype=F64), var=1.0), Sigmoid((2,)))
    bound = Dequantised(flow, LEVELS).bound(IMAGES, samples=4000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(bound.double(), mass[IMAGES].sum(1), rtol=0, atol=0.1)


@pytest.mark.bad_input
def test_bad_input() -> None:
    flow = law()
    with pytest.raises(ValueError, match="levels must be at most 256, got 257"):
        Dequantised(flow, 257)
    with pytest.raises(
        ValueError, match=r"noise must have event shape \(2,\) and context 2, got \(2,\) and 0"
    ):
        Dequantised(flow, 4, law())
    with pytest.raises(ValueError, match="flow must have no condition, got context 2"):
        Dequantised(noise(line), 4)
    with pytest.raises(TypeError, match="flow must be a Flow, got Elementwise"):
        Dequantised(flow.bijection, 4)  # type: ignore[arg-type]
    model = Dequantised(flow, 4)
    with pytest.raises(TypeError, match=r"x must hold integers, got torch\.float32"):
        model.bound(torch.rand(3, 2))
    with pytest.raises(TypeError, match=r"images must hold integers, got torch\.float32"):
        start_at_marginals(flow, torch.rand(3, 1, 4, 4))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="x must lie between 0 and 3, got values from 0 to 4"):
        model.bound(torch.tensor([[0, 4]]))
    with pytest.raises(ValueError, match="x must end in the event shape"):
        model.log_weight(torch.zeros(3, 1, dtype=torch.long), torch.rand(3, 2))
    with pytest.raises(ValueError, match="draw must end in the event shape"):
        model.log_weight(torch.zeros(3, 2, dtype=torch.long), torch.rand(3, 1))
    with pytest.raises(TypeError, match=r"x must be a torch\.Tensor, got list"):
        model.bound([1, 2])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="samples must be at least 1, got 0"):
        model.bound(torch.zeros(3, 2, dtype=torch.long), samples=0)
    with pytest.raises(ValueError, match="context must be at least 1, got 0"):
        Conditioned((2,), Affine(), line, context=0)
    with pytest.raises(ValueError, match=r"conditioner must give shape \(3, 2, 2\), got \(3, 2, 1\)"):
        Conditioned((2,), Affine(), line, context=2)(torch.zeros(3, 2), torch.zeros(3, 2))
