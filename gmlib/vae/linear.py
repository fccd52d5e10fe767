r"""The linear Gaussian model, where the bound, the evidence and the best fit are all known.

.. math:: z \sim \mathcal N(0, I_k), \qquad x \mid z \sim \mathcal N(Wz + b, \sigma^2 I_d)
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_event, check_number
from gmlib.vae.elbo import ELBO, elbo
from gmlib.vae.posterior import DiagonalPosterior


class LinearVAE(nn.Module):
    r"""A VAE whose encoder and decoder are affine; its optimum is probabilistic PCA.

    Decoder :math:`\mathcal N(Wz + b, \sigma^2 I)`, encoder :math:`\mathcal N(A(x - c), \operatorname{diag} v)`. The
    bound needs no sampling, the evidence is :math:`\mathcal N(x; b, WW^\top + \sigma^2 I)`, and the bound's best
    value equals the best log-likelihood (Tipping & Bishop 1999, section 3.2; Lucas et al. 2019, section 4): at the
    optimum

    .. math:: W = U_k \operatorname{diag}(\lambda_j - \sigma^2)^{1/2}, \qquad \sigma^2 = \frac1{d-k}\sum_{i>k} \lambda_i,
              \qquad v_j = \sigma^2 / \lambda_j

    with the eigenvalues :math:`\lambda_1 \ge \lambda_2 \ge \dots` and eigenvectors :math:`U` of the data's covariance
    (divisor N). The posterior precision :math:`(W^\top W + \sigma^2 I)/\sigma^2` is then diagonal, so that a diagonal
    encoder loses nothing. (The likelihood does not change when W is multiplied by a rotation from the right; the
    diagonal bound does, and picks the basis given here, up to signs and order.)

    Args:
        d: dimension of the data.
        k: number of latents, below d.
        dtype: of the parameters.

    Raises:
        ValueError: a count below 1, or ``k`` not below ``d``.

    Example:
        >>> import torch
        >>> from gmlib.vae import LinearVAE
        >>> x = torch.randn(500, 5, dtype=torch.float64) * torch.tensor([3.0, 2.0, 1.0, 1.0, 1.0])
        >>> model = LinearVAE.from_ppca(x, 2)
        >>> gap = model.log_prob(x).mean() - model.elbo(x).total.mean()
        >>> abs(gap.item()) < 1e-12
        True
    """

    def __init__(self, d: int, k: int, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        check_count("d", d, low=2)
        check_count("k", k)
        if k >= d:
            raise ValueError(f"k must be below d = {d}, got {k}")
        # A deterministic start away from the saddle at W = 0: the first k coordinates, halved.
        self.weight = nn.Parameter(0.5 * torch.eye(d, k, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(d, dtype=dtype))
        self.log_var = nn.Parameter(torch.zeros((), dtype=dtype))
        self.encoder_weight = nn.Parameter(0.5 * torch.eye(k, d, dtype=dtype))
        self.encoder_centre = nn.Parameter(torch.zeros(d, dtype=dtype))
        self.encoder_log_std = nn.Parameter(torch.zeros(k, dtype=dtype))

    @classmethod
    def from_ppca(cls, x: Float[Tensor, "n d"], k: int) -> LinearVAE:
        """Fit by maximum likelihood in closed form, with the exact posterior as encoder.

        Args:
            x: data, (n, d).
            k: number of latents, below d.

        Raises:
            ValueError: ``x`` is not a matrix, ``k`` is out of range, or the discarded eigenvalues are zero (the
                likelihood is then unbounded).
        """
        if x.dim() != 2 or x.shape[0] < 2:
            raise ValueError(f"x must be a matrix of at least two rows, got shape {tuple(x.shape)}")
        model = cls(x.shape[1], k, dtype=x.dtype).to(x.device)
        centre = x.mean(0)
        covariance = (x - centre).T @ (x - centre) / x.shape[0]
        values, vectors = torch.linalg.eigh(covariance)
        values, vectors = values.flip(0), vectors.flip(1)
        var = values[k:].mean()
        if not bool(var > 1e-12 * values[0]):
            raise ValueError(
                f"x must vary in more than k = {k} directions: the discarded variance is {var.item():.2e}"
            )
        with torch.no_grad():
            model.weight.copy_(vectors[:, :k] * (values[:k] - var).clamp_min(0).sqrt())
            model.bias.copy_(centre)
            model.log_var.copy_(var.log())
            model.encoder_weight.copy_(model.weight.T / values[:k, None])
            model.encoder_centre.copy_(centre)
            model.encoder_log_std.copy_(0.5 * (var / values[:k]).log())
        return model

    def encode(self, x: Float[Tensor, "batch d"]) -> DiagonalPosterior:
        """Return the encoder's law of z, one for each row of ``x``.

        Raises:
            ValueError: ``x`` does not end in d coordinates.
        """
        check_event("x", x, tuple(self.bias.shape))
        mean = (x - self.encoder_centre) @ self.encoder_weight.T
        return DiagonalPosterior(mean, self.encoder_log_std.expand_as(mean))

    def elbo(self, x: Float[Tensor, "batch d"], *, q: DiagonalPosterior | None = None) -> ELBO:
        r"""The bound in closed form, in nats.

        .. math:: \mathbb E_q \log p(x \mid z) = -\tfrac{1}{2\sigma^2}\Big(\lVert x - b - W\mu\rVert^2
                  + \sum_j v_j \lVert W_{:,j}\rVert^2\Big) - \tfrac d2 \log 2\pi\sigma^2

        Args:
            x: data, (batch, d).
            q: a posterior to use in place of the encoder's.
        """
        q = self.encode(x) if q is None else q
        square = (x - self.bias - q.mean @ self.weight.T).square().sum(-1)
        spread = (q.std.square() * self.weight.square().sum(0)).sum(-1)
        log_norm = x.shape[-1] * (math.log(2 * math.pi) + self.log_var)
        return elbo(-0.5 * ((square + spread) * torch.exp(-self.log_var) + log_norm), q.kl())

    def log_prob(self, x: Float[Tensor, "batch d"]) -> Float[Tensor, " batch"]:
        r"""The evidence itself, :math:`\log \mathcal N(x; b, WW^\top + \sigma^2 I)`, in nats."""
        check_event("x", x, tuple(self.bias.shape))
        d = x.shape[-1]
        eye = torch.eye(d, dtype=x.dtype, device=x.device)
        covariance = self.weight @ self.weight.T + self.log_var.exp() * eye
        return torch.distributions.MultivariateNormal(self.bias, covariance).log_prob(x)

    def posterior(self, x: Float[Tensor, "batch d"]) -> tuple[Float[Tensor, "batch k"], Float[Tensor, "k k"]]:
        r"""The exact posterior's mean and covariance.

        .. math:: p(z \mid x) = \mathcal N\big(M^{-1} W^\top (x - b),\ \sigma^2 M^{-1}\big), \quad M = W^\top W + \sigma^2 I
        """
        check_event("x", x, tuple(self.bias.shape))
        k = self.weight.shape[1]
        var = self.log_var.exp()
        m = self.weight.T @ self.weight + var * torch.eye(k, dtype=x.dtype, device=x.device)
        mean = torch.linalg.solve(m, self.weight.T @ (x - self.bias).T).T
        return mean, var * torch.linalg.inv(m)


def mle_and_elbo_maximiser(variance: float) -> tuple[float, float]:
    r"""A model of one number, :math:`x = \theta(z_1 + z_2) + \varepsilon`, whose two estimates differ.

    With :math:`z \sim \mathcal N(0, I_2)`, :math:`\varepsilon \sim \mathcal N(0, 1)` and data of mean 0 and variance
    v, the likelihood is largest at :math:`\theta^2 = (v - 1)/2`. The exact posterior correlates the two latents; the
    best *diagonal* q leaves the gap :math:`\tfrac12[2\log(1+\theta^2) - \log(1+2\theta^2)]`, which grows with
    :math:`\theta`, and so the bound's maximiser is pulled towards 0. With :math:`u = \theta^2` the average bound is
    :math:`-\tfrac{v}{2(1+2u)} - \log(1+u)` up to a constant, and its maximiser solves :math:`v\,(1+u) = (1+2u)^2`.

    Args:
        variance: v, above 1.

    Returns:
        :math:`(\theta_{\text{MLE}}, \theta_{\text{ELBO}})`.

    Raises:
        ValueError: ``variance`` is not above 1 (both estimates are then 0).

    Example:
        >>> from gmlib.vae import mle_and_elbo_maximiser
        >>> mle, bound = mle_and_elbo_maximiser(5.0)
        >>> round(mle, 4), round(bound, 4)
        (1.4142, 1.0643)
    """
    check_number("variance", variance, low=1.0, low_open=True)
    v = variance
    # (1 + 2u)^2 = v (1 + u), the positive root.
    u = ((v - 4) + math.sqrt((v - 4) ** 2 + 16 * (v - 1))) / 8
    return math.sqrt((v - 1) / 2), math.sqrt(u)
