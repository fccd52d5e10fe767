r"""A score network for all noise levels at once: the score of a round normal law, and what is missing from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_event, check_finite, check_number, check_tensor
from gmlib.nn import MLP, FourierEmbedding, ResidualMLP
from gmlib.score._arguments import Level, check_callable, level_tensor, spread

Point = Float[Tensor, "batch *event"]


class ScoreNetwork(nn.Module):
    r"""A noise-conditional score :math:`s_\theta(x, \sigma)`, a correction to that of the fitted round normal law.

    .. math:: s_\theta(x, \sigma) = -\frac{x - m}{v + \sigma^2}
              + \frac{\sqrt v}{\sigma \sqrt{v + \sigma^2}}\,
              F_\theta\Big(\frac{x - m}{\sqrt{v + \sigma^2}},\ \tfrac14 \log \sigma\Big)

    (:eq:`eq-08-network` in the book.) With F = 0 it is the score of :math:`\mathcal N(m, (v + \sigma^2) I)`, the data
    noised as if they were normal. For data of mean m and variance v in every coordinate the input of F has variance one at
    every noise level, and so has the target T that denoising score matching at :math:`x + \sigma\varepsilon` sets it:

    .. math:: \sigma^2\, \tfrac12 \Big\lVert s_\theta + \frac{\varepsilon}{\sigma} \Big\rVert^2
              = \tfrac12\, \frac{v}{v + \sigma^2}\, \lVert F - T \rVert^2, \qquad
              T = \frac{\sigma (x - m)/\sqrt v - \sqrt v\, \varepsilon}{\sqrt{v + \sigma^2}}

    It is the preconditioning of a denoiser by Karras et al. (2022, equation 7), written for the score.

    Args:
        net: F, called as ``net(u, c)`` with points u (batch, \*event) and :math:`c = \tfrac14 \log \sigma`, (batch,).
        mean: m, of the event's shape or one number for all coordinates.
        var: v, the variance of a coordinate, averaged over them.

    Raises:
        TypeError: ``net`` cannot be called, or ``mean`` is no number and no floating tensor.
        ValueError: ``mean`` is not finite, or ``var`` is not positive.

    m and v are buffers: they are saved with the weights, so that a checkpoint is the whole score. They have the dtype of
    ``mean``, torch's default for a number, and are read in that of x.

    Example:
        >>> import torch
        >>> from gmlib.score import ScoreNetwork
        >>> score = ScoreNetwork(lambda u, c: torch.zeros_like(u), mean=1.0, var=3.0)
        >>> score(torch.tensor([[5.0]]), torch.tensor(1.0))  # the score of N(1, 3 + 1) at 5
        tensor([[-1.]])
    """

    mean: Tensor
    var: Tensor

    def __init__(
        self, net: Callable[..., Tensor], mean: Float[Tensor, "*event"] | float | int, var: float | int
    ) -> None:
        super().__init__()
        check_callable("net", net)
        if isinstance(mean, Tensor):
            check_tensor("mean", mean)
            check_finite("mean", mean)
        else:
            check_number("mean", mean)
        check_number("var", var, low=0.0, low_open=True)
        self.net = net
        mean = mean if isinstance(mean, Tensor) else torch.tensor(float(mean))
        self.register_buffer("mean", mean.detach().clone())
        self.register_buffer("var", mean.new_full((), float(var)))

    def forward(self, x: Point, sigma: Level) -> Point:
        r"""The score at noised points. One call of the network.

        Args:
            x: points of the noised law, (batch, \*event), in the units of the data.
            sigma: noise level, positive: a number, a tensor () for all points or (batch,), one for each.

        Returns:
            The score, shaped as ``x``.

        Raises:
            TypeError: ``x`` is no floating tensor, or ``sigma`` neither a number nor one.
            ValueError: ``x`` has no batch or does not end in the shape of the mean, or ``sigma`` is a number that is not
                positive or a tensor that is neither () nor (batch,).
        """
        check_event("x", x, tuple(self.mean.shape))
        if x.dim() < 1:
            raise ValueError(f"x must have shape (batch, *event), got shape {tuple(x.shape)}")
        sigma = level_tensor("sigma", sigma, x).expand(x.shape[:1])
        level = spread(sigma, x.dim() - 1)
        mean, var = self.mean.to(x.dtype), self.var.to(x.dtype)
        width = torch.sqrt(var + level.square())
        u = (x - mean) / width
        correction = self.net(u, 0.25 * sigma.log())
        return (var.sqrt() / level * correction - u) / width


class Concatenated(nn.Module):
    r"""An MLP that reads a point and the noise level side by side, :math:`F(u, c) = \mathrm{MLP}([u, c])`.

    Args:
        d: dimension of the point.
        hidden: widths of the hidden layers.

    Raises:
        ValueError: a size below 1.

    Example:
        >>> import torch
        >>> from gmlib.score.network import Concatenated
        >>> Concatenated(2, [8])(torch.zeros(5, 2), torch.zeros(5)).shape
        torch.Size([5, 2])
    """

    def __init__(self, d: int, hidden: Sequence[int]) -> None:
        super().__init__()
        check_count("d", d)
        self.mlp = MLP([d + 1, *hidden, d])

    def forward(self, u: Float[Tensor, "batch d"], c: Float[Tensor, " batch"]) -> Float[Tensor, "batch d"]:
        """Map points u (batch, d) and c (batch,) to (batch, d)."""
        return self.mlp(torch.cat([u, c[:, None]], dim=-1))


class Embedded(nn.Module):
    r"""A residual MLP whose blocks read the noise level through random Fourier features.

    Args:
        d: dimension of the point.
        width: size of the residual stream.
        depth: number of blocks.
        embedding: size of the embedding, even.
        scale: standard deviation of its frequencies.
        dropout: in the blocks.

    Raises:
        ValueError: a size out of range.

    Example:
        >>> import torch
        >>> from gmlib.score.network import Embedded
        >>> Embedded(4, width=8, depth=1)(torch.zeros(5, 4), torch.zeros(5)).shape
        torch.Size([5, 4])
    """

    def __init__(
        self,
        d: int,
        *,
        width: int,
        depth: int,
        embedding: int = 32,
        scale: float | int = 1.0,
        dropout: float | int = 0.0,
    ) -> None:
        super().__init__()
        self.embed = FourierEmbedding(embedding, scale=scale)
        self.mlp = ResidualMLP(d, d, width=width, depth=depth, condition=embedding, dropout=dropout)

    def forward(self, u: Float[Tensor, "batch d"], c: Float[Tensor, " batch"]) -> Float[Tensor, "batch d"]:
        """Map points u (batch, d) and c (batch,) to (batch, d)."""
        return self.mlp(u, self.embed(c))


def mlp_score(
    d: int,
    hidden: Sequence[int] = (64, 64),
    mean: Float[Tensor, " d"] | float | int = 0.0,
    var: float | int = 1.0,
) -> ScoreNetwork:
    r"""A score network for vectors whose F is an MLP on :math:`[u, \tfrac14 \log \sigma]`.

    Args:
        d: dimension of the data.
        hidden: widths of the hidden layers.
        mean: of the data, (d,) or one number for all coordinates.
        var: variance of a coordinate of the data, averaged over them.

    Returns:
        The network, with torch's usual initial weights.

    Raises:
        ValueError: a size below 1, a ``mean`` that does not fit, or a ``var`` that is not positive.

    Example:
        >>> import torch
        >>> from gmlib.score import mlp_score
        >>> score = mlp_score(2, [64, 64])
        >>> score(torch.zeros(5, 2), torch.tensor(0.3)).shape, sum(p.numel() for p in score.parameters())
        (torch.Size([5, 2]), 4546)
    """
    check_count("d", d)
    if not isinstance(mean, Tensor):
        check_number("mean", mean)
        mean = torch.full((d,), float(mean))
    check_event("mean", mean, (d,))
    if mean.dim() != 1:
        raise ValueError(f"mean must have shape ({d},), got shape {tuple(mean.shape)}")
    return ScoreNetwork(Concatenated(d, hidden), mean, var)
