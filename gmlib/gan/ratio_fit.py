r"""The density ratio by logistic regression, with its standard errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from gmlib._checks import check_callable, check_count, check_finite, check_number, check_tensor
from gmlib.gan._points import check_matrix


@dataclass(frozen=True)
class RatioFit:
    r"""A logistic regression of real against fake points, read as a log-ratio.

    Attributes:
        weights: one a feature, (k,).
        intercept: of the logit, a scalar; it includes ``log_prior``.
        covariance: of (weights, intercept) over repeated samples of these sizes, (k + 1, k + 1).
        log_prior: :math:`\log(n_{\mathrm{real}} / n_{\mathrm{fake}})`.
        features: the function of x that the logit is linear in.
        steps: Newton steps taken.

    Example:
        >>> import torch
        >>> from gmlib.gan import fit_ratio
        >>> fit = fit_ratio(torch.tensor([[-1.0], [2.0]]), torch.tensor([[1.0], [-2.0]]))
        >>> fit.log_prior, fit.log_ratio(torch.zeros(1, 1)).abs().item() < 1e-9
        (0.0, True)
    """

    weights: Tensor
    intercept: Tensor
    covariance: Tensor
    log_prior: float
    features: Callable[[Tensor], Tensor]
    steps: int

    @property
    def standard_errors(self) -> Float[Tensor, " k"]:
        """Of the weights and, last, of the intercept."""
        return self.covariance.diagonal().sqrt()

    def logit(self, x: Float[Tensor, "batch d"]) -> Float[Tensor, " batch"]:
        """The classifier's logit a(x): the log-ratio plus ``log_prior``."""
        return self.features(x).to(self.weights) @ self.weights + self.intercept

    def log_ratio(self, x: Float[Tensor, "batch d"]) -> Float[Tensor, " batch"]:
        """The estimate of log p(x) - log q(x), with the class sizes taken out."""
        return self.logit(x) - self.log_prior


def fit_ratio(
    real: Float[Tensor, "n d"],
    fake: Float[Tensor, "m d"],
    features: Callable[[Tensor], Tensor] | None = None,
    *,
    ridge: float = 0.0,
    most: int = 100,
) -> RatioFit:
    r"""Fit a log-ratio that is linear in features by logistic regression, to the maximum, by Newton's method.

    .. math:: \max_{w, b} \sum_i \log\sigma(a(x_i)) + \sum_j \log\sigma(-a(\tilde x_j))
              - \tfrac12 \mathrm{ridge}\, \lVert w \rVert^2, \qquad a(x) = w^\top \varphi(x) + b

    (:eq:`eq-14-prior` in the book.) The errors are those of samples of fixed sizes: the inverse of the information, less
    :math:`1/n + 1/m` at the intercept, because the numbers of either class are chosen and not drawn (Prentice & Pyke
    1979). They hold where the model does; with a ridge they are those of the penalised maximum.

    Args:
        real: points of p, (n, d).
        fake: points of q, (m, d).
        features: x (batch, d) -> (batch, k); None: the coordinates. The intercept comes by itself.
        ridge: at least 0; holds the weights when the classes can be separated.
        most: Newton steps after which to give up.

    Returns:
        The fit, in float64 where the device has it.

    Raises:
        TypeError: not floating tensors.
        ValueError: shapes or devices that do not match, entries that are not finite, or no finite maximum.

    Example:
        >>> import torch
        >>> from gmlib.gan import fit_ratio
        >>> generator = torch.Generator().manual_seed(0)
        >>> real, fake = torch.randn(4000, 1, generator=generator), 1 + torch.randn(1000, 1, generator=generator)
        >>> fit = fit_ratio(real, fake)  # truth: slope -1, intercept 1/2, and log 4 from the class sizes
        >>> print(f"{fit.weights.item():.2f} {fit.intercept.item() - fit.log_prior:.2f}")
        -1.00 0.48
    """
    check_matrix("real", real, finite=True)
    check_matrix("fake", fake, finite=True)
    if real.shape[1] != fake.shape[1] or real.device != fake.device:
        raise ValueError(
            f"fake must have the {real.shape[1]} coordinates and the device {real.device} of real, "
            f"got shape {tuple(fake.shape)} on {fake.device}"
        )
    check_number("ridge", ridge, low=0.0)
    check_count("most", most)
    chosen = features if features is not None else _coordinates
    wide = torch.float32 if real.device.type == "mps" else torch.float64
    check_callable("features", chosen)
    parts = [chosen(x) for x in (real, fake)]
    for name, x, part in zip(("features(real)", "features(fake)"), (real, fake), parts, strict=True):
        check_tensor(name, part)
        if part.dim() != 2 or part.shape[0] != x.shape[0] or part.shape[1] != parts[0].shape[1]:
            raise ValueError(f"features must map (n, d) to (n, k), got shape {tuple(part.shape)} for {name}")
        check_finite(name, part)
    n, m = real.shape[0], fake.shape[0]
    design = torch.cat([part.detach().to(wide) for part in parts])
    design = torch.cat([design, torch.ones_like(design[:, :1])], 1)
    sign = torch.cat([torch.ones_like(design[:n, 0]), -torch.ones_like(design[n:, 0])])
    penalty = torch.full_like(design[0], ridge)
    penalty[-1] = 0.0
    w, information, steps = _newton(design, sign, penalty, most)
    covariance = torch.linalg.inv(information)
    covariance[-1, -1] -= 1 / n + 1 / m
    return RatioFit(w[:-1], w[-1], covariance, math.log(n / m), chosen, steps)


def _coordinates(x: Tensor) -> Tensor:
    return x


def _newton(design: Tensor, sign: Tensor, penalty: Tensor, most: int) -> tuple[Tensor, Tensor, int]:
    """Minimise the penalised logistic loss; weights, information there and the number of steps."""

    def loss(w: Tensor) -> Tensor:
        return -logsigmoid(sign * (design @ w)).sum() + (penalty * w.square()).sum() / 2

    w = torch.zeros_like(design[0])
    enough = 1e-4 if design.dtype == torch.float32 else 1e-9
    for step in range(1, most + 1):
        prob = torch.sigmoid(design @ w)
        gradient = design.T @ (prob - (sign > 0).to(prob)) + penalty * w
        information = (design * (prob * (1 - prob))[:, None]).T @ design + penalty.diag()
        factor, failed = torch.linalg.cholesky_ex(information)
        if bool(failed):
            break
        direction = torch.cholesky_solve(gradient[:, None], factor)[:, 0]
        decrement = (gradient @ direction).clamp_min(0).sqrt()
        if float(decrement) < enough:
            # All on the right side: the classes are separated, and any longer w is better.
            if not bool(penalty.any()) and bool((sign * (design @ w) > 0).all()):
                break
            return w, information, step - 1
        length, before = 1.0, loss(w)
        allowed = before * (1 + 100 * torch.finfo(before.dtype).eps)  # near the end differences are rounding
        while length > 1e-6 and not bool(loss(w - length * direction) <= allowed):
            length /= 2
        w = w - length * direction
    raise ValueError(
        "real and fake must overlap and the features must be independent: no finite maximum was found "
        f"in {most} Newton steps; a ridge > 0 makes one"
    )
