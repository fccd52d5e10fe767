"""The network for points that is told the time."""

import pytest
import torch

from gmlib.nn import TimeMLP


def test_a_fresh_network_predicts_zero_and_a_moved_one_depends_on_the_time():
    torch.manual_seed(0)
    network = TimeMLP(2, width=16, depth=2, frequencies=8)
    x, t = torch.randn(6, 2), torch.linspace(0, 1, 6)
    assert float(network(x, t).detach().abs().max()) == 0.0
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    same = network(x[:1].expand(6, 2), t).detach()
    assert float((same[1:] - same[:1]).abs().min()) > 1e-3


def test_gradients_reach_every_weight():
    torch.manual_seed(0)
    network = TimeMLP(3, width=16, depth=2, frequencies=8)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    network(torch.randn(8, 3), torch.rand(8)).square().sum().backward()
    assert all(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in network.parameters())


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"dim": 0}, "dim"),
        ({"width": 0}, "must be at least 1"),
        ({"depth": 0}, "depth"),
        ({"frequencies": 3}, "even"),
    ],
)
def test_bad_sizes(keywords, message):
    with pytest.raises(ValueError, match=message):
        TimeMLP(**{"dim": 2, **keywords})


@pytest.mark.bad_input
def test_bad_points():
    with pytest.raises(ValueError, match="x must"):
        TimeMLP(2)(torch.zeros(4, 3), torch.zeros(4))
    with pytest.raises(TypeError, match="t must"):
        TimeMLP(2)(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"t must have shape \(4,\), a time for each of x, got \(1,\)"):
        TimeMLP(2)(torch.zeros(4, 2), torch.zeros(1))
