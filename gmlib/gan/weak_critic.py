r"""Pushing a lower bound down proves nothing: exact examples of a generator that fools a weak critic.

Everything is for the bound on KL and unit normal laws, :math:`p = \mathcal N(0, I)` and
:math:`q_\theta = \mathcal N(\theta, I)`, where the divergence is :math:`\lVert\theta\rVert^2 / 2`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_number, check_tensor


@dataclass(frozen=True)
class WeakBound:
    r"""What a critic claims, and what is the case.

    Attributes:
        bound: the critic's lower bound, nats, (\*batch,).
        divergence: the KL divergence itself, nats, (\*batch,).

    Example:
        >>> import torch
        >>> from gmlib.gan import WeakBound
        >>> (WeakBound(torch.tensor(0.0), torch.tensor(2.0))).divergence.item()
        2.0
    """

    bound: Tensor
    divergence: Tensor

    @property
    def gap(self) -> Tensor:
        """How much the critic misses; never negative."""
        return self.divergence - self.bound


def frozen_bound(theta: Float[Tensor, "*batch"], frozen_at: float) -> WeakBound:
    r"""The bound of a critic that was best at :math:`\theta_0` and then frozen, in one dimension.

    .. math:: c(x) = 1 + \tfrac12 \theta_0^2 - \theta_0 x, \qquad
              B(\theta) = \mathbb E_p c - \mathbb E_{q_\theta} e^{c - 1}
              = 1 + \tfrac12 \theta_0^2 - e^{\theta_0 (\theta_0 - \theta)}

    (:eq:`eq-14b-weak` in the book.) It touches :math:`\theta^2 / 2` at :math:`\theta_0` and has no minimum: a generator
    that descends it passes the data at :math:`\theta = 0` and walks on, the bound falling and the divergence growing.

    Args:
        theta: mean of the generator, (\*batch,).
        frozen_at: :math:`\theta_0`.

    Returns:
        Bound and divergence.

    Raises:
        TypeError: ``theta`` is not a floating tensor, or ``frozen_at`` not a number.
        ValueError: ``frozen_at`` is not finite.

    Example:
        >>> import torch
        >>> from gmlib.gan import frozen_bound
        >>> result = frozen_bound(torch.tensor([1.0, 0.0, -2.0]), frozen_at=1.0)
        >>> [round(v, 2) for v in result.bound.tolist()], result.divergence.tolist()
        ([0.5, -1.22, -18.59], [0.5, 0.0, 2.0])
    """
    check_tensor("theta", theta)
    check_number("frozen_at", frozen_at)
    return _frozen(theta, torch.full_like(theta, frozen_at))


def blind_bound(theta: Float[Tensor, "*batch d"], seen: Bool[Tensor, " d"]) -> WeakBound:
    r"""The best bound of critics that see only some coordinates, trained to the end at every :math:`\theta`.

    .. math:: \max_{c(x_S)} \mathbb E_p c - \mathbb E_{q_\theta} e^{c - 1} = \tfrac12 \lVert \theta_S \rVert^2

    (:eq:`eq-14b-weak` in the book.) That is the divergence of the marginals. It reaches its floor, 0, when the generator is
    right in the coordinates that are seen, wherever it is in the others: training the critic longer is no cure.

    Args:
        theta: mean of the generator, (\*batch, d).
        seen: which coordinates the critic sees, (d,).

    Returns:
        Bound and divergence, (\*batch,).

    Raises:
        TypeError: ``theta`` is not a floating tensor, or ``seen`` not a boolean one.
        ValueError: the shapes do not match.

    Example:
        >>> import torch
        >>> from gmlib.gan import blind_bound
        >>> result = blind_bound(torch.tensor([0.0, 4.0]), torch.tensor([True, False]))
        >>> result.bound.item(), result.divergence.item()
        (0.0, 8.0)
    """
    check_tensor("theta", theta)
    if not isinstance(seen, Tensor) or seen.dtype != torch.bool:
        given = seen.dtype if isinstance(seen, Tensor) else type(seen).__name__
        raise TypeError(f"seen must be a boolean tensor, got {given}")
    if theta.dim() == 0 or tuple(seen.shape) != tuple(theta.shape[-1:]):
        raise ValueError(
            f"seen must have one entry a coordinate of theta, shape {tuple(theta.shape[-1:])}, "
            f"got {tuple(seen.shape)}"
        )
    square = theta.square()
    return WeakBound(torch.where(seen, square, 0.0).sum(-1) / 2, square.sum(-1) / 2)


def descend_frozen(
    start: float, *, frozen_at: float, eta: float, steps: int, refresh: int = 0
) -> tuple[Float[Tensor, " points"], WeakBound]:
    r"""Gradient descent of the generator's mean on a critic's bound; optionally the critic is made best again.

    .. math:: \theta_{t+1} = \theta_t - \eta\, \theta_0\, e^{\theta_0 (\theta_0 - \theta_t)}

    (:eq:`eq-14b-weak` in the book.) With the critic fresh at every step (``refresh=1``) it is
    :math:`\theta_{t+1} = (1 - \eta)\,\theta_t`, descent on the divergence itself.

    Args:
        start: the mean at first.
        frozen_at: :math:`\theta_0`, where the first critic is best.
        eta: step :math:`\eta > 0`.
        steps: number of steps.
        refresh: the critic is set to the best one every so many steps; 0: never.

    Returns:
        The path :math:`\theta_0, \dots, \theta_T`, (steps + 1,), and along it the bound of the critic that was used
        there (the last one again at the end) and the divergence. float64.

    Raises:
        TypeError: a number has the wrong type.
        ValueError: a number is out of range, or the path is not finite.

    Example:
        >>> from gmlib.gan import descend_frozen
        >>> path, result = descend_frozen(1.0, frozen_at=1.0, eta=0.1, steps=10)
        >>> print(f"{path[-1]:.2f}: bound {result.bound[-1]:.1f}, divergence {result.divergence[-1]:.2f}")
        -1.27: bound -8.2, divergence 0.81
    """
    check_number("start", start)
    check_number("frozen_at", frozen_at)
    check_number("eta", eta, low=0.0, low_open=True)
    check_count("steps", steps)
    check_count("refresh", refresh, low=0)
    theta, at = torch.tensor(start, dtype=torch.float64), torch.tensor(frozen_at, dtype=torch.float64)
    path, critics = [theta], []
    for step in range(steps):
        if refresh and step % refresh == 0:
            at = theta
        critics.append(at)
        theta = theta - eta * at * (at * (at - theta)).exp()
        path.append(theta)
    thetas, used = torch.stack(path), torch.stack([*critics, at])
    check_finite("the path of theta", thetas)
    return thetas, _frozen(thetas, used)


def _frozen(theta: Tensor, at: Tensor) -> WeakBound:
    return WeakBound(1 + at.square() / 2 - (at * (at - theta)).exp(), theta.square() / 2)
