"""The exercises of chapter 09, in the order of the page."""

from gmlib.exercises.diffusion._bound import PRICE, TIGHT
from gmlib.exercises.diffusion._forward import JUMP, TOLD_APART
from gmlib.exercises.diffusion._posterior import POSTERIOR, REVERSE_VARIANCE
from gmlib.exercises.diffusion._ratio import CALM, EVEN_TIMES
from gmlib.exercises.diffusion._sampler import WALK_BACK
from gmlib.exercises.diffusion._targets import TARGETS

EXERCISES = (
    JUMP,
    TOLD_APART,
    POSTERIOR,
    PRICE,
    TIGHT,
    TARGETS,
    WALK_BACK,
    REVERSE_VARIANCE,
    CALM,
    # The last one is about the companion.
    EVEN_TIMES,
)
"""Every exercise of the chapter."""
