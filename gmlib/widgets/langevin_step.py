r"""One step size, many Langevin chains on N(0, 1): where they settle, how long it takes, and when they never do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_number
from gmlib.score import chain_moments, langevin_step, stationary_variance
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.draws import Draws, check_seed, normals

F64 = torch.float64
LOW, HIGH = 0.01, 5.0
REACH = 5.0
MOST = 1000
CHAINS = (100, 2000)
LEFT = 0.01  # of the start, when it counts as forgotten
FAR = 1e150  # chains that have left end here, so that their square is still a number

RULES: dict[str, str] = {
    "langevin": "δ/2 · s + √δ · ε",
    "double_drift": "δ · s + √δ · ε",
    "step_noise": "δ/2 · s + δ · ε",
    "double_noise": "δ/2 · s + √(2δ) · ε",
}
"""The right rule and three usual slips."""


@dataclass(frozen=True)
class LangevinStepTerms:
    r"""What the widget shows exactly.

    Attributes:
        mean: mean of the chains' law at this step.
        variance: its variance.
        stationary: the variance in which the chains settle; infinite when they do not.
        factor: a, what is left of a distance from 0 after one step.
        forget: steps until at most 1 % of the start is left; infinite for :math:`\lvert a\rvert \ge 1`.
    """

    mean: float
    variance: float
    stationary: float
    factor: float
    forget: float


class LangevinStep(Widget):
    r"""Drag the step δ of Langevin chains on :math:`\mathcal N(0, 1)`; their histogram moves, and so does their variance.

    .. math:: x \leftarrow x + \tfrac\delta2\,s(x) + \sqrt\delta\,\varepsilon = a x + \sqrt\delta\,\varepsilon,
        \qquad a = 1 - \tfrac\delta2, \qquad V_\infty = \frac1{1 - \delta/4}

    After k steps from :math:`x_0` the law is exactly normal, with mean :math:`a^k x_0`. For :math:`\delta > 2` the chains
    overshoot, for :math:`\delta \ge 4` they never settle. The three wrong rules are right ones at another temperature
    :math:`\tau` (and, for the first, twice the step):

    ================== ============================================== ==== = ============================= =====
    rule               drift, noise                                   step τ :math:`V_\infty`              δ = ¼
    ================== ============================================== ==== = ============================= =====
    ``"langevin"``     :math:`\delta s/2,\ \sqrt\delta\varepsilon`    δ    1 :math:`1/(1 - \delta/4)`      1.067
    ``"double_drift"`` :math:`\delta s,\ \sqrt\delta\varepsilon`      2δ   ½ :math:`1/(2 - \delta)`        0.571
    ``"step_noise"``   :math:`\delta s/2,\ \delta\varepsilon`         δ    δ :math:`\delta/(1 - \delta/4)` 0.267
    ``"double_noise"`` :math:`\delta s/2,\ \sqrt{2\delta}\varepsilon` δ    2 :math:`2/(1 - \delta/4)`      2.133
    ================== ============================================== ==== = ============================= =====

    Args:
        step: :math:`\delta`, from 0.01 to 5; a squared length.
        start: :math:`x_0`, where all chains start, from -5 to 5.
        steps: k, moves made so far, from 0 to 1000.
        rule: ``"langevin"`` or one of the wrong ones above.
        n: number of chains, 100 to 2000.
        seed: seed of the noise. Step and rule can be changed under the same noise.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        G. O. Roberts and R. L. Tweedie, *Exponential convergence of Langevin distributions and their discrete
        approximations* (1996); :func:`gmlib.score.chain_moments` computes the same in torch.

    Example:
        >>> from gmlib.widgets import LangevinStep
        >>> terms = LangevinStep(1.0, start=4.0, steps=2).terms()
        >>> print(f"{terms.mean:.3f} {terms.variance:.3f} {terms.stationary:.4f} {terms.forget:.0f}")
        1.000 1.250 1.3333 7
    """

    _esm = STATIC / "langevin_step.js"
    shown = ("step", "start", "steps", "rule", "n", "seed")

    rules = traitlets.Dict(RULES, help="the rules to choose from").tag(sync=True)
    step = traitlets.Float(0.25, min=LOW, max=HIGH, help="step of the chains").tag(sync=True)
    start = traitlets.Float(3.0, min=-REACH, max=REACH, help="where all chains start").tag(sync=True)
    steps = traitlets.Int(4, min=0, max=MOST, help="moves made so far").tag(sync=True)
    rule = traitlets.Enum([*RULES], "langevin", help="how a chain moves").tag(sync=True)
    n = traitlets.Int(1000, min=CHAINS[0], max=CHAINS[1], help="number of chains").tag(sync=True)
    playing = traitlets.Bool(False, help="whether the chains are moving").tag(sync=True)

    def __init__(
        self,
        step: float = 0.25,
        *,
        start: float = 3.0,
        steps: int = 4,
        rule: str = "langevin",
        n: int = 1000,
        seed: int = 0,
    ) -> None:
        check_number("step", step, low=LOW, high=HIGH)
        check_number("start", start, low=-REACH, high=REACH)
        check_count("steps", steps, low=0)
        if steps > MOST:
            raise ValueError(f"steps must be at most {MOST}, got {steps}")
        check_choice("rule", rule, tuple(RULES))
        check_count("n", n, low=CHAINS[0])
        if n > CHAINS[1]:
            raise ValueError(f"n must be at most {CHAINS[1]}, got {n}")
        check_seed(seed)
        super().__init__(step=float(step), start=float(start), steps=steps, rule=rule, n=n, seed=seed)

    @property
    def chain(self) -> tuple[float, float]:
        r"""Step and temperature :math:`\tau` of the right chain that moves as this rule does.

        Example:
            >>> from gmlib.widgets import LangevinStep
            >>> LangevinStep(0.25, rule="double_drift").chain
            (0.5, 0.5)
        """
        chains = {"double_drift": (2 * self.step, 0.5), "step_noise": (self.step, self.step)}
        return chains.get(self.rule, (self.step, 2.0 if self.rule == "double_noise" else 1.0))

    def terms(self) -> LangevinStepTerms:
        """The exact numbers that the widget shows now, in float64.

        Example:
            >>> from gmlib.widgets import LangevinStep
            >>> for rule in ("langevin", "double_drift", "step_noise", "double_noise"):
            ...     print(f"{LangevinStep(rule=rule).terms().stationary:.3f}")
            1.067
            0.571
            0.267
            2.133
        """
        step, temperature = self.chain
        mean, variance = chain_moments(step, self.steps, start_mean=self.start, temperature=temperature)
        factor = 1 - step / 2
        left = abs(factor)
        forget = math.inf if left >= 1 else 1.0
        if 0 < left < 1:
            forget = max(1.0, float(math.ceil(math.log(LEFT) / math.log(left) - 1e-9)))
        stationary = stationary_variance(step, temperature=temperature)
        return LangevinStepTerms(mean, variance, stationary, factor, forget)

    def sample(self) -> Float[Tensor, " n"]:
        """The chains after ``steps`` moves, with the noise that the browser draws from the seed.

        It draws ``n * steps`` numbers in plain Python: a few seconds for a million.

        Example:
            >>> from gmlib.widgets import LangevinStep
            >>> LangevinStep(n=100, steps=10).sample().shape
            torch.Size([100])
        """
        draws = Draws(self.seed)
        step, temperature = self.chain
        x = torch.full((self.n,), self.start, dtype=F64)
        for _ in range(self.steps):
            noise = normals(draws, self.n)
            x = langevin_step(x, -x, noise, step, temperature).clamp(-FAR, FAR)
        return x
