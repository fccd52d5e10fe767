"""Masked networks: what an output may see it can see, and nothing else, exactly."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gmlib.nn import InTurn, MaskedLinear, MaskedMLP
from gmlib.nn.masked import spread_degrees

F64 = torch.float64
SHAPES = [
    {"d": 1, "hidden": (4,)},
    {"d": 1, "hidden": (3, 2), "context": 2},
    {"d": 2, "hidden": (1,)},
    {"d": 2, "hidden": (2, 5), "context": 1, "outputs": 3},
    {"d": 3, "hidden": ()},
    {"d": 3, "hidden": (), "context": 2, "order": (2, 0, 1)},
    {"d": 5, "hidden": (4,), "order": (3, 1, 4, 0, 2)},
    {"d": 5, "hidden": (17, 5, 9), "context": 3, "outputs": 2, "order": (4, 3, 2, 1, 0)},
    {"d": 6, "hidden": (2, 3)},  # too few units to carry every dependence
]


def made(seed: int = 0, **shape: object) -> MaskedMLP:
    """A network with random weights and a smooth nonlinearity, no derivative of which is 0 by accident."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MaskedMLP(**shape, activation=nn.Tanh).to(F64)  # type: ignore[arg-type]


def allowed(net: MaskedMLP) -> Tensor:
    """Which coordinates (columns) stand in front of which (rows)."""
    place = torch.tensor([net.order.index(i) for i in range(net.d)])
    return place[:, None] > place


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_output_depends_on_what_is_in_front_of_it_and_on_the_condition(shape: dict[str, object]) -> None:
    net = made(**shape)
    x, c = torch.randn(net.d, dtype=F64), torch.randn(net.context, dtype=F64)
    condition = c if net.context else None
    by_x = torch.func.jacrev(lambda x: net(x, condition))(x)  # (d, outputs, d)
    assert by_x.shape == (net.d, net.outputs, net.d)
    enough = all(width >= net.d - (0 if net.context else 1) for width in shape["hidden"])  # type: ignore[union-attr]
    for k in range(net.outputs):
        seen = by_x[:, k] != 0
        assert not (seen & ~allowed(net)).any()
        if enough:
            assert torch.equal(seen, allowed(net))
    if net.context and enough:
        assert (torch.func.jacrev(lambda c: net(x, c))(c) != 0).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_paths(shape: dict[str, object]) -> None:
    """The product of the masks counts the paths from an input to an output."""
    net = made(**shape)
    product = torch.eye(net.context + net.d, dtype=F64)
    for layer in net.layers:
        product = layer.mask @ product  # type: ignore[operator]
    paths = product.reshape(net.d, net.outputs, -1)
    forbidden = ~allowed(net)
    assert (paths[..., net.context :].movedim(1, 0)[:, forbidden] == 0).all()
    # However few the units are, the last coordinate sees something, if there is anything in front of it.
    if net.d > 1:
        assert (paths[net.order[-1], :, net.context :].sum(-1) > 0).all()


def test_degrees_reach_both_ends() -> None:
    assert spread_degrees(8, 1, 4) == [1, 1, 2, 2, 3, 3, 4, 4]
    for n, low, high in itertools.product((1, 2, 7, 64), (0, 1), (1, 2, 9, 783)):
        degrees = spread_degrees(n, low, high)
        assert degrees == sorted(degrees)
        assert degrees[-1] == high
        if n > high - low:  # each one occurs, about equally often
            counts = [degrees.count(k) for k in range(low, high + 1)]
            assert min(counts) >= 1
            assert max(counts) - min(counts) <= 1
        else:
            assert degrees[0] >= low
            assert len(set(degrees)) == n


def test_the_probabilities_of_all_binary_words_sum_to_one() -> None:
    """Whatever the weights: each conditional law does, one after the other."""
    net = made(d=6, hidden=(11, 8), order=(3, 5, 0, 2, 4, 1))
    words = torch.tensor(list(itertools.product((0.0, 1.0), repeat=6)), dtype=F64)
    logits = 5 * net(words).squeeze(-1)
    log_prob = -nn.functional.binary_cross_entropy_with_logits(logits, words, reduction="none").sum(-1)
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_in_turn_is_the_network(shape: dict[str, object]) -> None:
    net = made(**shape)
    x, c = torch.randn(4, 3, net.d, dtype=F64), torch.randn(4, 3, net.context, dtype=F64)
    condition = c if net.context else None
    truth = net(x, condition)
    walk = InTurn(net, (4, 3), condition)
    for i in net.order:
        torch.testing.assert_close(walk.outputs(), truth[..., i, :], rtol=1e-13, atol=1e-13)
        walk.tell(x[..., i])


def test_in_turn_multiplies_no_more_than_one_pass() -> None:
    net, x = MaskedMLP(8, 2, hidden=(32, 32)), torch.randn(10, 8)
    with FlopCounterMode(display=False) as whole:
        net(x)
    with FlopCounterMode(display=False) as steps:
        walk = InTurn(net, (10,))
        for i in net.order:
            walk.outputs()
            walk.tell(x[:, i])
    assert 0 < steps.get_total_flops() < whole.get_total_flops()


def test_masked_weights_are_stored_and_do_not_learn() -> None:
    mask = torch.tensor([[True, False], [False, True], [True, True]])
    layer = MaskedLinear(mask)
    assert (layer.weight != 0).all()
    assert set(layer.state_dict()) == {"weight", "bias"}
    layer(torch.ones(5, 2)).sum().backward()
    assert layer.weight.grad is not None
    assert torch.equal(layer.weight.grad != 0, mask)
    assert layer.double().mask.dtype == F64  # no product of unequal dtypes
    # New weights take effect at once: nothing is remembered.
    before = layer(torch.ones(2, dtype=F64))
    layer.load_state_dict({"weight": 2 * layer.weight.detach(), "bias": 2 * layer.bias.detach()})
    assert torch.equal(layer(torch.ones(2, dtype=F64)), 2 * before)


def test_start_constant() -> None:
    net = made(d=3, outputs=2, hidden=(6,))
    net.start_constant(torch.tensor([1.0, -2.0]))
    assert torch.equal(
        net(torch.randn(4, 3, dtype=F64)), torch.tensor([1.0, -2.0], dtype=F64).expand(4, 3, 2)
    )


BAD = [
    (lambda: MaskedLinear([[True]]), TypeError, "mask must be a boolean tensor, got list"),
    (lambda: MaskedLinear(torch.ones(2, 2)), TypeError, "mask must be a boolean tensor, got torch.float32"),
    (lambda: MaskedLinear(torch.tensor([True])), ValueError, r"mask must have shape \(outputs, inputs\)"),
    (lambda: MaskedMLP(0), ValueError, "d must be at least 1, got 0"),
    (lambda: MaskedMLP(2, 0), ValueError, "outputs must be at least 1"),
    (lambda: MaskedMLP(2, hidden=(0,)), ValueError, "hidden must be at least 1"),
    (lambda: MaskedMLP(2, context=-1), ValueError, "context must be at least 0"),
    (lambda: MaskedMLP(3, order=(0, 1, 1)), ValueError, "order must name each coordinate from 0 to 2 once"),
    (lambda: MaskedMLP(3, order=(1, 0)), ValueError, "order must name each coordinate"),
    (lambda: MaskedMLP(3)(torch.zeros(4, 2)), ValueError, "x must end in the event shape"),
    (lambda: MaskedMLP(3)(torch.zeros(3), torch.zeros(1)), ValueError, "c must have shape"),
    (lambda: MaskedMLP(3, context=2)(torch.zeros(3)), ValueError, "c must have shape"),
    (lambda: MaskedMLP(3, 2).start_constant(torch.zeros(3)), ValueError, r"values must have shape \(2,\)"),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("call", "error", "match"), BAD)
def test_bad_input(call, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()
