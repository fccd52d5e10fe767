"""The exercises of chapter 02, in the order of the page."""

from gmlib.exercises.elbo._bound import BOUND, FOUR_FORMS, GAUSSIAN_KL, RATE, TWO_TERMS
from gmlib.exercises.elbo._estimators import IWAE, PATHWISE
from gmlib.exercises.elbo._gaps import BEST_DECODER, FAMILY_GAP, NOT_MLE, SPLIT_GAP

EXERCISES = (
    BOUND,
    FOUR_FORMS,
    RATE,
    PATHWISE,
    GAUSSIAN_KL,
    TWO_TERMS,
    FAMILY_GAP,
    SPLIT_GAP,
    IWAE,
    BEST_DECODER,
    NOT_MLE,
)
"""Every exercise of the chapter."""
