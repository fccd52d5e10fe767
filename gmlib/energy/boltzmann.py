r"""The Boltzmann machine: Hopfield's energy as a law, with exact sums for nets small enough to enumerate."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_event, check_number
from gmlib.energy._spins import check_couplings, check_like, check_spins
from gmlib.energy.states import MAX_UNITS, state_chunks


class Moments(NamedTuple):
    r"""Means and correlations of ±1 units.

    Attributes:
        mean: :math:`\mathbb E\, x_i`, (n,).
        correlation: :math:`\mathbb E\, x_i x_j`, (n, n), ones on its diagonal.
    """

    mean: Tensor
    correlation: Tensor


def free_weights(n: int) -> int:
    r"""Free weights of n units: :math:`n (n - 1) / 2`, for W is symmetric and its diagonal is zero.

    Args:
        n: units, at least 1.

    Returns:
        The number of pairs of units.

    Raises:
        TypeError: ``n`` is no int.
        ValueError: ``n`` is below 1.

    Example:
        >>> from gmlib.energy import free_weights
        >>> free_weights(65_536)  # an image of 256 x 256 pixels
        2147450880
    """
    check_count("n", n)
    return n * (n - 1) // 2


class BoltzmannMachine(nn.Module):
    r"""Units of ±1 with pairwise weights; a low energy is a likely state.

    .. math:: p(x) = \frac1Z e^{-\beta E(x)}, \qquad E(x) = -\tfrac12 x^\top W x - b^\top x

    (:eq:`eq-06-boltzmann` in the book; Ackley, Hinton and Sejnowski 1985.) ``weights`` and ``bias`` are parameters of
    the module, so autograd sees :math:`w_{ij}` and :math:`w_{ji}` apart: each gets half of the derivative by the weight of
    the pair.

    Args:
        weights: W, (n, n), symmetric, zero on the diagonal.
        bias: b, (n,), in the dtype of the weights; zeros if None.
        inv_temp: the inverse temperature :math:`\beta > 0`.

    Raises:
        TypeError: ``weights`` or ``bias`` is not a floating tensor, their dtypes differ, or ``inv_temp`` is not a number.
        ValueError: a shape does not fit, an entry is not finite, W is not symmetric or has a diagonal, or
            ``inv_temp`` is not positive.

    Example:
        >>> import torch
        >>> from gmlib.energy import BoltzmannMachine
        >>> pair = BoltzmannMachine(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        >>> pair.energy(torch.tensor([[1.0, 1.0], [1.0, -1.0]])).tolist()
        [-1.0, 1.0]
        >>> round(pair.moments().correlation[0, 1].item(), 4)  # tanh 1
        0.7616
    """

    def __init__(
        self,
        weights: Float[Tensor, "n n"],
        bias: Float[Tensor, " n"] | None = None,
        inv_temp: float = 1.0,
    ) -> None:
        super().__init__()
        bias = check_couplings(weights, bias)
        check_number("inv_temp", inv_temp, low=0.0, low_open=True)
        self.weights = nn.Parameter(weights.detach().clone())
        self.bias = nn.Parameter(bias.detach().clone())
        self.inv_temp = inv_temp

    @property
    def n(self) -> int:
        """The number of units."""
        return len(self.bias)

    def activation(self, x: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        r"""The activation :math:`a_i = \sum_j w_{ij} x_j + b_i` of every unit.

        Args:
            x: states, (\*batch, n).

        Returns:
            Activations, (\*batch, n).

        Raises:
            TypeError: ``x`` is not a floating tensor, or has another dtype than the weights.
            ValueError: ``x`` does not end in n units.
        """
        self._check(x)
        return x @ self.weights + self.bias

    def energy(self, x: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
        r"""The energy :math:`E(x)`, without the inverse temperature.

        Args:
            x: states, (\*batch, n).

        Returns:
            Energies, (\*batch,).

        Raises:
            TypeError: ``x`` is not a floating tensor, or has another dtype than the weights.
            ValueError: ``x`` does not end in n units.
        """
        self._check(x)
        return -(x * (0.5 * (x @ self.weights) + self.bias)).sum(-1)

    def forward(self, x: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
        r"""The exponent's :math:`\beta E(x)`, so that the module itself is an energy with :math:`p \propto e^{-\cdot}`."""
        return self.inv_temp * self.energy(x)

    @torch.no_grad()
    def conditional(self, x: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        r"""The probability of +1 of each unit, given all others.

        .. math:: P(x_i = +1 \mid x_{-i}) = \operatorname{sigmoid}(2 \beta a_i)

        (:eq:`eq-06-conditional` in the book.) The 2 is the distance between the unit's values.

        Args:
            x: states, (\*batch, n); a unit's own value does not matter to its own probability.

        Returns:
            Probabilities, (\*batch, n).

        Raises:
            TypeError: ``x`` is not a floating tensor, or has another dtype than the weights.
            ValueError: ``x`` does not end in n units.
        """
        return torch.sigmoid(2 * self.inv_temp * self.activation(x))

    def log_z(self) -> Float[Tensor, ""]:
        r"""The log partition function :math:`\log Z`, in nats, by enumeration; differentiable.

        Returns:
            A scalar.

        Raises:
            ValueError: there are more than ``MAX_UNITS`` units.
        """
        return torch.stack([torch.logsumexp(-self(x), 0) for x in self._chunks()]).logsumexp(0)

    def log_prob(self, x: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
        r"""The log-probability :math:`-\beta E(x) - \log Z`, in nats, by enumeration; differentiable.

        Args:
            x: states of ±1, (\*batch, n).

        Returns:
            Log-probabilities, (\*batch,).

        Raises:
            TypeError: ``x`` is not a floating tensor, or has another dtype than the weights.
            ValueError: ``x`` does not end in n units, holds a value other than ±1, or the units are too many.
        """
        self._check(x)
        check_spins("x", x)
        return -self(x) - self.log_z()

    @torch.no_grad()
    def probabilities(self) -> Float[Tensor, " states"]:
        r"""The law of all :math:`2^n` states, in the order of :func:`gmlib.energy.states.all_states`.

        Returns:
            Probabilities that sum to one, (2^n,).

        Raises:
            ValueError: there are more than ``MAX_UNITS`` units.
        """
        return torch.cat([-self(x) for x in self._chunks()]).softmax(0)

    @torch.no_grad()
    def moments(self) -> Moments:
        r"""Means and correlations of the units under the machine's law, by enumeration.

        Returns:
            Mean (n,) and correlation (n, n).

        Raises:
            ValueError: there are more than ``MAX_UNITS`` units.
        """
        log_z = self.log_z()
        mean, correlation = torch.zeros_like(self.bias), torch.zeros_like(self.weights)
        for x in self._chunks():
            weighted = x * torch.exp(-self(x) - log_z)[:, None]
            mean += weighted.sum(0)
            correlation += weighted.T @ x
        return Moments(mean, correlation)

    def _check(self, x: Tensor) -> None:
        check_event("x", x, (self.n,))
        check_like("x", x, self.weights, "the weights")

    def _chunks(self):
        if self.n > MAX_UNITS:
            raise ValueError(
                f"the machine must have at most {MAX_UNITS} units to be enumerated, got {self.n}: sample it with "
                "boltzmann_gibbs"
            )
        return state_chunks(self.n, dtype=self.weights.dtype, device=self.weights.device)
