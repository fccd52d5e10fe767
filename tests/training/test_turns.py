"""Players who take turns: against the same written out, exact on resume, compiled, averaged."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from gmlib.training import CHECKPOINT, Task, TrainConfig, train
from gmlib.training.batches import Batches
from gmlib.training.monitor import READ_EVERY


class Pair(nn.Module):
    """A generator and a critic."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
        self.critic = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))


def critic_loss(model: Pair, x: Tensor, z: Tensor) -> dict[str, Tensor]:
    """Logistic loss with a penalty on the slope at the data."""
    real = x.detach().requires_grad_()
    a = model.critic(real)
    (slope,) = torch.autograd.grad(a.sum(), real, create_graph=True)
    penalty = 0.5 * slope.square().sum(-1).mean()
    loss = nn.functional.softplus(-a).mean() + nn.functional.softplus(model.critic(model.generator(z))).mean()
    return {"loss": loss + penalty, "penalty": penalty}


def generator_loss(model: Pair, x: Tensor, z: Tensor) -> dict[str, Tensor]:
    return {"loss": nn.functional.softplus(-model.critic(model.generator(z))).mean()}


def noise(n: int, generator: torch.Generator, device: torch.device) -> Tensor:
    return torch.randn(n, 2, generator=generator, device=device)


def game(critic_steps: int = 1) -> Task:
    torch.manual_seed(0)
    losses = (critic_loss,) * critic_steps + (generator_loss,)
    players = ("critic",) * critic_steps + ("generator",)
    x = torch.randn(60, 2, generator=torch.Generator().manual_seed(1))
    return Task(Pair(), losses, x, noise, players=players)


def config(steps: int, **changes: Any) -> TrainConfig:
    settings = {"batch_size": 12, "lr": 0.05, "device": "cpu", "log_every": 7, "ema_decay": 0.8, "seed": 3}
    return TrainConfig(**(settings | {"steps": steps} | changes))


def same(one: nn.Module | None, two: nn.Module | None) -> bool:
    assert one is not None
    assert two is not None
    return all(
        torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("critic_steps", [1, 3])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_equals_two_optimisers(optimizer: str, critic_steps: int) -> None:
    """An optimiser for each player in plain torch; the other's gradients are simply thrown away."""
    beta1, decay = {"sgd": 0.9, "adam": 0.3, "adamw": 0.0}[optimizer], 0.02
    extra = {"optimizer": optimizer, "beta1": beta1, "weight_decay": decay, "grad_clip": 0.3, "warmup": 4}
    result = train(game(critic_steps), config(30, log_every=1, **extra))
    task = game(critic_steps)
    model, average = task.model, copy.deepcopy(task.model)
    batches = Batches(task.data, batch_size=12, noise=noise, seed=3, device=torch.device("cpu"))

    def optimiser(net: nn.Module) -> torch.optim.Optimizer:
        if optimizer == "sgd":
            return torch.optim.SGD(net.parameters(), lr=0.05, weight_decay=decay)
        kind = torch.optim.Adam if optimizer == "adam" else torch.optim.AdamW
        return kind(net.parameters(), lr=0.05, betas=(beta1, 0.999), weight_decay=decay)

    nets = {name: model.get_submodule(name) for name in ("critic", "generator")}
    own = {name: optimiser(net) for name, net in nets.items()}
    losses: dict[str, list[float]] = {"critic": [], "generator": []}
    for step in range(30):
        turn = step % (critic_steps + 1)
        name = task.players[turn]
        model.zero_grad()
        loss = task.loss[turn](model, *batches.at(step))["loss"]  # pyright: ignore[reportIndexIssue]
        loss.backward()
        nn.utils.clip_grad_norm_(nets[name].parameters(), 0.3)
        own[name].param_groups[0]["lr"] = 0.05 * min(1.0, (step + 1) / 4)
        own[name].step()
        losses[name].append(loss.item())
        with torch.no_grad():
            for mean, p in zip(average.parameters(), model.parameters(), strict=True):
                mean += 0.2 * (p - mean)
    for ours, theirs in ((result.model, model), (result.ema, average)):
        assert ours is not None
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    for name, values in losses.items():
        assert result.history[f"{name}.loss"] == pytest.approx(values, rel=1e-4)


def test_only_the_player_moves_and_only_its_weights_have_gradients() -> None:
    task = game()
    seen: list[list[bool]] = []
    before = copy.deepcopy(task.model)

    def look(model: Pair, x: Tensor, z: Tensor) -> dict[str, Tensor]:
        seen.append([p.requires_grad for p in model.parameters()])
        return critic_loss(model, x, z)

    task.loss = (look, generator_loss)
    result = train(task, config(1))
    assert seen == [[False] * 4 + [True] * 4]  # the generator comes first in the model
    assert same(result.model.generator, before.generator)
    assert not same(result.model.critic, before.critic)
    assert all(p.requires_grad for p in result.model.parameters())


def test_weights_that_were_frozen_stay_so() -> None:
    task = game()
    task.model.critic[0].weight.requires_grad_(False)
    kept = task.model.critic[0].weight.clone()
    result = train(task, config(12))
    assert torch.equal(result.model.critic[0].weight, kept)
    assert not result.model.critic[0].weight.requires_grad


def test_trainable_again_after_an_interruption() -> None:
    task = game()

    def stop(model: Pair, x: Tensor, z: Tensor) -> dict[str, Tensor]:
        raise InterruptedError

    task.loss = (critic_loss, stop)
    with pytest.raises(InterruptedError):
        train(task, config(4))
    assert all(p.requires_grad for p in task.model.parameters())


def test_history_has_the_steps_of_each_player() -> None:
    every = train(game(2), config(20, log_every=1)).history
    assert every["critic.step"] == [s for s in range(1, 21) if s % 3]
    assert every["generator.step"] == [3, 6, 9, 12, 15, 18]
    assert "step" not in every
    seventh = train(game(2), config(20)).history
    assert seventh["critic.step"] == seventh["generator.step"] == [7, 14, 20]
    for name in ("critic.loss", "critic.penalty", "generator.loss"):
        steps = every[f"{name.split('.')[0]}.step"]
        means = [
            [v for s, v in zip(steps, every[name], strict=True) if a < s <= b]
            for a, b in ((0, 7), (7, 14), (14, 20))
        ]
        assert seventh[name] == pytest.approx([sum(values) / len(values) for values in means])
    assert set(seventh) == {
        "critic.step",
        "critic.loss",
        "critic.penalty",
        "generator.step",
        "generator.loss",
    }


def test_two_losses_of_one_player_may_have_other_terms() -> None:
    def plain(model: Pair, x: Tensor, z: Tensor) -> dict[str, Tensor]:
        return {"loss": critic_loss(model, x, z)["loss"] * 0 + 2, "plain": torch.ones(())}

    task = game(2)
    task.loss = (critic_loss, plain, generator_loss)
    history = train(task, config(6, log_every=6)).history
    assert history["critic.plain"] == [1.0]
    assert set(history) == {
        *("critic.step", "critic.loss", "critic.penalty", "critic.plain"),
        *("generator.step", "generator.loss"),
    }
    alone = train(task, config(1, log_every=1)).history
    assert "critic.plain" not in alone


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_resume_is_exact(tmp_path: Path, optimizer: str) -> None:
    """A checkpoint after an odd step and one after an even one, more steps than a read of the terms."""
    settings = config(READ_EVERY + 30, optimizer=optimizer, checkpoint_every=17)
    whole = train(game(2), settings)
    for stop in (2, 20, 40):  # the first: before the generator has moved
        task, calls = game(2), 0

        def critic(model: Pair, x: Tensor, z: Tensor) -> dict[str, Tensor]:
            nonlocal calls
            calls += 1
            if calls == stop:  # noqa: B023
                raise Interrupted
            return critic_loss(model, x, z)

        task.loss = (critic, critic, generator_loss)
        with pytest.raises(Interrupted):
            train(task, settings, out=tmp_path)
    with safe_open(tmp_path / CHECKPOINT, framework="pt") as file:
        assert json.loads(file.metadata()["gmlib.training"])["step"] in (17 * 3, 17 * 4)
    resumed = train(game(2), settings, out=tmp_path)
    assert same(resumed.model, whole.model)
    assert same(resumed.ema, whole.ema)
    assert resumed.history == whole.history


def test_resume_before_the_second_player_has_moved(tmp_path: Path) -> None:
    train(game(3), config(2), out=tmp_path)
    assert same(train(game(3), config(9), out=tmp_path).model, train(game(3), config(9)).model)


def test_sgd_is_gradient_descent() -> None:
    x = torch.ones(4, 1)
    model = nn.Linear(1, 1, bias=False)
    start = model.weight.item()
    task = Task(model, lambda m, b, n: {"loss": 0.5 * m(b).square().mean()}, x)
    train(task, TrainConfig(steps=5, batch_size=4, lr=0.1, optimizer="sgd", device="cpu"))
    assert model.weight.item() == pytest.approx(0.9**5 * start)


def test_a_first_step_of_adam_does_not_depend_on_beta1_and_a_second_does() -> None:
    """The bias correction makes the first step lr times the gradient's sign; then the means differ."""

    def weight(steps: int, beta1: float) -> float:
        model = nn.Linear(1, 1, bias=False)
        nn.init.ones_(model.weight)
        task = Task(model, lambda m, b, n: {"loss": 0.5 * m(b).square().mean()}, torch.ones(4, 1))
        settings = {"batch_size": 4, "lr": 0.5, "device": "cpu"}
        train(task, TrainConfig(steps=steps, beta1=beta1, **settings))
        return model.weight.item()

    assert weight(1, 0.0) == pytest.approx(0.5, abs=1e-5)
    assert weight(1, 0.9) == pytest.approx(0.5, abs=1e-5)
    # Gradients 1 and .5: v = (.999 + .25) .001 / (1 - .999^2); m = .5 with beta1 = 0, (.09 + .05) / .19 with .9.
    root = ((0.999e-3 + 0.25e-3) / (1 - 0.999**2)) ** 0.5
    assert weight(2, 0.0) == pytest.approx(0.5 - 0.5 * 0.5 / root, abs=1e-5)
    assert weight(2, 0.9) == pytest.approx(0.5 - 0.5 * (0.14 / 0.19) / root, abs=1e-5)


ENV = dict(os.environ) | {"OMP_NUM_THREADS": "1", "JAXTYPING_DISABLE": "1"}
COMPILED = """
import sys
sys.path.insert(0, {here!r})
from functools import partial
import torch
from test_turns import config, game, generator_loss
from gmlib.training import train

# No code generation: whether the graphs are whole and right does not depend on a C++ compiler.
torch.compile = partial(torch.compile, backend="aot_eager")

def plain(model, x, z):  # torch compiles no gradient of a gradient
    a = torch.nn.functional.softplus
    return {{"loss": a(-model.critic(x)).mean() + a(model.critic(model.generator(z))).mean()}}

results = []
for wanted in (False, True):
    task = game()
    task.loss = (plain, generator_loss)
    results.append(train(task, config(10, log_every=1, compile=wanted)))
stats = torch._dynamo.utils.counters["stats"]
assert stats["unique_graphs"] == 2, stats
a, b = (torch.cat([p.flatten() for p in r.final.parameters()]) for r in results)
print((a - b).abs().max().item())
"""


@pytest.mark.weekly
def test_compiled_equals_eager() -> None:
    code = COMPILED.format(here=str(Path(__file__).parent))
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENV, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-5


@pytest.mark.bad_input
def test_bad_players() -> None:
    model, x = Pair(), torch.zeros(3, 2)
    both = (critic_loss, generator_loss)
    with pytest.raises(ValueError, match=r"players must name one for each of the 2 losses, got \(\)"):
        Task(model, both, x)
    with pytest.raises(ValueError, match=r"players must be \(\), got \('critic',\)"):
        Task(model, critic_loss, x, players=("critic",))
    with pytest.raises(ValueError, match="players must be submodules of the model, got 'judge'"):
        Task(model, both, x, players=("judge", "generator"))
    with pytest.raises(TypeError, match="players must be a tuple of names, got 'critic'"):
        Task(model, (critic_loss,), x, players="critic")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="loss must be a function or a tuple of functions"):
        Task(model, (), x)
    with pytest.raises(TypeError, match="loss must be a function or a tuple of functions"):
        Task(model, (critic_loss, "generator"), x, players=("critic", "generator"))  # pyright: ignore
    with pytest.raises(
        ValueError, match=r"players must own every trainable weight, .* 'generator\.0\.weight'"
    ):
        train(Task(model, (critic_loss,), x, noise, players=("critic",)), config(2, batch_size=3))
    players = "players must share no trainable weight, got "
    nested = Pair()
    nested.whole = nn.ModuleDict({"critic": nested.critic, "generator": nested.generator})
    with pytest.raises(ValueError, match=players + r"'generator\.0\.weight' of 'whole' and 'generator'"):
        train(Task(nested, both, x, noise, players=("whole", "generator")), config(2, batch_size=3))
    tied = Pair()
    tied.critic[0] = tied.generator[0]
    with pytest.raises(ValueError, match=players + r"'generator\.0\.weight' of 'critic' and 'generator'"):
        train(Task(tied, both, x, noise, players=("critic", "generator")), config(2, batch_size=3))
    tied.generator[0].requires_grad_(False)  # what no turn moves may be shared
    train(Task(tied, both, x, noise, players=("critic", "generator")), config(2, batch_size=3))
    model.critic.requires_grad_(False)
    with pytest.raises(ValueError, match="players must have weights to train, and 'critic' has none"):
        Task(model, both, x, players=("critic", "generator"))


@pytest.mark.bad_input
def test_another_game_does_not_go_on(tmp_path: Path) -> None:
    train(game(1), config(4), out=tmp_path)
    with pytest.raises(ValueError, match=r"is of another run \(players: \['critic', 'generator'\], not"):
        train(game(2), config(8), out=tmp_path)
    with pytest.raises(ValueError, match=r"beta1: 0\.9, not 0\.5"):
        train(game(1), config(8, beta1=0.5), out=tmp_path)


def test_a_checkpoint_without_beta1_had_the_default() -> None:
    settings = TrainConfig(steps=10)
    old = {k: v for k, v in vars(settings).items() if k != "beta1"}
    assert settings.differences(old) == []
    assert TrainConfig(steps=10, beta1=0.5).differences(old) == ["beta1: 0.9, not 0.5"]
