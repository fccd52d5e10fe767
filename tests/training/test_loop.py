"""The loop against a bare one, exact resume, divergence, and what else it promises."""

from __future__ import annotations

import copy
import math
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from toy import CONFIG, make_task

from gmlib.training import CHECKPOINT, Task, TrainConfig, TrainingDiverged, train
from gmlib.training.batches import Batches, seed_from


def weights(model: nn.Module) -> list[Tensor]:
    return [t.detach().clone() for t in model.state_dict().values()]


def same(one: nn.Module | None, two: nn.Module | None) -> bool:
    assert one is not None
    assert two is not None
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(two), strict=True))


def config(steps: int, **changes: Any) -> TrainConfig:
    return TrainConfig(**(CONFIG | {"steps": steps} | changes))


def test_equals_a_bare_loop() -> None:
    """AdamW, warm-up and cosine, clipping, averaging: equal to the same written out in plain torch."""
    steps, decay = 30, CONFIG["ema_decay"]
    result = train(make_task(), config(steps, log_every=1))
    task = make_task()
    batches = Batches(
        task.data, batch_size=24, noise=task.noise, seed=CONFIG["seed"], device=torch.device("cpu")
    )
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=0.01, weight_decay=0.01)
    average, losses, norms = copy.deepcopy(task.model), [], []
    for step in range(steps):
        torch.manual_seed(seed_from(CONFIG["seed"], "model", step, 0))  # dropout
        loss = task.loss(task.model, *batches.at(step))["loss"]
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(nn.utils.clip_grad_norm_(task.model.parameters(), 1.0)))
        warm, turn = min(1.0, (step + 1) / 5), math.pi * max(0, step - 5) / (steps - 5)
        optimizer.param_groups[0]["lr"] = 0.01 * warm * 0.5 * (1 + math.cos(turn))
        optimizer.step()
        losses.append(loss.item())
        with torch.no_grad():
            for mean, p in zip(average.parameters(), task.model.parameters(), strict=True):
                mean += (1 - decay) * (p - mean)
    for ours, theirs in zip(result.model.parameters(), task.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert result.ema is not None
    for ours, theirs in zip(result.ema.parameters(), average.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert result.history["step"] == list(range(1, steps + 1))
    assert result.history["loss"] == pytest.approx(losses, rel=1e-5)
    assert result.history["grad_norm"] == pytest.approx(norms, rel=1e-5)
    assert result.final is result.ema


def test_least_squares_is_solved() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 3, generator=generator)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3 * torch.randn(200, 1, generator=generator)
    torch.manual_seed(0)
    model = nn.Linear(3, 1, bias=False)
    task = Task(model, lambda m, b, n: {"loss": (m(b[0]) - b[1]).square().mean()}, (x, y))
    train(task, TrainConfig(steps=800, batch_size=200, lr=0.1, lr_schedule="cosine", device="cpu"))
    truth = torch.linalg.lstsq(x, y).solution
    torch.testing.assert_close(model.weight.detach(), truth.T, rtol=0, atol=1e-4)


def test_history_is_the_mean_of_each_interval() -> None:
    every = train(make_task(), config(20, log_every=1)).history
    seventh = train(make_task(), config(20)).history
    assert seventh["step"] == [7, 14, 20]
    for name in ("loss", "bias"):
        means = [sum(every[name][a:b]) / (b - a) for a, b in ((0, 7), (7, 14), (14, 20))]
        assert seventh[name] == pytest.approx(means)


def test_evaluation_is_of_the_average_and_changes_nothing() -> None:
    task = make_task()
    seen = []

    def evaluate(model: nn.Module) -> dict[str, float]:
        seen.append((model.training, torch.is_grad_enabled()))
        return {"noise": torch.rand(()).item(), "weight": next(model.parameters()).sum().item()}

    task.evaluate = evaluate
    watched = train(task, config(30, evaluate_every=15))
    plain = train(make_task(), config(30))
    assert seen == [(False, False)] * 2
    assert same(watched.model, plain.model)
    assert watched.history["evaluate.step"] == [15, 30]
    assert watched.ema is not None
    assert watched.history["evaluate.weight"][1] == next(watched.ema.parameters()).sum().item()


def test_left_over_gradients_do_not_enter() -> None:
    """A model comes with gradients, as after a look at them; the loss without clipping and with it."""
    for grad_clip in (0.0, 1.0):
        task = make_task()
        for p in task.model.parameters():
            p.grad = torch.full_like(p, 1e3)
        settings = config(3, grad_clip=grad_clip)
        assert same(train(task, settings).model, train(make_task(), settings).model)


def test_default_generator_is_given_back() -> None:
    task = make_task()
    torch.manual_seed(7)
    before = torch.get_rng_state()
    train(task, config(3))
    assert torch.equal(torch.get_rng_state(), before)


class Interrupted(Exception):
    pass


def interrupt_at(task: Task, call: int) -> Task:
    inner, calls = task.loss, 0

    def loss(model: nn.Module, batch: Any, noise: Any) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Interrupted
        return inner(model, batch, noise)

    task.loss = loss
    return task


def test_resume_is_exact(tmp_path: Path) -> None:
    settings = config(60, checkpoint_every=16, evaluate_every=25)
    whole = train(make_task(), settings, out=tmp_path / "whole")
    for call in (20, 21):  # stops after 19 steps; the second run starts at 16 and stops at 36
        with pytest.raises(Interrupted):
            train(interrupt_at(make_task(), call), settings, out=tmp_path / "broken")
    resumed = train(make_task(), settings, out=tmp_path / "broken")
    assert same(resumed.model, whole.model)
    assert same(resumed.ema, whole.ema)
    assert resumed.history == whole.history
    again = train(make_task(), settings, out=tmp_path / "broken")  # nothing left to do
    assert same(again.model, whole.model)
    assert again.history == whole.history
    assert again.seconds == pytest.approx(resumed.seconds, rel=0.5)


def test_resume_is_exact_with_channels_last(tmp_path: Path) -> None:
    # A fused optimiser takes the moments as they lie in memory; a file holds them in another order.
    def task() -> Task:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3)).to(
            memory_format=torch.channels_last
        )
        return Task(model, lambda m, x, _: {"loss": m(x).square().mean()}, torch.randn(20, 3, 6, 6))

    whole = train(task(), TrainConfig(steps=8, batch_size=10, lr=0.1, device="cpu")).model
    train(task(), TrainConfig(steps=3, batch_size=10, lr=0.1, device="cpu"), out=tmp_path)
    resumed = train(task(), TrainConfig(steps=8, batch_size=10, lr=0.1, device="cpu"), out=tmp_path).model
    assert same(whole, resumed)
    weight = resumed[0].weight  # type: ignore[index]
    assert isinstance(weight, Tensor)
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_more_steps_continue_a_constant_schedule(tmp_path: Path) -> None:
    whole = train(make_task(), config(40, lr_schedule="constant"))
    train(make_task(), config(25, lr_schedule="constant"), out=tmp_path)
    longer = train(make_task(), config(40, lr_schedule="constant"), out=tmp_path)
    assert same(longer.model, whole.model)


def test_start_over(tmp_path: Path) -> None:
    train(make_task(), config(20), out=tmp_path)
    other = train(make_task(), config(20, lr=0.02), out=tmp_path, resume=False)
    assert same(other.model, train(make_task(), config(20, lr=0.02)).model)


def test_checkpoint_is_one_safetensors_file(tmp_path: Path) -> None:
    left_over = tmp_path / f".{CHECKPOINT}.1-ab.part"
    left_over.write_bytes(b"by a run that was killed two days ago")
    os.utime(left_over, (time.time() - 2 * 86400,) * 2)
    train(make_task(), config(5), out=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [CHECKPOINT]
    with safe_open(tmp_path / CHECKPOINT, framework="pt") as file:
        assert {name.split("/")[0] for name in file.keys()} == {"model", "ema", "optimizer"}  # noqa: SIM118


def test_tied_weights_and_frozen_ones(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Linear(3, 3)
            self.two = nn.Linear(3, 3)
            self.two.weight = self.one.weight
            self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(self.one(x)) * self.frozen

    def make() -> Task:
        torch.manual_seed(0)
        x = torch.randn(32, 3)
        return Task(Tied(), lambda m, b, n: {"loss": (m(b) - b).square().mean()}, x)

    settings = {"batch_size": 8, "device": "cpu", "ema_decay": 0.5, "lr": 0.01}
    train(make(), TrainConfig(steps=10, **settings), out=tmp_path)
    resumed = train(make(), TrainConfig(steps=20, **settings), out=tmp_path)
    whole = train(make(), TrainConfig(steps=20, **settings))
    assert same(resumed.model, whole.model)
    assert same(resumed.ema, whole.ema)
    assert torch.equal(resumed.model.frozen, torch.ones(3))


@pytest.mark.parametrize("step", [0, 73, 99])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_divergence_names_step_term_and_checkpoint(tmp_path: Path, step: int, value: float) -> None:
    task = make_task()
    inner, calls = task.loss, 0

    def loss(model: nn.Module, batch: Any, noise: Any) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        terms = inner(model, batch, noise)
        return terms | {"kl": terms["bias"].detach() * (value if calls == step + 1 else 1.0)}

    task.loss = loss
    with pytest.raises(TrainingDiverged, match=rf"'kl' is NaN or infinite at step {step}") as error:
        train(task, config(200, checkpoint_every=30), out=tmp_path)
    assert error.value.step == step
    assert error.value.term == "kl"
    good = tmp_path / CHECKPOINT
    assert error.value.checkpoint == (None if step == 0 else good)
    if step:
        assert str(good) in str(error.value)
        with safe_open(good, framework="pt") as file:
            assert f'"step": {30 * (step // 30)}' in file.metadata()["gmlib.training"]


def test_bad_gradient_does_not_reach_a_checkpoint(tmp_path: Path) -> None:
    """A finite loss with a NaN gradient in the very step before a checkpoint."""
    x = torch.ones(4, 1)
    calls = 0

    def loss(model: nn.Module, batch: Tensor, noise: None) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        out = model(batch).square().mean()
        return {
            "loss": out + (out - out).sqrt() if calls == 20 else out
        }  # d sqrt at 0 is infinite: inf - inf

    task = Task(nn.Linear(1, 1), loss, x)
    with pytest.raises(TrainingDiverged, match="'parameters' is NaN or infinite at step 19") as error:
        train(task, TrainConfig(steps=40, batch_size=4, checkpoint_every=10, device="cpu"), out=tmp_path)
    assert error.value.checkpoint == tmp_path / CHECKPOINT
    with safe_open(tmp_path / CHECKPOINT, framework="pt") as file:
        assert all(bool(file.get_tensor(name).isfinite().all()) for name in file.keys())  # noqa: SIM118


def test_bfloat16_autocast() -> None:
    seen = []
    task = make_task()
    inner = task.loss

    def loss(model: nn.Module, batch: Any, noise: Any) -> dict[str, Tensor]:
        seen.append(model(batch[0]).dtype)
        return inner(model, batch, noise)

    task.loss = loss
    result = train(task, config(60, amp=True, log_every=20))
    assert set(seen) == {torch.bfloat16}
    assert all(p.dtype == torch.float32 for p in result.model.parameters())
    assert result.history["loss"][-1] < 0.7 * result.history["loss"][0]


def test_no_compiler_warns_and_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compiled = train(make_task(), config(10, compile=True))
    assert [str(w.message) for w in caught] == [
        "compile = true, but there is no C++ compiler: running eagerly"
    ]
    assert same(compiled.model, train(make_task(), config(10)).model)


def test_progress_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    train(make_task(), config(10), progress=True)
    assert "10/10" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tqdm", None)
    train(make_task(), config(3))
    assert capsys.readouterr().err == ""
    with pytest.raises(
        ImportError, match=r'for a progress bar; install it with: pip install "gmlib\[train\]"'
    ):
        train(make_task(), config(3), progress=True)


@pytest.mark.gpu
def test_no_synchronisation_between_reads() -> None:
    """With CUDA's sync debugging on, 40 more steps between two reads add no synchronising call."""
    counts = []
    for steps in (5, 45):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            train(make_task(dropout=0.0), config(steps, device="cuda", log_every=1000))
            torch.cuda.set_sync_debug_mode("default")
        counts.append(sum("synchroniz" in str(w.message) for w in caught))
    assert counts[0] == counts[1]


@pytest.mark.gpu
def test_cuda_sees_the_same_batches() -> None:
    cpu = train(make_task(dropout=0.0), config(1, log_every=1, warmup=0))
    cuda = train(make_task(dropout=0.0), config(1, log_every=1, warmup=0, device="cuda"))
    assert cuda.history["step"] == cpu.history["step"]
    assert cuda.device.type == "cuda"


@pytest.mark.bad_input
def test_checkpoint_of_another_run(tmp_path: Path) -> None:
    train(make_task(), config(10), out=tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(ValueError, match=r"is of another run \(lr: 0.01, not 0.02\).*resume=False"):
        train(make_task(), config(10, lr=0.02), out=tmp_path)
    with pytest.raises(ValueError, match="steps: 10, not 20"):  # a cosine schedule
        train(make_task(), config(20), out=tmp_path)
    fewer = make_task()
    fewer.data = tuple(part[:50] for part in fewer.data)
    with pytest.raises(ValueError, match=r"data\.0\.shape: \[100, 3\], not \[50, 3\]"):
        train(fewer, config(10), out=tmp_path)
    wider = make_task()
    wider.model = nn.Linear(3, 1)
    with pytest.raises(ValueError, match=r"is of another run \(model\."):
        train(wider, config(10), out=tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "damage", ["truncated", "empty", "text", "weight", "step", "history", "name", "no header", "no JSON"]
)
def test_damaged_checkpoint(tmp_path: Path, damage: str) -> None:
    train(make_task(), config(10), out=tmp_path)
    path = tmp_path / CHECKPOINT
    whole = path.read_bytes()
    content = {
        "truncated": whole[:-40],
        "empty": b"",
        "text": b"<html>" * 20,
        "weight": whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:],
        "step": whole.replace(rb"\"step\": 10", rb"\"step\": 30"),
        "history": whole.replace(rb"\"loss\": [", rb"\"lost\": ["),
        "name": whole.replace(b"ema/4.bias", b"ema/5.bias"),
        "no header": whole.replace(b'"gmlib.training"', b'"gmlib.draining"'),
        "no JSON": whole.replace(rb"{\"step\"", rb"(\"step\""),
    }[damage]
    assert content != whole
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors is damaged or no checkpoint"):
        train(make_task(), config(10), out=tmp_path)
    assert path.read_bytes() == content


@pytest.mark.bad_input
def test_bad_loss() -> None:
    model, x = nn.Linear(1, 1), torch.ones(4, 1)
    settings = TrainConfig(steps=2, batch_size=4, device="cpu")
    bad: list[Any] = [
        (lambda m, b, n: m(b).mean(), 'a dict of scalar tensors, one of them called "loss"'),
        (lambda m, b, n: {"elbo": m(b).mean()}, 'one of them called "loss"'),
        (lambda m, b, n: {"loss": m(b)}, r"got \(4, 1\) for 'loss'"),
        (lambda m, b, n: {"loss": m(b).mean(), "kl": 0.5}, "got float for 'kl'"),
    ]
    for loss, message in bad:
        with pytest.raises(ValueError, match=message):
            train(Task(model, loss, x), settings)
    with pytest.raises(ValueError, match="batch_size must be at most the 4 rows"):
        train(Task(model, bad[0][0], x), TrainConfig(steps=2, batch_size=5, device="cpu"))
