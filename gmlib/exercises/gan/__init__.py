"""The exercises of chapter 14, in the order of the page."""

from gmlib.exercises.gan._dirac import INVARIANT, PLAY
from gmlib.exercises.gan._distances import FOUR, PENALTY, WITNESS
from gmlib.exercises.gan._players import ROUND, SATURATION
from gmlib.exercises.gan._ratio import CLASS_SIZES, PRIOR, VALUE
from gmlib.exercises.gan._scores import HINGE, JENSEN, PEARSON
from gmlib.exercises.gan._stability import DAMPING, MODULI

EXERCISES = (
    PRIOR,
    CLASS_SIZES,
    VALUE,
    JENSEN,
    PEARSON,
    PENALTY,
    FOUR,
    SATURATION,
    ROUND,
    PLAY,
    INVARIANT,
    DAMPING,
    # The last three are about the companion.
    HINGE,
    WITNESS,
    MODULI,
)
"""Every exercise of the chapter."""
