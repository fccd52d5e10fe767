r"""The best denoiser of the training set itself, which can only remember."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_finite, check_instance, check_tensor
from gmlib.noise import Denoiser, Schedule


class _Remembering(nn.Module):
    """The softmax-weighted mean of the data, a piece of them at a time."""

    points: Tensor
    centre: Tensor

    def __init__(self, points: Tensor, schedule: Schedule, chunk: int) -> None:
        super().__init__()
        # Distances lose fewer digits about the centre of the data.
        self.register_buffer("centre", points.mean(0))
        self.register_buffer("points", (points - self.centre).flatten(1))
        self.schedule, self.chunk = schedule, chunk

    def forward(self, x: Float[Tensor, "batch *event"], t: Float[Tensor, " batch"]) -> Tensor:
        alpha, sigma = self.schedule.alpha(t).to(x)[:, None], self.schedule.sigma(t).to(x)[:, None]
        query = x.flatten(1) - alpha * self.centre.flatten()
        best = torch.full_like(alpha, -torch.inf)
        weight, total = torch.zeros_like(alpha), torch.zeros_like(query)
        for piece in self.points.split(self.chunk):
            logits = alpha * (query @ piece.T - 0.5 * alpha * piece.square().sum(1)) / sigma**2
            higher = torch.maximum(best, logits.amax(1, keepdim=True))
            rescale, share = torch.exp(best - higher), torch.exp(logits - higher)
            weight = rescale * weight + share.sum(1, keepdim=True)
            total = rescale * total + share @ piece
            best = higher
        return self.centre + (total / weight).reshape(x.shape)


def finite_data_denoiser(
    points: Float[Tensor, "n *event"], schedule: Schedule, *, chunk: int = 4096
) -> Denoiser:
    r"""The exact minimiser of the denoising loss on a training set: a weighted mean of its points.

    .. math:: \hat x_0(x, t) = \sum_iw_ix_i, \qquad
        w = \operatorname{softmax}_i\Big({-\frac{\lVert x - \alpha_tx_i\rVert^2}{2\sigma_t^2}}\Big)

    At little noise one weight is 1: what is sampled with it are training points and nothing else. A network that
    generalises does so because it fails to reach this minimum.

    (:eq:`eq-09-finite` in the book.)

    Args:
        points: the training set, (n, ``*event``); its dtype and device are the denoiser's.
        schedule: the schedule; sigma must be positive where the denoiser is asked.
        chunk: training points that are compared at a time; memory grows as batch times ``chunk``.

    Returns:
        A Denoiser that predicts :math:`x_0`, for points of shape (batch, ``*event``).

    Raises:
        TypeError: ``points`` is no floating tensor, ``schedule`` no Schedule or ``chunk`` no int.
        ValueError: there are no points, one is not finite, or ``chunk`` is below 1.

    References:
        X. Gu et al., *On memorization in diffusion models* (2023), eq. 4; T. Karras et al., *Elucidating the design space
        of diffusion-based generative models* (2022), app. B.3.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import finite_data_denoiser
        >>> from gmlib.noise import Rectified
        >>> denoiser = finite_data_denoiser(torch.tensor([[-1.0], [1.0]]), Rectified())
        >>> denoiser.x0(torch.tensor([[0.0], [0.25]]), 0.5).round(decimals=4)  # 0, and the hyperbolic tangent of 1/2
        tensor([[0.0000],
                [0.4621]])
    """
    check_tensor("points", points)
    if points.dim() < 2 or points.numel() == 0:
        raise ValueError(f"points must have shape (n, *event) with n >= 1, got shape {tuple(points.shape)}")
    check_finite("points", points)
    check_instance("schedule", schedule, Schedule)
    check_count("chunk", chunk)
    return Denoiser(_Remembering(points, schedule, chunk), schedule, "x0")
