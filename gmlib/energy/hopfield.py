r"""The Hopfield network: Hebb's weights, an energy, and units that never raise it."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gmlib._checks import check_choice, check_event, check_tensor
from gmlib.energy._spins import check_couplings, check_like, check_spins

TIES = ("up", "keep")
"""What a unit does whose activation is exactly 0."""


def hebb(patterns: Float[Tensor, "K d"], normalise: bool = False) -> Float[Tensor, "d d"]:
    r"""Store patterns by Hebb's rule: each adds its own outer product, and no unit listens to itself.

    .. math:: w_{ij} = \sum_{k=1}^K x_i^{(k)} x_j^{(k)} \quad (i \ne j), \qquad w_{ii} = 0

    (:eq:`eq-06-hebb` in the book; Hopfield 1982.) Without ``normalise`` the weights are whole numbers, sums of them are
    exact in floating point, and a tie is seen as a tie.

    Args:
        patterns: the K states to be stored, (K, d), entries +1 and -1.
        normalise: divide by d, so that activations stay of order one as the network grows.

    Returns:
        Symmetric weights with a zero diagonal, (d, d).

    Raises:
        TypeError: ``patterns`` is no floating tensor.
        ValueError: ``patterns`` is not (K, d) with K and d at least 1, or has an entry other than +1 and -1.

    Example:
        >>> import torch
        >>> from gmlib.energy.hopfield import hebb
        >>> hebb(torch.tensor([[1.0, -1.0, 1.0]])).tolist()
        [[0.0, -1.0, 1.0], [-1.0, 0.0, -1.0], [1.0, -1.0, 0.0]]
    """
    check_tensor("patterns", patterns)
    if patterns.dim() != 2 or patterns.numel() == 0:
        raise ValueError(
            f"patterns must have shape (K, d), K and d at least 1, got shape {tuple(patterns.shape)}"
        )
    check_spins("patterns", patterns)
    weights = patterns.T @ patterns
    weights.fill_diagonal_(0)
    return weights / patterns.shape[1] if normalise else weights


class Hopfield:
    r"""A network of d units, each +1 or -1, with symmetric weights and an energy.

    .. math:: E(x) = -\tfrac12 x^\top W x - b^\top x

    (:eq:`eq-06-energy` in the book; Hopfield 1982.) The half counts each pair of units once. Without it, or without the
    bias in the activation, an update could raise the energy.

    Args:
        weights: W, (d, d), symmetric, with a zero diagonal; the network keeps a copy.
        bias: b, (d,), in the dtype of the weights; kept as a copy. None: no biases.

    Raises:
        TypeError: an argument is no floating tensor, or the dtypes differ.
        ValueError: ``weights`` is not square, symmetric, finite and zero on its diagonal, or ``bias`` does not fit.

    Example:
        >>> import torch
        >>> from gmlib.energy.hopfield import Hopfield, hebb
        >>> x = torch.tensor([[1.0, -1.0, 1.0], [1.0, 1.0, 1.0]])
        >>> net = Hopfield(hebb(x[:1]))
        >>> net.energy(x).tolist(), net.is_fixed(x).tolist()
        ([-3.0, 1.0], [True, False])
    """

    def __init__(self, weights: Float[Tensor, "d d"], bias: Float[Tensor, "d"] | None = None) -> None:
        bias = check_couplings(weights, bias)
        self.weights, self.bias = weights.clone(), bias.clone()

    @property
    def d(self) -> int:
        """The number of units."""
        return len(self.weights)

    def activation(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        r"""Return what each unit hears, :math:`a_i = \sum_j w_{ij} x_j + b_i`."""
        self._check(x)
        return x @ self.weights + self.bias

    def energy(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        r"""Return :math:`E(x) = -\frac12 x^\top W x - b^\top x` of each state."""
        self._check(x)
        return -(x * torch.add(self.bias, x @ self.weights, alpha=0.5)).sum(-1)

    def margins(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        r"""Return how firmly each unit holds its value; below 0 it would flip.

        .. math:: m_i = x_i\,a_i

        (:eq:`eq-06-margin` in the book.)
        """
        return x * self.activation(x)

    def updated(self, x: Float[Tensor, "*batch d"], *, tie: str = "up") -> Float[Tensor, "*batch d"]:
        r"""Return the value each unit would take next, given the others as they are: the sign of its activation.

        .. math:: x_i \leftarrow \operatorname{sgn}(a_i), \qquad \operatorname{sgn}(0) = +1

        (:eq:`eq-06-update` in the book.) Taking one of them is an asynchronous update, taking all a synchronous one.

        Args:
            x: states, (\*batch, d).
            tie: "up", :math:`\operatorname{sgn}(0) = +1`, or "keep", a unit with activation 0 stays as it is.

        Returns:
            Entries +1 and -1, (\*batch, d).

        Raises:
            TypeError: ``x`` has another dtype than the weights.
            ValueError: ``x`` does not end in d units or is elsewhere, or ``tie`` is unknown.
        """
        check_choice("tie", tie, TIES)
        return follow(self.activation(x), x if tie == "keep" else None)

    def is_fixed(self, x: Float[Tensor, "*batch d"], *, tie: str = "up") -> Bool[Tensor, "*batch"]:
        """Return which states no update changes."""
        return (self.updated(x, tie=tie) == x).all(-1)

    def energy_changes(self, x: Float[Tensor, "*batch d"], *, tie: str = "up") -> Float[Tensor, "*batch d"]:
        r"""Return by how much updating one unit alone would change the energy, for each unit.

        .. math:: \Delta E = -\Delta x_i\,a_i \le 0

        (:eq:`eq-06-descent` in the book.) The symmetry of W collects both halves of the pairs with unit i into
        :math:`a_i`; the zero diagonal keeps :math:`\Delta x_i` itself out of it.
        """
        return -(self.updated(x, tie=tie) - x) * self.activation(x)

    def _check(self, x: Tensor) -> None:
        check_event("x", x, (self.d,))
        check_like("x", x, self.weights, "the weights")


def follow(activation: Tensor, keep: Tensor | None = None) -> Tensor:
    """Return the sign of the activation; at 0 it is +1, or the entry of ``keep``.

    Example:
        >>> import torch
        >>> from gmlib.energy.hopfield import follow
        >>> follow(torch.tensor([-2.0, 0.0])).tolist()
        [-1.0, 1.0]
    """
    if keep is None:
        return 1 - 2 * (activation < 0).to(activation.dtype)
    return torch.where(activation == 0, keep, activation.sign())
