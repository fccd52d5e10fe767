r"""Restricted Boltzmann machine: two layers of binary units, no weight within a layer, so that each is drawn at once."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_number
from gmlib.energy._draws import bernoulli
from gmlib.energy._layers import check_layer, check_parameters
from gmlib.energy._softplus import softplus


class RBM(nn.Module):
    r"""Binary restricted Boltzmann machine over visible units x and hidden units h, both 0 or 1.

    .. math:: E(x, h) = -x^\top W h - b^\top x - c^\top h, \qquad p(x, h) = \frac1Z e^{-E(x, h)}

    (:eq:`eq-06-rbm` in the book; Smolensky 1986.) The bias b belongs to x and c to h, and the whole energy has a minus
    sign: with a plus the gradient of the likelihood would change its sign as well. Given one layer, the units of the other
    are independent.

    Args:
        d: number of visible units.
        d_h: number of hidden units.
        std: standard deviation of the initial weights; the biases start at 0.
        generator: source of the initial weights, on the CPU.
        dtype: of the parameters.
        device: of the parameters.

    Attributes:
        weight: :math:`W`, (d, d_h).
        b: visible biases, (d,).
        c: hidden biases, (d_h,).

    Raises:
        TypeError: a size is no int.
        ValueError: a size is below 1, or ``std`` is negative.

    Example:
        >>> import torch
        >>> from gmlib.energy import RBM
        >>> rbm = RBM.from_weights(torch.tensor([[2.0], [-2.0]]), torch.zeros(2), torch.ones(1))
        >>> rbm.energy(torch.tensor([1.0, 0.0]), torch.tensor([1.0])).item()
        -3.0
        >>> rbm.gibbs(torch.zeros(5, 2), 3, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        d: int,
        d_h: int,
        *,
        std: float = 0.01,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        check_count("d", d)
        check_count("d_h", d_h)
        check_number("std", std, low=0.0)
        start = std * torch.randn(d, d_h, generator=generator, dtype=dtype)
        self.weight = nn.Parameter(start.to(device))
        self.b = nn.Parameter(torch.zeros(d, dtype=dtype, device=device))
        self.c = nn.Parameter(torch.zeros(d_h, dtype=dtype, device=device))

    @classmethod
    def from_weights(cls, weight: Tensor, b: Tensor, c: Tensor) -> RBM:
        """Return the machine with these parameters: ``weight`` (d, d_h), ``b`` (d,), ``c`` (d_h,); they are copied.

        Raises:
            TypeError: one is no floating tensor, or not of the dtype of ``weight``.
            ValueError: the shapes or devices do not fit, or a number is not finite.
        """
        check_parameters(weight, {"b": b}, {"c": c})
        rbm = cls(*weight.shape, std=0.0, dtype=weight.dtype, device=weight.device)
        with torch.no_grad():
            rbm.weight.copy_(weight)
            rbm.b.copy_(b)
            rbm.c.copy_(c)
        return rbm

    @property
    def d(self) -> int:
        """Number of visible units."""
        return self.weight.shape[0]

    @property
    def d_h(self) -> int:
        """Number of hidden units."""
        return self.weight.shape[1]

    def energy(self, x: Float[Tensor, "*batch d"], h: Float[Tensor, "*batch d_h"]) -> Float[Tensor, "*batch"]:
        r"""Return :math:`E(x, h)`, (\*batch,)."""
        check_layer("x", x, self.d, self.weight)
        check_layer("h", h, self.d_h, self.weight)
        return -((x @ self.weight) * h).sum(-1) - x @ self.b - h @ self.c

    def free_energy(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        r"""Return :math:`\mathcal F(x) = -\log\sum_h e^{-E(x, h)}`, (\*batch,), in nats.

        .. math:: \mathcal F(x) = -b^\top x - \sum_j \log\big(1 + e^{c_j + (W^\top x)_j}\big), \qquad
                  p(x) = \frac1Z e^{-\mathcal F(x)}

        (:eq:`eq-06-free-energy` in the book.) The sum runs over the hidden units j; the term couples all visible ones.
        """
        logits = self.hidden_logits(x)
        return -(x @ self.b) - softplus(logits).sum(-1)

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        r"""Return the free energy, (\*batch,): the energy of the visible units alone, for learning by two phases."""
        return self.free_energy(x)

    def hidden_logits(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d_h"]:
        r"""Return the activations of the hidden units, :math:`W^\top x + c`, (\*batch, d_h)."""
        check_layer("x", x, self.d, self.weight)
        return x @ self.weight + self.c

    def visible_logits(self, h: Float[Tensor, "*batch d_h"]) -> Float[Tensor, "*batch d"]:
        r"""Return the activations of the visible units, :math:`W h + b`, (\*batch, d)."""
        check_layer("h", h, self.d_h, self.weight)
        return h @ self.weight.T + self.b

    def hidden_mean(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d_h"]:
        r"""Return :math:`p(h_j = 1 \mid x) = \operatorname{sigmoid}\big((W^\top x)_j + c_j\big)`, (\*batch, d_h).

        :eq:`eq-06-rbm-conditionals` in the book. Units of :math:`\pm1` would double the argument.
        """
        return torch.sigmoid(self.hidden_logits(x))

    def visible_mean(self, h: Float[Tensor, "*batch d_h"]) -> Float[Tensor, "*batch d"]:
        r"""Return :math:`p(x_i = 1 \mid h) = \operatorname{sigmoid}\big((W h)_i + b_i\big)`, (\*batch, d)."""
        return torch.sigmoid(self.visible_logits(h))

    def sample_hidden(
        self,
        x: Float[Tensor, "*batch d"],
        *,
        generator: torch.Generator | None = None,
        noise: Float[Tensor, "*batch d_h"] | None = None,
    ) -> Float[Tensor, "*batch d_h"]:
        r"""Draw h given x: 1 where a uniform number, from ``noise`` if given, is below the mean; (\*batch, d_h)."""
        return bernoulli(self.hidden_mean(x), generator, noise)

    def sample_visible(
        self,
        h: Float[Tensor, "*batch d_h"],
        *,
        generator: torch.Generator | None = None,
        noise: Float[Tensor, "*batch d"] | None = None,
    ) -> Float[Tensor, "*batch d"]:
        r"""Draw x given h: 1 where a uniform number, from ``noise`` if given, is below the mean; (\*batch, d)."""
        return bernoulli(self.visible_mean(h), generator, noise)

    @torch.no_grad()
    def gibbs(
        self, x: Float[Tensor, "*batch d"], k: int, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch d"]:
        r"""Return the visible units after k steps of block Gibbs sampling, (\*batch, d).

        .. math:: h \sim p(h \mid x_t), \qquad x_{t+1} \sim p(x \mid h)

        (:eq:`eq-06-block-gibbs` in the book.) Both layers are drawn: a mean passed down in place of the 0s and 1s would
        tell the visible layer more than d_h bits.

        Args:
            x: where the chains start, (\*batch, d).
            k: number of steps, 0 or more.
            generator: source of the draws, on the parameters' device.

        Raises:
            ValueError: k is negative, or x does not end in d units.
        """
        check_count("k", k, low=0)
        check_layer("x", x, self.d, self.weight)
        for _ in range(k):
            x = self.sample_visible(self.sample_hidden(x, generator=generator), generator=generator)
        return x

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"d={self.d}, d_h={self.d_h}"
