"""The browser's networks, losses, penalties and optimisers against gmlib.gan and torch in float64."""

from __future__ import annotations

import copy
import itertools
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from gmlib.gan import GAN_LOSSES, R1, R2, Critic, Game, GradientPenalty, grid_coverage, train_gan
from gmlib.gan.trainer import batches
from gmlib.nn import MLP
from gmlib.widgets import BrowserGan
from gmlib.widgets.browser_gan import PRESETS, RADIUS, STD
from gmlib.widgets.draws import Draws

from .node import assert_same, evaluate

F64 = torch.float64
LOSSES = ("non_saturating", "minimax", "least_squares", "hinge", "wasserstein", "relativistic")
REGULARISERS: dict[str, Any] = {"none": (), "r1": R1, "r2": R2, "gradient_penalty": GradientPenalty}
ACTIVATIONS: dict[str, Any] = {"relu": nn.ReLU, "leaky": lambda: nn.LeakyReLU(0.2), "tanh": nn.Tanh}
LATENT, WIDTHS = 3, (7, 6)  # neither a multiple of the four columns nor of the two rows of a block
MODULE = "Network, Pass from dense_network; Game, advice from gan_game"
MAKE = """
const make = (activation, batch) => {
  const generator = new Network([data.latent, ...data.widths, 2], activation);
  const critic = new Network([2, ...data.widths, 1], activation);
  generator.weights.set(data.theta);
  critic.weights.set(data.phi);
  return new Game(generator, critic, batch);
};
"""


def players(activation: str, seed: int = 0, scale: float = 1.0) -> tuple[nn.Module, nn.Module]:
    """A generator and a critic in float64; ``scale`` makes the critic steeper."""
    torch.manual_seed(seed)
    generator = MLP([LATENT, *WIDTHS, 2], activation=ACTIVATIONS[activation]).to(F64)
    critic = Critic(MLP([2, *WIDTHS, 1], activation=ACTIVATIONS[activation])).to(F64)
    with torch.no_grad():
        for weight in critic.parameters():
            weight.mul_(scale)
    return generator, critic


def flat(module: nn.Module) -> Tensor:
    return torch.cat([weight.detach().reshape(-1) for weight in module.parameters()])


def slopes(total: Tensor, module: nn.Module) -> Tensor:
    found = torch.autograd.grad(total, list(module.parameters()), allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.reshape(-1) for gradient in found])


@pytest.mark.parametrize("batch", [16, 5])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_both_players_gradients_for_every_loss_and_penalty(activation: str, batch: int) -> None:
    generator, critic = players(activation, scale=3.0)
    source = torch.Generator().manual_seed(1)
    real = torch.randn(batch, 2, generator=source, dtype=F64)
    z = torch.randn(batch, LATENT, generator=source, dtype=F64)
    mix = torch.rand(batch, generator=source, dtype=F64)
    pairs = list(itertools.product(LOSSES, REGULARISERS))
    got = evaluate(
        MODULE,
        MAKE
        + """
        return data.pairs.map(([loss, regulariser]) => {
          const game = make(data.activation, data.mix.length);
          game.real.set(data.real.flat());
          game.mix.set(data.mix);
          game.making.h[0].set(data.z.flat());
          const settings = { loss, regulariser, gamma: 0.7 };
          const critic = game.lowerCritic(settings);
          const generator = game.lowerGenerator(settings);
          return [[critic.loss, critic.penalty], [...game.critic.gradient], generator.loss, [...game.generator.gradient]];
        });""",
        pairs=pairs,
        activation=activation,
        latent=LATENT,
        widths=WIDTHS,
        theta=flat(generator),
        phi=flat(critic),
        real=real,
        z=z,
        mix=mix,
    )
    for (loss, regulariser), (values, phi, value, theta) in zip(pairs, got, strict=True):
        penalties = [] if regulariser == "none" else [REGULARISERS[regulariser](0.7)]
        game = Game(generator, critic, GAN_LOSSES[loss], penalties, LATENT)
        terms = game.critic_terms(real, z, mix)
        own = game.generator_terms(real, z)
        assert_same(values, torch.stack([terms.loss, terms.total - terms.loss]).detach())
        assert_same(phi, slopes(terms.total, critic))
        assert_same(value, own.loss.detach())
        assert_same(theta, slopes(own.total, generator))
        if regulariser != "none":  # the penalty is worth something, so that its gradient has been seen
            assert float((terms.total - terms.loss).detach()) > 1e-3


class Recorded(Draws):
    """Draws that are kept in the order in which they were asked for."""

    log: ClassVar[list[float]] = []

    def uniform(self) -> float:
        self._asked = getattr(self, "_asked", 0)
        value = super().uniform()
        if not self._asked:
            self.log.append(value)
        return value

    def normal(self) -> float:
        self._asked = 1  # the uniform numbers inside are its own
        value = super().normal()
        self._asked = 0
        self.log.append(value)
        return value


def settings_of(gan: BrowserGan) -> dict[str, Any]:
    """The settings by the names of the browser."""
    return {
        "loss": gan.loss,
        "regulariser": gan.regulariser,
        "gamma": gan.gamma,
        "clip": gan.limit,
        "criticSteps": gan.critic_steps,
        "criticRate": gan.lr_critic,
        "generatorRate": gan.lr_generator,
        "optimiser": gan.optimizer,
        "beta1": gan.beta1,
        "simultaneous": gan.simultaneous,
    }


def browser(gan: BrowserGan, noise: list[float]) -> dict[str, Any]:
    """The run in Node, on the same noise."""
    return evaluate(
        "Run from gan_run",
        """
        let at = 0;
        const uniform = () => data.noise[at++];
        uniform.normal = uniform;
        const run = new Run({ ...data.sizes, activation: "relu" }, data.law, uniform);
        for (let i = 0; i < data.steps; i++) run.step(data.settings);
        const { modes, share } = run.coverage();
        return { modes, share, terms: run.terms, points: [...run.points()], used: at, lost: run.lost };""",
        noise=noise,
        sizes=gan.sizes,
        steps=gan.steps,
        law={"centres": gan.centres.tolist(), "std": STD, "radius": RADIUS},
        settings=settings_of(gan),
    )


ADAM = {"optimizer": "adam", "lr_critic": 0.01, "lr_generator": 0.005}
RUNS: list[dict[str, Any]] = [
    {"law": "sixteen_gaussians", "steps": 20, **ADAM},
    {"law": "sixteen_gaussians", "regulariser": "r1", "steps": 5, "seed": 3},
    {"law": "eight_gaussians", "loss": "wasserstein", "regulariser": "clip", "critic_steps": 3, "steps": 3},
    {
        "law": "nine_gaussians",
        "loss": "wasserstein",
        "regulariser": "gradient_penalty",
        "gamma": 10.0,
        "steps": 5,
        **ADAM,
    },
    {"law": "two_moons", "loss": "relativistic", "regulariser": "r2", "simultaneous": True, "steps": 5},
    {
        "law": "two_modes",
        "loss": "hinge",
        "optimizer": "sgd",
        "simultaneous": True,
        "critic_steps": 2,
        "lr_critic": 0.1,
        "lr_generator": 0.1,
        "steps": 4,
    },
    {
        "law": "drawn",
        "loss": "least_squares",
        "drawn": [(0.5, 1.0), (-1.0, 0.0)],
        "steps": 5,
        **ADAM,
        "beta1": 0.0,
    },
]


@pytest.mark.parametrize("settings", RUNS, ids=[f"{run['law']}" for run in RUNS])
def test_a_run_is_torchs_run_on_the_same_noise(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gmlib.widgets.browser_gan.Draws", Recorded)
    monkeypatch.setattr(Recorded, "log", [])
    gan = BrowserGan(**settings)
    terms, points = gan.train()
    got = browser(gan, Recorded.log)
    assert got["used"] == len(Recorded.log)
    assert not got["lost"]
    assert_same(got["points"], points)
    assert got["modes"] == terms.modes
    numbers = [terms.critic_loss, terms.penalty, terms.generator_loss, terms.share]
    found = got["terms"]
    assert_same(
        [found["critic"]["loss"], found["critic"]["penalty"], found["generator"]["loss"], got["share"]],
        torch.tensor(numbers, dtype=F64),
    )


def test_the_first_run_is_the_trainers() -> None:
    """The order of the moves is that of `train_gan`, which moves the same players in its own way."""
    generator, critic = players("relu")
    real = torch.randn(400, 2, generator=torch.Generator().manual_seed(5), dtype=F64)
    for simultaneous, k in ((False, 2), (True, 1)):
        nets = copy.deepcopy((generator, critic))
        game = Game(nets[0], nets[1], GAN_LOSSES["non_saturating"], [R1(0.3)], LATENT)
        feed = batches(game, real, 16, k, simultaneous, torch.Generator().manual_seed(7))
        noise = [next(feed) for _ in range(20)]
        train_gan(
            game,
            real,
            steps=20,
            batch_size=16,
            lr_critic=0.02,
            lr_generator=0.01,
            optimizer="adam",
            critic_steps=k,
            simultaneous=simultaneous,
            beta1=0.5,
            generator=torch.Generator().manual_seed(7),
        )
        got = evaluate(
            MODULE,
            MAKE
            + """
            const game = make("relu", 16);
            for (const [reals, latents] of data.noise) {
              let [i, j] = [0, 0];
              const draw = { real: (x) => x.set(reals[i++].flat()), latent: (z) => z.set(latents[j++].flat()) };
              game.step(data.settings, draw);
            }
            return [[...game.generator.weights], [...game.critic.weights]];""",
            noise=[[part.tolist() for part in parts] for parts in noise],
            latent=LATENT,
            widths=WIDTHS,
            theta=flat(generator),
            phi=flat(critic),
            settings={
                "loss": "non_saturating",
                "regulariser": "r1",
                "gamma": 0.3,
                "criticSteps": k,
                "beta1": 0.5,
                "criticRate": 0.02,
                "generatorRate": 0.01,
                "optimiser": "adam",
                "simultaneous": simultaneous,
            },
        )
        assert_same(got[0], flat(game.generator))
        assert_same(got[1], flat(game.critic))


def test_counts_are_the_coverage_of_gmlib() -> None:
    source = torch.Generator().manual_seed(0)
    centres = torch.randn(12, 2, generator=source, dtype=F64)
    points = torch.randn(300, 2, generator=source, dtype=F64)
    for radius in (0.05, 0.3, 1.0):  # at the last one most points are near several centres
        got = evaluate(
            "coverage from gan_run",
            "return coverage(data.points.flat(), data.centres, data.radius);",
            points=points,
            centres=centres,
            radius=radius,
        )
        truth = grid_coverage(points, centres, radius)
        assert got == {"modes": truth.modes, "share": pytest.approx(truth.share)}


def test_arrows_point_down_the_generators_loss() -> None:
    generator, critic = players("relu", scale=3.0)
    source = torch.Generator().manual_seed(2)
    real, fake = (torch.randn(9, 2, generator=source, dtype=F64) for _ in range(2))
    got = evaluate(
        MODULE,
        MAKE
        + """
        const { critic } = make("relu", 1);
        const [onReal, onFake] = [data.real, data.fake].map((x) => {
          const pass = new Pass(critic, 9);
          pass.forward(Float64Array.from(x.flat()));
          return pass;
        });
        return data.losses.map((loss) => [...advice(loss, onFake, onReal.output)]);""",
        losses=LOSSES,
        latent=LATENT,
        widths=WIDTHS,
        real=real,
        fake=fake,
        theta=flat(generator),
        phi=flat(critic),
    )
    for loss, arrows in zip(LOSSES, got, strict=True):
        x = fake.clone().requires_grad_()
        own = GAN_LOSSES[loss].generator_loss(critic(real), critic(x))
        (slope,) = torch.autograd.grad(own, x)
        assert_same(arrows, -9 * slope)  # of the sum over the points, not of their mean


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.weekly)])
def test_collapse_and_its_cure_differ_in_the_penalty_alone(seed: int) -> None:
    """The presets do what their names say; the noise is not that of the page."""
    collapse, cured = PRESETS["collapse"], PRESETS["cured"]
    assert {key for key in cured if cured[key] != collapse.get(key)} == {"label", "regulariser", "gamma"}
    found = {}
    for name, preset in (("collapse", collapse), ("cured", cured)):
        gan = BrowserGan(**{key: value for key, value in preset.items() if key != "label"})
        found[name] = evaluate(
            "Run from gan_run",
            """
            let state = data.seed;
            const uniform = () => {
              state = (state + 0x6d2b79f5) | 0;
              let t = Math.imul(state ^ (state >>> 15), 1 | state);
              t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
              return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
            };
            uniform.normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
            const run = new Run({ ...data.sizes, activation: "relu" }, data.law, uniform);
            const counts = [];
            for (let i = 1; i <= 2600; i++) {
              run.step(data.settings);
              if (i > 2100 && i % 100 === 0) counts.push(run.coverage().modes);
            }
            return counts.sort()[2];  // the median of the last five looks""",
            seed=seed,
            sizes=gan.sizes,
            law={"centres": gan.centres.tolist(), "std": STD, "radius": RADIUS},
            settings=settings_of(gan),
        )
    assert found["collapse"] <= 3
    assert found["cured"] >= 7


def test_the_record_of_a_long_run_keeps_every_other_look() -> None:
    got = evaluate(
        "Record from gan_record",
        "const record = new Record(), law = { centres: [1, 2] };"
        "const run = { steps: 0, terms: null, law, coverage: () => ({ modes: 1, share: 0.5 }) };"
        "for (; run.steps < 3400; run.steps += 10) if (run.steps % record.every === 0) record.look(run);"
        "for (const step of [0, 40, 40, 50]) record.mark(step);"
        "const before = record.looks.length; law.centres = []; record.lookAgain(run);"
        "const { every, looks, marks } = record;"
        "return { every, before, marks, steps: looks.map(({ step }) => step), last: looks.at(-1) };",
    )
    assert got["every"] == 20
    assert got["steps"][:-1] == [*range(0, 3380, 20)]
    assert got["before"] == len(got["steps"])
    assert (got["last"]["total"], got["last"]["critic"]) == (0, None)
    assert got["marks"] == [40, 50]
