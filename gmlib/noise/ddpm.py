r"""DDPM's discrete grid of noise levels, as a schedule with a continuous time."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_number, check_tensor
from gmlib.noise.schedule import Time, Value
from gmlib.noise.variance_preserving import ByExponent, VPCosine


@dataclass(frozen=True, eq=False)
class DDPM(ByExponent):
    r"""The discrete chain of DDPM, seen as a schedule on [0, 1].

    Step :math:`k \in \{1,\dots,T\}` of the chain stands at time :math:`t = k/T`, and t = 0 is the clean data:

    .. math:: \alpha_{k/T}^2 = \bar\alpha_k = \prod_{j\le k}(1-\beta_j), \qquad \bar\alpha_0 = 1

    So ``betas[k - 1]`` is the paper's :math:`\beta_k` and ``alpha_bar[k]`` its :math:`\bar\alpha_k`. Between the grid's
    times :math:`\log\bar\alpha` is linear; the rate is then constant on a step,
    :math:`\beta(t) = -T\log(1-\beta_k)` for :math:`(k-1)/T < t \le k/T`.

    Args:
        betas: noise variances of the T steps, shape ``(T,)``, each between 0 and 1, excluded.

    Raises:
        TypeError: if ``betas`` is not a floating tensor.
        ValueError: if ``betas`` is empty, not one-dimensional or out of (0, 1).

    References:
        J. Ho, A. Jain and P. Abbeel, *Denoising diffusion probabilistic models* (2020), eq. 2 and 4.

    Example:
        >>> schedule = DDPM.linear()
        >>> print(f"{schedule.alpha_bar[-1].item():.3e}")
        4.036e-05
    """

    betas: Float[Tensor, " T"]
    _tables: dict = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        check_tensor("betas", self.betas)
        if self.betas.dim() != 1 or len(self.betas) == 0:
            raise ValueError(f"betas must have shape (T,) with T >= 1, got shape {tuple(self.betas.shape)}")
        check_finite("betas", self.betas)
        if not bool(((self.betas > 0) & (self.betas < 1)).all()):
            raise ValueError(
                f"betas must lie in (0, 1), got {float(self.betas.min())} to {float(self.betas.max())}"
            )
        object.__setattr__(self, "betas", self.betas.detach().to("cpu", torch.float64))

    @classmethod
    def linear(cls, T: int = 1000, beta_1: float = 1e-4, beta_T: float = 0.02) -> DDPM:
        r"""DDPM's own grid: :math:`\beta_k` linear from ``beta_1`` to ``beta_T``.

        Args:
            T: number of steps.
            beta_1: variance of the first step.
            beta_T: variance of the last step.

        Returns:
            The schedule.

        Raises:
            ValueError: if ``T`` is below 1 or a variance out of (0, 1).

        References:
            J. Ho et al. (2020), section 4.

        Example:
            >>> len(DDPM.linear(10).betas)
            10
        """
        check_count("T", T)
        check_number("beta_1", beta_1, low=0.0, high=1.0, low_open=True, high_open=True)
        check_number("beta_T", beta_T, low=0.0, high=1.0, low_open=True, high_open=True)
        return cls(torch.linspace(beta_1, beta_T, T, dtype=torch.float64))

    @classmethod
    def cosine(cls, T: int = 1000, offset: float = 0.008, max_beta: float = 0.999) -> DDPM:
        r"""The cosine schedule on T steps, :math:`\beta_k = \min(1 - \bar\alpha_k/\bar\alpha_{k-1}, 0.999)`.

        Args:
            T: number of steps.
            offset: the paper's s.
            max_beta: where :math:`\beta_k` is clipped; at T = 1000 this changes the last step only.

        Returns:
            The schedule.

        Raises:
            ValueError: if an argument is out of its range.

        References:
            A. Nichol and P. Dhariwal (2021), eq. 17 and the sentence after it.

        Example:
            >>> print(f"{DDPM.cosine().alpha_bar[500].item():.4f}")
            0.4938
        """
        check_count("T", T)
        check_number("max_beta", max_beta, low=0.0, high=1.0, low_open=True, high_open=True)
        alpha_bar = VPCosine(offset, t_max=1.0).alpha(torch.arange(T + 1, dtype=torch.float64) / T).square()
        return cls((1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=max_beta))

    @property
    def T(self) -> int:
        """Number of steps."""
        return len(self.betas)

    @property
    def alpha_bar(self) -> Float[Tensor, " T_plus_1"]:
        r"""The products :math:`\bar\alpha_0 = 1, \bar\alpha_1, \dots, \bar\alpha_T`, float64 on the CPU."""
        return torch.exp(-self._table(self.betas))

    @property
    def times(self) -> Float[Tensor, " T"]:
        """The times k/T of the steps 1 to T, float64 on the CPU."""
        return torch.arange(1, self.T + 1, dtype=torch.float64) / self.T

    def _table(self, like: Tensor) -> Tensor:
        """The values of y at 0, 1/T, ..., 1; copied once to every device and dtype that asks."""
        key = (like.device, like.dtype)
        if key not in self._tables:
            # A table made while sampling in inference mode must serve a later training step as well.
            with torch.inference_mode(False):
                y = torch.cat([torch.zeros(1, dtype=torch.float64), -torch.log1p(-self.betas).cumsum(0)])
                self._tables[key] = y.to(key[0], key[1])
        return self._tables[key]

    def _step(self, t: Tensor) -> Tensor:
        """The step k whose interval ((k - 1)/T, k/T] holds t, as an index from 1 to T."""
        # k/T times T can be a rounding error above k; a thousandth of a step is far above that, also in float32.
        return torch.ceil(t.detach() * self.T - 1e-3).long().clamp(1, self.T)

    def y(self, t: Time) -> Value:
        r"""The exponent :math:`-\log\bar\alpha`, linear between the steps."""
        t = self._time(t)
        table, k = self._table(t), self._step(t)
        return table[k] - (k - t * self.T) * (table[k] - table[k - 1])

    def _t_of_y(self, y: Tensor) -> Tensor:
        table = self._table(y)
        k = torch.searchsorted(table, y.detach().contiguous()).clamp(1, self.T)
        return (k - (table[k] - y) / (table[k] - table[k - 1])) / self.T

    def beta(self, t: Time) -> Value:
        r"""Rate :math:`-T\log(1-\beta_k)` of the step that holds t."""
        t = self._time(t)
        table, k = self._table(t), self._step(t)
        return self.T * (table[k] - table[k - 1])
