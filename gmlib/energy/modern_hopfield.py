r"""Modern Hopfield network: stored patterns under a log-sum-exp energy, whose update is a softmax attention."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gmlib._checks import check_count, check_event, check_finite, check_number, check_tensor
from gmlib.energy._spins import check_known, check_like


class ModernRecall(NamedTuple):
    """Where a modern network's states went.

    Attributes:
        states: (steps + 1, batch, d), from the cue on.
        energy: of each, (steps + 1, batch).
    """

    states: Float[Tensor, "times batch d"]
    energy: Float[Tensor, "times batch"]


def attend(
    query: Float[Tensor, "batch d"],
    keys: Float[Tensor, "K d"],
    values: Float[Tensor, "K e"],
    inv_temp: float,
) -> Float[Tensor, "batch e"]:
    r"""Dot-product attention of one head: an average of the values, weighted by how well the keys fit the query.

    .. math:: \operatorname{attend}(x) = V^\top \operatorname{softmax}(\beta K x)

    (:eq:`eq-06-attention` in the book; Ramsauer et al. 2021, section 2.) With :math:`\beta = 1/\sqrt d` it is the scaled
    dot-product attention of transformers; with keys and values both the stored patterns, one step of a modern Hopfield
    network.

    Args:
        query: x, (batch, d).
        keys: a row each, (K, d).
        values: what is returned for each key, (K, e).
        inv_temp: :math:`\beta > 0`.

    Returns:
        The averages, (batch, e).

    Raises:
        TypeError: an argument is no floating tensor or no number, or the dtypes differ.
        ValueError: shapes or devices do not fit, or ``inv_temp`` is not positive.

    Example:
        >>> import torch
        >>> from gmlib.energy import attend
        >>> keys, values = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0], [10.0]])
        >>> attend(torch.tensor([[0.0, 0.0], [9.0, 0.0]]), keys, values, 1.0).round(decimals=2).tolist()
        [[5.0], [0.0]]
    """
    for name, value in (("keys", keys), ("values", values)):
        check_tensor(name, value)
        if value.dim() != 2 or value.numel() == 0:
            raise ValueError(
                f"{name} must be a non-empty matrix of a row a pattern, got shape {tuple(value.shape)}"
            )
    _check_state("query", query, keys, "the keys")
    if values.shape[0] != keys.shape[0]:
        raise ValueError(
            f"values must have a row for each of the {keys.shape[0]} keys, got {values.shape[0]}"
        )
    check_like("values", values, keys, "the keys")
    check_number("inv_temp", inv_temp, low=0.0, low_open=True)
    return torch.softmax(inv_temp * (query @ keys.T), -1) @ values


class ModernHopfield:
    r"""A memory of K real patterns, the rows of X, with a log-sum-exp energy.

    .. math:: E(x) = -\frac1\beta \log \sum_{k=1}^K \exp\big(\beta\, x^{(k)\top} x\big) + \frac12 x^\top x

    (:eq:`eq-06-modern-energy` in the book; Ramsauer et al. 2021, section 2. Their energy has two constants more,
    :math:`\frac1\beta\log K + \frac12 \max_k |x^{(k)}|^2`, which make it non-negative and move nothing.) When all patterns
    are of one length R, as those of -1 and 1 are, it is up to constants the negative log-density, divided by
    :math:`\beta`, of a Gaussian kernel density estimate of variance :math:`1/\beta` with its kernels on the patterns:

    .. math:: E(x) = -\frac1\beta \log \sum_{k=1}^K \exp\Big(-\frac\beta2 |x - x^{(k)}|^2\Big) - \frac12 R^2

    Where :math:`\beta` times the gaps between overlaps is large, one pattern takes all the weight and is restored. Where it
    is small, or patterns are alike, the states of lowest energy are averages of several patterns: retrieval of one fails.
    :meth:`gmlib.energy.modern_hopfield.ModernHopfield.effective_patterns` counts them.

    Args:
        patterns: X, (K, d), of any real values; kept as given, on their device.
        inv_temp: the inverse temperature :math:`\beta > 0`, per unit of overlap :math:`x^{(k)\top} x`.

    Raises:
        TypeError: ``patterns`` is no floating tensor or ``inv_temp`` no number.
        ValueError: ``patterns`` is no matrix, empty or not finite, or ``inv_temp`` is not positive.

    Example:
        >>> import torch
        >>> from gmlib.energy import ModernHopfield
        >>> memory = ModernHopfield(torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, -1.0, 1.0, -1.0]]), inv_temp=2.0)
        >>> memory.recall(torch.tensor([[1.0, -1.0, 1.0, 1.0]]), steps=2).round().tolist()  # a tie: half of each
        [[1.0, 0.0, 1.0, 0.0]]
        >>> memory.recall(torch.tensor([[1.0, -1.0, 1.0, 0.0]])).round(decimals=1).tolist()
        [[1.0, -1.0, 1.0, -1.0]]
    """

    def __init__(self, patterns: Float[Tensor, "K d"], inv_temp: float = 1.0) -> None:
        check_tensor("patterns", patterns)
        if patterns.dim() != 2 or patterns.numel() == 0:
            raise ValueError(
                f"patterns must have shape (K, d) with K, d >= 1, got shape {tuple(patterns.shape)}"
            )
        check_finite("patterns", patterns)
        check_number("inv_temp", inv_temp, low=0.0, low_open=True)
        self.patterns, self.inv_temp = patterns, float(inv_temp)

    def overlaps(
        self, x: Float[Tensor, "batch d"], known: Bool[Tensor, "*batch d"] | None = None
    ) -> Float[Tensor, "batch K"]:
        r"""Return :math:`x^{(k)\top} x` for every pattern (not divided by d), over the ``known`` units only if given."""
        _check_state("x", x, self.patterns, "the patterns")
        return self._known_part(x, known) @ self.patterns.T

    def energy(self, x: Float[Tensor, "batch d"]) -> Float[Tensor, " batch"]:
        """Return E(x), in units of overlap."""
        lowest = torch.logsumexp(self.inv_temp * self.overlaps(x), -1) / self.inv_temp
        return 0.5 * x.square().sum(-1) - lowest

    def weights(
        self, x: Float[Tensor, "batch d"], known: Bool[Tensor, "*batch d"] | None = None
    ) -> Float[Tensor, "batch K"]:
        r"""Return :math:`p = \operatorname{softmax}(\beta X x)`: the share of each pattern in the next state."""
        return torch.softmax(self.inv_temp * self.overlaps(x, known), -1)

    def step(
        self, x: Float[Tensor, "batch d"], known: Bool[Tensor, "*batch d"] | None = None
    ) -> Float[Tensor, "batch d"]:
        r"""One update of all units at once.

        .. math:: x' = X^\top \operatorname{softmax}(\beta X x) = x - \nabla E(x)

        (:eq:`eq-06-modern-update` in the book; Ramsauer et al. 2021, section 2.) The log-sum-exp is convex, so
        :math:`E(x') \le E(x) - \frac12 |x' - x|^2`: the energy falls until nothing moves, without any condition on
        :math:`\beta`. It is attention with the patterns as keys and as values.

        Args:
            x: states, (batch, d).
            known: units to compare, boolean, (d,) or (batch, d); None for all. The others count as 0, which adds nothing to
                any overlap, so what stands there in ``x`` does not matter.

        Returns:
            x', all d units of it, (batch, d): averages of the stored patterns.

        Raises:
            TypeError: ``x`` is no floating tensor of the patterns' dtype, or ``known`` no boolean one.
            ValueError: a shape or device does not fit the patterns'.

        Example:
            >>> import torch
            >>> from gmlib.energy import ModernHopfield
            >>> memory = ModernHopfield(torch.tensor([[1.0, 1.0, -1.0], [-1.0, 1.0, 1.0]]), inv_temp=5.0)
            >>> memory.step(torch.tensor([[1.0, 9.0, 9.0]]), known=torch.tensor([True, False, False])).round().tolist()
            [[1.0, 1.0, -1.0]]
        """
        _check_state("x", x, self.patterns, "the patterns")
        return attend(self._known_part(x, known), self.patterns, self.patterns, self.inv_temp)

    def recall(
        self, x: Float[Tensor, "batch d"], steps: int = 1, known: Bool[Tensor, "*batch d"] | None = None
    ) -> Float[Tensor, "batch d"]:
        """Update ``steps`` times; ``known`` masks the first comparison only, since afterwards every unit has a value.

        Args:
            x: cues, (batch, d).
            steps: updates.
            known: units that the cue gives, boolean, (d,) or (batch, d); None for all. They are not clamped: the result is
                an average of patterns throughout.

        Returns:
            The states reached, (batch, d).

        Raises:
            TypeError: an argument has the wrong type or dtype.
            ValueError: a shape or device does not fit the patterns', or ``steps`` is below 1.

        Example:
            >>> import torch
            >>> from gmlib.energy import ModernHopfield
            >>> memory = ModernHopfield(torch.eye(3), inv_temp=20.0)
            >>> memory.recall(torch.tensor([[0.2, 0.9, 0.1]]), steps=3).round().tolist()
            [[0.0, 1.0, 0.0]]
        """
        check_count("steps", steps)
        x = self.step(x, known)
        for _ in range(steps - 1):
            x = attend(x, self.patterns, self.patterns, self.inv_temp)
        return x

    def trace(
        self, x: Float[Tensor, "batch d"], steps: int = 1, known: Bool[Tensor, "*batch d"] | None = None
    ) -> ModernRecall:
        """Recall, keeping every state and its energy; unknown units of the cue are set to 0."""
        check_count("steps", steps)
        _check_state("x", x, self.patterns, "the patterns")
        states = [self._known_part(x, known)]
        for _ in range(steps):
            states.append(self.step(states[-1]))
        path = torch.stack(states)
        return ModernRecall(path, self.energy(path.flatten(0, 1)).unflatten(0, path.shape[:2]))

    def effective_patterns(
        self, x: Float[Tensor, "batch d"], known: Bool[Tensor, "*batch d"] | None = None
    ) -> Float[Tensor, " batch"]:
        r"""How many patterns share the next state: the exponential of the entropy of the weights.

        .. math:: K_{\mathrm{eff}}(x) = \exp\Big(-\sum_k p_k \log p_k\Big), \qquad p = \operatorname{softmax}(\beta X x)

        1 when one pattern is retrieved, m for an even average of m of them (a metastable state where they are alike), K as
        :math:`\beta \to 0`, when every cue gives the mean of all patterns.

        Args:
            x: states, (batch, d).
            known: units to compare, boolean, (d,) or (batch, d); None for all.

        Returns:
            A number from 1 to K for each state.

        Example:
            >>> import torch
            >>> from gmlib.energy import ModernHopfield
            >>> ModernHopfield(torch.eye(4), inv_temp=50.0).effective_patterns(torch.tensor([[1.0, 1.0, 0.0, 0.0]])).item()
            2.0
        """
        p = self.weights(x, known)
        return torch.special.entr(p).sum(-1).exp()

    def gap(
        self,
        x: Float[Tensor, "batch d"],
        target: int | Tensor,
        known: Bool[Tensor, "*batch d"] | None = None,
    ) -> Float[Tensor, " batch"]:
        r"""Return :math:`\Delta = x^{(k)\top} x - \max_{j \ne k} x^{(j)\top} x`, the lead of pattern k = ``target``.

        Infinite where K = 1. ``target`` is one index or one for each state.
        """
        overlaps = self.overlaps(x, known)
        index = self._index(target, x)
        others = overlaps.scatter(-1, index, -math.inf).amax(-1)
        return overlaps.gather(-1, index).squeeze(-1) - others

    def residual_bound(
        self,
        x: Float[Tensor, "batch d"],
        target: int | Tensor,
        known: Bool[Tensor, "*batch d"] | None = None,
    ) -> Float[Tensor, " batch"]:
        r"""Bound on how far one step from x lands from pattern k = ``target``, in the largest unit.

        .. math:: \max_i |x_i' - x_i^{(k)}| \le D\,(K - 1)\,e^{-\beta\Delta}, \qquad
                  D = \max_{j \ne k} \max_i |x_i^{(j)} - x_i^{(k)}|

        (:eq:`eq-06-residual` in the book.) D is 2 for patterns of -1 and 1. The step misses by
        :math:`\sum_{j \ne k} p_j (x^{(j)} - x^{(k)})`, and each :math:`p_j` is at most :math:`e^{-\beta\Delta}`.

        Args:
            x: states, (batch, d).
            target: the index k of the pattern that should come back, one for all or an int64 tensor (batch,).
            known: units to compare, boolean, (d,) or (batch, d); None for all.

        Returns:
            The bound for each state; worth something only where :math:`\beta\Delta` exceeds :math:`\log(K - 1)`.

        Raises:
            TypeError: an argument has the wrong type or dtype.
            ValueError: a shape or device does not fit, or an index is not one of the K patterns.

        Example:
            >>> import torch
            >>> from gmlib.energy import ModernHopfield
            >>> memory = ModernHopfield(torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, -1.0, 1.0, -1.0]]), inv_temp=2.0)
            >>> round(memory.residual_bound(torch.ones(1, 4), 0).item(), 6)  # 2 exp(-2 * 4)
            0.000671
        """
        gap = self.gap(x, target, known)
        chosen = self.patterns[self._index(target, x).squeeze(-1)]
        # The largest and smallest value of each unit say how far the farthest pattern is from the chosen one.
        high, low = self.patterns.amax(0), self.patterns.amin(0)
        width = torch.maximum(high - chosen, chosen - low).amax(-1)
        return width * (self.patterns.shape[0] - 1) * torch.exp(-self.inv_temp * gap)

    def _index(self, target: int | Tensor, x: Tensor) -> Tensor:
        index = torch.as_tensor(target, device=x.device)
        if index.dtype != torch.int64:
            raise TypeError(f"target must be an int or an int64 tensor, got {index.dtype}")
        if index.dim() > 1 or (index.dim() == 1 and index.shape[0] != x.shape[0]):
            raise ValueError(
                f"target must be one index or one a state, ({x.shape[0]},), got {tuple(index.shape)}"
            )
        count = self.patterns.shape[0]
        if bool((index < 0).any()) or bool((index >= count).any()):
            raise ValueError(f"target must be in 0 to {count - 1}, got {index.tolist()}")
        return index.expand(x.shape[0])[:, None]

    def _known_part(self, x: Tensor, known: Tensor | None) -> Tensor:
        if known is None:
            return x
        check_known(known, x)
        return torch.where(known, x, 0.0)


def _check_state(name: str, x: Tensor, rows: Tensor, what: str) -> None:
    check_event(name, x, tuple(rows.shape[1:]))
    if x.dim() != 2:
        raise ValueError(f"{name} must have shape (batch, {rows.shape[1]}), got shape {tuple(x.shape)}")
    check_like(name, x, rows, what)
