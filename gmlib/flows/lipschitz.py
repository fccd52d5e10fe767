r"""Networks that stretch no distance by more than L, with their derivative along given directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_event, check_number
from gmlib.flows.spectral import SpectralLinear, SpectralMap
from gmlib.flows.spectral_conv import SpectralConv2d

Layers = list[tuple[Tensor, Tensor | None]]


def lip_swish(z: Float[Tensor, "..."]) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    r"""A smooth activation of slope at most 1, and its slope.

    .. math:: a(z) = \frac{z\,\sigma(z)}{1.1}, \qquad a'(z) = \frac{\sigma(z)\,\big(1 + z(1 - \sigma(z))\big)}{1.1} < 1

    The log-determinant of a residual block holds first derivatives, so learning it takes second ones: those of this
    function vanish only far out, those of ELU jump.

    References:
        R. Chen et al., *Residual flows for invertible generative modeling*, 2019, section 3.3 (there with a learnt
        factor in front of z).

    Example:
        >>> lip_swish(torch.tensor([0.0, 2.0]))
        (tensor([0.0000, 1.6014]), tensor([0.4545, 0.9916]))
    """
    gate = torch.sigmoid(z)
    return z * gate / 1.1, gate * (1 + z * (1 - gate)) / 1.1


class LipschitzNet(nn.Module):
    r"""Spectrally normalised layers with `lip_swish` between them: the residual g(u, c) of a block u + g.

    .. math:: \lVert g(u, c) - g(u', c)\rVert \le L\,\lVert u - u'\rVert

    Each of n layers has the share :math:`L^{1/n}`. The condition enters the first hidden layer through a free linear map:
    nothing bounds how g depends on c.

    Args:
        layers: the linear maps, in order; their bounds multiply to L.
        event_shape: shape of one point.
        context: length of the condition c, 0 for none.

    Attributes:
        lipschitz: L.

    Example:
        >>> net = LipschitzNet([SpectralLinear(2, 8, bound=0.9), SpectralLinear(8, 2, bound=0.9)], (2,))
        >>> net(torch.zeros(5, 2)).shape, round(net.lipschitz, 2)
        (torch.Size([5, 2]), 0.81)
    """

    def __init__(
        self, layers: Sequence[SpectralMap], event_shape: tuple[int, ...], *, context: int = 0
    ) -> None:
        super().__init__()
        check_count("context", context, low=0)
        self.event_shape, self.context = tuple(event_shape), context
        self.layers = nn.ModuleList(layers)
        self.lipschitz = 1.0
        for layer in layers:
            self.lipschitz *= layer.bound
        self.condition = nn.Linear(context, layers[0].bias.numel()) if context else None
        with torch.no_grad():
            # A block starts near the identity.
            layers[-1].weight.mul_(0.01)

    def prepared(self, c: Tensor | None) -> Layers:
        """What one call needs of each layer, computed once for all iterations: weights in use, and a shift from c."""
        shift = None if self.condition is None else self.condition(c)
        return [
            (layer.normalised(), shift if i == 0 else None)  # type: ignore[operator]
            for i, layer in enumerate(self.layers)
        ]

    def evaluate(self, u: Tensor, prepared: Layers) -> Tensor:
        """g(u) with prepared layers."""
        return self.linearised(u, prepared)[0]

    def linearised(self, u: Tensor, prepared: Layers) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        r"""g(u), and the map :math:`v \mapsto Jv` from directions ``(*any, *u.shape)``, which carries gradients."""
        slopes: list[Tensor] = []
        z = u
        for i, (layer, (weight, shift)) in enumerate(zip(self.layers, prepared, strict=True)):
            if i:
                z, slope = lip_swish(z)
                slopes.append(slope)
            z = layer.add_bias(layer.apply_to(z, weight))  # type: ignore[operator]
            if shift is not None:
                z = z + shift.reshape(*shift.shape, *[1] * (len(self.event_shape) - 1))
        return z, partial(self._along, weights=[weight for weight, _ in prepared], slopes=slopes)

    def _along(self, v: Tensor, weights: list[Tensor], slopes: list[Tensor]) -> Tensor:
        for i, (layer, weight) in enumerate(zip(self.layers, weights, strict=True)):
            v = layer.apply_to(v * slopes[i - 1] if i else v, weight)  # type: ignore[operator]
        return v

    def forward(self, u: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None) -> Float[Tensor, "..."]:
        """g(u, c), of the shape of ``u``.

        Raises:
            TypeError: ``u`` is not a floating tensor.
            ValueError: ``u`` does not end in the event shape.
        """
        check_event("u", u, self.event_shape)
        return self.evaluate(u, self.prepared(c))


class LipschitzMLP(LipschitzNet):
    """A multilayer perceptron that stretches no distance by more than ``lipschitz``.

    Args:
        d: number of coordinates.
        hidden: widths of the hidden layers, at least one.
        lipschitz: L, between 0 and 1.
        context: length of the condition c, 0 for none.

    Raises:
        ValueError: a size below 1, no hidden layer, or ``lipschitz`` outside (0, 1).

    Example:
        >>> net = LipschitzMLP(2, lipschitz=0.5)
        >>> a, b = torch.randn(2, 1000, 2, generator=torch.Generator().manual_seed(0))
        >>> bool(((net(a) - net(b)).norm(dim=-1) <= 0.5 * (a - b).norm(dim=-1)).all())
        True
    """

    def __init__(
        self, d: int, hidden: Sequence[int] = (64, 64), *, lipschitz: float = 0.9, context: int = 0
    ) -> None:
        bound = _share(lipschitz, len(hidden) + 1)
        sizes = [d, *hidden, d]
        layers = [SpectralLinear(sizes[i], sizes[i + 1], bound=bound) for i in range(len(sizes) - 1)]
        super().__init__(layers, (d,), context=context)


class LipschitzConv(LipschitzNet):
    """A convolutional network over images that stretches no distance by more than ``lipschitz``.

    Args:
        channels: channels of an image.
        size: its height and width.
        hidden: channels of the hidden layers, at least one.
        kernel: side of the kernels, odd.
        lipschitz: L, between 0 and 1.
        context: length of the condition c, 0 for none.

    Raises:
        ValueError: a size below 1, no hidden layer, an even ``kernel``, or ``lipschitz`` outside (0, 1).

    Example:
        >>> LipschitzConv(1, (4, 4), (8,))(torch.zeros(5, 1, 4, 4)).shape
        torch.Size([5, 1, 4, 4])
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        hidden: Sequence[int] = (32, 32),
        *,
        kernel: int = 3,
        lipschitz: float = 0.9,
        context: int = 0,
    ) -> None:
        bound = _share(lipschitz, len(hidden) + 1)
        widths = [channels, *hidden, channels]
        layers = [
            SpectralConv2d(widths[i], widths[i + 1], size, kernel=kernel, bound=bound)
            for i in range(len(widths) - 1)
        ]
        super().__init__(layers, (channels, *size), context=context)


def _share(lipschitz: float, layers: int) -> float:
    check_number("lipschitz", lipschitz, low=0.0, high=1.0, low_open=True, high_open=True)
    if layers < 2:
        raise ValueError("hidden must name at least one hidden layer, got none")
    return float(lipschitz ** (1 / layers))
