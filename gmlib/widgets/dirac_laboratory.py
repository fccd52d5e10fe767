r"""DiracGAN with every rule of a step: the path, the flow beside it, energy, invariant and eigenvalues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import traitlets
from jaxtyping import Complex, Float
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_number
from gmlib.gan import (
    DiracGAN,
    Rule,
    alternating,
    alternating_invariant,
    competitive,
    consensus,
    extragradient,
    momentum,
    play,
    rk4,
    simultaneous,
    step_matrix,
    unrolled,
)
from gmlib.widgets.base import STATIC, Widget

F64 = torch.float64
REACH = 3.0
STEPS = (0.01, 3.0)
GAMMAS = (0.0, 3.0)
MOMENTA = (-0.9, 0.9)
INNER = (0.05, 2.0)
STRENGTHS = (0.0, 2.0)
RATES = (0.1, 2.0)
MOST = 2000
LOSSES = ("linear", "logistic")
PENALTIES = ("none", "r1", "r2", "wgan_gp", "quartic")
RULES = (
    "simultaneous",
    "alternating",
    "momentum",
    "extragradient",
    "consensus",
    "unrolled",
    "competitive",
    "rk4",
)

CHOICES = {"loss": LOSSES, "penalty": PENALTIES, "rule": RULES}
RANGES = {
    "start_phi": (-REACH, REACH),
    "start_theta": (-REACH, REACH),
    "step": STEPS,
    "gamma": GAMMAS,
    "momentum": MOMENTA,
    "inner": INNER,
    "strength": STRENGTHS,
    "rate_theta": RATES,
}

_PLAIN: dict[str, Any] = {
    "start_phi": 1.0,
    "start_theta": 1.0,
    "step": 0.1,
    "loss": "linear",
    "penalty": "none",
    "gamma": 1.0,
    "rule": "simultaneous",
    "momentum": -0.5,
    "inner": 0.5,
    "strength": 0.5,
    "rate_theta": 1.0,
    "steps": 100,
}
PRESETS: dict[str, dict[str, Any]] = {
    name: {**_PLAIN, "title": title, **values}
    for name, title, values in (
        ("circle", "Circle", {"rule": "alternating", "step": 0.5, "steps": 60}),
        ("drift", "Logistic drift", {"rule": "alternating", "loss": "logistic", "step": 0.5, "steps": 2000}),
        ("spiral", "Spiral", {"step": 0.1, "steps": 130}),
        ("critical", "R1, critical", {"loss": "logistic", "penalty": "r1", "gamma": 1.0, "steps": 150}),
        ("momentum", "Momentum −½", {"rule": "momentum", "momentum": -0.5, "steps": 400}),
        ("unrolled", "Unrolled", {"rule": "unrolled", "inner": 0.5, "steps": 150}),
        ("competitive", "Competitive", {"rule": "competitive", "step": 0.5, "steps": 40}),
        ("rk4", "RK4", {"rule": "rk4", "loss": "logistic", "step": 0.5, "steps": 100}),
        ("ellipse", "Ellipse", {"rule": "alternating", "rate_theta": 0.25, "steps": 130}),
    )
}
"""Settings of the figures of chapter 14, and the titles of their buttons."""


@dataclass(frozen=True)
class DiracTerms:
    r"""What the widget shows.

    Attributes:
        phi: the critic's :math:`\varphi` after k steps.
        theta: the generator's :math:`\theta`.
        radius: :math:`r = \sqrt{\varphi^2 + \theta^2/\eta_\theta}`, which the flow of the bare game keeps.
        factor: :math:`(r/r_0)^{1/k}`, measured on the path; none before the first step, or from the equilibrium.
        modulus: of the largest eigenvalue of a step at the equilibrium; none where the penalty has a kink there.
        invariant: :math:`\varphi^2 + \theta^2/\eta_\theta + \eta\,\psi'(0)\,\varphi\theta`, which alternating steps keep
            for the linear loss, and nearly for the logistic one; none for other rules, and with a penalty.
    """

    phi: float
    theta: float
    radius: float
    factor: float | None
    modulus: float | None
    invariant: float | None


class DiracLaboratory(Widget):
    r"""Two players of one number each, in the plane: where the steps of a rule go, and what their eigenvalues say.

    .. math:: \dot\varphi = \psi'(\theta\varphi)\,\theta - R'(\varphi), \qquad
        \dot\theta = -\eta_\theta\,\psi'(\theta\varphi)\,\varphi

    The critic is :math:`a(x) = -\varphi x`, high for what it takes for real, so that a point :math:`\theta` with
    :math:`\varphi\theta > 0` is caught. Its rate is :math:`\eta_\varphi = 1`. Of one step at the equilibrium, without a
    penalty and with :math:`s = \sqrt{\eta_\theta}\,\psi'(0)`:

    =================== ===========================================
    rule                modulus
    =================== ===========================================
    ``"simultaneous"``  :math:`\sqrt{1 + \eta^2s^2}`
    ``"alternating"``   1, for :math:`\eta s \le 2`
    ``"extragradient"`` :math:`\sqrt{1 - \eta^2s^2 + \eta^4s^4}`
    ``"competitive"``   :math:`1/\sqrt{1 + \eta^2s^2}`
    ``"rk4"``           :math:`\sqrt{1 - \eta^6s^6/72 + \eta^8s^8/576}`
    =================== ===========================================

    With the linear loss alternating steps keep :math:`\varphi^2 + \theta^2/\eta_\theta + \eta\varphi\theta`; steps of the
    other four rules multiply :math:`\varphi^2 + \theta^2/\eta_\theta` by the square of their modulus.

    Beside the steps runs the flow that they follow when they are small: for ``"consensus"`` and ``"unrolled"`` that of the
    changed field, for ``"momentum"`` the same orbit, :math:`1/(1 - \nu)` times as fast.

    Args:
        preset: the experiment to begin with, one of ``PRESETS``: ``"circle"``, ``"drift"``, ``"spiral"``, ``"critical"``,
            ``"momentum"``, ``"unrolled"``, ``"competitive"``, ``"rk4"`` or ``"ellipse"``.
        **settings: traits that differ from the experiment's: ``start_phi`` and ``start_theta`` (-3 to 3), ``step``
            (:math:`\eta`, 0.01 to 3), ``loss``, ``penalty`` and its weight ``gamma`` (0 to 3), ``rule``, ``momentum``
            (:math:`\nu`, -0.9 to 0.9), ``inner`` (step of the imagined critic, 0.05 to 2), ``strength`` (of consensus, 0 to
            2), ``rate_theta`` (:math:`\eta_\theta`, 0.1 to 2), ``steps`` (k, made so far, 0 to 2000).

    Raises:
        TypeError: a setting is unknown or has the wrong type.
        ValueError: a setting is out of its range.

    References:
        L. Mescheder, A. Geiger and S. Nowozin, *Which training methods for GANs do actually converge?* (2018);
        :mod:`gmlib.gan.dirac` and :mod:`gmlib.gan.updates` compute the same in torch.

    Example:
        >>> from gmlib.widgets import DiracLaboratory
        >>> terms = DiracLaboratory("spiral", step=0.5, steps=10).terms()
        >>> print(f"{terms.radius / 2**0.5:.4f} {terms.factor:.6f} {terms.modulus:.6f}")  # 1.25 to the powers 5 and 1/2
        3.0518 1.118034 1.118034
    """

    _esm = STATIC / "dirac_laboratory.js"
    shown = ("rule", "step", "loss", "penalty", "steps")

    presets = traitlets.Dict(PRESETS, help="settings of the experiments").tag(sync=True)
    start_phi = traitlets.Float(1.0, min=-REACH, max=REACH, help="where the critic starts").tag(sync=True)
    start_theta = traitlets.Float(1.0, min=-REACH, max=REACH, help="where the generator starts").tag(
        sync=True
    )
    step = traitlets.Float(0.1, min=STEPS[0], max=STEPS[1], help="step size").tag(sync=True)
    loss = traitlets.Enum([*LOSSES], "linear", help="loss psi").tag(sync=True)
    penalty = traitlets.Enum([*PENALTIES], "none", help="penalty of the critic").tag(sync=True)
    gamma = traitlets.Float(1.0, min=GAMMAS[0], max=GAMMAS[1], help="weight of the penalty").tag(sync=True)
    rule = traitlets.Enum([*RULES], "alternating", help="rule of a step").tag(sync=True)
    momentum = traitlets.Float(-0.5, min=MOMENTA[0], max=MOMENTA[1], help="momentum").tag(sync=True)
    inner = traitlets.Float(0.5, min=INNER[0], max=INNER[1], help="step of the imagined critic").tag(
        sync=True
    )
    strength = traitlets.Float(0.5, min=STRENGTHS[0], max=STRENGTHS[1], help="strength of consensus").tag(
        sync=True
    )
    rate_theta = traitlets.Float(1.0, min=RATES[0], max=RATES[1], help="rate of the generator").tag(sync=True)
    steps = traitlets.Int(60, min=0, max=MOST, help="steps made so far").tag(sync=True)
    flow = traitlets.Bool(True, help="whether the flow is drawn").tag(sync=True)
    playing = traitlets.Bool(False, help="whether the players are moving").tag(sync=True)

    def __init__(self, preset: str = "circle", **settings: Any) -> None:
        check_choice("preset", preset, tuple(PRESETS))
        for name, value in settings.items():
            if name not in _PLAIN:
                raise TypeError(f"settings must be among {', '.join(_PLAIN)}, got {name!r}")
            if name in CHOICES:
                check_choice(name, value, CHOICES[name])
            elif name == "steps":
                check_count(name, value, low=0)
                if value > MOST:
                    raise ValueError(f"steps must be at most {MOST}, got {value}")
            else:
                low, high = RANGES[name]
                check_number(name, value, low=low, high=high)
        chosen = {**PRESETS[preset], **settings}
        super().__init__(**{name: chosen[name] for name in _PLAIN})

    @property
    def game(self) -> DiracGAN:
        """The game that is played.

        Example:
            >>> from gmlib.widgets import DiracLaboratory
            >>> DiracLaboratory("critical").game.critical_gamma()
            1.0
        """
        gamma = 0.0 if self.penalty == "none" else self.gamma
        return DiracGAN(self.loss, gamma=gamma, penalty=self.penalty, rate_theta=self.rate_theta)

    @property
    def update(self) -> Rule:
        """The rule of a step, as gmlib has it.

        Example:
            >>> from gmlib.widgets import DiracLaboratory
            >>> DiracLaboratory("competitive").update
            Rule(name='competitive', eta=0.5, settings={}, memory=0)
        """
        eta = self.step
        settings = {
            "momentum": lambda: momentum(eta, self.momentum),
            "consensus": lambda: consensus(eta, self.strength),
            "unrolled": lambda: unrolled(eta, inner=self.inner),
        }
        bare = {f.__name__: f for f in (simultaneous, alternating, extragradient, competitive, rk4)}
        return settings[self.rule]() if self.rule in settings else bare[self.rule](eta)

    def path(self) -> Float[Tensor, "time 2"]:
        r"""The steps made so far, :math:`(\varphi, \theta)` in every row, the start first.

        Example:
            >>> from gmlib.widgets import DiracLaboratory
            >>> DiracLaboratory("spiral", step=1.0, steps=2).path().tolist()
            [[1.0, 1.0], [2.0, 0.0], [2.0, -2.0]]
        """
        start = torch.tensor([self.start_phi, self.start_theta], dtype=F64)
        return play(self.game, start, self.update, self.steps)

    def eigenvalues(self) -> Complex[Tensor, " n"]:
        """The eigenvalues of one step at the equilibrium, four with momentum and else two.

        Raises:
            ValueError: the penalty has a kink there.

        Example:
            >>> from gmlib.widgets import DiracLaboratory
            >>> DiracLaboratory("spiral", step=0.5).eigenvalues().real.tolist()  # 1 + i/2 and 1 - i/2
            [1.0, 1.0]
        """
        if self.penalty == "wgan_gp" and self.gamma > 0:
            raise ValueError("penalty must not be 'wgan_gp' here: its field jumps at the equilibrium")
        return torch.linalg.eigvals(step_matrix(self.game, self.update))

    def terms(self) -> DiracTerms:
        """The numbers that the widget shows now, by gmlib's game and rules in float64.

        Example:
            >>> from gmlib.widgets import DiracLaboratory
            >>> terms = DiracLaboratory("unrolled").terms()  # step 0.1, imagined step 0.5
            >>> print(f"{terms.modulus**2:.2f}")
            0.91
        """
        path = self.path()
        radii = (path[:, 0].square() + path[:, 1].square() / self.rate_theta).sqrt()
        first, last = radii[0].item(), radii[-1].item()
        measured = self.steps > 0 and first > 0 and last > 0
        kink = self.penalty == "wgan_gp" and self.gamma > 0
        turns = self.rule == "alternating" and self.game.gamma == 0
        phi, theta = path[-1].tolist()
        return DiracTerms(
            phi=phi,
            theta=theta,
            radius=last,
            factor=(last / first) ** (1 / self.steps) if measured else None,
            modulus=None if kink else self.eigenvalues().abs().max().item(),
            invariant=alternating_invariant(self.game, self.update, path[-1]).item() if turns else None,
        )
