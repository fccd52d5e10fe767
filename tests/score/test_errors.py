"""Errors of a score by level, by density and off the data, and the zeros of a field."""

import math

import pytest
import torch

from gmlib.distributions import Gaussian, GaussianMixture, swiss_roll
from gmlib.nn import MLP
from gmlib.recipes.score import roll_score
from gmlib.score import (
    denoising_score_matching,
    errors_by_density,
    errors_by_noise_level,
    exact_score,
    field_zeros,
    langevin,
    low_density_error,
    ncsn_loss,
    ncsn_minimum,
)
from gmlib.training import TrainConfig, train

F64 = torch.float64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_errors_by_noise_level() -> None:
    # A score that is wrong by the factor a: the error is (1 - a)^2 of the scale, and on N(0, v) the scale is
    # s^2 / (v + s^2). The loss exceeds its minimum by d/2 of the error.
    law, v, n = Gaussian(torch.zeros(3, dtype=F64), var=2.0), 2.0, 8000
    x, noise = (torch.randn(n, 3, dtype=F64, generator=generator(k)) * (v**0.5, 1)[k] for k in (0, 1))
    sigmas = torch.tensor([0.2, 1.0, 7.0], dtype=F64)
    exact = exact_score(law)

    def score(y: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return 0.7 * exact(y, sigma)

    errors = errors_by_noise_level(score, law, sigmas, x, noise)
    assert torch.allclose(errors.relative, torch.full((3,), 0.09, dtype=F64), rtol=1e-12)
    truth = 0.09 * sigmas**2 / (v + sigmas**2)
    assert bool(((errors.error - truth).abs() < 5 * errors.standard_error).all())
    # Each point's error is 0.09 sigma^2 / (v + sigma^2) times chi^2_3 / 3, of variance 2 / 3.
    assert torch.allclose(errors.standard_error, truth * math.sqrt(2 / 3 / n), rtol=0.05)
    for sigma, error in zip(sigmas, errors.error.tolist(), strict=True):
        loss = ncsn_loss(score, x, noise, sigma).total
        excess = loss - ncsn_loss(exact, x, noise, sigma).total
        assert abs(excess.mean().item() - 1.5 * error) < 5 * excess.std().item() * n**-0.5
        minimum = ncsn_minimum(law, sigma.item()).item()
        assert abs(loss.mean().item() - minimum - 1.5 * error) < 5 * loss.std().item() * n**-0.5


def test_errors_by_density() -> None:
    # On N(0, 1) the score 0 errs by x^2: its mean in the outer half of the probability is known.
    law, n = Gaussian(torch.zeros(1, dtype=F64), var=1.0), 100_001
    x = torch.special.ndtri((torch.arange(n, dtype=F64)[:, None] + 0.5) / n)
    parts = errors_by_density(torch.zeros_like, law, x, parts=2, weight=3.0)
    q = 0.6744897501960817  # the quartile
    inner = 1 - 4 * q * math.exp(-(q**2) / 2) / math.sqrt(2 * math.pi)  # E[x^2 | |x| < q]
    assert parts.error.tolist() == pytest.approx([3 * (2 - inner), 3 * inner], rel=1e-3)
    assert torch.equal(parts.error, parts.scale)
    half_log = 0.5 * math.log(2 * math.pi)
    assert parts.log_density.tolist() == pytest.approx(
        [-half_log - (2 - inner) / 2, -half_log - inner / 2], rel=1e-3
    )
    assert torch.equal(parts.relative, torch.ones(2, dtype=F64))


def test_low_density_error() -> None:
    # A small net learns the score of two far modes by denoising at sigma = .5. Between the modes no data pull at it, and
    # there it is wrong by orders of magnitude more than on them. Two seeds; band from ten.
    law = GaussianMixture(torch.tensor([[-5.0], [5.0]]), weights=torch.tensor([0.8, 0.2]), var=0.25)
    noised = law.noised(1.0, 0.5)
    rare = torch.linspace(-2.5, 2.5, 101)[:, None]
    x = law.sample((120, 128), generator=generator())
    common = noised.sample((2000,), generator=generator(1))
    for seed in range(2):
        torch.manual_seed(seed)
        net = MLP([1, 32, 32, 1])
        optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
        for batch, noise in zip(x, torch.randn(x.shape, generator=generator(seed)), strict=True):
            loss = denoising_score_matching(net, batch, noise, 0.5).mean().total
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        error = low_density_error(net, noised, rare, common)
        assert error.common < 0.2  # learnt where the data are: E s^2 is 2, and 30 in between
        assert 50 < error.ratio < 10_000  # ten seeds: 88 to 2,447


def test_field_zeros() -> None:
    # The exact Swiss roll at noise .1 has a single mode, the inner end being the densest: one maximum, one saddle and one
    # minimum, and the indices add up to one as they must (every field that points inward far out has index one).
    law = swiss_roll(dtype=F64)
    zeros = field_zeros(law.score, low=-3.5, high=3.5)
    assert torch.allclose(law.score(zeros.points), torch.zeros(3, 2, dtype=F64), atol=1e-8)
    assert zeros.stable.tolist().count(True) == 1
    assert zeros.eigenvalues.prod(-1).sign().sum() == 1
    # Two normal laws: modes at +-a with a = 2 tanh(2 a), a saddle between.
    pair = GaussianMixture(torch.tensor([[-2.0, 0.0], [2.0, 0.0]], dtype=F64), var=1.0)
    found = field_zeros(pair.score, low=-5, high=5.1)
    a = found.points[2, 0]
    assert a.item() == pytest.approx(2 * math.tanh(2 * a.item()), abs=1e-10)
    assert torch.allclose(
        found.points, torch.stack([-a, 0 * a, a])[:, None] * torch.tensor([1.0, 0.0]), atol=1e-9
    )
    assert found.stable.tolist() == [True, False, True]
    assert len(field_zeros(lambda x: torch.ones_like(x), low=-1, high=1).points) == 0
    # A module is asked in the dtype of its own parameters, here not the default; and a field may answer in another.
    linear = torch.nn.Linear(2, 2)
    with torch.no_grad():
        linear.weight.copy_(-torch.eye(2))
        linear.bias.copy_(torch.tensor([0.3, -0.2]))
    root = field_zeros(linear, low=-1, high=1).points
    assert root.dtype == torch.float32
    assert torch.allclose(root, torch.tensor([[0.3, -0.2]]), atol=1e-6)
    root = field_zeros(lambda x: linear(x.float()), low=-1, high=1).points
    assert torch.allclose(root, torch.tensor([[0.3, -0.2]], dtype=F64), atol=1e-6)


def test_swiss_roll_score() -> None:
    # MLP 2 x 128, basic score matching, a short run: three chains of 25 steps end on the roll, and the learnt field has
    # more resting points than the exact one, which has 3.
    torch.manual_seed(0)
    task = roll_score("implicit", points=20_000)
    config = TrainConfig(
        steps=150, batch_size=128, lr=1e-2, lr_schedule="cosine", grad_clip=5.0, device="cpu"
    )
    score = train(task, config).final
    start = torch.tensor([[-1.5, 1.5], [2.0, -1.0], [0.0, -2.5]])
    end = langevin(score, start, step=0.01, steps=25, generator=generator())
    angle = torch.linspace(1.5 * math.pi, 4.5 * math.pi, 4001)
    curve = torch.stack([angle * angle.cos(), angle * angle.sin()], -1) / 5
    near = torch.cdist(end, curve).amin(1)
    assert bool((near < 0.35).all())
    assert len(field_zeros(lambda y: score(y.float()).double(), low=-3.2, high=3.6).points) > 3


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: errors_by_noise_level(max, 3, *torch.ones(3, 2, 1)), TypeError, "law must be a gmlib Law"),  # type: ignore[arg-type]
        (
            lambda: errors_by_noise_level(
                max, swiss_roll(), torch.tensor(1.0), torch.ones(3, 2), torch.ones(3, 2)
            ),
            ValueError,
            r"sigmas must have shape \(levels,\)",
        ),
        (
            lambda: errors_by_noise_level(
                max, swiss_roll(), torch.ones(1), torch.ones(1, 2), torch.ones(1, 2)
            ),
            ValueError,
            r"x must have shape \(n, d\) with n >= 2",
        ),
        (
            lambda: errors_by_noise_level(
                max, swiss_roll(), torch.ones(1), torch.ones(3, 2), torch.ones(2, 2)
            ),
            ValueError,
            r"noise must have the shape \(3, 2\) of x",
        ),
        (
            lambda: errors_by_noise_level(
                lambda x, s: x[:, :1], swiss_roll(), torch.ones(1), *torch.ones(2, 3, 2)
            ),
            ValueError,
            r"score\(x\) must have the shape \(3, 2\) of x, got shape \(3, 1\)",
        ),
        (
            lambda: errors_by_noise_level(
                torch.mul, swiss_roll(), torch.tensor([1.0, 0.0]), *torch.ones(2, 3, 2)
            ),
            ValueError,
            "sigmas must be positive, got a level of 0",
        ),
        (
            lambda: errors_by_noise_level(
                torch.mul, swiss_roll(), torch.tensor([1.0, math.nan]), *torch.ones(2, 3, 2)
            ),
            ValueError,
            "sigmas must be finite",
        ),
        (
            lambda: errors_by_density(lambda x: x[:, :1], swiss_roll(), torch.ones(30, 2)),
            ValueError,
            r"score\(x\) must have the shape \(30, 2\)",
        ),
        (
            lambda: low_density_error(lambda x: None, swiss_roll(), *torch.ones(2, 3, 2)),  # type: ignore[arg-type, return-value]
            TypeError,
            r"score\(x\) must be a torch.Tensor, got NoneType",
        ),
        (
            lambda: low_density_error(3, swiss_roll(), *torch.ones(2, 3, 2)),  # type: ignore[arg-type]
            TypeError,
            "score must be callable, got int",
        ),
        (lambda: errors_by_density(max, swiss_roll(), torch.ones(3, 2)), ValueError, "n >= 2 parts = 20"),
        (
            lambda: errors_by_density(max, swiss_roll(), torch.ones(3, 2), parts=0),
            ValueError,
            "parts must be at least 1",
        ),
        (
            lambda: errors_by_density(max, swiss_roll(), torch.ones(30, 2), weight=0),
            ValueError,
            "weight must be a finite",
        ),
        (
            lambda: low_density_error(torch.zeros_like, swiss_roll(), torch.ones(3, 2), torch.ones(0, 2)),
            ValueError,
            r"common must have shape \(n, d\) with n >= 1",
        ),
        (
            lambda: low_density_error(torch.zeros_like, swiss_roll(), torch.ones(3, 1), torch.ones(1, 2)),
            ValueError,
            r"rare must end in the event shape \(2,\)",
        ),
        (
            lambda: field_zeros(torch.zeros_like, low=0, high=1),
            ValueError,
            r"field\(x\) must be differentiable in x",
        ),
        (
            lambda: field_zeros(lambda x: x[:, 0], low=0, high=1),
            ValueError,
            r"field\(x\) must have the shape \(3721, 2\)",
        ),
        (
            lambda: field_zeros(torch.nn.Linear(2, 2), low=0, high=1, dtype=F64),
            ValueError,
            "field must take points of the dtype torch.float64",
        ),
        (lambda: field_zeros(3, low=0, high=1), TypeError, "field must be callable"),  # type: ignore[arg-type]
        (lambda: field_zeros(torch.zeros_like, low=1, high=1), ValueError, "high must be a finite number in"),
        (
            lambda: field_zeros(torch.zeros_like, low=0, high=1, cells=0),
            ValueError,
            "cells must be at least 1",
        ),
    ],
)
def test_bad_input(call, error, said) -> None:
    with pytest.raises(error, match=said):
        call()
