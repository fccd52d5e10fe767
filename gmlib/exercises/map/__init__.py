"""The exercises of chapter 01, in the order of the page."""

from gmlib.exercises.map._apart import BIRTHDAY, CONTAMINATED
from gmlib.exercises.map._features import FRECHET_BIAS, INCEPTION
from gmlib.exercises.map._held_out import GAP
from gmlib.exercises.map._kernels import KDE, MMD
from gmlib.exercises.map._laws import BOTH_KLS, PROJECTION
from gmlib.exercises.map._samples import PRECISION, TWO_SAMPLES
from gmlib.exercises.map._units import BITS, DEQUANTISED

EXERCISES = (
    GAP,
    BOTH_KLS,
    PROJECTION,
    KDE,
    BITS,
    DEQUANTISED,
    CONTAMINATED,
    INCEPTION,
    FRECHET_BIAS,
    PRECISION,
    BIRTHDAY,
    MMD,
    TWO_SAMPLES,
)
"""Every exercise of the chapter."""
