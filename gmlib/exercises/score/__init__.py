"""The exercises of chapter 08, in the order of the page."""

from gmlib.exercises.score._companion import CONTRAST, CONTROL
from gmlib.exercises.score._denoising import FLOOR, SLOPE
from gmlib.exercises.score._fisher import HIDDEN_WEIGHT, TWO_MODES
from gmlib.exercises.score._implicit import NATURAL, TRACE
from gmlib.exercises.score._ladder import LADDER
from gmlib.exercises.score._langevin import LANGEVIN, STATIONARY
from gmlib.exercises.score._sliced import SLICED
from gmlib.exercises.score._tweedie import TWEEDIE

EXERCISES = (
    TWO_MODES,
    TRACE,
    NATURAL,
    SLOPE,
    FLOOR,
    TWEEDIE,
    SLICED,
    LANGEVIN,
    STATIONARY,
    HIDDEN_WEIGHT,
    LADDER,
    # The last two are about the companion.
    CONTROL,
    CONTRAST,
)
"""Every exercise of the chapter."""
