"""The memory of MNIST: what is counted, against a few lines of its own, and what the chapter says of it."""

import pytest
import torch

from gmlib.data import mnist
from gmlib.recipes.memory import digit_memory, encode_digits, upper_half
from gmlib.recipes.memory_measures import measure_memory, memory_table


def test_encodings() -> None:
    images = mnist("train").images[:20]
    ink = images.flatten(1).double() / 255
    binary, grey, paper = (encode_digits(images, e) for e in ("binary", "grey", "ink"))
    assert torch.equal(binary > 0, images.flatten(1) >= 128)
    assert (binary.abs() == 1).all()
    assert torch.allclose(grey.double(), 2 * ink - 1, atol=1e-6)
    assert torch.allclose(paper.double(), ink, atol=1e-6)
    assert upper_half().reshape(28, 28).any(1).tolist() == [True] * 14 + [False] * 14


def test_measures_of_the_half_are_what_they_say() -> None:
    rows, floors = measure_memory("half", [0.1, 0.5], probes=30, stored=300, seed=4)
    images, labels = mnist("train")
    spins = encode_digits(images[:300]).double()
    generator = torch.Generator().manual_seed(4)
    old = torch.randperm(300, generator=generator)[:30]
    new = torch.randperm(2000, generator=generator)[:30]
    test, truth = encode_digits(mnist("test").images[new]).double(), mnist("test").labels[new]
    for beta, row in rows.items():
        memory = digit_memory(beta, stored=300)
        answer = memory.recall(memory.patterns[old], known=upper_half())
        share = (answer.sign() == memory.patterns[old]).all(1).double().mean()
        assert row.retrieved == pytest.approx(share.item())
        p = torch.softmax(beta * test[:, :392] @ spins[:, :392].T, 1)
        wrong = ((p @ spins - test)[:, 392:] / 2).square().mean()  # ink is half of -1 to 1
        assert row.error == pytest.approx(wrong.item(), rel=1e-5)
        assert row.label == pytest.approx((labels[:300][p.argmax(1)] == truth).double().mean().item())
        votes = torch.stack([p[:, labels[:300] == digit].sum(1) for digit in range(10)], 1)
        assert row.vote == pytest.approx((votes.argmax(1) == truth).double().mean().item())
        entropy = -(p * p.clamp_min(1e-300).log()).sum(1)
        assert row.shared_new == pytest.approx(entropy.exp().median().item(), rel=1e-5)
    # The floors: the mean digit, and the stored digit with the fewest differing pixels in the upper half.
    ink, seen = (spins + 1) / 2, (test + 1) / 2
    distance = (seen[:, None, :392] != ink[None, :, :392]).sum(2)
    near = distance.argmin(1)
    assert floors.mean_image == pytest.approx((ink.mean(0) - seen)[:, 392:].square().mean().item(), rel=1e-5)
    assert floors.nearest == pytest.approx((ink[near] - seen)[:, 392:].square().mean().item(), rel=1e-5)
    assert floors.nearest_label == pytest.approx((labels[near] == truth).double().mean().item())


def test_noise_flips_three_pixels_in_ten() -> None:
    # As measured by the floor that the noise makes: an answer that repeats the cue would be wrong in .3 of the pixels.
    rows, floors = measure_memory("noise", [1e-6, 1.0], probes=40, stored=400)
    # Without a temperature to speak of every cue gets the mean image.
    assert rows[1e-6].error == pytest.approx(floors.mean_image, rel=1e-3)
    assert rows[1e-6].shared == pytest.approx(400, rel=1e-3)
    assert rows[1e-6].retrieved == 0
    # At beta = 1 a stored digit comes back from .7 of its pixels: its lead over another one is .4 of 2 x the pixels that
    # differ, on average, and those are more than 50 in this small memory.
    assert rows[1.0].retrieved > 0.95


def test_large_memory_of_digits() -> None:
    # All 10,000 digits, 100 probes. Over 1,500 probes 99 % came back at beta = 1 (standard error of 100: .01), and none at
    # beta = .02, where thousands share the answer; the average of many is nearer to an unseen digit than the nearest one.
    rows, floors = measure_memory("half", [0.02, 0.2, 1.0], probes=100)
    assert rows[1.0].retrieved >= 0.95
    assert rows[0.02].retrieved == 0
    assert rows[0.02].shared > 5000
    assert rows[0.2].error < 0.85 * min(floors.nearest, floors.mean_image)
    # Grey levels from 0 to 1 are not of one length: hardly any digit finds itself.
    ink, _ = measure_memory("half", [1.0], probes=100, encoding="ink")
    assert ink[1.0].retrieved < 0.15
    assert ink[1.0].label < rows[1.0].label - 0.2


def test_table_is_mean_and_spread() -> None:
    kwargs = {"inv_temps": [0.1], "probes": 20, "stored": 200}
    table = memory_table("half", seeds=(3, 5), **kwargs)
    runs = [measure_memory("half", seed=seed, **kwargs) for seed in (3, 5)]
    first, second = (rows[0.1].error for rows, _ in runs)
    assert first != second
    assert table.mean[0.1].error == pytest.approx((first + second) / 2)
    assert table.spread[0.1].error == pytest.approx(abs(first - second) / 2**0.5)
    assert table.floors.nearest == pytest.approx(sum(floors.nearest for _, floors in runs) / 2)
    assert memory_table("half", seeds=(3, 5), **kwargs) == table


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    images = mnist("train").images[:2]
    for error, words, call in (
        (TypeError, "images must be torch.uint8", lambda: encode_digits(images.float())),
        (ValueError, "encoding must be one of", lambda: encode_digits(images, "colour")),
        (ValueError, "stored must be at most 10000", lambda: digit_memory(stored=10_001)),
        (ValueError, "stored must be at least 1", lambda: digit_memory(stored=0)),
        (ValueError, "inv_temp must be", lambda: digit_memory(0.0, stored=5)),
        (ValueError, "cue must be one of", lambda: measure_memory("third", stored=5)),
        (ValueError, "inv_temps must be", lambda: measure_memory("half", [0.0], stored=5)),
        (ValueError, "probes must be at most 5", lambda: measure_memory("half", probes=6, stored=5)),
        (ValueError, "seed must be at least 0", lambda: measure_memory("half", probes=1, seed=-1)),
        (ValueError, "seeds must be two or more", lambda: memory_table("half", seeds=(1,))),
    ):
        with pytest.raises(error, match=words):
            call()
