"""Levels and splits: the same law as without them, at the price of fewer layers."""

import math

import pytest
import torch
from torch import Tensor

from gmlib.flows import (
    ActNorm,
    Affine,
    Bijection,
    Composition,
    Dequantised,
    Elementwise,
    Flow,
    GreyLevels,
    ImageCoupling,
    MaskedAutoregressive,
    Multiscale,
    RationalQuadratic,
    Reshape,
    Squeeze,
    StandardNormal,
    glow_step,
    spline_image_flow,
    start_at_marginals,
)

F64 = torch.float64


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


class OnFirstChannels(Bijection):
    """A map of the first channels that leaves the others alone: what a split saves."""

    def __init__(self, inner: Bijection, channels: int) -> None:
        super().__init__((channels, *inner.event_shape[1:]))
        self.inner, self.first = inner, inner.event_shape[0]

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        x, log_det = self.inner(u[:, : self.first])
        return torch.cat([x, u[:, self.first :]], 1), log_det

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        u, log_det = self.inner.inverse(x[:, : self.first])
        return torch.cat([u, x[:, self.first :]], 1), log_det


def test_multiscale_flow() -> None:
    torch.manual_seed(0)
    # 1 x 8 x 8 squeezed to 4 x 4 x 4; two channels go on, squeezed to 8 x 2 x 2; of those four, and a last level.
    fine = Composition([glow_step((4, 4, 4), hidden=4), Squeeze((1, 8, 8))])
    middle = Composition([glow_step((8, 2, 2), hidden=4), Squeeze((2, 4, 4))])
    coarse = glow_step((4, 2, 2), hidden=4)
    for i, parameter in enumerate(p for part in (fine, middle, coarse) for p in part.parameters()):
        parameter.data.add_(0.1 * normal(*parameter.shape, seed=i).float())
    split = Flow(StandardNormal((64,)), Multiscale([coarse, middle, fine])).to(F64)
    # The unsplit model keeps every channel to the end: the coarser levels act on some of them and leave the rest.
    inner = Composition([OnFirstChannels(coarse, 8), middle])
    whole = Flow(StandardNormal((4, 4, 4)), _wide(inner, fine)).to(F64)
    x = normal(6, 1, 8, 8)
    torch.testing.assert_close(split.log_prob(x), whole.log_prob(x), rtol=0, atol=1e-10)
    # The noise holds the coarsest level first, and all of the image.
    u, log_det = split.bijection.inverse(x)
    assert u.shape == (6, 64)
    levels = split.bijection
    assert isinstance(levels, Multiscale)
    assert levels.sizes == [16, 16, 32]
    torch.testing.assert_close(levels(u)[0], x, rtol=0, atol=1e-12)
    leaves = fine.inverse(x)[0][:, 2:].flatten(1)
    assert torch.equal(u[:, 32:], leaves)
    torch.testing.assert_close(levels(u)[1], -log_det, rtol=0, atol=1e-10)


def _wide(inner: Composition, fine: Bijection) -> Composition:
    """The coarser levels on two of the four channels of the fine one; noise of their shape is put back by a squeeze."""
    back = Reshape((8, 2, 2), (2, 4, 4))
    return Composition([OnFirstChannels(Composition([back, inner]), 4), fine])


def test_levels_keep_their_first_channels() -> None:
    scale = Elementwise(Affine(), (1, 2, 2))
    with torch.no_grad():
        scale.params[..., 0] = math.log(2.0)
    flow = Multiscale([scale, ActNorm((3, 2, 2))])
    x, log_det = flow(torch.ones(12))
    assert torch.equal(x[0], torch.full((2, 2), 2.0))
    assert torch.equal(x[1:], torch.ones(2, 2, 2))
    assert log_det.item() == pytest.approx(4 * math.log(2))


def test_a_pixel_of_the_spline_flow_depends_on_earlier_pixels_alone() -> None:
    torch.manual_seed(0)
    flow = spline_image_flow((1, 8, 8), levels=1, bins=5, hidden=4, coarse_hidden=(32,)).to(F64)
    for parameter in flow.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    # u of pixels 01 (the second kind to be made) must not see those of 10, which are made last.
    x = 0.1 + 0.8 * torch.rand(1, 1, 8, 8, dtype=F64)
    u = flow.bijection.inverse(x)[0]
    moved = x.clone()
    moved[..., 1::2, 0::2] = 0.5
    v = flow.bijection.inverse(moved)[0]
    assert torch.equal(u[:, :48], v[:, :48])
    assert (u[:, 48:] != v[:, 48:]).all()
    # And the corners, which are made first, change everything.
    moved = x.clone()
    moved[..., 0, 0] = 0.5
    assert (flow.bijection.inverse(moved)[0] != u).float().mean() > 0.3


def test_grey_levels_of_the_identity_is_three_straight_lines() -> None:
    h = GreyLevels(RationalQuadratic(5, 1.0, low=0.0))
    params = h.identity().double().expand(5, -1)
    x, log_slope = h.forward(torch.tensor([0.0, 0.175, 0.35, 0.8, 1.0], dtype=F64), params)
    wanted = torch.tensor([0, 0.5, 1, 253, 256], dtype=F64) / 256
    torch.testing.assert_close(x, wanted, rtol=0, atol=1e-7)
    slopes = torch.tensor([1 / 256 / 0.35, 252 / 256 / 0.45, 3 / 256 / 0.2], dtype=F64).log()
    torch.testing.assert_close(log_slope[[0, 3, 4]], slopes, rtol=0, atol=1e-6)


def test_start_at_marginals_gives_each_pixel_its_own_histogram() -> None:
    torch.manual_seed(0)
    # A pixel that is always black, one that is black or white, one that is grey in [64, 127], the others uniform.
    n = 4000
    images = torch.randint(0, 256, (n, 1, 4, 4), dtype=torch.uint8)
    images[:, 0, 0, 0] = 0
    images[:, 0, 3, 1] = 255 * (images[:, 0, 3, 1] % 2)
    images[:, 0, 1, 2] = 64 + images[:, 0, 1, 2] // 4
    flow = spline_image_flow((1, 4, 4), levels=1, bins=8, hidden=4, coarse_hidden=(8,)).to(F64)
    start_at_marginals(flow, images, pseudo_count=1.0)
    nats = -Dequantised(flow, 256).bound(images, generator=torch.Generator().manual_seed(0)).mean().item()
    # Histograms cost 0, log 2, log 64 and 13 log 256 nats. White shares its bins with two more levels (log 3), and the
    # grey pixel's bins are 63 levels wide: two of them, at most log 2 more. Smooth edges cost a little on top.
    exact = math.log(2) + math.log(64) + 13 * math.log(256)
    assert exact - 0.05 < nats < exact + 0.5 * math.log(3) + math.log(2) + 0.8
    # Nothing depends on other pixels yet.
    u = flow.bijection.inverse((images[:2] + 0.5).double() / 256)[0]
    assert torch.isfinite(u).all()
    images[1, 0, 2, 2] = images[0, 0, 2, 2]
    moved = flow.bijection.inverse((images[:2] + 0.5).double() / 256)[0]
    assert (moved[1] != u[1]).sum() == 1
    assert torch.equal(moved[0], u[0])
    kinds = [layer for layer in flow.modules() if isinstance(layer, ImageCoupling | MaskedAutoregressive)]
    assert len(kinds) == 4


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="levels must hold at least one level, got none"):
        Multiscale([])
    with pytest.raises(TypeError, match="levels must hold Bijection objects, got int"):
        Multiscale([3])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"levels must fit each other: level 1 takes \(2, 2, 2\)"):
        Multiscale([ActNorm((2, 2, 2)), ActNorm((2, 2, 2))])
    with pytest.raises(ValueError, match=r"levels must fit each other: .* got \(1, 4, 2\)"):
        Multiscale([ActNorm((1, 4, 2)), ActNorm((2, 2, 2))])
    with pytest.raises(ValueError, match=r"levels must be \(channels, height, width\)"):
        Multiscale([ActNorm((2,))])
    with pytest.raises(ValueError, match=r"noise_shape must have as many entries as event_shape \(2, 2\)"):
        Reshape((2, 2), (3,))
    with pytest.raises(ValueError, match="bins must be at least 5, got 4"):
        spline_image_flow((1, 4, 4), bins=4)
    with pytest.raises(TypeError, match="flow must be made by spline_image_flow"):
        start_at_marginals(
            Flow(StandardNormal((4,)), Reshape((1, 2, 2))), torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
        )
    flow = spline_image_flow((1, 4, 4), levels=1, hidden=4, coarse_hidden=(8,))
    with pytest.raises(ValueError, match=r"images must have shape \(n, \*\(1, 4, 4\)\)"):
        start_at_marginals(flow, torch.zeros(3, 1, 2, 2, dtype=torch.uint8))
