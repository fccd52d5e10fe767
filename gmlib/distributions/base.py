r"""What every exact law of the book can do.

A *law* here is a density that stays known when it is noised. With signal :math:`\alpha` and noise
:math:`\sigma`,

.. math:: x_t = \alpha x_0 + \sigma\varepsilon, \qquad \varepsilon\sim\mathcal N(0, I),

the law of :math:`x_t`, its score and the posterior mean of :math:`x_0` (the best denoiser) are closed forms.
They are the oracles against which every learnt model of the book is held.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints

from gmlib._checks import check_event, check_number, check_tensor
from gmlib.distributions._covariance import CHUNK, Covariance, Diagonal, Full, Scalar

LOG_2PI = math.log(2 * math.pi)


class Law(Distribution, ABC):
    r"""A density over vectors with a closed score and closed noised versions.

    Laws are `torch.distributions.Distribution` objects with ``event_shape = (d,)``. Their arguments are
    checked on construction (``validate_args=False`` skips what would wait for an accelerator), independently
    of torch's global switch.
    """

    support = constraints.real_vector  # type: ignore[assignment]

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """None: the constructors check their arguments themselves."""
        return {}

    @abstractmethod
    def sample(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "... d"]:
        """Draw points of shape ``(*sample_shape, *batch, d)``; ``generator`` None is torch's default."""

    @abstractmethod
    def log_prob(self, value: Float[Tensor, "... d"]) -> Float[Tensor, "*_"]:
        """Log-density in nats at points of shape ``(..., d)``."""

    @abstractmethod
    def score(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        r"""The score :math:`\nabla_x\log p(x)` at points of shape ``(..., d)``."""

    @abstractmethod
    def noised(self, alpha: Scalar, sigma: Scalar) -> Law:
        r"""The law of :math:`\alpha x + \sigma\varepsilon`, of the same class."""

    @abstractmethod
    def posterior(self, x: Float[Tensor, "... d"], alpha: Scalar, sigma: Scalar) -> Law:
        r"""The law of :math:`x_0` given :math:`\alpha x_0 + \sigma\varepsilon = x`, of the same class."""

    @abstractmethod
    def posterior_mean(
        self, x: Float[Tensor, "... d"], alpha: Scalar, sigma: Scalar
    ) -> Float[Tensor, "... d"]:
        r"""The best denoiser :math:`\mathbb E[x_0\mid\alpha x_0 + \sigma\varepsilon = x]`."""

    @abstractmethod
    def to(self, *args: Any, **kwargs: Any) -> Law:
        """The same law on another device or in another dtype; arguments as in `torch.Tensor.to`."""

    @property
    @abstractmethod
    def covariance(self) -> Float[Tensor, "*batch d d"]:
        """The covariance matrix, shape ``(*batch, d, d)``."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Device of the parameters."""

    def _check_point(self, name: str, x: Any) -> None:
        check_event(name, x, tuple(self.event_shape))
        if x.device != self.device:
            raise ValueError(f"{name} must be on the law's device {self.device}, got {x.device}")


def check_noise(alpha: Any, sigma: Any, batch_shape: tuple[int, ...] = ()) -> torch.Size:
    """Raise unless ``alpha`` and ``sigma`` can be a signal and a noise level; return the noised law's batch shape.

    Numbers are checked in full. Tensors are checked for dtype and shape only, since reading their values would wait
    for the device; there ``alpha = sigma = 0`` gives NaN.

    Example:
        >>> check_noise(0.8, 0.6), check_noise(torch.ones(3), 0.5)
        (torch.Size([]), torch.Size([3]))
    """
    for name, value, low in (("alpha", alpha, -math.inf), ("sigma", sigma, 0.0)):
        if isinstance(value, Tensor):
            check_tensor(name, value)
            batch_shape = check_broadcast(name, value.shape, torch.Size(batch_shape), tuple(value.shape))
        else:
            check_number(name, value, low=low)
    if not isinstance(alpha, Tensor) and not isinstance(sigma, Tensor) and alpha == 0 == sigma:
        raise ValueError("alpha and sigma must not both be 0: alpha x + sigma eps would then have no density")
    return torch.Size(batch_shape)


def in_chunks(
    fn: Callable[..., Tensor], per_point: int, x: Float[Tensor, "*points d"], *args: Scalar
) -> Float[Tensor, "*points *out"]:
    """Evaluate ``fn(x, *args)`` in pieces when ``per_point`` numbers for each point are too many at once.

    ``args`` are numbers or tensors that broadcast against the points. Gradients flow through.

    Example:
        >>> in_chunks(lambda x, a: a * x.sum(-1), 10**9, torch.ones(3, 2), 0.5)
        tensor([1., 1., 1.])
    """
    points = torch.broadcast_shapes(x.shape[:-1], *(a.shape for a in args if isinstance(a, Tensor)))
    x = x.expand(*points, x.shape[-1])
    n = points.numel()
    # A compiler fuses the temporaries away, and would unroll the pieces.
    if n * per_point <= CHUNK or n < 2 or torch.compiler.is_compiling():
        return fn(x, *args)
    columns: list[list[Any]] = []
    rows = max(1, CHUNK // per_point)
    pieces = x.reshape(n, -1).split(rows)
    for a in args:
        if isinstance(a, Tensor) and a.dim() > 0:
            columns.append(list(a.expand(points).reshape(n).split(rows)))
        else:
            columns.append([a] * len(pieces))
    out = torch.cat([fn(*row) for row in zip(pieces, *columns, strict=True)])
    return out.reshape(*points, *out.shape[1:])


def numbers_a_point(cov: Covariance, *args: Scalar) -> int:
    """How many numbers a point needs: noise levels that differ between points give each point a matrix of its own.

    Example:
        >>> cov = Full.of(torch.eye(5))
        >>> numbers_a_point(cov, 0.6, 0.8), numbers_a_point(cov, torch.ones(3), 0.8)
        (5, 25)
    """
    own = any(isinstance(a, Tensor) and a.dim() > 0 for a in args)
    return cov.d**2 if own and isinstance(cov, Full) else cov.d


def read_covariance(
    means: Tensor, var: float | int | Tensor | None, cov: Tensor | None, *, component: bool, validate: bool
) -> Covariance:
    """Read ``var=`` or ``cov=`` of a law with means ``(..., d)``; ``component``: they are ``(..., K, d)``.

    Example:
        >>> read_covariance(torch.zeros(4, 2), 0.25, None, component=True, validate=True).var
        tensor([0.2500])
    """
    if (var is None) == (cov is None):
        raise ValueError("give exactly one of var (variances) and cov (covariance matrices)")
    d = means.shape[-1]
    if cov is not None:
        check_tensor("cov", cov)
        if cov.dim() < 2 or cov.shape[-2:] != (d, d):
            raise ValueError(f"cov must end in the shape ({d}, {d}), got shape {tuple(cov.shape)}")
        cov = cov.to(means)
        check_broadcast("cov", cov.shape[:-2], means.shape[:-1], tuple(cov.shape))
        factor, failed = torch.linalg.cholesky_ex(cov)
        if validate:
            slack = 10 * torch.finfo(cov.dtype).eps ** 0.75 * cov.abs().amax((-2, -1), keepdim=True)
            if not bool(((cov - cov.mT).abs() <= slack).all()):
                raise ValueError("cov must be symmetric and finite, got a matrix that is not")
            if bool((failed > 0).any()):
                raise ValueError("cov must be positive definite, got a matrix that is not")
        return Full(cov, factor)
    if not isinstance(var, Tensor):
        check_number("var", var, low=0.0, low_open=True)
        var = torch.full((1,), float(var), dtype=means.dtype, device=means.device)  # type: ignore[arg-type]
    check_tensor("var", var)
    given = tuple(var.shape)
    var = var.to(means)
    if var.dim() == 0:
        var = var.unsqueeze(0)
    elif component and var.dim() == 1 and given != (1,):
        if given[0] != means.shape[-2]:
            raise ValueError(
                f"a one-dimensional var holds one variance for each of the {means.shape[-2]} components, "
                f"got shape {given}; for variances shared by all components give shape (1, {d})"
            )
        var = var.unsqueeze(-1)
    if var.shape[-1] not in (1, d):
        raise ValueError(f"var must end in 1 (isotropic) or {d} (diagonal), got shape {given}")
    check_broadcast("var", var.shape[:-1], means.shape[:-1], given)
    if validate and not bool(((var > 0) & torch.isfinite(var)).all()):
        raise ValueError("var must be positive and finite everywhere")
    return Diagonal(var, d)


def check_broadcast(name: str, lead: torch.Size, want: torch.Size, given: tuple[int, ...]) -> torch.Size:
    """Broadcast two leading shapes, or raise ``ValueError`` naming the argument.

    Example:
        >>> check_broadcast("var", torch.Size([1]), torch.Size([5]), (1, 2))
        torch.Size([5])
    """
    try:
        return torch.broadcast_shapes(lead, want)
    except RuntimeError:
        raise ValueError(
            f"the leading dimensions of {name} must broadcast against {tuple(want)}, got shape {given}"
        ) from None
