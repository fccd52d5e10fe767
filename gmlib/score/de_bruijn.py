r"""KL along the heat flow: noise makes two laws alike, at the rate of their Fisher divergence.

De Bruijn's identity for two laws is what ties score matching to maximum likelihood: the KL is the Fisher divergence
summed over all noise levels, and score matching at one level is one slice of that sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number, check_tensor
from gmlib.distributions import Law
from gmlib.score._arguments import check_law

REACH = 12.0
"""Standard deviations of the noised law that the quadrature covers on each side of its mean."""


@dataclass(frozen=True)
class HeatFlow:
    r"""How far p is from q once both are noised, at each added variance.

    Attributes:
        times: the added variance t, (n,).
        kl: :math:`\mathrm{KL}(p_t \,\|\, q_t)`, nats, (n,).
        fisher: :math:`D_F(p_t \,\|\, q_t)`, with the ½, (n,): minus the slope of ``kl``.

    Example:
        >>> import torch
        >>> from gmlib.score import HeatFlow
        >>> HeatFlow(torch.zeros(1), torch.tensor([0.2]), torch.tensor([0.3])).kl.tolist()
        [0.20000000298023224]
    """

    times: Tensor
    kl: Tensor
    fisher: Tensor


def heat_flow(p: Law, q: Law, times: Float[Tensor, " n"], *, points: int = 4001) -> HeatFlow:
    r"""KL and Fisher divergence of two laws on the line as both are noised, by quadrature.

    .. math:: \frac{d}{dt}\,\mathrm{KL}(p_t \,\|\, q_t) = -D_F(p_t \,\|\, q_t)
              = -\tfrac12\,\mathbb E_{p_t} \big\lVert \nabla\log p_t - \nabla\log q_t \big\rVert^2,
              \qquad p_t = p * \mathcal N(0, t), \quad q_t = q * \mathcal N(0, t)

    (:eq:`eq-08b-debruijn` in the book; Lyu 2009, theorem 1, with the ½ inside :math:`D_F` here.) The trapezoid rule
    runs over 12 standard deviations of :math:`p_t` on each side and is as good as the arithmetic while its spacing
    is finer than the narrowest feature of the two laws. That p integrates to 1 is checked; of q nothing is.

    Args:
        p: the law under the expectation, over one coordinate.
        q: the other.
        times: added variances, in the unit of x squared, (n,), not negative.
        points: nodes of the rule.

    Returns:
        Both divergences at each time.

    Raises:
        TypeError: ``p`` or ``q`` is not a `gmlib.distributions.Law`.
        ValueError: a law is not over one coordinate or has a batch, ``times`` is empty, negative or not (n,), or
            ``points`` are too few for p: by the rule it does not integrate to 1.

    Cost: log-density and score of both laws at ``n * points`` points, no derivative.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.score import heat_flow
        >>> zero = torch.zeros(1, dtype=torch.float64)
        >>> flow = heat_flow(Gaussian(zero, var=1.0), Gaussian(zero, var=3.0), torch.tensor([0.5], dtype=zero.dtype))
        >>> print(f"{flow.kl.item():.5f} {flow.fisher.item():.5f}")
        0.13793 0.10884
    """
    _check_line("p", p)
    _check_line("q", q)
    check_count("points", points, low=3)
    check_tensor("times", times)
    if times.dim() != 1 or times.numel() == 0 or not bool(((times >= 0) & times.isfinite()).all()):
        raise ValueError(f"times must be (n,), n >= 1, finite and not negative, got {times}")
    sigma = times.sqrt()
    noised_p, noised_q = p.noised(1.0, sigma), q.noised(1.0, sigma)
    reach = REACH * noised_p.variance.sqrt()  # (n, 1)
    unit = torch.linspace(-1, 1, points, dtype=times.dtype, device=times.device)
    x = noised_p.mean + reach * unit[:, None, None]  # (points, n, 1)
    log_p, log_q = noised_p.log_prob(x), noised_q.log_prob(x)
    density = log_p.exp()
    square = (noised_p.score(x) - noised_q.score(x)).square().sum(-1)
    width = reach.squeeze(-1) * (2 / (points - 1))

    def expectation(values: Tensor) -> Tensor:
        return width * torch.trapezoid(density * values, dim=0)

    mass = expectation(torch.ones_like(density))
    allowed = max(1e-6, 1e3 * torch.finfo(mass.dtype).eps)
    if not bool(((mass - 1).abs() < allowed).all()):
        worst = int((mass - 1).abs().argmax())
        raise ValueError(
            f"points must be enough to see p, got {points}, with which p integrates to {float(mass[worst]):.6g} at "
            f"t = {float(times[worst]):g}: the grid over {REACH:g} standard deviations is too coarse or too short"
        )
    return HeatFlow(times, expectation(log_p - log_q), 0.5 * expectation(square))


def kl_from_fisher(
    p: Law, q: Law, *, nodes: int = 64, scale: float = 1.0, points: int = 4001
) -> Float[Tensor, ""]:
    r"""The KL of two laws on the line as the Fisher divergence summed over all noise levels, in nats.

    .. math:: \mathrm{KL}(p \,\|\, q) = \int_0^\infty D_F(p_t \,\|\, q_t)\,dt

    (:eq:`eq-08b-debruijn` in the book, integrated: with infinite noise nothing is left to tell the laws apart.)
    Gauss-Legendre in u with :math:`t = \ell\,(u/(1-u))^2`.

    Args:
        p: the law under the expectation, over one coordinate.
        q: the other.
        nodes: nodes of the rule over t; narrow or far apart components need more.
        scale: :math:`\ell`, the added variance at half the nodes, in the unit of x squared.
        points: nodes of the rule over x, as in `heat_flow`.

    Returns:
        The integral, a scalar.

    Raises:
        TypeError, ValueError: as `heat_flow`, or ``scale`` is not positive.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.score import kl_from_fisher
        >>> zero = torch.zeros(1, dtype=torch.float64)
        >>> print(f"{kl_from_fisher(Gaussian(zero, var=1.0), Gaussian(zero, var=3.0)).item():.5f}")
        0.21597
    """
    check_count("nodes", nodes, low=2)
    check_number("scale", scale, low=0.0, low_open=True)
    _check_line("p", p)
    u, weight = _gauss_legendre(nodes)
    u, weight = u.to(p.mean), weight.to(p.mean)
    times = scale * (u / (1 - u)).square()
    return (weight * 2 * scale * u / (1 - u) ** 3 * heat_flow(p, q, times, points=points).fisher).sum()


def _gauss_legendre(n: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights on (0, 1), from the eigenvectors of the Jacobi matrix (Golub and Welsch)."""
    k = torch.arange(1, n, dtype=torch.float64)
    off = k / (4 * k * k - 1).sqrt()
    values, vectors = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))
    return (values + 1) / 2, vectors[0].square()


def _check_line(name: str, law: Law) -> None:
    check_law(name, law)
    if tuple(law.event_shape) != (1,) or law.batch_shape:
        raise ValueError(
            f"{name} must be one law over one coordinate, got batch shape {tuple(law.batch_shape)} and event shape "
            f"{tuple(law.event_shape)}"
        )
