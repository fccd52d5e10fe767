r"""Annealed importance sampling: the ratio of two normalising constants from chains that walk from one law to the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_finite, check_tensor

LogDensity = Callable[[Tensor, float], Tensor]
Kernel = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class AISResult:
    r"""Log-weights of the runs, and what they say of :math:`\log Z`.

    Attributes:
        log_weights: :math:`\log w_m`, (runs,), float64, on the CPU, nats.
        log_z0: the log partition function of the law that the runs start from, nats.
        x: where the runs ended, one row a run.

    Example:
        >>> import torch
        >>> from gmlib.energy import AISResult
        >>> result = AISResult(torch.tensor([0.0, 0.0], dtype=torch.float64), 1.0, torch.zeros(2, 1))
        >>> result.log_z, result.standard_error, result.effective_size
        (1.0, 0.0, 2.0)
    """

    log_weights: Tensor
    log_z0: float
    x: Tensor = field(repr=False)

    @property
    def log_z(self) -> float:
        r"""The estimate :math:`\log Z_0 + \log\frac1M\sum_m w_m`, nats: low on average, for a logarithm is concave."""
        return self.log_z0 + (self.log_weights.logsumexp(0).item() - math.log(len(self.log_weights)))

    @property
    def standard_error(self) -> float:
        r"""Of :math:`\log Z`, nats: the relative standard error of the mean weight (delta method)."""
        w = self._shares() * len(self.log_weights)
        return (w.std() / len(w) ** 0.5).item()

    @property
    def effective_size(self) -> float:
        r"""Effective number of runs :math:`(\sum_m w_m)^2 / \sum_m w_m^2`, from 1 to M."""
        return 1 / self._shares().square().sum().item()

    def interval(self, z: float = 1.96) -> tuple[float, float]:
        r"""An interval for :math:`\log Z`, nats: the logarithms of :math:`\hat Z (1 \pm z\,\mathrm{se})`.

        It is of the runs that there are. Runs that have all missed a mode do not know of it.

        Example:
            >>> import torch
            >>> from gmlib.energy import AISResult
            >>> result = AISResult(torch.tensor([0.0, 0.1, -0.1], dtype=torch.float64), 0.0, torch.zeros(3, 1))
            >>> [round(end, 2) for end in result.interval()]
            [-0.12, 0.11]
        """
        spread = z * self.standard_error
        low = self.log_z + math.log1p(-spread) if spread < 1 else -math.inf
        return low, self.log_z + math.log1p(spread)

    def _shares(self) -> Tensor:
        return self.log_weights.softmax(0)


@torch.no_grad()
def ais(
    log_density: LogDensity,
    kernel: Kernel,
    x: Float[Tensor, "runs *event"],
    path: Float[Tensor, " temperatures"],
    *,
    log_z0: float = 0.0,
) -> AISResult:
    r"""Anneal from a law that can be drawn from to one whose normalising constant is wanted.

    .. math:: \log w = \sum_{t=1}^T \big(\log f_{\beta_t}(x_{t-1}) - \log f_{\beta_{t-1}}(x_{t-1})\big), \qquad
              x_t \sim T_{\beta_t}(\cdot \mid x_{t-1}), \qquad \mathbb E[w] = \frac{Z_1}{Z_0}

    (:eq:`eq-06-ais` in the book; Neal 2001.) Each run starts at a draw of :math:`f_0/Z_0`, and alternates: weigh the step
    from one unnormalised law of the path to the next, at the same state, then move with a kernel that leaves the next law
    invariant. The mean weight has exactly the right expectation, however few the temperatures and however poor the
    kernel; these decide how much the weights vary. Its logarithm is too low on average. Nothing in the loop waits for the
    device.

    Args:
        log_density: ``log_density(x, beta)`` returns :math:`\log f_\beta(x)`, (runs,), nats.
        kernel: ``kernel(x, beta)`` returns a state drawn by a transition that leaves :math:`f_\beta` invariant.
        x: independent draws of the law at the path's first value, (runs, \*event).
        path: :math:`\beta_0 < \dots < \beta_T`, from 0 to 1, (T + 1,).
        log_z0: the log normalising constant of the first law, nats.

    Returns:
        The log-weights and what follows from them; the kernel is not called at the last value, which no weight needs.

    Raises:
        TypeError: a function cannot be called, or ``x`` or ``path`` is no floating tensor.
        ValueError: ``path`` does not rise from 0 to 1.

    References:
        R. M. Neal, *Annealed importance sampling*, Statistics and Computing 11, 2001.

    Example:
        From the standard normal law to N(0, 4), both without their constants: the ratio is 2.

        >>> import torch
        >>> from gmlib.energy import ais
        >>> generator = torch.Generator().manual_seed(0)
        >>> def log_density(x, beta):
        ...     return -(1 - 0.75 * beta) * x[:, 0].square() / 2
        >>> def kernel(x, beta):  # exact draws
        ...     return torch.randn(x.shape, generator=generator) / (1 - 0.75 * beta) ** 0.5
        >>> result = ais(log_density, kernel, kernel(torch.empty(1000, 1), 0.0), torch.linspace(0, 1, 20))
        >>> abs(result.log_z - torch.tensor(2.0).log().item()) < 4 * result.standard_error
        True
    """
    check_callable("log_density", log_density)
    check_callable("kernel", kernel)
    check_tensor("x", x)
    betas = check_path(path)
    log_weights = torch.zeros(x.shape[0], dtype=torch.float64, device=x.device)
    for before, beta in pairwise(betas):
        if before > 0:
            x = kernel(x, before)
        log_weights += (log_density(x, beta) - log_density(x, before)).double()
    return AISResult(log_weights.cpu(), float(log_z0), x)


def check_path(path: Tensor) -> list[float]:
    """The values of a path as numbers; raises unless they rise from 0 to 1.

    Example:
        >>> from gmlib.energy.annealing import check_path
        >>> check_path(torch.tensor([0.0, 0.25, 1.0]))
        [0.0, 0.25, 1.0]
    """
    check_tensor("path", path)
    if path.dim() != 1 or len(path) < 2:
        raise ValueError(
            f"path must have shape (temperatures,) with at least 2, got shape {tuple(path.shape)}"
        )
    check_finite("path", path)
    betas: list[float] = path.tolist()
    if betas[0] != 0.0 or betas[-1] != 1.0 or bool((path.diff() <= 0).any()):
        raise ValueError(
            f"path must rise strictly from 0 to 1, got {betas[0]:g}, {betas[1]:g}, ..., {betas[-1]:g}"
        )
    return betas
