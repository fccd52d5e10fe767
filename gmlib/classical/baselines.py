"""The baseline rows of every table of likelihoods: what a model of images must beat."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from gmlib._checks import check_count, check_tensor
from gmlib.classical.histogram import PixelHistograms
from gmlib.classical.histogram_mixture import HistogramMixture
from gmlib.classical.mixture_fit import fit_mixture, log_joint
from gmlib.data import dequantise, log_mass
from gmlib.distributions import GaussianMixture
from gmlib.distributions.base import LOG_2PI

RIDGES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


@dataclass(frozen=True)
class FloorRow:
    r"""One baseline.

    Attributes:
        name: the model.
        nats: average of :math:`-\log P(x)` over the test images, or an upper bound on it.
        standard_error: of ``nats``, from the spread over the test images.
        bits_per_dim: ``nats`` in bits per pixel.
        kind: ``"exact"`` or ``"bound"``.
        setting: what was set or chosen.
    """

    name: str
    nats: float
    standard_error: float
    bits_per_dim: float
    kind: Literal["exact", "bound"]
    setting: str


def floor_rows(
    train: Integer[Tensor, "n d"],
    test: Integer[Tensor, "m d"],
    levels: int,
    *,
    smoothing: float = 0.01,
    components: int = 10,
    coordinates: int = 20,
    generator: torch.Generator | None = None,
) -> list[FloorRow]:
    r"""The classical models' cost of test images, in nats an image and bits per pixel: one set of rows for every table.

    Laws of whole levels (uniform, pixel histograms, a mixture of them) are exact. The Gaussian laws are densities p of
    dequantised images :math:`y = (x + u)/L`; their rows bound the cost from above,

    .. math:: -\log P(x) \le -\mathbb E_u\log p\Big(\frac{x+u}{L}\Big) + d\log L, \qquad
              \mathbb E_u\log\mathcal N\Big(\frac{x+u}{L}; m, C\Big) = \log\mathcal N\Big(\frac{x+\frac12}{L}; m, C\Big)
              - \frac{\operatorname{tr}C^{-1}}{24L^2},

    without a draw of u; for the mixture, Jensen's inequality is used inside each component. One Gaussian has the
    covariance of the training images plus :math:`1/(12L^2)` (dequantisation) plus a ridge; probabilistic PCA keeps k
    eigenvalues and averages the others; the mixture of Gaussians lives in the first principal coordinates, next to one
    Gaussian for the others, with the same ridge. Whatever is chosen (ridge, k, the mixture of histograms' pseudo-count) is
    chosen on the last fifth of the training images, and the model then fitted again to all of them: shuffle them first
    if their order means something.

    Args:
        train: training images as whole levels, (n, d), n >= 10.
        test: test images, (m, d), m >= 2.
        levels: number of levels L.
        smoothing: pseudo-count of the pixel histograms; the book's tables state theirs, 0.01.
        components: number K of components of the two mixtures, at most the four fifths of the training images that are
            not held out.
        coordinates: principal coordinates in which the mixture of Gaussians lives, at most d.
        generator: source of randomness of the mixtures' starts, on the images' device.

    Returns:
        Rows in rising order of what the model can express, the exact ones first.

    Raises:
        TypeError: the images do not hold whole numbers.
        ValueError: shapes do not match, too few images, or a level outside 0 .. L - 1.

    References:
        L. Theis, A. van den Oord and M. Bethge, *A note on the evaluation of generative models* (2016), section 3.1.

    Example:
        >>> import torch
        >>> from gmlib.classical import floor_rows
        >>> x = torch.randint(0, 4, (300, 3), generator=torch.Generator().manual_seed(0))
        >>> rows = floor_rows(x[:200], x[200:], 4, components=2, coordinates=2)
        >>> rows[0].name, round(rows[0].nats, 4), rows[0].bits_per_dim, rows[0].kind
        ('uniform', 4.1589, 2.0, 'exact')
    """
    check_tensor("test", test, floating=False)
    histograms = PixelHistograms(train, levels, smoothing=smoothing)
    for name, images, least in (("train", train, 10), ("test", test, 2)):
        if len(images) < least:
            raise ValueError(f"{name} must hold at least {least} images, got {len(images)}")
    cost = -histograms.log_prob(test)
    check_count("components", components)
    check_count("coordinates", coordinates)
    (n, d), held = train.shape, len(train) // 5
    if coordinates > d:
        raise ValueError(f"coordinates must be at most d = {d}, got {coordinates}")
    if components > n - held:
        raise ValueError(
            f"components must be at most {n - held}, the images left when a fifth is held out, got {components}"
        )
    inner, validation = train[:-held], train[-held:]

    rows = [
        _row("uniform", torch.full_like(cost, d * math.log(levels)), d, "exact", f"{levels} levels"),
        _row("pixel histograms", cost, d, "exact", f"pseudo-count {smoothing:g}"),
    ]

    def histogram_mixture(images: Tensor, strength: float) -> HistogramMixture:
        return HistogramMixture(
            images, levels, components, strength=strength, smoothing=smoothing, steps=30, tolerance=3e-4 * d,
            generator=generator,
        )  # fmt: skip

    # One fit finds the groups; the pseudo-count that smooths them is then chosen by its cost on held-out images.
    start = histogram_mixture(inner, STRENGTHS[3])
    costs = [start.smoothed(a).log_prob(validation).mean().item() for a in STRENGTHS]
    strength = STRENGTHS[max(range(len(costs)), key=costs.__getitem__)]
    cost = -histogram_mixture(train, strength).log_prob(test)
    setting = f"K = {components}, pseudo-count {strength:g} images towards the histograms"
    rows.append(_row("mixture of pixel histograms", cost, d, "exact", setting))

    trial, final = _Principal(inner, levels), _Principal(train, levels)
    ks = sorted({k for k in (1, 2, 5, *range(10, 100, 10), *range(100, d, 50)) if k < d} or {1})
    held_squares, squares = trial.squares(validation), final.squares(test)
    costs = [trial.cost(held_squares, trial.averaged(k)).mean().item() for k in ks]
    k = ks[min(range(len(ks)), key=costs.__getitem__)]
    costs = [trial.cost(held_squares, trial.values + r / levels**2).mean().item() for r in RIDGES]
    ridge = RIDGES[min(range(len(RIDGES)), key=costs.__getitem__)]
    isotropic = final.cost(squares, final.averaged(0))
    rows.append(_row("isotropic Gaussian", isotropic, d, "bound", "one variance"))
    rows.append(_row("probabilistic PCA", final.cost(squares, final.averaged(k)), d, "bound", f"k = {k}"))
    full = final.cost(squares, final.values + ridge / levels**2)
    rows.append(_row("one Gaussian", full, d, "bound", f"ridge {ridge:g} squared levels"))
    mixed = final.mixture_cost(train, test, components, coordinates, ridge / levels**2, generator)
    setting = f"K = {components} in {coordinates} principal coordinates, ridge {ridge:g} squared levels"
    rows.append(_row("mixture of Gaussians", mixed, d, "bound", setting))
    return rows


def _row(
    name: str, cost: Float[Tensor, " m"], d: int, kind: Literal["exact", "bound"], setting: str
) -> FloorRow:
    nats = cost.mean().item()
    error = (cost.std() / math.sqrt(len(cost))).item()
    return FloorRow(name, nats, error, nats / (d * math.log(2)), kind, setting)


class _Principal:
    """Eigenvalues and eigenvectors of the covariance of dequantised images, and what Gaussian laws in them cost."""

    def __init__(self, x: Tensor, levels: int) -> None:
        self.levels = levels
        self.noise = 1 / (12 * levels**2)
        points = self._middle(x)
        self.mean = points.mean(0)
        centred = points - self.mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
        self.values, self.vectors = values.flip(0).clamp_min(0) + self.noise, vectors.flip(1)

    def _middle(self, x: Tensor) -> Tensor:
        return (x.double() + 0.5) / self.levels

    def averaged(self, k: int) -> Tensor:
        """The eigenvalues with all but the first k replaced by their mean: those of probabilistic PCA."""
        return torch.cat([self.values[:k], self.values[k:].mean().expand(len(self.values) - k)])

    def squares(self, x: Tensor) -> Tensor:
        """Squared principal coordinates, averaged over the dequantisation."""
        return ((self._middle(x) - self.mean) @ self.vectors).square() + self.noise

    def cost(self, squares: Tensor, values: Tensor) -> Tensor:
        """Bound on the nats of each image under independent normal coordinates with these variances."""
        density = -0.5 * (squares / values + values.log() + LOG_2PI).sum(-1)
        return -log_mass(density, self.levels, len(values))

    def mixture_cost(
        self, train: Tensor, test: Tensor, K: int, k: int, ridge: float, generator: torch.Generator | None
    ) -> Tensor:
        """As ``cost``, with a mixture fitted by EM in the first k coordinates."""
        y = dequantise(train, self.levels, generator=generator, dtype=torch.float64)
        frame = self.vectors[:, :k]
        fit = fit_mixture(
            (y - self.mean) @ frame,
            K,
            floor=self.noise + ridge,
            steps=50,
            tolerance=1e-3 * k,
            generator=generator,
        )
        covariances = fit.mixture.covariances + ridge * torch.eye(k, dtype=y.dtype, device=y.device)
        mixture = GaussianMixture(fit.mixture.means, weights=fit.mixture.weights, cov=covariances)
        traces = torch.linalg.inv(covariances).diagonal(dim1=-2, dim2=-1).sum(-1)
        z = (self._middle(test) - self.mean) @ frame
        density = (log_joint(mixture, z) - 0.5 * self.noise * traces).logsumexp(-1)
        cost = -log_mass(density, self.levels, k)
        if k == len(self.values):
            return cost
        return cost + self.cost(self.squares(test)[:, k:], (self.values + ridge)[k:])
