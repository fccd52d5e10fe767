r"""Guidance where all is normal: the law that is aimed at, the field that is followed, and what comes out.

A class c has the points :math:`\mathcal N(m, v)`, all classes together :math:`\mathcal N(m_0, v_0)`. Every guess is linear
in the noised point, so every step of a sampler keeps a normal law normal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_instance, check_number
from gmlib.noise import Denoiser, Schedule
from gmlib.noise.samplers import steps_of


class NormalLaw(NamedTuple):
    """Mean and variance of a normal law on the line."""

    mean: float
    var: float


@dataclass(frozen=True)
class GaussianGuidance:
    r"""A class :math:`\mathcal N(m, v)` within data :math:`\mathcal N(m_0, v_0)`, and guidance from one to the other.

    Attributes:
        mean: m.
        var: v, positive.
        all_mean: :math:`m_0`.
        all_var: :math:`v_0`, positive.

    Raises:
        TypeError: an argument is no number.
        ValueError: a variance is not positive.

    References:
        Derived here; that guided samples do not follow the tilted law: A. Bradley and P. Nakkiran, *Classifier-free
        guidance is a predictor-corrector* (2024), section 3.

    Example:
        >>> from gmlib.diffusion.guidance import GaussianGuidance
        >>> case = GaussianGuidance(1.0, 0.25, 0.0, 1.25)
        >>> print("{:.4f} {:.4f}".format(*case.tilt(2.0)))
        1.1111 0.1389
        >>> print("{:.4f} {:.4f}".format(*case.flow_limit(2.0)))
        1.3228 0.0500
    """

    mean: float
    var: float
    all_mean: float = 0.0
    all_var: float = 1.0

    def __post_init__(self) -> None:
        for name in ("mean", "all_mean"):
            check_number(name, getattr(self, name))
        for name in ("var", "all_var"):
            check_number(name, getattr(self, name), low=0.0, low_open=True)

    def tilt(self, w: float) -> NormalLaw:
        r"""The law :math:`\propto q(x)^{1-w}\,q(x \mid c)^w \propto q(x)\,p(c \mid x)^w`, which guidance seems to aim at.

        (:eq:`eq-11-tilt` in the book.)

        .. math:: \frac1{v_w} = \frac wv + \frac{1 - w}{v_0}, \qquad \frac{m_w}{v_w} = \frac{wm}v + \frac{(1 - w)m_0}{v_0}

        Raises:
            ValueError: the tilted density cannot be normalised: :math:`v_w` would not be positive.
        """
        return self.noised_tilt(w, 1.0, 0.0)

    def noised_tilt(self, w: float, alpha: float, sigma: float) -> NormalLaw:
        r"""The law :math:`\propto q_t(x)^{1-w}\,q_t(x \mid c)^w` of noised densities, whose score is the guided one.

        At :math:`\alpha = 1, \sigma = 0` it is the tilted law; elsewhere it is *not* the tilted law noised.

        Raises:
            ValueError: the density cannot be normalised.
        """
        check_number("w", w)
        v, v0 = alpha**2 * self.var + sigma**2, alpha**2 * self.all_var + sigma**2
        precision = w / v + (1 - w) / v0
        if precision <= 0:
            raise ValueError(f"w = {w:g} gives a density that cannot be normalised")
        mean = alpha * (w * self.mean / v + (1 - w) * self.all_mean / v0) / precision
        return NormalLaw(mean, 1 / precision)

    def score(self, x: Tensor, w: float, alpha: float, sigma: float) -> Tensor:
        r"""The guided score :math:`(1 - w)\nabla\log q_t(x) + w\nabla\log q_t(x \mid c)`, shaped as ``x``.

        (:eq:`eq-11-guided` in the book.)
        """
        each = (
            (alpha * self.all_mean - x) / (alpha**2 * self.all_var + sigma**2),
            (alpha * self.mean - x) / (alpha**2 * self.var + sigma**2),
        )
        return (1 - w) * each[0] + w * each[1]

    def flow_limit(self, w: float, *, log_snr: float = -math.inf) -> NormalLaw:
        r"""What the probability flow of the guided score makes of pure noise, as steps go to 0.

        With :math:`n = \sigma^2/\alpha^2` and :math:`\tilde x = x/\alpha` the flow is linear,
        :math:`2\,d\tilde x/dn = w\frac{\tilde x - m}{v + n} + (1 - w)\frac{\tilde x - m_0}{v_0 + n}`. Started from
        :math:`\mathcal N(0, N)` at :math:`n = N` it ends, for :math:`m_0 = 0`, in the mean and the variance

        .. math:: \frac{wm}2\,h_0\int_0^N\frac{dn}{(v + n)\,h_n}, \qquad N\,\frac{h_0^2}{h_N^2}, \qquad
            h_n = (v + n)^{w/2}(v_0 + n)^{(1-w)/2},

        and the variance tends to :math:`v^wv_0^{1-w}` as N grows.

        Args:
            w: the weight.
            log_snr: :math:`-\log N` where the flow starts. The mean is late to settle: what is missing of it at the start
                falls with the square root of the signal-to-noise ratio.
        """
        from scipy.integrate import quad

        check_number("w", w)
        v, v0, start = self.var, self.all_var, math.exp(-log_snr)

        def log_h(n: float) -> float:
            return w / 2 * math.log(v + n) + (1 - w) / 2 * math.log(v0 + n)

        def pull(r: float) -> float:  # in r = n / (1 + n)
            n = r / (1 - r)
            towards = w * self.mean / (v + n) + (1 - w) * self.all_mean / (v0 + n)
            return 0.5 * towards * math.exp(log_h(0.0) - log_h(n) - 2 * math.log1p(-r))

        mean, _ = quad(pull, 0.0, 1 / (1 + 1 / start), epsabs=1e-12, epsrel=1e-12, limit=500)
        left = 0.0 if start == math.inf else math.log(start) - 2 * log_h(start)
        return NormalLaw(mean, math.exp(2 * log_h(0.0) + left))

    def sampled(
        self,
        w: float,
        schedule: Schedule,
        times: Sequence[float | int] | Float[Tensor, " n"],
        *,
        sampler: Literal["ancestral", "ddim"] = "ancestral",
        variance: Literal["beta", "beta_tilde"] = "beta",
    ) -> list[NormalLaw]:
        r"""The laws of a sampler's points at every time of its grid, from :math:`\mathcal N(0, \sigma^2)`, exactly.

        .. math:: \hat x_0 = \sum_i w_i\Big(m_i + \frac{\alpha v_i}{V_i}(x - \alpha m_i)\Big), \quad
            \hat\varepsilon = \sum_i w_i\frac{\sigma}{V_i}(x - \alpha m_i), \quad V_i = \alpha^2v_i + \sigma^2

        with the weights w of the class and 1 - w of all, put into the step of the sampler.

        Args:
            w: the weight.
            schedule: the schedule.
            times: the grid, falling.
            sampler: "ancestral" (no noise in the last step) or "ddim" (no noise at all).
            variance: of the ancestral steps.

        Returns:
            One law for each time, the first that of the start.

        Raises:
            TypeError: ``schedule`` is no Schedule.
            ValueError: a name is unknown, or ``times`` are no falling times of the schedule.
        """
        check_number("w", w)
        check_instance("schedule", schedule, Schedule)
        check_choice("sampler", sampler, ("ancestral", "ddim"))
        check_choice("variance", variance, ("beta", "beta_tilde"))
        steps = steps_of(schedule, times)
        found = [NormalLaw(0.0, steps[0].sigma_t ** 2)]
        for step in steps:
            slope, offset = self._clean(w, step.alpha_t, step.sigma_t)
            if sampler == "ancestral":
                factor, shift = step.keep + step.pull * slope, step.pull * offset
                fresh = 0.0 if step is steps[-1] else getattr(step, variance)
            else:
                noise, bias = self._noise(w, step.alpha_t, step.sigma_t)
                factor, shift = (
                    step.alpha_s * slope + step.sigma_s * noise,
                    step.alpha_s * offset + step.sigma_s * bias,
                )
                fresh = 0.0
            mean, var = found[-1]
            found.append(NormalLaw(factor * mean + shift, factor**2 * var + fresh))
        return found

    def denoiser(self, schedule: Schedule) -> Denoiser:
        """The best conditional denoiser of points (batch, 1), called with ``label`` (batch,): 0 is the class, 1 is none."""

        def network(x: Tensor, t: Tensor, label: Tensor) -> Tensor:
            alpha, sigma = schedule.alpha(t)[:, None], schedule.sigma(t)[:, None]
            told = (label == 0)[:, None]
            # Filled in the dtype of x: a choice between numbers would be of float32.
            m = x.new_full(told.shape, self.all_mean).masked_fill(told, self.mean)
            v = x.new_full(told.shape, self.all_var).masked_fill(told, self.var)
            return m + alpha * v / (alpha**2 * v + sigma**2) * (x - alpha * m)

        return Denoiser(network, schedule, "x0")

    def _parts(self, w: float) -> list[tuple[float, float, float]]:
        return [(w, self.mean, self.var), (1 - w, self.all_mean, self.all_var)]

    def _clean(self, w: float, alpha: float, sigma: float) -> tuple[float, float]:
        """Slope and offset of the guided guess of the clean point."""
        slope = sum(k * alpha * v / (alpha**2 * v + sigma**2) for k, _, v in self._parts(w))
        offset = sum(k * m * sigma**2 / (alpha**2 * v + sigma**2) for k, m, v in self._parts(w))
        return slope, offset

    def _noise(self, w: float, alpha: float, sigma: float) -> tuple[float, float]:
        """Slope and offset of the guided guess of the noise."""
        slope = sum(k * sigma / (alpha**2 * v + sigma**2) for k, _, v in self._parts(w))
        offset = -sum(k * sigma * alpha * m / (alpha**2 * v + sigma**2) for k, m, v in self._parts(w))
        return slope, offset
