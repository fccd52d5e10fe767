"""The recipe of chapter 11 that repairs digits: what is shown, what is learnt, what the trained network does."""

from __future__ import annotations

import pytest
import torch

from gmlib.checkpoints import checkpoint, load_into
from gmlib.data import digits
from gmlib.diffusion import denoising_loss
from gmlib.diffusion.guidance import grainy, pooled
from gmlib.recipes.diffusion_digits import scaled
from gmlib.recipes.repair_digits import (
    GRAIN,
    TASKS,
    corrupted,
    evaluator,
    loss,
    repair_denoiser,
    repair_digits,
    repaired,
)


def test_what_is_shown_of_each_loss() -> None:
    x = scaled(digits("test").images[:5])
    assert [int(corrupted(x, task).known[0].sum()) for task in TASKS] == [48, 16, 0, 0]
    torch.testing.assert_close(corrupted(x, "hole").image + corrupted(x, "border").image, x, rtol=0, atol=0)
    torch.testing.assert_close(pooled(corrupted(x, "blocks").image), pooled(x))
    grain = corrupted(x, "grain", generator=torch.Generator().manual_seed(0)).image - x
    assert abs(grain.std().item() / GRAIN - 1) < 4 / (2 * grain.numel()) ** 0.5


def test_the_loss_gives_a_quarter_of_the_batch_to_each_task() -> None:
    """A network that says its third channel, the mask, tells by its loss which task each example was given."""
    torch.manual_seed(0)
    model = repair_denoiser(width=8, depth=1).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x = digits("train").images[:8]
    draw, grain = torch.randn(x.shape), GRAIN * torch.randn(x.shape)
    t = torch.linspace(0.1, 0.9, 8)
    total = 0.0
    for i in range(8):
        clean, task = scaled(x[i : i + 1]), TASKS[i % 4]
        seen = corrupted(clean, task) if task != "grain" else grainy(clean, 0.0)
        shown = seen.shown.clone()
        if task == "grain":
            shown[:, :1] += grain[i]
        cost = denoising_loss(model, clean, t[i : i + 1], draw[i : i + 1], target="v", image=shown)
        total += cost.total.item() / 64 / 8
    assert loss(model, x, (draw, t, grain))["loss"].item() == pytest.approx(total, rel=1e-5)


def test_even_a_fresh_network_keeps_what_is_known() -> None:
    x = scaled(digits("test").images[:3])
    seen = corrupted(x, "hole")
    found = repaired(repair_denoiser(width=8).eval(), seen, 2, steps=4)
    assert found.shape == (2, 3, 1, 8, 8)
    known = seen.known.expand(2, 3, 1, 8, 8)
    assert torch.equal(found[known], x.expand(2, 3, 1, 8, 8)[known])
    assert (found[0] - found[1])[~known[0]].abs().min() > 0


def test_the_data_are_the_first_thousand_digits() -> None:
    assert torch.equal(repair_digits(width=8).data, digits("train").images)


def test_repairs_of_the_trained_network() -> None:
    """On each seed: holes are filled so that the digit is read; losses that lose little are made good."""
    for seed in checkpoint("repair-digits").metrics["seeds"].values():
        for task in TASKS:
            assert seed[f"error_{task}"] < seed[f"error_{task}_seen"]
        assert seed["digit_hole"] > seed["digit_hole_seen"] + 0.1
        assert seed["digit_blocks"] > seed["digit_blocks_seen"] + 0.05
        assert seed["digit_border"] > seed["digit_border_seen"] + 0.3
    model = load_into(repair_denoiser(), "repair-digits")
    truth = scaled(digits("test").images[:40])
    seen = corrupted(truth, "border")
    answers = repaired(model, seen, 2, steps=20, generator=torch.Generator().manual_seed(0))
    known = seen.known.expand(40, 1, 8, 8)
    for answer in answers:
        torch.testing.assert_close(answer[known], truth[known])
    # From the middle alone several digits are possible: two answers are further apart than a grey level.
    assert (answers[0] - answers[1])[~known].square().mean().sqrt() > 2 / 16


@pytest.mark.bad_input
def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="task"):
        corrupted(torch.zeros(1, 1, 8, 8), "fire")
    with pytest.raises(ValueError, match="held_out"):
        evaluator("train")  # pyright: ignore[reportArgumentType]
