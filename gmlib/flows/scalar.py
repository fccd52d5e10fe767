"""Increasing maps of the real line with free parameters: what the layers of a flow are made of."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number


class ScalarMap(ABC):
    r"""A one-to-one map h of the real line onto itself, with ``n_params`` parameters.

    The parameters are unconstrained: any real numbers give an invertible map, so that a network can produce them.
    The map holds none itself; it is a rule, applied to each coordinate with parameters of its own.
    """

    @property
    @abstractmethod
    def n_params(self) -> int:
        """How many parameters one coordinate takes."""

    @abstractmethod
    def forward(
        self, u: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        r"""x = h(u) and :math:`\log|h'(u)|`, both of the shape of ``u``; ``params`` has shape ``(*u.shape, n_params)``."""

    @abstractmethod
    def inverse(
        self, x: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        r"""u = h^{-1}(x) and :math:`\log|(h^{-1})'(x)|`, both of the shape of ``x``."""

    @abstractmethod
    def identity(self) -> Float[Tensor, " k"]:
        """Parameters, shape ``(n_params,)``, at which the map is the identity: where layers start."""

    def _check(self, name: str, point: Tensor, params: Tensor) -> None:
        """Raise ``ValueError`` unless every coordinate has its parameters."""
        if params.shape != (*point.shape, self.n_params):
            raise ValueError(
                f"params must have shape (*{name}.shape, {self.n_params}) = {(*point.shape, self.n_params)}, "
                f"got shape {tuple(params.shape)}"
            )


class Affine(ScalarMap):
    r"""Shift and positive scale, the map of Real NVP and MAF.

    .. math:: x = u\,e^{a} + \mu, \qquad \log h'(u) = a, \qquad u = (x - \mu)\,e^{-a}

    The parameters are (a, mu). With ``bound`` the log-scale is :math:`b\tanh(a/b)`, so that no layer stretches by
    more than :math:`e^b`: deep stacks of affine layers diverge easily without it.

    (:eq:`eq-05-real-nvp` in the book.)

    Args:
        bound: largest absolute log-scale b; None for no limit.

    Raises:
        TypeError: ``bound`` is not a number.
        ValueError: ``bound`` is not positive and finite.

    References:
        L. Dinh, J. Sohl-Dickstein and S. Bengio, *Density estimation using Real NVP*, 2017, equations 4 to 8.

    Example:
        >>> h = Affine()
        >>> x, log_slope = h.forward(torch.tensor([1.0]), torch.tensor([[0.5, 2.0]]))
        >>> x, log_slope
        (tensor([3.6487]), tensor([0.5000]))
        >>> h.inverse(x, torch.tensor([[0.5, 2.0]]))
        (tensor([1.]), tensor([-0.5000]))
    """

    def __init__(self, *, bound: float | None = None) -> None:
        if bound is not None:
            check_number("bound", bound, low=0.0, low_open=True)
        self.bound = bound

    @property
    def n_params(self) -> int:
        return 2

    def _read(self, params: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = params.unbind(-1)
        if self.bound is not None:
            log_scale = self.bound * torch.tanh(log_scale / self.bound)
        return log_scale, shift

    def forward(
        self, u: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        r"""x = u e^a + mu, and a."""
        self._check("u", u, params)
        log_scale, shift = self._read(params)
        return u * log_scale.exp() + shift, log_scale

    def inverse(
        self, x: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        r"""u = (x - mu) e^{-a}, and -a."""
        self._check("x", x, params)
        log_scale, shift = self._read(params)
        return (x - shift) * (-log_scale).exp(), -log_scale

    def identity(self) -> Float[Tensor, " k"]:
        """(0, 0)."""
        return torch.zeros(2)


class Additive(ScalarMap):
    r"""A shift alone, the map of NICE: x = u + mu, log-slope 0. One parameter, mu.

    References:
        L. Dinh, D. Krueger and Y. Bengio, *NICE: Non-linear Independent Components Estimation*, 2015, section 3.2.

    Example:
        >>> Additive().forward(torch.tensor([1.0]), torch.tensor([[2.0]]))
        (tensor([3.]), tensor([0.]))
    """

    @property
    def n_params(self) -> int:
        return 1

    def forward(
        self, u: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """x = u + mu, and 0."""
        self._check("u", u, params)
        return u + params.squeeze(-1), torch.zeros_like(u)

    def inverse(
        self, x: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """u = x - mu, and 0."""
        self._check("x", x, params)
        return x - params.squeeze(-1), torch.zeros_like(x)

    def identity(self) -> Float[Tensor, " k"]:
        """(0,)."""
        return torch.zeros(1)


class Scale(ScalarMap):
    r"""A positive factor alone: x = u e^a, log-slope a. One parameter, a.

    References:
        L. Dinh, D. Krueger and Y. Bengio, *NICE: Non-linear Independent Components Estimation*, 2015, section 3.3.

    Example:
        >>> Scale().forward(torch.tensor([1.0]), torch.tensor([[2.0]]))
        (tensor([7.3891]), tensor([2.]))
    """

    @property
    def n_params(self) -> int:
        return 1

    def forward(
        self, u: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """x = u e^a, and a."""
        self._check("u", u, params)
        log_scale = params.squeeze(-1)
        return u * log_scale.exp(), log_scale

    def inverse(
        self, x: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """u = x e^{-a}, and -a."""
        self._check("x", x, params)
        log_scale = params.squeeze(-1)
        return x * (-log_scale).exp(), -log_scale

    def identity(self) -> Float[Tensor, " k"]:
        """(0,)."""
        return torch.zeros(1)
