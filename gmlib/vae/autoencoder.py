"""The deterministic autoencoder: the VAE's ancestor, which reconstructs better and defines no density."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_event, check_tensor


class Autoencoder(nn.Module):
    r"""A code in the middle and squared error at the end, :math:`\mathbb E\lVert x -
    \mathrm{dec}(\mathrm{enc}(x))\rVert^2`.

    (Hinton & Salakhutdinov 2006.) There is no prior on the code, so there is nothing to sample from and no likelihood
    to report; feeding the decoder normal noise is a category mistake whose result the chapter shows.

    Args:
        encoder: maps data (batch, d) to codes (batch, k).
        decoder: maps codes (batch, k) to data (batch, d).

    Example:
        >>> import torch
        >>> from gmlib.nn import MLP
        >>> from gmlib.vae import Autoencoder
        >>> model = Autoencoder(MLP([4, 8, 2]), MLP([2, 8, 4]))
        >>> model.squared_error(torch.zeros(3, 4)).shape
        torch.Size([3])
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        """Return the reconstruction of ``x``.

        Raises:
            TypeError: ``x`` is not a floating tensor.
        """
        check_tensor("x", x)
        return self.decoder(self.encoder(x))

    def squared_error(self, x: Float[Tensor, "batch d"]) -> Float[Tensor, " batch"]:
        """Return the squared error of each reconstruction, summed over the d coordinates."""
        return (x - self(x)).square().sum(-1)

    def denoising_error(
        self, x: Float[Tensor, "batch d"], corrupted: Float[Tensor, "batch d"]
    ) -> Float[Tensor, " batch"]:
        r"""Return the squared error between ``x`` and the reconstruction of its corrupted copy.

        The minimiser over all functions (:eq:`eq-02b-tweedie` in the book) is :math:`\mathbb E[x \mid \tilde x]`. For
        :math:`\tilde x = x + \sigma\varepsilon` its residual is the score of the noised law,
        :math:`\mathbb E[x \mid \tilde x] - \tilde x = \sigma^2 \nabla \log p_\sigma(\tilde x)` (Vincent 2011; Alain &
        Bengio 2014); for pixels set to zero it is inpainting.

        Args:
            x: clean data, (batch, d).
            corrupted: noisy or masked copies, (batch, d).

        Raises:
            ValueError: ``corrupted`` has not the shape of ``x``.
        """
        check_event("corrupted", corrupted, tuple(x.shape))
        return (x - self(corrupted)).square().sum(-1)
