"""The trainer against a plain loop written with torch.optim, and what the critic's steps buy on a normal law."""

from __future__ import annotations

import copy
import itertools
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gmlib.distributions import sixteen_gaussians
from gmlib.gan import (
    GAN_LOSSES,
    R1,
    R2,
    Consensus,
    Critic,
    Game,
    GameDiverged,
    GradientPenalty,
    PairLoss,
    _steps,
    spectral_norm,
    toy_critic,
    toy_generator,
    train_gan,
)
from gmlib.gan.trainer import POINTS, batches

BATCH = 16


def make_game(loss: str = "non_saturating", regularisers: tuple[Any, ...] = (), seed: int = 0) -> Game:
    torch.manual_seed(seed)
    generator, critic = toy_generator(latent_dim=4, widths=(8,)), toy_critic(widths=(8,))
    return Game(generator, critic, GAN_LOSSES[loss], regularisers, latent_dim=4)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def data(n: int, generator: torch.Generator) -> Tensor:
    return sixteen_gaussians().sample((n,), generator=generator)


def run(game: Game, **changes: Any) -> Any:
    settings = {
        "steps": 20,
        "batch_size": BATCH,
        "lr_critic": 0.05,
        "lr_generator": 0.05,
        "generator": seeded(),
    }
    return train_gan(game, data, **{**settings, **changes})


def plain_loop(
    game: Game, steps: int, optimizer: str, k: int, simultaneous: bool, gamma: float
) -> list[float]:
    """What the trainer does, as it is usually written: torch.optim, backward, zero_grad."""
    makers: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "sgd": lambda w: torch.optim.SGD(w, lr=0.05),
        "momentum": lambda w: torch.optim.SGD(w, lr=0.05, momentum=0.5),
        "adam": lambda w: torch.optim.Adam(w, lr=0.01, betas=(0.5, 0.99)),
    }
    of_critic = makers[optimizer](game.critic.parameters())
    of_generator = makers[optimizer](game.generator.parameters())
    losses = []

    def critic_backward(real: Tensor, z: Tensor) -> None:
        of_critic.zero_grad()
        real = real.clone().requires_grad_()
        a_real, a_fake = game.critic(real), game.critic(game.generator(z).detach())
        loss = softplus(-a_real).mean() + softplus(a_fake).mean()
        (slope,) = torch.autograd.grad(a_real.sum(), real, create_graph=True)
        (loss + gamma / 2 * slope.square().sum(1).mean()).backward()
        losses.append(loss.item())

    def generator_backward(z: Tensor) -> None:
        of_generator.zero_grad()
        softplus(-game.critic(game.generator(z))).mean().backward()

    for real, z in itertools.islice(batches(game, data, BATCH, k, simultaneous, seeded()), steps):
        for j in range(k):
            critic_backward(real[j], z[j])
            if simultaneous and j == k - 1:
                kept = [w.grad.clone() for w in game.critic.parameters()]
                generator_backward(z[-1])
                for w, g in zip(game.critic.parameters(), kept, strict=True):
                    w.grad = g  # the generator's pass went through the critic
            of_critic.step()
        if not simultaneous:
            generator_backward(z[-1])
        of_generator.step()
    return losses[k - 1 :: k]


@pytest.mark.parametrize("simultaneous", [False, True])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_the_trainer_is_the_plain_loop(optimizer: str, k: int, simultaneous: bool) -> None:
    gamma = 0.3
    ours = make_game(regularisers=(R1(gamma),))
    theirs = copy.deepcopy(ours)
    before = [w.clone() for w in ours.parameters()]
    options: dict[str, Any] = {
        "sgd": {},
        "momentum": {"momentum": 0.5},
        "adam": {"optimizer": "adam", "beta1": 0.5, "beta2": 0.99, "lr_critic": 0.01, "lr_generator": 0.01},
    }[optimizer]
    history = run(ours, critic_steps=k, simultaneous=simultaneous, **options)
    losses = plain_loop(theirs, 20, optimizer, k, simultaneous, gamma)
    assert torch.allclose(history.terms["critic.loss"], torch.tensor(losses), rtol=1e-5)
    for w, v, start in zip(ours.parameters(), theirs.parameters(), before, strict=True):
        assert torch.allclose(w, v, atol=1e-6)
        assert not torch.allclose(w, start, atol=1e-3)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_first_step_to_the_bit(optimizer: str) -> None:
    # Nothing in between but the data: the losses at the start have the bits of the formula.
    game = make_game()
    real, z = next(batches(game, data, BATCH, 1, False, seeded()))
    a_real, a_fake = game.critic(real[0]), game.critic(game.generator(z[0]))
    expected = softplus(-a_real).mean() + softplus(a_fake).mean()
    history = run(game, steps=1, optimizer=optimizer)
    assert torch.equal(history.terms["critic.loss"], expected.detach()[None])


def test_alternating_training() -> None:
    # A generator N(theta, 1) that learns slowly from theta = 1, data N(0, 1), and a linear critic. The best one has logit
    # theta^2/2 - theta x. More critic steps per generator step leave the critic nearer to it, averaged over 6 seeds.
    class Shift(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.theta = nn.Parameter(torch.ones(1))

        def forward(self, z: Tensor) -> Tensor:
            return z + self.theta

    distance: dict[int, list[float]] = {1: [], 4: [], 16: []}
    for k, found in distance.items():
        for seed in range(6):
            critic = nn.Linear(1, 1)
            nn.init.zeros_(critic.weight)
            nn.init.zeros_(critic.bias)
            game = Game(Shift(), Critic(critic), GAN_LOSSES["non_saturating"], latent_dim=1)
            gap: list[float] = []

            def watch(
                step: int, game: Game, gap: list[float] = gap, critic: nn.Linear = critic
            ) -> dict[str, float]:
                theta = game.generator.theta.item()
                gap.append((critic.weight.item() + theta) ** 2 + (critic.bias.item() - theta**2 / 2) ** 2)
                return {}

            train_gan(
                game,
                lambda n, g: torch.randn(n, 1, generator=g),
                steps=12,
                batch_size=64,
                lr_critic=0.1,
                lr_generator=0.01,
                critic_steps=k,
                generator=seeded(seed),
                every=12,
                watch=watch,
            )
            found.append(gap[-1])
    means = {k: torch.tensor(v).mean().item() for k, v in distance.items()}
    errors = {k: torch.tensor(v).std().item() / 6**0.5 for k, v in distance.items()}
    assert means[1] - means[4] > 5 * (errors[1] + errors[4])
    assert means[4] - means[16] > 5 * (errors[4] + errors[16])


def test_same_seed_same_numbers_whatever_is_watched() -> None:
    def watch(step: int, game: Game) -> dict[str, float]:
        return {"size": game.sample(5).abs().mean().item()}

    torch.manual_seed(3)
    one = run(make_game(), every=7, watch=watch)
    two = run(make_game())
    longer = run(make_game(), steps=POINTS // BATCH + 30)
    assert torch.equal(one.terms["generator.loss"], two.terms["generator.loss"])
    assert torch.equal(longer.terms["generator.loss"][:20], two.terms["generator.loss"])
    assert one.watched["step"] == [0, 7, 14]
    assert len(one.watched["size"]) == 3
    # Without a generator the seed is torch's, and looking does not change the numbers.
    runs = []
    for looks in ({"every": 5, "watch": watch}, {}):
        game = make_game()
        torch.manual_seed(4)
        runs.append(run(game, generator=None, **looks).terms["critic.loss"])
    assert torch.equal(*runs)
    assert not torch.equal(runs[0], one.terms["critic.loss"])


def test_weights_keep_their_own_storage_and_names() -> None:
    game = make_game()
    weights = list(game.parameters())
    run(game, steps=2)
    assert all(a is b for a, b in zip(weights, game.parameters(), strict=True))
    assert len({w.untyped_storage().data_ptr() for w in weights}) == len(weights)
    assert all(w.storage_offset() == 0 and w.requires_grad for w in weights)


def test_frozen_weights_stay() -> None:
    game = make_game()
    frozen = next(game.critic.parameters()).requires_grad_(False)
    before = frozen.clone()
    run(game, steps=3)
    assert torch.equal(frozen, before)


def test_clipping_and_a_table_of_data() -> None:
    game = make_game("wasserstein")
    table = data(50, seeded())
    train_gan(
        game, table, steps=5, batch_size=8, lr_critic=1.0, lr_generator=0.1, clip=0.05, generator=seeded()
    )
    assert all(bool((w.abs() <= 0.05).all()) for w in game.critic.parameters())
    assert any(bool((w.abs() > 0.05).any()) for w in game.generator.parameters())
    (real, *_) = next(batches(game, table, 8, 2, False, seeded()))
    assert real.shape == (2, 8, 2)
    assert (real.flatten(0, 1)[:, None] == table).all(-1).any(-1).all()


def test_consensus_and_penalties_are_recorded() -> None:
    game = make_game("relativistic", (R1(0.1), GradientPenalty(2.0), Consensus(0.1)))
    terms = run(game, steps=3, simultaneous=True).terms
    assert list(terms) == [
        *("critic.loss", "critic.r1", "critic.gradient_penalty", "critic.consensus"),
        *("generator.loss", "generator.consensus"),
    ]
    # Both players are charged for the same field, at the same point.
    assert torch.allclose(terms["critic.consensus"], terms["generator.consensus"], rtol=1e-5)


def test_divergence_is_reported_with_step_and_term() -> None:
    class Breaks(nn.Module):
        """A critic that fails at its fourth batch of data."""

        def __init__(self) -> None:
            super().__init__()
            self.net, self.calls = nn.Linear(2, 1), 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            a = self.net(x).squeeze(1)
            return a * float("nan") if self.calls >= 10 else a  # three calls a step

    game = Game(toy_generator(latent_dim=4), Breaks(), GAN_LOSSES["non_saturating"], latent_dim=4)
    with pytest.raises(GameDiverged, match=r"'critic.loss' is NaN or infinite at step 3") as raised:
        run(game, steps=20)
    assert (raised.value.step, raised.value.term) == (3, "critic.loss")
    assert next(game.critic.parameters()).storage_offset() == 0
    # The weights may fail where every term was finite: in the last step.
    root = PairLoss("root", lambda a: 0 * a, lambda a: 0 * a, lambda a: (a - a).sqrt())
    game = Game(toy_generator(latent_dim=4), toy_critic(), root, latent_dim=4)
    with pytest.raises(GameDiverged, match="'parameters' is NaN or infinite at step 0"):
        run(game, steps=1)


CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("non_saturating", (R1(0.5), R2(0.1)), {"critic_steps": 2}),
    ("relativistic", (GradientPenalty(2.0), Consensus(0.1)), {"optimizer": "adam", "simultaneous": True}),
    ("wasserstein", (), {"momentum": 0.5, "clip": 0.2}),
]


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize(("loss", "regularisers", "options"), CASES)
def test_the_traced_step_is_the_eager_one(
    loss: str,
    regularisers: tuple[Any, ...],
    options: dict[str, Any],
    normed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What is handed to the compiler: one graph, once, with both moves and gradients of gradients in it, and no autograd.
    # Buffers move with it: the power iteration's vectors and the averages of a batch norm.
    graphs: list[Any] = []

    def compile(graph: Any, *, fullgraph: bool, **options: Any) -> Any:
        graphs.append(graph)
        assert fullgraph
        return graph

    monkeypatch.setattr(torch, "compile", compile)
    monkeypatch.setattr(_steps, "compiler_found", lambda: True)
    runs = []
    for compiled in (False, True):
        game = make_game(loss, regularisers)
        if normed:
            spectral_norm(game.critic)
            game.generator = nn.Sequential(
                nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), game.generator.layers[3]
            )
        history = run(game, steps=6, compile=compiled, **options)
        assert history.compiled is compiled
        runs.append({**game.state_dict(), **history.terms})
    assert len(graphs) == 1
    assert runs[0].keys() == runs[1].keys()
    for key, value in runs[0].items():
        torch.testing.assert_close(runs[1][key], value, rtol=1e-4, atol=1e-5)


COMPILED = """
import torch
whole = torch.compile
torch.compile = lambda graph, **options: whole(graph, backend="aot_eager", **{**options, "mode": None})
from gmlib.gan import *

runs = []
for compile in (False, True):
    torch.manual_seed(0)
    game = Game(
        toy_generator(latent_dim=3, widths=(6,)), toy_critic(widths=(6,)), GAN_LOSSES["hinge"], [R1(0.5)], latent_dim=3
    )
    history = train_gan(
        game, torch.randn(40, 2), steps=6, batch_size=8, lr_critic=0.05, lr_generator=0.05, optimizer="adam",
        compile=compile,
    )
    assert history.compiled is compile
    runs.append({**game.state_dict(), **history.terms})
for key, value in runs[0].items():
    torch.testing.assert_close(runs[1][key], value, rtol=1e-4, atol=1e-5)
print("compiled")
"""


@pytest.mark.weekly
def test_the_compiled_step_is_the_eager_one() -> None:
    # In a process of its own: the shape checker is no part of what a user compiles.
    environment = {**os.environ, "JAXTYPING_DISABLE": "1"}
    run = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True, env=environment)
    assert run.stdout.strip() == "compiled", run.stderr[-3000:]


def test_without_a_compiler_it_warns_and_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.warns(UserWarning, match="no C\\+\\+ compiler") as warned:
        history = run(make_game(), compile=True)
    assert len(warned) == 1
    assert history.compiled is False
    assert torch.equal(history.terms["critic.loss"], run(make_game()).terms["critic.loss"])


@pytest.mark.gpu
def test_no_synchronisation_between_looks() -> None:
    """With CUDA's sync debugging on, 40 more steps between two looks add no synchronising call."""
    counts = []
    for steps in (5, 45):
        game = make_game(regularisers=(R1(0.1),)).cuda()
        table = data(100, seeded()).cuda()
        generator = torch.Generator("cuda").manual_seed(0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            train_gan(
                game, table, steps=steps, batch_size=8, lr_critic=0.1, lr_generator=0.1, generator=generator
            )
            torch.cuda.set_sync_debug_mode("default")
        counts.append(sum("synchroniz" in str(w.message) for w in caught))
    assert counts[0] == counts[1]


@pytest.mark.gpu
def test_recorded_step_on_a_gpu() -> None:
    runs = []
    for compile in (False, True):
        game = make_game(regularisers=(R1(0.1),)).cuda()
        generator = torch.Generator("cuda").manual_seed(0)
        history = run(game, compile=compile, generator=generator, optimizer="adam")
        runs.append({**game.state_dict(), **history.terms})
    for key, value in runs[0].items():
        torch.testing.assert_close(runs[1][key], value, rtol=1e-3, atol=1e-4)


GOOD: dict[str, Any] = {"steps": 1, "batch_size": 2, "lr_critic": 0.1, "lr_generator": 0.1}


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"steps": 0}, ValueError, "steps must be at least 1, got 0"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an int, got float"),
        ({"critic_steps": 0}, ValueError, "critic_steps must be at least 1, got 0"),
        ({"lr_critic": 0.0}, ValueError, r"lr_critic must be a finite number in \(0"),
        ({"lr_generator": float("nan")}, ValueError, "lr_generator must be a finite number"),
        ({"optimizer": "rmsprop"}, ValueError, "optimizer must be one of 'sgd', 'adam', got 'rmsprop'"),
        ({"momentum": 1.0}, ValueError, r"momentum must be a finite number in \(-1, 1\)"),
        ({"momentum": 0.5, "optimizer": "adam"}, ValueError, 'momentum must be 0 for "adam"'),
        ({"beta1": 0.5}, ValueError, 'beta1 must be None for "sgd", which has momentum instead, got 0.5'),
        ({"beta2": 0.9}, ValueError, 'beta2 must be None for "sgd"'),
        ({"simultaneous": "yes"}, TypeError, "simultaneous must be a bool, got str"),
        ({"compile": 1}, TypeError, "compile must be a bool, got int"),
        ({"beta1": 1.0}, ValueError, r"beta1 must be a finite number in \[0, 1\)"),
        ({"beta2": -0.1}, ValueError, "beta2 must be a finite number"),
        ({"clip": 0.0}, ValueError, r"clip must be a finite number in \(0"),
        ({"every": 5}, ValueError, "every and watch must be given together, got every=5 and watch=None"),
        ({"watch": lambda step, game: {}}, ValueError, "every and watch must be given together"),
        ({"every": 1, "watch": 3}, TypeError, "watch must be callable, got int"),
        ({"every": 1, "watch": lambda step, game: 3}, TypeError, "must return a dict, got int"),
        ({"generator": 3}, TypeError, "generator must be a torch.Generator or None, got int"),
    ],
)
def test_bad_input(changes: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        train_gan(make_game(), data, **{**GOOD, **changes})


@pytest.mark.bad_input
def test_bad_data_and_games() -> None:
    with pytest.raises(TypeError, match="game must be a Game, got Linear"):
        train_gan(nn.Linear(1, 1), data, **GOOD)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="sample_real must be callable or a tensor, got list"):
        train_gan(make_game(), [1.0], **GOOD)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"sample_real must have shape \(batch, \*event\)"):
        train_gan(make_game(), torch.zeros(0, 2), **GOOD)
    with pytest.raises(ValueError, match=r"sample_real must be finite, got 1 NaN"):
        train_gan(make_game(), torch.tensor([[0.0, float("nan")]]), **GOOD)
    with pytest.raises(ValueError, match=r"must return n = 4096 points, got 3"):
        train_gan(make_game(), lambda n, generator: torch.zeros(3, 2), **GOOD)
    with pytest.raises(ValueError, match=r"sample_real\(n, generator\) must be finite, got 8192 NaN"):
        train_gan(make_game(), lambda n, generator: torch.full((n, 2), torch.inf), **GOOD)
    with pytest.raises(ValueError, match=r"game.critic must have weights that require gradients, got none"):
        train_gan(Game(toy_generator(), nn.Identity(), GAN_LOSSES["hinge"], latent_dim=32), data, **GOOD)
    mixed = make_game()
    mixed.critic.double()
    nn.Module.float(mixed.critic.net.layers[0])
    with pytest.raises(ValueError, match=r"game.critic must have weights of one dtype on one device"):
        train_gan(mixed, data, **GOOD)
