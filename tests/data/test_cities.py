"""The nine city strings: what is spelt, how, and what a wrong letter is."""

import pytest
import torch

from gmlib.data import CITIES, city_bits, city_strings, decode_strings, encode_strings, misspell
from gmlib.data.cities import ALPHABET

STRINGS = (
    "moscow-------russia",
    "lima-----------peru",
    "london------england",
    "tokyo---------japan",
    "edinburgh--scotland",
    "ottawa-------canada",
    "oslo---------norway",
    "stockholm----sweden",
    "paris--------france",
)


def test_strings() -> None:
    assert city_strings() == STRINGS
    assert [len(one) for one in STRINGS] == [19] * 9
    x = encode_strings(STRINGS)
    assert x.shape == (9, 95)
    assert x.abs().eq(1).all()
    assert decode_strings(x) == list(STRINGS)
    # Shared dashes: the overlap of two strings is positive, and .28 on average; of random patterns it is 0 +- .10.
    overlap = (x @ x.T / 95)[~torch.eye(9, dtype=torch.bool)]
    assert overlap.min() > 0
    assert overlap.mean() > 0.25


def test_bits() -> None:
    x = encode_strings(list(ALPHABET))
    assert ((x + 1) / 2 @ torch.tensor([16.0, 8.0, 4.0, 2.0, 1.0])).tolist() == list(range(27))
    assert decode_strings(encode_strings([ALPHABET])) == [ALPHABET]
    codes = 2.0 * (torch.arange(32)[:, None] >> torch.arange(4, -1, -1) & 1) - 1
    assert decode_strings(codes) == [*ALPHABET, *"?????"]


def test_city_bits() -> None:
    x, cue = encode_strings(STRINGS), city_bits()
    assert decode_strings(torch.where(cue, x, -1.0)) == [city + "-" * (19 - len(city)) for city, _ in CITIES]
    assert (cue.sum(1) == torch.tensor([5 * len(city) for city, _ in CITIES])).all()


@pytest.mark.parametrize("wrong", [1, 2, 8])
def test_misspell(wrong: int) -> None:
    x = encode_strings(STRINGS).double()
    generator = torch.Generator().manual_seed(0)
    letters = set()
    for _ in range(60):
        y = misspell(x, wrong, generator=generator)
        assert y.dtype == x.dtype
        for before, after in zip(STRINGS, decode_strings(y), strict=True):
            changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
            assert len(changed) == wrong
            assert all(a != "-" and b.isalpha() for a, b in changed)
            letters.update(b for _, b in changed)
    assert len(letters) == 26
    assert misspell(x[:0], wrong).shape == (0, 95)


def test_wrong_letters_are_even() -> None:
    # One letter: each of the 25 others, 1/25 each. n = 20,000: chi-square with 24 degrees of freedom, mean 24, std 6.9.
    x = encode_strings(["m"]).expand(20_000, 5)
    drawn = "".join(decode_strings(misspell(x, 1, generator=torch.Generator().manual_seed(1))))
    counts = torch.tensor([drawn.count(letter) for letter in ALPHABET[1:] if letter != "m"])
    assert counts.sum() == 20_000
    assert ((counts - 800.0).square() / 800).sum() < 24 + 5 * 6.9


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    x = encode_strings(["ab"])
    for error, words, call in (
        (TypeError, "strings must be a sequence", lambda: encode_strings("ab")),
        (TypeError, "strings must be a sequence", lambda: encode_strings([1])),
        (ValueError, "strings must be at least one", lambda: encode_strings([])),
        (ValueError, r"one length above 0, got lengths \[1, 2\]", lambda: encode_strings(["a", "ab"])),
        (ValueError, "strings must hold dashes", lambda: encode_strings(["A b"])),
        (ValueError, r"x must have shape \(n, bits\)", lambda: decode_strings(x[:, :4])),
        (ValueError, "x must have shape", lambda: decode_strings(x[0])),
        (TypeError, "x must have a floating dtype", lambda: decode_strings(x.int())),
        (ValueError, "x must be finite", lambda: decode_strings(x * torch.nan)),
        (ValueError, "wrong must be at most the 2 letters", lambda: misspell(x, 3)),
        (ValueError, "wrong must be at least 1", lambda: misspell(x, 0)),
        (TypeError, "wrong must be an int", lambda: misspell(x, 1.0)),
        (ValueError, "x must spell letters", lambda: misspell(x.abs(), 1)),
    ):
        with pytest.raises(error, match=words):
            call()
