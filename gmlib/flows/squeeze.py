"""Pixels to channels: the permutation with which image flows trade height and width for depth."""

from __future__ import annotations

from torch import Tensor

from gmlib._checks import check_count
from gmlib.flows.bijection import Bijection


class Squeeze(Bijection):
    r"""Turns blocks of f x f pixels into f² channels on the way from data to noise, and back on the way to data.

    .. math:: u_{cf^2 + fi + j,\; r,\; s} = x_{c,\; fr + i,\; fs + j}, \qquad 0 \le i, j < f

    A permutation of the entries, so that the log-determinant is 0. Neighbours in space become neighbours in channels:
    a coupling of channels then couples pixels, and what is kept of an image whose pixels were thinned out is still an
    image. The data have ``event_shape`` (C, H, W), the noise ``noise_shape`` (C f², H/f, W/f).

    Args:
        event_shape: (channels, height, width) of the data.
        factor: f, a divisor of height and width.

    Raises:
        ValueError: ``event_shape`` is not that of an image, or ``factor`` does not divide it.

    References:
        L. Dinh, J. Sohl-Dickstein and S. Bengio, *Density estimation using Real NVP*, 2017, section 3.6 and figure 3.

    Example:
        >>> import torch
        >>> squeeze = Squeeze((1, 2, 2))
        >>> u, log_det = squeeze.inverse(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
        >>> u.flatten(), u.shape, log_det
        (tensor([1., 2., 3., 4.]), torch.Size([4, 1, 1]), tensor(0.))
    """

    def __init__(self, event_shape: tuple[int, int, int], *, factor: int = 2) -> None:
        check_image("event_shape", event_shape)
        check_count("factor", factor)
        channels, height, width = event_shape
        if height % factor or width % factor:
            raise ValueError(f"factor must divide height and width {height} and {width}, got {factor}")
        shape = (channels * factor**2, height // factor, width // factor)
        super().__init__(event_shape, noise_shape=shape)
        self.factor = factor

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        f = self.factor
        blocks = u.unflatten(-3, (-1, f, f)).movedim((-4, -3), (-3, -1))  # (C, H/f, f, W/f, f)
        return blocks.flatten(-4, -3).flatten(-2), u.new_zeros(u.shape[:-3])

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        f = self.factor
        blocks = x.unflatten(-1, (-1, f)).unflatten(-3, (-1, f))
        return blocks.movedim((-3, -1), (-4, -3)).flatten(-5, -3), x.new_zeros(x.shape[:-3])


def check_image(name: str, shape: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless ``shape`` is (channels, height, width).

    Example:
        >>> check_image("event_shape", (4, 4))
        Traceback (most recent call last):
        ValueError: event_shape must be (channels, height, width), got (4, 4)
    """
    if len(shape) != 3:
        raise ValueError(f"{name} must be (channels, height, width), got {tuple(shape)}")
