"""Repair of a normal field of 4x4 pixels: draws from the exact conditional law, several answers, known pixels kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gmlib.diffusion import denoising_loss
from gmlib.diffusion.guidance import Repairer, Seen, blocks, border, completions, grainy, hole, masked, pooled
from gmlib.nn import Beside, ResidualMLP, SinusoidalEmbedding
from gmlib.noise import Denoiser, VPCosine
from gmlib.noise.samplers import ancestral, ddim, dpm_solver_2m, snr_times

F64 = torch.float64
COSINE = VPCosine()
SIDE, D, GRAIN = 4, 16, 0.5
PLACE = torch.cartesian_prod(torch.arange(SIDE), torch.arange(SIDE)).double()
COVARIANCE = torch.exp(-torch.cdist(PLACE, PLACE).square() / 8) + 0.05 * torch.eye(D, dtype=F64)
MEAN = torch.linspace(-1, 1, D, dtype=F64)
EYE = torch.eye(D, dtype=F64)
MIDDLE = torch.zeros(SIDE, SIDE, dtype=torch.bool)
MIDDLE[1:3, 1:3] = True
OBSERVED = {
    "hole": EYE[~MIDDLE.flatten()],
    "border": EYE[MIDDLE.flatten()],
    "blocks": pooled(EYE.reshape(D, 1, SIDE, SIDE)).flatten(1).mT,
    "grainy": EYE,
}
TASKS = ("hole", "border", "blocks", "grainy")
TIMES = torch.cat([snr_times(COSINE, 100, low=-12.0, high=14.0), torch.zeros(1, dtype=F64)])


def seen_of(task: str, x: Tensor, generator: torch.Generator | None = None) -> Seen:
    if task == "grainy":
        return grainy(x, GRAIN, generator=generator)
    return blocks(x) if task == "blocks" else border(x, 1) if task == "border" else hole(x, 1)


def conditional(task: str, image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean, (batch, 16), and covariance of the field given what is seen of it, by the textbook's formula."""
    matrix = OBSERVED[task]
    noise = (GRAIN**2 if task == "grainy" else 0.0) * torch.eye(len(matrix), dtype=F64)
    gain = COVARIANCE @ matrix.mT @ torch.linalg.inv(matrix @ COVARIANCE @ matrix.mT + noise)
    return MEAN + (
        image.flatten(1).double() - MEAN
    ) @ matrix.mT @ gain.mT, COVARIANCE - gain @ matrix @ COVARIANCE


class Exact(nn.Module):
    """The best guess of the field, given a noised one and what is seen; the image is all that it is told."""

    def __init__(self, task: str) -> None:
        super().__init__()
        self.task = task
        covariance = conditional(task, torch.zeros(1, D, dtype=F64))[1]
        values, self.vectors = torch.linalg.eigh(covariance)
        self.values = values.clamp(min=0)

    def forward(self, x: Tensor, t: Tensor, image: Tensor) -> Tensor:
        mean, _ = conditional(self.task, image[:, :1])
        alpha, sigma = COSINE.alpha(t)[:, None], COSINE.sigma(t)[:, None]
        along = (x.flatten(1) - alpha * mean) @ self.vectors
        along = alpha * self.values / (alpha**2 * self.values + sigma**2) * along
        return (mean + along @ self.vectors.mT).reshape_as(x)


def field(n: int, seed: int) -> Tensor:
    z = torch.randn(n, D, dtype=F64, generator=torch.Generator().manual_seed(seed))
    return (MEAN + z @ torch.linalg.cholesky(COVARIANCE).mT).reshape(n, 1, SIDE, SIDE)


def solved(denoiser: Denoiser, z: Tensor, told: dict[str, Any]) -> Any:
    return dpm_solver_2m(denoiser, z, TIMES, **told)


@pytest.mark.parametrize("task", TASKS)
def test_image_to_image_diffusion(task: str) -> None:
    """The sampler is affine in its noise: the noise 0 and the 16 unit vectors give mean and covariance without a draw."""
    truth = field(1, 0)
    seen = seen_of(task, truth, torch.Generator().manual_seed(1))
    exact = Denoiser(Exact(task), COSINE, "x0")
    z = torch.cat([torch.zeros(1, D, dtype=F64), EYE]).reshape(D + 1, 1, SIDE, SIDE)
    copies = Seen(*(part.repeat(D + 1, 1, 1, 1) for part in seen))
    out = dpm_solver_2m(Repairer(exact), z, TIMES, seen=copies).x
    mean, effect = out[0].flatten(), (out[1:] - out[0]).flatten(1)
    wanted, covariance = conditional(task, seen.image)
    torch.testing.assert_close(mean, wanted[0], rtol=0, atol=0.01)
    torch.testing.assert_close(effect.mT @ effect, covariance, rtol=0, atol=0.01)
    # Several answers to one question, of the spread that the law has; what is known is kept in all.
    answers = completions(exact, seen, 4, solved, generator=torch.Generator().manual_seed(2))
    known = seen.known.expand(4, 1, 1, SIDE, SIDE)
    assert bool(known.any()) == (task in ("hole", "border"))
    assert ((answers - truth).abs() <= 1e-12)[known].all()
    lost = answers.masked_fill(known, 0.0).flatten(1)
    assert torch.pdist(lost).min() > 0.2
    # What is seen of an answer is what was seen.
    if task != "grainy":
        torch.testing.assert_close(seen_of(task, answers[0]).image, seen.image, rtol=0, atol=1e-6)


@pytest.mark.parametrize("sampler", [ancestral, ddim, dpm_solver_2m])
def test_known_pixels_stay_whatever_the_network_says(sampler: Any) -> None:
    wrong = Denoiser(lambda x, t, image: 7 + x, COSINE, "x0")
    x = field(3, 3)
    known = torch.rand(3, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(4)) < 0.5
    out = sampler(
        Repairer(wrong), torch.randn(x.shape, dtype=F64), [0.99, 0.5, 0.1, 0.0], seen=masked(x, known)
    ).x
    assert (out - x)[known].abs().max() <= 1e-12
    assert (out - x)[~known].abs().min() > 0.1


def test_what_is_seen() -> None:
    x = field(2, 5)
    inside, outside = border(x, 1), hole(x, 1)
    torch.testing.assert_close(inside.image + outside.image, x)
    assert torch.equal(inside.known, ~outside.known)
    assert inside.known.expand(2, 1, 4, 4).sum() == 8
    assert not blocks(x).known.any()
    assert torch.equal(grainy(x, 0.0).image, x)
    assert torch.equal(masked(x, MIDDLE).image, inside.image)
    assert inside.shown.shape == (2, 2, 4, 4)
    assert inside.shown.dtype == F64


class Small(nn.Module):
    """A residual MLP for what `Beside` gives it: noised field, seen field and mask on three channels."""

    def __init__(self) -> None:
        super().__init__()
        self.time = SinusoidalEmbedding(32, max_frequency=100.0)
        self.body = ResidualMLP(3 * D, D, width=96, depth=2, condition=32)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.body(x.flatten(1), self.time(t)).reshape(-1, 1, SIDE, SIDE)


def trained(seed: int, tasks: tuple[str, ...], steps: int) -> Denoiser:
    torch.manual_seed(seed)
    model = Denoiser(Beside(Small()), COSINE, "v")
    optimiser = torch.optim.Adam(model.parameters(), 4e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    data = field(20_000, 100 + seed).float()
    for step in range(steps):
        x = data[torch.randint(len(data), (256,))]
        t = COSINE.t_of_log_snr(torch.rand(256) * 16 - 9)
        loss = denoising_loss(
            model, x, t, torch.randn_like(x), target="v", image=seen_of(tasks[step % len(tasks)], x).shown
        )
        optimiser.zero_grad()
        loss.total.mean().backward()
        optimiser.step()
        decay.step()
    return model.eval()


@pytest.mark.slow
def test_one_small_network_does_two_tasks() -> None:
    """Seeds 0, 1 and 2 were off by up to 0.13 in the mean and 0.064 in the covariance; prior and answer by 2.6 and 0.95."""
    tasks = ("hole", "border")
    model = trained(0, tasks, 500)
    times = torch.cat([snr_times(COSINE, 20, low=-9.0, high=7.0), torch.zeros(1, dtype=F64)])
    for task in tasks:
        truth = field(1, 7).float()
        seen = seen_of(task, truth)
        answers = completions(
            model,
            seen,
            1000,
            lambda d, z, told: dpm_solver_2m(d, z, times, **told),
            generator=torch.Generator().manual_seed(3),
        )
        kept = seen.known.expand_as(answers)
        assert torch.equal(answers[kept], truth.expand_as(answers)[kept])
        drawn = answers.double().flatten(1)
        mean, covariance = conditional(task, seen.image)
        assert (drawn.mean(0) - mean[0]).abs().max() < 0.25
        assert (drawn.mT.cov() - covariance).abs().max() < 0.1
        assert (mean[0] - MEAN).abs().max() > 2
        assert (COVARIANCE - covariance).abs().max() > 0.9


@pytest.mark.bad_input
def test_what_cannot_be_repaired_is_refused() -> None:
    x = torch.zeros(2, 1, 4, 4)
    with pytest.raises(TypeError, match="known must have dtype bool"):
        masked(x, torch.ones(4, 4))  # pyright: ignore[reportArgumentType]
    with pytest.raises(
        ValueError, match=r"x must have shape \(batch, channels, height, width\), got \(4, 4\)"
    ):
        grainy(x[0, 0], 0.1)
    with pytest.raises(ValueError, match="margin must be less than half of height and width, 4 and 4, got 2"):
        hole(x, 2)
    with pytest.raises(ValueError, match="margin must be at least 1"):
        border(x, 0)
    with pytest.raises(ValueError, match="divisible by 3"):
        blocks(x, 3)
    with pytest.raises(TypeError, match="denoiser must be a Denoiser"):
        Repairer(torch.nn.Identity())  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="n must be at least 1"):
        completions(Denoiser(lambda x, t, image: x, COSINE, "x0"), hole(x, 1), 0, solved)
