r"""RBM with Gaussian visible units: a mixture of :math:`2^{d_h}` normal laws whose means are sums of weight columns."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_number
from gmlib.distributions import GaussianMixture
from gmlib.energy._draws import bernoulli
from gmlib.energy._layers import check_layer, check_parameters
from gmlib.energy._softplus import softplus
from gmlib.energy.states import all_states

MAX_HIDDEN = 16
"""Hidden units beyond which the mixture, with 2^d_h components, is not written out."""


class GaussianRBM(nn.Module):
    r"""Restricted Boltzmann machine with real visible units of variances v and hidden units of 0 or 1.

    .. math:: E(x, h) = \sum_i \frac{(x_i - b_i)^2}{2 v_i} - \sum_{ij} \frac{x_i}{v_i} W_{ij} h_j - c^\top h

    (:eq:`eq-06b-gaussian-rbm` in the book.) The visible unit enters the coupling divided by its variance (Cho, Ilin & Raiko
    2011), so that W has the unit of x and both conditionals are simple: x given h is normal with mean
    :math:`b + W h` and variances v, and :math:`p(h_j = 1 \mid x) = \operatorname{sigmoid}(c_j + \sum_i W_{ij} x_i / v_i)`.
    Summed over h the density of x is a mixture of :math:`2^{d_h}` normal laws of the same covariance.

    Args:
        d: number of visible units.
        d_h: number of hidden units.
        var: the variances at the start, one number; learnt as ``log_var``.
        std: standard deviation of the initial weights, in the unit of x.
        generator: source of the initial weights, on the CPU.
        dtype: of the parameters.
        device: of the parameters.

    Attributes:
        weight: :math:`W`, (d, d_h).
        b: visible biases: the mean of x when all hidden units are 0, (d,).
        c: hidden biases, (d_h,).
        log_var: :math:`\log v`, (d,).

    Raises:
        TypeError: a size is no int.
        ValueError: a size is below 1, ``std`` is negative, or ``var`` not positive.

    Example:
        >>> import torch
        >>> from gmlib.energy import GaussianRBM
        >>> rbm = GaussianRBM.from_weights(torch.tensor([[4.0]]), torch.zeros(1), torch.tensor([-8.0]), torch.ones(1))
        >>> law = rbm.mixture()
        >>> law.means.flatten().tolist(), law.weights.tolist()  # one hidden unit: two bumps
        ([0.0, 4.0], [0.5, 0.5])
    """

    def __init__(
        self,
        d: int,
        d_h: int,
        *,
        var: float = 1.0,
        std: float = 0.01,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        check_count("d", d)
        check_count("d_h", d_h)
        check_number("var", var, low=0.0, low_open=True)
        check_number("std", std, low=0.0)
        kind = {"dtype": dtype, "device": device}
        self.weight = nn.Parameter(std * torch.randn(d, d_h, generator=generator, dtype=dtype).to(device))
        self.b = nn.Parameter(torch.zeros(d, **kind))
        self.c = nn.Parameter(torch.zeros(d_h, **kind))
        self.log_var = nn.Parameter(torch.full((d,), math.log(var), **kind))

    @classmethod
    def from_weights(cls, weight: Tensor, b: Tensor, c: Tensor, var: Tensor) -> GaussianRBM:
        """Return the machine with these parameters: ``weight`` (d, d_h), ``b`` (d,), ``c`` (d_h,), ``var`` (d,).

        Raises:
            TypeError: one is no floating tensor, or not of the dtype of ``weight``.
            ValueError: the shapes or devices do not fit, a number is not finite, or a variance not positive.
        """
        check_parameters(weight, {"b": b, "var": var}, {"c": c})
        if not bool((var > 0).all()):
            raise ValueError(f"var must be positive, got {float(var.min()):g}")
        rbm = cls(*weight.shape, std=0.0, dtype=weight.dtype, device=weight.device)
        with torch.no_grad():
            for parameter, value in ((rbm.weight, weight), (rbm.b, b), (rbm.c, c), (rbm.log_var, var.log())):
                parameter.copy_(value)
        return rbm

    @property
    def d(self) -> int:
        """Number of visible units."""
        return self.weight.shape[0]

    @property
    def d_h(self) -> int:
        """Number of hidden units."""
        return self.weight.shape[1]

    @property
    def var(self) -> Float[Tensor, "d"]:
        """Variances of the visible units given h, (d,)."""
        return self.log_var.exp()

    def energy(self, x: Float[Tensor, "*batch d"], h: Float[Tensor, "*batch d_h"]) -> Float[Tensor, "*batch"]:
        r"""Return :math:`E(x, h)`, (\*batch,)."""
        check_layer("x", x, self.d, self.weight)
        check_layer("h", h, self.d_h, self.weight)
        squares = ((x - self.b).square() / (2 * self.var)).sum(-1)
        return squares - ((x / self.var) @ self.weight * h).sum(-1) - h @ self.c

    def hidden_logits(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d_h"]:
        r"""Return :math:`c + W^\top (x / v)`, (\*batch, d_h)."""
        check_layer("x", x, self.d, self.weight)
        return (x / self.var) @ self.weight + self.c

    def hidden_mean(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d_h"]:
        r"""Return :math:`p(h_j = 1 \mid x)`, (\*batch, d_h)."""
        return torch.sigmoid(self.hidden_logits(x))

    def visible_mean(self, h: Float[Tensor, "*batch d_h"]) -> Float[Tensor, "*batch d"]:
        r"""Return :math:`\mathbb E[x \mid h] = b + W h`, (\*batch, d)."""
        check_layer("h", h, self.d_h, self.weight)
        return h @ self.weight.T + self.b

    def free_energy(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        r"""Return the free energy, (\*batch,), in nats.

        .. math:: \mathcal F(x) = \sum_i \frac{(x_i - b_i)^2}{2 v_i} - \sum_j \log\big(1 + e^{c_j + (W^\top(x/v))_j}\big)
        """
        logits = self.hidden_logits(x)
        return ((x - self.b).square() / (2 * self.var)).sum(-1) - softplus(logits).sum(-1)

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        r"""Return the free energy, (\*batch,): the energy of the visible units alone, for learning by two phases."""
        return self.free_energy(x)

    def score(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        r"""Return :math:`\nabla_x \log p(x) = \big(b + W \bar h(x) - x\big) / v`: towards the mean that h calls for."""
        return (self.visible_mean(self.hidden_mean(x)) - x) / self.var

    def _log_weights(self) -> tuple[Tensor, Tensor]:
        if self.d_h > MAX_HIDDEN:
            raise ValueError(
                f"rbm must have at most {MAX_HIDDEN} hidden units to list its 2^d_h components, got {self.d_h}"
            )
        h = all_states(self.d_h, 0, dtype=self.weight.dtype, device=self.weight.device)
        means = self.visible_mean(h)
        return means, h @ self.c + ((means.square() - self.b.square()) / (2 * self.var)).sum(-1)

    def log_z(self) -> Float[Tensor, ""]:
        r"""Return :math:`\log Z = \frac12 \sum_i \log 2\pi v_i + \log \sum_h \tilde p(h)`; at most 16 hidden units.

        .. math:: \tilde p(h) = e^{c^\top h} \prod_i \exp\frac{(b + W h)_i^2 - b_i^2}{2 v_i}
        """
        _, log_weights = self._log_weights()
        return 0.5 * (self.log_var + math.log(2 * math.pi)).sum() + torch.logsumexp(log_weights, 0)

    def log_prob(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        r"""Return the exact log-density :math:`-\mathcal F(x) - \log Z`, (\*batch,), in nats; at most 16 hidden units."""
        return -self.free_energy(x) - self.log_z()

    def mixture(self) -> GaussianMixture:
        r"""Return the visible law as a mixture: means :math:`b + W h`, variances v, weights as in ``log_z``.

        The means are the corners of a box pushed through W: :math:`2^{d_h}` components from :math:`d_h + 1` vectors.
        Before any x is seen the hidden units are coupled all the same, by :math:`\sum_i W_{ij} W_{ik} / v_i`: four equal
        clouds can stand at the corners of a rectangle but of no other parallelogram (in units of :math:`\sqrt v`).

        Raises:
            ValueError: there are more than 16 hidden units.
        """
        with torch.no_grad():
            means, log_weights = self._log_weights()
            var = self.var.expand_as(means)
            return GaussianMixture(means, log_weights=torch.log_softmax(log_weights, 0), var=var)

    def sample_hidden(
        self,
        x: Float[Tensor, "*batch d"],
        *,
        generator: torch.Generator | None = None,
        noise: Float[Tensor, "*batch d_h"] | None = None,
    ) -> Float[Tensor, "*batch d_h"]:
        r"""Draw h given x: 1 where a uniform number, from ``noise`` if given, is below the mean; (\*batch, d_h)."""
        return bernoulli(self.hidden_mean(x), generator, noise)

    @torch.no_grad()
    def sample_visible(
        self,
        h: Float[Tensor, "*batch d_h"],
        *,
        generator: torch.Generator | None = None,
        noise: Float[Tensor, "*batch d"] | None = None,
    ) -> Float[Tensor, "*batch d"]:
        r"""Draw x given h: :math:`b + W h` plus a standard normal number, ``noise`` if given, times :math:`\sqrt v`."""
        mean = self.visible_mean(h)
        if noise is None:
            noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        elif noise.shape != mean.shape:
            raise ValueError(f"noise must have shape {tuple(mean.shape)}, got {tuple(noise.shape)}")
        return mean + self.var.sqrt() * noise

    @torch.no_grad()
    def gibbs(
        self, x: Float[Tensor, "*batch d"], k: int, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch d"]:
        r"""Return the visible units after k steps of block Gibbs sampling: h drawn given x, then x given h.

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

    def cd_loss(
        self, x: Float[Tensor, "n d"], k: int = 1, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, ""]:
        r"""Return the mean free energy of data less that of the chains' ends: its gradient is the CD-k update, downhill.

        The chain's end :math:`x_k` is a constant for autograd: its own dependence on the parameters is the dropped term.

        Args:
            x: data, (n, d).
            k: Gibbs steps, at least 1.
            generator: source of the draws.

        Raises:
            ValueError: k is below 1, or x has the wrong shape.
        """
        check_count("k", k)
        check_layer("x", x, self.d, self.weight)
        if x.dim() != 2 or x.shape[0] == 0:
            raise ValueError(f"x must have shape (n, {self.d}) with n >= 1, got {tuple(x.shape)}")
        moved = self.gibbs(x, k, generator=generator)
        return self.free_energy(x).mean() - self.free_energy(moved).mean()

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"d={self.d}, d_h={self.d_h}"
