"""The exercises of chapter 06, in the order of the page."""

from gmlib.exercises.energy._boltzmann import FACTOR, GIBBS, PARTS
from gmlib.exercises.energy._companion import LEARNING, TWO_CYCLE
from gmlib.exercises.energy._contrastive import ELSEWHERE, PERSISTENT, SAMPLED, TERMS
from gmlib.exercises.energy._hopfield import ATTENTION, CROSSTALK, LYAPUNOV, MARGINS

EXERCISES = (
    MARGINS,
    LYAPUNOV,
    CROSSTALK,
    ATTENTION,
    FACTOR,
    GIBBS,
    PARTS,
    SAMPLED,
    TERMS,
    ELSEWHERE,
    PERSISTENT,
    # The last two are about the companion.
    TWO_CYCLE,
    LEARNING,
)
"""Every exercise of the chapter."""
