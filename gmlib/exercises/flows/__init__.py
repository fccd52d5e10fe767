"""The exercises of chapter 05, in the order of the page."""

from gmlib.exercises.flows._autoregressive import FLOORS, MAF_AND_IAF
from gmlib.exercises.flows._change import COMPOSITION, QUADRATIC_SHEAR
from gmlib.exercises.flows._companion import CONV_1X1, ROULETTE
from gmlib.exercises.flows._continuous import LINEAR_FIELD
from gmlib.exercises.flows._coupling import AFFINE_LAYER, COUPLING_INVERSE, ZEROS

EXERCISES = (
    COMPOSITION,
    AFFINE_LAYER,
    COUPLING_INVERSE,
    QUADRATIC_SHEAR,
    ZEROS,
    FLOORS,
    MAF_AND_IAF,
    LINEAR_FIELD,
    # The last two are about the companion.
    CONV_1X1,
    ROULETTE,
)
"""Every exercise of the chapter."""
