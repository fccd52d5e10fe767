"""A network that reads a few words: toy captions in, one vector out."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gmlib._checks import check_count, check_tensor


class CaptionEncoder(nn.Module):
    r"""Captions of a few words from a fixed vocabulary, as vectors.

    .. math:: W_2\,\mathrm{silu}\Big(b_1 + W_1\sum_i \mathrm{silu}(E_{w_i} + P_i)\Big) + b_2

    A toy: each word is read with its place i, so that "left of right" differs from "right of left", but no word is read in
    the light of another before all are summed. A sum and a hidden layer are enough for captions of one grammar;
    attention is for longer ones. Word 0 is the filling behind the end, and is not read.

    Args:
        words: size of the vocabulary, the filling included.
        length: places in a caption.
        outputs: size of the vector.
        width: size of the embedding of a word.

    Raises:
        ValueError: a size below 1, or fewer than 2 words.

    References:
        M. Zaheer et al., *Deep sets* (2017), theorem 2, for the sum.

    Example:
        >>> import torch
        >>> from gmlib.nn import CaptionEncoder
        >>> read = CaptionEncoder(5, 3, 16)
        >>> captions = torch.tensor([[1, 2, 0], [2, 1, 0]])
        >>> read(captions).shape, torch.equal(*read(captions))
        (torch.Size([2, 16]), False)
    """

    def __init__(self, words: int, length: int, outputs: int, *, width: int = 32) -> None:
        super().__init__()
        check_count("words", words, low=2)
        check_count("length", length)
        check_count("outputs", outputs)
        check_count("width", width)
        self.words, self.length = words, length
        self.word = nn.Embedding(words, width)
        self.place = nn.Parameter(torch.randn(length, width))
        self.act = nn.SiLU()
        self.body = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, outputs))

    def forward(self, captions: Int[Tensor, "batch length"]) -> Float[Tensor, "batch outputs"]:
        """The vectors of captions, (batch, outputs).

        Args:
            captions: the words' numbers, 0 behind the end, (batch, length).

        Raises:
            TypeError: ``captions`` is no tensor of int64 or int32.
            ValueError: ``captions`` is not of shape (batch, length), or (on the CPU) holds a word out of range.
        """
        check_tensor("captions", captions, floating=False)
        if captions.dtype not in (torch.int64, torch.int32):
            raise TypeError(f"captions must have dtype int64 or int32, got {captions.dtype}")
        if captions.dim() != 2 or captions.shape[1] != self.length:
            raise ValueError(f"captions must have shape (batch, {self.length}), got {tuple(captions.shape)}")
        if captions.device.type == "cpu" and not torch.compiler.is_compiling() and len(captions):
            low, high = int(captions.min()), int(captions.max())
            if low < 0 or high >= self.words:
                raise ValueError(f"captions must hold words 0..{self.words - 1}, got {low} to {high}")
        read = self.act(self.word(captions) + self.place)
        return self.body((read * (captions != 0).unsqueeze(-1)).sum(1))
