r"""A dashboard of metrics on a model that the reader spoils: which of them notice noise, lost modes, a memoriser?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_event, check_number
from gmlib.distributions import GaussianMixture
from gmlib.metrics import (
    frechet_distance,
    gaussian_frechet_distance,
    inception_score,
    memorisation_ratio,
    precision_recall,
)
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.dashboard_draws import HALF, STD, N, drawn_from, truth
from gmlib.widgets.draws import check_seed

K = 3
"""Neighbours that make a ball of precision and recall."""
ORDER = (0, 4, 2, 6, 1, 5, 3, 7)
"""The order in which modes are dropped: after four the rest has the mean and covariance of all eight."""
NOISES = ("uniform", "gaussian")
HONEST: dict[str, Any] = {
    "share": 0.0,
    "dropped": 0,
    "memorise": False,
    "bandwidth": 0.01,
    "noise": "uniform",
}
PRESETS: dict[str, dict[str, Any]] = {
    "honest": HONEST,
    "99 % noise": {**HONEST, "share": 0.99},
    "99 % matched noise": {**HONEST, "share": 0.99, "noise": "gaussian"},
    "half the modes": {**HONEST, "dropped": 4},
    "memoriser": {**HONEST, "memorise": True},
}
"""Settings by name."""


@dataclass(frozen=True)
class DashboardSamples:
    """The points that the widget shows, (400, 2) each, float64.

    Attributes:
        train: real points, which the memoriser knows; every sample is compared with them.
        test: other real points.
        model: points of the spoiled model.
    """

    train: Tensor
    test: Tensor
    model: Tensor


@dataclass(frozen=True)
class DashboardNumbers:
    """What the dashboard says of a sample and its law.

    Attributes:
        inception: Inception score, with the exact posterior of the eight modes as classifier.
        frechet: squared Fréchet distance to the training points.
        precision: share of the sample in the training points' balls (k = 3).
        recall: share of the training points in the sample's balls.
        ratio: median distance to the nearest training point, over that of test points.
        test: negative log-likelihood of the test points, nats a point.
        train: that of the training points.
    """

    inception: float
    frechet: float
    precision: float
    recall: float
    ratio: float
    test: float
    train: float


@dataclass(frozen=True)
class DashboardExact:
    r"""What is known exactly of the spoiled model.

    Attributes:
        inception: number of modes left; a score of samples without noise, whose modes do not overlap.
        frechet: Fréchet distance of the model's law from the true one.
        precision: share of samples that are not noise.
        recall: share of modes left, (8 - dropped)/8.
        test: upper bound of the test loss: the loss without the noise, :math:`- \log(1 - s)`.
        train: the same of the training loss.
    """

    inception: float
    frechet: float
    precision: float
    recall: float
    test: float
    train: float


class HonestDashboard(Widget):
    r"""Spoil a model of eight Gaussians and watch which metrics notice.

    .. math:: q(x) = (1 - s)\,c(x) + s\,r(x), \qquad
        c(x) = \frac1{|M|}\sum_{m \in M} \mathcal N(x; m, \ell^2 I)

    with noise r and as M the modes that are left (:math:`\ell = 0.2`, the truth) or, for a memoriser, the training points
    of these modes (:math:`\ell` is their bandwidth). Beside each number stands the same number of real points and
    the spread of it over 16 honest models; what is known exactly is marked. The mixture cannot lose more than

    .. math:: -\log q(x) \le -\log c(x) - \log(1 - s),

    :math:`\log 100` nats at 99 % noise (:eq:`eq-01-contaminated` in the book; the memoriser is :eq:`eq-01-memoriser`). The
    first four modes to go are every other one: those left have the mean and covariance of all eight.

    Args:
        preset: settings to start from: ``"honest"``, ``"99 % noise"``, ``"99 % matched noise"``, ``"half the modes"`` or
            ``"memoriser"``. The following, if given, replace its own.
        share: share of noise s, from 0 to 0.99.
        dropped: number of modes that never occur, 0 to 7.
        memorise: whether the model is the memoriser.
        bandwidth: the standard deviation :math:`\ell` around its training points, from 0.001 to 1.
        noise: ``"uniform"`` on the square from -4 to 4, or ``"gaussian"`` with mean and covariance of the law.
        seed: seed of all points, from 0 to :math:`2^{31} - 1`.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        L. Theis et al., *A note on the evaluation of generative models* (2016), section 3;
        :mod:`gmlib.metrics` computes the same in torch.

    Example:
        >>> from gmlib.widgets import HonestDashboard
        >>> noisy = HonestDashboard("99 % noise")
        >>> loss, most = noisy.numbers().test - noisy.real().test, noisy.exact().test - noisy.real().test
        >>> print(f"99 % noise costs {loss:.2f} nats, at most {most:.2f}")
        99 % noise costs 2.36 nats, at most 4.61
    """

    _esm = STATIC / "honest_dashboard.js"
    shown = ("share", "dropped", "memorise", "bandwidth", "noise", "seed")

    presets = traitlets.Dict(PRESETS, help="settings to choose from").tag(sync=True)
    share = traitlets.Float(0.0, min=0.0, max=0.99, help="share of noise").tag(sync=True)
    dropped = traitlets.Int(0, min=0, max=7, help="modes that never occur").tag(sync=True)
    memorise = traitlets.Bool(False, help="whether the model is the memoriser").tag(sync=True)
    bandwidth = traitlets.Float(0.01, min=1e-3, max=1.0, help="the memoriser's bandwidth").tag(sync=True)
    noise = traitlets.Enum(list(NOISES), "uniform", help="kind of noise").tag(sync=True)

    def __init__(
        self,
        preset: str = "honest",
        *,
        share: float | None = None,
        dropped: int | None = None,
        memorise: bool | None = None,
        bandwidth: float | None = None,
        noise: str | None = None,
        seed: int = 0,
    ) -> None:
        check_choice("preset", preset, tuple(PRESETS))
        given = {
            "share": share,
            "dropped": dropped,
            "memorise": memorise,
            "bandwidth": bandwidth,
            "noise": noise,
        }
        state = {**PRESETS[preset], **{name: value for name, value in given.items() if value is not None}}
        check_number("share", state["share"], low=0.0, high=0.99)
        check_count("dropped", state["dropped"], low=0)
        if state["dropped"] > 7:
            raise ValueError(f"dropped must be at most 7, got {dropped}")
        if not isinstance(state["memorise"], bool):
            raise TypeError(f"memorise must be a bool, got {type(memorise).__name__}")
        check_number("bandwidth", state["bandwidth"], low=1e-3, high=1.0)
        check_choice("noise", state["noise"], NOISES)
        check_seed(seed)
        state.update(share=float(state["share"]), bandwidth=float(state["bandwidth"]))
        super().__init__(seed=seed, **state)

    def samples(self) -> DashboardSamples:
        """The points that are shown now, the same as in the browser up to rounding.

        Example:
            >>> from gmlib.widgets import HonestDashboard
            >>> points = HonestDashboard("memoriser").samples()  # each training point once, a little off
            >>> bool(((points.model - points.train).norm(dim=1) < 0.05).all())
            True
        """
        drawn = drawn_from(self.seed)
        left, centres = self._left(), truth().means
        if self.memorise:
            stays = torch.isin(drawn.of_train, left)
            source = torch.where(stays, torch.arange(N), _choose(stays.nonzero().squeeze(1), drawn.picks))
            model = drawn.train[source] + self.bandwidth * drawn.errors
        else:
            stays = torch.isin(drawn.of_fresh, left)
            mode = torch.where(stays, drawn.of_fresh, _choose(left, drawn.picks))
            model = drawn.fresh - centres[drawn.of_fresh] + centres[mode]
        model = torch.where((drawn.switches < self.share)[:, None], drawn.noises[self.noise], model)
        train, test = drawn.train.clone(), drawn.test.clone()  # those drawn are kept for the next call
        return DashboardSamples(train, test, model)

    def core(self) -> GaussianMixture:
        """The model without its noise.

        Example:
            >>> from gmlib.widgets import HonestDashboard
            >>> HonestDashboard(dropped=5).core().n_components
            3
        """
        if not self.memorise:
            return GaussianMixture(truth().means[self._left()], var=STD**2)
        drawn = drawn_from(self.seed)
        return GaussianMixture(drawn.train[torch.isin(drawn.of_train, self._left())], var=self.bandwidth**2)

    def log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        """The exact log-density of the spoiled model, in nats.

        Args:
            x: points, (n, 2).

        Returns:
            (n,), in float64.

        Raises:
            TypeError: ``x`` is no floating tensor.
            ValueError: the points are not in the plane.

        Example:
            >>> import torch
            >>> from gmlib.widgets import HonestDashboard
            >>> corner = torch.tensor([[4.0, 4.0]], dtype=torch.float64)
            >>> round(HonestDashboard("99 % noise").log_prob(corner).item(), 3)  # log(0.99/64)
            -4.169
        """
        check_event("x", x, (2,))
        x = x.double()
        core = self.core().log_prob(x)
        if not self.share:
            return core
        if self.noise == "gaussian":
            noise = GaussianMixture(x.new_zeros(1, 2), var=truth().variance[0].item()).log_prob(x)
        else:
            outside = x.abs().amax(-1) > HALF
            noise = torch.full_like(core, -2 * math.log(2 * HALF)).masked_fill(outside, -math.inf)
        return torch.logaddexp(math.log1p(-self.share) + core, math.log(self.share) + noise)

    def numbers(self) -> DashboardNumbers:
        """What the widget says of the spoiled model now, computed by torch in float64.

        Example:
            >>> from gmlib.widgets import HonestDashboard
            >>> half = HonestDashboard("half the modes").numbers()
            >>> print(f"{half.inception:.2f} modes, recall {half.recall:.2f}, precision {half.precision:.2f}")
            3.97 modes, recall 0.48, precision 0.95
        """
        points = self.samples()
        losses = (-self.log_prob(x).mean().item() for x in (points.test, points.train))
        return DashboardNumbers(**_of_sample(points.model, points), **_named(losses))

    def real(self) -> DashboardNumbers:
        """The same of the truth: its test points as sample, its law as density.

        Example:
            >>> from gmlib.widgets import HonestDashboard
            >>> HonestDashboard("memoriser").real() == HonestDashboard().real()
            True
        """
        points = self.samples()
        losses = (-truth().log_prob(x).mean().item() for x in (points.test, points.train))
        return DashboardNumbers(**_of_sample(points.test, points), **_named(losses))

    def exact(self) -> DashboardExact:
        """What is known exactly of the spoiled model now.

        Example:
            >>> from gmlib.widgets import HonestDashboard
            >>> HonestDashboard("99 % matched noise").exact().frechet < 1e-12  # blind to all of it
            True
        """
        points, core, law = self.samples(), self.core(), truth()
        wide = (
            law.variance if self.noise == "gaussian" else torch.full((2,), HALF**2 / 3, dtype=torch.float64)
        )
        keep, share = 1 - self.share, self.share
        cov = keep * core.covariance + share * wide.diag() + keep * share * core.mean.outer(core.mean)
        frechet = gaussian_frechet_distance(keep * core.mean, cov, law.mean, law.covariance)
        losses = (-core.log_prob(x).mean().item() - math.log1p(-share) for x in (points.test, points.train))
        left = 8 - self.dropped
        return DashboardExact(float(left), frechet.item(), keep, left / 8, **_named(losses))

    def _left(self) -> Tensor:
        """The modes that occur."""
        return torch.tensor(sorted(set(range(8)) - set(ORDER[: self.dropped])))


def _of_sample(sample: Tensor, points: DashboardSamples) -> dict[str, float]:
    """The numbers that need samples only."""
    measured = precision_recall(points.train, sample, K)
    return {
        "inception": inception_score(truth().responsibilities(sample)).item(),
        "frechet": frechet_distance(sample, points.train).item(),
        "precision": measured.precision.value,
        "recall": measured.recall.value,
        "ratio": memorisation_ratio(sample, points.train, points.test).value,
    }


def _named(losses: Any) -> dict[str, float]:
    return dict(zip(("test", "train"), losses, strict=True))


def _choose(values: Tensor, uniform: Tensor) -> Tensor:
    """One of ``values`` for each number in [0, 1)."""
    return values[(len(values) * uniform).long()]
