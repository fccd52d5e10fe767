r"""The method of moments: a generator is right when chosen statistics have the same mean under data and model.

Which statistics decides what "right" means: those that do not change between two laws cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable, check_count, check_finite, check_number, check_tensor
from gmlib.gan._points import check_batch, check_like, check_partner, check_vector


@dataclass(frozen=True)
class MomentGap:
    r"""The difference of the mean statistics of two laws.

    Attributes:
        total: :math:`\lVert \mathbb E_p s - \mathbb E_q s \rVert^2`, ().
        gap: :math:`\mathbb E_p s - \mathbb E_q s`, (k,).

    Example:
        >>> import torch
        >>> from gmlib.gan import MomentGap
        >>> MomentGap(torch.tensor(25.0), torch.tensor([3.0, 4.0])).total.item()
        25.0
    """

    total: Tensor
    gap: Tensor


def moment_gap(
    statistic: Callable[[Tensor], Tensor],
    x: Float[Tensor, "n *event"],
    y: Float[Tensor, "m *event"],
    *,
    x_weights: Float[Tensor, " n"] | None = None,
    y_weights: Float[Tensor, " m"] | None = None,
) -> MomentGap:
    r"""How far the moments of two samples, or of two laws on grids, are from each other.

    .. math:: \big\lVert \mathbb E_p\, s(x) - \mathbb E_q\, s(y) \big\rVert^2

    (:eq:`eq-14b-moments` in the book.) With :math:`s(x) = x` it is blind to all but the mean: N(0, 1) and N(0, 4) are at 0.
    With :math:`s(x) = (x, x^2)` it identifies a Gaussian. With :math:`s = \nabla_\theta \log p_\theta`, whose mean under
    the model is 0, its zero is the likelihood's stationary point; with :math:`s = \log p_\theta`, a single number, every
    :math:`\mathcal N(\mu, 1 + \mu^2)` matches N(0, 1); with :math:`s = \nabla_x \log p_\theta` a Gaussian's mean is
    fixed and its variance is not.

    Of samples the total is biased upwards, by the variance of the two means.

    Args:
        statistic: s, a callable (batch, \*event) -> (batch, k); a kernel's features, or what a network sees.
        x: a sample of p, (n, \*event), or the points of a grid.
        y: of q, (m, \*event).
        x_weights: probabilities of the points (of a quadrature rule, density times width), (n,); None: 1/n.
        y_weights: (m,); None: 1/m.

    Returns:
        The squared length of the gap, and the gap.

    Raises:
        TypeError: ``statistic`` is not callable, or the samples are not floating tensors.
        ValueError: shapes, dtypes or devices that differ.

    Example:
        >>> import torch
        >>> from gmlib.gan import moment_gap
        >>> x = torch.tensor([[-1.0], [1.0]])
        >>> moment_gap(lambda x: x, x, 2 * x).total.item()
        0.0
        >>> moment_gap(lambda x: torch.cat([x, x**2], 1), x, 2 * x).gap.tolist()
        [0.0, -3.0]
    """
    check_callable("statistic", statistic)
    check_batch("x", x)
    check_batch("y", y)
    check_partner("y", y, "x", x)
    means = []
    for name, points, weights in (("x", x, x_weights), ("y", y, y_weights)):
        values = statistic(points)
        check_tensor(f"statistic({name})", values)
        if values.dim() != 2 or values.shape[0] != points.shape[0]:
            raise ValueError(
                f"statistic({name}) must have shape ({points.shape[0]}, k), got {tuple(values.shape)}"
            )
        if weights is None:
            means.append(values.mean(0))
        else:
            check_vector(f"{name}_weights", weights, points.shape[0], "point")
            means.append(weights.to(values) @ values)
    gap = means[0] - means[1]
    return MomentGap(gap.square().sum(), gap)


def parameter_scores(
    log_prob: Callable[[Tensor, Tensor], Tensor],
    parameters: Float[Tensor, " p"],
    x: Float[Tensor, "n *event"],
) -> Float[Tensor, "n p"]:
    r"""The statistic of maximum likelihood, :math:`s(x) = \nabla_\theta \log p_\theta(x)`, for each point.

    Its mean under the model is 0, so that matching it sets the gradient of the mean log-likelihood to 0. The derivative is
    in the *parameters*: neither :math:`\log p_\theta` nor :math:`\nabla_x \log p_\theta` will do.

    Args:
        log_prob: (parameters (p,), points (n, \*event)) -> (n,), in nats.
        parameters: :math:`\theta`, (p,).
        x: (n, \*event).

    Returns:
        (n, p), nats per unit of each parameter.

    Raises:
        TypeError: ``log_prob`` is not callable, or the tensors are not floating.
        ValueError: ``parameters`` is not a vector, ``x`` is empty, or ``log_prob`` returns another shape.

    Example:
        >>> import torch
        >>> from gmlib.gan import parameter_scores
        >>> def log_prob(theta, x):  # N(theta, 1) up to a constant
        ...     return -(x[:, 0] - theta[0]) ** 2 / 2
        >>> parameter_scores(log_prob, torch.tensor([1.0]), torch.tensor([[0.0], [3.0]])).tolist()
        [[-1.0], [2.0]]
    """
    check_callable("log_prob", log_prob)
    check_tensor("parameters", parameters)
    if parameters.dim() != 1:
        raise ValueError(f"parameters must be a vector (p,), got shape {tuple(parameters.shape)}")
    check_batch("x", x)

    def one(theta: Tensor, point: Tensor) -> Tensor:
        values = log_prob(theta, point[None])
        if tuple(values.shape) != (1,):
            raise ValueError(
                f"log_prob must return one number a point, (n,), got {tuple(values.shape)} for 1"
            )
        return values[0]

    return torch.func.vmap(torch.func.grad(one), in_dims=(None, 0))(parameters, x)


def moment_rank(jacobian: Float[Tensor, "k p"], *, tolerance: float | None = None) -> int:
    r"""How many directions of the parameters the moments can see.

    .. math:: \operatorname{rank}\, \frac{\partial\, \mathbb E\, s(G_\theta(z))}{\partial \theta}

    (:eq:`eq-14b-learned` in the book.) Below the number p of parameters, some direction moves the model and no moment:
    k >= p moments are needed, and not enough.

    Args:
        jacobian: derivatives of k moments in p parameters, (k, p).
        tolerance: singular values up to this part of the largest count as 0; by default max(k, p) times the dtype's
            precision.

    Returns:
        The rank.

    Raises:
        TypeError: not a floating tensor, or ``tolerance`` is not a number.
        ValueError: not a matrix, or a tolerance outside [0, 1).

    Example:
        >>> import torch
        >>> from gmlib.gan import moment_rank
        >>> moment_rank(torch.tensor([[1.0, 2.0], [2.0, 4.0]]))
        1
    """
    check_batch("jacobian", jacobian, finite=True)
    if jacobian.dim() != 2:
        raise ValueError(f"jacobian must be a matrix (k, p), got shape {tuple(jacobian.shape)}")
    if tolerance is not None:
        check_number("tolerance", tolerance, low=0.0, high=1.0, high_open=True)
    return int(torch.linalg.matrix_rank(jacobian, rtol=tolerance))


def match_moments(
    moments: Callable[[Tensor], Tensor],
    target: Float[Tensor, " k"],
    parameters: Float[Tensor, " p"],
    *,
    steps: int = 20,
    damping: float = 1e-6,
) -> Float[Tensor, " p"]:
    r"""Move parameters until the model's moments are those of the data.

    .. math:: \min_\theta \big\lVert m(\theta) - \mathbb E_{p_{\mathrm{data}}} s \big\rVert^2, \qquad
              \theta \leftarrow \theta - (J^\top J + \epsilon \lVert J \rVert^2 I)^{-1} J^\top (m(\theta) - t)

    (:eq:`eq-14b-moments` in the book.) Gauss–Newton with a little damping; a step that does not lower the sum of squares
    is halved, at most ten times, and then left out.

    Args:
        moments: m, the model's moments as a differentiable function of the parameters, (p,) -> (k,); of a generator, their
            mean over *fixed* latents.
        target: the data's moments, (k,).
        parameters: where to start, (p,).
        steps: number of steps, at least 1.
        damping: :math:`\epsilon \ge 0`, relative to the largest singular value, squared.

    Returns:
        The parameters, detached, (p,).

    Raises:
        TypeError: ``moments`` is not callable, or the tensors are not floating.
        ValueError: shapes, dtypes or devices that do not match, entries that are not finite, or numbers out of range.

    Example:
        >>> import torch
        >>> from gmlib.gan import match_moments
        >>> def moments(theta):  # mean and mean square of N(theta_0, exp(theta_1))
        ...     return torch.stack([theta[0], theta[0] ** 2 + theta[1].exp()])
        >>> fit = match_moments(moments, torch.tensor([3.0, 13.0]), torch.zeros(2))
        >>> [round(v, 3) for v in (fit[0].item(), fit[1].exp().item())]
        [3.0, 4.0]
    """
    check_callable("moments", moments)
    check_tensor("target", target)
    check_tensor("parameters", parameters)
    check_count("steps", steps)
    check_number("damping", damping, low=0.0)
    theta = parameters.detach()
    reached = moments(theta).detach()
    for name, value in (("parameters", theta), ("moments(parameters)", reached), ("target", target)):
        if value.dim() != 1:
            raise ValueError(f"{name} must be a vector, got shape {tuple(value.shape)}")
        check_finite(name, value)
    check_like("target", target, "moments(parameters)", reached)
    for _ in range(steps):
        jacobian = torch.func.jacrev(moments)(theta).detach()
        gap = reached - target
        # The normal equations as a least-squares problem, which keeps the digits that squaring J would lose.
        scale = damping**0.5 * torch.linalg.matrix_norm(jacobian, 2)
        rows = torch.cat([jacobian, scale * torch.eye(len(theta)).to(jacobian)])
        step = torch.linalg.lstsq(rows, torch.cat([gap, torch.zeros_like(theta)])[:, None]).solution[:, 0]
        for halving in range(10):
            trial = theta - step / 2**halving
            value = moments(trial).detach()
            if (value - target).square().sum() < gap.square().sum():
                theta, reached = trial, value
                break
        else:  # nothing lower along the step: as near as it gets
            break
    return theta
