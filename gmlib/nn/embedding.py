"""Embeddings of a scalar (a time, a noise level) as a vector that a network can read."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_number, check_tensor


class SinusoidalEmbedding(nn.Module):
    r"""Cosines and sines of ``t`` at geometrically spaced frequencies.

    .. math:: t \mapsto (\cos \omega_k t,\ \sin \omega_k t)_{k=0}^{K-1}, \qquad
              \omega_k = \omega_{\max}\, 10^{-4 k / (K - 1)}, \quad K = \mathtt{dim} / 2

    (Vaswani et al. 2017, section 3.5, with time where they have a position; a time in [0, 1] wants
    :math:`\omega_{\max}` near 1000, their integer positions want 1.)

    Args:
        dim: size of the embedding, even and at least 4.
        max_frequency: :math:`\omega_{\max}`, positive.

    Raises:
        ValueError: an odd or too small ``dim``, or a frequency that is not positive.

    Example:
        >>> import torch
        >>> from gmlib.nn import SinusoidalEmbedding
        >>> SinusoidalEmbedding(4)(torch.zeros(2)).tolist()
        [[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]]
    """

    frequencies: Tensor

    def __init__(self, dim: int, *, max_frequency: float = 1000.0) -> None:
        super().__init__()
        _check_even("dim", dim)
        check_count("dim", dim, low=4)
        check_number("max_frequency", max_frequency, low=0.0, low_open=True)
        exponents = torch.linspace(0.0, -4.0, dim // 2)
        self.register_buffer("frequencies", max_frequency * 10.0**exponents, persistent=False)

    def forward(self, t: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch dim"]:
        """Embed times of shape (*batch,) as vectors (*batch, dim).

        Raises:
            TypeError: ``t`` is not a floating tensor.
        """
        check_tensor("t", t)
        angle = t[..., None] * self.frequencies
        return torch.cat([angle.cos(), angle.sin()], dim=-1)


class FourierEmbedding(nn.Module):
    r"""Cosines and sines of ``t`` at random frequencies that are drawn once and kept.

    .. math:: t \mapsto \sqrt2\,(\cos 2\pi f_k t,\ \sin 2\pi f_k t)_{k=1}^{K}, \qquad f_k \sim \mathcal N(0, s^2)

    Its inner product is a random estimate of a Gaussian kernel in t (Tancik et al. 2020, section 5; Rahimi & Recht
    2007): :math:`\frac1{2K}\langle e(t), e(t')\rangle \approx e^{-2\pi^2 s^2 (t-t')^2}`. The frequencies are a buffer and
    are saved with the weights.

    Args:
        dim: size of the embedding, even and at least 2.
        scale: the standard deviation :math:`s` of the frequencies, positive.
        generator: the random source of the frequencies (None: torch's default).

    Raises:
        ValueError: an odd ``dim`` or a scale that is not positive.

    Example:
        >>> import torch
        >>> from gmlib.nn import FourierEmbedding
        >>> FourierEmbedding(8)(torch.rand(3, 5)).shape
        torch.Size([3, 5, 8])
    """

    frequencies: Tensor

    def __init__(self, dim: int, *, scale: float = 1.0, generator: torch.Generator | None = None) -> None:
        super().__init__()
        _check_even("dim", dim)
        check_number("scale", scale, low=0.0, low_open=True)
        self.register_buffer("frequencies", scale * torch.randn(dim // 2, generator=generator))

    def forward(self, t: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch dim"]:
        """Embed times of shape (*batch,) as vectors (*batch, dim).

        Raises:
            TypeError: ``t`` is not a floating tensor.
        """
        check_tensor("t", t)
        angle = 2 * math.pi * t[..., None] * self.frequencies
        return math.sqrt(2.0) * torch.cat([angle.cos(), angle.sin()], dim=-1)


def _check_even(name: str, value: int) -> None:
    check_count(name, value, low=2)
    if value % 2:
        raise ValueError(f"{name} must be even (a cosine and a sine for each frequency), got {value}")
