"""The exercises of chapter 02, in the order of the page."""

from gmlib.exercises.elbo._bound import BOUND, FOUR_FORMS, RATE
from gmlib.exercises.elbo._estimators import IWAE, PATHWISE
from gmlib.exercises.elbo._gaps import FAMILY_GAP, SPLIT_GAP
from gmlib.exercises.elbo._optimum import BEST_DECODER, NOT_MLE
from gmlib.exercises.elbo._terms import GAUSSIAN_KL, TWO_TERMS

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
