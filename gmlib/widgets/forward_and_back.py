r"""Particles from data into noise and back again, by the exact denoiser and any of five samplers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, partial

import torch
import traitlets
from jaxtyping import Float, Int
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_number
from gmlib.distributions.mixture import GaussianMixture
from gmlib.metrics import sliced_wasserstein
from gmlib.noise import DDPM, Denoiser, Schedule, VPCosine, exact_denoiser
from gmlib.noise.samplers import ancestral, heun, steps_of
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.draws import Draws, check_seed, normals
from gmlib.widgets.toy_arrays import toy_arrays

F64 = torch.float64
LAWS = ("swiss_roll", "two_moons", "eight_gaussians")
SCHEDULES = ("cosine", "linear")
SAMPLERS = ("beta", "beta_tilde", "ddim", "heun")
WAYS = ("forward", "back")
MOST_STEPS = 100
NUMBERS = (100, 2000)
PARTS = 4
LINES = 32


@dataclass(frozen=True)
class ForwardAndBackReadings:
    r"""What the widget shows at the time of its grid where the particles stand; distances in the units of the plane.

    Attributes:
        step: k, how many steps of the grid lie between the data and there.
        alpha: signal :math:`\alpha_t`.
        sigma: noise level :math:`\sigma_t`.
        calls: how often the denoiser has been asked since the particles turned round.
        home: share of them that most likely come from the part of the data from which they came.
        distance: sliced Wasserstein distance of order 2 to as many draws from the exact law.
        fresh: the same of other such draws, which is what chance alone makes of it.
    """

    step: int
    alpha: float
    sigma: float
    calls: int
    home: float
    distance: float
    fresh: float


@cache
def _law(name: str) -> GaussianMixture:
    """The law as the browser has it: constants of single precision, computed with in double."""
    given = {key: value.double() for key, value in toy_arrays(name).items()}
    var = given["covariances"][:, [0, 2]]  # these laws have no correlations
    return GaussianMixture(given["means"], weights=given["weights"] / given["weights"].sum(), var=var)


def _stream(seed: int, which: int) -> Draws:
    return Draws((4 * seed + which) % 2**31)


def _sample(law: GaussianMixture, n: int, draws: Draws) -> Float[Tensor, "n 2"]:
    """Draws as the browser makes them: a component, then two normal numbers."""
    ends = law.weights.cumsum(0)
    rows = [(draws.uniform(), draws.normal(), draws.normal()) for _ in range(n)]
    u, e1, e2 = torch.tensor(rows, dtype=F64).unbind(-1)
    chosen = torch.searchsorted(ends, u * ends[-1], right=True).clamp(max=law.n_components - 1)
    stds = law.covariances.diagonal(dim1=-2, dim2=-1).sqrt()
    return law.means[chosen] + stds[chosen] * torch.stack([e1, e2], -1)


def _parts(law: GaussianMixture, x: Float[Tensor, "n 2"]) -> Int[Tensor, " n"]:
    """Which quarter of the components a point most likely comes from."""
    return PARTS * law.responsibilities(x).argmax(-1) // law.n_components


class ForwardAndBack(Widget):
    r"""Particles of a toy law are noised step by step, turn round anywhere, and are denoised by the best possible denoiser.

    .. math:: x_t = \frac{\alpha_t}{\alpha_s}x_s + \sqrt\beta\,z \quad\text{(forward)}, \qquad
        \hat x_0 = \mathbb E[x_0 \mid x_t] \quad\text{(what each way back asks)}

    The law at every time is a Gaussian mixture, known exactly: as shade, and as curves over the histograms of both
    coordinates. Whoever turns round at t = 1 finds the law of the data again, but not the particle's own place in it:
    the colours are mixed, unless the way back is short.

    Args:
        law: ``"swiss_roll"``, ``"two_moons"`` or ``"eight_gaussians"``.
        schedule: ``"cosine"`` (`VPCosine`) or ``"linear"`` (`DDPM.linear`, a thousand levels).
        sampler: ``"beta"`` or ``"beta_tilde"``, the ancestral sampler with that variance; ``"ddim"``; or ``"heun"`` on the
            probability-flow ODE.
        steps: of the grid from data to noise, at equal distances of time, 1 to 100.
        eta: share of fresh noise of DDIM, from 0 to 1.
        time: where the particles are, from 0 (data) to 1 (noise).
        way: ``"forward"`` or ``"back"``.
        turn: the time at which they turned round, from 0 to 1.
        n: number of particles, 100 to 2000.
        seed: seed of the particles and of all noise. The noise of the way back is the same for every sampler.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        J. Ho, A. Jain and P. Abbeel, *Denoising diffusion probabilistic models* (2020); J. Song, C. Meng and S. Ermon,
        *Denoising diffusion implicit models* (2021); :mod:`gmlib.noise.samplers` are the samplers.

    Example:
        >>> from gmlib.widgets import ForwardAndBack
        >>> ForwardAndBack("two_moons", sampler="heun", steps=10)
        ForwardAndBack(law='two_moons', schedule='cosine', sampler='heun', steps=10, time=0.0, way='forward')
    """

    _esm = STATIC / "forward_and_back.js"
    offers = {name: partial(toy_arrays, name) for name in LAWS}  # noqa: RUF012 - a ClassVar of the base
    shown = ("law", "schedule", "sampler", "steps", "time", "way")

    laws = traitlets.List(traitlets.Unicode(), [*LAWS], help="names to choose from").tag(sync=True)
    law = traitlets.Enum([*LAWS], "swiss_roll", help="the law of the data").tag(sync=True)
    schedule = traitlets.Enum([*SCHEDULES], "cosine", help="the noise schedule").tag(sync=True)
    sampler = traitlets.Enum([*SAMPLERS], "beta", help="how the particles go back").tag(sync=True)
    steps = traitlets.Int(50, min=1, max=MOST_STEPS, help="steps from data to noise").tag(sync=True)
    eta = traitlets.Float(0.0, min=0.0, max=1.0, help="share of fresh noise of DDIM").tag(sync=True)
    time = traitlets.Float(0.0, min=0.0, max=1.0, help="where the particles are").tag(sync=True)
    way = traitlets.Enum([*WAYS], "forward", help="which way they go").tag(sync=True)
    turn = traitlets.Float(1.0, min=0.0, max=1.0, help="where they turned round").tag(sync=True)
    n = traitlets.Int(1000, min=NUMBERS[0], max=NUMBERS[1], help="number of particles").tag(sync=True)
    trails = traitlets.Bool(True, help="whether the ways of a few particles are drawn").tag(sync=True)
    playing = traitlets.Enum(["no", *WAYS], "no", help="which way time runs").tag(sync=True)

    def __init__(
        self,
        law: str = "swiss_roll",
        *,
        schedule: str = "cosine",
        sampler: str = "beta",
        steps: int = 50,
        eta: float = 0.0,
        time: float = 0.0,
        way: str = "forward",
        turn: float = 1.0,
        n: int = 1000,
        seed: int = 0,
    ) -> None:
        check_choice("law", law, LAWS)
        check_choice("schedule", schedule, SCHEDULES)
        check_choice("sampler", sampler, SAMPLERS)
        check_choice("way", way, WAYS)
        for name, value, low, high in (("steps", steps, 1, MOST_STEPS), ("n", n, *NUMBERS)):
            check_count(name, value, low=low)
            if value > high:
                raise ValueError(f"{name} must be at most {high}, got {value}")
        for name, value in (("eta", eta), ("time", time), ("turn", turn)):
            check_number(name, value, low=0.0, high=1.0)
        check_seed(seed)
        super().__init__(
            law=law,
            schedule=schedule,
            sampler=sampler,
            steps=steps,
            eta=float(eta),
            time=float(time),
            way=way,
            turn=float(turn),
            n=n,
            seed=seed,
        )

    @property
    def process(self) -> Schedule:
        """The schedule.

        Example:
            >>> from gmlib.widgets import ForwardAndBack
            >>> ForwardAndBack().process
            VPCosine(offset=0.008, t_max=0.999)
        """
        return VPCosine() if self.schedule == "cosine" else DDPM.linear()

    @property
    def denoiser(self) -> Denoiser:
        """The exact denoiser.

        Example:
            >>> from gmlib.widgets import ForwardAndBack
            >>> ForwardAndBack().denoiser.parameterisation
            'x0'
        """
        return exact_denoiser(_law(self.law), self.process)

    @property
    def grid(self) -> Float[Tensor, " steps_plus_1"]:
        """The times, data first.

        Example:
            >>> from gmlib.widgets import ForwardAndBack
            >>> ForwardAndBack(schedule="linear", steps=4).grid.tolist()
            [0.0, 0.25, 0.5, 0.75, 1.0]
        """
        return self.process.t_max * (torch.arange(self.steps + 1, dtype=F64) / self.steps)

    @property
    def turned(self) -> int:
        """How many steps of the grid they went before they turned round."""
        return math.ceil(self.turn * self.steps - 1e-9)

    @property
    def step(self) -> int:
        """How many steps of the grid lie between the data and where the particles last stood."""
        place = self.time * self.steps
        if self.way == "forward":
            return math.floor(place + 1e-9)
        return min(self.turned, math.ceil(place - 1e-9))

    def distribution(self, step: int) -> GaussianMixture:
        """The exact law after so many steps of the grid, in float64.

        Args:
            step: from 0 to ``steps``.

        Raises:
            ValueError: ``step`` is out of its range.

        Example:
            >>> from gmlib.widgets import ForwardAndBack
            >>> print(f"{ForwardAndBack().distribution(50).variance[0]:.4f}")
            1.0000
        """
        check_count("step", step, low=0)
        if step > self.steps:
            raise ValueError(f"step must be at most {self.steps}, got {step}")
        t, law = float(self.grid[step]), _law(self.law)
        return law.noised(self.process.alpha(t), self.process.sigma(t)) if step else law

    def particles(self) -> Float[Tensor, "n 2"]:
        """The particles where they last stood, computed by gmlib's samplers with the noise that the browser draws.

        Example:
            >>> from gmlib.widgets import ForwardAndBack
            >>> ForwardAndBack(n=100, steps=2, time=0.0, way="back").particles().shape
            torch.Size([100, 2])
        """
        x = _sample(_law(self.law), self.n, _stream(self.seed, 0))
        walk = _stream(self.seed, 1)
        steps = steps_of(self.process, self.grid.flip(0))[::-1]
        for step in steps[: self.step if self.way == "forward" else self.turned]:
            x = step.shrink * x + math.sqrt(step.beta) * normals(walk, self.n, 2)
        if self.way == "forward":
            return x
        denoiser = self.denoiser
        for k in range(self.turned - 1, self.step - 1, -1):
            step = steps[k]
            if self.sampler == "heun":
                x = heun(denoiser, x, [step.t, step.s]).x
                continue
            spread = {
                "beta": step.beta,
                "beta_tilde": step.beta_tilde,
                "ddim": self.eta**2 * step.beta_tilde,
            }[self.sampler]
            if self.sampler == "ddim":
                x0, eps = denoiser.predict(x, step.t)
                x = step.alpha_s * x0 + math.sqrt(max(step.sigma_s**2 - spread, 0.0)) * eps
            else:
                x = ancestral(denoiser, x, [step.t, step.s]).x  # a grid's last step adds no noise
            if k and spread:
                x = x + math.sqrt(spread) * normals(_stream(self.seed + 7919 * (k + 1), 2), self.n, 2)
        return x

    def readings(self) -> ForwardAndBackReadings:
        """The numbers that the widget shows now, computed by torch in float64.

        Example:
            >>> from gmlib.widgets import ForwardAndBack
            >>> found = ForwardAndBack("eight_gaussians", n=200, steps=10, way="back").readings()
            >>> found.calls, found.distance < 0.5
            (10, True)
        """
        k = self.step
        law, clean, x = self.distribution(k), _law(self.law), self.particles()
        t = float(self.grid[k])
        alpha, sigma = float(self.process.alpha(t)), float(self.process.sigma(t))
        truths = []
        for which in (2, 3):
            draws = _stream(self.seed, which)
            points = _sample(clean, self.n, draws)
            truths.append(alpha * points + sigma * normals(draws, self.n, 2))
        angles = math.pi * (torch.arange(LINES, dtype=F64) + 0.5) / LINES
        lines = torch.stack([angles.cos(), angles.sin()], -1)
        began = _parts(clean, _sample(clean, self.n, _stream(self.seed, 0)))
        back = self.way == "back"
        calls = self.turned - k if back else 0
        if back and self.sampler == "heun":
            calls = 2 * calls - (1 if k == 0 and calls else 0)
        return ForwardAndBackReadings(
            step=k,
            alpha=alpha,
            sigma=sigma,
            calls=calls,
            home=float((_parts(law, x) == began).double().mean()),
            distance=sliced_wasserstein(x, truths[0], directions=lines).value,
            fresh=sliced_wasserstein(truths[1], truths[0], directions=lines).value,
        )
