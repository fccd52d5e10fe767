"""The exercises of chapter 01, in the order of the page."""

from gmlib.exercises.map._apart import BIRTHDAY, CONTAMINATED
from gmlib.exercises.map._features import FRECHET_BIAS, INCEPTION
from gmlib.exercises.map._held_out import GAP
from gmlib.exercises.map._kernels import KDE, MMD
from gmlib.exercises.map._laws import BOTH_KLS, PROJECTION
from gmlib.exercises.map._samples import PRECISION, TWO_SAMPLES
from gmlib.exercises.map._units import BITS, DEQUANTISED

EXERCISES = (
    BOTH_KLS,
    PROJECTION,
    KDE,
    BITS,
    DEQUANTISED,
    CONTAMINATED,
    INCEPTION,
    PRECISION,
    BIRTHDAY,
    MMD,
    # The last three are about the companion.
    GAP,
    FRECHET_BIAS,
    TWO_SAMPLES,
)
"""Every exercise of the chapter."""
