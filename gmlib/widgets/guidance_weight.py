r"""Guidance weight: where all is normal, what is aimed at, what samplers make, and why the two differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import traitlets

from gmlib._checks import check_choice, check_number
from gmlib.diffusion.guidance import GaussianGuidance, NormalLaw
from gmlib.noise import DDPM
from gmlib.noise.samplers import ddpm_times
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.chain_steps import FINE, check_steps

WEIGHTS = (-1.0, 6.0)
CENTRES = (-2.5, 2.5)
VARIANCES = (0.05, 2.0)
PRIORS = (0.05, 4.0)
BARS = (0.02, 0.98)
SHOWN = ("variance", "mean", "scores")


@dataclass(frozen=True)
class GuidanceWeightTerms:
    """What the widget shows.

    Attributes:
        one: the class.
        everything: the data as a whole.
        tilt: the tilted law; None if its density cannot be normalised.
        ancestral: what the ancestral sampler makes, with noise of variance beta.
        ddim: what DDIM makes.
        flow: what the flow makes of endless noise, in endlessly many steps.
        guided_slope: slope of the guided score at the noise level.
        tilt_slope: slope there of the score of the tilted law once noised; None as above.
    """

    one: NormalLaw
    everything: NormalLaw
    tilt: NormalLaw | None
    ancestral: NormalLaw
    ddim: NormalLaw
    flow: NormalLaw
    guided_slope: float
    tilt_slope: float | None


class GuidanceWeight(Widget):
    r"""A class :math:`\mathcal N(m, v)` within data :math:`\mathcal N(0, v + v_c)`: drag the guidance weight w.

    .. math:: \hat x_0 = \hat x_u + w\,(\hat x_c - \hat x_u), \qquad p_w(x) \propto q(x)^{1-w}\,q(x \mid c)^w

    with the best guesses :math:`\hat x_u` without the class and :math:`\hat x_c` with it. At :math:`w = 1` the samples are
    the class, at :math:`w = 0` the data; elsewhere they follow neither the tilted law :math:`p_w` nor each other. For
    :math:`m = 1, v = ¼, v_c = 1, w = 2`:

    =========================== ====== ========
    law                         mean   variance
    =========================== ====== ========
    tilted                      1.1111 .1389
    ancestral, 1,000 steps      1.2003 .1037
    DDIM, 1,000 steps           1.3196 .0494
    flow, endlessly many steps  1.3228 .0500
    =========================== ====== ========

    The guided score of the noised point is that of the tilt of the *noised* densities, and not that of the tilted law,
    noised. Below :math:`w = -v/v_c` the tilted density cannot be normalised; the samplers make a law all the same.

    Args:
        w: the weight, from -1 to 6.
        c: the class, and the mean of its points, from -2.5 to 2.5.
        var: v, variance within the class, from 0.05 to 2.
        prior_var: :math:`v_c`, variance of c itself, from 0.05 to 4.
        steps: number of steps of the samplers, a divisor of 1,000 from 20 on.
        alpha_bar: signal squared where scores are compared, from 0.02 to 0.98.
        show: ``"variance"`` or ``"mean"`` against w, or the ``"scores"`` at that noise level.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        J. Ho and T. Salimans, *Classifier-free diffusion guidance* (2022), section 3;
        :class:`gmlib.diffusion.guidance.GaussianGuidance` computes the same.

    Example:
        >>> from gmlib.widgets import GuidanceWeight
        >>> terms = GuidanceWeight().terms()
        >>> for law in (terms.tilt, terms.ancestral, terms.ddim, terms.flow):
        ...     print("{:.4f} {:.4f}".format(*law))
        1.1111 0.1389
        1.2003 0.1037
        1.3196 0.0494
        1.3228 0.0500
    """

    _esm = STATIC / "guidance_weight.js"
    shown = ("w", "c", "var", "prior_var", "steps", "alpha_bar", "show")

    w = traitlets.Float(2.0, min=WEIGHTS[0], max=WEIGHTS[1], help="guidance weight").tag(sync=True)
    c = traitlets.Float(1.0, min=CENTRES[0], max=CENTRES[1], help="mean of the class").tag(sync=True)
    var = traitlets.Float(0.25, min=VARIANCES[0], max=VARIANCES[1], help="variance within the class").tag(
        sync=True
    )
    prior_var = traitlets.Float(1.0, min=PRIORS[0], max=PRIORS[1], help="variance of the classes").tag(
        sync=True
    )
    steps = traitlets.Enum([*FINE], 1000, help="number of steps").tag(sync=True)
    alpha_bar = traitlets.Float(
        0.5, min=BARS[0], max=BARS[1], help="signal squared where scores are compared"
    ).tag(sync=True)
    show = traitlets.Enum([*SHOWN], "variance", help="the second picture").tag(sync=True)

    def __init__(
        self,
        w: float = 2.0,
        c: float = 1.0,
        var: float = 0.25,
        prior_var: float = 1.0,
        *,
        steps: int = 1000,
        alpha_bar: float = 0.5,
        show: str = "variance",
    ) -> None:
        check_number("w", w, low=WEIGHTS[0], high=WEIGHTS[1])
        check_number("c", c, low=CENTRES[0], high=CENTRES[1])
        check_number("var", var, low=VARIANCES[0], high=VARIANCES[1])
        check_number("prior_var", prior_var, low=PRIORS[0], high=PRIORS[1])
        check_steps(steps, FINE)
        check_number("alpha_bar", alpha_bar, low=BARS[0], high=BARS[1])
        check_choice("show", show, SHOWN)
        super().__init__(
            w=float(w),
            c=float(c),
            var=float(var),
            prior_var=float(prior_var),
            steps=steps,
            alpha_bar=float(alpha_bar),
            show=show,
        )

    @property
    def case(self) -> GaussianGuidance:
        """The class within the data.

        Example:
            >>> from gmlib.widgets import GuidanceWeight
            >>> GuidanceWeight(c=2.0).case
            GaussianGuidance(mean=2.0, var=0.25, all_mean=0.0, all_var=1.25)
        """
        return GaussianGuidance(self.c, self.var, 0.0, self.var + self.prior_var)

    def terms(self) -> GuidanceWeightTerms:
        """The numbers that the widget shows now.

        Example:
            >>> from gmlib.widgets import GuidanceWeight
            >>> terms = GuidanceWeight(3.0, 1.0, 1 / 3, 2 / 3).terms()
            >>> print(f"{terms.guided_slope:.2f} {terms.tilt_slope:.2f}")
            -2.50 -1.75
            >>> print(GuidanceWeight(-0.3).terms().tilt)
            None
        """
        case, schedule = self.case, DDPM.linear()
        times = ddpm_times(schedule, self.steps)
        signal, noise = self.alpha_bar, 1 - self.alpha_bar
        # The precision of the tilted law; where it is not positive there is none.
        tilt = case.tilt(self.w) if self.w / case.var + (1 - self.w) / case.all_var > 0 else None
        ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
        at_origin, at_one = case.score(ends, self.w, math.sqrt(signal), math.sqrt(noise)).tolist()
        return GuidanceWeightTerms(
            one=NormalLaw(case.mean, case.var),
            everything=NormalLaw(0.0, case.all_var),
            tilt=tilt,
            ancestral=case.sampled(self.w, schedule, times)[-1],
            ddim=case.sampled(self.w, schedule, times, sampler="ddim")[-1],
            flow=case.flow_limit(self.w),
            guided_slope=at_one - at_origin,
            tilt_slope=None if tilt is None else -1 / (signal * tilt.var + noise),
        )
