"""Coupling layers against the whole Jacobian, the other way of writing them, and laws that they reach exactly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from gmlib.flows import (
    Affine,
    Composition,
    Coupling,
    Flow,
    MaskedCoupling,
    StandardNormal,
    alternating_mask,
    channel_mask,
    checkerboard_mask,
    conditioner,
    dense_log_det,
    half_mask,
    jacobian,
)

F64 = torch.float64


class Steps(nn.Module):
    """A conditioner that nobody could invert: it rounds what it sees, and gives the same for u and -u."""

    def forward(self, kept: Tensor) -> Tensor:
        coarse = kept.abs().sum(-1, keepdim=True).round()
        return torch.cat([coarse.sin(), 3 * coarse.cos(), coarse - 2, coarse.square() / 5], -1)


class RandomNet(nn.Sequential):
    """Wide random weights, and a bottleneck of one unit."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Linear(inputs, 1), nn.Tanh(), nn.Linear(1, 30), nn.ReLU(), nn.Linear(30, outputs))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.normal_(generator=torch.Generator().manual_seed(parameter.numel()))


def points(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("net", [Steps(), RandomNet(2, 4).double()], ids=["steps", "random"])
def test_coupling_layer(net: nn.Module) -> None:
    layer = Coupling(half_mask(4), Affine(bound=2.0), net)
    u = points(100, 4)
    x, log_det = layer(u)
    back, inverse_log_det = layer.inverse(x)
    assert (back - u).abs().max() <= 1e-12
    assert torch.equal(x[:, :2], u[:, :2]), "the kept half is not recomputed"
    torch.testing.assert_close(inverse_log_det, -log_det, rtol=0, atol=1e-12)
    # Block triangular, an identity for the kept half, and a diagonal block for the changed one.
    matrix = jacobian(layer, u)
    assert torch.equal(matrix[:, :2, :2], torch.eye(2, dtype=F64).expand(100, 2, 2))
    assert (matrix[:, :2, 2:] == 0).all()
    assert (matrix[:, 2, 3] == 0).all()
    assert (matrix[:, 3, 2] == 0).all()
    torch.testing.assert_close(log_det, dense_log_det(layer, u), rtol=0, atol=1e-10)


def test_the_kept_half_keeps_its_law() -> None:
    # p(x) summed over the changed coordinate, at fixed values of the kept one.
    flow = Flow(
        StandardNormal((2,)).to(F64), Coupling(half_mask(2), Affine(bound=1.0), RandomNet(1, 2).double())
    )
    axis = torch.linspace(-60, 60, 24_001, dtype=F64)
    for kept in (-1.5, 0.0, 0.7):
        x = torch.stack([torch.full_like(axis, kept), axis], -1)
        marginal = torch.trapezoid(flow.log_prob(x).exp(), axis).detach()
        assert float(marginal) == pytest.approx(math.exp(-(kept**2) / 2) / math.sqrt(2 * math.pi), rel=1e-6)


@pytest.mark.parametrize(
    "mask", [half_mask(4), half_mask(4, flip=True), alternating_mask(4), alternating_mask(4, flip=True)]
)
def test_binary_mask_coupling(mask: Tensor) -> None:
    split = Coupling(mask, Affine(bound=2.0), RandomNet(2, 4).double())

    def whole(seen: Tensor) -> Tensor:
        """The same parameters in their places; what stands in the others must not matter."""
        params = torch.full((*seen.shape, 2), 1e3, dtype=F64)
        params[..., ~mask, :] = split.conditioner(seen[..., mask]).unflatten(-1, (2, 2))
        return params

    masked = MaskedCoupling(mask, Affine(bound=2.0), whole).double()
    u = points(50, 4)
    for ours, theirs in zip(split(u) + split.inverse(u), masked(u) + masked.inverse(u), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-14, atol=1e-14)


def test_binary_mask_coupling_needs_three_layers_to_touch_everything() -> None:
    layers = [
        MaskedCoupling(half_mask(4, flip=bool(i % 2)), Affine(bound=2.0), RandomNet(4, 8).double()).double()
        for i in range(3)
    ]
    u = points(200, 4)
    zeros = [int((jacobian(Composition(layers[:n]), u) == 0).all(0).sum()) for n in (1, 2, 3)]
    assert zeros == [8, 2, 0]


def test_what_the_mask_throws_away_cannot_spoil_the_gradient() -> None:
    # exp(1000) is infinite, and 0 times infinity would be NaN.
    params = torch.tensor([[1000.0, 0.0], [0.5, 1.0]], requires_grad=True)
    layer = MaskedCoupling(half_mask(2), Affine(), lambda seen: params.expand(*seen.shape, 2))
    x, log_det = layer(torch.ones(3, 2))
    (x.sum() + log_det.sum()).backward()
    assert params.grad is not None
    assert torch.isfinite(params.grad).all()


def test_a_masked_coupling_takes_parameters_behind_the_event_or_flat() -> None:
    mask, u = checkerboard_mask((2, 3, 4)), points(5, 2, 3, 4)
    weight = points(4, 2, 3, 3, seed=1)

    def convolved(seen: Tensor) -> Tensor:
        """Channels first, as a convolution gives them: two parameters of channel 0, then two of channel 1."""
        return torch.nn.functional.conv2d(seen, weight, padding=1).tanh()

    def behind(seen: Tensor) -> Tensor:
        return convolved(seen).unflatten(-3, (2, 2)).movedim(-3, -1)

    shaped = MaskedCoupling(mask, Affine(), behind).double()
    flat = MaskedCoupling(mask, Affine(), lambda seen: behind(seen).flatten(-4)).double()
    for a, b in zip(shaped(u), flat(u), strict=True):
        assert torch.equal(a, b)
    # A moved pixel of channel 1 gets the numbers 2 and 3 of its place.
    assert not mask[1, 0, 1]
    log_scale, shift = convolved(torch.where(mask, u, 0.0))[:, 2:, 0, 1].unbind(-1)
    torch.testing.assert_close(shaped(u)[0][:, 1, 0, 1], u[:, 1, 0, 1] * log_scale.exp() + shift)
    wanted = r"^conditioner must give shape \(5, 2, 3, 4, 2\) or \(5, 48\), got \(5, 4, 3, 4\)"
    with pytest.raises(ValueError, match=wanted):
        MaskedCoupling(mask, Affine(), convolved).double()(u)


def test_masks_are_what_they_say_and_their_flips_the_rest() -> None:
    assert half_mask(5).tolist() == [True, True, True, False, False]
    assert alternating_mask(5).tolist() == [True, False, True, False, True]
    board = checkerboard_mask((2, 3, 4))
    assert all(
        bool(board[c, i, j]) == ((i + j) % 2 == 0) for c in range(2) for i in range(3) for j in range(4)
    )
    assert channel_mask((3, 2, 2)).flatten(1).all(1).tolist() == [True, True, False]
    for make, size in (
        (half_mask, 5),
        (alternating_mask, 5),
        (checkerboard_mask, (2, 3, 4)),
        (channel_mask, (3, 2, 2)),
    ):
        assert torch.equal(make(size, flip=True), ~make(size))  # type: ignore[operator]


def test_a_condition_reaches_the_conditioner_after_the_kept_half() -> None:
    seen: list[Tensor] = []

    def spy(value: Tensor) -> Tensor:
        seen.append(value)
        return torch.zeros(*value.shape[:-1], 2)

    layer = Coupling(half_mask(3), Affine(), spy, context=2)
    layer(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[4.0, 5.0]]))
    assert seen[0].tolist() == [[1.0, 2.0, 4.0, 5.0]]


def test_masks_move_with_the_layer_and_stay_out_of_its_weights() -> None:
    net = conditioner(2, 1, Affine())
    for layer in (
        Coupling(alternating_mask(3), Affine(), net),
        MaskedCoupling(alternating_mask(3), Affine(), net),
    ):
        assert all(name.startswith("conditioner.") for name in layer.state_dict())
        assert all(buffer.device.type == "meta" for buffer in layer.to("meta").buffers())


def test_conditioner_starts_at_the_identity() -> None:
    net = conditioner(3, 2, Affine(), hidden=(7, 5))
    assert net(torch.randn(4, 3)).abs().max() == 0
    assert [tuple(p.shape) for p in net.parameters()] == [(7, 3), (7,), (5, 7), (5,), (4, 5), (4,)]


@pytest.mark.bad_input
def test_bad_arguments_are_named() -> None:
    net = conditioner(1, 1, Affine())
    with pytest.raises(TypeError, match=r"^mask must be a torch.Tensor, got list"):
        Coupling([True, False], Affine(), net)  # type: ignore[arg-type]
    for mask in (torch.ones(2), torch.tensor([True, True]), torch.tensor([[True, False]])):
        with pytest.raises(ValueError, match=r"^mask must be a boolean vector"):
            Coupling(mask, Affine(), net)
    for mask in (torch.ones(2), torch.tensor([False, False])):
        with pytest.raises(ValueError, match=r"^mask must be boolean and keep"):
            MaskedCoupling(mask, Affine(), net)
    for kind in (Coupling, MaskedCoupling):
        with pytest.raises(TypeError, match=r"^conditioner must be callable, got NoneType"):
            kind(half_mask(2), Affine(), None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^conditioner must give shape \(5, 4\), got \(5, 2\)"):
        Coupling(half_mask(3, flip=True), Affine(), net)(torch.zeros(5, 3))
    for make in (half_mask, alternating_mask):
        with pytest.raises(ValueError, match=r"^d must be at least 2, got 1"):
            make(1)
    for shape in ((3,), (2, 1, 1)):
        with pytest.raises(ValueError, match=r"^event_shape must be \(..., height, width\)"):
            checkerboard_mask(shape)
    with pytest.raises(ValueError, match=r"^event_shape must be at least 1, got 0"):
        checkerboard_mask((0, 4))
    with pytest.raises(ValueError, match=r"^event_shape must be \(channels, height, width\), got \(2, 2\)"):
        channel_mask((2, 2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^channels must be at least 2, got 1"):
        channel_mask((1, 2, 2))
    with pytest.raises(ValueError, match=r"^inputs must be at least 1, got 0"):
        conditioner(0, 1, Affine())
