"""Chapter 11: one small network repairs 8x8 digits: holes, lost borders, coarse pixels, grain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice
from gmlib.data import DIGITS_LEVELS, digits
from gmlib.diffusion import LevelNetwork, denoising_loss, low_discrepancy_times
from gmlib.diffusion.guidance import Seen, blocks, border, completions, grainy, hole
from gmlib.diffusion.guidance.seen import nothing_known
from gmlib.metrics import feature_network
from gmlib.nn import Beside, ResidualMLP, SinusoidalEmbedding
from gmlib.nn.zeroed import zeroed
from gmlib.noise import DDPM, Denoiser, ancestral, ddpm_times
from gmlib.recipes.diffusion_digits import HIGH, LOW, scaled
from gmlib.training import Task

GRAIN = 0.5
"""Standard deviation of the grain; pixels lie between -1 and 1."""
TASKS = ("hole", "border", "blocks", "grain")
RIM = 2
"""Pixels of the rim that a hole leaves, or that a lost border takes."""


class RepairMLP(nn.Module):
    """A residual MLP that is given the noised digit, what is seen of it and the mask, as three channels.

    Args:
        width: size of the residual stream.
        depth: number of blocks.

    Example:
        >>> RepairMLP(8, 1)(torch.zeros(2, 3, 8, 8), torch.rand(2)).shape
        torch.Size([2, 17, 8, 8])
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.time = SinusoidalEmbedding(64, max_frequency=100.0)
        self.body = ResidualMLP(3 * 64, DIGITS_LEVELS * 64, width=width, depth=depth, condition=64)
        zeroed(self.body.last)

    def forward(
        self, x: Float[Tensor, "batch 3 8 8"], t: Float[Tensor, " batch"]
    ) -> Float[Tensor, "batch 17 8 8"]:
        """Map three channels and times in [0, 1] to logits of the grey levels; a fresh network says 0."""
        return self.body(x.flatten(1), self.time(t)).unflatten(1, (DIGITS_LEVELS, 8, 8))


def repair_denoiser(*, width: int = 128, depth: int = 2) -> Denoiser:
    """The untrained model, to be called with ``image``, the channels `Seen.shown`, by a `Repairer`.

    Args:
        width: size of the residual stream.
        depth: number of blocks.

    Example:
        >>> repair_denoiser(width=8).x0(torch.zeros(2, 1, 8, 8), 0.5, image=torch.zeros(2, 2, 8, 8)).shape
        torch.Size([2, 1, 8, 8])
    """
    schedule = DDPM.linear()
    levels = scaled(torch.arange(DIGITS_LEVELS))
    network = LevelNetwork(Beside(RepairMLP(width, depth)), schedule, levels, LOW, HIGH)
    return Denoiser(network, schedule, "x0")


def corrupted(x: Float[Tensor, "n 1 8 8"], task: str, *, generator: torch.Generator | None = None) -> Seen:
    """What is left of digits after one of the four losses.

    Args:
        x: digits in [-1, 1], (n, 1, 8, 8).
        task: "hole" (the rim of two pixels is left), "border" (that rim is lost), "blocks" (means of 2x2 pixels are left)
            or "grain" (normal noise is added).
        generator: source of the grain; None is torch's default.

    Raises:
        ValueError: there is no such task.

    Example:
        >>> int(corrupted(torch.zeros(1, 1, 8, 8), "hole").known.sum())
        48
    """
    check_choice("task", task, TASKS)
    if task == "grain":
        return grainy(x, GRAIN, generator=generator)
    if task == "blocks":
        return blocks(x)
    return (hole if task == "hole" else border)(x, RIM)


def repair_digits(
    *, width: int = 128, depth: int = 2, evaluate_on: Literal["validation", "test"] = "test"
) -> Task:
    """Denoise the first 1,000 digits, shown what one of four losses left of them; which loss it was is not said.

    Args:
        width: size of the residual stream.
        depth: number of blocks.
        evaluate_on: "validation" to choose settings, "test" to report.

    Returns:
        The task; its evaluation is that of :func:`evaluator`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> repair_digits(width=8).data.shape
        torch.Size([1000, 1, 8, 8])
    """
    model = repair_denoiser(width=width, depth=depth)
    first, last = (float(model.schedule.t_of_log_snr(level)) for level in (HIGH, LOW))

    def noise(n: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        draw = torch.randn(2, n, 1, 8, 8, generator=generator, device=device)
        return (
            draw[0],
            low_discrepancy_times(n, first, last, generator=generator, device=device),
            GRAIN * draw[1],
        )

    return Task(model, loss, digits("train").images, noise, evaluator(evaluate_on))


def loss(model: nn.Module, x: Tensor, noise: tuple[Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
    """The mean squared error of v, a pixel; a quarter of the batch for each task.

    Args:
        model: a Denoiser.
        x: grey levels, (n, 1, 8, 8).
        noise: standard normal draws shaped as the digits, times, (n,), and grain for those that get grain.

    Example:
        >>> x = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
        >>> noise = (torch.zeros(x.shape), torch.linspace(0.1, 0.9, 4), torch.zeros(x.shape))
        >>> loss(repair_denoiser(width=8), x, noise)["loss"].item() > 0
        True
    """
    assert isinstance(model, Denoiser)
    clean, (draw, t, grain) = scaled(x), noise
    shown = torch.empty(len(x), 2, 8, 8, device=x.device)
    for i, task in enumerate(TASKS):
        part = slice(i, None, len(TASKS))
        if task == "grain":
            shown[part] = Seen(clean[part] + grain[part], nothing_known(clean[part])).shown
        else:
            shown[part] = corrupted(clean[part], task).shown
    error = denoising_loss(model, clean, t, draw, target="v", image=shown).total
    return {"loss": error.mean() / 64}


@torch.no_grad()
def repaired(
    model: Denoiser, seen: Seen, n: int, *, steps: int = 50, generator: torch.Generator | None = None
) -> Float[Tensor, "n batch 1 8 8"]:
    """Draw n answers to each question, in [-1, 1].

    Args:
        model: as of :func:`repair_denoiser`.
        seen: what is left of the digits.
        n: how many answers to each.
        steps: calls of the network; divides 1000.
        generator: source of randomness; None is torch's default.

    Example:
        >>> seen = corrupted(torch.zeros(2, 1, 8, 8), "hole")
        >>> repaired(repair_denoiser(width=8).eval(), seen, 3, steps=4).shape
        torch.Size([3, 2, 1, 8, 8])
    """
    schedule = model.schedule
    assert isinstance(schedule, DDPM)
    times = ddpm_times(schedule, steps)
    return completions(
        model,
        seen,
        n,
        lambda d, z, told: ancestral(d, z, times, generator=generator, **told),
        generator=generator,
    )


def evaluator(held_out: Literal["validation", "test"]) -> Callable[[nn.Module], dict[str, float]]:
    """A function that repairs held-out digits, one answer each, with noise from a fixed seed.

    Args:
        held_out: "test" or "validation".

    Returns:
        A function of the model that returns, for each task, ``digit_hole`` and so on, the share of the answers that the
        classifier ``features-digits`` takes for the right digit, and ``error_hole``, the root mean square error a pixel,
        beside ``digit_hole_seen`` and ``error_hole_seen``, the same of what was seen.

    Raises:
        ValueError: there is no such split.

    Example:
        >>> sorted(evaluator("validation")(repair_denoiser(width=8).eval()))[:2]
        ['digit_blocks', 'digit_blocks_seen']
    """
    check_choice("held_out", held_out, ("validation", "test"))

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Denoiser)
        device = next(model.parameters()).device
        data, judge = digits(held_out), feature_network("features-digits").to(device)
        clean, label = scaled(data.images).to(device), data.labels.to(device)
        measures = {}
        for task in TASKS:
            generator = torch.Generator(device).manual_seed(0)
            seen = corrupted(clean, task, generator=generator)
            for name, images in (
                (task, repaired(model, seen, 1, generator=generator)[0]),
                (f"{task}_seen", seen.image),
            ):
                ink = (images.clamp(-1, 1) + 1) / 2
                measures[f"digit_{name}"] = (judge(ink).argmax(1) == label).float().mean().item()
                measures[f"error_{name}"] = (images - clean).square().mean().sqrt().item()
        return measures

    return evaluate
