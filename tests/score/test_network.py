"""The score network against the closed forms that its parts are made of."""

import copy

import pytest
import torch
from torch import nn

from gmlib.distributions import Gaussian
from gmlib.score import ScoreNetwork, mlp_score, ncsn_loss
from gmlib.score.network import Embedded

F64 = torch.float64
LEVELS = torch.tensor([0.01, 0.3, 1.0, 20.0], dtype=F64)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_a_network_it_is_the_round_normal_laws_score() -> None:
    mean = torch.tensor([[1.1, -2.0], [0.3, 0.0]], dtype=F64)  # an event of two dimensions
    score = ScoreNetwork(lambda u, c: torch.zeros_like(u), mean, 3.1)  # the mean keeps its dtype
    x = torch.randn(4, 2, 2, dtype=F64, generator=generator())
    expected = torch.stack(
        [
            Gaussian(mean.flatten(), var=3.1 + s**2).score(p.flatten())
            for p, s in zip(x, LEVELS.tolist(), strict=True)
        ]
    )
    assert torch.allclose(score(x, LEVELS).flatten(1), expected, rtol=1e-12, atol=0)
    assert torch.equal(score(x, LEVELS[1]), score(x, LEVELS[1].expand(4)))


def test_noise_conditional_network_sees_unit_variance() -> None:
    # eq-08-network: input and target of F have variance one at every level, and the weighted loss is the regression.
    v, seen = 3.0, []

    def net(u: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        seen.append((u, c))
        return 0.3 * u.roll(1, -1)

    score = ScoreNetwork(net, 1.5, v).to(F64)
    n = 200_000
    x = 1.5 + v**0.5 * torch.randn(n, 2, dtype=F64, generator=generator())
    noise = torch.randn(n, 2, dtype=F64, generator=generator(1))
    for sigma in LEVELS:
        loss = ncsn_loss(score, x, noise, sigma).total
        u, c = seen.pop()
        target = (sigma * (x - 1.5) / v**0.5 - v**0.5 * noise) / (v + sigma**2).sqrt()
        # The variance of a variance estimate from normal draws is 2 / (2n).
        for unit in (u, target):
            assert unit.square().mean().item() == pytest.approx(1.0, abs=5 * n**-0.5)
        regression = 0.5 * v / (v + sigma**2) * (0.3 * u.roll(1, -1) - target).square().sum(-1)
        assert torch.allclose(loss, regression, rtol=1e-9, atol=1e-12)
        assert c.unique().item() == pytest.approx(0.25 * sigma.log().item())


def test_sigma_may_differ_between_points_and_weights_travel() -> None:
    torch.manual_seed(0)
    score = mlp_score(3, [16, 8], torch.tensor([1.0, 2.0, 3.0]), 0.7)
    x, sigma = torch.randn(5, 3), torch.rand(5) + 0.1
    each = torch.cat([score(x[i : i + 1], sigma[i]) for i in range(5)])
    assert torch.allclose(score(x, sigma), each, atol=1e-5)
    other = mlp_score(3, [16, 8], torch.zeros(3))
    other.load_state_dict(score.state_dict())  # mean and variance are among the weights
    assert torch.equal(other(x, sigma), score(x, sigma))
    assert [tuple(p.shape) for p in score.parameters()] == [(16, 4), (16,), (8, 16), (8,), (3, 8), (3,)]


def test_a_network_reads_x_in_its_own_dtype() -> None:
    # A mean in float64 with weights in float32, as the mean of data often is; and weights saved with another dtype.
    mean = torch.tensor([0.1, 2.0], dtype=F64)
    torch.manual_seed(0)
    score = mlp_score(2, [8], mean, 0.7)
    x = torch.ones(3, 2)
    assert (score.mean.dtype, score.var.dtype) == (F64, F64)
    assert score(x, 0.3).dtype == torch.float32
    other = mlp_score(2, [8])
    other.load_state_dict(score.state_dict())
    assert other.mean.dtype == torch.float32
    assert torch.allclose(other(x, 0.3), score(x, 0.3))


def test_embedded_network_reads_the_level() -> None:
    torch.manual_seed(0)
    net = Embedded(3, width=8, depth=2, embedding=8)
    for block in net.mlp.blocks:
        nn.init.normal_(block.contract.weight)  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue]
    u = torch.randn(1, 3)
    assert not torch.allclose(net(u, torch.tensor([0.0])), net(u, torch.tensor([0.5])))


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    torch.manual_seed(0)
    score = mlp_score(2, mean=torch.tensor([1.0, 2.0]))
    x, sigma = torch.randn(7, 2, generator=generator()), torch.rand(7, generator=generator(1)) + 0.1
    moved = copy.deepcopy(score).cuda()
    # float32 on both: 1e-4 of the values, which reach 1/sigma = 10.
    assert torch.allclose(moved(x.cuda(), sigma.cuda()).cpu(), score(x, sigma), rtol=1e-4, atol=1e-3)
    # One level for all may be a number or on the CPU, in any precision.
    for level in (0.3, torch.tensor(0.3), torch.tensor(0.3, dtype=F64)):
        assert torch.allclose(moved(x.cuda(), level).cpu(), score(x, 0.3), rtol=1e-4, atol=1e-3)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: ScoreNetwork(3, 0.0, 1.0), TypeError, "net must be callable, got int"),  # type: ignore[arg-type]
        (lambda: ScoreNetwork(nn.Identity(), "0", 1.0), TypeError, "mean must be a real number"),  # type: ignore[arg-type]
        (
            lambda: ScoreNetwork(nn.Identity(), torch.tensor([1]), 1.0),
            TypeError,
            "mean must have a floating dtype",
        ),
        (
            lambda: ScoreNetwork(nn.Identity(), torch.tensor([float("nan")]), 1.0),
            ValueError,
            "mean must be finite",
        ),
        (lambda: ScoreNetwork(nn.Identity(), 0.0, 0.0), ValueError, "var must be a finite number in"),
        (lambda: mlp_score(0), ValueError, "d must be at least 1, got 0"),
        (lambda: mlp_score(2, [0]), ValueError, "sizes must be at least 1, got 0"),
        (lambda: mlp_score(2, mean=torch.zeros(3)), ValueError, "mean must end in the event shape"),
        (lambda: mlp_score(2, mean=torch.zeros(1, 2)), ValueError, r"mean must have shape \(2,\)"),
        (
            lambda: mlp_score(2)(torch.zeros(1, 3), torch.tensor(1.0)),
            ValueError,
            r"must end in the event shape \(2,\)",
        ),
        (
            lambda: mlp_score(2)(torch.zeros(4, 2), torch.ones(3)),
            ValueError,
            r"sigma must have shape \(\) or \(4,\)",
        ),
        (lambda: mlp_score(2)(torch.zeros(4, 2), "1"), TypeError, "sigma must be a real number, got str"),  # type: ignore[arg-type]
        (lambda: mlp_score(2)(torch.zeros(4, 2), 0.0), ValueError, "sigma must be a finite number in"),
        (lambda: mlp_score(2)([[0.0, 0.0]], torch.tensor(1.0)), TypeError, "x must be a torch.Tensor"),
        (
            lambda: ScoreNetwork(nn.Identity(), 0.0, 1.0)(torch.ones(()), torch.ones(())),
            ValueError,
            r"x must have shape \(batch",
        ),
        (
            lambda: mlp_score(2)(torch.ones(2, 2), torch.ones((), device="meta")),
            ValueError,
            "sigma must be on the device cpu of the points, got meta",
        ),
    ],
)
def test_bad_input(call, error, said) -> None:
    with pytest.raises(error, match=said):
        call()
