"""Exact and learnt scores of a law in the plane, and particles that follow them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import torch
import traitlets
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_number
from gmlib.checkpoints import load_weights
from gmlib.distributions.mixture import GaussianMixture
from gmlib.distributions.toys import TOYS
from gmlib.score.network import ScoreNetwork, mlp_score
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.toy_arrays import toy_arrays

F64 = torch.float64
SIGMAS = (0.05, 5.0)
"""Least and largest noise level."""
STEPS = (0.01, 5.0)
"""Least and largest step size in units of the squared noise level."""
NODES = 1024
"""Points at which the average error is taken."""


@dataclass(frozen=True)
class ScoreReadings:
    """What :meth:`SwissRollScores.readings` says; scores and their errors in 1 / length.

    Attributes:
        log_density: :math:`\\log q_\\sigma` at the probe, in nats.
        exact: the score there.
        learnt: the network's score there.
        error: length of their difference.
        rms_error: root of the mean square of that length over :math:`q_\\sigma`.
        rms_score: root of the mean square of the exact score's length over :math:`q_\\sigma`.
    """

    log_density: float
    exact: tuple[float, float]
    learnt: tuple[float, float]
    error: float
    rms_error: float
    rms_score: float


@cache
def _network(name: str) -> ScoreNetwork:
    """The trained network of a toy, in float64."""
    weights = load_weights(f"score-{name.replace('_', '-')}")
    widths = [value.shape[0] for key, value in weights.items() if key.endswith(".weight")][:-1]
    network = mlp_score(2, widths, weights["mean"].float(), float(weights["var"]))
    network.load_state_dict(weights)
    return network.double().eval()


@cache
def _nodes(name: str) -> dict[str, Tensor]:
    r"""Points :math:`x_0` and noise :math:`\varepsilon`, each (NODES, 2), such that a mean over
    :math:`x_0 + \sigma\varepsilon` is one over the noised law: a Sobol sequence in five dimensions."""
    law = TOYS[name](dtype=F64)
    u = torch.quasirandom.SobolEngine(5, scramble=True, seed=0).draw(NODES, dtype=F64).clamp(1e-9, 1 - 1e-9)
    chosen = torch.searchsorted(law.weights.cumsum(0), u[:, 0].contiguous())
    chosen = chosen.clamp(max=law.n_components - 1)
    normal = torch.special.ndtri(u[:, 1:])
    root = torch.linalg.cholesky(law.covariances[chosen])
    points = law.means[chosen] + (root @ normal[:, :2, None])[..., 0]
    return {"points": points.float(), "noise": normal[:, 2:].float()}


def _offer(name: str) -> dict[str, Tensor]:
    """All that the browser needs for a toy: the law, the weights as they are stored, and the nodes."""
    return {**toy_arrays(name), **_weights(name), **_nodes(name)}


def _weights(name: str) -> dict[str, Tensor]:
    stored = load_weights(f"score-{name.replace('_', '-')}")
    shaped = {key: value.reshape(-1) if value.dim() == 0 else value for key, value in stored.items()}
    return {key: value.contiguous() for key, value in shaped.items()}


class SwissRollScores(Widget):
    r"""A trained score network beside the exact score :math:`\nabla\log q_\sigma`, and particles that either of them moves.

    The network's weights run in the page. Particles start from noise and take annealed Langevin steps (at each noise level
    of a geometric ladder :math:`x + \tfrac\delta2 s + \sqrt{\tau\delta}\,\varepsilon` with :math:`\delta` in proportion
    to :math:`\sigma^2`), Langevin steps at the noise level of the slider, or Euler steps of the probability flow
    :math:`dx/d\sigma = -\sigma s(x, \sigma)`, which they also take when the slider is dragged.

    Args:
        law: name of a toy (`gmlib.distributions.TOYS`), each with a network of its own.
        sigma: noise level :math:`\sigma`, from 0.05 to 5.
        show: ``"both"``, the two fields side by side, or ``"difference"``.
        sampler: ``"annealed"``, ``"langevin"`` or ``"flow"``.
        drive: which score moves the particles, ``"learnt"`` or ``"exact"``.
        step: step size :math:`\delta / \sigma^2`, from 0.01 to 5 (above 4 Langevin dynamics may diverge).
        levels: noise levels of the ladder, 2 to 100.
        steps: Langevin steps at each noise level of the ladder, 1 to 50.
        run: steps of a run at one noise level, 10 to 2000.
        temperature: factor :math:`\tau` of the noise's variance, from 0 to 2.
        n: number of particles, 1 to 5000.
        seed: seed of the particles.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        Y. Song and S. Ermon, *Generative modeling by estimating gradients of the data distribution* (2019), algorithm 1;
        Y. Song et al., *Score-based generative modeling through stochastic differential equations* (2021), section 4.3;
        :class:`gmlib.score.ScoreNetwork` and :class:`gmlib.distributions.GaussianMixture` compute the same in torch.

    Example:
        >>> from gmlib.widgets import SwissRollScores
        >>> SwissRollScores(sigma=0.5)
        SwissRollScores(law='swiss_roll', sigma=0.5, sampler='annealed', drive='learnt')
    """

    _esm = STATIC / "swiss_roll_scores.js"
    offers = {name: partial(_offer, name) for name in TOYS}  # noqa: RUF012 - a ClassVar of the base
    shown = ("law", "sigma", "sampler", "drive")

    laws = traitlets.List(traitlets.Unicode(), [*TOYS], help="names to choose from").tag(sync=True)
    law = traitlets.Enum([*TOYS], "swiss_roll", help="the law that is shown").tag(sync=True)
    sigma_range = traitlets.List(traitlets.Float(), [*SIGMAS], help="least and largest noise level").tag(
        sync=True
    )
    sigma = traitlets.Float(0.3, min=SIGMAS[0], max=SIGMAS[1], help="noise level").tag(sync=True)
    show = traitlets.Enum(["both", "difference"], "both", help="what the two pictures show").tag(sync=True)
    sampler = traitlets.Enum(["annealed", "langevin", "flow"], "annealed", help="how the particles move").tag(
        sync=True
    )
    drive = traitlets.Enum(["learnt", "exact"], "learnt", help="which score moves them").tag(sync=True)
    step = traitlets.Float(0.2, min=STEPS[0], max=STEPS[1], help="step size over sigma squared").tag(
        sync=True
    )
    levels = traitlets.Int(24, min=2, max=100, help="noise levels of the ladder").tag(sync=True)
    steps = traitlets.Int(8, min=1, max=50, help="Langevin steps at each noise level").tag(sync=True)
    run = traitlets.Int(500, min=10, max=2000, help="steps of a run at one noise level").tag(sync=True)
    temperature = traitlets.Float(1.0, min=0.0, max=2.0, help="factor of the noise's variance").tag(sync=True)
    n = traitlets.Int(2000, min=1, max=5000, help="number of particles").tag(sync=True)
    probe = traitlets.List(
        traitlets.Float(), [0.0, 0.0], minlen=2, maxlen=2, help="where the numbers are read"
    ).tag(sync=True)
    moving = traitlets.Bool(False, help="whether the particles move").tag(sync=True)

    def __init__(
        self,
        law: str = "swiss_roll",
        *,
        sigma: float = 0.3,
        show: str = "both",
        sampler: str = "annealed",
        drive: str = "learnt",
        step: float = 0.2,
        levels: int = 24,
        steps: int = 8,
        run: int = 500,
        temperature: float = 1.0,
        n: int = 2000,
        seed: int = 0,
    ) -> None:
        check_choice("law", law, tuple(TOYS))
        check_number("sigma", sigma, low=SIGMAS[0], high=SIGMAS[1])
        check_choice("show", show, ("both", "difference"))
        check_choice("sampler", sampler, ("annealed", "langevin", "flow"))
        check_choice("drive", drive, ("learnt", "exact"))
        check_number("step", step, low=STEPS[0], high=STEPS[1])
        for name, value, low, high in (
            ("levels", levels, 2, 100),
            ("steps", steps, 1, 50),
            ("run", run, 10, 2000),
            ("n", n, 1, 5000),
            ("seed", seed, 0, 2**31 - 1),
        ):
            check_count(name, value, low=low)
            if value > high:
                raise ValueError(f"{name} must be at most {high}, got {value}")
        check_number("temperature", temperature, low=0.0, high=2.0)
        super().__init__(
            law=law,
            sigma=float(sigma),
            show=show,
            sampler=sampler,
            drive=drive,
            step=float(step),
            levels=levels,
            steps=steps,
            run=run,
            temperature=float(temperature),
            n=n,
            seed=seed,
        )

    @property
    def distribution(self) -> GaussianMixture:
        """The noised law that is shown now, in float64.

        Example:
            >>> from gmlib.widgets import SwissRollScores
            >>> SwissRollScores("cross", sigma=1.0).distribution
            GaussianMixture(batch_shape=(), K=2, d=2, covariance=diagonal)
        """
        return TOYS[self.law](dtype=F64).noised(1.0, self.sigma)

    @property
    def network(self) -> ScoreNetwork:
        """The trained network of the law that is shown, in float64.

        Raises:
            AssetError: its file of weights is missing, damaged or out of reach.

        Example:
            >>> from gmlib.widgets import SwissRollScores
            >>> type(SwissRollScores("ring").network).__name__
            'ScoreNetwork'
        """
        return _network(self.law)

    @torch.no_grad()
    def readings(self) -> ScoreReadings:
        r"""The numbers that the widget shows now, computed by torch in float64.

        The averages over :math:`q_\sigma` are means over 1,024 quasi-random points.

        Raises:
            AssetError: the network's file of weights is missing, damaged or out of reach.

        Example:
            >>> from gmlib.widgets import SwissRollScores
            >>> found = SwissRollScores(sigma=1.0).readings()
            >>> found.rms_error < 0.2 * found.rms_score
            True
        """
        law, sigma = self.distribution, torch.tensor(self.sigma, dtype=F64)
        nodes = _nodes(self.law)
        points = torch.tensor(self.probe, dtype=F64)[None]
        points = torch.cat([points, nodes["points"].double() + sigma * nodes["noise"].double()])
        exact, learnt = law.score(points), self.network(points, sigma)
        errors = (learnt - exact).square().sum(-1)
        (ex, ey), (lx, ly) = exact[0].tolist(), learnt[0].tolist()
        return ScoreReadings(
            log_density=law.log_prob(points[0]).item(),
            exact=(ex, ey),
            learnt=(lx, ly),
            error=errors[0].sqrt().item(),
            rms_error=errors[1:].mean().sqrt().item(),
            rms_score=exact[1:].square().sum(-1).mean().sqrt().item(),
        )
