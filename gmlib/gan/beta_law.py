"""A law on a short interval, which can be moved away from another until they do not meet."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_event, check_number, check_tensor


@dataclass(frozen=True)
class BetaLaw:
    r"""The Beta law with integer parameters on an interval of length 1: compact, smooth, with a polynomial density.

    .. math:: p(x) = \frac{(a + b - 1)!}{(a - 1)!\,(b - 1)!}\, y^{a-1} (1 - y)^{b-1}, \qquad y = x - \Delta \in [0, 1]

    It is the law of the a-th smallest of :math:`a + b - 1` uniform numbers, and is drawn as that.

    Args:
        a: first parameter, an int of at least 1.
        b: second parameter, likewise.
        shift: left end :math:`\Delta` of the interval.

    Raises:
        TypeError: a parameter is not an int, or ``shift`` not a number.
        ValueError: a parameter is below 1, both add up to more than 100, or ``shift`` not finite.

    Example:
        >>> from gmlib.gan import BetaLaw
        >>> BetaLaw(3, 5).mean.item(), BetaLaw(2, 3, shift=1.0).mean.item()
        (0.375, 1.4)
    """

    a: int
    b: int
    shift: float = 0.0

    def __post_init__(self) -> None:
        check_count("a", self.a)
        check_count("b", self.b)
        check_number("shift", self.shift)
        if self.a + self.b > 100:  # the constant of the density must not overflow in single precision
            raise ValueError(f"a and b must add up to at most 100, got {self.a} and {self.b}")

    @property
    def mean(self) -> Float[Tensor, "1"]:
        """The mean, (1,)."""
        return torch.tensor([self.shift + self.a / (self.a + self.b)], dtype=torch.float64)

    @property
    def variance(self) -> Float[Tensor, "1"]:
        """The variance, (1,)."""
        total = self.a + self.b
        return torch.tensor([self.a * self.b / (total**2 * (total + 1))], dtype=torch.float64)

    @property
    def event_shape(self) -> tuple[int]:
        """One coordinate."""
        return (1,)

    def density(self, x: Float[Tensor, "*points"]) -> Float[Tensor, "*points"]:
        """The density p(x); 0 outside the interval."""
        y = (x - self.shift).clamp(0, 1)
        inside = (x >= self.shift) & (x <= self.shift + 1)
        constant = self.a * math.comb(self.a + self.b - 1, self.a)  # exact
        values = float(constant) * y ** (self.a - 1) * (1 - y) ** (self.b - 1)
        return torch.where(inside, values, torch.zeros_like(values))

    def log_prob(self, value: Float[Tensor, "*points 1"]) -> Float[Tensor, "*points"]:
        """Log-density in nats; minus infinity outside the interval."""
        check_event("value", value, (1,))
        return self.density(value[..., 0]).log()

    def cdf(self, x: Float[Tensor, "*points"]) -> Float[Tensor, "*points"]:
        r"""The distribution function: of :math:`a + b - 1` uniform numbers at least a are below y."""
        check_tensor("x", x)
        y, n = (x - self.shift).clamp(0, 1), self.a + self.b - 1
        terms = [math.comb(n, j) * y**j * (1 - y) ** (n - j) for j in range(self.a, n + 1)]
        return torch.stack(terms).sum(0)

    def sample(
        self,
        sample_shape: tuple[int, ...] = (),
        *,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> Float[Tensor, "*points 1"]:
        """Draw points, ``(*sample_shape, 1)``."""
        shape = (*sample_shape, self.a + self.b - 1)
        uniform = torch.rand(shape, generator=generator, dtype=dtype, device=device)
        return self.shift + uniform.kthvalue(self.a, dim=-1, keepdim=True).values
