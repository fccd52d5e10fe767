"""The classifier: its two halves, its sizes, and its checkpoints against the accuracy that the manifest states."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gmlib.checkpoints import checkpoint
from gmlib.data import digits, letters, mnist
from gmlib.metrics import NETWORKS, feature_network
from gmlib.nn import ConvClassifier
from gmlib.recipe import load_recipe
from gmlib.recipes.classifier import (
    classifier_task,
    digits_classifier,
    evaluator,
    letters_classifier,
    mnist_classifier,
)
from gmlib.training import TrainConfig, train

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("pool", ["stride", "max"])
def test_logits_are_the_head_on_the_features(pool: Any) -> None:
    net = ConvClassifier(28, [3, 4, 5], 6, classes=7, pool=pool, kernel=5)
    x = torch.rand(2, 1, 28, 28)
    phi = net.features(x)
    assert phi.shape == (2, 6)
    assert torch.allclose(net(x), phi @ net.head.weight.T + net.head.bias, atol=1e-6)
    # 28 -> 14 -> 7 -> 4, rounding up: the linear map sees 4 * 4 pixels of 5 channels.
    linear = [m for m in net.body if isinstance(m, nn.Linear)]
    assert linear[0].in_features == 5 * 16
    assert net(x[:0]).shape == (0, 7)


def test_one_level_is_its_formula() -> None:
    net = ConvClassifier(4, [2], 3, activation=nn.Tanh)
    x = torch.rand(5, 1, 4, 4)
    conv, linear = net.body[0], net.body[3]
    patches = nn.functional.unfold(x, 3, padding=1, stride=2)  # (5, 9, 4)
    inner = torch.tanh(conv.weight.flatten(1) @ patches + conv.bias[:, None]).flatten(1)
    expected = torch.tanh(inner @ linear.weight.T + linear.bias)
    assert torch.allclose(net.features(x), expected, atol=1e-6)


def test_it_learns_what_can_be_told_apart() -> None:
    # Two classes: ink on the left, ink on the right; jittered by less than their distance.
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 2
    x = torch.zeros(200, 1, 8, 8)
    x[labels == 0, :, :, 1] = 1.0
    x[labels == 1, :, :, 6] = 1.0
    x += 0.1 * torch.rand(x.shape, generator=g)
    torch.manual_seed(0)
    task = classifier_task(ConvClassifier(8, [4], 4, classes=2), (x, labels), (x, labels), shift=0.3)
    before = evaluator((x, labels))(task.model)["nll"]
    train(task, TrainConfig(steps=60, batch_size=50, lr=1e-2, device="cpu"))
    after = evaluator((x, labels))(task.model)
    assert after["accuracy"] == 1.0
    assert after["nll"] < 0.1 * before


def test_evaluation_is_over_all_images_in_any_batches() -> None:
    torch.manual_seed(1)
    net = ConvClassifier(8, [2], 3)
    x, y = torch.rand(37, 1, 8, 8), torch.arange(37) % 10
    log_p = net(x).double().log_softmax(1)
    expected = {
        "accuracy": (log_p.argmax(1) == y).double().mean().item(),
        "nll": -log_p.gather(1, y[:, None]).mean().item(),
    }
    assert evaluator((x, y), batch=10)(net) == pytest.approx(expected, rel=1e-5)


def held_out(name: str) -> tuple[Tensor, Tensor]:
    if name == "features-digits":
        x, y = digits("test")
        return x.float() / 16, y
    if name == "features-letters":
        x, y = letters(1000, generator=torch.Generator().manual_seed(2))
        return x.float() / 255, y
    x, y = mnist("test")
    return x.float() / 255, y


@pytest.mark.parametrize("name", NETWORKS)
def test_the_checkpoints_are_as_good_as_the_manifest_says(name: str) -> None:
    x, y = held_out(name)
    stated = checkpoint(name).metrics
    assert len(stated["seeds"]) == 3
    assert stated["mean"]["accuracy"] > {"features-digits": 0.96}.get(name, 0.99)
    p = stated["seeds"][str(checkpoint(name).seed)]["accuracy"]
    accuracy = evaluator((x, y))(feature_network(name))["accuracy"]
    # MNIST: the embedded 2,000 of the 10,000 test images; letters: 1,000 new ones; digits: the same 447.
    assert accuracy >= p - 4 * (p * (1 - p) / len(y)) ** 0.5
    if name == "features-digits":
        assert accuracy == pytest.approx(p, abs=1.01 / 447)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_is_the_one_of_the_recipe(name: str) -> None:
    file = ROOT / checkpoint(name).recipe
    options = tomllib.loads(file.read_text())["task_options"]
    small = {"full": "false", "images": "10"}
    changes = [f"task_options.{key}={value}" for key, value in small.items() if key in options]
    model = load_recipe(file, changes).make_task().model
    ours = feature_network(name)
    assert {k: v.shape for k, v in model.state_dict().items()} == {
        k: v.shape for k, v in ours.state_dict().items()
    }
    x = torch.rand(2, *ours.event_shape)
    model.load_state_dict(ours.state_dict())
    assert torch.equal(model(x), ours(x))


def test_the_weights_are_small() -> None:
    for name in NETWORKS:
        assert (ROOT / "assets" / "checkpoints" / checkpoint(name).file).stat().st_size < 200_000


def test_the_judge_is_another_network() -> None:
    judge, maker = feature_network("judge-mnist"), feature_network("features-mnist")
    assert {k: v.shape for k, v in judge.state_dict().items()} != {
        k: v.shape for k, v in maker.state_dict().items()
    }
    assert checkpoint("judge-mnist").seed not in map(int, checkpoint("features-mnist").metrics["seeds"])


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    net, x = feature_network("features-mnist"), torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(net.to("cuda")(x.cuda()).cpu(), net.to("cpu")(x), rtol=1e-2, atol=0.05)


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="widths must name"):
        ConvClassifier(8, [], 3)
    with pytest.raises(ValueError, match="widths must be at least 1"):
        ConvClassifier(8, [0], 3)
    with pytest.raises(ValueError, match="kernel must be odd"):
        ConvClassifier(8, [2], 3, kernel=4)
    with pytest.raises(ValueError, match="pool must be one of"):
        ConvClassifier(8, [2], 3, pool="mean")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="classes must be at least 1"):
        ConvClassifier(8, [2], 3, classes=0)
    net = ConvClassifier(8, [2], 3)
    with pytest.raises(ValueError, match="x must end in the event shape"):
        net(torch.zeros(2, 1, 28, 28))
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        net.features(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    for split in ("tests", "train"):
        with pytest.raises(ValueError, match="evaluate_on must be one of 'validation', 'test', got"):
            digits_classifier(evaluate_on=split)  # pyright: ignore[reportArgumentType]
    for make in (digits_classifier, mnist_classifier):
        with pytest.raises(ValueError, match="strength must be a finite number in"):
            make(strength=-1.0)
    with pytest.raises(ValueError, match="images must be at least 10"):
        letters_classifier(images=5)
    with pytest.raises(ValueError, match="batch must be at least 1"):
        evaluator((torch.zeros(1, 1, 8, 8), torch.zeros(1, dtype=torch.int64)), batch=0)
    with pytest.raises(ValueError, match="held_out must have at least one image"):
        evaluator((torch.zeros(0, 1, 8, 8), torch.zeros(0, dtype=torch.int64)))
    with pytest.raises(ValueError, match="held_out must have a label for each of its 3 images, got 2"):
        evaluator((torch.zeros(3, 1, 8, 8), torch.zeros(2, dtype=torch.int64)))
