r"""A law with three classes and what guidance does to it: fields, particles, accuracy, and the spread that is lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_number
from gmlib.diffusion.guidance import LabelledLaw
from gmlib.distributions.mixture import GaussianMixture
from gmlib.noise import VPCosine
from gmlib.noise.guidance import ClassifierFree
from gmlib.noise.guidance.weight import check_weight
from gmlib.noise.samplers import even_times, steps_of
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.draws import Draws, check_seed, normals

F64 = torch.float64
CLASSES = 3
COUNT = 600
"""Number of particles."""
SAMPLERS = {"ddim": 0.0, "ancestral": 1.0}
r"""Share :math:`\eta` of fresh noise in a step of each sampler."""
STEPS = (5, 100)
"""Fewest and most steps."""
STRONGEST = 8.0
"""The largest weight."""


def _turned(law: Sequence[tuple[float, float, float, float]]) -> dict[str, list[float]]:
    """Three classes that are one, turned by thirds: components (weight, radius, variance along it, variance across)."""
    found: dict[str, list[float]] = {"weights": [], "means": [], "covariances": [], "labels": []}
    for label in range(CLASSES):
        angle = math.pi / 2 + 2 * math.pi * label / CLASSES
        c, s = math.cos(angle), math.sin(angle)
        for weight, radius, along, across in law:
            found["weights"].append(weight / CLASSES)
            found["means"] += [radius * c, radius * s]
            found["covariances"] += [
                along * c**2 + across * s**2,
                (along - across) * c * s,
                along * s**2 + across * c**2,
            ]
            found["labels"].append(label)
    return found


LAWS = {
    "bumps": _turned([(1.0, 1.2, 0.15, 0.15)]),
    "pairs": _turned([(0.5, 0.55, 0.07, 0.07), (0.5, 1.9, 0.07, 0.07)]),
    "star": _turned([(1.0, 0.4, 0.6, 0.06)]),
}
"""Weights, means (pairs), covariances (xx, xy, yy) and classes of the components of each law."""


@dataclass(frozen=True)
class GuidedFieldReadings:
    """What the widget shows of the particles at the end of their way.

    Attributes:
        accuracy: share that the best classifier takes for the class that was asked for.
        spread: their variance about their own mean, of both coordinates together, over that of the class.
        calls: how often the denoiser was asked, a particle.
    """

    accuracy: float
    spread: float
    calls: int


@cache
def _law(name: str) -> LabelledLaw:
    given = {key: torch.tensor(value, dtype=F64) for key, value in LAWS[name].items()}
    xx, xy, yy = given["covariances"].reshape(-1, 3).unbind(-1)
    cov = torch.stack([xx, xy, xy, yy], -1).reshape(-1, 2, 2)
    means, laws = given["means"].reshape(-1, 2), []
    for label in range(CLASSES):
        own = given["labels"] == label
        weights = given["weights"][own]
        laws.append(GaussianMixture(means[own], weights=weights / weights.sum(), cov=cov[own]))
    return LabelledLaw(laws)


class GuidedField(Widget):
    r"""Three classes in the plane, all known exactly, and particles that are guided to one of them.

    .. math:: \hat x_w = \hat x_0(x_t) + w\,\big(\hat x_0(x_t, c) - \hat x_0(x_t)\big)

    Arrows show the scores without the class, with it, and guided, at any noise level; 600 particles come from noise by
    steps with the guided field. The best classifier says how many are of the class that was asked for, and their variance
    how much of the class they still are: a point in the plane of both, on the curve of all weights.

    Args:
        law: ``"bumps"``, one to a class; ``"pairs"``, of which one lies among the other classes and one outside; or
            ``"star"``, three classes that overlap.
        asked: the class that is asked for, 0 to 2.
        w: the weight, from 0 (unconditional) to 8; 1 is the conditional field.
        sampler: ``"ddim"`` or ``"ancestral"``, with the variance :math:`\tilde\beta`.
        steps: number of steps, 5 to 100.
        interval: the first and the last time at which guidance acts, from 0 to 1; at others w is 1. None is always.
        time: the time that is shown, from 1 (noise) to 0.
        seed: seed of the noise.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        J. Ho and T. Salimans, *Classifier-free diffusion guidance* (2022), figure 2, where w is one less;
        T. Kynkäänniemi et al., *Applying guidance in a limited interval* (2024);
        :class:`gmlib.noise.guidance.ClassifierFree` and :class:`gmlib.diffusion.guidance.LabelledLaw`.

    Example:
        >>> from gmlib.widgets import GuidedField
        >>> GuidedField("star", w=2.0)
        GuidedField(law='star', asked=0, w=2.0, sampler='ddim', steps=30, interval=None, time=0.0, seed=0)
    """

    _esm = STATIC / "guided_field.js"
    shown = ("law", "asked", "w", "sampler", "steps", "interval", "time", "seed")

    laws = traitlets.Dict(LAWS, help="the components of each law").tag(sync=True)
    law = traitlets.Enum([*LAWS], "bumps", help="the law").tag(sync=True)
    asked = traitlets.Int(0, min=0, max=CLASSES - 1, help="the class that is asked for").tag(sync=True)
    w = traitlets.Float(3.0, min=0.0, max=STRONGEST, help="weight of the guidance").tag(sync=True)
    sampler = traitlets.Enum([*SAMPLERS], "ddim", help="the sampler").tag(sync=True)
    steps = traitlets.Int(30, min=STEPS[0], max=STEPS[1], help="number of steps").tag(sync=True)
    limited = traitlets.Bool(False, help="whether guidance acts in the interval only").tag(sync=True)
    interval = traitlets.List(
        traitlets.Float(min=0.0, max=1.0),
        [0.2, 0.7],
        minlen=2,
        maxlen=2,
        help="times between which it acts, the smaller first",
    ).tag(sync=True)
    time = traitlets.Float(0.0, min=0.0, max=1.0, help="the time that is shown").tag(sync=True)
    untold = traitlets.Bool(False, help="whether the unconditional field is shown").tag(sync=True)
    told = traitlets.Bool(False, help="whether the conditional field is shown").tag(sync=True)
    guided = traitlets.Bool(True, help="whether the guided field is shown").tag(sync=True)
    playing = traitlets.Bool(False, help="whether time runs").tag(sync=True)

    def __init__(
        self,
        law: str = "bumps",
        *,
        asked: int = 0,
        w: float = 3.0,
        sampler: str = "ddim",
        steps: int = 30,
        interval: tuple[float, float] | None = None,
        time: float = 0.0,
        seed: int = 0,
    ) -> None:
        check_choice("law", law, tuple(LAWS))
        check_choice("sampler", sampler, tuple(SAMPLERS))
        for name, value, low, high in (("asked", asked, 0, CLASSES - 1), ("steps", steps, *STEPS)):
            check_count(name, value, low=low)
            if value > high:
                raise ValueError(f"{name} must be at most {high}, got {value}")
        check_number("w", w, low=0.0, high=STRONGEST)
        check_number("time", time, low=0.0, high=1.0)
        check_seed(seed)
        super().__init__(
            law=law,
            asked=asked,
            w=float(w),
            sampler=sampler,
            steps=steps,
            time=float(time),
            seed=seed,
            **_interval(interval),
        )

    @traitlets.validate("interval")
    def _ordered(self, proposal: Any) -> list[float]:
        low, high = proposal["value"]
        if low > high:
            raise traitlets.TraitError(f"interval must be two times, the smaller first, got {[low, high]}")
        return proposal["value"]

    def __repr__(self) -> str:
        # The times wait, for a reader who ticks the box, also where guidance always acts.
        interval = tuple(self.interval) if self.limited else None
        return super().__repr__().replace(f"interval={self.interval!r}", f"interval={interval}")

    @property
    def labelled(self) -> LabelledLaw:
        """The law, in float64.

        Example:
            >>> from gmlib.widgets import GuidedField
            >>> GuidedField("pairs").labelled.laws[0].variance.sum().round(decimals=4).item()
            0.5956
        """
        return _law(self.law)

    @property
    def denoiser(self) -> ClassifierFree:
        """The guided denoiser, called with ``label``.

        Example:
            >>> from gmlib.widgets import GuidedField
            >>> GuidedField(w=2.0).denoiser.w
            2.0
        """
        interval = (self.interval[0], self.interval[1]) if self.limited else None
        told = self.labelled.denoiser(VPCosine())
        return ClassifierFree(told, self.w, {"label": CLASSES}, interval=interval)

    def path(self) -> Float[Tensor, "times n 2"]:
        """The particles at every time of the grid, noise first, as the page computes them from the same seed.

        Returns:
            Points, (steps + 1, 600, 2).

        Example:
            >>> from gmlib.widgets import GuidedField
            >>> GuidedField(steps=5).path().shape
            torch.Size([6, 600, 2])
        """
        draws, denoiser, eta = Draws(self.seed), self.denoiser, SAMPLERS[self.sampler]
        label = torch.full((COUNT,), self.asked)
        path = [normals(draws, COUNT, 2)]
        for step in steps_of(denoiser.schedule, even_times(denoiser.schedule, self.steps)):
            x0, eps = denoiser.predict(path[-1], step.t, label=label)
            fresh = eta**2 * step.beta_tilde
            x = step.alpha_s * x0 + math.sqrt(max(step.sigma_s**2 - fresh, 0.0)) * eps
            path.append(x + math.sqrt(fresh) * normals(draws, COUNT, 2) if fresh > 0 else x)
        return torch.stack(path)

    def readings(self) -> GuidedFieldReadings:
        """The numbers that the widget shows, computed by torch in float64.

        Example:
            >>> from gmlib.widgets import GuidedField
            >>> found = GuidedField(w=8.0, steps=10).readings()
            >>> found.accuracy, found.spread < 0.5, found.calls
            (1.0, True, 20)
        """
        x, one = self.path()[-1], torch.ones((), dtype=F64)
        judged = self.labelled.class_log_prob(x, one, 0 * one).argmax(-1)
        own = self.labelled.laws[self.asked].variance.sum()
        schedule = VPCosine()
        times = even_times(schedule, self.steps)[:-1].tolist()
        low, high = self.interval if self.limited else (0.0, 1.0)
        twice = 0 if self.w in (0.0, 1.0) else sum(low <= t <= high for t in times)
        return GuidedFieldReadings(
            accuracy=float((judged == self.asked).double().mean()),
            spread=float(x.var(0, correction=0).sum() / own),
            calls=self.steps + twice,
        )


def _interval(interval: Any) -> dict[str, Any]:
    """The traits of an interval, or of none."""
    check_weight(1.0, interval)
    if interval is None:
        return {}
    low, high = interval
    check_number("interval[0]", low, low=0.0)
    check_number("interval[1]", high, high=1.0)
    return {"limited": True, "interval": [float(low), float(high)]}
