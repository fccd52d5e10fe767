r"""The Fisher divergence, which compares scores instead of densities; with the ½, everywhere in the book."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.distributions import Gaussian
from gmlib.distributions.gaussian_divergences import check_pair
from gmlib.score._arguments import Score, average, check_callable, check_points, evaluate, split_directions
from gmlib.score._products import total


def fisher_divergence(
    score_p: Score, score_q: Score, x: Float[Tensor, "batch *event"]
) -> Float[Tensor, " batch"]:
    r"""The integrand of the Fisher divergence at points of p: its mean over x ~ p is the divergence.

    .. math:: D_F(p \,\|\, q) = \mathbb E_{p}\, \tfrac12 \lVert \nabla\log p(x) - \nabla\log q(x) \rVert^2

    (:eq:`eq-08-fisher` in the book; many papers leave out the ½, de Bruijn's identity asks for it.) No normaliser enters.
    It is 0 only if their densities are proportional on every connected piece of p's support; between far modes it hardly
    sees the weights.

    Two evaluations of a score, no derivative of one.

    Args:
        score_p: the score of the law that the points come from, (batch, \*event) -> (batch, \*event).
        score_q: the score compared with it.
        x: points drawn from p, or nodes of a quadrature rule for it, (batch, \*event).

    Returns:
        One number a point, (batch,), in squared nats per squared unit of x.

    Raises:
        TypeError: a score cannot be called, or x is not a floating tensor.
        ValueError: x has no event dimension or no point, or a score has another shape than x.

    References:
        A. Hyvärinen, *Estimation of non-normalized statistical models by score matching* (2005), equation 2.

    Example:
        >>> import torch
        >>> from gmlib.score import fisher_divergence
        >>> fisher_divergence(lambda x: -x, lambda x: -x / 2, torch.tensor([[2.0]]))
        tensor([0.5000])
    """
    return 0.5 * total(_difference(score_p, score_q, x).square())


def sliced_fisher_divergence(
    score_p: Score,
    score_q: Score,
    x: Float[Tensor, "batch *event"],
    projections: Float[Tensor, "..."],
) -> Float[Tensor, " batch"]:
    r"""The integrand of the sliced Fisher divergence: scores compared along random directions.

    .. math:: D_{SF}(p \,\|\, q) = \mathbb E_u \mathbb E_{p}\, \tfrac12
              \big(u^\top (\nabla\log p(x) - \nabla\log q(x))\big)^2

    With :math:`\mathbb E u u^\top = I` it equals :math:`D_F`; with another covariance it weighs the directions.

    Args:
        score_p: the score of the law that the points come from.
        score_q: the score compared with it.
        x: points drawn from p, (batch, \*event).
        projections: directions u, (batch, \*event), one a point; or (directions, batch, \*event), which are averaged.

    Returns:
        One number a point, (batch,).

    Raises:
        TypeError: as `fisher_divergence`, or ``projections`` is not a floating tensor.
        ValueError: as `fisher_divergence`, or ``projections`` differ from x in shape, dtype or device.

    References:
        Y. Song, S. Garg, J. Shi and S. Ermon, *Sliced score matching* (2019).

    Example:
        >>> import torch
        >>> from gmlib.score import sliced_fisher_divergence
        >>> x, u = torch.tensor([[2.0, 2.0]]), torch.tensor([[1.0, -1.0]])
        >>> sliced_fisher_divergence(lambda x: -x, lambda x: -x / 2, x, u)  # u does not see the difference
        tensor([0.])
    """
    difference = _difference(score_p, score_q, x)
    return 0.5 * average([total(difference * u).square() for u in split_directions(projections, x)])


def gaussian_fisher_divergence(p: Gaussian, q: Gaussian) -> Float[Tensor, "*batch"]:
    r"""The Fisher divergence of two normal laws, in closed form.

    .. math:: D_F\big(\mathcal N(m_0, C_0) \,\|\, \mathcal N(m_1, C_1)\big) = \tfrac12 \big[ \operatorname{tr}(A C_0 A)
              + \lVert C_1^{-1} (m_1 - m_0) \rVert^2 \big], \qquad A = C_1^{-1} - C_0^{-1}

    On the line, with variances a and b and equal means, :math:`\frac12 a (1/b - 1/a)^2`. Works with (d, d) matrices.

    Args:
        p: the first law.
        q: the second, of the same dimension; batches broadcast.

    Returns:
        Shape (\*batch,).

    Raises:
        TypeError: an argument is not a `Gaussian`.
        ValueError: the dimensions, dtypes, devices or batches do not fit.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.score import gaussian_fisher_divergence
        >>> zero = torch.zeros(1)
        >>> gaussian_fisher_divergence(Gaussian(zero, var=1.0), Gaussian(zero, var=2.0))
        tensor(0.1250)
    """
    check_pair(p, q)
    root, other = torch.linalg.cholesky(p.covariance), torch.linalg.cholesky(q.covariance)
    # tr(A C A) is the squared norm of A L for any root C = L L^T, and C^{-1} L is the inverse transpose of L.
    eye = torch.eye(root.shape[-1], dtype=root.dtype, device=root.device)
    own = torch.linalg.solve_triangular(root.mT, eye, upper=True)
    spread = torch.cholesky_solve(root, other) - own
    shift = torch.cholesky_solve((q.mean - p.mean).unsqueeze(-1), other)
    return 0.5 * (spread.square().sum((-2, -1)) + shift.square().sum((-2, -1)))


def _difference(score_p: Score, score_q: Score, x: Tensor) -> Tensor:
    check_callable("score_p", score_p)
    check_callable("score_q", score_q)
    check_points("x", x)
    return evaluate(score_p, x, "score_p") - evaluate(score_q, x, "score_q")
