"""A mixture of pixel histograms: a few templates, each with independent pixels."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float, Integer
from torch import Tensor
from torch.nn.functional import embedding_bag, one_hot

from gmlib._checks import check_count, check_number
from gmlib.classical.histogram import PixelHistograms


class HistogramMixture:
    r"""K tables of pixel histograms, fitted by expectation-maximisation: the exact law of whole levels.

    .. math:: P(x) = \sum_{k=1}^K \pi_k\prod_i\theta_{ki}(x_i), \qquad
              \theta_{ki}(l) = \frac{\sum_n r_{nk}[x_{ni} = l] + a\,\bar\theta_i(l)}{\sum_n r_{nk} + a}

    with responsibilities :math:`r_{nk}` and :math:`\bar\theta_i` the smoothed histogram of pixel i over all images
    (:class:`~gmlib.classical.histogram.PixelHistograms`), towards which a pseudo-count of a images pulls every
    component; the weights are :math:`\pi_k\propto\sum_n r_{nk} + 1`. The step maximises the log-likelihood plus
    :math:`a\sum_{ki}\sum_l\bar\theta_i(l)\log\theta_{ki}(l) + \sum_k\log\pi_k`, which therefore never falls. With K = 1
    it is the histograms, smoothed a second time: :math:`\theta_{1i}(l) = (n_i(l) + a\,\bar\theta_i(l))/(N + a)`.

    Args:
        x: training images as whole levels, (n, d).
        levels: the number of levels L.
        K: number of components, at most n.
        strength: the pseudo-count a, positive, in images.
        smoothing: pseudo-count of the common histograms.
        steps: most steps of EM, which start from nearest centres chosen as in k-means++.
        tolerance: stop when a step gains less than this many nats an image.
        generator: source of randomness of the start.

    Attributes:
        objective: log-likelihood plus log-prior (both sums) before each step, nats.

    Raises:
        TypeError: ``x`` does not hold whole numbers.
        ValueError: a level lies outside 0 .. L - 1, ``K`` exceeds the number of images, or a number is not positive.

    Example:
        >>> import torch
        >>> from gmlib.classical import HistogramMixture
        >>> x = torch.tensor([[0, 0], [0, 0], [1, 1], [1, 1]])  # two pixels that always agree
        >>> law = HistogramMixture(x, levels=2, K=2, strength=0.01, generator=torch.Generator().manual_seed(0))
        >>> [round(p, 2) for p in law.log_prob(torch.tensor([[0, 0], [0, 1]])).exp().tolist()]
        [0.5, 0.0]
    """

    def __init__(
        self,
        x: Integer[Tensor, "n d"],
        levels: int,
        K: int,
        *,
        strength: float = 1.0,
        smoothing: float = 1.0,
        steps: int = 50,
        tolerance: float = 0.01,
        generator: torch.Generator | None = None,
    ) -> None:
        self.common = PixelHistograms(x, levels, smoothing=smoothing)
        check_count("K", K)
        check_number("strength", strength, low=0.0, low_open=True)
        check_count("steps", steps)
        check_number("tolerance", tolerance, low=0.0)
        n = x.shape[0]
        if n < K:
            raise ValueError(f"K must be at most the number of images {n}, got {K}")
        ink = self._ink(x)
        r = _nearest_centres(x, K, generator)
        history: list[Tensor] = []
        for _ in range(steps + 1):
            self._count(ink[0], ink[1], r)
            prior = self._smooth(strength)
            joint = self._log_joint(*ink)
            history.append(joint.logsumexp(-1).sum() + prior)
            if len(history) > 1 and bool(history[-1] - history[-2] < tolerance * n):
                break
            r = joint.softmax(-1)
        self.objective = torch.stack(history)

    def smoothed(self, strength: float) -> HistogramMixture:
        """The law with another pseudo-count at the last responsibilities, without another step.

        It has no ``objective``: that of this strength would need the images.
        """
        check_number("strength", strength, low=0.0, low_open=True)
        other = copy.copy(self)
        other.__dict__.pop("objective", None)
        other._smooth(strength)
        return other

    def _count(self, column: Tensor, row: Tensor, r: Float[Tensor, "n K"]) -> None:
        """How often each level was seen in each pixel by each component."""
        size = self.common.pixels * self.common.levels
        seen = [torch.bincount(column, weights=share[row], minlength=size) for share in r.T]
        self._counts = torch.stack(seen, -1).reshape(self.common.pixels, self.common.levels, -1)
        self._mass = r.sum(0)
        # Level 0, the paper, is most of an image: it is not looked at, but follows from the others.
        self._counts[:, 0] = (self._mass - self._counts.sum(1)).clamp_min(0)

    def _smooth(self, strength: float) -> Tensor:
        """Set the tables and weights; returns the log-prior up to a constant."""
        common = self.common.log_table.exp()[:, :, None]
        self.log_table = ((self._counts + strength * common) / (self._mass + strength)).log()
        # A pseudo-count of one image keeps the weight of a component without images above 0.
        self.log_weights = ((self._mass + 1) / (self._mass + 1).sum()).log()
        return strength * (common * self.log_table).sum() + self.log_weights.sum()

    def log_prob(self, x: Integer[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Return the log-probability of each image in nats, in float64, (n,).

        Raises:
            ValueError: a level lies outside 0 .. L - 1, or the number of pixels differs.
        """
        self.common._check(x)
        return self._log_joint(*self._ink(x)).logsumexp(-1)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Integer[Tensor, "n d"]:
        """Draw a component for each image, then every pixel from its histogram there.

        Args:
            n: number of images.
            generator: source of randomness; None is torch's default.

        Returns:
            Whole levels, (n, d).
        """
        check_count("n", n)
        component = self.log_weights.exp().multinomial(n, replacement=True, generator=generator)
        images = torch.empty(n, self.common.pixels, dtype=torch.long, device=component.device)
        for k in component.unique():
            chosen = component == k
            table = self.log_table[:, :, k].exp()
            images[chosen] = table.multinomial(int(chosen.sum()), replacement=True, generator=generator).T
        return images

    def _ink(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The pixels that are not 0: place in a flat table of (pixel, level), image, and where each image starts."""
        row, pixel = x.nonzero(as_tuple=True)
        starts = torch.searchsorted(row, torch.arange(len(x), device=x.device))
        return pixel * self.common.levels + x[row, pixel].long(), row, starts

    def _log_joint(self, column: Tensor, row: Tensor, starts: Tensor) -> Float[Tensor, "n K"]:
        paper = self.log_table[:, :1]
        above = (self.log_table - paper).flatten(0, 1)
        return embedding_bag(column, above, starts, mode="sum") + paper.sum((0, 1)) + self.log_weights


def _nearest_centres(x: Tensor, K: int, generator: torch.Generator | None) -> Float[Tensor, "n K"]:
    """Each image to the nearest of K images, of which each is drawn by its squared distance from those before."""
    flat = x.double()
    distances: list[Tensor] = []
    draw = torch.ones_like(flat[:, 0])
    for _ in range(K):
        centre = torch.multinomial(draw, 1, generator=generator)
        distances.append((flat - flat[centre]).square().sum(-1))
        draw = torch.stack(distances).amin(0)
        draw = draw if bool(draw.sum() > 0) else torch.ones_like(draw)
    return one_hot(torch.stack(distances).argmin(0), K).double()
