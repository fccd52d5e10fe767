"""A flow as a law of integers: noise fills the cells, and may be a flow itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor, nn

from gmlib._checks import check_count, check_event, check_instance, check_tensor
from gmlib.data import quantise
from gmlib.flows._levels import check_levels
from gmlib.flows.flow import Flow


class Dequantised(nn.Module):
    r"""The mass that a flow on the unit cube gives to integers, bounded from below with the help of noise.

    .. math:: P(x) = \int_{[0,1)^D} p\Big(\frac{x + v}{L}\Big)\frac{\mathrm dv}{L^D}, \qquad
        \log w = \log p\Big(\frac{x + v}{L}\Big) - D\log L - \log q(v\mid x), \quad v\sim q(v\mid x)

    The weight w has mean P(x), so that :math:`\mathbb E\log\frac1K\sum_k w_k \le \log P(x)`, and the more draws the
    closer. The gap at K = 1 is :math:`\mathrm{KL}(q(v\mid x)\,\|\,p(v\mid x))`: uniform noise asks p to be flat within
    each cell; a q that learns goes where p has its mass, and p need not pretend.

    (:eq:`eq-05-dequantise` in the book.)

    Args:
        flow: p, a density of points of any shape in :math:`[0, 1)`.
        levels: number of levels L of the integers.
        noise: q, a flow of the same event shape over :math:`[0, 1)` with the image :math:`x/L`, flattened, as its
            condition (``context`` D); None for uniform noise.

    Raises:
        TypeError: ``flow`` is no `Flow`.
        ValueError: ``levels`` is below 1 or above 256, ``flow`` has a condition, or ``noise`` another event shape or
            condition.

    References:
        L. Theis, A. van den Oord and M. Bethge, *A note on the evaluation of generative models*, 2016, section 3.1; J. Ho,
        X. Chen, A. Srinivas, Y. Duan and P. Abbeel, *Flow++*, 2019, section 3.1 and equation 12; E. Hoogeboom,
        T. Cohen and J. Tomczak, *Learning discrete distributions by dequantization*, 2020, for the bound with K draws.

    Example:
        The uniform density gives each of 4 levels the mass 1/4, whatever the noise:

        >>> from gmlib.flows import Dequantised, Flow, Reshape, StandardUniform
        >>> model = Dequantised(Flow(StandardUniform((3,)), Reshape((3,))), 4)
        >>> model.bound(torch.tensor([[0, 1, 3]])).exp() * 4**3
        tensor([1.])
    """

    def __init__(self, flow: Flow, levels: int, noise: Flow | None = None) -> None:
        super().__init__()
        check_count("levels", levels)
        if levels > 256:
            raise ValueError(f"levels must be at most 256, got {levels}")
        check_instance("flow", flow, Flow)
        if flow.context:
            raise ValueError(f"flow must have no condition, got context {flow.context}")
        self.event_shape = flow.event_shape
        self.size = math.prod(self.event_shape)
        if noise is not None and (noise.event_shape != self.event_shape or noise.context != self.size):
            raise ValueError(
                f"noise must have event shape {self.event_shape} and context {self.size}, got "
                f"{noise.event_shape} and {noise.context}"
            )
        self.flow = flow
        self.levels = levels
        self.noise = noise

    @property
    def draw_shape(self) -> tuple[int, ...]:
        """Shape of the base variable of the noise, for `log_weight`."""
        return self.event_shape if self.noise is None else self.noise.bijection.noise_shape

    def log_weight(self, x: Shaped[Tensor, "..."], draw: Float[Tensor, "..."]) -> Float[Tensor, "*batch"]:
        """log w for given draws of the base of the noise: what a training step maximises.

        Args:
            x: integers from 0 to L - 1, of any dtype, ``(*batch, *event_shape)``; not checked, for speed.
            draw: draws of the base of q, ``(*batch, *draw_shape)``, uniform on [0, 1) without a q.

        Returns:
            Nats, ``(*batch)``.

        Raises:
            TypeError: an argument is not a tensor, or ``draw`` not a floating one.
            ValueError: a shape does not fit.
        """
        check_tensor("x", x, floating=False)
        x = x.to(draw)
        check_event("x", x, self.event_shape)
        check_event("draw", draw, self.draw_shape)
        if self.noise is None:
            v, log_q = draw, 0.0
        else:
            condition = x.flatten(x.dim() - len(self.event_shape)) / self.levels
            v, log_det = self.noise.bijection.forward(draw, condition)
            log_q = self.noise.base.log_prob(draw) - log_det
        return self.flow.log_prob((x + v) / self.levels) - self.size * math.log(self.levels) - log_q

    def bound(
        self, x: Shaped[Tensor, "..."], *, samples: int = 1, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch"]:
        r""":math:`\log\frac1K\sum_k w_k` with fresh draws, a lower bound on log P(x) in expectation.

        Args:
            x: integers from 0 to L - 1, ``(*batch, *event_shape)``.
            samples: number of draws K.
            generator: source of the draws; None for torch's default.

        Returns:
            Nats, ``(*batch)``.

        Raises:
            TypeError: ``x`` is not a tensor of integers.
            ValueError: a level is out of range, ``x`` does not end in the event shape, or ``samples`` is below 1.
        """
        check_levels("x", x, self.levels)
        check_count("samples", samples)
        batch = x.shape[: x.dim() - len(self.event_shape)]
        if self.noise is None:
            place = self.flow.place
            draw = torch.rand(
                (samples, *x.shape), generator=generator, dtype=place.dtype, device=place.device
            )
        else:
            draw = self.noise.base.sample((samples, *batch), generator=generator)
        weights = self.log_weight(x.expand(samples, *x.shape), draw)
        return weights.logsumexp(0) - math.log(samples)

    @torch.no_grad()
    def sample(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator | None = None
    ) -> UInt8[Tensor, "..."]:
        """Integers: draws of p, each rounded down to its cell; shape ``(*sample_shape, *event_shape)``."""
        return quantise(self.flow.sample(sample_shape, generator=generator), self.levels)
