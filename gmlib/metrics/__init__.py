"""Rulers: how far a model's samples are from the data."""

from gmlib.metrics.estimate import Estimate, mean_estimate
from gmlib.metrics.frechet import frechet_distance, gaussian_frechet_distance
from gmlib.metrics.inception import inception_score
from gmlib.metrics.neighbours import Neighbours, ball_counts, distance_blocks, k_nearest

__all__ = [
    "Estimate",
    "Neighbours",
    "ball_counts",
    "distance_blocks",
    "frechet_distance",
    "gaussian_frechet_distance",
    "inception_score",
    "k_nearest",
    "mean_estimate",
]
