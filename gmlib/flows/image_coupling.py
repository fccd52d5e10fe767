"""Coupling layers of images: channels that stay tell a convolutional network how to move the other channels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from gmlib._checks import check_callable, check_count, check_instance, check_tensor
from gmlib.flows.bijection import Bijection, sum_event
from gmlib.flows.scalar import ScalarMap
from gmlib.flows.squeeze import check_image


class ImageCoupling(Bijection):
    r"""Keeps the channels B of an image, and moves each entry of the channels A by a scalar map that B chooses.

    .. math:: x_B = u_B, \qquad x_{aij} = h\big(u_{aij};\, \theta_{aij}(u_B, c)\big) \;\; (a \in A)

    As `gmlib.flows.Coupling`, with whole channels for coordinates and a convolutional conditioner: nothing is computed
    for the channels that stay. Behind a `Squeeze` the channels are pixels, so that "keep the first and the last of four"
    is a checkerboard.

    Args:
        event_shape: (C, height, width).
        mask: True for the channels that are kept, shape (C,).
        scalar_map: the rule h.
        conditioner: from images (n, kept, height, width) of what stays to images (n, changed * n_params, height, width):
            the parameters of the first channel of A, then of the second, and so on. With a condition it is called with
            c, (n, context), as well.
        context: length of the condition c, 0 for none.

    Raises:
        TypeError: ``mask`` is not a tensor, ``scalar_map`` no `ScalarMap`, or ``conditioner`` cannot be called.
        ValueError: ``event_shape`` is not that of an image; ``mask`` is not a boolean vector of C entries that keeps some
            and changes some; in use, the conditioner gives another shape.

    References:
        L. Dinh, J. Sohl-Dickstein and S. Bengio, *Density estimation using Real NVP*, 2017, section 3.4; D. Kingma and
        P. Dhariwal, *Glow: Generative flow with invertible 1x1 convolutions*, 2018, section 3.3.

    Example:
        >>> from gmlib.flows import Affine, ConvConditioner, ImageCoupling, half_mask
        >>> net = ConvConditioner(2, 2, Affine(), hidden=8)
        >>> layer = ImageCoupling((4, 7, 7), half_mask(4), Affine(), net)
        >>> x, log_det = layer(torch.ones(5, 4, 7, 7))
        >>> bool((x == 1).all()), log_det.shape
        (True, torch.Size([5]))
    """

    def __init__(
        self,
        event_shape: tuple[int, int, int],
        mask: Bool[Tensor, " channels"],
        scalar_map: ScalarMap,
        conditioner: Callable[..., Tensor],
        *,
        context: int = 0,
    ) -> None:
        check_image("event_shape", event_shape)
        check_instance("scalar_map", scalar_map, ScalarMap)
        check_tensor("mask", mask, floating=False)
        kept = int(mask.sum())
        if mask.dtype != torch.bool or mask.shape != (event_shape[0],) or not 0 < kept < len(mask):
            raise ValueError(
                f"mask must be a boolean vector of {event_shape[0]} channels that keeps and changes at least one each, "
                f"got {mask.dtype} of shape {tuple(mask.shape)} with {kept} kept"
            )
        check_callable("conditioner", conditioner)
        super().__init__(event_shape, context=context)
        self.scalar_map = scalar_map
        self.conditioner = conditioner
        self.n_changed = len(mask) - kept
        order = torch.cat([mask.nonzero()[:, 0], (~mask).nonzero()[:, 0]])
        self.register_buffer("kept", order[:kept], persistent=False)
        self.register_buffer("changed", order[kept:], persistent=False)
        self.register_buffer("back", order.argsort(), persistent=False)
        self.kept: Tensor
        self.changed: Tensor
        self.back: Tensor

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._move(u, c, self.scalar_map.forward)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._move(x, c, self.scalar_map.inverse)

    def _move(
        self, point: Tensor, c: Tensor | None, move: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        batch = point.shape[:-3]
        flat = point.reshape(batch.numel(), *self.event_shape)
        kept = flat.index_select(1, self.kept)
        condition = None if c is None else c.reshape(batch.numel(), self.context)
        moved, log_slope = move(flat.index_select(1, self.changed), self._params(kept, condition))
        out = torch.cat([kept, moved], 1).index_select(1, self.back)
        return out.reshape(point.shape), sum_event(log_slope, 3).reshape(batch)

    def _params(self, kept: Tensor, c: Tensor | None) -> Tensor:
        params = self.conditioner(kept) if c is None else self.conditioner(kept, c)
        n, (_, height, width) = len(kept), self.event_shape
        wanted = (n, self.n_changed * self.scalar_map.n_params, height, width)
        if params.shape != wanted:
            raise ValueError(f"conditioner must give shape {wanted}, got {tuple(params.shape)}")
        # A network under autocast answers in bfloat16; the map itself is computed as exactly as its point is given.
        params = params.to(kept.dtype).unflatten(1, (self.n_changed, self.scalar_map.n_params))
        return params.movedim(2, -1)


class ConvConditioner(nn.Module):
    """A small convolutional network that gives the parameters of scalar maps, and at first those of the identity.

    A 3x3 convolution, residual blocks of two more, and a last one whose weights start at 0, plus biases that start at
    ``scalar_map.identity()``: a stack of any depth starts at the base law.

    Args:
        inputs: channels that it sees.
        channels: channels that it gives parameters for.
        scalar_map: the rule that takes them.
        hidden: channels of the hidden layers.
        blocks: number of residual blocks.
        size: height and width of the images, for biases of the last layer that differ from pixel to pixel (digits are
            centred: an image's border is another place than its middle); None shares them.

    Raises:
        TypeError: ``scalar_map`` is no `ScalarMap`.
        ValueError: a size below 1, or a negative number of blocks.

    References:
        L. Dinh, J. Sohl-Dickstein and S. Bengio, *Density estimation using Real NVP*, 2017, section 3.7.

    Example:
        >>> from gmlib.flows import Affine, ConvConditioner
        >>> net = ConvConditioner(2, 3, Affine(), hidden=8)
        >>> params = net(torch.randn(5, 2, 4, 4))
        >>> params.shape, bool((params == 0).all())
        (torch.Size([5, 6, 4, 4]), True)
    """

    def __init__(
        self,
        inputs: int,
        channels: int,
        scalar_map: ScalarMap,
        *,
        hidden: int = 32,
        blocks: int = 2,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        check_instance("scalar_map", scalar_map, ScalarMap)
        for name, value in (("inputs", inputs), ("channels", channels), ("hidden", hidden)):
            check_count(name, value)
        check_count("blocks", blocks, low=0)
        self.first = nn.Conv2d(inputs, hidden, 3, padding=1)
        self.blocks = nn.ModuleList([_Block(hidden) for _ in range(blocks)])
        self.last = nn.Conv2d(hidden, channels * scalar_map.n_params, 3, padding=1, bias=False)
        nn.init.zeros_(self.last.weight)
        start = scalar_map.identity().repeat(channels)[:, None, None]
        self.bias = nn.Parameter(start.expand(-1, *((1, 1) if size is None else size)).clone())

    def forward(self, x: Float[Tensor, "n inputs height width"]) -> Float[Tensor, "n outputs height width"]:
        """Parameters for each pixel: images (n, inputs, height, width) to (n, channels * n_params, height, width)."""
        h = self.first(x)
        for block in self.blocks:
            h = block(h)
        return self.last(functional.silu(h)) + self.bias


class _Block(nn.Module):
    """Two 3x3 convolutions around a skip; the second starts at 0."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.SiLU(), nn.Conv2d(width, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)
        )
        for parameter in self.body[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.body(h)
