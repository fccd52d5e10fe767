r"""Which modes a sampler reaches, when it is known where they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number, check_table
from gmlib.gan._points import check_matrix


@dataclass(frozen=True)
class Coverage:
    r"""Modes reached by a sample, and how well.

    Attributes:
        modes: modes with at least one sample within the radius.
        share: share of the samples within the radius of a mode, the "high-quality" ones, from 0 to 1.
        reverse_kl: KL divergence, in nats, of the histogram of *those* samples over the modes from the modes' true weights;
            between 0 and the log of the number of modes, if these are equal; infinite where no sample is inside.
        nearest_modes: modes that are the nearest one of some sample. It counts a cloud anywhere between them as well:
            beside ``modes`` to show what it hides, not to be reported alone.
        histogram: (k,), on the CPU: the samples inside each mode, as shares of those inside any; zeros if there are none.
        n: samples.

    Example:
        >>> import torch
        >>> from gmlib.gan import Coverage
        >>> seen = Coverage(1, 0.5, math.log(2), 2, torch.tensor([1.0, 0.0]), 4)  # half in one mode of two, half outside
        >>> seen.kl_bound(0.5) == 0.5 * math.log(2)
        True
    """

    modes: int
    share: float
    reverse_kl: float
    nearest_modes: int
    histogram: Tensor
    n: int

    def kl_bound(self, real_share: float) -> float:
        r"""What the counts say of the whole law: a lower bound on its KL divergence from the data's.

        .. math:: \mathrm{KL} \ge s\, \mathrm{KL}(h \,\|\, w) + s \log\frac s{s_0} + (1 - s) \log\frac{1 - s}{1 - s_0}

        The divergence of the cells "inside mode 1, 2, ..., outside", which no finer look can lower: ``reverse_kl`` speaks
        of the samples inside only, and the share :math:`s` of these is a second price. For the shares of the law itself;
        those of a sample have its noise.

        Args:
            real_share: :math:`s_0`, the data's share inside, in every mode alike.

        Returns:
            The bound in nats; infinite when samples lie outside and no data do, or the other way round.

        Raises:
            ValueError: ``real_share`` is outside [0, 1].

        Example:
            >>> import torch
            >>> from gmlib.gan import grid_coverage
            >>> centres = torch.tensor([[0.0], [1.0]])
            >>> one_mode = grid_coverage(torch.tensor([[0.0], [0.05]]), centres)
            >>> round(one_mode.kl_bound(1.0), 4)  # log 2
            0.6931
        """
        check_number("real_share", real_share, low=0.0, high=1.0)
        inside = self.share * self.reverse_kl if self.share else 0.0
        return inside + _part(self.share, real_share) + _part(1 - self.share, 1 - real_share)


def grid_coverage(
    samples: Float[Tensor, "n d"],
    centres: Float[Tensor, "k d"],
    radius: float = 0.1,
    *,
    weights: Float[Tensor, " k"] | None = None,
) -> Coverage:
    r"""Count the modes that have samples within a radius, and the samples that have a mode.

    .. math:: \mathrm{modes} = \sum_k 1\big[\exists i : \lVert x_i - c_k \rVert \le \rho\big], \qquad
              s = \frac1n \sum_i 1\big[\min_k \lVert x_i - c_k \rVert \le \rho\big], \qquad
              \mathrm{KL}(h \,\|\, w) = \sum_k h_k \log\frac{h_k}{w_k}

    (:eq:`eq-14-coverage` in the book; the three counts of Srivastava et al. 2017, "VEEGAN", and Lin et al. 2018, "PacGAN",
    with a fixed radius.) A sample inside several balls counts for the nearest centre. Of n exact samples from k equal
    modes about :math:`k(1 - 1/k)^n` are missed, and ``reverse_kl`` is about :math:`(k - 1)/(2n)`, not 0.

    Args:
        samples: points, (n, d).
        centres: the modes' centres, (k, d).
        radius: :math:`\rho`, in the units of the points, positive.
        weights: w, the modes' true weights, (k,), positive, summing to one; None is equal ones.

    Returns:
        The counts. Waits for the device.

    Raises:
        TypeError: not floating tensors, or ``radius`` is no number.
        ValueError: not finite matrices with as many columns, ``radius`` is not positive, or ``weights`` do not fit.

    Example:
        >>> import torch
        >>> from gmlib.gan import grid_coverage
        >>> centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> seen = grid_coverage(torch.tensor([[0.02, 0.0], [0.0, 0.05], [0.6, 0.0]]), centres)
        >>> seen.modes, seen.nearest_modes, round(seen.share, 3)
        (1, 2, 0.667)
    """
    for name, points in (("samples", samples), ("centres", centres)):
        check_matrix(name, points, finite=True)
    if samples.shape[1] != centres.shape[1]:
        raise ValueError(
            f"samples and centres must have shapes (n, d) and (k, d), got {tuple(samples.shape)} "
            f"and {tuple(centres.shape)}"
        )
    check_number("radius", radius, low=0.0, low_open=True)
    k = len(centres)
    if weights is None:
        weights = torch.full((k,), 1 / k, dtype=torch.float64)
    check_table("weights", weights)
    if weights.shape != (k,) or not bool((weights > 0).all()):
        raise ValueError(f"weights must be {k} positive numbers, got {weights.tolist()}")

    centres = centres.to(samples)
    # Squared differences, not cdist: its expansion would lose a radius of 0.1 far from the origin.
    squared = torch.stack([(samples - centre).square().sum(1) for centre in centres])
    least, nearest = squared.min(0)
    inside = least <= radius**2
    counts = torch.bincount(nearest[inside], minlength=k).cpu()
    total = int(counts.sum())
    histogram = counts.double() / max(total, 1)
    divergence = float(torch.special.xlogy(histogram, histogram / weights.double().cpu()).sum())
    return Coverage(
        modes=int((counts > 0).sum()),
        share=total / len(samples),
        reverse_kl=max(divergence, 0.0) if total else math.inf,
        nearest_modes=len(nearest.unique()),
        histogram=histogram,
        n=len(samples),
    )


def _part(p: float, q: float) -> float:
    if p == 0:
        return 0.0
    return math.inf if q == 0 else p * math.log(p / q)
