r"""Pictures and captions in one space: two encoders that are taught which picture goes with which caption.

.. math:: L = -\frac1{2B}\sum_i\Big(\log\frac{e^{s_{ii}}}{\sum_je^{s_{ij}}}
    + \log\frac{e^{s_{ii}}}{\sum_je^{s_{ji}}}\Big), \qquad s_{ij} = \frac1\tau\cos(a_i, b_j)

Each picture chooses among the captions of the batch, and each caption among its pictures.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from gmlib._checks import check_number, check_tensor


def contrastive_loss(
    images: Float[Tensor, "batch d"], texts: Float[Tensor, "batch d"], scale: float | Float[Tensor, ""]
) -> Float[Tensor, ""]:
    r"""The symmetric cross-entropy of cosine similarities, CLIP's loss, in nats.

    (:eq:`eq-11b-clip` in the book.)

    It is :math:`\log B` for encoders that say the same of everything, and goes to 0 only if all captions of the batch
    differ: where the caption of i occurs :math:`n_i` times, nobody can tell which copy is meant, and

    .. math:: L \ge \frac1B\sum_i \log n_i.

    Averaged over batches of independent pairs, :math:`\log B - L` is no more than the mutual information of picture and
    caption, whatever the encoders: no batch of B shows more than :math:`\log B` nats.

    Args:
        images: embeddings of pictures, (B, d), of any length but 0.
        texts: embeddings of their captions, in the same order, (B, d).
        scale: :math:`1/\tau`, one over the temperature: a positive number or a tensor of one, which can be learnt.

    Returns:
        The mean over the 2B choices, a scalar.

    Raises:
        TypeError: an embedding is no floating tensor, or ``scale`` no number.
        ValueError: the shapes differ or are not (B, d), or ``scale`` is a number that is not positive.

    References:
        A. Radford et al., *Learning transferable visual models from natural language supervision* (2021), figure 3;
        A. van den Oord, Y. Li and O. Vinyals, *Representation learning with contrastive predictive coding* (2018), eq. 4
        and, for the bound, appendix A.1.

    Example:
        >>> u = torch.eye(2)
        >>> round(contrastive_loss(u, u, 1.0).item(), 4)  # log(1 + 1/e)
        0.3133
        >>> round(contrastive_loss(torch.ones(2, 2), u, 5.0).item(), 4)  # log 2: no caption is nearer than another
        0.6931
    """
    check_pairs(images, texts, "batch")
    if len(images) != len(texts):
        raise ValueError(f"texts must be as many as images, {len(images)}, got {len(texts)}")
    if not isinstance(scale, Tensor):
        check_number("scale", scale, low=0.0, low_open=True)
    logits = scale * _cosines(images, texts)
    right = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(logits, right) + cross_entropy(logits.mT, right)) / 2


def similarities(images: Float[Tensor, "n d"], texts: Float[Tensor, "k d"]) -> Float[Tensor, "n k"]:
    r"""The cosine of the angle between each picture and each caption.

    .. math:: \cos(a_i, b_j) = \frac{a_i \cdot b_j}{\lVert a_i\rVert\,\lVert b_j\rVert}

    Args:
        images: embeddings of pictures, (n, d).
        texts: embeddings of captions, (k, d).

    Returns:
        Numbers from -1 to 1, (n, k).

    Raises:
        TypeError: an argument is no floating tensor.
        ValueError: an argument has not two dimensions, or they differ in d.

    Example:
        >>> similarities(torch.tensor([[3.0, 4.0]]), torch.eye(2))
        tensor([[0.6000, 0.8000]])
    """
    check_pairs(images, texts, "n")
    return _cosines(images, texts)


def _cosines(images: Tensor, texts: Tensor) -> Tensor:
    return normalize(images, dim=1) @ normalize(texts, dim=1).mT


def zero_shot(images: Float[Tensor, "n d"], texts: Float[Tensor, "k d"]) -> Int[Tensor, " n"]:
    r"""Classify pictures without a classifier: to each the class whose caption is nearest.

    .. math:: \arg\max_j\cos(a_i, b_j)

    Args:
        images: embeddings of pictures, (n, d).
        texts: embeddings of a caption for each class, such as "a seven", (k, d).

    Returns:
        Classes from 0 to k - 1, (n,).

    Raises:
        TypeError: an argument is no floating tensor.
        ValueError: an argument has not two dimensions, or they differ in d.

    References:
        A. Radford et al. (2021), section 3.1.

    Example:
        >>> zero_shot(torch.tensor([[3.0, 1.0], [-1.0, 0.1]]), torch.eye(2))
        tensor([0, 1])
    """
    return similarities(images, texts).argmax(1)


def check_pairs(images: Tensor, texts: Tensor, rows: str) -> None:
    """Raise unless both are floating, (rows, d), with the same d.

    Raises:
        TypeError: one is no floating tensor.
        ValueError: one has another number of dimensions, or they differ in d.

    Example:
        >>> check_pairs(torch.zeros(3, 2), torch.zeros(5, 2), "n")
    """
    for name, value in (("images", images), ("texts", texts)):
        check_tensor(name, value)
        if value.dim() != 2:
            raise ValueError(f"{name} must have shape ({rows}, d), got {tuple(value.shape)}")
    if images.shape[1] != texts.shape[1]:
        raise ValueError(f"texts must have d = {images.shape[1]}, as images, got {texts.shape[1]}")
