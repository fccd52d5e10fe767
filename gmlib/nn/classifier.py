"""A small convolutional classifier, whose last hidden layer serves as a feature map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count, check_event


class ConvClassifier(nn.Module):
    r"""Images to class logits, by way of a feature vector that can be had by itself.

    .. math:: \phi = a(W\,c(x) + b), \qquad \text{logits} = V \phi + v

    where :math:`c` is a chain of convolutions, each of which halves height and width (rounding up), and :math:`\phi` the
    penultimate layer.

    Args:
        size: height = width of the image.
        widths: channels after each convolution, finest first.
        width: number of features, the size of :math:`\phi`.
        channels: channels of the image.
        classes: number of classes.
        kernel: height = width of the convolution kernels, odd.
        pool: how a level halves: ``"stride"`` (the convolution moves in steps of two) or ``"max"`` (largest of 2x2).
        activation: makes the nonlinearity :math:`a`.

    Raises:
        ValueError: a count below 1, no widths, an even kernel, or no such ``pool``.

    Example:
        >>> import torch
        >>> from gmlib.nn import ConvClassifier
        >>> net, x = ConvClassifier(28, [8, 16], 64), torch.zeros(3, 1, 28, 28)
        >>> net.features(x).shape, net(x).shape
        (torch.Size([3, 64]), torch.Size([3, 10]))
    """

    def __init__(
        self,
        size: int,
        widths: Sequence[int],
        width: int,
        *,
        channels: int = 1,
        classes: int = 10,
        kernel: int = 3,
        pool: Literal["stride", "max"] = "stride",
        activation: Callable[[], nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        counts = {"size": size, "width": width, "channels": channels, "classes": classes, "kernel": kernel}
        for name, value in counts.items():
            check_count(name, value)
        if not widths:
            raise ValueError("widths must name at least one level, got an empty list")
        for value in widths:
            check_count("widths", value)
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, so that the image stays centred, got {kernel}")
        check_choice("pool", pool, ("stride", "max"))
        self.event_shape, self.width, self.classes = (channels, size, size), width, classes
        layers: list[nn.Module] = []
        for before, after in zip([channels, *widths[:-1]], widths, strict=True):
            stride = 2 if pool == "stride" else 1
            layers += [nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2), activation()]
            if pool == "max":
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
            size = (size + 1) // 2
        layers += [nn.Flatten(), nn.Linear(widths[-1] * size**2, width), activation()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)

    def features(self, x: Float[Tensor, "batch channels size size"]) -> Float[Tensor, "batch width"]:
        """The last hidden layer, (batch, width), of images (batch, channels, size, size).

        Raises:
            ValueError: the images have another shape.
        """
        check_event("x", x, self.event_shape)
        return self.body(x)

    def forward(self, x: Float[Tensor, "batch channels size size"]) -> Float[Tensor, "batch classes"]:
        """Class logits, (batch, classes), of images (batch, channels, size, size).

        Raises:
            ValueError: the images have another shape.
        """
        return self.head(self.features(x))
