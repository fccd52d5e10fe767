r"""Integral probability metrics: two laws compared by the largest difference of expectations over a class of functions.

An IPM depends on the laws through the signed measure p - q alone, and is a seminorm of it. So it is symmetric and has the
triangle inequality whatever the class. Only whether it is zero for equal laws alone depends on the class.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable
from gmlib._extras import require
from gmlib.gan._points import Kernel, check_law, check_matrix, check_vector, kernel_values
from gmlib.gan._program import highest


class FunctionClass(ABC):
    """A symmetric class of functions: with f it holds -f."""

    @abstractmethod
    def best(self, measure: Float[Tensor, " n"], points: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return, at the points, the values of a function of the class whose integral against ``measure`` is largest."""


@dataclass(frozen=True)
class FiniteFunctions(FunctionClass):
    r"""The functions of a list and their negatives. With one function, 0, every two laws are at distance 0.

    Args:
        functions: callables, (n, d) -> (n,).

    Raises:
        TypeError: one of them is not callable.
        ValueError: the list is empty.

    Example:
        >>> import torch
        >>> from gmlib.gan import FiniteFunctions, ipm_finite
        >>> p, q, points = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([[0.0], [3.0]])
        >>> ipm_finite(p, q, points, FiniteFunctions([lambda x: 0 * x[:, 0]])).value.item()
        0.0
    """

    functions: list[Callable[[Tensor], Tensor]]

    def __post_init__(self) -> None:
        if not self.functions:
            raise ValueError("functions must hold at least one function, got none")
        for i, function in enumerate(self.functions):
            check_callable(f"functions[{i}]", function)

    def best(self, measure: Float[Tensor, " n"], points: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return the values of the function with the largest difference, its sign chosen so that it is positive."""
        rows = [function(points) for function in self.functions]
        for i, row in enumerate(rows):
            check_vector(f"functions[{i}](points)", row, points.shape[0], "point")
        values = torch.stack(rows)
        gaps = values @ measure
        index = gaps.abs().argmax()
        return torch.where(gaps[index] < 0, -values[index], values[index])


@dataclass(frozen=True)
class LinearFunctions(FunctionClass):
    r"""Linear functions of slope at most 1: the distance is that of the means, and laws of one mean are at distance 0.

    Example:
        >>> import torch
        >>> from gmlib.gan import LinearFunctions, ipm_finite
        >>> p, q = torch.tensor([0.5, 0.0, 0.5]), torch.tensor([0.0, 1.0, 0.0])
        >>> ipm_finite(p, q, torch.tensor([[-2.0], [0.0], [2.0]]), LinearFunctions()).value.item()
        0.0
    """

    def best(self, measure: Float[Tensor, " n"], points: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return the values of the linear function along the difference of the means."""
        direction = measure @ points
        return points @ torch.nn.functional.normalize(direction, dim=0)


@dataclass(frozen=True)
class BoundedFunctions(FunctionClass):
    r"""Functions with values in [-1, 1]: the distance is :math:`\sum \lvert p - q \rvert = 2\, \mathrm{TV}`.

    Example:
        >>> import torch
        >>> from gmlib.gan import BoundedFunctions, ipm_finite
        >>> p, q = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
        >>> ipm_finite(p, q, torch.tensor([[0.0], [3.0]]), BoundedFunctions()).value.item()
        2.0
    """

    def best(self, measure: Float[Tensor, " n"], points: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return the sign of the measure."""
        return measure.sign()


@dataclass(frozen=True)
class LipschitzFunctions(FunctionClass):
    r"""Functions of slope at most 1: the distance is :math:`W_1`.

    .. math:: \max_f \sum_i f_i (p_i - q_i) \quad \text{with} \quad f_i - f_j \le \lVert x_i - x_j \rVert

    a linear program (scipy's HiGHS) with a constraint for each ordered pair of points: a few hundred of them.

    Example:
        >>> import torch
        >>> from gmlib.gan import LipschitzFunctions, ipm_finite
        >>> p, q = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
        >>> ipm_finite(p, q, torch.tensor([[0.0], [3.0]]), LipschitzFunctions()).value.item()
        3.0
    """

    def best(self, measure: Float[Tensor, " n"], points: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return the solution of the linear program, 0 at the first point (a constant changes nothing)."""
        sparse = require("scipy.sparse", extra="book", purpose="to solve a linear program")
        n = points.shape[0]
        if n == 1:
            return torch.zeros_like(measure)
        weights = measure.detach().double().cpu()
        costs = (points.detach().double().cpu()[:, None] - points.detach().double().cpu()).norm(dim=-1)
        i, j = (~torch.eye(n, dtype=torch.bool)).nonzero(as_tuple=True)
        rows = torch.arange(len(i))
        ones = torch.ones(len(i), dtype=torch.float64)
        entries = (
            torch.cat([ones, -ones]).numpy(),
            (torch.cat([rows, rows]).numpy(), torch.cat([i, j]).numpy()),
        )
        values = highest(weights, sparse.csr_matrix(entries, shape=(len(i), n)), costs[i, j])
        return values.to(points)


@dataclass(frozen=True)
class KernelBall(FunctionClass):
    r"""The unit ball of the Hilbert space of a kernel: the distance is the maximum mean discrepancy.

    .. math:: \lVert f \rVert_{\mathcal H} \le 1 \quad\Rightarrow\quad
              \mathrm{MMD} = \sqrt{(p - q)^\top K (p - q)}, \qquad f^* = K (p - q) / \mathrm{MMD}

    Args:
        kernel: :math:`\kappa`, a callable (n, d), (m, d) -> (n, m); ``gmlib.metrics.GaussianKernel`` fits.

    Raises:
        TypeError: ``kernel`` is not callable.

    Example:
        >>> import torch
        >>> from gmlib.gan import KernelBall, ipm_finite
        >>> from gmlib.metrics import GaussianKernel
        >>> p, q = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
        >>> far = ipm_finite(p, q, torch.tensor([[0.0], [30.0]]), KernelBall(GaussianKernel(1.0))).value.item()
        >>> round(far, 4)  # the square root of 2: further apart it cannot say
        1.4142
    """

    kernel: Kernel

    def __post_init__(self) -> None:
        check_callable("kernel", self.kernel)

    def best(self, measure: Float[Tensor, " n"], points: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return the witness, of norm 1 (0 where the measure is)."""
        embedding = kernel_values(self.kernel, points, points) @ measure
        norm = (measure @ embedding).clamp_min(0).sqrt()
        return torch.where(
            norm > 0, embedding / torch.where(norm > 0, norm, 1.0), torch.zeros_like(embedding)
        )


@dataclass(frozen=True)
class IPM:
    r"""The distance of two laws by a class of functions, and a function that attains it.

    Attributes:
        value: :math:`\max_f \mathbb E_p f - \mathbb E_q f`, in the units of the functions, ().
        witness: the values of the maximiser at the points, (n,); more than one may do.

    Example:
        >>> import torch
        >>> from gmlib.gan import IPM
        >>> IPM(torch.tensor(1.0), torch.zeros(3)).value.item()
        1.0
    """

    value: Tensor
    witness: Tensor


@torch.no_grad()
def ipm_finite(
    p: Float[Tensor, " n"], q: Float[Tensor, " n"], points: Float[Tensor, "n d"], family: FunctionClass
) -> IPM:
    r"""The integral probability metric of two laws on the same finitely many points.

    .. math:: I_{\mathcal F}(p, q) = \sup_{f \in \mathcal F} \big\lvert \mathbb E_p f - \mathbb E_q f \big\rvert

    (:eq:`eq-14b-ipm` in the book; Müller 1997, "Integral probability metrics and their generating classes of functions".)
    Two samples are such laws: put their points together, with weight 1/n on one and 1/m on the other.

    Args:
        p: probabilities of the points under one law, (n,).
        q: under the other, (n,).
        points: (n, d).
        family: the class of functions: :class:`FiniteFunctions`, :class:`LinearFunctions`, :class:`BoundedFunctions`,
            :class:`LipschitzFunctions` or :class:`KernelBall`.

    Returns:
        The distance and a witness.

    Raises:
        ImportError: the class is `LipschitzFunctions` and scipy is not installed.
        TypeError: not floating tensors, or ``family`` is no `FunctionClass`.
        ValueError: a table that is not one of the points, or shapes, dtypes or devices that differ.

    Example:
        >>> import torch
        >>> from gmlib.gan import LipschitzFunctions, ipm_finite
        >>> points = torch.tensor([[0.0], [1.0], [4.0]])
        >>> ipm_finite(torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 0.5, 0.5]), points, LipschitzFunctions()).value.item()
        2.5
    """
    check_matrix("points", points, finite=True)
    check_law("p", p, points)
    check_law("q", q, points)
    if not isinstance(family, FunctionClass):
        raise TypeError(
            f"family must be a FunctionClass such as LinearFunctions(), got {type(family).__name__}"
        )
    measure = p - q
    witness = family.best(measure, points)
    return IPM(measure @ witness, witness)
