r"""Three ways to the log-determinant of a residual block: all of it, a truncated series, an unbiased estimate."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.flows.hutchinson import probe
from gmlib.flows.log_det_series import probed_log_det_terms
from gmlib.flows.roulette import roulette_stops, roulette_survival


class ResidualLogDet(ABC):
    r"""Computes :math:`\log|\det(I + J)|` from products with J."""

    @abstractmethod
    def __call__(
        self, product: Callable[[Tensor], Tensor], u: Float[Tensor, "..."], *, event_dims: int
    ) -> Float[Tensor, "*batch"]:
        r"""Nats at each point.

        Args:
            product: v to Jv, for directions of shape ``(*any, *u.shape)``.
            u: the points, ``(*batch, *event)``; only shape, dtype and device count.
            event_dims: how many dimensions at the end of ``u`` one point has.
        """


class DenseLogDet(ResidualLogDet):
    """The determinant of the whole Jacobian: exact, d products and :math:`O(d^3)` a point, for small d.

    Example:
        >>> DenseLogDet()(lambda v: 0.5 * v, torch.zeros(3, 2), event_dims=1)  # 2 log 1.5
        tensor([0.8109, 0.8109, 0.8109])
    """

    def __call__(
        self, product: Callable[[Tensor], Tensor], u: Float[Tensor, "..."], *, event_dims: int
    ) -> Float[Tensor, "*batch"]:
        """See `ResidualLogDet`."""
        batch, event = u.shape[: u.dim() - event_dims], u.shape[u.dim() - event_dims :]
        d = math.prod(event)
        eye = torch.eye(d, dtype=u.dtype, device=u.device)
        directions = eye.reshape(d, *[1] * len(batch), *event).expand(d, *u.shape)
        # Rows are directions here: the transposed Jacobian, of the same determinant.
        transposed = product(directions).reshape(d, *batch, d).movedim(0, -2)
        return torch.linalg.slogdet(eye + transposed)[1]


class SeriesLogDet(ResidualLogDet):
    r"""The first n terms of the power series, with one random vector of signs a point, from torch's default generator.

    The random vector brings noise, the truncation a bias of at most `log_det_series_bound`: for d = 2 and L = 0.9 that is
    0.37 nats after 10 terms and 0.002 after 50.

    Args:
        n: how many terms.

    Raises:
        ValueError: ``n`` below 1.

    References:
        J. Behrmann et al., *Invertible residual networks*, 2019, algorithm 2.

    Example:
        For a multiple of the identity each vector of signs gives the exact traces:

        >>> SeriesLogDet(20)(lambda v: 0.5 * v, torch.zeros(3, 2), event_dims=1)
        tensor([0.8109, 0.8109, 0.8109])
    """

    def __init__(self, n: int = 10) -> None:
        check_count("n", n)
        self.n = n

    def __call__(
        self, product: Callable[[Tensor], Tensor], u: Float[Tensor, "..."], *, event_dims: int
    ) -> Float[Tensor, "*batch"]:
        """See `ResidualLogDet`."""
        v = probe(u.shape, dtype=u.dtype, device=u.device)
        return probed_log_det_terms(product, v, self.n, event_dims=event_dims).sum(-1)


class RouletteLogDet(ResidualLogDet):
    r"""The unbiased estimate: signs for the traces, Russian roulette for the length of the series.

    One length serves the whole batch. It is drawn on the CPU from torch's default generator, so that nothing waits for
    the device; the number of steps changes from call to call, and so this does not compile into one graph.

    Args:
        survive: chance to go on after each term beyond the kept ones; above :math:`L^2` for a finite variance, as 0.9 is
            for the 0.9 of `residual_flow`.
        kept: how many terms are always taken.

    Raises:
        ValueError: ``survive`` outside (0, 1), or ``kept`` below 1.

    References:
        R. Chen et al., *Residual flows for invertible generative modeling*, 2019, theorem 1.

    Example:
        >>> estimate = RouletteLogDet()
        >>> draws = torch.stack([estimate(lambda v: 0.5 * v, torch.zeros(2), event_dims=1) for _ in range(2000)])
        >>> bool((draws.mean() - 0.8109).abs() < 5 * draws.std() / 2000**0.5)
        True
    """

    def __init__(self, survive: float = 0.9, kept: int = 2) -> None:
        check_count("kept", kept)
        roulette_survival(1, survive=survive, kept=kept)
        self.survive, self.kept = survive, kept

    def __call__(
        self, product: Callable[[Tensor], Tensor], u: Float[Tensor, "..."], *, event_dims: int
    ) -> Float[Tensor, "*batch"]:
        """See `ResidualLogDet`."""
        n = int(roulette_stops((), survive=self.survive, kept=self.kept))
        v = probe(u.shape, dtype=u.dtype, device=u.device)
        terms = probed_log_det_terms(product, v, n, event_dims=event_dims)
        chance = roulette_survival(n, survive=self.survive, kept=self.kept, dtype=u.dtype, device=u.device)
        return (terms / chance).sum(-1)
