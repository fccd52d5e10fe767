"""Nine cities with their countries as strings of 19 letters and as patterns of 95 bits, -1 or 1."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gmlib._checks import check_count, check_event, check_finite

CITIES = (
    ("moscow", "russia"),
    ("lima", "peru"),
    ("london", "england"),
    ("tokyo", "japan"),
    ("edinburgh", "scotland"),
    ("ottawa", "canada"),
    ("oslo", "norway"),
    ("stockholm", "sweden"),
    ("paris", "france"),
)
"""The pairs, in their order."""

CITY_LETTERS = 19
"""Letters of a string: the city at its left end, the country at its right one, dashes between."""

LETTER_BITS = 5
"""Bits of a letter, the highest first: 0 for a dash, 1 to 26 for a to z."""

ALPHABET = "-abcdefghijklmnopqrstuvwxyz"
"""The dash and the letters, each at the number that its bits spell."""

NO_LETTER = "?"
"""What decodes from the numbers 27 to 31, which are no letter."""


def city_strings() -> tuple[str, ...]:
    """The nine strings of 19 letters, dashes in the middle.

    Example:
        >>> from gmlib.data import city_strings
        >>> city_strings()[:2]
        ('moscow-------russia', 'lima-----------peru')
    """
    return tuple(city + "-" * (CITY_LETTERS - len(city + country)) + country for city, country in CITIES)


def encode_strings(strings: Sequence[str]) -> Float[Tensor, "n bits"]:
    r"""Spell strings of dashes and small letters in bits, five a letter.

    Letter number m (0 for the dash, 1 to 26 for a to z) becomes its five binary digits, the highest first, 1 for a one and
    -1 for a nought: 19 letters make a state of a Hopfield net of 95 units. A dash is five times -1, so that strings share
    the bits of their padding.

    Args:
        strings: one or more, all of the same length.

    Returns:
        -1 and 1 in torch's default dtype, shape (n, 5 length).

    Raises:
        TypeError: ``strings`` is one string, or holds something else.
        ValueError: they are empty or of unequal length, or a character is neither a dash nor one of a to z.

    Reference:
        D. J. C. MacKay, *Information Theory, Inference, and Learning Algorithms*, 2003, chapter 42 (the associative list).

    Example:
        >>> from gmlib.data import decode_strings, encode_strings
        >>> encode_strings(["-c"]).tolist()  # 00000 00011
        [[-1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, 1.0, 1.0]]
        >>> decode_strings(encode_strings(["oslo", "lima"]))
        ['oslo', 'lima']
    """
    if isinstance(strings, str) or not all(isinstance(one, str) for one in strings):
        raise TypeError("strings must be a sequence of str, got one str or something that is none")
    lengths = sorted({len(one) for one in strings})
    if len(lengths) != 1 or lengths[0] == 0:
        raise ValueError(f"strings must be at least one and all of one length above 0, got lengths {lengths}")
    wrong = sorted(set("".join(strings)) - set(ALPHABET))
    if wrong:
        raise ValueError(f"strings must hold dashes and the letters a to z only, got {''.join(wrong)!r}")
    numbers = torch.tensor([[ALPHABET.index(letter) for letter in one] for one in strings])
    bits = numbers[..., None] >> torch.arange(LETTER_BITS - 1, -1, -1) & 1
    return (2 * bits - 1).flatten(1).to(torch.get_default_dtype())


def decode_strings(x: Float[Tensor, "n bits"]) -> list[str]:
    """Read strings from bits, by their signs (0 counts as 1); numbers that are no letter read as "?".

    Args:
        x: states, shape (n, 5 length), any device.

    Returns:
        n strings.

    Raises:
        TypeError: ``x`` is no floating tensor.
        ValueError: its second dimension is no multiple of five, or it holds NaN.

    Example:
        >>> import torch
        >>> from gmlib.data import decode_strings
        >>> decode_strings(torch.tensor([[-1.0, -1.0, -1.0, 1.0, -1.0], [1.0, 1.0, 1.0, 1.0, 1.0]]))
        ['b', '?']
    """
    _check_bits(x)
    table = ALPHABET + NO_LETTER * (2**LETTER_BITS - len(ALPHABET))
    bits = (x >= 0).unflatten(1, (-1, LETTER_BITS)).long()
    numbers = (bits << torch.arange(LETTER_BITS - 1, -1, -1, device=x.device)).sum(-1)
    return ["".join(table[m] for m in row) for row in numbers.tolist()]


def city_bits() -> Bool[Tensor, "9 95"]:
    """Which bits of each string belong to the letters of its city: the cue from which the rest is completed.

    Returns:
        A mask in the order of the strings; dashes and country are free.

    Example:
        >>> from gmlib.data import city_bits
        >>> (city_bits().sum(1) // 5).tolist()  # the lengths of the names
        [6, 4, 6, 5, 9, 6, 4, 9, 5]
    """
    lengths = torch.tensor([len(city) for city, _ in CITIES])
    return torch.arange(CITY_LETTERS).repeat_interleave(LETTER_BITS) < lengths[:, None]


def misspell(
    x: Float[Tensor, "n bits"], wrong: int, *, generator: torch.Generator | None = None
) -> Float[Tensor, "n bits"]:
    """Replace letters of each string by other letters, drawn evenly; dashes stay.

    Args:
        x: spelt strings, shape (n, 5 length), -1 and 1.
        wrong: letters to replace in each string, at places drawn without repetition among its letters.
        generator: source of the draws; None for torch's default generator.

    Returns:
        The misspelt strings, shape (n, 5 length): each letter in question is another one of a to z.

    Raises:
        TypeError: ``x`` is no floating tensor, or ``wrong`` no int.
        ValueError: ``x`` does not spell letters and dashes, or a string has fewer than ``wrong`` letters.

    Example:
        >>> import torch
        >>> from gmlib.data import decode_strings, encode_strings, misspell
        >>> decode_strings(misspell(encode_strings(["oslo-norway"]), 2, generator=torch.Generator().manual_seed(0)))
        ['ozlo-noiway']
    """
    _check_bits(x)
    check_count("wrong", wrong)
    place = torch.arange(LETTER_BITS - 1, -1, -1, device=x.device)
    numbers = ((x > 0).unflatten(1, (-1, LETTER_BITS)).long() << place).sum(-1)
    if not len(x):
        return x.clone()
    if bool((numbers >= len(ALPHABET)).any()):
        raise ValueError(
            "x must spell letters and dashes, got a number above 26 among its groups of five bits"
        )
    fewest = int((numbers > 0).sum(1).min())
    if fewest < wrong:
        raise ValueError(f"wrong must be at most the {fewest} letters of the shortest string, got {wrong}")
    source = x.device if generator is None else generator.device
    keys = torch.rand(numbers.shape, generator=generator, device=source).to(x.device)
    places = torch.where(numbers > 0, keys, -1.0).topk(wrong, 1).indices
    shift = torch.randint(1, 26, places.shape, generator=generator, device=source).to(x.device)
    numbers = numbers.scatter(1, places, (numbers.gather(1, places) - 1 + shift) % 26 + 1)
    return (2 * (numbers[..., None] >> place & 1) - 1).flatten(1).to(x.dtype)


def _check_bits(x: Tensor) -> None:
    """Raise unless ``x`` is (n, 5 length), floating and finite."""
    check_event("x", x, ())
    if x.dim() != 2 or x.shape[1] == 0 or x.shape[1] % LETTER_BITS:
        raise ValueError(
            f"x must have shape (n, bits) with bits a multiple of {LETTER_BITS}, got shape {tuple(x.shape)}"
        )
    check_finite("x", x)
