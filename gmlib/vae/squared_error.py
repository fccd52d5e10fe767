"""Why squared error blurs: the decoder that minimises it is an average."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_event
from gmlib.vae.posterior import DiagonalPosterior


def optimal_squared_error_decoder(
    z: Float[Tensor, "m k"], q: DiagonalPosterior, x: Float[Tensor, "n d"]
) -> Float[Tensor, "m d"]:
    r"""The best decoder for squared error, given the encoder and the data.

    .. math:: \mu^\star(z) = \mathbb E_{q(x \mid z)}[x] = \frac{\sum_n q(z \mid x_n)\, x_n}{\sum_n q(z \mid x_n)}

    (:eq:`eq-02b-blur` in the book.) It minimises :math:`\sum_n \mathbb E_{q(z \mid x_n)} \lVert x_n -
    \mu(z) \rVert^2` over *all* functions :math:`\mu`: two images that share a code come out as their average.

    Args:
        z: where to decode, (m, k).
        q: the encoder's laws of the data, (n, k).
        x: the data, (n, d).

    Returns:
        (m, d).

    Raises:
        ValueError: the shapes do not match.

    Example:
        >>> import torch
        >>> from gmlib.vae import DiagonalPosterior, optimal_squared_error_decoder
        >>> q = DiagonalPosterior(torch.zeros(2, 1), torch.zeros(2, 1))  # two images, one code
        >>> optimal_squared_error_decoder(torch.zeros(1, 1), q, torch.tensor([[0.0, 4.0], [2.0, 0.0]])).tolist()
        [[1.0, 2.0]]
    """
    check_event("z", z, tuple(q.mean.shape[-1:]))
    check_event("x", x, (q.mean.shape[0], *x.shape[1:]))
    return q.log_prob(z[:, None, :].expand(-1, *q.mean.shape)).softmax(-1) @ x
