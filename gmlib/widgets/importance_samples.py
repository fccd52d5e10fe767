r"""Several samples, one bound: the importance-weighted bound of chapter 02 on a model whose evidence is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number, check_tensor
from gmlib.vae.elbo import elbo, gaussian_kl, importance_weighted_bound
from gmlib.widgets.base import STATIC, Widget

F64 = torch.float64


@dataclass(frozen=True)
class ImportanceTerms:
    r"""What the widget shows exactly, in nats; ``elbo + gap = log_evidence``.

    Attributes:
        log_evidence: :math:`\log p(x)`.
        elbo: the bound from one sample, :math:`\mathcal L_1`.
        gap: :math:`\mathrm{KL}(q\|p(\cdot\mid x))`.
    """

    log_evidence: float
    elbo: float
    gap: float


class ImportanceSamples(Widget):
    r"""The K-sample bound on the linear-Gaussian toy, draw by draw, between the ELBO and the exact evidence.

    .. math:: z\sim\mathcal N(0,1), \quad x\mid z\sim\mathcal N(z,1), \quad q=\mathcal N(m,s^2), \qquad
        \hat{\mathcal L}_K = \log\frac1K\sum_{k=1}^K \frac{p(x, z_k)}{q(z_k)}, \quad z_k\sim q

    400 draws of :math:`\hat{\mathcal L}_K` as dots, their mean and its standard error, and the mean against K. At the exact
    posterior, :math:`\mathcal N(x/2, 1/2)`, every weight is :math:`p(x)` and the dots fall onto one line. For
    :math:`s \le 1/2` the weights have no finite variance, and the climb is slow.

    Args:
        x: the observation, from -3 to 3.
        mean: m, from -3 to 3.
        std: s, from 0.2 to 3.
        k: number of samples in one bound, 1 to 256.
        seed: seed of the draws.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of its range.

    References:
        Y. Burda et al., *Importance weighted autoencoders* (2016), equation 8 and theorem 1;
        :func:`gmlib.vae.importance_weighted_bound` computes the same in torch.

    Example:
        >>> from gmlib.widgets import ImportanceSamples
        >>> terms = ImportanceSamples(x=1.3).terms()
        >>> print(f"{terms.log_evidence:.4f} {terms.elbo:.4f}")
        -1.6880 -2.2639
    """

    _esm = STATIC / "importance_samples.js"
    shown = ("x", "mean", "std", "k", "seed")

    x = traitlets.Float(1.3, min=-3.0, max=3.0, help="the observation").tag(sync=True)
    mean = traitlets.Float(0.0, min=-3.0, max=3.0, help="mean of q").tag(sync=True)
    std = traitlets.Float(1.0, min=0.2, max=3.0, help="standard deviation of q").tag(sync=True)
    k = traitlets.Int(4, min=1, max=256, help="samples in one bound").tag(sync=True)

    def __init__(
        self, x: float = 1.3, *, mean: float = 0.0, std: float = 1.0, k: int = 4, seed: int = 0
    ) -> None:
        check_number("x", x, low=-3.0, high=3.0)
        check_number("mean", mean, low=-3.0, high=3.0)
        check_number("std", std, low=0.2, high=3.0)
        check_count("k", k)
        if k > 256:
            raise ValueError(f"k must be at most 256, got {k}")
        super().__init__(x=float(x), mean=float(mean), std=float(std), k=k, seed=seed)

    def terms(self) -> ImportanceTerms:
        """The exact numbers that the widget shows now, computed by torch in float64.

        Example:
            >>> from gmlib.widgets import ImportanceSamples
            >>> t = ImportanceSamples(x=2.0, mean=1.0, std=0.5**0.5).terms()  # the exact posterior
            >>> abs(t.gap) < 1e-12
            True
        """
        x, mean, std = (torch.tensor(value, dtype=F64) for value in (self.x, self.mean, self.std))
        log_evidence = torch.distributions.Normal(torch.zeros((), dtype=F64), 2**0.5).log_prob(x)
        reconstruction = -0.5 * ((x - mean).square() + std.square()) - 0.5 * math.log(2 * math.pi)
        bound = elbo(reconstruction[None], gaussian_kl(mean[None, None], std.log()[None, None])).total[0]
        return ImportanceTerms(log_evidence.item(), bound.item(), (log_evidence - bound).item())

    def bounds(self, noise: Float[Tensor, "samples n"]) -> Float[Tensor, " n"]:
        r"""n draws of the bound from standard normal noise, computed by torch in float64.

        Args:
            noise: :math:`\varepsilon` in :math:`z = m + s\varepsilon`, samples first, (K, n); its K counts, not ``k``.

        Returns:
            (n,), in nats.

        Raises:
            TypeError: ``noise`` is no floating tensor.
            ValueError: there is no sample.

        Example:
            >>> import torch
            >>> from gmlib.widgets import ImportanceSamples
            >>> noise = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
            >>> exact = ImportanceSamples(x=1.3, mean=0.65, std=0.5**0.5)
            >>> print(f"{exact.bounds(noise).min():.4f} {exact.bounds(noise).max():.4f}")  # every weight is p(x)
            -1.6880 -1.6880
        """
        check_tensor("noise", noise)
        normal = torch.distributions.Normal
        zero, one, mean, std = (torch.tensor(v, dtype=F64) for v in (0.0, 1.0, self.mean, self.std))
        z = mean + std * noise.double()
        joint = normal(zero, one).log_prob(z) + normal(z, one).log_prob(torch.tensor(self.x, dtype=F64))
        return importance_weighted_bound(joint - normal(mean, std).log_prob(z))
