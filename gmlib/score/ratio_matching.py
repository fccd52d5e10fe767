r"""Ratio matching: score matching for binary data, where there is no gradient but there is a neighbour for every bit.

The score compares the density at x with that next to x. On :math:`\{0, 1\}^d` "next to x" is :math:`x^{(i)}`, x with
bit i flipped, and what replaces :math:`\nabla\log p` are the d ratios :math:`p(x) / p(x^{(i)})`, in which the
normaliser cancels as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_tensor
from gmlib.score._arguments import check_callable, evaluate_energy

Energy = Callable[[Tensor], Tensor]

BLOCK = 2**24
"""Numbers in the batch of neighbours that the energy sees at once, unless told otherwise."""


@dataclass(frozen=True)
class RatioLoss:
    r"""The ratio-matching objective of each point, bit by bit.

    Attributes:
        bits: (batch, \*event), the squared probability that the model, given the others, gives to the wrong bit.
        total: (batch,), their sum: what is minimised.

    Example:
        >>> import torch
        >>> from gmlib.score import RatioLoss
        >>> RatioLoss(torch.tensor([[0.25, 0.5], [0.25, 0.0]]), torch.tensor([0.75, 0.25])).mean().total.item()
        0.5
    """

    bits: Tensor
    total: Tensor

    def mean(self) -> RatioLoss:
        """Return the terms averaged over the batch."""
        return RatioLoss(self.bits.mean(0), self.total.mean())


def ratio_matching(
    energy: Energy,
    x: Float[Tensor, "batch *event"],
    *,
    values: tuple[float, float] = (0.0, 1.0),
    chunk: int | None = None,
) -> RatioLoss:
    r"""Fit an unnormalised law of binary vectors, :math:`p_\theta \propto e^{-E_\theta}`, without its normaliser.

    .. math:: R(\theta) = \mathbb E_{p_{\mathrm{data}}} \sum_i
              g\Big(\frac{p_\theta(x)}{p_\theta(x^{(i)})}\Big)^2,
              \qquad g(u) = \frac1{1 + u}, \qquad
              g\Big(\frac{p_\theta(x)}{p_\theta(x^{(i)})}\Big) = \mathrm{sigmoid}\big(E_\theta(x) - E_\theta(x^{(i)})\big)

    (:eq:`eq-08b-ratio` in the book; Hyvärinen 2007.) Up to the constant
    :math:`\mathbb E \sum_i \operatorname{Var}(x_i \mid x_{-i})` of the data (for bits 0 and 1) this is the squared
    distance of the transformed ratios,

    .. math:: \mathbb E_{p_{\mathrm{data}}} \sum_i \Big[
              g\Big(\frac{p_{\mathrm{data}}(x)}{p_{\mathrm{data}}(x^{(i)})}\Big)
              - g\Big(\frac{p_\theta(x)}{p_\theta(x^{(i)})}\Big)\Big]^2,

    so that a positive law that the family contains is a minimiser. Since :math:`g(p_\theta(x)/p_\theta(x^{(i)})) =
    1 - p_\theta(x_i \mid x_{-i})`, it is the Brier score of the model's conditional laws, as the pseudo-likelihood
    is their log score.

    Args:
        energy: callable (n, \*event) -> (n,), the energy in nats up to a constant.
        x: binary data, (batch, \*event), in a floating dtype.
        values: the two values a bit has: (0, 1), or (-1, 1) for spins.
        chunk: bits flipped in one call of ``energy``, a batch of batch * chunk points; None: as many as keep that batch
            within 2²⁴ numbers, one at least.

    Returns:
        The terms of each point.

    Raises:
        TypeError: ``energy`` cannot be called, or ``x`` or what it returns is not a floating tensor.
        ValueError: ``x`` is empty or has other entries than ``values`` (looked at on the CPU only), or ``energy`` returns
            another shape.

    Cost: the energy of batch * (d + 1) points, d the number of bits; no derivative with respect to x.

    Example:
        >>> import torch
        >>> from gmlib.score import ratio_matching
        >>> x = torch.tensor([[1.0, 0.0]])
        >>> ratio_matching(lambda x: torch.zeros(len(x)), x).total.item()  # a fair coin: (1/2)^2 for each bit
        0.5
    """
    check_callable("energy", energy)
    check_tensor("x", x)
    if x.dim() < 2 or x.numel() == 0:
        raise ValueError(f"x must have shape (batch, *event) and hold at least one bit, got {tuple(x.shape)}")
    off, on = values
    if off == on:
        raise ValueError(f"values must be two different numbers, got {values}")
    # Only where looking at the values does not wait for a device.
    if x.device.type == "cpu" and not torch.compiler.is_compiling() and bool(((x != off) & (x != on)).any()):
        raise ValueError(f"x must have no other entries than values = {values}, got others")
    d = x[0].numel()
    if chunk is not None:
        check_count("chunk", chunk)
    else:
        chunk = max(1, BLOCK // x.numel())
    here = evaluate_energy(energy, x)
    flat, wrong = x.flatten(1), []
    for bits in torch.arange(d, device=x.device).split(chunk):
        flip = torch.zeros(len(bits), 1, d, dtype=torch.bool, device=x.device)
        flip[torch.arange(len(bits), device=x.device), 0, bits] = True
        neighbours = torch.where(flip, off + on - flat, flat)  # (bits, batch, d)
        there = evaluate_energy(energy, neighbours.reshape(-1, *x.shape[1:])).reshape(len(bits), -1)
        wrong.append(torch.sigmoid(here - there))
    terms = torch.cat(wrong).square().mT
    return RatioLoss(terms.reshape(x.shape), terms.sum(1))
