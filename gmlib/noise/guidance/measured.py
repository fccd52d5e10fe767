r"""Inverse problems: a sampler steered by a measurement :math:`y = Ax_0 + \sigma_y\varepsilon`, with no training for A.

Bayes asks for :math:`\nabla_{x_t}\log p(y \mid x_t)`, and :math:`x_t` says of :math:`x_0` a mean, :math:`\hat x_0`, and a
covariance C. If both were all that is to know, y would be normal given :math:`x_t`,

.. math:: y \mid x_t \sim \mathcal N\big(A\hat x_0(x_t),\ ACA^\top + \sigma_y^2I\big),

which is exact for normal data. The three choices of C here are the true one, one number, and none.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_number, check_tensor
from gmlib.noise.denoiser import Denoiser
from gmlib.noise.guidance.guided import Guided, tracked
from gmlib.noise.guidance.rows import ordinary
from gmlib.noise.guidance.weight import Weight
from gmlib.noise.schedule import Time

Point = Float[Tensor, "batch *event"]
Covariance = Literal["tweedie", "isotropic", "none"]
COVARIANCES: tuple[str, ...] = get_args(Covariance)


class Measured(Guided):
    r"""A denoiser of what was measured: its score is that of the data plus :math:`w\nabla\log p(y \mid x_t)`.

    (:eq:`eq-11-measured` in the book.)

    .. math:: \nabla_{x_t}\log p(y \mid x_t) \approx J^\top A^\top\big(ACA^\top + \sigma_y^2I\big)^{-1}(y - A\hat x_0),
        \qquad J = \frac{\partial\hat x_0}{\partial x_t}

    - ``"tweedie"``: :math:`C = \mathrm{Cov}(x_0 \mid x_t) = \frac{\sigma_t^2}{\alpha_t}J`, by one backward pass for each of
      the m numbers measured. For normal data the score is exact. In general it leaves out how C depends on :math:`x_t`, and
      that :math:`x_0` given :math:`x_t` need not be normal.
    - ``"isotropic"``: :math:`C = \frac{\sigma_t^2v}{\alpha_t^2v + \sigma_t^2}I` with the data's variance v. Exact for data
      :math:`\mathcal N(0, vI)`.
    - ``"none"``: :math:`C = 0`: the guess is taken for the truth. In the noise, where it knows nothing, the misfit is
      weighed by :math:`1/\sigma_y^2` as if it did.

    The result can be differentiated in ``x`` where ``x`` asks for it, so that one may stand around another; otherwise it is
    a constant. In ``torch.compile`` the gradient through the denoiser breaks the graph.

    Args:
        denoiser: the prior; called with the conditions that this one is called with.
        matrix: A, of flattened points, (m, d).
        y: what was measured, (m,) for all points or (batch, m).
        noise_var: :math:`\sigma_y^2`, positive.
        covariance: "tweedie", "isotropic" or "none".
        var: v of "isotropic".
        w: weight of the measurement: a number, a tensor (batch,) or a function of the time; 1 is Bayes' rule, 0 does not
            look at the measurement.
        interval: use w at times from the first to the second only; at others it is 1. None is always.

    Raises:
        TypeError: ``denoiser`` is no Denoiser, an array no floating tensor, ``w`` no weight, or ``interval`` no pair.
        ValueError: shapes do not fit, ``noise_var`` or ``var`` is not positive, ``covariance`` is none of the three, or
            ``interval`` ends before it begins.

    References:
        H. Chung et al., *Diffusion posterior sampling* (2023), eq. 15 ("none"); J. Song et al., *Pseudoinverse-guided
        diffusion models* (2023), eq. 7 ("isotropic"); B. Boys et al., *Tweedie moment projected diffusions* (2024),
        eq. 10 ("tweedie").

    Example:
        >>> import torch
        >>> from gmlib.noise.guidance import Measured
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import VPCosine, exact_denoiser
        >>> prior = exact_denoiser(Gaussian(torch.zeros(2), var=1.0), VPCosine())
        >>> seen = Measured(prior, torch.tensor([[1.0, 0.0]]), torch.tensor([2.0]), 1e-6)
        >>> seen.x0(torch.zeros(1, 2), 0.5).round(decimals=4)
        tensor([[2., 0.]])
    """

    matrix: Tensor
    y: Tensor
    axes: Tensor
    lengths: Tensor

    def __init__(
        self,
        denoiser: Denoiser,
        matrix: Float[Tensor, "m d"],
        y: Float[Tensor, "*_"],
        noise_var: float,
        *,
        covariance: Covariance = "tweedie",
        var: float = 1.0,
        w: Weight = 1.0,
        interval: tuple[float, float] | None = None,
    ) -> None:
        check_tensor("matrix", matrix)
        check_tensor("y", y)
        check_number("noise_var", noise_var, low=0.0, low_open=True)
        check_number("var", var, low=0.0, low_open=True)
        check_choice("covariance", covariance, COVARIANCES)
        if matrix.dim() != 2:
            raise ValueError(f"matrix must have shape (m, d), got {tuple(matrix.shape)}")
        if y.dim() not in (1, 2) or y.shape[-1] != len(matrix):
            raise ValueError(
                f"y must have shape ({len(matrix)},) or (batch, {len(matrix)}), got {tuple(y.shape)}"
            )
        super().__init__(denoiser, w, interval, "score")
        self.register_buffer("matrix", matrix)
        self.register_buffer("y", y)
        if covariance == "isotropic":  # A A^T in its own axes: every solve is a division there
            wide = matrix.detach().cpu().double()
            lengths, axes = torch.linalg.eigh(wide @ wide.mT)
            self.register_buffer("lengths", lengths.clamp(min=0).to(matrix))
            self.register_buffer("axes", axes.to(matrix))
        self.noise_var, self.covariance, self.var = noise_var, covariance, var
        self.per_point = self.per_point or y.dim() == 2

    def forward(self, x: Point, t: Time, **condition: Any) -> Point:
        """The score of the points given the measurement; arguments as `Denoiser.forward`.

        Raises:
            ValueError: points do not have as many numbers as the matrix has columns, or there are not as many of them as
                measurements or weights.
        """
        assert isinstance(self.network, Denoiser)
        size, d = math.prod(x.shape[1:]), self.matrix.shape[1]
        if size != d:
            raise ValueError(f"x must have {d} numbers a point, as matrix has columns, got {size}")
        if self.y.dim() == 2 and len(self.y) != len(x):
            raise ValueError(
                f"y must have shape ({len(x)}, {len(self.matrix)}), one measurement for each point, or "
                f"({len(self.matrix)},), got {tuple(self.y.shape)}"
            )
        w = self.weight(t, x)
        if not isinstance(w, Tensor) and w == 0:
            return self.network.score(x, t, **condition)
        again = tracked(x)
        with torch.inference_mode(False), torch.enable_grad():
            leaf = x if again else ordinary(x).detach().requires_grad_()
            t, told = ordinary(t), {name: ordinary(value) for name, value in condition.items()}
            score = self.network.score(leaf, t, **told).to(x.dtype)
            with torch.autocast(x.device.type, enabled=False):  # the misfit needs its digits
                gradient = self._gradient(leaf, score, t, again)
        return (score if again else score.detach()) + w * gradient

    def _gradient(self, leaf: Tensor, score: Tensor, t: Time, again: bool) -> Tensor:
        """The gradient of log p(y | x_t), with a graph of its own if it is to be differentiated again."""
        alpha, sigma = self._at(t, leaf, "alpha", "sigma")
        matrix = ordinary(self.matrix).to(leaf)
        guess = (leaf + sigma * sigma * score) / self._divisor("x0", "alpha", alpha, t)
        seen = guess.reshape(len(leaf), matrix.shape[1]) @ matrix.mT
        misfit = ordinary(self.y).to(leaf) - seen
        pulled = self._weighed(misfit, leaf, seen, alpha, sigma, again)
        (gradient,) = torch.autograd.grad(
            seen, leaf, pulled if again else pulled.detach(), create_graph=again
        )
        return gradient

    def _weighed(
        self, misfit: Tensor, leaf: Tensor, seen: Tensor, alpha: Tensor, sigma: Tensor, again: bool
    ) -> Tensor:
        """The misfit over the covariance of y given x_t, (batch, m)."""
        if self.covariance == "none":
            return misfit / self.noise_var
        if self.covariance == "isotropic":
            axes, lengths = (ordinary(part).to(leaf) for part in (self.axes, self.lengths))
            left = _beside(sigma**2 * self.var / (alpha**2 * self.var + sigma**2), 1)
            return (misfit @ axes / (self.noise_var + left * lengths)) @ axes.mT
        n, (m, d) = len(leaf), self.matrix.shape
        matrix = ordinary(self.matrix).to(leaf)
        rows = [
            torch.autograd.grad(seen[:, i].sum(), leaf, retain_graph=True, create_graph=again)[0].reshape(
                n, d
            )
            for i in range(m)
        ]
        jacobian = torch.stack(rows, 1) @ matrix.mT  # A J A^T, symmetric for a true score
        spread = 0.5 * _beside(sigma**2 / alpha, 2) * (jacobian + jacobian.mT)
        spread = spread + self.noise_var * torch.eye(m, dtype=leaf.dtype, device=leaf.device)
        solved, _ = torch.linalg.solve_ex(spread, misfit.unsqueeze(-1), check_errors=False)  # no host waits
        return solved.squeeze(-1)


def _beside(value: Tensor, dims: int) -> Tensor:
    """A number for all points as it is, or one for each with so many dimensions behind it."""
    return value if value.dim() == 0 else value.reshape(-1, *[1] * dims)
