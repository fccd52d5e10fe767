"""Captions made of measurements, their encoders, and drawings that are what the caption says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gmlib.checkpoints import checkpoint, load_into
from gmlib.data import digits
from gmlib.recipes.captions import (
    DIGITS,
    WORDS,
    Said,
    agrees,
    captioned,
    captions,
    described,
    every,
    spelt,
    thirds,
    understood,
)
from gmlib.recipes.clip_digits import EMBEDDING, evaluator, read
from gmlib.recipes.text_digits import consistency, draw_digits, reader, text_denoiser

ROOT = Path(__file__).parents[3]


def test_captions_say_what_was_measured() -> None:
    said = every()
    text = spelt(captions(said))
    assert len(set(text)) == 90
    assert "a thick seven leaning right" in text
    assert "a three" in text
    for part, back in zip(said, understood(text), strict=True):
        assert torch.equal(part, back)
    assert len(set(WORDS)) == len(WORDS)
    # Each third of the training images of a digit is a third of them.
    train = digits("train")
    found = described(train.images.float(), train.labels)
    for digit in range(len(DIGITS)):
        own, n = train.labels == digit, int((train.labels == digit).sum())
        for grade in (found.thick[own], found.lean[own]):
            assert abs(int((grade == 1).sum()) - n / 3) < 2
            assert abs(int((grade == -1).sum()) - n / 3) < 2
    assert bool((thirds().left < thirds().right).all())
    # Paler ink changes nothing (by a power of two, so that a digit on the edge of a third stays there).
    assert torch.equal(captioned(train)[1], captions(described(train.images.float() / 64, train.labels)))


def test_a_caption_agrees_if_all_that_it_says_is_true() -> None:
    test = digits("test")
    images = test.images.float()
    own = described(images, test.labels)
    assert bool(agrees(own, images, test.labels).all())
    assert not agrees(own, images, (test.labels + 1) % 10).any()
    silent = Said(test.labels, torch.zeros_like(test.labels), torch.zeros_like(test.labels))
    assert bool(agrees(silent, images, test.labels).all())
    for wrong in (own._replace(thick=-own.thick), own._replace(lean=-own.lean)):
        changed = (wrong.thick != own.thick) | (wrong.lean != own.lean)
        assert torch.equal(agrees(wrong, images, test.labels), ~changed)


def test_the_trained_encoders() -> None:
    """Chance: 1 in 10 classes, 1 in 90 captions, log 64 = 4.16 nats."""
    entry = checkpoint("clip-digits")
    assert (ROOT / entry.recipe).is_file()
    found, record = evaluator("test")(reader()), entry.metrics["seeds"]["0"]
    for name, value in record.items():
        assert found[name] == pytest.approx(value, abs=0.02), name
    for seed in entry.metrics["seeds"].values():
        assert seed["zero_shot_accuracy"] > 0.9
        assert seed["caption_accuracy"] > 0.4
        assert seed["retrieval_accuracy"] > 0.5
        assert seed["contrastive_floor"] < seed["contrastive"] < 2.0
    text = read(reader(), captions(every()))
    assert text.shape == (90, EMBEDDING)
    assert torch.pdist(text).min() > 0.05


@pytest.mark.slow
def test_text_to_image() -> None:
    """Guidance makes drawings agree: with 447 captions a share has a standard error of at most 0.024."""
    model = load_into(text_denoiser(), "text-digits")
    test = digits("test")
    said = described(test.images.float(), test.labels)
    text = read(reader(), captions(said))
    found = {}
    for w in (0.0, 1.0, 3.0):
        drawn = draw_digits(model, text, w=w, generator=torch.Generator().manual_seed(5))  # pyright: ignore[reportArgumentType]
        found[w] = consistency(said, drawn)
    assert found[3.0]["all"] > found[1.0]["all"] + 0.08
    assert found[1.0]["all"] > found[0.0]["all"] + 0.3
    for seed in checkpoint("text-digits").metrics["seeds"].values():
        assert seed["all_w3"] > seed["all_w1"] + 0.08
        assert seed["all_w1"] > seed["all_w0"] + 0.3


@pytest.mark.bad_input
def test_what_is_not_in_the_grammar_is_refused() -> None:
    with pytest.raises(ValueError, match="got 'a fat seven'"):
        understood(["a fat seven"])
