"""Chapter 05: flows on the planar toy laws, by maximum likelihood on fresh points, held to the law's exact entropy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count
from gmlib.distributions import TOYS, GaussianMixture
from gmlib.flows import Affine, Elementwise, Flow, maf, nice, real_nvp, spline_coupling
from gmlib.training import Task

KINDS: dict[str, Callable[..., Flow]] = {
    "nice": nice,
    "real_nvp": real_nvp,
    "maf": maf,
    "spline_coupling": spline_coupling,
}
"""The flows of the table, by the names of their functions in `gmlib.flows`."""

ROWS = 2**14
"""Largest batch. The data of the task are that many rows without numbers: every step draws its points anew."""


def plane_flow(
    *, law: str = "two_moons", kind: str = "spline_coupling", options: Mapping[str, Any] | None = None
) -> Task:
    """A flow on a toy law of the plane, trained on points that are drawn anew in every step.

    Its last layer starts at the mean and the standard deviations of the law, so that the others see about the same
    scale everywhere.

    Args:
        law: a name in ``gmlib.distributions.TOYS``, with its own noise.
        kind: a name in ``KINDS``.
        options: keywords of that function: layers, widths, bins.

    Returns:
        The task; its evaluation is that of :func:`plane_evaluator`.

    Raises:
        ValueError: there is no such law or kind.

    Example:
        >>> from gmlib.recipes.flow import plane_flow
        >>> task = plane_flow(law="cross", kind="nice", options={"layers": 2})
        >>> points = task.noise(5, torch.Generator().manual_seed(0), torch.device("cpu"))
        >>> points.shape, sorted(task.loss(task.model, None, points))
        (torch.Size([5, 2]), ['loss'])
    """
    check_choice("law", law, tuple(TOYS))
    check_choice("kind", kind, tuple(KINDS))
    exact = planar_law(law)
    # As the law is float32 on the CPU, its draws are the same on every device that has the CPU's generator.
    single = exact.to(dtype=torch.float32)

    def noise(n: int, generator: torch.Generator, device: torch.device) -> Tensor:
        return single.to(device=device).sample((n,), generator=generator)

    model = standardised(KINDS[kind](2, **(options or {})), exact)
    return Task(model, likelihood_loss, torch.empty(ROWS, 0), noise, plane_evaluator(exact))


def likelihood_loss(model: nn.Module, batch: object, x: Tensor) -> dict[str, Tensor]:
    """The negative log-likelihood of the points, in nats a point; the batch itself is not looked at.

    Example:
        >>> from gmlib.flows import nice
        >>> round(likelihood_loss(nice(2), None, torch.zeros(3, 2))["loss"].item(), 4)
        1.8379
    """
    return {"loss": -model(x).mean()}


def standardised(flow: Flow, law: GaussianMixture) -> Flow:
    """The flow followed by one more layer, x = u e^a + mu, that starts at the law's deviations and means.

    Args:
        flow: a flow of vectors.
        law: the law of the data.

    Example:
        >>> from gmlib.distributions import two_moons
        >>> from gmlib.flows import nice
        >>> flow = standardised(nice(2), two_moons())
        >>> flow.bijection(torch.zeros(2))[0].detach()
        tensor([0.5000, 0.2500])
    """
    last = Elementwise(Affine(), flow.event_shape)
    with torch.no_grad():
        last.params.copy_(torch.stack([law.variance.log() / 2, law.mean], -1))
    return Flow(flow.base, [flow.bijection, last])


@lru_cache(maxsize=len(TOYS))
def planar_law(name: str) -> GaussianMixture:
    """A toy law of the plane in float64, one object for each name.

    Example:
        >>> planar_law("ring").means.dtype
        torch.float64
    """
    return TOYS[name](dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class PlaneGrid:
    """A law of the plane on the cells of a grid, those left out where there is nothing of it.

    Attributes:
        points: centres of the cells, (n, 2), float64.
        log_p: log-density there, (n,).
        area: of a cell.
    """

    points: Float[Tensor, "n 2"]
    log_p: Float[Tensor, " n"]
    area: float

    @property
    def mass(self) -> float:
        """The integral of the density: 1 if the grid is fine and wide enough."""
        return float(self.log_p.exp().sum()) * self.area

    @property
    def entropy(self) -> float:
        """In nats."""
        return -float((self.log_p.exp() * self.log_p).sum()) * self.area

    @torch.no_grad()
    def kl(self, log_q: Callable[[Tensor], Tensor]) -> float:
        r"""Kullback-Leibler divergence from the law to a model, by the midpoint rule.

        .. math:: \mathrm{KL}(p\,\|\,q) = \int p\,(\log p - \log q)

        It is what held-out negative log-likelihood exceeds the entropy by, without the noise of a sample.

        Args:
            log_q: the model's log-density, from points (n, 2) to (n,).

        Returns:
            Nats.

        Example:
            >>> from gmlib.distributions import eight_gaussians
            >>> law = eight_gaussians(dtype=torch.float64)
            >>> plane_grid(law).kl(law.log_prob)
            0.0
        """
        total = 0.0
        for points, log_p in zip(self.points.split(20_000), self.log_p.split(20_000), strict=True):
            total += float((log_p.exp() * (log_p - log_q(points).double())).sum())
        return total * self.area


@lru_cache(maxsize=len(TOYS))
def plane_grid(law: GaussianMixture, *, per_deviation: int = 6) -> PlaneGrid:
    """A grid over a planar mixture.

    For a normal law with k cells a standard deviation the midpoint rule is off by about :math:`e^{-2(\\pi k)^2}`, so that
    two cells would do for an entropy. A learnt density has creases finer than the law: divergences of spline flows of two
    moons came out 5e-4 wrong with two cells, and 2e-5 with six.

    Args:
        law: the mixture.
        per_deviation: cells a standard deviation of the narrowest component.

    Raises:
        ValueError: ``per_deviation`` is below 1.

    Example:
        >>> from gmlib.distributions import two_moons
        >>> grid = plane_grid(two_moons(dtype=torch.float64))
        >>> round(grid.mass, 6), round(grid.entropy, 4)
        (1.0, 1.0076)
    """
    check_count("per_deviation", per_deviation)
    variances = torch.linalg.eigvalsh(law.covariances.double())
    side = math.sqrt(float(variances.min()))
    spread = 7 * variances.amax(-1, keepdim=True).sqrt()
    low, high = (law.means - spread).amin(0).tolist(), (law.means + spread).amax(0).tolist()
    # Coarse cells first; those in which there is nothing of the law, or next to nothing, are not divided.
    axes = [torch.arange(a, b, side, dtype=torch.float64) for a, b in zip(low, high, strict=True)]
    coarse = torch.cartesian_prod(*axes)
    log_p = law.log_prob(coarse)
    coarse = coarse[log_p > log_p.max() - 45]
    offsets = side * ((torch.arange(per_deviation, dtype=torch.float64) + 0.5) / per_deviation - 0.5)
    points = (coarse[:, None] + torch.cartesian_prod(offsets, offsets)).flatten(0, 1)
    return PlaneGrid(points, law.log_prob(points), (side / per_deviation) ** 2)


def gaussian_kl(law: GaussianMixture) -> float:
    r"""What the best normal law misses: its divergence from the law, in closed form but for the entropy.

    .. math:: \min_{m, V}\mathrm{KL}(p\,\|\,\mathcal N(m, V)) = \tfrac12\log\det(2\pi e\,\operatorname{Cov}[x]) - H(p)

    No stack of affine layers goes below it.

    Example:
        >>> from gmlib.distributions import two_moons
        >>> round(gaussian_kl(two_moons(dtype=torch.float64)), 4)
        0.9008
    """
    d = law.event_shape[0]
    best = (d * math.log(2 * math.pi * math.e) + float(torch.logdet(law.covariance))) / 2
    return best - plane_grid(law).entropy


def plane_evaluator(
    law: GaussianMixture, *, samples: int = 20_000
) -> Callable[[nn.Module], dict[str, float]]:
    """A function that measures a flow against its law.

    Args:
        law: the law of the data, in float64.
        samples: points of the held-out sample, drawn with a fixed seed.

    Returns:
        A function of the model that returns, in nats, ``kl`` (by quadrature), ``test_nll`` (of the sample), ``test_gap``
        (that minus the law's own on the same points, an estimate of ``kl``) and its standard error ``test_gap_error``.

    Example:
        >>> from gmlib.distributions import two_moons
        >>> from gmlib.flows import nice
        >>> law = two_moons(dtype=torch.float64)
        >>> measures = plane_evaluator(law, samples=1000)(standardised(nice(2), law))
        >>> round(measures["kl"], 2), abs(measures["test_gap"] - measures["kl"]) < 5 * measures["test_gap_error"]
        (1.01, True)
    """

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        place = next(model.parameters())

        def log_q(x: Tensor) -> Tensor:
            return model(x.to(place)).cpu()

        x = law.sample((samples,), generator=torch.Generator().manual_seed(0))
        own, found = law.log_prob(x), log_q(x).double()
        return {
            "kl": plane_grid(law).kl(log_q),
            "test_nll": -found.mean().item(),
            "test_gap": (own - found).mean().item(),
            "test_gap_error": ((own - found).std() / samples**0.5).item(),
        }

    return evaluate
