"""Guidance: a denoiser made of denoisers, steered by a condition, a classifier or a measurement."""

from gmlib.noise.guidance.classifier_free import ClassifierFree
from gmlib.noise.guidance.classifier_guided import ClassifierGuided, log_prob_gradient
from gmlib.noise.guidance.measured import Measured
from gmlib.noise.guidance.weight import Weight, weight_from

__all__ = [
    "ClassifierFree",
    "ClassifierGuided",
    "Measured",
    "Weight",
    "log_prob_gradient",
    "weight_from",
]
