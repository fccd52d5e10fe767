r"""Decoder likelihoods :math:`p_\theta(x \mid z)`: what a decoder's numbers mean.

A decoder returns ``params`` of shape (\*batch, num_params, d): ``num_params`` numbers for each of the d coordinates
of x. A likelihood turns them into a log-probability, a mean and samples. Given z the coordinates are independent, so
log-probabilities add over d. All values are in nats.

========================  ===========================  ===============================
likelihood                data                         log_prob is
========================  ===========================  ===============================
``Bernoulli``             0 or 1                       the log of a probability
``DiscretisedLogistic``   integer levels 0 .. L - 1    the log of a probability
``GaussianLikelihood``    real numbers                 the log of a *density*
========================  ===========================  ===============================

Probabilities and densities are not comparable: a table has one kind or the other.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number, check_tensor

Params = Float[Tensor, "*#batch num_params d"]
Data = Float[Tensor, "*#batch d"]


class Likelihood(ABC):
    """The interface of this module; see the module's text for the shapes."""

    num_params: int
    """How many numbers the decoder must give for each coordinate of x."""

    @abstractmethod
    def log_prob(self, params: Params, x: Data) -> Float[Tensor, "*batch"]:
        """Return log p(x | z) in nats, summed over the d coordinates; ``x`` broadcasts against ``params``."""

    @abstractmethod
    def mean(self, params: Params) -> Float[Tensor, "*batch d"]:
        """Return E[x | z] in the units of the data."""

    @abstractmethod
    def sample(
        self, params: Params, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch d"]:
        """Draw x given z, noise of the decoder included."""

    @abstractmethod
    def standardise(self, x: Data) -> Data:
        """Map data to roughly [-1, 1], which is what an encoder likes to read."""

    def _check(self, params: Tensor, x: Tensor | None = None) -> None:
        check_tensor("params", params)
        if params.dim() < 2 or params.shape[-2] != self.num_params:
            raise ValueError(
                f"params must have shape (*batch, {self.num_params}, d) for {type(self).__name__}, "
                f"got {tuple(params.shape)}"
            )
        if x is not None:
            check_tensor("x", x)
            if x.dim() < 1 or x.shape[-1] != params.shape[-1]:
                raise ValueError(
                    f"x must end in d = {params.shape[-1]} coordinates, got shape {tuple(x.shape)}"
                )


class Bernoulli(Likelihood):
    r"""Black or white pixels: :math:`\log p(x \mid z) = \sum_i x_i a_i - \log(1 + e^{a_i})`, with logits :math:`a`.

    Example:
        >>> import torch
        >>> from gmlib.vae import Bernoulli
        >>> p = Bernoulli().log_prob(torch.zeros(1, 1, 4), torch.tensor([[0.0, 1.0, 1.0, 0.0]]))
        >>> round(p.item(), 4)  # four fair coins: -4 log 2
        -2.7726
    """

    num_params = 1

    def log_prob(self, params: Params, x: Data) -> Float[Tensor, "*batch"]:
        """Return log p(x | z) in nats for x of zeros and ones.

        Raises:
            ValueError: ``params`` or ``x`` has the wrong shape.
        """
        self._check(params, x)
        logits = params[..., 0, :]
        return (x * logits - F.softplus(logits)).sum(-1)

    def mean(self, params: Params) -> Float[Tensor, "*batch d"]:
        """Return the probabilities of a white pixel."""
        self._check(params)
        return params[..., 0, :].sigmoid()

    def sample(
        self, params: Params, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch d"]:
        """Draw zeros and ones."""
        return torch.bernoulli(self.mean(params), generator=generator)

    def standardise(self, x: Data) -> Data:
        """Return 2x - 1."""
        return 2 * x - 1


class GaussianLikelihood(Likelihood):
    r"""Real data with one variance for all coordinates, :math:`p(x \mid z) = \mathcal N(x; \mu(z), \sigma^2 I)`.

    .. math:: \log p(x \mid z) = -\tfrac{1}{2\sigma^2}\lVert x - \mu\rVert^2 - \tfrac d2 \log 2\pi\sigma^2

    The last term does not depend on the decoder and must not be dropped: without it the value is no log-density, and
    losses at two values of :math:`\sigma^2` cannot be compared.

    Args:
        var: the variance :math:`\sigma^2`, positive.

    Raises:
        ValueError: ``var`` is not positive.

    Example:
        >>> import torch
        >>> from gmlib.vae import GaussianLikelihood
        >>> round(GaussianLikelihood(1.0).log_prob(torch.zeros(1, 1, 2), torch.zeros(1, 2)).item(), 4)  # -log 2 pi
        -1.8379
    """

    num_params = 1

    def __init__(self, var: float) -> None:
        check_number("var", var, low=0.0, low_open=True)
        self.var = var

    def log_prob(self, params: Params, x: Data) -> Float[Tensor, "*batch"]:
        """Return the log-density of x given z in nats.

        Raises:
            ValueError: ``params`` or ``x`` has the wrong shape.
        """
        self._check(params, x)
        square = (x - params[..., 0, :]).square().sum(-1)
        return -0.5 * (square / self.var + x.shape[-1] * math.log(2 * math.pi * self.var))

    def mean(self, params: Params) -> Float[Tensor, "*batch d"]:
        r"""Return :math:`\mu(z)`."""
        self._check(params)
        return params[..., 0, :]

    def sample(
        self, params: Params, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch d"]:
        r"""Draw :math:`\mu(z) + \sigma \varepsilon`."""
        mean = self.mean(params)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + math.sqrt(self.var) * noise

    def standardise(self, x: Data) -> Data:
        """Return x itself: real data come in the units their owner chose."""
        return x


class DiscretisedLogistic(Likelihood):
    r"""Grey levels 0 .. L - 1 as a mixture of K logistic laws, each integrated over a level's cell.

    With :math:`S` the logistic sigmoid, location m and scale c, level k has the probability

    .. math:: P(k) = \begin{cases}
                S\big((k + \tfrac12 - m)/c\big) & k = 0 \\
                S\big((k + \tfrac12 - m)/c\big) - S\big((k - \tfrac12 - m)/c\big) & 0 < k < L - 1 \\
                1 - S\big((k - \tfrac12 - m)/c\big) & k = L - 1
              \end{cases}

    so the outer cells take the tails and the L probabilities sum to one (Salimans et al. 2017, PixelCNN++, section
    2.1). Unlike a table of L free logits a pixel, it knows that 7 lies between 6 and 8, which is what a thousand
    training images are too few to teach. For :math:`u, l` the two arguments, the inner case is computed as
    :math:`\log S(u) + \log S(-l) + \log(1 - e^{l - u})`, which loses no digits in the tails.

    Log-scales are clamped to :math:`[-4, \log 4L]` (of c in levels). The decoder gives, for each pixel, K mixture
    logits, K locations (in units where the levels run from -1 to 1) and K log-scales (in the same units).

    Args:
        levels: the number of levels L, at least 2.
        components: the number of logistic laws K.

    Raises:
        ValueError: ``levels`` below 2 or ``components`` below 1.

    Example:
        >>> import torch
        >>> from gmlib.vae import DiscretisedLogistic
        >>> law = DiscretisedLogistic(levels=17, components=3)
        >>> params = torch.randn(1, law.num_params, 1)
        >>> every_level = torch.arange(17.0)[:, None]
        >>> round(law.log_prob(params, every_level).exp().sum().item(), 4)
        1.0
    """

    def __init__(self, levels: int, components: int = 1) -> None:
        check_count("levels", levels, low=2)
        check_count("components", components)
        self.levels, self.components = levels, components
        self.num_params = 3 * components

    def _split(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-weights, locations and log-scales, the last two in levels; each (*batch, K, d)."""
        logits, location, log_scale = params.chunk(3, dim=-2)
        half = (self.levels - 1) / 2
        # Below a fiftieth of a level it is a point mass; at four times the range the two outer cells have nearly all.
        log_scale = (log_scale + math.log(half)).clamp(-4.0, math.log(4.0 * self.levels))
        return logits.log_softmax(-2), half * (1 + location), log_scale

    def log_prob(self, params: Params, x: Data) -> Float[Tensor, "*batch"]:
        """Return log P(x | z) in nats for x of whole levels, given as floats.

        Raises:
            ValueError: ``params`` or ``x`` has the wrong shape.
        """
        self._check(params, x)
        log_weight, location, log_scale = self._split(params)
        level = x[..., None, :]
        inverse = torch.exp(-log_scale)
        upper, lower = (level + 0.5 - location) * inverse, (level - 0.5 - location) * inverse
        below, above = F.logsigmoid(upper), F.logsigmoid(-lower)
        inner = below + above + torch.log(-torch.expm1(-inverse))
        log_mass = torch.where(level < 0.5, below, torch.where(level > self.levels - 1.5, above, inner))
        return torch.logsumexp(log_weight + log_mass, dim=-2).sum(-1)

    def mean(self, params: Params) -> Float[Tensor, "*batch d"]:
        """Return the mean level, as the sum over k >= 1 of P(x >= k)."""
        self._check(params)
        log_weight, location, log_scale = self._split(params)
        inverse = torch.exp(-log_scale)
        # Edge by edge: all of them at once would take levels times the memory of the parameters.
        tail = torch.zeros_like(location)
        for edge in range(1, self.levels):
            tail = tail + torch.sigmoid((location - (edge - 0.5)) * inverse)
        return (log_weight.exp() * tail).sum(-2)

    def sample(
        self, params: Params, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch d"]:
        """Draw whole levels, as floats."""
        self._check(params)
        log_weight, location, log_scale = self._split(params)
        uniform = torch.rand(location.shape, generator=generator, device=params.device, dtype=params.dtype)
        gumbel = -torch.log(-torch.log(uniform.clamp_min(1e-30)))
        chosen = (log_weight + gumbel).argmax(-2, keepdim=True)
        location, log_scale = location.gather(-2, chosen)[..., 0, :], log_scale.gather(-2, chosen)[..., 0, :]
        uniform = torch.rand(location.shape, generator=generator, device=params.device, dtype=params.dtype)
        logistic = torch.logit(uniform, eps=1e-7)
        return (location + log_scale.exp() * logistic).round().clamp(0, self.levels - 1)

    def standardise(self, x: Data) -> Data:
        """Map levels 0 .. L - 1 to [-1, 1]."""
        return x * (2 / (self.levels - 1)) - 1
