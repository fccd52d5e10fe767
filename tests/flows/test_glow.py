"""Actnorm from a first batch, the step of Glow, and what squeezing and convolving do to volumes."""

import pytest
import torch
from torch import Tensor

from gmlib.flows import (
    ActNorm,
    Affine,
    Bijection,
    Composition,
    Conv1x1,
    ConvConditioner,
    Elementwise,
    Flow,
    ImageCoupling,
    Multiscale,
    Permutation,
    Squeeze,
    StandardNormal,
    Stretch,
    dense_log_det,
    glow,
    glow_step,
    half_mask,
    real_nvp_image,
)

F64 = torch.float64


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def shaken(bijection: Bijection, size: float = 0.2) -> Bijection:
    """In float64, its parameters moved by noise of a fixed seed."""
    with torch.no_grad():
        for i, parameter in enumerate(bijection.parameters()):
            parameter.add_(size * normal(*parameter.shape, seed=i).float())
    return bijection.to(F64)


def channels_are_standard(u: Tensor) -> None:
    dims = [dim for dim in range(u.dim()) if dim != 1]
    torch.testing.assert_close(u.mean(dims), torch.zeros(u.shape[1], dtype=F64), rtol=0, atol=1e-12)
    torch.testing.assert_close(
        u.var(dims, correction=0), torch.ones(u.shape[1], dtype=F64), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("shape", [(3,), (3, 4, 5)])
def test_actnorm_starts_from_the_first_batch(shape: tuple[int, ...]) -> None:
    layer = ActNorm(shape).to(F64)
    scale = torch.tensor([0.1, 1.0, 30.0], dtype=F64).reshape(-1, *(1,) * (len(shape) - 1))
    x = 5 + scale * normal(40, *shape)
    assert torch.equal(layer.inverse(x)[0], x)  # nothing happens before it is asked for
    u = layer.initialise(x)
    channels_are_standard(u)
    torch.testing.assert_close(layer.inverse(x)[0].detach(), u, rtol=0, atol=0)
    before = [parameter.clone() for parameter in layer.parameters()]
    layer.inverse(7 * x)
    assert all(torch.equal(a, b) for a, b in zip(before, layer.parameters(), strict=True))


def test_a_channel_that_never_changes_is_left_at_its_mean() -> None:
    layer = ActNorm((1, 2, 2))
    u = layer.initialise(torch.full((8, 1, 2, 2), 3.0))
    assert torch.isfinite(layer.log_scale).all()
    assert (u == 0).all()


def test_glow() -> None:
    step = shaken(glow_step((3, 2, 2), hidden=4, generator=torch.Generator().manual_seed(0)))
    coupling, convolution, norm = step  # type: ignore[misc]
    assert isinstance(coupling, ImageCoupling)
    assert isinstance(convolution, Conv1x1)
    assert isinstance(norm, ActNorm)
    x = 2 + 3 * normal(64, 3, 2, 2)
    step.initialise(x)
    channels_are_standard(norm.inverse(x)[0].detach())
    # The three terms: HW sum a, HW log|det W| and the log-scales of the coupling.
    u = normal(5, 3, 2, 2, seed=1)
    params = coupling.conditioner(u[:, :2])
    log_scales = 2 * torch.tanh(params[:, 0] / 2)
    matrix = torch.linalg.slogdet(convolution.matrix())[1]
    wanted = 4 * norm.log_scale.sum() + 4 * matrix + log_scales.sum((1, 2))
    torch.testing.assert_close(step(u)[1], wanted, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(step(u)[1], dense_log_det(step, u), rtol=1e-10, atol=1e-10)
    # A permutation is the convolution that changes no volume.
    order = torch.tensor([1, 2, 0])
    dealt = Conv1x1((3, 2, 2), kind="dense", start="identity").to(F64)
    with torch.no_grad():
        assert dealt.weight is not None
        dealt.weight.copy_(torch.eye(3)[order])
    x, log_det = dealt(u)
    assert (log_det == 0).all()
    assert torch.equal(x, Permutation(order, (3, 2, 2))(u)[0])


def test_every_actnorm_of_a_stack_starts_from_what_reaches_it() -> None:
    flow = glow((1, 8, 8), levels=2, steps=3, hidden=4, generator=torch.Generator().manual_seed(0)).to(F64)
    x = torch.rand(64, 1, 8, 8, dtype=F64, generator=torch.Generator().manual_seed(1))
    u = flow.bijection.initialise(x)
    assert torch.equal(u, flow.bijection.inverse(x)[0])
    # Couplings start at the identity and convolutions at rotations: from one step on, channels are standard and stay so
    # up to their correlations. Check the first that data reach, by hand.
    assert isinstance(flow.bijection, Composition)
    levels, *ends = flow.bijection
    assert isinstance(levels, Multiscale)
    finest = list(levels)[-1]
    assert isinstance(finest, Composition)
    *steps, squeeze = finest
    for layer in (*reversed(ends), squeeze):
        x = layer.inverse(x)[0]
    for step in reversed(steps):
        assert isinstance(step, Composition)
        channels_are_standard(list(step)[-1].inverse(x)[0].detach())
        x = step.inverse(x)[0]


@pytest.mark.parametrize("make", [glow, real_nvp_image])
def test_flows_of_images_are_densities_of_bounded_data(make) -> None:
    flow = make((1, 4, 4), hidden=4).to(F64)
    x = flow.sample((200,), generator=torch.Generator().manual_seed(0))
    # logit(alpha + (1 - 2 alpha) x) with alpha = .05: x lies between -1/18 and 19/18.
    assert x.min() > -1 / 18
    assert x.max() < 19 / 18
    # At the start couplings are the identity and convolutions rotations: independent logistic functions of normal noise.
    y = 0.05 + 0.9 * x
    logit = torch.logit(y)
    wanted = StandardNormal((1, 4, 4)).to(F64).log_prob(logit) + (0.9 / (y * (1 - y))).log().sum((1, 2, 3))
    # The rotations are stored in float32.
    torch.testing.assert_close(flow.log_prob(x), wanted, rtol=0, atol=1e-4)


def test_squeeze() -> None:
    squeeze = Squeeze((2, 4, 6))
    x = torch.arange(48.0).reshape(1, 2, 4, 6)
    u, log_det = squeeze.inverse(x)
    assert u.shape == (1, 8, 2, 3)
    assert log_det.item() == 0
    assert torch.equal(
        u, torch.nn.functional.pixel_unshuffle(x, 2)
    )  # PyTorch's own, which knows no empty batch
    assert torch.equal(u.flatten().sort()[0], x.flatten())
    assert torch.equal(squeeze(u)[0], x)
    # Channels 0 and 3 of an image of one channel are a checkerboard of its pixels.
    first = Squeeze((1, 4, 4))
    kept = torch.tensor([1.0, 0.0, 0.0, 1.0])[:, None, None].expand(4, 2, 2)
    board = first(kept[None])[0][0, 0]
    rows = torch.arange(4)
    assert torch.equal(board, ((rows[:, None] + rows) % 2 == 0).float())


def test_a_coupling_never_changes_what_it_keeps_and_starts_at_the_identity() -> None:
    net = ConvConditioner(2, 2, Affine(), hidden=4)
    layer = ImageCoupling((4, 3, 3), torch.tensor([True, False, False, True]), Affine(), net).to(F64)
    u = normal(5, 4, 3, 3)
    assert torch.equal(layer(u)[0], u)
    shaken(layer)
    x = layer(u)[0]
    assert torch.equal(x[:, [0, 3]], u[:, [0, 3]])
    assert (x[:, [1, 2]] != u[:, [1, 2]]).all()


def test_biases_of_pixels_tell_places_apart() -> None:
    for size, constant in ((None, True), ((5, 5), False)):
        net = shaken(ConvConditioner(1, 1, Affine(), hidden=4, blocks=0, size=size))  # type: ignore[arg-type]
        inside = net(torch.zeros(1, 1, 5, 5, dtype=F64))[0, 0, 2, 2:4]
        assert torch.equal(inside[0], inside[1]) == constant


def test_glow_draws_under_autocast() -> None:
    flow = glow((1, 4, 4), levels=1, steps=2, hidden=4, generator=torch.Generator().manual_seed(0))
    plain = flow.sample((3,), generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16):
        x = flow.sample((3,), generator=torch.Generator().manual_seed(1))
        log_prob = flow.log_prob(x)
    torch.testing.assert_close(x, plain, rtol=0, atol=1e-4)  # the networks give 0 at first, however rounded
    assert x.dtype == log_prob.dtype == torch.float32


@pytest.mark.bad_input
def test_the_shape_of_images_may_be_a_list() -> None:
    net = ConvConditioner(2, 2, Affine(), hidden=4)
    layer = ImageCoupling([4, 2, 2], half_mask(4), Affine(), net)  # type: ignore[arg-type]
    assert layer.event_shape == (4, 2, 2)


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"event_shape must name channels, got \(\)"):
        ActNorm(())
    with pytest.raises(ValueError, match="x must hold at least one point"):
        ActNorm((2,)).initialise(torch.zeros(0, 2))
    with pytest.raises(ValueError, match="eps must be a finite number"):
        ActNorm((2,)).initialise(torch.zeros(3, 2), eps=0.0)
    with pytest.raises(ValueError, match="factor must divide height and width 3 and 4, got 2"):
        Squeeze((1, 3, 4))
    with pytest.raises(ValueError, match=r"event_shape must be \(channels, height, width\)"):
        Squeeze((4, 4))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"mask must be a boolean vector of 2 channels .* with 2 kept"):
        ImageCoupling((2, 2, 2), torch.ones(2, dtype=torch.bool), Affine(), torch.nn.Identity())
    with pytest.raises(TypeError, match="conditioner must be callable, got int"):
        ImageCoupling((2, 2, 2), half_mask(2), Affine(), 3)  # type: ignore[arg-type]
    short = ImageCoupling((2, 2, 2), half_mask(2), Affine(), torch.nn.Identity())
    with pytest.raises(ValueError, match=r"conditioner must give shape \(1, 2, 2, 2\), got \(1, 1, 2, 2\)"):
        short(torch.zeros(1, 2, 2, 2))
    with pytest.raises(ValueError, match="height and width divisible by 4 for 2 levels"):
        glow((1, 6, 8))
    with pytest.raises(ValueError, match="alpha must be a finite number"):
        real_nvp_image((1, 4, 4), alpha=0.5)
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        glow((1, 4, 4), steps=0)
    with pytest.raises(ValueError, match="high must be a finite number"):
        Stretch((2,), 1.0, 1.0)
    with pytest.raises(ValueError, match="bijections must fit each other, got layer 0"):
        Composition([Squeeze((1, 4, 4)), Elementwise(Affine(), (4, 2, 2))])
    with pytest.raises(ValueError, match="base must have the shape of the bijections' noise"):
        Flow(StandardNormal((1, 4, 4)), Squeeze((1, 4, 4)))
