"""What a denoiser is told besides the noised point: the time and, if it likes, a class; as one vector."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gmlib._checks import check_count, check_tensor
from gmlib.nn.embedding import SinusoidalEmbedding


class TimeAndClass(nn.Module):
    r"""A time in [0, 1], and perhaps a class, as a vector that every block of a network reads.

    .. math:: c = W_2\,\mathrm{silu}(W_1 e(t) + b_1) + b_2 + E_y

    with the sinusoids :math:`e(t)` of `SinusoidalEmbedding`. Row :math:`E_K` of the table of K classes stands for
    "no class": a network that has sometimes seen it in training is a conditional model and an unconditional one.

    Args:
        width: size of the vector.
        frequencies: size of :math:`e(t)`, even.
        classes: number of classes K; 0 for a network without.

    Raises:
        ValueError: a size out of range.

    References:
        J. Ho, A. Jain and P. Abbeel (2020), appendix B, for the time; A. Nichol and P. Dhariwal (2021) for the class.

    Example:
        >>> import torch
        >>> from gmlib.nn import TimeAndClass
        >>> told = TimeAndClass(16, 8, classes=10)
        >>> told(torch.rand(3), torch.tensor([0, 9, 10])).shape
        torch.Size([3, 16])
        >>> torch.equal(told(torch.zeros(1)), told(torch.zeros(1), torch.tensor([10])))
        True
    """

    def __init__(self, width: int, frequencies: int, *, classes: int = 0) -> None:
        super().__init__()
        check_count("width", width)
        check_count("classes", classes, low=0)
        self.classes = classes
        self.time = nn.Sequential(
            SinusoidalEmbedding(frequencies),
            nn.Linear(frequencies, width),
            nn.SiLU(),
            nn.Linear(width, width),
        )
        self.label = nn.Embedding(classes + 1, width) if classes else None

    def forward(
        self, t: Float[Tensor, " batch"], label: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch width"]:
        """The vectors of a batch.

        Args:
            t: times, (batch,).
            label: classes from 0 to K, (batch,), where K stands for none; None is none for all.

        Raises:
            TypeError: ``t`` is no floating tensor, or ``label`` no tensor of whole numbers.
            ValueError: ``t`` is not of shape (batch,), or ``label`` is given to a network without classes, has another
                length than ``t``, or (on the CPU) a value out of range.
        """
        check_tensor("t", t)
        if t.dim() != 1:
            raise ValueError(f"t must have shape (batch,), got {tuple(t.shape)}")
        told = self.time(t)
        if self.label is None:
            if label is not None:
                raise ValueError("label must be None for a network without classes")
            return told
        if label is None:
            return told + self.label.weight[-1]
        check_tensor("label", label, floating=False)
        if label.dtype not in (torch.int64, torch.int32):
            raise TypeError(
                f"label must have dtype int64 or int32, got {label.dtype}; convert it with label.long()"
            )
        if label.shape != t.shape:
            raise ValueError(f"label must have shape {tuple(t.shape)}, as t, got {tuple(label.shape)}")
        if label.device.type == "cpu" and not torch.compiler.is_compiling() and len(label):
            low, high = int(label.min()), int(label.max())
            if low < 0 or high > self.classes:
                raise ValueError(f"label must lie in 0..{self.classes}, got {low} to {high}")
        return told + self.label(label)
