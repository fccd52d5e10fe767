"""Independent pixel histograms: the baseline row of every table of likelihoods."""

from __future__ import annotations

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from gmlib._checks import check_count, check_number, check_tensor


class PixelHistograms:
    r"""One smoothed histogram of grey levels for each pixel, all pixels independent.

    .. math:: P(x) = \prod_i \frac{n_i(x_i) + a}{N + a L}

    with :math:`n_i(k)` the number of training images whose pixel i has level k, N images, L levels and smoothing a. It
    knows nothing of shape: a model of images that does not beat it has gained nothing from looking at pixels together.

    Args:
        x: training images as whole levels, (n, d).
        levels: the number of levels L.
        smoothing: the pseudo-count a, positive (without it an unseen level costs infinitely many nats).

    Raises:
        TypeError: ``x`` is not a tensor of whole numbers.
        ValueError: ``x`` is not a matrix, ``smoothing`` is not positive, or a level lies outside 0 .. L - 1.

    Example:
        >>> import torch
        >>> from gmlib.classical import PixelHistograms
        >>> law = PixelHistograms(torch.tensor([[0], [0], [1]]), levels=2, smoothing=1.0)
        >>> [round(p, 3) for p in law.log_prob(torch.tensor([[0], [1]])).exp().tolist()]
        [0.6, 0.4]
    """

    def __init__(self, x: Integer[Tensor, "n d"], levels: int, *, smoothing: float = 1.0) -> None:
        check_count("levels", levels, low=2)
        check_number("smoothing", smoothing, low=0.0, low_open=True)
        self.levels, self.pixels = levels, 0
        self._check(x)
        self.pixels = x.shape[1]
        index = x.long().T
        counts = torch.zeros(index.shape[0], levels, dtype=torch.float64, device=x.device)
        counts.scatter_add_(1, index, torch.ones_like(index, dtype=torch.float64))
        self.log_table = torch.log((counts + smoothing) / (x.shape[0] + smoothing * levels))

    def log_prob(self, x: Integer[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return the log-probability of each image in nats, in float64, (n,).

        Raises:
            ValueError: a level lies outside 0 .. L - 1.
        """
        self._check(x)
        return self.log_table.gather(1, x.long().T).sum(0)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Integer[Tensor, "n d"]:
        """Draw images, every pixel by itself.

        Args:
            n: number of images.
            generator: source of randomness; None is torch's default.

        Returns:
            Whole levels, (n, d).

        Example:
            >>> law = PixelHistograms(torch.tensor([[0, 2], [0, 2]]), levels=3, smoothing=1e-9)
            >>> law.sample(2).tolist()
            [[0, 2], [0, 2]]
        """
        check_count("n", n)
        return self.log_table.exp().multinomial(n, replacement=True, generator=generator).T

    def _check(self, x: Tensor) -> None:
        check_tensor("x", x, floating=False)
        if x.dim() != 2 or x.numel() == 0:
            raise ValueError(
                f"x must be a matrix of levels (n, d) with n, d >= 1, got shape {tuple(x.shape)}"
            )
        if x.is_floating_point() or x.is_complex() or x.dtype == torch.bool:
            raise TypeError(f"x must hold whole numbers, got {x.dtype}")
        if self.pixels and x.shape[1] != self.pixels:
            raise ValueError(f"x must have {self.pixels} pixels, got {x.shape[1]}")
        low, high = int(x.min()), int(x.max())
        if low < 0 or high >= self.levels:
            raise ValueError(f"x must hold levels 0 .. {self.levels - 1}, got {low} .. {high}")
