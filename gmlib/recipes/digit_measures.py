"""What a sample of 8x8 digits is worth."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice
from gmlib.data import digits
from gmlib.metrics import frechet_distance, image_features, memorisation_ratio, precision_recall


def digit_vectors(split: str) -> Float[Tensor, "n 64"]:
    """The digits of a split as vectors with entries in [0, 1], (n, 64).

    Args:
        split: "train", "validation" or "test".

    Example:
        >>> from gmlib.recipes.digit_measures import digit_vectors
        >>> digit_vectors("validation").shape
        torch.Size([350, 64])
    """
    return digits(split).images.flatten(1).float() / 16  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class DigitMeasures:
    """What a sample of digits is worth.

    Attributes:
        frechet: Frechet distance to the held-out images in the features of our own classifier ``features-digits``.
        precision: share of the sample inside the data's neighbourhoods (k = 3), in the same features.
        recall: share of the data inside the sample's.
        memorisation: typical distance in pixels to the nearest training image, in units of that of held-out images.

    Example:
        >>> from gmlib.recipes.digit_measures import DigitMeasures
        >>> DigitMeasures(10.0, 0.9, 0.8, 1.0).frechet
        10.0
    """

    frechet: float
    precision: float
    recall: float
    memorisation: float


def digit_measures(images: Float[Tensor, "n 64"], *, held_out: str = "test") -> DigitMeasures:
    """Measure a sample against held-out digits; a fair comparison has as many images as that split (447 or 350).

    Args:
        images: a sample with entries in [0, 1], (n, 64).
        held_out: "test" or "validation".

    Returns:
        The four measures.

    Raises:
        ValueError: there is no such split, or the images leave [0, 1].

    Example:
        >>> from gmlib.recipes.digit_measures import digit_measures, digit_vectors
        >>> measures = digit_measures(digit_vectors("train")[:350], held_out="validation")
        >>> measures.precision > 0.5, measures.memorisation
        (True, 0.0)
    """
    check_choice("held_out", held_out, ("validation", "test"))
    real = digit_vectors(held_out)
    phi, phi_real = (
        image_features(x.unflatten(1, (1, 8, 8)), "features-digits").double() for x in (images, real)
    )
    both = precision_recall(phi_real, phi, k=3)
    return DigitMeasures(
        frechet=frechet_distance(phi, phi_real).item(),
        precision=both.precision.value,
        recall=both.recall.value,
        memorisation=memorisation_ratio(images, digit_vectors("train"), real).value,
    )
