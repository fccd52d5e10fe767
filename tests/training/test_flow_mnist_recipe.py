"""The recipe of the image flow of chapter 05: its start, its loss, and a run that goes on."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from gmlib.checkpoints import checkpoint, load_into
from gmlib.classical import PixelHistograms
from gmlib.data import mnist
from gmlib.data.files import assets_folder
from gmlib.flows import Dequantised
from gmlib.metrics import bits_per_dim
from gmlib.recipe import load_recipe
from gmlib.recipes.flow_mnist import evaluator, loss, mnist_flow
from gmlib.training import Task, train

SMALL = ["task_options.full=false", "task_options.hidden=4", "task_options.blocks=0", "task_options.bins=5"]
SMALL += ["task_options.coarse_hidden=[16]", "task_options.noise_hidden=4", "task_options.eval_images=20"]
SMALL += ["task_options.samples=2", "device=cpu", "compile=false", "batch_size=16", "warmup=2", "amp=false"]


def recipe_of(name: str, *changes: str):
    folder = assets_folder()
    assert folder is not None
    return load_recipe(folder / "recipes" / name, [*SMALL, *changes])


def small_task(seed: int = 0, **options: object) -> Task:
    torch.manual_seed(seed)
    settings = {"hidden": 4, "blocks": 0, "bins": 5, "coarse_hidden": (16,), "noise_hidden": 4, "full": False}
    return mnist_flow(**(settings | options))  # type: ignore[arg-type]


@pytest.mark.parametrize("noise", ["variational", "uniform"])
def test_it_starts_below_the_uniform_law_and_near_the_histograms(noise: str) -> None:
    task = small_task(noise=noise, eval_images=60, samples=2)
    assert task.evaluate is not None
    found = task.evaluate(task.model)
    # Independent pixels cannot cost less than their histograms on the images that made them; this start is a coarse
    # version of those. The noise is uniform at the start, whatever learns it.
    assert 1.2 < found["bits_per_dim_1"] < 2.5
    assert found["bits_per_dim"] < found["bits_per_dim_1"]
    assert found["uniform_bits_per_dim"] == pytest.approx(found["bits_per_dim"], abs=0.02)
    assert 0 < found["bits_per_dim_error"] < 0.1


def test_the_bound_with_draws_is_the_mean_weight() -> None:
    task = small_task()
    model = task.model
    assert isinstance(model, Dequantised)
    images = mnist("test").images[:5]
    found = evaluator(images, samples=3, batch=5)(model)
    draw = torch.rand(3, 5, *model.draw_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        weights = torch.stack([model.log_weight(images, each) for each in draw]).double()
    many = bits_per_dim(-(weights.logsumexp(0) - math.log(3)).mean(), 784)
    assert found["bits_per_dim"] == pytest.approx(many.item(), rel=1e-6)
    assert found["bits_per_dim_1"] == pytest.approx(bits_per_dim(-weights[0].mean(), 784).item(), rel=1e-6)
    terms = loss(model, images, draw[0])
    assert terms["loss"].item() == pytest.approx(found["bits_per_dim_1"], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flow-mnist.toml", "flow-mnist-small.toml"])
def test_a_run_learns_and_goes_on_where_it_stopped(name: str, tmp_path: Path) -> None:
    recipe = recipe_of(name, "steps=24", "log_every=6", "checkpoint_every=8", "lr_schedule=constant")
    torch.manual_seed(0)
    whole = train(recipe.make_task(), recipe.train)
    history = whole.history["loss"]
    assert history[-1] < history[0]
    torch.manual_seed(0)
    train(recipe.make_task(), dataclasses.replace(recipe.train, steps=10), out=tmp_path)
    torch.manual_seed(0)
    resumed = train(recipe.make_task(), recipe.train, out=tmp_path)
    for (key, a), b in zip(
        whole.final.state_dict().items(), resumed.final.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), key


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flow-mnist.toml", "flow-mnist-small.toml"])
def test_the_weights_fit_into_the_repository(name: str) -> None:
    folder = assets_folder()
    assert folder is not None
    recipe = load_recipe(folder / "recipes" / name, ["task_options.full=false"])
    model = recipe.make_task().model
    numbers = sum(tensor.numel() for tensor in model.state_dict().values())
    assert recipe.dtype == torch.float16
    assert 2 * numbers < 4 * 2**20


@pytest.mark.slow
def test_shipped_weights() -> None:
    entry = checkpoint("flow-mnist-small")
    found = entry.metrics["seeds"]["0"]
    assert (Path(__file__).parents[2] / entry.recipe).is_file()
    # More draws tighten the bound, and the noise that was learnt beats the one that was not.
    assert found["bits_per_dim"] < found["bits_per_dim_1"] < found["uniform_bits_per_dim"]
    model = mnist_flow(full=False).model.eval()
    load_into(model, "flow-mnist-small")
    assert isinstance(model, Dequantised)
    images = mnist("test").images[:100].reshape(-1, 1, 28, 28)
    again = evaluator(images, samples=2)(model)
    # Another hundred test images: within four of their standard errors of the record's ten thousand.
    for key in ("bits_per_dim_1", "uniform_bits_per_dim_1"):
        assert abs(again[key] - found[key]) < 4 * again[f"{key}_error"], key
    histograms = PixelHistograms(mnist("train").images.flatten(1), levels=256, smoothing=0.01)
    floor = bits_per_dim(-histograms.log_prob(images.flatten(1)).mean(), 784)
    assert again["bits_per_dim"] < float(floor) - 0.3
    drawn = model.sample((4,), generator=torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.uint8
    assert bool((drawn.flatten(1) > 128).any(1).all())


def test_half_precision_networks_leave_the_flow_a_bijection() -> None:
    task = small_task()
    model = task.model
    assert isinstance(model, Dequantised)
    for parameter in model.parameters():
        parameter.data.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    u = torch.randn(3, 784, generator=torch.Generator().manual_seed(2))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        x, log_det = model.flow.bijection(u)
        back, inverse_log_det = model.flow.bijection.inverse(x)
    assert x.dtype == back.dtype == torch.float32
    torch.testing.assert_close(back, u, rtol=0, atol=5e-2)
    torch.testing.assert_close(inverse_log_det, -log_det, rtol=1e-3, atol=0.5)


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="noise must be one of 'uniform', 'variational', got 'none'"):
        mnist_flow(noise="none")
    with pytest.raises(ValueError, match="evaluate_on must be one of"):
        mnist_flow(evaluate_on="train")
    with pytest.raises(ValueError, match="samples must be at least 1, got 0"):
        evaluator(torch.zeros(2, 1, 28, 28, dtype=torch.uint8), samples=0)
