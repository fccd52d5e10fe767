r"""A smooth critic on two laws that do not meet: its ratio is finite and slopes, and its bound has no end.

Where the true ratio jumps from infinity to nothing, a network interpolates. That gives the generator a gradient which the
divergence itself does not have; what the value of the bound then says is how long and how large the network was trained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_callable, check_count, check_number
from gmlib.gan._points import check_matrix, check_partner
from gmlib.gan.f_bound import BoundTerms, f_divergence_bound
from gmlib.gan.f_divergences import FDivergence, check_divergence
from gmlib.gan.f_table import F_DIVERGENCES


@dataclass(frozen=True)
class CriticFit:
    r"""A critic trained on two fixed samples.

    Attributes:
        critic: the network, x (n, d) -> raw outputs v (n,) or (n, 1).
        bound: the value of the bound before each step and after the last, nats, (steps + 1,).
        divergence: the row of the table that was used.

    Example:
        >>> import torch
        >>> from gmlib.gan import F_DIVERGENCES, CriticFit
        >>> fit = CriticFit(torch.nn.Linear(2, 1), torch.zeros(1), F_DIVERGENCES["kl"])
        >>> fit.log_ratio(torch.zeros(5, 2)).shape, fit.slope(torch.zeros(5, 2)).shape
        (torch.Size([5]), torch.Size([5, 2]))
    """

    critic: nn.Module
    bound: Tensor
    divergence: FDivergence

    def log_ratio(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """What the critic takes log p(x) - log q(x) to be: c - 1 of the bound on KL.

        Raises:
            ValueError: the critic was trained for another divergence.
        """
        if self.divergence.name != "kl":
            raise ValueError(f"divergence must be 'kl' to read a log-ratio off, got {self.divergence.name!r}")
        return _output(self.critic, x) - 1

    def slope(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """The gradient of the raw output in x: the direction in which the generator is pulled."""
        x = x.detach().requires_grad_()
        return torch.autograd.grad(_output(self.critic, x).sum(), x)[0]


def fit_critic(
    critic: nn.Module,
    real: Float[Tensor, "n d"],
    fake: Float[Tensor, "m d"],
    *,
    steps: int,
    lr: float,
    divergence: FDivergence | None = None,
) -> CriticFit:
    r"""Raise the bound on an f-divergence by Adam on all of two fixed samples.

    .. math:: \max_\phi\; \frac1n \sum_i c_\phi(x_i) - \frac1m \sum_j f^*(c_\phi(\tilde x_j)), \qquad
              c = \mathrm{activation}(v)

    (:eq:`eq-14-bound` in the book.) The critic's weights are changed in place. Nothing waits for the device.

    Args:
        critic: a network, x (n, d) -> raw outputs v, (n,) or (n, 1).
        real: points of p, (n, d).
        fake: points of q, (m, d).
        steps: number of steps.
        lr: learning rate, positive.
        divergence: a row of ``gmlib.gan.F_DIVERGENCES``; None: KL.

    Returns:
        The critic with the course of its bound.

    Raises:
        TypeError: not a module, not floating tensors, or a number of the wrong type.
        ValueError: samples that do not match, outputs of another shape, or a number out of range.

    Example:
        >>> import torch
        >>> from gmlib.gan import fit_critic
        >>> real, fake = torch.tensor([[0.0], [0.4]]), torch.tensor([[1.2], [1.6]])
        >>> fit = fit_critic(torch.nn.Linear(1, 1), real, fake, steps=300, lr=0.1)
        >>> fit.bound[-1].item() > fit.bound[150].item() > 1.0, fit.slope(fake).flatten().lt(0).all().item()
        (True, True)
    """
    if not isinstance(critic, nn.Module):
        raise TypeError(f"critic must be a torch.nn.Module, got {type(critic).__name__}")
    check_matrix("real", real)
    check_matrix("fake", fake)
    check_partner("fake", fake, "real", real)
    check_count("steps", steps)
    check_number("lr", lr, low=0.0, low_open=True)
    row = F_DIVERGENCES["kl"] if divergence is None else divergence
    check_divergence(row)
    loss = row.losses()
    optimiser = torch.optim.Adam(critic.parameters(), lr=lr)
    values = []
    for _ in range(steps):
        value = loss.critic_loss(_output(critic, real), _output(critic, fake))
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        values.append(-value.detach())
    with torch.no_grad():
        values.append(-loss.critic_loss(_output(critic, real), _output(critic, fake)))
    return CriticFit(critic, torch.stack(values), row)


def scaled_bound(
    critic: Callable[[Tensor], Tensor],
    real: Float[Tensor, "n d"],
    fake: Float[Tensor, "m d"],
    scale: float,
) -> BoundTerms:
    r"""The bound on KL of a multiple of a critic: on laws that it separates, it grows with the multiple for ever.

    .. math:: B(k) = \mathbb E_p\, k u - \mathbb E_q\, e^{k u - 1} \;\ge\; k\, \delta - e^{-1 - k \delta}
              \quad\text{if } u \ge \delta \text{ on } p,\; u \le -\delta \text{ on } q

    One critic with the right signs on both laws is thus enough for a bound of any size, since the KL is infinite: the
    value measures the scale of the network.

    Args:
        critic: u, x (n, d) -> (n,).
        real: points of p, (n, d).
        fake: points of q, (m, d).
        scale: k.

    Returns:
        The terms of the bound, nats.

    Raises:
        TypeError: ``critic`` cannot be called, or ``scale`` is not a number.
        ValueError: ``scale`` is not finite, or the outputs have the wrong shape.

    Example:
        >>> import torch
        >>> from gmlib.gan import scaled_bound
        >>> real, fake = torch.tensor([[0.0], [0.5]]), torch.tensor([[1.5], [2.0]])
        >>> [round(scaled_bound(lambda x: 1 - x[:, 0], real, fake, k).total.item(), 2) for k in (1.0, 10.0, 100.0)]
        [0.57, 7.5, 75.0]
    """
    check_callable("critic", critic)
    check_number("scale", scale)
    return f_divergence_bound(scale * critic(real), scale * critic(fake), F_DIVERGENCES["kl"])


def _output(critic: nn.Module, x: Tensor) -> Tensor:
    v = critic(x)
    if v.dim() == 2 and v.shape[1] == 1:
        v = v[:, 0]
    if v.shape != x.shape[:1]:
        raise ValueError(f"critic must map (n, d) to (n,) or (n, 1), got shape {tuple(v.shape)}")
    return v
