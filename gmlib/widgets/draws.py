"""The browser's seeded draws in Python, bit for bit, so that a widget's sample can be computed with gmlib."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gmlib._checks import check_count

WORD = 0xFFFFFFFF


def check_seed(seed: int) -> None:
    """Raise unless ``seed`` is an integer from 0 to 2^31 - 1.

    Example:
        >>> check_seed(-1)
        Traceback (most recent call last):
        ValueError: seed must be at least 0, got -1
    """
    check_count("seed", seed, low=0)
    if seed >= 2**31:
        raise ValueError(f"seed must be below 2**31, got {seed}")


class Draws:
    r"""The generator of ``js/random.js``: xoroshiro128+ in 32-bit words, and normal draws by the polar method.

    Args:
        seed: an integer from 0 to :math:`2^{31} - 1`.

    Raises:
        TypeError: ``seed`` is not an integer.
        ValueError: ``seed`` is out of its range.

    References:
        D. Blackman and S. Vigna, *Scrambled linear pseudorandom number generators* (2021);
        G. Marsaglia and T. A. Bray, *A convenient method for generating normal variables* (1964).

    Example:
        >>> from gmlib.widgets.draws import Draws
        >>> draws = Draws(0)
        >>> 0 <= draws.uniform() < 1
        True
    """

    def __init__(self, seed: int = 0) -> None:
        check_seed(seed)
        self._state = (WORD, ~seed & WORD, seed, 0)
        self._spare: tuple[float, float] | None = None

    def _next(self) -> int:
        s01, s00, s11, s10 = self._state
        a0, a1 = s10 ^ s00, s11 ^ s01
        self._state = (
            (s01 << 24 & WORD) ^ (s00 >> 8) ^ a1 ^ ((a1 << 16 & WORD) | a0 >> 16),
            (s00 << 24 & WORD) ^ (s01 >> 8) ^ a0 ^ (a0 << 16 & WORD),
            (a0 << 5 & WORD) ^ (a1 >> 27),
            (a1 << 5 & WORD) ^ (a0 >> 27),
        )
        return (s00 + s10) & WORD

    def uniform(self) -> float:
        """A draw from U[0, 1), with 53 random bits.

        Example:
            >>> Draws(1).uniform() == Draws(1).uniform()
            True
        """
        high, low = self._next() & 0x3FFFFFF, self._next() & 0x7FFFFFF
        return high * 2.0**-26 + low * 2.0**-53

    def normal(self) -> float:
        """A draw from N(0, 1).

        Example:
            >>> draws = Draws(1)
            >>> draws.normal() == draws.normal()
            False
        """
        if self._spare is not None:
            value, r = self._spare
            self._spare = None
        else:
            spare, value, r = 0.0, 0.0, 0.0
            while r == 0 or r > 1:
                spare, value = self.uniform() * 2 - 1, self.uniform() * 2 - 1
                r = spare * spare + value * value
            self._spare = (spare, r)
        return value * math.sqrt(-2 * math.log(r) / r)


def uniforms(draws: Draws, *shape: int) -> Tensor:
    """The next uniform draws as a tensor of float64, row by row.

    Example:
        >>> uniforms(Draws(1), 2, 3).shape
        torch.Size([2, 3])
    """
    return torch.tensor([draws.uniform() for _ in range(math.prod(shape))], dtype=torch.float64).reshape(
        shape
    )


def normals(draws: Draws, *shape: int) -> Tensor:
    """The next normal draws as a tensor of float64, row by row.

    Example:
        >>> normals(Draws(1), 2).tolist() == [Draws(1).normal(), normals(Draws(1), 2)[1].item()]
        True
    """
    return torch.tensor([draws.normal() for _ in range(math.prod(shape))], dtype=torch.float64).reshape(shape)


def separate_draws(seed: int, n: int) -> list[Draws]:
    r"""Draws of ``n`` things whose seeds come from one seed, as ``seedsOf`` in ``js/digit_page.js`` has them.

    Args:
        seed: an integer from 0 to :math:`2^{31} - 1`.
        n: how many.

    Returns:
        One generator for each.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: one is out of its range.

    Example:
        >>> a, b = separate_draws(0, 2)
        >>> a.uniform() == b.uniform()
        False
    """
    check_count("n", n)
    seeds = Draws(seed)
    return [Draws(int(seeds.uniform() * 2**31)) for _ in range(n)]
