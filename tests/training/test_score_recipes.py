"""The recipes of chapter 08 and the weights that they shipped."""

import math
from itertools import pairwise

import pytest
import torch

from gmlib.checkpoints import checkpoint, load_into
from gmlib.distributions import TOYS, Gaussian, Law
from gmlib.recipes.as_levels import as_levels
from gmlib.recipes.digit_measures import digit_measures, digit_vectors
from gmlib.recipes.score import log_uniform, roll_score, score_task, toy_score
from gmlib.recipes.score_chains import ancestral_digits, sample_digits
from gmlib.recipes.score_digits import digit_makers, digits_score, digits_table
from gmlib.recipes.score_toys import sample_toy, toy_evaluator
from gmlib.score import errors_by_noise_level, exact_score, geometric_ladder, mlp_score

NAMES = sorted(TOYS)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shipped(name: str):
    return load_into(toy_score(law=name, points=1).model, f"score-{name.replace('_', '-')}").eval()


class Scaled(torch.nn.Module):
    """The exact score times a factor."""

    def __init__(self, law: Law, factor: float) -> None:
        super().__init__()
        self.law, self.factor = law, factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * self.law.score(x)


def test_levels_fill_their_range() -> None:
    levels = log_uniform(1000, 0.05, 5.0, generator=generator())
    assert 0.05 <= levels.min() < 0.0502
    assert 4.97 < levels.max() <= 5.0
    means = torch.stack([log_uniform(4, 0.1, 10.0, generator=generator(k)).log().mean() for k in range(500)])
    # One shift for all: the mean logarithm is uniform, 1/4 of the range wide.
    width = math.log(100) / 4
    assert abs(means.mean().item()) < 5 * width / math.sqrt(12 * 500)
    assert means.std().item() == pytest.approx(width / math.sqrt(12), rel=0.1)


def test_the_loss_of_the_exact_score_is_its_minimum() -> None:
    # N(m, v I): a network without correction is the exact score; the loss is half v / (v + s^2) a coordinate, averaged
    # over log-uniform levels from a to b: half of 1 - log((v + b^2) / (v + a^2)) / (2 log(b / a)).
    law = Gaussian(torch.tensor([1.0, -1.0]), var=2.0)
    model = mlp_score(2, [4], law.mean, 2.0)
    for parameter in model.net.mlp.layers[-1].parameters():  # pyright: ignore
        torch.nn.init.zeros_(parameter)
    x, n = law.sample((100_000,), generator=generator()), 100_000
    task = score_task(model, x, 0.1, 10.0)
    assert task.noise is not None
    loss = task.loss(model, x, task.noise(n, generator(1), torch.device("cpu")))["loss"].item()
    wide = math.log(100)
    expected = (wide - 0.5 * math.log((2 + 100) / (2 + 0.01))) / wide
    assert loss == pytest.approx(expected, abs=5 * n**-0.5)  # a point's loss has a standard deviation below 1


def test_evaluation_of_the_exact_score() -> None:
    # A normal law: the network without correction makes no error, and its chains are the oracle's.
    law = Gaussian(torch.zeros(2), var=1.0)
    model = mlp_score(2, [4])
    for parameter in model.net.mlp.layers[-1].parameters():  # pyright: ignore
        torch.nn.init.zeros_(parameter)
    metrics = toy_evaluator(law, 0.05, 5.0, samples=500)(model)
    assert metrics["score_error_worst"] < 1e-10
    assert metrics["sliced_wasserstein"] == pytest.approx(metrics["sliced_wasserstein_exact"], rel=1e-3)
    assert metrics["sliced_wasserstein"] < 3 * metrics["sliced_wasserstein_fresh"]


@pytest.mark.parametrize("name", NAMES)
def test_shipped_toy_scores(name: str) -> None:
    law, score = TOYS[name](), shipped(name)
    recorded = checkpoint(f"score-{name.replace('_', '-')}").metrics["seeds"]["0"]
    x = law.sample((1000,), generator=generator(5))
    with torch.no_grad():
        errors = errors_by_noise_level(
            score, law, geometric_ladder(5.0, 0.05, 12), x, torch.randn(1000, 2, generator=generator(6))
        )
    # Other points than those of the record, so its number up to the standard error.
    slack = 5 * errors.standard_error.square().sum().sqrt().item() / 12
    assert abs(errors.error.mean().item() - recorded["score_error"]) < 2 * slack
    assert errors.error.max() < 0.05
    # Samples with the learnt score are as good as those with the exact one, to a tenth of the law's width.
    width = float(law.variance.mean()) ** 0.5
    assert recorded["sliced_wasserstein"] < recorded["sliced_wasserstein_exact"] + 0.1 * width


@pytest.mark.parametrize("name", NAMES)
def test_shipped_toy_scores_lead_back(name: str) -> None:
    # A particle that starts 8 away from the mean is drawn inwards at the levels at which chains travel. (At lower levels no
    # noisy point was ever so far out, and some of the networks point anywhere.)
    law, score = TOYS[name](), shipped(name)
    angle = torch.linspace(0, 2 * math.pi, 91)[:-1]
    out = torch.stack([angle.cos(), angle.sin()], -1)
    with torch.no_grad():
        for sigma in geometric_ladder(5.0, 0.3, 6):
            x = law.mean + 8.0 * out
            assert bool(((score(x, sigma) * out).sum(-1) < 0).all())


def test_roll_score_has_three_losses() -> None:
    # Each loss at the exact score of its law, s* of the roll or of the noised roll, is smaller than at 0.9 s*.
    x, z = (
        TOYS["swiss_roll"]().sample((3000,), generator=generator()),
        torch.randn(3000, 2, generator=generator(1)),
    )
    for method in ("implicit", "sliced", "denoising"):
        task = roll_score(method, points=10)
        level = torch.tensor(0.1 if method == "denoising" else 1e-6)
        law = TOYS["swiss_roll"]().noised(1.0, level)

        def loss(factor: float, task=task, law=law) -> float:
            return task.loss(Scaled(law, factor), x, z)["loss"].item()

        assert loss(1.0) < min(loss(0.8), loss(1.2))


def test_digits_are_measured_alike() -> None:
    train, test = digit_vectors("train"), digit_vectors("test")
    assert torch.equal(as_levels(test + 0.02, 17), test)  # less than half a level
    perfect = digit_measures(test)
    assert (perfect.precision, perfect.recall) == (1.0, 1.0)
    assert perfect.frechet == pytest.approx(0.0, abs=1e-6)
    assert perfect.memorisation == 1.0
    assert digit_measures(train[:447]).memorisation == 0.0


def test_digit_chains_reach_a_normal_law() -> None:
    # With the exact score of N(m, v I) each move maps the variance V to (1 - d / 2W)^2 V + d, W = v + s^2, d = s^2 / 2; the
    # last denoising multiplies by (v / W)^2.
    law, n = Gaussian(torch.full((64,), 0.3), var=0.07), 200 * 64
    x = sample_digits(exact_score(law), 200, levels=12, steps=5, step=0.5, generator=generator())
    offset, var, wide = -0.3, 25.0, 1.0
    for sigma in geometric_ladder(5.0, 0.05, 12).tolist():
        wide = 0.07 + sigma**2
        for _ in range(5):
            shrink = 1 - sigma**2 / (4 * wide)
            offset, var = shrink * offset, shrink**2 * var + sigma**2 / 2
    offset, var = 0.07 / wide * offset, (0.07 / wide) ** 2 * var
    assert abs(x.mean().item() - 0.3 - offset) < 5 * (var / n) ** 0.5
    assert abs(x.var().item() - var) < 5 * var * (2 / n) ** 0.5


def test_reverse_steps_reach_a_normal_law() -> None:
    # With the exact score of N(m, v I) a reverse step maps the variance V to (1 - r / W)^2 V + r l^2 / s^2, r = s^2 - l^2,
    # W = v + s^2.
    law, n = Gaussian(torch.full((64,), 0.3), var=0.07), 200 * 64
    x = ancestral_digits(exact_score(law), 200, steps=30, generator=generator())
    ladder = geometric_ladder(5.0, 0.05, 30).tolist()
    var, offset = 25.0, -0.3
    for sigma, lower in pairwise(ladder):
        removed, wide = sigma**2 - lower**2, 0.07 + sigma**2
        var = (1 - removed / wide) ** 2 * var + removed * lower**2 / sigma**2
        offset *= 1 - removed / wide
    last = 0.07 / (0.07 + 0.05**2)
    assert abs(x.mean().item() - 0.3 - last * offset) < 5 * (last**2 * var / n) ** 0.5
    assert abs(x.var().item() - last**2 * var) < 5 * last**2 * var * (2 / n) ** 0.5
    # As the ladder gets finer the law is reached: what is missing goes down with the number of steps.
    fine = ancestral_digits(exact_score(law), 200, steps=300, generator=generator())
    assert abs(fine.var().item() - last * 0.07) < abs(x.var().item() - last * 0.07)


def test_shipped_digit_score() -> None:
    score = load_into(digits_score().model, "score-digits").eval()
    recorded = checkpoint("score-digits").metrics
    assert set(recorded["seeds"]) == {"0", "1", "2"}
    assert set(dict(digit_makers())) == {
        "noise",
        "round normal law",
        "pixel histograms",
        "VAE",
        "NCSN",
        "NCSN, reverse steps",
        "training images",
    }
    x = as_levels(sample_digits(score, 100, steps=10, generator=generator(1)), 17)
    measures = digit_measures(x)
    noise = digit_measures(torch.randint(0, 17, (100, 64), generator=generator(2)) / 16)
    assert measures.frechet < 0.5 * noise.frechet
    assert 0.5 < measures.memorisation < 1.5


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: toy_score(law="square"), "law must be one of 'two_moons'"),
        (lambda: toy_score(points=0), "points must be at least 1"),
        (lambda: toy_score(sigma_min=0.0), "sigma_min must be a finite number in"),
        (lambda: toy_score(sigma_min=1.0, sigma_max=1.0), "sigma_max must be a finite number in"),
        (lambda: toy_score(samples=1), "samples must be at least 2"),
        (lambda: roll_score("exact"), "method must be one of 'implicit'"),
        (lambda: roll_score(sigma=0.0), "sigma must be a finite number in"),
        (lambda: digits_score(evaluate_on="train"), "evaluate_on must be one of 'validation'"),
        (lambda: digits_score(dropout=1.0), "dropout must be a finite number in"),
        (lambda: digits_table(draws=1), "draws must be at least 2, got 1"),
        (lambda: digit_measures(torch.full((447, 64), 2.0)), r"images must .* in \[0, 1\]"),
        (
            lambda: sample_toy(exact_score(TOYS["ring"]()), TOYS["ring"](), 3, steps=-1),
            "steps must be at least 0",
        ),
    ],
)
def test_bad_input(call, said) -> None:
    with pytest.raises(ValueError, match=said):
        call()
