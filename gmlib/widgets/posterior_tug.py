r"""A normal law q pulled over an exact posterior: what the bound of chapter 02 is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_number, check_tensor
from gmlib.vae.quadrature import grid_posterior, log_evidence
from gmlib.widgets.base import STATIC, Widget


@dataclass(frozen=True)
class TugTerms:
    r"""What the widget shows for one q, in nats.

    .. math:: \underbrace{\mathbb E_q[\log p(x, z)]}_{\text{energy}} + \underbrace{\mathbb H(q)}_{\text{entropy}}
        + \underbrace{\mathrm{KL}(q \,\|\, p(\cdot\mid x))}_{\text{reverse}} = \log p(x)

    Attributes:
        energy: expected log joint.
        entropy: entropy of q.
        reverse: :math:`\mathrm{KL}(q\|p)`, the gap of the bound.
        forward: :math:`\mathrm{KL}(p\|q)`.
        log_evidence: :math:`\log p(x)`.
    """

    energy: float
    entropy: float
    reverse: float
    forward: float
    log_evidence: float


def figure_of_eight() -> tuple[Tensor, Tensor]:
    r"""The model of chapter 02, section 1, at its three points, on a grid.

    .. math:: z\sim\mathcal N(0,1), \qquad x\mid z\sim\mathcal N\bigl((2\sin 1.6z, \sin 3.2z),\; 0.25^2 I\bigr)

    Returns:
        The grid of latents, (721,), and :math:`\log p(x, z)` at x = (0, 0), (1.9, 0.55), (-1.1, 1.25), (3, 721).

    Example:
        >>> from gmlib.widgets.posterior_tug import figure_of_eight
        >>> [part.shape for part in figure_of_eight()]
        [torch.Size([721]), torch.Size([3, 721])]
    """
    z = torch.linspace(-9, 9, 721, dtype=torch.float64)
    points = torch.tensor([[0.0, 0.0], [1.9, 0.55], [-1.1, 1.25]], dtype=torch.float64)
    curve = torch.stack([2 * torch.sin(1.6 * z), torch.sin(3.2 * z)], dim=-1)
    square = (points[:, None] - curve).square().sum(-1)
    likelihood = -square / (2 * 0.25**2) - math.log(2 * math.pi * 0.25**2)
    return z, likelihood - z**2 / 2 - math.log(2 * math.pi) / 2


class PosteriorTug(Widget):
    r"""Drag mean and width of q over the exact posterior of a one-dimensional latent.

    Three bars, expected log joint, entropy and gap, always end at :math:`\log p(x)`: what q gains in the bound it
    loses in the gap. Marked are the best q for the bound (reverse KL) and the one that matches the posterior's
    moments (forward KL).

    Args:
        z: increasing grid of latents, evenly spaced, (grid,); None: the figure of eight of chapter 02.
        log_joint: :math:`\log p(x, z)` in nats for one or more x, (n, grid).
        labels: a name for each x.
        mean: mean of q at the start, in ``mean_range`` (the middle four tenths of the grid).
        std: standard deviation of q at the start, in ``std_range``.

    Raises:
        TypeError: ``z`` or ``log_joint`` is no floating tensor.
        ValueError: shapes do not fit, the grid is not evenly increasing, it does not hold the posterior, or q starts out of
            range.

    References:
        D. M. Blei et al., *Variational inference: a review for statisticians* (2017), section 2.2;
        :mod:`gmlib.vae.quadrature` computes the same in torch.

    Example:
        >>> from gmlib.widgets import PosteriorTug
        >>> tug = PosteriorTug(mean=0.0, std=0.2)
        >>> print(f"{tug.terms().log_evidence:.3f}")
        -1.695
    """

    _esm = STATIC / "posterior_tug.js"
    shown = ("mean", "std", "observation")

    _z = traitlets.Bytes().tag(sync=True)
    _log_joint = traitlets.Bytes().tag(sync=True)
    labels = traitlets.List(traitlets.Unicode(), help="names of the observed x").tag(sync=True)
    mean_range = traitlets.List(traitlets.Float(), help="least and largest mean of q").tag(sync=True)
    std_range = traitlets.List(traitlets.Float(), help="least and largest standard deviation of q").tag(
        sync=True
    )
    observation = traitlets.Int(0, min=0, help="which x is observed").tag(sync=True)
    mean = traitlets.Float(0.0, help="mean of q").tag(sync=True)
    std = traitlets.Float(0.6, min=1e-6, help="standard deviation of q").tag(sync=True)

    def __init__(
        self,
        z: Float[Tensor, " grid"] | None = None,
        log_joint: Float[Tensor, "n grid"] | None = None,
        *,
        labels: Sequence[str] | None = None,
        mean: float = 0.9,
        std: float = 0.5,
        observation: int = 0,
    ) -> None:
        if (z is None) != (log_joint is None):
            raise ValueError("z and log_joint must be given together, got only one of them")
        if z is None or log_joint is None:
            z, log_joint = figure_of_eight()
            labels = labels or ("A, where the curve crosses", "B, on the right loop", "C, off the curve")
        self._grid, self._joint = _checked(z, log_joint)
        names = [f"x {i + 1}" for i in range(len(self._joint))] if labels is None else list(labels)
        if len(names) != len(self._joint):
            raise ValueError(f"labels must name each of the {len(self._joint)} x, got {len(names)}")
        low, high = float(self._grid[0]), float(self._grid[-1])
        gap = (high - low) / (len(self._grid) - 1)
        # q must lie on the grid: five standard deviations either side of the mean, and two grid points in one (the
        # trapezoid rule is then exact to 1e-30 for a normal law).
        mean_range = [low + 0.3 * (high - low), high - 0.3 * (high - low)]
        std_range = [max(2 * gap, 1e-3 * (high - low)), 0.06 * (high - low)]
        check_number("mean", mean, low=mean_range[0], high=mean_range[1])
        check_number("std", std, low=std_range[0], high=std_range[1])
        check_count("observation", observation, low=0)
        if observation >= len(names):
            raise ValueError(f"observation must be below {len(names)}, got {observation}")
        super().__init__(
            _z=self._grid.numpy().astype("<f8").tobytes(),
            _log_joint=self._joint.numpy().astype("<f8").tobytes(),
            labels=names,
            mean_range=mean_range,
            std_range=std_range,
            mean=float(mean),
            std=float(std),
            observation=observation,
        )

    def terms(self) -> TugTerms:
        """The numbers that the widget shows now, computed by torch in float64.

        Example:
            >>> from gmlib.widgets import PosteriorTug
            >>> t = PosteriorTug(mean=0.5, std=0.3).terms()
            >>> print(f"{t.energy + t.entropy + t.reverse - t.log_evidence:.6f}")
            0.000000
        """
        joint = self._joint[self.observation]
        evidence = log_evidence(joint, self._grid)
        posterior = grid_posterior(joint, self._grid)
        q = torch.distributions.Normal(
            torch.tensor(self.mean, dtype=torch.float64), torch.tensor(self.std, dtype=torch.float64)
        )
        log_q = q.log_prob(self._grid)
        density = log_q.exp()
        held = posterior > 0
        forward = torch.where(held, posterior * (joint - evidence - log_q), 0.0)
        return TugTerms(
            energy=torch.trapezoid(density * joint, self._grid).item(),
            entropy=q.entropy().item(),
            reverse=torch.trapezoid(density * (log_q - joint + evidence), self._grid).item(),
            forward=torch.trapezoid(forward, self._grid).item(),
            log_evidence=evidence.item(),
        )


def _checked(z: Tensor, log_joint: Tensor) -> tuple[Tensor, Tensor]:
    check_tensor("z", z)
    check_tensor("log_joint", log_joint)
    z, log_joint = z.detach().cpu().double(), log_joint.detach().cpu().double()
    if z.dim() != 1 or z.shape[0] < 51:
        raise ValueError(f"z must be a grid of at least 51 points, got shape {tuple(z.shape)}")
    if log_joint.dim() != 2 or log_joint.shape[0] == 0 or log_joint.shape[1] != z.shape[0]:
        raise ValueError(f"log_joint must have shape (n, {z.shape[0]}), got {tuple(log_joint.shape)}")
    check_finite("log_joint", log_joint)
    gaps = z.diff()
    if not bool((gaps > 0).all()) or bool((gaps - gaps.mean()).abs().max() > 1e-3 * gaps.mean()):
        raise ValueError("z must be evenly spaced and increase")
    ends = grid_posterior(log_joint, z)[:, [0, -1]]
    if bool((ends * float(z[-1] - z[0]) > 1e-6).any()):
        raise ValueError(
            "z must hold the whole posterior, got one that has not died out at an end of the grid"
        )
    return z, log_joint
