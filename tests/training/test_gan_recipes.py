"""The recipes of chapter 14: games whose modes are counted, games side by side, digits, and what is recorded of them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from gmlib.checkpoints import checkpoint, load_into
from gmlib.data.files import assets_folder
from gmlib.gan import GAN_LOSSES, R1, Critic, Game, GradientPenalty, toy_critic, toy_generator
from gmlib.metrics import memorisation_ratio
from gmlib.recipe import load_recipe
from gmlib.recipes.as_levels import as_levels
from gmlib.recipes.gan import LAWS, coverage_evaluator, game_task, grid_gan
from gmlib.recipes.gan_digits import (
    digits_gan,
    image_evaluator,
    image_makers,
    images_table,
    sample_images,
)
from gmlib.recipes.gan_grid import CURES, Cure, GridRun, SideBySide, play_grid, record, recorded_runs
from gmlib.recipes.gan_line import LineRun, play_line, two_modes
from gmlib.recipes.image_measures import ImageMeasures, class_histogram, image_measures, mnist_images
from gmlib.training import TrainConfig, train


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Exact(nn.Module):
    """A generator that draws exact samples of the first modes of a law, whatever the latents' law."""

    def __init__(self, centres: torch.Tensor, width: float) -> None:
        super().__init__()
        self.centres, self.width = nn.Parameter(centres), width

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        which = torch.arange(len(z)) % len(self.centres)
        return self.centres[which] + self.width * z[:, :2]


@pytest.mark.parametrize(("kept", "modes"), [(16, 16), (4, 4)])
def test_coverage_of_exact_samplers(kept: int, modes: int) -> None:
    centres = LAWS["sixteen_gaussians"](noise=0.02, dtype=torch.float32).means
    game = Game(Exact(centres[:kept].clone(), 0.02), toy_critic(), GAN_LOSSES["hinge"], latent_dim=2)
    seen = coverage_evaluator(centres, samples=16_000)(game)
    assert seen["modes"] == modes
    # A radius of five standard deviations: exp(-25/2) of a round normal law in the plane lies outside.
    outside = math.exp(-12.5)
    assert abs(1 - seen["share"] - outside) < 5 * (outside / 16_000) ** 0.5 + 1e-12
    assert seen["reverse_kl"] == pytest.approx(math.log(16 / kept), abs=1e-6)


def test_coverage_of_nothing() -> None:
    game = Game(Exact(torch.full((1, 2), 10.0), 0.02), toy_critic(), GAN_LOSSES["hinge"], latent_dim=2)
    seen = coverage_evaluator(LAWS["eight_gaussians"](dtype=torch.float32).means, samples=50)(game)
    assert seen == {"modes": 0.0, "share": 0.0, "reverse_kl": math.log(8), "nearest_modes": 1.0}


def test_a_lazy_penalty_has_the_same_mean_gradient() -> None:
    # Four rounds of a game with lr 0: the mean of the critic's objectives over a round of turns is that of every round.
    torch.manual_seed(0)
    game = Game(toy_generator(), toy_critic(), GAN_LOSSES["non_saturating"], [R1(2.0)], latent_dim=32)
    x, z = torch.randn(16, 2), (torch.randn(16, 32), torch.rand(16))
    (always, _), lazy = game_task(game, x).loss, game_task(game, x, penalty_every=4).loss
    assert isinstance(lazy, tuple)
    assert len(lazy) == 8
    weights = list(game.critic.parameters())

    def gradient(losses: tuple) -> torch.Tensor:
        total = sum(loss(game, x, z)["loss"] for loss in losses) / len(losses)
        return torch.cat([g.flatten() for g in torch.autograd.grad(total, weights)])

    torch.testing.assert_close(gradient(lazy[::2]), gradient((always,)), rtol=1e-4, atol=1e-6)
    assert lazy[2](game, x, z)["loss"] < lazy[0](game, x, z)["loss"]


def test_turns_and_clipping() -> None:
    task = grid_gan(loss="wasserstein", clip=0.05, critic_steps=3, points=600)
    assert task.players == ("critic", "critic", "critic", "generator")
    result = train(task, TrainConfig(steps=8, batch_size=64, lr=0.05, optimizer="sgd", device="cpu"))
    # Clipped before its last step, which moves it by less than lr times the gradient's largest entry.
    assert max(w.abs().max().item() for w in result.model.critic.parameters()) < 0.1
    assert max(w.abs().max().item() for w in result.model.generator.parameters()) > 0.1
    assert result.history["critic.step"] == [8]


def test_spectral_norm_is_in_the_task() -> None:
    game = grid_gan(spectral=True, points=100).model
    for _ in range(100):  # power iterations
        game.critic(torch.randn(4, 2))
    sizes = [
        torch.linalg.matrix_norm(m.weight, 2).item()
        for m in game.critic.modules()
        if isinstance(m, nn.Linear)
    ]
    assert sizes == pytest.approx([1.0] * 3, abs=1e-3)


@pytest.mark.parametrize("penalties", [(), (R1(0.3),), (GradientPenalty(2.0),)])
def test_games_side_by_side_are_games_alone(penalties: tuple) -> None:
    # The gradient of the mean over all games is that of each game by itself, over their number.
    torch.manual_seed(0)
    generators, critics = [toy_generator() for _ in range(3)], [toy_critic() for _ in range(3)]
    both = Game(
        SideBySide(generators), SideBySide(critics, scalar=True), GAN_LOSSES["relativistic"], penalties, 32
    )
    x, z, u = torch.randn(3 * 8, 2), torch.randn(3 * 8, 32), torch.rand(3 * 8)
    for terms, side in ((both.critic_terms(x, z, u), "critic"), (both.generator_terms(x, z), "generator")):
        stacked = torch.autograd.grad(terms.total, list(both.get_submodule(side).parameters()))
        for i in range(3):
            alone = Game(generators[i], critics[i], GAN_LOSSES["relativistic"], penalties, 32)
            part = slice(8 * i, 8 * (i + 1))
            own = (
                alone.critic_terms(x[part], z[part], u[part])
                if side == "critic"
                else alone.generator_terms(x[part], z[part])
            )
            wanted = torch.autograd.grad(own.total, list(alone.get_submodule(side).parameters()))
            ours = [
                g[i].T if g[i].shape[0] > 1 or w.dim() == 2 else g[i][0] for g, w in _paired(stacked, wanted)
            ]
            for a, (_, b) in zip(ours, _paired(stacked, wanted), strict=True):
                torch.testing.assert_close(3 * a, b, rtol=1e-4, atol=1e-6)


def _paired(stacked: tuple, wanted: tuple) -> list[tuple[torch.Tensor, torch.Tensor]]:
    # Weights and biases alternate in a network, and come one kind after the other side by side.
    half = len(stacked) // 2
    return [(stacked[i // 2 + (half if i % 2 else 0)], w) for i, w in enumerate(wanted)]


def test_passes_are_counted() -> None:
    # Calls of the networks themselves, forwards: a step of the critic with R1, then one of the generator.
    calls = {"generator": 0, "critic": 0}
    made, judge = toy_generator(), toy_critic()
    made.register_forward_hook(lambda *_: calls.update(generator=calls["generator"] + 1))
    judge.register_forward_hook(lambda *_: calls.update(critic=calls["critic"] + 1))
    for cure, penalties, forwards in (
        (Cure("plain"), [], (1 + 1, 2 + 1)),
        (Cure("R1", penalty="r1", gamma=1.0), [R1(1.0)], (1 + 1, 3 + 1)),
    ):
        calls.update(generator=0, critic=0)
        game = Game(made, judge, GAN_LOSSES[cure.loss], penalties, 32)
        x, z = torch.randn(4, 2), torch.randn(4, 32)
        game.critic_terms(x, z).total.backward()
        game.generator_terms(x, z).total.backward()
        assert (calls["generator"], calls["critic"]) == forwards
    assert Cure("plain").passes == 2 + 3 + 4  # there; back through the critic twice, then through both
    assert Cure("GP", penalty="gradient_penalty", gamma=1.0, critic_steps=5).passes == 5 * 9 + 4
    assert Cure("large", batch_size=2048).passes == 4 * Cure("plain").passes


def test_a_run_does_not_depend_on_the_looks_and_is_written_and_read(tmp_path: Path) -> None:
    cure = Cure("R1", penalty="r1", gamma=0.1, batch_size=16, critic_widths=(8,))
    often, once = (
        play_grid(cure, law="eight_gaussians", games=2, steps=40, every=every, samples=200)
        for every in (20, 40)
    )
    assert often.step == [0, 20, 40]
    for name in ("modes", "share", "reverse_kl", "nearest_modes"):
        assert [each[-1] for each in getattr(often, name)] == [each[-1] for each in getattr(once, name)]
    record([often], tmp_path / "runs.json")
    (again,) = recorded_runs(tmp_path / "runs.json")
    assert again.cure == cure
    assert again.step == often.step
    assert again.share == [[round(v, 4) for v in each] for each in often.share]


def test_divergence_is_recorded() -> None:
    run = play_grid(Cure("too fast", loss="wasserstein", lr=1e6), games=1, steps=600, every=100, samples=10)
    assert run.diverged is not None


def test_two_modes_on_the_line() -> None:
    x = two_modes(40_000, generator())
    # Mean 0 and variance 1 + .01; of the squares 1 + 6 (.01) + 3 (.01)^2 - 1.01^2 = .0402.
    assert abs(x.mean().item()) < 5 * (1.01 / 40_000) ** 0.5
    assert abs(x.square().mean().item() - 1.01) < 5 * (0.0402 / 40_000) ** 0.5
    assert LineRun(right=[0.05, 0.5, 1.0, 0.95, 0.0]).hops == 2
    one, two = play_line(steps=30, every=15, seed=3), play_line(steps=30, every=30, seed=3)
    assert one.mean[-1] == two.mean[-1]


def test_recipes_are_those_of_the_manifest() -> None:
    folder = assets_folder()
    assert folder is not None
    plain = load_recipe(folder / "recipes" / "gan-grid.toml")
    assert plain.options == {"loss": "non_saturating", "penalty": "none"}
    assert (plain.train.optimizer, plain.train.lr, plain.train.batch_size) == ("sgd", 0.05, 512)
    assert plain.train.steps == 2 * 20_000


def test_the_record() -> None:
    runs = recorded_runs()
    known = {cure.name: cure for cure in CURES}
    assert len({(run.cure.name, run.law) for run in runs}) == len(runs)
    for run in runs:
        assert known[run.cure.name] == run.cure
        assert len(run.modes) == len(run.share) == 3
        k = {"sixteen_gaussians": 16, "eight_gaussians": 8}[run.law]
        for modes, kl in zip(run.modes, run.reverse_kl, strict=True):
            assert len(modes) == len(kl) == len(run.step)
            assert all(0 <= m <= k for m in modes)
            assert all(-1e-9 <= v <= math.log(k) + 1e-4 for v in kl)
            assert all(v >= math.log(k / m) - 1e-4 for v, m in zip(kl, modes, strict=True) if m)


def test_measures_of_digits() -> None:
    x = mnist_images("validation")
    measures = image_measures(x[:300], held_out="validation")
    assert measures.precision == 1.0  # each is its own neighbour
    assert measures.confidence > 0.95
    ones = mnist_images("train")[class_of("train") == 1][:300]
    only = image_measures(ones, held_out="validation")
    # All of one class: the KL divergence is minus the log of its share in the held-out images.
    assert only.class_kl == pytest.approx(-math.log(class_histogram(x)[1].item()), abs=0.05)
    assert only.memorisation == 0.0
    assert only.recall < 0.3


def class_of(split: str) -> torch.Tensor:
    from gmlib.data import mnist

    return mnist(split).labels  # pyright: ignore[reportArgumentType]


def test_what_is_kept_of_the_held_out_digits_is_what_is_measured() -> None:
    # The ratio from the kept distance has the bits of the metric, with the training images of the split's task.
    x, held_out = 0.9 * mnist_images("test")[:20], mnist_images("validation").flatten(1)
    whole = memorisation_ratio(x.flatten(1), mnist_images("train")[:-2000].flatten(1), held_out)
    assert image_measures(x, held_out="validation").memorisation == whole.value


@pytest.mark.gpu
def test_the_evaluator_leaves_the_game_where_it_is() -> None:
    game = digits_gan(generator_widths=(2, 2), critic_widths=(2, 2)).model.cuda()
    before = [w.data_ptr() for w in game.parameters()]
    image_evaluator("validation")(game)
    assert [w.data_ptr() for w in game.parameters()] == before


def test_shipped_digits() -> None:
    game = load_into(digits_gan().model, "gan-mnist").eval()
    assert isinstance(game, Game)
    recorded = checkpoint("gan-mnist").metrics
    assert set(recorded["seeds"]) == {"0", "1", "2"}
    assert set(recorded["mean"]) == set(ImageMeasures.__dataclass_fields__)
    x = sample_images(game, 300, generator=generator(1))
    measures = image_measures(as_levels(x, 256))
    assert measures.memorisation > 0.5
    assert measures.class_kl < 0.3
    name, draw = next(image_makers())
    floor = image_measures(draw(300, generator(2)))
    assert name == "pixel histograms"
    assert measures.frechet < 0.5 * floor.frechet


def test_shipped_grid() -> None:
    game = load_into(grid_gan(points=100).model, "gan-grid")
    seen = grid_gan(points=100).evaluate(game)
    assert seen == checkpoint("gan-grid").metrics["seeds"]["0"]
    assert isinstance(game.critic, Critic)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: grid_gan(law="square"), "law must be one of 'sixteen_gaussians'"),
        (lambda: grid_gan(loss="best"), "loss must be one of"),
        (lambda: grid_gan(penalty="r3"), "penalty must be one of 'none'"),
        (lambda: grid_gan(penalty="r1"), "gamma must be positive with a penalty"),
        (
            lambda: grid_gan(gamma=1.0),
            "gamma must be positive with a penalty and 0 without, got 1.0 with 'none'",
        ),
        (lambda: grid_gan(clip=-1.0), "clip must be a finite number in"),
        (lambda: grid_gan(points=0), "points must be at least 1"),
        (lambda: grid_gan(critic_steps=0), "critic_steps must be at least 1"),
        (lambda: coverage_evaluator(torch.eye(2), samples=0), "samples must be at least 1"),
        (lambda: coverage_evaluator(torch.eye(2), radius=0.0), "radius must be a finite number in"),
        (lambda: digits_gan(loss="best"), "loss must be one of"),
        (lambda: digits_gan(evaluate_on="train"), "evaluate_on must be one of 'validation'"),
        (lambda: digits_gan(penalty_every=0), "penalty_every must be at least 1"),
        (lambda: images_table(draws=1), "draws must be at least 2, got 1"),
        (lambda: mnist_images("all"), "split must be one of 'train'"),
        (lambda: play_grid(Cure("plain"), law="square"), "law must be one of"),
        (lambda: play_grid(Cure("plain"), games=0), "games must be at least 1"),
        (lambda: play_grid(Cure("averaged", average=0.9)), "cure must have average 0 and spectral False"),
        (lambda: play_line(gamma=-1.0), "gamma must be a finite number in"),
    ],
)
def test_bad_input(call, said) -> None:
    with pytest.raises(ValueError, match=said):
        call()


def test_cures_have_names_of_their_own() -> None:
    assert len({cure.name for cure in CURES}) == len(CURES)
    assert GridRun(CURES[0], "sixteen_gaussians", 0).step == []
