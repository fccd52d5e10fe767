"""The exercises of chapter 11, in the order of the page."""

from gmlib.exercises.guidance._bayes import GUIDED_NOISE, SHIFTED_MEAN
from gmlib.exercises.guidance._cost import NETWORK_CALLS
from gmlib.exercises.guidance._free import HIDDEN_CLASSIFIER, ONE_WEIGHT
from gmlib.exercises.guidance._measured import HALF_SEEN
from gmlib.exercises.guidance._tilt import AIM_AND_FIELD, WHAT_COMES_OUT

EXERCISES = (
    GUIDED_NOISE,
    SHIFTED_MEAN,
    ONE_WEIGHT,
    HIDDEN_CLASSIFIER,
    AIM_AND_FIELD,
    WHAT_COMES_OUT,
    NETWORK_CALLS,
    HALF_SEEN,
)
"""Every exercise of the chapter."""
